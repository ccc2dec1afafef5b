# SPDX-License-Identifier: Apache-2.0
"""qiskit-ibm-runtime in its local mode, unmodified, over our backend: IBM's primitives on IonQ."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp

pytest.importorskip("qiskit_ibm_runtime")

from qiskit_ibm_runtime import Batch, EstimatorV2, SamplerV2

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("ignore")]

ANGLES = np.linspace(0, 3, 5)


def pair():
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("angle"), 0)
    circuit.cx(0, 1)
    return circuit


def test_ibms_sampler_has_the_right_bits_from_one_composite_job(backend, runs):
    circuit = pair()
    circuit.measure_all()
    isa = backend.pass_manager(1).run(circuit)
    bits = SamplerV2(mode=backend).run([(isa, ANGLES, 2000)]).result()[0].data.meas
    assert bits.shape == ANGLES.shape
    assert bits.expectation_values("IZ") == pytest.approx(np.cos(ANGLES), abs=0.1)
    assert bits.expectation_values("ZZ") == pytest.approx(1)
    assert runs == [len(ANGLES)]


def test_ibms_estimator_agrees_with_the_state_vector(backend):
    observable = SparsePauliOp(["ZZ", "XX", "ZI"], [1.0, 0.5, 0.2])
    isa = backend.pass_manager(1).run(pair())
    pub = isa, observable.apply_layout(isa.layout), ANGLES
    found = EstimatorV2(mode=backend).run([pub]).result()[0].data.evs
    exact = StatevectorEstimator().run([(pair(), observable, ANGLES)]).result()[0].data.evs
    assert found == pytest.approx(exact, abs=0.1)


def test_a_batch_of_ibms_is_a_backend_too(backend):
    circuit = backend.pass_manager(1).run(pair().assign_parameters([np.pi]).measure_all(inplace=False))
    with Batch(backend=backend) as batch:
        assert SamplerV2(mode=batch).run([circuit], shots=50).result()[0].data.meas.get_counts() == {"11": 50}
