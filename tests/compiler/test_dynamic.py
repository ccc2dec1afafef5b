# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm3
from qiskit.quantum_info import Operator

from qiskit_parallel_ionq.compiler import compile_circuit, is_dynamic, is_isa, lower_dynamic, pass_manager
from qiskit_parallel_ionq.errors import CompileError
from qiskit_parallel_ionq.gates import GPI2Gate, GPIGate, MSGate, ZZGate


def steps(*names):
    """Return a circuit of the named things on qubit 0; "cx" also acts on qubit 1."""
    circuit = QuantumCircuit(2, 2)
    for name in names:
        if name == "measure":
            circuit.measure(0, 0)
        elif name == "cx":
            circuit.cx(0, 1)
        elif name == "delay":
            circuit.delay(10, 0)
        else:
            getattr(circuit, name)(0)
    return circuit


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["h", "measure"],
        ["h", "measure", "measure"],
        ["h", "measure", "barrier", "delay"],
        ["reset", "h", "measure"],
        ["reset", "reset", "measure", "reset"],
        ["h", "reset"],
    ],
)
def test_static(names):
    assert not is_dynamic(steps(*names))


@pytest.mark.parametrize(
    "names",
    [
        ["h", "measure", "x"],
        ["h", "measure", "cx"],
        ["h", "reset", "x"],
        ["h", "reset", "measure"],
        ["measure", "reset", "measure"],
    ],
)
def test_dynamic(names):
    assert is_dynamic(steps(*names))


def feed_forward():
    circuit = QuantumCircuit(3, 3)
    circuit.h(0)
    circuit.append(MSGate(0.1, 0.2, 0.25), [0, 1])
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.append(GPI2Gate(0.3), [1])
        circuit.append(ZZGate(0.2), [1, 2])
    with circuit.for_loop(range(2)):
        circuit.append(GPIGate(0.4), [2])
    circuit.reset(0)
    circuit.cx(0, 2)
    circuit.measure([1, 2], [1, 2])
    return circuit


def test_control_flow_is_dynamic():
    assert is_dynamic(feed_forward())


def test_lowering_leaves_gates_of_openqasm_3_only():
    source = qasm3.dumps(lower_dynamic(feed_forward()))
    assert "gate " not in source
    assert "if (" in source
    assert "for " in source


def test_lowering_keeps_the_meaning():
    circuit = QuantumCircuit(2)
    circuit.append(GPIGate(0.1), [0])
    circuit.append(GPI2Gate(0.2), [1])
    circuit.append(MSGate(0.3, -0.1, 0.2), [0, 1])
    circuit.append(ZZGate(0.15), [1, 0])
    circuit.rzx(0.3, 0, 1)
    assert Operator(lower_dynamic(circuit)).equiv(Operator(circuit))


def test_what_is_lowered_already_is_returned_as_it_is():
    circuit = steps("h", "measure", "x")
    assert lower_dynamic(circuit) is circuit


def test_an_opaque_gate_cannot_be_lowered():
    from qiskit.circuit import Gate

    circuit = QuantumCircuit(1, name="odd")
    circuit.append(Gate("mystery", 1, []), [0])
    with pytest.raises(CompileError, match="'odd'"):
        lower_dynamic(circuit)


@pytest.mark.parametrize("level", range(4))
def test_dynamic_circuits_compile_in_segments_and_stay_right(level, target):
    """Teleportation: the state arrives for every outcome, checked branch by branch."""
    circuit = QuantumCircuit(3, 3)
    circuit.u(0.7, 0.3, -0.4, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    with circuit.if_test((circuit.clbits[1], 1)):
        circuit.x(2)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.z(2)
    circuit.u(-0.7, 0.4, -0.3, 2)
    circuit.measure(2, 2)
    for native in (compile_circuit(circuit, target, level), pass_manager(target, level).run(circuit)):
        assert is_isa(native, target)
        assert np.allclose(outcomes(native)[:, 1], 0)
        assert np.allclose(outcomes(native)[:, 0].sum(), 1)


def outcomes(circuit):
    """Run every branch; return probabilities by (value of the first bits, value of the last)."""
    from qiskit.quantum_info import Statevector

    def run(data, state, bits, find):
        for index, item in enumerate(data):
            operation = item.operation
            qubits = [find(qubit) for qubit in item.qubits]
            if operation.name == "measure":
                branches = []
                for value in (0, 1):
                    projector = np.diag([1 - value, value])
                    after = state.evolve(Operator(projector), qubits)
                    if np.linalg.norm(after.data) > 1e-9:
                        known = {**bits, circuit.find_bit(item.clbits[0]).index: value}
                        branches += run(data[index + 1 :], after, known, find)
                return branches
            if operation.name == "if_else":
                bit, value = operation.condition
                if bits[circuit.find_bit(bit).index] == value:
                    body = operation.blocks[0]
                    inner = dict(zip(body.qubits, qubits, strict=True))
                    [(state, bits)] = run(body.data, state, bits, inner.__getitem__)
            else:
                state = state.evolve(operation, qubits)
        return [(state, bits)]

    table = np.zeros((4, 2))
    start = Statevector.from_label("0" * circuit.num_qubits)
    for state, bits in run(circuit.data, start, {}, lambda qubit: circuit.find_bit(qubit).index):
        table[bits[0] + 2 * bits[1], bits[2]] += np.linalg.norm(state.data) ** 2
    return table


@pytest.mark.parametrize("level", [0, 1, 2])
def test_resets_and_delays_stay_in_their_places(level, target):
    circuit = QuantumCircuit(1, 1)
    circuit.x(0)
    circuit.reset(0)
    circuit.x(0)
    circuit.delay(100, 0)
    circuit.x(0)
    circuit.measure(0, 0)
    native = compile_circuit(circuit, target, level)
    names = [item.operation.name for item in native.data]
    assert names[names.index("reset") :] == ["reset", "gpi", "delay", "gpi", "measure"]
