# SPDX-License-Identifier: Apache-2.0
"""Draws a timeline: one row per IonQ job, the critical path over it. Needs matplotlib, and imports it late.

Colours are after Okabe and Ito, for the colour-blind; what would print alike in grey is hatched.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .display import in_notebook
from .errors import MissingExtraError
from .lifecycle import ABSENT, DISOWNED, HELD_BACK, LOST
from .spans import Stage, Step
from .timeline import CANCELLED, FAILED, READ_AGAIN, Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 60
"""Rows up to which each is labelled and set apart."""
_LOOKS: dict[Stage, tuple[str, str, str]] = {
    Stage.COMPILE: ("#CC79A7", "", "compile"),
    Stage.WAIT: ("#E6E6E6", "", "wait here"),
    Stage.SUBMIT: ("#E69F00", "", "submit (request)"),
    Stage.DOUBT: ("#D55E00", "xxxx", "answer lost: looked for"),
    Stage.QUEUE: ("#F0E442", "////", "queue at the service"),
    Stage.RUN: ("#009E73", "", "run"),
    Stage.SERVICE: ("#99D8C7", "\\\\\\\\", "at the service"),
    Stage.FETCH: ("#004D80", "", "fetch (request)"),
    Stage.DECODE: ("#000000", "", "decode"),
    Stage.UNKNOWN: ("#FFFFFF", "----", "not known"),
}
_SIGNS: dict[tuple[str, ...], tuple[str, str, str]] = {
    (HELD_BACK,): ("v", "#FFFFFF", "held back, sent later"),
    (LOST, DISOWNED, ABSENT): ("D", "#FFFFFF", "answer lost, or job absent"),
    (READ_AGAIN,): ("^", "#FFFFFF", "result asked for again"),
    (FAILED,): ("X", "#D55E00", "failed"),
    (CANCELLED,): ("s", "#D55E00", "cancelled"),
}
_INK = "#222222"
_LINES = 1000.0
"""Rows from which on they overlap, so that none is too thin to be seen."""
_UNITS = ((3.0 * 3600, 3600.0, "hours"), (300.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


def draw(timeline: Timeline, *, in_window: bool = False) -> Figure:
    """Return the picture of a timeline.

    Args:
        timeline: of a run.
        in_window: whether pyplot is to know it, so that it can be shown in a window.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    count = len(timeline.rows)
    figure = _figure((10.0, 2.1 + 0.2 * max(count, 4) if count <= FEW else 7.0), in_window=in_window)
    axes = figure.add_subplot()
    wall = timeline.wall or 1.0
    _, scale, unit = next(u for u in _UNITS if wall >= u[0])
    handles = [*_bars(axes, timeline, scale), *_path(axes, timeline, scale), *_signs(axes, timeline, scale)]
    if timeline.ideal is not None:
        at = timeline.ideal / scale
        handles.append(axes.axvline(at, color=_INK, ls=(0, (4, 3)), lw=1.1, label="ideal", zorder=4))
    _dress(axes, timeline, unit, right=max(wall, timeline.ideal or 0.0) / scale)
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=8.5)
    return figure


def save(figure: Figure, path: str | Path) -> Path:
    """Write a picture in the format that its name ends in; return where it lies."""
    from matplotlib import rc_context

    target = Path(path).expanduser().resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.fonttype": "none"}):  # text that can be read and searched, and a third of the size
        figure.savefig(target, dpi=150)
    return target


def show(timeline: Timeline) -> Figure | None:
    """Draw a timeline in a window, and wait until that is closed; None where there are no windows.

    In a notebook it is shown below the cell.
    """
    if in_notebook():
        figure = draw(timeline)
        sys.modules["IPython"].display.display(figure)
        return figure
    figure = draw(timeline, in_window=True)
    from matplotlib import pyplot as plt

    if figure.canvas.required_interactive_framework is None:
        plt.close(figure)
        return None
    plt.show()
    return figure


def _figure(size: tuple[float, float], *, in_window: bool) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            "a timeline is drawn with matplotlib, which is not installed: "
            "pip install 'qiskit-parallel-ionq[plot]'. job.report() says the same in words"
        ) from None
    if not (in_window or in_notebook()):
        return Figure(figsize=size, layout="constrained")
    from matplotlib import pyplot as plt  # a notebook can show figures once pyplot has made one

    figure: Figure = plt.figure(figsize=size, layout="constrained")
    if not in_window:
        plt.close(figure)  # else the notebook would show it a second time
    return figure


def _bars(axes: Axes, timeline: Timeline, scale: float) -> list[Any]:
    """Draw the stages, each kind as one collection; return what the legend shows."""
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Patch

    is_few = len(timeline.rows) <= FEW
    half = 0.36 if is_few else max(0.5, len(timeline.rows) / _LINES)
    boxes: dict[Stage, list[list[tuple[float, float]]]] = {}
    for y, row in enumerate(timeline.rows):
        for span in row.spans:
            left, right = span.begin / scale, span.end / scale
            box = [(left, y - half), (right, y - half), (right, y + half), (left, y + half)]
            boxes.setdefault(span.stage, []).append(box)
    handles = []
    for stage, (colour, hatch, label) in _LOOKS.items():
        if stage in boxes:
            look: dict[str, Any] = {
                "facecolor": colour,
                "edgecolor": "#FFFFFF" if stage is Stage.DOUBT else "#777777",
                "linewidth": 0.0,
                "hatch": hatch if is_few else "",  # in thousands they take seconds
            }
            axes.add_collection(PolyCollection(boxes[stage], antialiased=is_few, zorder=2, **look))
            handles.append(Patch(label=label, **look))
    return handles


def _path(axes: Axes, timeline: Timeline, scale: float) -> list[Any]:
    """Draw the critical path below the bars it leads along."""
    from matplotlib.patheffects import Normal, Stroke

    if not timeline.path:
        return []
    is_few = len(timeline.rows) <= FEW
    below = 0.43 if is_few else 0.0
    points = [(x / scale, step.row + below) for step in timeline.path for x in _ends(step)]
    (line,) = axes.plot(
        *zip(*points, strict=True),
        color=_INK,
        lw=1.8 if is_few else 1.3,
        solid_joinstyle="miter",
        solid_capstyle="butt",
        label="critical path",
        path_effects=[Stroke(linewidth=3.2 if is_few else 2.4, foreground="white"), Normal()],
        zorder=5,
    )
    return [line]


def _ends(step: Step) -> tuple[float, float]:
    return step.span.begin, step.span.end


def _signs(axes: Axes, timeline: Timeline, scale: float) -> list[Any]:
    """Draw what went wrong."""
    handles = []
    is_few = len(timeline.rows) <= FEW
    for kinds, (marker, face, label) in _SIGNS.items():
        found = [
            (mark.at / scale, y)
            for y, row in enumerate(timeline.rows)
            for mark in row.marks
            if mark.what in kinds
        ]
        if found:
            handles.append(
                axes.scatter(
                    [at for at, _ in found],
                    [y for _, y in found],
                    marker=marker,
                    s=34 if is_few else 14,
                    facecolor=face,
                    edgecolor=_INK,
                    linewidth=0.9 if is_few else 0.5,
                    label=label,
                    zorder=6,
                    clip_on=False,
                )
            )
    return handles


def _dress(axes: Axes, timeline: Timeline, unit: str, *, right: float) -> None:
    """Set titles, axes and grid."""
    from matplotlib.ticker import MaxNLocator

    rows = timeline.rows
    axes.set_xlim(0.0, right * 1.02)
    axes.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    axes.set_xlabel(f"{unit} since {'the call of run' if timeline.is_whole else 'the first that is known'}")
    packed = any(len(row.circuits) > 1 for row in rows)
    if len(rows) <= FEW:
        axes.set_yticks(range(len(rows)), [_short(row.label) for row in rows], fontsize=7.5)
        axes.tick_params(axis="y", length=0)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("circuits of each job" if packed else "circuit")
    axes.grid(axis="x", color="#E6E6E6", lw=0.8, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_title(timeline.path_summary, loc="left", x=0.0, fontsize=9, color="#555555", pad=6)
    axes.figure.suptitle(
        _folded(timeline.summary), x=0.006, ha="left", fontsize=11, fontweight="bold", color=_INK
    )


def _folded(text: str, longest: int = 100) -> str:
    """Return text with a line break where a part begins that does not fit."""
    lines = [""]
    for part in text.split("; "):
        if lines[-1] and len(lines[-1]) + len(part) > longest:
            lines.append(part)
        else:
            lines[-1] += f"; {part}" if lines[-1] else part
    return "\n".join(lines)


def _short(label: str, longest: int = 22) -> str:
    return label if len(label) <= longest else "…" + label[1 - longest :]
