# SPDX-License-Identifier: Apache-2.0
"""The progress bar: there where somebody watches, silent where nobody does."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from types import SimpleNamespace

import numpy as np
import pytest

from qiskit_parallel_ionq import display
from qiskit_parallel_ionq.batch import Batch
from qiskit_parallel_ionq.chronicle import Run
from qiskit_parallel_ionq.decode import Outcome
from qiskit_parallel_ionq.errors import CircuitCancelledError


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def line(self) -> str:
        """What stands there now."""
        return self.getvalue().rsplit("\r", 1)[-1]


@contextmanager
def bar_of(batch: Batch) -> Iterator[Screen]:
    with redirect_stderr(Screen()) as screen, display.progress_bar(batch):
        yield screen


@pytest.fixture
def batch():
    return Batch(Run("run", 4, "simulator", seed=1))


def finish(batch: Batch, index: int, error: Exception | None = None) -> None:
    if error:
        batch.errors[index] = error
    else:
        batch.outcomes[index] = Outcome(1, np.array([0]), np.array([1]))
    batch.finished.append(index)
    batch.notify()


def test_nothing_is_shown_in_a_pipe(batch, capsys):
    with display.progress_bar(batch):
        finish(batch, 0)
    assert capsys.readouterr() == ("", "")


def test_nothing_is_shown_where_there_is_no_standard_error(batch, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with display.progress_bar(batch):
        finish(batch, 0)


def test_a_notebook_counts_as_watched(monkeypatch):
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert display.is_watched()
    shell.config.clear()
    assert not display.is_watched()


def test_a_terminal_shows_what_is_done_and_what_failed(batch):
    with bar_of(batch) as screen:
        finish(batch, 0)
        finish(batch, 1, error=CircuitCancelledError("cancelled"))
        finish(batch, 3, error=ValueError("ion lost"))
        finish(batch, 2)
    assert "100%" in screen.line
    assert "4/4" in screen.line
    assert "1 failed, 1 cancelled" in screen.line


def test_the_bar_follows_while_it_is_there(batch):
    with bar_of(batch) as screen:
        finish(batch, 0)
        deadline = time.monotonic() + 10
        while "1/4" not in screen.line and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "3 waiting" in screen.line


def test_the_bar_ends_where_waiting_ends(batch):
    with bar_of(batch) as screen:
        finish(batch, 0)
    assert "1/4" in screen.line
    assert "3 waiting" in screen.line


def test_the_bar_fits_80_columns(batch, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    with bar_of(batch) as screen:
        finish(batch, 0)
    assert max(map(len, screen.getvalue().replace("\n", "\r").split("\r"))) <= 80


def test_no_bar_for_what_is_over_already(batch):
    for index in range(4):
        finish(batch, index)
    with bar_of(batch) as screen:
        pass
    assert screen.getvalue() == ""


def test_an_error_passes_through_and_the_bar_ends(batch):
    with pytest.raises(KeyboardInterrupt), bar_of(batch) as screen:
        raise KeyboardInterrupt
    assert "0/4" in screen.line
