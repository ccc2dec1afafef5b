# SPDX-License-Identifier: Apache-2.0
"""A pass through the account's job listing: what it shows, and what keeps it from proving anything. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from . import wire
from .wire import JobRecord, JobState, UnreadableRow

MARGIN = timedelta(seconds=300)
"""How much further back than necessary a listing is read, because clocks disagree."""
PAGES_BEYOND = 20
"""Pages that are read beyond that, for jobs that the listing must show: perhaps a clock was set."""
_LONGEST_AGE = 1e9
"""Seconds; about thirty years. A larger age means that a clock was set."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Which part of a listing is needed, and what is known of the jobs in it.

    Attributes:
        after: a moment on the service's clock before the first submission in question left; None: unknown.
        age: returns the seconds since then, by the clock of this computer that says most; None: unknown.
        target: where the submissions in question were sent; a job of another target is none of them.
        known: ids of jobs that are accounted for.
        witnesses: tokens of jobs that were stored after ``after``.
    """

    after: datetime | None = None
    age: Callable[[], float] | None = None
    target: str | None = None
    known: Collection[str] = ()
    witnesses: Collection[str] = ()

    def horizon(self, date: datetime | None) -> datetime | None:
        """Return the time, on the service's clock, before which no row matters; None: all rows matter.

        Both ways to tell it may be wrong if a clock was set in the meantime, so the earlier one counts.

        Args:
            date: the service's clock now.
        """
        moments = [] if self.after is None else [self.after]
        if self.age is not None and date is not None:
            moments.append(date - timedelta(seconds=min(self.age(), _LONGEST_AGE)))
        return min(moments) - MARGIN if moments else None


@dataclass(frozen=True, slots=True)
class Listing:
    """One pass through the account's jobs.

    Attributes:
        records: jobs that carry a token of ours, by token; more than one were stored twice.
        is_complete: every page that matters was read, and no cursor came twice.
        begun_at: when the first page was asked for, on the monotonic clock.
        date: the same on the service's clock; None where the service does not say.
        latest: the latest time that any row tells: the listing is at least as new.
        opaque: rows that do not say whose job they are, and may be ours.
        unusable: tokens on rows whose id or status cannot be read: these jobs exist.
        is_endless: the last page was not reached within the largest number of pages.
    """

    records: Mapping[str, tuple[JobRecord, ...]]
    is_complete: bool
    begun_at: float
    date: datetime | None = None
    latest: datetime | None = None
    opaque: int = 0
    unusable: frozenset[str] = frozenset()
    is_endless: bool = False

    def is_fresh(self, witnesses: Collection[str]) -> bool:
        """Say whether it shows everything that it must: it is complete, and shows every witness."""
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


@dataclass(slots=True)
class ListingReader:
    """Puts a listing together from its pages, and says when it has been read far enough."""

    begun_at: float
    reach: Reach = field(default_factory=Reach)
    _records: dict[str, tuple[JobRecord, ...]] = field(default_factory=dict)
    _date: datetime | None = None
    _horizon: datetime | None = None
    _latest: datetime | None = None
    _last: datetime | None = None
    _is_ordered: bool = True
    _undated: int = 0
    """Opaque rows that may be of any time."""
    _dated: list[datetime] = field(default_factory=list)
    """Times of the other opaque rows."""
    _unusable: set[str] = field(default_factory=set)
    _pages: int = 0
    _beyond: int = 0

    def take(
        self, records: Iterable[JobRecord], unreadable: Iterable[UnreadableRow], date: datetime | None
    ) -> None:
        """Add one page."""
        if not self._pages:
            self._date, self._horizon = date, self.reach.horizon(date)
        self._pages += 1
        for record in records:
            self._note_times(record)
            self._take_record(record)
        for row in unreadable:
            token = (row.metadata or {}).get(wire.TOKEN_KEY)
            if isinstance(token, str) and not row.parent_id:
                self._unusable.add(token)
            elif not self._is_foreign(row.metadata, row.parent_id, row.backend):
                self._note_opaque(row.submitted_at)
        self._beyond += self._is_past_horizon()

    def _take_record(self, record: JobRecord) -> None:
        token = (record.metadata or {}).get(wire.TOKEN_KEY)
        if isinstance(token, str):
            if not record.parent_id:
                same = self._records.get(token, ())
                if record not in same:
                    self._records[token] = (*(r for r in same if r.id != record.id), record)
        elif record.id not in self.reach.known and not self._is_foreign(
            record.metadata, record.parent_id, record.backend
        ):
            self._note_opaque(record.submitted_at)

    def _is_foreign(self, metadata: object, parent_id: str | None, backend: str | None) -> bool:
        """Say whether a row without a token is surely none of the submissions in question."""
        is_described = isinstance(metadata, Mapping) and bool(metadata) and wire.TOKEN_KEY not in metadata
        is_elsewhere = None not in (self.reach.target, backend) and self.reach.target != backend
        return bool(parent_id) or is_described or is_elsewhere

    def _note_opaque(self, submitted_at: str | None) -> None:
        time = wire.moment(submitted_at)
        if time is None:
            self._undated += 1
        else:
            self._dated.append(time)

    def _note_times(self, record: JobRecord) -> None:
        submitted_at = wire.moment(record.submitted_at)
        if submitted_at is None or (self._last is not None and submitted_at > self._last):
            self._is_ordered = False  # not from new to old, or without times
        elif self._horizon is not None and submitted_at < self._horizon and self._is_witness(record):
            self._is_ordered = False  # a job that is newer than this: its time cannot be relied on
        else:
            self._last = submitted_at
        for text in (record.submitted_at, record.started_at, record.completed_at):
            time = wire.moment(text)
            if time is not None and (self._date is None or time <= self._date + MARGIN):
                self._latest = time if self._latest is None else max(self._latest, time)

    def _is_witness(self, record: JobRecord) -> bool:
        return (record.metadata or {}).get(wire.TOKEN_KEY) in self.reach.witnesses

    def _is_past_horizon(self) -> bool:
        return (
            self._is_ordered
            and self._horizon is not None
            and self._last is not None
            and self._last < self._horizon
        )

    @property
    def is_enough(self) -> bool:
        """Whether all further rows are too old to matter, and the rows so far show what they must.

        That is a token of ours, so that it is clear that tokens are shown at all, and all witnesses.
        """
        if not self._is_past_horizon():
            return False
        shows_all = bool(self._records) and all(token in self._records for token in self.reach.witnesses)
        return shows_all or self._beyond > PAGES_BEYOND

    def listing(self, *, is_complete: bool, is_endless: bool = False) -> Listing:
        """Return what was read so far as a listing."""
        horizon = self._horizon if self._is_ordered else None
        recent = sum(horizon is None or time >= horizon for time in self._dated)
        return Listing(
            self._records,
            is_complete=is_complete,
            begun_at=self.begun_at,
            date=self._date,
            latest=self._latest,
            opaque=self._undated + recent,
            unusable=frozenset(self._unusable),
            is_endless=is_endless,
        )
