# SPDX-License-Identifier: Apache-2.0
"""What the gate costs and saves, in virtual time: limits, outages, turns, several loops."""

from __future__ import annotations

import gc
import itertools
import logging
import threading
import time

import pytest

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.conductor import Loop, SharedGate, gate_of
from qiskit_parallel_ionq.conductor import gate as gate_module
from qiskit_parallel_ionq.conductor.loop import Lane, Order, Task
from qiskit_parallel_ionq.credentials import Secret
from qiskit_parallel_ionq.policy import Kind
from qiskit_parallel_ionq.worker import Report

ROUND_TRIP = 0.15
JOB = ROUND_TRIP + 0.5 + ROUND_TRIP
"""Seconds of one job alone: its submission, its execution, its result."""


def gate_log(caplog) -> list[logging.LogRecord]:
    """Return what was logged about the gate."""
    return [r for r in caplog.records if r.name == "qiskit_parallel_ionq" and "service" in r.getMessage()]


# ── a limited rate ──


@pytest.mark.parametrize("limits_reads", [False, True], ids=["submissions limited", "all limited"])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_rate_limit_costs_one_request_in_twenty_and_five_percent_of_time_at_most(
    simulation, limits_reads, seed
):
    run = simulation(rate=10.0, burst=20, limits_reads=limits_reads, seed=seed)
    batch = run.run(1000, max_workers=64)
    assert not batch.errors
    assert len(batch.outcomes) == len(run.ionq.jobs_stored) == 1000
    needed = len(run.ionq.log) - run.ionq.pushed_back()
    limited = needed if limits_reads else 1000
    assert run.ionq.pushed_back() <= 0.05 * len(run.ionq.log)
    assert run.time.now <= 1.05 * ((limited - 20) / 10.0 + JOB)
    assert not limits_reads or needed <= 2.1 * 1000


@pytest.mark.parametrize("limits_reads", [False, True], ids=["submissions limited", "all limited"])
def test_a_short_run_meets_few_429s(simulation, assert_right, limits_reads):
    run = simulation(rate=20.0, burst=20, limits_reads=limits_reads)
    assert_right(run.run(100, max_workers=32))
    assert run.ionq.pushed_back() <= 50  # 12 of which the first wave of 32 cannot but meet
    assert run.time.now <= 1.2 * ((len(run.ionq.log) - run.ionq.pushed_back() - 20) / 20.0 + JOB)


@pytest.mark.parametrize("round_trip", [0.02, 0.5])
@pytest.mark.parametrize(("rate", "burst"), [(2.0, 5), (10.0, 1), (50.0, 20)])
def test_other_limits_are_found_too(simulation, rate, burst, round_trip):
    run = simulation(rate=rate, burst=burst, limits_reads=False, round_trip=round_trip)
    batch = run.run(600, max_workers=64)
    assert not batch.errors
    assert run.ionq.pushed_back("POST") <= 0.2 * 600
    assert run.time.now <= 1.6 * ((600 - burst) / rate + 0.5 + 2 * round_trip)


def test_a_second_run_knows_the_limit(simulation):
    run = simulation(rate=10.0, burst=20)
    run.run(200, max_workers=64)
    before = run.ionq.pushed_back()
    run.run(200, max_workers=64)
    assert run.ionq.pushed_back() - before <= 10


def test_a_limit_is_said_once_and_its_end_is_said_once(simulation, caplog):
    caplog.set_level(logging.INFO)
    run = simulation(rate=10.0, burst=20)
    run.run(300, max_workers=64)
    assert run.ionq.pushed_back() > 40
    (closed,) = gate_log(caplog)
    assert closed.levelno == logging.WARNING
    assert "429" in closed.getMessage()
    assert "submissions a second" in closed.getMessage()
    caplog.clear()
    run.ionq.rate = None
    run.time.now += 3600.0
    run.run(10)
    (opened,) = gate_log(caplog)
    assert opened.levelno == logging.INFO
    assert "freely" in opened.getMessage()


def test_a_run_that_meets_no_limit_says_nothing(simulation, caplog):
    caplog.set_level(logging.INFO)
    simulation().run(100)
    assert gate_log(caplog) == []


# ── outages ──


def outage(run, begin, end, post, get):
    def fault(what):
        return lambda: what if begin <= run.ionq.now < end else None

    run.ionq.post_faults, run.ionq.get_faults = fault(post), fault(get)
    return lambda since, until: [at for at, *_ in run.ionq.log if since <= at < until]


@pytest.mark.parametrize(("post", "get"), [("not sent", 503), (503, "lost"), ("not sent", "lost")])
def test_an_outage_is_probed_by_single_requests_and_ends_soon(simulation, post, get):
    run = simulation()
    sent = outage(run, 1.0, 51.0, post, get)
    batch = run.run(400, max_workers=64)
    assert not batch.errors
    assert run.ionq.stored_twice() == {}
    assert len(sent(1.0, 3.0)) <= 64 + 5  # what was under way when it began
    assert len(sent(3.0, 51.0)) <= 2 * 48 / 10
    (first, *_) = sent(51.0, 1e9)
    assert first <= 51.0 + 15.0 * 1.1 + ROUND_TRIP
    assert len(sent(first, first + 3.0)) >= 64


def test_an_outage_is_said_once_and_its_end_is_said_once(simulation, caplog):
    caplog.set_level(logging.INFO)
    run = simulation()
    outage(run, 1.0, 51.0, "not sent", 503)
    run.run(400, max_workers=64)
    closed, opened = gate_log(caplog)
    assert (closed.levelno, opened.levelno) == (logging.WARNING, logging.INFO)
    assert "5 requests in a row failed" in closed.getMessage()
    assert "answers again after" in opened.getMessage()


@pytest.mark.parametrize(("share", "seconds", "failed"), [(0.1, 60.0, 0.1), (0.3, 180.0, 0.2)])
def test_reads_that_fail_now_and_then_slow_a_run_and_lose_nothing(
    simulation, random_faults, share, seconds, failed
):
    run = simulation()
    run.ionq.get_faults = random_faults(503, share)
    batch = run.run(1000)
    assert not batch.errors
    assert run.time.now <= seconds  # 30 s without a failure
    assert sum(fault == 503 for *_, fault in run.ionq.log) <= failed * len(run.ionq.log)


def test_a_cancellation_does_not_wait_for_a_long_retry_after(simulation):
    run = simulation(execution=300.0)
    batch = run.send(5)
    run.finish(batch, until=100.0)
    run.ionq.get_faults = [(429, 500)]
    run.loop.at(200.0, lambda: run.conductor.cancel(batch, include_running=True))
    run.finish(batch)
    (asked_at,) = [at for at, method, *_ in run.ionq.log if method == "PUT"]
    assert 200.0 <= asked_at <= 210.0
    assert run.time.now < 250.0
    assert sum(at > 200.0 for at, *_ in run.ionq.log) <= 5


# ── turns ──


def fetched_at(run) -> list[float]:
    """Return when each result came."""
    return [at for at, method, path, fault in run.ionq.log if "/results/" in path and fault is None]


def posts_at(run) -> list[float]:
    return [at for at, method, *_ in run.ionq.log if method == "POST"]


def test_results_of_a_long_run_come_home_while_it_is_still_being_sent(simulation):
    run = simulation()
    run.run(1000)
    last_post = posts_at(run)[-1]
    assert sum(at < last_post for at in fetched_at(run)) >= 200
    assert fetched_at(run)[0] < 4.0


def test_a_limited_long_run_has_results_early_too(simulation):
    run = simulation(rate=10.0, burst=20)
    run.run(400, max_workers=64)
    assert fetched_at(run)[0] < 15.0
    assert sum(at < posts_at(run)[-1] for at in fetched_at(run)) >= 80


def test_submissions_of_a_short_run_go_first(simulation):
    run = simulation(execution=0.05)
    run.run(60)
    waves = 60 // 10
    assert posts_at(run)[-1] <= waves * ROUND_TRIP


def test_reads_do_not_cost_a_long_run_time(simulation):
    run = simulation()
    run.run(1000)
    assert run.time.now <= 1.1 * 2 * 100 * ROUND_TRIP


def test_a_short_batch_is_not_kept_waiting_by_a_long_one(simulation):
    run = simulation(rate=20.0, burst=20)
    long = run.send(1000, max_workers=64)
    run.finish(long, until=5.0)
    began = run.time.now
    short = run.send(20, max_workers=64)
    run.finish(short)
    assert run.time.now - began <= 6.0  # of 20 a second, half are its own
    assert not long.is_over


def test_batches_have_equal_shares_of_a_narrow_gate(simulation):
    run = simulation()
    run.loop._gate._gate = run.loop._gate._gate.__class__(ceiling=4, width=4.0)
    batches = [run.send(100) for _ in range(4)]
    for batch in batches:
        run.finish(batch)
    ends = [max(s.ended_at for s in batch.submissions) for batch in batches]
    assert max(ends) - min(ends) <= 0.1 * max(ends)


# ── several loops of one account ──

URL, KEY = "https://api.ionq.co/v0.4", "canary-0123456789abcdef"


def test_providers_of_one_account_share_a_gate_and_others_do_not():
    def gate(key, url=None):
        provider = ParallelIonQProvider(key, url)
        return provider, provider.conductor().loop._gate

    one, same, other_key, other_url = gate(KEY), gate(KEY), gate(KEY + "0"), gate(KEY, "https://ionq.example")
    assert one[1] is same[1]
    assert len({id(g) for _, g in (one, other_key, other_url)}) == 3


def test_a_gate_lives_as_long_as_somebody_keeps_it_and_the_key_is_not_kept():
    key = Secret(KEY + "mine")
    gate = gate_of(URL, key)
    assert gate_of(URL, key) is gate
    kept = [account for account, known in gate_module._GATES.items() if known is gate]
    assert len(kept) == 1
    assert KEY not in repr(kept)
    assert KEY.encode() not in kept[0][2]
    del gate
    gc.collect()
    assert kept[0] not in gate_module._GATES


def test_a_forked_process_has_a_gate_of_its_own(monkeypatch):
    gate = gate_of(URL, Secret(KEY))
    monkeypatch.setattr(gate_module.os, "getpid", lambda: -1)
    assert gate_of(URL, Secret(KEY)) is not gate


@pytest.fixture
def pair(simulation):
    """Return two loops before the same service and the same gate."""

    def make(**service):
        gate = SharedGate()
        one = simulation(gate=gate, **service)
        return one, simulation(gate=gate, beside=one, seed=1)

    return make


def test_two_loops_of_an_account_keep_to_one_limit_and_get_equal_shares(pair):
    one, two = pair(rate=10.0, burst=20)
    ours, theirs = one.send(300, max_workers=32), two.send(300, max_workers=32)
    one.finish_beside(ours, two, theirs)
    assert not ours.errors
    assert not theirs.errors
    log = one.ionq.log
    needed = len(log) - one.ionq.pushed_back()
    assert one.ionq.pushed_back() <= 64 + 0.05 * len(log)
    assert one.time.now <= 1.05 * ((needed - 20) / 10.0 + JOB)
    ends = [max(s.ended_at for s in batch.submissions) for batch in (ours, theirs)]
    assert min(ends) >= 0.85 * max(ends)


def test_an_outage_is_probed_and_told_once_for_all_loops(pair, caplog):
    caplog.set_level(logging.INFO)
    one, two = pair()
    sent = outage(one, 1.0, 51.0, "not sent", 503)
    ours, theirs = one.send(500, max_workers=32), two.send(500, max_workers=32)
    one.finish_beside(ours, two, theirs)
    assert not ours.errors
    assert not theirs.errors
    assert len(sent(3.0, 51.0)) <= 2 * 48 / 10
    assert len(gate_log(caplog)) == 2


def test_a_retry_after_that_one_loop_was_given_holds_the_other_back(pair):
    one, two = pair()
    one.ionq.post_faults = [(429, 7)]
    ours, theirs = one.send(40), two.send(40)
    one.finish_beside(ours, two, theirs)
    assert [at for at, *_ in one.ionq.log if 0.3 < at < 7.0] == []


def test_a_loop_that_waits_for_the_width_is_woken_and_not_passed_over():
    """Over real threads: two loops with a gate that is narrower than either would like."""
    gate = SharedGate(ceiling=2)
    under_way, most, order = 0, 0, []
    lock, done = threading.Lock(), threading.Semaphore(0)

    def work(who) -> Report:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
            order.append(who)
        time.sleep(0.002)
        with lock:
            under_way -= 1
        return Report()

    loops = [Loop(gate=gate), Loop(gate=gate)]
    for who, loop in enumerate(loops):
        lane = Lane(64)
        for _ in range(60):
            lane.put(Order.FETCH, Task(lambda who=who: work(who), then=lambda _: done.release()))
        loop.post(lambda loop=loop, lane=lane: loop.open_lane(lane))
    for loop in loops:
        loop.start()
    assert all(done.acquire(timeout=30.0) for _ in range(120))
    for loop in loops:
        loop.close()
    assert most == 2
    first = order[: order.index(1 - order[0])]
    assert len(first) < 60
    turns = [len(list(group)) for _, group in itertools.groupby(order[len(first) : 100])]
    assert max(turns) <= 20  # two, as long as the machine has time for both threads


def test_a_loop_that_ends_or_changes_its_mind_lets_the_next_in():
    gate, woken = SharedGate(ceiling=1), []
    first, second = (lambda: woken.append(1)), (lambda: woken.append(2))

    def third() -> None:
        woken.append(3)

    assert gate.enter(third, Kind.READ, 0.0)
    for loop in (first, second):
        assert not gate.enter(loop, Kind.READ, 0.0)
        assert gate.wait(loop, [Kind.READ], 0.0) == float("inf")
    gate.leave(third, Kind.READ, Report(), now=1.0, jitter=0.0)
    assert woken == [1, 2], "the second may pass over the first"
    assert not gate.enter(second, Kind.READ, 1.0), "it is not its turn"
    gate.wait(first, [], 1.0)
    assert woken == [1, 2, 2]
    assert gate.enter(second, Kind.READ, 1.0)


def test_a_task_that_cannot_start_leaves_no_place_taken():
    gate = SharedGate(ceiling=1)
    bugs = []

    def guard(act) -> bool:
        try:
            act()
        except OSError as error:
            bugs.append(str(error))
        return not bugs

    loop, lane = Loop(gate=gate), Lane(1, guard=guard)

    def refuse() -> None:
        raise OSError("no space left on device")

    lane.put(Order.SUBMIT, Task(Report, then=lambda _: None, on_start=refuse))
    loop.open_lane(lane)
    loop.post(lambda: None)
    loop.turn()
    assert bugs == ["no space left on device"]
    assert gate.enter(lambda: None, Kind.SUBMISSION, 0.0)


def test_who_finds_room_between_asking_and_waiting_is_told_to_ask_again():
    gate = SharedGate(ceiling=1)
    one, two = (lambda: None), (lambda: None)
    assert gate.enter(one, Kind.READ, 0.0)
    assert not gate.enter(two, Kind.READ, 0.0)
    gate.leave(one, Kind.READ, Report(), now=0.0, jitter=0.0)
    assert gate.wait(two, [Kind.READ], 0.0) <= 0.0
