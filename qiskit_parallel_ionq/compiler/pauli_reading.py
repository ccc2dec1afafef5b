# SPDX-License-Identifier: Apache-2.0
"""From interactions to Pauli rotations: what a measured circuit is once its Clifford part is taken out.

A circuit that ends in measurements is a list of rotations ``exp(-iθ/2 P)`` followed by the measurement of n
commuting Paulis. Quarter turns are Clifford gates: they are not kept but conjugate everything after them.
Directions that are no Pauli axis are brought to one by rotations of their own. A wire that is not measured,
and whose state is to stay, has two Paulis, for X and Z, in place of the measured one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import atan2, pi
from typing import Any, NamedTuple

from qiskit.circuit import ParameterExpression

from qiskit_parallel_ionq.compiler.program import Demand, Fence, Item, Term
from qiskit_parallel_ionq.compiler.rotations import (
    IDENTITY,
    RESOLUTION,
    Quaternion,
    Vector,
    X,
    Y,
    Z,
    about,
    alignment,
    back_z,
    inverse,
    product,
    rotate,
)

_AXES = (X, Y, Z)
LOOKBACK = 120
"""How many earlier rotations are tried for a merge."""

Pauli = tuple[int, int, int]
"""``(x, z, r)`` is ``i^r X^x Z^z``; bit w of x and z belongs to wire w."""


def multiply(p: Pauli, q: Pauli) -> Pauli:
    """Return the product with its power of i."""
    return p[0] ^ q[0], p[1] ^ q[1], (p[2] + q[2] + 2 * (p[1] & q[0]).bit_count()) & 3


def anticommute(p: Pauli, q: Pauli) -> bool:
    """Return whether two Paulis anticommute."""
    return bool(((p[0] & q[1]).bit_count() + (p[1] & q[0]).bit_count()) & 1)


def is_negative(p: Pauli) -> bool:
    """Return whether a Hermitian Pauli has a minus sign."""
    return bool(((p[2] - (p[0] & p[1]).bit_count()) & 3) == 2)


def single(wire: int, axis: int) -> Pauli:
    """Return X, Y or Z (0, 1, 2) on one wire."""
    bit = 1 << wire
    return ((bit, 0, 0), (bit, bit, 1), (0, bit, 0))[axis]


@dataclass(slots=True)
class Rotation:
    """``exp(-i angle/2 · X^x Z^z)``, the Pauli taken with a plus sign."""

    x: int
    z: int
    angle: Any
    """Radians, or an expression of unbound parameters."""

    def commutes(self, x: int, z: int) -> bool:
        """Return whether it commutes with another Pauli."""
        return not ((self.x & z).bit_count() + (self.z & x).bit_count()) & 1


class Kept(NamedTuple):
    """A wire that the circuit does not measure, and whose state at the end is to stay."""

    x: Pauli
    """What X of the wire was before the Clifford gates."""
    z: Pauli
    rest: Quaternion
    """The rotation of the wire that comes last."""


@dataclass(slots=True)
class PauliProgram:
    """Rotations in order, and what is measured after them."""

    width: int
    rotations: list[Rotation]
    measured: dict[int, Pauli]
    """Wire that the circuit measured -> the Pauli to measure, sign included."""
    kept: dict[int, Kept] = field(default_factory=dict)
    """Wire whose state is to stay -> what its state is read from."""
    _blockers: list[int] = field(default_factory=list)

    def blockers(self) -> list[int]:
        """Return for each rotation, as bits, the earlier ones that it does not commute with."""
        if len(self._blockers) < len(self.rotations):
            has_x = [0] * self.width  # by wire, the rotations so far with an X part there
            has_z = [0] * self.width
            for index, rotation in enumerate(self.rotations):
                mask = 0
                for wire in range(self.width):
                    bit = 1 << wire
                    if rotation.x & bit:
                        mask ^= has_z[wire]
                        has_x[wire] |= 1 << index
                    if rotation.z & bit:
                        mask ^= has_x[wire]
                        has_z[wire] |= 1 << index
                self._blockers.append(mask & ((1 << index) - 1))
        return self._blockers

    def is_plain(self, length: int) -> bool:
        """Return whether there is nothing to find: all on two wires at most, `length` or more on two."""
        sizes = [(rotation.x | rotation.z).bit_count() for rotation in self.rotations]
        paulis = [*self.measured.values(), *(p for kept in self.kept.values() for p in (kept.x, kept.z))]
        ends = [(p[0] | p[1]).bit_count() for p in paulis]
        return max(sizes, default=0) <= 2 and max(ends, default=0) <= 1 and sizes.count(2) >= length


def split_tail(items: list[Item]) -> tuple[list[Term], list[Fence]] | None:
    """Return the interactions and the fences after them, or None if more than fences comes after.

    After its first fence a wire has no interaction and no pulse: all of its fences find the same direction on
    +z, and a measured wire only has z rotations after the measurement. There is no delay and no reset.
    """
    terms: list[Term] = []
    tail: list[Fence] = []
    upright: dict[int, Vector] = {}  # by wire, what its fences find on +z
    for item in items:
        if isinstance(item, Term):
            if item.a in upright or item.b in upright:
                return None
            terms.append(item)
            continue
        is_end = item.demand is Demand.FULL and item.instruction is None and item is items[-1]
        if item.is_delay or not (is_end or item.demand in (Demand.MEASURE, Demand.POLE)):
            return None
        for wire, axis in zip(item.wires, item.axes, strict=True):
            if alignment(axis, upright.setdefault(wire, axis)) <= 0:
                return None
            if item.demand is Demand.MEASURE:
                upright[wire] = Z
        tail.append(item)
    return terms, tail


class PauliReader:
    """Takes interactions and rotations one after the other."""

    def __init__(self, width: int) -> None:
        self.rotations: list[Rotation] = []
        self._tilt: list[Quaternion] = [IDENTITY] * width
        # What X and Z of each wire were before the Clifford gates met so far.
        self._images = [(single(wire, 0), single(wire, 2)) for wire in range(width)]

    def term(self, term: Term) -> None:
        """Take an interaction."""
        p = self.axis(term.a, term.u)
        q = self.axis(term.b, term.v)
        (i, plus), (j, also) = p, q
        t = term.t if plus == also else -term.t
        self.turn(multiply(single(term.a, i), single(term.b, j)), t)

    def axis(self, wire: int, direction: Vector) -> tuple[int, bool]:
        """Return the Pauli axis and sign of a direction, after the rotations that it takes to make it one."""
        d = rotate(self._tilt[wire], direction)
        sizes = [abs(value) for value in d]
        for _ in range(2):
            best = sizes.index(max(sizes))
            flat = [i for i in range(3) if sizes[i] < RESOLUTION and i != best]
            if len(flat) == 2:
                break
            # About a zero component's axis if there is one, else about the smallest's.
            about_axis = flat[0] if flat else min((i for i in range(3) if i != best), key=sizes.__getitem__)
            first, second = (best, 3 - best - about_axis)
            angle = atan2(d[second], d[first])
            angle -= pi * round(angle / pi)
            if (second - first) % 3 == 1:  # a positive turn takes the first axis to the second
                angle = -angle
            self._lean(wire, about_axis, angle)
            d = rotate(self._tilt[wire], direction)
            sizes = [abs(value) for value in d]
        best = sizes.index(max(sizes))
        return best, d[best] > 0

    def _lean(self, wire: int, axis: int, angle: float) -> None:
        self._tilt[wire] = product(about(_AXES[axis], angle), self._tilt[wire])
        self.turn(single(wire, axis), angle)

    def measured(self, tail: list[Fence]) -> dict[int, Pauli]:
        """Return what each measured wire's measurement reads, which may take rotations first."""
        found: dict[int, Pauli] = {}
        for fence in tail:
            if fence.demand is Demand.MEASURE:
                for wire, frame in zip(fence.wires, fence.frames, strict=True):
                    if wire not in found:
                        axis, positive = self.axis(wire, back_z(frame))
                        x, z, r = self.image(single(wire, axis))
                        found[wire] = (x, z, r if positive else (r + 2) & 3)
        return found

    def kept(self, tail: list[Fence], measured: Iterable[int]) -> dict[int, Kept]:
        """Return what holds the state of each wire that the tail keeps and does not measure."""
        ends = [fence for fence in tail if fence.demand is Demand.FULL]
        return {
            wire: Kept(
                self.image(single(wire, 0)),
                self.image(single(wire, 2)),
                product(frame, inverse(self._tilt[wire])),
            )
            for fence in ends
            for wire, frame in zip(fence.wires, fence.frames, strict=True)
            if wire not in measured
        }

    def program(self, tail: list[Fence]) -> PauliProgram:
        """Return everything that was taken, and what the tail makes of it."""
        measured = self.measured(tail)  # may add rotations
        return PauliProgram(len(self._tilt), self.rotations, measured, self.kept(tail, measured))

    def image(self, pauli: Pauli) -> Pauli:
        """Return the Pauli that stood here before the Clifford gates."""
        x, z, r = pauli
        result: Pauli = (0, 0, r)
        rest = x | z
        while rest:
            bit = rest & -rest
            rest ^= bit
            image_x, image_z = self._images[bit.bit_length() - 1]
            if x & bit:
                result = multiply(result, image_x)
            if z & bit:
                result = multiply(result, image_z)
        return result

    def turn(self, pauli: Pauli, angle: float) -> None:
        """Rotate by any angle: half and quarter turns go into what later Paulis become, the rest is kept."""
        quarters = round(angle / (pi / 2))
        rest = angle - quarters * (pi / 2)
        if abs(rest) < RESOLUTION:
            self._clifford(pauli, quarters & 3)
            return
        halves = round(angle / pi)
        rest = angle - halves * pi
        self._clifford(pauli, 2 * (halves & 1))
        self._keep(pauli, rest)

    def turn_by(self, pauli: Pauli, angle: ParameterExpression) -> None:
        """Rotate by an angle that is not known yet."""
        self._keep(pauli, angle)

    def _keep(self, pauli: Pauli, angle: Any) -> None:
        """Add a rotation, or lengthen an equal one that everything in between lets it reach."""
        x, z, _ = image = self.image(pauli)
        if is_negative(image):
            angle = -angle
        known = isinstance(angle, float)
        for index in range(len(self.rotations) - 1, max(-1, len(self.rotations) - 1 - LOOKBACK), -1):
            earlier = self.rotations[index]
            if earlier.x == x and earlier.z == z and isinstance(earlier.angle, float) == known:
                earlier.angle = earlier.angle + angle
                if known:
                    self._tidy(index, pauli)
                return
            if not earlier.commutes(x, z):
                break
        self.rotations.append(Rotation(x, z, angle))

    def _tidy(self, index: int, pauli: Pauli) -> None:
        """Fold a lengthened rotation; the quarter or half turn taken out passes what the merge passed."""
        rotation = self.rotations[index]
        halves = round(rotation.angle / pi)
        rotation.angle -= halves * pi
        self._clifford(pauli, 2 * (halves & 1))
        if pi / 2 - abs(rotation.angle) < RESOLUTION:
            sign = -1 if is_negative(self.image(pauli)) else 1
            self._clifford(pauli, (1 if rotation.angle * sign > 0 else 3))
            rotation.angle = 0.0
        if abs(rotation.angle) < RESOLUTION:
            del self.rotations[index]

    def _clifford(self, pauli: Pauli, quarters: int) -> None:
        """Let ``exp(-i quarters π/4 P)`` conjugate whatever comes later."""
        if not quarters:
            return
        image = self.image(pauli)
        touched = pauli[0] | pauli[1]
        changed = []
        while touched:
            bit = touched & -touched
            touched ^= bit
            wire = bit.bit_length() - 1
            pair = []
            for axis, old in ((0, self._images[wire][0]), (2, self._images[wire][1])):
                if anticommute(single(wire, axis), pauli):
                    if quarters == 2:
                        old = (old[0], old[1], (old[2] + 2) & 3)
                    else:
                        x, z, r = multiply(old, image)
                        old = (x, z, (r + (3 if quarters == 1 else 1)) & 3)
                pair.append(old)
            changed.append((wire, (pair[0], pair[1])))
        for wire, images in changed:
            self._images[wire] = images


def read_paulis(terms: list[Term], tail: list[Fence], width: int) -> PauliProgram:
    """Return the rotations of the interactions, and the Paulis that the fences measure or keep."""
    reader = PauliReader(width)
    for term in terms:
        reader.term(term)
    return reader.program(tail)
