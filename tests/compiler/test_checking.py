# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import RZXGate

from qiskit_parallel_ionq.compiler import check, compile_circuit, is_isa, why_not_isa
from qiskit_parallel_ionq.errors import CircuitError, CompileError
from qiskit_parallel_ionq.gates import GPI2Gate, GPIGate, MSGate, ZZGate
from qiskit_parallel_ionq.target import build_target

ZZ = build_target(3, gateset="native", family="zz")
MS = build_target(3, gateset="native", family="ms")
QIS = build_target(3, gateset="qis", family="zz")
LINE = build_target(3, gateset="native", family="zz", connectivity=[(0, 1), (1, 2)])


def of(gate, *qubits):
    circuit = QuantumCircuit(3, 3, name="mine")
    circuit.h(0) if gate is None else circuit.append(gate, qubits)
    circuit.measure([0, 1, 2], [0, 1, 2])
    return circuit


@pytest.mark.parametrize(
    ("gate", "qubits", "target"),
    [
        (GPIGate(0.3), [0], ZZ),
        (GPI2Gate(-1.0), [0], MS),
        (MSGate(0.1, 0.2), [0, 1], MS),
        (ZZGate(0.25), [2, 0], ZZ),
        (ZZGate(0.25), [2, 1], LINE),
        (None, [], QIS),
    ],
)
def test_runs_as_it_is(gate, qubits, target):
    assert is_isa(of(gate, *qubits), target)


@pytest.mark.parametrize(
    ("gate", "qubits", "target", "reason"),
    [
        (None, [], ZZ, "'h' at position 0"),
        (MSGate(0, 0), [0, 1], ZZ, "'ms' at position 0 is not a native gate"),
        (ZZGate(0.3), [0, 1], ZZ, "out of range"),
        (ZZGate(-0.1), [0, 1], ZZ, "out of range"),
        (GPIGate(1.2), [0], ZZ, "out of range"),
        (GPIGate(float("nan")), [0], ZZ, "nan"),
        (GPIGate(Parameter("a")), [0], ZZ, "unbound"),
        (ZZGate(0.1), [0, 2], LINE, "cannot interact"),
        (GPIGate(0.1), [0], QIS, "not a gate"),
    ],
)
def test_does_not_run_as_it_is(gate, qubits, target, reason):
    assert reason in why_not_isa(of(gate, *qubits), target)


def test_bodies_of_branches_count():
    circuit = QuantumCircuit(1, 1)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.h(0)
    assert "inside gate 'if_else'" in why_not_isa(circuit, ZZ)


def test_a_circuit_wider_than_the_target_is_refused():
    for refuse in (check, compile_circuit):
        with pytest.raises(CircuitError, match="4 qubits, and the target has 3"):
            refuse(QuantumCircuit(4), ZZ)


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        (Gate("mystery", 1, []), "opaque"),
        (GPI2Gate(float("nan")), "finite real"),
        (RZXGate(float("inf"), label="x"), "finite real"),
    ],
)
def test_what_can_never_compile_is_named(gate, reason):
    circuit = QuantumCircuit(2, name="mine")
    circuit.h(0)
    circuit.append(gate, range(gate.num_qubits))
    for refuse in (check, compile_circuit):
        with pytest.raises(CompileError, match=f"'mine'.*'{gate.name}' at position 1") as caught:
            refuse(circuit, ZZ)
        assert reason in str(caught.value)


def test_an_opaque_gate_is_found_inside_a_definition():
    inner = QuantumCircuit(1, name="box")
    inner.append(Gate("mystery", 1, []), [0])
    circuit = QuantumCircuit(1)
    circuit.append(inner.to_instruction(), [0])
    with pytest.raises(
        CompileError, match=r"'box' at position 0, in its definition: gate 'mystery' at position 0"
    ):
        check(circuit, ZZ)


def test_what_can_compile_passes_the_check():
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.rx(Parameter("a"), 1)
    circuit.mcx([0, 1], 2)
    circuit.unitary([[0, 1], [1, 0]], [0])
    circuit.append(ZZGate(0.7), [0, 1])
    check(circuit, ZZ)
