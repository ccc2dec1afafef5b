# SPDX-License-Identifier: Apache-2.0
"""Virtual time: threads that run one at a time, each until it waits, on a clock that jumps to what is next.

Code that waits, on a network or for a message, runs here as it is: what it waits with leads to `Clock.sleep`.
The same seed gives the same order of all events.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

TICK = 1e-9
"""Seconds: the shortest nap. A shorter one would not move a clock that shows some hours."""


class Killed(BaseException):
    """Unwinds a strand whose process is dead; nothing it does on the way has any effect."""


class Process:
    """Strands that die together."""

    def __init__(self, clock: Clock, dies_at: int | None = None) -> None:
        self._clock = clock
        self._dies_at = dies_at
        self.seams = 0
        """Places passed so far at which a process may be killed."""
        self.is_dead = False
        self.strands: set[Strand] = set()
        self._slept = 0.0
        """Seconds of all suspensions but the last."""
        self._asleep_from = self._asleep_until = 0.0

    def suspend(self, seconds: float) -> None:
        """Have nothing of this process run for so long, as if the lid of a laptop were closed."""
        now = self._clock.now
        if now < self._asleep_until:
            self._asleep_until += seconds
            return
        self._slept += self._asleep_until - self._asleep_from
        self._asleep_from, self._asleep_until = now, now + seconds

    @property
    def slept(self) -> float:
        """Seconds of suspension so far."""
        return self._slept + min(self._clock.now, self._asleep_until) - self._asleep_from

    def monotonic(self) -> float:
        """Return what the process's monotonic clock says: it stops in a suspension."""
        return self._clock.now - self.slept

    def ready_in(self, due: float) -> float:
        """Return in how many seconds its monotonic clock will have come to a time; 0 if it runs and has."""
        asleep = max(0.0, self._asleep_until - self._clock.now)
        left = due - self.monotonic()
        return asleep + left if left > TICK else asleep

    def spawn(self, work: Callable[[], object]) -> None:
        """Have something done on a strand of its own, from now on."""
        strand = self._clock.strand(self, work)
        self.strands.add(strand)
        strand.wake()

    def seam(self) -> None:
        """Pass a place at which a process may be killed, and be killed if it is time."""
        self.seams += 1
        if self.seams == self._dies_at:
            self.is_dead = True
        if self.is_dead:
            raise Killed

    def kill(self) -> None:
        """End all strands where they stand; called when none of them is running."""
        self.is_dead = True
        for strand in list(self.strands):
            strand.unwind()


class Strand:
    """A thread that runs only while everything else stands still."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._go, self._back = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._naps = 0
        self._is_over = False
        self.process: Process | None = None
        self.work: Callable[[], object] | None = None
        threading.Thread(target=self._run, daemon=True).start()

    def wake(self) -> None:
        """Let it go on, at this moment of the clock but after what is due already."""
        nap = self._naps
        self._clock.at(self._clock.now, lambda: self._resume(nap, float("-inf")))

    def nap(self, seconds: float | None) -> None:
        """Stand still for some time, or until woken; called by what it runs."""
        if self.process is not None and self.process.is_dead:
            raise Killed
        self._naps += 1
        if seconds is not None:
            nap, now = self._naps, self._clock.now if self.process is None else self.process.monotonic()
            seconds = max(seconds, TICK)
            self._clock.at(self._clock.now + seconds, lambda: self._resume(nap, now + seconds))
        self._back.release()
        self._go.acquire()
        if self.process is not None and self.process.is_dead:
            raise Killed

    def unwind(self) -> None:
        """Let it run to its end, which is near: its process is dead."""
        while self.work is not None:
            self._turn()

    def end(self) -> None:
        """Let the thread go; it has nothing to do."""
        self._is_over = True
        self._go.release()

    def _resume(self, nap: int, due: float) -> None:
        if nap == self._naps and self.work is not None and self.process and not self.process.is_dead:
            wait = self.process.ready_in(due)
            if wait > 0.0:
                self._clock.at(self._clock.now + wait, lambda: self._resume(nap, due))
            else:
                self._turn()

    def _turn(self) -> None:
        self._clock.running = self
        self._go.release()
        self._back.acquire()
        self._clock.running = None

    def _run(self) -> None:
        while True:
            self._go.acquire()
            if self._is_over:
                return
            try:
                if self.work is not None and self.process is not None and not self.process.is_dead:
                    self.work()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001 - told where somebody looks
                self._clock.failures.append(error)
            self._naps += 1
            self.work = None
            self._clock.retire(self)
            self._back.release()


class Clock:
    """What is to happen, and when."""

    def __init__(self) -> None:
        self.now = 0.0
        self.running: Strand | None = None
        self.failures: list[BaseException] = []
        """Exceptions that ended strands."""
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._sequence = itertools.count()
        self._idle: list[Strand] = []

    def at(self, due: float, happen: Callable[[], object]) -> None:
        """Have something happen at a time; what is due together happens in the order in which it was said."""
        heapq.heappush(self._events, (due, next(self._sequence), happen))

    def step(self) -> bool:
        """Let the next thing happen; return whether there was one.

        Raises:
            BaseException: whatever ended a strand.
        """
        if not self._events:
            return False
        due, _, happen = heapq.heappop(self._events)
        self.now = max(self.now, due)
        happen()
        if self.failures:
            raise self.failures.pop()
        return True

    def sleep(self, seconds: float | None) -> None:
        """Have the running strand stand still."""
        assert self.running is not None, "only a strand can wait"
        self.running.nap(seconds)

    def strand(self, process: Process, work: Callable[[], object]) -> Strand:
        """Return a strand that will do some work once it is woken."""
        strand = self._idle.pop() if self._idle else Strand(self)
        strand.process, strand.work = process, work
        return strand

    def retire(self, strand: Strand) -> None:
        """Take back a strand that is done."""
        if strand.process is not None:
            strand.process.strands.discard(strand)
        strand.process = None
        self._idle.append(strand)

    def close(self) -> None:
        """Let all threads go that have nothing to do."""
        while self._idle:
            self._idle.pop().end()
