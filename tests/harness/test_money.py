# SPDX-License-Identifier: Apache-2.0
"""What may never cost a circuit twice: suspensions, clocks, stuck replicas, unreadable listings, long accounts."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace

import pytest

from . import faults
from .adversary import Adversary
from .circuits import several
from .faults import LIST, POST, RESULT, STORED, Fault, Script, status, unreadable_listings
from .history import check, read_journal
from .simulation import EPOCH, World

KIND = Adversary("kind", strike=0.0, unreachable=0.0, late=0.0, lag=0.0, queue=30.0)
HOUR = 3600.0
READS = frozenset({faults.LIST, faults.LOOK, faults.JOB, faults.RESULT})


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def posts(world):
    """How often each token was sent, as the service counts."""
    return Counter(r["token"] for r in world.log if r["is"] == "request" and r["method"] == "POST")


def stored(world):
    return Counter(r["token"] for r in world.log if r["is"] == "stored")


def listings(world, since=0.0):
    """When pages of the account's listing were asked for."""
    return [
        r["at"] - EPOCH
        for r in world.log
        if r["is"] == "request" and r["path"] == "/jobs" and r["method"] == "GET" and r["at"] - EPOCH >= since
    ]


def resumed(world, client):
    """Bury a program, and have another go on with its run."""
    client.bury(power_cut=False, die=world.die)
    client = world.client()
    return client, client.resume()


# ── a laptop that sleeps ──


@pytest.mark.parametrize("has_boot_clock", [True, False])
@pytest.mark.parametrize("wall_is_set", [0.0, -8 * HOUR], ids=["right", "set back"])
def test_a_suspension_in_the_middle_of_submissions_buys_nothing_twice(has_boot_clock, wall_is_set):
    # The jobs are stored, the lid is closed before the answers are here, and others use the account meanwhile.
    with World(replace(KIND, round_trip=2.0), 0) as world:
        client = world.client()
        client.has_boot_clock = has_boot_clock
        get_job = client.run(several(10))
        assert world.until(lambda: len(stored(world)) == 10)
        client.process.suspend(8 * HOUR)
        now = EPOCH + world.clock.now
        world.service.add_foreign(60, now + 60.0, now + 8 * HOUR)
        client.skew += wall_is_set
        assert world.until(lambda: client.is_done(get_job), patience=20 * HOUR)
        history = world.history(get_job())
    assert set(posts(world).values()) == {1}
    assert check(replace(history, tolerance=1e9)) == []
    assert history.results == {index: index for index in range(10)}


def test_a_suspension_while_answers_are_in_doubt_does_not_shorten_the_wait():
    script = Script(plan={POST: {2: Fault("late", seconds=280.0)}})
    with World(KIND, 0, script) as world:
        client = world.client()
        get_job = client.run(several(4))
        assert world.until(lambda: world.service.fate.struck == 1)
        world.pass_time(20.0)
        client.process.suspend(100.0)
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert check(replace(history, tolerance=1e9)) == []
    assert set(posts(world).values()) == {1}


# ── what was acknowledged ──


@pytest.mark.parametrize("per_job", [1, 5])
def test_what_was_acknowledged_is_never_sent_again_however_long_reads_are_stuck(per_job):
    with World(KIND, 0) as world:
        client = world.client()
        world.service.stuck = [(EPOCH, EPOCH + 10 * HOUR, READS)]
        get_job = client.run(several(20), circuits_per_job=per_job)
        assert world.until(lambda: client.is_done(get_job))
        job = get_job()
        ids = job.job_ids()
        assert set(posts(world).values()) == {1}
        given = [r["id"] for r in world.log if r["is"] == "answered" and "id" in r]
        assert sorted(set(ids)) == sorted(given)
        assert {type(error).__name__ for error in job.errors().values()} == {"SubmissionUnknownError"}
        client, get_job = resumed(world, client)  # still stuck
        world.pass_time(1 * HOUR)
        assert get_job().job_ids() == ids
        world.pass_time(10 * HOUR)
        client, get_job = resumed(world, client)  # and now it is not
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert set(posts(world).values()) == {1}
    assert history.results == {index: index for index in range(20)}


def test_reads_that_are_stuck_for_a_while_cost_time_and_nothing_else():
    with World(KIND, 0) as world:
        client = world.client()
        world.service.stuck = [(EPOCH + 1.0, EPOCH + 1000.0, READS)]
        get_job = client.run(several(12))
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert check(history) == []
    assert history.results == {index: index for index in range(12)}
    assert set(posts(world).values()) == {1}


def test_an_answer_with_an_id_that_cannot_be_used_is_an_acknowledgement_too():
    # Such ids are in listings as well, so that the job cannot be found: it is told, and not sent again.
    script = Script(plan={POST: {1: Fault("wrong id", after=True)}, LIST: {0: Fault("odd ids")}})
    with World(KIND, 0, script) as world:
        client = world.client()
        get_job = client.run(several(3))
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert set(posts(world).values()) == {1}
    assert len(history.results) == 2
    assert list(history.errors.values()) == ["SubmissionUnknownError"]


# ── listings that prove nothing ──


@pytest.mark.parametrize("target", ["qpu.forte-1", "simulator"])
@pytest.mark.parametrize("flaw", unreadable_listings(), ids=str)
@pytest.mark.parametrize("is_new_account", [True, False], ids=["new account", "known account"])
def test_a_listing_that_could_not_show_the_job_never_has_it_sent_again(flaw, is_new_account, target):
    script = Script(plan={POST: {2: Fault("reset", after=True)}, LIST: {0: flaw}})
    with World(KIND, 0, script, is_new_account=is_new_account) as world:
        client = world.client()
        backend = client.provider.get_backend(target)
        get_job = client.do(lambda: backend.run(several(6), shots=4))
        assert world.until(lambda: client.is_done(get_job))
        world.pass_time(HOUR)
        history = world.history(get_job())
    assert set(posts(world).values()) == {1}
    assert set(stored(world).values()) == {1}
    assert {v.rule for v in check(history)} <= {"known"}
    # Half of the rows can be read: perhaps the one that counts is among them.
    assert set(history.errors.values()) <= {"SubmissionUnknownError"}


@pytest.mark.parametrize("fault", [Fault("reset"), Fault("reset", after=True)], ids=str)
def test_the_first_submission_of_an_account_is_not_sent_again_on_the_word_of_an_empty_listing(fault):
    script = Script(plan={POST: {1: fault}, LIST: {0: Fault("no rows")}})
    with World(KIND, 0, script, is_new_account=True) as world:
        client = world.client()
        get_job = client.run(several(1))
        assert world.until(lambda: client.is_done(get_job))
        assert world.clock.now < HOUR
        history = world.history(get_job())
    assert set(posts(world).values()) == {1}
    assert history.errors == {0: "SubmissionUnknownError"}


def test_other_circuits_of_the_run_become_the_witnesses_that_a_new_account_lacks():
    script = Script(plan={POST: {k: Fault("reset") for k in range(1, 6)}})
    with World(KIND, 0, script, is_new_account=True) as world:
        client = world.client()
        get_job = client.run(several(8), max_workers=4)
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert check(history) == []
    assert history.results == {index: index for index in range(8)}


def test_a_submission_is_sent_four_times_at_the_most():
    # The service stores nothing, and says that it may have.
    lost = dict.fromkeys((2, *range(5, 60)), status(503))
    with World(replace(KIND, queue=300.0), 0, Script(plan={POST: lost})) as world:
        client = world.client()
        get_job = client.run(several(4))
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert max(posts(world).values()) == 4
    assert list(history.errors.values()) == ["SubmissionUnknownError"]
    assert check(history) == []


# ── an account with many jobs ──


@pytest.mark.parametrize("fate", ["stored", "not stored"])
def test_after_a_kill_a_long_account_is_read_back_no_further_than_the_run(fate):
    script = Script(plan={POST: {9: Fault("stall", after=fate == "stored")}})
    with World(replace(KIND, queue=400.0), 0, script) as world:
        world.service.add_foreign(6_000, EPOCH - 30 * 24 * HOUR, EPOCH - 1.0)
        client = world.client()
        client.run(several(12), max_workers=2)
        assert world.until(lambda: sum(posts(world).values()) == 12)
        client, get_job = resumed(world, client)
        begun = world.clock.now
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert check(history) == []
    assert history.results == {index: index for index in range(12)}
    assert len(listings(world, begun)) < 60


def test_an_account_that_cannot_be_read_to_its_end_is_given_up_after_few_requests():
    plan = {POST: {2: Fault("reset", after=False)}, LIST: {0: Fault("shuffled")}}
    with World(KIND, 0, Script(plan=plan)) as world:
        world.service.add_foreign(6_000, EPOCH - 30 * 24 * HOUR, EPOCH - 1.0)
        client = world.client()
        get_job = client.run(several(4))
        assert world.until(lambda: client.is_done(get_job))
        asked = listings(world)
        history = world.history(get_job())
    assert list(history.errors.values()) == ["SubmissionUnknownError"]
    assert set(posts(world).values()) == {1}
    assert world.clock.now < 0.5 * HOUR
    assert len(asked) <= 8 * 200


# ── what was paid for and cannot be read for a while ──


@pytest.mark.parametrize("code", [403, 404])
@pytest.mark.parametrize(
    "options",
    [{}, {"circuits_per_job": 3}, {"circuits_per_job": 3, "memory": True}],
    ids=["single", "pack", "pack read by child"],
)
def test_a_paid_result_that_is_refused_for_some_minutes_comes_home(code, options):
    with World(KIND, 0) as world:
        client = world.client()
        world.service.fate = faults.Fate(Script(plan={RESULT: {0: status(code)}}))
        get_job = client.run(several(3), **options)
        world.pass_time(250.0)
        assert not get_job().batch.is_over
        world.service.fate = faults.Fate(Script())
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert check(history) == []
    assert history.results == {0: 0, 1: 1, 2: 2}


@pytest.mark.parametrize("code", [403, 404])
@pytest.mark.parametrize(
    "options",
    [{}, {"circuits_per_job": 3}, {"circuits_per_job": 3, "memory": True}],
    ids=["single", "pack", "pack read by child"],
)
def test_a_paid_result_that_was_given_up_is_collected_later_and_not_bought(code, options):
    with World(KIND, 0) as world:
        client = world.client()
        world.service.fate = faults.Fate(Script(plan={RESULT: {0: status(code)}}))
        get_job = client.run(several(6), **options)
        assert world.until(lambda: client.is_done(get_job))
        job = get_job()
        assert {type(error).__name__ for error in job.errors().values()} <= {
            "PermissionDeniedError",
            "NotFoundError",
        }
        assert len(job.errors()) == 6
        assert [run.is_over for run in client.provider.jobs()] == [False]
        world.service.fate = faults.Fate(Script())
        client, get_job = resumed(world, client)
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
        assert [run.is_over for run in client.provider.jobs()] == [True]
    assert set(posts(world).values()) == {1}
    assert history.results == {index: index for index in range(6)}


def test_a_job_that_vanished_after_it_was_shown_is_looked_for_again():
    with World(replace(KIND, queue=100.0), 0) as world:
        client = world.client()
        get_job = client.run(several(2))
        world.pass_time(50.0)
        world.service.frozen_at = lambda route: EPOCH - 10.0  # a replica from before the run
        assert world.until(lambda: client.is_done(get_job))
        assert len(get_job().errors()) == 2
        del world.service.frozen_at
        client, get_job = resumed(world, client)
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert set(posts(world).values()) == {1}
    assert history.results == {0: 0, 1: 1}


# ── what was stored twice ──

LATE_DUPLICATE = Script(
    plan={POST: {1: Fault("reset", after=True)}, STORED: {1: Fault("hidden", seconds=1700.0)}}
)
"""The first job is stored, and no listing shows it before it is sent again."""


def cancelled(world):
    """Jobs that were cancelled, and the state that they had."""
    return {r["id"]: r["was"] for r in world.log if r["is"] == "canceled"}


def run_with_a_duplicate(world, *, until):
    client = world.client()
    get_job = client.run(several(2))
    assert world.until(lambda: len(stored(world)) == 2 and max(stored(world).values()) == 2)
    assert world.until(until(client, get_job))
    return client, get_job


def lines(world, kind):
    (path,) = world.folder.glob("*.journal")
    return [line for line in read_journal(path.read_bytes()) if line["is"] == kind]


@pytest.mark.parametrize("refusals", [0, 3])
def test_a_duplicate_is_settled_only_once_it_was_seen_cancelled(refusals):
    with World(replace(KIND, queue=3000.0), 0, LATE_DUPLICATE) as world:
        client, get_job = run_with_a_duplicate(world, until=lambda *_: lambda: world.clock.now > 1650.0)
        lost = dict.fromkeys(range(1, refusals + 1), Fault("reset"))
        world.service.fate = faults.Fate(Script(plan={faults.CANCEL: lost}))
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
        told = lines(world, "twin ended")
    assert {v.rule for v in check(history)} == set()
    assert [line["state"] for line in told] == ["canceled"]
    assert set(cancelled(world).values()) == {"ready"}


def test_a_resumed_run_looks_again_at_a_duplicate_whose_cancellation_was_not_seen():
    with World(replace(KIND, queue=6000.0), 0, LATE_DUPLICATE) as world:
        client, _ = run_with_a_duplicate(world, until=lambda *_: lambda: world.clock.now > 1650.0)
        # From now on no cancellation takes effect; the program dies after it has asked for one.
        world.service.fate = faults.Fate(Script(plan={faults.CANCEL: {0: Fault("reset")}}))
        assert world.until(lambda: any(r.get("fault") for r in world.log[-3:]))
        assert cancelled(world) == {}
        world.service.fate = faults.Fate(Script())
        client, get_job = resumed(world, client)
        assert world.until(lambda: client.is_done(get_job))
        history = world.history(get_job())
    assert set(cancelled(world).values()) == {"ready"}
    assert check(history) == []


def test_a_run_that_is_over_is_looked_through_for_duplicates_if_that_was_not_done():
    # The program ends just when its last result is there; the duplicate shows only afterwards.
    hidden = Fault("hidden", seconds=7000.0)
    script = Script(plan={POST: {1: Fault("reset", after=True)}, STORED: {1: hidden}})
    with World(replace(KIND, queue=5000.0), 0, script) as world:
        client, get_job = run_with_a_duplicate(
            world, until=lambda client, job: lambda: job() is not None and job().batch.is_over
        )
        assert lines(world, "over") == []
        client.bury(power_cut=False, die=world.die)
        world.pass_time(1000.0)
        client, get_job = resumed(world, client)
        world.pass_time(60.0)
        assert client.is_done(get_job)
        history = world.history(get_job())
        told = [len(lines(world, kind)) for kind in ("twin", "swept", "over")]
    assert told == [1, 1, 1]
    assert {v.rule for v in check(history)} == {"once"}  # it had run by then, and that is told


def test_a_duplicate_that_could_not_be_cancelled_in_time_is_told():
    with World(replace(KIND, queue=1800.0), 0, LATE_DUPLICATE) as world:
        client, get_job = run_with_a_duplicate(world, until=lambda *_: lambda: world.clock.now > 1650.0)
        world.service.fate = faults.Fate(Script(plan={faults.CANCEL: {0: Fault("reset")}}))
        world.service.habits = replace(world.service.habits, execution=5.0)
        assert world.until(lambda: client.is_done(get_job))
        told = lines(world, "twin ended")
    assert [line["state"] for line in told] in (["started"], ["completed"])
