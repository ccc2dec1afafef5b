# SPDX-License-Identifier: Apache-2.0
"""The order of interactions that commute: whichever needs no pulse now goes first.

On each wire the items fall into groups whose members commute there; an item may go when its group has come on
all its wires. Fences commute with nothing and keep their order. What an item would cost now is told by a
model of the device: `ZZWires` or `MSWires`.
"""

from __future__ import annotations

from bisect import insort

from qiskit_parallel_ionq.compiler.program import Demand, Fence, Item, Term
from qiskit_parallel_ionq.compiler.rotations import (
    CLOSE_SQUARED,
    Vector,
    Z,
    alignment,
    back_z,
    cross,
    dot,
    perpendicular,
    unit,
)

_CHOICES = 24
"""Interactions among which the cheapest is looked for."""

_GROUP = 64
"""Members of a group along one direction, at most."""

_TRIPLE = 3
"""Members of a group of one pair along different directions, at most."""


class ZZWires:
    """Which direction each wire has on ±z."""

    def __init__(self, width: int) -> None:
        self._axis: list[Vector] = [Z] * width

    def cost(self, term: Term) -> int:
        """Return how many pulses the interaction would need now."""
        return self._step(term.a, term.u) + self._step(term.b, term.v)

    def _step(self, wire: int, direction: Vector) -> int:
        axis = self._axis[wire]
        if alignment(direction, axis, CLOSE_SQUARED):
            return 0
        return 1 if perpendicular(direction, axis, CLOSE_SQUARED) else 2

    def do(self, term: Term) -> None:
        """Note that the interaction is next."""
        self._axis[term.a] = term.u
        self._axis[term.b] = term.v

    def stand(self, fence: Fence) -> None:
        """Note that the fence is next."""
        for wire, frame in zip(fence.wires, fence.frames, strict=True):
            self._axis[wire] = back_z(frame) if fence.demand is Demand.POLE else Z


class MSWires:
    """Which direction each wire has on +z, up to sign, or that it can be any perpendicular to one."""

    def __init__(self, width: int) -> None:
        self._pole: list[Vector] = [Z] * width
        self._loose = [False] * width

    def cost(self, term: Term) -> int:
        """Return how many pulses the interaction would need now."""
        return (not self._fits(term.a, term.u)) + (not self._fits(term.b, term.v))

    def _fits(self, wire: int, direction: Vector) -> bool:
        return self._loose[wire] or perpendicular(direction, self._pole[wire], CLOSE_SQUARED)

    def do(self, term: Term) -> None:
        """Note that the interaction is next."""
        for wire, direction in ((term.a, term.u), (term.b, term.v)):
            pole = self._pole[wire]
            normal = cross(pole, direction)
            flat = dot(normal, normal) < CLOSE_SQUARED
            if self._loose[wire]:
                if not flat:
                    self._pole[wire], self._loose[wire] = unit(normal), False
            elif flat:
                self._loose[wire] = True
            elif not perpendicular(direction, pole, CLOSE_SQUARED):
                self._pole[wire] = unit(normal)

    def stand(self, fence: Fence) -> None:
        """Note that the fence is next."""
        for wire, frame in zip(fence.wires, fence.frames, strict=True):
            self._pole[wire] = back_z(frame) if fence.demand is Demand.POLE else Z
            self._loose[wire] = False


def reorder(items: list[Item], width: int, wires: ZZWires | MSWires) -> list[Item]:
    """Return the items in an order that needs fewer pulses, by what the model says they cost."""
    groups = _groups(items, width)
    place = [0] * width  # each wire's current group
    left = [len(groups[wire][0]) if groups[wire] else 0 for wire in range(width)]
    waiting = [
        2 if isinstance(item, Term) else len(item.wires) for item in items
    ]  # wires that have not come to it
    fences = [index for index, item in enumerate(items) if isinstance(item, Fence)]
    next_fence = 0
    ready: list[int] = []
    out: list[Item] = []

    def arrive(wire: int) -> None:
        for index in groups[wire][place[wire]]:
            waiting[index] -= 1
            if not waiting[index] and isinstance(items[index], Term):
                insort(ready, index)

    for wire in range(width):
        if groups[wire]:
            arrive(wire)
    while True:
        # A fence goes only when nothing else can, but before later fences.
        if not ready:
            if next_fence == len(fences):
                return out
            index = fences[next_fence]
            next_fence += 1
            fence = items[index]
            wires.stand(fence)  # type: ignore[arg-type]
            finished: tuple[int, ...] = fence.wires  # type: ignore[union-attr]
            out.append(fence)
        else:
            at = _cheapest(ready, items, wires)
            index = ready.pop(at)
            term = items[index]
            wires.do(term)  # type: ignore[arg-type]
            finished = (term.a, term.b)  # type: ignore[union-attr]
            out.append(term)
        for wire in finished:
            left[wire] -= 1
            if not left[wire]:
                place[wire] += 1
                if place[wire] < len(groups[wire]):
                    left[wire] = len(groups[wire][place[wire]])
                    arrive(wire)


def _cheapest(ready: list[int], items: list[Item], wires: ZZWires | MSWires) -> int:
    """Return the position in `ready` of the interaction that needs fewest pulses now."""
    best, least = 0, 99
    for position in range(min(len(ready), _CHOICES)):
        cost = wires.cost(items[ready[position]])  # type: ignore[arg-type]
        if not cost:
            return position
        if cost < least:
            best, least = position, cost
    return best


def _groups(items: list[Item], width: int) -> list[list[list[int]]]:
    """Return for each wire the items on it, in groups of items that commute there."""
    groups: list[list[list[int]]] = [[] for _ in range(width)]
    uniform = [True] * width  # whether the last group of a wire is along one direction
    for index, item in enumerate(items):
        if not isinstance(item, Term):
            for wire in item.wires:
                groups[wire].append([index])
            continue
        for wire, direction in ((item.a, item.u), (item.b, item.v)):
            mine = groups[wire]
            last = mine[-1] if mine else []
            first = items[last[0]] if last else None
            if isinstance(first, Term) and len(last) < _GROUP:
                parallel = alignment(first.axis(wire), direction) != 0
                if parallel and uniform[wire]:
                    last.append(index)
                    continue
                if len(last) < _TRIPLE and all(_same_pair_commutes(items[i], item) for i in last):
                    last.append(index)
                    uniform[wire] = False
                    continue
            mine.append([index])
            uniform[wire] = True
    return groups


def _same_pair_commutes(earlier: Item, term: Term) -> bool:
    """Return whether two interactions of one pair are along perpendicular directions on both wires."""
    if not isinstance(earlier, Term) or {earlier.a, earlier.b} != {term.a, term.b}:
        return False
    return perpendicular(earlier.axis(term.a), term.u) and perpendicular(earlier.axis(term.b), term.v)
