# SPDX-License-Identifier: Apache-2.0
"""The circuits that are run: all different, all of four qubits."""

from __future__ import annotations

from collections.abc import Iterator

from qiskit import QuantumCircuit

from qiskit_parallel_ionq.gates import GPI2Gate, MSGate


def abstract(count: int) -> list[QuantumCircuit]:
    """Return circuits that have to be compiled."""
    made = []
    for index in range(count):
        circuit = QuantumCircuit(4, name=f"c{index}")
        for qubit in range(4):
            circuit.ry(0.1 * (index + qubit + 1), qubit)
        for qubit in range(3):
            circuit.cx(qubit, qubit + 1)
        circuit.measure_all()
        made.append(circuit)
    return made


def native(count: int) -> Iterator[QuantumCircuit]:
    """Yield circuits that are native as they are: eight pulses and three two-qubit gates."""
    for index in range(count):
        circuit = QuantumCircuit(4, 4, name=f"c{index}")
        turn = index / count
        for qubit in range(4):
            circuit.append(GPI2Gate((turn + 0.1 * qubit) % 1), [qubit])
        for qubit in range(3):
            circuit.append(MSGate(0, turn / 2, 0.25), [qubit, qubit + 1])
        for qubit in range(4):
            circuit.append(GPI2Gate((0.3 + turn * qubit) % 1), [qubit])
        circuit.measure(range(4), range(4))
        yield circuit
