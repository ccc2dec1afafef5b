# SPDX-License-Identifier: Apache-2.0
"""Cancels jobs, many in one request, after a fresh look at each."""

from __future__ import annotations

from ..batch import Batch
from ..logs import logger
from ..wire import JobState
from ..worker import Report
from .ledger import Stage
from .loop import Order, Task
from .watching import WINDOW, Watching

IDS_PER_REQUEST = 100
REPEAT_AFTER = 5.0
"""Seconds after which a cancellation that shows no effect is asked for again; twice as long each time."""
MOST_DOUBLINGS = 4


class Cancelling:
    """What follows when the user wants no result of a job that the service has."""

    def __init__(self, stage: Stage, watching: Watching) -> None:
        self._stage = stage
        self._watching = watching

    def cancel(self, batch: Batch, number: int) -> None:
        """Have a job cancelled that was just seen alive, unless it runs and may run on."""
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        record, voyage = batch.submissions[number].record, ledger.voyages[number]
        runs_on = record is not None and record.state is JobState.STARTED and not ledger.cancels_running
        if runs_on:
            self._watching.plan(batch, number)
            return
        if now < voyage.cancel_again_at:
            self._watching.look_at(voyage.cancel_again_at, batch, number)
            return
        voyage.cancel_again_at = now + REPEAT_AFTER * 2.0 ** min(voyage.cancels, MOST_DOUBLINGS)
        voyage.cancels += 1
        if not ledger.to_cancel:
            self._stage.at(batch, now + WINDOW, lambda: self._send(batch))
        ledger.to_cancel.append(number)

    def _send(self, batch: Batch) -> None:
        ledger = self._stage.ledger(batch)
        numbers, ledger.to_cancel = ledger.to_cancel, []
        for start in range(0, len(numbers), IDS_PER_REQUEST):
            self._send_page(batch, numbers[start : start + IDS_PER_REQUEST])

    def _send_page(self, batch: Batch, numbers: list[int]) -> None:
        worker, ids = self._stage.worker, [batch.submissions[n].job_id or "" for n in numbers]

        def look_again(report: Report) -> None:
            if report.error is not None:
                logger.warning("Cancelling %d jobs failed: %s", len(ids), report.error)
            for number in numbers:
                if batch.submissions[number].phase.is_in_service:
                    self._watching.look_at(self._stage.loop.now(), batch, number)

        task = Task(perform=lambda: worker.cancel(ids), then=look_again)
        self._stage.ledger(batch).lane.put(Order.CANCEL, task)
