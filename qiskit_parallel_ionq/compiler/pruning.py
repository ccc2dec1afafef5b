# SPDX-License-Identifier: Apache-2.0
"""Leave out interactions that no measurement can see."""

from __future__ import annotations

from qiskit_parallel_ionq.compiler.program import Demand, Item, Term
from qiskit_parallel_ionq.compiler.rotations import Vector, alignment, back_z


def drop_unseen(items: list[Item], width: int) -> list[Item]:
    """Return the items without the interactions that commute with everything later, measurements included.

    Looking back from the end, a wire is free (None: nothing later acts on it), sees one direction only, or is
    busy. What is measured on a wire is its z axis; what a reset forgets is free, and so is the end of a wire
    without a `Demand.FULL`. So this removes both what lies outside the light cone of the measurements and
    what is diagonal before them. The probability of each sequence of outcomes stays, and so does the state
    that it leaves on wires that end in `Demand.FULL`. Nothing before a delay is removed.
    """
    seen: list[Vector | bool | None] = [None] * width  # None: free, a direction: only that, True: busy
    kept: list[Item] = []
    for item in reversed(items):
        if isinstance(item, Term):
            a, b = item.a, item.b
            if _passes(seen[a], item.u) and _passes(seen[b], item.v):
                continue
            seen[a] = item.u if seen[a] is None or _passes(seen[a], item.u) else True
            seen[b] = item.v if seen[b] is None or _passes(seen[b], item.v) else True
        elif item.demand is Demand.MEASURE:
            for wire, frame in zip(item.wires, item.frames, strict=True):
                seen[wire] = back_z(frame)
        elif item.demand is Demand.RESET:
            for wire in item.wires:
                seen[wire] = None
        elif item.demand is Demand.FULL or item.is_delay:
            for wire in item.wires:
                seen[wire] = True
        kept.append(item)
    kept.reverse()
    return kept


def _passes(seen: Vector | bool | None, direction: Vector) -> bool:
    if seen is None:
        return True
    return seen is not True and alignment(seen, direction) != 0  # type: ignore[arg-type]
