# SPDX-License-Identifier: Apache-2.0
"""Qiskit's primitives over our backend where it is easiest to go wrong: odd registers, packs, control flow."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.circuit.library import real_amplitudes
from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2, StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager

from qiskit_parallel_ionq import CircuitError, ParallelIonQProvider

SHOTS = 4000
NEAR = 5 * SHOTS**0.5 / 2


@pytest.fixture(params=["native", "qis"])
def backend(request, local):
    return local.get_backend("simulator", gateset=request.param)


def sweep():
    """ry(angle) on qubit 0 copied to qubit 1, with a third qubit always 1."""
    angle = Parameter("angle")
    circuit = QuantumCircuit(3)
    circuit.ry(angle, 0)
    circuit.cx(0, 1)
    circuit.x(2)
    return circuit


@pytest.mark.parametrize("per_job", [1, 3, 100])
@pytest.mark.parametrize("workers", [1, 16])
def test_a_sweep_is_right_however_it_is_sent(backend, per_job, workers):
    circuit = sweep()
    circuit.measure_all()
    angles = np.linspace(0, np.pi, 8).reshape(2, 4, 1)
    options = {
        "default_shots": SHOTS,
        "seed_simulator": 3,
        "run_options": {"circuits_per_job": per_job, "max_workers": workers},
    }
    meas = BackendSamplerV2(backend=backend, options=options).run([(circuit, angles)]).result()[0].data.meas
    assert meas.shape == (2, 4)
    for place in np.ndindex(2, 4):
        counts = meas.get_counts(place)
        assert set(counts) <= {"100", "111"}
        assert abs(counts.get("111", 0) - SHOTS * np.sin(angles[place][0] / 2) ** 2) < NEAR


def test_one_seed_gives_one_answer_however_it_is_sent(backend):
    circuit = sweep()
    circuit.measure_all()
    arrays = []
    for per_job in (1, 2, 50):
        options = {"seed_simulator": 8, "run_options": {"circuits_per_job": per_job}}
        sampler = BackendSamplerV2(backend=backend, options=options)
        arrays.append(sampler.run([(circuit, [[0.3], [1.0], [2.0]])], shots=50).result()[0].data.meas.array)
    assert np.array_equal(arrays[0], arrays[1])
    assert np.array_equal(arrays[0], arrays[2])


def test_empty_registers_and_registers_never_written(backend):
    circuit = QuantumCircuit(
        QuantumRegister(2, "q"),
        ClassicalRegister(0, "none"),
        ClassicalRegister(1, "one"),
        ClassicalRegister(3, "unwritten"),
        ClassicalRegister(1, "last"),
    )
    circuit.x(1)
    circuit.measure(0, 0)
    circuit.measure(1, 4)
    data = BackendSamplerV2(backend=backend).run([circuit], shots=7).result()[0].data
    assert data.none.array.shape == (7, 0)
    assert data.one.get_counts() == {"0": 7}
    assert data.unwritten.get_counts() == {"000": 7}
    assert data.last.get_counts() == {"1": 7}


def test_a_circuit_without_registers_is_refused(backend):
    with pytest.warns(UserWarning, match="no output classical registers"):
        job = BackendSamplerV2(backend=backend).run([QuantumCircuit(2)])
    with pytest.raises(CircuitError, match="no measurement"):
        job.result()


def test_a_pub_of_seventeen_qubits_keeps_its_bytes_in_order(backend):
    circuit = QuantumCircuit(17)
    circuit.x([0, 9, 16])
    circuit.measure_all()
    meas = BackendSamplerV2(backend=backend).run([circuit], shots=3).result()[0].data.meas
    assert meas.get_int_counts() == {1 | 1 << 9 | 1 << 16: 3}


def test_branches_on_measurements_are_sampled():
    q, first, second = QuantumRegister(2, "q"), ClassicalRegister(1, "first"), ClassicalRegister(1, "second")
    circuit = QuantumCircuit(q, first, second)
    circuit.h(0)
    circuit.measure(0, first)
    with circuit.if_test((first, 1)):
        circuit.x(1)
    circuit.measure(1, second)
    with ParallelIonQProvider.local(seed=4, control_flow=True) as provider:
        backend = provider.get_backend("simulator")
        isa = generate_preset_pass_manager(optimization_level=1, backend=backend).run(circuit)
        for ours in (circuit, isa):
            data = BackendSamplerV2(backend=backend).run([ours], shots=SHOTS).result()[0].data
            assert np.array_equal(data.first.array, data.second.array)
            assert abs(data.first.get_counts()["1"] - SHOTS / 2) < NEAR


@pytest.mark.parametrize("target", ["qpu.forte-1", "qpu.aria-1"])
@pytest.mark.parametrize("per_job", [1, 10])
def test_shots_of_a_machine_keep_registers_together(local, target, per_job):
    circuit = QuantumCircuit(
        QuantumRegister(3, "q"), ClassicalRegister(1, "flag"), ClassicalRegister(2, "pair")
    )
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(0, 2)
    circuit.measure([0, 1, 2], [0, 1, 2])
    options = {"run_options": {"circuits_per_job": per_job}}
    sampler = BackendSamplerV2(backend=local.get_backend(target), options=options)
    for pub in sampler.run([circuit, circuit], shots=1000).result():
        pair = pub.data.pair.array[:, 0]
        assert np.mean((pub.data.flag.array[:, 0] * 3) == pair) > 0.93


# ── estimator ──


@pytest.mark.parametrize("grouping", [True, False])
@pytest.mark.parametrize("per_job", [1, 7])
@pytest.mark.parametrize("gateset", ["native", "qis"])
def test_observables_broadcast_over_a_sweep(local, gateset, grouping, per_job):
    backend = local.get_backend("simulator", gateset=gateset, circuits_per_job=per_job)
    ansatz = real_amplitudes(3, reps=1)
    observables = [
        SparsePauliOp(["ZZI", "IXX"], [1.0, -0.5]), SparsePauliOp("YIY"), SparsePauliOp(["III", "XZX"], [2.0, 0.3]),
    ]  # fmt: skip
    values = np.random.default_rng(1).uniform(-3, 3, (4, 1, ansatz.num_parameters))
    estimator = BackendEstimatorV2(backend=backend, options={"abelian_grouping": grouping})
    isa = generate_preset_pass_manager(optimization_level=1, backend=backend).run(ansatz)
    exact = StatevectorEstimator().run([(ansatz, observables, values)]).result()[0].data.evs
    for circuit, operators in (
        (ansatz, observables),
        (isa, [operator.apply_layout(isa.layout) for operator in observables]),
    ):
        data = estimator.run([(circuit, operators, values)], precision=0.02).result()[0].data
        assert data.evs.shape == exact.shape == (4, 3)
        assert np.abs(data.evs - exact).max() < 0.02 * 5 * 1.6  # 1.6: the largest norm of coefficients


def test_an_isa_circuit_on_far_qubits_is_estimated(backend):
    circuit = QuantumCircuit(29)
    circuit.ry(0.8, 20)
    circuit.cx(20, 27)
    observable = SparsePauliOp.from_sparse_list([("ZZ", [20, 27], 1.0), ("Z", [27], 1.0)], 29)
    value = (
        BackendEstimatorV2(backend=backend).run([(circuit, observable)], precision=0.02).result()[0].data.evs
    )
    assert abs(value - (1 + np.cos(0.8))) < 0.15
