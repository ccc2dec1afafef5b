# SPDX-License-Identifier: Apache-2.0
"""The shipped client in virtual time, under adversaries and through deaths; the short form of what
``python -m tests.harness`` does at length.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from .adversary import INSIDE, OUTSIDE, Adversary
from .circuits import several
from .faults import LIST, POST, RESULT, STORED, Fate, Fault, Script, status
from .history import check, tally
from .simulation import World, live

CIRCUITS = several(48)
KIND = Adversary("kind", strike=0.0, unreachable=0.0, late=0.0, lag=0.0, queue=1.0)


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def gave_everything(life):
    handed = {i for record in life.history.journal if record["is"] == "parcel" for i in record["circuits"]}
    return life.history.results == {index: index for index in handed}


def test_on_good_days_each_circuit_is_sent_once_and_comes_home():
    life = live(KIND, 0, CIRCUITS)
    assert life.is_over
    assert life.faults == life.deaths == 0
    assert check(life.history) == []
    assert gave_everything(life)
    assert sum(map(len, life.history.arrivals.values())) == len(CIRCUITS)


@pytest.mark.parametrize("seed", range(4))
def test_within_the_assumption_nothing_is_lost_and_nothing_is_bought_twice(seed):
    life = live(INSIDE, seed, CIRCUITS)
    assert life.is_over
    assert life.faults > 0
    assert check(life.history) == []
    assert gave_everything(life)


@pytest.mark.parametrize("seed", range(20, 32))
def test_nor_when_the_program_dies_three_times_on_the_way(seed):
    life = live(replace(INSIDE, deaths=3), seed, CIRCUITS)
    assert life.is_over
    assert check(life.history) == []
    assert gave_everything(life)


@pytest.mark.parametrize("seed", range(2))
def test_nor_when_circuits_share_jobs(seed):
    life = live(replace(INSIDE, deaths=2, strike=0.3), seed, CIRCUITS, circuits_per_job=5)
    assert life.is_over
    assert check(life.history) == []
    assert gave_everything(life)


@pytest.mark.parametrize("seed", range(3))
def test_a_wrong_clock_on_the_wall_buys_nothing_twice(seed):
    life = live(replace(INSIDE, deaths=2, skew=3600.0), seed, CIRCUITS)
    assert life.is_over
    assert check(life.history) == []


def test_a_clock_that_was_set_back_between_two_lives_keeps_no_doubt_open():
    script = Script(plan={POST: {30: status(503)}})
    with World(replace(KIND, skew=1.0), 0, script) as world:
        client = world.client()
        client.skew = 3600.0
        client.run(CIRCUITS)
        world.until(lambda: world.service.fate.struck == 1)
        world.pass_time(1.0)
        client.bury(power_cut=False, die=world.die)
        client = world.client()
        client.skew = -3600.0
        get_job = client.resume()
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert check(history) == []
    assert history.results == {index: index for index in range(len(CIRCUITS))}


@pytest.mark.parametrize("seed", range(6))
def test_outside_the_assumption_a_twin_is_never_silent(seed):
    life = live(replace(OUTSIDE, deaths=2, strike=0.3), seed, CIRCUITS)
    assert life.is_over
    assert {violation.rule for violation in check(life.history)} <= {"once"}


@pytest.mark.parametrize("seed", range(4))
def test_with_never_nothing_is_bought_twice_however_late_things_come(seed):
    adversary = replace(OUTSIDE, deaths=2, strike=0.3, late=5000.0, lag=2000.0)
    life = live(adversary, seed, CIRCUITS, on_unknown="never")
    assert life.is_over
    assert check(life.history) == []
    assert set(life.history.errors.values()) <= {"SubmissionUnknownError", "NotSentError"}


def test_a_run_that_is_cancelled_while_an_answer_is_in_doubt_keeps_a_listing_planned():
    script = Script(plan={POST: {1: Fault("reset", after=True)}, STORED: {1: Fault("hidden", seconds=20.0)}})
    with World(replace(KIND, queue=1000.0), 0, script) as world:
        client = world.client()
        get_job = client.run(CIRCUITS[:3])
        world.pass_time(2.0)
        get_job().cancel(include_running=True)
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert check(history) == []
    assert set(history.errors.values()) == {"CircuitCancelledError"}
    assert all(jobs == [] for jobs in history.charged.values())


def test_the_simulation_can_tell_a_client_that_does_not_wait(monkeypatch):
    # Without time to settle, what comes late is bought again: the worlds above are bad enough to show it.
    from qiskit_parallel_ionq.reconcile import Doubt

    monkeypatch.setattr(
        Doubt, "about", classmethod(lambda cls, token, lost_at, target: cls(token, lost_at, settle=1.0))
    )
    lives = [live(replace(INSIDE, strike=0.3), seed, CIRCUITS) for seed in range(3)]
    assert sum(tally(life.history).duplicated + tally(life.history).twins_cancelled for life in lives) > 0


def test_the_same_seed_tells_the_same_story():
    def story():
        with World(replace(INSIDE, strike=0.3), 5) as world:
            client = world.client()
            get_job = client.run(CIRCUITS)
            world.until(lambda: client.is_done(get_job))
            return [(r["is"], r["at"], r.get("fault"), r.get("path"), r.get("id")) for r in world.log]

    assert story() == story()


def test_a_result_that_was_lost_on_disk_is_fetched_again_as_often_as_need_be():
    with World(KIND, 0) as world:
        client = world.client()
        get_job = client.run(CIRCUITS[:3])
        world.until(lambda: client.is_done(get_job))
        for _ in range(2):
            client.bury(power_cut=False, die=world.die)
            next(world.folder.glob("*.results")).unlink()
            client = world.client()
            get_job = client.resume()
            assert world.until(lambda: client.is_done(get_job))  # noqa: B023 - called at once
            assert world.history(get_job()).results == {0: 0, 1: 1, 2: 2}


@pytest.mark.parametrize(
    "at_the_end",
    [
        pytest.param({}, id="a listing that can be read"),
        pytest.param(
            {LIST: {1: status(503)}},
            id="a listing that fails once",
        ),
        pytest.param(
            {LIST: {1: Fault("stale", seconds=1500.0)}},
            id="a listing that is stale once",
        ),
    ],
)
def test_a_twin_that_comes_to_light_before_the_end_is_on_record(at_the_end):
    # The first job is stored and not listed for longer than a machine is given to settle.
    hidden = Fault("hidden", seconds=1700.0)
    script = Script(plan={POST: {1: Fault("reset", after=True)}, STORED: {1: hidden}})
    with World(replace(KIND, queue=2000.0), 0, script) as world:
        client = world.client()
        get_job = client.run(CIRCUITS[:2])
        world.pass_time(1750.0)
        world.service.fate = Fate(Script(plan=at_the_end))
        assert world.until(lambda: client.is_done(get_job))
        world.pass_time(100.0)
        history = world.history(get_job())
    assert [len(jobs) for jobs in history.stored.values()] == [2, 1]
    assert "told" not in {violation.rule for violation in check(history)}


@pytest.mark.parametrize("code", [307, 400, 403, 404])
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="single"),
        pytest.param({"circuits_per_job": 3}, id="pack"),
        pytest.param(
            {"circuits_per_job": 3, "memory": True},
            id="pack read by child",
        ),
    ],
)
def test_one_refused_read_costs_no_result(code, options):
    with World(KIND, 0, Script(plan={RESULT: {1: status(code), 3: status(code)}})) as world:
        client = world.client()
        get_job = client.run(CIRCUITS[:3], **options)
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert history.results == {0: 0, 1: 1, 2: 2}


def test_a_death_in_the_middle_of_a_submission_leaves_a_doubt_and_no_second_job():
    # the job is stored half a minute after the connection broke, and the program died meanwhile
    script = Script(plan={POST: {1: Fault("late", seconds=30.0)}})
    with World(KIND, 0, script) as world:
        client = world.client()
        client.run(CIRCUITS[:1])
        world.until(lambda: world.service.fate.struck == 1)
        client.bury(power_cut=True, die=world.die)
        client = world.client()
        get_job = client.resume()
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert check(history) == []
    assert history.results == {0: 0}
    assert [line["is"] for line in history.told[next(iter(history.stored))]][:4] == [
        "parcel", "sent", "lost", "found",
    ]  # fmt: skip
