# SPDX-License-Identifier: Apache-2.0
"""qiskit-optimization, unmodified, over our sampler."""

from __future__ import annotations

import pytest

pytest.importorskip("qiskit_optimization")
pytest.importorskip("networkx")

import networkx as nx
from qiskit_optimization.algorithms import MinimumEigenOptimizer
from qiskit_optimization.applications import Maxcut
from qiskit_optimization.minimum_eigensolvers import QAOA
from qiskit_optimization.optimizers import COBYLA

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("default")]


def test_the_largest_cut_of_a_ring_is_found(sampler, manager):
    solver = MinimumEigenOptimizer(QAOA(sampler, COBYLA(maxiter=15), reps=1, pass_manager=manager))
    assert solver.solve(Maxcut(nx.cycle_graph(4)).to_quadratic_program()).fval == 4
