# SPDX-License-Identifier: Apache-2.0
"""Circuits whose only outcome is their own number, so that a mix-up shows."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.result.models import ExperimentResult

from qiskit_parallel_ionq.gates import GPIGate


def numbered(index: int, bits: int) -> QuantumCircuit:
    """Return the native circuit that gives ``index``, on so many qubits."""
    circuit = QuantumCircuit(bits, bits, name=f"number {index}")
    for bit in range(bits):
        if index >> bit & 1:
            circuit.append(GPIGate(0.0), [bit])
    circuit.measure(range(bits), range(bits))
    return circuit


def several(count: int) -> list[QuantumCircuit]:
    """Return the first so many, all of one width."""
    return [numbered(index, max(1, (count - 1).bit_length())) for index in range(count)]


def outcome_of(entry: ExperimentResult) -> int | None:
    """Return what a circuit gave; None if it has no result, or not the same one each time."""
    counts = entry.data.counts if entry.success else {}
    return int(next(iter(counts)), 16) if len(counts) == 1 else None
