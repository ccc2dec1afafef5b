# SPDX-License-Identifier: Apache-2.0
"""qiskit-ibm-runtime in its local mode, unmodified, over our backend.

Its primitives ``SamplerV2`` and ``EstimatorV2`` send circuits to our backend. They are deprecated since version 0.50.
The primitives that replace them simulate with Qiskit Aer in local mode, and send nothing to a backend.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import TranspilerError

pytest.importorskip("qiskit_ibm_runtime")

from qiskit_ibm_runtime import Batch, EstimatorV2, SamplerV2, executor_estimator, executor_sampler

pytestmark = pytest.mark.strangers

ANGLES = np.linspace(0, 3, 5)


def deprecated(primitive, mode):
    """Return a primitive of IBM, which says that it is deprecated."""
    with pytest.warns(DeprecationWarning, match=f"{primitive.__name__} class is deprecated"):
        return primitive(mode=mode)


def pair():
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("angle"), 0)
    circuit.cx(0, 1)
    return circuit


def test_ibms_sampler_has_the_right_bits_from_one_composite_job(backend, runs):
    circuit = pair()
    circuit.measure_all()
    isa = backend.pass_manager(1).run(circuit)
    bits = deprecated(SamplerV2, backend).run([(isa, ANGLES, 2000)]).result()[0].data.meas
    assert bits.shape == ANGLES.shape
    assert bits.expectation_values("IZ") == pytest.approx(np.cos(ANGLES), abs=0.1)
    assert bits.expectation_values("ZZ") == pytest.approx(1)
    assert runs == [len(ANGLES)]


def test_ibms_estimator_agrees_with_the_state_vector(backend):
    observable = SparsePauliOp(["ZZ", "XX", "ZI"], [1.0, 0.5, 0.2])
    isa = backend.pass_manager(1).run(pair())
    pub = isa, observable.apply_layout(isa.layout), ANGLES
    found = deprecated(EstimatorV2, backend).run([pub]).result()[0].data.evs
    exact = StatevectorEstimator().run([(pair(), observable, ANGLES)]).result()[0].data.evs
    assert found == pytest.approx(exact, abs=0.1)


def test_a_batch_of_ibms_is_a_backend_too(backend):
    circuit = backend.pass_manager(1).run(pair().assign_parameters([np.pi]).measure_all(inplace=False))
    with Batch(backend=backend) as batch:
        [result] = deprecated(SamplerV2, batch).run([circuit], shots=50).result()
    assert result.data.meas.get_counts() == {"11": 50}


def test_the_sampler_that_replaces_ibms_sampler_sends_nothing_to_the_backend(backend, runs):
    circuit = backend.pass_manager(1).run(pair().assign_parameters([np.pi]).measure_all(inplace=False))
    job = executor_sampler.Sampler(mode=backend).run([circuit], shots=50)
    while not job.in_final_state():  # it simulates with Qiskit Aer, or fails where Aer cannot be used
        time.sleep(0.02)
    assert runs == []


def test_the_estimator_that_replaces_ibms_estimator_refuses_native_gates(backend, runs):
    circuit = backend.pass_manager(1).run(pair().assign_parameters([np.pi]))
    with pytest.raises(TranspilerError, match=r"'(gpi2|ms)'.* is not supported"):
        executor_estimator.Estimator(mode=backend).run([(circuit, SparsePauliOp("ZZ"))])
    assert runs == []
