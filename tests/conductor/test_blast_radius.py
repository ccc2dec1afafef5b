# SPDX-License-Identifier: Apache-2.0
"""A fault ends what it is in: one batch, and never the thread; and who waits hears of it."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from qiskit_parallel_ionq.conductor import Loop
from qiskit_parallel_ionq.conductor.fetching import Fetching
from qiskit_parallel_ionq.conductor.submitting import Submitting
from qiskit_parallel_ionq.conductor.watching import Watching
from qiskit_parallel_ionq.errors import IonQError
from qiskit_parallel_ionq.lifecycle import IllegalTransition
from qiskit_parallel_ionq.logs import NAME

PLACES = [
    (Submitting, "submit"),
    (Submitting, "_submitted"),
    (Watching, "plan"),
    (Watching, "_look"),
    (Watching, "_looked"),
    (Watching, "_seen"),
    (Fetching, "fetch"),
    (Fetching, "settle"),
    (Fetching, "_decode"),
    (Fetching, "_finish"),
]
"""Where a mistake of ours is made, in a callback of each kind: message, timer, start of a task, report."""


def turn_until(run, done, seconds: float = 2000.0) -> None:
    while not done() and run.time.now < seconds:
        run.loop.turn()


@pytest.mark.parametrize(("kind", "name"), PLACES, ids=lambda part: getattr(part, "__name__", part))
@pytest.mark.parametrize(
    "error", [IndexError("tuple index"), IllegalTransition("Fetched in QUEUED"), KeyError(7)]
)
@pytest.mark.parametrize("options", [{}, {"circuits_per_job": 3}], ids=["single", "pack"])
def test_a_bug_ends_the_batch_it_is_met_in_and_no_other(
    simulation, assert_right, monkeypatch, kind, name, error, options
):
    run = simulation(predicts=False)
    run.run(3)
    others = [run.send(6), run.send(6, circuits_per_job=2)]
    hit = run.send(6, **options)
    act = getattr(kind, name)

    def strike(self, batch, *given, **named):
        if batch is hit:
            raise error
        return act(self, batch, *given, **named)

    monkeypatch.setattr(kind, name, strike)
    turn_until(run, lambda: hit.is_over and all(other.is_over for other in others))
    for other in others:
        assert_right(other)
    assert set(hit.errors) | set(hit.outcomes) == set(range(6))
    assert hit.errors
    for told in hit.errors.values():
        assert type(told) is IonQError
        assert repr(error) in str(told)
        assert hit.run.id in str(told)
        assert told.__cause__ is error
    turn_until(run, lambda: not run.conductor.is_open(hit))
    assert not run.conductor.is_open(hit)


def test_answers_to_submissions_under_way_are_taken_note_of_after_a_bug(simulation, monkeypatch):
    run = simulation(round_trip=1.0)
    batch = run.send(4)
    while run.ionq.time.under_way < 4:
        run.loop._wait = lambda inbox, _: inbox.get_nowait()  # nothing comes yet
        run.loop.turn()
    run.loop._wait = run.time.wait
    run.loop.post(lambda: run.conductor._guard(batch, lambda: 1 / 0))
    turn_until(run, lambda: not run.conductor.is_open(batch))
    assert [sent.job_id for sent in batch.submissions] == [f"job-{number}" for number in range(4)]
    assert run.ionq.count("GET", "/jobs") == 0, run.ionq.log


def test_a_batch_whose_end_fails_as_well_still_ends(simulation, assert_right, monkeypatch):
    run = simulation()
    batch, other = run.send(3), run.send(3)
    monkeypatch.setattr(batch, "stamps", None)
    turn_until(run, lambda: batch.is_over and other.is_over)
    assert_right(other)
    assert set(batch.errors) == {0, 1, 2}


# ── logging ──


class Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("the handler is broken")


@pytest.fixture(params=["handler", "filter"])
def broken_logging(request):
    """A program whose own logging raises at every record."""
    log, handler = logging.getLogger(NAME), Broken()

    def refuse(record: logging.LogRecord) -> bool:
        raise RuntimeError("the filter is broken")

    level = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(handler) if request.param == "handler" else log.addFilter(refuse)
    yield
    log.setLevel(level)
    log.removeHandler(handler)
    log.removeFilter(refuse)


def started(simulation, **service):
    """Return a simulation whose loop has a thread of its own, and a service that takes no time."""
    run = simulation(round_trip=0.0, execution=0.0, **service)
    loop = Loop()
    loop.on_bug, loop.on_end = run.conductor.loop.on_bug, run.conductor.loop.on_end
    run.loop = run.conductor.loop = loop
    loop.start()
    return run


def test_a_log_handler_or_filter_that_raises_harms_no_run(simulation, assert_right, broken_logging, capfd):
    run = started(simulation)
    for _ in range(2):
        run.ionq.post_faults = [None, 422]
        batch = run.send(5)
        assert batch.wait_for(lambda batch=batch: batch.is_over, 10.0)
        assert len(batch.errors) == 1
    run.loop.close()
    batch = run.send(0)
    assert batch.is_over
    assert capfd.readouterr().err.count("is broken") <= 1  # said once at the most, and not for each record


def test_a_bug_is_logged_with_its_traceback_and_the_callers_line(simulation, caplog):
    run = simulation()
    batch = run.send(1)
    run.loop.post(lambda: run.conductor._guard(batch, lambda: 1 / 0))
    turn_until(run, lambda: batch.is_over)
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.exc_info[0] is ZeroDivisionError
    assert record.filename == "conductor.py"


# ── the thread ──


class Fatal(BaseException):
    """What no guard catches."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_thread_ends_for_whatever_reason_who_waits_and_who_comes_later_are_told(simulation):
    run = started(simulation)
    run.ionq.execution = lambda _: 1e9
    batch = run.send(3)
    waiters, said = [], []

    def wait() -> None:
        said.append(batch.wait_for(lambda: batch.is_over, 20.0))

    for _ in range(3):
        waiters.append(threading.Thread(target=wait))
        waiters[-1].start()

    def die() -> None:
        raise Fatal

    run.loop.post(die)
    begun = time.monotonic()
    for waiter in waiters:
        waiter.join(10.0)
    assert time.monotonic() - begun < 5.0
    assert said == [True] * 3
    assert "closed" in str(batch.errors[0])
    with pytest.raises(IonQError, match="has ended"):
        run.send(1)
    with pytest.raises(IonQError, match="has ended"):
        run.loop.start()
    run.loop.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_waits_is_told_even_where_the_end_itself_fails(simulation):
    run = started(simulation)
    run.ionq.execution = lambda _: 1e9
    batch = run.send(3)

    def fail() -> None:
        raise Fatal

    run.loop.on_end = fail
    run.loop.post(fail)
    with pytest.raises(IonQError, match="has ended"):
        batch.wait_for(lambda: batch.is_over, 20.0)
    run.loop.close()


def test_closing_ends_what_is_posted_at_the_same_time(simulation):
    for _ in range(20):
        run = started(simulation)
        batches: list = []

        def send(run=run, batches=batches) -> None:
            try:
                while True:
                    batches.append(run.send(1))
            except IonQError:
                return

        sender = threading.Thread(target=send)
        sender.start()
        run.loop.close()
        sender.join(10.0)
        posted = [batch for batch in batches if batch.announced]
        assert all(batch.wait_for(lambda batch=batch: batch.is_over, 5.0) for batch in posted)
