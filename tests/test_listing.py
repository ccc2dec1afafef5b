# SPDX-License-Identifier: Apache-2.0
"""How far a listing is read, and which of its rows keep it from proving anything."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from qiskit_parallel_ionq.listing import PAGES_BEYOND, ListingReader, Reach
from qiskit_parallel_ionq.wire import JobRecord, JobState, UnreadableRow

NOON = datetime(2026, 10, 5, 12, tzinfo=timezone.utc)
OTHERS = {"owner": "lab"}


def ago(seconds):
    return (NOON - timedelta(seconds=seconds)).isoformat()


def row(job_id, seconds_ago, token=None, metadata=OTHERS, **facts):
    own = {"qpi": token} if token else metadata
    return JobRecord(job_id, JobState.READY, metadata=own, submitted_at=ago(seconds_ago), **facts)


def read(*pages, reach=None, date=NOON):
    """Return the reader after some pages of rows, as far as it wants to go."""
    reader = ListingReader(0.0, reach or Reach())
    for page in pages:
        reader.take(
            [r for r in page if isinstance(r, JobRecord)],
            [r for r in page if not isinstance(r, JobRecord)],
            date,
        )
        if reader.is_enough:
            break
    return reader


SINCE_A_MINUTE = Reach(after=NOON - timedelta(seconds=60))


def test_what_is_older_than_the_submissions_by_more_than_clocks_disagree_is_not_read():
    pages = [[row("a", 10, "t1"), row("b", 350)], [row("c", 370)], [row("d", 380)]]
    reader = read(*pages[:1], reach=SINCE_A_MINUTE)
    assert not reader.is_enough
    assert read(*pages[:2], reach=SINCE_A_MINUTE).is_enough


@pytest.mark.parametrize(
    ("reach", "is_enough"),
    [
        (Reach(after=NOON - timedelta(hours=1)), False),
        (Reach(age=lambda: 3600.0), False),
        (Reach(after=NOON - timedelta(seconds=60), age=lambda: 3600.0), False),  # a suspension
        (Reach(after=NOON - timedelta(hours=1), age=lambda: 60.0), False),  # a clock that was set
        (Reach(after=NOON - timedelta(seconds=60), age=lambda: 60.0), True),
        (Reach(age=lambda: float("inf")), False),
        (Reach(), False),
    ],
)
def test_of_two_ways_to_tell_how_far_the_farther_counts(reach, is_enough):
    assert read([row("a", 10, "t1"), row("b", 1000)], reach=reach).is_enough == is_enough


@pytest.mark.parametrize(
    "rows",
    [
        [row("a", 400, "t1"), row("b", 100)],  # from old to new
        [row("a", 10, "t1"), JobRecord("b", JobState.READY, metadata=OTHERS), row("c", 400)],  # without times
    ],
)
def test_a_listing_in_another_order_is_read_to_its_end(rows):
    assert not read(rows, reach=SINCE_A_MINUTE).is_enough


def test_times_that_a_witness_proves_wrong_are_not_relied_on():
    reach = Reach(after=NOON - timedelta(seconds=60), witnesses={"t2"})
    assert read([row("a", 10, "t2"), row("b", 4000, "t3")], reach=reach).is_enough
    assert not read([row("a", 10, "t1"), row("b", 4000, "t2")], reach=reach).is_enough


def test_it_is_read_on_for_a_while_until_it_shows_every_witness():
    reach = Reach(after=NOON - timedelta(seconds=60), witnesses={"t1", "t2"})
    pages = [[row("w", 10, "t1")], *([row(f"a{k}", 1000 + k)] for k in range(PAGES_BEYOND + 5))]
    assert not read(*pages[: PAGES_BEYOND + 1], reach=reach).is_enough
    assert read(*pages, reach=reach).is_enough
    assert (
        read([row("w", 10, "t1")], [row("a", 1000), row("b", 1001, "t2")], reach=Reach()).is_enough is False
    )


def test_it_is_read_on_for_a_while_until_it_shows_a_token_at_all():
    pages = [[row(f"a{k}", 1000 + k)] for k in range(PAGES_BEYOND + 5)]
    assert not read(*pages[:PAGES_BEYOND], reach=SINCE_A_MINUTE).is_enough
    assert read(*pages, reach=SINCE_A_MINUTE).is_enough
    assert read([row("a", 1000)], [row("b", 1001, "t1")], reach=SINCE_A_MINUTE).is_enough


OPAQUE = [
    row("a", 10, metadata=None),
    row("a", 10, metadata={}),
    row("a", 10, metadata={"qpi": 7}),
    JobRecord("a", JobState.READY, metadata=None),
    UnreadableRow(),
    UnreadableRow(metadata={}, submitted_at=ago(10)),
    UnreadableRow.from_json(["not", "a", "row"]),
    UnreadableRow.from_json({"id": "job:1", "status": "ready", "submitted_at": ago(10)}),
]
CLEAR = [
    row("a", 10),
    row("a", 10, "t9"),
    row("a", 1000, metadata=None),  # too old
    row("known", 10, metadata=None),
    row("a", 10, metadata=None, parent_id="p"),  # of a pack
    row("a", 10, metadata=None, backend="qpu.aria-1"),  # of another target
    UnreadableRow(metadata=OTHERS),
    UnreadableRow(submitted_at=ago(1000)),
    UnreadableRow.from_json({"id": "job:1", "metadata": {"qpi": "t9"}}),
]


@pytest.mark.parametrize("odd", OPAQUE)
def test_a_row_that_may_be_ours_and_cannot_be_read_is_counted(odd):
    reach = Reach(after=NOON - timedelta(seconds=60), target="qpu.forte-1", known={"known"})
    assert read([row("w", 5, "t1"), odd], reach=reach).listing(is_complete=True).opaque == 1
    assert read([row("w", 5, "t1"), odd]).listing(is_complete=True).opaque == 1


@pytest.mark.parametrize("other", CLEAR)
def test_a_row_that_is_surely_not_the_job_is_not(other):
    reach = Reach(after=NOON - timedelta(seconds=60), target="qpu.forte-1", known={"known"})
    assert read([row("w", 5, "t1"), other], reach=reach).listing(is_complete=True).opaque == 0


def test_a_token_on_a_row_that_cannot_be_used_is_no_job_and_no_absence():
    odd = UnreadableRow.from_json({"id": "job:1", "status": "ready", "metadata": {"qpi": "t1"}})
    listing = read([odd]).listing(is_complete=True)
    assert listing.unusable == {"t1"}
    assert listing.records == {}


def test_how_new_a_listing_is_its_rows_say():
    rows = [row("a", 10), row("b", 500, "t1", completed_at=ago(3)), row("c", 600, completed_at=ago(-9999))]
    listing = read(rows).listing(is_complete=True)
    assert listing.latest == NOON - timedelta(seconds=3)  # what is to come is not believed
    assert listing.date == NOON
