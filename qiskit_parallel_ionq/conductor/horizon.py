# SPDX-License-Identifier: Apache-2.0
"""Which jobs of a long queue are worth a look: the oldest all the time, those behind them now and then."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..lifecycle import Phase, Submission
from ..wire import JobState

PAGES = 2
"""So many pages of the oldest jobs are looked at all the time."""
SWEEP_EVERY = 300.0
"""Seconds after which the jobs behind them are looked at, too: it may be no queue."""
SWEEP_PAGE_EVERY = 3.0
"""Seconds to one page of such a sweep, on average."""


@dataclass(slots=True)
class Horizon:
    """The last of the oldest jobs of a batch, and the jobs that were found waiting behind it.

    Jobs are known by their numbers, in the order in which they were sent.
    """

    first: int = 0
    """Before it, every submission has ended."""
    last: int = -1
    behind: list[int] = field(default_factory=list)
    swept_at: float = -math.inf

    def hides(self, number: int, submissions: Sequence[Submission], page: int) -> bool:
        """Say whether a job is known to wait in the service's queue behind the oldest ones."""
        record = submissions[number].record
        if record is None or record.state not in (JobState.SUBMITTED, JobState.READY):
            return False
        if number > self.last and not self.behind:
            self.move(submissions, page)
        return number > self.last

    def move(self, submissions: Sequence[Submission], page: int) -> int:
        """Find the last of the oldest jobs anew; return by how many it has moved."""
        before = self.last
        while self.first < len(submissions) and submissions[self.first].phase.is_final:
            self.first += 1
        self.last, left = self.first - 1, PAGES * page
        while left and self.last + 1 < len(submissions):
            self.last += 1
            phase = submissions[self.last].phase
            left -= not phase.is_final and phase is not Phase.FETCHING
        return self.last - before

    def put(self, number: int, now: float) -> None:
        """Keep a job that waits behind the horizon."""
        if not self.behind:
            self.swept_at = now
        heapq.heappush(self.behind, number)

    def take(self, now: float, page: int) -> list[int]:
        """Return, and forget, the jobs that are not behind it any more; all of them if a sweep is due."""
        pause = max(SWEEP_EVERY, SWEEP_PAGE_EVERY * len(self.behind) / page)
        if now - self.swept_at >= pause:
            taken, self.behind, self.swept_at = self.behind, [], now
            return taken
        taken = []
        while self.behind and self.behind[0] <= self.last:
            taken.append(heapq.heappop(self.behind))
        return taken
