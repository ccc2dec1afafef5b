# SPDX-License-Identifier: Apache-2.0
"""An iterator of circuits as one Qiskit job: taken stretch by stretch, while results are read.

Each stretch is a run of its own, with its own record, so that whatever holds for a run holds for it. What a
stream keeps in memory is bounded by the circuits that are under way or whose results nobody has read.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from itertools import islice
from typing import Any, NoReturn

from qiskit.circuit import QuantumCircuit
from qiskit.providers import BackendV2, JobStatus, JobV1
from qiskit.result import Result
from qiskit.result.models import ExperimentResult

from .batch import Changed, Progress
from .errors import BatchError, JobError, JobPickleError, ResultTimeoutError
from .job import ParallelIonQJob, require_handy
from .merge import composite_status, merge
from .stretch import stretch_size


@dataclass(slots=True)
class _Portion:
    """Circuits that were taken together, and which of their results have been handed on."""

    first: int
    job: ParallelIonQJob
    handed: bytearray
    left: int
    ordered: int = 0
    """Before it, every result has been handed on."""
    seen: int = 0
    """So many of those that have finished were looked at."""

    @classmethod
    def of(cls, first: int, job: ParallelIonQJob) -> _Portion:
        return cls(first, job, bytearray(len(job)), len(job))

    def next_in_order(self) -> int | None:
        """Return the next circuit by position, or None while it has not ended."""
        place = self.ordered
        while place < len(self.handed) and self.handed[place]:
            place += 1
        self.ordered = place  # set once: another thread that looks at the same time skips nothing
        return place if self.job.batch.has_ended(place) else None

    def next_finished(self) -> int | None:
        """Return the next circuit that has ended and was not handed on, or None."""
        finished = self.job.batch.finished
        place = self.seen
        while place < len(finished) and self.handed[finished[place]]:
            place += 1
        self.seen = place
        return finished[place] if place < len(finished) else None


@dataclass(slots=True)
class _Tally:
    """What is left of circuits whose results were handed on."""

    done: int = 0
    failed: int = 0
    cancelled: int = 0
    not_sent: int = 0
    errors: dict[int, Exception] = field(default_factory=dict)
    size: int = 0

    def take(self, stretch: _Portion) -> None:
        """Add a stretch whose results have all been handed on."""
        at = stretch.job.progress()
        self.done += at.done
        self.failed += at.failed
        self.cancelled += at.cancelled
        self.not_sent += at.not_sent
        self.size += stretch.job.batch.outcomes.size
        self.errors |= {stretch.first + index: error for index, error in stretch.job.errors().items()}


class ParallelIonQStream(JobV1):
    """Circuits of an iterator, sent as results are read. Made by ``backend.run`` of a long iterator.

    Read it with `results_iter` or `as_completed`: while they are read, circuits are taken from the iterator,
    in the thread that reads. Each result is given once.

    >>> from qiskit import QuantumCircuit
    >>> from qiskit_parallel_ionq import ParallelIonQProvider
    >>> def circuits():
    ...     for number in range(40):
    ...         circuit = QuantumCircuit(1, 1); _ = circuit.rx(number, 0), circuit.measure(0, 0)
    ...         yield circuit
    >>> with ParallelIonQProvider.local(seed=7) as provider:
    ...     job = provider.get_backend("ionq_parallel").run(circuits(), shots=100, window=16)
    ...     sum(entry.success for index, entry in job.results_iter())
    40
    """

    def __init__(
        self,
        backend: BackendV2,
        stream_id: str,
        circuits: Iterator[QuantumCircuit],
        send: Callable[..., ParallelIonQJob],
        *,
        window: int,
    ) -> None:
        super().__init__(backend, stream_id, window=window)
        self._began = datetime.now(timezone.utc).astimezone()
        self._source: Iterator[QuantumCircuit] | None = circuits
        self._send = send
        self._window = window
        self._changed = Changed()
        self._stretches: deque[_Portion] = deque()
        self._tally = _Tally()
        self._taken = 0
        self._unread = 0
        self._failure: BaseException | None = None
        self._result: Result | None = None
        self._open: list[_Portion] = []
        self._turn = Changed()
        """Held by the thread that takes circuits, or hands results on."""
        self._feed(self._not_read)

    def __repr__(self) -> str:
        at = self.progress()
        more = "" if self._source is None else ", more to come"
        return f"<ParallelIonQStream {self.job_id()}: {at.finished}/{at.total} finished{more}>"

    def __reduce__(self) -> NoReturn:
        raise JobPickleError(
            f"stream {self.job_id()} lives in this process and cannot be pickled; provider.jobs() lists its "
            "stretches, and provider.retrieve_job finds each of them"
        )

    @property
    def creation_date(self) -> datetime:
        """When the stream began, in local time."""
        return self._began

    def submit(self) -> NoReturn:
        """Refuse: ``backend.run`` has begun to submit it.

        Raises:
            JobError: always.
        """
        raise JobError("this stream is submitted as its results are read: see results_iter")

    @property
    def stretches(self) -> tuple[ParallelIonQJob, ...]:
        """The runs that are under way, or have results that nobody has read; each has its own report."""
        return tuple(stretch.job for stretch in self._stretches)

    def status(self) -> JobStatus:
        """Return the status of the whole: final only once the iterator has ended and every circuit has."""
        if self._source is not None:
            return JobStatus.RUNNING
        phases = [phase for job in self.stretches for phase in job.batch.phases()]
        status = composite_status(phases)
        if status in (JobStatus.DONE, JobStatus.CANCELLED) and (self._tally.failed or self._failure):
            return JobStatus.ERROR
        if status is JobStatus.DONE and (self._tally.cancelled or self._tally.not_sent):
            return JobStatus.CANCELLED
        return status

    def progress(self) -> Progress:
        """Return how many of the circuits taken so far are waiting, queued, running, done and so on."""
        sums = asdict(Progress(0))
        for job in self.stretches:
            for name, count in asdict(job.progress()).items():
                sums[name] += count
        # Of a stretch that is still here, what was handed on counts there.
        sums["total"] = self._taken
        for name in ("done", "failed", "cancelled", "not_sent"):
            sums[name] += getattr(self._tally, name)
        return Progress(**sums)

    def errors(self) -> dict[int, Exception]:
        """Return why circuits have no result: position -> reason, in ascending order, so far."""
        found = dict(self._tally.errors)
        for stretch in self._stretches:
            found |= {stretch.first + index: error for index, error in stretch.job.errors().items()}
        return dict(sorted(found.items()))

    def results_iter(self, timeout: float | None = None) -> Iterator[tuple[int, ExperimentResult]]:
        """Yield ``(position, experiment)`` in input order; failed ones, too (``success=False``).

        Args:
            timeout: seconds to wait for all of them.

        Raises:
            ResultTimeoutError: they passed first. Nothing is lost: go on with another call.
            Exception: whatever the iterator raised, once every result before it has been given.
        """
        return self._deliver(_Portion.next_in_order, timeout, only_first=True)

    def as_completed(self, timeout: float | None = None) -> Iterator[tuple[int, ExperimentResult]]:
        """Yield ``(position, experiment)`` as circuits finish; see `results_iter`."""
        return self._deliver(_Portion.next_finished, timeout, only_first=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Take and send everything, and keep the results; return False when ``timeout`` seconds pass first.

        No more circuits than ``window`` are under way at once. All results can be read afterwards.

        Raises:
            JobError: there are more results than fit in memory. Nothing is lost: read them one by one.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._turn:
                self._feed(self._under_way)
                size = self._tally.size + sum(job.batch.outcomes.size for job in self.stretches)
            require_handy(self.job_id(), size)
            if self._source is None and not self._under_way():
                return True
            if not self._wait_for(self._may_go_on, deadline):
                return False

    def wait_for_final_state(
        self, timeout: float | None = None, wait: float = 5, callback: Any = None
    ) -> None:
        """Take and send everything as `wait` does, and return when it has ended.

        Args:
            timeout: seconds to wait at the most.
            wait: seconds between two calls of ``callback``.
            callback: called with the job's id, its status and the job.

        Raises:
            ResultTimeoutError: ``timeout`` seconds passed first. Nothing was cancelled.
            JobError: there are more results than fit in memory. Nothing is lost: read them one by one.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.wait(wait if deadline is None else min(wait, deadline - time.monotonic())):
            if deadline is not None and time.monotonic() >= deadline:
                raise self._too_late(timeout)
            if callback:
                callback(self.job_id(), self.status(), self)

    def result(self, timeout: float | None = None, *, partial: bool = False) -> Result:
        """Take and send everything, and return one ``Result`` with an entry for each circuit, in order.

        Args:
            timeout: seconds to wait at the most.
            partial: return entries with ``success=False`` instead of raising for circuits without a result,
                and the entries there are if the iterator raised.

        Raises:
            JobError: there are more results than fit in memory, or some were read already.
            BatchError: some circuits have no result; those that have are in its ``result``.
            ResultTimeoutError: ``timeout`` seconds passed first. Nothing was cancelled.
            Exception: whatever the iterator raised, each time.
        """
        if self._result is None:
            if not self.wait(timeout):
                raise self._too_late(timeout)
            if self._unread < self._taken:
                raise JobError(
                    f"{self._taken - self._unread} results of stream {self.job_id()} were read one by one "
                    "and are not here any more; go on with results_iter()"
                )
            backend = self.backend()
            self._result = merge(
                [entry for job in self.stretches for entry in map(job.experiment, range(len(job)))],
                backend_name=backend.name,
                backend_version=backend.backend_version,
                job_id=self.job_id(),
            )
        if not partial:
            self._raise_failure()
        failures = self.errors()
        if failures and not partial:
            raise BatchError(failures, total=self._taken, job_id=self.job_id(), result=self._result)
        return self._result

    def cancel(self, *, include_running: bool | None = None) -> bool:
        """Take no more circuits, and cancel those that have no result; see `ParallelIonQJob.cancel`."""
        had_more, self._source = self._source is not None, None
        cancelled = [job.cancel(include_running=include_running) for job in self.stretches]
        return had_more or any(cancelled)

    def leave(self) -> None:
        """Take no more circuits, send nothing more, and leave what was sent to itself."""
        self._source = None
        for job in self.stretches:
            if not job.batch.is_over:
                job.leave()

    def _interrupt(self) -> None:
        """Take no more circuits, and do of every stretch what the first Ctrl-C does of a run."""
        self._source = None
        for job in self.stretches:
            if not job.batch.is_over:
                job.interrupt()

    # -- inside --------------------------------------------------------------------------------

    def _feed(self, held: Callable[[], int]) -> None:
        """Take and send stretches as long as there is room; by one thread at a time.

        Args:
            held: says how many circuits fill the window now.
        """
        size = stretch_size(self._window)
        try:
            while self._source is not None and held() + size <= self._window:
                circuits = self._take(size)
                if circuits:
                    self._begin(circuits)
        except Exception as error:  # noqa: BLE001 - raised as soon as what is paid for has been read
            self._source, self._failure = None, error
        except KeyboardInterrupt:
            self._interrupt()
            raise
        except BaseException:
            self.leave()
            raise

    def _not_read(self) -> int:
        """Return how many circuits were taken whose results nobody has read."""
        return self._unread

    def _under_way(self) -> int:
        """Return how many circuits were taken that have not ended."""
        self._open = [stretch for stretch in self._open if not stretch.job.batch.is_over]
        return sum(len(stretch.job) - len(stretch.job.batch.finished) for stretch in self._open)

    def _may_go_on(self) -> bool:
        """Return whether `wait` has something to do: there is room for more, or all has ended."""
        under_way = self._under_way()
        if self._source is None:
            return not under_way
        return under_way + stretch_size(self._window) <= self._window

    def _take(self, size: int) -> list[Any]:
        """Return the next circuits; fewer if the iterator ends, or fails: its error is kept."""
        circuits: list[Any] = []
        try:
            circuits.extend(islice(self._source or (), size))  # keeps what came before an error
        except Exception as error:  # noqa: BLE001 - the user's own, raised when its turn has come
            self._failure = error
        if len(circuits) < size:
            self._source = None
        return circuits

    def _begin(self, circuits: list[Any]) -> None:
        job = self._send(circuits, first=self._taken, changed=self._changed)
        stretch = _Portion.of(self._taken, job)
        self._stretches.append(stretch)
        self._open.append(stretch)
        self._taken += len(circuits)
        self._unread += len(circuits)

    def _deliver(
        self,
        following: Callable[[_Portion], int | None],
        timeout: float | None,
        *,
        only_first: bool,
    ) -> Iterator[tuple[int, ExperimentResult]]:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            with self._turn:
                self._feed(self._not_read)
                looked = [self._stretches[0]] if only_first and self._stretches else list(self._stretches)
                found = next(((s, i) for s in looked if (i := following(s)) is not None), None)
                pair = None if found is None else self._hand_on(*found)
                unread = self._unread

            def may_go_on() -> bool:
                if self._unread != unread:  # noqa: B023 - called in this turn of the loop
                    return True  # another thread has read
                return any(following(stretch) is not None for stretch in looked)  # noqa: B023

            if pair is not None:
                yield pair
            elif not looked:
                break
            elif not self._wait_for(may_go_on, deadline):
                raise self._too_late(timeout)
        self._raise_failure()

    def _raise_failure(self) -> None:
        """Raise what the iterator raised, or what stopped the stream; each time it is asked for."""
        if self._failure is not None:
            raise self._failure

    def _hand_on(self, stretch: _Portion, index: int) -> tuple[int, ExperimentResult]:
        stretch.handed[index] = 1
        stretch.left -= 1
        self._unread -= 1
        entry = stretch.job.experiment(index)
        if not stretch.left:
            self._stretches.remove(stretch)
            self._open = [other for other in self._open if other is not stretch]
            self._tally.take(stretch)
        with self._changed:
            self._changed.notify_all()
        return stretch.first + index, entry

    def _wait_for(self, done: Callable[[], bool], deadline: float | None) -> bool:
        """Wait until a circuit's move makes ``done()`` true; return False when it is too late."""
        stretches = self.stretches
        if not stretches:  # another thread has read them
            return True
        try:
            left = None if deadline is None else deadline - time.monotonic()
            return stretches[0].batch.wait_for(done, left)
        except KeyboardInterrupt:
            self._interrupt()
            raise

    def _too_late(self, timeout: float | None) -> ResultTimeoutError:
        at = self.progress()
        return ResultTimeoutError(
            f"stream {self.job_id()} was not finished after {timeout} s: {at.finished} of the {at.total} "
            "circuits taken so far are. Nothing was cancelled; go on reading, or cancel()"
        )
