# SPDX-License-Identifier: Apache-2.0
"""The conductor in virtual time: order, limits, pace, packs, cancellation."""

from __future__ import annotations

import itertools
import math

import pytest

from qiskit_parallel_ionq.errors import (
    CircuitCancelledError,
    CircuitFailedError,
    IonQError,
)
from qiskit_parallel_ionq.lifecycle import Phase


def ideal(circuits: int, workers: int, execution: float, round_trip: float = 0.15) -> float:
    """Seconds that cannot be saved: waves of submissions, execution, one fetch; or all requests in turn."""
    waves = math.ceil(circuits / workers)
    return max(waves * round_trip + execution + round_trip, 2 * waves * round_trip)


def test_results_stand_in_input_order_whatever_the_order_of_completion(simulation, assert_right):
    batch = simulation(execution=lambda k: 3.0 - 0.1 * k).run(20)
    assert_right(batch)
    assert batch.finished != sorted(batch.finished)


def test_no_more_requests_are_under_way_than_max_workers(simulation, assert_right):
    run = simulation()
    assert_right(run.run(60, max_workers=7))
    assert run.time.most_under_way == 7


def test_two_batches_run_side_by_side_each_within_its_own_limit(simulation, assert_right):
    run = simulation(execution=1.0)
    first, second = run.send(20, max_workers=4), run.send(20, max_workers=4)
    run.finish(first), run.finish(second)
    assert_right(first), assert_right(second)
    assert run.time.most_under_way == 8


def test_without_parallelism_each_circuit_is_awaited_before_the_next_is_sent(simulation, assert_right):
    run = simulation(execution=0.5)
    assert_right(run.run(4, use_parallel=False))
    sent = [at for at, method, *_ in run.ionq.log if method == "POST"]
    assert all(later - earlier > 0.5 for earlier, later in itertools.pairwise(sent))
    assert run.time.most_under_way == 1


@pytest.mark.parametrize("predicts", [True, False])
@pytest.mark.parametrize("execution", [3.0, 0.5])
@pytest.mark.parametrize(
    ("circuits", "options", "limit"),
    [
        (5, {}, 1.15),
        (20, {}, 1.15),
        (100, {}, 1.25),
        (100, {"max_workers": 32}, 1.25),
        (100, {"circuits_per_job": 10}, 1.15),
    ],
)
def test_the_second_run_of_a_loop_takes_little_more_than_the_ideal_time(
    simulation, assert_right, circuits, options, limit, execution, predicts
):
    run = simulation(execution=execution, predicts=predicts)
    run.run(circuits, **options)
    began = run.time.now
    assert_right(run.run(circuits, **options))
    jobs = circuits // options.get("circuits_per_job", 1)
    assert run.time.now - began <= limit * ideal(jobs, options.get("max_workers", 10), execution)


def test_the_first_run_is_as_quick_where_the_service_predicts(simulation, assert_right):
    run = simulation(execution=0.5)
    assert_right(run.run(20))
    assert run.time.now <= 1.05 * ideal(20, 10, 0.5)


def test_the_first_run_without_predictions_is_not_much_slower(simulation, assert_right):
    run = simulation(execution=0.5, predicts=False)
    assert_right(run.run(20))
    assert run.time.now <= 1.35 * ideal(20, 10, 0.5)


def test_a_loop_whose_jobs_take_equally_long_needs_one_status_request_for_each_wave(simulation):
    run = simulation(execution=0.5)
    run.run(20)
    before = run.ionq.count("GET", "/jobs?ids")
    run.run(20)
    waves = 20 // 10
    assert run.ionq.count("GET", "/jobs?ids") == before + waves  # which say whose jobs they are
    assert run.ionq.count("GET", "/jobs/") == 40


def test_a_long_wait_costs_few_requests(simulation, assert_right):
    run = simulation(execution=3 * 3600.0, predicts=False)
    assert_right(run.run(20))
    looks = run.ionq.count("GET", "/jobs?ids")
    assert looks < 3 * 3600 / 10 + 100
    assert run.time.now < 3 * 3600 + 15


def test_a_service_that_takes_longer_than_forecast_is_asked_again(simulation, assert_right):
    times = iter([0.5] * 10 + [2.0] * 10)
    run = simulation(execution=lambda _: next(times))
    assert_right(run.run(10))
    began = run.time.now
    assert_right(run.run(10))
    assert 2.0 < run.time.now - began < 2.6


def test_a_pack_gives_the_same_results_in_the_same_order_as_single_jobs(simulation, assert_right):
    run = simulation()
    assert_right(run.run(23, circuits_per_job=5))
    assert len(run.ionq.jobs_stored) == 5
    assert [len(j.circuits) for j in run.ionq.jobs_stored] == [5, 5, 5, 5, 3]


def test_one_failed_circuit_of_a_pack_leaves_the_others_intact(simulation, assert_right):
    run = simulation()
    run.ionq.after_store = lambda job: job.failed_children.update({2: ("UnsupportedGate", "no such gate")})
    batch = run.run(10, circuits_per_job=5)
    assert_right(batch, missing=[2, 7])
    assert "no such gate" in str(batch.errors[2])
    assert batch.errors[2].code == "UnsupportedGate"


def test_one_failed_job_leaves_the_others_intact(simulation, assert_right):
    run = simulation()

    def spoil(job) -> None:
        if job.body["name"] == "number 3":
            job.failure = ("QuantumComputerError", "ion lost")

    run.ionq.after_store = spoil
    batch = run.run(10)
    assert_right(batch, missing=[3])
    assert isinstance(batch.errors[3], CircuitFailedError)
    assert "ion lost" in str(batch.errors[3])


def test_shots_of_a_pack_are_read_child_by_child_at_the_same_time(simulation, assert_right):
    run = simulation(round_trip=0.1, execution=1.0)
    batch = run.send(10, circuits_per_job=10, memory=True, noise_model="forte-1")
    assert_right(run.finish(batch))
    assert batch.outcomes[3].memory == ["0x3"] * 10
    assert run.time.now < 0.1 + 1.0 + 2 * 0.1 + 0.2  # each child: its page, then its shots


def test_a_dry_run_ends_without_results_or_errors(simulation):
    batch = simulation().run(3, dry_run=True)
    assert batch.outcomes == {0: None, 1: None, 2: None}
    assert not batch.errors


def test_cancelling_keeps_what_is_done_and_sends_nothing_more(simulation):
    run = simulation(execution=lambda k: 0.1 if k < 5 else 60.0)
    batch = run.send(100, max_workers=10)
    run.finish(batch, until=0.9)
    sent = run.ionq.count("POST")
    run.conductor.cancel(batch, include_running=True)
    run.finish(batch)
    assert run.time.now < 3.0
    assert run.ionq.count("POST") <= sent + 10  # those under way
    done = [i for i in range(100) if batch.phase(i) is Phase.DONE]
    assert set(done) >= set(range(5))
    rest = [batch.phase(i) for i in range(100) if i not in done]
    assert set(rest) == {Phase.CANCELLED}
    assert all(isinstance(e, CircuitCancelledError) for e in batch.errors.values())


def test_jobs_are_cancelled_many_in_one_request(simulation):
    run = simulation(execution=60.0)
    batch = run.send(50, max_workers=50)
    run.finish(batch, until=1.0)
    run.conductor.cancel(batch, include_running=True)
    run.finish(batch)
    assert run.ionq.count("PUT") == 1
    assert len(run.ionq.jobs_stored) == 50


def test_a_running_job_is_left_to_finish_where_that_is_asked(simulation, assert_right):
    run = simulation(execution=2.0)
    batch = run.send(3)
    run.finish(batch, until=0.5)
    run.conductor.cancel(batch, include_running=False)
    assert_right(run.finish(batch))
    assert run.ionq.count("PUT") == 0


def test_a_circuit_that_never_became_a_parcel_is_an_entry_of_its_own(simulation, assert_right):
    run = simulation()
    batch = run.send(4)
    batch.total = 5
    run.conductor.fail(batch, 4, IonQError("could not be compiled"))
    run.finish(batch)
    assert_right(batch, missing=[4])


def test_a_finished_batch_is_forgotten(simulation):
    run = simulation()
    batch = run.run(5)
    run.loop.post(lambda: None)
    run.loop.turn()
    assert not run.conductor.is_open(batch)


def test_cancelling_a_finished_batch_changes_nothing(simulation, assert_right):
    run = simulation()
    batch = run.run(5)
    run.conductor.cancel(batch, include_running=True)
    run.loop.turn()
    assert_right(batch)


def test_a_job_that_ends_while_its_cancellation_is_prepared_hurts_nobody(simulation, assert_right):
    run = simulation(round_trip=0.002, execution=0.1)
    batch, other = run.send(1), run.send(1)
    run.finish(batch, until=0.09)
    run.conductor.cancel(batch, include_running=True)
    run.finish(batch), run.finish(other)
    assert_right(other)
    run.loop.post(lambda: None)
    run.loop.turn()


def test_what_was_posted_just_before_the_end_is_ended_too(simulation):
    run = simulation()
    batch = run.send(3)
    run.loop.close()
    run.loop._run()
    assert batch.is_over
    assert set(batch.errors) == {0, 1, 2}
