# SPDX-License-Identifier: Apache-2.0
"""What an estimator remembers saves work, and is never taken for something else."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import real_amplitudes

from qiskit_parallel_ionq.primitives import EstimatorV2, drafters
from qiskit_parallel_ionq.primitives.observables import Basis


@pytest.fixture
def measured(monkeypatch):
    """The bases that circuits were measured in."""
    seen = []
    real = Basis.measure
    monkeypatch.setattr(Basis, "measure", lambda self, circuit: seen.append(self) or real(self, circuit))
    return seen


def value(estimator, circuit, observable="Z", values=()):
    return float(estimator.run([(circuit, observable, list(values))]).result()[0].data.evs)


def test_the_steps_of_a_loop_measure_a_circuit_once(backend, measured):
    estimator = EstimatorV2(backend)
    circuit = real_amplitudes(2, reps=1)
    for angle in (0.1, 0.2, 0.3):
        ours = estimator.run([(circuit, ["ZZ", "XX"], [angle] * 4)]).result()[0].data.evs
        theirs = EstimatorV2(backend).run([(circuit.copy("other"), ["ZZ", "XX"], [angle] * 4)])
        assert ours == pytest.approx(theirs.result()[0].data.evs, abs=1e-9)
    assert len(measured) == 2 + 3 * 2  # the others remember nothing


def test_a_circuit_that_was_changed_in_place_is_another(backend):
    estimator = EstimatorV2(backend)
    angle = Parameter("angle")
    circuit = QuantumCircuit(1)
    circuit.rx(angle, 0)
    assert value(estimator, circuit, values=[np.pi]) == pytest.approx(-1)
    circuit.rx(np.pi, 0)
    assert value(estimator, circuit, values=[np.pi]) == pytest.approx(1)
    circuit.data[1] = circuit.data[1].replace(operation=circuit.data[1].operation.base_class(0.0))
    assert value(estimator, circuit, values=[np.pi]) == pytest.approx(-1)


def test_a_gate_whose_definition_was_changed_is_another(backend):
    estimator = EstimatorV2(backend)
    inner = QuantumCircuit(1, name="mine")
    inner.x(0)
    gate = inner.to_gate()
    circuit = QuantumCircuit(1)
    circuit.append(gate, [0], copy=False)
    assert value(estimator, circuit) == pytest.approx(-1)
    gate.definition.x(0)
    assert value(estimator, circuit) == pytest.approx(1)


def test_what_is_told_to_the_service_is_that_circuits_own(backend):
    estimator = EstimatorV2(backend)
    circuit = QuantumCircuit(1, name="one")
    circuit.x(0)
    headers = []
    for name in ("one", "two"):
        circuit.name = name
        job = estimator.run([(circuit, "Z")])
        job.result()
        headers.append(job.composite.result().results[0].header["name"])
    assert headers == ["one", "two"]


def test_a_copy_of_an_estimator_remembers_nothing(backend):
    estimator = EstimatorV2(backend)
    circuit = real_amplitudes(1, reps=1)
    assert value(estimator, circuit, values=[0, 0]) == pytest.approx(1)
    twin = copy.deepcopy(estimator)
    assert not twin._drafters._made
    assert value(twin, circuit, values=[0, np.pi]) == pytest.approx(-1)


def test_not_everything_is_remembered(local, monkeypatch):
    monkeypatch.setattr(drafters, "_KEPT", 3)
    estimator = EstimatorV2(local.get_backend("simulator"))
    for angle in (0.1, 0.2, 0.3, 0.4, 0.5):
        circuit = QuantumCircuit(1)
        circuit.rx(angle, 0)
        assert value(estimator, circuit) == pytest.approx(np.cos(angle))
    assert len(estimator._drafters._made) == 3
