# SPDX-License-Identifier: Apache-2.0
"""Qiskit's own primitives over our backend agree with its state vector primitives."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import efficient_su2
from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2, StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager

SIGMAS = 5


@pytest.fixture(params=["native", "qis"])
def backend(request, provider):
    """The ideal simulator with either gate set."""
    return provider.get_backend("ionq_parallel", gateset=request.param)


def agree(ours, theirs):
    """Two samples of the same size may differ by `SIGMAS` of what chance explains, in each outcome."""
    assert ours.num_bits == theirs.num_bits
    assert ours.num_shots == theirs.num_shots
    assert ours.shape == theirs.shape
    for place in np.ndindex(ours.shape):
        left, right = ours.get_int_counts(place), theirs.get_int_counts(place)
        assert sum(left.values()) == ours.num_shots
        for key in left.keys() | right.keys():
            difference = abs(left.get(key, 0) - right.get(key, 0))
            assert difference <= SIGMAS * np.sqrt(left.get(key, 0) + right.get(key, 0)) + SIGMAS


def compare_samples(backend, pubs, shots=2000):
    ours = BackendSamplerV2(backend=backend).run(pubs, shots=shots).result()
    theirs = StatevectorSampler(seed=5).run(pubs, shots=shots).result()
    assert len(ours) == len(theirs)
    for mine, yours in zip(ours, theirs, strict=True):
        assert set(mine.data) == set(yours.data)
        for register in yours.data:
            agree(mine.data[register], yours.data[register])
    return ours


def compare_estimates(backend, pubs, precision=0.03, least_error=0.0):
    ours = BackendEstimatorV2(backend=backend).run(pubs, precision=precision).result()
    exact = StatevectorEstimator().run([pub[:3] for pub in pubs], precision=0).result()
    for mine, yours in zip(ours, exact, strict=True):
        assert mine.data.evs.shape == yours.data.evs.shape
        bar = SIGMAS * np.maximum(mine.data.stds, 0.02) + least_error
        assert (np.abs(mine.data.evs - yours.data.evs) <= bar).all(), (mine.data.evs, yours.data.evs)
    return ours


def rotated(name=None):
    """A Bell pair turned by one free angle."""
    theta = Parameter("theta")
    circuit = QuantumCircuit(2, name=name)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.ry(theta, 1)
    return circuit


# ── sampler ──


def test_a_bell_pair_is_sampled(backend, bell):
    result = compare_samples(backend, [bell])
    assert set(result[0].data.c.get_counts()) == {"00", "11"}


def test_measure_all_and_several_registers_keep_their_bits(backend):
    whole = QuantumCircuit(3)
    whole.h(0)
    whole.cx(0, 2)
    whole.x(1)
    whole.measure_all()

    quantum = QuantumRegister(4, "q")
    parts = [ClassicalRegister(size, name) for size, name in ((1, "flag"), (2, "data"), (1, "unread"))]
    several = QuantumCircuit(quantum, *parts)
    several.ry(0.7, 0)
    several.cx(0, 3)
    several.ry(1.9, 2)
    several.measure(quantum[3], parts[0][0])
    several.measure(quantum[2], parts[1][1])
    several.measure(quantum[0], parts[1][0])

    result = compare_samples(backend, [whole, several])
    flag, data = result[1].data.flag, result[1].data.data
    # shots of one run belong together: the flag copies the lowest data bit
    assert ((flag.array[:, 0] & 1) == (data.array[:, 0] & 1)).all()
    assert set(result[1].data.unread.get_counts()) == {"0"}


def test_crossed_and_partial_measurement_with_idle_qubits(backend):
    circuit = QuantumCircuit(6, 4)
    circuit.ry(0.4, 1)
    circuit.ry(2.2, 4)
    circuit.cx(1, 4)
    circuit.measure([4, 1], [0, 2])
    compare_samples(backend, [circuit])


def test_registers_wider_than_a_byte_and_than_the_circuit(backend):
    circuit = QuantumCircuit(
        QuantumRegister(11, "q"), ClassicalRegister(11, "wide"), ClassicalRegister(9, "odd")
    )
    circuit.h(0)
    for qubit in range(10):
        circuit.cx(qubit, qubit + 1)
    circuit.x(3)
    circuit.measure(range(11), circuit.cregs[0])
    result = compare_samples(backend, [circuit], shots=500)
    assert set(result[0].data.wide.get_int_counts()) == {1 << 3, (1 << 11) - 1 ^ 1 << 3}


def test_parameters_broadcast(backend):
    circuit = rotated()
    circuit.measure_all()
    values = np.linspace(0, np.pi, 6).reshape(2, 3, 1)
    result = compare_samples(backend, [(circuit, values)], shots=800)
    assert result[0].data.meas.shape == (2, 3)


def test_several_pubs_have_their_own_shots(backend, bell):
    circuit = rotated()
    circuit.measure_all()
    pubs = [(bell, None, 100), (circuit, [[0.1], [0.2]], 2000), (bell, None, 7), (circuit, [1.0])]
    result = compare_samples(backend, pubs, shots=300)
    assert [pub.metadata["shots"] for pub in result] == [100, 2000, 7, 300]


def test_the_same_circuit_in_two_pubs_is_drawn_twice(backend, bell):
    first, second = BackendSamplerV2(backend=backend).run([bell, bell], shots=500).result()
    assert not np.array_equal(first.data.c.array, second.data.c.array)


def test_isa_circuits_are_sampled_as_they_are(backend):
    circuit = rotated()
    circuit.measure_all()
    isa = generate_preset_pass_manager(backend=backend, optimization_level=1).run(circuit)
    values = [[0.3], [1.3], [2.9]]
    ours = BackendSamplerV2(backend=backend).run([(isa, values)], shots=2000).result()
    theirs = StatevectorSampler(seed=5).run([(circuit, values)], shots=2000).result()
    agree(ours[0].data.meas, theirs[0].data.meas)


def test_a_seeded_sampler_repeats_itself(backend, bell):
    runs = [
        BackendSamplerV2(backend=backend, options={"seed_simulator": 3}).run([bell], shots=200).result()
        for _ in range(2)
    ]
    assert np.array_equal(runs[0][0].data.c.array, runs[1][0].data.c.array)


def test_mid_circuit_measurement_is_sampled(backend):
    circuit = QuantumCircuit(
        QuantumRegister(2, "q"), ClassicalRegister(2, "early"), ClassicalRegister(1, "late")
    )
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], circuit.cregs[0])
    circuit.reset(0)
    circuit.x(0)
    circuit.measure(0, circuit.cregs[1][0])
    noisy = BackendSamplerV2(backend=backend, options={"run_options": {"noise_model": "forte-1"}})
    data = noisy.run([circuit], shots=1000).result()[0].data
    early = data.early.get_counts()
    assert early.get("00", 0) + early.get("11", 0) > 950
    assert min(early["00"], early["11"]) > 400
    assert data.late.get_counts()["1"] > 970


@pytest.mark.parametrize("target", ["qpu.forte-1", "qpu.aria-1"])
def test_machines_are_sampled(provider, target, bell):
    backend = provider.get_backend(target)
    sampler = BackendSamplerV2(backend=backend)
    data = sampler.run([(bell, None, 1000), (bell, None, 50)]).result()
    counts = data[0].data.c.get_counts()
    assert sum(counts.values()) == 1000
    assert counts["00"] + counts["11"] > 950
    assert abs(counts["00"] - 500) < SIGMAS * 16 + 50
    assert data[1].data.c.num_shots == 50


# ── estimator ──


def test_expectation_values_of_a_bell_pair(backend):
    circuit = rotated()
    observables = [SparsePauliOp(label) for label in ("ZZ", "XX", "YY", "IZ", "XI", "II")]
    compare_estimates(backend, [(circuit, observables, [0.0]), (circuit, observables, [0.8])])


def test_operators_of_many_terms(backend):
    hamiltonian = SparsePauliOp(["IIZZ", "ZZII", "XIIX", "YYII", "IIII"], [0.5, -1.25, 0.3, 0.7, 2.0])
    ansatz = efficient_su2(4, reps=1, entanglement="linear")
    values = np.random.default_rng(3).uniform(-np.pi, np.pi, ansatz.num_parameters)
    compare_estimates(backend, [(ansatz, hamiltonian, values)])


def test_observables_broadcast_against_parameters(backend):
    circuit = rotated()
    observables = [[SparsePauliOp("ZZ")], [SparsePauliOp("XX")], [SparsePauliOp("ZX")]]
    values = np.linspace(0, np.pi, 4).reshape(4, 1)
    result = compare_estimates(backend, [(circuit, observables, values)])
    assert result[0].data.evs.shape == (3, 4)


def test_each_pub_has_its_own_precision(backend):
    circuit = rotated()
    pubs = [(circuit, SparsePauliOp("ZZ"), [0.8], 0.1), (circuit, SparsePauliOp("ZZ"), [0.8], 0.02)]
    coarse, fine = compare_estimates(backend, pubs)
    assert coarse.metadata["shots"] == 100
    assert fine.metadata["shots"] == 2500
    assert coarse.data.stds > 3 * fine.data.stds


def test_a_wide_state_is_estimated(backend):
    angles = ParameterVector("a", 12)
    circuit = QuantumCircuit(12)
    for qubit in range(12):
        circuit.ry(angles[qubit], qubit)
    for qubit in range(11):
        circuit.cx(qubit, qubit + 1)
    observables = [
        SparsePauliOp.from_sparse_list([("ZZ", [0, 11], 1.0)], 12),
        SparsePauliOp("Z" * 12),
        SparsePauliOp("X" + "I" * 11),
    ]
    values = np.linspace(0.1, 2.4, 12)
    compare_estimates(backend, [(circuit, observables, values)])


def test_isa_circuits_and_observables_are_estimated(backend):
    circuit = efficient_su2(3, reps=1)
    values = np.random.default_rng(4).uniform(-np.pi, np.pi, circuit.num_parameters)
    isa = generate_preset_pass_manager(backend=backend, optimization_level=1).run(circuit)
    observables = [SparsePauliOp("ZIZ"), SparsePauliOp("XXI"), SparsePauliOp("IYY")]
    placed = [operator.apply_layout(isa.layout) for operator in observables]
    ours = BackendEstimatorV2(backend=backend).run([(isa, placed, values)], precision=0.03).result()[0]
    exact = StatevectorEstimator().run([(circuit, observables, values)], precision=0).result()[0]
    assert (np.abs(ours.data.evs - exact.data.evs) <= SIGMAS * np.maximum(ours.data.stds, 0.02)).all()


@pytest.mark.parametrize(
    ("target", "options"), [("simulator", {"noise_model": "aria-1"}), ("qpu.forte-1", {}), ("qpu.aria-1", {})]
)
def test_noisy_targets_are_estimated_near_the_ideal(provider, target, options):
    backend = provider.get_backend(target, **options)
    observables = [SparsePauliOp(label) for label in ("ZZ", "XX", "YY")]
    compare_estimates(backend, [(rotated(), observables, [0.0])], least_error=0.08)
