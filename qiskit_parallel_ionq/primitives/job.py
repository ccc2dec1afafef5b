# SPDX-License-Identifier: Apache-2.0
"""A primitive's job: the composite job beneath, and what is made of its outcomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qiskit.primitives import BasePrimitiveJob, PrimitiveResult
from qiskit.providers import JobStatus

from ..job import ParallelIonQJob


class ParallelPrimitiveJob(BasePrimitiveJob[PrimitiveResult, JobStatus]):
    """Circuits of a primitive under way, as one composite job. Made by ``run`` of a primitive."""

    def __init__(self, job: ParallelIonQJob, finish: Callable[[list[Any]], PrimitiveResult]) -> None:
        super().__init__(job.job_id())
        self._job = job
        self._finish = finish
        self._result: PrimitiveResult | None = None

    def __repr__(self) -> str:
        at = self._job.progress()
        return f"<ParallelPrimitiveJob {self.job_id()}: {at.finished}/{at.total} circuits finished>"

    @property
    def composite(self) -> ParallelIonQJob:
        """The job that carries all circuits: progress, IonQ job ids, report, retry."""
        return self._job

    def backend(self) -> Any:
        """Return the backend that the circuits were sent to."""
        return self._job.backend()

    def result(self, timeout: float | None = None) -> PrimitiveResult:
        """Wait for all circuits and return the results of the PUBs. Asking again gives the same answer.

        Args:
            timeout: seconds to wait at the most.

        Raises:
            BatchError: some circuits have no result; those that have are in its ``result``.
            ResultTimeoutError: ``timeout`` seconds passed first. Nothing was cancelled.
        """
        if self._result is None:
            self._result = self._finish(self._job.outcomes(timeout))
        return self._result

    def status(self) -> JobStatus:
        """Return the status of the whole: final only once every circuit's is."""
        return self._job.status()

    def done(self) -> bool:
        """Return whether every circuit has a result."""
        return self.status() is JobStatus.DONE

    def running(self) -> bool:
        """Return whether circuits run."""
        return self.status() is JobStatus.RUNNING

    def cancelled(self) -> bool:
        """Return whether the job was cancelled."""
        return self.status() is JobStatus.CANCELLED

    def in_final_state(self) -> bool:
        """Return whether nothing more will happen."""
        return self._job.in_final_state()  # type: ignore[no-any-return]

    def cancel(self) -> bool:
        """Cancel every circuit that has no result yet; return whether there was one."""
        return self._job.cancel()

    def error_message(self) -> str | None:
        """Return why circuits have no result, or None."""
        return self._job.error_message()

    def wait_for_final_state(self, timeout: float | None = None) -> None:
        """Block until nothing more will happen.

        Raises:
            ResultTimeoutError: ``timeout`` seconds passed first.
        """
        self._job.wait_for_final_state(timeout)


def provenance(job: ParallelIonQJob, circuits: Sequence[int]) -> dict[str, Any]:
    """Return what the metadata of a PUB says of its circuits: IonQ's job ids, and when.

    Args:
        job: the composite job, finished.
        circuits: positions in it.
    """
    report = job.report()
    rows = [report[index] for index in circuits]
    return {
        "job_ids": list(dict.fromkeys(row.job_id for row in rows)),
        "timing": {
            "sent_at": min((row.sent_at for row in rows if row.sent_at), default=None),
            "ended_at": max((row.ended_at for row in rows if row.ended_at), default=None),
        },
    }
