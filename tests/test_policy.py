# SPDX-License-Identifier: Apache-2.0
"""When to try, wait and look: arithmetic that holds for every history, not only for likely ones."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qiskit_parallel_ionq.policy import (
    LONGEST_RETRY_AFTER,
    Backoff,
    Forecast,
    Gate,
    Kind,
    Pace,
    Verdict,
    Watch,
    is_passing,
    retry_after,
    verdict_on_submission,
)

NOW = datetime(2026, 10, 5, 12, 0, 0, tzinfo=timezone.utc)
JITTER = st.floats(0.0, 1.0, exclude_max=True)

REFUSED = {400, 404, 405, 411, 413, 415, 422}
STOP = {401, 402, 403}


# ── verdicts ──


@pytest.mark.parametrize("sent", [False, True])
@pytest.mark.parametrize("has_id", [False, True])
def test_only_what_is_proven_harmless_may_be_sent_again(sent, has_id):
    lost = Verdict.UNKNOWN if sent else Verdict.NOT_SENT
    assert verdict_on_submission(None, sent=sent, has_id=has_id) is lost
    for status in range(100, 600):
        expected = Verdict.ACCEPTED if has_id and 200 <= status < 300 else Verdict.UNKNOWN
        for statuses, verdict in (
            (REFUSED, Verdict.REFUSED),
            (STOP, Verdict.STOP),
            ({429}, Verdict.PUSHED_BACK),
        ):
            expected = verdict if status in statuses else expected
        assert verdict_on_submission(status, sent=sent, has_id=has_id) is expected, status


@pytest.mark.parametrize(
    "status", [408, 409, 425, 500, 502, 503, 504, 520, 524, 530, 301, 302, 307, 201, 202]
)
def test_an_answer_that_may_hide_a_job_is_unknown(status):
    assert verdict_on_submission(status, sent=True) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("status", "passing"),
    [(None, True), (408, True), (409, True), (425, True), (429, True), (500, True), (503, True), (599, True),
     (400, False), (401, False), (403, False), (404, False), (410, False), (302, False), (204, False)],
)  # fmt: skip
def test_reads_are_asked_again_only_where_that_may_help(status, passing):
    assert is_passing(status) is passing


# ── Retry-After ──


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("0", 0.0),
        ("2", 2.0),
        (" 2.5 ", 2.5),
        ("-5", 0.0),
        ("601", 600.0),
        ("inf", 600.0),
        ("-inf", 0.0),
        ("1e308", 600.0),
        ("Mon, 05 Oct 2026 12:00:30 GMT", 30.0),
        ("Mon, 05 Oct 2026 11:00:00 GMT", 0.0),
        ("Tue, 06 Oct 2026 12:00:00 GMT", 600.0),
        ("Mon, 05 Oct 2026 14:00:30 +0200", 30.0),
        ("Mon, 05 Oct 2026 12:00:30 -0000", None),
        ("Mon, 05 Oct 99999999999 12:00:00 GMT", None),
        ("Mon, 05 Oct 2026 12:00:00 +9999999999999", None),
        ("1 Jan 2020 99999999999999999999:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert retry_after(header, now=NOW) == seconds


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_whatever_retry_after_says_the_pause_is_bounded(header):
    pause = retry_after(header, now=NOW)
    assert pause is None or 0.0 <= pause <= LONGEST_RETRY_AFTER


@given(st.integers(0, 599))
def test_a_date_is_as_good_as_the_seconds_until_then(seconds):
    then = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(then, now=NOW) == retry_after(str(seconds), now=NOW) == seconds


# ── back-off ──


@given(st.integers(1, 10_000), JITTER)
def test_pauses_grow_to_a_limit_and_never_vanish(attempt, jitter):
    backoff = Backoff(attempts=10_000)
    delay, later = backoff.delay(attempt, jitter=jitter), backoff.delay(attempt + 1, jitter=jitter)
    assert backoff.first / 2 <= delay <= backoff.longest
    assert later is None or later >= delay


def test_after_the_last_attempt_there_is_none():
    assert Backoff(attempts=2).delay(2, jitter=0.0) is not None
    assert Backoff(attempts=2).delay(3, jitter=0.0) is None


# ── the gate ──

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["sent", "answer", "429", "failure"]),
        st.floats(0.0, 100.0),  # seconds that pass before it
        st.integers(1, 64),  # under way
        st.floats(0.0, 50.0),  # age of the request
        st.none() | st.floats(0.0, LONGEST_RETRY_AFTER),
        JITTER,
        st.sampled_from(Kind),
    ),
    max_size=60,
)


def _walk(gate, steps):
    now = 0.0
    for what, passed, under_way, age, pause, jitter, kind in steps:
        now += passed
        if what == "sent":
            gate = gate.sent(now, kind)
        elif what == "answer":
            gate = gate.answered(now, sent_at=now - age, under_way=under_way, kind=kind)
        elif what == "429":
            gate = gate.pushed_back(now, sent_at=now - age, kind=kind, pause=pause, jitter=jitter)
        else:
            gate = gate.failed(now, sent_at=now - age, under_way=under_way, pause=pause, jitter=jitter)
        yield now, gate


@given(st.integers(1, 64), STEPS)
def test_the_gate_never_lets_more_through_than_its_ceiling(ceiling, steps):
    for now, gate in _walk(Gate.open(ceiling), steps):
        assert 1.0 <= gate.width <= ceiling
        assert not gate.allows(now + 10_000.0, ceiling)


@given(st.integers(1, 64), STEPS, st.sampled_from(Kind))
def test_the_gate_never_closes_for_ever(ceiling, steps, kind):
    for now, gate in _walk(Gate.open(ceiling), steps):
        slowest = 1.0 / (0.9 * Pace.SLOWEST)
        assert gate.opens_at(kind) <= now + LONGEST_RETRY_AFTER * 1.1 + slowest
        assert gate.allows(gate.opens_at(kind), 0, kind)


@given(st.integers(1, 64), STEPS)
def test_answers_open_the_gate_wide_again(ceiling, steps):
    gates = [Gate.open(ceiling), *(gate for _, gate in _walk(Gate.open(ceiling), steps))]
    gate = gates[-1]
    for _ in range(ceiling * ceiling + 1):
        gate = gate.answered(1e6, sent_at=1e6, under_way=ceiling, kind=Kind.READ)
    assert gate.width == ceiling
    assert gate.setbacks == 0


@given(JITTER, st.floats(0.0, LONGEST_RETRY_AFTER), st.booleans())
def test_retry_after_is_waited_out_by_everybody(jitter, pause, is_429):
    gate = Gate.open(10)
    if is_429:
        gate = gate.pushed_back(100.0, sent_at=99.0, kind=Kind.SUBMISSION, pause=pause, jitter=jitter)
    else:
        gate = gate.failed(100.0, sent_at=99.0, under_way=10, pause=pause, jitter=jitter)
    assert not gate.allows(100.0 + pause - 1e-6, 0)
    assert gate.allows(100.0 + pause * 1.1, 0)


def test_an_outage_of_days_does_not_overflow():
    gate, now = Gate.open(10), 0.0
    for _ in range(5_000):
        gate = gate.failed(now, sent_at=now, under_way=1, pause=None, jitter=0.5)
        assert gate.not_before - now <= 15.0 * 1.1
        now = gate.not_before + 1.0
        gate = gate.sent(now, Kind.READ)
    assert gate.width == 1.0


def test_one_bad_moment_is_one_cut():
    gate = Gate.open(10).failed(5.0, sent_at=4.0, under_way=10, pause=None, jitter=0.0)
    again = gate
    for _ in range(3):  # others that were under way at the time
        again = again.failed(5.1, sent_at=4.5, under_way=9, pause=None, jitter=0.0)
    assert again.width == gate.width == 7.0
    paced = Gate.open(10).pushed_back(5.0, sent_at=4.0, kind=Kind.READ, pause=1.0, jitter=0.0)
    again = paced.pushed_back(5.1, sent_at=4.5, kind=Kind.READ, pause=1.0, jitter=0.0)
    assert again.pace == paced.pace
    assert again.setbacks == 1


def test_one_failure_among_answers_holds_up_nobody_else():
    gate = Gate.open(10).failed(5.0, sent_at=4.0, under_way=10, pause=None, jitter=0.9)
    assert gate.allows(5.0, 6)


def test_a_late_pause_still_counts_for_everybody():
    gate = Gate.open(10).pushed_back(5.0, sent_at=4.0, kind=Kind.READ, pause=1.0, jitter=0.0)
    late = gate.pushed_back(5.1, sent_at=4.5, kind=Kind.READ, pause=30.0, jitter=0.0)
    assert late.not_before == 35.1


def test_a_gate_that_is_little_used_does_not_widen():
    gate = Gate(ceiling=64, width=8.0)
    assert gate.answered(0.0, sent_at=0.0, under_way=3, kind=Kind.READ).width == 8.0
    assert gate.answered(0.0, sent_at=0.0, under_way=4, kind=Kind.READ).width == 8.125


# ── the gate, shut ──


def _fail(gate, times, *, at, pause=None):
    for _ in range(times):
        gate = gate.failed(at, sent_at=at - 1.0, under_way=10, pause=pause, jitter=0.9)
    return gate


def test_five_failures_in_a_row_shut_the_gate_and_an_answer_in_between_does_not():
    assert _fail(Gate.open(10), 5, at=10.0).is_shut
    gate = _fail(Gate.open(10), 4, at=10.0).answered(10.0, sent_at=9.0, under_way=6, kind=Kind.READ)
    assert not _fail(gate, 4, at=10.0).is_shut


def test_a_shut_gate_lets_single_requests_through_ever_farther_apart():
    gate, now, gaps = _fail(Gate.open(10), 5, at=0.0), 0.0, []
    for _ in range(8):
        gaps.append(gate.not_before - now)
        now = gate.not_before
        assert gate.allows(now, 9)
        gate = gate.sent(now, Kind.READ)
        assert not gate.allows(now + 0.9, 0), "one probe at a time"
        gate = gate.failed(now + 0.1, sent_at=now, under_way=1, pause=None, jitter=0.0)
    assert gaps == pytest.approx([1.0, 2.1, 4.1, 8.1, 15.1, 15.1, 15.1, 15.1], abs=0.1)


def test_a_probe_that_hangs_does_not_keep_the_next_from_leaving():
    gate = _fail(Gate.open(10), 5, at=0.0)
    gate = gate.sent(gate.not_before, Kind.READ)
    assert gate.allows(gate.not_before, under_way=1)
    assert gate.not_before <= 15.0


def test_a_cancellation_is_a_probe_like_any_other():
    gate = _fail(Gate.open(10), 5, at=0.0)
    assert not gate.allows(gate.not_before - 0.01, 0, Kind.CANCELLATION)


def test_the_answer_to_a_probe_opens_the_gate_at_once_and_soon_as_wide_as_before():
    gate = _fail(Gate.open(32), 5, at=0.0)
    quick_to = gate.quick_to
    assert quick_to > 5.0
    gate = gate.sent(1.0, Kind.READ).answered(1.2, sent_at=1.0, under_way=1, kind=Kind.READ)
    assert not gate.is_shut
    assert gate.allows(1.2, 0)
    answers = 1
    while gate.width < quick_to:
        gate, answers = gate.answered(1.3, sent_at=1.2, under_way=32, kind=Kind.READ), answers + 1
    assert answers <= quick_to


# ── the gate, told to wait ──


def test_a_cancellation_waits_only_a_few_seconds_of_a_long_pause_and_goes_alone():
    gate = Gate.open(10).pushed_back(0.0, sent_at=-1.0, kind=Kind.READ, pause=600.0, jitter=0.0)
    assert not gate.allows(2.9, 0, Kind.CANCELLATION)
    assert gate.allows(3.0, 0, Kind.CANCELLATION)
    assert not gate.allows(3.0, 0, Kind.READ)
    now, sent = 3.0, 0
    while now < 600.0:
        gate, sent = gate.sent(now, Kind.CANCELLATION), sent + 1
        assert not gate.allows(now, 0, Kind.CANCELLATION)
        now = gate.opens_at(Kind.CANCELLATION)
    assert sent <= 10


# ── the pace ──


def _limited(answers, *, over=1.0, kind=Kind.SUBMISSION, pace=None):
    """Return a pace, at 0 s, that saw so many answers evenly over so many seconds and then a 429."""
    pace = pace or Pace()
    for k in range(answers):
        at = -over * (1 - (k + 1) / answers)
        pace = pace.answered(at, sent_at=at - 0.1, kind=kind)
    return pace.pushed_back(0.0, sent_at=-0.1, kind=kind, until=1.0)


def test_without_a_429_there_is_no_pace():
    pace = Pace()
    for k in range(1000):
        pace = pace.sent(k, Kind.SUBMISSION).answered(k, sent_at=k, kind=Kind.SUBMISSION)
    assert not any(pace.covers(kind) for kind in Kind)


def test_the_first_429_sets_nine_tenths_of_the_rate_of_answers():
    burst = _limited(20, over=0.0)
    assert burst.rate(1.0) == pytest.approx(0.9 * 20)
    steady = _limited(500, over=10.0)
    assert steady.rate(1.0) == pytest.approx(0.9 * 50, rel=0.05)


def test_answers_that_come_after_the_429_of_their_burst_still_count():
    pace = Pace().pushed_back(0.0, sent_at=-0.1, kind=Kind.SUBMISSION, until=1.0)
    for _ in range(20):
        pace = pace.answered(0.1, sent_at=-0.1, kind=Kind.SUBMISSION)
    assert 0.9 * 20 <= pace.rate(1.0) <= 20


def test_old_answers_say_nothing_about_the_rate_of_now():
    pace = Pace()
    for _ in range(1000):
        pace = pace.answered(0.0, sent_at=0.0, kind=Kind.READ)
    assert pace.pushed_back(3600.0, sent_at=3600.0, kind=Kind.READ, until=3600.0).rate(3600.0) < 1.0


@given(st.floats(0.5, 1000.0), st.floats(1.0, 100.0), st.floats(0.0, 1000.0), st.floats(0.0, 100.0))
def test_the_rate_only_rises_until_the_next_429(granted, settles_in, at, passed):
    pace = Pace(granted=granted, settles_in=settles_in, since=5.0)
    assert 0.9 * granted <= pace.rate(at) <= pace.rate(at + passed)


def test_a_pace_spaces_requests_evenly_and_catches_up_one_at_most():
    pace = Pace(granted=10.0 / 0.9, settles_in=1e9, since=0.0, next_at=0.0, felt_at=0.0)
    pace = pace.sent(0.0, Kind.SUBMISSION)
    assert pace.next_at == pytest.approx(0.1)
    pace = pace.sent(0.15, Kind.SUBMISSION)  # the loop was late by half a step
    assert pace.next_at == pytest.approx(0.2)
    pace = pace.sent(5.0, Kind.SUBMISSION)
    assert pace.next_at == 5.0
    assert pace.sent(5.0, Kind.SUBMISSION).next_at == pytest.approx(5.1)


def test_reads_do_not_wait_for_a_limit_on_submissions():
    gate = Gate.open(10).pushed_back(0.0, sent_at=-1.0, kind=Kind.SUBMISSION, pause=0.0, jitter=0.0)
    gate = gate.sent(1.0, Kind.SUBMISSION)
    assert not gate.allows(1.0, 0, Kind.SUBMISSION)
    assert gate.allows(1.0, 0, Kind.READ)


def test_a_429_for_a_read_shows_that_reads_count():
    gate = Gate.open(10).pushed_back(0.0, sent_at=-1.0, kind=Kind.READ, pause=0.0, jitter=0.0)
    gate = gate.sent(1.0, Kind.READ)
    assert not gate.allows(1.0, 0, Kind.READ)
    assert not gate.allows(1.0, 0, Kind.SUBMISSION)


def test_idle_time_does_not_make_the_service_look_slow():
    pace = Pace(granted=10.0, settles_in=15.0, since=0.0, next_at=0.0, felt_at=0.0, counted_from=0.0)
    now = 0.0
    for burst in range(3):
        now += 20.0 * (burst > 0)
        for _ in range(50):
            now = max(now, pace.next_at)
            pace = pace.sent(now, Kind.SUBMISSION)
            pace = pace.answered(now, sent_at=now, kind=Kind.SUBMISSION)
    after = pace.pushed_back(now, sent_at=now, kind=Kind.SUBMISSION, until=now)
    assert 8.0 <= after.granted <= 12.0


def test_a_pace_that_was_not_felt_for_long_is_forgotten():
    pace = _limited(20, over=0.0)
    assert pace.sent(59.0, Kind.SUBMISSION).is_on
    assert not pace.sent(70.0, Kind.SUBMISSION).is_on


@given(STEPS)
def test_a_pace_is_never_too_slow_to_get_anywhere(steps):
    for now, gate in _walk(Gate.open(64), steps):
        assert gate.pace.rate(now) >= 0.9 * Pace.SLOWEST


# ── watching and forecasting ──


@given(st.floats(0.0, 1e6), st.none() | st.floats(-1e3, 1e7))
def test_looks_are_neither_hasty_nor_forgotten(elapsed, remaining):
    watch = Watch()
    assert watch.shortest <= watch.again(elapsed=elapsed, remaining=remaining) <= watch.farthest


@given(st.floats(0.0, 1e6), st.floats(0.0, 3600.0))
def test_a_forecast_moment_tells_its_turnaround(left_at, turnaround):
    watch = Watch()
    due = watch.due(left_at, turnaround)
    assert due >= left_at + turnaround
    assert watch.turnaround(left_at, due) == pytest.approx(turnaround, abs=1e-6)


def test_the_allowance_for_a_late_result_does_not_grow_without_end():
    assert Watch().due(0.0, 1.0) <= 1.05
    assert Watch().due(0.0, 3600.0) <= 3602.0


@given(st.floats(0.0, 1e5), st.floats(0.0, 600.0), st.floats(0.0, 1e5), st.booleans())
def test_a_beat_is_near_the_time_that_was_wanted_and_never_past(now, ahead, elapsed, may_be_early):
    watch, due = Watch(), now + ahead
    beat = watch.beat(due, now=now, elapsed=elapsed, may_be_early=may_be_early)
    allowed = min(0.1 * elapsed, watch.longest_beat)
    assert beat >= now
    assert abs(beat - due) <= allowed
    assert may_be_early or beat >= due


def test_all_that_takes_long_is_looked_at_on_the_same_beats():
    def beat(due, elapsed=100.0):
        return Watch().beat(due, now=1000.0, elapsed=elapsed, may_be_early=False)

    assert {beat(1001.0), beat(1004.0), beat(1007.9)} == {1008.0}
    assert beat(1001.0, elapsed=2.0) == 1001.0, "what is quick is looked at when it is due"


@given(st.lists(st.floats(0.0, 1e4), min_size=1))
def test_a_forecast_stays_within_what_was_seen(turnarounds):
    forecast = Forecast()
    for turnaround in turnarounds:
        forecast = forecast.seen(turnaround)
    assert min(turnarounds) - 1e-6 <= forecast.turnaround <= max(turnarounds) + 1e-6


def test_bets_that_keep_losing_are_given_up_and_can_be_learnt_anew():
    forecast = Forecast()
    for _ in range(5):
        assert forecast.may_bet(1.0)
        forecast = forecast.bet(won=False)
    assert not forecast.may_bet(1.0)
    for _ in range(5):
        forecast = forecast.bet(won=True)
    assert forecast.may_bet(1.0)


def test_nothing_is_bet_on_the_far_future():
    assert not Forecast().may_bet(31.0)


@given(st.lists(st.booleans(), max_size=500))
def test_old_bets_fade(bets):
    forecast = Forecast()
    for won in bets:
        forecast = forecast.bet(won=won)
    assert forecast.hits + forecast.misses <= 64
