# SPDX-License-Identifier: Apache-2.0
"""Where the time of a run went, read off its record: one row per IonQ job, what they add up to, the ideal."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from . import wire
from .batch import Batch
from .lifecycle import FOUND, Phase, Submission
from .parcel import Parcel
from .spans import Mark, Row, Span, Stage, Step, Times, brief, critical_path, ideal_time, skew, spans_of
from .stamps import known
from .wire import JobRecord

FAILED, CANCELLED, READ_AGAIN = "failed", "cancelled", "read again"
"""Marks besides those that a submission's setbacks are."""
AT_ONCE = 0.001
"""Seconds: a result that is decoded this soon did not wait for it."""


@dataclass(frozen=True)
class Timeline:
    """The stages of a run's jobs. Times are seconds since it began.

    Attributes:
        job_id: of the run.
        target: where it ran.
        total: circuits.
        workers: requests that may be under way at once.
        rows: one for each submission, and for each circuit that never became one.
        is_whole: whether this process saw it from beginning to end; else times may be missing.
        round_trip: seconds of the quickest exchange; None if there was none.
        ideal: seconds that it takes at least, see `spans.ideal_time`; None where that cannot be told.
        requests: what was sent for it, from here; None where others sent, too.
        connections: those that were opened for it. Where it found open ones it needs none.
    """

    job_id: str
    target: str
    total: int
    workers: int
    rows: tuple[Row, ...]
    is_whole: bool
    round_trip: float | None = None
    ideal: float | None = None
    requests: int | None = None
    connections: int | None = None

    @cached_property
    def path(self) -> tuple[Step, ...]:
        """What the end of the run waited for, see `spans.critical_path`."""
        return critical_path(self.rows, 0.0, Stage.CHECK if self.is_whole else Stage.UNKNOWN)

    @property
    def wall(self) -> float | None:
        """Seconds from the call to the last result, or to now."""
        ends = [row.end for row in self.rows if row.spans]
        return max(ends) if ends else None

    @property
    def ratio(self) -> float | None:
        """Wall time over the ideal."""
        return self.wall / self.ideal if self.wall is not None and self.ideal else None

    @property
    def path_seconds(self) -> dict[Stage, float]:
        """Seconds of the critical path by stage, the longest first. They add up to the wall time."""
        sums: dict[Stage, float] = {}
        for step in self.path:
            sums[step.span.stage] = sums.get(step.span.stage, 0.0) + step.span.length
        return dict(sorted(sums.items(), key=lambda item: -item[1]))

    @property
    def summary(self) -> str:
        """The run in one line."""
        here, jobs = sum(len(row.circuits) for row in self.rows), len(self.rows)
        told = [f"{self.total} circuits" if here == self.total else f"{here} of {self.total} circuits"]
        if here > jobs:
            told[0] += f" in {jobs} job{'s' if jobs > 1 else ''}"
        told[0] += f" on {self.target}"
        if self.wall is not None:
            told[0] += f": {brief(self.wall)}"
        if self.ideal and self.ratio is not None:
            told.append(f"ideal {brief(self.ideal)}, ratio {self.ratio:.2f}")
        if self.requests:
            told.append(f"{self.requests} requests, {self.connections} new connections")
        lost = sum(len(row.circuits) for row in self.rows if row.status in (Phase.FAILED, Phase.CANCELLED))
        if lost:
            told.append(f"{lost} without a result")
        if not self.is_whole:
            told.append("not all of it was seen from here")
        return "; ".join(told)

    @property
    def path_summary(self) -> str:
        """The critical path in one line, the longest stage first; stages below a hundredth of it together."""
        sums, wall = self.path_seconds, sum(self.path_seconds.values())
        told = [f"{stage.value} {brief(time)}" for stage, time in sums.items() if time >= 0.01 * wall]
        rest = sum(time for time in sums.values() if time < 0.01 * wall)
        if rest > 0.0005:
            told.append(f"the rest {brief(rest)}")
        return "critical path: " + ", ".join(told) if told else ""


def timeline_of(batch: Batch, *, now: float, wall: Callable[[float], float]) -> Timeline:
    """Return the timeline of a run, finished or not.

    Args:
        batch: the run.
        now: on the conductor's clock.
        wall: turns a time of the conductor's clock into seconds of the wall clock.
    """
    parcels, submissions = list(batch.parcels), list(batch.submissions)  # they grow
    ahead = skew(exchanges(submissions))
    ahead = wall(0.0) if ahead is None else ahead
    troubles: dict[int, list[Mark]] = {}
    for number, at, why in list(batch.stamps.troubles):
        troubles.setdefault(number, []).append(Mark(at, READ_AGAIN, why))
    rows = []
    for number, (parcel, sent) in enumerate(zip(parcels, submissions, strict=False)):
        times = _times(batch, number, parcel, sent, now=now, ahead=ahead)
        rows.append(_row(batch, parcel, sent, times, troubles.get(number, [])))
    rows += [_unsent(batch, index) for index in range(batch.total) if _is_unsent(batch, index)]
    is_whole = all(known(batch.stamps.taken, number) is not None for number in range(len(parcels)))
    shown = [row.begin for row in rows if row.spans]
    called = batch.stamps.began
    began = min(shown if math.isnan(called) else [*shown, called], default=0.0)
    whole = Timeline(
        batch.run.id,
        batch.target,
        batch.total,
        batch.run.workers,
        tuple(_since(row, began) for row in rows),
        is_whole,
        round_trip=_round_trip(rows),
    )
    if not is_whole:
        return whole
    return replace(
        whole,
        ideal=_ideal(whole, submissions) if batch.is_over else None,
        requests=batch.traffic.requests,
        connections=batch.traffic.connections,
    )


def exchanges(submissions: Sequence[Submission]) -> Iterator[tuple[float, float, float]]:
    """Yield when submissions left, were answered, and arrived by the service's clock."""
    for sent in submissions:
        arrived = wire.moment(sent.record.submitted_at) if sent.record is not None else None
        if arrived and sent.first_sent_at is not None and sent.accepted_at is not None:
            yield sent.first_sent_at, sent.accepted_at, arrived.timestamp()


def _times(batch: Batch, number: int, parcel: Parcel, sent: Submission, *, now: float, ahead: float) -> Times:
    stamps = batch.stamps
    started, completed = in_service(sent, ahead)
    began = [at for i in parcel.circuits if (at := known(stamps.compile_began, i)) is not None]
    compiled = [at for i in parcel.circuits if (at := known(stamps.compile_ended, i)) is not None]
    answered, opened = known(stamps.answered, number), known(stamps.opened, number)
    if answered is not None and opened is not None and opened - answered < AT_ONCE:
        opened = answered
    ended = [at for i in parcel.circuits if (at := known(stamps.ended, i)) is not None]
    end = max(ended, default=sent.ended_at)
    if not all(map(batch.has_ended, parcel.circuits)):
        end = now
    return Times(
        compile_began=min(began, default=None),
        compile_ended=max(compiled, default=None),
        taken=known(stamps.taken, number),
        started=started,
        completed=completed,
        asked=known(stamps.asked, number),
        answered=answered,
        opened=opened,
        ended=end,
    )


def in_service(sent: Submission, ahead: float) -> tuple[float | None, float | None]:
    """Return when a job ran, on our clock.

    A result that was asked for unseen leaves the last word to what the service foretold: a job that waited
    when it was looked at began after the wait that it was given, and lasted as long as it was to last.

    Args:
        sent: the job's submission.
        ahead: seconds by which the service's clock, since the epoch, is ahead of the conductor's.
    """
    record = sent.record
    if record is None:
        return None, None

    def ours(text: str | None) -> float | None:
        moment = wire.moment(text)
        return None if moment is None else moment.timestamp() - ahead

    started, completed = ours(record.started_at), ours(record.completed_at)
    if started is None and record.predicted_wait_ms is not None and sent.seen_at is not None:
        started = sent.seen_at + record.predicted_wait_ms / 1000.0
    lasted = execution_ms(record)
    if completed is None and started is not None and lasted is not None and sent.phase.is_final:
        completed = started + lasted / 1000.0
    return started, completed


def execution_ms(record: JobRecord) -> float | None:
    """Return how long a job ran, or was to run."""
    return record.execution_ms if record.execution_ms is not None else record.predicted_execution_ms


def _row(batch: Batch, parcel: Parcel, sent: Submission, times: Times, troubles: list[Mark]) -> Row:
    marks = [Mark(s.at, s.what, s.why) for s in sent.setbacks if s.what != FOUND]
    marks += troubles
    status = _status([batch.phase(index) for index in parcel.circuits])
    spans = spans_of(sent, times, is_fetched=not parcel.dry_run)
    if status in (Phase.FAILED, Phase.CANCELLED) and spans:
        why = next((str(batch.errors[i]) for i in parcel.circuits if i in batch.errors), "")
        marks.append(Mark(spans[-1].end, status.value, why))
    return Row(_places(batch, parcel.circuits), _label(batch, parcel.circuits), status, spans, tuple(marks))


def _status(phases: Sequence[Phase]) -> Phase:
    """Return how a job stands: as its circuits do, of which the unluckiest is shown."""
    order = (Phase.FAILED, Phase.CANCELLED)
    return next((phase for phase in order if phase in phases), phases[0])


def _places(batch: Batch, circuits: tuple[int, ...]) -> tuple[int, ...]:
    """Return positions in what was run: in a stretch of a stream, counted from the stream's beginning."""
    return tuple(batch.run.first + index for index in circuits)


def _label(batch: Batch, circuits: tuple[int, ...]) -> str:
    places = _places(batch, circuits)
    if len(circuits) > 1:
        return f"{places[0]}…{places[-1]}"
    name = str(batch.headers.get(circuits[0], {}).get("name", ""))
    return f"{name} · {places[0]}" if name else str(places[0])


def _is_unsent(batch: Batch, index: int) -> bool:
    return index not in batch.parcel_of and index not in batch.carried


def _unsent(batch: Batch, index: int) -> Row:
    """Return the row of a circuit that is no submission: not yet compiled, or not to be compiled."""
    began, ended = known(batch.stamps.compile_began, index), known(batch.stamps.ended, index)
    spans = (Span(Stage.COMPILE, began, ended),) if began is not None and ended is not None else ()
    status = batch.phase(index)
    marks = (Mark(ended, status.value, str(batch.errors.get(index, ""))),) if spans and ended else ()
    return Row(_places(batch, (index,)), _label(batch, (index,)), status, spans, marks)


def _since(row: Row, began: float) -> Row:
    spans = tuple(Span(span.stage, span.begin - began, span.end - began) for span in row.spans)
    marks = tuple(replace(mark, at=mark.at - began) for mark in row.marks)
    return replace(row, spans=spans, marks=marks)


def _round_trip(rows: Sequence[Row]) -> float | None:
    return min((s.length for row in rows for s in row.spans if s.stage.is_request), default=None)


def _ideal(timeline: Timeline, submissions: Sequence[Submission]) -> float | None:
    """Return the ideal of a run that is over, as far as the service has said how long jobs took it."""
    told = [_service_time(sent) for sent in submissions if sent.job_id is not None]
    times = [time for time in told if time is not None]
    if not times or timeline.round_trip is None:
        return None
    usual = statistics.median(times)
    services = [usual if time is None else time for time in told]
    return ideal_time(services, workers=timeline.workers, round_trip=timeline.round_trip)


def _service_time(sent: Submission) -> float | None:
    """Return the seconds from a job's arrival to its end, by the service's own account."""
    record = sent.record
    if record is None:
        return None
    arrived, started = wire.moment(record.submitted_at), wire.moment(record.started_at)
    completed, running = wire.moment(record.completed_at), execution_ms(record)
    if arrived and completed:
        return max(0.0, (completed - arrived).total_seconds())
    if running is None:
        return None
    queued = 0.0
    if arrived and started:
        queued = max(0.0, (started - arrived).total_seconds())
    elif record.predicted_wait_ms is not None and sent.seen_at and sent.accepted_at:
        queued = sent.seen_at - sent.accepted_at + record.predicted_wait_ms / 1000.0
    longest = sent.ended_at - sent.sent_at if sent.ended_at and sent.sent_at else math.inf
    return min(queued + running / 1000.0, longest)
