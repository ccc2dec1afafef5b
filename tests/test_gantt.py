# SPDX-License-Identifier: Apache-2.0
"""The drawing: all that the timeline says is in it, for few rows and for thousands, in colour and in grey."""

from __future__ import annotations

import math
import sys
from xml.etree import ElementTree as ET

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider, gantt
from qiskit_parallel_ionq.emulator import Fault
from qiskit_parallel_ionq.errors import MissingExtraError
from qiskit_parallel_ionq.lifecycle import Phase
from qiskit_parallel_ionq.spans import Row, Span, Stage
from qiskit_parallel_ionq.timeline import Timeline

pytest.importorskip("matplotlib")


def circuits(count: int) -> list[QuantumCircuit]:
    made = []
    for index in range(count):
        circuit = QuantumCircuit(1, 1, name=f"c{index}")
        circuit.rx(0.1 * index, 0)
        circuit.measure(0, 0)
        made.append(circuit)
    return made


FAULTS = (
    Fault("status", method="POST", path="/jobs", status=429, nth=2),
    Fault("status", path="/jobs/*/results/*", status=503, nth=1),
    Fault("fail", name="c3"),
)


@pytest.fixture(scope="module")
def met():
    """A job that met faults: a submission held back, a result read twice, a circuit that failed."""
    with ParallelIonQProvider.local(seed=1, round_trip=0.01, execution_time=0.4, faults=FAULTS) as provider:
        job = provider.get_backend(target="simulator").run(circuits(5), shots=10)
        assert job.wait(30)
        yield job


def legend(figure) -> set[str]:
    return {text.get_text() for box in figure.legends for text in box.get_texts()}


def test_the_drawing_shows_stages_marks_path_and_ideal(met):
    figure = met.timeline()
    shown = legend(figure)
    assert {"run", "submit (request)", "fetch (request)", "critical path", "ideal"} <= shown
    assert {"held back, sent later", "failed"} <= shown
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [f"c{n} · {n}" for n in range(5)]
    assert figure.get_suptitle().replace("\n", "; ") == met.report().timeline.summary


def test_the_drawing_is_saved_where_it_was_asked_for(met, tmp_path):
    met.timeline(tmp_path / "new" / "run.svg")
    root = ET.parse(tmp_path / "new" / "run.svg").getroot()
    assert root.tag.endswith("svg")


def test_where_there_is_no_window_it_is_saved_and_says_where(met, tmp_path, monkeypatch, capsys):
    import matplotlib as mpl

    mpl.use("agg")
    monkeypatch.chdir(tmp_path)
    met.timeline(show=True)
    (place,) = tmp_path.glob("timeline-*.png")
    assert place.read_bytes().startswith(b"\x89PNG")
    assert str(place) in capsys.readouterr().err


def test_a_missing_library_is_named_with_the_way_to_have_it(met, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'qiskit-parallel-ionq\[plot\]'"):
        met.timeline()
    assert str(met.report())


def many(count: int) -> Timeline:
    rows = [
        Row(
            (n,),
            str(n),
            Phase.DONE,
            (
                Span(Stage.WAIT, 0.0, 0.001 + n * 0.01),
                Span(Stage.SUBMIT, 0.001 + n * 0.01, n * 0.01 + 0.1),
                Span(Stage.QUEUE, n * 0.01 + 0.1, n * 0.01 + 0.2),
                Span(Stage.RUN, n * 0.01 + 0.2, n * 0.01 + 1.0),
                Span(Stage.FETCH, n * 0.01 + 1.0, n * 0.01 + 1.1),
            ),
        )
        for n in range(count)
    ]
    return Timeline("run", "simulator", count, 10, tuple(rows), is_whole=True)


def test_thousands_of_rows_are_few_shapes_without_labels():
    figure = gantt.draw(many(2000))
    (axes,) = figure.axes
    assert len(axes.collections) == 5
    assert len(axes.get_yticks()) < 20
    assert figure.get_size_inches()[1] < 10


@pytest.mark.parametrize(("wall", "unit"), [(20.0, "seconds"), (900.0, "minutes"), (40_000.0, "hours")])
def test_long_runs_are_told_in_larger_units(wall, unit):
    row = Row((0,), "0", Phase.DONE, (Span(Stage.QUEUE, 0.0, wall),))
    figure = gantt.draw(Timeline("run", "simulator", 1, 10, (row,), is_whole=True))
    (axes,) = figure.axes
    assert axes.get_xlabel().startswith(unit)
    assert axes.get_xlim()[1] < 30


def test_what_prints_alike_in_grey_is_hatched_or_lighter():
    from matplotlib.colors import to_rgb

    def grey(colour: str) -> float:
        return math.fsum(
            part * weight for part, weight in zip(to_rgb(colour), (0.299, 0.587, 0.114), strict=True)
        )

    looks = [
        (grey(colour), hatch)
        for stage, (colour, hatch, _) in gantt._LOOKS.items()
        if stage is not Stage.COMPILE
    ]
    for place, (light, hatch) in enumerate(looks):
        for other_light, other_hatch in looks[:place]:
            assert hatch != other_hatch or abs(light - other_light) > 0.1


def test_every_stage_and_every_mark_has_a_look():
    from qiskit_parallel_ionq import lifecycle, timeline

    assert set(gantt._LOOKS) == set(Stage) - {Stage.CHECK}
    marks = {lifecycle.HELD_BACK, lifecycle.LOST, lifecycle.ABSENT, lifecycle.DISOWNED}
    marks |= {timeline.FAILED, timeline.CANCELLED, timeline.READ_AGAIN}
    assert {kind for kinds in gantt._SIGNS for kind in kinds} == marks


def test_what_is_under_way_can_be_drawn():
    assert gantt.draw(Timeline("run", "simulator", 3, 10, (), is_whole=True)).axes
    waiting = Row((0,), "0", Phase.WAITING, ())
    assert gantt.draw(Timeline("run", "simulator", 1, 10, (waiting,), is_whole=False)).axes
