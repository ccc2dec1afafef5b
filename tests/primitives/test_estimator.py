# SPDX-License-Identifier: Apache-2.0
"""The estimator is exact on the ideal simulator, honest elsewhere, and asks for as few circuits as tell it."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, transpile
from qiskit.circuit import Parameter
from qiskit.circuit.library import PauliEvolutionGate, efficient_su2, real_amplitudes
from qiskit.circuit.random import random_circuit
from qiskit.primitives import BackendEstimatorV2, StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp, random_pauli_list

from qiskit_parallel_ionq import CircuitError, OptionError
from qiskit_parallel_ionq.gates import GPI2Gate, MSGate
from qiskit_parallel_ionq.primitives import EstimatorOptions, EstimatorV2

EXACT = 1e-7
ANSATZ = real_amplitudes(3, reps=1)
RNG = np.random.default_rng(7)
POINTS = RNG.uniform(-3, 3, (4, 1, ANSATZ.num_parameters))
ENERGY = SparsePauliOp(["ZZI", "IZZ", "XII", "IXI", "IIX"], [1.0, 1.0, 0.5, 0.5, 0.5])
OBSERVABLES = [ENERGY, SparsePauliOp("YIY"), SparsePauliOp(["III", "XZX"], [2.0, 0.3])]


def hamiltonian(width, terms, seed):
    coefficients = np.random.default_rng(seed).normal(size=terms)
    return SparsePauliOp(random_pauli_list(width, terms, seed=seed, phase=False), coefficients)


def compare(backend, pubs):
    ours = EstimatorV2(backend).run(pubs).result()
    exact = StatevectorEstimator().run(pubs).result()
    for mine, yours in zip(ours, exact, strict=True):
        assert mine.data.evs.shape == mine.data.stds.shape == yours.data.evs.shape
        assert np.abs(mine.data.evs - yours.data.evs).max(initial=0) < EXACT
        assert (mine.data.stds == 0).all()
        assert mine.metadata["exact"]
    return ours


@pytest.mark.parametrize("seed", range(6))
def test_random_circuits_and_observables_are_exact(backend, seed):
    circuit = random_circuit(4, 4, seed=seed)
    compare(backend, [(circuit, [hamiltonian(4, 8, seed + k) for k in range(3)])])


@pytest.mark.parametrize(
    ("observables", "values"),
    [
        (ENERGY, POINTS[0, 0]),
        (ENERGY, POINTS[:, 0]),
        (OBSERVABLES, POINTS[0, 0]),
        (OBSERVABLES, POINTS),
        (OBSERVABLES, POINTS[:3, 0]),
        ([[o] for o in OBSERVABLES], POINTS[:, 0]),
        (OBSERVABLES, np.zeros((0, 1, ANSATZ.num_parameters))),
    ],
)
def test_parameters_and_observables_broadcast(backend, observables, values):
    compare(backend, [(ANSATZ, observables, values)])


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_the_transpiled_circuit_and_its_observables_may_be_given(backend, level):
    isa = transpile(ANSATZ, backend, optimization_level=level, seed_transpiler=1)
    moved = [observable.apply_layout(isa.layout) for observable in OBSERVABLES]
    ours = EstimatorV2(backend).run([(isa, moved, POINTS)]).result()[0].data.evs
    exact = StatevectorEstimator().run([(ANSATZ, OBSERVABLES, POINTS)]).result()[0].data.evs
    assert np.abs(ours - exact).max() < EXACT


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_every_level_of_compilation_is_right(backend, level):
    estimator = EstimatorV2(backend, {"run_options": {"optimization_level": level}})
    ours = estimator.run([(ANSATZ, OBSERVABLES, POINTS)]).result()[0].data.evs
    exact = StatevectorEstimator().run([(ANSATZ, OBSERVABLES, POINTS)]).result()[0].data.evs
    assert np.abs(ours - exact).max() < EXACT


def test_trotterised_evolution(backend):
    time = Parameter("time")
    circuit = QuantumCircuit(3)
    circuit.h(0)
    for _ in range(3):
        circuit.append(PauliEvolutionGate(ENERGY, time), range(3))
    pub = (circuit, ENERGY, [[0.1], [0.7]])
    ours = EstimatorV2(backend).run([pub]).result()[0].data.evs
    exact = StatevectorEstimator().run([(circuit.decompose(), *pub[1:])]).result()[0].data.evs
    assert np.abs(ours - exact).max() < EXACT


def test_native_circuits_are_sent_as_they_are(local):
    backend = local.get_backend("simulator")
    circuit = QuantumCircuit(2)
    circuit.append(GPI2Gate(0.1), [0])
    circuit.append(GPI2Gate(0.1), [0])
    circuit.append(MSGate(0.0, 0.2, 0.15), [0, 1])
    estimator = EstimatorV2(backend, {"run_options": {"optimization_level": None}})
    pub = (circuit, ["XY", "ZZ", "YX", "IX"])
    ours = estimator.run([pub]).result()[0].data.evs
    exact = StatevectorEstimator().run([pub]).result()[0].data.evs
    assert np.abs(ours - exact).max() < EXACT


def test_projectors_are_observables_too(backend):
    circuit = QuantumCircuit(2)
    circuit.ry(0.6, 0)
    circuit.rx(0.4, 1)
    terms = {"I1": 1.0, "I+": 2.0, "l0": 1.0}
    value = EstimatorV2(backend).run([(circuit, terms)]).result()[0].data.evs
    down, plus = np.sin(0.3) ** 2, (1 + np.sin(0.6)) / 2
    left = (1 + np.sin(0.4)) / 2  # a turn about x takes z towards -y
    assert value == pytest.approx(down + 2 * plus + left * (1 - down), abs=EXACT)


def test_bits_that_the_circuit_measured_before_stay_apart(local):
    backend = local.get_backend("simulator", noise_model="forte-1")
    circuit = QuantumCircuit(2)
    circuit.add_register(ClassicalRegister(1, "observed"))
    circuit.x(0)
    circuit.measure(0, 0)
    data = EstimatorV2(backend).run([(circuit, ["ZI", "IZ"])], precision=0.05).result()[0].data
    assert data.evs == pytest.approx([1, -1], abs=0.05)


# ── how many circuits ──


@pytest.mark.parametrize(
    ("pubs", "circuits"),
    [
        ([(ANSATZ, ENERGY, POINTS[0, 0])], 2),
        ([(ANSATZ, ENERGY, POINTS[:, 0])], 8),
        ([(ANSATZ, ["ZZZ", "ZII", "IIZ"], POINTS[0, 0])], 1),
        ([(ANSATZ, "III", POINTS[0, 0])], 0),
        ([(ANSATZ, "ZII", POINTS[0, 0]), (ANSATZ, "IIZ", POINTS[0, 0])], 1),
        ([(ANSATZ, "ZII", POINTS[0, 0]), (ANSATZ.copy(), "IIZ", POINTS[0, 0])], 2),
        ([(ANSATZ, "ZII", [POINTS[0, 0]] * 3)], 1),
        ([], 0),
    ],
)
def test_exact_values_take_as_few_circuits_as_tell_them(local, runs, pubs, circuits):
    compare(local.get_backend("simulator"), pubs)
    assert runs == [circuits]


def test_who_asks_twice_for_shots_has_two_samples(local, runs):
    backend = local.get_backend("simulator", noise_model="forte-1")
    once = (ANSATZ, "XII", POINTS[0, 0])
    twice = (ANSATZ, "XII", [POINTS[0, 0]] * 2)
    result = EstimatorV2(backend).run([once, once, twice], precision=0.05).result()
    assert runs == [4]
    values = [result[0].data.evs, result[1].data.evs, *result[2].data.evs]
    assert len({float(value) for value in values}) > 1


def test_all_precisions_go_out_as_one_composite_job(local, runs):
    backend = local.get_backend("simulator", noise_model="forte-1")
    pubs = [(ANSATZ, ENERGY, POINTS[0, 0], precision) for precision in (0.1, 0.05, 1 / 1000**0.5)]
    result = EstimatorV2(backend).run(pubs).result()
    assert runs == [6]
    assert [pub.metadata["shots"] for pub in result] == [100, 400, 1000]


def test_a_basis_is_compiled_once_for_all_points_and_runs(local, monkeypatch):
    from qiskit_parallel_ionq import compiler

    made = []
    real = compiler.native_template
    monkeypatch.setattr(compiler, "native_template", lambda *a: made.append(a) or real(*a))
    estimator = EstimatorV2(local.get_backend("simulator"))
    ansatz = efficient_su2(3, reps=1)
    for _ in range(3):
        points = RNG.uniform(-3, 3, (5, ansatz.num_parameters))
        estimator.run([(ansatz, ENERGY, points)]).result()
    assert len(made) == 2


# ── shots ──


@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1"])
def test_with_shots_the_error_is_the_spread_of_the_shots(local, target):
    options = {"noise_model": "forte-1"} if target == "simulator" else {}
    backend = local.get_backend(target, **options)
    values = np.repeat(POINTS[:1, 0], 60, axis=0)
    result = EstimatorV2(backend).run([(ANSATZ, ENERGY, values)], precision=0.05).result()[0]
    assert not result.metadata["exact"]
    assert result.metadata["shots"] == 400
    spread, told = result.data.evs.std(ddof=1), result.data.stds.mean()
    assert 0.7 < spread / told < 1.4
    exact = float(StatevectorEstimator().run([(ANSATZ, ENERGY, values[0])]).result()[0].data.evs)
    assert abs(result.data.evs.mean() - exact) < 0.3


def test_twice_the_precision_is_half_the_error(local):
    backend = local.get_backend("simulator", noise_model="forte-1")
    pubs = [(ANSATZ, ENERGY, POINTS[0, 0], precision) for precision in (0.1, 0.025)]
    coarse, fine = (float(pub.data.stds) for pub in EstimatorV2(backend).run(pubs).result())
    assert 3 < coarse / fine < 5


def test_values_agree_with_qiskits_own_estimator(local):
    backend = local.get_backend("simulator", noise_model="forte-1")
    pubs = [(ANSATZ, OBSERVABLES, POINTS)]
    ours = EstimatorV2(backend).run(pubs, precision=0.02).result()[0].data
    theirs = BackendEstimatorV2(backend=backend).run(pubs, precision=0.02).result()[0].data
    assert (np.abs(ours.evs - theirs.evs) < 6 * (ours.stds + theirs.stds) + 1e-12).all()


# ── metadata, options, bad input ──


def test_metadata(local):
    circuit = ANSATZ.copy()
    circuit.metadata = {"step": 1}
    job = EstimatorV2(local.get_backend("simulator")).run([(circuit, ENERGY, POINTS[:, 0])], precision=0.05)
    metadata = job.result()[0].metadata
    assert metadata["target_precision"] == 0.05
    assert metadata["circuit_metadata"] == {"step": 1}
    assert metadata["circuits"] == len(metadata["job_ids"]) == 8
    assert set(metadata["job_ids"]) == set(job.composite.job_ids())
    assert metadata["timing"]["sent_at"] <= metadata["timing"]["ended_at"]


@pytest.mark.parametrize(
    ("pub", "error", "says"),
    [
        ((ANSATZ, "ZZZZ", POINTS[0, 0]), ValueError, "PUB 1: "),
        ((ANSATZ, "ZZZ", POINTS[0, 0, :2]), ValueError, "PUB 1: "),
        ((ANSATZ, "ZZZ"), ValueError, "PUB 1: .*parameter"),
        ((ANSATZ, "ZZZ", POINTS[0, 0], -0.1), ValueError, "PUB 1: precision"),
        ((ANSATZ, "ZZZ", POINTS[0, 0], 0.0), OptionError, "PUB 1: precision 0.0.*above 0"),
        ((ANSATZ, "ZZZ", POINTS[0, 0], 1e-5), OptionError, "PUB 1: .*10,000,000,000 shots.*0.001"),
        ((ANSATZ, "ZZZ", POINTS[0, 0] * np.inf), CircuitError, "PUB 1: .*not finite"),
        ((QuantumCircuit(40), "Z" * 40), CircuitError, "PUB 1: .*40 qubits"),
        ((ANSATZ, SparsePauliOp("ZZZ", 1j), POINTS[0, 0]), ValueError, "PUB 1: "),
    ],
)
def test_bad_pubs_are_refused_before_anything_is_sent(local, runs, pub, error, says):
    backend = local.get_backend("simulator", noise_model="forte-1")
    with pytest.raises(error, match=says):
        EstimatorV2(backend).run([(ANSATZ, "ZZZ", POINTS[0, 0]), pub])
    assert runs == []


def test_an_exact_value_has_any_precision(local):
    for precision in (0, 1e-9):
        pub = (ANSATZ, ENERGY, POINTS[0, 0], precision)
        assert EstimatorV2(local.get_backend("simulator")).run([pub]).result()[0].metadata["exact"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": 0.1}, "did you mean 'default_precision'"),
        ({"default_precision": -1}, "default_precision"),
        ({"default_precision": "fine"}, "default_precision"),
        ({"run_options": {"memory": True}}, "the primitive does"),
        ({"run_options": {"optimization_level": 7}}, "optimization_level"),
    ],
)
def test_bad_options_are_named(local, options, says):
    with pytest.raises(OptionError, match=says):
        EstimatorV2(local.get_backend("simulator"), options)


def test_the_default_precision(local):
    estimator = EstimatorV2(local.get_backend("simulator"), EstimatorOptions(default_precision=0.1))
    assert estimator.default_precision == 0.1
    assert estimator.run([(ANSATZ, "ZZZ", POINTS[0, 0])]).result()[0].metadata["target_precision"] == 0.1


def test_a_circuit_may_be_built_on_while_its_job_is_under_way(backend):
    circuit = QuantumCircuit(2)
    circuit.x(0)
    job = EstimatorV2(backend).run([(circuit, ["IZ", "ZI"])])
    circuit.measure_all()
    assert job.result()[0].data.evs.tolist() == [-1, 1]


def test_loops_that_count_and_boxes_are_estimated(backend):
    angle = Parameter("angle")
    looped, plain = QuantumCircuit(2), QuantumCircuit(2)
    with looped.for_loop(range(3)):
        looped.ry(angle, 0)
    with looped.box():
        looped.cx(0, 1)
    for _ in range(3):
        plain.ry(angle, 0)
    plain.cx(0, 1)
    pubs = [(circuit, ["ZI", "XX"], [[[0.1]], [[0.4]]]) for circuit in (looped, plain)]
    found, expected = EstimatorV2(backend).run(pubs).result()
    assert found.data.evs == pytest.approx(expected.data.evs, abs=EXACT)
