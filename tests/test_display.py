# SPDX-License-Identifier: Apache-2.0
"""The progress bar: there where somebody watches, silent where nobody does."""

from __future__ import annotations

import io

import pytest

from qiskit_parallel_ionq import display
from qiskit_parallel_ionq.batch import Batch
from qiskit_parallel_ionq.decode import Outcome


class Screen(io.StringIO):
    """A terminal of 80 columns."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def batch():
    return Batch("run", 4, target="simulator", workers=1, window=None, seed=1, on_unknown="never")


def finish(batch: Batch, index: int, error: Exception | None = None) -> None:
    if error:
        batch.errors[index] = error
    else:
        batch.outcomes[index] = Outcome(1, {"0x0": 1}, None, None)
    batch.finished.append(index)
    batch.notify()


def test_nothing_is_shown_in_a_pipe(batch, monkeypatch, capsys):
    with display.progress_bar(batch):
        finish(batch, 0)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_what_is_done_and_what_failed(batch, monkeypatch):
    screen = Screen()
    monkeypatch.setattr(display.sys, "stderr", screen)
    with display.progress_bar(batch):
        finish(batch, 0)
        finish(batch, 1)
        finish(batch, 3, error=ValueError("ion lost"))
        finish(batch, 2)
    last = screen.getvalue().rsplit("\r", 1)[-1]
    assert "4/4" in last
    assert "failed=1" in last


def test_the_bar_ends_where_waiting_ends(batch, monkeypatch):
    screen = Screen()
    monkeypatch.setattr(display.sys, "stderr", screen)
    with display.progress_bar(batch):
        finish(batch, 0)
    assert "1/4" in screen.getvalue().rsplit("\r", 1)[-1]
