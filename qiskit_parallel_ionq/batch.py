# SPDX-License-Identifier: Apache-2.0
"""One run in flight, as a record: the conductor alone writes it, everybody may read it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .decode import Outcome
from .errors import CircuitCancelledError
from .lifecycle import Phase, Submission
from .parcel import Parcel


@dataclass(frozen=True, slots=True)
class Progress:
    """How many circuits stand where."""

    total: int
    waiting: int = 0
    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def finished(self) -> int:
        """Circuits whose state is final."""
        return self.done + self.failed + self.cancelled


_SHOWN_AS = {
    Phase.WAITING: "waiting",
    Phase.SENDING: "waiting",
    Phase.UNKNOWN: "waiting",
    Phase.QUEUED: "queued",
    Phase.RUNNING: "running",
    Phase.FETCHING: "running",
    Phase.DONE: "done",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "cancelled",
}


class Batch:
    """All circuits of one ``run``.

    Lists grow and items are replaced whole, so that a reader sees each item as it was or as it is.
    """

    def __init__(
        self,
        run: str,
        total: int,
        *,
        target: str,
        workers: int,
        window: int | None,
        seed: int,
        on_unknown: str,
    ) -> None:
        self.run = run
        self.total = total
        self.target = target
        self.workers = workers
        self.window = window
        self.seed = seed
        self.on_unknown = on_unknown
        self.parcels: list[Parcel] = []
        self.submissions: list[Submission] = []
        self.parcel_of: dict[int, int] = {}
        self.outcomes: dict[int, Outcome | None] = {}
        self.errors: dict[int, Exception] = {}
        self.finished: list[int] = []
        self.changed = threading.Condition()

    def rng(self, index: int) -> np.random.Generator:
        """Return the generator that belongs to one circuit, whatever happened to the others.

        It is child ``index`` of ``SeedSequence(seed)``.
        """
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(index,)))

    def phase(self, index: int) -> Phase:
        """Return where a circuit stands."""
        if index in self.errors:
            cancelled = isinstance(self.errors[index], CircuitCancelledError)
            return Phase.CANCELLED if cancelled else Phase.FAILED
        if index in self.outcomes:
            return Phase.DONE
        number = self.parcel_of.get(index)
        return Phase.WAITING if number is None else self.submissions[number].shown_phase

    def phases(self) -> list[Phase]:
        """Return where each circuit stands, in input order."""
        return [self.phase(index) for index in range(self.total)]

    def progress(self) -> Progress:
        """Return how many circuits stand where."""
        counts = Counter(_SHOWN_AS[phase] for phase in self.phases())
        return Progress(total=self.total, **counts)

    def job_id(self, index: int) -> str | None:
        """Return the IonQ job that carries a circuit, once there is one."""
        number = self.parcel_of.get(index)
        return None if number is None else self.submissions[number].job_id

    @property
    def is_over(self) -> bool:
        """Whether every circuit has a result or a reason for having none."""
        return len(self.finished) >= self.total

    def wait_for(self, done: Callable[[], bool], timeout: float | None) -> bool:
        """Block until ``done()`` holds; return False when the time is up first."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.changed:
            while not done():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                # Bounded, so that Ctrl-C is heard on every platform.
                self.changed.wait(0.5 if left is None else min(left, 0.5))
        return True

    def notify(self) -> None:
        """Wake whoever waits."""
        with self.changed:
            self.changed.notify_all()
