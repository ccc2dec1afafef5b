# SPDX-License-Identifier: Apache-2.0
"""A process that ends at any moment, and another that goes on: nothing lost, nothing bought twice."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from qiskit_parallel_ionq import chronicle
from qiskit_parallel_ionq.batch import Batch
from qiskit_parallel_ionq.chronicle import Place
from qiskit_parallel_ionq.errors import (
    BatchError,
    CircuitCancelledError,
    CircuitFailedError,
    DetachedError,
    JournalError,
    NotFoundError,
    NotSentError,
    SubmissionUnknownError,
    api_error,
)
from qiskit_parallel_ionq.journal import Journal
from qiskit_parallel_ionq.lifecycle import BetLost, BetPlaced, Fetched, Phase, Seen
from qiskit_parallel_ionq.wire import JobRecord, JobState

NOT_NOW = NotSentError("not now")


class Memory:
    """A record in memory that knows what would survive a power cut."""

    is_kept = True

    def __init__(self, lines=(), blobs=()):
        self.lines, self.blobs = list(lines), list(blobs)
        self.durable = len(self.lines)
        self.is_closed = False
        self.broken = None

    def note(self, record, *, precious=None):
        assert not self.is_closed
        self.lines.append(chronicle.line(record))

    def sync(self):
        if self.broken is not None:
            raise self.broken
        self.durable = len(self.lines)

    def put_body(self, body):
        self.blobs.append(body)
        return Place(len(self.blobs) - 1, len(body), "")

    put_result = put_body

    def body(self, place):
        if self.blobs[place.offset] is None:
            raise JournalError("gone")
        return self.blobs[place.offset]

    result = body

    def drop_bodies(self):
        self.dropped = True

    def close(self):
        self.is_closed = True

    def after_a_crash(self, *, power_cut=False):
        lines = self.lines[: self.durable] if power_cut else self.lines
        return Memory(lines, self.blobs)

    def story(self):
        return chronicle.read(b"".join(self.lines))

    def kinds(self):
        return Counter(chronicle.read_line(line[:-1])["is"] for line in self.lines)


def adopt(run, record, refusal=None):
    """Go on with a run as the provider does."""
    story = record.story()
    assert not story.is_damaged, "a run damaged its own record"
    batch = Batch.restored(story, record)
    run.conductor.adopt(batch, refusal=refusal)
    return batch


def settle(run, batch):
    """Run until the record is closed, too."""
    run.finish(batch)
    while not batch.record.is_closed:
        run.loop.at(run.time.now + 1.0, lambda: None)  # something happens even after the last thing
        run.loop.turn()
    return batch


def settle_in_company(run, batch):
    """Settle a batch while somebody else runs a circuit every half minute, so that listings show news."""
    due = run.time.now + 10.0
    while not batch.is_over:
        if run.time.now >= due:
            run.send(1)
            due = run.time.now + 30.0
        run.loop.at(run.time.now + 5.0, lambda: None)
        run.loop.turn()
    return settle(run, batch)


def assert_paid_once(run, batch):
    assert run.ionq.stored_twice() == {}
    assert {job.token for job in run.ionq.jobs_stored} <= {parcel.token for parcel in batch.parcels}


def until_on_its_way(run):
    """Turn until the first requests are under way, and none is answered."""
    run.loop.turn()
    run.loop._dispatch()


def turns_of(simulation, **options):
    """How many turns a run takes from beginning to end."""
    run, record = simulation(execution=0.4), Memory()
    batch, turns = run.send(record=record, **options), 0
    while not batch.is_over:
        run.loop.turn()
        turns += 1
    return turns + 1


# ── whatever the moment ──


@pytest.mark.parametrize("power_cut", [False, True])
@pytest.mark.parametrize(
    "options", [{"total": 6, "max_workers": 3}, {"total": 9, "circuits_per_job": 4}], ids=["single", "packs"]
)
def test_a_crash_at_any_turn_loses_nothing_and_buys_nothing_twice(
    simulation, assert_right, options, power_cut
):
    for crash_at in range(turns_of(simulation, **options)):
        chance = random.Random(crash_at)
        run, record = simulation(execution=0.4), Memory()
        run.send(record=record, **options)
        if power_cut:
            record.sync()  # what was handed over; else it is gone, which is another test's matter
        for _ in range(crash_at):
            run.loop.turn()
        if crash_at % 2:
            run.loop._dispatch()
        run.crash(lambda dice=chance: dice.random() < 0.5)
        record = record.after_a_crash(power_cut=power_cut)
        batch = settle(run, adopt(run, record))
        assert_right(batch)
        assert_paid_once(run, batch)
        story = record.story()
        assert not story.is_damaged
        assert chronicle.summary(story).is_over
        assert record.kinds()["over"] >= 1


@pytest.mark.parametrize("seed", range(40))
def test_crash_after_crash_with_lost_answers_and_wrong_clocks_is_no_worse(simulation, assert_right, seed):
    chance = random.Random(seed)
    run, record = simulation(execution=0.4, seed=seed), Memory()
    run.ionq.post_faults = lambda: chance.choice(
        [None] * 6
        + [
            "lost after store",
            "lost before store",
            "503 after store",
            "503 before store",
            "not sent",
            (429, 1),
        ]
    )
    run.ionq.get_faults = lambda: chance.choice([None] * 9 + [503, "lost"])
    target = chance.choice(["simulator", "qpu.forte-1"])
    batch = run.send(12, record=record, max_workers=4, target=target, circuits_per_job=chance.choice([1, 5]))
    for _ in range(5):
        for _ in range(chance.randrange(60)):
            if not batch.is_over:
                run.loop.turn()
        run.crash(lambda: chance.random() < 0.5)
        run.wall_is_off = chance.choice([-7200.0, 0.0, 7200.0])
        record = record.after_a_crash()
        batch = adopt(run, record, chance.choice([None, NOT_NOW]))
    run.finish(batch)
    run.crash()
    run.ionq.post_faults = run.ionq.get_faults = lambda: None
    record = record.after_a_crash()
    batch = settle_in_company(run, adopt(run, record))
    assert_right(batch)
    assert run.ionq.stored_twice() == {}
    assert chronicle.summary(record.story()).is_over


def test_over_a_real_file_it_is_the_same(simulation, assert_right, tmp_path):
    path = tmp_path / "run.journal"
    for crash_at in range(0, turns_of(simulation, total=6, max_workers=3), 3):
        path.unlink(missing_ok=True)
        path.with_suffix(".circuits").unlink(missing_ok=True)
        path.with_suffix(".results").unlink(missing_ok=True)
        run, journal = simulation(execution=0.4), Journal(path, is_new=True)
        run.send(6, record=journal, max_workers=3)
        for _ in range(crash_at):
            run.loop.turn()
        run.crash()
        journal.abandon()
        journal = Journal(path, is_new=False)
        batch = Batch.restored(chronicle.read(path.read_bytes()), journal)
        run.conductor.adopt(batch, refusal=None)
        run.finish(batch)
        assert_right(batch)
        assert_paid_once(run, batch)
        journal.close()


# ── what was not sent ──


def test_without_leave_to_send_what_was_accepted_is_collected_and_the_rest_can_be_sent_later(
    simulation, assert_right
):
    run, record = simulation(execution=5.0), Memory()
    run.send(20, record=record, max_workers=4)
    while len(run.ionq.jobs_stored) < 8:
        run.loop.turn()
    run.crash()
    stored = len(run.ionq.jobs_stored)
    record = record.after_a_crash()
    batch = settle(run, adopt(run, record, NOT_NOW))
    assert len(run.ionq.jobs_stored) == stored
    assert set(batch.errors) == set(range(stored, 20))
    assert all(isinstance(error, NotSentError) for error in batch.errors.values())
    assert record.kinds()["over"] == 0
    assert not hasattr(record, "dropped")
    run.crash()
    record = record.after_a_crash()
    batch = settle(run, adopt(run, record))
    assert_right(batch)
    assert_paid_once(run, batch)
    assert record.dropped


def test_a_doubt_is_settled_before_anything_is_sent_again_even_without_leave_to_send(simulation):
    run, record = simulation(), Memory()
    run.run(1)
    run.send(1, record=record)
    until_on_its_way(run)
    run.crash(lambda: False)
    record = record.after_a_crash()
    assert record.story().submissions[0].phase is Phase.SENDING
    batch = settle(run, adopt(run, record, NOT_NOW))
    assert isinstance(batch.errors[0], NotSentError)
    assert record.story().submissions[0].phase is Phase.WAITING
    assert run.ionq.count("GET", "/jobs") >= 2


def test_sending_again_unproven_needs_leave_to_send(simulation, assert_right):
    run, record = simulation(), Memory()
    run.send(1, record=record, on_unknown="resubmit")
    until_on_its_way(run)
    run.crash(lambda: True)
    record = record.after_a_crash()
    batch = settle(run, adopt(run, record, NOT_NOW))
    assert_right(batch)
    assert len(run.ionq.jobs_stored) == 1


def test_circuits_that_were_never_handed_over_say_so(simulation, assert_right):
    run, record = simulation(), Memory()
    run.send(5, record=record, handed_over=3)
    run.crash()
    record = record.after_a_crash()
    batch = settle(run, adopt(run, record))
    assert_right(batch, missing=(3, 4))
    assert all(isinstance(batch.errors[i], NotSentError) for i in (3, 4))
    assert record.kinds()["over"] == 0


def test_a_request_that_is_not_on_disk_any_more_is_not_made_up(simulation, assert_right):
    run, record = simulation(), Memory()
    run.send(3, record=record)
    run.crash()
    record = record.after_a_crash()
    record.blobs[1] = None
    batch = settle(run, adopt(run, record))
    assert_right(batch, missing=(1,))
    assert isinstance(batch.errors[1], NotSentError)


# ── what was accepted ──


def test_what_ended_is_read_from_disk_without_a_single_request(simulation, assert_right):
    run, record = simulation(), Memory()
    settle(run, run.send(5, record=record))
    asked = len(run.ionq.log)
    run.crash()
    record = record.after_a_crash()
    batch = adopt(run, record)
    assert batch.is_over
    settle(run, batch)
    assert_right(batch)
    assert len(run.ionq.log) == asked
    assert chronicle.summary(record.story()).is_over


def test_a_result_that_cannot_be_read_any_more_is_fetched_again_and_the_record_stays_sound(
    simulation, assert_right
):
    run, record = simulation(), Memory()
    batch = settle(run, run.send(4, record=record))
    place = record.story().results[2].place
    for _ in range(2):
        run.crash()
        record = record.after_a_crash()
        record.blobs[place.offset] = None
        batch = adopt(run, record)
        assert not batch.has_ended(2)
        settle(run, batch)
        assert_right(batch)
        place = record.story().results[2].place
    assert_paid_once(run, batch)


def test_a_job_that_was_seen_and_is_gone_is_not_executed_again(simulation):
    run, record = simulation(execution=5.0, predicts=False), Memory()
    run.send(1, record=record)
    while not record.kinds()["ended"]:
        run.loop.turn()
    run.crash(lambda: False)
    run.ionq.jobs_stored.clear()
    batch = settle(run, adopt(run, record.after_a_crash()))
    assert run.ionq.jobs_stored == []
    assert isinstance(batch.errors[0], CircuitFailedError | NotFoundError)
    assert not batch.record.story().is_damaged


def test_times_of_another_process_never_cut_a_search_short(simulation, assert_right):
    for wall_is_off in (-7200.0, 0.0, 7200.0):
        run, record = simulation(), Memory()
        run.send(1, record=record)
        until_on_its_way(run)
        run.crash(lambda: True)
        run.time.now += 1000.0
        for number in range(60):
            run.ionq._store({"metadata": {"qpi": f"another {number}"}, "input": {"circuit": []}, "shots": 1})
        run.time.now += 1000.0
        run.wall_is_off = wall_is_off
        batch = settle(run, adopt(run, record.after_a_crash()))
        assert_right(batch)
        assert run.ionq.stored_twice() == {}


def test_a_listing_is_not_called_stale_for_jobs_it_was_not_read_back_to(simulation, assert_right):
    run = simulation(execution=1000.0)
    run.ionq.page_size = 1
    run.ionq.post_faults = [None, None, None, "lost before store"]
    batch = run.run(5, use_parallel=False)
    assert_right(batch)
    assert run.ionq.stored_twice() == {}


def test_a_twin_that_turns_up_after_a_restart_is_reported(simulation, assert_right, caplog):
    run, record = simulation(execution=60.0), Memory()
    run.run(1)
    run.ionq.post_faults = ["lost before store"]
    batch = run.send(1, record=record)
    while len(run.ionq.jobs_stored) < 2:
        run.loop.turn()
    run.ionq._store(run.ionq.jobs_stored[1].body)  # the first request took effect after all
    run.crash()
    batch = settle(run, adopt(run, record.after_a_crash()))
    assert_right(batch)
    assert [len(twins) for twins in batch.twins.values()] == [1]
    assert "stored twice" in caplog.text
    assert batch.record.kinds()["twin"] == 1


def test_a_project_that_was_never_known_proves_no_absence_on_a_machine(simulation, assert_right):
    for target, is_resent in (("simulator", True), ("qpu.forte-1", False)):
        run, record = simulation(), Memory()
        run.run(1)
        run.send(1, record=record, target=target)
        until_on_its_way(run)
        run.crash(lambda: False)
        batch = settle_in_company(run, adopt(run, record.after_a_crash()))
        stored = [job for job in run.ionq.jobs_stored if job.token == batch.parcels[0].token]
        assert len(stored) == is_resent
        if is_resent:
            assert_right(batch)
        else:
            assert isinstance(batch.errors[0], SubmissionUnknownError)


def test_the_project_is_recorded_of_every_run_and_never_guessed_afterwards(simulation):
    run, first, second, third = simulation(), Memory(), Memory(), Memory()
    batches = [run.send(1, record=first), run.send(1, record=second)]
    for batch in batches:
        settle(run, batch)
    asked = run.ionq.count("GET", "/whoami")
    settle(run, run.send(1, record=third))
    assert [record.story().project for record in (first, second, third)] == ["p1"] * 3
    assert run.ionq.count("GET", "/whoami") == asked
    unknown = Memory([line for line in first.lines if b'"project"' not in line][:3], first.blobs)
    run.crash()
    settle(run, adopt(run, unknown))
    assert unknown.story().project is None


# ── stopping ──


def test_nothing_is_sent_that_could_not_be_recorded(simulation):
    run, record = simulation(), Memory()
    record.broken = JournalError("no room")
    batch = settle(run, run.send(6, record=record, max_workers=3))
    assert run.ionq.jobs_stored == []
    assert all("no room" in str(batch.errors[index]) for index in range(6))
    assert record.kinds()["over"] == 0
    run.crash()
    record = record.after_a_crash()
    assert settle(run, adopt(run, record)).errors == {}


def test_a_record_that_fails_on_the_way_stops_the_sending_and_what_was_accepted_goes_on(
    simulation, assert_right
):
    run, record = simulation(execution=3.0), Memory()
    batch = run.send(20, record=record, max_workers=4)
    while len(run.ionq.jobs_stored) < 6:
        run.loop.turn()
    record.broken = JournalError("no room")
    settle(run, batch)
    stored = len(run.ionq.jobs_stored)
    assert stored < 12
    assert_right(batch, missing=range(stored, 20))


def test_who_leaves_sends_nothing_more_from_that_moment(simulation, assert_right):
    run, record = simulation(execution=3.0), Memory()
    batch = run.send(20, record=record, max_workers=4)
    while len(run.ionq.jobs_stored) < 6:
        run.loop.turn()
    posts = run.ionq.count("POST") + run.time.under_way
    run.conductor.detach(batch)
    settle(run, batch)
    stored = len(run.ionq.jobs_stored)
    assert run.ionq.count("POST") <= posts
    assert_right(batch, missing=range(stored, 20))
    assert all(
        isinstance(error, NotSentError) and batch.run.id in str(error) for error in batch.errors.values()
    )
    assert record.kinds()["detached"] == 1
    assert record.kinds()["over"] == 0
    run.crash()
    assert_right(settle(run, adopt(run, record.after_a_crash())))
    assert run.ionq.stored_twice() == {}


def test_a_circuit_that_was_cancelled_before_it_was_sent_is_not_sent_by_who_goes_on(simulation):
    run, record = simulation(execution=5.0), Memory()
    batch = run.send(20, record=record, max_workers=4)
    while len(run.ionq.jobs_stored) < 8:
        run.loop.turn()
    run.conductor.cancel(batch, include_running=True)
    run.loop.turn()
    run.crash(lambda: False)
    stored = len(run.ionq.jobs_stored)
    batch = settle(run, adopt(run, record.after_a_crash()))
    assert len(run.ionq.jobs_stored) == stored
    assert all(isinstance(batch.errors[index], CircuitCancelledError) for index in range(stored, 20))


def test_a_cancelled_run_is_over_for_good(simulation):
    run, record = simulation(execution=5.0), Memory()
    batch = run.send(4, record=record, max_workers=2)
    run.loop.turn()
    run.conductor.cancel(batch, include_running=True)
    settle(run, batch)
    assert chronicle.summary(record.story()).is_over
    assert record.kinds()["over"] == 1


def test_a_run_that_is_handed_over_waits_for_answers_and_then_goes_on_elsewhere(simulation, assert_right):
    run, record = simulation(execution=2.0), Memory()
    batch, other = run.send(12, record=record, max_workers=4), run.send(3)
    until_on_its_way(run)
    assert any(sent.phase is Phase.SENDING for sent in batch.submissions)
    released = run.conductor.release(batch)
    while not released.done():
        run.loop.turn()
    assert record.is_closed
    assert batch.is_over
    assert not any(sent.phase is Phase.SENDING for sent in batch.submissions)
    assert all(type(error) is DetachedError for error in batch.errors.values())
    successor = record.after_a_crash()
    batch = settle(run, adopt(run, successor))
    run.finish(other)
    assert_right(batch), assert_right(other)
    assert run.ionq.stored_twice() == {}
    assert run.conductor.release(batch).cancelled() is False
    run.loop.turn()


def test_a_run_whose_key_was_refused_goes_on_with_a_valid_one(simulation, assert_right):
    run, record = simulation(execution=60.0, predicts=False), Memory()
    batch = run.send(12, record=record, max_workers=4)
    until_on_its_way(run)
    run.finish(batch, until=run.time.now + 1.0)
    run.ionq.get_faults = run.ionq.post_faults = lambda: 401
    run.finish(batch, until=60.0)
    assert batch.is_over
    while run.conductor._closing:
        run.loop.turn()
    assert record.is_closed
    assert not any(b'"over"' in line for line in record.lines)
    run.ionq.get_faults, run.ionq.post_faults = [], []
    assert_right(settle(run, adopt(run, record.after_a_crash())))
    assert run.ionq.stored_twice() == {}


def test_timers_of_a_run_that_was_handed_over_disturb_nobody(simulation, assert_right, monkeypatch):
    run, record = simulation(execution=lambda number: 0.5 if number < 2 else 20.0), Memory()
    read = run.ionq.distribution

    def late(path):
        if "child" in path and run.time.now < 6.0:
            raise api_error(503, method="GET", path=path)
        return read(path)

    monkeypatch.setattr(run.ionq, "distribution", late)
    batch = run.send(8, record=record, circuits_per_job=4, memory=True, target="qpu.forte-1")
    other = run.send(1)
    while run.time.now < 3.0:
        run.loop.turn()
    assert batch.submissions[0].phase is Phase.FETCHING
    released = run.conductor.release(batch)
    while not released.done():
        run.loop.turn()
    assert_right(run.finish(other))
    run.crash()
    assert settle(run, adopt(run, record.after_a_crash())).errors == {}


@pytest.mark.parametrize(
    ("state", "events", "phase"),
    [
        (JobState.FAILED, [], Phase.FAILED),
        (JobState.CANCELED, [], Phase.CANCELLED),
        (JobState.COMPLETED, [Fetched(2.0)], Phase.DONE),
        (JobState.COMPLETED, [BetLost(), Fetched(2.0)], Phase.DONE),
        (JobState.STARTED, [BetLost()], Phase.RUNNING),
    ],
)
def test_a_job_whose_state_is_told_while_its_result_is_asked_for_early_leaves_the_record_sound(
    simulation, state, events, phase
):
    run, record = simulation(execution=50.0), Memory()
    batch = run.send(1, record=record)
    while not batch.submissions or batch.submissions[0].job_id is None:
        run.loop.turn()
    told = JobRecord("job-0", state, failure_message="because")
    for event in (BetPlaced(), Seen(told, 1.0), *events):
        run.conductor.apply(batch, 0, event)
    assert batch.submissions[0].phase is phase
    story = record.story()
    assert not story.is_damaged
    is_open = phase is Phase.RUNNING  # of a job that goes on, only its acceptance is recorded
    assert story.submissions[0].phase is (Phase.QUEUED if is_open else phase)


def test_what_another_process_began_teaches_nothing_about_how_long_jobs_take(simulation, assert_right):
    run, record = simulation(execution=0.5, predicts=False), Memory()
    run.send(1, record=record)
    while not run.ionq.jobs_stored:
        run.loop.turn()
    run.crash()
    run.time.now += 5000.0
    assert_right(settle(run, adopt(run, record.after_a_crash())))
    begun = run.time.now
    assert_right(run.run(3))
    assert run.time.now - begun < 3.0


@pytest.mark.parametrize("wall_is_off", [-7200.0, 7200.0])
def test_a_clock_that_was_put_back_delays_no_result(simulation, assert_right, wall_is_off):
    run, record = simulation(execution=lambda number: 5.0 if number >= 2 else 100.0, predicts=False), Memory()
    run.send(2, record=record)
    while len(run.ionq.jobs_stored) < 2:
        run.loop.turn()
    run.crash()
    run.wall_is_off = wall_is_off
    assert_right(run.run(2))  # how long they take is known now
    begun = run.time.now
    assert_right(settle(run, adopt(run, record.after_a_crash())))
    assert run.time.now - begun < 200.0


def test_a_parcel_that_comes_too_late_is_let_go(simulation, assert_right):
    run, record = simulation(), Memory()
    batch = run.send(4, record=record, handed_over=2)
    run.loop.turn()
    run.conductor.detach(batch)
    settle(run, batch)
    run.conductor.add(batch, replace(batch.parcels[0], circuits=(3,)))
    run.loop.turn()
    other = run.run(2)
    assert_right(other)
    assert len(batch.parcels) == 2


def test_what_failed_stays_failed_for_the_same_reason(simulation):
    run, record = simulation(execution=0.3), Memory()
    run.ionq.post_faults = [None, 422]
    run.ionq.after_store = lambda job: setattr(job, "failure", ("Code", "because"))
    batch = settle(run, run.send(2, record=record, max_workers=1))
    run.crash()
    again = settle(run, adopt(run, record.after_a_crash()))
    assert {i: (type(e), str(e)) for i, e in again.errors.items()} == {
        i: (type(e), str(e)) for i, e in batch.errors.items()
    }
    assert len(again.errors) == 2
    BatchError(again.errors, total=2, job_id="x")
