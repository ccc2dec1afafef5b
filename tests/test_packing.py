# SPDX-License-Identifier: Apache-2.0
"""Circuits on their way to another process: the same request comes of them, or they are not packed."""

from __future__ import annotations

import numpy as np
import pytest
import qiskit
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Clbit, Qubit
from qiskit.circuit.library import PauliEvolutionGate, XGate
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import SparsePauliOp

from qiskit_parallel_ionq.drafts import draft
from qiskit_parallel_ionq.gates import GPIGate, MSGate
from qiskit_parallel_ionq.packing import pack, unpack
from qiskit_parallel_ionq.target import build_target

quick = pytest.mark.skipif(
    tuple(map(int, qiskit.__version__.split(".")[:2])) < (2, 5), reason="circuits are pickled there"
)


@quick
@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("kind", ["native", "qis"])
def test_what_was_packed_encodes_to_the_same_request(kind, level):
    target = build_target(11, gateset=kind, family="zz")
    level = min(level, 1) if kind == "qis" else level  # beyond, Qiskit's own compiler varies
    for seed in range(8):
        circuit = random_circuit(4, 6, max_operands=3, seed=seed)
        circuit.measure_all()
        circuit.metadata = {"mine": seed}
        one = draft(circuit, kind, target, level)
        assert pack(circuit) is not None
        assert one.begin()() == one.encode()


@quick
def test_names_and_registers_arrive():
    circuit = QuantumCircuit(
        QuantumRegister(2, "a"), QuantumRegister(1, "b"), ClassicalRegister(3, "c"), name="näme"
    )
    circuit.rz(np.float64(0.3), 0)
    circuit.rx(1, 2)
    circuit.barrier()
    circuit.measure([2, 0], [0, 2])
    circuit.metadata = {"not": object()}
    arrived = unpack(pack(circuit))
    assert arrived == circuit
    assert (arrived.name, arrived.metadata) == ("näme", {})
    assert arrived.cregs == circuit.cregs


def native():
    circuit = QuantumCircuit(2)
    circuit.append(GPIGate(0.1), [0])
    circuit.append(MSGate(0.1, 0.2, 0.25), [0, 1])
    return circuit


def shared_bits():
    bits = [Clbit(), Clbit()]
    return QuantumCircuit(QuantumRegister(1, "q"), bits, ClassicalRegister(bits=bits[::-1], name="c"))


def evolution():
    circuit = QuantumCircuit(2)
    circuit.append(PauliEvolutionGate(SparsePauliOp("XX"), 0.3), [0, 1])
    return circuit


def open_control():
    circuit = QuantumCircuit(2)
    circuit.append(XGate().control(ctrl_state=0), [0, 1])
    return circuit


def branch():
    circuit = QuantumCircuit(1, 1)
    with circuit.if_test((0, 1)):
        circuit.x(0)
    return circuit


@pytest.mark.parametrize(
    "circuit",
    [native(), shared_bits(), evolution(), open_control(), branch(), QuantumCircuit([Qubit()])],
    ids=["native", "shared bits", "evolution", "open control", "branch", "loose bits"],
)
def test_what_the_format_might_not_keep_is_not_packed(circuit):
    assert pack(circuit) is None
