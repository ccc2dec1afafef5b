# SPDX-License-Identifier: Apache-2.0
"""Resynthesis of two-qubit blocks: at most three interactions do what any number of one pair does.

The Cartan (Weyl) decomposition writes a block as ``exp(-i/2 (x·XX + y·YY + z·ZZ))`` between one-qubit gates,
with x, y, z within ±π/2. Where wires may be relabelled, a block times SWAP does as well: that takes each
``|x|`` to ``π/2 - |x|``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, pi, sin

import numpy as np
from qiskit.synthesis import TwoQubitWeylDecomposition

from qiskit_parallel_ionq.compiler.program import TINY, Fence, Item, Program, Term
from qiskit_parallel_ionq.compiler.rotations import Vector, X, Y, Z, alignment, from_matrix, perpendicular

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
            weyl = TwoQubitWeylDecomposition(_matrix(block), fidelity=None)
            canonical = [-2 * weyl.a, -2 * weyl.b, -2 * weyl.c]
            mirror = program.relabelling and _better(_mirrored(canonical), canonical)
            if _better(_mirrored(canonical) if mirror else canonical, angles):
                _replay_weyl(program, block, weyl, mirror=mirror)
                return
    for term in terms:
        program.replay(term)


def _replay_weyl(program: Program, block: _Block, weyl: TwoQubitWeylDecomposition, *, mirror: bool) -> None:
    """Add a block in its canonical form; mirrored, a swap is part of it and undone by relabelling."""
    wires = program.wires
    # Qiskit's "right" factors act on the first, less significant qubit.
    program.turn(wires[block.a], from_matrix(weyl.K2r))
    program.turn(wires[block.b], from_matrix(weyl.K2l))
    shift = pi / 2 if mirror else 0.0
    for axis, half in ((X, weyl.a), (Y, weyl.b), (Z, weyl.c)):
        program.act(wires[block.a], wires[block.b], axis, axis, shift - 2 * half)
    if mirror:
        program.swap(block.a, block.b)
    program.turn(wires[block.a], from_matrix(weyl.K1r))
    program.turn(wires[block.b], from_matrix(weyl.K1l))


def _better(new: list[float], old: list[float]) -> bool:
    """Return whether angles are fewer, or as many and clearly smaller: pulses may be lost by the change."""
    ours, theirs = (sorted(abs(angle) for angle in angles if abs(angle) > TINY) for angles in (new, old))
    return len(ours) < len(theirs) or (len(ours) == len(theirs) and sum(ours) < sum(theirs) - _GAIN)


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


def _matrix(block: _Block) -> np.ndarray:
    """Return the block's 4x4 unitary, its first wire the less significant qubit."""
    matrix = np.eye(4, dtype=complex)
    for term in block.terms:
        pauli = np.kron(_pauli(term.axis(block.b)), _pauli(term.axis(block.a)))
        matrix = cos(term.t / 2) * matrix - 1j * sin(term.t / 2) * (pauli @ matrix)
    return matrix


def _pauli(direction: tuple[float, float, float]) -> np.ndarray:
    x, y, z = direction
    return np.array([[z, x - 1j * y], [x + 1j * y, -z]])
