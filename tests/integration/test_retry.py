# SPDX-License-Identifier: Apache-2.0
"""What failed by no fault of its own is executed again as a new job; and where each result came from."""

from __future__ import annotations

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.conductor import fetching, watching
from qiskit_parallel_ionq.emulator import Fault, LocalIonQ
from qiskit_parallel_ionq.emulator.faults import FaultScript
from qiskit_parallel_ionq.errors import CircuitFailedError, JobError, OptionError


def numbered(number):
    circuit = QuantumCircuit(4, 4, name=f"number {number}", metadata={"mine": number})
    for bit in range(4):
        if number >> bit & 1:
            circuit.x(bit)
    circuit.measure(range(4), range(4))
    return circuit


CIRCUITS = [numbered(k) for k in range(6)]


def failing(name, code="InternalError", times=1):
    return Fault("fail", name=name, code=code, message="because", times=times)


def outcomes(result):
    return [int(next(iter(entry.data.counts)), 16) if entry.success else None for entry in result.results]


@pytest.fixture
def meet(tmp_path):
    closers = []

    def make(*faults, target=None, recorded=True, **knobs):
        service = LocalIonQ(seed=7, faults=faults, **knobs).start()
        closers.append(service.close)

        def provider():
            if not recorded:
                made = ParallelIonQProvider(service.api_key, service.url)
                made._archive = None
            else:
                made = ParallelIonQProvider(service.api_key, service.url, state_dir=tmp_path / "runs")
            closers.append(made.close)
            return made

        return service, provider

    yield make
    for close in reversed(closers):
        close()


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("per_job", [1, 3])
def test_exactly_the_failed_circuits_are_executed_again(meet, per_job, recorded):
    _, provider = meet(failing("number 4"), recorded=recorded)
    job = provider().get_backend().run(CIRCUITS, shots=10, circuits_per_job=per_job)
    assert outcomes(job.result(partial=True)) == [0, 1, 2, 3, None, 5]
    again = job.retry()
    assert outcomes(again.result(timeout=20)) == [0, 1, 2, 3, 4, 5]
    assert again.job_id() == f"{job.job_id()}.1"
    assert again.report()[4].token == f"1.{job.job_id()}.4.1"
    assert [a == b for a, b in zip(again.job_ids(), job.job_ids(), strict=True)] == [True] * 4 + [False, True]
    assert [entry.header["metadata"] for entry in again.result().results] == [{"mine": k} for k in range(6)]
    assert outcomes(job.result(partial=True))[4] is None  # what was final stays so


def test_a_retry_is_found_again_by_another_process_with_all_its_results(meet):
    _, provider = meet(failing("number 2"))
    job = provider().get_backend().run(CIRCUITS, shots=10)
    job.wait(20)
    again = job.retry()
    again.wait(20)
    again.backend().provider.close()
    found = provider().retrieve_job(again.job_id())
    assert outcomes(found.result(timeout=20)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("per_job", [1, 3])
def test_a_run_of_another_process_is_executed_again_as_its_own_would_be(meet, per_job):
    _, provider = meet(failing("number 4"))
    earlier = provider()
    job = earlier.get_backend().run(CIRCUITS, shots=10, circuits_per_job=per_job)
    job.result(partial=True)
    earlier.close()
    again = provider().resume(job.job_id()).retry()
    assert outcomes(again.result(timeout=20)) == [0, 1, 2, 3, 4, 5]
    assert [entry.header["metadata"] for entry in again.result().results] == [{"mine": k} for k in range(6)]


def test_a_second_failure_may_be_retried_too(meet):
    _, provider = meet(failing("number 2", times=2))
    job = provider().get_backend().run(CIRCUITS, shots=10)
    job.wait(20)
    second = job.retry()
    second.wait(20)
    third = second.retry()
    assert third.job_id() == f"{job.job_id()}.2"
    assert outcomes(third.result(timeout=20)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("code", ["CompilationError", "InvalidInput", "TooManyGates", "UnsupportedGate"])
def test_what_would_fail_again_is_not_bought_again(meet, code):
    _, provider = meet(failing("number 2", code=code))
    job = provider().get_backend().run(CIRCUITS, shots=10)
    job.wait(20)
    assert isinstance(job.errors()[2], CircuitFailedError)
    with pytest.raises(JobError, match="none of the 1 circuits"):
        job.retry()


def test_a_pack_that_falls_as_a_whole_is_split_on_demand(meet):
    refusal = Fault("status", method="POST", path="/jobs", status=400, nth=1)
    _, provider = meet(refusal)
    job = provider().get_backend().run(CIRCUITS, shots=10, circuits_per_job=3, max_workers=1)
    assert outcomes(job.result(partial=True)) == [None, None, None, 3, 4, 5]
    with pytest.raises(JobError, match=r"3 fell with their pack, job.retry\(split=True\) runs them alone"):
        job.retry()
    again = job.retry(split=True)
    assert outcomes(again.result(timeout=20)) == [0, 1, 2, 3, 4, 5]
    assert len(set(again.job_ids())) == 4
    assert [row.token for row in again.report()][:3] == [f"1.{job.job_id()}.{k}.1" for k in range(3)]


def test_a_split_leaves_out_the_circuit_that_is_to_blame(meet):
    _, provider = meet(failing("number 1", code="CompilationError"))
    job = provider().get_backend().run(CIRCUITS, shots=10, circuits_per_job=3)
    assert outcomes(job.result(partial=True)) == [0, None, 2, 3, 4, 5]
    with pytest.raises(JobError, match="none of the 1 circuits"):
        job.retry(split=True)


def test_a_retry_on_a_machine_must_be_told_that_it_may_spend(meet):
    _, provider = meet(failing("number 2"))
    job = provider().get_backend("qpu.forte-1").run(CIRCUITS, shots=10)
    job.wait(20)
    with pytest.raises(OptionError, match=r"1 circuits would be run again on qpu.forte-1, which costs money"):
        job.retry()
    assert job.retry(spend=True).wait(20)


def test_a_job_that_is_not_over_cannot_be_retried(meet):
    _, provider = meet(execution_time=0.5)
    job = provider().get_backend().run(CIRCUITS, shots=10)
    with pytest.raises(JobError, match="not over"):
        job.retry()
    job.wait(20)


def test_the_report_says_where_each_result_comes_from(meet):
    _, provider = meet(Fault("reset", method="POST", path="/jobs", nth=2, after=True), failing("number 5"))
    job = provider().get_backend().run(CIRCUITS, shots=10)
    job.wait(20)
    report = job.report()
    assert [row.circuit for row in report] == list(range(6))
    assert [row.job_id for row in report] == job.job_ids()
    assert [row.token for row in report] == [f"1.{job.job_id()}.{k}.0" for k in range(6)]
    lost = [row for row in report if row.setbacks]
    assert len(lost) == 1
    assert lost[0].setbacks[0].startswith("answer lost: ")
    assert lost[0].setbacks[1] == f"found by its token: {lost[0].job_id}"
    assert all(row.posts == 1 and row.shots == 10 and row.sent_at <= row.ended_at for row in report)
    assert report[5].error.startswith("CircuitFailedError: ")
    assert report.records()[5]["status"] == "failed"
    assert "5 done, 1 failed" in str(report)
    assert report._repr_html_().count("<tr>") == 7


def test_a_name_in_the_report_is_no_markup(meet):
    _, provider = meet()
    circuit = numbered(1)
    circuit.name = "<script>"
    job = provider().get_backend().run(circuit, shots=10)
    job.wait(20)
    assert "<script>" not in job.report()._repr_html_()


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1"])
def test_a_second_retry_names_the_first_and_sends_nothing(meet, recorded, target):
    service, provider = meet(failing("number 4"), recorded=recorded)
    first = provider()
    job = first.get_backend(target).run(CIRCUITS, shots=10)
    job.wait()
    again = job.retry(spend=True)
    again.wait()
    before = service.stats().posts
    with pytest.raises(JobError, match=rf"already, as run {job.job_id()}\.1.*retrieve_job") as caught:
        job.retry(spend=True)
    assert "choose another folder" not in str(caught.value)
    if recorded:
        other = provider().resume(job.job_id())
        other.wait()
        with pytest.raises(JobError, match=rf"already, as run {job.job_id()}\.1"):
            other.retry(spend=True)
    assert service.stats().posts == before


def test_a_retry_that_was_refused_before_anything_was_sent_may_be_tried_again(meet, monkeypatch):
    _, provider = meet(failing("number 4"))
    job = provider().get_backend().run(CIRCUITS, shots=10)
    job.wait()
    account = job.backend().provider
    with monkeypatch.context() as patch:
        patch.setattr(account, "_made_api", lambda: 1 / 0)
        account._catalogue.forget()
        with pytest.raises(ZeroDivisionError):
            job.retry()
    assert outcomes(job.retry().result(timeout=20)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("way", ["resume", "retry"])
@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("options", [{}, {"circuits_per_job": 3}, {"circuits_per_job": 3, "memory": True}])
def test_a_paid_result_that_was_refused_is_read_again_and_not_executed_again(
    meet, monkeypatch, way, status, options
):
    for module in (fetching, watching):
        monkeypatch.setattr(module, "BELIEVE_LOSS_AFTER", 0.3)
    paths = ("/jobs/*/results/*", "/jobs/*/artifacts/*")
    service, provider = meet(*(Fault("status", path=path, status=status) for path in paths))
    mine = provider()
    job = mine.get_backend("qpu.forte-1").run(CIRCUITS, shots=10, **options)
    assert job.wait(20)
    assert {error.status for error in job.errors().values()} == {status}
    service._script = FaultScript((), 0)
    again = mine.resume(job.job_id()) if way == "resume" else job.retry()
    assert outcomes(again.result(timeout=20)) == [0, 1, 2, 3, 4, 5]
    assert again.job_ids() == job.job_ids()
    assert again.job_id() == job.job_id()
    assert sum(method == "POST" for method, *_ in service.requests_log) == len(set(job.job_ids()))
