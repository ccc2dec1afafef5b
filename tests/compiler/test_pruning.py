# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq.compiler.native import to_native


def diagonal_before_measurement():
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.cz(0, 1)
    circuit.rzz(0.3, 1, 2)
    return circuit, [0, 1, 2], 0


def outside_the_light_cone():
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.ry(0.3, 2)
    circuit.cx(2, 1)
    return circuit, [0], 1


def seen_through_a_later_gate():
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.rzz(0.3, 0, 1)
    circuit.rxx(0.4, 1, 2)
    return circuit, [0, 1, 2], 2


@pytest.mark.parametrize("barrier", [False, True])
@pytest.mark.parametrize("make", [diagonal_before_measurement, seen_through_a_later_gate])
def test_what_no_measurement_sees_is_left_out(make, barrier, lab, family):
    circuit, qubits, left = make()
    original = lab.measure(circuit, qubits, barrier=barrier)
    native, _ = to_native(original, family, 1)
    assert lab.pairs(native) == left
    lab.assert_same_distribution(native, original)


def test_what_only_touches_unmeasured_qubits_is_left_out(lab, family):
    circuit, qubits, left = outside_the_light_cone()
    original = lab.measure(circuit, qubits)
    native, _ = to_native(original, family, 1)
    assert lab.pairs(native) <= left
    lab.assert_same_distribution(native, original)


def test_nothing_is_left_out_of_a_circuit_without_measurement(lab, family):
    circuit, _, _ = diagonal_before_measurement()
    native, wires = to_native(circuit, family, 1)
    assert lab.pairs(native) == 2
    lab.assert_same_unitary(native, wires, circuit)


def test_nothing_is_left_out_at_level_0(lab, family):
    circuit, qubits, _ = diagonal_before_measurement()
    native, _ = to_native(lab.measure(circuit, qubits), family, 0)
    assert lab.pairs(native) == 2


def test_a_gate_before_a_reset_is_left_out_only_if_nobody_sees_its_partner(family, lab):
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.reset(1)
    circuit.h(0)
    circuit.measure(0, 0)
    native, _ = to_native(circuit, family, 1)
    assert lab.pairs(native) == 1
