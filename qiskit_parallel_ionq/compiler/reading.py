# SPDX-License-Identifier: Apache-2.0
"""From a circuit to a Program: what each gate is as one-qubit rotations and interactions along directions.

Identities used, each up to a phase (Z on the control, n the direction turned about on the target):
controlled rotation = ``exp(+iθ/4 Z ⊗ n) · R_n(θ/2)``; controlled phase = ``exp(+iλ/4 Z ⊗ Z) · Rz(λ/2) ·
Rz(λ/2)``; swap = ``exp(-iπ/4 (XX + YY + ZZ))``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isfinite, pi
from typing import Any, NamedTuple

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction
from qiskit.circuit.library import UnitaryGate
from qiskit.synthesis import TwoQubitWeylDecomposition

from qiskit_parallel_ionq.compiler.columns import atan2, cos, sin, sqrt
from qiskit_parallel_ionq.compiler.program import Demand, Program, Term
from qiskit_parallel_ionq.compiler.rotations import (
    HALF,
    Quaternion,
    Vector,
    X,
    Y,
    Z,
    about,
    back,
    back_x,
    back_y,
    back_z,
    euler,
    from_matrix,
    product,
)
from qiskit_parallel_ionq.errors import CompileError
from qiskit_parallel_ionq.gates import NATIVE_NAMES

Reader = Callable[[Program, Sequence[int], Sequence[float]], None]

_H: Quaternion = (0.0, HALF, 0.0, HALF)
_SX: Quaternion = (HALF, HALF, 0.0, 0.0)
_X: Quaternion = (0.0, 1.0, 0.0, 0.0)
_Y: Quaternion = (0.0, 0.0, 1.0, 0.0)
_Z: Quaternion = (0.0, 0.0, 0.0, 1.0)
_AXES: dict[str, Vector] = {"x": X, "y": Y, "z": Z}


def _rz(program: Program, wire: int, angle: float) -> None:
    """Carry a z rotation; half the work of a general one, and the most frequent gate."""
    c, s = cos(angle / 2), sin(angle / 2)
    w, x, y, z = program.frames[wire]
    program.frames[wire] = c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w


def _rx(program: Program, wire: int, angle: float) -> None:
    """Carry an x rotation."""
    c, s = cos(angle / 2), sin(angle / 2)
    w, x, y, z = program.frames[wire]
    program.frames[wire] = c * w - s * x, c * x + s * w, c * y - s * z, c * z + s * y


def _ry(program: Program, wire: int, angle: float) -> None:
    """Carry a y rotation."""
    c, s = cos(angle / 2), sin(angle / 2)
    w, x, y, z = program.frames[wire]
    program.frames[wire] = c * w - s * y, c * x + s * z, c * y + s * w, c * z - s * x


def _rotate(program: Program, wire: int, axis: Vector, angle: float) -> None:
    """Carry a rotation about a direction."""
    if axis is X:
        _rx(program, wire, angle)
    elif axis is Y:
        _ry(program, wire, angle)
    elif axis is Z:
        _rz(program, wire, angle)
    else:
        program.turn(wire, about(axis, angle))


def _along(program: Program, wire: int, axis: Vector) -> Vector:
    """Return a direction as seen in the starting frame."""
    frame = program.frames[wire]
    if axis is Z:
        return back_z(frame)
    if axis is X:
        return back_x(frame)
    if axis is Y:
        return back_y(frame)
    return back(frame, axis)


def _interact(program: Program, a: int, b: int, p: Vector, q: Vector, t: float) -> None:
    program.interact(a, b, _along(program, a, p), _along(program, b, q), t)


def _fixed(rotation: Quaternion) -> Reader:
    def read(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
        wire = wires[0]
        program.frames[wire] = product(rotation, program.frames[wire])

    return read


def _virtual(angle: float) -> Reader:
    def read(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
        _rz(program, wires[0], angle)

    return read


def _rotation(axis: Vector) -> Reader:
    def read(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
        _rotate(program, wires[0], axis, params[0])

    return read


def _read_rz(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    _rz(program, wires[0], params[0])


def _read_u(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    program.turn(wires[0], euler(params[0], params[1], params[2]))


def _read_u2(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    program.turn(wires[0], euler(pi / 2, params[0], params[1]))


def _read_r(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    program.turn(wires[0], about((cos(params[1]), sin(params[1]), 0.0), params[0]))


def _read_gpi(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    angle = 2 * pi * params[0]
    program.turn(wires[0], (0.0, cos(angle), sin(angle), 0.0))


def _read_gpi2(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    angle = 2 * pi * params[0]
    program.turn(wires[0], (HALF, HALF * cos(angle), HALF * sin(angle), 0.0))


def _read_ms(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    p, q = 2 * pi * params[0], 2 * pi * params[1]
    axes = (cos(p), sin(p), 0.0), (cos(q), sin(q), 0.0)
    _interact(program, wires[0], wires[1], axes[0], axes[1], 2 * pi * params[2])


def _read_zz(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    _interact(program, wires[0], wires[1], Z, Z, 2 * pi * params[0])


def _pauli_pair(p: Vector, q: Vector) -> Reader:
    def read(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
        _interact(program, wires[0], wires[1], p, q, params[0])

    return read


def _controlled(program: Program, wires: Sequence[int], axis: Vector, angle: float) -> None:
    """Turn the second wire about `axis` if the first is 1."""
    _interact(program, wires[0], wires[1], Z, axis, -angle / 2)
    _rotate(program, wires[1], axis, angle / 2)


def _controlled_rotation(axis: Vector) -> Reader:
    def read(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
        _controlled(program, wires, axis, params[0])

    return read


def _controlled_pauli(axis: Vector) -> Reader:
    def read(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
        _controlled(program, wires, axis, pi)
        _rz(program, wires[0], pi / 2)

    return read


def _read_ch(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
    _controlled(program, wires, (HALF, 0.0, HALF), pi)
    _rz(program, wires[0], pi / 2)


def _read_csx(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
    _controlled(program, wires, X, pi / 2)
    _rz(program, wires[0], pi / 4)


def _read_cp(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    half = params[0] / 2
    _interact(program, wires[0], wires[1], Z, Z, -half)
    _rz(program, wires[0], half)
    _rz(program, wires[1], half)


def _controlled_phase(angle: float) -> Reader:
    def read(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
        _read_cp(program, wires, (angle,))

    return read


def _read_cu(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    theta, phi, lam = params[0], params[1], params[2]
    gamma = params[3] if len(params) > 3 else 0.0
    w, x, y, z = euler(theta, phi, lam)
    length = sqrt(x * x + y * y + z * z)
    if length > 1e-15:
        _controlled(program, wires, (x / length, y / length, z / length), 2 * atan2(length, w))
    elif w < 0:
        gamma += pi
    _rz(program, wires[0], gamma + (phi + lam) / 2)


def _exchange(program: Program, a: int, b: int, xx: float, yy: float, zz: float) -> None:
    """Do ``exp(-i/2 (xx·XX + yy·YY + zz·ZZ))``."""
    for axis, angle in ((X, xx), (Y, yy), (Z, zz)):
        if angle:
            _interact(program, a, b, axis, axis, angle)


def _read_swap(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
    _exchange(program, wires[0], wires[1], pi / 2, pi / 2, pi / 2)


def _read_iswap(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
    _exchange(program, wires[0], wires[1], -pi / 2, -pi / 2, 0.0)


def _read_dcx(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    _STANDARD["cx"](program, wires, params)
    _STANDARD["cx"](program, (wires[1], wires[0]), params)


def _read_ecr(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
    _interact(program, wires[0], wires[1], Z, X, pi / 2)
    program.turn(wires[0], _X)


def _read_xx_minus_yy(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    theta, beta = params[0], params[1]
    _rz(program, wires[1], -beta)
    _exchange(program, wires[0], wires[1], theta / 2, -theta / 2, 0.0)
    _rz(program, wires[1], beta)


def _read_xx_plus_yy(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    theta, beta = params[0], params[1]
    _rz(program, wires[0], beta)
    _exchange(program, wires[0], wires[1], theta / 2, theta / 2, 0.0)
    _rz(program, wires[0], -beta)


@lru_cache(maxsize=1)
def _ccz() -> tuple[tuple[Term, ...], tuple[Quaternion, ...]]:
    """Work out a doubly controlled Z once: six interactions, of which merging leaves five.

    ``exp(-it/2 ZZZ)`` is ``exp(-it/2 · Z_b Y_c)`` between ``exp(∓iπ/4 Z_a X_c)``.
    """
    program = Program(3)
    eighth = pi / 4
    _interact(program, 0, 1, Z, Z, -eighth)
    _interact(program, 1, 2, Z, Z, -eighth)
    _interact(program, 0, 2, Z, X, -pi / 2)
    _interact(program, 1, 2, Z, Y, eighth)
    _interact(program, 0, 2, Z, X, pi / 2)
    _interact(program, 0, 2, Z, Z, -eighth)
    for wire in range(3):
        _rz(program, wire, eighth)
    return tuple(program.terms), tuple(program.frames)


def _read_ccz(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
    terms, frames = _ccz()
    # A fold may change the frames in between, so every direction is taken in the frame of its moment.
    for term in terms:
        a, b = wires[term.a], wires[term.b]
        program.interact(a, b, back(program.frames[a], term.u), back(program.frames[b], term.v), term.t)
    for index, wire in enumerate(wires):
        program.turn(wire, frames[index])


def _read_ccx(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    program.turn(wires[2], _H)
    _read_ccz(program, wires, params)
    program.turn(wires[2], _H)


def _read_cswap(program: Program, wires: Sequence[int], params: Sequence[float]) -> None:
    control, p, q = wires
    _STANDARD["cx"](program, (q, p), params)
    _read_ccx(program, (control, p, q), params)
    _STANDARD["cx"](program, (q, p), params)


def _nothing(_program: Program, _wires: Sequence[int], _params: Sequence[float]) -> None:
    """Read an identity."""


def read_matrix(program: Program, wires: Sequence[int], matrix: np.ndarray) -> None:
    """Read a one- or two-qubit gate from its matrix, in Qiskit's bit order."""
    if len(wires) == 1:
        program.turn(wires[0], from_matrix(matrix))
        return
    weyl = TwoQubitWeylDecomposition(matrix, fidelity=None)  # a fidelity rounds small angles away
    # Qiskit's first factor acts on the second, more significant qubit.
    program.turn(wires[0], from_matrix(weyl.K2r))
    program.turn(wires[1], from_matrix(weyl.K2l))
    _exchange(program, wires[0], wires[1], -2 * weyl.a, -2 * weyl.b, -2 * weyl.c)
    program.turn(wires[0], from_matrix(weyl.K1r))
    program.turn(wires[1], from_matrix(weyl.K1l))


_STANDARD: dict[str, Reader] = {
    "id": _nothing,
    "x": _fixed(_X),
    "y": _fixed(_Y),
    "z": _fixed(_Z),
    "h": _fixed(_H),
    "s": _virtual(pi / 2),
    "sdg": _virtual(-pi / 2),
    "t": _virtual(pi / 4),
    "tdg": _virtual(-pi / 4),
    "sx": _fixed(_SX),
    "sxdg": _fixed((HALF, -HALF, 0.0, 0.0)),
    "rx": _rotation(X),
    "ry": _rotation(Y),
    "rz": _read_rz,
    "p": _read_rz,
    "u1": _read_rz,
    "r": _read_r,
    "u": _read_u,
    "u3": _read_u,
    "u2": _read_u2,
    "cx": _controlled_pauli(X),
    "cy": _controlled_pauli(Y),
    "cz": _controlled_pauli(Z),
    "ch": _read_ch,
    "csx": _read_csx,
    "cs": _controlled_phase(pi / 2),
    "csdg": _controlled_phase(-pi / 2),
    "cp": _read_cp,
    "cu1": _read_cp,
    "crx": _controlled_rotation(X),
    "cry": _controlled_rotation(Y),
    "crz": _controlled_rotation(Z),
    "cu": _read_cu,
    "cu3": _read_cu,
    "rxx": _pauli_pair(X, X),
    "ryy": _pauli_pair(Y, Y),
    "rzz": _pauli_pair(Z, Z),
    "rzx": _pauli_pair(Z, X),
    "swap": _read_swap,
    "iswap": _read_iswap,
    "dcx": _read_dcx,
    "ecr": _read_ecr,
    "xx_minus_yy": _read_xx_minus_yy,
    "xx_plus_yy": _read_xx_plus_yy,
    "ccz": _read_ccz,
    "ccx": _read_ccx,
    "cswap": _read_cswap,
}

_NATIVE: dict[str, Reader] = {"gpi": _read_gpi, "gpi2": _read_gpi2, "ms": _read_ms, "zz": _read_zz}

_CLASSICAL = frozenset({"store", "break_loop", "continue_loop"})

READABLE = frozenset(_STANDARD)
"""Standard gates that are read directly; Qiskit's translation brings everything else to these."""

FENCES: dict[str, Demand] = {
    "barrier": Demand.POLE,
    "delay": Demand.POLE,
    "measure": Demand.MEASURE,
    "reset": Demand.RESET,
}
"""Instructions that are no gates and pass through as they are. Any other asks for `Demand.FULL`."""


def reader(instruction: CircuitInstruction) -> Reader | None:
    """Return what reads this instruction, or None if it is not a gate known here."""
    name = instruction.name
    if name in _STANDARD:
        return _STANDARD[name] if instruction.is_standard_gate() else None
    if is_small_matrix(instruction):
        return _matrix_reader(instruction.operation.to_matrix())
    return _NATIVE[name] if name in NATIVE_NAMES and not instruction.is_standard_gate() else None


def is_small_matrix(instruction: CircuitInstruction) -> bool:
    """Return whether the instruction is a matrix on one or two qubits; it has no numbers as parameters.

    Qiskit's own synthesis of matrices leaves out rotations by less than about 1e-4 rad.
    """
    return (
        instruction.name == "unitary"
        and len(instruction.qubits) <= 2
        and isinstance(instruction.operation, UnitaryGate)
    )


def _matrix_reader(matrix: np.ndarray) -> Reader:
    def read(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
        read_matrix(program, wires, matrix)

    return read


def is_readable(circuit: QuantumCircuit) -> bool:
    """Return whether every gate of the circuit, control-flow bodies included, is known here."""
    for instruction in circuit.data:
        name = instruction.name
        if name in FENCES or reader(instruction) is not None:
            continue
        if name in _CLASSICAL:
            continue
        if not instruction.is_control_flow() or not all(map(is_readable, instruction.operation.blocks)):
            return False
    return True


class Step(NamedTuple):
    """One thing that reading does to a program."""

    act: Reader
    wires: tuple[int, ...]
    values: Sequence[Any]
    """The gate's parameters: a list of numbers, or a tuple with formulas in it whose values come later."""


class Script:
    """A circuit as the steps of reading it, so that it need be gone through only once.

    Args:
        circuit: gates that are all known here; its qubit i starts on wire i.
        relabelling: let a swap exchange the wires behind two qubits.
        step_by_step: put a fence after every gate, so that each stays where it is (level 0).
        free: let gates have parameters without values, as `steps` then holds them.

    Raises:
        CompileError: a gate is not known here, or has a parameter that is not a number.
    """

    def __init__(
        self, circuit: QuantumCircuit, *, relabelling: bool, step_by_step: bool = False, free: bool = False
    ) -> None:
        self.steps: list[Step] = []
        self.wires = list(range(circuit.num_qubits))
        """The wire behind each qubit at the end."""
        index = {qubit: i for i, qubit in enumerate(circuit.qubits)}
        settle = _fence(Demand.POLE, None)
        for position, instruction in enumerate(circuit.data):
            qubits = [index[qubit] for qubit in instruction.qubits]
            if relabelling and instruction.name == "swap" and instruction.is_standard_gate():
                p, q = qubits
                self.wires[p], self.wires[q] = self.wires[q], self.wires[p]
                continue
            wires = tuple([self.wires[qubit] for qubit in qubits])
            act, is_gate = _action(circuit, position, instruction)
            has_numbers = is_gate and not is_small_matrix(instruction)
            values = _parameters(circuit, position, instruction, free) if has_numbers else ()
            self.steps.append(Step(act, wires, values))
            if step_by_step and is_gate:
                self.steps.append(Step(settle, wires, ()))

    def play(self, program: Program) -> None:
        """Read the circuit into an empty program."""
        for act, wires, values in self.steps:
            act(program, wires, values)
        program.wires[:] = self.wires


def read(circuit: QuantumCircuit, program: Program, *, step_by_step: bool = False) -> None:
    """Read a bound circuit whose gates are all known here into an empty program.

    Args:
        circuit: the circuit; its qubit i starts on wire i.
        program: where to read it to.
        step_by_step: put a fence after every gate, so that each stays where it is (level 0).

    Raises:
        CompileError: a gate is not known here or has a parameter without value.
    """
    Script(circuit, relabelling=program.relabelling, step_by_step=step_by_step).play(program)


def _action(circuit: QuantumCircuit, position: int, instruction: CircuitInstruction) -> tuple[Reader, bool]:
    """Return what an instruction does to a program, and whether it is a gate."""
    name = instruction.name
    read_gate = reader(instruction)
    if read_gate is not None:
        return read_gate, True
    if name in FENCES:
        return _fence(FENCES[name], instruction), False
    if name in _CLASSICAL or instruction.is_control_flow():
        return _fence(Demand.FULL, instruction), False
    raise CompileError(
        f"circuit {circuit.name!r}: gate {name!r} at position {position} is not known to the compiler."
    )


def _fence(demand: Demand, instruction: Any) -> Reader:
    def stand(program: Program, wires: Sequence[int], _params: Sequence[float]) -> None:
        program.fence(demand, tuple(wires), instruction)

    return stand


def _parameters(
    circuit: QuantumCircuit, position: int, instruction: CircuitInstruction, free: bool
) -> Sequence[Any]:
    params = instruction.params
    if not params:
        return ()
    values = numbers(params)
    if values is not None:
        return values
    if free:
        return tuple(params)
    raise CompileError(
        f"circuit {circuit.name!r}: gate {instruction.name!r} at position {position} has a parameter that "
        f"is not a finite real number: {', '.join(map(str, params))}. "
        "Unbound parameters have to be assigned first."
    )


def numbers(params: Sequence[Any]) -> list[float] | None:
    """Return parameters as numbers, or None if one is unbound, complex or not finite."""
    try:
        values = [float(value) for value in params]
    except (TypeError, RuntimeError):
        return None
    return values if isfinite(sum(values)) else None


__all__ = ["FENCES", "READABLE", "Script", "is_readable", "numbers", "read", "read_matrix", "reader"]
