# SPDX-License-Identifier: Apache-2.0
"""What is said of the time to come: what the service foretold, else the rate of late, else nothing."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from qiskit_parallel_ionq.batch import Batch
from qiskit_parallel_ionq.chronicle import Run
from qiskit_parallel_ionq.lifecycle import Accepted, Seen, Sent, Submission, step
from qiskit_parallel_ionq.outlook import Outlook, outlook
from qiskit_parallel_ionq.parcel import Parcel
from qiskit_parallel_ionq.wire import JobRecord, JobState


def moment(at: float) -> str:
    return datetime.fromtimestamp(1_790_000_000.0 + at, timezone.utc).isoformat()


def of(total: int, *submissions: Submission, ended=()) -> Batch:
    """A run of single circuits, of which the first so many came home at the given times."""
    batch = Batch(Run("run", total, "simulator", seed=1))
    batch.stamps.began = 0.0
    for number, submission in enumerate(submissions, start=len(ended)):
        batch.parcel_of[number] = len(batch.parcels)
        batch.parcels.append(Parcel((number,), (), (), 1, "t", "d", b"", True, False, False))
        batch.submissions.append(submission)
    for index, at in enumerate(ended):
        batch.outcomes.put(index, None)
        batch.end(index)
        batch.stamps.end(index, at)
    return batch


def seen(**facts) -> Submission:
    """A submission that left at 0 s, was accepted at 2 s and looked at at 3 s."""
    submission = Submission()
    facts = {"state": JobState.STARTED, "submitted_at": moment(1.0), **facts}
    for event in (Sent(0.0), Accepted("j", 2.0), Seen(JobRecord("j", **facts), 3.0)):
        submission, _ = step(submission, event)
    return submission


def test_a_run_ends_with_the_last_of_what_was_foretold():
    running = seen(started_at=moment(1.0), predicted_execution_ms=10_000.0)
    queued = seen(state=JobState.READY, predicted_wait_ms=20_000.0, predicted_execution_ms=10_000.0)
    assert outlook(of(2, running, running), now=5.0).left == pytest.approx(6.0)
    assert outlook(of(2, running, queued), now=5.0).left == pytest.approx(28.0)


def test_what_is_a_little_late_is_due_any_moment():
    late = seen(started_at=moment(1.0), predicted_execution_ms=10_000.0)
    assert outlook(of(1, late), now=12.0).left == 0.0


@pytest.mark.parametrize(
    "batch",
    [
        of(1, seen(started_at=moment(1.0), predicted_execution_ms=1_000.0)),  # overdue by far
        of(1, seen()),  # no prediction
        of(2, seen(started_at=moment(1.0), predicted_execution_ms=60_000.0)),  # one circuit is not sent yet
        of(1, Submission()),
        of(3),
    ],
)
def test_where_there_is_no_telling_nothing_is_said(batch):
    assert outlook(batch, now=30.0) == Outlook()


def test_a_steady_run_goes_on_as_of_late():
    ended = [1.0 + 0.1 * n for n in range(50)]
    at = outlook(of(100, ended=ended), now=5.9)
    assert at.rate == pytest.approx(10.0, rel=0.05)
    assert at.left == pytest.approx(5.0, rel=0.05)


def test_a_few_results_are_no_rate():
    assert outlook(of(100, ended=[1.0, 2.0, 3.0]), now=3.5) == Outlook()


def test_a_burst_is_no_rate():
    """Twenty circuits run side by side for 60 s: the first results say nothing of a minute each."""
    assert outlook(of(20, ended=[60.0 + 0.01 * n for n in range(6)]), now=60.06) == Outlook()


def test_waves_are_a_rate_once_there_were_some():
    ended = [10.0 * wave + 0.01 * n for wave in (1, 2, 3) for n in range(10)]
    at = outlook(of(100, ended=ended), now=32.0)
    assert 50.0 < at.left < 110.0  # seven waves of 10 s, one of which has begun 2 s ago


def test_without_a_beginning_there_is_no_rate():
    batch = of(100, ended=[float(n) for n in range(10)])
    batch.stamps.began = float("nan")
    assert outlook(batch, now=10.0) == Outlook()
