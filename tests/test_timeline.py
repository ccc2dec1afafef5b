# SPDX-License-Identifier: Apache-2.0
"""A run's time told and drawn: by the emulator's own clock, with faults, in packs, resumed, in thousands."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.batch import Batch
from qiskit_parallel_ionq.chronicle import Run
from qiskit_parallel_ionq.emulator import Fault, LocalIonQ
from qiskit_parallel_ionq.errors import CompileError
from qiskit_parallel_ionq.lifecycle import (
    Accepted,
    BetPlaced,
    Fetched,
    HeldBack,
    Phase,
    Seen,
    Sent,
    Submission,
    step,
)
from qiskit_parallel_ionq.parcel import Parcel
from qiskit_parallel_ionq.report import report_on
from qiskit_parallel_ionq.spans import Row, Span, Stage
from qiskit_parallel_ionq.timeline import Timeline, timeline_of
from qiskit_parallel_ionq.wire import JobRecord, JobState

EPOCH = 1_790_000_000.0
"""Seconds of the wall clock at zero of the conductor's; the service's is ahead by another 40 s."""


def moment(at: float) -> str:
    return datetime.fromtimestamp(EPOCH + 40.0 + at, timezone.utc).isoformat()


def record(arrived: float, started: float | None, completed: float | None, **facts) -> JobRecord:
    state = JobState.COMPLETED if completed is not None else JobState.STARTED
    times = {"submitted_at": arrived, "started_at": started, "completed_at": completed}
    told = {name: moment(at) for name, at in times.items() if at is not None}
    return JobRecord("j", state, **told, **facts)


def parcel(*circuits: int) -> Parcel:
    return Parcel(circuits, (), (), 1, "t", "d", b"", is_exact=True, memory=False, dry_run=False)


def after(*events) -> Submission:
    submission = Submission()
    for event in events:
        submission, _ = step(submission, event)
    return submission


def add(batch: Batch, submission: Submission, *circuits: int, taken: float = 0.0) -> int:
    number = len(batch.parcels)
    batch.parcels.append(parcel(*circuits))
    batch.submissions.append(submission)
    batch.parcel_of.update(dict.fromkeys(circuits, number))
    batch.stamps.take(number, taken)
    return number


def finish(batch: Batch, number: int, asked: float, answered: float) -> None:
    batch.stamps.read(number, asked, answered)
    batch.stamps.open(number, answered)
    for index in batch.parcels[number].circuits:
        batch.outcomes.put(index, None)
        batch.end(index)
        batch.stamps.end(index, answered)


def told(batch: Batch, now: float = 100.0) -> Timeline:
    return timeline_of(batch, now=now, wall=lambda at: at + EPOCH)


def stages(row: Row) -> dict[str, float]:
    return {span.stage.value: round(span.length, 3) for span in row.spans}


def run(total: int, workers: int = 10) -> Batch:
    return Batch(Run("run", total, "simulator", seed=1, workers=workers))


@pytest.fixture
def batch():
    return two_jobs()


def two_jobs(home: int = 2) -> Batch:
    """Two jobs over one connection, each 3 s at the service; a round trip is 1 s. So many are home."""
    batch = run(2, workers=1)
    batch.stamps.began = -0.5
    batch.stamps.compiled(0, 0.0, 0.1)
    batch.stamps.compiled(1, 0.1, 0.2)
    for number, sent in enumerate((1.0, 2.0)):
        told_by_service = record(sent + 0.5, sent + 1.5, sent + 3.5)
        submission = after(
            Sent(sent), Accepted(f"j{number}", sent + 1.0), Seen(told_by_service, sent + 3.5), Fetched(9.0)
        )
        add(batch, submission, number, taken=0.2)
        if number < home:
            finish(batch, number, sent + 4.0, sent + 5.0)
    return batch


def test_the_service_s_times_are_told_by_our_clock(batch):
    assert [(span.stage.value, round(span.begin, 3)) for span in told(batch).rows[0].spans] == [
        ("compile", 0.5),
        ("wait here", 0.6),
        ("submit", 1.5),
        ("queue", 2.5),
        ("run", 3.0),
        ("wait here", 5.0),
        ("fetch", 5.5),
    ]


def test_a_run_adds_up(batch):
    whole = told(batch)
    assert whole.is_whole
    assert whole.wall == pytest.approx(7.5)  # from -0.5 to 7.0
    assert whole.round_trip == pytest.approx(1.0)
    assert whole.ideal == pytest.approx(6.0)  # two waves, 3 s at the service, a fetch
    assert whole.ratio == pytest.approx(1.25)
    assert sum(whole.path_seconds.values()) == pytest.approx(whole.wall)
    assert whole.summary.startswith("2 circuits on simulator: 7.50 s; ideal 6.00 s, ratio 1.25")
    assert whole.path_summary.startswith("critical path: ")


def test_requests_are_told_where_they_were_counted(batch):
    assert "requests" not in told(batch).summary
    batch.traffic.requests, batch.traffic.connections = 9, 2
    assert "9 requests, 2 new connections" in told(batch).summary


def test_what_is_under_way_has_no_ideal_yet():
    batch = two_jobs(home=1)
    assert told(batch).ideal is None
    assert "ideal" not in told(batch).summary


def test_what_the_service_foretold_stands_where_its_last_word_was_not_asked_for():
    batch = run(2)
    started = record(0.5, 0.5, None, predicted_execution_ms=2000.0)
    first = after(Sent(0.0), Accepted("a", 1.0), Seen(started, 1.2), BetPlaced(), Fetched(8.0))
    finish(batch, add(batch, first, 0), 7.0, 8.0)
    waiting = JobRecord(
        "j", JobState.READY, submitted_at=moment(0.5), predicted_wait_ms=2000.0, predicted_execution_ms=1000.0
    )
    second = after(Sent(0.0), Accepted("b", 1.0), Seen(waiting, 1.5), BetPlaced(), Fetched(8.0))
    finish(batch, add(batch, second, 1), 5.0, 6.0)
    rows = told(batch).rows
    assert stages(rows[0]) == {"submit": 1.0, "run": 1.5, "wait here": 4.5, "fetch": 1.0}
    assert stages(rows[1]) == {"submit": 1.0, "queue": 2.5, "run": 1.0, "wait here": 0.5, "fetch": 1.0}
    assert told(batch).ideal == pytest.approx(1.0 + 3.5 + 1.0)


def test_setbacks_and_failures_are_marks():
    batch = run(2)
    sent = after(Sent(0.0), HeldBack(1.0, "429"), Sent(2.0), Accepted("a", 3.0))
    add(batch, sent, 0)
    batch.stamps.troubles.append((0, 4.0, "503"))
    batch.end(1, CompileError("no way"))
    batch.stamps.compiled(1, 0.5, 0.6)
    batch.stamps.end(1, 0.7)
    rows = told(batch, now=5.0).rows
    assert [(mark.what, mark.at) for mark in rows[0].marks] == [("held back", 1.0), ("read again", 4.0)]
    assert [(mark.what, mark.why) for mark in rows[1].marks] == [("failed", "no way")]
    assert rows[1].spans == (Span(Stage.COMPILE, 0.5, 0.7),)
    assert "1 without a result" in told(batch).summary


def test_a_pack_is_one_row():
    batch = run(4)
    add(batch, after(Sent(0.0)), 0, 1, 2)
    add(batch, after(), 3)
    for index in range(4):
        batch.stamps.compiled(index, index - 10.0, index - 9.5)
    rows = told(batch).rows
    assert [row.label for row in rows] == ["0…2", "3"]
    assert rows[0].spans[0] == Span(Stage.COMPILE, 0.0, 2.5)
    assert told(batch).summary.startswith("4 circuits in 2 jobs")


def test_what_an_earlier_execution_brought_home_has_no_row():
    batch = run(3)
    batch.carried.update({0: "a", 2: None})
    add(batch, after(Sent(0.0)), 1)
    assert [row.circuits for row in told(batch).rows] == [(1,)]
    assert told(batch).summary.startswith("1 of 3 circuits on simulator")


def test_of_a_run_that_has_not_begun_little_is_said():
    empty = told(run(3))
    assert empty.wall is None
    assert empty.path == ()
    assert empty.path_summary == ""
    assert empty.summary == "3 circuits on simulator"


# ── over the emulator ──


def circuits(count: int) -> list[QuantumCircuit]:
    made = []
    for index in range(count):
        circuit = QuantumCircuit(1, 1, name=f"c{index}")
        circuit.rx(0.1 * index, 0)
        circuit.measure(0, 0)
        made.append(circuit)
    return made


FAULTS = (
    Fault("status", method="POST", path="/jobs", status=429, nth=2),
    Fault("status", path="/jobs/*/results/*", status=503, nth=1),
    Fault("fail", name="c3"),
)


@pytest.fixture(scope="module")
def met():
    """A job that met faults: a submission held back, a result read twice, a circuit that failed."""
    with ParallelIonQProvider.local(seed=1, round_trip=0.01, execution_time=0.05, faults=FAULTS) as provider:
        job = provider.get_backend(target="simulator").run(circuits(5), shots=10)
        assert job.wait(30)
        yield job


def test_a_real_run_is_told_whole(met):
    whole = met.report().timeline
    assert whole.is_whole
    assert [row.status for row in whole.rows] == [*[Phase.DONE] * 3, Phase.FAILED, Phase.DONE]
    marks = Counter(mark.what for row in whole.rows for mark in row.marks)
    assert marks["held back"] == marks["failed"] == 1
    assert whole.requests > 10
    assert 1 <= whole.connections <= 10
    assert sum(whole.path_seconds.values()) == pytest.approx(whole.wall)
    assert all(row.begin >= 0.0 for row in whole.rows)
    for row in whole.rows:
        assert row.seconds(Stage.SUBMIT) >= 0.01
        assert row.seconds(Stage.UNKNOWN) is None


def test_a_run_that_finds_open_connections_opens_none():
    with ParallelIonQProvider.local(seed=1) as provider:
        backend = provider.get_backend(target="simulator")
        for _ in range(2):
            job = backend.run(circuits(1), shots=10, use_parallel=False)
            job.result()
        assert job.report().timeline.connections == 0
        assert job.report().timeline.requests >= 2


def test_a_run_that_was_found_again_leaves_open_what_nobody_recorded(tmp_path):
    with LocalIonQ(seed=1, round_trip=0.02, execution_time=0.02) as service:
        for attempt in range(2):
            with ParallelIonQProvider(service.api_key, service.url, state_dir=tmp_path) as provider:
                if attempt == 0:
                    job = provider.get_backend(target="simulator").run(circuits(3), shots=10)
                else:
                    job = provider.retrieve_job(job.job_id())
                job.result()
                again = job.report().timeline
    assert not again.is_whole
    assert again.ideal is again.requests is None
    assert "not all of it was seen from here" in again.summary
    for row in again.rows:
        assert row.seconds(Stage.COMPILE) is None
        assert row.seconds(Stage.UNKNOWN) > 0.0
        assert row.seconds(Stage.SUBMIT) > 0.0


def test_the_report_tells_of_the_moment_it_was_made():
    batch = two_jobs(home=1)
    report = report_on(batch, 50.0, lambda at: at + EPOCH)
    finish(batch, 1, 60.0, 61.0)
    assert report.timeline.wall == pytest.approx(50.5)


def test_a_stretch_of_a_stream_is_counted_from_the_stream_s_beginning():
    batch = Batch(Run("run", 2, "simulator", seed=1, first=100))
    add(batch, after(Sent(0.0)), 0, 1)
    report = report_on(batch, 5.0, lambda at: at + EPOCH)
    (row,) = report.timeline.rows
    assert (row.circuits, row.label) == ((100, 101), "100…101")
    assert [record["submit_s"] for record in report.records()] == [5.0, 5.0]
