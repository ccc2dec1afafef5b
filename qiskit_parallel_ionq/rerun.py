# SPDX-License-Identifier: Apache-2.0
"""Executes again, on purpose and as a new job, circuits that failed by no fault of theirs."""

from __future__ import annotations

from dataclasses import replace

from . import wire
from .batch import Batch
from .chronicle import Run
from .errors import (
    ApiError,
    CircuitCancelledError,
    CircuitFailedError,
    IonQError,
    JobError,
    JournalError,
    OptionError,
    ResultIntegrityError,
)
from .lifecycle import Phase
from .parcel import Parcel, again

WORTH_ANOTHER_TRY = frozenset({"InternalError", "QuantumComputerError", "SystemCancel", "SimulationTimeout"})
"""Failure codes that say nothing against the circuit."""
REFUSED_FOR_ITS_CONTENT = frozenset({400, 413, 422})
"""Statuses of an answer to a submission that say something against its content, and so one circuit of it."""


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


def fell_with_its_pack(batch: Batch, index: int) -> bool:
    """Say whether a circuit has no result because of the job that it shared, and may do better alone.

    The job as a whole was refused or failed, or the service gave the circuit up when another one failed.
    """
    number, error = batch.parcel_of.get(index), batch.errors[index]
    if number is None or not batch.parcels[number].is_pack:
        return False
    submission = batch.submissions[number]
    if isinstance(error, CircuitCancelledError):
        return not submission.cancel_asked and submission.phase is not Phase.CANCELLED
    if submission.phase is not Phase.FAILED:
        return False
    if isinstance(error, CircuitFailedError):
        return error.code not in wire.OUT_OF_MONEY
    return isinstance(error, ApiError) and error.status in REFUSED_FOR_ITS_CONTENT


def next_generation(batch: Batch, *, spend: bool, split: bool, created_at: float) -> tuple[Run, list[Parcel]]:
    """Return the run that executes failed circuits again, and what it sends.

    Args:
        batch: the run as it is.
        spend: whether it may cost money.
        split: whether circuits that shared a job go out one by one, also those that only fell with it.
        created_at: seconds of the wall clock.

    Raises:
        JobError: the run is not over, or has no circuit that is worth another try.
        OptionError: the target costs money, and ``spend`` does not say that it may.
        JournalError: a request is neither in memory nor on disk any more.
    """
    if not batch.is_over:
        raise JobError("the job is not over: wait for it, then retry what failed")
    wanted = {index for index, error in batch.errors.items() if is_worth_another_try(error)}
    fallen = {index for index in batch.errors if fell_with_its_pack(batch, index)} - wanted
    if split:
        wanted |= fallen
    if not wanted:
        raise JobError(
            f"none of the {len(batch.errors)} circuits without a result would do better the next time; "
            "job.errors() says why. What was not sent, provider.resume(job_id, submit=True) sends"
            + (f"; {len(fallen)} fell with their pack, job.retry(split=True) runs them alone" * bool(fallen))
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
    parcels = [
        again(parcel, _request(batch, number), only=group, generation=generation)
        for number, parcel in enumerate(batch.parcels)
        for group in _groups(wanted.intersection(parcel.circuits), split=split)
    ]
    return run, parcels


def _groups(wanted: set[int], *, split: bool) -> list[set[int]]:
    """Return which circuits of a parcel go out together."""
    if split:
        return [{index} for index in sorted(wanted)]
    return [wanted] if wanted else []


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
