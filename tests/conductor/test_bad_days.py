# SPDX-License-Identifier: Apache-2.0
"""The conductor in virtual time when the network and the service misbehave."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from qiskit.providers import JobStatus

from qiskit_parallel_ionq.errors import (
    AuthenticationError,
    CircuitCancelledError,
    CircuitFailedError,
    DetachedError,
    SubmissionUnknownError,
    TransportError,
    api_error,
)
from qiskit_parallel_ionq.lifecycle import Phase
from qiskit_parallel_ionq.merge import composite_status


@pytest.mark.parametrize("fault", ["503 after store", "lost after store"])
def test_a_job_whose_answer_was_lost_is_adopted_and_not_bought_again(simulation, assert_right, fault):
    run = simulation()
    run.ionq.post_faults = [None, fault, None]
    assert_right(run.run(5))
    assert run.ionq.count("POST") == 5
    assert run.ionq.stored_twice() == {}


@pytest.mark.parametrize("fault", ["503 before store", "lost before store", 500, 504, 520, 302, 409])
def test_a_lost_submission_is_sent_again_only_once_it_is_proven_absent(simulation, assert_right, fault):
    run = simulation()
    run.ionq.post_faults = [None, fault, None]
    assert_right(run.run(5))
    posts = [at for at, method, *_ in run.ionq.log if method == "POST"]
    assert len(posts) == 6
    assert posts[-1] - posts[1] > 10.0 + 5.0  # the simulator's time to settle, and two listings apart
    assert len(run.ionq.jobs_stored) == 5


def test_a_lost_submission_to_a_machine_is_given_five_minutes_to_turn_up(simulation, assert_right):
    run = simulation(execution=20.0)
    run.ionq.post_faults = ["lost before store"]
    assert_right(run.run(3, target="qpu.forte-1"))
    posts = [at for at, method, *_ in run.ionq.log if method == "POST"]
    assert posts[-1] - posts[0] > 300.0


@pytest.mark.parametrize("warm", [False, True], ids=["first run", "bets are placed"])
@pytest.mark.parametrize("per_job", [1, 3])
def test_an_id_that_is_another_jobs_is_found_out_before_its_result_is_believed(
    simulation, assert_right, warm, per_job
):
    run = simulation()
    if warm:
        run.run(12, circuits_per_job=per_job)
    stored = len(run.ionq.jobs_stored)
    run.ionq.post_faults = [None, f"id of job-{stored}"]  # arrives before the first job's own answer
    run.time.delays = [0.3, 0.15]
    assert_right(run.run(6, circuits_per_job=per_job))
    assert run.ionq.stored_twice() == {}
    assert len(run.ionq.jobs_stored) == stored + 6 // per_job


@pytest.mark.parametrize("warm", [False, True], ids=["first run", "bets are placed"])
def test_an_id_that_nobody_knows_is_no_reason_to_give_a_paid_job_up(simulation, assert_right, warm):
    run = simulation()
    if warm:
        run.run(6)
    run.ionq.post_faults = [None, "id of nowhere"]
    assert_right(run.run(6))
    assert run.ionq.stored_twice() == {}


def test_only_the_lost_circuit_waits(simulation):
    run = simulation()
    run.ionq.post_faults = ["lost before store"]
    batch = run.send(5)
    run.finish(batch, until=3.0)
    assert sorted(batch.finished) == [1, 2, 3, 4]


@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1"])
def test_a_cancelled_run_still_finds_out_about_a_submission_whose_answer_was_lost(
    simulation, is_stored, target
):
    run = simulation(execution=3000.0, listing_lag=3.0)
    run.ionq.post_faults = ["lost after store" if is_stored else "lost before store"]
    batch = run.send(2, target=target)
    run.finish(batch, until=2.0)
    assert batch.submissions[0].phase is Phase.UNKNOWN
    run.conductor.cancel(batch, include_running=True)
    run.conductor.detach(batch)
    run.finish(batch, until=2000.0)
    assert batch.is_over
    assert {type(error) for error in batch.errors.values()} == {CircuitCancelledError}
    assert len(run.ionq.jobs_stored) == (2 if is_stored else 1)
    assert all(job.cancelled for job in run.ionq.jobs_stored)


def test_with_never_a_lost_submission_is_reported_with_its_token_and_not_sent_again(simulation, assert_right):
    run = simulation()
    run.ionq.post_faults = ["lost before store"]
    batch = run.run(3, on_unknown="never")
    assert_right(batch, missing=[0])
    error = batch.errors[0]
    assert isinstance(error, SubmissionUnknownError)
    assert error.token == batch.parcels[0].token
    assert error.token in str(error)
    assert run.ionq.count("POST") == 3


def test_with_never_a_job_that_shows_up_is_still_adopted(simulation, assert_right):
    run = simulation(listing_lag=4.0)
    run.ionq.post_faults = ["lost after store"]
    assert_right(run.run(3, on_unknown="never"))


def test_with_resubmit_the_circuit_is_sent_again_at_once(simulation, assert_right):
    run = simulation()
    run.ionq.post_faults = ["lost after store"]
    assert_right(run.run(3, on_unknown="resubmit"))
    assert len(run.ionq.jobs_stored) == 4
    assert run.time.now < 3.0


def test_a_listing_that_lags_behind_proves_nothing(simulation, assert_right):
    run = simulation(listing_lag=45.0)
    run.ionq.post_faults = ["lost after store"]
    assert_right(run.run(5))
    assert run.ionq.stored_twice() == {}


def test_long_listings_are_read_to_the_end(simulation, assert_right):
    run = simulation()
    run.ionq.page_size = 3
    run.ionq.post_faults = ["lost after store"]
    assert_right(run.run(20))
    assert run.ionq.stored_twice() == {}


def test_no_circuit_is_lost_to_a_rate_limit(simulation, assert_right):
    run = simulation(rate=20.0, burst=20)
    assert_right(run.run(100, max_workers=32))
    assert len(run.ionq.jobs_stored) == 100
    refused = sum(isinstance(fault, tuple) for *_, fault in run.ionq.log)
    assert refused <= 0.25 * len(run.ionq.log)


def test_retry_after_holds_everybody_back(simulation, assert_right):
    run = simulation()
    run.ionq.post_faults = [(429, 7)]
    assert_right(run.run(40))
    refused_at = next(at for at, _, _, fault in run.ionq.log if fault == (429, 7))
    between = [at for at, *_ in run.ionq.log if refused_at + 0.2 < at < refused_at + 7.0]
    assert between == []


def test_an_answer_that_does_not_come_does_not_hold_up_the_others(simulation, assert_right):
    run = simulation()
    run.time.delays = [120.0]
    run.ionq.post_faults = [(429, 1)]
    batch = run.send(20)
    run.finish(batch, until=10.0)
    assert sorted(batch.finished) == list(range(1, 20))
    assert_right(run.finish(batch))


def test_looks_that_fell_due_while_the_gate_was_shut_share_a_request(simulation, assert_right):
    run = simulation(execution=lambda k: 0.2 + 0.1 * k, predicts=False)
    batch = run.send(20, max_workers=20)
    run.finish(batch, until=0.4)
    run.ionq.get_faults = [(429, 5)]
    assert_right(run.finish(batch))
    shut_at = next(at for at, _, _, fault in run.ionq.log if fault == (429, 5))
    reopened = [at for at, _, path, _ in run.ionq.log if path == "/jobs?ids" and at > shut_at + 4.9]
    assert len(reopened) == 1


def test_a_wrong_key_is_said_once_and_nothing_more_is_sent(simulation):
    run = simulation()
    run.ionq.post_faults = lambda: 401
    batch = run.run(100)
    assert run.ionq.count("POST") <= 10
    assert len(batch.errors) == 100
    assert len({id(error) for error in batch.errors.values()}) == 1
    assert isinstance(batch.errors[0], AuthenticationError)


@pytest.mark.parametrize("per_job", [1, 4])
@pytest.mark.parametrize("after", [0.05, 0.5, 1.5, 30.0])
def test_a_key_that_is_revoked_after_acceptance_ends_the_watch_soon_and_keeps_the_ids(
    simulation, per_job, after
):
    run = simulation(execution=60.0, predicts=False)
    batch = run.send(8, circuits_per_job=per_job)
    run.finish(batch, until=after)
    accepted = [batch.job_id(index) for index in range(8)]
    run.ionq.get_faults = run.ionq.post_faults = lambda: 401
    run.finish(batch, until=after + 20.0)
    assert batch.is_over
    for index, error in batch.errors.items():
        assert "401" in str(error)
        if accepted[index] is not None:
            assert isinstance(error, DetachedError)
            assert isinstance(error.__cause__, AuthenticationError)
            assert accepted[index] in str(error)
            assert batch.job_id(index) == accepted[index]
    assert len(batch.errors) == 8
    assert composite_status(batch.phases()) in (JobStatus.QUEUED, JobStatus.RUNNING)
    assert run.ionq.stored_twice() == {}


def test_a_doubt_is_not_pursued_with_a_key_that_is_refused(simulation):
    run = simulation(execution=5.0)
    run.ionq.post_faults = ["lost after store"]
    run.ionq.get_faults = lambda: 401
    batch = run.run(1)
    assert run.time.now < 120.0
    assert isinstance(batch.errors[0], DetachedError)
    assert "may be in the service" in str(batch.errors[0])


def test_a_few_refusals_of_the_key_are_survived(simulation, assert_right):
    run = simulation(predicts=False, execution=20.0)
    batch = run.send(20)
    run.finish(batch, until=0.6)
    run.ionq.get_faults = [401, None, 401, 401, None, 401]
    assert_right(run.finish(batch))


def test_after_a_refusal_of_the_account_not_even_what_was_pushed_back_is_sent_again(simulation):
    run = simulation()
    run.ionq.post_faults = [403] + [(429, 1)] * 9
    batch = run.run(40)
    assert run.ionq.count("POST") == 10
    assert len({id(error) for error in batch.errors.values()}) == 1


def test_an_id_that_was_given_before_is_not_believed(simulation, assert_right):
    run = simulation()
    create_job, given = run.ionq.create_job, []

    def repeat_once(body):
        reply = create_job(body)
        given.append(reply)
        return given[0] if len(given) == 2 else reply

    run.ionq.create_job = repeat_once
    assert_right(run.run(5))
    assert run.ionq.stored_twice() == {}


def test_one_refused_look_loses_no_circuit(simulation, assert_right):
    run = simulation(predicts=False, execution=2.0)
    batch = run.send(20)
    run.finish(batch, until=0.6)
    run.ionq.get_faults = [403]
    assert_right(run.finish(batch))


@pytest.mark.parametrize("status", [402, 403])
def test_a_refused_account_keeps_the_results_of_what_was_accepted(simulation, status):
    run = simulation()
    run.ionq.post_faults = [None] * 10 + [status] * 10
    batch = run.run(40)
    assert sorted(batch.outcomes) == list(range(10))
    assert run.ionq.count("POST") <= 20


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_refused_circuit_leaves_the_others_intact(simulation, assert_right, status):
    run = simulation()
    run.ionq.post_faults = [None, None, status]
    batch = run.run(6)
    assert_right(batch, missing=[2])
    assert f"{status}: because" in str(batch.errors[2])


def test_a_short_outage_is_ridden_out(simulation, assert_right):
    run = simulation()
    run.ionq.post_faults = lambda: "not sent" if run.time.now < 30.0 else None
    assert_right(run.run(20))
    assert len(run.ionq.jobs_stored) == 20
    assert sum(at < 30.0 for at, *_ in run.ionq.log) < 60  # at most two requests a second


def test_a_service_that_cannot_be_reached_ends_the_run_with_one_reason(simulation):
    run = simulation()
    run.ionq.post_faults = lambda: "not sent"
    batch = run.run(50)
    assert len({str(error) for error in batch.errors.values()}) == 1
    assert isinstance(batch.errors[0], TransportError)
    assert 60.0 <= run.time.now < 120.0


@pytest.mark.parametrize("fault", [500, 502, 503, "lost", (429, 2)])
def test_failed_reads_are_repeated(simulation, assert_right, fault):
    run = simulation()
    run.ionq.get_faults = [fault] * 8
    assert_right(run.run(10))
    assert run.ionq.count("POST") == 10


def test_a_result_that_is_refused_again_and_again_is_that_circuits_error(simulation):
    run = simulation(predicts=False)
    run.ionq.get_faults = lambda: 403 if "/results/" in (run.asked or "") else None
    original = run.ionq._get

    def get(path):
        run.asked = path
        original(path)

    run.ionq._get = get
    batch = run.run(1)
    assert "403" in str(batch.errors[0])


def test_a_service_without_a_job_listing_is_asked_job_by_job(simulation, assert_right):
    run = simulation(predicts=False)
    run.ionq.lists_jobs = False
    assert_right(run.run(5))


def test_a_job_that_was_deleted_is_believed_gone_after_a_while(simulation):
    run = simulation(execution=600.0)
    batch = run.send(2)
    run.finish(batch, until=5.0)
    del run.ionq.jobs_stored[0]
    run.finish(batch, until=900.0)
    assert isinstance(batch.errors[0], CircuitFailedError)
    assert "no job job-0" in str(batch.errors[0])
    assert 1 in batch.outcomes


def test_a_cancellation_that_failed_is_asked_for_again_long_before_the_job_starts(simulation):
    run = simulation(execution=300.0)
    cancel_jobs, failures = run.ionq.cancel_jobs, [503, 503, 400]

    def fails_at_first(ids):
        if failures:
            raise api_error(failures.pop(0), method="PUT", path="/jobs/status/cancel")
        cancel_jobs(ids)

    run.ionq.cancel_jobs = fails_at_first
    batch = run.send(3)
    run.finish(batch, until=5.0)
    begun = run.time.now
    run.conductor.cancel(batch, include_running=True)
    run.finish(batch)
    assert all(job.cancelled for job in run.ionq.jobs_stored)
    assert set(batch.errors) == {0, 1, 2}
    assert 30.0 < run.time.now - begun < 45.0


def test_a_cancellation_that_shows_no_effect_is_asked_for_ever_less_often(simulation, assert_right):
    run = simulation(execution=600.0)
    asked = []
    run.ionq.cancel_jobs = lambda ids: asked.append(run.time.now)
    batch = run.send(3)
    run.finish(batch, until=5.0)
    run.conductor.cancel(batch, include_running=True)
    assert_right(run.finish(batch))
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert len(asked) < 15
    assert gaps[:3] == pytest.approx([5.0, 10.0, 20.0], abs=1.0)


def test_a_worker_that_meets_a_bug_does_not_hang_the_run(simulation):
    run = simulation()
    run.ionq.create_job = lambda body: 1 / 0
    batch = run.run(3)
    assert "ZeroDivisionError" in str(batch.errors[0])


POST_FAULTS = [
    "503 after store", "lost after store", "503 before store", "lost before store", "not sent", (429, 1), 500,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_every_circuit_ends_once_and_right(simulation, assert_right, seed):
    """Random faults, latencies, packs and listing lags within what the protocol assumes."""
    rng = random.Random(seed)
    total, pack = rng.randrange(1, 40), rng.choice([1, 1, 1, 4, 7])
    run = simulation(
        seed=seed,
        round_trip=rng.choice([0.001, 0.05, 0.3]),
        execution=lambda _: rng.expovariate(1.0),
        predicts=rng.random() < 0.5,
        listing_lag=rng.choice([0.0, 0.0, 3.0]),
        rate=rng.choice([None, None, 10.0]),
        burst=5,
    )
    run.ionq.post_faults = lambda: rng.choice(POST_FAULTS) if rng.random() < 0.15 else None
    run.ionq.get_faults = lambda: (
        rng.choice([500, 502, 503, "lost", (429, 1)]) if rng.random() < 0.1 else None
    )
    batch = run.run(total, circuits_per_job=pack, max_workers=rng.choice([1, 3, 10, 32]))
    assert_right(batch)
    assert run.ionq.stored_twice() == {}
    assert len(run.ionq.jobs_stored) == len(batch.parcels)
    assert sorted(batch.finished) == list(range(total))


def test_a_bet_that_meets_a_rate_limit_is_not_lost(simulation, assert_right):
    run = simulation()
    run.run(5)
    looks = run.ionq.count("GET", "/jobs?ids")
    faults = iter([None, (429, 1)])
    run.ionq.get_faults = lambda: next(faults, None)  # the first read says whose they are
    assert_right(run.run(5))
    assert run.ionq.count("GET", "/jobs?ids") == looks + 1
