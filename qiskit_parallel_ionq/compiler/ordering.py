# SPDX-License-Identifier: Apache-2.0
"""The order of interactions that commute: whichever needs no pulse now goes first.

On each wire the items fall into groups whose members commute there; an item may go when its group has come on all its
wires. Fences commute with nothing and keep their order. What an item would cost now is told by a model of the device:
`ZZWires` or `MSWires`.
"""

from __future__ import annotations

from bisect import insort
from math import pi

from qiskit_parallel_ionq.compiler.program import TINY, Demand, Fence, Item, Term
from qiskit_parallel_ionq.compiler.rotations import (
    PARALLEL,
    Vector,
    Z,
    alignment,
    back_z,
    cross,
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
    """Which direction each wire has on ±z, and which signs the angles so far have asked for."""

    def __init__(self, width: int) -> None:
        self._signs = Signs()
        self._stretch = [0] * width
        self._axis: list[Vector] = [Z] * width
        self._visits: list[tuple[Term | Fence, int, int, int]] = []

    def cost(self, term: Term) -> int:
        """Return how many pulses the interaction would need now."""
        along_a = alignment(term.u, self._axis[term.a])
        along_b = alignment(term.v, self._axis[term.b])
        if along_a and along_b:
            if abs(term.t) > pi / 2 - TINY:
                return 0
            wanted = along_a * along_b * (1 if term.t > 0 else -1)
            return 0 if self._signs.agree(self._stretch[term.a], self._stretch[term.b], wanted) else 1
        total = 0
        if not along_a:
            total += 1 if perpendicular(term.u, self._axis[term.a]) else 2
        if not along_b:
            total += 1 if perpendicular(term.v, self._axis[term.b]) else 2
        return total

    def do(self, term: Term) -> None:
        """Note that the interaction is next."""
        a, b = term.a, term.b
        along_a, along_b = self._visit(a, term.u), self._visit(b, term.v)
        if abs(term.t) <= pi / 2 - TINY:
            wanted = along_a * along_b * (1 if term.t > 0 else -1)
            if not self._signs.unite(self._stretch[a], self._stretch[b], wanted):
                # A GPI turns one of the two over; the newer stretch is likelier to end soon.
                wire = a if self._stretch[a] > self._stretch[b] else b
                self._stretch[wire] = self._signs.new()
                self._signs.unite(self._stretch[a], self._stretch[b], wanted)
        self._visits += [(term, a, self._stretch[a], along_a), (term, b, self._stretch[b], along_b)]

    def stand(self, fence: Fence) -> None:
        """Note that the fence is next."""
        for wire, frame in zip(fence.wires, fence.frames, strict=True):
            if fence.demand is Demand.POLE or fence.demand is Demand.MEASURE:
                along = self._visit(wire, back_z(frame))
                if not self._signs.unite(self._stretch[wire], 0, along):
                    self._stretch[wire] = self._signs.new()
                    self._signs.unite(self._stretch[wire], 0, along)
            if fence.demand is not Demand.POLE:
                self._stretch[wire], self._axis[wire] = 0, Z

    def _visit(self, wire: int, direction: Vector) -> int:
        """Return how the direction points along the current stretch of its wire, which may be a new one."""
        along = alignment(direction, self._axis[wire])
        if not along:
            self._stretch[wire], self._axis[wire], along = self._signs.new(), direction, 1
        return along

    def landings(self) -> dict[tuple[int, int], int]:
        """Return the pole, +1 or -1, on which each interaction's directions land: (id of the term, wire) -> sign."""
        find = self._signs.find
        return {(id(item), wire): find(node)[1] * along for item, wire, node, along in self._visits}


class MSWires:
    """Which direction each wire has on +z, up to sign; after a pulse from a pole, any at a right angle to one given."""

    def __init__(self, width: int) -> None:
        self._pole: list[Vector] = [Z] * width
        self._loose = [False] * width

    def cost(self, term: Term) -> int:
        """Return how many pulses the interaction would need now."""
        return (not self._fits(term.a, term.u)) + (not self._fits(term.b, term.v))

    def _fits(self, wire: int, direction: Vector) -> bool:
        return self._loose[wire] or perpendicular(direction, self._pole[wire])

    def do(self, term: Term) -> None:
        """Note that the interaction is next."""
        for wire, direction in ((term.a, term.u), (term.b, term.v)):
            pole = self._pole[wire]
            normal = cross(pole, direction)
            flat = normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2 < PARALLEL
            if self._loose[wire]:
                if not flat:
                    self._pole[wire], self._loose[wire] = unit(normal), False
            elif flat:
                self._loose[wire] = True
            elif not perpendicular(direction, pole):
                self._pole[wire] = unit(normal)

    def stand(self, fence: Fence) -> None:
        """Note that the fence is next."""
        for wire, frame in zip(fence.wires, fence.frames, strict=True):
            self._pole[wire] = back_z(frame) if fence.demand is Demand.POLE else Z
            self._loose[wire] = False


class Signs:
    """Union-find with parity: which stretches have to land on the same pole, which on opposite ones."""

    def __init__(self) -> None:
        self._parent = [0]
        self._parity = [1]  # sign relative to the parent; stretch 0 is the fixed +z

    def new(self) -> int:
        """Return a stretch whose pole is not asked for yet."""
        self._parent.append(len(self._parent))
        self._parity.append(1)
        return len(self._parent) - 1

    def find(self, node: int) -> tuple[int, int]:
        """Return the root of a stretch, and its sign relative to that."""
        parent, parity = self._parent, self._parity
        path = []
        while parent[node] != node:
            path.append(node)
            node = parent[node]
        sign = 1
        for step in reversed(path):
            sign *= parity[step]
            parent[step], parity[step] = node, sign
        return node, sign

    def agree(self, p: int, q: int, sign: int) -> bool:
        """Return whether the signs of p and q can multiply to `sign`."""
        (i, si), (j, sj) = self.find(p), self.find(q)
        return i != j or si * sj == sign

    def unite(self, p: int, q: int, sign: int) -> bool:
        """Ask that the signs of p and q multiply to `sign`; False if what was asked before says otherwise."""
        (i, si), (j, sj) = self.find(p), self.find(q)
        if i == j:
            return si * sj == sign
        if i < j:  # the fixed stretch stays a root
            self._parent[j], self._parity[j] = i, si * sj * sign
        else:
            self._parent[i], self._parity[i] = j, si * sj * sign
        return True


def in_order(items: list[Item], wires: ZZWires | MSWires) -> list[Item]:
    """Tell the model of the items in their own order (level 0)."""
    for item in items:
        if type(item) is Term:
            wires.do(item)
        else:
            wires.stand(item)
    return items


def reorder(items: list[Item], width: int, wires: ZZWires | MSWires) -> list[Item]:
    """Return the items in an order that needs fewer pulses, and tell the model of them."""
    groups = _groups(items, width)
    place = [0] * width  # each wire's current group
    left = [len(groups[wire][0]) if groups[wire] else 0 for wire in range(width)]
    waiting = [2 if type(item) is Term else len(item.wires) for item in items]  # wires that have not come to it
    fences = [index for index, item in enumerate(items) if type(item) is Fence]
    next_fence = 0
    ready: list[int] = []
    out: list[Item] = []

    def arrive(wire: int) -> None:
        for index in groups[wire][place[wire]]:
            waiting[index] -= 1
            if not waiting[index] and type(items[index]) is Term:
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
        if type(item) is not Term:
            for wire in item.wires:
                groups[wire].append([index])
            continue
        for wire, direction in ((item.a, item.u), (item.b, item.v)):
            mine = groups[wire]
            last = mine[-1] if mine else []
            first = items[last[0]] if last else None
            if type(first) is Term and len(last) < _GROUP:
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
    """Return whether two interactions are of the same pair, and along directions at right angles on both wires."""
    if type(earlier) is not Term or {earlier.a, earlier.b} != {term.a, term.b}:
        return False
    return perpendicular(earlier.axis(term.a), term.u) and perpendicular(earlier.axis(term.b), term.v)
