# SPDX-License-Identifier: Apache-2.0
"""Trials of chance against a hostile service, in short; ``HARNESS_PROFILE=long`` or ``python -m
tests.harness.hostile_answers`` live through more.
"""

from __future__ import annotations

import logging
import os

import pytest

from qiskit_parallel_ionq.conductor.fetching import Fetching

from . import hostile_answers
from .hostile_answers import Verdict, trial, trials

SEEDS = range(2000 if os.environ.get("HARNESS_PROFILE") == "long" else 60)


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_hostile_answers_hang_no_run_buy_nothing_twice_and_mix_nothing_up():
    total = sum(trials(SEEDS, cores=1), Verdict())
    assert total.told == ()
    assert (total.hangs, total.twice, total.wrong, total.other) == (0, 0, 0, 0)
    assert total.trials == len(SEEDS)
    assert total.results > total.circuits / 2
    assert total.whims > total.trials
    assert min(total.deaths, total.cancels) > 0


def test_the_same_seed_tells_the_same_story():
    assert trial(7) == trial(7)


def test_a_client_that_believes_early_results_is_found_out(monkeypatch):
    def believe(self, batch, number, reading) -> bool:
        return batch.submissions[number].record is not None

    class Partial(hostile_answers.Trial):
        def __init__(self, seed: int) -> None:
            super().__init__(seed)
            self.malice = hostile_answers.Malice(parts=1.0)
            self.is_machine, self.options["memory"] = False, False

    monkeypatch.setattr(hostile_answers, "Trial", Partial)
    monkeypatch.setattr(Fetching, "_is_evident", believe)
    assert sum(trials(range(40), cores=1), Verdict()).wrong > 0


def test_a_world_that_breaks_down_is_told_with_its_seed(monkeypatch):
    def burst(seed: int) -> None:
        raise ValueError("stuck")

    monkeypatch.setattr(hostile_answers, "Trial", burst)
    (told,) = trial(9).told
    assert told.startswith("seed 9: ")
    assert "stuck" in told
