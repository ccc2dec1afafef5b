# SPDX-License-Identifier: Apache-2.0
"""A pool that runs everything, grows only as far as it must, and keeps nobody from leaving."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading

import pytest

from qiskit_parallel_ionq.conductor.pool import WorkerPool


def gathered(results, count):
    return [results.get(timeout=30) for _ in range(count)]


def test_everything_that_is_handed_in_is_run_once():
    pool, results = WorkerPool(4), queue.SimpleQueue()
    for number in range(200):
        pool.submit(lambda n=number: results.put(n))
    assert sorted(gathered(results, 200)) == list(range(200))
    pool.shutdown()


def test_no_more_threads_work_than_there_shall_be_and_no_fewer_when_all_are_needed():
    pool, entered, leave = WorkerPool(3), queue.SimpleQueue(), threading.Event()

    def work():
        entered.put(threading.current_thread().name)
        leave.wait(5)

    for _ in range(6):
        pool.submit(work)
    assert len(set(gathered(entered, 3))) == 3
    with pytest.raises(queue.Empty):
        entered.get(timeout=0.05)
    leave.set()
    assert len(gathered(entered, 3)) == 3
    pool.shutdown()


def test_a_thread_that_is_idle_is_used_before_another_is_started():
    pool, results = WorkerPool(8), queue.SimpleQueue()
    for _ in range(20):
        pool.submit(lambda: results.put(threading.current_thread().name))
        results.get(timeout=30)
        while not pool._idle._value:  # it counts as idle a moment after its work is done
            threading.Event().wait(0.001)
    assert len(pool._threads) == 1
    pool.shutdown()


def test_threads_are_daemons_and_end_when_they_are_let_go():
    pool, results = WorkerPool(3), queue.SimpleQueue()
    barrier = threading.Barrier(3)
    for _ in range(3):
        pool.submit(lambda: results.put(barrier.wait(5)))
    gathered(results, 3)
    assert all(thread.daemon for thread in pool._threads)
    pool.shutdown()
    for thread in pool._threads:
        thread.join(5)
        assert not thread.is_alive()


def test_without_a_single_thread_the_work_is_refused_and_none_is_lost_later(monkeypatch):
    pool, results = WorkerPool(3), queue.SimpleQueue()
    start = threading.Thread.start

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        pool.submit(lambda: results.put("refused"))
    monkeypatch.setattr(threading.Thread, "start", start)
    pool.submit(lambda: results.put("taken"))
    assert gathered(results, 1) == ["taken"]
    with pytest.raises(queue.Empty):
        results.get(timeout=0.02)
    pool.shutdown()


def test_where_no_second_thread_is_to_be_had_the_first_does_it_all(monkeypatch):
    pool, results, leave = WorkerPool(3), queue.SimpleQueue(), threading.Event()
    pool.submit(lambda: leave.wait(5))

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for number in range(5):
        pool.submit(lambda n=number: results.put(n))
    leave.set()
    assert gathered(results, 5) == [0, 1, 2, 3, 4]
    pool.shutdown()


def test_the_end_of_the_program_waits_for_nobody():
    program = (
        "import threading\n"
        "from qiskit_parallel_ionq.conductor.pool import WorkerPool\n"
        "pool = WorkerPool(2)\n"
        "entered = threading.Event()\n"
        "pool.submit(lambda: (entered.set(), threading.Event().wait(60)))\n"
        "pool.submit(lambda: threading.Event().wait(60))\n"
        "entered.wait(5)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=30, check=False).returncode == 0
