# SPDX-License-Identifier: Apache-2.0
"""Every fault at every step: whatever happens, nothing is lost, bought twice or mixed up."""

from __future__ import annotations

import logging

import pytest

from qiskit_parallel_ionq import policy
from qiskit_parallel_ionq.journal import Journal
from qiskit_parallel_ionq.policy import Verdict

from . import matrix, trials, wires
from .faults import Fault, status
from .moments import STEPS
from .tls import CERTIFICATE

CELLS = matrix.cells()
VIRTUAL = [cell for cell in CELLS if cell.play is not None and not cell.is_on_wire]
ON_WIRE = [cell for cell in CELLS if cell.is_on_wire]


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("cell", VIRTUAL, ids=lambda cell: f"{cell.fault} at {cell.step}")
def test_nothing_is_lost_bought_twice_or_mixed_up(cell, tmp_path):
    cell.play(tmp_path)


def test_nor_when_bytes_are_spoilt_on_real_connections(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    wires.hasten(monkeypatch.setattr)
    assert matrix.played(ON_WIRE, tmp_path) == {}


def test_every_cell_is_played_or_says_why_it_cannot_be():
    assert len(CELLS) == len({(cell.fault, cell.step) for cell in CELLS}) == len(matrix.rows()) * len(STEPS)
    assert all((cell.play is None) == bool(cell.reason) for cell in CELLS)


def test_the_page_says_what_is_played():
    said = matrix.PAGE.read_text(encoding="utf-8")
    assert said == matrix.written({}), "run python -m tests.harness.matrix"


# ── the cells can tell ──


def test_a_client_that_takes_a_503_for_a_refusal_buys_twice_and_is_seen_through(monkeypatch):
    trials.struck("store", status(503, after=True))
    judge = policy.verdict_on_submission

    def rash(status, **given):
        return Verdict.PUSHED_BACK if status == 503 else judge(status, **given)

    monkeypatch.setattr("qiskit_parallel_ionq.worker.verdict_on_submission", rash)
    with pytest.raises(AssertionError, match="proof"):
        trials.struck("store", status(503, after=True))


def test_a_client_that_believes_any_id_mixes_up_and_is_seen_through(monkeypatch):
    trials.struck("answer", Fault("repeated id", after=True))
    monkeypatch.setattr("qiskit_parallel_ionq.conductor.submitting.Submitting._is_new", lambda *_: True)
    monkeypatch.setattr("qiskit_parallel_ionq.conductor.watching.Watching.disowned", lambda *_: False)
    with pytest.raises(AssertionError):
        trials.struck("answer", Fault("repeated id", after=True))


def test_a_client_that_forgets_to_write_is_seen_through(monkeypatch):
    note = Journal.note

    def forgetful(self, record, **given):
        if record["is"] != "sent":
            note(self, record, **given)

    monkeypatch.setattr(Journal, "note", forgetful)
    with pytest.raises(AssertionError):
        trials.ended("store", "die")
