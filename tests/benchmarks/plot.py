# SPDX-License-Identifier: Apache-2.0
"""A picture of the table: times of the clients beside each other, and every bar with what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .rows import CLIENTS, Row

STYLE = dict(zip(CLIENTS, (("#0072B2", "o"), ("#56B4E9", "s"), ("#D55E00", "^"), ("#E69F00", "v"),
                           ("#999999", "D"), ("#CC79A7", "P")), strict=True))  # fmt: skip
"""Colours of Okabe and Ito, which the colour-blind can tell apart, and a shape besides."""


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write a picture to a file."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    walls = [row for row in rows if row.unit == "s" and row.against == "ideal" and row.ratio]
    bars = [row for row in rows if row.limit and row.value is not None]
    height = 1.8 + 0.3 * max(len({row.case for row in walls}), len(bars))
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, height), layout="constrained")
    _walls(left, walls)
    _bars(right, bars)
    figure.savefig(path, dpi=120)


def _walls(axis, rows: list[Row]) -> None:  # type: ignore[no-untyped-def]
    cases = list(dict.fromkeys(row.case for row in rows))
    for who, (colour, marker) in STYLE.items():
        mine = [row for row in rows if row.who == who]
        if mine:
            places = [cases.index(row.case) for row in mine]
            axis.plot([row.ratio for row in mine], places, marker, color=colour, label=who, markersize=8,
                      markeredgecolor="white", linestyle="none")  # fmt: skip
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axis.minorticks_off()
    axis.set_yticks(range(len(cases)), cases)
    axis.invert_yaxis()
    axis.grid(axis="x", color="#dddddd")
    axis.set_axisbelow(True)
    axis.set_xlabel("wall time / ideal")
    axis.set_title("How close to what the service needs", loc="left")
    if rows:
        axis.legend(fontsize=8)


def _bars(axis, rows: list[Row]) -> None:  # type: ignore[no-untyped-def]
    shares = [(row.value if row.reference is None else row.ratio) / row.limit for row in rows]  # type: ignore[operator]
    colours = ["#0072B2" if row.is_met else "#D55E00" for row in rows]
    hatches = ["" if row.is_met else "//" for row in rows]
    axis.barh(range(len(rows)), shares, color=colours, hatch=hatches, edgecolor="white")
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_yticks(range(len(rows)), [f"{row.case}: {row.bar()}" for row in rows], fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(0, max(1.5, *shares) * 1.05 if shares else 1.5)
    axis.set_xlabel("measured / bar (hatched: missed)")
    axis.set_title("Bars", loc="left")
