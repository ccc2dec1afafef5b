# SPDX-License-Identifier: Apache-2.0
"""Encoded circuits -> the IonQ jobs that carry them, each made as soon as it is full."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from . import wire
from .encode import EncodedCircuit, Readout, header_entry, ionq_header, job_body
from .options import RunOptions
from .parcel import Parcel, Token, ranges

PACKS_PER_WORKER = 4
"""Of many circuits, on a simulator: the first packs run while the last are still being compiled."""
SMALL_PACK = 100
"""Circuits that are encoded in no time: up to here one pack a worker, and so one round trip, is best."""
LARGEST_QPU_PACK = 100
"""Circuits that may fall with one job on a machine, where every job has its minimum charge."""
_FRAME = 200
"""Bytes reckoned for what stands around the gates of each circuit in a pack: name, width, header."""


def pack_size(circuits: int, *, workers: int, is_qpu: bool) -> int:
    """Return how many circuits should share a job, so that all jobs are about equally large.

    A machine runs one circuit after the other, so there more jobs are not faster but only dearer: as few as
    can be, but no more circuits in one than one failure may take. A simulator runs many at once: there is
    one pack for every worker, and of thousands of circuits there are several.

    >>> pack_size(10, workers=10, is_qpu=False), pack_size(200, workers=10, is_qpu=False)
    (1, 20)
    >>> pack_size(10_000, workers=10, is_qpu=False)
    250
    >>> pack_size(20, workers=10, is_qpu=True), pack_size(150, workers=10, is_qpu=True)
    (20, 75)
    """
    if is_qpu:
        return math.ceil(circuits / max(1, math.ceil(circuits / LARGEST_QPU_PACK)))
    of_few = min(SMALL_PACK, math.ceil(circuits / workers))
    return min(max(of_few, math.ceil(circuits / (PACKS_PER_WORKER * workers))), wire.MAX_CIRCUITS_PER_JOB)


@lru_cache(maxsize=64)
def _shared(readout: Readout) -> Readout:
    """Return one readout for all that are equal: thousands of circuits are read alike."""
    return readout


@dataclass(slots=True)
class _Pack:
    """Circuits that will share a job, with their sums, so that adding one is no walk through all."""

    members: list[tuple[int, EncodedCircuit]] = field(default_factory=list)
    gates: int = 0
    size: int = 0

    def fits(self, circuit: EncodedCircuit) -> bool:
        gates, size = self.gates + circuit.num_gates, self.size + len(circuit.fragment) + _FRAME
        return gates <= wire.MAX_GATES_PER_JOB and size <= wire.MAX_BODY_BYTES * 0.9

    def put(self, index: int, circuit: EncodedCircuit) -> None:
        self.members.append((index, circuit))
        self.gates += circuit.num_gates
        self.size += len(circuit.fragment) + _FRAME


@dataclass(slots=True)
class Packer:
    """Turns a stream of encoded circuits into parcels, each sent as soon as it is full."""

    run: str
    total: int
    target: str
    options: RunOptions
    user_agent: str
    seed: int | None = None
    shots: Sequence[int] = ()
    """Shots of each circuit of the run, where the sizes of packs are to be chosen by them."""
    first: int = 0
    """Position of the run's first circuit in what it is a stretch of."""
    among: int = 0
    """How many circuits may be under way beside these, in other stretches."""
    _open: dict[tuple[str, int], _Pack] = field(default_factory=dict)
    _sizes: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose the size of packs of circuits with equal shots: only those can share a job."""
        workers = self.options.max_workers if self.options.use_parallel else 1
        for shots, circuits in Counter(self.shots).items():
            self._sizes[shots] = pack_size(
                max(circuits, self.among), workers=workers, is_qpu=wire.is_qpu(self.target)
            )

    def _size(self, shots: int) -> int:
        fixed = self.options.circuits_per_job
        return self._sizes.get(shots, 1) if fixed == "auto" else fixed

    def add(self, index: int, circuit: EncodedCircuit, shots: int) -> Iterator[Parcel]:
        """Take one circuit; yield whatever is ready to go."""
        size = self._size(shots)
        if size == 1 or circuit.kind == "qasm3":
            yield self._parcel([(index, circuit)], shots)
            return
        key = (circuit.kind, shots)
        pack = self._open.setdefault(key, _Pack())
        if pack.members and not pack.fits(circuit):
            yield self._parcel(pack.members, shots)
            pack = self._open[key] = _Pack()
        pack.put(index, circuit)
        if len(pack.members) >= size:
            del self._open[key]
            yield self._parcel(pack.members, shots)

    def flush(self) -> Iterator[Parcel]:
        """Yield the parcels that are not full."""
        for (_, shots), pack in self._open.items():
            yield self._parcel(pack.members, shots)
        self._open.clear()

    def _check(self, digest: str) -> Iterator[str]:
        """Yield what a run can be rebuilt from, should nothing be left but its jobs."""
        yield str(self.total)
        yield digest
        if self.seed is not None:
            yield f"{self.seed}{'m' if self.options.memory else ''}"
            if self.first:
                yield str(self.first)

    def _parcel(self, group: list[tuple[int, EncodedCircuit]], shots: int) -> Parcel:
        indices, circuits = zip(*group, strict=True)
        options = self.options
        digest = hashlib.sha256("".join(c.digest for c in circuits).encode()).hexdigest()[:12]
        headers = tuple(header_entry(circuit) for circuit in circuits)
        token = str(Token(self.run, indices[0]))
        settings = options.settings()
        if circuits[0].kind == "qasm3":
            # Register-named results need this compiler; the caller's own choice stands.
            settings["compilation"] = {"service_version": "v0.4", **(settings.get("compilation") or {})}
        metadata = {
            "shots": str(shots),
            "sampler_seed": str(options.sampler_seed),
            wire.HEADER_KEY: ionq_header(headers),
            "user_agent": self.user_agent,
            wire.TOKEN_KEY: token,
            wire.CHECK_KEY: ".".join(self._check(digest)),
            **options.extra_metadata,
        }
        if indices != tuple(range(indices[0], indices[0] + len(indices))):
            metadata[wire.CONTENT_KEY] = ranges(indices)
        name = options.name or (circuits[0].name if len(circuits) == 1 else f"{len(circuits)} circuits")
        body = job_body(
            circuits,
            backend=self.target,
            shots=shots,
            name=name,
            metadata=metadata,
            settings=settings or None,
            noise=options.noise(self.target, self.first + indices[0], self.seed),
            session_id=options.session_id,
            dry_run=options.dry_run,
            extra=options.extra_query_params,
        )
        return Parcel(
            circuits=indices,
            readouts=tuple(_shared(circuit.readout) for circuit in circuits),
            headers=headers,
            shots=shots,
            token=token,
            digest=digest,
            body=body,
            is_exact=not wire.is_qpu(self.target) and options.is_ideal,
            memory=options.memory,
            dry_run=options.dry_run,
            query=options.reading,
        )
