# SPDX-License-Identifier: Apache-2.0
"""The conductor's thread: an inbox, a heap of due times, and lanes of tasks for a bounded pool of workers.

Workers never wait: due times live here, so ten workers keep hundreds of circuits in flight and a
cancellation is prompt. Time, randomness and the executor are passed in, so tests need neither.
"""

from __future__ import annotations

import heapq
import itertools
import math
import os
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import Protocol

from ..batch import Traffic
from ..clocks import Instant, boot_time
from ..errors import IonQError
from ..logs import logger
from ..options import MAX_WORKERS_LIMIT
from ..policy import Kind, Verdict
from ..transport import traffic_of_thread
from ..worker import Report
from .gate import SharedGate
from .pool import WorkerPool

Inbox = queue.SimpleQueue[Callable[[], object]]


class Pool(Protocol):
    """What runs tasks; it may be a pool of threads, or a test's idea of one."""

    def submit(self, work: Callable[[], object]) -> object:
        """Have a function called."""

    def shutdown(self) -> object:
        """Let go of threads."""


class Order(IntEnum):
    """In which order ready tasks go out: what is sent early is done early."""

    CANCEL = 0
    SUBMIT = 1
    LOOK = 2
    FETCH = 3

    @property
    def kind(self) -> Kind:
        """What requests of this order are to the gate."""
        return _KINDS[self]


_KINDS = (Kind.CANCELLATION, Kind.SUBMISSION, Kind.READ, Kind.READ)
READS = (Order.LOOK, Order.FETCH)
PASSED_OVER = 100
"""After so many other tasks a read goes before submissions, so that a long run's results come home early."""
READS_EVERY = 4
"""So many tasks share one turn of such reads: submissions still have most of the turns."""


@dataclass(frozen=True, slots=True)
class Task:
    """A command on its way to a worker, and what to do with the account of it.

    Attributes:
        perform: makes the requests; called on a worker's thread.
        then: takes the report; called on the loop's thread.
        on_start: called on the loop's thread just before the task is handed out.
        digest: computes with what came, on the worker's thread, after the limiter has counted the request as
            answered: what takes long to parse holds up no other request, and not the loop.
    """

    perform: Callable[[], Report]
    then: Callable[[Report], None]
    on_start: Callable[[], None] = lambda: None
    digest: Callable[[Report], Report] = lambda report: report


def _call(act: Callable[[], object]) -> bool:
    act()
    return True


@dataclass(slots=True, eq=False)
class Lane:
    """The tasks of one batch, of which so many may be under way at once."""

    width: int
    may_submit: Callable[[], bool] = lambda: True
    ready: tuple[deque[tuple[int, Task]], ...] = field(default_factory=lambda: tuple(deque() for _ in Order))
    """Tasks, each with the number of tasks that had been handed out before it was ready."""
    under_way: int = 0
    handed_out: int = 0
    is_cancelled: bool = False
    """Whether all that is still looked at is looked at to be cancelled."""
    traffic: Traffic = field(default_factory=Traffic)
    hear: Callable[[Report], None] = lambda _: None
    """Called with every report, before the task is."""
    is_closed: bool = False
    """Whether reports of its tasks are ignored."""
    guard: Callable[[Callable[[], object]], bool] = _call
    """Calls something for the batch, and returns whether it went well. A fault ends this batch only."""

    def put(self, order: Order, task: Task) -> None:
        """Add a task that is ready to go."""
        self.ready[order].append((self.handed_out, task))

    def next(self, may_go: Callable[[Kind], bool]) -> tuple[Kind, Task] | None:
        """Return a task to hand out now, and its kind; ``may_go`` is asked last, and taken at its word."""
        if self.under_way >= self.width:
            return None
        for order in self._turn():
            tasks, kind = self.ready[order], order.kind
            if self.is_cancelled and order is Order.LOOK:
                kind = Kind.CANCELLATION
            if tasks and (order is not Order.SUBMIT or self.may_submit()) and may_go(kind):
                self.handed_out += 1
                return kind, tasks.popleft()[1]
        return None

    def _turn(self) -> Sequence[Order]:
        """Return whose turn it is: every so often it is that of a read that many others went before."""
        if self.handed_out % READS_EVERY == 0:
            waiting = [(self.ready[order][0][0], order) for order in READS if self.ready[order]]
            ready_at, oldest = min(waiting, default=(self.handed_out, Order.LOOK))
            if self.handed_out - ready_at >= PASSED_OVER:
                return Order.CANCEL, oldest, *Order
        return tuple(Order)


class Loop:
    """Runs messages, due callbacks and tasks, all callbacks on one thread.

    Args:
        now: monotonic clock, seconds.
        wall: clock of the day, seconds; for what people read, and for how far back a listing is read.
        boot: clock that goes on while the computer is suspended, seconds; likewise.
        wait: takes the next message from the inbox, waiting so many seconds; raises ``queue.Empty``.
        executor: makes the pool of workers, on first need.
        jitter: draws numbers in [0, 1).
        gate: shared with the other loops of the account; one of its own by default.
        on_bug: called when something raises that belongs to no batch, which is a bug of ours.
        on_end: called when the thread ends, for whatever reason.

    Attributes:
        quickest: seconds of the quickest exchange so far: the network's round trip, or close to it.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        boot: Callable[[], float] = boot_time,
        wait: Callable[[Inbox, float | None], Callable[[], object]] | None = None,
        executor: Callable[[], Pool] | None = None,
        jitter: Callable[[], float] = random.random,
        gate: SharedGate | None = None,
        on_bug: Callable[[Exception], None] = lambda _: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.now = now
        self.wall = wall
        self._boot = boot
        self.jitter = jitter
        self.quickest = math.inf
        self.on_bug = on_bug
        self.on_end = on_end
        self._wait = wait or (lambda inbox, seconds: inbox.get(timeout=seconds))
        self._make_executor = executor or (lambda: WorkerPool(MAX_WORKERS_LIMIT))
        self._inbox: Inbox = queue.SimpleQueue()
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._sequence = itertools.count()
        self._lanes: deque[Lane] = deque()
        self._gate = gate or SharedGate()
        self._tries_gate_at = math.inf
        """When a task that the gate refused is tried again; found anew at each dispatch."""
        self._owed = 0
        """Submissions and other work under way that the end of the loop waits for."""
        self._executor: Pool | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_closed = False
        self._is_ending = self._has_ended = False
        self._process = os.getpid()

    def instant(self) -> Instant:
        """Return this moment on all clocks. Any thread may call this."""
        return Instant(self.now(), self.wall(), self._boot())

    def post(self, message: Callable[[], object]) -> None:
        """Have something done on the loop's thread. Any thread may call this.

        Raises:
            IonQError: the loop is closed, or another process's.
        """
        self.require_ours()
        with self._lock:
            self._require_open()
            self._inbox.put(message)

    def start(self) -> None:
        """Start the thread, if it is not running.

        Raises:
            IonQError: the loop is closed or another process's, or the system gives no thread.
        """
        self.require_ours()
        with self._lock:
            self._require_open()
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="ionq-conductor", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise IonQError(f"no thread could be started ({error}); nothing was sent") from None
                self._thread = thread

    def require_ours(self) -> None:
        """Make sure that this process started the loop.

        Raises:
            IonQError: it was forked since.
        """
        if os.getpid() != self._process:
            raise IonQError(
                "this provider belongs to the process from which this one was forked, and its jobs go on "
                "there; make a new provider here"
            )

    def require_alive(self) -> None:
        """Make sure that the loop's thread has not ended, and that waiting for a run makes sense.

        Raises:
            IonQError: it has.
        """
        if self._has_ended:
            raise _ended()

    def _require_open(self) -> None:
        if self._is_closed:
            raise IonQError("this provider is closed; make a new one to run more circuits")
        if self._is_ending:
            raise _ended()

    def close(self, timeout: float = 10.0) -> None:
        """Start nothing more, wait for the answers to submissions under way, and end the thread.

        Requests that change nothing are not waited for: their answers can be asked for again.
        """
        if os.getpid() != self._process:
            return
        with self._lock:
            self._is_closed = True
            thread = self._thread
        self._wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        if self._executor is not None:
            self._executor.shutdown()

    def at(self, due: float, ring: Callable[[], object]) -> None:
        """Call back at a time on the loop's clock."""
        heapq.heappush(self._timers, (due, next(self._sequence), ring))

    def aside(self, work: Callable[[], object], then: Callable[[], object] = lambda: None) -> None:
        """Have something done on a worker's thread that is no request, such as waiting for the disk.

        Neither the limiter nor a lane has a say in it. The end of the loop waits for it.

        Args:
            work: what is done.
            then: called on the loop's thread afterwards, also if the work failed.
        """
        self._owed += 1

        def end() -> None:
            self._owed -= 1
            then()

        def do() -> None:
            try:
                work()
            except Exception:  # noqa: BLE001 - what follows is done all the same
                logger.exception("Work in the background failed")
            self._inbox.put(end)

        try:
            self._pool().submit(do)
        except RuntimeError:  # not one thread to be had
            do()

    def open_lane(self, lane: Lane) -> None:
        """Let a batch's tasks go out."""
        self._lanes.append(lane)

    def close_lane(self, lane: Lane) -> None:
        """Forget a batch."""
        self._lanes.remove(lane)
        lane.is_closed = True

    def turn(self) -> None:
        """Do all that can be done now, then wait for the next message or due time."""
        while self._timers and self._timers[0][0] <= self.now():
            self._guarded(heapq.heappop(self._timers)[2])
        self._guarded(self._dispatch)
        due = min(self._timers[0][0] if self._timers else math.inf, self._tries_gate_at)
        try:
            message = self._wait(self._inbox, None if due == math.inf else max(0.0, due - self.now()))
        except queue.Empty:
            return
        self._guarded(message)
        while not self._inbox.empty():
            self._guarded(self._inbox.get())

    def _guarded(self, act: Callable[[], object]) -> None:
        """Call something. What belongs to a batch has the batch's own guard inside."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the thread goes on
            logger.exception("A bug in the conductor; the circuits under way are given up")
            self.on_bug(error)

    def _run(self) -> None:
        try:
            while not (self._is_closed and self._owed == 0):
                self.turn()
        finally:
            with self._lock:
                self._is_ending = True  # what is posted from now on is refused
            try:
                while not self._inbox.empty():  # what was posted just before the end is ended, too
                    self._guarded(self._inbox.get())
                self._gate.wait(self._wake, (), self.now())  # no other loop is to wait for this one
                self.on_end()
            finally:
                self._has_ended = True

    def _wake(self) -> None:
        self._inbox.put(lambda: None)

    def _dispatch(self) -> None:
        """Hand ready tasks to workers, as far as the gate and the lanes allow."""
        refused: set[Kind] = set()

        def may_go(kind: Kind) -> bool:
            if kind not in refused and not self._gate.enter(self._wake, kind, self.now()):
                refused.add(kind)
            return kind not in refused

        passed = 0
        while passed < len(self._lanes) and not self._is_closed:
            lane = self._lanes[0]
            self._lanes.rotate(-1)  # one task from each lane in turn
            chosen = lane.next(may_go)
            passed = passed + 1 if chosen is None else 0
            if chosen is not None:
                self._hand_out(*chosen, lane)
        self._tries_gate_at = self._gate.wait(self._wake, refused, self.now())

    def _pool(self) -> Pool:
        if self._executor is None:
            self._executor = self._make_executor()
        return self._executor

    def _hand_out(self, kind: Kind, task: Task, lane: Lane) -> None:
        if not lane.guard(task.on_start):
            self._gate.leave(self._wake, kind, None, now=self.now(), jitter=0.0)
            return
        is_submission = kind is Kind.SUBMISSION
        lane.under_way += 1
        self._owed += is_submission

        def leave(report: Report) -> None:
            self.quickest = min(self.quickest, self.now() - report.sent_at)
            self._gate.leave(self._wake, kind, report, now=self.now(), jitter=self.jitter())

        def end(report: Report, requests: int = 0, connections: int = 0) -> None:
            def finish() -> None:
                self._owed -= is_submission
                lane.traffic.requests += requests
                lane.traffic.connections += connections
                lane.under_way -= 1
                for hear in (lane.hear, task.then):
                    if not lane.is_closed:
                        lane.guard(partial(hear, report))

            self._inbox.put(finish)

        def work() -> None:
            requests, connections = traffic_of_thread()
            report = self._done(task.perform)
            requests_after, connections_after = traffic_of_thread()
            leave(report)
            report = self._done(lambda: task.digest(report))
            end(report, requests_after - requests, connections_after - connections)

        try:
            self._pool().submit(work)
        except RuntimeError as error:  # not one thread to be had
            failed = _not_started(error, self.now())
            leave(failed)
            end(failed)

    def _done(self, perform: Callable[[], Report]) -> Report:
        """Return what a step of a worker's comes to; a bug in it becomes an error of this task."""
        try:
            return perform()
        except Exception as error:  # noqa: BLE001 - a worker that ended without a report would hang the run
            return Report(error=IonQError(f"a bug in a worker: {error!r}"), sent_at=self.now())


def _not_started(error: RuntimeError, now: float) -> Report:
    failed = IonQError(f"no thread could be started: {error}")
    return Report(error=failed, is_passing=True, is_congestion=True, sent_at=now, verdict=Verdict.NOT_SENT)


def _ended() -> IonQError:
    return IonQError(
        "the thread that follows this provider's runs has ended, so nothing changes here any more. What was "
        "accepted goes on at IonQ: make a new provider, and resume(job_id) collects it"
    )
