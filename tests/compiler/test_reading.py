# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Operator, random_unitary

from qiskit_parallel_ionq.compiler.native import shortest, to_native
from qiskit_parallel_ionq.compiler.program import Demand, Program, Term
from qiskit_parallel_ionq.compiler.proxies import to_proxies
from qiskit_parallel_ionq.compiler.reading import READABLE, is_readable, read, read_matrix
from qiskit_parallel_ionq.errors import CompileError
from qiskit_parallel_ionq.gates import GPI2Gate, GPIGate, MSGate, ZZGate


@pytest.mark.parametrize("name", sorted(READABLE))
def test_every_gate_is_read_as_what_its_matrix_says(name, lab):
    rng = np.random.default_rng(len(name))
    for _ in range(4):
        gate = lab.make_gate(name, rng)
        circuit = QuantumCircuit(gate.num_qubits)
        circuit.append(gate, range(gate.num_qubits))
        native, wires = to_native(circuit, "zz", 0)
        lab.assert_native(native, "zz")
        lab.assert_same_unitary(native, wires, circuit)


@pytest.mark.parametrize(
    "gate", [GPIGate(0.3), GPI2Gate(-0.1), MSGate(0.1, -0.3, 0.2), ZZGate(0.17), MSGate(0, 0, 0.7)]
)
def test_native_gates_are_read_by_their_matrices(gate, lab, family):
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.h(0)
    circuit.append(gate, range(gate.num_qubits))
    native, wires = to_native(circuit, family, 1)
    lab.assert_native(native, family)
    lab.assert_same_unitary(native, wires, circuit)


def test_a_matrix_is_read_in_qiskit_s_bit_order(lab):
    unitary = random_unitary(4, seed=5)
    program = Program(2)
    read_matrix(program, (0, 1), unitary.data)
    circuit = QuantumCircuit(2)
    circuit.unitary(unitary, [0, 1])
    program.fence(Demand.FULL, (0, 1))
    assert Operator(to_proxies(program.items, QuantumCircuit(2))).equiv(Operator(circuit))


@pytest.mark.parametrize(
    ("name", "terms"), [("ccz", 5), ("ccx", 5), ("rzz", 1), ("cp", 1), ("crx", 1), ("swap", 0)]
)
def test_gates_take_as_few_interactions_as_they_need(name, terms, lab):
    gate = lab.make_gate(name, np.random.default_rng(11))
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    program = Program(gate.num_qubits)
    read(circuit, program)
    assert sum(isinstance(item, Term) for item in program.items) == terms


def test_a_gate_of_one_s_own_with_a_standard_name_is_not_mistaken():
    fake = QuantumCircuit(1, name="h")
    fake.rx(0.3, 0)
    circuit = QuantumCircuit(1)
    circuit.append(fake.to_gate(), [0])
    assert not is_readable(circuit)


@pytest.mark.parametrize("value", [Parameter("a"), float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_refused_by_name_and_position(value):
    circuit = QuantumCircuit(2, name="ansatz")
    circuit.h(0)
    circuit.rzz(value, 0, 1)
    with pytest.raises(CompileError, match=r"'ansatz'.*'rzz' at position 1"):
        shortest(circuit, "zz", 1, relabelling=True, final=True)
