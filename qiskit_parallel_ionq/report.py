# SPDX-License-Identifier: Apache-2.0
"""Where each circuit's result comes from: a table with one row per circuit, of plain values only."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from .batch import Batch
from .lifecycle import Submission
from .parcel import Token
from .timeline import Timeline, timeline_of
from .wire import JobRecord, JobState


@dataclass(frozen=True, slots=True)
class Provenance:
    """What is known of one circuit's way. Times are ISO 8601, UTC; None where nobody knows."""

    circuit: int
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


class Report:
    """One `Provenance` for each circuit, in input order. ``pandas.DataFrame(report.records())`` takes it."""

    def __init__(self, job_id: str, rows: tuple[Provenance, ...], timeline: Timeline) -> None:
        self.job_id = job_id
        self.rows = rows
        self.timeline = timeline

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Provenance]:
        return iter(self.rows)

    def __getitem__(self, circuit: int) -> Provenance:
        return self.rows[circuit]

    def records(self) -> list[dict[str, object]]:
        """Return the rows as dicts."""
        return [asdict(row) for row in self.rows]

    def __str__(self) -> str:
        states = Counter(row.status for row in self.rows)
        told = ", ".join(f"{count} {state}" for state, count in states.most_common())
        again = sum(max(0, row.posts - 1) for row in self.rows)
        twins = sum(len(row.twins) for row in self.rows)
        return (
            f"run {self.job_id}: {len(self)} circuits ({told}); {again} submissions repeated after a proof "
            f"of absence, {twins} twins"
        )

    def __repr__(self) -> str:
        return f"<Report of {self}>"

    def _repr_html_(self) -> str:
        columns = ("circuit", "name", "status", "job_id", "posts", "setbacks", "sent_at", "ended_at", "error")
        head = "".join(f"<th>{column}</th>" for column in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_shown(getattr(row, c)))}</td>" for c in columns) + "</tr>"
            for row in self.rows
        )
        return f"<p>{html.escape(str(self))}</p><table><tr>{head}</tr>{body}</table>"


def report_on(batch: Batch, now: float, wall: Callable[[float], float]) -> Report:
    """Return the report on a run, finished or not.

    Args:
        batch: the run.
        now: on the conductor's clock.
        wall: turns a time of the conductor's clock into seconds of the wall clock.
    """
    rows = tuple(_row(batch, index, wall) for index in range(batch.total))
    return Report(batch.run.id, rows, timeline_of(batch, now=now, wall=wall))


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
        circuit=index,
        name=str(batch.headers.get(index, {}).get("name", "")),
        status=batch.phase(index).value,
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
