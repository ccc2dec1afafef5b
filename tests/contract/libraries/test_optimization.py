# SPDX-License-Identifier: Apache-2.0
"""qiskit-optimization, unmodified, over our sampler."""

from __future__ import annotations

import pytest

pytest.importorskip("qiskit_optimization")
pytest.importorskip("networkx")

import networkx as nx
from qiskit.circuit.library import real_amplitudes
from qiskit_optimization import QuadraticProgram
from qiskit_optimization.algorithms import GroverOptimizer, MinimumEigenOptimizer
from qiskit_optimization.algorithms.qrao import (
    MagicRounding,
    QuantumRandomAccessEncoding,
    QuantumRandomAccessOptimizer,
)
from qiskit_optimization.applications import Maxcut
from qiskit_optimization.minimum_eigensolvers import QAOA, VQE
from qiskit_optimization.optimizers import COBYLA

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("default")]


def test_the_largest_cut_of_a_ring_is_found(sampler, manager):
    solver = MinimumEigenOptimizer(QAOA(sampler, COBYLA(maxiter=15), reps=1, pass_manager=manager))
    assert solver.solve(Maxcut(nx.cycle_graph(4)).to_quadratic_program()).fval == 4


def test_a_smallest_value_is_searched_for_with_grover(sampler):
    problem = QuadraticProgram()
    problem.binary_var("x")
    problem.binary_var("y")
    problem.minimize(linear={"x": -1, "y": 2})
    assert GroverOptimizer(3, num_iterations=3, sampler=sampler).solve(problem).fval == -1


def test_three_variables_on_a_qubit_are_rounded_by_sampling(estimator, sampler, manager):
    problem = Maxcut(nx.cycle_graph(4)).to_quadratic_program()
    encoding = QuantumRandomAccessEncoding(max_vars_per_qubit=3)
    encoding.encode(problem)
    ansatz = real_amplitudes(encoding.num_qubits, reps=1)
    solver = QuantumRandomAccessOptimizer(
        VQE(estimator, ansatz, COBYLA(maxiter=20), pass_manager=manager),
        rounding_scheme=MagicRounding(sampler, basis_sampling="uniform", seed=1, pass_manager=manager),
    )
    assert solver.solve(problem).fval == 4
