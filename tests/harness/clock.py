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
        self._clock.at(self._clock.now, lambda: self._resume(nap))

    def nap(self, seconds: float | None) -> None:
        """Stand still for some time, or until woken; called by what it runs."""
        if self.process is not None and self.process.is_dead:
            raise Killed
        self._naps += 1
        if seconds is not None:
            nap = self._naps
            self._clock.at(self._clock.now + seconds, lambda: self._resume(nap))
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

    def _resume(self, nap: int) -> None:
        if nap == self._naps and self.work is not None and self.process and not self.process.is_dead:
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
