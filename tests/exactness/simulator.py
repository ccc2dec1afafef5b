# SPDX-License-Identifier: Apache-2.0
"""Exact simulation of small circuits: every measurement outcome, and the state that it leaves behind.

Measurements, resets and branches are followed one outcome at a time. Gates act by Qiskit's matrices, native
gates by matrices written down here.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import cos, pi, sin, sqrt

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Clbit
from qiskit.circuit.classical import expr
from qiskit.quantum_info import Operator

History = tuple[tuple[int, ...], ...]
"""For each classical bit the values that measurements wrote into it, in order."""

_NEGLIGIBLE = 1e-14  # of a branch's probability
_SILENT = frozenset({"barrier", "delay", "id", "global_phase"})


@dataclass(frozen=True)
class Branch:
    """What one sequence of outcomes leaves: an unnormalised state, and what was written."""

    state: np.ndarray
    """One axis for each qubit, qubit 0 first."""
    history: History


def branches(circuit: QuantumCircuit) -> list[Branch]:
    """Return a branch for each sequence of outcomes, those of resets included; all qubits start in 0."""
    state = np.zeros((2,) * circuit.num_qubits, dtype=complex)
    state[(0,) * circuit.num_qubits] = 1.0
    qubits = {bit: index for index, bit in enumerate(circuit.qubits)}
    clbits = {bit: index for index, bit in enumerate(circuit.clbits)}
    return _run(circuit, qubits, clbits, [Branch(state, ((),) * len(clbits))])


def instrument(circuit: QuantumCircuit) -> dict[History, np.ndarray]:
    """Return for each history the unnormalised density matrix that it leaves.

    Qubit k is bit k of the matrix's indices.
    """
    found: dict[History, np.ndarray] = {}
    for branch in branches(circuit):
        vector = branch.state.transpose().reshape(-1)
        density = np.outer(vector, vector.conj())
        found[branch.history] = found.get(branch.history, 0) + density
    return found


def distribution(circuit: QuantumCircuit) -> dict[int, float]:
    """Return the probability of each value of the classical bits at the end; bit k is classical bit k."""
    found: dict[int, float] = defaultdict(float)
    for branch in branches(circuit):
        value = sum(bit[-1] << place for place, bit in enumerate(branch.history) if bit)
        found[value] += float(np.linalg.norm(branch.state) ** 2)
    return dict(found)


def unitary(circuit: QuantumCircuit) -> np.ndarray:
    """Return the matrix of a circuit of gates; qubit k is bit k of an index."""
    width = circuit.num_qubits
    columns = np.eye(2**width, dtype=complex).reshape((2,) * width + (-1,))
    columns = columns.transpose(*reversed(range(width)), width)
    qubits = {bit: index for index, bit in enumerate(circuit.qubits)}
    (end,) = _run(circuit, qubits, {}, [Branch(columns, ())])
    return end.state.transpose(*reversed(range(width)), width).reshape(2**width, -1)


def distance(one: dict[int, float], other: dict[int, float]) -> float:
    """Return the largest difference between two distributions."""
    return max(abs(one.get(key, 0.0) - other.get(key, 0.0)) for key in one.keys() | other.keys())


def _run(
    circuit: QuantumCircuit, qubits: dict[object, int], clbits: dict[object, int], live: list[Branch]
) -> list[Branch]:
    for instruction in circuit.data:
        name, operation = instruction.name, instruction.operation
        where = [qubits[bit] for bit in instruction.qubits]
        if name in _SILENT:
            continue
        if name == "measure":
            live = _measured(live, where[0], clbits[instruction.clbits[0]])
        elif name == "reset":
            live = _reset(live, where[0])
        elif instruction.is_control_flow():
            inner_q = dict(zip(range(len(where)), where, strict=True))
            inner_c = {place: clbits[bit] for place, bit in enumerate(instruction.clbits)}
            live = [after for branch in live for after in _flow(operation, clbits, inner_q, inner_c, branch)]
        else:
            matrix = matrix_of(operation)
            live = [Branch(_acted(branch.state, matrix, where), branch.history) for branch in live]
    return live


def _flow(
    operation: object, clbits: dict[object, int], on: dict[int, int], to: dict[int, int], branch: Branch
) -> list[Branch]:
    """Run a branch, a box or a counted loop."""

    def block(body: QuantumCircuit, live: list[Branch]) -> list[Branch]:
        qubits = {bit: on[place] for place, bit in enumerate(body.qubits)}
        bits = {bit: to[place] for place, bit in enumerate(body.clbits)}
        return _run(body, qubits, bits, live)

    if operation.name == "if_else":
        chosen = 0 if _holds(operation.condition, clbits, branch.history) else 1
        return block(operation.blocks[chosen], [branch]) if chosen < len(operation.blocks) else [branch]
    if operation.name == "box":
        return block(operation.blocks[0], [branch])
    if operation.name == "for_loop":
        indices, parameter, body = operation.params
        live = [branch]
        for index in indices:
            live = block(
                body if parameter is None else body.assign_parameters({parameter: index}, strict=False), live
            )
        return live
    raise NotImplementedError(operation.name)


def _holds(condition: object, clbits: dict[object, int], history: History) -> bool:
    if isinstance(condition, tuple):
        left, value = condition
        return _value(left, clbits, history) == int(value)
    return bool(_evaluated(condition, clbits, history))


def _value(bits: object, clbits: dict[object, int], history: History) -> int:
    members = [bits] if isinstance(bits, Clbit) else list(bits)
    last = [history[clbits[bit]][-1:] or (0,) for bit in members]
    return sum(value[0] << place for place, value in enumerate(last))


_OPERATIONS = {
    "EQUAL": lambda a, b: a == b,
    "NOT_EQUAL": lambda a, b: a != b,
    "LESS": lambda a, b: a < b,
    "LESS_EQUAL": lambda a, b: a <= b,
    "GREATER": lambda a, b: a > b,
    "GREATER_EQUAL": lambda a, b: a >= b,
    "BIT_AND": lambda a, b: a & b,
    "BIT_OR": lambda a, b: a | b,
    "BIT_XOR": lambda a, b: a ^ b,
    "LOGIC_AND": lambda a, b: bool(a) and bool(b),
    "LOGIC_OR": lambda a, b: bool(a) or bool(b),
    "SHIFT_LEFT": lambda a, b: a << b,
    "SHIFT_RIGHT": lambda a, b: a >> b,
}


def _evaluated(node: expr.Expr, clbits: dict[object, int], history: History) -> int:
    """Return the value of a classical expression over the bits."""
    width = getattr(node.type, "width", 1)
    if isinstance(node, expr.Value):
        return int(node.value)
    if isinstance(node, expr.Var):
        return _value(node.var, clbits, history)
    if isinstance(node, expr.Cast):
        value = _evaluated(node.operand, clbits, history)
        return value & ((1 << width) - 1) if hasattr(node.type, "width") else int(bool(value))
    if isinstance(node, expr.Index):
        target, index = (_evaluated(each, clbits, history) for each in (node.target, node.index))
        return target >> index & 1
    if isinstance(node, expr.Unary):
        value = _evaluated(node.operand, clbits, history)
        return int(not value) if node.op.name == "LOGIC_NOT" else ~value & ((1 << width) - 1)
    left, right = (_evaluated(each, clbits, history) for each in (node.left, node.right))
    value = int(_OPERATIONS[node.op.name](left, right))
    return value & ((1 << width) - 1)


def _acted(state: np.ndarray, matrix: np.ndarray, where: list[int]) -> np.ndarray:
    """Apply a matrix whose least significant qubit is the first of `where`."""
    count = len(where)
    axes = list(reversed(where))  # the first axis of the matrix is the most significant qubit
    tensor = matrix.reshape((2,) * (2 * count))
    acted = np.tensordot(tensor, state, axes=(list(range(count, 2 * count)), axes))
    return np.moveaxis(acted, list(range(count)), axes)


def _measured(live: list[Branch], qubit: int, clbit: int) -> list[Branch]:
    found = []
    for branch in live:
        for value in (0, 1):
            state = _projected(branch.state, qubit, value)
            if np.linalg.norm(state) ** 2 > _NEGLIGIBLE:
                history = list(branch.history)
                history[clbit] = (*history[clbit], value)
                found.append(Branch(state, tuple(history)))
    return found


def _reset(live: list[Branch], qubit: int) -> list[Branch]:
    found = []
    for branch in live:
        for value in (0, 1):
            state = _projected(branch.state, qubit, value)
            if np.linalg.norm(state) ** 2 > _NEGLIGIBLE:
                found.append(Branch(np.flip(state, qubit) if value else state, branch.history))
    return found


def _projected(state: np.ndarray, qubit: int, value: int) -> np.ndarray:
    kept = np.zeros_like(state)
    place = (slice(None),) * qubit + (value,)
    kept[place] = state[place]
    return kept


# ── matrices ──


def turn(phase: float) -> complex:
    """Return ``exp(2πi phase)``."""
    return complex(cos(2 * pi * phase), sin(2 * pi * phase))


def _gpi(phase: float) -> np.ndarray:
    return np.array([[0, turn(-phase)], [turn(phase), 0]])


def _gpi2(phase: float) -> np.ndarray:
    return np.array([[1, -1j * turn(-phase)], [-1j * turn(phase), 1]]) / sqrt(2)


def _ms(one: float, other: float, angle: float = 0.25) -> np.ndarray:
    return cos(pi * angle) * np.eye(4) - 1j * sin(pi * angle) * np.kron(_gpi(other), _gpi(one))


def _zz(angle: float) -> np.ndarray:
    return np.diag([turn(-angle / 2), turn(angle / 2), turn(angle / 2), turn(-angle / 2)])


NATIVE = {"gpi": _gpi, "gpi2": _gpi2, "ms": _ms, "zz": _zz}
"""Matrices of IonQ's gates, from their documentation; the first qubit is the least significant."""


def matrix_of(operation: object) -> np.ndarray:
    """Return the matrix of a gate, its first qubit the least significant."""
    if operation.name in NATIVE:
        return NATIVE[operation.name](*[float(value) for value in operation.params])
    try:
        return np.asarray(operation.to_matrix(), dtype=complex)
    except Exception:  # noqa: BLE001 - many gates of Qiskit's have a definition only
        return Operator(operation).data
