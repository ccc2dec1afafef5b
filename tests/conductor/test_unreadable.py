# SPDX-License-Identifier: Apache-2.0
"""A complete answer that cannot be read is the fault of what it is about: counted, bounded, and nobody else's."""

from __future__ import annotations

import pytest

from qiskit_parallel_ionq.api import unreadable
from qiskit_parallel_ionq.conductor.fetching import UNREADABLE_READS
from qiskit_parallel_ionq.conductor.watching import UNREADABLE_BELIEVED, UNREADABLE_PAGES
from qiskit_parallel_ionq.errors import ResultIntegrityError
from qiskit_parallel_ionq.policy import Gate

TOO_LARGE = ResultIntegrityError("the result has more than 7 bytes")
BODIES = {
    "a page of a gateway": b"<html><body>We will be back soon.</body></html>",
    "NaN": b'{"0": NaN}',
    "an infinite number": b'{"0": 1e999}',
    "a number of 5,000 digits": b'{"0": ' + b"7" * 5_000 + b"}",
    "half an object": b'{"0": 0.5',
    "nothing": b"",
    "no text": b"\xff\xfe\xfd",
    "nested absurdly deep": b"[" * 100_000,
    "too large": TOO_LARGE,
}


def serve(run, match, body, times=10**9):
    """Have results at some paths be something else; return the list of times at which they were asked for."""
    result, asked = run.ionq.result, []

    def spoilt(path, *, largest):
        good = result(path, largest=largest)
        if not match(path):
            return good
        asked.append(run.time.now)
        if len(asked) > times:
            return good
        if isinstance(body, Exception):
            raise body
        return body

    run.ionq.result = spoilt
    return asked


def untouched(gate: Gate) -> bool:
    return gate.setbacks == 0 and gate.width == gate.ceiling and gate.cut_at < 0 and not gate.pace.is_on


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("warm", [False, True], ids=["first run", "results are asked for early"])
def test_a_result_that_is_never_readable_is_read_a_few_times_and_fails_alone(
    simulation, assert_right, body, warm
):
    run = simulation()
    if warm:
        run.run(5)
    begun, first = run.time.now, len(run.ionq.jobs_stored)
    asked = serve(run, lambda path: f"job-{first + 2}/" in path, body)
    batch = run.send(5)
    run.finish(batch, until=begun + 0.2)
    other = run.send(20)
    run.finish(batch), run.finish(other)
    assert_right(batch, missing=[2])
    assert_right(other)
    assert isinstance(batch.errors[2], ResultIntegrityError)
    assert len(asked) <= UNREADABLE_READS + 1  # once more where it is asked for early
    assert untouched(run.loop._gate._gate)
    assert run.time.now - begun < 15.0


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("times", [1, 2])
def test_a_result_that_is_readable_later_is_kept(simulation, assert_right, body, times):
    run = simulation()
    asked = serve(run, lambda path: "job-2/" in path, body, times)
    assert_right(run.run(5))
    assert len(asked) <= times + 2


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_unreadable_answer_for_a_whole_pack_is_made_up_for_by_its_children(simulation, assert_right, body):
    run = simulation()
    asked = serve(run, lambda path: "aggregated" in path, body)
    assert_right(run.run(5, circuits_per_job=5))
    assert len(asked) <= UNREADABLE_READS + 1


def test_a_result_is_not_read_beyond_what_its_circuits_can_take(simulation, assert_right):
    run = simulation()
    result, allowed = run.ionq.result, {}

    def watched(path, *, largest):
        allowed[path.rpartition("/")[2]] = largest
        return result(path, largest=largest)

    run.ionq.result = watched
    assert_right(run.run(1))
    assert_right(run.run(40, circuits_per_job=40))
    assert 1 << 20 < allowed["probabilities"] < allowed["aggregated"] < 4 << 20  # of 8 qubits


PAGE = unreadable("GET /jobs/x", "no job")


def test_pages_of_jobs_that_cannot_be_read_are_done_without(simulation, assert_right):
    run = simulation(predicts=False)
    ask, pages = run.ionq.jobs, []

    def jobs(*, ids=(), **rest):
        pages.append(len(ids))
        if ids:
            raise PAGE
        return ask(**rest)

    run.ionq.jobs = jobs
    assert_right(run.run(5))
    assert UNREADABLE_PAGES <= len(pages) <= UNREADABLE_PAGES + 4  # those that were planned already
    assert untouched(run.loop._gate._gate)


def test_a_job_whose_page_is_never_readable_is_given_up_after_minutes_and_harms_no_other(
    simulation, assert_right
):
    run = simulation(predicts=False)
    ask, asked = run.ionq.job, []

    def job(job_id):
        if job_id == "job-0":
            asked.append(run.time.now)
            raise PAGE
        return ask(job_id)

    run.ionq.job = job
    batch, other = run.send(5, circuits_per_job=5), run.send(5, circuits_per_job=5)
    run.finish(other)
    assert_right(other)
    run.finish(batch)
    assert {type(error) for error in batch.errors.values()} == {ResultIntegrityError}
    assert len(asked) == UNREADABLE_BELIEVED
    assert asked[-1] - asked[0] > 60.0
    assert untouched(run.loop._gate._gate)


def test_a_job_whose_page_is_readable_again_is_not_given_up(simulation, assert_right):
    run = simulation(predicts=False, execution=300.0)
    ask = run.ionq.job

    def job(job_id):
        if run.time.now % 50.0 < 25.0:
            raise PAGE
        return ask(job_id)

    run.ionq.job = job
    assert_right(run.run(5, circuits_per_job=5))
