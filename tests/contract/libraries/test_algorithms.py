# SPDX-License-Identifier: Apache-2.0
"""qiskit-algorithms, unmodified, over our primitives; exact references by linear algebra."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp

algorithms = pytest.importorskip("qiskit_algorithms")

from qiskit_algorithms import QAOA, VQD, VQE, AmplificationProblem, Grover  # noqa: E402
from qiskit_algorithms.gradients import (  # noqa: E402
    LinCombEstimatorGradient,
    ParamShiftEstimatorGradient,
    ParamShiftSamplerGradient,
    ReverseEstimatorGradient,
    SPSAEstimatorGradient,
)
from qiskit_algorithms.optimizers import COBYLA, L_BFGS_B, SPSA  # noqa: E402
from qiskit_algorithms.state_fidelities import ComputeUncompute  # noqa: E402
from qiskit_algorithms.utils import algorithm_globals  # noqa: E402

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("default")]

ISING = SparsePauliOp.from_list([("ZZ", 1.0), ("XI", 0.3), ("IX", 0.3)])
GROUND = np.linalg.eigvalsh(ISING.to_matrix())[0]
ANSATZ = real_amplitudes(2, reps=1)
POINT = np.array([0.3, -0.7, 1.1, 0.4])


@pytest.fixture(autouse=True)
def seeded():
    algorithm_globals.random_seed = 3


def test_vqe_finds_the_ground_state(estimator, manager):
    found = VQE(estimator, ANSATZ, L_BFGS_B(maxiter=12), initial_point=POINT, transpiler=manager)
    assert found.compute_minimum_eigenvalue(ISING).eigenvalue == pytest.approx(GROUND, abs=1e-2)


def test_vqe_goes_the_same_way_as_over_the_state_vector(estimator):
    def way(primitive):
        energies = []
        vqe = VQE(primitive, ANSATZ, COBYLA(maxiter=15), initial_point=POINT)
        vqe.callback = lambda number, point, energy, metadata: energies.append(energy)
        vqe.compute_minimum_eigenvalue(ISING)
        return energies[:12]  # later the optimiser makes much of the last digit

    assert way(estimator) == pytest.approx(way(StatevectorEstimator()), abs=1e-6)


def test_vqe_by_parameter_shift_sends_one_composite_job_for_each_value_and_each_gradient(estimator, runs):
    gradient = ParamShiftEstimatorGradient(estimator)
    vqe = VQE(estimator, ANSATZ, L_BFGS_B(maxiter=2), gradient=gradient, initial_point=POINT)
    found = vqe.compute_minimum_eigenvalue(ISING)
    bases, shifted = 2, 2 * ANSATZ.num_parameters
    assert set(runs) == {bases, bases * shifted}
    assert runs.count(bases) == found.cost_function_evals


@pytest.mark.parametrize("points", [1, 3])
def test_parameter_shift_is_one_composite_job_and_the_exact_gradient(estimator, runs, points):
    values = [POINT + k for k in range(points)]
    args = [ANSATZ] * points, [ISING] * points, values
    ours = ParamShiftEstimatorGradient(estimator).run(*args).result().gradients
    assert len(runs) == 1
    exact = ReverseEstimatorGradient().run(*args).result().gradients
    assert np.array(ours) == pytest.approx(np.array(exact), abs=1e-6)


def test_a_linear_combination_of_unitaries_is_one_composite_job(estimator, runs):
    args = [ANSATZ], [ISING], [POINT]
    ours = LinCombEstimatorGradient(estimator).run(*args).result().gradients[0]
    assert len(runs) == 1
    exact = ReverseEstimatorGradient().run(*args).result().gradients[0]
    assert ours == pytest.approx(exact, abs=1e-6)


def test_spsa_batches_are_one_composite_job(estimator, runs):
    args = [ANSATZ], [ISING], [POINT]
    ours = (
        SPSAEstimatorGradient(estimator, epsilon=1e-4, batch_size=20, seed=1).run(*args).result().gradients[0]
    )
    assert len(runs) == 1
    theirs = SPSAEstimatorGradient(StatevectorEstimator(), epsilon=1e-4, batch_size=20, seed=1).run(*args)
    assert ours == pytest.approx(theirs.result().gradients[0], abs=1e-4)


def test_gradients_of_samples_are_one_composite_job(sampler, runs):
    circuit = ANSATZ.copy()
    circuit.measure_all()
    ours = ParamShiftSamplerGradient(sampler).run([circuit], [POINT]).result().gradients[0]
    assert runs == [2 * ANSATZ.num_parameters]
    theirs = ParamShiftSamplerGradient(StatevectorSampler(default_shots=2000, seed=1))
    theirs = theirs.run([circuit], [POINT]).result().gradients[0]
    for mine, yours in zip(ours, theirs, strict=True):
        for key in range(4):
            assert mine.get(key, 0) == pytest.approx(yours.get(key, 0), abs=0.1)


def test_vqe_by_spsa_lowers_the_energy(estimator):
    vqe = VQE(estimator, ANSATZ, SPSA(maxiter=30, blocking=True), initial_point=POINT)
    assert vqe.compute_minimum_eigenvalue(ISING).eigenvalue < 0.6 * GROUND


def test_vqd_finds_what_it_finds_over_the_state_vector(estimator, sampler):
    def levels(energies, overlaps):
        fidelity = ComputeUncompute(overlaps)
        vqd = VQD(energies, fidelity, ANSATZ, COBYLA(maxiter=40), k=2, betas=[3.0], initial_point=POINT)
        return np.real(vqd.compute_eigenvalues(ISING).eigenvalues)

    theirs = levels(StatevectorEstimator(), StatevectorSampler(default_shots=2000, seed=5))
    assert levels(estimator, sampler) == pytest.approx(theirs, abs=0.1)


def test_qaoa_cuts_a_ring(sampler, manager):
    ring = SparsePauliOp.from_list([("ZZI", 1.0), ("IZZ", 1.0), ("ZIZ", 1.0)])
    found = QAOA(sampler, COBYLA(maxiter=25), reps=1, transpiler=manager).compute_minimum_eigenvalue(ring)
    assert found.best_measurement["value"] == -1
    assert len(set(found.best_measurement["bitstring"])) == 2


def test_grover_finds_the_marked_state(sampler, manager):
    oracle = QuantumCircuit(2)
    oracle.cz(0, 1)
    problem = AmplificationProblem(oracle, is_good_state=["11"])
    grover = Grover(sampler=sampler, iterations=1, transpiler=manager)
    assert grover.amplify(problem).top_measurement == "11"
