# SPDX-License-Identifier: Apache-2.0
"""What listings prove: presence at once, absence only by two that are late, complete, fresh and apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qiskit_parallel_ionq.reconcile import Doubt, Finding, Listing
from qiskit_parallel_ionq.wire import JobRecord, JobState

TOKEN, WITNESS = "1.run.0.0", "1.run.1.0"
RECORD = JobRecord("j1", JobState.READY)


def _doubt(target="simulator"):
    return Doubt.about(TOKEN, 100.0, target=target)


def _listing(begun_at, *, shows=(), is_complete=True):
    return Listing(dict.fromkeys(shows, RECORD), is_complete=is_complete, begun_at=begun_at)


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
        finding, doubt = doubt.judge(_listing(begun_at, shows=[WITNESS]), witnesses=[WITNESS])
        assert finding is expected, begun_at


def test_without_a_witness_patience_is_doubled():
    finding, doubt = _doubt().judge(_listing(119.9), witnesses=[])
    assert (finding, doubt.unseen_at) == (Finding.OPEN, None)
    finding, doubt = doubt.judge(_listing(120.0), witnesses=[])
    assert (finding, doubt.unseen_at) == (Finding.OPEN, 120.0)
    assert doubt.judge(_listing(125.0), witnesses=[])[0] is Finding.ABSENT


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
    assert after == doubt


def test_when_the_budget_is_spent_the_search_is_given_up():
    finding, _ = _doubt().judge(_listing(100.0 + Doubt.BUDGET, is_complete=False), witnesses=[])
    assert finding is Finding.GIVEN_UP


LISTINGS = st.lists(
    st.tuples(
        st.floats(0.0, 400.0),  # seconds since the one before
        st.booleans(),  # complete
        st.booleans(),  # shows the witness
        st.booleans(),  # there is a witness
        st.integers(0, 9).map(lambda k: k == 0),  # shows the job
    ),
    max_size=12,
)


@given(LISTINGS, st.sampled_from(["simulator", "qpu.forte-1"]))
def test_absence_is_never_concluded_from_less(history, target):
    doubt, now, proofs = _doubt(target), 100.0, []
    for passed, is_complete, shows_witness, has_witness, shows_job in history:
        now += passed
        witnesses = [WITNESS] if has_witness else []
        shows = [t for t, shown in ((WITNESS, shows_witness), (TOKEN, shows_job)) if shown]
        finding, doubt = doubt.judge(_listing(now, shows=shows, is_complete=is_complete), witnesses=witnesses)
        assert (finding is Finding.FOUND) == shows_job
        if shows_job:
            return
        patience = doubt.settle if has_witness else 2 * doubt.settle
        if is_complete and (shows_witness or not has_witness) and now >= 100.0 + patience:
            proofs.append(now)
        if finding is Finding.ABSENT:
            assert proofs[-1] == now
            assert proofs[-1] - proofs[0] >= Doubt.APART
            return
        assert not (proofs and proofs[-1] == now and now - proofs[0] >= Doubt.APART)
        if finding is Finding.GIVEN_UP:
            assert now >= 100.0 + Doubt.BUDGET
            return


@given(st.sampled_from(["simulator", "qpu.forte-1"]), st.floats(0.01, 60.0), st.booleans())
def test_the_planned_looks_end_in_a_proof_within_budget_and_with_few_requests(target, duration, has_witness):
    doubt, now, looks, finding = _doubt(target), 100.0, 0, Finding.OPEN
    witnesses = [WITNESS] if has_witness else []
    while finding is Finding.OPEN:
        due = doubt.next_look(now, looks)
        assert now <= due <= now + 64.0
        finding, doubt = doubt.judge(_listing(due, shows=witnesses), witnesses=witnesses)
        now, looks = due + duration, looks + 1
    assert finding is Finding.ABSENT
    assert looks <= 80
    assert now <= 100.0 + 2 * doubt.settle + 3 * duration + 64.0 + 2 * Doubt.APART


def test_the_first_look_is_at_once_and_the_second_proof_is_not_put_off():
    doubt = _doubt("qpu.forte-1")
    assert doubt.next_look(101.0, looks=0) == 101.0
    assert doubt.next_look(101.0, looks=1) == 103.0
    assert doubt.next_look(390.0, looks=9) == 400.0
    _, doubt = doubt.judge(_listing(400.0, shows=[WITNESS]), witnesses=[WITNESS])
    assert doubt.next_look(402.0, looks=10) == 405.0
    assert doubt.next_look(409.0, looks=10) == 409.0
