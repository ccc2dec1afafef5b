# SPDX-License-Identifier: Apache-2.0
"""How much time has passed, where the clocks of a computer disagree."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from qiskit_parallel_ionq import clocks
from qiskit_parallel_ionq.clocks import Instant, boot_time


@pytest.mark.parametrize(
    ("later", "passed"),
    [
        (Instant(110.0, 1010.0, 110.0), 10.0),
        (Instant(110.0, 4610.0, 3710.0), 3610.0),  # a suspension of an hour
        (Instant(110.0, 4610.0, 110.0), 3610.0),  # the same, without a boot clock
        (Instant(110.0, -2590.0, 3710.0), 3610.0),  # the same, and the wall clock was set back by two hours
        (Instant(110.0, -2590.0, 110.0), 10.0),
        (Instant(90.0, 990.0, 90.0), 0.0),
    ],
)
def test_the_clock_that_says_most_counts(later, passed):
    assert later.longest_since(Instant(100.0, 1000.0, 100.0)) == passed


def test_the_boot_clock_goes_on():
    before = boot_time()
    assert before <= boot_time() < before + 60.0


@pytest.mark.parametrize("names", [("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"), ("CLOCK_MONOTONIC",), ()])
def test_the_best_clock_that_a_system_has_is_taken(monkeypatch, names):
    asked = []
    system = SimpleNamespace(
        **dict.fromkeys(names, 7),
        clock_gettime=lambda clock: asked.append(clock) or 5.0,
        monotonic=time.monotonic,
    )
    monkeypatch.setattr(clocks, "time", system)
    assert (boot_time() == 5.0) == bool(names)
    assert len(asked) == bool(names)
