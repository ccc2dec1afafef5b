# SPDX-License-Identifier: Apache-2.0
"""How many jobs are watched with how few requests, in virtual time, and how soon their end is noticed."""

from __future__ import annotations

import pytest

from qiskit_parallel_ionq.conductor.horizon import SWEEP_EVERY
from qiskit_parallel_ionq.wire import JobState


def looks(run) -> int:
    return run.ionq.count("GET", "/jobs?ids")


def notices(run, batch) -> list[float]:
    """Return, in order, how many seconds after its end each job was known to have ended."""
    ended = {job.id: job.done_at for job in run.ionq.jobs_stored}
    late = []
    for submission in batch.submissions:
        was_seen = submission.record is not None and submission.record.state is JobState.COMPLETED
        known_at = submission.seen_at if was_seen else submission.ended_at
        late.append(known_at - ended[submission.job_id])
    return sorted(late)


@pytest.fixture
def pages(simulation):
    """Return a function: a run -> the sizes of the pages that are asked for, as they come."""

    def watch(run) -> list[int]:
        sizes, ask = [], run.ionq.jobs

        def jobs(*, ids=(), **rest):
            sizes.extend([len(ids)] if ids else [])
            return ask(ids=ids, **rest)

        run.ionq.jobs = jobs
        return sizes

    return watch


@pytest.mark.parametrize(
    ("total", "predicts"),
    [(1000, True), (1000, False), (2000, False)],
    ids=["predicted", "not predicted", "not predicted, twice as long"],
)
def test_a_long_queue_costs_half_a_look_for_each_job_and_is_noticed_within_ten_seconds(
    simulation, total, predicts
):
    run = simulation(execution=1.0, serial=True, predicts=predicts)
    batch = run.run(total)
    assert not batch.errors
    assert looks(run) <= 0.5 * total
    assert notices(run, batch)[int(0.99 * total)] <= 10.0
    assert run.time.now <= total + 15.0


def test_a_thousand_long_jobs_side_by_side_are_noticed_within_ten_seconds(simulation):
    run = simulation(execution=600.0)
    batch = run.run(1000)
    assert looks(run) <= 0.5 * 1000
    assert notices(run, batch)[-10] <= 10.0


def test_few_long_jobs_are_noticed_at_once_where_their_time_is_known(simulation):
    run = simulation(execution=600.0)
    batch = run.run(20)
    assert notices(run, batch)[-1] <= 2.0


def test_in_a_queue_only_the_oldest_are_asked_about_and_now_and_then_all(simulation):
    run = simulation(execution=10.0, serial=True, predicts=False)
    total, sweeps = 500, 4
    batch = run.send(total)
    run.finish(batch, until=1000.0)
    before, began = looks(run), run.time.now
    run.finish(batch, until=began + sweeps * SWEEP_EVERY)
    beats = sweeps * SWEEP_EVERY / 8.0
    assert looks(run) - before <= 3 * beats + sweeps * total / 100


def test_a_job_far_back_that_ends_before_its_turn_is_found_by_the_next_sweep(simulation):
    run = simulation(execution=10.0, serial=True, predicts=False)
    batch = run.send(600)
    run.finish(batch, until=700.0)
    run.ionq.jobs_stored[550].done_at = 700.0
    run.finish(batch, until=700.0 + SWEEP_EVERY + 20.0)
    assert 550 in batch.outcomes
    assert 549 not in batch.outcomes


def test_jobs_far_back_are_cancelled_as_soon_as_the_others(simulation):
    run = simulation(execution=10.0, serial=True, predicts=False)
    batch = run.send(600)
    run.finish(batch, until=400.0)
    run.conductor.cancel(batch, include_running=True)
    run.finish(batch)
    assert run.time.now <= 400.0 + 15.0


@pytest.mark.parametrize("rows", [25, 40])
def test_a_service_that_shows_fewer_jobs_than_asked_is_asked_for_fewer(simulation, assert_right, pages, rows):
    run = simulation(execution=5.0, predicts=False)
    run.ionq.most_rows, sizes = rows, pages(run)
    assert_right(run.run(120, max_workers=64))
    too_long = [size for size in sizes if size > rows]
    assert too_long
    assert len(too_long) <= 3, "those that were under way when it showed"
    alone = [path for _, _, path, _ in run.ionq.log if path.startswith("/jobs/") and "/results/" not in path]
    assert alone == [], "nothing was taken for missing"


def test_a_service_that_refuses_long_pages_is_asked_for_short_ones(simulation, assert_right, pages):
    run = simulation(execution=5.0, predicts=False)
    run.ionq.refuses_ids_beyond, sizes = 25, pages(run)
    assert_right(run.run(120, max_workers=64))
    assert sum(size > 25 for size in sizes) <= 3
    assert max(sizes[-5:]) <= 25


def test_a_job_that_is_missing_from_a_long_page_is_believed_gone_after_a_while(simulation):
    run = simulation(execution=600.0, predicts=False)
    batch = run.send(60)
    run.finish(batch, until=5.0)
    del run.ionq.jobs_stored[30]
    run.finish(batch)
    assert set(batch.errors) == {30}
    assert "no job job-30" in str(batch.errors[30])
    assert len(batch.outcomes) == 59


def test_a_page_that_had_to_be_cut_leaves_nobody_behind(simulation, assert_right):
    """Both batches wait to ask for one long page; the answer to the first makes pages shorter for both."""
    run = simulation(execution=8.0, predicts=False, round_trip=0.02)
    batches = [run.send(90, max_workers=64), run.send(90, max_workers=64)]
    run.finish(batches[0], until=4.0)
    run.ionq.get_faults = [(429, 60)]
    run.loop.at(30.0, lambda: setattr(run.ionq, "refuses_ids_beyond", 25))
    for batch in batches:
        assert_right(run.finish(batch, until=150.0))
        assert batch.is_over
