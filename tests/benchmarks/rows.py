# SPDX-License-Identifier: Apache-2.0
"""One measured figure, and the table of all of them: a line for each case, a column for each client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

OURS = "ours"
PACKED = "ours, packed"
PEER = "qiskit-ionq"
TUNED = "qiskit-ionq, tuned"
THREADS = "qiskit-ionq, 10 threads"
CIRQ = "cirq-ionq"
CLIENTS = (OURS, PACKED, PEER, TUNED, THREADS, CIRQ)


@dataclass(frozen=True)
class Setup:
    """How thoroughly is measured, and with what.

    Attributes:
        quick: fewer circuits and one repetition: shows that all works, not what it costs.
        cirq: an interpreter that has cirq-ionq; None: there is none.
    """

    quick: bool = False
    cirq: str | None = None

    @property
    def repeat(self) -> int:
        """How often a short measurement is repeated; the best counts."""
        return 1 if self.quick else 3


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        measurement: the module that measured it.
        case: what was measured.
        who: one of `CLIENTS`.
        value: the figure; None where it was not measured, and the note says why.
        unit: of the value.
        reference: what the value is compared to, in the same unit; None: it stands for itself.
        against: what the reference is.
        limit: the most that value / reference may be; without a reference, the value itself.
        facts: what else was seen.
        note: what a reader has to know.
    """

    measurement: str
    case: str
    who: str
    value: float | None
    unit: str
    reference: float | None = None
    against: str = ""
    limit: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the reference."""
        return None if self.value is None or not self.reference else self.value / self.reference

    @property
    def is_met(self) -> bool | None:
        """Whether the bar is met, if there is one."""
        judged = self.value if self.reference is None else self.ratio
        return None if judged is None or self.limit is None else judged <= self.limit

    def cell(self) -> str:
        """The figure as a table shows it."""
        if self.value is None:
            return "–"
        text = f"{self.value:,.3g} {self.unit}" if self.value < 1000 else f"{self.value:,.0f} {self.unit}"
        return text if self.ratio is None else f"{text} ({self.ratio:.{2 if self.ratio < 10 else 0}f}x)"

    def bar(self) -> str:
        """The bar and whether it is met."""
        if self.limit is None:
            return ""
        said = f"≤ {self.limit:.3g} {self.unit}" if self.reference is None else f"≤ {self.limit:.3g}x"
        return f"{said} {'met' if self.is_met else 'MISSED'}"


def table(rows: Iterable[Row]) -> str:
    """Return a Markdown table."""
    lines: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        lines.setdefault((row.measurement, row.case), {})[row.who] = row
    head = ["measurement", "case", "compared to", *CLIENTS, "bar"]
    body = []
    notes: list[str] = []
    for (measurement, case), by_client in lines.items():
        cells = [_with_note(by_client.get(who), notes) for who in CLIENTS]
        against = next((row.against for row in by_client.values() if row.against), "")
        references = {row.reference for row in by_client.values() if row.reference is not None}
        unit = next(iter(by_client.values())).unit
        if len(references) == 1:
            against = f"{against} {references.pop():.3g} {unit}"
        bars = ", ".join(filter(None, (row.bar() for row in by_client.values())))
        body.append([measurement, case, against, *cells, bars])
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    text = [_line(head, widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    text += [_line(cells, widths) for cells in body]
    text += [f"\n{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\n".join(text)


def _with_note(row: Row | None, notes: list[str]) -> str:
    if row is None:
        return ""
    if not row.note:
        return row.cell()
    if row.note not in notes:
        notes.append(row.note)
    return f"{row.cell()} [{notes.index(row.note) + 1}]"


def _line(cells: list[str], widths: list[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
