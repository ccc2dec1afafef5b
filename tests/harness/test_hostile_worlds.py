# SPDX-License-Identifier: Apache-2.0
"""Random hostile worlds: nothing hangs, is bought twice or mixed up. ``HARNESS_TRIALS=10000`` is the long form."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from qiskit_parallel_ionq.clocks import Instant
from qiskit_parallel_ionq.conductor.submitting import Submitting
from qiskit_parallel_ionq.reconcile import Doubt

from .hostile_worlds import Trial, many, play

TRIALS = int(os.environ.get("HARNESS_TRIALS", "120"))
BATCH = 40


@pytest.mark.parametrize("first", range(0, TRIALS, BATCH))
def test_whatever_the_service_and_the_computer_do_nothing_is_bought_twice(first):
    for verdict in many(range(first, min(first + BATCH, TRIALS))):
        assert verdict.broken == ()
        assert (verdict.hung, verdict.bought_twice, verdict.wrong_counts) == (0, 0, 0)


def test_the_same_seed_is_the_same_trial():
    assert Trial.of(7) == Trial.of(7)
    assert play(7) == play(7)


def _believes_any_complete_listing(put: pytest.MonkeyPatch) -> None:
    put.setattr(Doubt, "_objection", lambda self, listing, _: "" if listing.is_complete else "incomplete")


def _reads_back_by_the_monotonic_clock(put: pytest.MonkeyPatch) -> None:
    put.setattr(Instant, "longest_since", lambda self, earlier: self.monotonic - earlier.monotonic)
    sent = Submitting._sent

    def undated(self, batch, number):
        put.setattr(self._stage.worker, "service_time", lambda: None)
        sent(self, batch, number)

    put.setattr(Submitting, "_sent", undated)


def _believes_that_listings_are_up_to_date(put: pytest.MonkeyPatch) -> None:
    put.setattr(Doubt, "_shows_something_newer", lambda self, *_: True)


@pytest.mark.parametrize(
    ("patch", "seed"),
    [
        (_believes_any_complete_listing, 25),
        (_believes_that_listings_are_up_to_date, 309),
        (_reads_back_by_the_monotonic_clock, 2445),
    ],
)
def test_the_trials_can_tell_a_client_that(patch: Callable[[pytest.MonkeyPatch], None], seed, monkeypatch):
    patch(monkeypatch)
    assert any(verdict.bought_twice for verdict in many(range(seed - 5, seed + 5)))
