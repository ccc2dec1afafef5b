# SPDX-License-Identifier: Apache-2.0
"""qiskit-nature, unmodified, over our estimator."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("qiskit_nature")

from qiskit_algorithms import VQE, NumPyMinimumEigensolver
from qiskit_algorithms.optimizers import SLSQP
from qiskit_nature.second_q.algorithms import QEOM, GroundStateEigensolver
from qiskit_nature.second_q.circuit.library import UCCSD, HartreeFock
from qiskit_nature.second_q.hamiltonians import ElectronicEnergy
from qiskit_nature.second_q.mappers import JordanWignerMapper
from qiskit_nature.second_q.problems import ElectronicStructureProblem

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("ignore")]

ONE_BODY = np.diag([-1.2563390730032498, -0.4718960072811406])
"""Hydrogen at 0.735 Å in the STO-3G basis, hartree."""


def hydrogen():
    two_body = np.zeros((2, 2, 2, 2))
    two_body[0, 0, 0, 0], two_body[1, 1, 1, 1] = 0.6757101548035163, 0.6986593448655245
    two_body[0, 0, 1, 1] = two_body[1, 1, 0, 0] = 0.6645817302552963
    for place in ((0, 1, 0, 1), (0, 1, 1, 0), (1, 0, 0, 1), (1, 0, 1, 0)):
        two_body[place] = 0.18093119978423155
    problem = ElectronicStructureProblem(ElectronicEnergy.from_raw_integrals(ONE_BODY, two_body))
    problem.num_particles, problem.num_spatial_orbitals = (1, 1), 2
    return problem


def coupled_clusters(estimator, mapper):
    ansatz = UCCSD(2, (1, 1), mapper, initial_state=HartreeFock(2, (1, 1), mapper))
    vqe = VQE(estimator, ansatz, SLSQP(maxiter=8), initial_point=np.zeros(ansatz.num_parameters))
    return GroundStateEigensolver(mapper, vqe)


def test_the_energy_of_hydrogen_is_found_by_coupled_clusters(estimator):
    problem, mapper = hydrogen(), JordanWignerMapper()
    found = coupled_clusters(estimator, mapper).solve(problem).groundenergy
    exact = GroundStateEigensolver(mapper, NumPyMinimumEigensolver()).solve(problem).groundenergy
    assert found == pytest.approx(exact, abs=1e-4)


def test_excited_states_of_hydrogen_are_those_of_its_matrix(estimator):
    mapper = JordanWignerMapper()
    found = QEOM(coupled_clusters(estimator, mapper), estimator, "sd").solve(hydrogen())
    matrix = mapper.map(hydrogen().hamiltonian.second_q_op()).to_matrix()
    levels = np.linalg.eigvalsh(matrix)
    assert all(np.abs(levels - energy).min() < 1e-3 for energy in found.computed_energies)
    assert len(found.computed_energies) == 4
