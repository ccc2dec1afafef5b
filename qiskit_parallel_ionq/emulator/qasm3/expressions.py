# SPDX-License-Identifier: Apache-2.0
"""Expressions: angles and sizes, which are numbers, and conditions, evaluated on many runs at once."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .tokens import Cursor

Lookup = Callable[[str, int | None], Any]
"""The value of a name, or of one bit of it."""
Expression = Callable[[Lookup], Any]
"""An expression waiting for the values of its names: a number, or an array with one value per run."""

CONSTANTS: Mapping[str, float] = {
    "pi": math.pi,
    "π": math.pi,
    "tau": math.tau,
    "τ": math.tau,
    "euler": math.e,
    "ℇ": math.e,
}
_FUNCTIONS: Mapping[str, Callable[[float], float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "arcsin": math.asin,
    "arccos": math.acos,
    "arctan": math.atan,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
}
_LEVELS: tuple[Mapping[str, Callable[[Any, Any], Any]], ...] = (
    {"||": np.logical_or},
    {"&&": np.logical_and},
    {"|": operator.or_},
    {"^": operator.xor},
    {"&": operator.and_},
    {"==": operator.eq, "!=": operator.ne},
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge},
    {"<<": operator.lshift, ">>": operator.rshift},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv, "%": operator.mod},
)
"""Binary operators, loosest first."""


def number(text: str) -> float | int:
    """The value of a number token."""
    plain = text.replace("_", "")
    if plain[:2].lower() == "0x":
        return int(plain, 16)
    if plain[:2].lower() == "0b":
        return int(plain, 2)
    return int(plain) if plain.isdigit() else float(plain)


def read_expression(cursor: Cursor, level: int = 0) -> Expression:
    """Read an expression whose operators bind at least as tightly as ``level``."""
    if level == len(_LEVELS):
        return _unary(cursor)
    left = read_expression(cursor, level + 1)
    while cursor.at(*_LEVELS[level]):
        operate = _LEVELS[level][cursor.next().text]
        left = _binary(operate, left, read_expression(cursor, level + 1))
    return left


def _binary(operate: Callable[[Any, Any], Any], left: Expression, right: Expression) -> Expression:
    return lambda lookup: operate(left(lookup), right(lookup))


def _unary(cursor: Cursor) -> Expression:
    if cursor.take("-"):
        inner = _unary(cursor)
        return lambda lookup: -inner(lookup)
    if cursor.take("+"):
        return _unary(cursor)
    if cursor.take("!"):
        inner = _unary(cursor)
        return lambda lookup: np.logical_not(inner(lookup))
    base = _atom(cursor)
    if cursor.take("**"):
        return _binary(operator.pow, base, _unary(cursor))
    return base


def _atom(cursor: Cursor) -> Expression:
    if cursor.take("("):
        inner = read_expression(cursor)
        cursor.expect(")")
        return inner
    if cursor.now.kind == "number":
        value = number(cursor.next().text)
        return lambda _lookup: value
    if cursor.at("true", "false"):
        truth = cursor.next().text == "true"
        return lambda _lookup: truth
    name = cursor.name()
    if name in _FUNCTIONS and cursor.take("("):
        argument, function = read_expression(cursor), _FUNCTIONS[name]
        cursor.expect(")")
        return lambda lookup: function(argument(lookup))
    if name in CONSTANTS:
        constant = CONSTANTS[name]
        return lambda _lookup: constant
    if cursor.take("["):
        index = read_expression(cursor)
        cursor.expect("]")
        return lambda lookup: lookup(name, index(lookup))
    return lambda lookup: lookup(name, None)
