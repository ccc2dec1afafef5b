# SPDX-License-Identifier: Apache-2.0
"""Qiskit's addons for evolution in time, unmodified: what they make of circuits, our estimator runs."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit.synthesis import SuzukiTrotter
from qiskit.transpiler import CouplingMap
from scipy.linalg import expm

pytest.importorskip("qiskit_addon_utils")
pytest.importorskip("qiskit_addon_obp")
pytest.importorskip("qiskit_addon_mpf")

from qiskit_addon_mpf.static import setup_static_lse
from qiskit_addon_obp import backpropagate
from qiskit_addon_obp.utils.simplify import OperatorBudget
from qiskit_addon_utils.problem_generators import (
    generate_time_evolution_circuit,
    generate_xyz_hamiltonian,
)
from qiskit_addon_utils.slicing import combine_slices, slice_by_gate_types

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("default")]

CHAIN = generate_xyz_hamiltonian(
    CouplingMap.from_line(4), coupling_constants=(0.4, 0.6, 0.8), ext_magnetic_field=(0.2, 0.1, 0.3)
)
SPIN = SparsePauliOp("IIZI")


def evolution(time, synthesis):
    circuit = QuantumCircuit(4)
    circuit.x([0, 2])
    return circuit.compose(generate_time_evolution_circuit(CHAIN, time=time, synthesis=synthesis))


def test_an_observable_taken_back_through_slices_has_the_same_value(estimator, runs):
    circuit = evolution(0.4, SuzukiTrotter(reps=2))
    slices = slice_by_gate_types(circuit)
    budget = OperatorBudget(max_qwc_groups=6)
    earlier, rest, _ = backpropagate(SPIN, slices[-8:], operator_budget=budget)
    shorter = combine_slices(slices[:-8] + rest)
    assert shorter.size() < circuit.size()
    [found] = estimator.run([(shorter, earlier)]).result()
    [exact] = StatevectorEstimator().run([(circuit, SPIN)]).result()
    assert found.data.evs == pytest.approx(exact.data.evs, abs=1e-6)
    assert len(runs) == 1


def test_a_multi_product_formula_beats_the_circuits_it_is_made_of(estimator, runs):
    steps, time = [1, 2, 4], 0.5
    weights = setup_static_lse(steps, order=2, symmetric=True).solve()
    pubs = [(evolution(time, SuzukiTrotter(order=2, reps=each)), SPIN) for each in steps]
    values = np.array([float(each.data.evs) for each in estimator.run(pubs).result()])
    begun = Statevector(evolution(0.0, SuzukiTrotter()))
    exact = begun.evolve(expm(-1j * time * CHAIN.to_matrix())).expectation_value(SPIN).real
    assert abs(values @ weights - exact) < min(abs(values - exact)) / 10
    assert runs == [len(steps)]
