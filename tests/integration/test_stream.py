# SPDX-License-Identifier: Apache-2.0
"""A long iterator as one job: the same results as of a list, while only a window of it is ever held."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref

import pytest
from qiskit import QuantumCircuit
from qiskit.providers import JobStatus

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq import job as job_module
from qiskit_parallel_ionq.batch import Batch
from qiskit_parallel_ionq.emulator import Fault
from qiskit_parallel_ionq.errors import (
    BatchError,
    BudgetError,
    CircuitError,
    CircuitFailedError,
    JobError,
    JobPickleError,
    OptionError,
    ResultTimeoutError,
)
from qiskit_parallel_ionq.job import ParallelIonQJob
from qiskit_parallel_ionq.stream import ParallelIonQStream


def turned(number):
    circuit = QuantumCircuit(2, 2, name=f"turned {number}", metadata={"mine": number})
    circuit.rx(0.05 * number, 0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


class Circuits:
    """An iterator that counts what was taken from it."""

    def __init__(self, count, make=turned):
        self.count, self.make = count, make
        self.taken = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.taken >= self.count:
            raise StopIteration
        self.taken += 1
        return self.make(self.taken - 1)


def failing_after(count):
    """So many circuits, then an error of the user's own."""
    for number in range(count):
        yield turned(number)
    raise ValueError("no more angles")


def counts(entries):
    return [dict(entry.data.counts) for _, entry in entries]


@pytest.mark.parametrize(
    "options", [{}, {"circuits_per_job": "auto"}, {"circuits_per_job": 3}, {"memory": True}]
)
def test_a_stream_gives_what_a_list_gives(backend, options):
    run = {"shots": 50, "seed_simulator": 3, **options}
    listed = backend.run([turned(k) for k in range(50)], **run)
    stream = backend.run(Circuits(50), window=16, **run)
    assert isinstance(stream, ParallelIonQStream)
    entries = list(stream.results_iter(timeout=30))
    assert [index for index, _ in entries] == list(range(50))
    assert counts(entries) == [dict(entry.data.counts) for entry in listed.result().results]
    assert [entry.header["metadata"]["mine"] for _, entry in entries] == list(range(50))
    assert stream.status() is JobStatus.DONE
    assert stream.progress().done == stream.progress().total == 50


def test_a_noisy_stream_gives_what_a_list_gives(backend):
    run = {"shots": 50, "seed_simulator": 3, "noise_model": "forte-1"}
    listed = backend.run([turned(k) for k in range(20)], **run).result()
    stream = backend.run(Circuits(20), window=8, **run)
    assert counts(stream.results_iter(timeout=30)) == [dict(entry.data.counts) for entry in listed.results]


def test_a_short_iterator_is_an_ordinary_job(backend):
    job = backend.run((turned(k) for k in range(5)), shots=10)
    assert isinstance(job, ParallelIonQJob)
    assert len(job.result().results) == 5
    assert len(backend.run(iter([])).result().results) == 0


def test_no_more_is_taken_than_the_window_holds_until_results_are_read(backend):
    source = Circuits(1_000)
    stream = backend.run(source, shots=10, window=32)
    assert source.taken == 32
    reading = stream.results_iter(timeout=30)
    for read in range(1, 200):
        next(reading)
        assert source.taken <= read + 32
    assert source.taken >= 199 + 32 - 4
    stream.cancel()


def test_what_was_read_is_let_go_of(backend):
    stream = backend.run(Circuits(200), shots=10, window=16)
    batches = []
    for index, _ in stream.results_iter(timeout=30):
        assert len(stream.stretches) <= 9
        if index % 20 == 0:
            batches.append(weakref.ref(stream.stretches[0].batch))
    backend.provider.close()
    gc.collect()
    assert sum(ref() is not None for ref in batches) <= 1


def test_results_come_as_they_finish(connect):
    _, provider = connect(faults=[Fault("stall", path="/jobs", method="POST", seconds=0.4, nth=1)])
    backend = provider.get_backend()
    stream = backend.run(Circuits(24), shots=10, window=16)
    order = [index for index, _ in stream.as_completed(timeout=30)]
    assert sorted(order) == list(range(24))
    assert order != sorted(order)


def test_two_readers_share_one_stream_and_nothing_comes_twice(backend):
    stream = backend.run(Circuits(40), shots=10, window=16)
    first, second = stream.results_iter(timeout=30), stream.as_completed(timeout=30)
    seen = [next(first)[0], next(second)[0], next(first)[0], next(second)[0]]
    seen += [index for index, _ in first] + [index for index, _ in second]
    assert sorted(seen) == list(range(40))


def test_a_circuit_that_cannot_run_fails_alone(backend):
    def make(number):
        if number != 13:
            return turned(number)
        wide = QuantumCircuit(99, name="wide")
        wide.measure_all()
        return wide

    stream = backend.run(Circuits(30, make), shots=10, window=16)
    entries = dict(stream.results_iter(timeout=30))
    assert [index for index, entry in entries.items() if not entry.success] == [13]
    assert set(stream.errors()) == {13}
    assert isinstance(stream.errors()[13], CircuitError)
    assert "circuit 13: " in str(stream.errors()[13])
    assert stream.status() is JobStatus.ERROR


def test_a_failed_circuit_is_told_by_its_place_in_the_stream(connect, caplog):
    _, provider = connect(faults=[Fault("fail", name="turned 21", code="InternalError", message="because")])
    stream = provider.get_backend().run(Circuits(30), shots=10, window=16)
    with caplog.at_level("INFO", logger="qiskit_parallel_ionq"), pytest.raises(BatchError) as caught:
        stream.result(timeout=30)
    assert isinstance(caught.value.failures[21], CircuitFailedError)
    assert [entry.success for entry in caught.value.result.results].count(False) == 1
    assert "(circuit_id=21, " in caplog.text
    assert stream.result(partial=True).results[20].success


def test_an_iterator_that_fails_costs_nothing_that_came_before(backend):
    stream = backend.run(failing_after(21), shots=10, window=16)
    seen = []
    with pytest.raises(ValueError, match="no more angles"):
        seen.extend(index for index, _ in stream.results_iter(timeout=30))
    assert len(stream.errors()) == 0
    assert stream.progress().done == 21
    with pytest.raises(ValueError, match="no more angles"):
        next(stream.results_iter(timeout=1))
    assert stream.status() is JobStatus.ERROR


def test_the_error_of_an_iterator_is_raised_each_time_the_result_is_asked_for(backend):
    stream = backend.run(failing_after(21), shots=10, window=16)
    for _ in range(2):
        with pytest.raises(ValueError, match="no more angles"):
            stream.result(timeout=30)
    assert [entry.success for entry in stream.result(partial=True).results] == [True] * 21
    with pytest.raises(ValueError, match="no more angles"):
        stream.result()
    seen = []
    with pytest.raises(ValueError, match="no more angles"):
        seen.extend(index for index, _ in stream.results_iter(timeout=30))
    assert seen == list(range(21))


def test_waiting_for_the_final_state_takes_and_sends_everything(connect):
    _, provider = connect(execution_time=0.05)
    source = Circuits(60)
    stream = provider.get_backend().run(source, shots=10, window=16)
    calls = []
    stream.wait_for_final_state(timeout=30, wait=0.02, callback=lambda *told: calls.append(told))
    assert stream.status() is JobStatus.DONE
    assert stream.in_final_state()
    assert source.taken == 60
    assert calls
    assert {job_id for job_id, _, _ in calls} == {stream.job_id()}
    assert [index for index, _ in stream.results_iter(timeout=1)] == list(range(60))


def test_waiting_never_has_more_than_the_window_under_way(connect, monkeypatch):
    service, provider = connect(execution_time=0.05)
    stream = provider.get_backend().run(Circuits(80), shots=10, window=16)
    most = []
    feed = stream._feed

    def watched(held):
        feed(held)
        most.append(stream.progress().total - stream.progress().finished)

    monkeypatch.setattr(stream, "_feed", watched)
    assert stream.wait(timeout=30)
    assert 0 < max(most) <= 16
    assert service.stats().jobs == 80


def test_waiting_for_the_final_state_keeps_its_deadline(connect):
    _, provider = connect(execution_time=30)
    stream = provider.get_backend().run(Circuits(60), shots=10, window=16)
    with pytest.raises(ResultTimeoutError, match="Nothing was cancelled"):
        stream.wait_for_final_state(timeout=0.1, wait=0.03)
    assert not stream.in_final_state()
    stream.cancel()


def test_results_that_were_waited_for_come_in_input_order(connect):
    _, provider = connect(faults=[Fault("stall", path="/jobs", method="POST", seconds=0.4, nth=1)])
    stream = provider.get_backend().run(Circuits(24), shots=10, window=16)
    assert stream.wait(timeout=30)
    assert [index for index, _ in stream.results_iter(timeout=1)] == list(range(24))


def test_one_thread_waits_while_another_reads(backend):
    stream = backend.run(Circuits(200), shots=10, window=16)
    read = []

    def reader():
        read.extend(index for index, _ in stream.results_iter(timeout=30))

    thread = threading.Thread(target=reader)
    thread.start()
    stream.wait_for_final_state(timeout=30, wait=0.05)
    thread.join(30)
    assert read == list(range(200))
    assert stream.status() is JobStatus.DONE


def test_two_threads_that_read_get_each_result_once(backend):
    stream = backend.run(Circuits(200), shots=10, window=16)
    read = []

    def reader():
        read.extend(index for index, _ in stream.as_completed(timeout=30))

    threads = [threading.Thread(target=reader) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(read) == list(range(200))


def test_an_iterator_that_fails_at_once_is_told_at_once_and_nothing_is_sent(connect):
    service, provider = connect()

    with pytest.raises(ValueError, match="no more angles"):
        provider.get_backend().run(failing_after(1), shots=10)
    assert service.stats().jobs == 0


def test_the_whole_is_one_result_where_it_fits(backend):
    stream = backend.run(Circuits(30), shots=10, window=16)
    result = stream.result(timeout=30)
    assert [entry.header["name"] for entry in result.results] == [f"turned {k}" for k in range(30)]
    assert result.job_id == stream.job_id()
    assert stream.result() is result


@pytest.mark.parametrize("source", [lambda: Circuits(30), lambda: [turned(k) for k in range(30)]])
def test_a_result_that_does_not_fit_is_refused_and_can_be_read_one_by_one(backend, monkeypatch, source):
    monkeypatch.setattr(job_module, "LARGEST_RESULT", 10_000)
    job = backend.run(source(), shots=10, window=16)
    with pytest.raises(JobError, match=r"read them one by one with results_iter\(\)"):
        job.result(timeout=30)
    assert sorted(index for index, _ in job.results_iter(timeout=30)) == list(range(30))


def test_what_was_read_one_by_one_is_no_whole_any_more(backend):
    stream = backend.run(Circuits(30), shots=10, window=16)
    next(stream.results_iter(timeout=30))
    with pytest.raises(JobError, match=r"1 results of stream .* were read one by one"):
        stream.result(timeout=30)
    assert len(list(stream.results_iter())) == 29


def test_a_deadline_is_a_deadline_and_loses_nothing(connect):
    _, provider = connect(execution_time=3.0)
    stream = provider.get_backend().run(Circuits(20), shots=10, window=16)
    with pytest.raises(ResultTimeoutError, match="Nothing was cancelled"):
        next(stream.results_iter(timeout=0.05))
    assert stream.wait(timeout=0.05) is False
    assert stream.wait(timeout=30) is True
    assert [index for index, _ in stream.results_iter()] != []


def test_cancelling_takes_no_more_circuits(connect):
    _, provider = connect(execution_time=30)
    source = Circuits(1_000)
    stream = provider.get_backend().run(source, shots=10, window=16)
    assert stream.cancel() is True
    entries = list(stream.results_iter(timeout=30))
    assert len(entries) == source.taken <= 17
    assert not any(entry.success for _, entry in entries)
    assert stream.status() is JobStatus.CANCELLED
    assert stream.cancel() is False


@pytest.mark.parametrize(
    ("on_interrupt", "said"),
    [("detach", "Nothing was cancelled"), ("cancel", "What has no result is cancelled")],
)
def test_ctrl_c_does_of_every_stretch_what_the_run_was_told(connect, monkeypatch, capsys, on_interrupt, said):
    _, provider = connect(execution_time=30)
    source = Circuits(1_000)
    stream = provider.get_backend().run(source, shots=10, window=16, on_interrupt=on_interrupt)
    taken, under_way = source.taken, stream.stretches

    def ctrl_c(self, done, timeout):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Batch, "wait_for", ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            next(stream.results_iter())
    assert capsys.readouterr().err.count(said) == len(under_way)
    assert source.taken == taken


def test_a_stream_keeps_within_the_number_of_jobs_that_it_may_send(connect):
    service, provider = connect()
    stream = provider.get_backend().run(Circuits(60), shots=10, window=16, max_jobs=13)
    seen = []
    with pytest.raises(BudgetError, match="max_jobs"):
        seen.extend(index for index, _ in stream.results_iter(timeout=30))
    assert service.stats().jobs == 12
    assert stream.progress().done == 12


def test_a_stream_keeps_within_its_price(connect):
    service, provider = connect()
    backend = provider.get_backend("qpu.forte-1")
    one = backend.estimate_cost(turned(1), shots=10).total
    stream = backend.run(Circuits(60), shots=10, window=16, max_cost=7.5 * one)
    with pytest.raises(BudgetError, match="max_cost"):
        list(stream.results_iter(timeout=30))
    assert 0 < service.stats().jobs <= 7


def test_shots_of_each_circuit_need_a_list(backend):
    with pytest.raises(OptionError, match="need a list of circuits"):
        backend.run(Circuits(60), shots=[10] * 60, window=16)


def test_a_stream_is_not_pickled(backend):
    stream = backend.run(Circuits(20), shots=10, window=16)
    with pytest.raises(JobPickleError, match="retrieve_job"):
        pickle.dumps(stream)
    stream.wait(30)


def test_each_stretch_is_recorded_and_says_where_it_belongs(connect, tmp_path):
    service, _ = connect()
    with ParallelIonQProvider(service.api_key, service.url, state_dir=tmp_path / "runs") as provider:
        stream = provider.get_backend().run(Circuits(20), shots=10, window=16, seed_simulator=5)
        told = dict(stream.results_iter(timeout=30))
    with ParallelIonQProvider(service.api_key, service.url, state_dir=tmp_path / "runs") as later:
        runs = sorted(
            (run for run in later.jobs() if run.stream == stream.job_id()), key=lambda run: run.first
        )
        assert [run.first for run in runs] == list(range(0, 20, 2))
        for run in runs:
            entries = later.retrieve_job(run.job_id).result(timeout=30).results
            for place, entry in enumerate(entries):
                assert entry.data.counts == told[run.first + place].data.counts
    for journal in (tmp_path / "runs").glob("*"):
        journal.unlink()
    with ParallelIonQProvider(service.api_key, service.url, state_dir=tmp_path / "runs") as later:
        run = runs[3]
        entries = later.retrieve_job(run.job_id).result(timeout=30).results  # from the account alone
        assert entries[1].data.counts == told[run.first + 1].data.counts
