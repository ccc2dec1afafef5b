# SPDX-License-Identifier: Apache-2.0
"""Sends submissions, and finds out about those whose answer was lost before anything is sent again."""

from __future__ import annotations

from dataclasses import replace

from .. import wire
from ..batch import Batch
from ..errors import IonQError, JournalError, NotSentError, SubmissionUnknownError, TransportError
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
    Submission,
    Unresolved,
)
from ..logs import logger
from ..policy import Verdict
from ..reconcile import Doubt, Finding, Listing
from ..wire import JobState
from ..worker import Report
from .ledger import Ledger, Stage, pause
from .loop import Order, Task

FEWEST_DOUBTS, SHARE_OF_DOUBTS = 3, 0.05
"""So many submissions, or this share of the last hundred, may be in doubt before no more are sent."""
MOST_UNPROVEN_POSTS = 5
"""How often ``on_unknown="resubmit"`` sends a circuit before it, too, looks first."""
SWEEPS = 20
"""How often a listing is asked for, at the end of a run, that can tell of twins."""
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
        body = self._body(batch, number)
        if body is None:
            return
        task = Task(
            perform=lambda: stage.worker.submit(body, batch.record.sync),
            then=lambda report: self._submitted(batch, number, report),
            on_start=lambda: stage.apply(batch, number, Sent(stage.loop.now())),
        )
        ledger.lane.put(Order.SUBMIT, task)

    def _body(self, batch: Batch, number: int) -> bytes | None:
        """Return a parcel's request, from disk where a run goes on that another process began."""
        if not batch.parcels[number].body:
            try:
                body = batch.record.body(batch.places[number])
            except (KeyError, JournalError) as error:
                reason = f"this circuit was not sent, and its request is not on disk any more ({error!r})"
                self._stage.apply(batch, number, Stopped(NotSentError(reason)))
                return None
            batch.parcels[number] = replace(batch.parcels[number], body=body)
        return batch.parcels[number].body

    def may_submit(self, batch: Batch, ledger: Ledger) -> bool:
        """Say whether one more submission may go out now: not while too many are in doubt."""
        window = batch.run.window
        if batch.is_detached:
            return False
        if window is not None and ledger.active >= window:
            return False
        return len(ledger.doubts) <= max(FEWEST_DOUBTS, SHARE_OF_DOUBTS * min(ledger.posts, 100))

    def withdraw(self, batch: Batch) -> None:
        """Let nothing go out that has not gone out."""
        self._stage.ledger(batch).lane.ready[Order.SUBMIT].clear()

    def reconcile(self, batch: Batch, number: int) -> None:
        """See to a submission that may or may not exist, and to all others like it."""
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        token = batch.parcels[number].token
        ledger.doubts[number] = Doubt.about(token, now, target=batch.target)
        may_resend = batch.run.on_unknown == "resubmit" and ledger.stopped is None
        if may_resend and batch.submissions[number].posts < MOST_UNPROVEN_POSTS:
            self._stage.apply(batch, number, Absent(now, "sent again unproven"))
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
            ledger.posts += 1
        match report.verdict:
            case Verdict.ACCEPTED:
                self._stage.apply(batch, number, Accepted(report.value, at=now))
            case Verdict.REFUSED:
                self._stage.apply(batch, number, Refused(error))
            case Verdict.PUSHED_BACK:
                self._stage.apply(batch, number, HeldBack(now, str(error)))
            case Verdict.NOT_SENT:
                self._not_sent(batch, number, error, now)
            case Verdict.UNKNOWN:
                logger.warning(
                    "The answer to the submission of circuit %d was lost (%s); the job is looked for before "
                    "anything is sent again",
                    batch.run.first + batch.parcels[number].circuits[0],
                    error,
                )
                self._stage.apply(batch, number, Lost(now, str(error)))
            case _:
                self.stop(batch, error)
                self._stage.apply(batch, number, HeldBack(now, str(error)))

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
            self._stage.apply(batch, number, HeldBack(now, str(error)))
            return
        reason = (
            f"the service could not be reached for {outage:.0f} s, so nothing more is sent; "
            f"what was accepted goes on. Last: {error}"
        )
        self.stop(batch, TransportError(reason, sent=False))
        self._stage.apply(batch, number, HeldBack(now, str(error)))

    def stop(self, batch: Batch, error: Exception) -> None:
        """Send nothing more for this batch, and say why once. What was not sent can be, later."""
        ledger = self._stage.ledger(batch)
        ledger.stopped = ledger.stopped or error
        self.withdraw(batch)
        for number in range(len(batch.submissions)):
            self._stage.apply(batch, number, Stopped(ledger.stopped))

    def _plan_listing(self, batch: Batch) -> None:
        ledger = self._stage.ledger(batch)
        if ledger.doubts and not ledger.is_listing:
            ledger.is_listing = True
            now = self._stage.loop.now()
            due = min(doubt.next_look(now, ledger.listings) for doubt in ledger.doubts.values())
            self._stage.at(batch, due, lambda: self._list(batch))

    def _list(self, batch: Batch) -> None:
        ledger = self._stage.ledger(batch)
        ledger.listings += 1
        witnesses: list[str] = []
        worker, since = self._stage.worker, self._first_sent(batch)

        def note_witnesses() -> None:
            witnesses.extend(self._witnesses(batch, since))

        task = Task(
            perform=lambda: worker.list_tokens(since=since),
            then=lambda report: self._listed(batch, report, witnesses),
            on_start=note_witnesses,
        )
        ledger.lane.put(Order.LOOK, task)

    def _first_sent(self, batch: Batch) -> float | None:
        """Return when the first submission in question left; None where another process may have sent it."""
        ledger = self._stage.ledger(batch)
        if ledger.is_restored:
            return None
        asked = {*ledger.doubts, *ledger.resent}
        return min((batch.submissions[n].first_sent_at or 0.0 for n in asked), default=None)

    def _listed(self, batch: Batch, report: Report, witnesses: list[str]) -> None:
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        ledger.is_listing = False
        listing = report.value or Listing({}, is_complete=False, begun_at=report.sent_at)
        for number, doubt in list(ledger.doubts.items()):
            finding, ledger.doubts[number] = doubt.judge(listing, witnesses=witnesses)
            match finding:
                case Finding.FOUND:
                    self._adopt(batch, number, listing)
                case Finding.ABSENT if self._may_send_again(batch, witnesses):
                    self._stage.apply(batch, number, Absent(now, f"in {ledger.listings} listings"))
                case Finding.ABSENT | Finding.GIVEN_UP:
                    error = _unresolved(doubt, listing, ledger.listings)
                    self._stage.apply(batch, number, Unresolved(error))
        self._sweep(batch, listing)
        self._plan_listing(batch)

    def _may_send_again(self, batch: Batch, witnesses: list[str]) -> bool:
        """Say whether what is absent may be sent again: not where the project may be another one."""
        is_ours = batch.project is not None or bool(witnesses) or not self._stage.ledger(batch).is_restored
        return batch.run.on_unknown != "never" and (is_ours or not wire.is_qpu(batch.target))

    def _adopt(self, batch: Batch, number: int, listing: Listing) -> None:
        """Take a job with our token for ours, if it says what we sent."""
        parcel, now = batch.parcels[number], self._stage.loop.now()
        found = listing.best(parcel.token)
        check = str(found and (found.metadata or {}).get(wire.CHECK_KEY, "")).split(".")
        if found is not None and check[1:2] in ([], [parcel.digest]):
            self._ids.add(found.id)
            self._stage.apply(batch, number, Found(found, at=now))
            return
        reason = (
            f"job {found and found.id} carries the token {parcel.token} of this circuit, but not the "
            "circuit; it was neither taken for it nor sent again"
        )
        self._stage.apply(batch, number, Unresolved(SubmissionUnknownError(reason, token=parcel.token)))

    def sweep(self, batch: Batch, attempt: int = 1) -> None:
        """Look once more for jobs that a repeated submission may have left behind; in the background.

        A listing that fails, is cut short or is stale says nothing, and is asked for again.
        """
        stage, ledger, since = self._stage, self._stage.ledger(batch), self._first_sent(batch)
        ledger.is_sweeping = True

        def swept(report: Report) -> None:
            listing = report.value or Listing({}, is_complete=False, begun_at=report.sent_at)
            self._sweep(batch, listing)
            if listing.is_fresh(self._witnesses(batch, since)) or attempt >= SWEEPS:
                ledger.is_sweeping = False
            else:
                due = stage.loop.now() + pause(stage, attempt + 3)
                stage.at(batch, due, lambda: self.sweep(batch, attempt + 1))

        task = Task(perform=lambda: stage.worker.list_tokens(since=since), then=swept)
        ledger.lane.put(Order.LOOK, task)

    @staticmethod
    def _witnesses(batch: Batch, since: float | None) -> list[str]:
        pairs = zip(batch.parcels, batch.submissions, strict=True)
        return [parcel.token for parcel, sent in pairs if _is_witness(sent, since)]

    def _sweep(self, batch: Batch, listing: Listing) -> None:
        """Cancel what was stored twice as long as it costs nothing, and say so in any case."""
        for number, (parcel, sent) in enumerate(zip(batch.parcels, batch.submissions, strict=True)):
            if len(listing.records.get(parcel.token, ())) < 2 or sent.job_id is None:
                continue
            known = batch.twins.get(number, ())
            for twin in listing.twins(parcel.token, kept=sent.job_id):
                if twin.id in known:
                    continue
                batch.twins[number] = (*batch.twins.get(number, ()), twin.id)
                is_idle = twin.state in (JobState.SUBMITTED, JobState.READY)
                fate = "it is cancelled before it runs" if is_idle else f"it is {twin.state.value} already"
                logger.warning(
                    "Circuit %d was stored twice: job %s is %s's twin; %s",
                    batch.run.first + parcel.circuits[0],
                    twin.id,
                    sent.job_id,
                    fate,
                )
                batch.record.note({"is": "twin", "n": number, "id": twin.id, "state": twin.state.value})
                if is_idle:
                    self._cancel_twin(batch, twin.id)

    def _cancel_twin(self, batch: Batch, job_id: str) -> None:
        worker = self._stage.worker

        def told(report: Report) -> None:
            if report.error is not None:
                logger.warning("The twin %s could not be cancelled: %s", job_id, report.error)

        task = Task(perform=lambda: worker.cancel([job_id]), then=told)
        self._stage.ledger(batch).lane.put(Order.CANCEL, task)


def _is_witness(sent: Submission, since: float | None) -> bool:
    """Say whether a listing that lacks this job is stale: it is accepted, surely ours, and read for."""
    is_ours = (sent.job_id is not None and not sent.phase.is_final) or sent.phase is Phase.DONE
    return is_ours and (since is None or (sent.accepted_at or 0.0) >= since)


def _unresolved(doubt: Doubt, listing: Listing, listings: int) -> SubmissionUnknownError:
    return SubmissionUnknownError(
        f"the answer to this submission was lost, and {listings} listings of the account's jobs in "
        f"{listing.begun_at - doubt.lost_at:.0f} s did not show it; it was not sent again. Look for "
        f"metadata['{wire.TOKEN_KEY}'] = {doubt.token} before you run it anew",
        token=doubt.token,
    )
