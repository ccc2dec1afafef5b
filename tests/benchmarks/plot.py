# SPDX-License-Identifier: Apache-2.0
"""A picture of the table: the clients beside each other, and every bar with what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .rows import CLIENTS, OURS, PACKED, Row

STYLE = dict(
    zip(
        CLIENTS,
        [
            ("#0072B2", "o"),
            ("#56B4E9", "s"),
            ("#D55E00", "^"),
            ("#E69F00", "v"),
            ("#777777", "D"),
            ("#CC79A7", "P"),
        ],
        strict=True,
    )
)
"""Colours of Okabe and Ito, which the colour-blind can tell apart, and a shape besides."""


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write a picture to a file."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.fonttype"] = "none"  # letters stay letters
    import matplotlib.pyplot as plt

    compared = {row.case for row in rows if row.against == "ideal" and row.who not in (OURS, PACKED)}
    walls = [row for row in rows if row.case in compared and row.ratio]
    bars = [row for row in rows if row.limit and row.value is not None]
    height = 1.8 + max(0.8 * len(compared), 0.27 * len(bars))
    figure, (left, right) = plt.subplots(1, 2, figsize=(14, height), layout="constrained")
    _walls(left, walls)
    _bars(right, bars)
    figure.savefig(path, dpi=110)


def _walls(axis: Any, rows: list[Row]) -> None:
    cases = list(dict.fromkeys(row.case for row in rows))
    for nth, (who, (colour, marker)) in enumerate(STYLE.items()):
        mine = [row for row in rows if row.who == who]
        if mine:
            places = [cases.index(row.case) + 0.12 * (nth - 2.5) for row in mine]
            ratios = [row.ratio for row in mine]
            axis.plot(ratios, places, marker, color=colour, label=who, markersize=8, markeredgecolor="white")
    for place in range(1, len(cases)):
        axis.axhline(place - 0.5, color="#dddddd", linewidth=0.8)
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axis.minorticks_off()
    axis.set_yticks(range(len(cases)), cases)
    axis.set_ylim(len(cases) - 0.5, -0.5)
    axis.grid(axis="x", color="#eeeeee")
    axis.set_axisbelow(True)
    axis.set_xlabel("wall time / ideal")
    axis.set_title("How close to the time that the service needs", loc="left")
    if rows:
        axis.legend(loc="upper center", bbox_to_anchor=(0.4, -0.07), ncols=3, fontsize=9, frameon=False)


def _bars(axis: Any, rows: list[Row]) -> None:
    shares = [_share(row) for row in rows]
    axis.barh(
        range(len(rows)),
        shares,
        color=["#0072B2" if row.is_met else "#D55E00" for row in rows],
        hatch=["" if row.is_met else "//" for row in rows],
        edgecolor="white",
    )
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_yticks(range(len(rows)), [f"{row.case}: {row.bar()}" for row in rows], fontsize=8)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlim(0, 1.05 * max(1.2, *shares, 0))
    axis.set_xlabel("measured / bar (hatched: missed)")
    axis.set_title("Bars", loc="left")


def _share(row: Row) -> float:
    """How much of what is allowed was taken."""
    judged = row.value if row.reference is None else row.ratio
    return judged / row.limit if judged is not None and row.limit else 0.0
