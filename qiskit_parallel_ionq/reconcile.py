# SPDX-License-Identifier: Apache-2.0
"""What listings of the account's jobs prove about submissions whose answer was lost. Pure.

A job that a listing shows was stored. A job that a listing does not show may still be on its way, or the
listing may be out of date, or it may not show such jobs at all. So a submission counts as absent only after
two complete listings, some seconds apart, of which each

* begins when every late effect must have settled, by the monotonic clock of this computer (which may stop
  in a suspension, but never runs ahead) and by the service's own clock, where it tells it;
* shows every job of the run that was accepted since;
* shows at least one token of this package, so that it could have shown this one;
* has no row that could be the job in question but cannot be read;
* shows something that happened after the answer was lost; or comes several times later than it had to.

A submission that the service acknowledged with an id was stored, whatever listings show.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar

from . import wire
from .listing import Listing


class Finding(Enum):
    """What is known of a lost submission after a listing."""

    FOUND = "found"
    ABSENT = "absent"
    OPEN = "open"
    GIVEN_UP = "given up"


TICK = timedelta(seconds=1)
"""The resolution of a ``Date`` header."""
NO_TOKEN = "it shows no job of this package, so it would perhaps not show this one either"  # noqa: S105
NOTHING_NEWER = "it shows nothing that happened after the answer was lost, so it may be out of date"
NO_END = "it could not be read to its end"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One submission whose answer was lost. Times are seconds on the monotonic clock."""

    token: str
    lost_at: float
    settle: float
    is_strict: bool = False
    """Whether the job costs money: a listing must then show something newer."""
    is_acknowledged: bool = False
    """Whether the service has named an id for it: it is stored, and its absence proves nothing."""
    since: datetime | None = None
    """A moment on the service's clock after the answer was lost: what is newer happened after that."""
    asked_at: datetime | None = None
    """The service's clock when the first listing after the loss began."""
    unseen_at: float | None = None
    """When the first listing began that counts towards a proof of absence."""
    unseen_on: datetime | None = None
    """The same on the service's clock."""
    fruitless: int = 0
    """Listings that proved nothing although everything had settled."""
    endless: int = 0
    """Those among them that were too long to be read."""
    objection: str = ""
    """Why the last listing proved nothing."""

    UNSURE: ClassVar[float] = 2.0
    """How many times longer it takes where nothing shows that a listing is up to date."""
    UNSURE_STRICT: ClassVar[float] = 5.0
    APART: ClassVar[float] = 5.0
    BUDGET: ClassVar[float] = 1800.0
    MOST_ENDLESS: ClassVar[int] = 3
    LONGEST_PAUSE: ClassVar[float] = 80.0
    SLACK: ClassVar[timedelta] = timedelta(seconds=5)
    """By how much the clocks of several of the service's machines may disagree."""

    @classmethod
    def about(cls, token: str, lost_at: float, *, target: str) -> Doubt:
        """Return a new doubt; targets that cost money are given more time to settle."""
        costs = wire.is_qpu(target)
        return cls(token, lost_at, settle=300.0 if costs else 10.0, is_strict=costs)

    def next_look(self, now: float, looks: int, *, took: float = 0.0) -> float:
        """Return when the next listing is worth its requests: soon at first, then for the proof.

        Args:
            now: the current time.
            looks: listings so far.
            took: seconds that the last one took; a long one is repeated less often.
        """
        if looks == 0:
            return now
        if self.unseen_at is not None and not self.fruitless:
            return max(now, self.unseen_at + self.APART)
        at_least = now + 4.0 * took
        settled = self.lost_at + self.settle
        if now < settled:
            return max(min(now + 2.0 ** min(looks, 6), settled), min(at_least, settled))
        return max(now + min(self.APART * 2.0 ** min(self.fruitless, 8), self.LONGEST_PAUSE), at_least)

    def judge(
        self,
        listing: Listing,
        *,
        witnesses: Collection[str],
        later: Collection[str] = (),
        may_improve: bool = True,
    ) -> tuple[Finding, Doubt]:
        """Say what one more listing means.

        Args:
            listing: the listing.
            witnesses: tokens of jobs that were accepted before it began, and that it must show.
            later: those of them that left after the answer in question was lost.
            may_improve: whether there will be more witnesses than now.
        """
        if self.token in listing.records:
            return Finding.FOUND, self
        if self.asked_at is None and listing.date is not None:
            # What the first listing shows already is no sign that a later one is newer.
            since = listing.date if listing.latest is None else max(listing.date, listing.latest)
            dated = replace(self, asked_at=listing.date, since=since)
            return dated.judge(listing, witnesses=witnesses, later=later, may_improve=may_improve)
        is_new = self._shows_something_newer(listing, later)
        is_up_to_date = is_new or (witnesses and not self.is_strict)
        unsure = self.UNSURE_STRICT if self.is_strict else self.UNSURE
        patience = self.settle if is_up_to_date else unsure * self.settle
        has_settled = _has_passed(listing, self.lost_at, self.asked_at, patience)
        objection = self._objection(listing, witnesses)
        if has_settled and not objection and self.unseen_at is None:
            counts = replace(self, unseen_at=listing.begun_at, unseen_on=listing.date, fruitless=0)
            return Finding.OPEN, counts
        if has_settled and not objection:
            if _has_passed(listing, self.unseen_at, self.unseen_on, self.APART):
                return Finding.ABSENT, self
            objection = "it began too soon after the one before, by the service's own clock"
        after = self
        if listing.begun_at >= self.lost_at + self.settle:
            after = replace(
                self,
                fruitless=self.fruitless + 1,
                endless=self.endless + listing.is_endless,
                objection=objection or NOTHING_NEWER,
            )
        is_over = after.is_spent(listing) or (not may_improve and after.is_hopeless(listing))
        return (Finding.GIVEN_UP if is_over else Finding.OPEN), after

    def is_spent(self, listing: Listing) -> bool:
        """Say whether the search has taken as long as it may."""
        return listing.begun_at >= self.lost_at + self.BUDGET or self.endless >= self.MOST_ENDLESS

    def is_hopeless(self, listing: Listing) -> bool:
        """Say whether no later listing will prove anything, unless something else happens in the account."""
        return self.objection == NO_TOKEN and listing.begun_at >= self.lost_at + 3.0 * self.settle

    def _shows_something_newer(self, listing: Listing, later: Collection[str]) -> bool:
        if any(token in listing.records for token in later):
            return True
        if self.since is None or listing.latest is None:
            return False
        return listing.latest >= self.since + self.SLACK

    def _objection(self, listing: Listing, witnesses: Collection[str]) -> str:
        """Return why a listing proves nothing; empty if it counts towards a proof of absence."""
        missing = sum(token not in listing.records for token in witnesses)
        if self.is_acknowledged:
            return "the service has named an id for it, so it is stored"
        if self.token in listing.unusable:
            return "it shows the job, but on a row whose id or status this package cannot read"
        if not listing.is_complete:
            return NO_END
        if listing.opaque:
            return f"{listing.opaque} of its rows do not say whose jobs they are"
        if missing:
            return f"it lacks {missing} other jobs of this run that were accepted, so it is out of date"
        return "" if listing.records else NO_TOKEN


def _has_passed(listing: Listing, at: float | None, date: datetime | None, seconds: float) -> bool:
    """Say whether so much time had passed when a listing began, by every clock that tells it.

    Args:
        listing: the listing.
        at: since when, on the monotonic clock.
        date: since when, on the service's clock; None where it is not known.
        seconds: how much time.
    """
    if at is None or listing.begun_at < at + seconds:
        return False
    if listing.date is None or date is None:
        return True
    return listing.date >= date + timedelta(seconds=seconds) - TICK
