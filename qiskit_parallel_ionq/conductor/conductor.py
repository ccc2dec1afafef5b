# SPDX-License-Identifier: Apache-2.0
"""Steps submissions, publishes their state, and hands what follows to the parts. Only it writes a batch."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from ..batch import Batch
from ..decode import Outcome
from ..errors import IonQError
from ..lifecycle import CancelAsked, Command, Event, Phase, Stopped, Submission, step
from ..parcel import Parcel
from ..worker import Worker
from .cancelling import Cancelling
from .fetching import Fetching
from .ledger import Ledger, Voyage
from .loop import Lane, Loop
from .submitting import Submitting
from .watching import Watching

logger = logging.getLogger("qiskit_parallel_ionq")


class Conductor:
    """Runs all batches of a provider.

    Args:
        worker: performs commands.
        loop: the thread, clock and pool to run on.
    """

    def __init__(self, worker: Worker, loop: Loop | None = None) -> None:
        self.worker = worker
        self.loop = loop or Loop()
        self.loop.on_bug, self.loop.on_end = self._give_up, self._end
        self._ledgers: dict[Batch, Ledger] = {}
        self._submitting = Submitting(self)
        self._watching = Watching(self)
        self._cancelling = Cancelling(self, self._watching)
        self._fetching = Fetching(self, self._watching)

    # -- any thread may call these -------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, if it is not running."""
        self.loop.start()

    def close(self) -> None:
        """Send nothing more, wait for the answers under way, and end the thread."""
        self.loop.close()

    def add(self, batch: Batch, parcel: Parcel) -> None:
        """Take one more parcel of a batch; it is sent as soon as a worker is free."""
        self.loop.post(lambda: self._take(batch, parcel))

    def fail(self, batch: Batch, index: int, error: Exception) -> None:
        """Note that a circuit never became a parcel."""
        self.loop.post(lambda: self._fail(batch, index, error))

    def cancel(self, batch: Batch, *, include_running: bool) -> None:
        """Cancel what has no result yet."""
        self.loop.post(lambda: self._cancel(batch, include_running))

    # -- what the parts ask for; on the loop's thread only -------------------------------------

    def ledger(self, batch: Batch) -> Ledger:
        """Return the ledger of a batch that is under way."""
        return self._ledgers[batch]

    def is_open(self, batch: Batch) -> bool:
        """Say whether a batch is under way."""
        return batch in self._ledgers

    def apply(self, batch: Batch, number: int, event: Event) -> None:
        """Step one submission, publish its state, and see to what follows."""
        before = batch.submissions[number]
        after, commands = step(before, event)
        if after is before:
            return
        batch.submissions[number] = after
        if after.record is not None and batch.parcels[number].body:
            batch.parcels[number] = replace(batch.parcels[number], body=b"")  # never needed again
        self._ledgers[batch].active += _is_active(after) - _is_active(before)
        for command in commands:
            self._see_to(batch, number, command)
        if after.phase in (Phase.FAILED, Phase.CANCELLED):
            for index in batch.parcels[number].circuits:
                self.end_circuit(batch, index, error=after.error)
        batch.notify()

    def end_circuit(
        self, batch: Batch, index: int, *, outcome: Outcome | None = None, error: Exception | None = None
    ) -> None:
        """Note a circuit's result, or the reason why it has none; the first note stands."""
        if index in batch.outcomes or index in batch.errors:
            return
        if error is None:
            batch.outcomes[index] = outcome
        else:
            batch.errors[index] = error
        batch.finished.append(index)
        at: tuple[Any, ...] = (len(batch.finished), batch.total, index, batch.job_id(index))
        if error is None:
            logger.info("Circuit %d/%d completed (circuit_id=%d, job_id=%s)", *at)
        else:
            logger.warning("Circuit %d/%d has no result (circuit_id=%d, job_id=%s): %s", *at, error)
        if batch.is_over:
            self._end_batch(batch)
        batch.notify()

    # -- the conductor's own -------------------------------------------------------------------

    def _open(self, batch: Batch) -> Ledger:
        ledger = self._ledgers.get(batch)
        if ledger is None:
            ledger = Ledger(began=self.loop.now(), lane=Lane(batch.workers))
            opened = ledger
            if batch.window is not None:
                window = batch.window
                ledger.lane.may_submit = lambda: opened.active < window
            self._ledgers[batch] = ledger
            self.loop.open_lane(ledger.lane)
        return ledger

    def _take(self, batch: Batch, parcel: Parcel) -> None:
        ledger = self._open(batch)
        number = len(batch.parcels)
        batch.parcels.append(parcel)
        batch.submissions.append(Submission())
        batch.parcel_of.update(dict.fromkeys(parcel.circuits, number))
        ledger.voyages.append(Voyage())
        if ledger.is_cancelled:
            self.apply(batch, number, CancelAsked())
        elif ledger.stopped is not None:
            self.apply(batch, number, Stopped(ledger.stopped))
        else:
            self._submitting.submit(batch, number)

    def _fail(self, batch: Batch, index: int, error: Exception) -> None:
        self._open(batch)
        self.end_circuit(batch, index, error=error)

    def _cancel(self, batch: Batch, include_running: bool) -> None:
        if batch.is_over:
            return
        ledger = self._open(batch)
        ledger.is_cancelled, ledger.cancels_running = True, include_running
        ledger.lane.is_cancelled = True
        self._submitting.withdraw(batch)
        for number in range(len(batch.submissions)):
            self.apply(batch, number, CancelAsked())

    def _see_to(self, batch: Batch, number: int, command: Command) -> None:
        match command:
            case Command.SUBMIT:
                self._submitting.submit(batch, number)
            case Command.RECONCILE:
                self._submitting.reconcile(batch, number)
            case Command.WATCH:
                self._watching.plan(batch, number)
            case Command.FETCH:
                self._fetching.fetch(batch, number)
            case Command.LOOK_AND_CANCEL:
                self._watching.look_at(self.loop.now(), batch, number)
            case Command.CANCEL:
                self._cancelling.cancel(batch, number)

    def _end_batch(self, batch: Batch) -> None:
        ledger = self._open(batch)
        logger.info(
            "Batch execution completed: %d/%d circuits in %.2f s (max_workers=%d, target=%s)",
            batch.total - len(batch.errors),
            batch.total,
            self.loop.now() - ledger.began,
            batch.workers,
            batch.target,
        )
        self.loop.at(self.loop.now(), lambda: self._forget(batch))

    def _forget(self, batch: Batch) -> None:
        """Drop a batch that is over, once no answer is outstanding that would ask for it."""
        ledger = self._ledgers[batch]
        if ledger.lane.under_way or ledger.active:
            self.loop.at(self.loop.now() + 0.5, lambda: self._forget(batch))
        else:
            del self._ledgers[batch]
            self.loop.close_lane(ledger.lane)

    def _give_up(self, error: Exception) -> None:
        for batch, ledger in list(self._ledgers.items()):
            ledger.stopped = ledger.stopped or error
            for tasks in ledger.lane.ready:
                tasks.clear()
            for index in range(batch.total):
                self.end_circuit(batch, index, error=error)

    def _end(self) -> None:
        self._give_up(
            IonQError("the provider was closed before this circuit had a result; what was sent goes on")
        )


def _is_active(submission: Submission) -> bool:
    return not submission.phase.is_final and submission.phase is not Phase.WAITING
