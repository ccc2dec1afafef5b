# SPDX-License-Identifier: Apache-2.0
"""Where each circuit's result comes from, and where the time went: a table of plain values."""

from __future__ import annotations

import html
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cached_property, partial

from .batch import Batch
from .lifecycle import FOUND, Submission
from .parcel import Token
from .spans import Stage, brief
from .timeline import Timeline, timeline_of
from .wire import JobRecord, JobState


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of one circuit's way. Times are ISO 8601, UTC; None where nobody knows."""

    circuit: int
    """Position in what was run; in a stretch of a stream, counted from the stream's beginning."""
    name: str
    status: str
    job_id: str | None
    token: str | None
    generation: int
    shots: int
    digest: str | None
    """First 12 hex digits of the SHA-256 of what the job says."""
    posts: int
    """Submissions that may have reached the service; more than 1 only after a proof of absence."""
    setbacks: tuple[str, ...]
    """What went wrong on the way and was seen to, in order."""
    twins: tuple[str, ...]
    """Jobs that were stored beside the one that counts."""
    sent_at: str | None
    """When the last submission left, by this machine's clock."""
    accepted_at: str | None
    ended_at: str | None
    submitted_at: str | None
    """By the service's clock, as the next two."""
    started_at: str | None
    completed_at: str | None
    predicted_ms: float | None
    """How long the service thought that it would run, in milliseconds."""
    execution_ms: float | None
    error: str | None

    @property
    def is_troubled(self) -> bool:
        """Whether something went wrong on the way."""
        return bool(self.error or self.setbacks or self.twins)


LINES, HTML_ROWS = 30, 100
"""Circuits that are shown in text and in a notebook."""
_DURATIONS: dict[str, tuple[Stage, ...]] = {
    "compile_s": (Stage.COMPILE,),
    "wait_s": (Stage.WAIT,),
    "submit_s": (Stage.SUBMIT, Stage.DOUBT),
    "queue_s": (Stage.QUEUE,),
    "run_s": (Stage.RUN,),
    "service_s": (Stage.QUEUE, Stage.RUN, Stage.SERVICE),
    "fetch_s": (Stage.FETCH,),
    "decode_s": (Stage.DECODE,),
}
_NAMES = {name: name.removesuffix("_s") for name in _DURATIONS} | {"wait_s": "wait here", "total_s": "total"}
_LINE = ("circuit", "name", "status", "job", "wait", "submit", "service", "fetch", "total s", "notes")
_COLUMNS = (
    "circuit", "name", "status", "job_id", "posts", "setbacks", "wait_s", "submit_s", "service_s", "fetch_s",
    "total_s", "sent_at", "ended_at", "error",
)  # fmt: skip


class Report:
    """One `Provenance` for each circuit, in input order, and where the time went.

    Printed, it is a summary, the durations of the stages and a table; ``pandas.DataFrame(report.records())``
    is all of it.
    """

    def __init__(self, job_id: str, rows: tuple[Provenance, ...], timeline: Callable[[], Timeline]) -> None:
        self.job_id = job_id
        self.rows = rows
        self._make_timeline = timeline

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Provenance]:
        return iter(self.rows)

    def __getitem__(self, circuit: int) -> Provenance:
        return self.rows[circuit]

    @cached_property
    def timeline(self) -> Timeline:
        """Where the time went: what ``job.timeline()`` draws, as data."""
        return self._make_timeline()

    @cached_property
    def _durations(self) -> dict[int, dict[str, float | None]]:
        """Seconds by circuit; circuits of a pack share them."""
        found: dict[int, dict[str, float | None]] = {}
        for row in self.timeline.rows:
            times = {name: row.seconds(*stages) for name, stages in _DURATIONS.items()}
            times["total_s"] = row.end - row.begin if row.spans else None
            found.update(dict.fromkeys(row.circuits, times))
        return found

    def records(self) -> list[dict[str, object]]:
        """Return the rows as dicts, with the seconds of each stage besides; None where nobody knows.

        ``wait_s``: here, for a connection or for the moment to ask; ``submit_s``: until the service had it
        for certain; ``service_s``: there, of which ``queue_s`` and ``run_s`` are what is known apart.
        """
        unknown = dict.fromkeys((*_DURATIONS, "total_s"))
        return [{**asdict(row), **self._durations.get(row.circuit, unknown)} for row in self.rows]

    @property
    def summary(self) -> str:
        """How the circuits stand, in one line."""
        states = Counter(row.status for row in self.rows)
        told = [", ".join(f"{count} {state}" for state, count in states.most_common())]
        again = sum(max(0, row.posts - 1) for row in self.rows)
        setbacks = sum(not what.startswith(FOUND) for row in self.rows for what in row.setbacks)
        twins = sum(len(row.twins) for row in self.rows)
        if setbacks:
            told.append(f"{setbacks} setback{'s' if setbacks > 1 else ''} on the way")
        if again or twins:
            told.append(f"{again} submissions repeated after a proof of absence, {twins} twins")
        return "; ".join(filter(None, told))

    def __str__(self) -> str:
        shown = list(self.rows)
        if len(shown) > LINES:
            shown = [row for row in self.rows if row.is_troubled][:LINES]
        lines = [*self._headline(), "", *_table(self._stages())]
        lines += ["", *_table([_LINE, *(self._line(row) for row in shown)])] if shown else []
        lines += self._rest(shown)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Report of run {self.job_id}: {len(self)} circuits ({self.summary})>"

    def _repr_html_(self) -> str:
        ranked = sorted(self.rows, key=lambda row: not row.is_troubled)
        shown = sorted(ranked[:HTML_ROWS], key=lambda row: row.circuit)
        head = "".join(f"<th>{column}</th>" for column in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_shown(value))}</td>" for value in self._cells(row)) + "</tr>"
            for row in shown
        )
        told = "".join(f"<p>{html.escape(text)}</p>" for text in (*self._headline(), *self._rest(shown)))
        return f"{told}<table><tr>{head}</tr>{body}</table>"

    def _headline(self) -> list[str]:
        lines = [f"run {self.job_id}", self.timeline.summary, self.summary, self.timeline.path_summary]
        return [line for line in lines if line]

    def _rest(self, shown: Sequence[Provenance]) -> list[str]:
        """Return what to say of the circuits that are not shown: those in trouble are, as far as they fit."""
        left = len(self) - len(shown)
        troubled = sum(row.is_troubled for row in self.rows) - sum(row.is_troubled for row in shown)
        if not left:
            return []
        how = f"{troubled} of them met with trouble" if troubled else "nothing befell them"
        return [f"{left} more circuits are not shown: {how}; records() has all"]

    def _stages(self) -> list[tuple[str, ...]]:
        """Return median and longest duration of each stage that is known of some circuit."""
        lines: list[tuple[str, ...]] = [("", "median", "longest")]
        for name in (*_DURATIONS, "total_s"):
            known = [time for row in self._durations.values() if (time := row[name]) is not None]
            is_told = name == "service_s" and all(row["queue_s"] is None for row in self._durations.values())
            if known and not is_told:
                lines.append((_NAMES[name], brief(statistics.median(known)), brief(max(known))))
        return lines

    def _line(self, row: Provenance) -> tuple[str, ...]:
        times = self._durations.get(row.circuit, {})
        told = [
            _seconds(times.get(name)) for name in ("wait_s", "submit_s", "service_s", "fetch_s", "total_s")
        ]
        job = "" if row.job_id is None else f"…{row.job_id[-8:]}"
        notes = "; ".join(
            [*(setback.partition(":")[0] for setback in row.setbacks), *filter(None, (row.error,))]
        )
        return str(row.circuit), row.name[:20], row.status, job, *told, notes[:60]

    def _cells(self, row: Provenance) -> Iterator[object]:
        times = self._durations.get(row.circuit, {})
        for column in _COLUMNS:
            yield _seconds(times.get(column)) if column.endswith("_s") else getattr(row, column)


def report_on(batch: Batch, now: float, wall: Callable[[float], float]) -> Report:
    """Return the report on a run, finished or not.

    Args:
        batch: the run.
        now: on the conductor's clock.
        wall: turns a time of the conductor's clock into seconds of the wall clock.
    """
    rows = tuple(_row(batch, index, wall) for index in range(batch.total))
    make = partial(timeline_of, batch, now=now, wall=wall)
    if batch.is_over:  # nothing moves any more
        return Report(batch.run.id, rows, make)
    made = make()
    return Report(batch.run.id, rows, lambda: made)


def _row(batch: Batch, index: int, wall: Callable[[float], float]) -> Provenance:
    number = batch.parcel_of.get(index)
    sent = Submission() if number is None else batch.submissions[number]
    parcel = None if number is None else batch.parcels[number]
    record = sent.record or JobRecord("", JobState.UNKNOWN)
    token = Token.read(parcel.token) if parcel is not None else None
    error = batch.errors.get(index)

    def time(at: float | None) -> str | None:
        if at is None:
            return None
        return datetime.fromtimestamp(wall(at), timezone.utc).isoformat(timespec="milliseconds")

    return Provenance(
        circuit=batch.run.first + index,
        name=str(batch.headers.get(index, {}).get("name", "")),
        status=batch.state(index),
        job_id=batch.job_id(index),
        token=parcel.token if parcel is not None else None,
        generation=token.generation if token is not None else batch.run.generation,
        shots=batch.run.shots[index] if index < len(batch.run.shots) else 0,
        digest=parcel.digest if parcel is not None else None,
        posts=sent.posts,
        setbacks=tuple(f"{s.what}: {s.why}" if s.why else s.what for s in sent.setbacks),
        twins=batch.twins.get(number, ()) if number is not None else (),
        sent_at=time(sent.sent_at),
        accepted_at=time(sent.accepted_at),
        ended_at=time(sent.ended_at),
        submitted_at=record.submitted_at,
        started_at=record.started_at,
        completed_at=record.completed_at,
        predicted_ms=record.predicted_execution_ms,
        execution_ms=record.execution_ms,
        error=None if error is None else f"{type(error).__name__}: {error}",
    )


def _shown(value: object) -> str:
    if value is None:
        return ""
    return "; ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _seconds(time: float | None) -> str:
    if time is None:
        return "–"
    return f"{time:.3f}" if time < 100.0 else f"{time:.0f}"


def _table(lines: Sequence[tuple[str, ...]]) -> list[str]:
    """Return rows of cells as text: numbers and durations to the right, all in columns."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    to_the_left = {n for n, name in enumerate(lines[0]) if name in ("", "name", "status", "job", "notes")}
    return [
        "  ".join(
            cell.ljust(width) if place in to_the_left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
