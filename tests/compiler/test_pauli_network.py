# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq.compiler import pauli_reading as pr
from qiskit_parallel_ionq.compiler.emission import emit
from qiskit_parallel_ionq.compiler.native import to_native
from qiskit_parallel_ionq.compiler.pauli_network import Settings, synthesise
from qiskit_parallel_ionq.compiler.pauli_reading import read_paulis, split_tail
from qiskit_parallel_ionq.compiler.program import Program
from qiskit_parallel_ionq.compiler.reading import READABLE, read

SETTINGS = [Settings(), Settings(near=2, far=8), Settings(patience=0), Settings(front=1, measured=0.0)]


def networked(circuit, settings, limit=10_000):
    program = Program(circuit.num_qubits)
    read(circuit, program)
    terms, tail = split_tail(program.items)
    found = Program(circuit.num_qubits, relabelling=False)
    places = synthesise(read_paulis(terms, tail, program.width), tail, settings, limit, found)
    return None if places is None else found


def matrix_of(pauli, width=3):
    x, z, r = pauli
    matrix = np.eye(1)
    for wire in range(width):
        one = np.eye(2)
        if x >> wire & 1:
            one = one @ np.array([[0, 1], [1, 0]])
        if z >> wire & 1:
            one = one @ np.diag([1, -1])
        matrix = np.kron(one, matrix)
    return 1j**r * matrix


@pytest.mark.parametrize("seed", range(20))
def test_pauli_products_are_those_of_the_matrices(seed):
    rng = np.random.default_rng(seed)
    p, q = (tuple(int(v) for v in (rng.integers(8), rng.integers(8), rng.integers(4))) for _ in range(2))
    product = pr.multiply(p, q)
    assert np.allclose(matrix_of(product), matrix_of(p) @ matrix_of(q))
    commutator = matrix_of(p) @ matrix_of(q) - matrix_of(q) @ matrix_of(p)
    assert pr.anticommute(p, q) == (not np.allclose(commutator, 0))


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("seed", range(12))
def test_a_network_measures_the_same(seed, settings, lab, family):
    names = [["h", "s", "cx", "cz", "t", "x"], sorted(READABLE), ["rxx", "rzz", "ryy", "h", "cx"]][seed % 3]
    rng = np.random.default_rng(seed)
    width = int(rng.integers(2, 6))
    circuit = lab.random_circuit(names, width, 25, seed)
    original = lab.measure(
        circuit, rng.permutation(width)[: rng.integers(1, width + 1)].tolist(), barrier=seed % 2 == 1
    )
    program = networked(original, settings)
    native = emit(program.items, original, family, reordering=True)
    lab.assert_native(native, family)
    lab.assert_same_distribution(native, original)


def test_cliffords_are_shortened_as_far_as_the_measurement_needs(lab, family):
    circuit = lab.random_circuit(["h", "s", "cx"], 6, 120, 3)
    original = lab.measure(circuit, range(6))
    fast, _ = to_native(original, family, 1)
    searched, _ = to_native(original, family, 2)
    assert lab.pairs(searched) < 0.7 * lab.pairs(fast)
    lab.assert_same_distribution(searched, original)


def test_exponentials_of_long_paulis_share_their_ladders(lab, family):
    circuit = QuantumCircuit(5)
    for angle in (0.3, 0.5, 0.7):  # exp(-i a/2 XXXXX), then ZZZZZ, which commutes on no single wire
        circuit.h(range(5))
        for basis in range(2):
            for wire in range(4):
                circuit.cx(wire, wire + 1)
            circuit.rz(angle + basis, 4)
            for wire in reversed(range(4)):
                circuit.cx(wire, wire + 1)
            circuit.h(range(5))
    original = lab.measure(circuit, range(5))
    fast, _ = to_native(original, family, 1)
    searched, _ = to_native(original, family, 2)
    assert lab.pairs(searched) < 0.7 * lab.pairs(fast)
    lab.assert_same_distribution(searched, original)


def test_equal_rotations_merge_into_one():
    circuit = QuantumCircuit(2)
    circuit.t(0)
    circuit.cx(0, 1)
    circuit.t(0)
    circuit.h(0)
    circuit.measure_all()
    program = Program(2)
    read(circuit, program)
    terms, tail = split_tail(program.items)
    assert read_paulis(terms, tail, 2).rotations == []  # two T are an S: Clifford


def test_the_search_gives_up_at_its_limit(lab):
    circuit = lab.measure(lab.random_circuit(["h", "cx", "t"], 5, 80, 1), range(5))
    assert networked(circuit, Settings(), limit=1) is None


def test_circuits_that_go_on_after_measuring_are_left_to_level_1():
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.cx(0, 1)
    circuit.measure(1, 0)
    program = Program(2)
    read(circuit, program)
    assert split_tail(program.items) is None


def test_a_wide_ghz_state_is_left_as_short_as_it_is():
    circuit = QuantumCircuit(36)
    circuit.h(0)
    for wire in range(35):
        circuit.cx(wire, wire + 1)
    circuit.measure_all()
    native, _ = to_native(circuit, "zz", 2)
    assert native.count_ops()["zz"] == 35
