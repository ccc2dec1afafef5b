# SPDX-License-Identifier: Apache-2.0
"""What listings of the account's jobs prove about submissions whose answer was lost. Pure.

A job that a listing shows was stored. A job that no listing shows may still be on its way: it counts as
absent only after two complete listings, some seconds apart, both begun when every late effect must have
settled, and both fresh enough to show the other jobs of the run that had been accepted by then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar

from . import wire
from .wire import JobRecord, JobState


@dataclass(frozen=True, slots=True)
class Listing:
    """One pass through the account's jobs.

    Attributes:
        records: jobs that carry a token of ours, by token; more than one were stored twice.
        is_complete: every page was read, and no cursor came twice.
        begun_at: when the first page was asked for.
    """

    records: Mapping[str, tuple[JobRecord, ...]]
    is_complete: bool
    begun_at: float

    def is_fresh(self, witnesses: Collection[str]) -> bool:
        """Say whether it can prove anything: it is complete, and shows what it must."""
        return self.is_complete and all(token in self.records for token in witnesses)

    def best(self, token: str) -> JobRecord | None:
        """Return the job with a token: of several the one furthest on its way, then the earliest."""
        jobs = self.records.get(token, ())
        return max(jobs, key=_advance, default=None)

    def twins(self, token: str, kept: str | None = None) -> tuple[JobRecord, ...]:
        """Return the other jobs with a token, if there are several.

        Args:
            token: the token.
            kept: id of the job that is not a twin; None: the best.
        """
        best = self.best(token)
        spared = kept or (None if best is None else best.id)
        return tuple(job for job in self.records.get(token, ()) if job.id != spared)


_WAY = (JobState.UNKNOWN, JobState.SUBMITTED, JobState.READY, JobState.STARTED, JobState.COMPLETED)


def _advance(job: JobRecord) -> tuple[int, str]:
    way = _WAY.index(job.state) if job.state in _WAY else -1  # failed or cancelled: the other one counts
    return way, _descending(job.submitted_at or "")


def _descending(text: str) -> str:
    return "".join(chr(0x10FFFF - ord(letter)) for letter in text)


class Finding(Enum):
    """What is known of a lost submission after a listing."""

    FOUND = "found"
    ABSENT = "absent"
    OPEN = "open"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One submission whose answer was lost."""

    token: str
    lost_at: float
    settle: float
    unseen_at: float | None = None
    """When the first listing began that counts towards a proof of absence."""

    APART: ClassVar[float] = 5.0
    BUDGET: ClassVar[float] = 1800.0

    @classmethod
    def about(cls, token: str, lost_at: float, *, target: str) -> Doubt:
        """Return a new doubt; machines that cost money are given more time to settle."""
        return cls(token, lost_at, settle=300.0 if wire.is_qpu(target) else 10.0)

    def next_look(self, now: float, looks: int) -> float:
        """Return when the next listing is worth its request: soon at first, then for the proof."""
        if looks == 0:
            return now
        if self.unseen_at is not None:
            return max(now, self.unseen_at + self.APART)
        settled = self.lost_at + self.settle
        return min(now + 2.0 ** min(looks, 6), settled) if now < settled else now + self.APART

    def judge(self, listing: Listing, *, witnesses: Collection[str]) -> tuple[Finding, Doubt]:
        """Say what one more listing means.

        Args:
            listing: the listing.
            witnesses: tokens of this run accepted before the listing began; a listing that lacks one of
                them is stale and proves nothing.
        """
        if self.token in listing.records:
            return Finding.FOUND, self
        is_fresh = listing.is_fresh(witnesses)
        patience = self.settle if witnesses else 2.0 * self.settle
        if is_fresh and listing.begun_at >= self.lost_at + patience:
            if self.unseen_at is None:
                return Finding.OPEN, replace(self, unseen_at=listing.begun_at)
            if listing.begun_at >= self.unseen_at + self.APART:
                return Finding.ABSENT, self
        if listing.begun_at >= self.lost_at + self.BUDGET:
            return Finding.GIVEN_UP, self
        return Finding.OPEN, self
