# SPDX-License-Identifier: Apache-2.0
"""Results under Qiskit's own Result API, and circuits at the edges of what a circuit can be."""

from __future__ import annotations

import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import AnnotatedOperation, ControlModifier
from qiskit.circuit.library import MCXGate, PermutationGate, QFTGate, UnitaryGate, XGate
from qiskit.circuit.random import random_circuit
from qiskit.providers import JobStatus
from qiskit.quantum_info import Clifford, Statevector
from qiskit.result import Result

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.emulator import LocalIonQ
from qiskit_parallel_ionq.errors import CircuitError


@pytest.fixture(params=["native", "qis"])
def backend(request, local):
    return local.get_backend("simulator", gateset=request.param)


def flips(number, width=3, **keywords):
    """A circuit whose only outcome is ``number``."""
    circuit = QuantumCircuit(width, width, **keywords)
    for qubit in range(width):
        if number >> qubit & 1:
            circuit.x(qubit)
    circuit.measure(range(width), range(width))
    return circuit


def ghz(width, **keywords):
    circuit = QuantumCircuit(width, width, **keywords)
    circuit.h(0)
    for qubit in range(width - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.measure(range(width), range(width))
    return circuit


# ── Qiskit's Result ──


@pytest.fixture(scope="module")
def result(local):
    """Three circuits with several registers, names and metadata."""
    parts = QuantumCircuit(QuantumRegister(3, "q"), ClassicalRegister(1, "a"), ClassicalRegister(2, "b"))
    parts.metadata = {"angle": 0.25}
    parts.name = "parts"
    parts.h(0)
    parts.x(2)
    parts.measure([0, 1, 2], [0, 1, 2])
    circuits = [flips(5, name="five"), parts, ghz(4, name="ghz")]
    return local.get_backend("simulator").run(circuits, shots=[10, 20, 30], memory=True).result(timeout=10)


def test_a_result_is_found_by_place_name_and_circuit(result):
    assert result.get_counts(0) == result.get_counts("five") == result.get_counts(flips(5, name="five"))
    assert set(result.get_counts("parts")) == {"10 0", "10 1"}
    assert set(result.get_memory(1)) == {"10 0", "10 1"}
    assert [len(result.get_memory(place)) for place in range(3)] == [10, 20, 30]


def test_a_result_survives_dicts_json_and_pickle(result):
    copies = (
        Result.from_dict(result.to_dict()),
        Result.from_dict(json.loads(json.dumps(result.to_dict()))),
        pickle.loads(pickle.dumps(result)),
    )
    for copy in copies:
        assert copy.to_dict() == result.to_dict()
        assert copy.get_counts() == result.get_counts()
        assert copy.get_memory(2) == result.get_memory(2)
        assert copy.success


def test_a_result_tells_where_it_comes_from(result):
    assert result.backend_name == "ionq_simulator"
    assert [entry.header["name"] for entry in result.results] == ["five", "parts", "ghz"]
    assert result.results[1].header["metadata"] == {"angle": 0.25}
    assert result.results[1].header["creg_sizes"] == [["a", 1], ["b", 2]]
    assert result.results[1].header["memory_slots"] == 3
    assert len({entry.header["ionq_job_id"] for entry in result.results}) == 3


def test_two_runs_of_ideal_circuits_without_a_seed_are_drawn_anew(local):
    backend = local.get_backend("simulator")
    first, second = (backend.run(ghz(3), shots=200, memory=True).get_memory() for _ in range(2))
    assert first != second


# ── circuits at the edge ──

EDGES = {
    "all 29 qubits measured": (lambda: flips(1 | 1 << 28, 29), {"1" + "0" * 27 + "1": 6}),
    "the last of 29 qubits": (lambda: _far(), {"1": 6}),
    "more bits than a word": (lambda: _many_bits(), {"1" + "0" * 99: 6}),
    "the same qubit into two registers": (lambda: _twice(), {"01 01": 6}),
    "an odd name": (lambda: flips(2, 2, name='ö "\n{}' * 9), {"10": 6}),
    "a long name": (lambda: flips(2, 2, name="x" * 50_000), {"10": 6}),
    "metadata that is not JSON": (lambda: flips(2, 2, metadata={"n": np.int64(3), 4: object()}), {"10": 6}),
}


def _far():
    circuit = QuantumCircuit(29, 1)
    circuit.x(28)
    circuit.measure(28, 0)
    return circuit


def _many_bits():
    circuit = QuantumCircuit(2, 100)
    circuit.x(0)
    circuit.measure([0, 1], [99, 0])
    return circuit


def _twice():
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.measure_all()
    circuit.measure_all()
    return circuit


NOTHING_TO_COUNT = {
    "no qubits": lambda: QuantumCircuit(0),
    "no qubits, two bits": lambda: QuantumCircuit(0, 2),
    "nothing at all": lambda: QuantumCircuit(2),
    "no measurement": lambda: flips(3, 2).remove_final_measurements(inplace=False),
    "bits never written": lambda: QuantumCircuit(2, 2),
}


@pytest.mark.parametrize("edge", NOTHING_TO_COUNT)
def test_a_circuit_at_the_edge_with_nothing_to_count_is_refused(backend, edge):
    with pytest.raises(CircuitError, match="no measurement"):
        backend.run(NOTHING_TO_COUNT[edge](), shots=6)


@pytest.mark.parametrize("edge", EDGES)
def test_a_circuit_at_the_edge_has_its_counts(backend, edge):
    make, counts = EDGES[edge]
    assert backend.run(make(), shots=6).result(timeout=10).get_counts() == counts


def test_edges_run_beside_others_and_in_packs(backend):
    circuits, counts = zip(*((make(), counts) for make, counts in EDGES.values()), strict=True)
    job = backend.run(circuits, shots=6, circuits_per_job=5)
    assert job.result(timeout=10).get_counts() == list(counts)


OPERATIONS = {
    "initialize": (lambda c: c.initialize([0, 0, 0, 1, 0, 0, 0, 0]), "011"),
    "state preparation": (lambda c: c.prepare_state([0, 0, 0, 1, 0, 0, 0, 0]), "011"),
    "unitary": (lambda c: c.unitary(np.eye(8)[[1, 2, 3, 4, 5, 6, 7, 0]], [0, 1, 2]), "111"),
    "permutation": (lambda c: (c.x(0), c.append(PermutationGate([2, 0, 1]), [0, 1, 2])), "010"),
    "controlled unitary": (
        lambda c: (c.x(0), c.append(UnitaryGate([[0, 1], [1, 0]]).control(), [0, 2])),
        "101",
    ),
    "open control": (lambda c: c.append(XGate().control(2, ctrl_state=0), [0, 2, 1]), "010"),
    "annotated": (
        lambda c: (c.x(2), c.append(AnnotatedOperation(XGate(), ControlModifier(1)), [2, 0])),
        "101",
    ),
    "many controls": (lambda c: (c.x([0, 1]), c.append(MCXGate(2), [0, 1, 2])), "111"),
    "fourier there and back": (
        lambda c: (c.x(1), c.append(QFTGate(3), range(3)), c.append(QFTGate(3).inverse(), range(3))),
        "010",
    ),
    "clifford": (lambda c: c.append(Clifford.from_label("XIY"), range(3)), "101"),
    "paulis": (lambda c: c.pauli("XIY", range(3)), "101"),
    "delay": (lambda c: (c.x(0), c.delay(0, 0), c.x(1)), "011"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_that_no_machine_has_are_compiled(backend, name):
    prepare, outcome = OPERATIONS[name]
    circuit = QuantumCircuit(3, 3)
    prepare(circuit)
    circuit.measure(range(3), range(3))
    assert backend.run(circuit, shots=6).result(timeout=10).get_counts() == {outcome: 6}


# ── measurement and reset inside other instructions ──


def _initialize_again():
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.initialize([0, 1], [0])
    circuit.measure([0, 1], [0, 1])
    return circuit


def _measured_inside():
    inner = QuantumCircuit(1, 2)
    inner.x(0)
    inner.measure(0, 0)
    inner.x(0)
    inner.measure(0, 1)
    circuit = QuantumCircuit(1, 2)
    circuit.append(inner.to_instruction(), [0], [0, 1])
    return circuit


def _reset_inside():
    inner = QuantumCircuit(1)
    inner.reset(0)
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.append(inner.to_instruction(), [0])
    circuit.x(0)
    circuit.measure([0, 1], [0, 1])
    return circuit


@pytest.mark.parametrize(
    ("make", "outcomes"),
    [(_initialize_again, {"01", "11"}), (_measured_inside, {"01"}), (_reset_inside, {"01", "11"})],
)
@pytest.mark.parametrize("per_job", [1, 4])
def test_measurement_and_reset_inside_an_instruction_count_as_outside(backend, make, outcomes, per_job):
    job = backend.run([flips(1), make(), flips(2)], shots=100, circuits_per_job=per_job, memory=True)
    counts = job.result(timeout=10).get_counts()
    assert counts[0] == {"001": 100}
    assert set(counts[1]) == outcomes
    assert counts[2] == {"010": 100}


# ── many at once ──


@pytest.mark.parametrize("seed", range(3))
def test_a_mixed_list_of_random_circuits_is_exact_however_it_is_sent(backend, seed):
    rng = np.random.default_rng(seed)
    circuits, expected = [], []
    for _ in range(15):
        width = int(rng.integers(1, 7))
        bare = random_circuit(width, 5, max_operands=min(4, width), seed=int(rng.integers(1 << 30)))
        circuit = bare.copy()
        circuit.measure_all()
        level = int(rng.integers(-1, 4))
        circuits.append(circuit if level < 0 else transpile(circuit, backend, optimization_level=level))
        expected.append(Statevector(bare).probabilities_dict(decimals=12))
    job = backend.run(
        circuits, shots=8, circuits_per_job=int(rng.choice([1, 4, 15])), optimization_level=seed
    )
    for index, exact in enumerate(expected):
        got = job.get_probabilities(index)
        assert max(abs(got.get(key, 0.0) - exact.get(key, 0.0)) for key in {*got, *exact}) < 1e-9


def test_runs_from_many_threads_do_not_mix(local):
    backend = local.get_backend("simulator")

    def run(first):
        numbers = [(first + step) % 8 for step in range(5)]
        counts = backend.run([flips(number) for number in numbers], shots=2).result(timeout=30).get_counts()
        return [int(next(iter(c)), 2) for c in counts] == numbers

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(run, range(16)))


def test_equal_circuits_on_the_seeded_noisy_simulator_are_drawn_independently(local):
    backend = local.get_backend("simulator", noise_model="aria-1")
    entries = backend.run([ghz(3)] * 3, shots=40, memory=True, sampler_seed=5).result(timeout=10).results
    assert len({tuple(entry.data.memory) for entry in entries}) == 3


def test_one_sampler_seed_gives_the_same_noisy_bits_for_any_number_of_workers(local):
    backend = local.get_backend("simulator", noise_model="aria-1")
    runs = [
        backend.run([ghz(3), flips(5)], shots=40, memory=True, sampler_seed=5, max_workers=workers)
        for workers in (1, 8)
    ]
    assert runs[0].get_memory(0) == runs[1].get_memory(0)
    assert runs[0].get_memory(1) == runs[1].get_memory(1)


# ── jobs in hand ──


def test_a_job_is_good_after_its_provider_was_let_go():
    with LocalIonQ(seed=1) as service:
        backend = ParallelIonQProvider(service.api_key, service.url).get_backend("simulator")
        job = backend.run(flips(5), shots=2)
        del backend
        assert job.result(timeout=10).get_counts() == {"101": 2}


def test_closing_the_provider_ends_jobs_at_once_with_a_reason():
    with LocalIonQ(seed=1, execution_time=60.0) as service:
        provider = ParallelIonQProvider(service.api_key, service.url)
        job = provider.get_backend("simulator").run([flips(1)] * 3)
        begun = time.monotonic()
        provider.close()
        entries = job.result(timeout=60, partial=True).results
        assert time.monotonic() - begun < 30
    assert [entry.success for entry in entries] == [False] * 3
    assert all("closed" in entry.status for entry in entries)
    assert job.status() is not JobStatus.ERROR
    assert job.progress().failed == 0


def test_cancelling_at_once_sends_no_more_than_was_under_way():
    with LocalIonQ(seed=1, execution_time=60.0) as service:
        with ParallelIonQProvider(service.api_key, service.url) as provider:
            job = provider.get_backend("simulator").run([flips(1)] * 40, max_workers=3)
            job.cancel()
            assert job.wait(30)
            assert job.progress().cancelled == 40
        assert service.stats().jobs < 40
        assert service.stats().jobs == len({job_id for job_id in job.job_ids() if job_id})


def test_on_a_machine_what_runs_runs_on_and_the_rest_is_cancelled():
    with LocalIonQ(seed=1, execution_time=0.6, running_slots=2) as service:
        with ParallelIonQProvider(service.api_key, service.url) as provider:
            job = provider.get_backend("qpu.forte-1").run([flips(3)] * 6, shots=20)
            while job.progress().running < 2:
                assert not job.wait(0.02)
            job.cancel()
            assert job.wait(8)
        at = job.progress()
        assert (at.done, at.cancelled, at.failed) == (2, 4, 0)
        assert job.status() is JobStatus.CANCELLED
