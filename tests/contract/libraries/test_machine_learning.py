# SPDX-License-Identifier: Apache-2.0
"""qiskit-machine-learning, unmodified, over our primitives."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.circuit.library import real_amplitudes, z_feature_map, zz_feature_map
from qiskit.primitives import StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp

pytest.importorskip("qiskit_machine_learning")

from qiskit_machine_learning.algorithms import QSVC, VQC, NeuralNetworkClassifier
from qiskit_machine_learning.circuit.library import qnn_circuit
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
from qiskit_machine_learning.kernels import FidelityQuantumKernel
from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN
from qiskit_machine_learning.optimizers import COBYLA
from qiskit_machine_learning.state_fidelities import ComputeUncompute
from qiskit_machine_learning.utils import algorithm_globals

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("default")]

X = np.array([[0.1, 0.2], [0.3, 0.1], [2.5, 2.8], [2.9, 2.6]])
Y = np.array([0, 0, 1, 1])
WEIGHTS = np.linspace(0.1, 0.7, 4)
OBSERVABLES = [SparsePauliOp("ZZ"), SparsePauliOp(["XI", "IZ"], [0.5, 0.5])]


@pytest.fixture(autouse=True)
def seeded():
    algorithm_globals.random_seed = 3


def network():
    circuit, inputs, weights = qnn_circuit(feature_map=zz_feature_map(2), ansatz=real_amplitudes(2, reps=1))
    return {"circuit": circuit, "input_params": inputs, "weight_params": weights}


def estimator_network(primitive, manager=None):
    return EstimatorQNN(
        estimator=primitive, observables=OBSERVABLES, pass_manager=manager, input_gradients=True, **network()
    )


def test_an_estimator_network_and_its_gradients_are_exact(estimator, manager):
    ours, exact = estimator_network(estimator, manager), estimator_network(StatevectorEstimator())
    assert ours.forward(X, WEIGHTS) == pytest.approx(exact.forward(X, WEIGHTS), abs=0.05)  # theirs has noise
    for mine, yours in zip(ours.backward(X[:2], WEIGHTS), exact.backward(X[:2], WEIGHTS), strict=True):
        assert mine == pytest.approx(yours, abs=0.06)


def test_a_batch_forward_is_one_composite_job_and_so_is_a_batch_backward(estimator, runs):
    gradient = ParamShiftEstimatorGradient(estimator)
    net = EstimatorQNN(estimator=estimator, observables=OBSERVABLES[0], gradient=gradient, **network())
    net.forward(X, WEIGHTS)
    assert runs == [len(X)]
    net.backward(X, WEIGHTS)
    assert len(runs) == 2


def test_a_sampler_network_agrees_with_the_state_vector(sampler, manager):
    def made(primitive, manager=None):
        return SamplerQNN(
            sampler=primitive, interpret=lambda v: v % 2, output_shape=2, pass_manager=manager, **network()
        )

    exact = made(StatevectorSampler(default_shots=20000, seed=1))
    ours = made(sampler, manager)
    assert ours.forward(X, WEIGHTS) == pytest.approx(exact.forward(X, WEIGHTS), abs=0.06)
    assert ours.backward(X[:1], WEIGHTS)[1] == pytest.approx(exact.backward(X[:1], WEIGHTS)[1], abs=0.1)


def test_a_variational_classifier_learns(sampler, manager):
    classifier = VQC(
        sampler=sampler,
        feature_map=z_feature_map(2, reps=1),
        ansatz=real_amplitudes(2, reps=2),
        optimizer=COBYLA(maxiter=60),
        initial_point=np.linspace(0.1, 0.7, 6),
        pass_manager=manager,
    )
    classifier.fit(X, np.eye(2)[Y])
    assert classifier.score(X, np.eye(2)[Y]) >= 0.75


def test_a_network_classifier_learns(estimator):
    net = EstimatorQNN(estimator=estimator, **network())
    classifier = NeuralNetworkClassifier(net, optimizer=COBYLA(maxiter=30), initial_point=WEIGHTS)
    assert classifier.fit(X, 2 * Y - 1).score(X, 2 * Y - 1) >= 0.75


def test_a_kernel_is_one_composite_job_and_trains_a_support_vector_machine(sampler, manager, runs):
    def kernel(primitive, manager=None):
        return FidelityQuantumKernel(
            feature_map=zz_feature_map(2), fidelity=ComputeUncompute(primitive, pass_manager=manager)
        )

    ours = kernel(sampler, manager)
    exact = kernel(StatevectorSampler(default_shots=20000, seed=1))
    assert ours.evaluate(X) == pytest.approx(exact.evaluate(X), abs=0.06)
    assert runs == [6]
    assert QSVC(quantum_kernel=ours).fit(X, Y).score(X, Y) == 1
