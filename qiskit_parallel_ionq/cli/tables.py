# SPDX-License-Identifier: Apache-2.0
"""Text in columns: cut and wrapped to the width of a terminal, whole in a pipe or a file."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence

_GAP = "  "
_WIDEST = 24
"""Letters of a column on a terminal, the last one aside."""
_NARROWEST = 10
"""Letters that the last column has in any case."""


def width(*, err: bool = False) -> int | None:
    """Return the columns of the terminal that is written to; None where it is none."""
    stream = sys.stderr if err else sys.stdout
    return shutil.get_terminal_size().columns if stream.isatty() else None


def table(
    header: Sequence[str], rows: Sequence[Sequence[object]], *, numbers: Sequence[str] = (), fit: int | None
) -> str:
    """Return rows in columns, under a header.

    Args:
        header: names of the columns.
        rows: a cell for each column; None is empty.
        numbers: columns that are flush right.
        fit: columns of the terminal, to which long cells are cut: their beginning, but of the last its end.
            None: nothing is cut.

    >>> print(table(["circuit", "name"], [[0, "bell"], [10, None]], numbers=["circuit"], fit=None))
    circuit  name
          0  bell
         10
    """
    cells = [list(header), *(["" if cell is None else str(cell) for cell in row] for row in rows)]
    if fit is not None:
        cells = [[*(_tail(cell, _WIDEST) for cell in row[:-1]), row[-1]] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if fit is not None:
        left = max(fit - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1), _NARROWEST)
        widths[-1] = min(widths[-1], left)
        cells = [[*row[:-1], head(row[-1], widths[-1])] for row in cells]
    right = {header.index(name) for name in numbers}
    lines = []
    for row in cells:
        aligned = [
            cell.rjust(wide) if place in right else cell.ljust(wide)
            for place, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(_GAP.join(aligned).rstrip())
    return "\n".join(lines)


def head(text: str, size: int) -> str:
    """Return the beginning of a text: its first line, as far as it fits.

    >>> head("0.123456", 5), head("short", 5)
    ('0.12…', 'short')
    """
    first, *more = text.splitlines() or [""]
    return first if len(first) <= size and not more else first[: size - 1] + "…"


def _tail(text: str, size: int) -> str:
    return text if len(text) <= size else "…" + text[1 - size :]


def wrapped(text: str, *, err: bool = False) -> str:
    """Return text whose lines are broken between words where a terminal would break them anywhere."""
    columns = width(err=err)
    if columns is None:
        return text
    lines = []
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return "\n".join(lines)


def counts_in_short(counts: Mapping[str, int], shown: int = 4) -> str:
    """Return the most frequent outcomes on one line.

    >>> counts_in_short({"00": 48, "11": 51, "01": 1}, shown=2)
    '11: 51  00: 48  …'
    """
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{bits}: {count}" for bits, count in ranked[:shown]]
    return "  ".join(parts) + ("  …" if len(ranked) > shown else "")


def plural(count: int, noun: str) -> str:
    """Return a number and what it counts.

    >>> plural(1, "circuit"), plural(1200, "circuit")
    ('1 circuit', '1,200 circuits')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
