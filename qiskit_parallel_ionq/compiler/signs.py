# SPDX-License-Identifier: Apache-2.0
"""For zz devices: on which pole each direction lands, so that every angle is positive.

A stretch is a run of visits of one wire along one direction. Landing on +z or -z is free, and an interaction
has the sign of the product of its two landings. Signs are chosen so that few interactions come out wrong;
those wait until their stretch ends, and one GPI there, which turns the stretch over, serves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import pi

from qiskit_parallel_ionq.compiler.program import Demand, Item, Term
from qiskit_parallel_ionq.compiler.rotations import CLOSE_SQUARED, RESOLUTION, Vector, Z, alignment, back_z

Landings = dict[tuple[int, int], int]
"""(id of a term, wire) -> +1 or -1."""

_SWEEPS = 4


@dataclass(slots=True, eq=False)
class _Stretch:
    """Visits of one wire along one direction."""

    axis: Vector
    fixed: bool = False
    """Whether it lands on +z whatever is wanted: it is the wire's start."""
    sign: int = 1
    bonds: list[tuple[_Stretch, int]] = field(default_factory=list)
    """Other stretches, and the product of signs that an interaction with them asks for."""
    pull: int = 0
    """Fences that ask for +1, less those that ask for -1."""


def place(items: list[Item], width: int, *, reordering: bool) -> tuple[list[Item], Landings]:
    """Return the items, perhaps reordered within their stretches, and where each interaction lands."""
    stretches, visits = _stretches(items, width)
    _choose(stretches)
    return _Placing(items, width, visits, reordering=reordering).run()


def _wanted(term: Term, along: int) -> int:
    """Return the product of the two stretches' signs that makes the angle positive; 0 if either will do."""
    if abs(term.t) > pi / 2 - RESOLUTION:
        return 0
    return along if term.t > 0 else -along


def _stretches(
    items: list[Item], width: int
) -> tuple[list[_Stretch], dict[tuple[int, int], tuple[_Stretch, int]]]:
    """Cut each wire's visits into stretches, and note what they ask of each other."""
    current = [_Stretch(Z, fixed=True) for _ in range(width)]
    stretches = list(current)
    visits: dict[tuple[int, int], tuple[_Stretch, int]] = {}

    def visit(item: Item, wire: int, direction: Vector) -> int:
        aligned = alignment(direction, current[wire].axis, CLOSE_SQUARED)
        if not aligned:
            current[wire] = _Stretch(direction)
            stretches.append(current[wire])
        along = -1 if aligned < 0 else 1
        visits[id(item), wire] = current[wire], along
        return along

    for item in items:
        if isinstance(item, Term):
            wanted = _wanted(item, visit(item, item.a, item.u) * visit(item, item.b, item.v))
            if wanted:
                a, b = current[item.a], current[item.b]
                a.bonds.append((b, wanted))
                b.bonds.append((a, wanted))
            continue
        for wire, frame in zip(item.wires, item.frames, strict=True):
            if item.demand is Demand.POLE or item.demand is Demand.MEASURE:
                along = visit(item, wire, back_z(frame))
                current[wire].pull += along
            if item.demand is not Demand.POLE:
                current[wire] = _Stretch(Z, fixed=True)
                stretches.append(current[wire])
    return stretches, visits


def _choose(stretches: list[_Stretch]) -> None:
    """Choose the signs: first along a spanning tree, then one by one while that helps."""
    placed: set[int] = set()
    for root in sorted(stretches, key=lambda stretch: not (stretch.fixed or stretch.pull)):
        if id(root) in placed:
            continue
        placed.add(id(root))
        if not root.fixed and root.pull < 0:
            root.sign = -1
        queue = [root]
        for stretch in queue:
            for other, wanted in stretch.bonds:
                if id(other) not in placed:
                    placed.add(id(other))
                    if not other.fixed:
                        other.sign = wanted * stretch.sign
                    queue.append(other)
    for _ in range(_SWEEPS):
        changed = False
        for stretch in stretches:
            if not stretch.fixed:
                force = stretch.pull + sum([wanted * other.sign for other, wanted in stretch.bonds])
                if force * stretch.sign < 0:
                    stretch.sign, changed = -stretch.sign, True
        if not changed:
            return


class _Placing:
    def __init__(
        self,
        items: list[Item],
        width: int,
        visits: dict[tuple[int, int], tuple[_Stretch, int]],
        *,
        reordering: bool,
    ) -> None:
        self._items = items
        self._visits = visits
        self._reordering = reordering
        self._now: list[_Stretch | None] = [None] * width
        self._late: list[list[Term]] = [[] for _ in range(width)]
        self._out: list[Item] = []
        self._landings: Landings = {}

    def run(self) -> tuple[list[Item], Landings]:
        for item in self._items:
            if isinstance(item, Term):
                self._enter(item.a, self._visits[id(item), item.a][0])
                self._enter(item.b, self._visits[id(item), item.b][0])
                if self._fits(item):
                    self._do(item)
                else:
                    self._late[item.a].append(item)
                    self._late[item.b].append(item)
                    if not self._reordering:
                        self._flush(item.a)
                continue
            for wire in item.wires:
                self._flush(wire)
                self._now[wire] = None
            self._out.append(item)
        for wire in range(len(self._late)):
            self._flush(wire)
        return self._out, self._landings

    def _enter(self, wire: int, stretch: _Stretch) -> None:
        """Make a stretch the wire's present one; what waited for the last one goes first."""
        if self._now[wire] is not stretch:
            self._flush(wire)
            self._now[wire] = stretch

    def _fits(self, term: Term) -> bool:
        (a, along_a), (b, along_b) = self._visits[id(term), term.a], self._visits[id(term), term.b]
        wanted = _wanted(term, along_a * along_b)
        return not wanted or a.sign * b.sign == wanted

    def _do(self, term: Term) -> None:
        for wire in (term.a, term.b):
            stretch, along = self._visits[id(term), wire]
            self._landings[id(term), wire] = stretch.sign * along
        self._out.append(term)

    def _flush(self, wire: int) -> None:
        """Turn stretches over until nothing waits for this wire."""
        while self._late[wire]:
            partners = [term.b if term.a == wire else term.a for term in self._late[wire]]
            # The wire itself serves all that wait for it; a partner may serve more, if just one is in
            # question.
            turned = wire
            if len(partners) == 1 and len(self._late[partners[0]]) > 1:
                turned = partners[0]
            stretch = self._visits[id(self._late[wire][0]), turned][0]
            stretch.sign = -stretch.sign
            for term in [term for term in self._late[turned] if self._fits(term)]:
                self._late[term.a].remove(term)
                self._late[term.b].remove(term)
                self._do(term)
