# SPDX-License-Identifier: Apache-2.0
"""From a Program back to ``u`` and ``rzz``, which the optimiser between our two stages works on."""

from __future__ import annotations

from math import atan2, hypot

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Gate
from qiskit.circuit.library import RZZGate, UGate

from qiskit_parallel_ionq.compiler.program import Demand, Item, Term
from qiskit_parallel_ionq.compiler.rotations import (
    IDENTITY,
    PARALLEL,
    Quaternion,
    Vector,
    about,
    back_z,
    inverse,
    product,
    rotate,
    to_euler,
)


def to_proxies(items: list[Item], circuit: QuantumCircuit) -> QuantumCircuit:
    """Return an empty copy of the circuit filled with ``u`` and ``rzz`` for the items."""
    out = circuit.copy_empty_like()
    qubits = circuit.qubits
    done = [IDENTITY] * len(qubits)

    def write(gate: Gate, *wires: int) -> None:
        out._append(CircuitInstruction(gate, tuple([qubits[wire] for wire in wires])))  # noqa: SLF001  -- see emission

    def turn(wire: int, rotation: Quaternion) -> None:
        if rotation[1] ** 2 + rotation[2] ** 2 + rotation[3] ** 2 > PARALLEL:
            write(UGate(*to_euler(rotation)), wire)
            done[wire] = product(rotation, done[wire])

    for item in items:
        if isinstance(item, Term):
            sign = 1
            for wire, direction in ((item.a, item.u), (item.b, item.v)):
                rotation, along = _upright(rotate(done[wire], direction))
                turn(wire, rotation)
                sign *= along
            write(RZZGate(sign * item.t), item.a, item.b)
            continue
        for wire, frame in zip(item.wires, item.frames, strict=True):
            if item.demand is Demand.FULL:
                turn(wire, product(frame, inverse(done[wire])))
            elif item.demand is not Demand.RESET:
                rotation, along = _upright(rotate(done[wire], back_z(frame)))
                turn(wire, rotation if along > 0 else product((0.0, 1.0, 0.0, 0.0), rotation))
            if item.demand is not Demand.POLE:
                done[wire] = IDENTITY
        if item.instruction is not None:
            out._append(item.instruction.replace(qubits=tuple(qubits[wire] for wire in item.wires)))  # noqa: SLF001
    return out


def _upright(direction: Vector) -> tuple[Quaternion, int]:
    """Return the shortest turn that brings a direction to +z or -z, and which."""
    x, y, z = direction
    level = hypot(x, y)
    along = 1 if z >= 0 else -1
    if level * level < PARALLEL:
        return IDENTITY, along
    return about((along * y / level, -along * x / level, 0.0), atan2(level, abs(z))), along
