# SPDX-License-Identifier: Apache-2.0
"""Synthesis of Pauli rotations and measured Paulis with few interactions (level 2 and 3).

Quarter-turn interactions are spent where they shorten many of the coming rotations at once. A rotation that
has become as short as one wire costs nothing; one of two wires is an interaction itself. At the end each
measured Pauli becomes the axis of one wire, any wire: nothing is undone that the measurement does not need.
The two Paulis of a wire that is kept become axes of one wire.

All Paulis are kept in columns: for each wire one integer says which of them have an X part there, and one a Z
part, so that conjugating a thousand of them is a handful of integer operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import atan2, pi
from typing import Any, Protocol

from qiskit_parallel_ionq.compiler.pauli_reading import PauliProgram, is_negative
from qiskit_parallel_ionq.compiler.program import Demand, Fence
from qiskit_parallel_ionq.compiler.rotations import (
    HALF,
    IDENTITY,
    Quaternion,
    Vector,
    X,
    Y,
    Z,
    about,
    product,
    rotate,
)

# Paulis of one wire: bit 0 is the X part, bit 1 the Z part.
_AXES: dict[int, Vector] = {1: X, 2: Z, 3: Y}
_TO_Z: dict[tuple[int, bool], Quaternion] = {
    (2, False): IDENTITY,
    (2, True): (0.0, 1.0, 0.0, 0.0),
    (1, False): (HALF, 0.0, -HALF, 0.0),
    (1, True): (HALF, 0.0, HALF, 0.0),
    (3, False): (HALF, HALF, 0.0, 0.0),
    (3, True): (HALF, -HALF, 0.0, 0.0),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How far the search looks, and how much it cares."""

    near: int = 8
    """Rotations that count in full."""
    far: int = 30
    """Rotations that count by `discount`."""
    discount: float = 0.35
    measured: float = 0.35
    """What one wire of a measured Pauli counts."""
    patience: int = 3
    """Quarter turns without a finished rotation, after which the search keeps to one rotation."""
    front: int = 6
    """Rotations that are looked at for the next step."""


_LONG = 6
"""Wires of a Pauli up to which every pair is tried."""

Step = tuple[int, int, int, int]
"""A quarter-turn interaction: wire, Pauli, wire, Pauli."""


class _Columns:
    """Rotations (low bits), measured Paulis and those of kept wires (high bits) by wire."""

    def __init__(self, source: PauliProgram) -> None:
        count = len(source.rotations)
        self.width = source.width
        self.x = [0] * source.width
        self.z = [0] * source.width
        self.sign = 0
        self.outcomes = list(source.measured)
        rows = [(rotation.x, rotation.z, False) for rotation in source.rotations]
        ends = [*source.measured.values(), *(p for kept in source.kept.values() for p in (kept.x, kept.z))]
        rows += [(p[0], p[1], is_negative(p)) for p in ends]
        for index, (x, z, negative) in enumerate(rows):
            bit = 1 << index
            if negative:
                self.sign |= bit
            for part, column in ((x, self.x), (z, self.z)):
                while part:
                    low = part & -part
                    part ^= low
                    column[low.bit_length() - 1] |= bit
        self.rotations = (1 << count) - 1
        first = 1 << count + len(source.measured)
        self.measured = (first - 1) ^ self.rotations
        self.kept = [(first << 2 * place, first << 2 * place + 1) for place in range(len(source.kept))]
        """The Paulis X and Z of each kept wire."""
        self.ends = ((1 << len(rows)) - 1) ^ self.rotations

    def pauli(self, wire: int, bit: int) -> int:
        return (1 if self.x[wire] & bit else 0) | (2 if self.z[wire] & bit else 0)

    def support(self, bit: int) -> list[int]:
        return [wire for wire in range(self.width) if (self.x[wire] | self.z[wire]) & bit]

    def _against(self, wire: int, pauli: int) -> tuple[int, int]:
        """Return which Paulis anticommute with this one on the wire, and which of those turn by -i."""
        x, z = self.x[wire], self.z[wire]
        if pauli == 1:
            return z, z & ~x
        if pauli == 2:
            return x, x & z
        return x ^ z, x & ~z

    def conjugate(self, step: Step) -> None:
        """Let ``exp(-iπ/4 P ⊗ Q)`` come before everything."""
        a, p, b, q = step
        anti_a, minus_a = self._against(a, p)
        anti_b, minus_b = self._against(b, q)
        mask = anti_a ^ anti_b
        self.sign ^= mask & ((minus_a & ~anti_b) | (minus_b & ~anti_a))
        if p & 1:
            self.x[a] ^= mask
        if p & 2:
            self.z[a] ^= mask
        if q & 1:
            self.x[b] ^= mask
        if q & 2:
            self.z[b] ^= mask

    def supports_after(self, step: Step) -> tuple[int, int]:
        """Return which Paulis would act on each of the two wires after a step."""
        a, p, b, q = step
        mask = self._against(a, p)[0] ^ self._against(b, q)[0]
        xa, za = self.x[a] ^ (mask if p & 1 else 0), self.z[a] ^ (mask if p & 2 else 0)
        xb, zb = self.x[b] ^ (mask if q & 1 else 0), self.z[b] ^ (mask if q & 2 else 0)
        return xa | za, xb | zb

    def shortenings(self, bit: int) -> list[Step]:
        """Return quarter turns that take one wire out of a Pauli: all, or of a long one the likely."""
        wires = self.support(bit)
        pairs: Iterable[tuple[int, int]] = combinations(wires, 2)
        if len(wires) > _LONG:
            # Two wires that look alike to most Paulis are shortened together; sorting brings them side by
            # side.
            wires.sort(key=lambda wire: (self.x[wire] | self.z[wire], self.x[wire]))
            pairs = pairwise(wires)
        steps: list[Step] = []
        for a, b in pairs:
            p, q = self.pauli(a, bit), self.pauli(b, bit)
            steps += [(a, other, b, q) for other in (1, 2, 3) if other != p]
            steps += [(a, p, b, other) for other in (1, 2, 3) if other != q]
        return steps


class Sink(Protocol):
    """Where the search writes: a `Program`, or a circuit with unbound parameters."""

    frames: list[Quaternion]

    def rotate(self, wire: int, axis: Vector, angle: Any) -> None:
        """Turn one wire about a direction."""

    def act(self, a: int, b: int, p: Vector, q: Vector, t: Any) -> None:
        """Let two wires interact along directions."""

    def stand(self, fence: Fence) -> None:
        """Put a fence."""


class _Search:
    def __init__(self, source: PauliProgram, settings: Settings, limit: int, sink: Sink) -> None:
        self.source = source
        self.settings = settings
        self.limit = limit
        self.columns = _Columns(source)
        self.program = sink
        self.spent = 0
        self._blockers = source.blockers()

    def run(self) -> bool:
        """Spend interactions until everything is done; False when that took more than the limit."""
        remaining = self.columns.rotations
        idle = 0
        committed = 0
        while remaining:
            front = self._front(remaining)
            done = self._finish_short(front)
            if done:
                remaining ^= done
                idle, committed = 0, 0
                continue
            if self.spent >= self.limit:
                return False
            near, far = self._windows(remaining)
            if idle >= self.settings.patience and not committed:
                committed = min(front, key=lambda bit: len(self.columns.support(bit)))
            step, gain = self._best(front if not committed else [committed], near, far)
            pair = self._direct(front, committed)
            # A rotation on two wires is done by one interaction either way; a quarter turn has to help
            # others, too.
            if pair and (gain <= self._own(pair, near) + 1e-9 or not step):
                self._rotate(pair)
                remaining ^= pair
                idle, committed = 0, 0
                continue
            self._spend(step)
            idle += 1
        return self._finish_kept() and self._finish_measured()

    def _front(self, remaining: int) -> list[int]:
        """Return the first rotations that commute with every earlier one left."""
        front: list[int] = []
        rest = remaining
        while rest and len(front) < self.settings.front:
            bit = rest & -rest
            rest ^= bit
            if not self._blockers[bit.bit_length() - 1] & remaining:
                front.append(bit)
        return front

    def _windows(self, remaining: int) -> tuple[int, int]:
        near = far = 0
        rest = remaining
        for count in range(self.settings.far):
            if not rest:
                break
            bit = rest & -rest
            rest ^= bit
            if count < self.settings.near:
                near |= bit
            else:
                far |= bit
        return near, far

    def _finish_short(self, front: list[int]) -> int:
        """Do what acts on one wire or none: nothing to spend."""
        done = 0
        for bit in front:
            wires = self.columns.support(bit)
            if len(wires) < 2:
                if wires:
                    self._rotate(bit)
                done |= bit
        return done

    def _rotate(self, bit: int) -> None:
        """Do one rotation on one or two wires."""
        columns = self.columns
        angle = self.source.rotations[bit.bit_length() - 1].angle
        if columns.sign & bit:
            angle = -angle
        wires = columns.support(bit)
        axes = [_AXES[columns.pauli(wire, bit)] for wire in wires]
        if len(wires) == 1:
            self.program.rotate(wires[0], axes[0], angle)
        else:
            self.program.act(wires[0], wires[1], axes[0], axes[1], angle)
            self.spent += 1

    def _spend(self, step: Step) -> None:
        a, p, b, q = step
        self.program.act(a, b, _AXES[p], _AXES[q], pi / 2)
        self.columns.conjugate(step)
        self.spent += 1

    def _direct(self, front: list[int], committed: int) -> int:
        """Return a rotation on two wires that can be done now, if any."""
        for bit in [committed] if committed else front:
            if len(self.columns.support(bit)) == 2:
                return bit
        return 0

    def _own(self, bit: int, near: int) -> float:
        return 1.0 if bit & near else self.settings.discount

    def _best(self, bits: list[int], near: int, far: int) -> tuple[Step, float]:
        """Return the quarter turn that shortens most, by the windows' weights."""
        best: tuple[Step, float] = ((), -1e9)  # type: ignore[assignment]
        columns, settings = self.columns, self.settings
        ends, discount, ending = columns.ends, settings.discount, settings.measured
        now: dict[int, float] = {}

        def weight(support: int) -> float:
            return (
                (support & near).bit_count()
                + discount * (support & far).bit_count()
                + ending * (support & ends).bit_count()
            )

        for step in dict.fromkeys([step for bit in bits for step in columns.shortenings(bit)]):
            a, _, b, _ = step
            if a not in now:
                now[a] = weight(columns.x[a] | columns.z[a])
            if b not in now:
                now[b] = weight(columns.x[b] | columns.z[b])
            new_a, new_b = columns.supports_after(step)
            gain = now[a] + now[b] - weight(new_a) - weight(new_b)
            if gain > best[1]:
                best = (step, gain)
        return best

    def _finish_kept(self) -> bool:
        """Bring both Paulis of each kept wire to one wire, on which nothing else acts from then on."""
        columns = self.columns
        left = list(columns.kept)
        while left:
            pair = min(left, key=lambda bits: sum(len(columns.support(bit)) for bit in bits))
            left.remove(pair)
            first, second = sorted(pair, key=lambda bit: len(columns.support(bit)))
            if not self._gather(first, {}):
                return False
            wire = columns.support(first)[0]
            if not self._gather(second, {wire: columns.pauli(wire, first)}):
                return False
        return True

    def _gather(self, bit: int, fixed: Mapping[int, int]) -> bool:
        """Bring a Pauli to one wire, using only a given Pauli of some wires; False: that takes too many."""
        while len(self.columns.support(bit)) > 1:
            if self.spent >= self.limit:
                return False
            self._spend(self._best_ending(bit, fixed)[0])
        return True

    def _finish_measured(self) -> bool:
        """Bring each measured Pauli to one wire, without disturbing those that are there already."""
        columns = self.columns
        first = columns.rotations.bit_length()
        open_bits = [1 << first + place for place in range(len(columns.outcomes))]
        final: set[int] = set()
        committed = 0
        while True:
            lengths = {bit: columns.support(bit) for bit in open_bits}
            for wires in lengths.values():
                if len(wires) == 1:
                    final.add(wires[0])
            open_bits = [bit for bit in open_bits if len(lengths[bit]) > 1]
            if not open_bits:
                return True
            if self.spent >= self.limit:
                return False
            if committed not in open_bits:
                committed = 0
            shortest = sorted(open_bits, key=lambda bit: len(lengths[bit]))[: self.settings.front]
            step, gain = self._best_measured([committed] if committed else shortest, final)
            if gain <= 0 and not committed:
                committed = shortest[0]
                step, gain = self._best_measured([committed], final)
            self._spend(step)

    def _best_measured(self, bits: list[int], final: set[int]) -> tuple[Step, int]:
        # On a finished wire only the measured axis itself may be used.
        return max(
            (self._best_ending(bit, {wire: self.columns.pauli(wire, bit) for wire in final}) for bit in bits),
            key=lambda found: found[1],
        )

    def _best_ending(self, bit: int, fixed: Mapping[int, int]) -> tuple[Step, int]:
        """Return the quarter turn that shortens a Pauli and does the other ends most good, and how much.

        Args:
            bit: the Pauli.
            fixed: wires of which only a given Pauli may be used.
        """
        columns = self.columns
        ends = columns.ends
        best: tuple[Step, int] = ((), -(1 << 30))  # type: ignore[assignment]
        for step in columns.shortenings(bit):
            a, p, b, q = step
            if fixed.get(a, p) != p or fixed.get(b, q) != q:
                continue
            new_a, new_b = columns.supports_after(step)
            gain = (
                ((columns.x[a] | columns.z[a]) & ends).bit_count()
                + ((columns.x[b] | columns.z[b]) & ends).bit_count()
                - (new_a & ends).bit_count()
                - (new_b & ends).bit_count()
            )
            if gain > best[1]:
                best = (step, gain)
        return best

    def outcomes(self) -> dict[int, tuple[int, Quaternion]]:
        """Return for each measured or kept wire of the source the wire and the frame that stand for it."""
        columns = self.columns
        found: dict[int, tuple[int, Quaternion]] = {}
        first = columns.rotations.bit_length()
        for index, source in enumerate(columns.outcomes):
            wire, turn = self._upright(1 << (first + index))
            found[source] = wire, product(turn, self.program.frames[wire])
        for (source, kept), (x_bit, z_bit) in zip(self.source.kept.items(), columns.kept, strict=True):
            wire, turn = self._upright(z_bit)
            x, y, _ = rotate(turn, _AXES[columns.pauli(wire, x_bit)])
            azimuth = atan2(y, x) + (pi if columns.sign & x_bit else 0.0)
            turn = product(about(Z, -azimuth), turn)
            found[source] = wire, product(kept.rest, product(turn, self.program.frames[wire]))
        return found

    def _upright(self, bit: int) -> tuple[int, Quaternion]:
        """Return the only wire of a Pauli, and the turn that makes it Z there."""
        wire = self.columns.support(bit)[0]
        return wire, _TO_Z[self.columns.pauli(wire, bit), bool(self.columns.sign & bit)]


def synthesise(
    source: PauliProgram, tail: list[Fence], settings: Settings, limit: int, sink: Sink
) -> list[int] | None:
    """Write what measures the same.

    Args:
        source: rotations and measured Paulis.
        tail: the fences that measure, in order.
        settings: the search's weights.
        limit: interactions after which to give up.
        sink: where to write it; not to be used if the search gives up.

    Returns:
        For each wire of the source the wire that stands for it at the end; None if it gave up.
    """
    search = _Search(source, settings, limit, sink)
    if not search.run():
        return None
    outcomes = search.outcomes()
    places = _places(outcomes, source.width)
    frames = dict(outcomes.values())
    for fence in tail:
        wires = tuple(places[wire] for wire in fence.wires)
        now = tuple(frames.get(wire, IDENTITY) for wire in wires)
        sink.stand(Fence(fence.demand, wires, now, fence.instruction))
        if fence.demand is Demand.MEASURE:
            frames.update(dict.fromkeys(wires, IDENTITY))
    return places


def _places(outcomes: dict[int, tuple[int, Quaternion]], width: int) -> list[int]:
    """Return a permutation that extends "source wire -> wire" to the wires that are not measured."""
    places = {source: wire for source, (wire, _) in outcomes.items()}
    spare = sorted(set(range(width)) - set(places.values()))
    # An unmeasured wire keeps its place if it can.
    for source in range(width):
        if source not in places and source in spare:
            places[source] = source
            spare.remove(source)
    for source in range(width):
        if source not in places:
            places[source] = spare.pop(0)
    return [places[source] for source in range(width)]
