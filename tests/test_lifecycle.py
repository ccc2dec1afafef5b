# SPDX-License-Identifier: Apache-2.0
"""The table of a submission's life: complete, one-way, and never a second purchase by a guess."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.providers import JobStatus

from qiskit_parallel_ionq import lifecycle
from qiskit_parallel_ionq.errors import CircuitCancelledError, CircuitFailedError, TransportError
from qiskit_parallel_ionq.lifecycle import (
    FINAL,
    QISKIT_STATUS,
    TABLE,
    Absent,
    Accepted,
    BetLost,
    BetPlaced,
    CancelAsked,
    Command,
    Disowned,
    Fetched,
    FetchFailed,
    Found,
    HeldBack,
    IllegalTransition,
    Lost,
    Phase,
    Refused,
    Reopened,
    Seen,
    Sent,
    Stopped,
    Submission,
    Unresolved,
    Vanished,
    step,
)
from qiskit_parallel_ionq.wire import JobRecord, JobState

ERROR = TransportError("reset", sent=True)


def _record(state, children=()):
    return JobRecord("j1", state, failure_code="Code", failure_message="because", child_ids=children)


SEEN = [Seen(_record(state, children), at=3.0) for state in JobState for children in ((), ("c1", "c2"))]
EVENTS = [
    Sent(at=1.0),
    Accepted("j1", at=2.0),
    HeldBack(),
    Refused(ERROR),
    Lost(),
    *(Found(seen.record, at=2.5) for seen in SEEN),
    Absent(),
    Unresolved(ERROR),
    *SEEN,
    BetPlaced(),
    BetLost(),
    Fetched(at=4.0),
    FetchFailed(ERROR, at=4.0),
    Vanished(ERROR, at=4.0),
    Disowned(),
    Reopened(at=5.0),
    CancelAsked(),
    Stopped(ERROR),
]
KINDS = get_args(lifecycle.Event)
STRAIGHT = {
    Phase.WAITING: [],
    Phase.SENDING: [Sent(1.0)],
    Phase.UNKNOWN: [Sent(1.0), Lost()],
    Phase.QUEUED: [Sent(1.0), Accepted("j1", 2.0)],
    Phase.RUNNING: [Sent(1.0), Accepted("j1", 2.0), Seen(_record(JobState.STARTED), 3.0)],
    Phase.FETCHING: [Sent(1.0), Accepted("j1", 2.0), Seen(_record(JobState.COMPLETED), 3.0)],
    Phase.DONE: [Sent(1.0), Accepted("j1", 2.0), Seen(_record(JobState.COMPLETED), 3.0), Fetched(4.0)],
    Phase.FAILED: [Sent(1.0), Refused(ERROR)],
    Phase.CANCELLED: [CancelAsked()],
}


def _after(*events):
    submission = Submission()
    commands = ()
    for event in events:
        submission, commands = step(submission, event)
    return submission, commands


def _at(phase):
    submission, _ = _after(*STRAIGHT[phase])
    assert submission.phase is phase
    return submission


def _snapshot(submission):
    return {f.name: getattr(submission, f.name) for f in fields(submission)}


def test_the_table_speaks_of_every_phase_and_every_event_is_tried_here():
    assert set(TABLE) == set(QISKIT_STATUS) == set(Phase)
    assert {type(event) for event in EVENTS} == set(KINDS)
    assert {kind for row in TABLE.values() for kind in row} == set(KINDS)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_a_pair_is_in_the_table_or_raises_and_changes_nothing(phase, event):
    submission = _at(phase)
    before = _snapshot(submission)
    if type(event) in TABLE[phase]:
        after, commands = step(submission, event)
        assert isinstance(after, Submission)
        assert all(isinstance(command, Command) for command in commands)
    else:
        with pytest.raises(IllegalTransition, match=f"{type(event).__name__} in phase {phase.name}"):
            step(submission, event)
    assert _snapshot(submission) == before


@pytest.mark.parametrize("phase", sorted(FINAL, key=str))
@pytest.mark.parametrize("event", EVENTS, ids=lambda e: type(e).__name__)
def test_nothing_follows_a_final_phase(phase, event):
    submission = _at(phase)
    assert phase.is_final
    if (phase, type(event)) == (Phase.DONE, Reopened):
        assert step(submission, event)[0].phase is Phase.QUEUED  # its result on disk cannot be read
    elif type(event) in TABLE[phase]:
        assert step(submission, event) == (submission, ())


@pytest.mark.parametrize(
    ("phase", "event", "then", "commands"),
    [
        (Phase.WAITING, Sent(1.0), Phase.SENDING, ()),
        (Phase.WAITING, CancelAsked(), Phase.CANCELLED, ()),
        (Phase.WAITING, Stopped(ERROR), Phase.FAILED, ()),
        (Phase.SENDING, Accepted("j1", 2.0), Phase.QUEUED, (Command.WATCH,)),
        (Phase.SENDING, HeldBack(), Phase.WAITING, (Command.SUBMIT,)),
        (Phase.SENDING, Refused(ERROR), Phase.FAILED, ()),
        (Phase.SENDING, Lost(), Phase.UNKNOWN, (Command.RECONCILE,)),
        (Phase.SENDING, Stopped(ERROR), Phase.SENDING, ()),
        (Phase.SENDING, CancelAsked(), Phase.SENDING, ()),
        (Phase.UNKNOWN, Found(_record(JobState.READY), 2.0), Phase.QUEUED, (Command.WATCH,)),
        (Phase.UNKNOWN, Found(_record(JobState.COMPLETED), 2.0), Phase.FETCHING, (Command.FETCH,)),
        (Phase.UNKNOWN, Found(_record(JobState.CANCELED), 2.0), Phase.CANCELLED, ()),
        (Phase.UNKNOWN, Absent(), Phase.WAITING, (Command.SUBMIT,)),
        (Phase.UNKNOWN, Unresolved(ERROR), Phase.FAILED, ()),
        (Phase.UNKNOWN, Stopped(ERROR), Phase.UNKNOWN, ()),
        (Phase.QUEUED, Seen(_record(JobState.SUBMITTED), 3.0), Phase.QUEUED, (Command.WATCH,)),
        (Phase.QUEUED, Seen(_record(JobState.UNKNOWN), 3.0), Phase.QUEUED, (Command.WATCH,)),
        (Phase.QUEUED, Seen(_record(JobState.STARTED), 3.0), Phase.RUNNING, (Command.WATCH,)),
        (Phase.QUEUED, Seen(_record(JobState.COMPLETED), 3.0), Phase.FETCHING, (Command.FETCH,)),
        (Phase.QUEUED, Seen(_record(JobState.FAILED), 3.0), Phase.FAILED, ()),
        (Phase.QUEUED, Seen(_record(JobState.FAILED, ("c",)), 3.0), Phase.FETCHING, (Command.FETCH,)),
        (Phase.QUEUED, Seen(_record(JobState.CANCELED), 3.0), Phase.CANCELLED, ()),
        (Phase.RUNNING, Seen(_record(JobState.READY), 3.0), Phase.RUNNING, (Command.WATCH,)),
        (Phase.QUEUED, CancelAsked(), Phase.QUEUED, (Command.LOOK_AND_CANCEL,)),
        (Phase.RUNNING, Vanished(ERROR, 4.0), Phase.FAILED, ()),
        (Phase.QUEUED, Disowned(), Phase.UNKNOWN, (Command.RECONCILE,)),
        (Phase.FETCHING, Disowned(), Phase.UNKNOWN, (Command.RECONCILE,)),
        (Phase.QUEUED, BetPlaced(), Phase.FETCHING, (Command.FETCH,)),
        (Phase.FETCHING, Fetched(4.0), Phase.DONE, ()),
        (Phase.FETCHING, FetchFailed(ERROR, 4.0), Phase.FAILED, ()),
        (Phase.FETCHING, CancelAsked(), Phase.FETCHING, ()),
    ],
    ids=lambda v: getattr(v, "name", type(v).__name__),
)
def test_the_roads_of_the_diagram(phase, event, then, commands):
    after, follow = step(_at(phase), event)
    assert (after.phase, follow) == (then, commands)


def test_a_whole_life_keeps_its_times():
    done, _ = _after(*STRAIGHT[Phase.DONE])
    assert (done.sent_at, done.accepted_at, done.seen_at, done.ended_at) == (1.0, 2.0, 3.0, 4.0)
    assert (done.job_id, done.posts, done.error) == ("j1", 1, None)


def test_requests_that_may_have_arrived_are_counted():
    submission, _ = _after(Sent(1.0), HeldBack(), Sent(2.0), Lost(), Absent(), Sent(3.0), Accepted("j1", 4.0))
    assert submission.posts == 2


def test_the_services_reason_is_kept():
    failed, _ = step(_at(Phase.RUNNING), Seen(_record(JobState.FAILED), 3.0))
    assert isinstance(failed.error, CircuitFailedError)
    assert (failed.error.code, failed.error.job_id) == ("Code", "j1")
    assert "Code: because" in str(failed.error)
    bare = lifecycle.failure_of(JobRecord("j1", JobState.FAILED))
    assert "no reason given" in str(bare)


@pytest.mark.parametrize(
    ("asked_in", "event", "then", "commands"),
    [
        (Phase.SENDING, HeldBack(), Phase.CANCELLED, ()),
        (Phase.SENDING, Accepted("j1", 2.0), Phase.QUEUED, (Command.LOOK_AND_CANCEL,)),
        (Phase.SENDING, Lost(), Phase.UNKNOWN, (Command.RECONCILE,)),
        (Phase.UNKNOWN, Absent(), Phase.CANCELLED, ()),
        (Phase.UNKNOWN, Found(_record(JobState.READY), 2.0), Phase.QUEUED, (Command.CANCEL,)),
        (Phase.QUEUED, Seen(_record(JobState.READY), 3.0), Phase.QUEUED, (Command.CANCEL,)),
        (Phase.QUEUED, Seen(_record(JobState.COMPLETED), 3.0), Phase.FETCHING, (Command.FETCH,)),
    ],
    ids=lambda v: getattr(v, "name", type(v).__name__),
)
def test_a_cancellation_waits_for_a_fresh_look_and_never_hides_a_result(asked_in, event, then, commands):
    asked, _ = step(_at(asked_in), CancelAsked())
    after, follow = step(asked, event)
    assert (after.phase, follow) == (then, commands)


def test_a_cancelled_circuit_says_where_it_was_cancelled():
    before, _ = _after(CancelAsked())
    within, _ = _after(*STRAIGHT[Phase.QUEUED], CancelAsked(), Seen(_record(JobState.CANCELED), 3.0))
    assert isinstance(before.error, CircuitCancelledError)
    assert "before it was sent" in str(before.error)
    assert "job j1" in str(within.error)


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.RUNNING])
def test_a_lost_bet_goes_back_to_where_it_was_placed(phase):
    placed, _ = step(_at(phase), BetPlaced())
    assert placed.is_bet
    back, commands = step(placed, BetLost())
    assert back.phase is phase
    assert not back.is_bet
    assert commands == (Command.WATCH,)


def test_a_lost_bet_of_a_cancelled_circuit_ends_in_a_cancellation():
    _, commands = _after(*STRAIGHT[Phase.QUEUED], BetPlaced(), CancelAsked(), BetLost())
    assert commands == (Command.LOOK_AND_CANCEL,)


def test_what_qiskit_is_told_is_final_only_when_the_phase_is():
    ends = {JobStatus.DONE, JobStatus.ERROR, JobStatus.CANCELLED}
    for phase, status in QISKIT_STATUS.items():
        assert (status in ends) == phase.is_final
        assert phase.is_in_service == (phase in (Phase.QUEUED, Phase.RUNNING))


@given(st.data())
def test_random_lives_keep_the_rules(data):
    submission, history = Submission(), []
    proven_absent = True  # nothing was ever lost
    for _ in range(data.draw(st.integers(0, 25))):
        before = submission
        possible = [event for event in EVENTS if type(event) in TABLE[before.phase]]
        event = data.draw(st.sampled_from(possible))
        submission, commands = step(before, event)
        history.append(type(event))

        if isinstance(event, Reopened):
            history.clear()  # a cancellation is not asked for by who goes on
        elif before.phase.is_final:
            assert submission is before
        if isinstance(event, Lost):
            proven_absent = False
        if isinstance(event, Absent):
            proven_absent = True
        if Command.SUBMIT in commands:
            assert submission.phase is Phase.WAITING
            assert proven_absent
            assert CancelAsked not in history
        assert (Command.FETCH in commands) <= (submission.phase is Phase.FETCHING)
        assert (submission.error is not None) == (submission.phase in (Phase.FAILED, Phase.CANCELLED))
        if submission.phase in (Phase.QUEUED, Phase.RUNNING, Phase.FETCHING, Phase.DONE):
            assert submission.job_id == "j1"
        # Whatever is alive has somebody who sees to it, unless an answer is awaited already.
        if submission.phase is not before.phase and not submission.phase.is_final:
            assert commands or submission.phase is Phase.SENDING
        assert submission.posts >= before.posts


@pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.RUNNING, Phase.FETCHING, Phase.DONE])
def test_a_submission_that_goes_on_elsewhere_keeps_its_job_and_forgets_that_it_was_to_be_cancelled(phase):
    asked, _ = step(_at(phase), CancelAsked())
    again, commands = step(asked, Reopened(at=9.0))
    assert (again.phase, again.job_id, again.record) == (Phase.QUEUED, "j1", asked.record)
    assert not again.cancel_asked
    assert commands == (Command.WATCH,)
