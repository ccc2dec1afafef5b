# SPDX-License-Identifier: Apache-2.0
"""One run in flight, as a record: the conductor alone writes it, everybody may read it."""

from __future__ import annotations

import contextlib
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .budget import Budget
from .chronicle import Chronicle, Place, Run, StoredResult
from .decode import Outcome, RawResult, decode
from .errors import (
    CircuitCancelledError,
    DetachedError,
    IonQError,
    JournalError,
    NotSentError,
    ResultIntegrityError,
)
from .journal import NoRecord, Record
from .lifecycle import Phase, Submission, may_be_read_later
from .parcel import Parcel
from .result_json import parse, written
from .shelf import Scrap, Shelf
from .stamps import Stamps


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
    not_sent: int = 0
    """Circuits that this process does not send."""

    @property
    def finished(self) -> int:
        """Circuits whose state is final."""
        return self.done + self.failed + self.cancelled + self.not_sent


@dataclass(slots=True)
class Traffic:
    """What a run's commands have sent and opened; its conductor counts."""

    requests: int = 0
    connections: int = 0


NOT_SENT = "not sent"
_SHOWN_AS = {
    Phase.WAITING.value: "waiting",
    Phase.SENDING.value: "waiting",
    Phase.UNKNOWN.value: "waiting",
    Phase.QUEUED.value: "queued",
    Phase.RUNNING.value: "running",
    Phase.FETCHING.value: "running",
    Phase.DONE.value: "done",
    Phase.FAILED.value: "failed",
    Phase.CANCELLED.value: "cancelled",
    NOT_SENT: "not_sent",
}
"""Field of `Progress` that counts a circuit, by its state."""


Changed = threading.Condition
"""What is told whenever a circuit moves."""


class Batch:
    """All circuits of one ``run``.

    Lists grow and items are replaced whole, so that a reader sees each item as it was or as it is.
    """

    def __init__(self, run: Run, record: Record | None = None, *, changed: Changed | None = None) -> None:
        self.run = run
        self.total = run.total
        self.target = run.target
        self.record: Record = record or NoRecord()
        self.parcels: list[Parcel] = []
        self.submissions: list[Submission] = []
        self.announced = 0
        """Parcels that were handed over so far, by the one thread that does."""
        self.places: dict[int, Place] = {}
        """Where requests are kept on disk, by submission."""
        self.parcel_of: dict[int, int] = {}
        self.headers: dict[int, Mapping[str, Any]] = {}
        """Qiskit's experiment header, by circuit."""
        self.carried: dict[int, str | None] = {}
        """IonQ jobs of circuits that an earlier execution of the run has brought home."""
        self.outcomes = Shelf(self._stored, self._decoded)
        self.errors: dict[int, Exception] = {}
        self.finished: list[int] = []
        """Circuits whose state is final, in the order in which they ended."""
        self._ended: set[int] = set()
        """The same circuits; the one source of what has ended, for every question about it."""
        self.twins: dict[int, tuple[str, ...]] = {}
        """Jobs that were stored beside the one that counts, by submission."""
        self.unsettled: dict[str, int] = {}
        """Those of them whose cancellation was asked for and not seen yet, and their submissions."""
        self.is_swept = False
        """Whether the account was looked through for duplicates since something was last sent again."""
        self.budget: Budget | None = None
        """What the run may cost, if the user has said so."""
        self.only_collects = False
        """Whether what was not sent is not sent, because the run was resumed without ``submit``."""
        self.estimates: dict[int, float] = {}
        """What IonQ jobs were estimated to cost, by submission, where that was asked."""
        self.charges: dict[int, float] = {}
        """What they were charged, as far as that is known."""
        self.is_detached = False
        """Whether the user wants nothing more to be sent; anybody may set it, and it is heard at once."""
        self.owner: Callable[[], object] = lambda: None
        """Returns what must live for as long as the run is under way: the backend, and so its provider."""
        self.retried_as: str | None = None
        """The run that executes its failed circuits again, if there is one."""
        self.project: str | None = None
        """The project that the run's jobs belong to, once the service has said so."""
        self.stamps = Stamps()
        self.traffic = Traffic()
        self.require_alive: Callable[[], None] = lambda: None
        """Raises if nothing can change any more, because the conductor's thread has ended."""
        self.changed = changed or Changed()
        """Told whenever a circuit moves; shared by all batches that somebody waits for together."""

    @classmethod
    def restored(cls, story: Chronicle, record: Record) -> Batch:
        """Return a run as its record tells it, with all results that are on disk.

        A result that cannot be read any more is fetched again, and so is one that could not be fetched.
        """
        batch = cls(story.run, record)
        batch.parcels, batch.submissions = list(story.parcels), list(story.submissions)
        batch.announced = len(batch.parcels)
        batch.places, batch.project = dict(story.bodies), story.project
        for number, parcel in enumerate(batch.parcels):
            batch.parcel_of.update(dict.fromkeys(parcel.circuits, number))
        batch.headers.update(story.headers)
        batch.twins, batch.unsettled = dict(story.twins), dict(story.unsettled)
        batch.is_swept = story.is_swept
        batch.estimates, batch.charges = dict(story.estimates), dict(story.charges)
        for index, stored in story.results.items():
            with contextlib.suppress(JournalError, ResultIntegrityError, ValueError):
                outcome = None if stored is None else batch._decoded(index, batch._stored(stored))
                batch.outcomes.put(index, outcome, stored)
        failed = [
            (index, submission.error)
            for parcel, submission in zip(batch.parcels, batch.submissions, strict=True)
            for index in parcel.circuits
            if submission.phase in (Phase.FAILED, Phase.CANCELLED) and submission.error is not None
            if not submission.may_come
        ]
        for index in batch.outcomes:
            batch.end(index)
        alone = [(index, error) for index, error in story.errors.items() if not may_be_read_later(error)]
        for index, error in (*alone, *failed):
            batch.end(index, error)
        return batch

    def carry(self, earlier: Batch) -> None:
        """Take over what an earlier execution of the run came to, but for what is executed again here."""
        for index in range(self.total):
            if index in self.parcel_of or not earlier.has_ended(index):
                continue
            if index not in earlier.errors:
                self.outcomes.put(index, earlier.outcomes[index])
            self.carried[index] = earlier.job_id(index)
            self.end(index, earlier.errors.get(index))
        self.headers = {**earlier.headers, **self.headers}

    def _stored(self, stored: StoredResult) -> RawResult:
        kind: Any = stored.kind
        text = self.record.result(stored.place)
        return RawResult(kind, parse(text), text)

    def _decoded(self, index: int, raw: RawResult) -> Outcome:
        return self.decode(index, self.parcels[self.parcel_of[index]], raw)

    def decode(self, index: int, parcel: Parcel, raw: RawResult) -> Outcome:
        """Return a circuit's outcome from what the service gave: the same whenever it is asked.

        Raises:
            ResultIntegrityError: it cannot be true.
        """
        return decode(
            raw,
            parcel.readouts[bisect_left(parcel.circuits, index)],
            shots=parcel.shots,
            rng=self.rng(index),
            exact=parcel.is_exact,
            memory=parcel.memory,
        )

    def keep(self, outcome: Outcome, raw: RawResult) -> StoredResult | Scrap | None:
        """Write a result where it can be read again, if there is such a place; for ``outcomes.put``.

        Any thread may call this; it may wait for the disk.
        """
        text = raw.text if raw.text is not None else written(raw.body)
        place = self.record.put_result(text) if self.record.is_kept else None
        if place is not None:
            return StoredResult(raw.kind, place)
        return None if self.outcomes.has_room(outcome) else self.outcomes.stash(raw.kind, text)

    def rng(self, index: int) -> np.random.Generator:
        """Return the generator that belongs to one circuit, whatever happened to the others.

        It is child ``index`` of ``SeedSequence(run.seed)``; in a stream, counted from the stream's beginning.
        """
        place = self.run.first + index
        return np.random.default_rng(np.random.SeedSequence(self.run.seed, spawn_key=(place,)))

    def end(self, index: int, error: Exception | None = None) -> None:
        """Take a circuit as ended: its outcome is there, or this is the reason why not. The first counts."""
        if index in self._ended:
            return
        if error is not None:
            self.errors[index] = error
        self.finished.append(index)
        self._ended.add(index)  # last: who sees that it has ended sees how, too

    def phase(self, index: int) -> Phase:
        """Return the state of a circuit, as far as is known here; one that was not sent is cancelled.

        It is final only once the circuit has a result, or a reason for having none.
        """
        if index in self._ended:
            error = self.errors.get(index)
            if error is None:
                return Phase.DONE
            if isinstance(error, CircuitCancelledError | NotSentError):
                return Phase.CANCELLED
            if not isinstance(error, DetachedError):
                return Phase.FAILED
        number = self.parcel_of.get(index)
        phase = Phase.WAITING if number is None else self.submissions[number].shown_phase
        return Phase.FETCHING if phase.is_final else phase  # its job has ended, and its result is being read

    def state(self, index: int) -> str:
        """Return where a circuit stands, in the word for users."""
        return NOT_SENT if isinstance(self.errors.get(index), NotSentError) else self.phase(index).value

    def phases(self) -> list[Phase]:
        """Return where each circuit stands, in input order."""
        return [self.phase(index) for index in range(self.total)]

    def progress(self) -> Progress:
        """Return how many circuits stand where."""
        counts = Counter(_SHOWN_AS[self.state(index)] for index in range(self.total))
        return Progress(total=self.total, **counts)

    def has_ended(self, index: int) -> bool:
        """Return whether a circuit has a result, or a reason for having none."""
        return index in self._ended

    def unread(self) -> list[int]:
        """Return the circuits that were executed, as far as is known, and whose results may still be read."""
        found = []
        for index, error in self.errors.items():
            number = self.parcel_of.get(index)
            if number is not None:
                sent = self.submissions[number]
                is_alone = sent.phase is Phase.DONE and may_be_read_later(error)
                found += [index] if sent.may_come or is_alone else []
        return sorted(found)

    def job_id(self, index: int) -> str | None:
        """Return the IonQ job that carries a circuit, once there is one."""
        number = self.parcel_of.get(index)
        return self.carried.get(index) if number is None else self.submissions[number].job_id

    @property
    def is_over(self) -> bool:
        """Whether every circuit has a result or a reason for having none here."""
        return len(self._ended) >= self.total

    def wait_for(self, done: Callable[[], bool], timeout: float | None) -> bool:
        """Block until ``done()`` holds; return False when the time is up first.

        Raises:
            IonQError: the conductor's thread has ended, so it never will.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.changed:
            while not done():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                try:
                    self.require_alive()
                except IonQError:
                    if done():  # it came true just before
                        return True
                    raise
                # Bounded, so that Ctrl-C is heard on every platform.
                self.changed.wait(0.5 if left is None else min(left, 0.5))
        return True

    def notify(self) -> None:
        """Wake whoever waits."""
        with self.changed:
            self.changed.notify_all()
