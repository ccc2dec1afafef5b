# SPDX-License-Identifier: Apache-2.0
"""From a Program to native gates with as few pulses as the directions allow.

For each wire the emitter keeps R, the product of the pulses sent so far. A direction v of the starting frame
is physically at R·v. All phases are read off there, so virtual z rotations never appear: they are what is not
in R.

* zz devices entangle along z: an interaction needs R·v = ±z. From one direction to the next that costs no
pulse if they
  are parallel, one GPI2 at a right angle, two GPI2 otherwise. Which of ±z is free: see `signs`.
* ms devices entangle along any direction of the equator and either sign: an interaction costs one GPI2 at
most.
"""

from __future__ import annotations

from math import pi
from typing import Any, NamedTuple

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction

from qiskit_parallel_ionq.compiler.columns import Column, atan2, choose, cos, sin, sqrt
from qiskit_parallel_ionq.compiler.ordering import MSWires, ZZWires, reorder
from qiskit_parallel_ionq.compiler.program import Demand, Fence, Item, Term
from qiskit_parallel_ionq.compiler.rotations import (
    CLOSE,
    CLOSE_SQUARED,
    HALF,
    IDENTITY,
    Quaternion,
    Vector,
    alignment,
    back_z,
    inverse,
    product,
    rotate,
    turns,
)
from qiskit_parallel_ionq.compiler.signs import Landings, place
from qiskit_parallel_ionq.gates import NATIVE_GATES, Family


class Pulse(NamedTuple):
    """One thing that the machine does."""

    name: str
    """A native gate, or the name of what a fence stands for: a measurement, a reset, a barrier, …"""
    wires: tuple[int, ...]
    values: tuple[float, ...] = ()
    """Phases and angle of the gate, in turns."""
    instruction: Any = None
    """The circuit instruction where it is no gate."""


class Emitter:
    """Writes native gates for the items of one program, in their order."""

    def __init__(self, width: int) -> None:
        self.pulses: list[Pulse] = []
        self._real: list[Quaternion] = [IDENTITY] * width

    def zz(self, items: list[Item], landings: Landings) -> None:
        """Write the items for a zz device, each interaction landing where it was told to."""
        for item in items:
            if isinstance(item, Fence):
                self._fence(item)
            else:
                self._zz(item, landings[id(item), item.a], landings[id(item), item.b])

    def ms(self, items: list[Item]) -> None:
        """Write the items for an ms device."""
        upcoming = _upcoming(items, len(self._real))
        for index, item in enumerate(items):
            if isinstance(item, Fence):
                self._fence(item)
            else:
                self._ms(item, upcoming.get((index, item.a)), upcoming.get((index, item.b)))

    def _zz(self, term: Term, sign_a: int, sign_b: int) -> None:
        self._land(term.a, term.u, sign_a)
        self._land(term.b, term.v, sign_b)
        t = term.t * (sign_a * sign_b)
        if t < 0.0:
            # Only a quarter turn may come with the wrong sign: it differs from the right one by Z ⊗ Z, which
            # is virtual.
            t = -t
            self._real[term.a] = product(self._real[term.a], (0.0, *term.u))
            self._real[term.b] = product(self._real[term.b], (0.0, *term.v))
        self.pulses.append(Pulse("zz", (term.a, term.b), (min(t / (2 * pi), 0.25),)))

    def _ms(self, term: Term, next_a: Vector | None, next_b: Vector | None) -> None:
        p = self._tilt(term.a, term.u, next_a)
        q = self._tilt(term.b, term.v, next_b)
        t: Any = term.t
        if t.__class__ is Column:
            q = choose(t.values < 0.0, t, q + pi, q)
        elif t < 0.0:
            q += pi
        angle = min(abs(t) / (2 * pi), 0.25)
        self.pulses.append(Pulse("ms", (term.a, term.b), (turns(p), turns(q), angle)))

    def _gpi(self, wire: int, x: float, y: float) -> None:
        """Send a half turn about the direction (x, y) of the equator."""
        self._real[wire] = product((0.0, x, y, 0.0), self._real[wire])
        self.pulses.append(Pulse("gpi", (wire,), (turns(atan2(y, x)),)))

    def _gpi2(self, wire: int, x: float, y: float) -> None:
        """Send a quarter turn about the direction (x, y) of the equator."""
        self._real[wire] = product((HALF, HALF * x, HALF * y, 0.0), self._real[wire])
        self.pulses.append(Pulse("gpi2", (wire,), (turns(atan2(y, x)),)))

    def _land(self, wire: int, direction: Vector, sign: int) -> None:
        """Bring a direction to +z or -z with at most two pulses."""
        x, y, z = rotate(self._real[wire], direction)
        level = x * x + y * y
        if level < CLOSE_SQUARED:
            if z * sign < 0.0:
                self._gpi(wire, 1.0, 0.0)
            return
        level = sqrt(level)
        x, y = x / level, y / level
        if not abs(z) < CLOSE:
            # A quarter turn about the direction's own azimuth brings it down to the equator.
            self._gpi2(wire, x, y)
            x, y = x * level + y * z, y * level - x * z
        self._gpi2(wire, sign * y, -sign * x)

    def _tilt(self, wire: int, direction: Vector, after: Vector | None) -> Any:
        """Bring a direction to the equator with at most one pulse, and return its azimuth in radians.

        At a pole any pulse does it; the one that also brings the wire's next direction to the equator is
        taken.
        """
        x, y, z = rotate(self._real[wire], direction)
        if abs(z) < CLOSE:
            return atan2(y, x)
        level = x * x + y * y
        if level < CLOSE_SQUARED:
            x, y = 1.0, 0.0
            if after is not None:
                nx, ny, _ = rotate(self._real[wire], after)
                level = nx * nx + ny * ny
                if level > CLOSE_SQUARED:
                    level = sqrt(level)
                    x, y = nx / level, ny / level
        else:
            level = sqrt(level)
            x, y = x / level, y / level
        self._gpi2(wire, x, y)
        x, y, _ = rotate(self._real[wire], direction)
        return atan2(y, x)

    def _fence(self, fence: Fence) -> None:
        for wire, frame in zip(fence.wires, fence.frames, strict=True):
            if fence.demand is Demand.FULL:
                self._settle(wire, frame)
            elif fence.demand is not Demand.RESET:
                self._land(wire, back_z(frame), 1)
            if fence.demand is not Demand.POLE:
                self._real[wire] = IDENTITY
        if fence.instruction is not None:
            self.pulses.append(Pulse(fence.instruction.name, fence.wires, (), fence.instruction))

    def _settle(self, wire: int, frame: Quaternion) -> None:
        """Make the pulses add up to the whole frame, z rotation included: at most three."""
        w, x, y, z = product(frame, inverse(self._real[wire]))
        flat, tilted = w * w + z * z, x * x + y * y
        if tilted < CLOSE_SQUARED:
            if z * z > CLOSE_SQUARED:
                self._gpi(wire, 1.0, 0.0)
                self._gpi(wire, *_point(atan2(z, w)))
            return
        azimuth = atan2(y, x)
        if flat < CLOSE_SQUARED:
            self._gpi(wire, *_point(azimuth))
        elif z * z < CLOSE_SQUARED and abs(w * w - 0.5) < CLOSE:
            self._gpi2(wire, *_point(azimuth if w > 0 else azimuth + pi))
        elif abs(flat - 0.5) < CLOSE:
            # One GPI2 reaches the right pole, one GPI more the right azimuth.
            half = atan2(z, w)
            self._gpi2(wire, *_point(azimuth - half + pi))
            _, x, y, _ = product(frame, inverse(self._real[wire]))
            self._gpi(wire, *_point(atan2(y, x)))
        else:
            # GPI2(c) GPI(b) GPI2(a) reaches everything: its middle half turn stands for any z rotation.
            mean, half = azimuth - pi / 2, atan2(z, w)
            self._gpi2(wire, *_point(mean - half))
            self._gpi(wire, *_point(mean + pi - atan2(sqrt(tilted), sqrt(flat))))
            self._gpi2(wire, *_point(mean + half))


def _point(angle: float) -> tuple[float, float]:
    """Return the direction on the equator at an azimuth."""
    return cos(angle), sin(angle)


def _upcoming(items: list[Item], width: int) -> dict[tuple[int, int], Vector]:
    """Return for each interaction and wire the next other direction that the wire is asked for, if any.

    Returns:
        (item index, wire) -> direction.
    """
    after: list[Vector | None] = [None] * width  # what is asked for next
    beyond: list[Vector | None] = [None] * width  # and the first after that which is not parallel to it
    found: dict[tuple[int, int], Vector] = {}
    for index in range(len(items) - 1, -1, -1):
        item = items[index]
        if isinstance(item, Term):
            visits: tuple[tuple[int, Vector], ...] = ((item.a, item.u), (item.b, item.v))
        elif item.demand is Demand.RESET:
            for wire in item.wires:
                after[wire] = beyond[wire] = None
            continue
        else:
            visits = tuple((wire, back_z(frame)) for wire, frame in zip(item.wires, item.frames, strict=True))
            if item.demand is not Demand.POLE:
                for wire in item.wires:
                    after[wire] = beyond[wire] = None
        for wire, direction in visits:
            coming = after[wire]
            if coming is not None and not alignment(coming, direction, CLOSE_SQUARED):
                beyond[wire] = coming
            after[wire] = direction
            other = beyond[wire]
            if other is not None and isinstance(item, Term):
                found[index, wire] = other
    return found


def emit(items: list[Item], circuit: QuantumCircuit, family: Family, *, reordering: bool) -> QuantumCircuit:
    """Return an empty copy of the circuit filled with native gates for the items.

    Args:
        items: interactions and fences.
        circuit: where the qubits, registers and name come from.
        family: the two-qubit gate of the device.
        reordering: whether interactions that commute may change places.
    """
    out = circuit.copy_empty_like()
    wires = circuit.qubits
    for name, places, values, instruction in write(items, len(wires), family, reordering=reordering):
        qubits = tuple([wires[place] for place in places])
        if instruction is None:
            instruction = CircuitInstruction(NATIVE_GATES[name](*values), qubits)
        else:
            instruction = instruction.replace(qubits=qubits)
        out._append(instruction)  # noqa: SLF001  -- append() would check and copy each: three times slower
    return out


def write(items: list[Item], width: int, family: Family, *, reordering: bool) -> list[Pulse]:
    """Return the native gates of the items, and what stands between them. Arguments as for `emit`."""
    return send(arrange(items, width, family) if reordering else items, width, family, reordering=reordering)


def arrange(items: list[Item], width: int, family: Family) -> list[Item]:
    """Return the items in the order in which they need fewest pulses, as far as they commute."""
    return reorder(items, width, ZZWires(width) if family == "zz" else MSWires(width))


def send(items: list[Item], width: int, family: Family, *, reordering: bool) -> list[Pulse]:
    """Return the native gates of items that were arranged. Arguments as for `emit`."""
    emitter = Emitter(width)
    if family == "zz":
        emitter.zz(*place(items, width, reordering=reordering))
    else:
        emitter.ms(items)
    return emitter.pulses
