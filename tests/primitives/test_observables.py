# SPDX-License-Identifier: Apache-2.0
"""Terms share bases, and outcomes are read as what they say of each term."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import PauliList, Statevector

from qiskit_parallel_ionq.decode import Outcome
from qiskit_parallel_ionq.gates import GPI2Gate, GPIGate
from qiskit_parallel_ionq.primitives.observables import Basis, Reading, bases, sampled_mean

labels = st.lists(st.text("IXYZ01+-rl", min_size=4, max_size=4), max_size=20, unique=True)
AXIS = {"0": "Z", "1": "Z", "+": "X", "-": "X", "r": "Y", "l": "Y"}


@given(labels)
def test_every_term_but_the_identity_is_in_one_basis_that_measures_it(terms):
    found = bases(terms)
    assert sorted(label for terms in found.values() for label in terms) == sorted(set(terms) - {"IIII"})
    for basis, members in found.items():
        axes = dict(basis.axes)
        for label in members:
            for qubit, letter in enumerate(reversed(label)):
                assert letter == "I" or axes[qubit] == AXIS.get(letter, letter)


@given(labels)
def test_the_order_of_terms_changes_nothing(terms):
    assert bases(terms) == bases(list(reversed(terms)))


def test_all_diagonal_terms_share_one_basis():
    assert len(bases(["ZZZI", "IIZ1", "0IIZ", "IIII", "ZIIZ"])) == 1
    assert bases(["IIII"]) == {}


@pytest.mark.parametrize("seed", range(5))
def test_no_more_bases_than_qiskits_own_grouping(seed):
    rng = np.random.default_rng(seed)
    terms = ["".join(rng.choice(list("IIXYZ"), 5)) for _ in range(40)]
    theirs = PauliList([t for t in set(terms) if t != "IIIII"]).group_commuting(qubit_wise=True)
    assert len(bases(terms)) <= len(theirs)


def test_only_what_a_term_needs_is_measured():
    (basis,) = bases(["IZIX"])
    measured = basis.measure(QuantumCircuit(4))
    assert measured.count_ops() == {"h": 1, "measure": 2}
    assert measured.num_clbits == 2


def test_native_circuits_stay_native_and_registers_keep_their_names():
    circuit = QuantumCircuit(3, name="pulses")
    circuit.append(GPIGate(0.1), [0])
    circuit.add_register(QuantumCircuit(0, 1).cregs[0])
    measured = Basis(((0, "X"), (1, "Y"), (2, "Z"))).measure(circuit)
    assert measured.count_ops() == {"measure": 3, "gpi2": 2, "gpi": 1}
    assert measured.name == "pulses"
    assert [register.name for register in measured.cregs] == ["c", "observed"]
    again = Basis(((0, "Z"),)).measure(measured)
    assert [register.name for register in again.cregs] == ["c", "observed", "observed_"]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("native", [False, True])
def test_readings_of_the_exact_distribution_are_expectation_values(seed, native):
    circuit = random_circuit(3, 3, seed=seed)
    if native:
        circuit.append(GPI2Gate(0.3), [1])
    terms = ["ZII", "XYZ", "0+r", "1-l", "YIX", "I1Z", "IIZ", "-IX"]
    state = Statevector(circuit)
    for basis, members in bases(terms).items():
        measured = basis.measure(circuit)
        qubits = [qubit for qubit, _ in basis.axes]
        turned = measured.remove_final_measurements(inplace=False)
        weights = Statevector(turned).probabilities(qubits)
        for label in members:
            reading = Reading.of({label: 0.5}, basis, 0)
            value = reading.values(np.arange(len(weights))) @ weights
            assert value == pytest.approx(0.5 * expectation(state, label), abs=1e-9), label


PROJECTORS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
    "0": np.diag([1, 0]),
    "1": np.diag([0, 1]),
    "+": np.full((2, 2), 0.5),
    "-": np.array([[0.5, -0.5], [-0.5, 0.5]]),
    "r": np.array([[0.5, -0.5j], [0.5j, 0.5]]),
    "l": np.array([[0.5, 0.5j], [-0.5j, 0.5]]),
}


def expectation(state, label):
    matrix = np.eye(1)
    for letter in label:
        matrix = np.kron(matrix, PROJECTORS[letter])
    return float(np.real(state.data.conj() @ matrix @ state.data))


def test_wide_outcomes_are_read_too():
    basis = Basis(tuple((qubit, "Z") for qubit in range(70)))
    reading = Reading.of({"Z" * 70: 1.0, "1" + "I" * 69: 2.0}, basis, 0)
    outcomes = np.array([0, 1, 1 << 69, 1 << 69 | 1], object)
    assert reading.values(outcomes).tolist() == [1.0, -1.0, 1.0, 3.0]


def test_the_standard_error_is_that_of_a_mean():
    rng = np.random.default_rng(1)
    drawn = rng.normal(size=50).round(1)
    values, tallies = np.unique(drawn, return_counts=True)
    mean, square = sampled_mean(values, Outcome(shots=50, values=np.arange(len(values)), tallies=tallies))
    assert mean == pytest.approx(drawn.mean())
    assert square == pytest.approx(drawn.var(ddof=1) / 50)
    one = Outcome(shots=1, values=np.array([0]), tallies=np.array([1]))
    assert sampled_mean(np.array([0.5]), one) == (0.5, 0.0)
