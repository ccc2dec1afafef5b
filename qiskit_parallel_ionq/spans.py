# SPDX-License-Identifier: Apache-2.0
"""What the time of a run went into: the stages of each submission, the path that decided, the ideal. Pure.

Stages are told as they are seen from here: a request lasts until its answer has arrived, and the service has
what lies between two requests. So the stages of a submission follow each other without overlap, and those of
the critical path add up to the time of the run.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from .lifecycle import ABSENT, DISOWNED, FOUND, LOST, Phase, Submission

HANDED_ON = 0.01
"""Seconds: what begins to move this soon after a request has ended was waiting for that request's worker."""
ALIKE = 0.002
"""Seconds: of requests that end this close together, none can be said to have freed the worker."""


class Stage(Enum):
    """What a circuit is in, or waits for."""

    CHECK = "check"
    """Of all circuits, and of the target, before the first is compiled."""
    COMPILE = "compile"
    WAIT = "wait here"
    SUBMIT = "submit"
    DOUBT = "in doubt"
    QUEUE = "queue"
    RUN = "run"
    SERVICE = "queue or run"
    FETCH = "fetch"
    DECODE = "decode"
    UNKNOWN = "not known"

    @property
    def is_request(self) -> bool:
        """Whether a connection is held by it."""
        return self in (Stage.SUBMIT, Stage.FETCH)


@dataclass(frozen=True, slots=True)
class Span:
    """One stage of one submission, in seconds."""

    stage: Stage
    begin: float
    end: float

    @property
    def length(self) -> float:
        """Seconds that it took."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment at which something went wrong."""

    at: float
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One submission, or a circuit that never became one."""

    circuits: tuple[int, ...]
    label: str
    status: Phase
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...] = ()

    @property
    def begin(self) -> float:
        """When it is first known of."""
        return self.spans[0].begin if self.spans else math.inf

    @property
    def end(self) -> float:
        """When it is last known of."""
        return self.spans[-1].end if self.spans else -math.inf

    def seconds(self, *stages: Stage) -> float | None:
        """Return the time spent in some stages; None if it is not known to have been in any."""
        found = [span.length for span in self.spans if span.stage in stages]
        return sum(found) if found else None


@dataclass(frozen=True, slots=True)
class Times:
    """What is known of a submission's way besides the submission itself; on one clock, None where unknown."""

    compile_began: float | None = None
    compile_ended: float | None = None
    taken: float | None = None
    """When the conductor had it."""
    started: float | None = None
    """By the service's clock, aligned; as the next one."""
    completed: float | None = None
    asked: float | None = None
    """When its result was asked for."""
    answered: float | None = None
    opened: float | None = None
    """When decoding began."""
    ended: float | None = None
    """When its state was final, or the present."""


def spans_of(sent: Submission, times: Times, *, is_fetched: bool = True) -> tuple[Span, ...]:
    """Return the stages of a submission, one after the other.

    A time that nobody knows joins the stages on either side: what was either queued or running is
    `Stage.SERVICE`, and what could have been anything is `Stage.UNKNOWN`.

    Args:
        sent: the submission.
        times: what else is known of it.
        is_fetched: whether a result was wanted of it.

    >>> queued = Submission(Phase.DONE, sent_at=1.0, accepted_at=1.2, job_id="j")
    >>> times = Times(taken=0.5, started=2.0, completed=5.0, asked=5.0, answered=5.2, ended=5.2)
    >>> [(span.stage.value, span.begin) for span in spans_of(queued, times)]
    [('wait here', 0.5), ('submit', 1.0), ('queue', 1.2), ('run', 2.0), ('fetch', 5.0)]
    """
    spans: list[Span] = []
    since: float | None = None
    passed: list[Stage] = []
    for at, stage in (*_knots(sent, times, is_fetched), (times.ended, Stage.UNKNOWN)):
        if at is None:
            passed.append(stage)
            continue
        if since is not None and at > since:
            joined = _joined(passed)
            if spans and spans[-1].stage is joined:
                since = spans.pop().begin
            spans.append(Span(joined, since, at))
        since, passed = at if since is None else max(since, at), [stage]
    return tuple(spans)


def _knots(sent: Submission, times: Times, is_fetched: bool) -> Iterator[tuple[float | None, Stage]]:
    """Yield when one stage ended and which one began."""
    yield times.compile_began, Stage.COMPILE
    yield times.compile_ended, Stage.WAIT
    yield times.taken, Stage.WAIT
    told = None
    for setback in sent.setbacks:
        if setback.what == FOUND:
            continue
        if setback.since is not None and setback.what != ABSENT:
            told = setback.since
            yield told, Stage.UNKNOWN if setback.what == DISOWNED else Stage.SUBMIT
        yield setback.at, Stage.DOUBT if setback.what in (LOST, DISOWNED) else Stage.WAIT
    if sent.sent_at is not None and sent.sent_at != told:
        yield sent.sent_at, Stage.SUBMIT
    if sent.job_id is None:
        return
    result_wanted = times.asked is not None or (sent.phase is Phase.DONE and is_fetched)
    limit = next((t for t in (times.asked, times.answered, times.opened, times.ended) if t is not None), None)
    yield sent.accepted_at, Stage.QUEUE
    if sent.shown_phase is not Phase.QUEUED:
        yield _at_most(times.started, limit), Stage.RUN
        if sent.shown_phase is not Phase.RUNNING:
            yield _at_most(times.completed, limit), Stage.WAIT
    if result_wanted:
        yield times.asked, Stage.FETCH
        yield times.answered, Stage.WAIT
        yield times.opened, Stage.DECODE


def _at_most(time: float | None, limit: float | None) -> float | None:
    return time if time is None or limit is None else min(time, limit)


def _joined(stages: Sequence[Stage]) -> Stage:
    """Return what can be said of the time in which all of these may have been."""
    kinds = set(stages)
    if len(kinds) == 1:
        return stages[0]
    if kinds == {Stage.RUN, Stage.WAIT}:
        return Stage.RUN
    if stages[0] is Stage.FETCH:
        return Stage.FETCH
    if kinds <= {Stage.QUEUE, Stage.RUN, Stage.WAIT}:
        return Stage.SERVICE
    return Stage.UNKNOWN


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of the critical path."""

    row: int
    span: Span


def critical_path(
    rows: Sequence[Row], began: float = -math.inf, before: Stage = Stage.CHECK
) -> tuple[Step, ...]:
    """Return what the end of a run waited for, from the first to the last moment, without a gap.

    It is followed back from the row that ended last. Where a row waited here and went on within `HANDED_ON`
    of the end of another row's request, it waited for that worker, and the path goes on in that row;
    likewise for a circuit that was compiled after another, as all are on one thread.

    Args:
        rows: of one run.
        began: when it began.
        before: what was between that and the first stage.
    """
    shown = [number for number, row in enumerate(rows) if row.spans]
    if not shown:
        return ()
    requests = _ends(rows, (Stage.SUBMIT, Stage.FETCH))
    compilations = _ends(rows, (Stage.COMPILE,))
    number = max(shown, key=lambda n: rows[n].end)
    at, steps = rows[number].end, []
    while True:
        span = next((s for s in reversed(rows[number].spans) if s.begin < at), None)
        freed = None
        if span is None:
            freed, gap = _before(compilations, at, number, within=math.inf), Stage.COMPILE
        elif span.stage is Stage.WAIT:
            freed, gap = _before(requests, at, number, within=HANDED_ON), Stage.WAIT
        if freed is not None:
            if freed[0] < at:
                steps.append(Step(number, Span(gap, freed[0], at)))
            at, number = freed
            continue
        if span is None:
            break
        steps.append(Step(number, Span(span.stage, span.begin, at)))
        at = span.begin
    first = steps[-1]
    if -math.inf < began < first.span.begin:
        steps.append(Step(first.row, Span(before, began, first.span.begin)))
    return tuple(reversed(steps))


def _ends(rows: Sequence[Row], stages: tuple[Stage, ...]) -> list[tuple[float, int]]:
    found = [(s.end, n) for n, row in enumerate(rows) for s in row.spans if s.stage in stages]
    return sorted(found)


def _before(
    ends: list[tuple[float, int]], at: float, number: int, *, within: float
) -> tuple[float, int] | None:
    """Return the end that came last before a time, of another row, if it came within so many seconds.

    Of several that came at almost the same time it is the nearest row's.
    """
    place = bisect_right(ends, (at, math.inf))
    while place and ends[place - 1][1] == number:
        place -= 1
    if not place or at - ends[place - 1][0] > within:
        return None
    alike = bisect_left(ends, (ends[place - 1][0] - ALIKE, -1))
    return min(ends[alike:place], key=lambda end: (abs(end[1] - number) or math.inf, -end[0]))


def ideal_time(services: Sequence[float], *, workers: int, round_trip: float) -> float:
    """Return the least time for jobs over so many connections, in seconds.

    Job ``k`` leaves with wave ``k // workers`` at the earliest; its answer, the service's time and one more
    round trip follow. And so many submissions and fetches pass so many connections no faster. For ``N``
    jobs of equal time ``T`` that is ``max(⌈N/W⌉ · RTT + T + RTT, 2 · ⌈N/W⌉ · RTT)``.

    Args:
        services: seconds that the service had each job, in the order of submission.
        workers: connections.
        round_trip: seconds of an exchange that the service answers at once.

    >>> round(ideal_time([3.0] * 20, workers=10, round_trip=0.15), 9)
    3.45
    """
    waves = math.ceil(len(services) / workers)
    last = max(((k // workers + 1) * round_trip + time for k, time in enumerate(services)), default=0.0)
    return max(last + round_trip, 2 * waves * round_trip) if services else 0.0


def skew(seen: Iterable[tuple[float, float, float]]) -> float | None:
    """Return by how many seconds another clock is ahead of ours; None if nothing tells.

    Args:
        seen: for some requests when they left, when they were answered, and when they arrived by that clock.

    >>> skew([(0.0, 1.0, 100.5), (10.0, 10.2, 110.1)])
    100.0
    """
    found = list(seen)
    if not found:
        return None
    at_least = max(arrived - answered for _, answered, arrived in found)
    at_most = min(arrived - left for left, _, arrived in found)
    return (at_least + at_most) / 2.0


def brief(seconds: float) -> str:
    """Return a duration as people say it.

    >>> [brief(s) for s in (0.0004, 0.0123, 0.5, 3.456, 75.0, 4000.0)]
    ['0.4 ms', '12 ms', '0.50 s', '3.46 s', '1 min 15 s', '1 h 6 min']
    """
    if seconds < 0.1:
        return f"{seconds * 1e3:.1f} ms" if seconds < 0.00995 else f"{seconds * 1e3:.0f} ms"
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
