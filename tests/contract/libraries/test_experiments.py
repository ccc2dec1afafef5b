# SPDX-License-Identifier: Apache-2.0
"""qiskit-experiments, unmodified, over our backend and our sampler."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

pytest.importorskip("qiskit_experiments")

from qiskit_experiments.library import LocalReadoutError, StandardRB, StateTomography

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("ignore")]


def bell():
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def fidelity(data):
    data.block_for_results()
    assert not data.errors(), data.errors()
    return data.analysis_results("state_fidelity", dataframe=False).value


WAYS = {
    "backend.run": lambda experiment, sampler: experiment.run(backend_run=True, shots=2000),
    "our sampler": lambda experiment, sampler: experiment.run(sampler=sampler),
    "IBM's sampler": lambda experiment, sampler: experiment.run(shots=2000),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_tomography_of_a_bell_pair_is_one_composite_job(backend, sampler, runs, way):
    assert fidelity(way(StateTomography(bell(), backend=backend), sampler)) > 0.95
    assert runs == [9]


def test_randomised_benchmarking_of_a_perfect_machine(backend, sampler):
    experiment = StandardRB([0, 1], [1, 5, 10], num_samples=2, seed=1, backend=backend)
    data = experiment.run(sampler=sampler).block_for_results()
    assert not data.errors(), data.errors()
    assert all(sum(point["counts"].values()) == point["counts"].get("00") for point in data.data())


def test_readout_without_errors(backend, sampler):
    data = LocalReadoutError([0, 1], backend=backend).run(sampler=sampler).block_for_results()
    mitigator = data.analysis_results("Local Readout Mitigator", dataframe=False).value
    assert mitigator.assignment_matrix(0) == pytest.approx(np.eye(2))
