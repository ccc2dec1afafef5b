# SPDX-License-Identifier: Apache-2.0
"""Sends submissions, and finds out about those whose answer was lost before anything is sent again."""

from __future__ import annotations

import logging
from dataclasses import replace

from .. import wire
from ..batch import Batch
from ..errors import IonQError, SubmissionUnknownError, TransportError
from ..lifecycle import (
    Absent,
    Accepted,
    Found,
    HeldBack,
    Lost,
    Phase,
    Refused,
    Sent,
    Stopped,
    Unresolved,
)
from ..policy import Verdict
from ..reconcile import Doubt, Finding, Listing
from ..worker import Report
from .ledger import Ledger, Stage
from .loop import Order, Task

logger = logging.getLogger("qiskit_parallel_ionq")

OUTAGE_PATIENCE = 60.0
"""Seconds without a connection after which nothing more is sent for a run."""


class Submitting:
    """The way of a parcel into the service."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ids: set[str] = set()

    def submit(self, batch: Batch, number: int) -> None:
        """Have a parcel sent as soon as a worker is free."""
        ledger, stage = self._stage.ledger(batch), self._stage
        if ledger.stopped is not None:
            stage.apply(batch, number, Stopped(ledger.stopped))
            return
        body = batch.parcels[number].body
        task = Task(
            perform=lambda: stage.worker.submit(body),
            then=lambda report: self._submitted(batch, number, report),
            on_start=lambda: stage.apply(batch, number, Sent(stage.loop.now())),
        )
        ledger.lane.put(Order.SUBMIT, task)

    def withdraw(self, batch: Batch) -> None:
        """Let nothing go out that has not gone out."""
        self._stage.ledger(batch).lane.ready[Order.SUBMIT].clear()

    def reconcile(self, batch: Batch, number: int) -> None:
        """See to a submission that may or may not exist, and to all others like it."""
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        token = batch.parcels[number].token
        ledger.voyages[number].doubt = Doubt.about(token, now, target=batch.target)
        if batch.on_unknown == "resubmit":
            for number, _ in _open_doubts(batch, ledger):
                self._stage.apply(batch, number, Absent())
        else:
            ledger.listings = 0
            self._plan_listing(batch)

    def _submitted(self, batch: Batch, number: int, report: Report) -> None:
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        if report.verdict is Verdict.ACCEPTED and not self._is_new(report.value):
            error = IonQError(f"the service answered with the id of another job, {report.value}")
            report = replace(report, error=error, verdict=Verdict.UNKNOWN)
        error = report.error or IonQError("the submission was not accepted, and no reason was given")
        if report.verdict is not Verdict.NOT_SENT:
            ledger.unreachable_since = None
        match report.verdict:
            case Verdict.ACCEPTED:
                self._stage.apply(batch, number, Accepted(report.value, at=now))
            case Verdict.REFUSED:
                self._stage.apply(batch, number, Refused(error))
            case Verdict.PUSHED_BACK:
                self._stage.apply(batch, number, HeldBack())
            case Verdict.NOT_SENT:
                self._not_sent(batch, number, error, now)
            case Verdict.UNKNOWN:
                logger.warning(
                    "The answer to the submission of circuit %d was lost (%s); the job is looked for before "
                    "anything is sent again",
                    batch.parcels[number].circuits[0],
                    error,
                )
                self._stage.apply(batch, number, Lost())
            case _:
                self._stop(batch, number, error)

    def _is_new(self, job_id: str) -> bool:
        """Say whether an id is not that of another submission, and note it."""
        is_new = job_id not in self._ids
        self._ids.add(job_id)
        return is_new

    def _not_sent(self, batch: Batch, number: int, error: Exception, now: float) -> None:
        ledger = self._stage.ledger(batch)
        if ledger.unreachable_since is None:
            ledger.unreachable_since = now
        outage = now - ledger.unreachable_since
        if outage < OUTAGE_PATIENCE:
            self._stage.apply(batch, number, HeldBack())
            return
        reason = (
            f"the service could not be reached for {outage:.0f} s, so nothing more is sent; "
            f"what was accepted goes on. Last: {error}"
        )
        self._stop(batch, number, TransportError(reason, sent=False))

    def _stop(self, batch: Batch, number: int, error: Exception) -> None:
        """Send nothing more for this batch, and say why once."""
        ledger = self._stage.ledger(batch)
        ledger.stopped = ledger.stopped or error
        self.withdraw(batch)
        self._stage.apply(batch, number, Refused(ledger.stopped))
        for other in range(len(batch.submissions)):
            self._stage.apply(batch, other, Stopped(ledger.stopped))

    def _plan_listing(self, batch: Batch) -> None:
        ledger = self._stage.ledger(batch)
        doubts = _open_doubts(batch, ledger)
        if doubts and not ledger.is_listing:
            ledger.is_listing = True
            now = self._stage.loop.now()
            due = min(doubt.next_look(now, ledger.listings) for _, doubt in doubts)
            self._stage.loop.at(due, lambda: self._list(batch))

    def _list(self, batch: Batch) -> None:
        if not self._stage.is_open(batch):
            return
        ledger = self._stage.ledger(batch)
        ledger.listings += 1
        witnesses: list[str] = []

        def note_witnesses() -> None:
            pairs = zip(batch.parcels, batch.submissions, strict=True)
            witnesses.extend(parcel.token for parcel, sent in pairs if sent.job_id is not None)

        task = Task(
            perform=self._stage.worker.list_tokens,
            then=lambda report: self._listed(batch, report, witnesses),
            on_start=note_witnesses,
        )
        ledger.lane.put(Order.LOOK, task)

    def _listed(self, batch: Batch, report: Report, witnesses: list[str]) -> None:
        ledger = self._stage.ledger(batch)
        ledger.is_listing = False
        listing = report.value or Listing({}, is_complete=False, begun_at=report.sent_at)
        for number, doubt in _open_doubts(batch, ledger):
            finding, doubt = doubt.judge(listing, witnesses=witnesses)
            ledger.voyages[number].doubt = doubt
            match finding:
                case Finding.FOUND:
                    found = Found(listing.records[doubt.token], at=self._stage.loop.now())
                    self._stage.apply(batch, number, found)
                case Finding.ABSENT if batch.on_unknown == "reconcile":
                    self._stage.apply(batch, number, Absent())
                case Finding.ABSENT | Finding.GIVEN_UP:
                    error = _unresolved(doubt, listing, ledger.listings)
                    self._stage.apply(batch, number, Unresolved(error))
        self._plan_listing(batch)


def _open_doubts(batch: Batch, ledger: Ledger) -> list[tuple[int, Doubt]]:
    return [
        (number, voyage.doubt)
        for number, voyage in enumerate(ledger.voyages)
        if voyage.doubt is not None and batch.submissions[number].phase is Phase.UNKNOWN
    ]


def _unresolved(doubt: Doubt, listing: Listing, listings: int) -> SubmissionUnknownError:
    return SubmissionUnknownError(
        f"the answer to this submission was lost, and {listings} listings of the account's jobs in "
        f"{listing.begun_at - doubt.lost_at:.0f} s did not show it; it was not sent again. Look for "
        f"metadata['{wire.TOKEN_KEY}'] = {doubt.token} before you run it anew",
        token=doubt.token,
    )
