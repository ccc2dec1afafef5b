# SPDX-License-Identifier: Apache-2.0
"""Columns: the numbers that many rows have in one place, played through the compiler as if they were one.

Every operation on a column rounds as it does on a number, so a row comes out the same to the last bit whether
it is played alone or among others. Where the compiler asks a question of a column, the rows answer by
majority; those that would answer otherwise have *strayed*: what comes after is nothing to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]


class Rows:
    """Rows that are played together.

    >>> rows = Rows(3)
    >>> angle = rows.column(np.array([1.0, 2.0, -3.0]))
    >>> 2 * angle > 0, rows.strayed.tolist()
    (True, [0, 0, 1])
    """

    def __init__(self, count: int) -> None:
        self.strayed = np.zeros(count, np.int64)
        """For each row the number of the question at which it strayed, from 1; 0: it has not."""
        self._count = count
        self._questions = 0

    def column(self, values: _Floats) -> Any:
        """Return a column; or the number that all rows have, where they have the same."""
        first = float(values[0])
        return first if (values == first).all() else Column(np.ascontiguousarray(values), self)

    def answer(self, mask: Mask) -> bool:
        """Return what most of the rows say that have not strayed; who says otherwise strays."""
        self._questions += 1
        yes = np.count_nonzero(mask)
        if yes == self._count:
            return True
        if not yes:
            return False
        present = self.strayed == 0
        answer = bool(2 * np.count_nonzero(mask & present) >= np.count_nonzero(present))
        self.strayed[present & (mask != answer)] = self._questions
        return answer


class Column:
    """One number for each row; behaves as a float, but for functions of ``math``, which are here."""

    __slots__ = ("rows", "values")

    def __init__(self, values: _Floats, rows: Rows) -> None:
        self.values = values
        self.rows = rows

    def __repr__(self) -> str:
        return f"Column({self.values})"

    def mapped(self, function: Callable[..., float], *others: Any) -> Column:
        """Return a function of ``math`` of this and further columns or numbers, row by row."""
        lists = [self.values.tolist()]
        lists += [np.broadcast_to(raw(each), self.values.shape).tolist() for each in others]
        try:
            found = np.fromiter(map(function, *lists), float, len(self.values))
        except ValueError:  # a row that strayed may be beyond the function's domain
            found = np.array([_guarded(function, *each) for each in zip(*lists, strict=True)])
        return Column(found, self.rows)

    def __add__(self, other: Any) -> Column:
        return Column(self.values + (other.values if other.__class__ is Column else other), self.rows)

    def __radd__(self, other: float) -> Column:
        return Column(other + self.values, self.rows)

    def __sub__(self, other: Any) -> Column:
        return Column(self.values - (other.values if other.__class__ is Column else other), self.rows)

    def __rsub__(self, other: float) -> Column:
        return Column(other - self.values, self.rows)

    def __mul__(self, other: Any) -> Column:
        return Column(self.values * (other.values if other.__class__ is Column else other), self.rows)

    def __rmul__(self, other: float) -> Column:
        return Column(other * self.values, self.rows)

    def __truediv__(self, other: Any) -> Column:
        return Column(self.values / (other.values if other.__class__ is Column else other), self.rows)

    def __rtruediv__(self, other: float) -> Column:
        return Column(other / self.values, self.rows)

    def __neg__(self) -> Column:
        return Column(-self.values, self.rows)

    def __abs__(self) -> Column:
        return Column(np.abs(self.values), self.rows)

    def __round__(self) -> Column:
        return Column(np.rint(self.values), self.rows)

    def __lt__(self, other: Any) -> bool:
        return self.rows.answer(self.values < raw(other))

    def __le__(self, other: Any) -> bool:
        return self.rows.answer(self.values <= raw(other))

    def __gt__(self, other: Any) -> bool:
        return self.rows.answer(self.values > raw(other))

    def __ge__(self, other: Any) -> bool:
        return self.rows.answer(self.values >= raw(other))

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self.rows.answer(self.values == raw(other))

    def __bool__(self) -> bool:
        return self.rows.answer(self.values != 0.0)


def raw(value: Any) -> Any:
    """Return the numbers of a column as an array; anything else as it is."""
    return value.values if value.__class__ is Column else value


def _guarded(function: Callable[..., float], *arguments: float) -> float:
    try:
        return function(*arguments)
    except ValueError:
        return math.nan


# ── what the compiler computes of numbers and columns alike ──


def sin(angle: Any) -> Any:
    """Return the sine."""
    try:
        return math.sin(angle)
    except TypeError:
        return angle.mapped(math.sin)


def cos(angle: Any) -> Any:
    """Return the cosine."""
    try:
        return math.cos(angle)
    except TypeError:
        return angle.mapped(math.cos)


def sqrt(value: Any) -> Any:
    """Return the square root."""
    try:
        return math.sqrt(value)
    except TypeError:
        return Column(np.sqrt(value.values), value.rows)


def atan2(y: Any, x: Any) -> Any:
    """Return the angle of the point (x, y)."""
    try:
        return math.atan2(y, x)
    except TypeError:
        if y.__class__ is Column:
            return y.mapped(math.atan2, x)
        return x.mapped(lambda x, y: math.atan2(y, x), y)


def each_row(function: Callable[[Sequence[float]], Sequence[float]], numbers: Sequence[Any]) -> Sequence[Any]:
    """Return what a function makes of some numbers; if columns are among them, of each row's.

    Rows that have strayed get what another row does.
    """
    rows = next((each.rows for each in numbers if each.__class__ is Column), None)
    if rows is None:
        return function(numbers)
    present = np.flatnonzero(rows.strayed == 0)
    lists = [np.broadcast_to(raw(each), rows.strayed.shape)[present].tolist() for each in numbers]
    table = np.array([function(each) for each in zip(*lists, strict=True)])
    if len(present) < len(rows.strayed):
        everyone = np.repeat(table[:1], len(rows.strayed), axis=0)
        everyone[present] = table
        table = everyone
    return [rows.column(each) for each in table.T]


def choose(mask: Mask, of: Column, yes: Any, no: Any) -> Any:
    """Return one number for the rows under a mask, another for the rest; `of` is any column of theirs."""
    return Column(np.where(mask, raw(yes), raw(no)), of.rows)
