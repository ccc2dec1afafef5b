# SPDX-License-Identifier: Apache-2.0
"""Circuits with free parameters: what can be done once, and what is left to do for each set of values.

Reading, and the search of levels 2 and 3, look at no angle, so they are done once. The native stage of level
1 does look (an angle may vanish, or has to be folded into the range of a gate), so it is done for each set of
values, on numbers: no circuit is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitError as QiskitCircuitError
from qiskit.circuit import Parameter, ParameterExpression

from qiskit_parallel_ionq.compiler.columns import Column, Rows
from qiskit_parallel_ionq.compiler.emission import Pulse, write
from qiskit_parallel_ionq.compiler.native import has_measurement, improve
from qiskit_parallel_ionq.compiler.program import Program
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


class Formulas:
    """Formulas of some parameters, evaluated for many sets of values at once.

    Sums of multiples of parameters, which nearly all are, are one product of matrices.

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
        self._slopes: list[list[float]] = []
        self._offsets: list[float] = []
        self._others: list[tuple[int, ParameterExpression]] = []

    def column(self, value: Any) -> int:
        """Return the place that a formula or number has in each row."""
        if value not in self._columns:
            column = self._columns[value] = len(self._offsets)
            slope, offset = self._straight(value) or ([0.0] * len(self._place), None)
            self._slopes.append(slope)
            self._offsets.append(offset or 0.0)
            if offset is None:
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
        table: Table = np.add(values @ np.array(self._slopes).T.reshape(len(self._place), -1), self._offsets)
        for column, formula in self._others:
            names = [(parameter, self._place[parameter]) for parameter in formula.parameters]
            for index, row in enumerate(values):
                table[index, column] = _number(formula, {name: float(row[place]) for name, place in names})
        if not np.isfinite(table).all():
            raise CircuitError("a parameter has a value that is not finite")
        return table

    def _straight(self, value: Any) -> tuple[list[float], float] | None:
        """Return the multiple of each parameter and the constant, or None if it is no such sum."""
        slope = [0.0] * len(self._place)
        if not isinstance(value, ParameterExpression):
            return slope, float(value)
        try:
            for parameter in value.parameters:
                derivative = value.gradient(parameter)
                if isinstance(derivative, ParameterExpression) and derivative.parameters:
                    return None
                slope[self._place[parameter]] = float(derivative)
            return slope, float(value.bind(dict.fromkeys(value.parameters, 0.0)))
        except _NO_DERIVATIVE:
            return None


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
    pulses: list[Pulse]
    """A value is a number, or an array with one number for each member."""


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
            shorter = shorten_template(circuit, level)
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
                pulses = self.pulses([rows.column(each) for each in table[members].T])
            together = rows.strayed == 0
            yield Sheet(members[together].tolist(), [_of_rows(pulse, together) for pulse in pulses])
            if np.count_nonzero(together) < _FEW:
                return
            waiting += [members[rows.strayed == place] for place in np.unique(rows.strayed[~together])]

    def pulses(self, row: Sequence[Any]) -> list[Pulse]:
        """Return the native gates for one row of `table`, and the measurements where they belong."""
        program = Program(self._width, merging=self._level > 0, relabelling=self._relabelling)
        for act, wires, values, places in self._steps:
            act(program, wires, values if places is None else [row[place] for place in places])
        program.wires[:] = self._wires
        found = improve(
            program, self._family, self._level, measured=self._measured, relabelling=self._relabelling
        )
        return write(found.items, self._width, self._family, reordering=self._level > 0)


def _of_rows(pulse: Pulse, which: npt.NDArray[np.bool_]) -> Pulse:
    values: Any = pulse.values
    kept: Any = tuple([value.values[which] if value.__class__ is Column else value for value in values])
    return pulse._replace(values=kept)
