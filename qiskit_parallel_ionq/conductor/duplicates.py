# SPDX-License-Identifier: Apache-2.0
"""Jobs that were stored beside the one that counts: cancelled while that is free, and looked at afterwards.

A cancellation that was asked for proves nothing. So a duplicate is settled only once a look has shown that
it was cancelled, or that it has begun. The run's record says both, so that a resumed run looks again.
"""

from __future__ import annotations

from ..batch import Batch
from ..listing import Listing
from ..logs import logger
from ..wire import JobRecord, JobState
from ..worker import Report
from .ledger import Stage, pause
from .loop import Order, Task

MOST_LOOKS = 12
"""How often a duplicate that does not show as cancelled is looked at, before that is left to ``resume``."""
IDLE = (JobState.SUBMITTED, JobState.READY)
ENDED = (JobState.CANCELED, JobState.FAILED)


class Duplicates:
    """What is done about jobs that were stored twice."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def take(self, batch: Batch, listing: Listing) -> None:
        """Report the duplicates that a listing shows, and cancel those that have not begun."""
        for number, (parcel, sent) in enumerate(zip(batch.parcels, batch.submissions, strict=True)):
            if len(listing.records.get(parcel.token, ())) < 2 or sent.job_id is None:
                continue
            known = batch.twins.get(number, ())
            for duplicate in listing.twins(parcel.token, kept=sent.job_id):
                if duplicate.id not in known:
                    self._report(batch, number, duplicate)

    def resume(self, batch: Batch) -> None:
        """Look again at the duplicates that another process has left unsettled."""
        ledger = self._stage.ledger(batch)
        for job_id, number in batch.unsettled.items():
            ledger.duplicates[job_id] = 0
            self._look(batch, number, job_id)

    def _report(self, batch: Batch, number: int, duplicate: JobRecord) -> None:
        batch.twins[number] = (*batch.twins.get(number, ()), duplicate.id)
        is_idle = duplicate.state in IDLE
        fate = "its cancellation is asked for" if is_idle else f"it is {duplicate.state.value} already"
        logger.warning(
            "Circuit %d was stored twice: job %s is a duplicate of %s; %s",
            self._circuit(batch, number),
            duplicate.id,
            batch.submissions[number].job_id,
            fate,
        )
        state = duplicate.state.value
        batch.record.note({"is": "twin", "n": number, "id": duplicate.id, "state": state})
        if is_idle:
            self._stage.ledger(batch).duplicates[duplicate.id] = 0
            batch.unsettled[duplicate.id] = number
            self._cancel(batch, number, duplicate.id)

    def _cancel(self, batch: Batch, number: int, job_id: str) -> None:
        worker = self._stage.worker
        task = Task(perform=lambda: worker.cancel([job_id]), then=lambda _: self._look(batch, number, job_id))
        self._stage.ledger(batch).lane.put(Order.CANCEL, task)

    def _look(self, batch: Batch, number: int, job_id: str) -> None:
        worker = self._stage.worker
        task = Task(
            perform=lambda: worker.look_at(job_id),
            then=lambda report: self._looked(batch, number, job_id, report),
        )
        self._stage.ledger(batch).lane.put(Order.CANCEL, task)

    def _looked(self, batch: Batch, number: int, job_id: str, report: Report) -> None:
        record: JobRecord | None = (report.value or {}).get(job_id)
        if record is not None and record.state in ENDED:
            logger.info("The duplicate %s was cancelled before it ran", job_id)
            self._settle(batch, number, record)
        elif record is not None and record.state in (JobState.STARTED, JobState.COMPLETED):
            logger.warning(
                "The duplicate %s of circuit %d began before it could be cancelled, and may be charged",
                job_id,
                self._circuit(batch, number),
            )
            self._settle(batch, number, record)
        else:
            self._try_again(batch, number, job_id, is_seen=record is not None)

    def _settle(self, batch: Batch, number: int, record: JobRecord) -> None:
        self._stage.ledger(batch).duplicates.pop(record.id, None)
        batch.unsettled.pop(record.id, None)
        batch.record.note({"is": "twin ended", "n": number, "id": record.id, "state": record.state.value})

    def _try_again(self, batch: Batch, number: int, job_id: str, *, is_seen: bool) -> None:
        ledger, loop = self._stage.ledger(batch), self._stage.loop
        ledger.duplicates[job_id] += 1
        looks = ledger.duplicates[job_id]
        if looks >= MOST_LOOKS:
            del ledger.duplicates[job_id]
            ledger.stays_open = True
            logger.warning(
                "Whether the duplicate %s was cancelled is not known; provider.resume(%r) looks again",
                job_id,
                batch.run.id,
            )
            return
        again = self._cancel if is_seen else self._look
        self._stage.at(batch, loop.now() + pause(self._stage, looks), lambda: again(batch, number, job_id))

    @staticmethod
    def _circuit(batch: Batch, number: int) -> int:
        return batch.run.first + batch.parcels[number].circuits[0]
