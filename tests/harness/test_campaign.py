# SPDX-License-Identifier: Apache-2.0
"""The long form in short: what it adds up, what it prints, and that it hides nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from . import campaign
from .adversary import INSIDE
from .campaign import Outcome, line, many_worlds, one_world
from .history import Tally
from .remote import ROOT

BRIEF = replace(INSIDE, deaths=1)


def test_worlds_add_up(monkeypatch):
    monkeypatch.setattr(campaign.logging, "disable", lambda level: None)
    outcomes = list(many_worlds(BRIEF, 12, range(3), cores=1))
    total = sum(outcomes, Outcome())
    assert total.broken == ()
    assert total.faults == sum(outcome.faults for outcome in outcomes) > 0
    assert 0 < total.tally.circuits <= 36
    text = line(total, BRIEF, range(3))
    assert f"faults {total.faults} · kills 0 · simulated deaths {total.deaths} · circuits" in text
    assert "lost 0 · duplicated 0 · unresolved 0" in text
    assert "seeds 0-2" in text


def test_a_world_that_breaks_down_is_told_with_its_seed(monkeypatch):
    def burst(*_):
        raise ValueError("stuck")

    monkeypatch.setattr(campaign.logging, "disable", lambda level: None)
    monkeypatch.setattr(campaign, "live", burst)
    outcome = one_world(BRIEF, 12, 7)
    assert outcome.broken[0].startswith("seed 7: ")
    assert "stuck" in outcome.broken[0]


def test_what_was_lost_shows_in_the_line():
    told = Outcome(Tally(circuits=1000, lost=2, duplicated=1, twins_cancelled=3), faults=12345)
    assert "faults 12,345 · kills 0 · simulated deaths 0 · circuits 1,000 · lost 2 · duplicated 1" in line(
        told, BRIEF, range(5, 9)
    )


@pytest.mark.parametrize("cores", [1, 2])
def test_one_command_does_it_all(cores):
    command = [
        sys.executable,
        "-m",
        "tests.harness",
        "--circuits",
        "10",
        "--seeds",
        "3",
        "--cores",
        str(cores),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"faults \d+ · kills 0 · simulated deaths \d+ · circuits \d+ · .*\n", done.stdout)
