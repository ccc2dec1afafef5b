# SPDX-License-Identifier: Apache-2.0
"""The sampler: shots of every classical register, for every set of parameter values."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from qiskit import QuantumCircuit
from qiskit.primitives import BaseSamplerV2, DataBin, PrimitiveResult, SamplerPubResult
from qiskit.primitives.containers.sampler_pub import SamplerPub, SamplerPubLike

from .. import wire
from ..backend import ParallelIonQBackend
from ..decode import Outcome
from ..drafts import Draft
from ..errors import CircuitError, OptionError
from ..job import ParallelIonQJob
from .bits import bit_array, register_bits
from .job import ParallelPrimitiveJob, provenance
from .options import SamplerOptions, as_options
from .running import coerced, naming_pub, our_backend, run_options, table_of


class SamplerV2(BaseSamplerV2):
    """Samples circuits on a backend of this package.

    All circuits of all PUBs, whatever their shots, are sent together. Circuits need not be transpiled; one
    with parameters is compiled once, however many sets of values it is run with.

    Args:
        backend: from ``provider.get_backend``.
        options: `SamplerOptions`, or a mapping of their names.

    Raises:
        OptionError: an option is unknown or cannot be right, or the backend is of another package.

    >>> from qiskit import QuantumCircuit
    >>> from qiskit_parallel_ionq import ParallelIonQProvider
    >>> bell = QuantumCircuit(2); _ = bell.h(0), bell.cx(0, 1); bell.measure_all()
    >>> with ParallelIonQProvider.local(seed=7) as provider:
    ...     sampler = SamplerV2(provider.get_backend("ionq_parallel"))
    ...     sampler.run([bell], shots=100).result()[0].data.meas.get_counts()
    {'00': 48, '11': 52}
    """

    def __init__(
        self, backend: ParallelIonQBackend, options: SamplerOptions | Mapping[str, Any] | None = None
    ) -> None:
        self._backend = our_backend(backend, type(self).__name__)
        self._options = as_options(SamplerOptions, options)

    @property
    def backend(self) -> ParallelIonQBackend:
        """Where circuits are run."""
        return self._backend

    @property
    def options(self) -> SamplerOptions:
        """What this sampler was told."""
        return self._options

    @property
    def default_shots(self) -> int:
        """Shots of a PUB that says none."""
        if self._options.default_shots is not None:
            return self._options.default_shots
        shots = self._backend.options.shots
        return shots if isinstance(shots, int) else 1024

    def run(self, pubs: Iterable[SamplerPubLike], *, shots: int | None = None) -> ParallelPrimitiveJob:
        """Send all circuits of all PUBs, and return at once. Everything is checked before anything is sent.

        Args:
            pubs: ``circuit``, ``(circuit, values)`` or ``(circuit, values, shots)`` each.
            shots: of PUBs that say none; None: `SamplerOptions.default_shots`.

        Raises:
            ValueError: values do not fit their circuit, or shots are no positive integer.
            CircuitError: a circuit cannot run here.
            OptionError: a run cannot be told so.
        """
        default = self.default_shots if shots is None else shots
        asked: list[SamplerPub] = coerced(SamplerPub, pubs, default)
        for index, pub in enumerate(asked):
            if not pub.circuit.cregs:
                warnings.warn(
                    f"PUB {index}: circuit {pub.circuit.name!r} has no classical register, so its result is "
                    "empty and it is not sent. Did you mean to measure, as with measure_all()?",
                    stacklevel=2,
                )
        registers = []
        for index, pub in enumerate(asked):
            with naming_pub(index):
                registers.append(_registers(pub.circuit))
                if pub.shots > wire.MAX_SHOTS:
                    raise OptionError(
                        f"{pub.shots:,} shots of a circuit, and {wire.MAX_SHOTS:,} are the most"
                    )
        sizes = [pub.size if names else 0 for pub, names in zip(asked, registers, strict=True)]
        each = [int(pub.shots) for pub, size in zip(asked, sizes, strict=True) for _ in range(size)]
        options = run_options(self._backend, self._options, shots=each, memory=True)
        drafts: list[Draft] = []
        for index, (pub, size) in enumerate(zip(asked, sizes, strict=True)):
            if size:
                with naming_pub(index):
                    values = table_of(pub.circuit, pub.parameter_values)
                    drafts += self._backend.drafts(pub.circuit, values, options)
        job = self._backend.send(drafts, options)
        return ParallelPrimitiveJob(job, _Finish(job, asked, registers, sizes))


def _registers(circuit: QuantumCircuit) -> dict[str, tuple[int, ...]]:
    """Return the places of each register's bits, under names that a result can have.

    Raises:
        CircuitError: Qiskit's results have something else of that name.
    """
    found = register_bits(circuit)
    try:
        DataBin(shape=(), **dict.fromkeys(found))
    except (TypeError, ValueError) as error:
        raise CircuitError(
            f"circuit {circuit.name!r} has a register whose name Qiskit's results keep for themselves "
            f"({error}); give it another"
        ) from error
    return found


@dataclass(frozen=True, slots=True)
class _Finish:
    """Makes the samples of each PUB from the outcomes of its circuits."""

    job: ParallelIonQJob
    pubs: list[SamplerPub]
    registers: list[dict[str, tuple[int, ...]]]
    """Of each PUB's circuit, as it was when it was sent."""
    sizes: list[int]

    def __call__(self, outcomes: list[Outcome]) -> PrimitiveResult:
        results, start = [], 0
        for pub, registers, size in zip(self.pubs, self.registers, self.sizes, strict=True):
            mine = range(start, start + size)
            start += size
            data = {
                name: bit_array([outcomes[index] for index in mine], places, pub.shape, pub.shots)
                for name, places in registers.items()
            }
            metadata = {
                "shots": pub.shots,
                "circuit_metadata": pub.circuit.metadata,
                **provenance(self.job, mine),
            }
            results.append(SamplerPubResult(DataBin(**data, shape=pub.shape), metadata=metadata))
        return PrimitiveResult(results, metadata={"version": 2, "job_id": self.job.job_id()})
