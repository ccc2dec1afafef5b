# SPDX-License-Identifier: Apache-2.0
"""The composite job: many IonQ jobs seen as one Qiskit job."""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from qiskit.providers import BackendV2, JobStatus, JobV1
from qiskit.result import Result
from qiskit.result.models import ExperimentResult
from qiskit.result.postprocess import format_counts_memory

from . import gantt
from .batch import Batch, Progress
from .chronicle import Run
from .conductor import Conductor
from .decode import Outcome
from .display import progress_bar
from .errors import (
    BatchError,
    DetachedError,
    JobError,
    JobPickleError,
    OptionError,
    ResultTimeoutError,
    RunBusyError,
)
from .lifecycle import Phase
from .merge import composite_status, experiment, merge
from .report import Report, report_on

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST_RESULT = 250_000_000
"""Bytes of outcomes that are spelled out in one ``Result``, where they take several times as much."""


def require_handy(job_id: str, size: int) -> None:
    """Refuse to spell out more results at once than fit in memory.

    Raises:
        JobError: it would be too much. Nothing is lost.
    """
    if size > LARGEST_RESULT:
        raise JobError(
            f"the results of job {job_id} take {size / 1e6:,.0f} MB and several times as much in one Result; "
            "read them one by one with results_iter(), in input order, or as_completed(). Nothing is lost"
        )


def facts_of(run: Run) -> dict[str, Any]:
    """Return what a job's ``metadata`` tell of its run."""
    return {
        "target": run.target,
        "gateset": run.gateset,
        "shots": run.shots,
        "seed": run.seed,
        "session_id": run.session_id,
        "stream": run.stream or None,
        "generation": run.generation,
        "user_agent": run.user_agent,
    }


class ParallelIonQJob(JobV1):
    """Circuits under way, in input order. Made by ``backend.run``.

    Everything but `result`, `wait` and `as_completed` answers from memory, at once, and does not raise
    for a circuit that failed.

    >>> from qiskit import QuantumCircuit
    >>> from qiskit_parallel_ionq import ParallelIonQProvider
    >>> bell = QuantumCircuit(2, 2); _ = bell.h(0), bell.cx(0, 1), bell.measure([0, 1], [0, 1])
    >>> with ParallelIonQProvider.local(seed=7) as provider:
    ...     job = provider.get_backend("ionq_parallel").run([bell] * 3, shots=100)
    ...     [sum(counts.values()) for counts in job.result().get_counts()]
    [100, 100, 100]
    """

    def __init__(
        self,
        backend: BackendV2,
        batch: Batch,
        conductor: Conductor,
        *,
        progress: bool = False,
        cancels: bool = False,
    ) -> None:
        super().__init__(backend, batch.run.id, **facts_of(batch.run))
        self._batch = batch
        batch.owner = weakref.ref(backend)
        self._conductor = conductor
        self._shows_progress = progress
        self._cancels_on_interrupt = cancels
        self._result: Result | None = None

    def __repr__(self) -> str:
        at = self.progress()
        return f"<ParallelIonQJob {self.job_id()}: {at.finished}/{at.total} finished, {at.failed} failed>"

    def __copy__(self) -> ParallelIonQJob:
        return self  # there is one such job, whoever holds it

    def __deepcopy__(self, memo: dict[int, Any]) -> ParallelIonQJob:
        return self

    def __reduce__(self) -> NoReturn:
        raise JobPickleError(
            f"job {self.job_id()} lives in this process and cannot be pickled: pass its id on, and have "
            f"provider.retrieve_job({self.job_id()!r}) find it there"
        )

    def __len__(self) -> int:
        return self._batch.total

    @property
    def creation_date(self) -> datetime | None:
        """When the run began, in local time; None if its record does not say."""
        at = self._batch.run.created_at
        return datetime.fromtimestamp(at, timezone.utc).astimezone() if at else None

    def submit(self) -> NoReturn:
        """Refuse: ``backend.run`` has submitted it already.

        Raises:
            JobError: always.
        """
        raise JobError("this job was submitted by backend.run; run the circuits again for a new one")

    @property
    def batch(self) -> Batch:
        """The run in flight; read it, the conductor writes it."""
        return self._batch

    def status(self) -> JobStatus:
        """Return the status of the whole: final only once every circuit's is.

        If the provider was closed while circuits were under way, it is the last that was known of them, and
        not final: their jobs go on at the service. Circuits that were not sent are no error: with nothing
        failed the whole is ``CANCELLED``.
        """
        return composite_status(self._batch.phases())

    def progress(self) -> Progress:
        """Return how many circuits are waiting, queued, running, done, failed and cancelled."""
        return self._batch.progress()

    def job_ids(self) -> list[str | None]:
        """Return the IonQ job of each circuit, in input order; None where there is none (yet).

        Circuits that share a job (``circuits_per_job``) have the same id.
        """
        return [self._batch.job_id(index) for index in range(self._batch.total)]

    def errors(self) -> dict[int, Exception]:
        """Return why circuits have no result: index -> reason, in ascending order. Empty is good."""
        return dict(sorted(self._batch.errors.items()))

    def error_message(self) -> str | None:
        """Return the reasons as text, or None if there are none."""
        failures = self.errors()
        return str(BatchError(failures, total=len(self), job_id=self.job_id())) if failures else None

    def wait(self, timeout: float | None = None, *, progress: bool | None = None) -> bool:
        """Block until every circuit has a result or a reason for having none here.

        Returns False when ``timeout`` seconds pass first.

        Args:
            timeout: seconds to wait at the most.
            progress: whether to show a progress bar; None: if the run was told to.
        """
        shows = self._shows_progress if progress is None else progress
        bar = progress_bar(self._batch) if shows else nullcontext()
        return self._wait_for(lambda: self._batch.is_over, timeout, bar)

    def wait_for_final_state(
        self, timeout: float | None = None, wait: float = 5, callback: Any = None
    ) -> None:
        """Block until the status is final, as Qiskit's own does; calls back every ``wait`` seconds.

        Raises:
            ResultTimeoutError: ``timeout`` seconds passed first.
            DetachedError: the provider was closed before, and jobs go on at the service.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._batch.is_over:
            left = wait if deadline is None else min(wait, deadline - time.monotonic())
            if deadline is not None and time.monotonic() >= deadline:
                raise self._too_late(timeout)
            if not self._wait_for(lambda: self._batch.is_over, left) and callback:
                callback(self.job_id(), self.status(), self)
        left_behind = [error for error in self.errors().values() if isinstance(error, DetachedError)]
        if left_behind:
            raise left_behind[0]

    def result(self, timeout: float | None = None, *, partial: bool = False) -> Result:
        """Wait for all circuits and return one ``Result`` with N entries in input order.

        Asking again gives the same answer.

        Args:
            timeout: seconds to wait at the most.
            partial: return what there is instead of raising: entries without a result have
                ``success=False`` and say why in ``status``. With a timeout that passes, circuits still
                under way are such entries.

        Raises:
            BatchError: some circuits have no result; those that have are in its ``result``.
            JobError: there are more results than fit in memory; see `results_iter`.
            ResultTimeoutError: ``timeout`` seconds passed first. Nothing was cancelled.
        """
        if self._result is None:
            if self.wait(timeout):
                self._result = self._merged()
            elif partial:
                return self._merged()
            else:
                raise self._too_late(timeout)
        failures = self.errors()
        if failures and not partial:
            raise BatchError(failures, total=len(self), job_id=self.job_id(), result=self._result)
        return self._result

    def outcomes(self, timeout: float | None = None) -> list[Outcome | None]:
        """Wait for all circuits and return their outcomes as arrays: what `result` says in Qiskit's words.

        Raises:
            BatchError: some circuits have no result.
            ResultTimeoutError: ``timeout`` seconds passed first. Nothing was cancelled.
        """
        if not self.wait(timeout):
            raise self._too_late(timeout)
        if self.errors():
            self.result()
        return [self._batch.outcomes[index] for index in range(len(self))]

    def as_completed(self, timeout: float | None = None) -> Iterator[tuple[int, ExperimentResult]]:
        """Yield ``(index, experiment)`` as circuits finish, failed ones too (``success=False``).

        Raises:
            ResultTimeoutError: ``timeout`` seconds passed before all were finished.
        """
        finished = self._batch.finished
        return self._each(lambda turn: finished[turn] if turn < len(finished) else None, timeout)

    def results_iter(self, timeout: float | None = None) -> Iterator[tuple[int, ExperimentResult]]:
        """Yield ``(index, experiment)`` in input order, each as soon as it is its turn; failed ones, too.

        Raises:
            ResultTimeoutError: ``timeout`` seconds passed before all were finished.
        """
        has_ended = self._batch.has_ended
        return self._each(lambda turn: turn if has_ended(turn) else None, timeout)

    def _each(
        self, whose: Callable[[int], int | None], timeout: float | None
    ) -> Iterator[tuple[int, ExperimentResult]]:
        """Yield every circuit; ``whose`` says whose turn it is, or None while that is not known."""
        deadline = None if timeout is None else time.monotonic() + timeout
        for turn in range(self._batch.total):
            left = None if deadline is None else deadline - time.monotonic()
            if not self._wait_for(lambda: whose(turn) is not None, left):  # noqa: B023 - called at once
                raise self._too_late(timeout)
            index = whose(turn)
            assert index is not None  # noqa: S101 - it was waited for
            yield index, self.experiment(index)

    def cancel(self, *, include_running: bool | None = None) -> bool:
        """Cancel every circuit that has no result yet, in as few requests as possible.

        What was not sent is not sent. Jobs are looked at first, so that one which has just completed
        keeps its paid result.

        Args:
            include_running: whether jobs that already run are cancelled too; a machine may bill them in
                part. None: on the simulator yes, on a machine no.

        Returns:
            Whether there was anything left to cancel.
        """
        if self._batch.is_over:
            return False
        if include_running is None:
            include_running = self.backend().simulator
        self._conductor.cancel(self._batch, include_running=include_running)
        return True

    def report(self) -> Report:
        """Return where each circuit's result comes from: token, job, times, setbacks; finished or not."""
        loop = self._conductor.loop
        shift = loop.wall() - loop.now()
        return report_on(self._batch, loop.now(), lambda at: at + shift)

    def timeline(self, path: str | Path | None = None, *, show: bool = False) -> Figure:
        """Draw where the time went: a row for each IonQ job, the critical path, the ideal. Finished or not.

        What the drawing shows is in ``report().timeline`` as data. Of a job that was found again, times that
        nobody recorded are left open.

        Args:
            path: where to save it, too; the format is what the name ends in, such as ``.png`` or ``.svg``.
            show: open a window, too. Where there is none, it is saved and its path printed.

        Raises:
            MissingExtraError: matplotlib is not installed: ``pip install 'qiskit-parallel-ionq[plot]'``.
        """
        timeline = self.report().timeline
        shown = gantt.show(timeline) if show else None
        figure = shown or gantt.draw(timeline)
        if show and shown is None:
            path = path or f"timeline-{self.job_id()}.png"
        if path is not None:
            place = gantt.save(figure, path)
            if show and shown is None:
                print(f"there is no window here; the timeline is in {place}", file=sys.stderr)
        return figure

    def retry(
        self,
        *,
        spend: bool = False,
        split: bool = False,
        max_cost: float | None = None,
        max_jobs: int | None = None,
    ) -> ParallelIonQJob:
        """Execute exactly the circuits that failed by no fault of theirs again, as a new job of N circuits.

        The new job's id is this one's with a number after it; results that are here are in its, too. What the
        service refused or could not compile, what was cancelled, and what may still be in the service is left
        as it is.

        Circuits that were executed, and whose results could only not be read, are not executed again: if any
        are there, their results are read again, at no cost, and the job that is returned has this id.

        Args:
            spend: whether it may cost money; on a machine it must be said.
            split: whether circuits that shared a job go out one by one, and with them those that have no
                result only because their job as a whole was refused or failed.
            max_cost: a new limit for all that the run costs in all its executions; None: the limit that it
                was given holds on, and only what is left of it is used.
            max_jobs: likewise, for the number of its IonQ jobs.

        Raises:
            BudgetError: it would exceed the limits. Nothing was sent.
            JobError: this job is not over, no circuit is worth another try, or it was retried already.
            OptionError: the target is a machine, and ``spend`` is not given.
            JournalError: what was sent is not known any more.
        """
        backend: Any = self.backend()
        job: ParallelIonQJob = backend.run_again(
            self._batch, spend=spend, split=split, max_cost=max_cost, max_jobs=max_jobs
        )
        return job

    def leave(self) -> None:
        """Send nothing more and leave what was sent to itself, as the first Ctrl-C does.

        Says on stderr how to go on. Circuits that were not sent end here with `NotSentError`;
        ``provider.resume(job_id, submit=True)`` sends them, in this process or any other.
        """
        self._conductor.detach(self._batch)
        stands, left = self._where_it_stands()
        name = self.job_id()
        print(
            f"\n{stands}\n"
            f"Nothing was cancelled. To go on, provider.resume({name!r})\n"
            "collects, and with submit=True sends the rest; or in a shell:\n"
            f"  qiskit-parallel-ionq resume {name}{' --submit' if left else ''}",
            file=sys.stderr,
            flush=True,
        )

    def interrupt(self) -> None:
        """Do what the first Ctrl-C does: `leave`; or cancel, if the run was told so (``on_interrupt``)."""
        if not self._cancels_on_interrupt:
            self.leave()
            return
        self.cancel()
        self._conductor.detach(self._batch)
        stands, _ = self._where_it_stands()
        print(f"\n{stands}\nWhat has no result is cancelled.", file=sys.stderr, flush=True)

    def hand_over(self, timeout: float = 150.0) -> None:
        """Let somebody else go on with this run; used by ``provider.resume``.

        Waits for the answers of submissions under way. Circuits without a result end here with an error.

        Raises:
            RunBusyError: an answer did not come within ``timeout`` seconds.
        """
        try:
            self._conductor.release(self._batch).result(timeout)
        except FutureTimeout:
            reason = f"a submission of run {self.job_id()} is still under way; try again in a minute"
            raise RunBusyError(reason) from None

    def get_counts(self, circuit: int | None = None) -> Any:
        """Return the counts of one circuit by its index, or of all; as ``result().get_counts()``."""
        return self.result().get_counts(circuit)

    def get_memory(self, circuit: int = 0) -> list[str]:
        """Return every shot of one circuit, in order, as bit strings. Needs ``memory=True``."""
        return self.result().get_memory(circuit)  # type: ignore[no-any-return]

    def get_probabilities(self, circuit: int | None = None) -> Any:
        """Return the distribution as the service gave it: exact on the ideal simulator.

        Args:
            circuit: index of a circuit; None: all, or the one there is.

        Returns:
            Bit string -> probability, registers apart by blanks, as counts are; a list of such for several.
        """
        entries = self.result().results
        if circuit is not None:
            if not isinstance(circuit, int) or not -len(entries) <= circuit < len(entries):
                raise OptionError(f"circuit must be an index below {len(entries)}, not {circuit!r}")
            return _spelled_out(entries[circuit])
        spelled = [_spelled_out(entry) for entry in entries]
        return spelled[0] if len(spelled) == 1 else spelled

    def _wait_for(
        self,
        done: Callable[[], bool],
        timeout: float | None,
        bar: AbstractContextManager[None] = nullcontext(),  # noqa: B008 - it has no state
    ) -> bool:
        """Block until something holds; the first Ctrl-C stops the sending and is passed on."""
        self._conductor.loop.require_ours()
        try:
            with bar:
                return self._batch.wait_for(done, timeout)
        except KeyboardInterrupt:
            self.interrupt()
            raise

    def _where_it_stands(self) -> tuple[str, int]:
        """Return that in words, and how many circuits are not known to be accepted."""
        sent = list(zip(self._batch.parcels, self._batch.submissions, strict=False))  # they grow
        accepted = sum(len(parcel.circuits) for parcel, at in sent if at.job_id is not None)
        in_doubt = (Phase.SENDING, Phase.UNKNOWN)
        doubts = sum(len(parcel.circuits) for parcel, at in sent if at.phase in in_doubt)
        waiting = len(self) - accepted - doubts
        stands = f"run {self.job_id()}: {accepted} accepted, {doubts} in doubt, {waiting} not sent."
        return stands, doubts + waiting

    def _merged(self) -> Result:
        require_handy(self.job_id(), self._batch.outcomes.spelled)
        backend = self.backend()
        return merge(
            [self.experiment(index) for index in range(len(self))],
            backend_name=backend.name,
            backend_version=backend.backend_version,
            job_id=self.job_id(),
        )

    def experiment(self, index: int) -> ExperimentResult:
        """Return the entry of one circuit as it is now: without data if it has no result (yet)."""
        batch = self._batch
        error = batch.errors.get(index)
        if error is None and index not in batch.outcomes:
            error = ResultTimeoutError(f"circuit {index} is still {batch.phase(index).value}")
        return experiment(
            batch.headers.get(index, {"name": f"circuit {index}", "memory_slots": 0}),
            shots=batch.run.shots[index],
            outcome=batch.outcomes.get(index),
            error=error,
            seed=batch.run.seed,
            job_id=batch.job_id(index),
        )

    def _too_late(self, timeout: float | None) -> ResultTimeoutError:
        at = self.progress()
        return ResultTimeoutError(
            f"job {self.job_id()} was not finished after {timeout} s: {at.finished} of {at.total} circuits "
            f"are, {at.running} run, {at.queued} are queued, {at.waiting} wait here. Nothing was cancelled; "
            "ask again, take what there is with result(partial=True, timeout=0), or cancel()"
        )


def _spelled_out(entry: ExperimentResult) -> dict[str, float]:
    probabilities = getattr(entry.data, "probabilities", None)
    if probabilities is None:
        raise JobError(f"circuit {entry.header['name']!r} has no probabilities: {entry.status}")
    return {format_counts_memory(key, entry.header): value for key, value in probabilities.items()}
