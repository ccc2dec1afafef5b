# SPDX-License-Identifier: Apache-2.0
"""When to try, when to wait and when to look: arithmetic only, no clock, no sleep, no I/O.

Times are seconds on the caller's monotonic clock; ``jitter`` is a number in [0, 1) drawn by the caller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import ClassVar

LONGEST_RETRY_AFTER = 600.0


class Verdict(Enum):
    """What one answer to ``POST /jobs``, or the lack of one, proves."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """This job is refused for good; others are not concerned."""
    STOP = "stop"
    """The account is refused: nothing more may be sent."""
    PUSHED_BACK = "pushed back"
    """Too many requests: there is no job, the same may be sent later."""
    NOT_SENT = "not sent"
    """Not a byte left: there is no job, the same may be sent later."""
    UNKNOWN = "unknown"
    """The job may exist. It may not be sent again before it is proven absent."""


_REFUSED = frozenset({400, 404, 405, 411, 413, 415, 422})
_STOP = frozenset({401, 402, 403})


def verdict_on_submission(status: int | None, *, sent: bool, has_id: bool = False) -> Verdict:
    """Sort the outcome of a ``POST /jobs``. Whatever is not proven harmless is UNKNOWN.

    Args:
        status: HTTP status; None when no complete answer came.
        sent: whether the first byte of the request had been written.
        has_id: whether the answer was a JSON object with a usable job id.

    >>> verdict_on_submission(503, sent=True).name, verdict_on_submission(None, sent=False).name
    ('UNKNOWN', 'NOT_SENT')
    """
    if status is None:
        return Verdict.UNKNOWN if sent else Verdict.NOT_SENT
    if 200 <= status < 300 and has_id:
        return Verdict.ACCEPTED
    if status in _REFUSED:
        return Verdict.REFUSED
    if status in _STOP:
        return Verdict.STOP
    if status == 429:
        return Verdict.PUSHED_BACK
    return Verdict.UNKNOWN


def is_passing(status: int | None) -> bool:
    """Say whether a failed read may succeed if asked again: no answer, 408, 409, 425, 429 or any 5xx."""
    return status is None or status in (408, 409, 425, 429) or status >= 500


def retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read a ``Retry-After`` header, in seconds or as a date; None if absent or unreadable.

    >>> from datetime import datetime, timezone
    >>> now = datetime(2026, 10, 5, 12, 0, 0, tzinfo=timezone.utc)
    >>> retry_after("2", now=now), retry_after("Mon, 05 Oct 2026 12:00:30 GMT", now=now)
    (2.0, 30.0)
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    if seconds != seconds:  # "nan" is a float to Python
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Growing pauses with jitter."""

    first: float = 0.5
    factor: float = 2.0
    longest: float = 30.0
    attempts: int = 8

    def delay(self, attempt: int, *, jitter: float) -> float | None:
        """Return seconds to wait before retry number ``attempt`` (from 1), or None to give up.

        >>> Backoff().delay(1, jitter=0.5), Backoff().delay(9, jitter=0.0)
        (0.375, None)
        """
        if attempt > self.attempts:
            return None
        full = min(self.first * self.factor ** min(attempt - 1, 64), self.longest)  # a float ends at 2**1024
        return full * (0.5 + 0.5 * jitter)


class Kind(Enum):
    """What a request is to the gate."""

    SUBMISSION = "submission"
    READ = "read"
    CANCELLATION = "cancellation"


@dataclass(frozen=True, slots=True)
class Pace:
    """So many requests a second, evenly spaced: a token bucket that holds one token, off until a 429.

    A 429 says that the service's allowance was used up just then. What was answered between two of them,
    over the time between them, is the least that it can grant; the rate at which the refused request left
    is too much. From half-way between the two, requests go out at nine tenths of that, then ever closer to
    it, and leave it behind ever faster as long as no further 429 comes.

    Attributes:
        granted: requests/s that the service is thought to grant; infinite while the pace is off.
        is_guess: whether that was told from one burst, for want of better.
        settles_in: seconds from nine tenths of that rate to the whole; longer with each 429.
        since: when the rate began to rise.
        next_at: when the next request may leave.
        felt_at: when a request last had to wait for the pace.
        covers_reads: whether the service was seen to limit more than submissions.
        counted_from: since when answers are counted. While the pace is off, old ones fade.
        submissions: answers to submissions.
        others: answers to everything else.
    """

    granted: float = math.inf
    is_guess: bool = False
    settles_in: float = 1.0
    since: float = -math.inf
    next_at: float = -math.inf
    felt_at: float = -math.inf
    covers_reads: bool = False
    counted_from: float = -math.inf
    submissions: float = 0.0
    others: float = 0.0

    SLOWEST: ClassVar[float] = 0.5
    FADES_IN: ClassVar[float] = 1.0
    """Seconds over which the rate of a burst is reckoned."""
    ENOUGH: ClassVar[int] = 5
    """Answers between two 429s from which a rate can be told."""
    SETTLES_IN: ClassVar[float] = 15.0
    FORGOTTEN_AFTER: ClassVar[float] = 60.0

    @property
    def is_on(self) -> bool:
        """Whether a limit is known."""
        return self.granted < math.inf

    def covers(self, kind: Kind) -> bool:
        """Say whether requests of a kind use up the allowance, as far as is known."""
        return self.is_on and (self.covers_reads or kind is Kind.SUBMISSION)

    def rate(self, now: float) -> float:
        """Return requests/s.

        >>> pace = Pace(granted=10.0, settles_in=15.0, since=0.0)
        >>> [round(pace.rate(t), 2) for t in (0.0, 15.0, 30.0, 60.0)]
        [9.0, 10.0, 11.0, 37.0]
        """
        return self.granted * (1.0 + 0.1 * (max(0.0, now - self.since) / self.settles_in - 1.0) ** 3)

    def sent(self, now: float, kind: Kind) -> Pace:
        """Return the pace after a request has left; off if for long none had to wait."""
        if not self.covers(kind):
            return self
        step = 1.0 / self.rate(now)
        idle = max(0.0, now - self.next_at - step)
        if idle and now - self.felt_at > self.FORGOTTEN_AFTER:
            return Pace()
        return replace(
            self,
            next_at=max(self.next_at + step, now),
            felt_at=self.felt_at if idle else now,
            since=self.since + idle,  # time in which nobody wanted to send says nothing about the rate
            counted_from=self.counted_from + idle,
        )

    def answered(self, now: float, *, sent_at: float, kind: Kind) -> Pace:
        """Return the pace after a request that the service took."""
        if self.is_guess and sent_at <= self.counted_from:  # it left in the burst that the guess is about
            burst = 1.0 / self.FADES_IN if self.covers(kind) else 0.0
            return replace(self, granted=self.granted + burst)
        kept, is_submission = self._kept(now), kind is Kind.SUBMISSION
        return replace(
            self,
            counted_from=self.counted_from if self.is_on else now,
            submissions=self.submissions * kept + is_submission,
            others=self.others * kept + (not is_submission),
        )

    def _kept(self, now: float) -> float:
        """Return what share of each answer still counts."""
        return 1.0 if self.is_on else math.exp((self.counted_from - now) / self.FADES_IN)

    def pushed_back(self, now: float, *, sent_at: float, kind: Kind, until: float) -> Pace:
        """Return the pace after a 429, and a pause ``until`` some time."""
        covers_reads = self.covers_reads or kind is not Kind.SUBMISSION
        resumed = replace(self, since=until, next_at=until, felt_at=until, covers_reads=covers_reads)
        count = self._kept(now) * (self.submissions + (self.others if covers_reads else 0.0))
        if not self.is_on:
            granted, settles_in = count / self.FADES_IN, max(1.0, 5.0 * (now - sent_at))
        elif count >= self.ENOUGH:
            granted = (count / max(now - self.counted_from, 0.1) + self.rate(sent_at)) / 2.0
            is_news = covers_reads and not self.covers_reads
            settles_in = self.settles_in if is_news else max(self.SETTLES_IN, self.settles_in)
            settles_in = min(settles_in, 4.0 * self.settles_in)
        else:
            return resumed
        return replace(
            resumed,
            granted=max(granted, self.SLOWEST),
            is_guess=not self.is_on,
            settles_in=settles_in,
            counted_from=now,
            submissions=0.0,
            others=0.0,
        )


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate for all requests of an account: how many may be under way, how many a second, not before when.

    A 429 closes it for everybody at once, and from then on there is a `Pace`. A failure, which is a 5xx or
    silence, makes it narrower; after five setbacks without an answer in between it is shut, and single
    requests probe whether the service is back. Success opens it again. Requests that had left before the
    last cut tell nothing new, so one bad moment is one cut.

    Attributes:
        ceiling: the most that may be under way.
        width: how many may be.
        quick_to: the width to which it opens again quickly.
        not_before: when anything may leave; set by ``Retry-After`` and pauses, for everybody.
        cancels_from: when a cancellation may leave, should that be earlier: a pause may last, and cost.
        cancel_gap: seconds from that to the next; twice as long each time.
        cut_at: when it was last made narrower or slower.
        setbacks: 429s, counted once for all that left together, and failures, since the last answer.
    """

    ceiling: int
    width: float
    quick_to: float = 1.0
    not_before: float = 0.0
    cancels_from: float = -math.inf
    cancel_gap: float = 3.0
    cut_at: float = -math.inf
    setbacks: int = 0
    pace: Pace = Pace()

    SHUT_AFTER: ClassVar[int] = 5
    LONGEST_PROBE: ClassVar[float] = 15.0
    CANCELS_AFTER: ClassVar[float] = 3.0

    @classmethod
    def open(cls, ceiling: int) -> Gate:
        """Return a gate that lets ``ceiling`` requests through at once."""
        return cls(ceiling=ceiling, width=float(ceiling))

    @property
    def is_shut(self) -> bool:
        """Whether only single requests may leave, to see whether the service is back."""
        return self.setbacks >= self.SHUT_AFTER

    def opens_at(self, kind: Kind) -> float:
        """Return when a request of a kind may leave, if not too many are under way."""
        if self.is_shut:
            return self.not_before
        if kind is Kind.CANCELLATION:
            return min(self.not_before, self.cancels_from)
        return max(self.not_before, self.pace.next_at) if self.pace.covers(kind) else self.not_before

    def has_room(self, under_way: int) -> bool:
        """Say whether one more request may be under way; a probe may be beside those that hang."""
        return under_way < (self.ceiling if self.is_shut else max(1, int(self.width)))

    def allows(self, now: float, under_way: int, kind: Kind = Kind.READ) -> bool:
        """Say whether one more request may start."""
        return now >= self.opens_at(kind) and self.has_room(under_way)

    def sent(self, now: float, kind: Kind) -> Gate:
        """Return the gate after a request has left."""
        gate = self
        if self.is_shut:
            gate = replace(gate, not_before=now + _probe_pause(self.setbacks))
        elif kind is Kind.CANCELLATION and now < self.not_before:
            gate = replace(gate, cancels_from=now + self.cancel_gap, cancel_gap=2.0 * self.cancel_gap)
        pace = self.pace.sent(now, kind)
        return gate if pace is self.pace else replace(gate, pace=pace)

    def answered(self, now: float, *, sent_at: float, under_way: int, kind: Kind) -> Gate:
        """Return the gate after an answer of the service's own will, a refusal included.

        It widens by one for each width of answers, as long as at least half of it is used; after an outage
        by one for each answer.
        """
        width = self.width
        if width < self.ceiling and under_way >= width / 2.0:
            width = min(self.ceiling, width + (1.0 if width < self.quick_to else 1.0 / width))
        is_probe = self.is_shut and sent_at > self.cut_at
        return replace(
            self,
            width=width,
            not_before=min(self.not_before, now) if is_probe else self.not_before,
            setbacks=0,
            pace=self.pace.answered(now, sent_at=sent_at, kind=kind),
        )

    def pushed_back(
        self, now: float, *, sent_at: float, kind: Kind, pause: float | None, jitter: float
    ) -> Gate:
        """Return the gate after a 429.

        Args:
            now: current time.
            sent_at: when the request in question had left.
            kind: what it was.
            pause: what ``Retry-After`` asked for, if anything.
            jitter: spreads the restart over a further tenth of the pause.
        """
        if sent_at <= self.cut_at:
            return _held(self, now + (pause or 0.0))
        setbacks = self.setbacks + 1
        until = now + _pause(setbacks, pause, jitter)
        pace = self.pace.pushed_back(now, sent_at=sent_at, kind=kind, until=until)
        return _held(replace(_cut(self, now), setbacks=setbacks, pace=pace), until)

    def failed(
        self, now: float, *, sent_at: float, under_way: int, pause: float | None, jitter: float
    ) -> Gate:
        """Return the gate after a 5xx or silence.

        Args:
            now: current time.
            sent_at: when the request in question had left.
            under_way: how many requests were under way: what the gate is cut down from.
            pause: what ``Retry-After`` asked for, if anything.
            jitter: spreads the restart.
        """
        is_late, setbacks = sent_at <= self.cut_at, self.setbacks + 1
        shuts = setbacks >= self.SHUT_AFTER
        if is_late and (self.is_shut or not shuts):
            return _held(self if self.is_shut else replace(self, setbacks=setbacks), now + (pause or 0.0))
        if not shuts:
            width, quick_to = max(1.0, min(self.width, under_way) * 0.7), 1.0
        elif not self.is_shut:
            width, quick_to = 1.0, self.width
        else:
            width, quick_to = self.width, self.quick_to
        after = replace(_cut(self, now), width=width, quick_to=quick_to, setbacks=setbacks)
        # One failure among answers holds up nobody else; who met it waits for itself.
        is_lone = setbacks == 1 and pause is None
        return after if is_lone else _held(after, now + _pause(setbacks, pause, jitter))


def _probe_pause(setbacks: int) -> float:
    """Return seconds between two probes of a service from which so many setbacks came in a row."""
    return min(2.0 ** min(setbacks - Gate.SHUT_AFTER, 64), Gate.LONGEST_PROBE)


def _pause(setbacks: int, asked: float | None, jitter: float) -> float:
    """Return seconds for which nothing is to leave after the latest of so many setbacks in a row."""
    if setbacks >= Gate.SHUT_AFTER:
        asked = max(asked or 0.0, _probe_pause(setbacks))
    if asked is None:
        return Backoff().delay(setbacks, jitter=jitter) or 0.0
    return asked * (1.0 + 0.1 * jitter)


def _cut(gate: Gate, now: float) -> Gate:
    """Return a gate that takes note of being cut."""
    return replace(gate, cut_at=now, cancels_from=now + gate.CANCELS_AFTER, cancel_gap=gate.CANCELS_AFTER)


def _held(gate: Gate, until: float) -> Gate:
    """Return a gate through which nothing leaves before some time."""
    return gate if until <= gate.not_before else replace(gate, not_before=until)


@dataclass(frozen=True, slots=True)
class Watch:
    """When to look at a job whose submission left at ``left_at``.

    Whatever the network adds to our submission it adds to our next request as well, so a request that
    leaves ``turnaround`` seconds after the submission left arrives just when the result is there.
    """

    shortest: float = 0.1
    longest: float = 10.0
    farthest: float = 300.0
    growth: float = 0.1
    slack: float = 0.02
    most_slack: float = 1.0
    shortest_beat: float = 2.0
    longest_beat: float = 8.0

    def due(self, left_at: float, turnaround: float) -> float:
        """Return when to ask for a result that takes ``turnaround`` seconds in the service."""
        return left_at + turnaround + min(0.01 * turnaround, self.most_slack) + self.slack

    def turnaround(self, left_at: float, due: float) -> float:
        """Return the turnaround that ``due`` was reckoned from."""
        reckoned = due - left_at - self.slack
        return max(reckoned / 1.01, reckoned - self.most_slack)

    def again(self, *, elapsed: float, remaining: float | None) -> float:
        """Return seconds until the next look at a job that is not done.

        Args:
            elapsed: seconds since it was accepted; the interval grows with it.
            remaining: the service's own prediction, or None.

        >>> Watch().again(elapsed=0.2, remaining=None), Watch().again(elapsed=60.0, remaining=None)
        (0.1, 6.0)
        >>> Watch().again(elapsed=60.0, remaining=3600.0)
        300.0
        """
        interval = min(max(self.growth * elapsed, self.shortest), self.longest)
        if remaining is not None and remaining > interval:
            return min(max(remaining / 2.0, interval), self.farthest)
        return interval

    def beat(self, due: float, *, now: float, elapsed: float, may_be_early: bool) -> float:
        """Return when to look at one of many jobs: jobs that take long are looked at on common beats.

        Args:
            due: when it would be looked at by itself.
            now: current time.
            elapsed: seconds from its acceptance to ``due``; beats are 2, 4, then 8 s apart as it grows.
            may_be_early: whether to take the last beat before ``due``, not the first after it.

        >>> [Watch().beat(101.0, now=100.5, elapsed=t, may_be_early=False) for t in (5.0, 20.0, 80.0)]
        [101.0, 102.0, 104.0]
        """
        interval = self.growth * elapsed
        if interval < self.shortest_beat:
            return due
        beat = min(2.0 ** math.floor(math.log2(interval)), self.longest_beat)
        number = math.floor(due / beat) if may_be_early else math.ceil(due / beat)
        return max(number, math.floor(now / beat) + 1) * beat


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long one kind of job takes here, and whether that has been worth betting a request on.

    A bet asks for a result at the forecast moment without looking at the job's status first, which saves
    one round trip when it is right and costs one request when it is not.
    """

    turnaround: float | None = None
    hits: int = 0
    misses: int = 0

    BET_WITHIN: ClassVar[float] = 30.0

    def seen(self, turnaround: float) -> Forecast:
        """Return the forecast after one more job was seen to take ``turnaround`` seconds."""
        known = self.turnaround
        return replace(self, turnaround=turnaround if known is None else 0.7 * known + 0.3 * turnaround)

    def bet(self, won: bool) -> Forecast:
        """Return the forecast after a bet; old bets fade, so a service that changes is learnt again."""
        hits, misses = self.hits + won, self.misses + (not won)
        if hits + misses > 64:
            hits, misses = hits // 2, misses // 2
        return replace(self, hits=hits, misses=misses)

    def may_bet(self, turnaround: float) -> bool:
        """Say whether asking at the forecast moment is worth a request."""
        return turnaround <= self.BET_WITHIN and self.misses <= 4 + self.hits
