# SPDX-License-Identifier: Apache-2.0
"""Conditions on classical registers, written with single bits.

OpenQASM 3 compares bit registers for equality only, and all classical bits of a circuit go out in one
register, whose parts cannot be named. So what Qiskit computes with registers as unsigned integers is written
bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

from qiskit import ClassicalRegister
from qiskit.circuit.classical import expr, types

_FALSE, _TRUE = expr.lift(False), expr.lift(True)

_Binary = expr.Binary.Op
_Join = Callable[[Any, Any], Any]


def uses_register(node: Any) -> bool:
    """Return whether a whole register is anywhere in an expression."""
    return any(isinstance(getattr(leaf, "var", None), ClassicalRegister) for leaf in expr.iter_vars(node))


def bit_by_bit(node: Any) -> Any | None:
    """Return a condition as an expression of single bits, or None if it cannot be written like that.

    Comparisons, bitwise operations, shifts by numbers, indices and casts of registers and numbers can.
    Arithmetic cannot, and neither can classical variables that are integers.
    """
    if isinstance(node, expr.Value | expr.Var):
        return node if isinstance(node.type, types.Bool) else None
    if isinstance(node, expr.Cast):
        bits = _bits(node.operand)
        return None if bits is None else reduce(_or, bits, _FALSE)
    if isinstance(node, expr.Index):
        bits, place = _bits(node.target), _number(node.index)
        return None if bits is None or place is None or place >= len(bits) else bits[place]
    if isinstance(node, expr.Unary):
        operand = bit_by_bit(node.operand)
        return None if operand is None else _not(operand)
    if isinstance(node, expr.Binary):
        if not isinstance(node.left.type, types.Bool):
            return _compared(node)
        left, right = bit_by_bit(node.left), bit_by_bit(node.right)
        join = _JOINS.get(node.op)
        return None if left is None or right is None or join is None else join(left, right)
    return None


def equals(register: ClassicalRegister, value: int) -> Any:
    """Return whether a register holds a number, with single bits."""
    width = max(len(register), value.bit_length())
    return _all_equal([expr.lift(bit) for bit in register], _digits(value, width))


def _compared(node: expr.Binary) -> Any | None:
    """Return a comparison of two integers."""
    left, right = _bits(node.left), _bits(node.right)
    if left is None or right is None:
        return None
    compare = _COMPARISONS.get(node.op)
    return None if compare is None else compare(left, right)


def _bits(node: Any) -> list[Any] | None:
    """Return the bits of an unsigned integer (of a bool: its only one), the lowest first; None if unknown."""
    if isinstance(node.type, types.Bool):
        bit = bit_by_bit(node)
        return None if bit is None else [bit]
    if isinstance(node, expr.Value):
        return _digits(node.value, node.type.width)
    if isinstance(node, expr.Var):
        return [expr.lift(bit) for bit in node.var] if isinstance(node.var, ClassicalRegister) else None
    if isinstance(node, expr.Cast):
        bits = _bits(node.operand)
        return None if bits is None else _widened(bits, node.type.width)[: node.type.width]
    if isinstance(node, expr.Unary):
        bits = _bits(node.operand)
        return None if bits is None else [_not(bit) for bit in bits]
    if isinstance(node, expr.Binary):
        left = _bits(node.left)
        if left is None:
            return None
        if node.op in (_Binary.SHIFT_LEFT, _Binary.SHIFT_RIGHT):
            places = _number(node.right)
            if places is None:
                return None
            if node.op is _Binary.SHIFT_LEFT:
                return ([_FALSE] * places + left)[: len(left)]
            return _widened(left[places:], len(left))
        right, join = _bits(node.right), _JOINS.get(node.op)
        if right is None or join is None:
            return None
        width = max(len(left), len(right))
        return [join(a, b) for a, b in zip(_widened(left, width), _widened(right, width), strict=True)]
    return None


def _number(node: Any) -> int | None:
    """Return the value of an expression that is a number."""
    if isinstance(node, expr.Cast):
        return _number(node.operand)
    return int(node.value) if isinstance(node, expr.Value) else None


def _digits(value: int, width: int) -> list[Any]:
    return [expr.lift(bool(value >> place & 1)) for place in range(width)]


def _widened(bits: list[Any], width: int) -> list[Any]:
    return bits + [_FALSE] * (width - len(bits))


def _all_equal(left: list[Any], right: list[Any]) -> Any:
    width = max(len(left), len(right))
    pairs = zip(_widened(left, width), _widened(right, width), strict=True)
    return reduce(_and, [_same(a, b) for a, b in pairs], _TRUE)


def _is_less(left: list[Any], right: list[Any]) -> Any:
    """Return whether the first integer is less: at the highest bit that differs it has the 0."""
    width = max(len(left), len(right))
    less = _FALSE
    for a, b in zip(_widened(left, width), _widened(right, width), strict=True):
        less = _or(_and(_not(a), b), _and(_same(a, b), less))
    return less


# ── the operations, with what is known of their operands left out ──


def _constant(node: Any) -> bool | None:
    return bool(node.value) if isinstance(node, expr.Value) else None


def _not(node: Any) -> Any:
    known = _constant(node)
    if known is not None:
        return expr.lift(not known)
    is_negated = isinstance(node, expr.Unary) and node.op is expr.Unary.Op.LOGIC_NOT
    return node.operand if is_negated else expr.logic_not(node)


def _and(left: Any, right: Any) -> Any:
    if _constant(left) is False or _constant(right) is False:
        return _FALSE
    if _constant(left) is True:
        return right
    return left if _constant(right) is True else expr.logic_and(left, right)


def _or(left: Any, right: Any) -> Any:
    return _not(_and(_not(left), _not(right))) if _is_known(left, right) else expr.logic_or(left, right)


def _is_known(*nodes: Any) -> bool:
    return any(_constant(node) is not None for node in nodes)


def _same(left: Any, right: Any) -> Any:
    if _constant(right) is not None:
        return left if _constant(right) else _not(left)
    if _constant(left) is not None:
        return right if _constant(left) else _not(right)
    return _or(_and(left, right), _and(_not(left), _not(right)))


_JOINS: dict[Any, _Join] = {
    _Binary.BIT_AND: _and,
    _Binary.LOGIC_AND: _and,
    _Binary.BIT_OR: _or,
    _Binary.LOGIC_OR: _or,
    _Binary.BIT_XOR: lambda left, right: _not(_same(left, right)),
    _Binary.EQUAL: _same,
    _Binary.NOT_EQUAL: lambda left, right: _not(_same(left, right)),
}

_COMPARISONS: dict[Any, Callable[[list[Any], list[Any]], Any]] = {
    _Binary.EQUAL: _all_equal,
    _Binary.NOT_EQUAL: lambda left, right: _not(_all_equal(left, right)),
    _Binary.LESS: _is_less,
    _Binary.GREATER_EQUAL: lambda left, right: _not(_is_less(left, right)),
    _Binary.GREATER: lambda left, right: _is_less(right, left),
    _Binary.LESS_EQUAL: lambda left, right: _not(_is_less(right, left)),
}
