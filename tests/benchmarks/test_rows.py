# SPDX-License-Identifier: Apache-2.0
"""The table says what was measured: nothing is in another client's column, no missed bar looks met."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from .__main__ import MEASUREMENTS, main
from .rows import CIRQ, OURS, PEER, Row, table

ROW = Row("lists", "20 circuits", OURS, 0.84, "s", reference=0.8, against="ideal", limit=1.15)


def cells(text, line):
    return [cell.strip() for cell in text.splitlines()[line].split("|")[1:-1]]


def test_a_figure_stands_in_its_clients_column():
    text = table(
        [ROW, replace(ROW, who=PEER, value=5.6, limit=None), replace(ROW, case="100 circuits", value=9.0)]
    )
    head, first, second = cells(text, 0), cells(text, 2), cells(text, 3)
    assert first[head.index(OURS)] == "0.84 s (1.05x)"
    assert first[head.index(PEER)] == "5.6 s (7.00x)"
    assert first[head.index("compared to")] == "ideal 0.8 s"
    assert first[head.index("bar")] == "≤ 1.15x met"
    assert second[head.index(PEER)] == ""
    assert second[head.index("bar")] == "≤ 1.15x MISSED"


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (ROW, True),
        (replace(ROW, value=0.93), False),
        (replace(ROW, reference=None, limit=0.5), False),
        (replace(ROW, reference=None, limit=0.84), True),
        (replace(ROW, value=0, reference=None, limit=0), True),
        (replace(ROW, limit=None), None),
        (replace(ROW, value=None), None),
    ],
)
def test_a_bar_is_held_against_the_ratio_or_else_the_figure(row, met):
    assert row.is_met is met


def test_what_was_not_measured_says_why_once():
    note = "no interpreter with cirq-ionq was found"
    missing = replace(ROW, who=CIRQ, value=None, note=note)
    text = table([ROW, missing, replace(missing, case="100 circuits")])
    assert cells(text, 2)[-2] == cells(text, 3)[-2] == "– [1]"
    assert text.count(note) == 1


def test_every_measurement_is_there_and_can_be_asked_for():
    tools = {
        "__init__",
        "__main__",
        "rows",
        "processes",
        "circuits",
        "clients",
        "cirq_client",
        "compile_bench",
        "primitives_bench",
        "plot",
    }
    on_disk = {path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("test_")}
    assert on_disk - tools == set(MEASUREMENTS)
    for name in MEASUREMENTS:
        assert callable(importlib.import_module(f"{__package__}.{name}").measure)


def test_what_was_measured_is_shown_again_and_a_missed_bar_is_the_exit_code(tmp_path, monkeypatch, capsys):
    file = tmp_path / "found.json"
    for value, code in ((0.84, 0), (0.93, 1)):
        monkeypatch.setattr(f"{__package__}.__main__.measured", lambda *_: [replace(ROW, value=value)])
        monkeypatch.setattr("sys.argv", ["benchmarks", "--json", str(file)])
        assert main() == code
        told = capsys.readouterr().out
        monkeypatch.setattr("sys.argv", ["benchmarks", "--from-json", str(file)])
        assert main() == code
        assert capsys.readouterr().out == told
