# SPDX-License-Identifier: Apache-2.0
"""Sends submissions, and finds out about those whose answer was lost before anything is sent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from .. import wire
from ..batch import Batch
from ..budget import Budget
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
from ..listing import Listing, Reach
from ..logs import logger
from ..policy import Verdict
from ..reconcile import Doubt, Finding
from ..worker import Report
from .duplicates import Duplicates
from .ledger import Ledger, Stage, pause
from .loop import Order, Task

FEWEST_DOUBTS, SHARE_OF_DOUBTS = 3, 0.05
"""So many submissions, or this share of the last hundred, may be in doubt before no more are sent."""
MOST_UNPROVEN_POSTS = 5
"""How often ``on_unknown="resubmit"`` sends a circuit before it, too, looks first."""
MOST_RESENDS = 3
"""How often a process sends a circuit again at the most, each time after a proof of absence."""
SWEEPS = 20
"""How often a listing is asked for, at the end of a run, that can tell of duplicates."""
FIRST_WATCH, LONGEST_WATCH = 60.0, 600.0
"""Seconds between two looks through the account while something that was sent again is in the queue."""
OUTAGE_PATIENCE = 60.0
"""Seconds without a connection after which nothing more is sent for a run."""


class Submitting:
    """The way of a parcel into the service."""

    def __init__(self, stage: Stage, duplicates: Duplicates) -> None:
        self._stage = stage
        self._duplicates = duplicates
        self._ids: set[str] = set()

    def submit(self, batch: Batch, number: int) -> None:
        """Have a parcel sent as soon as a worker is free."""
        ledger, stage = self._stage.ledger(batch), self._stage
        if ledger.stopped is not None:
            stage.apply(batch, number, Stopped(ledger.stopped))
            return
        if batch.budget is not None and not batch.budget.reserve((batch.run.id, number)):
            ledger.withheld.append(number)
            self.release_withheld(batch)
            return
        body = self._body(batch, number)
        if body is None:
            return
        task = Task(
            perform=lambda: stage.worker.submit(body, batch.record.sync),
            then=lambda report: self._submitted(batch, number, report),
            on_start=lambda: self._sent(batch, number),
        )
        ledger.lane.put(Order.SUBMIT, task)

    def release_withheld(self, batch: Batch) -> None:
        """Send what the budget has room for now; end the rest if no bill can make room any more."""
        ledger, budget = self._stage.ledger(batch), batch.budget
        if budget is not None and not ledger.is_releasing:
            ledger.is_releasing = True
            self._release_withheld(batch, ledger, budget)
            ledger.is_releasing = False

    def _release_withheld(self, batch: Batch, ledger: Ledger, budget: Budget) -> None:
        while ledger.withheld:
            number = ledger.withheld[0]
            key = batch.run.id, number
            if batch.submissions[number].phase is not Phase.WAITING:
                ledger.withheld.popleft()
            elif budget.reserve(key):
                ledger.withheld.popleft()
                self.submit(batch, number)
            elif budget.has_jobs_under_way:
                return
            else:
                self.stop(batch, budget.refusal(key))

    def _sent(self, batch: Batch, number: int) -> None:
        """Note that a submission is about to leave, on all clocks there are."""
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        ledger.first_left.setdefault(number, self._stage.loop.instant())
        ledger.last_sent_at = now
        self._stage.apply(batch, number, Sent(now, self._stage.worker.service_time()))

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
        most = max(FEWEST_DOUBTS, SHARE_OF_DOUBTS * min(ledger.posts, 100))
        return len(ledger.doubts) <= most or self._may_send_a_witness(ledger, len(ledger.doubts) - most)

    def _may_send_a_witness(self, ledger: Ledger, too_many: float) -> bool:
        """Say whether one circuit may go out although too many are in doubt.

        Once it is accepted, listings that show it are known to be newer than the doubts. If it is lost as
        well, the next one waits twice as long.
        """
        last_lost = max(doubt.lost_at for doubt in ledger.doubts.values())
        settle = max(doubt.settle for doubt in ledger.doubts.values())
        pause = settle / 5.0 * 2.0 ** min(too_many - 1.0, 10.0)
        return ledger.last_sent_at < last_lost and self._stage.loop.now() >= last_lost + pause

    def withdraw(self, batch: Batch) -> None:
        """Let nothing go out that has not gone out."""
        ledger = self._stage.ledger(batch)
        ledger.lane.ready[Order.SUBMIT].clear()
        ledger.withheld.clear()

    def reconcile(self, batch: Batch, number: int) -> None:
        """See to a submission that may or may not exist, and to all others like it."""
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        token, submission = batch.parcels[number].token, batch.submissions[number]
        is_acknowledged = submission.is_acknowledged
        doubt = Doubt.about(token, now, target=batch.target)
        ledger.doubts[number] = replace(doubt, is_acknowledged=is_acknowledged)
        may_resend = batch.run.on_unknown == "resubmit" and ledger.stopped is None and not is_acknowledged
        if may_resend and submission.posts < MOST_UNPROVEN_POSTS:
            self._stage.apply(batch, number, Absent(now, "sent again unproven"))
        else:
            ledger.listings = 0
            self._plan_listing(batch)

    def _submitted(self, batch: Batch, number: int, report: Report) -> None:
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        if report.verdict is Verdict.ACCEPTED and not self._is_new(report.value):
            error = IonQError(f"the service answered with the id of another job, {report.value}")
            report = replace(report, error=error, verdict=Verdict.UNKNOWN, is_acknowledged=True)
        error = report.error or IonQError("the submission was not accepted, and no reason was given")
        if report.verdict is not Verdict.NOT_SENT:
            ledger.unreachable_since = None
            ledger.posts += 1
        match report.verdict:
            case Verdict.ACCEPTED:
                if batch.submissions[number].sent_after is not None:
                    ledger.first_left.pop(number, None)  # should it be disowned, that will do
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
                self._stage.apply(batch, number, Lost(now, str(error), report.is_acknowledged))
            case _:
                self.stop(batch, error)
                self._stage.apply(batch, number, HeldBack(now, str(error)))

    def know(self, batch: Batch) -> None:
        """Take note of what other processes have sent of a restored batch."""
        self._ids.update(sent.job_id for sent in batch.submissions if sent.job_id is not None)
        self._stage.ledger(batch).posts_before = {
            number: sent.posts for number, sent in enumerate(batch.submissions) if sent.posts
        }

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
            now, took = self._stage.loop.now(), ledger.listing_took
            looks = ledger.listings
            due = min(doubt.next_look(now, looks, took=took) for doubt in ledger.doubts.values())
            self._stage.at(batch, due, lambda: self._list(batch))

    def _list(self, batch: Batch) -> None:
        ledger, worker = self._stage.ledger(batch), self._stage.worker
        ledger.listings += 1
        scopes: list[_Scope] = []
        task = Task(
            perform=lambda: worker.list_tokens(scopes[0].reach),
            then=lambda report: self._listed(batch, report, scopes[0].witnesses),
            on_start=lambda: scopes.append(self._scope(batch)),
        )
        ledger.lane.put(Order.LOOK, task)

    def _scope(self, batch: Batch) -> _Scope:
        """Return what a listing that begins now must cover, and which jobs it must show."""
        ledger, loop = self._stage.ledger(batch), self._stage.loop
        asked = {*ledger.doubts, *ledger.resent}
        dates = [date for n in asked if (date := batch.submissions[n].sent_after) is not None]
        ours = [ledger.first_left[n] for n in asked if n in ledger.first_left]
        others = [
            ledger.left_before[n] for n in asked if n not in ledger.first_left and n in ledger.left_before
        ]
        left = ours + others
        after = min(dates) if dates and len(dates) == len(asked) else None
        is_ours = bool(ours) and len(ours) == len(asked)
        # The wall clock, which is all that another process's times are known by, is not relied on alone.
        is_timed = is_ours or (after is not None and len(left) == len(asked))
        age = (lambda: max(map(loop.instant().longest_since, left))) if is_timed else None
        since = min(instant.monotonic for instant in ours) if is_ours else None
        witnesses = {
            parcel.token: sent.sent_at or 0.0
            for parcel, sent in zip(batch.parcels, batch.submissions, strict=True)
            if _is_witness(sent, since, after)
        }
        reach = Reach(after, age, batch.target, known=self._ids, witnesses=witnesses)
        return _Scope(reach, witnesses)

    def _listed(self, batch: Batch, report: Report, witnesses: Mapping[str, float]) -> None:
        """Draw conclusions from a listing.

        Args:
            batch: whose doubts they are.
            report: of the listing.
            witnesses: tokens that it must show, and when the requests left.
        """
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        ledger.is_listing, ledger.listing_took = False, now - report.sent_at
        listing = report.value or Listing({}, is_complete=False, begun_at=report.sent_at)
        may_improve = self._expects_more(batch, ledger)
        for number, doubt in list(ledger.doubts.items()):
            later = {token for token, sent_at in witnesses.items() if sent_at >= doubt.lost_at}
            finding, doubt = doubt.judge(listing, witnesses=witnesses, later=later, may_improve=may_improve)
            ledger.doubts[number] = doubt
            match finding:
                case Finding.FOUND:
                    self._adopt(batch, number, listing)
                case Finding.ABSENT if self._may_send_again(batch, number, bool(witnesses)):
                    self._stage.apply(batch, number, Absent(now, f"in {ledger.listings} listings"))
                case Finding.ABSENT | Finding.GIVEN_UP:
                    error = _unresolved(doubt, listing, ledger.listings, batch.submissions[number])
                    self._stage.apply(batch, number, Unresolved(error))
        self._duplicates.take(batch, listing)
        self._plan_listing(batch)

    @staticmethod
    def _expects_more(batch: Batch, ledger: Ledger) -> bool:
        """Say whether anything else of the run is under way, so that later listings show more."""
        is_whole = len(batch.parcel_of) + len(set(batch.errors) - set(batch.parcel_of)) >= batch.total
        return not is_whole or any(
            not sent.phase.is_final and number not in ledger.doubts
            for number, sent in enumerate(batch.submissions)
        )

    def _may_send_again(self, batch: Batch, number: int, has_witnesses: bool) -> bool:
        """Say whether what is absent may be sent again.

        Not too often, and not where the project may be another one.
        """
        ledger = self._stage.ledger(batch)
        is_ours = batch.project is not None or has_witnesses or not ledger.is_restored
        posts = batch.submissions[number].posts - ledger.posts_before.get(number, 0)
        is_allowed = batch.run.on_unknown != "never" and posts <= MOST_RESENDS
        return is_allowed and (is_ours or not wire.is_qpu(batch.target))

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

    def watch_for_duplicates(self, batch: Batch, wait: float = FIRST_WATCH) -> None:
        """Look through the account now and then while something that was sent again waits for its turn.

        As long as a duplicate waits, too, it can be cancelled at no cost.
        """
        ledger, loop, worker = self._stage.ledger(batch), self._stage.loop, self._stage.worker
        if ledger.is_watching and wait == FIRST_WATCH:
            return
        ledger.is_watching = True

        def watch() -> None:
            if all(batch.submissions[number].phase.is_final for number in ledger.resent):
                ledger.is_watching = False
                return
            reach = self._scope(batch).reach
            task = Task(perform=lambda: worker.list_tokens(reach), then=watched)
            ledger.lane.put(Order.LOOK, task)

        def watched(report: Report) -> None:
            if report.value is not None:
                self._duplicates.take(batch, report.value)
            self.watch_for_duplicates(batch, min(2.0 * wait, LONGEST_WATCH))

        self._stage.at(batch, loop.now() + wait, watch)

    def sweep(self, batch: Batch, attempt: int = 1) -> None:
        """Look once more for jobs that a repeated submission may have left behind; in the background.

        A listing that fails, is cut short or is stale says nothing, and is asked for again.
        """
        stage, ledger, scope = self._stage, self._stage.ledger(batch), self._scope(batch)
        ledger.is_sweeping = True

        def swept(report: Report) -> None:
            listing = report.value or Listing({}, is_complete=False, begun_at=report.sent_at)
            self._duplicates.take(batch, listing)
            if listing.is_fresh(scope.witnesses):
                ledger.is_sweeping = False
                batch.record.note({"is": "swept"})
            elif attempt >= SWEEPS:
                ledger.is_sweeping, ledger.stays_open = False, True
            else:
                due = stage.loop.now() + pause(stage, attempt + 3)
                stage.at(batch, due, lambda: self.sweep(batch, attempt + 1))

        task = Task(perform=lambda: stage.worker.list_tokens(scope.reach), then=swept)
        ledger.lane.put(Order.LOOK, task)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a listing must cover, and the tokens that it must show, with the times at which they left."""

    reach: Reach
    witnesses: Mapping[str, float]


def _is_witness(sent: Submission, since: float | None, after: datetime | None) -> bool:
    """Say whether a listing that lacks this job is out of date: it is accepted, and within its reach.

    Args:
        sent: the job's submission.
        since: when the first submission in question left, on this process's monotonic clock.
        after: a time before that on the service's clock. With neither, a listing is read to its end.
    """
    is_stored = (sent.job_id is not None and not sent.phase.is_final) or sent.phase is Phase.DONE
    if since is not None:
        return is_stored and (sent.accepted_at or 0.0) >= since
    if after is not None:
        return is_stored and sent.sent_after is not None and sent.sent_after >= after
    return is_stored


def _unresolved(
    doubt: Doubt, listing: Listing, listings: int, submission: Submission
) -> SubmissionUnknownError:
    looked = f"{listings} listings of the account's jobs in {listing.begun_at - doubt.lost_at:.0f} s"
    token = f"metadata['{wire.TOKEN_KEY}'] = {doubt.token}"
    if submission.is_acknowledged:
        name = f"as job {submission.job_id}" if submission.job_id else "without an id that can be used"
        reason = (
            f"the service accepted this submission {name}, and then neither showed that job nor one with its "
            f"token in {looked}. It was not sent again, and may have been charged: look for {token}, or let "
            "provider.resume(...) look again later"
        )
    else:
        doubtful = f" The last listing proves nothing: {doubt.objection}." if doubt.objection else ""
        often = f" (it was sent {submission.posts} times)" if submission.posts > 1 else ""
        reason = (
            f"the answer to this submission was lost{often}, and {looked} did not show it.{doubtful} It was "
            f"not sent again, and may exist. Look for {token} before you run it anew; or run any other "
            "circuit, so that listings can be told to be up to date, and let provider.resume(...) look again"
        )
    return SubmissionUnknownError(reason, token=doubt.token)
