# SPDX-License-Identifier: Apache-2.0
"""Random circuits, and what it means that a compiled circuit does the same."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister
from qiskit.circuit.library import (
    CU1Gate,
    CU3Gate,
    PermutationGate,
    U1Gate,
    U2Gate,
    U3Gate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import Operator, Statevector

from qiskit_parallel_ionq.target import build_target

_EXTRA = {
    "cu1": CU1Gate(0.1),
    "cu3": CU3Gate(0.1, 0.2, 0.3),
    "u1": U1Gate(0.1),
    "u2": U2Gate(0.1, 0.2),
    "u3": U3Gate(0.1, 0.2, 0.3),
}


def make_gate(name, rng):
    """Return a standard gate with random parameters, often multiples of π/4."""
    gate = {**get_standard_gate_name_mapping(), **_EXTRA}[name]
    if not gate.params:
        return gate
    values = [
        float(rng.integers(-8, 9)) * np.pi / 4 if rng.random() < 0.5 else float(rng.uniform(-7, 7))
        for _ in gate.params
    ]
    return gate.base_class(*values)


def random_circuit(names, width, size, seed):
    """Return a circuit of `size` gates, those that fit, from `names`."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(width)
    for _ in range(size):
        gate = make_gate(names[rng.integers(len(names))], rng)
        if gate.num_qubits <= width:
            circuit.append(gate, rng.permutation(width)[: gate.num_qubits].tolist())
    return circuit


def measure(circuit, qubits, *, barrier=False):
    """Return the circuit with some qubits measured into as many bits."""
    out = circuit.copy()
    out.add_register(ClassicalRegister(len(qubits), "c"))
    if barrier:
        out.barrier()
    for bit, qubit in enumerate(qubits):
        out.measure(qubit, bit)
    return out


def distribution(circuit):
    """Return the probabilities of the classical bits of a circuit that ends in measurements."""
    wires = [None] * circuit.num_clbits
    bare = QuantumCircuit(circuit.num_qubits)
    for item in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in item.qubits]
        if item.operation.name == "measure":
            wires[circuit.find_bit(item.clbits[0]).index] = qubits[0]
        elif item.operation.name != "barrier":
            bare.append(item.operation, qubits)
    return Statevector(bare).probabilities(wires)


def assert_native(circuit, family):
    """Every gate is the family's, with a number in range."""
    for item in circuit.data:
        name, params = item.operation.name, item.operation.params
        assert name in {"gpi", "gpi2", family, "measure", "barrier"}
        if name in {"ms", "zz"}:
            assert 0 <= params[-1] <= 0.25
            params = params[:-1]
        assert all(-0.5 <= value <= 0.5 for value in params)


def assert_same_unitary(circuit, wires, original, atol=1e-7):
    """The compiled circuit, its wires put back, is the original's unitary up to a phase."""
    back = QuantumCircuit(original.num_qubits)
    back.compose(circuit, inplace=True)
    back.append(PermutationGate(wires), range(original.num_qubits))
    assert Operator(back).equiv(Operator(original), atol=atol, rtol=0)


def assert_same_distribution(circuit, original, atol=1e-7):
    """Both circuits give the same probabilities to the same classical bits."""
    assert np.allclose(distribution(circuit), distribution(original), atol=atol, rtol=0)


def pulses(circuit):
    """Return how many one-qubit gates there are."""
    counts = circuit.count_ops()
    return counts.get("gpi", 0) + counts.get("gpi2", 0)


def pairs(circuit):
    """Return how many two-qubit gates there are."""
    counts = circuit.count_ops()
    return counts.get("ms", 0) + counts.get("zz", 0)


@pytest.fixture(scope="session")
def lab():
    """The functions of this file, by name."""
    return SimpleNamespace(
        make_gate=make_gate,
        random_circuit=random_circuit,
        measure=measure,
        distribution=distribution,
        assert_native=assert_native,
        assert_same_unitary=assert_same_unitary,
        assert_same_distribution=assert_same_distribution,
        pulses=pulses,
        pairs=pairs,
    )


@pytest.fixture(scope="session", params=["ms", "zz"])
def family(request):
    return request.param


@pytest.fixture(scope="session")
def target(family):
    return build_target(36, gateset="native", family=family)
