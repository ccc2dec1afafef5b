# SPDX-License-Identifier: Apache-2.0
"""Circuits with free parameters: what can be done once, and what is left to do for each set of values.

Reading, and the search of levels 2 and 3, look at no angle, so they are done once. The native stage of level
1 does look (an angle may vanish, or has to be folded into the range of a gate), so it is done for each set of
values, on numbers: no circuit is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitError as QiskitCircuitError
from qiskit.circuit import Parameter, ParameterExpression

from qiskit_parallel_ionq.compiler.columns import Column, Rows
from qiskit_parallel_ionq.compiler.emission import Pulse, arrange, send
from qiskit_parallel_ionq.compiler.native import has_measurement, improve
from qiskit_parallel_ionq.compiler.program import Fence, Item, Program, Term
from qiskit_parallel_ionq.compiler.reading import Script
from qiskit_parallel_ionq.compiler.templates import shorten_template
from qiskit_parallel_ionq.errors import CircuitError
from qiskit_parallel_ionq.gates import Family

Table = npt.NDArray[np.float64]
"""What the formulas of a circuit come to, a row for each set of values."""

_FEW = 24
"""Rows that are played one by one in less time than all at once."""

_NO_DERIVATIVE = (TypeError, ValueError, RuntimeError, ArithmeticError, QiskitCircuitError)
"""What Qiskit raises where it cannot differentiate, or evaluate at zero."""


@dataclass(frozen=True, slots=True)
class _Polynomial:
    """A formula of at most two factors in each term, as nearly all are."""

    constant: float
    linear: tuple[tuple[int, float], ...] = ()
    """(place of a parameter, factor)"""
    products: tuple[tuple[int, int, float], ...] = ()
    """(places of two parameters, factor)"""

    def at(self, columns: Any) -> Any:
        """Return the value for parameters that are numbers, or arrays of them; both round the same."""
        total: Any = self.constant
        for place, factor in self.linear:
            total = total + factor * columns[place]
        for one, other, factor in self.products:
            total = total + factor * (columns[one] * columns[other])
        return total


class Formulas:
    """Formulas of some parameters, evaluated for many sets of values at once.

    What a set comes to does not depend on the others, to the last bit.

    Args:
        parameters: what the columns of the values stand for.

    >>> a, b = Parameter("a"), Parameter("b")
    >>> formulas = Formulas([a, b])
    >>> formulas.column(2 * a - b), formulas.column(0.5), formulas.column(a * b)
    (0, 1, 2)
    >>> formulas.table(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[0.0, 0.5, 2.0], [2.0, 0.5, 12.0]]
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._place = {parameter: index for index, parameter in enumerate(parameters)}
        self._columns: dict[Any, int] = {}
        self._polynomials: list[_Polynomial] = []
        self._others: list[tuple[int, ParameterExpression]] = []

    def column(self, value: Any) -> int:
        """Return the place that a formula or number has in each row."""
        if value not in self._columns:
            column = self._columns[value] = len(self._polynomials)
            polynomial = self._polynomial(value)
            self._polynomials.append(polynomial or _Polynomial(0.0))
            if polynomial is None:
                self._others.append((column, value))
        return self._columns[value]

    def table(self, values: npt.NDArray[np.float64]) -> Table:
        """Evaluate all formulas.

        Args:
            values: of shape (sets, parameters).

        Returns:
            A row for each set, with the value of each formula in its `column`.

        Raises:
            CircuitError: a formula has no finite real value.
        """
        table = np.empty((len(values), len(self._polynomials)), order="F")
        with np.errstate(all="ignore"):
            if len(values) < _FEW:
                for index, row in enumerate(values.tolist()):
                    table[index] = [polynomial.at(row) for polynomial in self._polynomials]
            else:
                columns = np.ascontiguousarray(values.T)
                for column, polynomial in enumerate(self._polynomials):
                    table[:, column] = polynomial.at(columns)
        for column, formula in self._others:
            names = [(parameter, self._place[parameter]) for parameter in formula.parameters]
            for index, row in enumerate(values):
                table[index, column] = _number(formula, {name: float(row[place]) for name, place in names})
        if not np.isfinite(table).all():
            raise CircuitError("a parameter has a value that is not finite")
        return table

    def _polynomial(self, value: Any) -> _Polynomial | None:
        """Return the formula as a polynomial, or None if it is none of the second degree."""
        if not isinstance(value, ParameterExpression):
            return _Polynomial(float(value))
        mine = sorted(value.parameters, key=self._place.__getitem__)
        linear: list[tuple[int, float]] = []
        products: list[tuple[int, int, float]] = []
        try:
            for index, parameter in enumerate(mine):
                slope = value.gradient(parameter)
                linear.append((self._place[parameter], _at_zero(slope)))
                for other in mine[index:]:
                    curve = slope.gradient(other) if isinstance(slope, ParameterExpression) else 0.0
                    if isinstance(curve, ParameterExpression) and curve.parameters:
                        return None
                    factor = float(curve) / (2 if other == parameter else 1)
                    if factor:
                        products.append((self._place[parameter], self._place[other], factor))
            return _Polynomial(_at_zero(value), tuple(linear), tuple(products))
        except _NO_DERIVATIVE:
            return None


def _at_zero(formula: Any) -> float:
    """Return the value where all parameters are 0."""
    if isinstance(formula, ParameterExpression):
        formula = formula.bind(dict.fromkeys(formula.parameters, 0.0))
    return float(formula)


def _number(formula: ParameterExpression, values: dict[Parameter, float]) -> float:
    try:
        return float(formula.bind(values))
    except (TypeError, ValueError, RuntimeError, ArithmeticError, QiskitCircuitError) as error:
        shown = ", ".join(f"{parameter.name}={value}" for parameter, value in values.items())
        raise CircuitError(f"{formula} has no finite real value where {shown}: {error}") from error


class Sheet(NamedTuple):
    """The native gates of rows that have the same ones, but for numbers."""

    members: list[int]
    """Which rows."""
    pulses: Callable[[], list[Pulse]]
    """Makes the gates. A value is a number, or an array with one number for each member."""


class NativeTemplate:
    """A circuit with free parameters, of which each set of values makes native gates.

    Args:
        circuit: gates that `reading` knows.
        parameters: what the columns of the values stand for; the circuit may have lost some of them. None:
            the circuit is bound, and the columns stand for the numbers of its gates in their order.
        family: the two-qubit gate of the device.
        level: 0 gate by gate; 1 merging; 2 and 3 search further, once.
        relabelling: whether qubits may end on other wires. Off where only some pairs can interact.

    Raises:
        CompileError: a gate is not known, or has a parameter that is not a finite real number.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        parameters: Sequence[Parameter] | None,
        family: Family,
        level: int,
        *,
        relabelling: bool,
    ) -> None:
        if level > 1 and relabelling and parameters is not None:
            shorter = shorten_template(circuit, level, final=True)
            circuit = circuit if shorter is None else shorter[0]
        self._width = circuit.num_qubits
        self._family: Family = family
        self._level = min(level, 1)
        self._relabelling = relabelling and level > 0
        self._measured = has_measurement(circuit)
        self._formulas = None if parameters is None else Formulas(parameters)
        script = Script(circuit, relabelling=self._relabelling, step_by_step=level == 0, free=True)
        self._wires = script.wires
        self._size = 0
        self._steps = [(act, wires, values, self._places(values)) for act, wires, values in script.steps]

    def _places(self, values: Sequence[Any]) -> Sequence[int] | None:
        """Return in which columns a gate finds its parameters; None if it has the ones it always has."""
        if self._formulas is not None:
            unbound = isinstance(values, tuple) and values
            return [self._formulas.column(value) for value in values] if unbound else None
        first, self._size = self._size, self._size + len(values)
        return range(first, self._size) or None

    def table(self, values: npt.NDArray[np.float64]) -> Table:
        """Evaluate the formulas of all gates.

        Args:
            values: of shape (sets, parameters).

        Raises:
            CircuitError: a formula has no finite real value.
        """
        return values if self._formulas is None else self._formulas.table(values)

    def sheets(self, table: Table) -> Iterator[Sheet]:
        """Compile rows that take the same turns in the compiler together, as far as that pays.

        What becomes of a row does not depend on the others: `pulses` makes the same of it to the last bit.

        Args:
            table: rows from `table`.
        """
        waiting = [np.arange(len(table))]
        while waiting:
            members = waiting.pop()
            if len(members) < _FEW:
                continue
            rows = Rows(len(members))
            with np.errstate(all="ignore"):
                items = self._items([rows.column(each) for each in table[members].T])
            together = rows.strayed == 0
            if np.count_nonzero(together) >= _FEW:
                waiting += _apart(members, rows)
            else:
                waiting.clear()
            if together.all():
                yield from self._sent(members, items, rows)
            else:
                kept = Rows(int(np.count_nonzero(together)))
                mine = [_picked(item, together, kept) for item in items]
                yield from self._sent(members[together], mine, kept)

    def _sent(self, members: npt.NDArray[np.int64], items: list[Item], rows: Rows) -> Iterator[Sheet]:
        """Send what was arranged together: on zz devices rows divide by signs only here."""
        everyone = rows, items
        waiting = [np.arange(len(members))]
        alone: list[int] = []
        while waiting:
            places = waiting.pop()
            if len(places) < _FEW:
                alone += places.tolist()
                continue
            if len(places) == len(members):
                rows, mine = everyone
            else:
                rows = Rows(len(places))
                mine = [_picked(item, places, rows) for item in items]
            with np.errstate(all="ignore"):
                pulses = self._send(mine)
            together = rows.strayed == 0
            if together.any():
                kept = [_of_rows(pulse, together) for pulse in pulses]
                yield Sheet(members[places[together]].tolist(), partial(list, kept))
            if np.count_nonzero(together) < _FEW:
                alone += [place for each in (*waiting, *_apart(places, rows)) for place in each.tolist()]
                break
            waiting += _apart(places, rows)
        listed = [_each_number(item, _listed) for item in items] if alone else []
        for place in alone:
            yield Sheet([int(members[place])], partial(self._send_one, listed, place))

    def _send_one(self, listed: list[Item], place: int) -> list[Pulse]:
        def number(column: Any) -> Any:
            return column[place] if column.__class__ is list else column

        return self._send([_each_number(item, number) for item in listed])

    def pulses(self, row: Sequence[Any]) -> list[Pulse]:
        """Return the native gates for one row of `table`, and the measurements where they belong."""
        return self._send(self._items(row))

    def _send(self, items: list[Item]) -> list[Pulse]:
        return send(items, self._width, self._family, reordering=self._level > 0)

    def _items(self, row: Sequence[Any]) -> list[Item]:
        """Return the interactions and fences of one row, short and in order."""
        program = Program(self._width, merging=self._level > 0, relabelling=self._relabelling)
        for act, wires, values, places in self._steps:
            act(program, wires, values if places is None else [row[place] for place in places])
        program.wires[:] = self._wires
        found = improve(
            program,
            self._family,
            self._level,
            measured=self._measured,
            relabelling=self._relabelling,
            final=True,
        )
        return arrange(found.items, self._width, self._family) if self._level else found.items


def _apart(members: npt.NDArray[np.int64], rows: Rows) -> list[npt.NDArray[np.int64]]:
    """Return those that strayed, each with those that strayed at the same question."""
    return [members[rows.strayed == place] for place in np.unique(rows.strayed) if place]


def _each_number(item: Item, change: Callable[[Any], Any]) -> Item:
    """Return an item with something else in place of each of its numbers."""
    if isinstance(item, Term):
        u, v = (tuple([change(number) for number in axis]) for axis in (item.u, item.v))
        return Term(item.a, item.b, u, v, change(item.t))
    frames: Any = tuple([tuple([change(number) for number in frame]) for frame in item.frames])
    return Fence(item.demand, item.wires, frames, item.instruction)


def _picked(item: Item, which: npt.NDArray[Any], rows: Rows) -> Item:
    """Return an item for some of its rows, which now are `rows`."""

    def change(number: Any) -> Any:
        return rows.column(number.values[which]) if number.__class__ is Column else number

    return _each_number(item, change)


def _listed(number: Any) -> Any:
    return number.values.tolist() if number.__class__ is Column else number


def _of_rows(pulse: Pulse, which: npt.NDArray[np.bool_]) -> Pulse:
    values: Any = pulse.values
    kept: Any = tuple([value.values[which] if value.__class__ is Column else value for value in values])
    return pulse._replace(values=kept)
