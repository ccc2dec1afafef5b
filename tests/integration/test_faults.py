# SPDX-License-Identifier: Apache-2.0
"""Bad days over real sockets: each circuit is paid once, and what went wrong stays with its own circuit."""

from __future__ import annotations

import time

import pytest
from qiskit import QuantumCircuit
from qiskit.providers import JobStatus

from qiskit_parallel_ionq.emulator import Fault
from qiskit_parallel_ionq.errors import (
    BatchError,
    CircuitFailedError,
    ResultIntegrityError,
    SubmissionUnknownError,
)
from qiskit_parallel_ionq.reconcile import Doubt


def flips(number, name=None, width=4):
    """A circuit whose only outcome is ``number``."""
    circuit = QuantumCircuit(width, width, name=name or f"flips-{number}")
    for qubit in range(width):
        if number >> qubit & 1:
            circuit.x(qubit)
    circuit.measure(range(width), range(width))
    return circuit


TEN = [flips(n) for n in range(10)]


def answers(result):
    """The single outcome of each circuit that has one."""
    return [int(next(iter(entry.data.counts)), 16) if entry.success else None for entry in result.results]


# ── the answer to a submission is lost after the job was stored ──

LOST = {
    "502": Fault("status", method="POST", path="/jobs", status=502, nth=(1, 3), after=True),
    "503": Fault("status", method="POST", path="/jobs", status=503, nth=(1, 3), after=True),
    "reset": Fault("reset", method="POST", path="/jobs", nth=(1, 3), after=True),
    "truncate": Fault("truncate", method="POST", path="/jobs", nth=(1, 3)),
    "missing-id": Fault("missing-id", method="POST", path="/jobs", nth=(1, 3)),
    "garbage": Fault("garbage", method="POST", path="/jobs", nth=(1, 3)),
}


@pytest.mark.parametrize("fault", LOST)
def test_a_job_whose_answer_was_lost_is_adopted_not_bought_again(connect, fault):
    service, provider = connect(faults=[LOST[fault]])
    job = provider.get_backend().run(TEN[:5], shots=20)
    assert answers(job.result(timeout=20)) == [0, 1, 2, 3, 4]
    assert service.stats().jobs == 5
    assert service.stats().by_route["POST /jobs"] == 5
    assert len(set(job.job_ids())) == 5


@pytest.mark.parametrize("fault", ["503", "reset"])
def test_a_pack_whose_answer_was_lost_is_adopted_whole(connect, fault):
    service, provider = connect(faults=[LOST[fault]])
    job = provider.get_backend().run(TEN, shots=20, circuits_per_job=5)
    assert answers(job.result(timeout=20)) == list(range(10))
    assert service.stats().by_route["POST /jobs"] == 2
    assert len(set(job.job_ids())) == 2


def test_every_answer_lost_still_buys_each_circuit_once(connect):
    service, provider = connect(faults=[Fault("reset", method="POST", path="/jobs", after=True)])
    job = provider.get_backend().run(TEN, shots=20)
    assert answers(job.result(timeout=60)) == list(range(10))
    assert service.stats().by_route["POST /jobs"] == service.stats().jobs == 10


@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1"])
def test_on_any_target_a_lost_answer_costs_no_second_job(connect, target):
    service, provider = connect(
        faults=[Fault("status", status=504, method="POST", path="/jobs", after=True, nth=2)]
    )
    job = provider.get_backend(target).run(TEN[:3], shots=20)
    assert all(entry.success for entry in job.result(timeout=20).results)
    assert service.stats().jobs == 3


# ── a submission that was refused before it was handled ──


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=429, retry_after=0.1, method="POST", path="/jobs", nth=(1, 2)),
        Fault("status", status=429, method="POST", path="/jobs", nth=(1, 2)),
    ],
    ids=["said", "unsaid"],
)
def test_429_is_waited_out_and_sent_again(connect, fault):
    service, provider = connect(faults=[fault])
    begun = time.monotonic()
    job = provider.get_backend().run(TEN[:4], shots=20)
    assert answers(job.result(timeout=20)) == [0, 1, 2, 3]
    assert service.stats().jobs == 4
    assert service.stats().rejected_429 >= 1
    assert time.monotonic() - begun >= (fault.retry_after or 0)


def test_a_rate_limit_of_the_service_slows_down_and_loses_nothing(connect):
    service, provider = connect(rate_limit=40, burst=10)
    job = provider.get_backend().run(TEN, shots=20)
    assert answers(job.result(timeout=20)) == list(range(10))
    assert service.stats().rejected_429 >= 1
    assert service.stats().jobs == 10


@pytest.mark.parametrize("fault", ["status", "reset"])
def test_a_submission_lost_before_it_was_handled_ends_as_exactly_one_job(connect, fault, monkeypatch):
    monkeypatch.setattr(Doubt, "APART", 0.1)
    monkeypatch.setattr(Doubt, "about", lambda token, lost_at, target: Doubt(token, lost_at, settle=0.1))
    service, provider = connect(faults=[Fault(fault, method="POST", path="/jobs", nth=2)])
    job = provider.get_backend().run(TEN[:4], shots=20)
    assert answers(job.result(timeout=30)) == [0, 1, 2, 3]
    assert service.stats().jobs == 4
    assert service.stats().by_route["POST /jobs"] == 5


def test_with_on_unknown_never_a_lost_submission_is_told_and_not_sent_again(connect, monkeypatch):
    monkeypatch.setattr(Doubt, "APART", 0.1)
    monkeypatch.setattr(Doubt, "about", lambda token, lost_at, target: Doubt(token, lost_at, settle=0.1))
    service, provider = connect(faults=[Fault("reset", method="POST", path="/jobs", nth=1)])
    job = provider.get_backend().run(TEN[:4], shots=20, on_unknown="never")
    result = job.result(timeout=30, partial=True)
    (lost,) = job.errors()
    assert isinstance(job.errors()[lost], SubmissionUnknownError)
    assert job.errors()[lost].token in str(job.errors()[lost])
    assert answers(result) == [None if n == lost else n for n in range(4)]
    assert service.stats().jobs == 3
    assert service.stats().by_route["POST /jobs"] == 4


# ── reads ──


@pytest.mark.parametrize("path", ["/jobs", "/jobs/*/results/*", "/backends"])
@pytest.mark.parametrize(
    "fault", [{"action": "status", "status": 500}, {"action": "status", "status": 503}, {"action": "reset"},
              {"action": "truncate"}, {"action": "garbage"}], ids=lambda f: str(f.get("status", f["action"])),
)  # fmt: skip
def test_a_read_that_fails_is_asked_again(connect, fault, path):
    service, provider = connect(faults=[Fault(**fault, method="GET", path=path, nth=1)])
    job = provider.get_backend().run(TEN[:4], shots=20)
    assert answers(job.result(timeout=20)) == [0, 1, 2, 3]
    assert job.errors() == {}
    assert service.stats().by_route["POST /jobs"] == service.stats().jobs == 4


@pytest.mark.parametrize("per_job", [1, 10])
def test_a_service_with_artifacts_only_gives_the_same_results(connect, per_job):
    circuits = [*TEN, _with_reset()]
    memories = []
    for artifacts_only in (False, True):
        _, provider = connect(artifacts_only=artifacts_only)
        backend = provider.get_backend()
        result = backend.run(
            circuits, shots=30, memory=True, seed_simulator=5, circuits_per_job=per_job
        ).result(timeout=20)
        memories.append([entry.data.memory for entry in result.results])
    assert memories[0] == memories[1]


@pytest.mark.parametrize(
    ("target", "options"), [("simulator", {"noise_model": "aria-1"}), ("qpu.forte-1", {})]
)
def test_artifacts_only_serves_noisy_targets_too(connect, target, options):
    _, provider = connect(artifacts_only=True)
    job = provider.get_backend(target).run([*TEN[:4], _with_reset()], shots=200, memory=True, **options)
    for n, entry in enumerate(job.result(timeout=20).results[:4]):
        assert sum(entry.data.counts.values()) == len(entry.data.memory) == 200
        assert entry.data.counts[hex(n)] > 160


def _with_reset():
    circuit = QuantumCircuit(1, 1, name="reset")
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.reset(0)
    circuit.x(0)
    circuit.measure(0, 0)
    return circuit


# ── one circuit goes wrong ──


@pytest.mark.parametrize("per_job", [1, 5, 10])
def test_one_failing_circuit_leaves_the_others_intact_and_says_why(connect, per_job):
    fault = Fault("fail", name="flips-7", code="QuantumComputerError", message="The laser blinked.")
    _, provider = connect(faults=[fault])
    job = provider.get_backend().run(TEN, shots=20, circuits_per_job=per_job)
    with pytest.raises(
        BatchError, match=r"1 of 10 circuits[\s\S]*circuit 7[\s\S]*The laser blinked"
    ) as caught:
        job.result(timeout=20)

    assert list(caught.value.failures) == list(job.errors()) == [7]
    reason = job.errors()[7]
    assert isinstance(reason, CircuitFailedError)
    assert reason.code == "QuantumComputerError"
    assert "The laser blinked." in str(reason)

    result = job.result(partial=True)
    assert answers(result) == [0, 1, 2, 3, 4, 5, 6, None, 8, 9]
    assert answers(caught.value.result) == answers(result)
    assert "The laser blinked." in result.results[7].status
    assert not result.success
    assert job.status() is JobStatus.ERROR
    assert (job.progress().done, job.progress().failed) == (9, 1)
    assert "The laser blinked." in job.error_message()


def test_failures_in_many_places_are_each_told(connect):
    faults = [Fault("fail", name=f"flips-{n}", code=f"Code{n}", message=f"Reason {n}.") for n in (0, 4, 9)]
    _, provider = connect(faults=faults)
    job = provider.get_backend().run(TEN, shots=20, circuits_per_job=3)
    assert answers(job.result(timeout=20, partial=True)) == [None, 1, 2, 3, None, 5, 6, 7, 8, None]
    assert {n: error.code for n, error in job.errors().items()} == {0: "Code0", 4: "Code4", 9: "Code9"}


def test_all_circuits_failing_is_a_result_too(connect):
    _, provider = connect(faults=[Fault("fail", message="Out of ions.")])
    job = provider.get_backend().run(TEN, shots=20)
    with pytest.raises(BatchError, match="10 of 10") as caught:
        job.result(timeout=20)
    assert "Out of ions." in str(caught.value)
    assert answers(job.result(partial=True)) == [None] * 10


@pytest.mark.parametrize("artifacts_only", [False, True])
@pytest.mark.parametrize("per_job", [1, 10])
def test_probabilities_that_do_not_sum_to_one_cost_that_circuit_only(connect, per_job, artifacts_only):
    _, provider = connect(faults=[Fault("scale", name="flips-3", factor=0.9)], artifacts_only=artifacts_only)
    job = provider.get_backend().run(TEN, shots=20, circuits_per_job=per_job)
    with pytest.raises(BatchError, match=r"circuit 3[\s\S]*0\.9"):
        job.result(timeout=20)
    assert list(job.errors()) == [3]
    assert isinstance(job.errors()[3], ResultIntegrityError)
    assert answers(job.result(partial=True)) == [0, 1, 2, None, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("drift", [1e-9, -1e-9, 5e-7])
@pytest.mark.parametrize("noise_model", [None, "forte-1"])
def test_a_tiny_drift_is_harmless(connect, drift, noise_model):
    _, provider = connect(faults=[Fault("scale", factor=1 + drift)])
    job = provider.get_backend().run(TEN, shots=1000, memory=True, noise_model=noise_model)
    for entry in job.result(timeout=20).results:
        assert sum(entry.data.counts.values()) == len(entry.data.memory) == 1000


@pytest.mark.parametrize("seed", range(2))
def test_on_a_day_when_everything_may_fail_each_circuit_is_still_bought_once(connect, seed):
    faults = [
        Fault("reset", method="POST", path="/jobs", probability=0.2, after=True),
        Fault("status", status=503, method="POST", path="/jobs", probability=0.1, after=True),
        Fault("status", status=429, retry_after=0.05, probability=0.1),
        Fault("truncate", method="GET", probability=0.05),
        Fault("status", status=500, method="GET", probability=0.1),
    ]
    service, provider = connect(seed=seed, faults=faults)
    job = provider.get_backend().run(TEN * 2, shots=20)
    assert answers(job.result(timeout=40)) == list(range(10)) * 2
    assert service.stats().jobs == 20
