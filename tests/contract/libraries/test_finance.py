# SPDX-License-Identifier: Apache-2.0
"""qiskit-finance, unmodified, over our sampler."""

from __future__ import annotations

import pytest
from qiskit.quantum_info import Statevector

pytest.importorskip("qiskit_finance")

from qiskit_algorithms import IterativeAmplitudeEstimation
from qiskit_finance.applications.estimation import EuropeanCallPricing
from qiskit_finance.circuit.library import LogNormalDistribution

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("ignore")]


def test_the_price_of_an_option_is_estimated(sampler):
    prices = LogNormalDistribution(2, mu=0.1, sigma=0.05, bounds=(0.5, 2))
    option = EuropeanCallPricing(2, 1.1, 0.25, (0.5, 2), prices)
    problem = option.to_estimation_problem()
    found = IterativeAmplitudeEstimation(0.02, 0.05, sampler=sampler).estimate(problem).estimation
    exact = Statevector(problem.state_preparation).probabilities(problem.objective_qubits)[1]
    assert found == pytest.approx(exact, abs=0.02)
