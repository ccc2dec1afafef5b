# SPDX-License-Identifier: Apache-2.0
"""Executes again, on purpose and as a new job, circuits that failed by no fault of theirs."""

from __future__ import annotations

from dataclasses import replace

from . import wire
from .batch import Batch
from .chronicle import Run
from .errors import (
    CircuitFailedError,
    IonQError,
    JobError,
    JournalError,
    OptionError,
    ResultIntegrityError,
)
from .parcel import Parcel, again

WORTH_ANOTHER_TRY = frozenset({"InternalError", "QuantumComputerError", "SystemCancel", "SimulationTimeout"})
"""Failure codes that say nothing against the circuit."""


def is_worth_another_try(error: Exception) -> bool:
    """Say whether a circuit that ended so may do better the next time.

    Not one that the service refused or could not compile, nor one that was cancelled; nor one that may still
    be in the service: that would be bought twice.

    >>> is_worth_another_try(CircuitFailedError("…", code="InternalError"))
    True
    >>> is_worth_another_try(CircuitFailedError("…", code="CompilationError"))
    False
    """
    if isinstance(error, CircuitFailedError):
        return error.code in WORTH_ANOTHER_TRY
    return isinstance(error, ResultIntegrityError)


def next_generation(batch: Batch, *, spend: bool, created_at: float) -> tuple[Run, list[Parcel]]:
    """Return the run that executes failed circuits again, and what it sends.

    Raises:
        JobError: the run is not over, or has no circuit that is worth another try.
        OptionError: the target costs money, and ``spend`` does not say that it may.
        JournalError: a request is neither in memory nor on disk any more.
    """
    if not batch.is_over:
        raise JobError("the job is not over: wait for it, then retry what failed")
    wanted = {index for index, error in batch.errors.items() if is_worth_another_try(error)}
    if not wanted:
        raise JobError(
            f"none of the {len(batch.errors)} circuits without a result would do better the next time; "
            "job.errors() says why. What was not sent, provider.resume(job_id, submit=True) sends"
        )
    if wire.is_qpu(batch.target) and not spend:
        raise OptionError(
            f"{len(wanted)} circuits would be run again on {batch.target}, which costs money: "
            "job.retry(spend=True) does it. Nothing was sent"
        )
    generation = batch.run.generation + 1
    name = batch.run.id.partition(".")[0]
    run = replace(
        batch.run, id=f"{name}.{generation}", generation=generation, created_at=round(created_at, 3)
    )
    parcels = []
    for number, parcel in enumerate(batch.parcels):
        only = wanted.intersection(parcel.circuits)
        if only:
            parcels.append(again(parcel, _request(batch, number), only=only, generation=generation))
    return run, parcels


def _request(batch: Batch, number: int) -> bytes:
    parcel, place = batch.parcels[number], batch.places.get(number)
    if parcel.body:
        return parcel.body
    if place is None:
        raise JournalError(
            f"the request of circuit {parcel.circuits[0]} was not kept (keep_circuits); run it anew instead"
        )
    try:
        return batch.record.body(place)
    except IonQError as error:
        raise JournalError(f"the request of circuit {parcel.circuits[0]} is gone ({error})") from error
