# SPDX-License-Identifier: Apache-2.0
"""Stages that follow each other without overlap, holes that stay holes, a path that adds up, an honest ideal."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qiskit_parallel_ionq.lifecycle import (
    Absent,
    Accepted,
    BetPlaced,
    Disowned,
    Fetched,
    Found,
    HeldBack,
    Lost,
    Phase,
    Refused,
    Seen,
    Sent,
    Submission,
    step,
)
from qiskit_parallel_ionq.spans import (
    Row,
    Span,
    Stage,
    Times,
    critical_path,
    ideal_time,
    skew,
    spans_of,
)
from qiskit_parallel_ionq.wire import JobRecord, JobState

RUNNING = JobRecord("j", JobState.STARTED)
DONE = JobRecord("j", JobState.COMPLETED)


def after(*events) -> Submission:
    submission = Submission()
    for event in events:
        submission, _ = step(submission, event)
    return submission


def told(submission: Submission, **options) -> list[tuple[str, float, float]]:
    times = {name: options.pop(name) for name in list(options) if name in Times.__dataclass_fields__}
    return [
        (span.stage.value, span.begin, span.end) for span in spans_of(submission, Times(**times), **options)
    ]


FETCHED = after(Sent(2.0), Accepted("j", 3.0), Seen(DONE, 8.0), Fetched(10.0))
WHOLE = {"compile_began": 0.0, "compile_ended": 0.5, "taken": 1.0, "started": 4.0, "completed": 7.0}
HOME = {"asked": 8.0, "answered": 9.0, "opened": 9.5, "ended": 10.0}


def test_all_stages_of_a_submission_follow_each_other():
    assert told(FETCHED, **WHOLE, **HOME) == [
        ("compile", 0.0, 0.5),
        ("wait here", 0.5, 2.0),
        ("submit", 2.0, 3.0),
        ("queue", 3.0, 4.0),
        ("run", 4.0, 7.0),
        ("wait here", 7.0, 8.0),
        ("fetch", 8.0, 9.0),
        ("wait here", 9.0, 9.5),
        ("decode", 9.5, 10.0),
    ]


@pytest.mark.parametrize(
    ("missing", "stages"),
    [
        (("started",), ["submit", "queue or run", "wait here", "fetch", "wait here", "decode"]),
        (("started", "completed"), ["submit", "queue or run", "fetch", "wait here", "decode"]),
        (("completed",), ["submit", "queue", "run", "fetch", "wait here", "decode"]),
        (("asked", "answered", "opened"), ["submit", "queue", "run", "not known"]),
        (("started", "completed", "asked", "answered", "opened"), ["submit", "not known"]),
        (("opened",), ["submit", "queue", "run", "wait here", "fetch", "not known"]),
    ],
)
def test_a_time_that_nobody_knows_joins_the_stages_on_either_side(missing, stages):
    times = {name: at for name, at in {**WHOLE, **HOME}.items() if name not in missing}
    assert [stage for stage, *_ in told(FETCHED, **times)][2:] == stages


def test_a_run_that_ended_after_its_result_was_asked_for_ends_there():
    times = {**WHOLE, **HOME, "completed": 8.3}
    assert ("run", 4.0, 8.0) in told(FETCHED, **times)
    assert ("fetch", 8.0, 9.0) in told(FETCHED, **times)


@given(
    st.lists(st.one_of(st.none(), st.floats(0.0, 100.0)), min_size=9, max_size=9),
    st.booleans(),
)
def test_no_stage_is_negative_and_none_overlaps(values, is_fetched):
    spans = spans_of(FETCHED, Times(*values), is_fetched=is_fetched)
    assert all(span.length > 0.0 for span in spans)
    assert all(one.end == other.begin for one, other in pairwise(spans))
    assert all(one.stage is not other.stage for one, other in pairwise(spans))


def test_a_submission_that_was_held_back_waited_twice():
    sent = after(Sent(1.0), HeldBack(2.0, "429"), Sent(5.0), Accepted("j", 6.0))
    assert told(sent, taken=0.0, ended=7.0) == [
        ("wait here", 0.0, 1.0),
        ("submit", 1.0, 2.0),
        ("wait here", 2.0, 5.0),
        ("submit", 5.0, 6.0),
        ("queue", 6.0, 7.0),
    ]


def test_a_lost_answer_is_doubt_until_the_job_is_found():
    sent = after(Sent(1.0), Lost(2.0, "reset"), Found(RUNNING, 5.0))
    assert told(sent, taken=0.0, ended=7.0) == [
        ("wait here", 0.0, 1.0),
        ("submit", 1.0, 2.0),
        ("in doubt", 2.0, 5.0),
        ("queue or run", 5.0, 7.0),
    ]


def test_a_submission_that_is_proven_absent_is_sent_again():
    sent = after(Sent(1.0), Lost(2.0), Absent(5.0), Sent(6.0), Accepted("j", 7.0))
    assert [(stage, begin) for stage, begin, _ in told(sent, taken=1.0, ended=8.0)] == [
        ("submit", 1.0),
        ("in doubt", 2.0),
        ("wait here", 5.0),
        ("submit", 6.0),
        ("queue", 7.0),
    ]


def test_of_a_wrong_id_only_the_doubt_is_told():
    sent = after(Sent(1.0), Accepted("x", 2.0), Disowned(4.0), Found(RUNNING, 6.0))
    assert [stage for stage, *_ in told(sent, taken=0.0, ended=7.0)] == [
        "wait here",
        "not known",
        "in doubt",
        "queue or run",
    ]


@pytest.mark.parametrize(
    ("submission", "stage"),
    [
        (after(), "wait here"),
        (after(Sent(1.0)), "submit"),
        (after(Sent(1.0), Lost(2.0)), "in doubt"),
        (after(Sent(1.0), Accepted("j", 2.0)), "queue"),
        (after(Sent(1.0), Accepted("j", 2.0), BetPlaced()), "queue"),
        (after(Sent(1.0), Accepted("j", 2.0), Seen(RUNNING, 3.0)), "queue or run"),
    ],
)
def test_what_is_under_way_is_in_its_stage_to_this_moment(submission, stage):
    last, _, until = told(submission, taken=0.0, ended=9.0)[-1]
    assert (last, until) == (stage, 9.0)


def test_a_refused_submission_ends_with_its_answer():
    refused = after(Sent(1.0), Refused(ValueError("no")))
    assert told(refused, taken=0.0, ended=2.0) == [("wait here", 0.0, 1.0), ("submit", 1.0, 2.0)]


def test_where_no_result_was_wanted_none_is_missing():
    assert told(FETCHED, **WHOLE, ended=8.5, is_fetched=False)[-1] == ("wait here", 7.0, 8.5)


def test_of_nothing_known_nothing_is_drawn():
    assert told(Submission(Phase.DONE, job_id="j")) == []


def row(number: int, *spans: tuple[Stage, float, float]) -> Row:
    return Row((number,), str(number), Phase.DONE, tuple(Span(*span) for span in spans))


S, W, R, F, C = Stage.SUBMIT, Stage.WAIT, Stage.RUN, Stage.FETCH, Stage.COMPILE


def walked(rows, began=-math.inf):
    return [
        (step.row, step.span.stage, round(step.span.begin, 6), round(step.span.end, 6))
        for step in critical_path(rows, began)
    ]


def test_the_path_follows_the_worker_that_was_waited_for():
    rows = [
        row(0, (S, 0.0, 1.0), (R, 1.0, 4.0), (F, 4.0, 5.0)),
        row(1, (W, 0.0, 1.0), (S, 1.0, 2.0), (R, 2.0, 5.0), (F, 5.0, 6.0)),
    ]
    assert walked(rows) == [(0, S, 0.0, 1.0), (1, S, 1.0, 2.0), (1, R, 2.0, 5.0), (1, F, 5.0, 6.0)]


def test_a_wait_that_nothing_ended_stays_in_the_path():
    rows = [row(0, (S, 0.0, 1.0)), row(1, (W, 0.0, 3.0), (S, 3.0, 4.0))]
    assert walked(rows) == [(1, W, 0.0, 3.0), (1, S, 3.0, 4.0)]


def test_of_workers_that_were_free_at_the_same_time_the_nearest_row_counts():
    rows = [row(n, (S, 0.0, 1.0 + n * 1e-4)) for n in range(3)] + [row(3, (W, 0.0, 1.001), (S, 1.001, 2.0))]
    assert [number for number, *_ in walked(rows)] == [2, 3, 3]


def test_circuits_are_compiled_one_after_the_other():
    rows = [row(n, (C, float(n), n + 0.9), (S, n + 0.9, n + 1.5)) for n in range(3)]
    assert walked(rows, began=-0.5) == [
        (0, Stage.CHECK, -0.5, 0.0),
        (0, C, 0.0, 0.9),
        (1, C, 0.9, 1.0),
        (1, C, 1.0, 1.9),
        (2, C, 1.9, 2.0),
        (2, C, 2.0, 2.9),
        (2, S, 2.9, 3.5),
    ]


@given(
    st.lists(st.lists(st.floats(0.001, 5.0), min_size=4, max_size=4), min_size=1, max_size=12),
    st.floats(0.0, 1.0),
)
def test_the_path_has_no_gap_and_adds_up_to_the_run(lengths, began):
    rows = []
    for number, (a, b, c, d) in enumerate(lengths):
        ends = [1.0 + a, 1.0 + a + b, 1.0 + a + b + c, 1.0 + a + b + c + d]
        rows.append(
            row(
                number, (W, 1.0, ends[0]), (S, ends[0], ends[1]), (R, ends[1], ends[2]), (F, ends[2], ends[3])
            )
        )
    path = critical_path(rows, began)
    assert path[0].span.begin in (began, 1.0)
    assert path[-1].span.end == max(r.end for r in rows)
    assert all(one.span.end == other.span.begin for one, other in pairwise(path))
    assert sum(step.span.length for step in path) == pytest.approx(path[-1].span.end - path[0].span.begin)


def test_of_nothing_there_is_no_path():
    assert critical_path([]) == ()
    assert critical_path([row(0)]) == ()


@pytest.mark.parametrize(
    ("jobs", "workers", "execution", "ideal"),
    [
        (20, 10, 3.0, 3.45),  # two waves, the execution, a fetch
        (100, 10, 3.0, 4.65),
        (100, 10, 0.3, 3.0),  # a hundred submissions and fetches over ten connections
        (1, 10, 0.0, 0.3),
        (10, 10, 0.0, 0.3),
        (11, 10, 0.0, 0.6),
    ],
)
def test_the_ideal_is_waves_of_submissions_execution_and_fetch(jobs, workers, execution, ideal):
    assert ideal_time([execution] * jobs, workers=workers, round_trip=0.15) == pytest.approx(ideal)


def test_a_long_job_in_the_first_wave_sets_the_ideal():
    services = [5.0] + [1.0] * 19
    assert ideal_time(services, workers=10, round_trip=0.1) == pytest.approx(5.2)
    assert ideal_time(services[::-1], workers=10, round_trip=0.1) == pytest.approx(5.3)


def test_no_jobs_take_no_time():
    assert ideal_time([], workers=10, round_trip=0.1) == 0.0


def test_another_clock_is_ahead_by_what_fits_all_requests():
    ahead = 1000.0
    seen = [(float(t), t + 0.2, t + part * 0.2 + ahead) for t, part in ((0, 0.5), (1, 0.4), (2, 0.6))]
    assert skew(seen) == pytest.approx(ahead, abs=0.02)
    assert skew([*seen, (3.0, 60.0, 3.1 + ahead)]) == pytest.approx(ahead, abs=0.02)
    assert skew([]) is None
