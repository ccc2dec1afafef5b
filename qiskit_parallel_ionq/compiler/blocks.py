# SPDX-License-Identifier: Apache-2.0
"""Resynthesis of two-qubit blocks: at most three interactions do what any number of one pair does.

The Cartan (Weyl) decomposition writes a block as ``exp(-i/2 (x·XX + y·YY + z·ZZ))`` between one-qubit gates,
with x, y, z within ±π/2. Where wires may be relabelled, a block times SWAP does as well: that takes each
``|x|`` to ``π/2 - |x|``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import cos, pi, sin
from operator import add

import numpy as np
from qiskit.synthesis import TwoQubitWeylDecomposition

from qiskit_parallel_ionq.compiler.columns import each_row
from qiskit_parallel_ionq.compiler.program import Fence, Item, Program, Term
from qiskit_parallel_ionq.compiler.rotations import (
    RESOLUTION,
    Vector,
    X,
    Y,
    Z,
    alignment,
    from_matrix,
    perpendicular,
)

LOOKBACK = 8
"""How many earlier blocks of a wire an interaction may pass to join one of its own pair."""


_GAIN = 0.15
"""Radians by which the sum of a block's angles has to fall for a change that saves no interaction."""


@dataclass(slots=True)
class _Block:
    """Interactions of one pair that follow each other, or can be made to."""

    a: int
    b: int
    terms: list[Term] = field(default_factory=list)

    def lets_pass(self, wire: int, direction: Vector) -> bool:
        """Return whether an interaction along `direction` on this wire commutes with all."""
        return all(alignment(direction, term.axis(wire)) for term in self.terms)


def resynthesise(items: list[Item], width: int, *, relabelling: bool) -> Program:
    """Return a program that does the same with fewer interactions per pair, or smaller angles."""
    program = Program(width, relabelling=relabelling)
    for part in _collect(items, width):
        if isinstance(part, Fence):
            program.replay(part)
        else:
            _replay_block(program, part)
    return program


def _collect(items: list[Item], width: int) -> list[_Block | Fence]:
    """Group the interactions by pair, letting each pass what it commutes with to join an earlier one."""
    parts: list[_Block | Fence] = []
    history: list[list[_Block]] = [[] for _ in range(width)]
    for item in items:
        if isinstance(item, Fence):
            parts.append(item)
            for wire in item.wires:
                history[wire] = []
            continue
        a, b = item.a, item.b
        block = _reachable(history[a], a, b, item.u)
        if block is None or _reachable(history[b], b, a, item.v) is not block:
            block = _Block(a, b)
            parts.append(block)
            history[a].append(block)
            history[b].append(block)
        block.terms.append(item)
    return parts


def _reachable(history: list[_Block], wire: int, partner: int, direction: Vector) -> _Block | None:
    """Return the latest block of the pair that an interaction can join as far as this wire is concerned."""
    for block in history[: -LOOKBACK - 1 : -1]:
        if block.a == partner or block.b == partner:
            return block
        if not block.lets_pass(wire, direction):
            return None
    return None


def _replay_block(program: Program, block: _Block) -> None:
    """Add a block's interactions as they are, or what does the same in fewer or smaller ones."""
    terms = block.terms
    if len(terms) > 1:
        angles = [term.t for term in terms]
        settled = _all_commute(terms)
        if not settled or (program.relabelling and _better(_mirrored(angles), angles)):
            numbers = [
                number for term in terms for number in (term.t, *term.axis(block.a), *term.axis(block.b))
            ]
            weyl = each_row(_canonical, numbers)
            canonical = list(weyl[:3])
            mirror = program.relabelling and _better(_mirrored(canonical), canonical)
            if _better(_mirrored(canonical) if mirror else canonical, angles):
                _replay_weyl(program, block, weyl, mirror=mirror)
                return
    for term in terms:
        program.replay(term)


def _replay_weyl(program: Program, block: _Block, weyl: Sequence[float], *, mirror: bool) -> None:
    """Add a block in its canonical form; mirrored, a swap is part of it and undone by relabelling.

    Args:
        program: where to.
        block: on which wires.
        weyl: from `_canonical`.
        mirror: whether to.
    """
    wires = program.wires
    before_a, before_b, after_a, after_b = [tuple(weyl[start : start + 4]) for start in (3, 7, 11, 15)]
    program.turn(wires[block.a], before_a)  # type: ignore[arg-type]
    program.turn(wires[block.b], before_b)  # type: ignore[arg-type]
    shift = pi / 2 if mirror else 0.0
    for axis, angle in zip((X, Y, Z), weyl[:3], strict=True):
        program.act(wires[block.a], wires[block.b], axis, axis, shift + angle)
    if mirror:
        program.swap(block.a, block.b)
    program.turn(wires[block.a], after_a)  # type: ignore[arg-type]
    program.turn(wires[block.b], after_b)  # type: ignore[arg-type]


def _canonical(numbers: Sequence[float]) -> list[float]:
    """Return the canonical form of a block.

    Args:
        numbers: t, direction on the first wire, direction on the second, of each interaction.

    Returns:
        Its three angles, then four rotations: of the first and second wire before, and of both after it.
    """
    weyl = TwoQubitWeylDecomposition(_matrix(numbers), fidelity=None)
    # Qiskit's "right" factors act on the first, less significant qubit.
    rotations = [from_matrix(each) for each in (weyl.K2r, weyl.K2l, weyl.K1r, weyl.K1l)]
    return [-2 * weyl.a, -2 * weyl.b, -2 * weyl.c, *[x for rotation in rotations for x in rotation]]


def _better(new: list[float], old: list[float]) -> bool:
    """Return whether angles are fewer, or as many and clearly smaller: pulses may be lost by the change."""
    ours, theirs = ([abs(angle) for angle in angles if abs(angle) > RESOLUTION] for angles in (new, old))
    if len(ours) != len(theirs):
        return len(ours) < len(theirs)
    # Not sum(), which rounds floats otherwise than columns from Python 3.12 on.
    return bool(ours) and reduce(add, ours) < reduce(add, theirs) - _GAIN


def _mirrored(angles: list[float]) -> list[float]:
    """Return the sizes of the three angles of a block times SWAP."""
    return [pi / 2 - abs(angle) for angle in [*angles, 0.0, 0.0][:3]]


def _all_commute(terms: list[Term]) -> bool:
    """Return whether the directions are perpendicular, so that the block is canonical already."""
    if len(terms) > 3:
        return False
    for index, term in enumerate(terms):
        for other in terms[:index]:
            v = other.axis(term.b)
            if not (perpendicular(term.u, other.axis(term.a)) and perpendicular(term.v, v)):
                return False
    return True


def _matrix(numbers: Sequence[float]) -> np.ndarray:
    """Return the 4x4 unitary, the first wire the less significant qubit. Arguments as for `_canonical`."""
    matrix = np.eye(4, dtype=complex)
    for start in range(0, len(numbers), 7):
        t, a, b = numbers[start], numbers[start + 1 : start + 4], numbers[start + 4 : start + 7]
        matrix = cos(t / 2) * matrix - 1j * sin(t / 2) * (_pair(_pauli(b), _pauli(a)) @ matrix)
    return matrix


def _pair(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the Kronecker product, which numpy's own takes ten times as long for."""
    product: np.ndarray = (second[:, None, :, None] * first[None, :, None, :]).reshape(4, 4)
    return product


def _pauli(direction: Sequence[float]) -> np.ndarray:
    x, y, z = direction
    return np.array([[z, x - 1j * y], [x + 1j * y, -z]])
