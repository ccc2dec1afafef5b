# SPDX-License-Identifier: Apache-2.0
"""Packs whose answers are not what they should be: every circuit ends, and nothing else is harmed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from qiskit.providers import JobStatus

from qiskit_parallel_ionq.errors import (
    ApiError,
    CircuitCancelledError,
    CircuitFailedError,
    ResultIntegrityError,
    api_error,
)
from qiskit_parallel_ionq.lifecycle import Phase
from qiskit_parallel_ionq.merge import composite_status
from qiskit_parallel_ionq.wire import JobState

BY_CHILD = {"memory": True, "noise_model": "forte-1"}
"""Options of a run whose packs are read child by child."""
SPOILT = {
    "a sum of 1/2": {"1": 0.5},
    "a negative probability": {"0": -0.5, "1": 1.5},
    "an outcome out of range": {"99999999": 1.0},
    "no object": "nothing",
    "too few shots": ["0"] * 9,
    "nothing": {},
}


class Spoiler:
    """Serves something else for the first answers to some paths."""

    def __init__(self, ionq, part: str, value, times: int) -> None:
        self._serve, self._part, self._value, self._left = ionq.distribution, part, value, times
        self.asked = 0
        ionq.distribution = self

    def __call__(self, path: str):
        body = self._serve(path)
        if self._part not in path:
            return body
        self.asked += 1
        self._left -= 1
        return self._value(body) if self._left >= 0 else body


def over(run, batch, patience=4000.0):
    """Let a batch end, and say whether it has; its end is the same whoever is asked."""
    run.finish(batch, until=run.time.now + patience)
    if batch.is_over:
        assert composite_status(batch.phases()) in (JobStatus.DONE, JobStatus.ERROR, JobStatus.CANCELLED)
        assert all(batch.has_ended(index) for index in range(batch.total))
        assert all(sent.phase.is_final for sent in batch.submissions)
    return batch.is_over


@pytest.mark.parametrize("value", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("times", [1, 2])
def test_a_child_that_is_spoilt_once_or_twice_is_read_again(simulation, assert_right, value, times):
    run = simulation()
    spoiler = Spoiler(run.ionq, "child-0-2", lambda _: value, times)
    batch = run.send(5, circuits_per_job=5, **BY_CHILD)
    assert over(run, batch)
    assert_right(batch)
    assert spoiler.asked == times + 1


@pytest.mark.parametrize("value", SPOILT.values(), ids=SPOILT)
def test_a_child_that_stays_spoilt_fails_alone_after_three_reads(simulation, assert_right, value):
    run = simulation()
    spoiler = Spoiler(run.ionq, "child-0-2", lambda _: value, 99)
    batch = run.send(5, circuits_per_job=5, **BY_CHILD)
    assert over(run, batch)
    assert_right(batch, missing=[2])
    assert isinstance(batch.errors[2], ResultIntegrityError)
    assert spoiler.asked == 3


@pytest.mark.parametrize("warm", [False, True], ids=["first run", "results are asked for early"])
@pytest.mark.parametrize("value", SPOILT.values(), ids=SPOILT)
@pytest.mark.parametrize("times", [1, 2, 99])
def test_one_spoilt_distribution_in_the_answer_for_all_costs_at_most_its_circuit(
    simulation, assert_right, warm, value, times
):
    run = simulation()
    if warm:
        run.run(10, circuits_per_job=5)
    number = len(run.ionq.jobs_stored)
    child = f"child-{number}-3"
    Spoiler(run.ionq, "aggregated", lambda body: body | {child: value} if child in body else body, times)
    batch = run.send(5, circuits_per_job=5)
    assert over(run, batch)
    assert_right(batch)  # in the end the circuit is read by itself


def test_a_circuit_whose_distribution_and_child_are_spoilt_fails_alone(simulation, assert_right):
    run = simulation()
    Spoiler(run.ionq, "aggregated", lambda body: body | {"child-0-3": {}}, 99)
    Spoiler(run.ionq, "child-0-3", lambda _: {"0": 0.1}, 99)
    batch = run.send(5, circuits_per_job=5)
    assert over(run, batch)
    assert_right(batch, missing=[3])
    assert isinstance(batch.errors[3], ResultIntegrityError)


@pytest.mark.parametrize("body", [[], "text", 7, None, {}, {"other": {"0": 1.0}}], ids=str)
@pytest.mark.parametrize("times", [1, 99])
def test_an_answer_for_all_that_holds_nothing_of_the_pack_loses_no_circuit(
    simulation, assert_right, body, times
):
    run = simulation()
    Spoiler(run.ionq, "aggregated", lambda _: body, times)
    batch = run.send(5, circuits_per_job=5)
    assert over(run, batch)
    assert_right(batch)


NAMES = {
    "none": lambda ids: (),
    "too few": lambda ids: ids[:2],
    "one too many": lambda ids: (*ids, "child-0-77"),
    "one twice": lambda ids: (*ids[:-1], ids[0]),
}


@pytest.mark.parametrize("warm", [False, True], ids=["first run", "results are asked for early"])
@pytest.mark.parametrize("options", [{}, BY_CHILD], ids=["together", "child by child"])
@pytest.mark.parametrize("named", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("when", ["while it is created", "in the first answer"])
def test_children_that_are_named_wrongly_at_first_mix_up_and_lose_nothing(
    simulation, assert_right, warm, options, named, when
):
    run = simulation(execution=3.0, predicts=False)
    if warm:
        run.run(10, circuits_per_job=5, **options)
    ask, answers = run.ionq.job, []

    def job(job_id):
        record = ask(job_id)
        answers.append(job_id)
        is_wrong = (
            record.state is not JobState.COMPLETED if when == "while it is created" else len(answers) < 2
        )
        return replace(record, child_ids=named(record.child_ids)) if is_wrong and record.child_ids else record

    run.ionq.job = job
    batch, other = run.send(5, circuits_per_job=5, **options), run.send(3)
    assert over(run, batch)
    assert over(run, other)
    assert_right(batch)
    assert_right(other)


@pytest.mark.parametrize("options", [{}, BY_CHILD], ids=["together", "child by child"])
@pytest.mark.parametrize(
    "named", [NAMES["none"], NAMES["too few"], NAMES["one too many"], NAMES["one twice"]]
)
def test_children_that_are_always_named_wrongly_end_the_pack_with_an_error(
    simulation, assert_right, options, named
):
    run = simulation()
    ask = run.ionq.job
    run.ionq.job = lambda job_id: replace(ask(job_id), child_ids=named(ask(job_id).child_ids))
    batch, other = run.send(5, circuits_per_job=5, **options), run.send(3)
    assert over(run, batch)
    assert over(run, other)
    assert_right(other)
    assert {type(error) for error in batch.errors.values()} == {ResultIntegrityError}
    assert set(batch.errors) == set(range(5))


def test_a_failed_pack_whose_children_cannot_be_told_apart_says_why_it_failed(simulation):
    run = simulation()
    run.ionq.after_store = lambda job: setattr(job, "failure", ("QuantumComputerError", "ion lost"))
    ask = run.ionq.job
    run.ionq.job = lambda job_id: replace(ask(job_id), child_ids=ask(job_id).child_ids[:2])
    batch = run.send(5, circuits_per_job=5)
    assert over(run, batch)
    assert {type(error) for error in batch.errors.values()} == {CircuitFailedError}
    assert "ion lost" in str(batch.errors[0])


def test_a_child_that_is_refused_again_and_again_fails_alone(simulation, assert_right):
    run = simulation()
    ask = run.ionq.job

    def job(job_id):
        if job_id == "child-0-1":
            raise api_error(403, method="GET", path=f"/jobs/{job_id}")
        return ask(job_id)

    run.ionq.job = job
    batch = run.send(5, circuits_per_job=5, **BY_CHILD)
    assert over(run, batch)
    assert_right(batch, missing=[1])
    assert isinstance(batch.errors[1], ApiError)


@pytest.mark.parametrize("options", [{}, BY_CHILD], ids=["together", "child by child"])
def test_a_cancelled_run_does_not_wait_for_ever_for_results_that_cannot_be_read(simulation, options):
    run = simulation(predicts=False)
    batch = run.send(6, circuits_per_job=3, **options)
    while not any(sent.phase is Phase.FETCHING for sent in batch.submissions):
        run.loop.turn()
    run.ionq.get_faults = lambda: 503
    run.finish(batch, until=run.time.now + 100.0)
    assert not batch.is_over
    run.conductor.cancel(batch, include_running=True)
    run.ionq.get_faults = lambda: 503 if "/results/" in run.ionq.log[-1][2] or run.time.now % 2 else None
    assert over(run, batch, patience=2000.0)


def test_what_a_circuit_has_is_published_before_it_counts_as_ended(simulation):
    """Who polls the status from another thread sees a final status only when the results are there."""
    run = simulation()
    batch = run.send(5, circuits_per_job=5, **BY_CHILD)
    put = batch.outcomes.put

    def watched(index, *given):
        assert not batch.has_ended(index)
        put(index, *given)
        assert composite_status(batch.phases()) is JobStatus.RUNNING

    batch.outcomes.put = watched
    assert over(run, batch)
    assert not batch.errors


def test_a_pack_that_is_cancelled_while_one_child_is_read_again_ends(simulation):
    run = simulation()
    Spoiler(run.ionq, "child-0-2", lambda _: {}, 2)
    batch = run.send(10, circuits_per_job=5, **BY_CHILD)
    while not any(sent.phase is Phase.FETCHING for sent in batch.submissions):
        run.loop.turn()
    run.conductor.cancel(batch, include_running=True)
    assert over(run, batch)
    assert all(isinstance(error, CircuitCancelledError) for error in batch.errors.values())
    assert json.dumps(sorted(batch.finished)) == json.dumps(list(range(10)))
