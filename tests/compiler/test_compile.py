# SPDX-License-Identifier: Apache-2.0
"""Any circuit, any measurement pattern, any level: the same meaning, and every number in range.

The long profile (``HYPOTHESIS_PROFILE=long``) runs 2,000 examples of each.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Clifford, Statevector

from qiskit_parallel_ionq.compiler import compile_circuit, is_isa
from qiskit_parallel_ionq.compiler.native import to_native
from qiskit_parallel_ionq.compiler.reading import READABLE
from qiskit_parallel_ionq.target import build_target

EXAMPLES = 2000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 60
quickly = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=EXAMPLES < 100
)

NAMES = st.sampled_from(
    [
        sorted(READABLE),
        ["h", "s", "cx", "cz", "t", "rz", "x"],
        ["cx", "h", "s", "sdg", "x", "y", "z", "swap"],
        ["rxx", "ryy", "rzz", "h", "rz", "cp"],
        ["cx", "rz", "h", "ccx", "swap"],
    ]
)
shapes = st.tuples(NAMES, st.integers(1, 5), st.integers(0, 40), st.integers(0, 2**32 - 1))


@quickly
@given(shape=shapes, level=st.integers(0, 3))
def test_an_unmeasured_circuit_keeps_its_unitary(lab, family, shape, level):
    circuit = lab.random_circuit(*shape)
    native, wires = to_native(circuit, family, level)
    lab.assert_native(native, family)
    lab.assert_same_unitary(native, wires, circuit)


@quickly
@given(shape=shapes, level=st.integers(0, 3), barrier=st.booleans(), data=st.data())
def test_a_measured_circuit_keeps_its_distribution(lab, family, shape, level, barrier, data):
    circuit = lab.random_circuit(*shape)
    qubits = data.draw(st.permutations(range(shape[1])))[: data.draw(st.integers(1, shape[1]))]
    original = lab.measure(circuit, qubits, barrier=barrier)
    native, _ = to_native(original, family, level)
    lab.assert_native(native, family)
    lab.assert_same_distribution(native, original)


@quickly
@given(shape=shapes, level=st.integers(1, 3))
def test_compiling_a_compiled_circuit_changes_nothing_that_counts(lab, family, shape, level):
    original = lab.measure(lab.random_circuit(*shape), range(shape[1]))
    once, _ = to_native(original, family, 1)
    twice, _ = to_native(once, family, level)
    assert lab.pairs(twice) <= lab.pairs(once)
    lab.assert_same_distribution(twice, original)


@pytest.mark.parametrize("level", [1, 2])
def test_a_wide_clifford_circuit_keeps_its_stabilizers(level, family, lab):
    """34 qubits: too wide for state vectors, so measured Paulis are followed back through Clifford
    tableaus."""
    width = 34
    circuit = lab.random_circuit(["h", "s", "cx", "cz", "swap"], width, 150, 5)
    target = build_target(36, gateset="native", family=family)
    native = compile_circuit(lab.measure(circuit, range(width)), target, level)
    assert is_isa(native, target)
    wires = [None] * width
    bare = QuantumCircuit(width)
    for item in native.data:
        qubits = [native.find_bit(qubit).index for qubit in item.qubits]
        if item.operation.name == "measure":
            wires[native.find_bit(item.clbits[0]).index] = qubits[0]
        else:
            bare.compose(as_clifford(item.operation), qubits, inplace=True)
    before, after = Clifford(circuit), Clifford(bare)
    for qubit in range(width):
        assert pulled_back(before, qubit) == pulled_back(after, wires[qubit])


def as_clifford(gate):
    """Return a native gate whose phases and angle are quarter turns as Clifford gates."""
    circuit = QuantumCircuit(gate.num_qubits)
    quarters = [round(4 * value) for value in gate.params]
    assert np.allclose([value * 4 for value in gate.params], quarters, atol=1e-6)
    if gate.name == "zz":
        circuit.cz(0, 1)
        circuit.s([0, 1])
        return circuit
    phases = quarters[:2] if gate.name == "ms" else quarters
    for wire, phase in enumerate(phases):
        for _ in range(-phase % 4):
            circuit.s(wire)
    if gate.name == "gpi":
        circuit.x(0)
    elif gate.name == "gpi2":
        circuit.sx(0)
    else:
        circuit.h([0, 1])
        circuit.cz(0, 1)
        circuit.s([0, 1])
        circuit.h([0, 1])
    for wire, phase in enumerate(phases):
        for _ in range(phase % 4):
            circuit.s(wire)
    return circuit


def pulled_back(clifford, wire):
    """Return the Pauli at the start that a Z measurement of one wire at the end reads, with its sign."""
    tableau = clifford.adjoint()
    return tableau.stab_x[wire].tolist(), tableau.stab_z[wire].tolist(), bool(tableau.stab_phase[wire])


def test_the_start_is_not_used_as_knowledge(family, lab):
    """A circuit that does nothing to |0…0> but something to other states keeps its interactions."""
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    native, _ = to_native(lab.measure(circuit, [0, 1]), family, 2)
    assert lab.pairs(native) == 1
    assert np.isclose(Statevector(circuit).probabilities()[0], 1)
