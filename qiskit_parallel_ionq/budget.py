# SPDX-License-Identifier: Apache-2.0
"""The limits of a run, or of all runs of a stream: how many IonQ jobs, and what they may cost.

Estimates reserve, bills settle. A job may go out only while what was charged, what is reserved for the jobs
under way and its own reserve stay within the limit. The reserve of a job is its estimate times the largest
ratio of a bill to its estimate so far. Before the first bill it is ten times the estimate: where that does
not fit, one job goes out alone and its bill is awaited.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from enum import Enum

from .cost import CostReport
from .errors import BudgetError

UNPROVEN = 10.0
"""How many times its estimate is reserved for a job before a bill has shown what estimates are worth."""
_ROUNDING = 1 + 1e-9

Key = tuple[str, int]
"""A job: the id of its run, and its number there."""


class _State(Enum):
    PLANNED = "planned"
    UNDER_WAY = "under way"
    BILLED = "billed"


@dataclass(frozen=True, slots=True)
class _Job:
    estimate: float
    state: _State = _State.PLANNED
    charge: float = 0.0


@dataclass(slots=True)
class Budget:
    """What jobs may cost, and what is known of what they do cost.

    Any thread may use it: the conductor's settles bills while that of a stream's reader plans.

    Attributes:
        limit: in the unit of the service's estimates; infinite: no limit.
        max_jobs: how many jobs; None: no limit.
        unit: of all amounts.
        charged: what was charged so far, as far as is known.
        sent: how many jobs were sent that are not listed here.
    """

    limit: float = math.inf
    max_jobs: int | None = None
    unit: str = ""
    charged: float = 0.0
    sent: int = 0
    _jobs: dict[Key, _Job] = field(default_factory=dict)
    _counts: Counter[_State] = field(default_factory=Counter)
    _estimates: defaultdict[_State, float] = field(default_factory=lambda: defaultdict(float))
    """Sums of the estimates of all jobs in a state."""
    _ratio: float | None = None
    """The largest ratio of a bill to its estimate; None before the first bill."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asks_for_bills(self) -> bool:
        """Whether it matters what jobs are charged."""
        return self.limit < math.inf

    @property
    def jobs(self) -> int:
        """How many jobs have been sent or are planned."""
        return self.sent + len(self._jobs)

    @property
    def total(self) -> float:
        """What all jobs will come to, as far as is known."""
        expected = self._estimates[_State.PLANNED] + self._estimates[_State.UNDER_WAY]
        return self.charged + self._scale * expected

    @property
    def has_jobs_under_way(self) -> bool:
        """Whether a bill is outstanding."""
        return self._counts[_State.UNDER_WAY] > 0

    @property
    def _scale(self) -> float:
        return max(1.0, self._ratio or 1.0)

    @property
    def _count_sent(self) -> int:
        return self.sent + self._counts[_State.UNDER_WAY] + self._counts[_State.BILLED]

    def _put(self, key: Key, job: _Job | None) -> None:
        """Replace a job, or take it out, and keep the sums right."""
        before = self._jobs.pop(key, None)
        for each, sign in ((before, -1), (job, +1)):
            if each is not None:
                self._counts[each.state] += sign
                self._estimates[each.state] += sign * each.estimate
                self.charged += sign * each.charge
        if job is not None:
            self._jobs[key] = job

    def plan(self, run_id: str, report: CostReport) -> None:
        """Add the jobs of a run, none of which has been sent.

        Raises:
            BudgetError: with them the limits would be exceeded. None of them was added.
        """
        with self._lock:
            self._require_room(report)
            self.unit = report.unit
            for number, estimate in enumerate(report.jobs):
                self._put((run_id, number), _Job(estimate))

    def _require_room(self, report: CostReport) -> None:
        if self.max_jobs is not None and self.jobs + len(report.jobs) > self.max_jobs:
            before = f", after {self.jobs} before" if self.jobs else ""
            raise BudgetError(
                f"this run takes {len(report.jobs)} IonQ jobs{before}, and max_jobs is {self.max_jobs}. "
                "Nothing was sent: pack circuits with circuits_per_job, send fewer, or raise max_jobs"
            )
        if self.unit and report.unit != self.unit and self.asks_for_bills:
            raise BudgetError(
                f"estimates in {report.unit} do not fit a budget in {self.unit}. Nothing was sent"
            )
        cost = self._scale * report.total
        if self.total + cost > self.limit * _ROUNDING:
            raise BudgetError(self._too_dear(report, cost))

    def restore(self, key: Key, estimate: float, *, is_sent: bool, charge: float | None = None) -> None:
        """Add a job of a run that another process began."""
        state = _State.UNDER_WAY if is_sent else _State.PLANNED
        with self._lock:
            self._put(key, _Job(estimate, state))
        if charge is not None:
            self.bill(key, charge)

    def reserve(self, key: Key) -> bool:
        """Say whether a job may be sent now, and count it as sent if so."""
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.state is not _State.PLANNED:
                return True
            if not self._fits(job):
                return False
            self._put(key, replace(job, state=_State.UNDER_WAY))
            return True

    def release(self, key: Key) -> None:
        """Take out a job that was not sent, or that the service refused: it costs nothing."""
        with self._lock:
            self._put(key, None)

    def bill(self, key: Key, charge: float) -> None:
        """Note what a job was charged."""
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                return
            if job.estimate > 0.0 and charge > 0.0:
                self._ratio = max(self._ratio or 0.0, charge / job.estimate)
            self._put(key, replace(job, state=_State.BILLED, charge=charge))

    def assume(self, key: Key) -> None:
        """Count a job whose bill cannot be had as charged by its estimate, scaled as the bills so far."""
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.state is _State.BILLED:
                return
            self._put(key, replace(job, state=_State.BILLED, charge=self._scale * job.estimate))

    def leave(self, run_id: str) -> None:
        """Settle all jobs of a run whose bills will be asked for elsewhere, as far as is known."""
        for key, job in list(self._jobs.items()):
            if key[0] == run_id:
                self.release(key) if job.state is _State.PLANNED else self.assume(key)

    def refusal(self, key: Key) -> BudgetError:
        """Return why a job is not sent, and never will be within these limits."""
        if not self._has_a_job_left():
            reason = f"{self._count_sent} IonQ jobs were sent, and max_jobs is {self.max_jobs}"
        else:
            job = self._jobs[key]
            reason = (
                f"{self.charged:.2f} {self.unit} were charged so far, this job would cost "
                f"{self._scale * job.estimate:.2f} {self.unit} by the bills and its estimate, and max_cost "
                f"is {self.limit:.2f}"
            )
        return BudgetError(
            f"{reason}, so nothing more is sent; what was accepted goes on. To send the rest, "
            "provider.resume(job_id, submit=True) with a higher limit"
        )

    def excess(self) -> str | None:
        """Return by how much bills have exceeded the limit, in words; None if they have not."""
        if self.charged <= self.limit * _ROUNDING:
            return None
        return f"{self.charged:.2f} {self.unit} were charged, and max_cost is {self.limit:.2f}"

    def _fits(self, job: _Job) -> bool:
        if not self._has_a_job_left():
            return False
        if self.limit == math.inf:
            return True
        weight = UNPROVEN if self._ratio is None else self._scale
        reserved = weight * (self._estimates[_State.UNDER_WAY] + job.estimate)
        if self.charged + reserved <= self.limit * _ROUNDING:
            return True
        is_alone = not self.has_jobs_under_way
        return is_alone and self.charged + self._scale * job.estimate <= self.limit * _ROUNDING

    def _has_a_job_left(self) -> bool:
        return self.max_jobs is None or self._count_sent < self.max_jobs

    def _too_dear(self, report: CostReport, cost: float) -> str:
        saving = ""
        if report.packed is not None and report.packed <= self.limit and report.saving > 0:
            saving = f"; packed with circuits_per_job it would cost {report.packed:.2f} {report.unit}"
        before = f", after {self.total:.2f} {self.unit} before" if self.total > 0 else ""
        return (
            f"this run would cost {cost:.2f} {report.unit} by the service's estimate{before}, and max_cost "
            f"is {self.limit:.2f}{saving}. Nothing was sent: use fewer shots or circuits, pack them, or "
            "raise max_cost"
        )


def new_budget(max_cost: float | None, max_jobs: int | None) -> Budget | None:
    """Return a budget with these limits; None where there is none."""
    if max_cost is None and max_jobs is None:
        return None
    return Budget(math.inf if max_cost is None else max_cost, max_jobs)
