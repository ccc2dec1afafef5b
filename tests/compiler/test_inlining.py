# SPDX-License-Identifier: Apache-2.0
"""Boxes and loops that count are written out: IonQ runs neither, and can run what is in them."""

from __future__ import annotations

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.quantum_info import Operator

from qiskit_parallel_ionq.compiler import inline
from qiskit_parallel_ionq.errors import CompileError


def written_out(circuit):
    """The circuit without boxes and loops that count; what is measured stays where it is."""
    flat = inline(circuit)
    assert flat.clbits == circuit.clbits
    return flat


def test_a_circuit_without_either_stays_the_same_object():
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(1)
    assert inline(circuit) is circuit


def test_a_loop_is_its_turns_and_knows_their_numbers():
    angle, index = Parameter("angle"), Parameter("index")
    circuit, expected = QuantumCircuit(2), QuantumCircuit(2)
    with circuit.for_loop((1, 4), index):
        circuit.ry(angle * index, 0)
        with circuit.for_loop(range(2)):
            circuit.cx(0, 1)
            circuit.rx(index, 1)
    for number in (1, 4):
        expected.ry(angle * number, 0)
        for _ in range(2):
            expected.cx(0, 1)
            expected.rx(number, 1)
    flat = written_out(circuit)
    assert set(flat.count_ops()) == {"ry", "cx", "rx"}
    assert list(flat.parameters) == [angle]
    assert Operator(flat.assign_parameters([0.3])) == Operator(expected.assign_parameters([0.3]))


def test_a_box_is_what_is_in_it_between_barriers():
    circuit = QuantumCircuit(2)
    circuit.h(0)
    with circuit.box():
        circuit.cx(0, 1)
        circuit.global_phase += 0.5
    flat = written_out(circuit)
    assert [each.name for each in flat.data] == ["h", "barrier", "cx", "barrier"]
    assert flat.global_phase == 0.5


def test_what_is_measured_and_asked_inside_keeps_its_bits():
    first, second = ClassicalRegister(1, "first"), ClassicalRegister(2, "second")
    circuit = QuantumCircuit(QuantumRegister(2), first, second)
    with circuit.box():
        circuit.measure(0, second[1])
        with circuit.if_test((second, 2)), circuit.for_loop(range(2)):
            circuit.x(1)
    flat = written_out(circuit)
    measure, branch = (each for each in flat.data if each.name != "barrier")
    assert measure.clbits == (second[1],)
    assert branch.operation.condition == (second, 2)
    assert [each.name for each in branch.operation.blocks[0].data] == ["x", "x"]


def test_a_gate_of_the_users_own_is_written_out_inside_a_branch():
    nothing = QuantumCircuit(1, name="x")
    nothing.rz(0.1, 0)
    circuit = QuantumCircuit(1, 1)
    with circuit.if_test((0, 1)):
        circuit.append(nothing.to_gate(), [0])
    assert [each.name for each in inline(circuit).data[0].operation.blocks[0].data] == ["rz"]


@pytest.mark.parametrize("leave", [QuantumCircuit.break_loop, QuantumCircuit.continue_loop])
def test_a_loop_that_may_end_early_stays_one(leave):
    circuit = QuantumCircuit(1, 1)
    with circuit.for_loop(range(3)):
        circuit.measure(0, 0)
        with circuit.if_test((0, 1)):
            leave(circuit)
    assert inline(circuit) is circuit


def test_a_loop_without_end_in_sight_stays_one():
    circuit = QuantumCircuit(1)
    with circuit.for_loop(range(10**9)):
        circuit.x(0)
    assert inline(circuit) is circuit


def test_annotations_are_not_passed_over_in_silence():
    annotation = pytest.importorskip("qiskit.circuit.annotation", reason="came with Qiskit 2.1")

    class Wish(annotation.Annotation):
        namespace = "wish"

    circuit = QuantumCircuit(1)
    with circuit.box([Wish()]):
        circuit.x(0)
    with pytest.raises(CompileError, match="gate 'box' at position 0 has annotations"):
        inline(circuit)
