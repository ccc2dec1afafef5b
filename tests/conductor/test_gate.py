# SPDX-License-Identifier: Apache-2.0
"""What the gate costs and saves, in virtual time: limits, outages, several loops, turns."""

from __future__ import annotations

import logging

import pytest

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
    batch = run.run(1000, max_workers=64)
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
    run.run(1000, max_workers=64)
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
