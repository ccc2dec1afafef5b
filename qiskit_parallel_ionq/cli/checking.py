# SPDX-License-Identifier: Apache-2.0
"""Circuits of files, checked before anything is sent: what cannot run is named by its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from ..backend import ParallelIonQBackend
    from ..drafts import Draft
    from ..options import RunOptions
    from ..provider import ParallelIonQProvider


def checked(
    provider: ParallelIonQProvider,
    backend: ParallelIonQBackend,
    circuits: Sequence[QuantumCircuit],
    options: RunOptions,
) -> list[Draft]:
    """Return what to send, in the order of the circuits.

    Raises:
        CircuitFileError: a circuit cannot run; names its file.
        CredentialsError: there is no API key.
        OptionError: shots are listed for another number of circuits.
        TargetError: the target does not exist or is not available.
    """
    from ..errors import CircuitError

    options.each_shots(len(circuits))
    provider.require_available(backend.ionq_target)
    try:
        return backend.drafted(circuits, options)
    except CircuitError:
        for circuit in circuits:  # whose is it?
            _require_fit(backend, circuit, options)
        raise


def _require_fit(backend: ParallelIonQBackend, circuit: QuantumCircuit, options: RunOptions) -> None:
    """Refuse a circuit that cannot run, and name its file."""
    from ..circuit_files import origin
    from ..errors import CircuitError, CircuitFileError

    try:
        backend.drafted([circuit], options)
    except CircuitError as error:
        where = origin(circuit.metadata)
        if where is None:
            raise
        raise CircuitFileError(f"{where}: {error}", file=where.file) from error
