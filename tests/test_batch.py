# SPDX-License-Identifier: Apache-2.0
"""A run as readers see it: each circuit's state, counts that add up, and waits that end on time."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.providers import JobStatus

from qiskit_parallel_ionq.batch import Batch, Progress
from qiskit_parallel_ionq.chronicle import Chronicle, Run
from qiskit_parallel_ionq.decode import Outcome
from qiskit_parallel_ionq.errors import (
    CircuitCancelledError,
    CircuitFailedError,
    DetachedError,
    IonQError,
    JobError,
    NotSentError,
)
from qiskit_parallel_ionq.journal import NoRecord
from qiskit_parallel_ionq.lifecycle import BetLost, BetPlaced, Phase, Submission, step
from qiskit_parallel_ionq.merge import composite_status
from qiskit_parallel_ionq.parcel import Parcel

ENDS = {
    Phase.DONE: None,
    Phase.FAILED: CircuitFailedError("no"),
    Phase.CANCELLED: CircuitCancelledError("stop"),
}
OUTCOME = Outcome(shots=1, values=np.array([0]), tallies=np.array([1]))


def _batch(total=3, seed=7, phases=()):
    batch = Batch(Run("run", total, "simulator", seed=seed))
    for index, phase in enumerate(phases):
        batch.submissions.append(replace(Submission(), phase=phase, job_id=f"j{index}"))
        batch.parcel_of[index] = index
        if phase.is_final:
            batch.end(index, ENDS[phase])
    return batch


def test_a_circuit_that_has_not_been_compiled_yet_is_waiting():
    batch = _batch()
    assert batch.phases() == [Phase.WAITING] * 3
    assert batch.job_id(0) is None


def test_what_is_known_of_a_circuit_goes_before_what_is_known_of_its_job():
    batch = _batch(4, phases=[Phase.FETCHING] * 4)
    batch.outcomes.put(0, OUTCOME)
    for index, phase in enumerate((Phase.DONE, Phase.FAILED, Phase.CANCELLED)):
        batch.end(index, ENDS[phase])
    assert batch.phases() == [Phase.DONE, Phase.FAILED, Phase.CANCELLED, Phase.FETCHING]
    assert batch.job_id(3) == "j3"


def test_a_dry_run_has_no_outcome_and_is_done_all_the_same():
    batch = _batch(1, phases=[Phase.FETCHING])
    batch.outcomes.put(0, None)
    batch.end(0)
    assert batch.phase(0) is Phase.DONE


@pytest.mark.parametrize("phase", sorted(ENDS, key=str))
def test_a_circuit_whose_job_has_ended_is_not_final_before_it_has_a_result_or_an_error(phase):
    batch = _batch(1, phases=[Phase.FETCHING])
    batch.submissions[0] = replace(batch.submissions[0], phase=phase)
    assert batch.phase(0) is Phase.FETCHING
    assert not batch.is_over
    batch.end(0, ENDS[phase])
    assert batch.phase(0) is phase
    assert batch.is_over


def test_how_a_circuit_ended_first_counts():
    batch = _batch(1)
    batch.end(0, ENDS[Phase.FAILED])
    batch.end(0, ENDS[Phase.CANCELLED])
    assert batch.phase(0) is Phase.FAILED
    assert batch.finished == [0]


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.RUNNING])
def test_a_bet_on_a_result_is_not_shown_for_it_may_be_lost(phase):
    batch = _batch(1, phases=[phase])
    for event in (BetPlaced(), BetLost()):
        batch.submissions[0], _ = step(batch.submissions[0], event)
        assert batch.phase(0) is phase


def test_circuits_of_a_pack_share_a_job():
    batch = _batch(2, phases=[Phase.QUEUED])
    batch.parcel_of[1] = 0
    assert [batch.job_id(0), batch.job_id(1)] == ["j0", "j0"]


@given(st.lists(st.sampled_from(Phase)))
def test_progress_counts_every_circuit_once(phases):
    at = _batch(len(phases) + 1, phases=phases).progress()
    parts = (at.waiting, at.queued, at.running, at.done, at.failed, at.cancelled, at.not_sent)
    assert sum(parts) == at.total == len(phases) + 1
    assert at.finished == sum(phase.is_final for phase in phases)


@pytest.mark.parametrize(
    ("phase", "shown"),
    [
        (Phase.WAITING, "waiting"),
        (Phase.SENDING, "waiting"),
        (Phase.UNKNOWN, "waiting"),
        (Phase.QUEUED, "queued"),
        (Phase.RUNNING, "running"),
        (Phase.FETCHING, "running"),
        (Phase.DONE, "done"),
        (Phase.FAILED, "failed"),
        (Phase.CANCELLED, "cancelled"),
    ],
)
def test_every_phase_has_its_place_in_the_progress(phase, shown):
    assert _batch(1, phases=[phase]).progress() == Progress(total=1, **{shown: 1})


def test_each_circuit_has_its_own_generator_whatever_the_others_did():
    children = np.random.SeedSequence(7).spawn(3)
    expected = [np.random.default_rng(child).integers(0, 2**60, 5).tolist() for child in children]
    batch = _batch()
    for index in (2, 0, 1, 0):
        assert batch.rng(index).integers(0, 2**60, 5).tolist() == expected[index]


def test_a_batch_is_over_when_every_circuit_is():
    batch = _batch(2)
    batch.end(1)
    assert not batch.is_over
    batch.end(0)
    assert batch.is_over
    assert _batch(0).is_over


@pytest.mark.parametrize("timeout", [0, -1.0, 0.01])
def test_a_wait_ends_when_its_time_is_up(timeout):
    begun = time.monotonic()
    assert not _batch().wait_for(lambda: False, timeout)
    assert time.monotonic() - begun < 10.0


def test_what_has_come_true_needs_no_time():
    assert _batch().wait_for(lambda: True, 0)


def test_who_waits_is_told_that_the_thread_has_ended_that_would_bring_it_about():
    def ended() -> None:
        raise IonQError("the thread has ended")

    batch = _batch(1)
    batch.require_alive = ended
    with pytest.raises(IonQError, match="ended"):
        batch.wait_for(lambda: batch.is_over, None)
    assert not batch.wait_for(lambda: batch.is_over, 0)


def test_who_waits_is_woken():
    batch = _batch(1)
    answers = []
    waiters = [
        threading.Thread(target=lambda: answers.append(batch.wait_for(lambda: batch.is_over, 60.0)))
        for _ in range(3)
    ]
    for waiter in waiters:
        waiter.start()
    batch.end(0)
    begun = time.monotonic()
    batch.notify()
    for waiter in waiters:
        waiter.join()
    assert answers == [True] * 3
    assert time.monotonic() - begun < 30.0


def test_what_a_circuit_of_a_restored_pack_came_to_first_stands_and_counts_once():
    error = CircuitFailedError("the pack failed")
    pack = Parcel((0, 1, 2), (), (), 1, "1.x.0.0", "d", b"", is_exact=True, memory=False, dry_run=True)
    story = Chronicle(Run("run", 4, "simulator", seed=7), parcels=[pack])
    story.submissions.append(replace(Submission(), phase=Phase.FAILED, error=error))
    story.results[0] = None
    story.errors.update({0: CircuitFailedError("later"), 1: CircuitFailedError("by itself")})
    batch = Batch.restored(story, NoRecord())
    assert batch.phases() == [Phase.DONE, Phase.FAILED, Phase.FAILED, Phase.WAITING]
    assert str(batch.errors[1]) == "by itself"
    assert batch.errors[2] is error
    assert sorted(batch.finished) == [0, 1, 2]
    assert not batch.is_over


def test_a_circuit_that_was_not_sent_or_is_left_behind_has_not_failed():
    batch = _batch(3, phases=[Phase.RUNNING, Phase.WAITING, Phase.WAITING])
    for index, error in enumerate((DetachedError("closed"), NotSentError("stopped"), JobError("broken"))):
        batch.end(index, error)
    assert [batch.state(index) for index in range(3)] == ["running", "not sent", "failed"]
    assert batch.progress() == Progress(3, running=1, not_sent=1, failed=1)
    assert composite_status(batch.phases()) is JobStatus.RUNNING
