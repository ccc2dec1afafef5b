# SPDX-License-Identifier: Apache-2.0
"""A circuit as interactions along directions, every one-qubit gate carried into those directions.

Each wire has a frame V, the product of the one-qubit gates met so far. An interaction ``exp(-it/2 P ⊗ Q)``
that meets the frames V and W is stored along ``V⁻¹P`` and ``W⁻¹Q``, directions of the wires' starting frames,
and the gates go on being carried: nothing but interactions is left to emit. A fence is where frames have to
become real: a measurement, a reset, a barrier, a delay, a classical branch, the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import pi
from typing import Any

import numpy as np

from qiskit_parallel_ionq.compiler.columns import Column, atan2, choose, raw, sqrt
from qiskit_parallel_ionq.compiler.rotations import (
    IDENTITY,
    RESOLUTION,
    Quaternion,
    Vector,
    about,
    alignment,
    back,
    back_x,
    back_y,
    back_z,
    inverse,
    perpendicular,
    product,
    settled,
)

_QUARTER = pi / 2 + RESOLUTION
"""The largest angle of an interaction that counts as a quarter turn."""

_SHORT = 0.1
"""Radians of a turn below which rounding makes its direction uncertain by more than `RESOLUTION`."""

LOOKBACK = 60
"""How many earlier interactions of a wire are tried for a merge, so that reading stays linear."""


class Term:
    """One interaction ``exp(-it/2 (u·σ) ⊗ (v·σ))`` between the wires a and b; t is in radians."""

    __slots__ = ("a", "b", "t", "u", "v")

    def __init__(self, a: int, b: int, u: Vector, v: Vector, t: float) -> None:
        self.a = a
        self.b = b
        self.u = u
        self.v = v
        self.t = t

    def __repr__(self) -> str:
        return f"Term({self.a}, {self.b}, {self.u}, {self.v}, {self.t})"

    def axis(self, wire: int) -> Vector:
        """Return the direction on one of the two wires."""
        return self.u if wire == self.a else self.v

    def lean(self, wire: int, axis: Vector) -> None:
        """Change the direction on one of the two wires."""
        if wire == self.a:
            self.u = axis
        else:
            self.v = axis


class Demand(Enum):
    """What a fence asks of its wires."""

    POLE = "the measured axis becomes real, a rotation about it may stay virtual"
    MEASURE = "as POLE, and what is left of the frame is forgotten"
    RESET = "nothing: what was before is forgotten"
    FULL = "the whole frame becomes real"


@dataclass(slots=True)
class Fence:
    """A place that interactions do not cross."""

    demand: Demand
    wires: tuple[int, ...]
    frames: tuple[Quaternion, ...]
    instruction: Any = None
    """The circuit instruction that stands here, or None where only the frames matter."""

    @property
    def axes(self) -> tuple[Vector, ...]:
        """The directions, in starting frames, that are +z here."""
        return tuple(back_z(frame) for frame in self.frames)

    @property
    def is_delay(self) -> bool:
        """Whether time passes here: the state before it matters, not only what is measured later."""
        return self.instruction is not None and self.instruction.name == "delay"


Item = Term | Fence


class Program:
    """The items of a circuit in order, and the frames at its end.

    Args:
        width: number of wires.
        merging: let interactions join earlier ones (levels 1 to 3).
        relabelling: let a swap exchange the wires behind two qubits instead of acting.
    """

    def __init__(self, width: int, *, merging: bool = True, relabelling: bool = True) -> None:
        self.width = width
        self.merging = merging
        self.relabelling = relabelling
        self._items: list[Item] = []
        self.frames: list[Quaternion] = [IDENTITY] * width
        self.wires = list(range(width))
        """The wire behind each qubit: a swap that only relabels changes this."""
        self._history: list[list[Term]] = [[] for _ in range(width)]
        self._uncertain: list[list[tuple[Term, Any]]] = [[] for _ in range(width)]

    @property
    def items(self) -> list[Item]:
        """Interactions and fences in order."""
        return [item for item in self._items if not isinstance(item, Term) or item.t]

    def take(self) -> list[Item]:
        """Return the items and forget them; frames stay."""
        items, self._items = self.items, []
        return items

    @property
    def terms(self) -> list[Term]:
        """The interactions alone."""
        return [item for item in self.items if isinstance(item, Term)]

    def turn(self, wire: int, rotation: Quaternion) -> None:
        """Carry a one-qubit gate."""
        self.frames[wire] = product(rotation, self.frames[wire])

    def rotate(self, wire: int, axis: Vector, angle: float) -> None:
        """Carry a rotation about a direction of the present frame."""
        self.turn(wire, about(axis, angle))

    def swap(self, p: int, q: int) -> None:
        """Exchange two qubits by relabelling their wires."""
        self.wires[p], self.wires[q] = self.wires[q], self.wires[p]

    def fence(self, demand: Demand, wires: tuple[int, ...], instruction: Any = None) -> None:
        """Stop carrying at some wires, as far as the demand says."""
        self.stand(Fence(demand, wires, tuple([self.frames[wire] for wire in wires]), instruction))

    def stand(self, fence: Fence) -> None:
        """Add a fence as it is."""
        self._items.append(fence)
        for wire in fence.wires:
            if self._uncertain[wire]:
                self._clear_up(wire, back_z(self.frames[wire]))
                self._uncertain[wire] = []
            if self._history[wire]:
                self._history[wire] = []
            if fence.demand is not Demand.POLE:
                self.frames[wire] = IDENTITY

    def act(self, a: int, b: int, p: Vector, q: Vector, t: float) -> None:
        """Add an interaction along directions of the present frames, as a gate would."""
        self.interact(a, b, back(self.frames[a], p), back(self.frames[b], q), t)

    def replay(self, item: Item) -> None:
        """Add an item of another program whose wire w is this program's qubit w.

        Its directions refer to starting frames; what this program carries by now comes on top of those.
        """
        wires, frames = self.wires, self.frames
        if isinstance(item, Term):
            a, b = wires[item.a], wires[item.b]
            # Where nothing is carried yet, which is frequent, a direction stays the same.
            u = item.u if frames[a] is IDENTITY else back(frames[a], item.u)
            v = item.v if frames[b] is IDENTITY else back(frames[b], item.v)
            self.interact(a, b, u, v, item.t)
            return
        mine = tuple([wires[wire] for wire in item.wires])
        total = tuple([product(frame, frames[wire]) for wire, frame in zip(mine, item.frames, strict=True)])
        self.stand(Fence(item.demand, mine, total, item.instruction))

    def interact(self, a: int, b: int, u: Vector, v: Vector, t: float) -> None:
        """Add an interaction along directions of the starting frames, or merge it with an earlier one."""
        t = self._fold(a, b, u, v, t)
        if abs(t) < RESOLUTION:
            return
        if self._uncertain[a]:
            self._clear_up(a, u)
        if self._uncertain[b]:
            self._clear_up(b, v)
        if self.merging and self._merge(a, b, u, v, t):
            return
        term = Term(a, b, u, v, t)
        self._items.append(term)
        self._history[a].append(term)
        self._history[b].append(term)

    def _fold(self, a: int, b: int, u: Vector, v: Vector, t: Any) -> Any:
        """Return t within (-π/2, π/2]; the half turns taken out are Pauli gates that the frames carry."""
        if t.__class__ is Column:
            return self._fold_rows(a, b, u, v, t)
        if RESOLUTION - pi / 2 < t <= _QUARTER:
            return t
        turns = round(t / pi)
        t -= turns * pi
        if t <= RESOLUTION - pi / 2:
            t += pi
            turns -= 1
        if turns & 1:
            self.frames[a] = product(self.frames[a], (0.0, *u))
            self.frames[b] = product(self.frames[b], (0.0, *v))
        return t

    def _fold_rows(self, a: int, b: int, u: Vector, v: Vector, t: Any) -> Any:
        """Do what `_fold` does to each row of a column."""
        within = (t.values > RESOLUTION - pi / 2) & (t.values <= _QUARTER)
        if within.all():
            return t
        turns = np.rint(t.values / pi)
        rest = t.values - turns * pi
        low = rest <= RESOLUTION - pi / 2
        odd = ~within & ((turns - low) % 2 == 1)
        for wire, axis in ((a, u), (b, v)):
            frame = self.frames[wire]
            turned = product(frame, (0.0, *axis))
            self.frames[wire] = tuple([choose(odd, t, *each) for each in zip(turned, frame, strict=True)])
        return choose(within, t, t, choose(low, t, rest + pi, rest))

    def _merge(self, a: int, b: int, u: Vector, v: Vector, t: float) -> bool:
        """Join an earlier interaction of the pair when everything in between lets this one through."""
        mine, other = self._history[a], self._history[b]
        if not mine or not other:
            return False
        first = True
        for step in range(len(mine) - 1, max(-1, len(mine) - 1 - LOOKBACK), -1):
            term = mine[step]
            same = term.a == a
            if (term.b if same else term.a) != b:
                if not alignment(u, term.u if same else term.v):
                    return False
                first = False
                continue
            tu, tv = (term.u, term.v) if same else (term.v, term.u)
            along_a, along_b = alignment(u, tu), alignment(v, tv)
            if along_a and along_b:
                if not self._reaches(other, term, b, v, a):
                    return False
                self._add(term, along_a * along_b * t)
                return True
            if along_a:
                if other[-1] is not term:
                    return False
                self._combine(term, a, b, tu, tv, v, along_a * t)
                return True
            if along_b:
                if not first or not self._reaches(other, term, b, v, a):
                    return False
                self._combine(term, b, a, tv, tu, u, along_b * t)
                return True
            if not (perpendicular(u, tu) and perpendicular(v, tv)):
                return False
            first = False
        return False

    def _reaches(self, history: list[Term], term: Term, wire: int, axis: Vector, partner: int) -> bool:
        """Return whether an interaction along `axis` passes everything after `term` on the second wire.

        Interactions with the same partner were looked at from the first wire already.
        """
        for later in reversed(history):
            if later is term:
                return True
            if (later.a == partner or later.b == partner) or alignment(axis, later.axis(wire)):
                continue
            return False
        return False

    def _add(self, term: Term, t: float) -> None:
        """Lengthen an interaction; a Pauli pair taken out passes whatever commutes with the interaction."""
        term.t = self._fold(term.a, term.b, term.u, term.v, term.t + t)
        if abs(term.t) < RESOLUTION:
            self._remove(term)

    def _combine(
        self, term: Term, shared: int, wire: int, along: Vector, old: Vector, new: Vector, t: float
    ) -> None:
        """Merge two interactions that share a direction: both turn `wire`, one way or the other.

        The two turns are q = L·r and, for the opposite sign, L·r⁻¹: one interaction r and a gate L after it.
        """
        later, earlier = about(new, t), about(old, term.t)
        plus = product(later, earlier)
        minus = product(inverse(later), inverse(earlier))
        w, x, y, z = product(inverse(minus), plus)
        length = sqrt(x * x + y * y + z * z)
        if length > RESOLUTION:
            axis, angle = (x / length, y / length, z / length), atan2(length, w)
        else:
            axis, angle = old, (0.0 if w > 0 else pi)
        self.frames[wire] = product(self.frames[wire], product(plus, about(axis, -angle)))
        angle = self._fold(shared, wire, along, axis, angle)
        if term.a == shared:
            term.u, term.v = along, axis
        else:
            term.u, term.v = axis, along
        term.t = angle
        if abs(angle) < RESOLUTION:
            self._remove(term)
            return
        short: Any = raw(length) < _SHORT
        if short if isinstance(short, bool) else short.any():
            self._settle(term, wire, short)

    def _settle(self, term: Term, wire: int, short: Any) -> None:
        """Give an interaction whose direction on a wire is uncertain one that is in use there, if one fits.

        A small turn that two large ones leave has a direction with the rounding errors of those, divided by
        its angle. Later interactions would not be found parallel to it.
        """
        frame = self.frames[wire]
        for along in (back_x(frame), back_y(frame), back_z(frame)):
            term.lean(wire, settled(term.axis(wire), along, term.t, short))
        self._uncertain[wire].append((term, short))

    def _clear_up(self, wire: int, along: Vector) -> None:
        """Let interactions whose direction on a wire is uncertain have a direction that comes into use."""
        for term, short in self._uncertain[wire]:
            term.lean(wire, settled(term.axis(wire), along, term.t, short))

    def _remove(self, term: Term) -> None:
        term.t = 0.0
        for wire in (term.a, term.b):
            self._history[wire].remove(term)
            self._uncertain[wire] = [each for each in self._uncertain[wire] if each[0] is not term]
