# SPDX-License-Identifier: Apache-2.0
"""The report as people read it: short for few, in trouble first for many, plain values for tables."""

from __future__ import annotations

import pytest

from qiskit_parallel_ionq.batch import Batch
from qiskit_parallel_ionq.chronicle import Run
from qiskit_parallel_ionq.errors import CircuitFailedError
from qiskit_parallel_ionq.lifecycle import Accepted, BetPlaced, Fetched, HeldBack, Sent, Submission, step
from qiskit_parallel_ionq.parcel import Parcel
from qiskit_parallel_ionq.report import HTML_ROWS, LINES, Report, report_on

EVENTS = (
    Sent(1.0),
    HeldBack(1.5, "429"),
    Sent(2.0),
    Accepted("job-of-0123456789", 3.0),
    BetPlaced(),
    Fetched(9.0),
)


def report(total: int, *, held_back=(), failed=()) -> Report:
    """A run whose circuits all take the same way, but for some."""
    batch = Batch(Run("the-run", total, "simulator", seed=1, shots=(10,) * total))
    batch.stamps.began = 0.0
    for index in range(total):
        submission = Submission()
        for event in EVENTS if index in held_back else (EVENTS[0], *EVENTS[3:]):
            submission, _ = step(submission, event)
        batch.parcel_of[index] = index
        batch.parcels.append(Parcel((index,), (), (), 10, "t", "d", b"", True, False, False))
        batch.submissions.append(submission)
        batch.headers[index] = {"name": f"<b>{index}</b>"}
        batch.stamps.compiled(index, 0.5, 0.6)
        batch.stamps.take(index, 0.6)
        batch.stamps.read(index, 8.0, 8.5)
        batch.stamps.open(index, 8.5)
        batch.stamps.end(index, 9.0)
        if index not in failed:
            batch.outcomes.put(index, None)
        batch.end(index, CircuitFailedError("the ions left", job_id="j") if index in failed else None)
    return report_on(batch, 10.0, lambda at: at + 1_790_000_000.0)


def test_a_short_run_is_a_table_of_all_its_circuits():
    lines = str(report(3, held_back=[1], failed=[2])).splitlines()
    assert lines[0] == "run the-run"
    assert lines[1].startswith("3 circuits on simulator: 9.00 s")
    assert lines[2] == "2 done, 1 failed; 1 setback on the way"
    assert lines[3].startswith("critical path: ")
    table = lines[-4:]
    assert table[0].split() == [
        "circuit",
        "name",
        "status",
        "job",
        "wait",
        "submit",
        "service",
        "fetch",
        "total",
        "s",
        "notes",
    ]
    assert table[1].split()[3:] == ["…23456789", "0.400", "2.000", "5.000", "0.500", "8.500"]
    assert "held back" in table[2]
    assert table[3].endswith("CircuitFailedError: the ions left")


def test_the_stages_are_told_with_median_and_longest():
    lines = str(report(3, held_back=[1])).splitlines()
    (submit,) = [line.split() for line in lines if line.startswith("submit")]
    assert submit == ["submit", "2.00", "s", "2.00", "s"]
    assert next(line for line in lines if line.startswith("total")).split() == [
        "total",
        "8.50",
        "s",
        "8.50",
        "s",
    ]


def test_of_a_long_run_only_what_met_with_trouble_is_listed():
    text = str(report(LINES + 20, held_back=[7], failed=[40]))
    listed = [line.split()[0] for line in text.splitlines() if line.strip()[:1].isdigit()]
    assert [number for number in listed if number in ("7", "40")] == ["7", "40"]
    assert text.endswith(f"{LINES + 18} more circuits are not shown: nothing befell them; records() has all")
    many = str(report(LINES + 20, failed=range(LINES + 20)))
    assert many.endswith("20 more circuits are not shown: 20 of them met with trouble; records() has all")


def test_a_notebook_shows_a_hundred_rows_those_in_trouble_among_them():
    page = report(HTML_ROWS + 50, failed=[HTML_ROWS + 49])._repr_html_()
    assert page.count("<tr>") == HTML_ROWS + 1
    assert f"<td>{HTML_ROWS + 49}</td>" in page
    assert "50 more circuits are not shown" in page
    assert "<b>" not in page


def test_records_are_plain_values_with_the_seconds_of_each_stage():
    rows = report(2, held_back=[1]).records()
    assert (
        rows[0].items()
        >= {
            "circuit": 0,
            "compile_s": pytest.approx(0.1),
            "wait_s": pytest.approx(0.4),
            "submit_s": 2.0,
            "queue_s": None,
            "run_s": None,
            "service_s": 5.0,
            "fetch_s": 0.5,
            "decode_s": 0.5,
            "total_s": 8.5,
        }.items()
    )
    assert rows[1]["setbacks"] == ("held back: 429",)


def test_records_make_a_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(report(3, failed=[1]).records())
    assert frame["total_s"].dtype == float
    assert frame.groupby("status").size().to_dict() == {"done": 2, "failed": 1}
    assert pandas.to_datetime(frame["sent_at"]).notna().all()


def test_no_circuits_are_a_report_too():
    assert str(report(0)).startswith("run the-run")
    assert report(0).records() == []
    assert "<table>" in report(0)._repr_html_()


def test_the_repr_is_one_line():
    assert repr(report(2)) == "<Report of run the-run: 2 circuits (2 done)>"
