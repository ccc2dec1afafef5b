# SPDX-License-Identifier: Apache-2.0
"""Requests made by other processes: the same, in the same order, whatever becomes of the workers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider, workshop
from qiskit_parallel_ionq.drafts import Draft
from qiskit_parallel_ionq.errors import CompileError, OptionError
from qiskit_parallel_ionq.options import RunOptions
from qiskit_parallel_ionq.workshop import AHEAD, CHUNK, encode_all, require_processes


def turned(number):
    circuit = QuantumCircuit(3, 3, name=f"turned {number}", metadata={"mine": number})
    circuit.ry(0.1 * number, 0)
    circuit.cx(0, 1)
    circuit.rzz(0.2 * number, 1, 2)
    circuit.measure([0, 1, 2], [0, 1, 2])
    return circuit


@pytest.fixture(scope="module")
def pool():
    """Two real processes."""
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.fixture(scope="module")
def backend():
    with ParallelIonQProvider.local(seed=7) as provider:
        yield provider.get_backend()


def drafts(backend, count):
    # At level 2 each circuit is compiled by itself.
    return backend.drafted([turned(k) for k in range(count)], RunOptions(optimization_level=2))


class Instead(Executor):
    """Workers that are played: each piece of work is done when somebody asks for it, by `behave`."""

    def __init__(self, behave=lambda work: work()):
        self.behave, self.sent = behave, 0

    def submit(self, work, /, *arguments, **named):
        self.sent += 1
        future = Future()
        number = self.sent

        def result(timeout=None):
            return self.behave(lambda: work(*arguments, **named)) if number else None

        future.result = result
        return future


def pulled(backend, count, taken):
    for draft in drafts(backend, count):
        taken.append(draft)
        yield draft


def test_processes_make_what_this_thread_makes(backend, pool):
    here = list(encode_all(drafts(backend, 120)))
    there = list(encode_all(drafts(backend, 120), pool))
    assert there == here
    assert [made.header["metadata"] for made in there] == [{"mine": k} for k in range(120)]


def test_a_run_with_processes_gives_what_a_run_without_gives(backend, pool):
    circuits = [turned(k) for k in range(60)]
    here = backend.run(circuits, shots=50, seed_simulator=3, optimization_level=2).result().get_counts()
    assert (
        backend.run(circuits, shots=50, seed_simulator=3, optimization_level=2, executor=pool)
        .result()
        .get_counts()
        == here
    )
    stream = backend.run(
        iter(circuits), shots=50, seed_simulator=3, optimization_level=2, executor=pool, window=64
    )
    assert stream.result(timeout=60).get_counts() == here


def test_the_providers_executor_serves_all_its_backends():
    executor = Instead()
    with ParallelIonQProvider.local(seed=7, executor=executor) as provider:
        backend = provider.get_backend()
        assert backend.run([turned(k) for k in range(30)], shots=10, optimization_level=2).result().success
    assert executor.sent == 2


def test_no_more_chunks_are_out_than_are_needed(backend):
    taken, executor = [], Instead()
    made = encode_all(pulled(backend, (AHEAD + 5) * CHUNK, taken), executor)
    next(made)
    assert len(taken) == AHEAD * CHUNK
    assert len(list(made)) == (AHEAD + 5) * CHUNK - 1


def test_a_circuit_that_cannot_be_compiled_fails_alone(backend, pool):
    some = drafts(backend, 60)
    some[31] = Draft("odd", 1, _broken, lambda: _broken)
    some[32] = Draft("even", 1, _broken, _broken)
    made = list(encode_all(some, pool))
    assert [k for k, each in enumerate(made) if isinstance(each, Exception)] == [31, 32]
    assert [type(made[k]) for k in (31, 32)] == [CompileError] * 2
    assert [str(made[k]).split("'")[1] for k in (31, 32)] == ["odd", "even"]
    assert "no such luck" in str(made[31])


def _broken():
    raise ZeroDivisionError("no such luck")


def _refuse(_work):
    raise RuntimeError("worker lost")


def test_when_workers_are_lost_the_rest_is_made_here_and_that_is_said_once(backend, caplog):
    made = list(encode_all(drafts(backend, 90), Instead(_refuse)))
    assert made == list(encode_all(drafts(backend, 90)))
    assert [record.message for record in caplog.records if "gave up" in record.message] != []
    assert sum("gave up" in record.message for record in caplog.records) == 1


def test_what_a_closed_client_will_never_bring_is_made_here(backend, monkeypatch, caplog):
    class Left(Executor):
        _client = type("Client", (), {"status": "closed"})()

        def submit(self, work, /, *arguments, **named):
            return Future()  # which nobody fills

    monkeypatch.setattr(workshop, "LOOK_EVERY", 0.01)
    assert list(encode_all(drafts(backend, 60), Left())) == list(encode_all(drafts(backend, 60)))
    assert caplog.text.count("its client was closed") == 1
    assert caplog.text.count("gave up (") == 1


def test_work_that_takes_long_is_waited_for(backend, monkeypatch):
    class Slow(Executor):
        def submit(self, work, /, *arguments, **named):
            future = Future()
            threading.Timer(0.1, lambda: future.set_result(work(*arguments, **named))).start()
            return future

    monkeypatch.setattr(workshop, "LOOK_EVERY", 0.01)
    assert list(encode_all(drafts(backend, 30), Slow())) == list(encode_all(drafts(backend, 30)))


def test_what_cannot_be_pickled_is_made_here_and_the_rest_is_not(backend, caplog):
    some, executor = drafts(backend, 3 * CHUNK), Instead()
    some[CHUNK].begin.args[0].metadata = {"odd": Unpicklable()}  # the circuit's
    made = list(encode_all(some, executor))
    assert not any(isinstance(each, Exception) for each in made)
    assert executor.sent == 2
    assert "cannot be pickled" in caplog.text


class Unpicklable:
    """What will not leave."""

    def __reduce__(self):
        raise TypeError("not me")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_worker_costs_nothing(backend, caplog):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        assert executor.submit(os.getpid).result() in executor._processes
        made = encode_all(drafts(backend, 10 * CHUNK), executor)
        first = next(made)
        for process in list(executor._processes):
            os.kill(process, signal.SIGKILL)
        rest = list(made)
    assert [first, *rest] == list(encode_all(drafts(backend, 10 * CHUNK)))


def test_an_executor_that_was_shut_down_is_done_without(backend, caplog):
    executor = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    executor.shutdown()
    assert (
        backend.run([turned(k) for k in range(30)], shots=10, optimization_level=2, executor=executor)
        .result()
        .success
    )
    assert "compiled in this process instead" in caplog.text


def test_a_worker_of_another_version_makes_nothing(backend, monkeypatch, caplog):
    monkeypatch.setattr(workshop, "_make", partial(_as_of_old, workshop._make))
    made = list(encode_all(drafts(backend, 60), Instead()))
    assert made == list(encode_all(drafts(backend, 60)))
    assert "a worker has qiskit-parallel-ionq" in caplog.text


def _as_of_old(make, works, versions):
    return make(works, versions.replace("qiskit 2", "qiskit 1"))


class Later(Executor):
    """Workers whose work is done when it is told."""

    def __init__(self):
        self.out = []

    def submit(self, work, /, *arguments, **named):
        self.out.append((Future(), partial(work, *arguments, **named)))
        return self.out[-1][0]

    def finish(self, number):
        future, work = self.out[number]
        future.set_result(work())


def test_what_is_ready_is_given_before_more_is_taken(backend):
    taken, later = [], Later()

    def pull():
        for draft in drafts(backend, 6 * CHUNK):
            taken.append(draft)
            yield draft
            if len(taken) == 3 * CHUNK:
                later.finish(1)  # not its turn
                later.finish(0)

    made = encode_all(pull(), later)
    first = [next(made) for _ in range(2 * CHUNK)]
    assert len(taken) == 3 * CHUNK + 1
    assert first == list(encode_all(drafts(backend, 2 * CHUNK)))


def test_an_interrupt_leaves_nothing_waiting_in_the_executor(backend):
    later = Later()

    def pull():
        yield from drafts(backend, 3 * CHUNK)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(encode_all(pull(), later))
    assert [future.cancelled() for future, _ in later.out] == [True] * 3


def test_threads_are_refused_before_anything_is_sent(backend):
    with ThreadPoolExecutor(2) as threads:
        with pytest.raises(OptionError, match="not safe in threads"):
            backend.run(turned(1), executor=threads)
        with pytest.raises(OptionError, match="not safe in threads"):
            ParallelIonQProvider.local(executor=threads)
    with pytest.raises(OptionError, match=r"must be a concurrent\.futures\.Executor"):
        backend.run(turned(1), executor=2)


@pytest.mark.parametrize(("threads", "is_refused"), [(1, False), (4, True)])
def test_dask_workers_must_have_one_thread_each(threads, is_refused):
    executor = Instead()
    executor._client = type("Client", (), {"nthreads": lambda self: {"tcp://1": 1, "tcp://2": threads}})()
    if is_refused:
        with pytest.raises(OptionError, match="4 threads to a worker"):
            require_processes(executor)
    else:
        require_processes(executor)


def test_dask_workers_must_not_be_threads_of_this_process():
    executor = Instead()
    executor._client = type("Client", (), {"nthreads": lambda self: {"inproc://10.0.0.1/1": 1}})()
    with pytest.raises(OptionError, match="processes=True"):
        require_processes(executor)
