# SPDX-License-Identifier: Apache-2.0
"""A result that was asked for before its job was seen complete is believed only with evidence that it is whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qiskit_parallel_ionq.wire import JobState

KINDS = {
    "exact": {},
    "sampled": {"noise_model": "forte-1"},
    "every shot": {"noise_model": "forte-1", "memory": True},
    "packs": {"circuits_per_job": 5},
}
FIRST_PART = {"0": 0.5, "200": 0.5}
"""A distribution that adds up, as any part of the shots does once it is normalised."""


@pytest.fixture
def serves_parts():
    """Return a function: has a service answer a request for the result of a job that still runs."""

    def make(run) -> list[str]:
        serve, early = run.ionq.distribution, []

        def distribution(path: str):
            job_id, _, kind = path.removeprefix("/jobs/").partition("/results/")
            job = run.ionq._find(job_id)
            if run.ionq._record(job).state is JobState.COMPLETED:
                return serve(path)
            run.ionq._get(path)
            early.append(path)
            if kind == "probabilities/aggregated":
                return dict.fromkeys(job.children, FIRST_PART)
            return ["0"] * 4 if kind == "shots" else FIRST_PART

        run.ionq.distribution = distribution
        return early

    return make


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("takes", [0.53, 0.6, 0.8, 2.0, 20.0])
def test_the_part_of_a_result_that_a_service_gives_while_a_job_runs_is_not_believed(
    simulation, assert_right, serves_parts, options, takes
):
    run = simulation(predicts=False)
    run.run(20, **options)
    early = serves_parts(run)
    run.ionq.execution = lambda _: takes
    assert_right(run.run(20, **options))
    assert early, "the results were asked for early"


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_nor_where_jobs_take_now_this_long_and_now_that(simulation, assert_right, serves_parts, options):
    run = simulation(predicts=False, execution=lambda number: 0.3 + 0.05 * (7 * number % 11))
    early = serves_parts(run)
    for _ in range(4):
        assert_right(run.run(20, **options))
    assert early or options.get("memory")


@pytest.mark.parametrize("predicts", [True, False])
def test_the_evidence_costs_one_request_for_all_that_are_asked_for_together(
    simulation, assert_right, predicts
):
    run = simulation(predicts=predicts)
    run.run(5)
    begun, asked = run.time.now, len(run.ionq.log)
    assert_right(run.run(5))
    paths = [path for _, _, path, _ in run.ionq.log[asked:]]
    assert paths.count("/jobs") == 5
    assert paths.count("/jobs?ids") == 1
    assert sum("/results/" in path for path in paths) == 5
    assert run.time.now - begun == pytest.approx(0.15 + 0.5, abs=0.05)  # of two round trips, half is in both


def test_shots_that_add_up_need_no_other_evidence_than_that_the_job_is_ours(simulation, assert_right):
    run = simulation()
    run.run(5, noise_model="forte-1", memory=True)
    asked = len(run.ionq.log)
    assert_right(run.run(5, noise_model="forte-1", memory=True))
    looks = [at for at, _, path, _ in run.ionq.log[asked:] if path == "/jobs?ids"]
    ends = [job.done_at for job in run.ionq.jobs_stored[5:]]
    assert len(looks) == 1
    assert max(looks) < min(ends)


@pytest.mark.parametrize(
    "times",
    [
        {"completed_at": None},
        {"submitted_at": None},
        {"submitted_at": "some day"},
        {"submitted_at": "2026-10-05T00:00:09Z", "completed_at": "2026-10-05T00:00:03Z"},
        {"submitted_at": "2026-10-05T00:00:01Z", "completed_at": "2026-10-05T00:00:01Z"},
    ],
    ids=["no end", "no beginning", "no time", "the end first", "whole seconds"],
)
def test_where_the_record_says_too_little_the_result_is_read_once_more_after_it(
    simulation, assert_right, serves_parts, times
):
    run = simulation(predicts=False)
    listed = run.ionq._record

    def record(job):
        told = listed(job)
        return replace(told, **times) if told.state is JobState.COMPLETED else told

    run.ionq._record = record
    run.run(5)
    serves_parts(run)
    asked = len(run.ionq.log)
    assert_right(run.run(5))
    results = [path for _, _, path, _ in run.ionq.log[asked:] if "/results/" in path]
    assert len(results) == 10


def test_a_service_whose_records_prove_nothing_is_soon_asked_in_turn(simulation, assert_right):
    run = simulation(predicts=False)
    listed = run.ionq._record
    run.ionq._record = lambda job: replace(listed(job), completed_at=None)
    for _ in range(4):
        run.run(5)
    asked = len(run.ionq.log)
    assert_right(run.run(5))
    assert sum("/results/" in path for _, _, path, _ in run.ionq.log[asked:]) == 5


def test_a_record_that_names_another_run_takes_an_early_result_back(simulation, assert_right):
    run = simulation()
    run.run(6)
    run.ionq.post_faults = [None, "id of job-6"]
    run.time.delays = [0.3, 0.15]
    assert_right(run.run(6))
    assert run.ionq.stored_twice() == {}


@pytest.mark.parametrize("fault", ["lost", 503, 404, (429, 1)])
@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_looks_for_evidence_that_fail_are_repeated(simulation, assert_right, serves_parts, fault, options):
    run = simulation(predicts=False)
    run.run(10, **options)
    serves_parts(run)
    run.ionq.execution = lambda _: 0.7
    faults = iter([fault] * 3)
    get = run.ionq._get

    def strike(path: str) -> None:
        run.ionq.get_faults = [next(faults, None)] if "/results/" not in path else []
        get(path)

    run.ionq._get = strike
    assert_right(run.run(10, **options))
