# SPDX-License-Identifier: Apache-2.0
"""mitiq, unmodified, over our backend: folded gates survive, and go out together."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

pytest.importorskip("mitiq")

from mitiq import Executor, zne

from qiskit_parallel_ionq.primitives import EstimatorV2

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("ignore")]

SCALES = [1.0, 3.0, 5.0]
ZZ = SparsePauliOp("ZZ")


def bells(count=5):
    """Bell pairs made and unmade, and one left."""
    circuit = QuantumCircuit(2)
    for _ in range(count):
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.cx(0, 1)
        circuit.h(0)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def test_zero_noise_extrapolation_comes_closer_and_is_one_composite_job(backend, runs):
    options = {"run_options": {"noise_model": "forte-1", "optimization_level": 0, "sampler_seed": 3}}
    estimator = EstimatorV2(backend, {"default_precision": 0.005, **options})

    def batch(circuits) -> list[float]:
        results = estimator.run([(circuit, ZZ) for circuit in circuits]).result()
        return [float(each.data.evs) for each in results]

    factory = zne.inference.LinearFactory(SCALES)
    mitigated = zne.execute_with_zne(
        bells(), Executor(batch, max_batch_size=100), factory=factory, scale_noise=zne.scaling.fold_global
    )
    assert runs == [len(SCALES)]
    values = factory.get_expectation_values()
    assert np.all(np.diff(values) < -0.01)  # each folding adds noise: the compiler left the gates in
    assert abs(mitigated - 1) < abs(values[0] - 1)


def test_at_level_one_folded_gates_are_compiled_away(backend):
    folded = zne.scaling.fold_global(bells(1), 5)
    folded.measure_all()
    gates = backend.drafts(folded, np.zeros((1, 0)), backend.run_options())[0].encode().num_gates
    kept = backend.drafts(folded, np.zeros((1, 0)), backend.run_options(optimization_level=0))[0].encode()
    assert gates < 5 < 20 < kept.num_gates
