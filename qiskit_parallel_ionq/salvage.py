# SPDX-License-Identifier: Apache-2.0
"""A run as the service's own records tell it, for when there is no journal: its tokens and headers. Pure.

Every job says in its metadata of which run it is, which circuits it carries, how many there were, what seed
the run had, and how its outcomes are read. Jobs of stock qiskit-ionq tell enough to be read one by one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import wire
from .chronicle import Chronicle, Run
from .encode import HeaderEntry, read_ionq_header
from .errors import JobError, ResultIntegrityError
from .lifecycle import Phase, Submission
from .parcel import Parcel, Token, positions
from .wire import JobRecord

LARGEST_RUN = 10_000_000
"""Circuits of a run that are believed: metadata may say anything."""


def rebuilt_run(run_id: str, generation: int, jobs: Iterable[JobRecord]) -> Chronicle:
    """Return what the account's jobs tell of a run.

    Circuits that no job carries are left out: they were never sent, or the job was deleted.

    Args:
        run_id: the 22 characters in the middle of the tokens.
        generation: which execution of the run.
        jobs: jobs of the account, others among them.

    Raises:
        JobError: not one job is of this run.
    """
    mine: dict[int, JobRecord] = {}
    for job in jobs:
        token = Token.read(_entry(job, wire.TOKEN_KEY))
        if token is None or job.parent_id or token.index >= LARGEST_RUN:
            continue
        if (token.run, token.generation) == (run_id, generation):
            mine.setdefault(token.index, job)
    if not mine:
        raise JobError(
            f"neither is run {run_id!r} recorded here, nor does the account hold a job of it. Was it run "
            "with another key or project, or has it been deleted?"
        )
    story: Chronicle | None = None
    for index in sorted(mine):
        job = mine[index]
        if story is None:
            story = Chronicle(_run(job, run_id, _Check.of(job).total or 0, generation))
        _add(story, job, _places(job, index))
    assert story is not None  # noqa: S101 - there is at least one job
    last = max(max(parcel.circuits) for parcel in story.parcels) + 1
    return _with_all_shots(story, max(story.run.total, last))


def single_job(job: JobRecord) -> Chronicle:
    """Return one IonQ job, ours or one of stock qiskit-ionq, as a run of its own.

    Raises:
        JobError: its metadata does not tell how its outcomes are read.
    """
    story = Chronicle(_run(job, job.id, 0, 0))
    _add(story, job, None)
    return _with_all_shots(story, len(story.parcels[0].circuits))


def _run(job: JobRecord, run_id: str, total: int, generation: int) -> Run:
    check = _Check.of(job)
    target = job.backend or _entry(job, "backend") or wire.SIMULATOR
    return Run(
        run_id if generation == 0 else f"{run_id}.{generation}",
        total,
        wire.target_name(target),
        seed=_seed(job, run_id) if check.seed is None else check.seed,
        on_unknown="never",
        generation=generation,
        first=check.first,
    )


def _seed(job: JobRecord, run_id: str) -> int:
    """Return a seed for a job that names none: the same whenever it is asked."""
    named = _entry(job, "sampler_seed")
    if named and named.isdecimal():
        return int(named) % 2**63
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:7], "big")


def _add(story: Chronicle, job: JobRecord, circuits: tuple[int, ...] | None) -> None:
    entries = _headers(job)
    shots = job.shots or _shots(job)
    circuits = tuple(range(len(entries))) if circuits is None else circuits
    if shots is None or len(circuits) != len(entries):
        raise JobError(f"job {job.id} does not say its shots, or which circuits of the run it carries")
    check = _Check.of(job)
    is_exact = story.run.target == wire.SIMULATOR and job.noise_model in (None, "ideal")
    parcel = Parcel(
        circuits=circuits,
        readouts=tuple(entry.readout for entry in entries),
        headers=tuple(entry.header for entry in entries),
        shots=shots,
        token=_entry(job, wire.TOKEN_KEY) or "",
        digest=check.digest or "",
        body=b"",
        is_exact=is_exact,
        memory=check.memory,
        dry_run=job.dry_run,
    )
    story.headers.update(zip(circuits, (entry.header for entry in entries), strict=True))
    story.parcels.append(parcel)
    story.submissions.append(Submission(phase=Phase.QUEUED, posts=1, job_id=job.id))


def _headers(job: JobRecord) -> tuple[HeaderEntry, ...]:
    text = _entry(job, wire.HEADER_KEY)
    if text is None:
        raise JobError(
            f"job {job.id} was not made by this package or by qiskit-ionq: it has no {wire.HEADER_KEY}, so "
            "nobody knows which classical bit reads which qubit"
        )
    try:
        return read_ionq_header(text)
    except ResultIntegrityError as error:
        raise JobError(f"job {job.id}: {error}") from error


def _with_all_shots(story: Chronicle, total: int) -> Chronicle:
    shots = [story.parcels[0].shots] * total
    for parcel in story.parcels:
        for index in parcel.circuits:
            shots[index] = parcel.shots
    facts = {name: getattr(story.run, name) for name in Run.__dataclass_fields__}
    story.run = Run(**{**facts, "total": total, "shots": tuple(shots)})
    return story


def _places(job: JobRecord, index: int) -> tuple[int, ...]:
    told = _entry(job, wire.CONTENT_KEY)
    if told is None:
        return tuple(range(index, index + len(_headers(job))))
    try:
        return positions(told)
    except ValueError as error:
        raise JobError(f"job {job.id}: {wire.CONTENT_KEY} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class _Check:
    """What a run can be rebuilt from, as its jobs tell it."""

    total: int | None
    digest: str | None
    seed: int | None
    memory: bool
    """Whether every shot is wanted."""
    first: int
    """Position of the run's first circuit in what it is a stretch of."""

    @classmethod
    def of(cls, job: JobRecord) -> _Check:
        total, digest, seed, first, *_ = [*(_entry(job, wire.CHECK_KEY) or "").split("."), "", "", "", ""]
        return cls(
            total=_number(total, LARGEST_RUN),
            digest=digest or None,
            seed=_number(seed.removesuffix("m"), 2**63),
            memory=seed.endswith("m"),
            first=_number(first, 2**53) or 0,
        )


def _number(text: str, most: int) -> int | None:
    return int(text) if text.isdecimal() and int(text) <= most else None


def _shots(job: JobRecord) -> int | None:
    told = _entry(job, "shots") or ""
    return int(told) if told.isdecimal() and int(told) > 0 else None


def _entry(job: JobRecord, key: str) -> str | None:
    metadata: Mapping[str, Any] = job.metadata or {}
    value = metadata.get(key)
    return value if isinstance(value, str) else None
