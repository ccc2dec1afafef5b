# SPDX-License-Identifier: Apache-2.0
"""How bad a world is: how often things fail, how late effects come, how far listings lag, how often we die."""

from __future__ import annotations

from dataclasses import dataclass

from . import faults
from .faults import Fault, Script
from .service import Habits


@dataclass(frozen=True, slots=True)
class Adversary:
    """The bad habits of one world. Times are seconds.

    Attributes:
        name: what it is called in reports.
        strike: share of submissions that fail; of other requests half as many do.
        unreachable: share of requests that never leave, for want of a connection.
        late: by how much the effect of a submission may come after its connection broke.
        lag: by how much listings may lag behind.
        queue: how long jobs wait for their start.
        execution: how long they run.
        round_trip: the shortest; some take ten times as long.
        deaths: how often the client's process is killed, each time somewhere else.
        power_cuts: share of the deaths that take with them what was not made durable.
        skew: by how much the client's wall clock is off; another amount in each life.
    """

    name: str = "inside"
    strike: float = 0.10
    unreachable: float = 0.01
    late: float = 180.0
    lag: float = 60.0
    queue: float = 400.0
    execution: float = 5.0
    round_trip: float = 0.15
    deaths: int = 0
    power_cuts: float = 0.5
    skew: float = 0.0

    def script(self, seed: int) -> Script:
        """Return when the service misbehaves."""
        reads = faults.read_faults()
        menu = {
            faults.STORED: [Fault("odd status")],
            faults.POST: faults.submission_faults(late=self.late),
            faults.LIST: faults.listing_faults(stale=self.lag),
            **dict.fromkeys((faults.LOOK, faults.JOB, faults.RESULT, faults.CANCEL, faults.WHOAMI), reads),
        }
        chances = dict.fromkeys(menu, self.strike / 2.0) | {faults.POST: self.strike}
        return Script(seed, chances=chances, menu=menu)

    def habits(self) -> Habits:
        """Return how the service behaves otherwise."""
        return Habits(queue=self.queue, execution=self.execution, lag=self.lag)

    @property
    def assumption(self) -> str:
        """What is assumed of the service, in words."""
        return f"effects ≤ {self.late:g} s late, listings ≤ {self.lag:g} s behind"


INSIDE = Adversary()
"""Late effects and lag together stay below the time to settle of a machine, 300 s."""
OUTSIDE = Adversary(name="outside", lag=400.0)
"""Listings may lag by more than the time to settle: twins can come about, and none of them in silence."""
