# SPDX-License-Identifier: Apache-2.0
"""A bounded pool of daemon threads: the end of the program waits for none of them.

The standard library's executor runs its whole queue to the end, and waits for it, before an interpreter may
leave; a request whose answer never comes would hold a user's second Ctrl-C for minutes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class WorkerPool:
    """Runs functions on up to ``size`` threads, started as they are needed."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._tasks: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []

    def submit(self, work: Callable[[], object]) -> None:
        """Have a function called on some thread; it must not raise.

        Raises:
            RuntimeError: no thread can be started, and there is none that could take it.
        """
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._size:
            self._grow()
        self._tasks.put(work)

    def shutdown(self) -> None:
        """Let threads end as they become idle; those that wait for an answer end with the program."""
        for _ in self._threads:
            self._tasks.put(None)

    def _grow(self) -> None:
        name = f"ionq-worker-{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more
            if not self._threads:
                raise
        else:
            self._threads.append(thread)

    def _work(self) -> None:
        while (work := self._tasks.get()) is not None:
            work()
            del work  # an idle thread keeps no run alive
            self._idle.release()
