# SPDX-License-Identifier: Apache-2.0
"""When to try, when to wait and when to look: arithmetic only, no clock, no sleep, no I/O.

Times are seconds on the caller's monotonic clock; ``jitter`` is a number in [0, 1) drawn by the caller.
"""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate for all requests of an account: how many may be under way, and not before when.

    Push-back and outages close it for everybody at once; success opens it again, step by step. Requests
    that had left before the last cut tell nothing new, so one bad moment is one cut.
    """

    ceiling: int
    width: float
    not_before: float = 0.0
    cut_at: float = float("-inf")
    setbacks: int = 0

    @classmethod
    def open(cls, ceiling: int) -> Gate:
        """Return a gate that lets ``ceiling`` requests through at once."""
        return cls(ceiling=ceiling, width=float(ceiling))

    def allows(self, now: float, under_way: int) -> bool:
        """Say whether one more request may start."""
        return now >= self.not_before and under_way < max(1, int(self.width))

    def succeeded(self, under_way: int) -> Gate:
        """Return the gate after an answer of the service's own will, a refusal included.

        It widens by one for each width of answers, as long as at least half of it is used.
        """
        if self.setbacks == 0 and (self.width >= self.ceiling or under_way < self.width / 2.0):
            return self
        return replace(self, width=min(self.ceiling, self.width + 1.0 / self.width), setbacks=0)

    def set_back(
        self, now: float, *, sent_at: float, under_way: int, pause: float | None, jitter: float
    ) -> Gate:
        """Return the gate after a 429, a 5xx or silence.

        Args:
            now: current time.
            sent_at: when the request in question had left.
            under_way: how many requests were under way: what the gate is cut down from.
            pause: what ``Retry-After`` asked for, if anything.
            jitter: spreads the restart over a further tenth of the pause.
        """
        if sent_at < self.cut_at:
            wanted = now + (pause or 0.0)
            return replace(self, not_before=max(self.not_before, wanted))
        setbacks = self.setbacks + 1
        if pause is None:
            pause = Backoff(first=0.5, longest=15.0, attempts=setbacks).delay(setbacks, jitter=jitter) or 0.0
        return replace(
            self,
            width=max(1.0, min(self.width, under_way) * 0.7) if setbacks < 5 else 1.0,
            not_before=max(self.not_before, now + pause * (1.0 + 0.1 * jitter)),
            cut_at=now,
            setbacks=setbacks,
        )


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

    def due(self, left_at: float, turnaround: float) -> float:
        """Return when to ask for a result that takes ``turnaround`` seconds in the service."""
        return left_at + turnaround * 1.01 + self.slack

    def turnaround(self, left_at: float, due: float) -> float:
        """Return the turnaround that ``due`` was reckoned from."""
        return (due - left_at - self.slack) / 1.01

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
