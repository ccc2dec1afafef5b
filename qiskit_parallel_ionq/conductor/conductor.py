# SPDX-License-Identifier: Apache-2.0
"""Steps submissions, publishes their state, and hands what follows to the parts. Only it writes a batch."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import replace
from functools import partial
from typing import Any

from ..batch import Batch
from ..budget import Budget
from ..chronicle import StoredResult, error_facts, event_record
from ..decode import Outcome
from ..errors import AuthenticationError, DetachedError, IonQError, JobError, NotSentError
from ..lifecycle import (
    Absent,
    Accepted,
    CancelAsked,
    Command,
    Event,
    Lost,
    Phase,
    Reopened,
    Seen,
    Stopped,
    Submission,
    Unresolved,
    may_be_read_later,
    step,
)
from ..logs import logger
from ..parcel import Parcel
from ..shelf import Scrap
from ..wire import OUT_OF_MONEY
from ..worker import Report, Worker
from .bills import Bills
from .cancelling import Cancelling
from .denial import Denial
from .duplicates import Duplicates
from .fetching import Fetching
from .ledger import Ledger, Voyage
from .loop import Lane, Loop, Order, Task
from .submitting import Submitting
from .watching import Watching

LAST_PATIENCE = 10.0
"""Seconds for which the end of a program waits until duplicates are cancelled."""
NEVER_HANDED_OVER = NotSentError(
    "this circuit was never sent, and the run's record ends before it: only the program that made it has it"
)


class Conductor:
    """Runs all batches of a provider.

    Args:
        worker: performs commands.
        loop: the thread, clock and pool to run on.
    """

    def __init__(self, worker: Worker, loop: Loop | None = None) -> None:
        self.worker = worker
        self.loop = loop or Loop()
        self.loop.on_bug, self.loop.on_end = self._give_up_all, self._end
        self._ledgers: dict[Batch, Ledger] = {}
        self._known: weakref.WeakValueDictionary[str, Batch] = weakref.WeakValueDictionary()
        self._closing: set[Batch] = set()
        """Batches that are over and whose records are being closed."""
        self._project: str | None = None
        self._duplicates = Duplicates(self)
        self._submitting = Submitting(self, self._duplicates)
        self._bills = Bills(self, self._submitting)
        self._watching = Watching(self)
        self._cancelling = Cancelling(self, self._watching)
        self._fetching = Fetching(self, self._watching)

    # -- any thread may call these -------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, if it is not running."""
        self.loop.start()

    def close(self) -> None:
        """Send nothing more, wait for the answers under way, and end the thread.

        Duplicates of paid jobs are cancelled before, if that is a matter of seconds.
        """
        with contextlib.suppress(IonQError, FutureTimeout):  # closed before, or another process's
            if any(ledger.resent or ledger.duplicates for ledger in list(self._ledgers.values())):
                settled: Future[None] = Future()
                self.loop.post(lambda: self._await_duplicates(settled))
                settled.result(LAST_PATIENCE)
        self.loop.close()

    def _await_duplicates(self, settled: Future[None]) -> None:
        if any(map(_seeks_duplicates, self._ledgers.values())):
            self.loop.at(self.loop.now() + 0.02, lambda: self._await_duplicates(settled))
        else:
            settled.set_result(None)

    def add(self, batch: Batch, parcel: Parcel) -> None:
        """Take one more parcel of a batch; it is sent as soon as a worker is free."""
        self._known[batch.run.id] = batch
        self._post(batch, lambda: self._take(batch, parcel))

    def fail(self, batch: Batch, index: int, error: Exception) -> None:
        """Note that a circuit never became a parcel."""
        self._post(batch, lambda: self._fail(batch, index, error))

    def find(self, run_id: str) -> Batch | None:
        """Return a run that is under way here, whoever still holds its job."""
        return self._known.get(run_id)

    def cancel(self, batch: Batch, *, include_running: bool) -> None:
        """Cancel what has no result yet."""
        self._post(batch, lambda: self._cancel(batch, include_running))

    def detach(self, batch: Batch) -> None:
        """Send nothing more of a batch, from this moment on; what was sent goes on."""
        batch.is_detached = True
        self._post(batch, lambda: self._detach(batch))

    def adopt(
        self, batch: Batch, *, refusal: Exception | None, missing: JobError = NEVER_HANDED_OVER
    ) -> None:
        """Go on with a batch that was restored.

        Args:
            batch: what is known of it.
            refusal: why what was not sent is not sent now, either; None: it is.
            missing: why circuits that it does not tell of have no result.
        """
        self._known[batch.run.id] = batch
        self._post(batch, lambda: self._adopt(batch, refusal, missing))

    def release(self, batch: Batch) -> Future[None]:
        """Let go of a batch as soon as none of its requests is under way; somebody else goes on with it."""
        released: Future[None] = Future()
        batch.is_detached = True
        self._post(batch, lambda: self._release(batch, released))
        return released

    def _post(self, batch: Batch, act: Callable[[], object]) -> None:
        """Have something done for a batch on the loop's thread, which who waits for the batch relies on."""
        batch.require_alive = self.loop.require_alive
        held = act, batch.owner()  # the provider is kept until the thread has the batch under way
        self.loop.post(lambda: self._guard(batch, held[0]))

    # -- what the parts ask for; on the loop's thread only -------------------------------------

    def at(self, batch: Batch, due: float, act: Callable[[], object]) -> None:
        """Do something for a batch at a time on the loop's clock, if the batch is under way then."""

        def ring() -> None:
            if self.is_open(batch) and not self._ledgers[batch].is_given_up:
                self._guard(batch, act)

        self.loop.at(due, ring)

    def ledger(self, batch: Batch) -> Ledger:
        """Return the ledger of a batch that is under way."""
        return self._ledgers[batch]

    def is_open(self, batch: Batch) -> bool:
        """Say whether a batch is under way."""
        return batch in self._ledgers

    def aside(
        self, batch: Batch, work: Callable[[], Callable[[], None]], is_wanted: Callable[[], bool]
    ) -> None:
        """Compute something for a batch on a worker's thread, then do what that returns on this one.

        Args:
            batch: the batch.
            work: what takes long.
            is_wanted: asked afterwards.
        """
        made: list[Callable[[], None]] = []

        def compute() -> None:
            try:
                made.append(work())
            except Exception as error:  # noqa: BLE001 - raised again where the batch's guard sees it
                made.append(partial(_raise, error))

        def go_on() -> None:
            if self.is_open(batch) and is_wanted():
                self._guard(batch, made[0])

        self.loop.aside(compute, go_on)

    def settle(self, batch: Batch, number: int) -> None:
        """Go on with a result that waits for what the job's record says."""
        self._fetching.settle(batch, number)

    def _guard(self, batch: Batch, act: Callable[[], object]) -> bool:
        """Do something for a batch; a fault ends this batch and no other. Return whether it went well."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - a fault ends its own batch only
            logger.exception("A bug in the conductor; the circuits of run %s are given up", batch.run.id)
            self._give_up(batch, _bug(batch, error))
            return False
        return True

    def apply(self, batch: Batch, number: int, event: Event) -> None:
        """Step one submission, publish its state, and see to what follows."""
        before = batch.submissions[number]
        after, commands = step(before, event)
        if after is before:
            return
        batch.submissions[number] = after
        if after.job_id is not None:
            self._drop_request(batch, number, after)
        is_news = after.phase is not before.phase or after.is_complete is not before.is_complete
        if is_news or not isinstance(event, Seen):
            self._note(batch, number, event)
        if before.phase is Phase.UNKNOWN and after.phase is not Phase.UNKNOWN:
            self._ledgers[batch].doubts.pop(number, None)
        if isinstance(event, Accepted):
            self._note_project(batch, self._ledgers[batch])
        if isinstance(event, Absent):
            self._ledgers[batch].resent.add(number)
            self._submitting.watch_for_duplicates(batch)
        self._ledgers[batch].active += _is_active(after) - _is_active(before)
        if not self._ledgers[batch].is_given_up:
            for command in commands:
                self._see_to(batch, number, command)
        if after.phase.is_final:
            self._bills.settle(batch, number)
        if getattr(after.error, "code", None) in OUT_OF_MONEY:
            self._submitting.stop(batch, _out_of_money(after.error))
        if after.phase in (Phase.FAILED, Phase.CANCELLED):
            for index in batch.parcels[number].circuits:
                self._end_circuit(batch, index, error=after.error)
        batch.notify()

    def batches_of(self, budget: Budget) -> list[Batch]:
        """Return the batches under way that share a budget."""
        return [batch for batch in self._ledgers if batch.budget is budget]

    def _drop_request(self, batch: Batch, number: int, submission: Submission) -> None:
        """Forget a request that is not needed again, or is on disk."""
        parcel = batch.parcels[number]
        is_home = submission.phase is Phase.DONE and batch.errors.keys().isdisjoint(parcel.circuits)
        if parcel.body and (is_home or number in batch.places):
            batch.parcels[number] = replace(parcel, body=b"")

    def circuit_done(
        self, batch: Batch, index: int, outcome: Outcome | None, kept: StoredResult | Scrap | None
    ) -> None:
        """Publish a circuit's result, None where none was wanted, and record where it is kept."""
        if batch.has_ended(index):
            return
        if outcome is None:
            batch.record.note({"is": "result", "i": index})
        elif isinstance(kept, StoredResult):
            batch.record.note({"is": "result", "i": index, "kind": kept.kind, "at": kept.place.record()})
        batch.outcomes.put(index, outcome, kept)
        self._end_circuit(batch, index)

    def circuit_failed(self, batch: Batch, index: int, error: Exception) -> None:
        """Keep the reason why a circuit by itself, and not its job, has no result."""
        if batch.has_ended(index):
            return
        batch.record.note({"is": "circuit failed", "i": index, **error_facts(error)})
        self._ledgers[batch].stays_open |= may_be_read_later(error)
        self._end_circuit(batch, index, error=error)

    def _note(self, batch: Batch, number: int, event: Event) -> None:
        """Tell the run's record what has happened."""
        record = event_record(number, event, self.loop.wall())
        if isinstance(event, Stopped | Unresolved) or batch.submissions[number].may_come:
            self._ledgers[batch].stays_open = True
        if record is not None:
            given = isinstance(event, Accepted) and f"circuit {batch.parcels[number].circuits[0]} of run "
            precious = f"{given}{batch.run.id} is IonQ job {record.get('id')}" if given else None
            batch.record.note(record, precious=precious)

    def _end_circuit(self, batch: Batch, index: int, *, error: Exception | None = None) -> None:
        """Publish that a circuit has its result, or the reason why it has none; the first counts."""
        if batch.has_ended(index):
            return
        batch.stamps.end(index, self.loop.now())
        batch.end(index, error)
        shown = batch.run.first + index
        at: tuple[Any, ...] = (len(batch.finished), batch.total, shown, batch.job_id(index))
        if error is None:
            logger.info("Circuit %d/%d completed (circuit_id=%d, job_id=%s)", *at)
        else:
            logger.info("Circuit %d/%d has no result (circuit_id=%d, job_id=%s): %s", *at, error)
        batch.notify()
        if batch.is_over:
            self._end_batch(batch)

    # -- the conductor's own -------------------------------------------------------------------

    def _open(self, batch: Batch, *, is_restored: bool = False) -> Ledger:
        ledger = self._ledgers.get(batch)
        if ledger is None:
            lane = Lane(batch.run.workers, traffic=batch.traffic, guard=partial(self._guard, batch))
            ledger = Ledger(began=self.loop.now(), lane=lane, owner=batch.owner(), is_restored=is_restored)
            ledger.lane.may_submit = partial(self._submitting.may_submit, batch, ledger)
            ledger.lane.hear = partial(self._hear, batch, Denial())
            self._ledgers[batch] = ledger
            self.loop.open_lane(ledger.lane)
        return ledger

    def _hear(self, batch: Batch, denial: Denial, report: Report) -> None:
        """Follow a batch no more once the key is surely refused: its jobs go on, and their ids are kept."""
        refusal = denial.hear(report, self.loop.now())
        if refusal is not None:
            logger.warning(
                "The service refuses the API key (%s), so run %s is not followed any more; what was accepted "
                "goes on, and provider.resume(%r) with a valid key collects it",
                refusal,
                batch.run.id,
                batch.run.id,
            )
            self._part_with(batch, lambda index: _locked_out(batch, index, refusal))

    def _part_with(self, batch: Batch, reason: Callable[[int], Exception]) -> None:
        """End every circuit here that has not ended, and let go of the batch, which stays open on record."""
        ledger = self._ledgers.pop(batch)
        self.loop.close_lane(ledger.lane)
        self._leave(batch, ledger, reason)
        self._close(batch, ledger)

    def _note_project(self, batch: Batch, ledger: Ledger) -> None:
        """Record whose jobs these are: asked once, after the first acceptance, and no run waits for it."""
        if not batch.record.is_kept or batch.project is not None or ledger.is_restored:
            return

        def told(report: Report) -> None:
            self._project = report.value or self._project
            if self._project is not None:
                batch.project = self._project
                batch.record.note({"is": "project", "id": self._project})

        if self._project is not None:
            told(Report(value=self._project))
        elif not ledger.has_asked_project:
            ledger.has_asked_project = True
            ledger.lane.put(Order.LOOK, Task(perform=self.worker.project, then=told))

    def _take(self, batch: Batch, parcel: Parcel) -> None:
        if batch.is_over:  # given up or handed over since
            return
        ledger = self._open(batch)
        number = len(batch.parcels)
        batch.parcels.append(parcel)
        batch.submissions.append(Submission())
        batch.stamps.take(number, self.loop.now())
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
        self.circuit_failed(batch, index, error)

    def _cancel(self, batch: Batch, include_running: bool) -> None:
        if batch.is_over:
            return
        ledger = self._open(batch)
        ledger.is_cancelled, ledger.cancels_running = True, include_running
        ledger.lane.is_cancelled = True
        self._submitting.withdraw(batch)
        for number in range(len(batch.submissions)):
            self.apply(batch, number, CancelAsked())

    def _detach(self, batch: Batch) -> None:
        if batch.is_over:
            return
        ledger = self._open(batch)
        reason = (
            "this circuit was not sent: the run was interrupted before. "
            f"provider.resume({batch.run.id!r}, submit=True) sends it"
        )
        batch.record.note({"is": "detached", "t": round(self.loop.wall(), 3)})
        self._submitting.stop(batch, NotSentError(reason))
        self._leave_out_the_missing(batch, ledger, NotSentError(reason))

    def _leave_out_the_missing(self, batch: Batch, ledger: Ledger, error: JobError) -> None:
        """End circuits that were never handed over, for as long as nobody hands them over again."""
        for index in range(batch.total):
            if index not in batch.parcel_of and not batch.has_ended(index):
                ledger.stays_open = True
                self._end_circuit(batch, index, error=error)

    def _adopt(self, batch: Batch, refusal: Exception | None, missing: JobError) -> None:
        ledger = self._open(batch, is_restored=True)
        ledger.stopped = refusal
        ledger.voyages = [Voyage() for _ in batch.submissions]
        now = self.loop.instant()
        ledger.left_before = {
            number: replace(now, wall=sent.first_sent_at)
            for number, sent in enumerate(batch.submissions)
            if sent.first_sent_at is not None
        }
        batch.submissions[:] = map(self._retimed, batch.submissions)
        ledger.active = sum(map(_is_active, batch.submissions))
        ledger.resent.update(n for n, sent in enumerate(batch.submissions) if sent.was_sent_again)
        self._submitting.know(batch)
        self._leave_out_the_missing(batch, ledger, missing)
        for number, submission in enumerate(batch.submissions):
            match submission.phase:
                case Phase.WAITING:
                    self._submitting.submit(batch, number)
                case Phase.SENDING:
                    why = "the process that sent it ended"
                    self.apply(batch, number, Lost(self.loop.now(), why))
                case Phase.UNKNOWN if submission.job_id is None:
                    self._submitting.reconcile(batch, number)
                case Phase.UNKNOWN:  # acknowledged, and not shown so far: asked for by its id first
                    self.apply(batch, number, Reopened(self.loop.now()))
                case Phase.FAILED if submission.may_come:
                    self.apply(batch, number, Reopened(self.loop.now()))
                case Phase.QUEUED | Phase.RUNNING | Phase.FETCHING:
                    self.apply(batch, number, Reopened(self.loop.now()))
                case Phase.DONE if not all(map(batch.has_ended, batch.parcels[number].circuits)):
                    self.apply(batch, number, Reopened(self.loop.now()))
        if batch.record.is_kept:
            self._duplicates.resume(batch)
            if ledger.resent:
                self._submitting.watch_for_duplicates(batch)
        self._bills.resume(batch)
        if batch.is_over:
            if ledger.resent and batch.record.is_kept and not batch.is_swept:
                self._submitting.sweep(batch)
            self._forget_at(batch, self.loop.now())
        batch.notify()

    def _retimed(self, submission: Submission) -> Submission:
        """Return a submission with its times on this loop's clock, and none of them to come."""
        now, shift = self.loop.now(), self.loop.now() - self.loop.wall()
        times = ("first_sent_at", "sent_at", "accepted_at", "seen_at", "ended_at")
        moved = {name: getattr(submission, name) for name in times}
        moved = {name: min(time + shift, now) for name, time in moved.items() if time is not None}
        setbacks = tuple(replace(s, at=min(s.at + shift, now), since=None) for s in submission.setbacks)
        return replace(submission, **moved, setbacks=setbacks)

    def _release(self, batch: Batch, released: Future[None]) -> None:

        def again() -> None:
            self._guard(batch, lambda: self._release(batch, released))

        if batch in self._closing:
            self.loop.at(self.loop.now() + 0.02, again)
            return
        if not self.is_open(batch):
            released.set_result(None)
            return
        ledger = self._ledgers[batch]
        self._submitting.withdraw(batch)
        if any(submission.phase is Phase.SENDING for submission in batch.submissions):
            self.loop.at(self.loop.now() + 0.02, again)
            return
        del self._ledgers[batch]
        self.loop.close_lane(ledger.lane)
        self._bills.leave(batch)
        for index in range(batch.total):
            self._end_circuit(batch, index, error=DetachedError("this run goes on in another job object"))
        self.loop.aside(batch.record.close, lambda: released.set_result(None))

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
        if not self.is_open(batch):
            return
        ledger = self._ledgers[batch]
        logger.info(
            "Batch execution completed: %d/%d circuits in %.2f s (max_workers=%d, target=%s)",
            batch.total - len(batch.errors),
            batch.total,
            self.loop.now() - ledger.began,
            batch.run.workers,
            batch.target,
        )
        if ledger.resent:
            self._submitting.sweep(batch)
        self._forget_at(batch, self.loop.now())

    def _forget_at(self, batch: Batch, due: float) -> None:
        self.loop.at(due, lambda: self.is_open(batch) and self._guard(batch, lambda: self._forget(batch)))

    def _forget(self, batch: Batch) -> None:
        """Drop a batch that is over, once no answer is outstanding that would ask for it."""
        ledger = self._ledgers[batch]
        is_busy = ledger.active or any(ledger.lane.ready) or _seeks_duplicates(ledger) or ledger.open_bills
        if ledger.lane.under_way or (is_busy and not ledger.is_given_up):
            self._forget_at(batch, self.loop.now() + 0.5)
        else:
            del self._ledgers[batch]
            self.loop.close_lane(ledger.lane)
            self._close(batch, ledger)

    def _close(self, batch: Batch, ledger: Ledger) -> None:
        """Close a batch's record on a worker's thread, which may wait for the disk."""
        self._bills.leave(batch)
        self._closing.add(batch)
        self.loop.aside(lambda: _close_record(batch, ledger), lambda: self._closing.discard(batch))

    def _give_up(self, batch: Batch, error: Exception) -> None:
        """End a batch that cannot go on. Answers to its submissions under way are still taken note of."""
        ledger = self._ledgers.get(batch)
        if ledger is not None:
            ledger.is_given_up = True
            self._forget_at(batch, self.loop.now())
        self._leave(batch, ledger, lambda _: error)

    def _give_up_all(self, error: Exception) -> None:
        for batch in list(self._ledgers):
            self._give_up(batch, _bug(batch, error))

    def _leave(self, batch: Batch, ledger: Ledger | None, reason: Callable[[int], Exception]) -> None:
        """End every circuit here that has not ended, each for its reason; the run stays open on record."""
        left = [index for index in range(batch.total) if not batch.has_ended(index)]
        if ledger is not None:
            ledger.stays_open |= bool(left)
            for tasks in ledger.lane.ready:
                tasks.clear()
        for index in left:
            error = reason(index)
            if ledger is not None:
                ledger.stopped = ledger.stopped or error
            try:
                self._end_circuit(batch, index, error=error)
            except Exception:  # noqa: BLE001 - nothing is to wait for what will not come
                logger.exception("Circuit %d of run %s could not be ended as it should", index, batch.run.id)
                batch.end(index, error)
        batch.notify()

    def _end(self) -> None:
        """End what is under way when the thread ends: nothing goes on with it here."""
        for batch, ledger in list(self._ledgers.items()):
            self._leave(batch, ledger, partial(_left_behind, batch))
            try:
                _close_record(batch, ledger)
            except Exception:  # noqa: BLE001 - the others are closed all the same
                logger.exception("The record of run %s could not be closed", batch.run.id)


def _raise(error: Exception) -> None:
    raise error


def _bug(batch: Batch, error: Exception) -> IonQError:
    """Return what a circuit ends with that a mistake of this package gave up."""
    told = IonQError(
        f"a mistake in qiskit_parallel_ionq ended this run ({error!r}). What was accepted goes on at IonQ: "
        f"provider.resume({batch.run.id!r}) collects it. Please report this, with the traceback in the log"
    )
    told.__cause__ = error
    return told


def _seeks_duplicates(ledger: Ledger) -> bool:
    return ledger.is_sweeping or bool(ledger.duplicates)


def _out_of_money(error: Exception | None) -> IonQError:
    return JobError(
        f"the account can pay for nothing more ({error}), so nothing more is sent; what was accepted goes "
        "on. Mend the contract, then provider.resume(job_id, submit=True) sends the rest"
    )


def _left_behind(batch: Batch, index: int) -> JobError:
    """Return what to say of a circuit without a result when the provider is closed."""
    run_id, phase = batch.run.id, batch.phase(index)
    if phase is Phase.WAITING:
        return NotSentError(
            f"the provider was closed before this circuit was sent; provider.resume({run_id!r}, submit=True) "
            "of another provider sends it"
        )
    job_id = batch.job_id(index)
    what = "its job may be in the service" if job_id is None else f"its job {job_id} goes on"
    return DetachedError(
        f"the provider was closed before this circuit had a result; {what}, and provider.resume({run_id!r}) "
        "of another provider collects the result"
    )


def _locked_out(batch: Batch, index: int, refusal: AuthenticationError) -> JobError:
    """Return what to say of a circuit without a result when the key is refused."""
    run_id = batch.run.id
    if batch.phase(index) is Phase.WAITING:
        error: JobError = NotSentError(
            f"the service refuses the API key, so this circuit was not sent ({refusal}) With a valid key, "
            f"provider.resume({run_id!r}, submit=True) sends it"
        )
    else:
        job_id = batch.job_id(index)
        what = "Its job may be in the service" if job_id is None else f"Its job {job_id} goes on"
        error = DetachedError(
            f"the service refuses the API key, so this circuit is not followed any more ({refusal}) {what}; "
            f"with a valid key, provider.resume({run_id!r}) collects the result"
        )
    error.__cause__ = refusal
    return error


def _close_record(batch: Batch, ledger: Ledger) -> None:
    """Let go of a run's record; a circuit that may still come to something keeps the run open."""
    if not batch.errors:
        batch.record.drop_bodies()
    if not ledger.stays_open and not _seeks_duplicates(ledger):
        batch.record.note({"is": "over"})
    batch.record.close()


def _is_active(submission: Submission) -> bool:
    return not submission.phase.is_final and submission.phase is not Phase.WAITING
