# SPDX-License-Identifier: Apache-2.0
"""Circuits with unbound parameters: the Pauli network once, before any angle is known (level 2 and 3).

The search never looks at angles, so what it finds holds for all of them. The result stays in Qiskit's gates:
``rz`` and ``rzz`` of the parameters among numeric ``u``. Binding it and the native stage of level 1 are all
that is left to do for each set of values.
"""

from __future__ import annotations

from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Gate
from qiskit.circuit.library import RZGate, RZZGate, UGate

from qiskit_parallel_ionq.compiler.native import SETTINGS, has_measurement, shortest
from qiskit_parallel_ionq.compiler.pauli_network import synthesise
from qiskit_parallel_ionq.compiler.pauli_reading import PauliProgram, PauliReader, multiply, single
from qiskit_parallel_ionq.compiler.program import Demand, Fence, Program, Term
from qiskit_parallel_ionq.compiler.reading import FENCES, is_small_matrix, numbers, reader
from qiskit_parallel_ionq.compiler.rotations import (
    HALF,
    IDENTITY,
    PARALLEL,
    Quaternion,
    Vector,
    X,
    Y,
    Z,
    about,
    back,
    inverse,
    product,
    to_euler,
)

_TURNS: dict[str, tuple[tuple[Vector, int], ...]] = {
    "rz": ((Z, 0),),
    "p": ((Z, 0),),
    "rx": ((X, 0),),
    "ry": ((Y, 0),),
    "u": ((Z, 2), (Y, 0), (Z, 1)),
}
"""Gates of one qubit as rotations: axis, and which parameter is the angle."""

_PAIRS: dict[str, tuple[Vector, Vector]] = {"rzz": (Z, Z), "rxx": (X, X), "ryy": (Y, Y), "rzx": (Z, X)}

_UPRIGHT: dict[Vector, Quaternion] = {Z: IDENTITY, X: (HALF, 0.0, -HALF, 0.0), Y: (HALF, HALF, 0.0, 0.0)}
"""The turn that takes each axis to +z."""


def shorten_template(
    circuit: QuantumCircuit, level: int, *, final: bool
) -> tuple[QuantumCircuit, list[int]] | None:
    """Return a shorter circuit that measures the same for all values, and where each qubit ends.

    None if none was found, or if the circuit is not of the kind: measured at its end, with parameters only in
    gates that are rotations.

    Args:
        circuit: gates that `reading` knows.
        level: 2 or 3.
        final: nothing will follow. Otherwise the state of qubits that are not measured stays, too.
    """
    read = _read(circuit, final=final) if has_measurement(circuit) else None
    if read is None:
        return None
    source, tail, wires = read
    length = _length(circuit, final=final)
    best: tuple[QuantumCircuit, list[int]] | None = None
    for settings in SETTINGS[level]:
        writer = _Writer(circuit)
        places = synthesise(source, tail, settings, length, writer)
        if places is not None and writer.length < length:
            length, best = writer.length, (writer.circuit, [places[wire] for wire in wires])
    return best


def _length(circuit: QuantumCircuit, *, final: bool) -> int:
    """Return how many interactions level 1 leaves for generic values of the parameters."""
    values = [0.1 + 0.618 * index % 1.3 for index in range(circuit.num_parameters)]
    return shortest(circuit.assign_parameters(values), "zz", 1, relabelling=True, final=final).length


def _read(circuit: QuantumCircuit, *, final: bool) -> tuple[PauliProgram, list[Fence], list[int]] | None:
    """Return the Pauli rotations, the fences at the end, and where swaps leave each qubit."""
    index = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    carried = Program(circuit.num_qubits, merging=False)
    paulis = PauliReader(circuit.num_qubits)
    tail: list[Fence] = []
    closed: set[int] = set()

    def drain() -> None:
        for item in carried.take():
            if isinstance(item, Term):
                paulis.term(item)
            else:
                tail.append(item)

    for instruction in circuit.data:
        qubits = [index[qubit] for qubit in instruction.qubits]
        wires = [carried.wires[qubit] for qubit in qubits]
        name, params = instruction.name, instruction.params
        if name == "delay":
            return None
        if FENCES.get(name) in (Demand.POLE, Demand.MEASURE):
            closed.update(wires)
            carried.fence(FENCES[name], tuple(wires), instruction)
            drain()
            continue
        read_gate = reader(instruction)
        if read_gate is None or not closed.isdisjoint(wires):
            return None
        values = [] if is_small_matrix(instruction) else numbers(params)
        if name == "swap":
            carried.swap(qubits[0], qubits[1])
        elif values is not None:
            read_gate(carried, wires, values)
            drain()
        elif name in _TURNS:
            for axis, which in _TURNS[name]:
                _turn(carried, paulis, wires[0], axis, params[which])
        elif name in _PAIRS:
            p, q = _PAIRS[name]
            (i, plus), (j, also) = (
                paulis.axis(wire, back(carried.frames[wire], axis))
                for wire, axis in zip(wires, (p, q), strict=True)
            )
            pauli = multiply(single(wires[0], i), single(wires[1], j))
            paulis.turn_by(pauli, params[0] if plus == also else -params[0])
        else:
            return None
    if not final:
        carried.fence(Demand.FULL, tuple(range(carried.width)))
        drain()
    return paulis.program(tail), tail, list(carried.wires)


def _turn(carried: Program, paulis: PauliReader, wire: int, axis: Vector, angle: Any) -> None:
    values = numbers([angle])
    if values is not None:
        carried.rotate(wire, axis, values[0])
        return
    which, plus = paulis.axis(wire, back(carried.frames[wire], axis))
    paulis.turn_by(single(wire, which), angle if plus else -angle)


class _Writer:
    """A sink of the search that writes ``u``, ``rz`` and ``rzz``, numeric turns gathered into one ``u``."""

    def __init__(self, like: QuantumCircuit) -> None:
        self.circuit = like.copy_empty_like()
        self.length = 0
        self.frames: list[Quaternion] = [IDENTITY] * like.num_qubits
        self._settled: list[Quaternion] = [IDENTITY] * like.num_qubits

    def rotate(self, wire: int, axis: Vector, angle: Any) -> None:
        """Turn one wire about a Pauli axis."""
        if isinstance(angle, float):
            self.frames[wire] = product(about(axis, angle), self.frames[wire])
        else:
            self._raise(wire, axis)
            self._write(RZGate(angle), wire)

    def act(self, a: int, b: int, p: Vector, q: Vector, t: Any) -> None:
        """Let two wires interact along Pauli axes."""
        self._raise(a, p)
        self._raise(b, q)
        self._write(RZZGate(t), a, b)
        self.length += 1

    def stand(self, fence: Fence) -> None:
        """Make the fence's frames real, and put its instruction."""
        for wire, frame in zip(fence.wires, fence.frames, strict=True):
            self._turn(wire, product(frame, inverse(self._settled[wire])))
            self._settled[wire] = IDENTITY if fence.demand is Demand.MEASURE else frame
        if fence.instruction is not None:
            qubits = tuple(self.circuit.qubits[wire] for wire in fence.wires)
            self.circuit.append(fence.instruction.replace(qubits=qubits), copy=False)

    def _raise(self, wire: int, axis: Vector) -> None:
        """Write whatever makes an axis z."""
        upright = _UPRIGHT[axis]
        self._turn(wire, product(upright, self.frames[wire]))
        self.frames[wire] = inverse(upright)

    def _turn(self, wire: int, rotation: Quaternion) -> None:
        if rotation[1] ** 2 + rotation[2] ** 2 + rotation[3] ** 2 > PARALLEL:
            self._write(UGate(*to_euler(rotation)), wire)

    def _write(self, gate: Gate, *wires: int) -> None:
        qubits = tuple(self.circuit.qubits[wire] for wire in wires)
        self.circuit.append(CircuitInstruction(gate, qubits), copy=False)
