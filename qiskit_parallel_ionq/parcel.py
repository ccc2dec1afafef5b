# SPDX-License-Identifier: Apache-2.0
"""What one IonQ job carries: one circuit, or a pack of circuits that agree in kind and shots."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import wire
from .encode import EncodedCircuit, ionq_header, job_body
from .options import RunOptions
from .sources import Kind, preferred_kinds

_FRAME = 200
"""Bytes reckoned for what stands around the gates of each circuit in a pack: name, width, header."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One submission's content, ready to be sent and to be read back."""

    circuits: tuple[int, ...]
    """Positions in the run, in the order in which the job holds them."""
    encoded: tuple[EncodedCircuit, ...]
    shots: int
    token: str
    body: bytes
    """The request, as long as it may have to be sent; empty afterwards."""
    is_exact: bool
    memory: bool
    dry_run: bool

    @property
    def is_pack(self) -> bool:
        """Whether it goes out as a multi-circuit job."""
        return len(self.circuits) > 1

    @property
    def by_register(self) -> bool:
        """Whether results come by classical register (OpenQASM 3) and not by qubit."""
        return self.encoded[0].readout.in_clbit_order

    @property
    def by_child(self) -> bool:
        """Whether the circuits of a pack are read one by one: an answer for all holds no shots."""
        return self.is_pack and self.memory and not self.is_exact

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of result that serve, best first."""
        return preferred_kinds(exact=self.is_exact, memory=self.memory, by_register=self.by_register)


def token(run: str, index: int, generation: int = 0) -> str:
    """Return what identifies a submission in the service's own records: at most 40 characters.

    >>> token("4fQ0000000000000000000", 71)
    '1.4fQ0000000000000000000.1z.0'
    """
    return f"1.{run}.{_base36(index)}.{generation}"


def _base36(number: int) -> str:
    digits = _DIGITS[number % 36]
    while number := number // 36:
        digits = _DIGITS[number % 36] + digits
    return digits


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
    _open: dict[tuple[str, int], _Pack] = field(default_factory=dict)

    def add(self, index: int, circuit: EncodedCircuit, shots: int) -> Iterator[Parcel]:
        """Take one circuit; yield whatever is ready to go."""
        if self.options.circuits_per_job == 1 or circuit.kind == "qasm3":
            yield self._parcel([(index, circuit)], shots)
            return
        key = (circuit.kind, shots)
        pack = self._open.setdefault(key, _Pack())
        if pack.members and not pack.fits(circuit):
            yield self._parcel(pack.members, shots)
            pack = self._open[key] = _Pack()
        pack.put(index, circuit)
        if len(pack.members) >= self.options.circuits_per_job:
            del self._open[key]
            yield self._parcel(pack.members, shots)

    def flush(self) -> Iterator[Parcel]:
        """Yield the parcels that are not full."""
        for (_, shots), pack in self._open.items():
            yield self._parcel(pack.members, shots)
        self._open.clear()

    def _parcel(self, group: list[tuple[int, EncodedCircuit]], shots: int) -> Parcel:
        indices, circuits = zip(*group, strict=True)
        options = self.options
        digest = hashlib.sha256("".join(c.digest for c in circuits).encode()).hexdigest()[:12]
        parcel_token = token(self.run, indices[0])
        settings = options.settings()
        if circuits[0].kind == "qasm3":
            # Register-named results need this compiler; the caller's own choice stands.
            settings["compilation"] = {"service_version": "v0.4", **(settings.get("compilation") or {})}
        metadata = {
            "shots": str(shots),
            "sampler_seed": str(options.sampler_seed),
            wire.HEADER_KEY: ionq_header(circuits),
            "user_agent": self.user_agent,
            wire.TOKEN_KEY: parcel_token,
            wire.CHECK_KEY: f"{self.total}.{digest}",
            **options.extra_metadata,
        }
        name = options.name or (circuits[0].name if len(circuits) == 1 else f"{len(circuits)} circuits")
        body = job_body(
            circuits,
            backend=self.target,
            shots=shots,
            name=name,
            metadata=metadata,
            settings=settings or None,
            noise=options.noise(self.target, indices[0]),
            session_id=options.session_id,
            dry_run=options.dry_run,
            extra=options.extra_query_params,
        )
        return Parcel(
            circuits=indices,
            encoded=circuits,
            shots=shots,
            token=parcel_token,
            body=body,
            is_exact=not wire.is_qpu(self.target) and options.is_ideal,
            memory=options.memory,
            dry_run=options.dry_run,
        )
