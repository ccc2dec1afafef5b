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
        st.sampled_from(["answer", "set back"]),
        st.floats(0.0, 100.0),  # seconds that pass before it
        st.integers(1, 64),  # under way
        st.floats(0.0, 50.0),  # age of the request
        st.none() | st.floats(0.0, LONGEST_RETRY_AFTER),
        JITTER,
    ),
    max_size=60,
)


def _walk(gate, steps):
    now = 0.0
    for kind, passed, under_way, age, pause, jitter in steps:
        now += passed
        if kind == "answer":
            gate = gate.succeeded(under_way)
        else:
            gate = gate.set_back(now, sent_at=now - age, under_way=under_way, pause=pause, jitter=jitter)
        yield now, gate


@given(st.integers(1, 64), STEPS)
def test_the_gate_never_lets_more_through_than_its_ceiling(ceiling, steps):
    for now, gate in _walk(Gate.open(ceiling), steps):
        assert 1.0 <= gate.width <= ceiling
        assert not gate.allows(now + 10_000.0, ceiling)


@given(st.integers(1, 64), STEPS)
def test_the_gate_never_closes_for_ever(ceiling, steps):
    for now, gate in _walk(Gate.open(ceiling), steps):
        assert gate.not_before <= now + LONGEST_RETRY_AFTER * 1.1
        assert gate.allows(gate.not_before + now, 0)


@given(st.integers(1, 64), STEPS)
def test_answers_open_the_gate_wide_again(ceiling, steps):
    gates = [Gate.open(ceiling), *(gate for _, gate in _walk(Gate.open(ceiling), steps))]
    gate = gates[-1]
    for _ in range(ceiling * ceiling + 1):
        gate = gate.succeeded(under_way=ceiling)
    assert gate.width == ceiling
    assert gate.setbacks == 0


@given(JITTER, st.floats(0.0, LONGEST_RETRY_AFTER))
def test_retry_after_is_waited_out_by_everybody(jitter, pause):
    gate = Gate.open(10).set_back(100.0, sent_at=99.0, under_way=10, pause=pause, jitter=jitter)
    assert not gate.allows(100.0 + pause - 1e-6, 0)
    assert gate.allows(100.0 + pause * 1.1, 0)


def test_an_outage_of_days_does_not_overflow():
    gate, now = Gate.open(10), 0.0
    for _ in range(5_000):
        gate = gate.set_back(now, sent_at=now, under_way=1, pause=None, jitter=0.5)
        assert gate.not_before - now <= 15.0 * 1.1
        now = gate.not_before
    assert gate.width == 1.0


def test_one_bad_moment_is_one_cut():
    gate = Gate.open(10).set_back(5.0, sent_at=4.0, under_way=10, pause=None, jitter=0.0)
    again = gate
    for _ in range(9):  # the nine others that were under way at the time
        again = again.set_back(5.1, sent_at=4.5, under_way=9, pause=None, jitter=0.0)
    assert again.width == gate.width == 7.0
    assert again.setbacks == 1


def test_a_late_pause_still_counts_for_everybody():
    gate = Gate.open(10).set_back(5.0, sent_at=4.0, under_way=10, pause=1.0, jitter=0.0)
    assert gate.set_back(5.1, sent_at=4.5, under_way=9, pause=30.0, jitter=0.0).not_before == 35.1


def test_a_gate_that_is_little_used_does_not_widen():
    gate = Gate(ceiling=64, width=8.0)
    assert gate.succeeded(under_way=3) is gate
    assert gate.succeeded(under_way=4).width == 8.125


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
