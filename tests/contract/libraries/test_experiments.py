# SPDX-License-Identifier: Apache-2.0
"""qiskit-experiments, unmodified, over our backend and our sampler."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

pytest.importorskip("qiskit_experiments")

from qiskit_experiments.framework import BatchExperiment
from qiskit_experiments.library import (
    T1,
    LocalReadoutError,
    QuantumVolume,
    StandardRB,
    StateTomography,
    T2Hahn,
    T2Ramsey,
)

from qiskit_parallel_ionq import CircuitError
from qiskit_parallel_ionq.primitives import SamplerV2

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


def test_randomised_benchmarking_sees_noise_at_every_level(backend):
    noise = {"noise_model": "forte-1", "sampler_seed": 3}
    for level in range(4):
        sampler = SamplerV2(backend, {"run_options": {**noise, "optimization_level": level}})
        experiment = StandardRB([0, 1], [1, 30, 60], num_samples=2, seed=1, backend=backend)
        data = experiment.run(sampler=sampler).block_for_results()
        assert not data.errors(), data.errors()
        error = data.analysis_results("EPC", dataframe=False).value.nominal_value
        assert 0.002 < error < 0.02  # were barriers passed over, sequences would vanish, and errors with them


def test_experiments_together_are_one_composite_job(backend, sampler, runs):
    together = BatchExperiment([StateTomography(bell()), LocalReadoutError([0, 1])], backend=backend)
    data = together.run(sampler=sampler).block_for_results()
    assert not data.errors(), data.errors()
    assert runs == [9 + 2]


def test_readout_without_errors(backend, sampler):
    data = LocalReadoutError([0, 1], backend=backend).run(sampler=sampler).block_for_results()
    mitigator = data.analysis_results("Local Readout Mitigator", dataframe=False).value
    assert mitigator.assignment_matrix(0) == pytest.approx(np.eye(2))


EXPERIMENTS = {
    "one-qubit RB": lambda backend: StandardRB([0], [1, 5, 10], num_samples=2, seed=1, backend=backend),
    "two-qubit RB": lambda backend: StandardRB([3, 9], [1, 5, 10], num_samples=2, seed=1, backend=backend),
    "readout of two qubits": lambda backend: LocalReadoutError([5, 20], backend=backend),
    "readout of all qubits": lambda backend: LocalReadoutError(backend=backend),
    "quantum volume": lambda backend: QuantumVolume([0, 1, 2], trials=3, seed=1, backend=backend),
    "tomography": lambda backend: StateTomography(bell(), backend=backend),
}


@pytest.mark.parametrize("make", EXPERIMENTS.values(), ids=EXPERIMENTS)
@pytest.mark.parametrize("way", ["backend.run", "our sampler"])
@pytest.mark.parametrize("target", ["qpu.forte-1", "qpu.aria-1"])
def test_experiments_run_on_qpus(backend, make, way, target):
    qpu = backend.provider.get_backend(target)
    data = WAYS[way](make(qpu), SamplerV2(qpu, {"default_shots": 200})).block_for_results()
    assert not data.errors(), data.errors()


@pytest.mark.parametrize("make", EXPERIMENTS.values(), ids=EXPERIMENTS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", ["ideal", "aria-1", "forte-1"])
def test_experiments_run_on_every_noise_model_in_every_way(backend, make, way, model):
    noisy = backend.provider.get_backend("simulator", noise_model=model)
    data = WAYS[way](make(noisy), SamplerV2(noisy, {"default_shots": 200})).block_for_results()
    assert not data.errors(), data.errors()


@pytest.mark.parametrize("kind", [T1, T2Ramsey, T2Hahn])
@pytest.mark.parametrize("way", ["backend.run", "our sampler"])
def test_experiments_that_wait_are_refused_and_give_no_curve(backend, sampler, runs, kind, way):
    with pytest.raises(CircuitError, match="delay"):
        WAYS[way](kind([0], np.linspace(1e-6, 1e-3, 4), backend=backend), sampler)
    assert runs == []
