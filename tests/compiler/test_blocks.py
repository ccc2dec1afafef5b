# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import random_unitary

from qiskit_parallel_ionq.compiler.blocks import resynthesise
from qiskit_parallel_ionq.compiler.native import to_native
from qiskit_parallel_ionq.compiler.program import Program
from qiskit_parallel_ionq.compiler.reading import read


def resynthesised(circuit, *, relabelling):
    program = Program(circuit.num_qubits, relabelling=relabelling)
    read(circuit, program)
    return program, resynthesise(program.items, program.width, relabelling=relabelling)


def long_block():
    circuit = QuantumCircuit(2)
    for angle in (0.3, 0.5, 0.7, 1.1):
        circuit.rzz(angle, 0, 1)
        circuit.u(angle, 0.2, 0.4, 0)
        circuit.u(1 - angle, angle, 0.1, 1)
    return circuit


def test_a_long_block_becomes_three_interactions():
    before, after = resynthesised(long_block(), relabelling=False)
    assert (len(before.terms), len(after.terms)) == (4, 3)


def test_an_interaction_passes_what_it_commutes_with_to_join_its_block():
    circuit = QuantumCircuit(3)
    for angle in (0.3, 0.5):
        circuit.rzz(angle, 0, 1)
        circuit.rx(angle, 1)
    circuit.rzz(0.7, 0, 2)  # along z on the first wire: the two below can pass
    for angle in (0.9, 1.2):
        circuit.rzz(angle, 0, 1)
        circuit.rx(angle, 1)
    _, after = resynthesised(circuit, relabelling=False)
    assert len(after.terms) == 2


def test_a_mirrored_block_needs_fewer_or_smaller_interactions():
    circuit = QuantumCircuit(2)
    circuit.iswap(0, 1)
    plain, mirrored = (
        resynthesised(circuit, relabelling=False)[1],
        resynthesised(circuit, relabelling=True)[1],
    )
    assert (len(plain.terms), plain.wires) == (2, [0, 1])
    assert (len(mirrored.terms), mirrored.wires) == (1, [1, 0])


@pytest.mark.parametrize("seed", range(4))
def test_blocks_of_random_unitaries_are_right(seed, lab, family):
    circuit = QuantumCircuit(3)
    for index, (a, b) in enumerate([(0, 1), (1, 2), (0, 2), (2, 1)]):
        circuit.append(random_unitary(4, seed=10 * seed + index).to_instruction(), [a, b])
    from qiskit_parallel_ionq.compiler.unrolling import unroll

    native, wires = to_native(unroll(circuit), family, 1)
    assert lab.pairs(native) <= 12
    lab.assert_native(native, family)
    lab.assert_same_unitary(native, wires, circuit)


@pytest.mark.parametrize("circuit", [long_block()])
def test_a_long_block_is_right(circuit, lab, family):
    native, wires = to_native(circuit, family, 1)
    lab.assert_same_unitary(native, wires, circuit)


def test_blocks_do_not_reach_across_a_fence():
    circuit = long_block()
    circuit.barrier()
    circuit.compose(long_block(), inplace=True)
    _, after = resynthesised(circuit, relabelling=False)
    assert len(after.terms) == 6
