# SPDX-License-Identifier: Apache-2.0
"""What listings prove: presence at once, absence only by two that are late, complete, fresh and apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qiskit_parallel_ionq.listing import Listing
from qiskit_parallel_ionq.reconcile import Doubt, Finding
from qiskit_parallel_ionq.wire import JobRecord, JobState

TOKEN, WITNESS, EARLIER = "1.run.0.0", "1.run.1.0", "1.other.0.0"
RECORD = JobRecord("j1", JobState.READY)
NOON = datetime(2026, 10, 5, 12, tzinfo=timezone.utc)


def _doubt(target="simulator"):
    return Doubt.about(TOKEN, 100.0, target=target)


def _listing(begun_at, *, shows=(), is_complete=True, **facts):
    return Listing(dict.fromkeys(shows, (RECORD,)), is_complete=is_complete, begun_at=begun_at, **facts)


def _dated(begun_at, *, date=None, latest=None, **facts):
    """A listing with the service's clock, which was at noon when the monotonic clock was at 100."""
    clock = NOON + timedelta(seconds=begun_at - 100.0) if date is None else date
    return _listing(begun_at, date=clock, latest=latest, **facts)


def _concluded(doubt, *listings, **knowns):
    """Return the findings of several listings in a row."""
    findings = []
    for listing in listings:
        finding, doubt = doubt.judge(listing, **{"witnesses": [], **knowns})
        findings.append(finding)
    return findings


@pytest.mark.parametrize("is_complete", [True, False])
def test_a_job_that_is_listed_is_found_however_little_else_is(is_complete):
    finding, _ = _doubt().judge(_listing(100.1, shows=[TOKEN], is_complete=is_complete), witnesses=[WITNESS])
    assert finding is Finding.FOUND


@pytest.mark.parametrize(("target", "settle"), [("simulator", 10.0), ("qpu.forte-1", 300.0)])
def test_absence_takes_two_listings_apart_after_the_dust_has_settled(target, settle):
    doubt = _doubt(target)
    assert doubt.settle == settle
    for begun_at, expected in [
        (100.0 + settle - 0.1, Finding.OPEN),  # too early
        (100.0 + settle, Finding.OPEN),  # the first that counts
        (100.0 + settle + 4.9, Finding.OPEN),  # not apart
        (100.0 + settle + 5.0, Finding.ABSENT),
    ]:
        finding, doubt = doubt.judge(
            _listing(begun_at, shows=[WITNESS]), witnesses=[WITNESS], later=[WITNESS]
        )
        assert finding is expected, begun_at


def test_on_the_simulator_patience_is_doubled_without_a_witness_of_the_run():
    finding, doubt = _doubt().judge(_listing(119.9, shows=[EARLIER]), witnesses=[])
    assert (finding, doubt.unseen_at) == (Finding.OPEN, None)
    finding, doubt = doubt.judge(_listing(120.0, shows=[EARLIER]), witnesses=[])
    assert (finding, doubt.unseen_at) == (Finding.OPEN, 120.0)
    assert doubt.judge(_listing(125.0, shows=[EARLIER]), witnesses=[])[0] is Finding.ABSENT


@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1"])
def test_a_listing_that_shows_no_token_at_all_never_proves_absence(target):
    doubt = _doubt(target)
    looks = [_listing(100.0 + 20.0 * k) for k in range(200)]
    assert Finding.ABSENT not in _concluded(doubt, *looks)


@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1"])
@pytest.mark.parametrize("flaw", [{"opaque": 1}, {"unusable": frozenset({TOKEN})}])
def test_a_listing_with_a_row_that_may_be_the_job_never_proves_absence(target, flaw):
    looks = [_listing(100.0 + 20.0 * k, shows=[WITNESS], **flaw) for k in range(80)]
    found = _concluded(_doubt(target), *looks, witnesses=[WITNESS], later=[WITNESS])
    assert set(found) == {Finding.OPEN}


@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1"])
def test_what_the_service_has_acknowledged_is_never_absent(target):
    doubt = replace(_doubt(target), is_acknowledged=True)
    looks = [_listing(100.0 + 20.0 * k, shows=[WITNESS]) for k in range(100)]
    found = _concluded(doubt, *looks, witnesses=[WITNESS], later=[WITNESS])
    assert set(found) == {Finding.OPEN, Finding.GIVEN_UP}


# ── what costs money ──


def test_on_a_machine_nothing_newer_than_the_loss_means_to_wait_five_times_as_long():
    looks = [_dated(100.0 + 60.0 * k, shows=[WITNESS], latest=NOON) for k in range(40)]
    found = _concluded(_doubt("qpu.forte-1"), *looks, witnesses=[WITNESS])
    assert 100.0 + 60.0 * found.index(Finding.ABSENT) == pytest.approx(100.0 + 5 * 300.0 + 60.0)
    newer = [_dated(400.0 + 5.0 * k, shows=[WITNESS], latest=NOON + timedelta(seconds=6)) for k in range(2)]
    found = _concluded(_doubt("qpu.forte-1"), *looks[:5], *newer, witnesses=[WITNESS])
    assert found[-1] is Finding.ABSENT


def test_what_the_first_listing_shows_already_is_nothing_newer():
    later = NOON + timedelta(hours=1)  # as a clock that was set back makes it look
    looks = [_dated(100.0 + 60.0 * k, shows=[WITNESS], latest=later) for k in range(25)]
    assert set(_concluded(_doubt("qpu.forte-1"), *looks, witnesses=[WITNESS])) == {Finding.OPEN}


def test_where_nothing_else_is_under_way_and_no_token_is_shown_the_search_is_given_up_early():
    looks = [_listing(100.0 + 10.0 * k) for k in range(95)]
    found = _concluded(_doubt("qpu.forte-1"), *looks, may_improve=False)
    assert found.index(Finding.GIVEN_UP) == 90
    assert Finding.GIVEN_UP not in _concluded(_doubt("qpu.forte-1"), *looks, may_improve=True)


# ── clocks ──


@pytest.mark.parametrize("date", [NOON, NOON - timedelta(hours=1)], ids=["stands still", "was set back"])
def test_a_service_clock_that_does_not_go_on_proves_nothing(date):
    first = _dated(100.0, shows=[WITNESS])
    looks = [_dated(100.0 + 20.0 * k, date=date, shows=[WITNESS]) for k in range(1, 100)]
    found = _concluded(_doubt(), first, *looks, witnesses=[WITNESS], later=[WITNESS])
    assert Finding.ABSENT not in found
    assert found[-1] is Finding.GIVEN_UP


def test_a_service_clock_that_runs_ahead_does_not_shorten_the_wait():
    first = _dated(100.0, shows=[WITNESS])
    looks = [
        _dated(100.0 + k, date=NOON + timedelta(days=1, seconds=k), shows=[WITNESS]) for k in range(1, 16)
    ]
    found = _concluded(_doubt(), first, *looks, witnesses=[WITNESS], later=[WITNESS])
    assert found == [Finding.OPEN] * 15 + [Finding.ABSENT]


@pytest.mark.parametrize(
    "listing",
    [
        _listing(125.0, shows=[WITNESS], is_complete=False),
        _listing(125.0),
        _listing(125.0, shows=["1.other.0.0"]),
    ],
    ids=["incomplete", "stale", "of others"],
)
def test_a_listing_that_is_incomplete_or_lacks_a_witness_proves_nothing(listing):
    _, doubt = _doubt().judge(_listing(115.0, shows=[WITNESS]), witnesses=[WITNESS])
    finding, after = doubt.judge(listing, witnesses=[WITNESS])
    assert finding is Finding.OPEN
    assert after.unseen_at == doubt.unseen_at
    assert after.objection


def test_a_listing_that_is_too_long_to_be_read_is_tried_three_times():
    looks = [_listing(100.0 + 10.0 * k, is_complete=False, is_endless=True) for k in range(1, 6)]
    found = _concluded(_doubt(), *looks, witnesses=[WITNESS])
    assert found == [Finding.OPEN] * 2 + [Finding.GIVEN_UP] * 3


def test_when_the_budget_is_spent_the_search_is_given_up():
    finding, _ = _doubt().judge(_listing(100.0 + Doubt.BUDGET, is_complete=False), witnesses=[])
    assert finding is Finding.GIVEN_UP


LISTINGS = st.lists(
    st.fixed_dictionaries(
        {
            "passed": st.floats(0.0, 400.0),  # seconds since the one before
            "is_complete": st.booleans(),
            "shows_witness": st.booleans(),
            "shows_earlier": st.booleans(),
            "opaque": st.sampled_from([0, 0, 0, 1]),
            "has_witness": st.booleans(),
            "is_later": st.booleans(),  # the witness left after the loss
            "is_newer": st.booleans(),  # a row is newer than the loss
            "jump": st.sampled_from([0.0, 0.0, 0.0, 3600.0, -3600.0]),  # of the service's clock
            "shows_job": st.integers(0, 9).map(lambda k: k == 0),
        }
    ),
    max_size=12,
)


@given(LISTINGS, st.sampled_from(["simulator", "qpu.forte-1"]), st.booleans())
def test_absence_is_never_concluded_from_less(history, target, is_acknowledged):
    doubt = replace(_doubt(target), is_acknowledged=is_acknowledged)
    now, off, proofs = 100.0, 0.0, []
    newest = NOON
    for look in history:
        now, off = now + look["passed"], off + look["jump"]
        has_witness = look["has_witness"]
        shows = [t for t, key in ((WITNESS, "shows_witness"), (EARLIER, "shows_earlier")) if look[key]]
        shows += [TOKEN] * look["shows_job"]
        date = NOON + timedelta(seconds=now - 100.0 + off)
        newest = max(newest, date) if look["is_newer"] else newest
        listing = _listing(
            now, shows=shows, is_complete=look["is_complete"], opaque=look["opaque"], date=date, latest=newest
        )
        finding, doubt = doubt.judge(
            listing,
            witnesses=[WITNESS] * has_witness,
            later=[WITNESS] * (has_witness and look["is_later"]),
        )
        assert (finding is Finding.FOUND) == look["shows_job"]
        is_sound = look["is_complete"] and shows and not look["opaque"]
        if is_sound and (look["shows_witness"] or not has_witness) and now >= 100.0 + doubt.settle:
            proofs.append(now)
        if finding is Finding.ABSENT:
            assert not is_acknowledged
            assert proofs[-1] == now
            assert proofs[-1] - proofs[0] >= Doubt.APART
        if finding is Finding.GIVEN_UP:
            assert now >= 100.0 + Doubt.BUDGET
        if finding is not Finding.OPEN:
            return


@given(st.sampled_from(["simulator", "qpu.forte-1"]), st.floats(0.01, 60.0), st.booleans())
def test_the_planned_looks_end_in_a_proof_within_budget_and_with_few_requests(target, duration, has_witness):
    doubt, now, looks, finding = _doubt(target), 100.0, 0, Finding.OPEN
    witnesses = [WITNESS] if has_witness or target != "simulator" else []
    while finding is Finding.OPEN:
        due = doubt.next_look(now, looks, took=duration if looks else 0.0)
        assert now <= due <= now + max(80.0, 4.0 * duration)
        finding, doubt = doubt.judge(
            _listing(due, shows=[*witnesses, EARLIER]), witnesses=witnesses, later=witnesses
        )
        now, looks = due + duration, looks + 1
    assert finding is Finding.ABSENT
    assert looks <= 30
    assert now <= 100.0 + 2 * doubt.settle + 11 * duration + 80.0 + 2 * Doubt.APART


@given(st.sampled_from(["simulator", "qpu.forte-1"]), st.floats(0.01, 30.0))
def test_a_search_without_hope_ends_and_asks_ever_less_often(target, duration):
    doubt, now, looks, finding = _doubt(target), 100.0, 0, Finding.OPEN
    while finding is Finding.OPEN:
        now = doubt.next_look(now, looks, took=duration)
        finding, doubt = doubt.judge(_listing(now), witnesses=[WITNESS])
        now, looks = now + duration, looks + 1
    assert finding is Finding.GIVEN_UP
    assert looks <= 40


def test_the_first_look_is_at_once_and_the_second_proof_is_not_put_off():
    doubt = _doubt("qpu.forte-1")
    assert doubt.next_look(101.0, looks=0) == 101.0
    assert doubt.next_look(101.0, looks=1) == 103.0
    assert doubt.next_look(390.0, looks=9) == 400.0
    _, doubt = doubt.judge(_listing(400.0, shows=[WITNESS]), witnesses=[WITNESS], later=[WITNESS])
    assert doubt.next_look(402.0, looks=10) == 405.0
    assert doubt.next_look(409.0, looks=10) == 409.0
