# SPDX-License-Identifier: Apache-2.0
"""The simulator: exact where the service is exact, the published noise where it is noisy, and wide where it can be."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Kraus, Operator, Pauli

from qiskit_parallel_ionq.emulator import simulate as engine
from qiskit_parallel_ionq.emulator.circuits import read_circuit
from qiskit_parallel_ionq.emulator.problems import CircuitError
from qiskit_parallel_ionq.emulator.program import Branch, Gate, Measure, Program, Reset
from qiskit_parallel_ionq.emulator.simulate import Rates, simulate

LOUD = Rates(0.1, 0.2)
SHOTS = 40_000


def ghz(qubits: int) -> Program:
    steps = [{"gate": "h", "target": 0}]
    steps += [{"gate": "cnot", "control": k, "target": k + 1} for k in range(qubits - 1)]
    return read_circuit({"circuit": steps}, gateset="qis", qubits=qubits, native_gates=())


def random_program(qubits: int, gates: int, seed: int) -> Program:
    rng = np.random.default_rng(seed)
    steps = []
    for _ in range(gates):
        a, b = (int(q) for q in rng.permutation(qubits)[:2])
        steps += [
            {"gate": "ry", "target": a, "rotation": float(rng.uniform(-3, 3))},
            {"gate": "rz", "target": b, "rotation": float(rng.uniform(-3, 3))},
            {"gate": "xx", "targets": [a, b], "rotation": float(rng.uniform(-3, 3))},
            {"gate": "v", "target": b, "control": a},
        ]
    return read_circuit({"circuit": steps}, gateset="qis", qubits=qubits, native_gates=())


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def published_channel(qubits: int, r: float) -> Kraus:
    """The channel as IonQ writes it, in Kraus operators."""
    labels = [""]
    for _ in range(qubits):
        labels = [label + letter for label in labels for letter in "IXYZ"]
    others = 4**qubits - 1
    weights = [1 - others * r / 4**qubits] + [r / 4**qubits] * others
    return Kraus([np.sqrt(w) * Pauli(label).to_matrix() for label, w in zip(labels, weights, strict=True)])


def noisy_distribution(program: Program, rates: Rates) -> np.ndarray:
    """The same by Qiskit's density matrices."""
    state = DensityMatrix.from_label("0" * program.qubits)
    for gate in program.steps:
        assert isinstance(gate, Gate)
        whole = np.eye(2 ** len(gate.qubits), dtype=complex)
        whole[-len(gate.matrix) :, -len(gate.matrix) :] = gate.matrix
        state = state.evolve(Operator(whole), gate.qubits[::-1])
        if not gate.virtual:
            rate = rates.one_qubit if len(gate.qubits) == 1 else rates.two_qubit
            state = state.evolve(published_channel(len(gate.qubits), rate), gate.qubits)
    return state.probabilities()


def frequencies(program: Program, rates: Rates, seed: int = 1) -> np.ndarray:
    outcome = simulate(program, shots=SHOTS, rates=rates, rng=rng(seed))
    return np.bincount(outcome.words(), minlength=1 << program.qubits) / SHOTS


def assert_sampled_from(found: np.ndarray, expected: np.ndarray) -> None:
    """Every frequency within five standard deviations."""
    assert np.all(np.abs(found - expected) < 5 * np.sqrt(expected / SHOTS) + 1e-4)


# ---- noise ----


def test_noise_as_a_density_matrix_is_the_published_channel():
    program = random_program(3, 3, seed=2)
    expected = noisy_distribution(program, LOUD)
    assert np.abs(noisy_distribution(program, Rates(0, 0)) - expected).max() > 0.05  # noise is seen
    run = engine._Run(program, LOUD, rng())
    np.testing.assert_allclose(run._mixture(program.steps), expected, atol=1e-12)


def test_noise_by_branches_samples_the_same_channel(monkeypatch):
    monkeypatch.setattr(engine._Run, "_suits_a_mixture", lambda *_: False)
    program = random_program(3, 3, seed=2)
    assert_sampled_from(frequencies(program, LOUD), noisy_distribution(program, LOUD))


def test_noise_by_branches_is_the_same_when_run_in_halves(monkeypatch):
    monkeypatch.setattr(engine._Run, "_suits_a_mixture", lambda *_: False)
    monkeypatch.setattr(engine, "TILE", 64)
    program = random_program(3, 3, seed=2)
    assert_sampled_from(frequencies(program, LOUD), noisy_distribution(program, LOUD))


def test_a_fully_depolarising_gate_leaves_nothing():
    program = read_circuit(
        {"circuit": [{"gate": "x", "target": 0}]}, gateset="qis", qubits=1, native_gates=()
    )
    assert_sampled_from(frequencies(program, Rates(1.0, 0.0)), np.array([0.5, 0.5]))


def test_rotations_about_z_are_virtual_and_have_no_noise():
    names = ("z", "s", "si", "t", "ti", "rz")
    steps = [{"gate": name, "target": 0, "rotation": 0.4} for name in names]
    program = read_circuit({"circuit": steps}, gateset="qis", qubits=1, native_gates=())
    assert frequencies(program, Rates(1.0, 1.0))[0] == 1


def test_a_controlled_rotation_about_z_is_a_gate_with_noise():
    steps = [{"gate": "rz", "target": 0, "control": 1, "rotation": 0.4}]
    program = read_circuit({"circuit": steps}, gateset="qis", qubits=2, native_gates=())
    assert_sampled_from(frequencies(program, Rates(0.0, 1.0)), np.full(4, 0.25))


def test_a_gate_on_three_qubits_has_the_noise_of_each_pair():
    steps = [{"gate": "x", "target": 0, "controls": [1, 2]}]
    program = read_circuit({"circuit": steps}, gateset="qis", qubits=3, native_gates=())
    survival = 1 - frequencies(program, Rates(0.0, 0.1))[1:].sum()
    expected = np.zeros((8, 8))
    expected[0, 0] = 1
    state = DensityMatrix(expected)
    for pair in ([0, 1], [0, 2], [1, 2]):
        state = state.evolve(published_channel(2, 0.1), pair)
    assert survival == pytest.approx(state.probabilities()[0], abs=0.01)


# ---- shots ----


def test_the_same_seed_gives_the_same_shots_and_another_does_not():
    program = random_program(3, 2, seed=4)
    first, again, other = (
        simulate(program, shots=200, rates=LOUD, rng=rng(seed)).words() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_shots_come_in_random_order():
    words = simulate(ghz(2), shots=1000, rates=Rates(0, 0), rng=rng()).words()
    changes = sum(a != b for a, b in pairwise(words))
    assert 400 < changes < 600


def test_a_sampled_row_is_a_shot():
    outcome = simulate(ghz(2), shots=10, rates=Rates(0, 0), rng=rng())
    assert outcome.sampled
    assert outcome.table.shape == (10, 2)
    np.testing.assert_allclose(outcome.weights, 0.1)


def test_an_exact_half_reads_one_half():
    assert simulate(ghz(2), shots=1, rates=None, rng=rng()).weights.tolist() == [0.5, 0.5]


# ---- width ----


def test_qubits_nobody_touches_cost_nothing_and_read_zero():
    program = read_circuit(
        {"circuit": [{"gate": "x", "target": 63}]}, gateset="qis", qubits=64, native_gates=()
    )
    outcome = simulate(program, shots=1, rates=None, rng=rng())
    assert outcome.words() == [1 << 63]


def test_an_empty_circuit_reads_zero():
    empty = Program(2, (), registers=(("output_all", (0, 1)),))
    assert simulate(empty, shots=1, rates=None, rng=rng()).words() == [0]
    assert simulate(empty, shots=3, rates=LOUD, rng=rng()).words() == [0, 0, 0]


def test_a_ghz_state_of_36_qubits_is_exact():
    outcome = simulate(ghz(36), shots=1, rates=None, rng=rng())
    assert dict(zip(outcome.words(), outcome.weights.tolist(), strict=True)) == {0: 0.5, (1 << 36) - 1: 0.5}


def test_a_ghz_state_of_36_qubits_runs_with_noise():
    seen = Counter(simulate(ghz(36), shots=500, rates=Rates(0.0003, 0.005), rng=rng()).words())
    assert 0.7 < (seen[0] + seen[(1 << 36) - 1]) / 500 < 1
    assert sum(seen.values()) == 500


def test_sparse_and_dense_states_agree(monkeypatch):
    program = random_program(5, 4, seed=7)
    dense = simulate(program, shots=1, rates=None, rng=rng())
    monkeypatch.setattr(engine, "DENSE_QUBITS", 0)
    sparse = simulate(program, shots=1, rates=None, rng=rng())
    assert sparse.words() == dense.words()
    np.testing.assert_allclose(sparse.weights, dense.weights, atol=1e-12)


@pytest.mark.parametrize("dense", [0, 22])
def test_a_rotation_by_the_step_of_a_numerical_derivative_shows(dense, monkeypatch):
    monkeypatch.setattr(engine, "DENSE_QUBITS", dense)
    step = 1e-9
    gates = [{"gate": "ry", "target": 0, "rotation": step}, {"gate": "h", "target": 0}]
    program = read_circuit({"circuit": gates}, gateset="qis", qubits=1, native_gates=())
    zero, one = simulate(program, shots=1, rates=None, rng=rng()).weights
    assert zero - one == pytest.approx(step, rel=1e-5)


def test_sparse_noise_samples_the_same_channel(monkeypatch):
    monkeypatch.setattr(engine._Run, "_suits_a_mixture", lambda *_: False)
    monkeypatch.setattr(engine, "DENSE_QUBITS", 0)
    program = random_program(3, 2, seed=2)
    assert_sampled_from(frequencies(program, LOUD), noisy_distribution(program, LOUD))


def test_a_state_too_large_fails_rather_than_fill_the_memory(monkeypatch):
    monkeypatch.setattr(engine, "LARGEST_STATE", 1 << 6)
    steps = [{"gate": "h", "target": k} for k in range(8)]
    program = read_circuit({"circuit": steps}, gateset="qis", qubits=8, native_gates=())
    with pytest.raises(CircuitError, match="amplitudes") as failed:
        simulate(program, shots=1, rates=None, rng=rng())
    assert failed.value.failure.code == "SimulationError"


# ---- measurement in the middle ----

HALF = Gate(reduce(np.multiply, [np.array([[1, 1], [1, -1]], dtype=complex), 2**-0.5]), (0,))
FLIP = Gate(np.array([[0, 1], [1, 0]], dtype=complex), (0,))
REGISTERS = (("output_all", (0,)), ("c", (1, 2)))


def by_bits(outcome: engine.Outcome, register: str = "c") -> dict[str, float]:
    found: Counter[str] = Counter()
    for bits, weight in zip(outcome.bits(register).tolist(), outcome.weights.tolist(), strict=True):
        found["".join(map(str, bits))] += weight
    return dict(found)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_measurement_collapses_the_state(monkeypatch, sparse):
    monkeypatch.setattr(engine, "DENSE_QUBITS", 0 if sparse else 22)
    program = Program(1, (HALF, Measure(0, 0), HALF, Measure(0, 1)), 2, REGISTERS)
    outcome = simulate(program, shots=1, rates=None, rng=rng())
    assert by_bits(outcome) == pytest.approx({"00": 0.25, "01": 0.25, "10": 0.25, "11": 0.25})


def test_a_measurement_nobody_keeps_collapses_too():
    kept = Program(1, (HALF, HALF), registers=REGISTERS[:1])
    assert by_bits(simulate(kept, shots=1, rates=None, rng=rng()), "output_all") == {"0": 1.0}
    lost = Program(1, (HALF, Measure(0, None), HALF), registers=REGISTERS[:1])
    assert by_bits(simulate(lost, shots=1, rates=None, rng=rng()), "output_all") == {"0": 0.5, "1": 0.5}


def test_the_same_qubit_measured_twice_reads_the_same():
    program = Program(1, (HALF, Measure(0, 0), Measure(0, 1)), 2, REGISTERS)
    assert by_bits(simulate(program, shots=1, rates=None, rng=rng())) == pytest.approx({"00": 0.5, "11": 0.5})


@pytest.mark.parametrize("sparse", [False, True])
def test_reset_gives_zero_and_keeps_what_was_read(monkeypatch, sparse):
    monkeypatch.setattr(engine, "DENSE_QUBITS", 0 if sparse else 22)
    program = Program(1, (HALF, Measure(0, 0), Reset(0), Measure(0, 1)), 2, REGISTERS)
    outcome = simulate(program, shots=1, rates=None, rng=rng())
    assert by_bits(outcome) == pytest.approx({"00": 0.5, "10": 0.5})
    assert by_bits(outcome, "output_all") == {"0": 1.0}


def test_a_bit_written_twice_keeps_the_later_value():
    program = Program(1, (FLIP, Measure(0, 0), FLIP, Measure(0, 0)), 2, REGISTERS)
    assert by_bits(simulate(program, shots=1, rates=None, rng=rng())) == {"00": 1.0}


def test_a_branch_acts_only_where_its_condition_holds():
    flip_back = Branch(frozenset({0}), lambda bits: bits[:, 0] == 1, (FLIP,))
    program = Program(1, (HALF, Measure(0, 0), flip_back, Measure(0, 1)), 2, REGISTERS)
    for rates in (None, Rates(0, 0)):
        found = by_bits(simulate(program, shots=2000, rates=rates, rng=rng()))
        assert found == pytest.approx({"00": 0.5, "10": 0.5}, abs=0.05)


def test_sampled_measurements_have_the_exact_frequencies():
    tilt = Gate(np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]], dtype=complex), (0,))
    program = Program(1, (tilt, Measure(0, 0), tilt, Reset(0), tilt, Measure(0, 1)), 2, REGISTERS)
    exact = by_bits(simulate(program, shots=1, rates=None, rng=rng()))
    sampled = by_bits(simulate(program, shots=SHOTS, rates=Rates(0, 0), rng=rng()))
    assert sampled == pytest.approx(exact, abs=0.01)


def test_more_measurements_than_branches_can_be_kept_are_still_sampled():
    steps = [step for _ in range(60) for step in (HALF, Measure(0, 0))]
    program = Program(1, (*steps, HALF, Measure(0, 1)), 2, REGISTERS)
    assert sum(by_bits(simulate(program, shots=300, rates=Rates(0, 0), rng=rng())).values()) == pytest.approx(
        1
    )
