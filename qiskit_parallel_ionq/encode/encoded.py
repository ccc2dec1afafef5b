# SPDX-License-Identifier: Apache-2.0
"""What encoding a circuit yields, and how a circuit that cannot be encoded is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from qiskit import QuantumCircuit

from ..errors import EncodeError

Kind = Literal["native", "qis", "qasm3"]
UNSENT = frozenset({"barrier", "delay", "id", "global_phase"})
"""Operations that no target performs."""


@dataclass(frozen=True, slots=True)
class Readout:
    """How the classical bits of a circuit are read from the outcomes of the service.

    Attributes:
        sources: for each classical bit the wire qubit it reads at the end; None: it reads 0.
        num_qubits: qubits on the wire, after renumbering.
        labels: OpenQASM 3 only: for each classical bit its (register, index) in outcomes by register.
        final: whether ``sources`` is the whole truth. False where a bit was written before the last operation
            on its qubit (OpenQASM 3), so that only outcomes by register hold it.
    """

    sources: tuple[int | None, ...]
    num_qubits: int
    labels: tuple[tuple[str, int], ...] | None = None
    final: bool = True

    @property
    def in_clbit_order(self) -> bool:
        """Whether outcomes come by classical register (OpenQASM 3) and not by qubit."""
        return self.labels is not None


@dataclass(frozen=True, slots=True)
class EncodedCircuit:
    """One circuit, ready to be sent any number of times.

    Attributes:
        name: the circuit's name.
        kind: the language of ``fragment``.
        fragment: UTF-8 JSON: an array of gates, or a string of OpenQASM 3 source.
        num_qubits: qubits on the wire, after renumbering.
        num_gates: gates in ``fragment``; for OpenQASM 3 its top-level operations, measurements included.
        readout: the way back from outcomes to classical bits.
        header: Qiskit's experiment header, with the user's ``circuit.metadata`` as it is (never sent).
        digest: first 12 hex digits of the SHA-256 of kind, width and fragment.
    """

    name: str
    kind: Kind
    fragment: bytes
    num_qubits: int
    num_gates: int
    readout: Readout
    header: Mapping[str, Any]
    digest: str


def refusal(circuit: QuantumCircuit, position: int, why: str) -> EncodeError:
    """Return the error that names the circuit, the gate and its position."""
    name = circuit.data[position].operation.name
    return EncodeError(f"circuit {circuit.name!r}: gate {name!r} at position {position} {why}")
