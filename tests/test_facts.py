# SPDX-License-Identifier: Apache-2.0
"""Status, calibration, choice of a backend: asked for late, once, kept for a while, and done without."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace

import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.transpiler import generate_preset_pass_manager

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.api import Api
from qiskit_parallel_ionq.compiler import is_isa
from qiskit_parallel_ionq.emulator import Fault, LocalIonQ
from qiskit_parallel_ionq.errors import ApiError, TargetError, TransportError
from qiskit_parallel_ionq.facts import BackendStatus
from qiskit_parallel_ionq.target import build_target, device_target
from qiskit_parallel_ionq.wire import CatalogEntry, Characterization

FORTE = CatalogEntry("qpu.forte-1", 36)
MEASURED = Characterization(
    "qpu.forte-1",
    fidelity_1q=0.9998,
    fidelity_2q=0.995,
    fidelity_spam=0.99,
    duration_1q=1.3e-4,
    duration_2q=9.5e-4,
    duration_readout=1.5e-4,
    duration_reset=5e-5,
)
FACTS = "characterizations"


@pytest.fixture
def bell():
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


@pytest.fixture
def connect():
    """Return a function: knobs of a service -> (the service, a provider that talks to it)."""
    closers = []

    def make(**knobs):
        service = LocalIonQ(seed=7, **knobs).start()
        provider = ParallelIonQProvider(service.api_key, service.url)
        provider._pause = lambda seconds: None
        closers.extend([provider.close, service.close])
        return service, provider

    yield make
    for close in closers:
        close()


def asked(service, what):
    return sum(what in path for _, path, _ in service.requests_log)


# ── status ──


def test_the_status_has_qiskit_s_words(connect):
    _, provider = connect(queue_time=120)
    status = provider.get_backend("qpu.forte-1").status()
    assert (status.backend_name, status.operational, status.status_msg) == (
        "ionq_qpu.forte-1",
        True,
        "available",
    )
    assert (status.average_queue_time, status.pending_jobs, status.degraded) == (120.0, None, False)
    assert status.last_updated is not None
    assert provider.get_backend("qpu.aria-2").status().operational is False


def test_the_status_is_asked_for_anew_when_it_is_old(connect, monkeypatch):
    service, provider = connect()
    backend, now = provider.get_backend("qpu.forte-1"), [1000.0]
    monkeypatch.setattr("qiskit_parallel_ionq.provider.time.monotonic", lambda: now[0])
    for passes, requests in ((0, 1), (59, 1), (2, 2), (0, 2)):
        now[0] += passes
        backend.status()
        assert asked(service, "/backends") == requests
    backend.status(max_age=0)
    now[0] += 1
    backend.status(max_age=0.5)
    assert asked(service, "/backends") == 3
    now[0] += 1e6
    assert backend.num_qubits == 36  # what does not change is not asked for again
    assert [path for _, path, _ in service.requests_log].count("/backends") == 3


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(None, "available"), (900, "0.9 s"), (90_000, "1.5 min"), (9e6, "2.5 h")],
)
def test_a_queue_is_shown_in_a_readable_unit(milliseconds, shown):
    status = BackendStatus.of(replace(FORTE, average_queue_time=milliseconds), "ionq_qpu.forte-1")
    assert shown in repr(status)
    assert "degraded" in repr(BackendStatus.of(replace(FORTE, degraded=True), "x"))


# ── calibration ──


def test_the_calibration_tells_fidelities_times_and_pairs(connect):
    _, provider = connect()
    found = provider.get_backend("qpu.aria-1").calibration()
    assert (found.backend, found.qubits, found.date.year) == ("qpu.aria-1", 25, 2026)
    assert found.fidelity_1q == pytest.approx(1 - 0.0005 / 2)
    assert found.fidelity_2q == pytest.approx(1 - 0.0133 * 3 / 4)
    assert (found.duration_1q, found.duration_2q, found.t1, found.t2) == (0.00013, 0.00095, 100.0, 1.0)
    assert len(found.connectivity) == 25 * 24 // 2
    assert "fidelity_2q=0.990025" in repr(found)


def test_the_simulator_has_none_and_is_not_asked_for_any(connect, bell):
    service, provider = connect()
    backend = provider.get_backend("simulator")
    assert backend.calibration() is None
    backend.run(bell).result(timeout=10)
    assert asked(service, FACTS) == 0


def test_it_is_asked_for_once_and_by_nobody_s_birth(connect, bell):
    service, provider = connect()
    backends = [provider.get_backend("qpu.forte-1") for _ in range(3)]
    assert service.requests_log == []
    for backend in backends:
        backend.run(bell).result(timeout=10)
        assert backend.calibration() is backends[0].calibration()
    assert asked(service, FACTS) == 1


def test_it_is_asked_for_anew_when_it_is_old(connect, monkeypatch):
    service, provider = connect()
    backend, now = provider.get_backend("qpu.forte-1"), [0.0]
    monkeypatch.setattr("qiskit_parallel_ionq.provider.time.monotonic", lambda: now[0])
    for passes, requests in ((0, 1), (3599, 1), (2, 2)):
        now[0] += passes
        assert backend.calibration() is not None
        assert asked(service, FACTS) == requests


@pytest.mark.parametrize("answer", [{"characterizations": None}, {"characterizations": []}])
def test_a_machine_without_data_has_none(monkeypatch, connect, answer):
    _, provider = connect()
    monkeypatch.setattr(Api, "_parsed", lambda *_, **__: answer)
    assert provider.characterization("qpu.forte-1") is None


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "status", "status": 500},
        {"action": "status", "status": 404},
        {"action": "reset"},
        {"action": "garbage"},
    ],
)
def test_a_run_does_without_it(connect, bell, caplog, fault):
    service, provider = connect(faults=[Fault(path=f"*/{FACTS}", **fault)])
    backend = provider.get_backend("qpu.forte-1")
    with caplog.at_level("INFO", "qiskit_parallel_ionq"):
        for _ in range(2):
            assert backend.run(bell, shots=10).result(timeout=10).success
    assert asked(service, FACTS) == 1  # it is not tried at every run
    assert "no characterization of qpu.forte-1" in caplog.text
    with pytest.raises((ApiError, TransportError)):  # but who asks is told
        backend.calibration()


def test_what_could_not_be_had_is_asked_for_again_later(connect, bell, monkeypatch):
    service, provider = connect(faults=[Fault("reset", path=f"*/{FACTS}", nth=1)])
    backend, now = provider.get_backend("qpu.forte-1"), [0.0]
    monkeypatch.setattr("qiskit_parallel_ionq.provider.time.monotonic", lambda: now[0])
    assert backend.target["zz"][None] is None
    now[0] += 301
    assert backend.target["zz"][None].error > 0
    assert asked(service, FACTS) == 2


@pytest.mark.parametrize(
    "row",
    [[], [7], {}, {"backend": 3}, "x"],
)
def test_an_answer_that_is_none_is_an_error_of_ours(row):
    class Wire:
        def exchange(self, *_, **__):
            from qiskit_parallel_ionq.transport import Reply

            return Reply(200, {}, json.dumps({"characterizations": [row]}).encode())

    with pytest.raises(TransportError, match="no characterization"):
        Api(Wire()).characterization("qpu.forte-1")


# ── what the service may say ──


def test_figures_that_cannot_be_are_left_out():
    found = Characterization.from_json(
        {
            "backend": "qpu.x",
            "date": "yesterday",
            "fidelity": {"1q": {"median": 1.5}, "2q": {"median": "high"}, "spam": 0.99},
            "timing": {"1q": 0, "2q": -1, "readout": 1e99, "reset": 2, "t1": None},
        }
    )
    assert found == Characterization("qpu.x", fidelity_spam=0.99, duration_reset=2.0)
    assert repr(Characterization("qpu.x")) == "<Characterization of qpu.x: no figures>"


@pytest.mark.parametrize(
    ("told", "pairs"),
    [
        ([[1, 0], [0, 1], [2, 1]], ((0, 1), (1, 2))),
        ([[0, 1], [1, 9]], ()),
        ([[0, 0]], ()),
        ([[0, 1], "ab"], ()),
        ([[0, 1], [1, None]], ()),
        ([[0, -1]], ()),
        (None, ()),
        (5, ()),
    ],
)
def test_pairs_are_unordered_and_taken_whole_or_not_at_all(told, pairs):
    body = {"backend": "qpu.x", "qubits": 4, "connectivity": told}
    assert Characterization.from_json(body).connectivity == pairs


# ── the Target ──


def test_the_target_has_error_rates_and_durations(connect):
    _, provider = connect()
    target = provider.get_backend("qpu.forte-1").target
    assert target["zz"][None].error == pytest.approx(0.004949333 * 3 / 4)
    assert target["gpi2"][None].duration == 0.00013
    assert target["reset"][None].duration == 0.00005
    assert target.build_coupling_map() is None
    assert provider.get_backend("simulator").target["ms"][None] is None


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_error_rates_change_nothing_in_what_is_compiled(level):
    circuit = QuantumCircuit(4)
    for turn in range(3):
        for qubit in range(3):
            circuit.ry(0.3 * (qubit + turn), qubit)
            circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    outputs = [
        generate_preset_pass_manager(
            level,
            target=device_target(FORTE, gateset="native", family="zz", measured=measured),
            translation_method="ionq_native",
            scheduling_method="ionq_native",
            seed_transpiler=1,
        ).run(circuit)
        for measured in (None, MEASURED)
    ]
    assert outputs[0] == outputs[1]
    assert outputs[0].num_qubits == 4


def test_durations_are_told_to_qiskit_and_survive_copies(connect, bell):
    _, provider = connect()
    backend = provider.get_backend("qpu.forte-1")
    for target in (
        backend.target,
        copy.deepcopy(backend.target),
        pickle.loads(pickle.dumps(backend.target)),
    ):
        assert target.durations().get("zz", [3, 5], "s") == 0.00095
        assert target.durations().get("measure", [0], "s") == 0.00015
    assert backend.instruction_durations.get("gpi2", [7], "s") == 0.00013
    assert is_isa(transpile(bell, backend), backend.target)
    line = build_target(3, gateset="native", family="zz", connectivity=[(0, 1)], duration_2q=0.5)
    assert line.durations().get("zz", [1, 0], "s") == 0.5


def test_listed_pairs_restrict_native_gates_and_have_no_figures():
    line = replace(MEASURED, connectivity=tuple((q, q + 1) for q in range(35)))
    target = device_target(FORTE, gateset="native", family="zz", measured=line)
    assert len(target.build_coupling_map().get_edges()) == 70
    assert target["zz"][0, 1] is None
    assert device_target(FORTE, gateset="qis", family="zz", measured=line).build_coupling_map() is None


@pytest.mark.parametrize("width", [36, 20, 0])
def test_pairs_that_are_all_there_can_be_restrict_nothing(width):
    every = tuple((a, b) for a in range(width) for b in range(a + 1, width))
    target = device_target(
        FORTE, gateset="native", family="zz", measured=replace(MEASURED, connectivity=every)
    )
    assert target.build_coupling_map() is None
    assert target["zz"][None].error == pytest.approx(0.005)


def test_pairs_beyond_the_machine_are_not_believed():
    wrong = replace(MEASURED, connectivity=((0, 1), (1, 40)))
    assert device_target(FORTE, gateset="native", family="zz", measured=wrong).build_coupling_map() is None


def test_a_circuit_is_brought_to_the_pairs_of_a_machine_that_lists_them(connect):
    _, provider = connect()
    backend = provider.get_backend("qpu.tempo-1")
    far = QuantumCircuit(30, 2)
    far.x(0)
    far.cx(0, 29)
    far.measure([0, 29], [0, 1])
    isa = generate_preset_pass_manager(1, backend=backend).run(far)
    assert is_isa(isa, backend.target)
    counts = backend.run(far, shots=100).result(timeout=20).get_counts()
    assert counts.get("11", 0) > 90


# ── choosing ──


def test_backends_are_narrowed_down(connect):
    _, provider = connect()

    def names(**how):
        return [backend.ionq_target for backend in provider.backends(**how)]

    assert "qpu.aria-2" not in names()  # retired
    assert names(simulator=True) == ["simulator"]
    assert names(min_num_qubits=36, simulator=False) == [
        "qpu.forte-1",
        "qpu.forte-enterprise-1",
        "qpu.tempo-1",
    ]
    assert names(name="ionq_qpu.forte-1") == names(name="qpu.forte-1") == ["qpu.forte-1"]
    assert names(filters=lambda b: b.num_qubits == 25) == ["qpu.aria-1"]
    assert names(operational=False) == []
    assert names(operational=True) == names()
    assert names(name="qpu.nowhere") == []


def test_the_least_busy_is_available_healthy_and_has_the_shortest_queue(connect, monkeypatch):
    _, provider = connect()
    catalogue = (
        CatalogEntry("simulator", 29, average_queue_time=0),
        CatalogEntry("qpu.silent", 36),
        CatalogEntry("qpu.down", 36, status="unavailable", average_queue_time=1),
        CatalogEntry("qpu.ill", 36, degraded=True, average_queue_time=2),
        CatalogEntry("qpu.busy", 36, average_queue_time=9e6),
        CatalogEntry("qpu.free", 25, average_queue_time=6e4),
    )
    monkeypatch.setattr(Api, "backends", lambda api: catalogue)
    assert provider.least_busy().ionq_target == "qpu.free"
    assert provider.least_busy(min_num_qubits=30).ionq_target == "qpu.busy"
    assert provider.least_busy(filters=lambda b: "s" not in b.ionq_target).ionq_target == "qpu.free"
    assert provider.least_busy(simulator=None).ionq_target == "simulator"
    assert (
        provider.least_busy(filters=lambda b: b.ionq_target in ("qpu.ill", "qpu.silent")).ionq_target
        == "qpu.silent"
    )
    with pytest.raises(TargetError, match=r"qpu.down \(36 qubits, unavailable\)"):
        provider.least_busy(min_num_qubits=100)
