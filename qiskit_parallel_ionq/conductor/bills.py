# SPDX-License-Identifier: Apache-2.0
"""Asks what jobs were charged, where a run has a limit, and lets go on what the limit has room for."""

from __future__ import annotations

from ..batch import Batch
from ..chronicle import may_have_cost
from ..logs import logger
from ..wire import JobState
from ..worker import Report
from .ledger import Stage, pause
from .loop import Order, Task
from .submitting import Submitting

PATIENCE = 300.0
"""Seconds for which a bill is waited for while something cannot be sent without it."""
LAST_PATIENCE = 15.0
"""Seconds for which a bill is waited for that nothing depends on but the record."""


FREE = (JobState.FAILED, JobState.CANCELED)
"""States of a job that costs nothing, unless its bill says otherwise."""


class Bills:
    """What jobs of runs with a limit are charged."""

    def __init__(self, stage: Stage, submitting: Submitting) -> None:
        self._stage = stage
        self._submitting = submitting

    def settle(self, batch: Batch, number: int) -> None:
        """Note that a submission has ended: ask for its bill, or make room for others if there is none."""
        budget = batch.budget
        if budget is None:
            return
        key = batch.run.id, number
        if batch.parcels[number].dry_run or not may_have_cost(batch.submissions[number]):
            budget.release(key)
            self._go_on(batch)
        elif not budget.asks_for_bills or batch.submissions[number].job_id is None:
            budget.assume(key)  # there is no bill to ask for: no limit of costs, or no id that is known
            self._go_on(batch)
        elif number not in batch.charges and number not in self._stage.ledger(batch).open_bills:
            self._stage.ledger(batch).open_bills.add(number)
            self._ask(batch, number, self._stage.loop.now(), 1)

    def leave(self, batch: Batch) -> None:
        """Let go of a run that another job object goes on with."""
        if batch.budget is not None:
            batch.budget.leave(batch.run.id)
            self._go_on(batch)

    def resume(self, batch: Batch) -> None:
        """Ask for the bills that another process has left open."""
        for number, submission in enumerate(batch.submissions):
            if submission.phase.is_final:
                self.settle(batch, number)

    def _ask(self, batch: Batch, number: int, since: float, attempt: int) -> None:
        worker, job_id = self._stage.worker, batch.submissions[number].job_id or ""
        task = Task(
            perform=lambda: worker.cost(job_id),
            then=lambda report: self._billed(batch, number, report, since, attempt),
        )
        self._stage.ledger(batch).lane.put(Order.LOOK, task)

    def _billed(self, batch: Batch, number: int, report: Report, since: float, attempt: int) -> None:
        record = batch.submissions[number].record
        is_free = report.error is None and record is not None and record.state in FREE
        charge = 0.0 if report.value is None and is_free else report.value
        if charge is not None:
            self._note(batch, number, charge)
            return
        loop = self._stage.loop
        may_come = report.error is None or report.is_passing
        patience = PATIENCE if self._is_awaited(batch) else LAST_PATIENCE
        if may_come and loop.now() - since < patience:
            due = loop.now() + pause(self._stage, attempt)
            self._stage.at(batch, due, lambda: self._ask(batch, number, since, attempt + 1))
            return
        logger.warning(
            "The service does not say what job %s was charged (%s); its estimate counts towards max_cost",
            batch.submissions[number].job_id,
            report.error or "no amount so far",
        )
        self._stage.ledger(batch).open_bills.discard(number)
        if batch.budget is not None:
            batch.budget.assume((batch.run.id, number))
        self._go_on(batch)

    def _note(self, batch: Batch, number: int, charge: float) -> None:
        budget = batch.budget
        self._stage.ledger(batch).open_bills.discard(number)
        batch.charges[number] = charge
        batch.record.note({"is": "charged", "n": number, "cost": charge})
        if budget is not None:
            before = budget.excess()
            budget.bill((batch.run.id, number), charge)
            if before is None and budget.excess() is not None:
                logger.warning("Run %s has cost more than it may: %s", batch.run.id, budget.excess())
        self._go_on(batch)

    def _is_awaited(self, batch: Batch) -> bool:
        others = [batch] if batch.budget is None else self._stage.batches_of(batch.budget)
        return any(self._stage.ledger(other).withheld for other in others)

    def _go_on(self, batch: Batch) -> None:
        """Send what there is room for now, in all runs that share the budget."""
        for other in [] if batch.budget is None else self._stage.batches_of(batch.budget):
            self._submitting.release_withheld(other)
