# SPDX-License-Identifier: Apache-2.0
"""pennylane-qiskit, unmodified, over our backend. It holds Qiskit back, so it has an environment of its own."""

from __future__ import annotations

import pytest

pytest.importorskip("pennylane_qiskit")

import pennylane as qml
from pennylane import numpy as np

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("ignore")]

ANGLES = np.array([0.1, 0.4, 0.7, 0.2, 0.5, 0.3], requires_grad=True)
ENERGY = qml.Hamiltonian([1.0, 0.5, 0.3], [qml.Z(0) @ qml.Z(1), qml.X(1), qml.Z(0) @ qml.Y(2)])


@pytest.fixture
def device(backend):
    return qml.device("qiskit.remote", wires=3, backend=backend)


def layers(angles):
    for wire in range(3):
        qml.RY(angles[wire], wires=wire)
    qml.CNOT(wires=[0, 1])
    qml.CNOT(wires=[1, 2])
    for wire in range(3):
        qml.RX(angles[3 + wire], wires=wire)


def energy(angles):
    layers(angles)
    return qml.expval(ENERGY)


def probabilities(angles):
    layers(angles)
    return qml.probs(wires=[2, 0])


@pytest.mark.parametrize("measured", [energy, probabilities])
def test_a_node_has_the_values_of_pennylanes_own_device(device, measured):
    ours = qml.set_shots(qml.QNode(measured, device), 4000)
    exact = qml.QNode(measured, qml.device("default.qubit"))
    assert ours(ANGLES) == pytest.approx(exact(ANGLES), abs=0.08)


def test_a_gradient_by_parameter_shift_is_that_of_pennylanes_own_device(device):
    ours = qml.set_shots(qml.QNode(energy, device, diff_method="parameter-shift"), 4000)
    exact = qml.QNode(energy, qml.device("default.qubit"))
    assert qml.grad(ours)(ANGLES) == pytest.approx(qml.grad(exact)(ANGLES), abs=0.1)


def test_samples_and_counts_are_shots_of_ours(device):
    @qml.set_shots(100)
    @qml.qnode(device)
    def pair():
        qml.Hadamard(wires=0)
        qml.CNOT(wires=[0, 2])
        return qml.sample(wires=[0, 2]), qml.counts(wires=[2])

    samples, counts = pair()
    assert samples.shape == (100, 2)
    assert all(samples[:, 0] == samples[:, 1])
    assert sum(counts.values()) == 100
