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

from qiskit_algorithms import (  # noqa: E402
    QAOA,
    VQD,
    VQE,
    AmplificationProblem,
    EstimationProblem,
    Grover,
    IterativeAmplitudeEstimation,
    MaximumLikelihoodAmplitudeEstimation,
    PhaseEstimation,
    TimeEvolutionProblem,
    VarQITE,
)
from qiskit_algorithms.gradients import (  # noqa: E402
    QFI,
    LinCombEstimatorGradient,
    LinCombQGT,
    ParamShiftEstimatorGradient,
    ParamShiftSamplerGradient,
    ReverseEstimatorGradient,
    SPSAEstimatorGradient,
    SPSASamplerGradient,
)
from qiskit_algorithms.optimizers import COBYLA, L_BFGS_B, SPSA  # noqa: E402
from qiskit_algorithms.state_fidelities import ComputeUncompute  # noqa: E402
from qiskit_algorithms.time_evolvers.variational import ImaginaryMcLachlanPrinciple  # noqa: E402
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


def test_spsa_batches_of_samples_are_one_composite_job(sampler, runs):
    circuit = ANSATZ.copy()
    circuit.measure_all()
    gradient = SPSASamplerGradient(sampler, epsilon=0.1, batch_size=10, seed=1)
    [slopes] = gradient.run([circuit], [POINT]).result().gradients
    assert runs == [20]
    assert [sum(each.values()) for each in slopes] == pytest.approx([0] * 4)


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


@pytest.mark.parametrize(
    "way",
    [
        lambda sampler: IterativeAmplitudeEstimation(0.02, 0.05, sampler=sampler),
        lambda sampler: MaximumLikelihoodAmplitudeEstimation(3, sampler=sampler),
    ],
    ids=["iterative", "maximum likelihood"],
)
def test_an_amplitude_is_estimated(sampler, way):
    preparation = QuantumCircuit(1)
    preparation.ry(2 * np.arcsin(np.sqrt(0.2)), 0)
    problem = EstimationProblem(preparation, objective_qubits=[0])
    assert way(sampler).estimate(problem).estimation == pytest.approx(0.2, abs=0.02)


def test_a_phase_is_estimated(sampler):
    unitary, state = QuantumCircuit(1), QuantumCircuit(1)
    unitary.p(2 * np.pi * 5 / 16, 0)
    state.x(0)
    assert PhaseEstimation(4, sampler).estimate(unitary, state).phase == 5 / 16


def test_quantum_fisher_information_is_that_of_the_state_vector(estimator):
    def information(primitive):
        return QFI(LinCombQGT(primitive)).run([ANSATZ], [POINT]).result().qfis[0]

    assert information(estimator) == pytest.approx(information(StatevectorEstimator()), abs=1e-6)


def test_evolution_in_imaginary_time_goes_as_over_the_state_vector(estimator):
    def energy(primitive):
        principle = ImaginaryMcLachlanPrinciple(LinCombQGT(primitive), LinCombEstimatorGradient(primitive))
        evolver = VarQITE(ANSATZ, POINT, principle, primitive, num_timesteps=4)
        problem = TimeEvolutionProblem(ISING, time=1.0, aux_operators=[ISING])
        return evolver.evolve(problem).aux_ops_evaluated[0][0]

    assert energy(estimator) == pytest.approx(energy(StatevectorEstimator()), abs=1e-6)
