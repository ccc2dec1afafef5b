# SPDX-License-Identifier: Apache-2.0
"""What a job and its service leave behind, collected for the judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qiskit_parallel_ionq import ParallelIonQJob

from .circuits import outcome_of
from .history import History, read_journal


def of_job(
    job: ParallelIonQJob, server: Sequence[Mapping[str, Any]], folder: Path, *, timeout: float = 0.0
) -> History:
    """Return the history of a run as this process knows it.

    Args:
        job: the run; waited for.
        server: the service's log.
        folder: where runs are recorded.
        timeout: seconds to wait for circuits that have no result yet.
    """
    entries = job.result(timeout=timeout, partial=True).results
    outcomes = {index: outcome_of(entry) for index, entry in enumerate(entries)}
    return History(
        job.job_id(),
        len(entries),
        server,
        read_journal((folder / f"{job.job_id()}.journal").read_bytes()),
        {index: outcome for index, outcome in outcomes.items() if outcome is not None},
        {index: type(error).__name__ for index, error in job.errors().items()},
    )
