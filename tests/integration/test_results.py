# SPDX-License-Identifier: Apache-2.0
"""Circuits go through real HTTP and come back as Qiskit means them: right, complete, in order."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.providers import JobStatus
from qiskit.quantum_info import Operator, Statevector
from qiskit.result.postprocess import format_counts_memory

from qiskit_parallel_ionq.errors import BatchError, CircuitCancelledError, OptionError, ResultTimeoutError

EXACT = 1e-8


def flips(bits, **registers):
    """A circuit whose only outcome is ``bits``, written with bit 0 rightmost."""
    circuit = QuantumCircuit(len(bits), len(bits), **registers)
    for qubit, bit in enumerate(reversed(bits)):
        if bit == "1":
            circuit.x(qubit)
    circuit.measure(range(len(bits)), range(len(bits)))
    return circuit


# ── every register layout, 1 to 8 qubits ──


@pytest.mark.parametrize("gateset", ["native", "qis"])
def test_probabilities_are_those_of_the_state_vector(provider, layout, gateset, expected, distance):
    rng = np.random.default_rng([11, *layout.__name__.encode()])
    circuits = [layout(n, rng) for n in range(1, 9)]
    result = provider.get_backend(gateset=gateset).run(circuits, shots=300, memory=True).result()
    for circuit, entry in zip(circuits, result.results, strict=True):
        assert distance(entry.data.probabilities, expected(circuit)) < EXACT, circuit.draw()
        assert sum(entry.data.counts.values()) == 300
        assert set(entry.data.counts) <= {key for key, p in expected(circuit).items() if p > 1e-12}


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("gateset", ["native", "qis"])
def test_transpiled_circuits_run_as_they_are(provider, level, gateset, circuits, expected, distance):
    backend = provider.get_backend(gateset=gateset)
    isa = transpile(circuits, backend, optimization_level=level, seed_transpiler=1)
    result = backend.run(isa, optimization_level=None, shots=50).result()
    for circuit, entry in zip(circuits, result.results, strict=True):
        assert distance(entry.data.probabilities, expected(circuit)) < EXACT


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_abstract_circuits_are_compiled_on_the_way(backend, level, circuits, expected, distance):
    result = backend.run(circuits, optimization_level=level, shots=50).result()
    for circuit, entry in zip(circuits, result.results, strict=True):
        assert distance(entry.data.probabilities, expected(circuit)) < EXACT


def test_transpiled_and_abstract_circuits_mix_in_one_list(backend, circuits, expected, distance):
    mixed = [transpile(c, backend, seed_transpiler=1) if i % 2 else c for i, c in enumerate(circuits)]
    result = backend.run(mixed, shots=50).result()
    for circuit, entry in zip(circuits, result.results, strict=True):
        assert distance(entry.data.probabilities, expected(circuit)) < EXACT


# ── Qiskit's dialect ──


def test_counts_and_memory_are_hex_sum_to_shots_and_agree(backend, layout):
    circuit = layout(4, np.random.default_rng(3))
    data = backend.run(circuit, shots=500, memory=True).result().results[0].data
    assert sum(data.counts.values()) == len(data.memory) == 500
    assert all(key == hex(int(key, 16)) for key in [*data.counts, *data.memory])
    assert {key: data.memory.count(key) for key in set(data.memory)} == data.counts


def test_counts_follow_the_probabilities(backend, circuits, expected):
    shots = 20_000
    for circuit, counts in zip(
        circuits,
        (e.data.counts for e in backend.run(circuits, shots=shots, seed_simulator=4).result().results),
        strict=True,
    ):
        for key, probability in expected(circuit).items():
            sigma = np.sqrt(shots * probability * (1 - probability))
            assert abs(counts.get(key, 0) - shots * probability) <= 5 * sigma + 1e-6


def test_no_memory_comes_unasked(backend, bell):
    assert not hasattr(backend.run(bell).result().results[0].data, "memory")


def test_registers_are_spelled_apart_first_register_rightmost(provider):
    from qiskit import ClassicalRegister, QuantumRegister

    circuit = QuantumCircuit(QuantumRegister(3), ClassicalRegister(2, "low"), ClassicalRegister(1, "high"))
    circuit.x([0, 2])
    circuit.measure([0, 1, 2], [0, 1, 2])
    job = provider.get_backend().run(circuit, shots=10, memory=True)
    assert job.get_counts() == {"1 01": 10}
    assert job.get_memory() == ["1 01"] * 10
    assert job.get_probabilities() == pytest.approx({"1 01": 1.0})


def test_get_probabilities_spells_out_what_the_data_hold(backend, circuits):
    job = backend.run(circuits, shots=5)
    entries = job.result().results
    spelled = [
        {format_counts_memory(k, e.header): p for k, p in e.data.probabilities.items()} for e in entries
    ]
    assert job.get_probabilities() == spelled
    assert job.get_probabilities(3) == job.get_probabilities(3 - len(circuits)) == spelled[3]
    with pytest.raises(OptionError):
        job.get_probabilities(len(circuits))


def test_headers_tell_names_registers_and_metadata(backend, bell):
    bell.metadata = {"angle": 0.5, "tags": [1, "two"]}
    header = backend.run(bell).result().results[0].header
    assert header["name"] == "bell"
    assert header["metadata"] == {"angle": 0.5, "tags": [1, "two"]}
    assert header["creg_sizes"] == [["c", 2]]
    assert header["memory_slots"] == 2


# ── what may be given ──


@pytest.mark.parametrize("kind", [list, tuple, iter, lambda cs: (c for c in cs)])
def test_any_iterable_of_circuits_runs_in_order(backend, kind):
    circuits = [flips(f"{n:03b}") for n in range(8)]
    counts = backend.run(kind(circuits), shots=7).result().get_counts()
    assert counts == [{f"{n:03b}": 7} for n in range(8)]


def test_one_circuit_gives_one_entry(backend):
    result = backend.run(flips("10"), shots=3).result()
    assert len(result.results) == 1
    assert result.get_counts() == {"10": 3}


@pytest.mark.parametrize("nothing", [[], (), iter(())])
def test_no_circuits_give_an_empty_result(backend, nothing):
    job = backend.run(nothing)
    assert job.status() is JobStatus.DONE
    assert job.result().results == []
    assert job.job_ids() == []
    assert list(job.as_completed()) == []


def test_circuits_of_one_name_keep_their_own_results(backend):
    circuits = [flips(bits, name="same") for bits in ("01", "10", "11")]
    result = backend.run(circuits, shots=4).result()
    assert [result.get_counts(index) for index in range(3)] == [{"01": 4}, {"10": 4}, {"11": 4}]


def test_the_same_circuit_twice_gives_two_results(backend, bell):
    result = backend.run([bell, bell], shots=1000, memory=True, seed_simulator=3).result()
    first, second = (entry.data.memory for entry in result.results)
    assert first != second


@pytest.mark.parametrize("per_job", [1, 2, 10])
def test_each_circuit_may_have_its_own_shots(backend, per_job):
    circuits = [flips(f"{n:02b}") for n in range(4)]
    result = backend.run(circuits, shots=[1, 20, 20, 300], circuits_per_job=per_job).result()
    assert [entry.shots for entry in result.results] == [1, 20, 20, 300]
    assert result.get_counts() == [{"00": 1}, {"01": 20}, {"10": 20}, {"11": 300}]


# ── one seed, one answer ──


def _memory(backend, **options):
    circuits = [flips("000") for _ in range(6)]
    for n, circuit in enumerate(circuits):
        circuit.data.clear()
        circuit.h(range(3))
        circuit.rx(n, 0)
        circuit.cx(0, 2)
        circuit.measure(range(3), range(3))
    result = backend.run(circuits, shots=60, memory=True, seed_simulator=99, **options).result()
    return [entry.data.memory for entry in result.results]


@pytest.mark.parametrize(
    "options",
    [
        {"max_workers": 1},
        {"max_workers": 32},
        {"circuits_per_job": 4},
        {"circuits_per_job": 100},
        {"use_parallel": False},
    ],
    ids=str,
)
def test_one_seed_gives_the_same_bits_however_circuits_are_sent(backend, options):
    assert _memory(backend, **options) == _memory(backend)


def test_another_seed_gives_other_bits(backend, bell):
    runs = [backend.run(bell, shots=100, memory=True, seed_simulator=seed).get_memory() for seed in (1, 2)]
    assert runs[0] != runs[1]


# ── mid-circuit measurement and reset ──


def _measured_twice():
    """Measure a superposition, flip, measure again: the bits always differ."""
    circuit = QuantumCircuit(1, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 1)
    return circuit


def _reset_after_use():
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.reset(0)
    circuit.measure([0, 1], [0, 1])
    return circuit


@pytest.mark.parametrize("per_job", [1, 10])
@pytest.mark.parametrize("gateset", ["native", "qis"])
def test_dynamic_circuits_mix_with_others_in_one_list(provider, gateset, per_job):
    backend = provider.get_backend(gateset=gateset)
    circuits = [flips("10"), _reset_after_use(), flips("01"), _reset_after_use(), flips("11")]
    result = backend.run(circuits, shots=400, memory=True, circuits_per_job=per_job).result()
    counts = result.get_counts()
    assert [counts[i] for i in (0, 2, 4)] == [{"10": 400}, {"01": 400}, {"11": 400}]
    for dynamic in (counts[1], counts[3]):
        assert set(dynamic) == {"00", "10"}
        assert sum(dynamic.values()) == 400
        assert abs(dynamic["00"] - 200) < 5 * 10


@pytest.mark.parametrize("target", ["qpu.forte-1", "qpu.aria-1"])
def test_a_mid_circuit_outcome_is_kept_beside_the_final_one(provider, target):
    backend = provider.get_backend(target)
    counts = backend.run([_measured_twice(), flips("1")], shots=500).result().get_counts()
    assert sum(counts[0].values()) == 500
    assert counts[0].get("01", 0) + counts[0].get("10", 0) > 450
    assert min(counts[0]["01"], counts[0]["10"]) > 150
    assert counts[1]["1"] > 450


TAILS = {
    "measured qubit": lambda circuit: circuit.reset(0),
    "unmeasured qubit": lambda circuit: circuit.reset(1),
    "all qubits": lambda circuit: circuit.reset([0, 1]),
    "before a barrier": lambda circuit: (circuit.reset(0), circuit.barrier()),
    "and a gate after it": lambda circuit: (circuit.reset(0), circuit.x(0)),
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("gateset", ["native", "qis"])
@pytest.mark.parametrize("transpiled", [False, True], ids=["abstract", "isa"])
def test_a_reset_after_the_last_measurement_changes_nothing(provider, gateset, tail, transpiled):
    backend = provider.get_backend(gateset=gateset)
    circuit = QuantumCircuit(2, 1)
    circuit.x([0, 1])
    circuit.measure(0, 0)
    TAILS[tail](circuit)
    if transpiled:
        circuit = transpile(circuit, backend)
    assert backend.run(circuit, shots=20).result().get_counts() == {"1": 20}


def test_gates_after_the_last_measurement_change_nothing(backend):
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure([0, 1], [0, 1])
    circuit.cx(0, 1)
    circuit.h(0)
    assert backend.run(circuit, shots=20).result().get_counts() == {"01": 20}


def _branches(circuit):
    """Hex outcome -> probability of a circuit with measurements and resets anywhere, branch by branch."""
    branches = [(0, Statevector.from_label("0" * circuit.num_qubits))]
    for step in circuit.data:
        where = [circuit.find_bit(qubit).index for qubit in step.qubits]
        if step.operation.name not in ("measure", "reset"):
            branches = [(bits, state.evolve(step.operation, where)) for bits, state in branches]
            continue
        split = []
        for bits, state in branches:
            for value in (0, 1):
                # unnormalised: the squared norm of a branch is its probability
                seen = state.evolve(Operator(np.diag([1 - value, value])), where)
                if step.operation.name == "reset":
                    split.append((bits, seen.evolve(Operator.from_label("X" if value else "I"), where)))
                else:
                    clbit = circuit.find_bit(step.clbits[0]).index
                    split.append((bits & ~(1 << clbit) | value << clbit, seen))
        branches = [(bits, state) for bits, state in split if np.linalg.norm(state.data) > 1e-9]
    distribution = defaultdict(float)
    for bits, state in branches:
        distribution[hex(bits)] += float(np.linalg.norm(state.data) ** 2)
    return distribution


def _random_dynamic(seed):
    rng = np.random.default_rng(seed)
    width = int(rng.integers(1, 5))
    circuit = QuantumCircuit(width, width + 1, name=f"dynamic-{seed}")
    for _ in range(12):
        qubit = int(rng.integers(width))
        match rng.choice(["u", "u", "cx", "rzz", "measure", "reset"]):
            case "u":
                circuit.u(*rng.uniform(0, 2 * np.pi, 3), qubit)
            case "cx" if width > 1:
                circuit.cx(qubit, (qubit + 1) % width)
            case "rzz" if width > 1:
                circuit.rzz(rng.uniform(0, 3), qubit, (qubit + 1) % width)
            case "measure":
                circuit.measure(qubit, int(rng.integers(width + 1)))
            case "reset":
                circuit.reset(qubit)
    circuit.measure(range(width), rng.permutation(width + 1)[:width].tolist())
    return circuit


@pytest.mark.parametrize("gateset", ["native", "qis"])
def test_random_dynamic_circuits_have_the_distribution_of_their_branches(provider, gateset, distance):
    circuits = [_random_dynamic(seed) for seed in range(24)]
    result = provider.get_backend(gateset=gateset).run(circuits, shots=200, memory=True).result()
    for circuit, entry in zip(circuits, result.results, strict=True):
        assert distance(entry.data.probabilities, _branches(circuit)) < EXACT, circuit.draw()
        assert sum(entry.data.counts.values()) == len(entry.data.memory) == 200
        assert {key: entry.data.memory.count(key) for key in set(entry.data.memory)} == entry.data.counts


# ── noise, machines, dry runs ──


@pytest.mark.parametrize("gateset", ["native", "qis"])
@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("simulator", {"noise_model": "forte-1"}),
        ("simulator", {"noise_model": "aria-1"}),
        ("qpu.forte-1", {}),
        ("qpu.aria-1", {}),
    ],
)
def test_noisy_targets_give_counts_and_memory_near_the_ideal(provider, bell, target, options, gateset):
    backend = provider.get_backend(target, gateset=gateset)
    circuits = [bell, flips("101")]
    for entry, good in zip(
        backend.run(circuits, shots=1000, memory=True, **options).result().results,
        ({"0x0", "0x3"}, {"0x5"}),
        strict=True,
    ):
        assert sum(entry.data.counts.values()) == len(entry.data.memory) == 1000
        assert {key: entry.data.memory.count(key) for key in set(entry.data.memory)} == entry.data.counts
        assert sum(entry.data.counts.get(key, 0) for key in good) > 900


@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1"])
def test_a_dry_run_has_no_data_and_no_errors(provider, bell, target):
    job = provider.get_backend(target).run([bell] * 3, dry_run=True)
    result = job.result()
    assert [entry.success for entry in result.results] == [True] * 3
    assert not any(hasattr(entry.data, "counts") for entry in result.results)
    assert job.errors() == {}
    assert job.status() is JobStatus.DONE


# ── the composite job ──


def test_asking_twice_gives_the_same_result(backend, circuits):
    job = backend.run(circuits, shots=100, memory=True)
    assert job.result().to_dict() == job.result().to_dict()


def test_as_completed_yields_each_circuit_once(backend):
    job = backend.run([flips(f"{n:03b}") for n in range(8)], shots=2)
    seen = dict(job.as_completed(timeout=20))
    assert {index: entry.data.counts for index, entry in seen.items()} == {n: {hex(n): 2} for n in range(8)}


def test_a_quick_circuit_is_yielded_before_a_slow_one_ends(connect):
    _, provider = connect(execution_time=lambda number: 0.0 if number else 0.4)
    job = provider.get_backend().run([flips("0"), flips("1")], shots=2, max_workers=1)
    assert [index for index, _ in job.as_completed(timeout=20)] == [1, 0]


def test_a_finished_job_knows_its_progress_ids_and_errors(provider, backend, circuits):
    job = backend.run(circuits)
    job.result()
    at = job.progress()
    assert (at.total, at.done, at.finished, at.failed, at.cancelled) == (12, 12, 12, 0, 0)
    assert job.status() is JobStatus.DONE
    assert len(set(job.job_ids())) == 12
    assert None not in job.job_ids()
    assert job.errors() == {}
    assert job.error_message() is None
    assert provider.job(job.job_id()) is job
    assert [e.header["ionq_job_id"] for e in job.result().results] == job.job_ids()


def test_circuits_that_share_a_job_share_its_id(backend):
    job = backend.run([flips(f"{n:03b}") for n in range(8)], shots=5, circuits_per_job=4)
    assert job.result().get_counts() == [{f"{n:03b}": 5} for n in range(8)]
    ids = job.job_ids()
    assert len(set(ids[:4])) == len(set(ids[4:])) == 1
    assert ids[0] != ids[4]


def test_a_slow_job_times_out_shows_what_there_is_and_can_be_cancelled(connect, bell):
    service, provider = connect(execution_time=lambda number: 0.0 if number == 0 else 60.0)
    job = provider.get_backend().run([bell] * 4, shots=10, max_workers=1)
    assert next(job.as_completed(timeout=20))[0] == 0
    with pytest.raises(ResultTimeoutError, match=r"1 of 4"):
        job.result(timeout=0.05)
    with pytest.raises(TimeoutError):
        job.result(timeout=0)
    partial = job.result(timeout=0, partial=True)
    assert [entry.success for entry in partial.results] == [True, False, False, False]
    assert not partial.success
    assert job.status() is JobStatus.RUNNING
    assert job.progress().finished == 1

    assert job.cancel() is True
    with pytest.raises(BatchError) as caught:
        job.result(timeout=10)
    assert sorted(job.errors()) == sorted(caught.value.failures) == [1, 2, 3]
    assert all(isinstance(error, CircuitCancelledError) for error in job.errors().values())
    assert caught.value.result.results[0].data.counts == partial.results[0].data.counts
    assert [entry.success for entry in job.result(partial=True).results] == [True, False, False, False]
    assert job.progress().cancelled == 3
    assert job.status() is JobStatus.CANCELLED
    assert job.cancel() is False
    assert service.stats().jobs <= 4


def test_cancelling_takes_one_request_for_many_jobs(connect, bell):
    service, provider = connect(execution_time=5.0)
    job = provider.get_backend().run([bell] * 6, shots=10)
    deadline = 200
    while None in job.job_ids() and deadline:
        job.wait(0.02)
        deadline -= 1
    job.cancel()
    assert job.wait(10)
    cancels = [(m, p) for m, p, _ in service.requests_log if "cancel" in p]
    assert len(cancels) == 1
    assert job.progress().cancelled == 6
