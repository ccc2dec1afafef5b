# SPDX-License-Identifier: Apache-2.0
"""Optimisers of SciPy, with their own steps, train through the estimator on the ideal simulator."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from scipy.optimize import minimize

from qiskit_parallel_ionq.primitives import EstimatorV2

HYDROGEN = SparsePauliOp(
    ["II", "IZ", "ZI", "ZZ", "XX"],
    [-1.052373245772859, 0.397937424843180, -0.397937424843180, -0.011280104256235, 0.180931199784231],
)
"""Molecular hydrogen at 0.735 angstrom on two qubits; its lowest energy is -1.857275."""


def unitary_coupled_cluster():
    """The one excitation of hydrogen over its Hartree-Fock state, whose energy is -1.836968."""
    circuit = QuantumCircuit(2)
    circuit.x(0)
    excitation = SparsePauliOp(["XY", "YX"], [0.5, -0.5])
    evolution = PauliEvolutionGate(excitation, Parameter("t"))
    return circuit.compose(evolution.definition)


def one_rotation():
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("a"), 0)
    return circuit


def two_qubits():
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("a"), 0)
    circuit.ry(Parameter("b"), 1)
    circuit.rzx(Parameter("c"), 0, 1)
    circuit.ry(Parameter("d"), 1)
    return circuit


PROBLEMS = {
    "one rotation": (one_rotation(), SparsePauliOp(["X", "Z"], [-1.0, -0.5]), -(1.25**0.5)),
    "hydrogen": (unitary_coupled_cluster(), HYDROGEN, -1.857275),
    "two qubits": (two_qubits(), SparsePauliOp(["ZX", "XI", "IX"], [1.0, 0.5, -0.7]), None),
}


def energy(estimator, circuit, observable):
    return lambda values: float(estimator.run([(circuit, observable, values)]).result()[0].data.evs)


@pytest.mark.parametrize("method", ["SLSQP", "L-BFGS-B", "BFGS"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_training_from_zeros_ends_where_exact_simulation_ends(problem, method, local):
    backend = local.get_backend("simulator")
    circuit, observable, lowest = PROBLEMS[problem]
    start = np.zeros(circuit.num_parameters)
    ours, exact = (
        minimize(energy(each, circuit, observable), start, method=method)
        for each in (EstimatorV2(backend), StatevectorEstimator())
    )
    assert ours.fun == pytest.approx(exact.fun, abs=1e-6)
    assert ours.nfev > 3
    if lowest is not None:
        assert ours.fun == pytest.approx(lowest, abs=1e-5)


@pytest.mark.parametrize("step", [1e-6, 1.5e-8, 1e-9])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_values_around_zeros_can_be_differentiated_with_small_steps(problem, step, backend):
    circuit, observable, _ = PROBLEMS[problem]
    size = circuit.num_parameters
    points = np.concatenate([np.eye(size), -np.eye(size)])
    slopes = []
    for estimator, width in ((EstimatorV2(backend), step), (StatevectorEstimator(), 1e-5)):
        values = estimator.run([(circuit, observable, width * points)]).result()[0].data.evs
        slopes.append((values[:size] - values[size:]) / (2 * width))
    assert np.abs(slopes[1]).max() > 0.1
    np.testing.assert_allclose(slopes[0], slopes[1], atol=1e-9 + 2e-11 / step)
