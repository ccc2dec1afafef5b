# SPDX-License-Identifier: Apache-2.0
"""The one thread that feeds the lifecycle, and the bounded pool of workers that performs its commands.

Workers never wait: due times live in a heap here, so ten workers keep hundreds of circuits in flight and
a cancellation is prompt. Only this thread writes a batch. Time, randomness and the executor are passed in.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from . import wire
from .batch import Batch
from .decode import Outcome, RawResult, decode
from .errors import (
    CircuitFailedError,
    IonQError,
    ResultIntegrityError,
    SubmissionUnknownError,
    TransportError,
)
from .lifecycle import (
    Absent,
    Accepted,
    BetLost,
    BetPlaced,
    CancelAsked,
    Command,
    Event,
    Fetched,
    FetchFailed,
    Found,
    HeldBack,
    Lost,
    Phase,
    Refused,
    Seen,
    Sent,
    Stopped,
    Submission,
    Unresolved,
    Vanished,
    step,
)
from .options import MAX_WORKERS_LIMIT
from .parcel import Parcel
from .policy import Backoff, Forecast, Gate, Verdict, Watch
from .reconcile import Doubt, Finding, Listing
from .sources import Kind, aggregate_sources, sources
from .wire import JobRecord, JobState
from .worker import Report, Worker

logger = logging.getLogger("qiskit_parallel_ionq")

WINDOW = 0.03
"""Seconds: looks that are due this close together share a request."""
OUTAGE_PATIENCE = 60.0
"""Seconds without a connection after which nothing more is sent for a run."""
FETCH_ATTEMPTS = 5
"""How often a refused read of a finished job is repeated before it is believed."""
BELIEVE_ABSENCE_AFTER = 60.0
"""Seconds: a job that the service denies having is given this long to turn up."""
IDS_PER_CANCEL = 100


CANCEL, SUBMIT, LOOK, FETCH = range(4)
"""The order in which ready tasks go out: what is sent early is done early, and nothing is looked at twice."""


@dataclass(frozen=True, slots=True)
class Task:
    """A command on its way to a worker, and what to do with the account of it."""

    perform: Callable[[], Report]
    then: Callable[[Report], None]
    on_start: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Voyage:
    """What the conductor keeps about one submission besides its state."""

    body: bytes | None
    setbacks: int = 0
    due: float = math.inf
    has_bet: bool = False
    takes_at_least: float = 0.0
    missing_since: float | None = None
    cancelled_at: float = -math.inf
    doubt: Doubt | None = None
    pieces: int = 0
    aggregate: RawResult | None = None


@dataclass(slots=True)
class Ledger:
    """What the conductor keeps about one batch besides what readers see."""

    began: float
    voyages: list[Voyage] = field(default_factory=list)
    ready: tuple[deque[Task], ...] = field(default_factory=lambda: tuple(deque() for _ in range(4)))
    due: list[tuple[float, int]] = field(default_factory=list)
    to_cancel: list[int] = field(default_factory=list)
    under_way: int = 0
    active: int = 0
    stopped: Exception | None = None
    unreachable_since: float | None = None
    is_cancelled: bool = False
    cancels_running: bool = False
    looks_one_by_one: bool = False
    listings: int = 0
    is_listing: bool = False


class Conductor:
    """Runs all batches of a provider. `start` is called by the first batch, `close` by the provider.

    Args:
        worker: performs commands.
        now: monotonic clock, seconds.
        wait: waits for a message on a queue, at most so many seconds; raises `queue.Empty`.
        executor: makes the pool of workers.
        jitter: numbers in [0, 1).
    """

    def __init__(
        self,
        worker: Worker,
        *,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[queue.SimpleQueue[Any], float | None], Any] | None = None,
        executor: Callable[[], Executor] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._worker = worker
        self._now = now
        self._wait = wait or (lambda inbox, seconds: inbox.get(timeout=seconds))
        self._make_executor = executor or (
            lambda: ThreadPoolExecutor(MAX_WORKERS_LIMIT, thread_name_prefix="ionq-worker")
        )
        self._jitter = jitter
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = itertools.count()
        self._under_way = 0
        self._gate = Gate.open(MAX_WORKERS_LIMIT)
        self._watch = Watch()
        self._backoff = Backoff()
        self._forecasts: dict[tuple[Any, ...], Forecast] = {}
        self._ledgers: dict[Batch, Ledger] = {}
        self._executor: Executor | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    # -- what other threads call ---------------------------------------------------------------

    def add(self, batch: Batch, parcel: Parcel) -> None:
        """Take one more parcel of a batch; it is sent as soon as a worker is free."""
        self._post(lambda: self._take(batch, parcel))

    def fail(self, batch: Batch, index: int, error: Exception) -> None:
        """Note that a circuit never became a parcel."""
        self._post(lambda: self._end_circuit(batch, index, error=error))

    def cancel(self, batch: Batch, *, include_running: bool) -> None:
        """Cancel what has no result yet."""
        self._post(lambda: self._cancel(batch, include_running))

    def start(self) -> None:
        """Start the thread, if it is not running."""
        with self._lock:
            if self._is_closed:
                raise IonQError("this provider is closed: make a new one to run more circuits")
            if self._thread is None:
                self._executor = self._make_executor()
                self._thread = threading.Thread(target=self._run, name="ionq-conductor", daemon=True)
                self._thread.start()

    def close(self, timeout: float = 10.0) -> None:
        """Send nothing more, wait for the answers under way, and end the thread."""
        with self._lock:
            self._is_closed = True
            thread, executor = self._thread, self._executor
        self._inbox.put(lambda: None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        if executor is not None:
            executor.shutdown(wait=False)

    def turn(self) -> None:
        """Do everything that can be done now, then wait for the next message or due time."""
        self._ring_timers()
        self._dispatch()
        try:
            message = self._wait(self._inbox, self._patience())
        except queue.Empty:
            return
        message()
        while not self._inbox.empty():
            self._inbox.get()()

    # -- the loop ------------------------------------------------------------------------------

    def _post(self, message: Callable[[], None]) -> None:
        if self._is_closed:
            raise IonQError("this provider is closed: make a new one to run more circuits")
        self._inbox.put(message)

    def _run(self) -> None:
        while not (self._is_closed and self._under_way == 0):
            try:
                self.turn()
            except Exception as error:
                logger.exception("The conductor met a bug of its own; open circuits are failed")
                for batch in list(self._ledgers):
                    for index in range(batch.total):
                        self._end_circuit(batch, index, error=error)
        for batch in list(self._ledgers):
            closed = IonQError("the provider was closed before this circuit had a result")
            for index in range(batch.total):
                self._end_circuit(batch, index, error=closed)

    def _patience(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - self._now())

    def _ring_timers(self) -> None:
        now = self._now()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def _at(self, due: float, ring: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (due, next(self._sequence), ring))

    def _dispatch(self) -> None:
        """Hand ready tasks to workers, as far as the gate and the batches' limits allow."""
        for batch, ledger in self._ledgers.items():
            while ledger.under_way < batch.workers and (tasks := self._next(batch, ledger)):
                if not self._gate.allows(self._now(), self._under_way):
                    if self._under_way == 0:
                        self._at(self._gate.not_before, lambda: None)
                    return
                self._hand_out(tasks.popleft(), ledger)

    def _next(self, batch: Batch, ledger: Ledger) -> deque[Task] | None:
        """Return the queue whose first task is to go out next."""
        may_submit = not self._is_closed and (batch.window is None or ledger.active < batch.window)
        for order, tasks in enumerate(ledger.ready):
            if tasks and (order != SUBMIT or may_submit):
                return tasks
        return None

    def _hand_out(self, task: Task, ledger: Ledger) -> None:
        task.on_start()
        ledger.under_way += 1
        self._under_way += 1
        if self._executor is None:
            self._executor = self._make_executor()

        def work() -> None:
            try:
                report = task.perform()
            except Exception as error:  # noqa: BLE001 - a worker that dies silently would hang the run
                report = Report(error=IonQError(f"a worker met a bug: {error!r}"))
            self._inbox.put(lambda: self._finish(task, ledger, report))

        self._executor.submit(work)

    def _finish(self, task: Task, ledger: Ledger, report: Report) -> None:
        under_way = self._under_way
        ledger.under_way -= 1
        self._under_way -= 1
        if report.is_congestion:
            self._gate = self._gate.set_back(
                self._now(),
                sent_at=report.sent_at,
                under_way=under_way,
                pause=report.pause,
                jitter=self._jitter(),
            )
        else:
            self._gate = self._gate.succeeded(under_way)
        task.then(report)

    # -- events and commands -------------------------------------------------------------------

    def _take(self, batch: Batch, parcel: Parcel) -> None:
        ledger = self._ledgers.setdefault(batch, Ledger(began=self._now()))
        number = len(batch.parcels)
        batch.parcels.append(parcel)
        batch.submissions.append(Submission())
        batch.parcel_of.update(dict.fromkeys(parcel.circuits, number))
        ledger.voyages.append(Voyage(body=parcel.body))
        if ledger.is_cancelled:
            self._apply(batch, number, CancelAsked())
        elif ledger.stopped is not None:
            self._apply(batch, number, Stopped(ledger.stopped))
        else:
            self._submit(batch, number)

    def _apply(self, batch: Batch, number: int, event: Event) -> None:
        """Step one submission, publish its new state, and see to what follows."""
        before = batch.submissions[number]
        after, commands = step(before, event)
        if after is before:
            return
        batch.submissions[number] = after
        self._ledgers[batch].active += _is_active(after) - _is_active(before)
        for command in commands:
            self._see_to(batch, number, command)
        if after.phase in (Phase.FAILED, Phase.CANCELLED):
            for index in batch.parcels[number].circuits:
                self._end_circuit(batch, index, error=after.error)
        batch.notify()

    def _see_to(self, batch: Batch, number: int, command: Command) -> None:
        match command:
            case Command.SUBMIT:
                self._submit(batch, number)
            case Command.RECONCILE:
                self._doubt(batch, number)
            case Command.WATCH:
                self._plan_look(batch, number)
            case Command.FETCH:
                self._fetch(batch, number)
            case Command.LOOK_AND_CANCEL:
                self._look_at(self._now(), batch, number)
            case Command.CANCEL:
                self._plan_cancel(batch, number)

    # -- submitting ----------------------------------------------------------------------------

    def _submit(self, batch: Batch, number: int) -> None:
        voyage = self._ledgers[batch].voyages[number]
        body = voyage.body or b""
        task = Task(
            perform=lambda: self._worker.submit(body),
            then=lambda report: self._submitted(batch, number, report),
            on_start=lambda: self._apply(batch, number, Sent(self._now())),
        )
        self._ledgers[batch].ready[SUBMIT].append(task)

    def _submitted(self, batch: Batch, number: int, report: Report) -> None:
        ledger = self._ledgers[batch]
        voyage = ledger.voyages[number]
        now = self._now()
        error = report.error or IonQError("the submission was not accepted")
        if report.verdict is not Verdict.NOT_SENT:
            ledger.unreachable_since = None
        match report.verdict:
            case Verdict.ACCEPTED:
                voyage.body = None
                self._apply(batch, number, Accepted(report.value, at=now))
            case Verdict.REFUSED:
                self._apply(batch, number, Refused(error))
            case Verdict.PUSHED_BACK:
                self._apply(batch, number, HeldBack())
            case Verdict.NOT_SENT:
                since = ledger.unreachable_since = ledger.unreachable_since or now
                if now - since > OUTAGE_PATIENCE:
                    self._stop(batch, number, _unreachable(error, now - since))
                else:
                    self._apply(batch, number, HeldBack())
            case Verdict.UNKNOWN:
                voyage.doubt = Doubt.about(batch.parcels[number].token, now, target=batch.target)
                logger.warning(
                    "Circuit %d: the answer to its submission was lost (%s); looking for it before anything is sent again",
                    batch.parcels[number].circuits[0], error,
                )  # fmt: skip
                self._apply(batch, number, Lost())
            case _:
                self._stop(batch, number, error)

    def _stop(self, batch: Batch, number: int, error: Exception) -> None:
        """Send nothing more for this batch, and say why once."""
        ledger = self._ledgers[batch]
        ledger.stopped = ledger.stopped or error
        ledger.ready[SUBMIT].clear()
        self._apply(batch, number, Refused(ledger.stopped))
        for other in range(len(batch.submissions)):
            self._apply(batch, other, Stopped(ledger.stopped))

    # -- after a lost answer -------------------------------------------------------------------

    def _doubt(self, batch: Batch, number: int) -> None:
        ledger = self._ledgers[batch]
        if batch.on_unknown == "resubmit":
            self._apply(batch, number, Absent())
            return
        ledger.listings = 0
        self._plan_listing(batch)

    def _plan_listing(self, batch: Batch) -> None:
        ledger = self._ledgers.get(batch)
        doubts = [] if ledger is None else self._open_doubts(batch, ledger)
        if ledger is None or ledger.is_listing or not doubts:
            return
        ledger.is_listing = True
        due = min(doubt.next_look(self._now(), ledger.listings) for _, doubt in doubts)
        self._at(due, lambda: self._list(batch))

    def _open_doubts(self, batch: Batch, ledger: Ledger) -> list[tuple[int, Doubt]]:
        return [
            (number, voyage.doubt)
            for number, voyage in enumerate(ledger.voyages)
            if voyage.doubt is not None and batch.submissions[number].phase is Phase.UNKNOWN
        ]

    def _list(self, batch: Batch) -> None:
        ledger = self._ledgers[batch]
        ledger.listings += 1
        witnesses: list[str] = []

        def note_witnesses() -> None:
            witnesses.extend(
                parcel.token
                for parcel, submission in zip(batch.parcels, batch.submissions, strict=True)
                if submission.job_id is not None
            )

        task = Task(
            perform=self._worker.list_tokens,
            then=lambda report: self._listed(batch, report, witnesses),
            on_start=note_witnesses,
        )
        ledger.ready[LOOK].append(task)

    def _listed(self, batch: Batch, report: Report, witnesses: list[str]) -> None:
        ledger = self._ledgers[batch]
        ledger.is_listing = False
        listing = report.value or Listing({}, is_complete=False, begun_at=report.sent_at)
        for number, doubt in self._open_doubts(batch, ledger):
            finding, doubt = doubt.judge(listing, witnesses=witnesses)
            ledger.voyages[number].doubt = doubt
            match finding:
                case Finding.FOUND:
                    self._apply(batch, number, Found(listing.records[doubt.token], at=self._now()))
                case Finding.ABSENT if batch.on_unknown == "reconcile":
                    self._apply(batch, number, Absent())
                case Finding.ABSENT | Finding.GIVEN_UP:
                    self._apply(batch, number, Unresolved(_unresolved(doubt, listing, ledger.listings)))
        self._plan_listing(batch)

    # -- watching ------------------------------------------------------------------------------

    def _forecast_key(self, batch: Batch, parcel: Parcel) -> tuple[Any, ...]:
        return batch.target, parcel.is_exact, parcel.shots, len(parcel.circuits)

    def _forecast(self, batch: Batch, number: int) -> Forecast:
        return self._forecasts.get(self._forecast_key(batch, batch.parcels[number]), Forecast())

    def _plan_look(self, batch: Batch, number: int) -> None:
        """Decide when to ask about a job next, and whether to ask for its result straight away."""
        submission, voyage = batch.submissions[number], self._ledgers[batch].voyages[number]
        forecast, now = self._forecast(batch, number), self._now()
        sent_at = submission.sent_at if submission.sent_at is not None else now
        due = self._expected(submission, forecast, sent_at)
        parcel = batch.parcels[number]
        if due is not None and not voyage.has_bet and not parcel.dry_run and not parcel.by_register:
            if forecast.may_bet(due - sent_at):
                voyage.has_bet, voyage.due = True, math.inf
                self._at(due, lambda: self._bet(batch, number))
                return
        if due is not None and now < due <= now + Forecast.BET_WITHIN:
            self._look_at(due, batch, number)
            return
        elapsed = now - (submission.accepted_at or now)
        remaining = None if due is None else due - now
        pause = (
            self._watch.shortest
            if submission.seen_at is None
            else self._watch.again(elapsed=elapsed, remaining=remaining)
        )
        self._look_at(now + pause, batch, number)

    def _expected(self, submission: Submission, forecast: Forecast, sent_at: float) -> float | None:
        """Return when the result can be there: by the service's prediction, else by experience."""
        record = submission.record
        if record is not None and record.predicted_execution_ms is not None:
            execution = record.predicted_execution_ms / 1000.0
            waiting = (record.predicted_wait_ms or 0.0) / 1000.0
            if waiting and record.state is not JobState.STARTED:
                return (submission.seen_at or sent_at) + waiting + execution
            return self._watch.due(sent_at, execution)
        if forecast.turnaround is not None:
            return self._watch.due(sent_at, forecast.turnaround)
        return None

    def _look_at(self, due: float, batch: Batch, number: int) -> None:
        ledger = self._ledgers[batch]
        ledger.voyages[number].due = due
        heapq.heappush(ledger.due, (due, number))
        self._at(due, lambda: self._look(batch))

    def _look(self, batch: Batch) -> None:
        """Look at all jobs of a batch that are due, in as few requests as possible."""
        ledger = self._ledgers.get(batch)
        if ledger is None:
            return
        numbers = []
        while ledger.due and ledger.due[0][0] <= self._now() + WINDOW:
            due, number = heapq.heappop(ledger.due)
            voyage = ledger.voyages[number]
            if voyage.due == due and batch.submissions[number].phase.is_in_service:
                voyage.due = math.inf
                numbers.append(number)
        alone = [n for n in numbers if ledger.looks_one_by_one or self._wants_own_look(batch, n)]
        together = [n for n in numbers if n not in set(alone)]
        for number in alone:
            self._ask(batch, [number], alone=True)
        for start in range(0, len(together), wire.IDS_PER_PAGE):
            self._ask(batch, together[start : start + wire.IDS_PER_PAGE], alone=False)

    def _wants_own_look(self, batch: Batch, number: int) -> bool:
        """Say whether only the job's own page will do: listings leave out children's ids."""
        record = batch.submissions[number].record
        is_missing = self._ledgers[batch].voyages[number].missing_since is not None
        return is_missing or (batch.parcels[number].is_pack and not (record and record.child_ids))

    def _ask(self, batch: Batch, numbers: list[int], *, alone: bool) -> None:
        ids = [batch.submissions[n].job_id or "" for n in numbers]
        task = Task(
            perform=(lambda: self._worker.look_at(ids[0])) if alone else (lambda: self._worker.look(ids)),
            then=lambda report: self._looked(batch, numbers, report, alone=alone),
        )
        self._ledgers[batch].ready[LOOK].append(task)

    def _looked(self, batch: Batch, numbers: list[int], report: Report, *, alone: bool) -> None:
        ledger, now = self._ledgers.get(batch), self._now()
        if ledger is None:
            return
        if report.error is not None and not alone and getattr(report.error, "status", None) in (404, 405):
            ledger.looks_one_by_one = True  # this service has no listing
        for number in numbers:
            submission, voyage = batch.submissions[number], ledger.voyages[number]
            if not submission.phase.is_in_service:
                continue
            record: JobRecord | None = (report.value or {}).get(submission.job_id)
            if record is not None:
                voyage.setbacks, voyage.missing_since = 0, None
                self._learn(batch, number, record, report.sent_at)
                self._apply(batch, number, Seen(record, at=now))
            elif report.is_passing:
                voyage.setbacks += 1
                pause = self._backoff.delay(
                    min(voyage.setbacks, self._backoff.attempts), jitter=self._jitter()
                )
                self._look_at(now + (pause or 0.0), batch, number)
            elif report.error is not None and getattr(report.error, "status", None) not in (404, 405):
                self._apply(batch, number, Vanished(report.error, at=now))
            else:
                self._miss(batch, number, now)

    def _miss(self, batch: Batch, number: int, now: float) -> None:
        """Give a job that the service does not show some time to turn up, then believe it."""
        voyage, job_id = self._ledgers[batch].voyages[number], batch.submissions[number].job_id
        if voyage.missing_since is None:
            voyage.missing_since = now
            self._look_at(now, batch, number)
        elif now - voyage.missing_since < BELIEVE_ABSENCE_AFTER:
            self._look_at(now + BELIEVE_ABSENCE_AFTER / 3.0, batch, number)
        else:
            gone = CircuitFailedError(
                f"the service no longer knows job {job_id} (asked for {BELIEVE_ABSENCE_AFTER:.0f} s); "
                "it may have been deleted",
                job_id=job_id,
            )
            self._apply(batch, number, Vanished(gone, at=now))

    def _learn(self, batch: Batch, number: int, record: JobRecord, looked_at: float) -> None:
        """Remember how long this kind of job takes."""
        submission, voyage = batch.submissions[number], self._ledgers[batch].voyages[number]
        if submission.sent_at is None:
            return
        elapsed = looked_at - submission.sent_at
        if record.state is not JobState.COMPLETED:
            voyage.takes_at_least = elapsed
            return
        at_most = elapsed if record.execution_ms is None else record.execution_ms / 1000.0
        turnaround = max(
            voyage.takes_at_least,
            at_most if record.execution_ms is not None else (voyage.takes_at_least + at_most) / 2,
        )
        key = self._forecast_key(batch, batch.parcels[number])
        self._forecasts[key] = self._forecast(batch, number).seen(turnaround)

    # -- cancelling ----------------------------------------------------------------------------

    def _cancel(self, batch: Batch, include_running: bool) -> None:
        ledger = self._ledgers.get(batch)
        if ledger is None:
            return
        ledger.is_cancelled, ledger.cancels_running = True, include_running
        ledger.ready[SUBMIT].clear()
        for number in range(len(batch.submissions)):
            self._apply(batch, number, CancelAsked())

    def _plan_cancel(self, batch: Batch, number: int) -> None:
        ledger, now = self._ledgers[batch], self._now()
        record = batch.submissions[number].record
        is_running = record is not None and record.state is JobState.STARTED
        if now - ledger.voyages[number].cancelled_at < 5.0 or (is_running and not ledger.cancels_running):
            self._plan_look(batch, number)
            return
        ledger.voyages[number].cancelled_at = now
        if not ledger.to_cancel:
            self._at(now, lambda: self._send_cancel(batch))
        ledger.to_cancel.append(number)

    def _send_cancel(self, batch: Batch) -> None:
        ledger = self._ledgers[batch]
        for start in range(0, len(ledger.to_cancel), IDS_PER_CANCEL):
            numbers = ledger.to_cancel[start : start + IDS_PER_CANCEL]
            self._cancel_page(batch, numbers, [batch.submissions[n].job_id or "" for n in numbers])
        ledger.to_cancel = []

    def _cancel_page(self, batch: Batch, numbers: list[int], ids: list[str]) -> None:
        def look_again(report: Report) -> None:
            if report.error is not None:
                logger.warning("Cancelling %d jobs failed: %s", len(ids), report.error)
            for number in numbers:
                if batch.submissions[number].phase.is_in_service:
                    self._look_at(self._now(), batch, number)

        self._ledgers[batch].ready[CANCEL].append(
            Task(perform=lambda: self._worker.cancel(ids), then=look_again)
        )

    # -- fetching ------------------------------------------------------------------------------

    def _bet(self, batch: Batch, number: int) -> None:
        if batch in self._ledgers and batch.submissions[number].phase.is_in_service:
            self._apply(batch, number, BetPlaced())

    def _fetch(self, batch: Batch, number: int) -> None:
        """Ask for a result; for a pack, for all distributions at once or for each circuit by itself."""
        parcel, submission = batch.parcels[number], batch.submissions[number]
        record, job_id = submission.record, submission.job_id or ""
        if parcel.dry_run:
            for index in parcel.circuits:
                self._end_circuit(batch, index, outcome=None)
            self._apply(batch, number, Fetched(at=self._now()))
            return
        results = None if record is None or submission.is_bet else record.results
        if not parcel.is_pack:
            kinds = parcel.kinds[:1] if submission.is_bet else parcel.kinds
            places = sources(job_id, results, kinds, by_register=parcel.by_register)
            self._read(
                batch,
                number,
                lambda: self._worker.fetch(places),
                lambda raw: self._single_fetched(batch, number, raw),
            )
            return
        if record is None or not record.child_ids:
            self._read(
                batch,
                number,
                lambda: self._worker.look_at(job_id),
                lambda seen: self._children_known(batch, number, seen),
            )
        elif self._reads_each_child(parcel, record):
            self._fetch_children(batch, number, range(len(parcel.circuits)))
        if not (parcel.memory and not parcel.is_exact) and not (record and record.state is JobState.FAILED):
            places = aggregate_sources(job_id, results)
            self._read(
                batch,
                number,
                lambda: self._worker.fetch(places),
                lambda raw: self._aggregate_fetched(batch, number, raw),
            )

    @staticmethod
    def _reads_each_child(parcel: Parcel, record: JobRecord) -> bool:
        """Say whether a pack's circuits are read one by one: for their shots, or because some failed."""
        return (parcel.memory and not parcel.is_exact) or record.state is JobState.FAILED

    def _read(
        self, batch: Batch, number: int, perform: Callable[[], Report], then: Callable[[Any], None]
    ) -> None:
        """Perform a read of a finished job, again and again while that may help."""
        ledger = self._ledgers[batch]

        def finish(report: Report) -> None:
            submission, voyage = batch.submissions[number], ledger.voyages[number]
            if submission.phase is not Phase.FETCHING:
                return
            if report.error is None:
                then(report.value)
            elif submission.is_bet:
                self._lose_bet(batch, number)
            elif report.is_passing or voyage.setbacks < FETCH_ATTEMPTS:
                voyage.setbacks += 1
                pause = self._backoff.delay(
                    min(voyage.setbacks, self._backoff.attempts), jitter=self._jitter()
                )
                self._at(self._now() + (pause or 0.0), lambda: ledger.ready[FETCH].append(task))
            else:
                self._apply(batch, number, FetchFailed(report.error, at=self._now()))

        task = Task(perform=perform, then=finish)
        ledger.ready[FETCH].append(task)

    def _lose_bet(self, batch: Batch, number: int) -> None:
        key = self._forecast_key(batch, batch.parcels[number])
        self._forecasts[key] = self._forecast(batch, number).bet(won=False)
        voyage, submission = self._ledgers[batch].voyages[number], batch.submissions[number]
        voyage.takes_at_least = self._now() - (submission.sent_at or self._now())
        voyage.aggregate = None
        self._apply(batch, number, BetLost())
        self._look_at(self._now() + self._watch.shortest, batch, number)

    def _single_fetched(self, batch: Batch, number: int, raw: RawResult) -> None:
        if self._decode(batch, number, 0, raw):
            self._fetched(batch, number)

    def _children_known(self, batch: Batch, number: int, seen: dict[str, JobRecord]) -> None:
        """Go on with a pack once its own page has named its circuits."""
        submission = batch.submissions[number]
        record = seen[submission.job_id or ""]
        parcel, voyage = batch.parcels[number], self._ledgers[batch].voyages[number]
        if submission.is_bet and record.state is not JobState.COMPLETED:
            self._lose_bet(batch, number)
            return
        if len(record.child_ids) != len(parcel.circuits):
            reason = (
                f"job {record.id} carries {len(parcel.circuits)} circuits, but the service names "
                f"{len(record.child_ids)} children; their results cannot be told apart"
            )
            self._apply(batch, number, FetchFailed(ResultIntegrityError(reason), at=self._now()))
            return
        batch.submissions[number] = replace(submission, record=record)
        if voyage.aggregate is not None:
            self._aggregate_fetched(batch, number, voyage.aggregate)
        elif self._reads_each_child(parcel, record):
            self._fetch_children(batch, number, range(len(parcel.circuits)))

    def _aggregate_fetched(self, batch: Batch, number: int, raw: RawResult) -> None:
        """Hand each circuit of a pack its distribution, by its child's id and never by position."""
        record, voyage = batch.submissions[number].record, self._ledgers[batch].voyages[number]
        if record is None or not record.child_ids:
            voyage.aggregate = raw  # its children's ids are on their way
            return
        body = raw.body if isinstance(raw.body, dict) else {}
        missing = []
        for position, child in enumerate(record.child_ids):
            if child not in body:
                missing.append(position)
            elif not self._decode(batch, number, position, RawResult(raw.kind, body[child])):
                return
        if missing:
            self._fetch_children(batch, number, missing)
        else:
            self._fetched(batch, number)

    def _fetch_children(self, batch: Batch, number: int, positions: Iterable[int]) -> None:
        """Read circuits of a pack one by one, all at the same time."""
        ledger, parcel, record = self._ledgers[batch], batch.parcels[number], batch.submissions[number].record
        children = () if record is None else record.child_ids
        wanted = list(positions)
        ledger.voyages[number].pieces = len(wanted)
        for position in wanted:
            self._fetch_child(batch, number, position, children[position], parcel.kinds)

    def _fetch_child(
        self, batch: Batch, number: int, position: int, child: str, kinds: tuple[Kind, ...], attempt: int = 1
    ) -> None:
        ledger = self._ledgers[batch]

        def finish(report: Report) -> None:
            pause = self._backoff.delay(min(attempt, self._backoff.attempts), jitter=self._jitter())
            if report.error is None:
                self._decode(batch, number, position, report.value)
            elif report.is_passing:
                again = lambda: self._fetch_child(batch, number, position, child, kinds, attempt + 1)  # noqa: E731
                self._at(self._now() + (pause or 0.0), again)
                return
            else:
                self._end_circuit(batch, batch.parcels[number].circuits[position], error=report.error)
            ledger.voyages[number].pieces -= 1
            if ledger.voyages[number].pieces == 0:
                self._fetched(batch, number)

        ledger.ready[FETCH].append(Task(perform=lambda: self._worker.fetch_child(child, kinds), then=finish))

    def _decode(self, batch: Batch, number: int, position: int, raw: RawResult) -> bool:
        """Decode one circuit's result; False when it was a bet, and lost."""
        parcel, submission = batch.parcels[number], batch.submissions[number]
        index = parcel.circuits[position]
        try:
            outcome = decode(
                raw,
                parcel.encoded[position].readout,
                shots=parcel.shots,
                rng=batch.rng(index),
                exact=parcel.is_exact,
                memory=parcel.memory,
            )
        except ResultIntegrityError as error:
            if submission.is_bet:  # some services answer before the result is whole
                self._lose_bet(batch, number)
                return False
            self._end_circuit(batch, index, error=error)
        else:
            self._end_circuit(batch, index, outcome=outcome)
        return True

    def _fetched(self, batch: Batch, number: int) -> None:
        submission, now = batch.submissions[number], self._now()
        if submission.is_bet and submission.sent_at is not None:
            key = self._forecast_key(batch, batch.parcels[number])
            due = self._expected(submission, self._forecast(batch, number), submission.sent_at)
            forecast = self._forecast(batch, number).bet(won=True)
            if due is not None:
                forecast = forecast.seen(self._watch.turnaround(submission.sent_at, due))
            self._forecasts[key] = forecast
        self._apply(batch, number, Fetched(at=now))

    # -- endings -------------------------------------------------------------------------------

    def _end_circuit(
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
        done, job_id = len(batch.finished), batch.job_id(index)
        if error is None:
            logger.info(
                "Circuit %d/%d completed (circuit_id=%d, job_id=%s)", done, batch.total, index, job_id
            )
        else:
            logger.warning(
                "Circuit %d/%d has no result (circuit_id=%d, job_id=%s): %s",
                done,
                batch.total,
                index,
                job_id,
                error,
            )
        if batch.is_over:
            self._end_batch(batch)
        batch.notify()

    def _end_batch(self, batch: Batch) -> None:
        ledger = self._ledgers.get(batch)
        began = self._now() if ledger is None else ledger.began
        good = batch.total - len(batch.errors)
        logger.info(
            "Batch execution completed: %d/%d circuits in %.2f s (max_workers=%d, target=%s)",
            good, batch.total, self._now() - began, batch.workers, batch.target,
        )  # fmt: skip
        # After what is being handled now, which may still write here.
        self._at(self._now(), lambda: self._forget(batch))

    def _forget(self, batch: Batch) -> None:
        ledger = self._ledgers.get(batch)
        if ledger is not None and ledger.under_way == 0 and ledger.active == 0:
            del self._ledgers[batch]
        elif ledger is not None:
            self._at(self._now() + 1.0, lambda: self._forget(batch))


def _is_active(submission: Submission) -> bool:
    return not submission.phase.is_final and submission.phase is not Phase.WAITING


def _unreachable(error: Exception, seconds: float) -> TransportError:
    return TransportError(
        f"the service could not be reached for {seconds:.0f} s, so submission stopped; what was accepted goes on. "
        f"Last: {error}",
        sent=False,
    )


def _unresolved(doubt: Doubt, listing: Listing, listings: int) -> SubmissionUnknownError:
    return SubmissionUnknownError(
        f"the answer to this submission was lost, and {listings} listings of the account's jobs did not show it "
        f"within {listing.begun_at - doubt.lost_at:.0f} s; it was not sent again. "
        f"Look for metadata['{wire.TOKEN_KEY}'] = {doubt.token} before running it anew",
        token=doubt.token,
    )
