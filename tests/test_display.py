# SPDX-License-Identifier: Apache-2.0
"""The progress bar: there where somebody watches, silent where nobody does."""

from __future__ import annotations

import io
import os
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.providers.jobstatus import JOB_FINAL_STATES

from qiskit_parallel_ionq import ParallelIonQProvider, display
from qiskit_parallel_ionq.batch import Batch, Progress
from qiskit_parallel_ionq.chronicle import Run
from qiskit_parallel_ionq.decode import Outcome
from qiskit_parallel_ionq.errors import CircuitCancelledError
from qiskit_parallel_ionq.outlook import Outlook


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
    if error is None:
        batch.outcomes.put(index, Outcome(1, np.array([0]), np.array([1])))
    batch.end(index, error)
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


class BrokenScreen(Screen):
    """A terminal that takes so many writes and then fails."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self._left = writes

    def write(self, text: str) -> int:
        self._left -= 1
        if self._left < 0:
            raise ValueError("I/O operation on closed file")
        return super().write(text)


@pytest.mark.parametrize("writes", range(8))
def test_a_bar_that_cannot_be_drawn_does_not_end_the_wait(batch, writes, caplog):
    with redirect_stderr(BrokenScreen(writes)), display.progress_bar(batch):
        for index in range(4):
            finish(batch, index)
        assert batch.wait_for(lambda: batch.is_over, 5.0)
    assert batch.is_over


@pytest.mark.parametrize("columns", [80, 40, 24])
def test_the_bar_fits_the_terminal(batch, columns):
    termios, fcntl = pytest.importorskip("termios"), pytest.importorskip("fcntl")
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with patch.object(Screen, "fileno", lambda _: theirs), bar_of(batch) as screen:
        finish(batch, 0)
    os.close(ours), os.close(theirs)
    assert max(map(len, screen.getvalue().replace("\n", "\r").split("\r"))) <= columns
    assert "1/4" in screen.line


FULL = Progress(20_000, waiting=9_000, queued=5_000, running=990, done=5_000, failed=7, cancelled=3)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (None, "~1 h 10 min left, 3.7/s, 9000 waiting, 5000 queued, 990 running, 7 failed, 3 cancelled"),
        (70, "~1 h 10 min left, 5000 queued, 990 running, 7 failed, 3 cancelled"),
        (45, "~1 h 10 min left, 7 failed, 3 cancelled"),
        (23, "7 failed, 3 cancelled"),
        (10, "7 failed"),
        (3, ""),
    ],
)
def test_a_narrow_terminal_does_without_the_least_first(columns, text):
    told = display.told(FULL, Outlook(left=4000.0, rate=3.7), columns)
    assert told == text
    assert columns is None or len(told) <= columns


@pytest.mark.parametrize("columns", range(1, 90))
def test_what_is_said_never_exceeds_its_columns(columns):
    assert len(display.told(FULL, Outlook(left=4000.0, rate=3.7), columns)) <= columns


def test_the_time_that_the_run_has_taken_already_counts(batch):
    batch.stamps.began = time.monotonic() - 3600.0
    with bar_of(batch) as screen:
        finish(batch, 0)
    assert "[1:00:0" in screen.line


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


def test_a_wait_can_show_a_bar_although_the_run_was_not_told_to():
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with ParallelIonQProvider.local(seed=1, execution_time=0.1) as provider:
        backend = provider.get_backend(target="simulator")
        for told, asked in ((False, True), (True, False)):
            job = backend.run([circuit] * 3, shots=1, progress=told)
            with redirect_stderr(Screen()) as screen:
                assert job.wait(progress=asked)
            assert ("3/3" in screen.getvalue()) is asked


def test_a_callback_hears_of_the_job_until_it_is_over():
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    heard = []
    with ParallelIonQProvider.local(seed=1, execution_time=0.2) as provider:
        job = provider.get_backend(target="simulator").run(circuit, shots=1)
        job.wait_for_final_state(wait=0.02, callback=lambda *told: heard.append(told))
    assert {(job_id, who) for job_id, _, who in heard} == {(job.job_id(), job)}
    assert all(status not in JOB_FINAL_STATES for _, status, _ in heard)
