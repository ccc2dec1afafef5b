# SPDX-License-Identifier: Apache-2.0
"""Instructions that users made: what is in them counts, not what they are called.

A sub-circuit made into a gate may bear the name of a standard gate, and an instruction may measure or reset
inside. Both are written out before anything is read by its name; so are boxes, and loops that count, which
IonQ runs in no other way.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import (
    Barrier,
    BreakLoopOp,
    ContinueLoopOp,
    ControlledGate,
    Delay,
    Gate,
    Instruction,
    Measure,
    Reset,
    Store,
)
from qiskit.circuit.library import UnitaryGate

from qiskit_parallel_ionq.errors import CompileError
from qiskit_parallel_ionq.gates import restored

_DEEPEST = 100
_PLAIN = (Measure, Reset, Barrier, Delay, Store, BreakLoopOp, ContinueLoopOp)
_GENERIC = (Gate, Instruction, ControlledGate)
_KNOWN_MODULES = ("qiskit.", "qiskit_ionq.", "qiskit_parallel_ionq.")
_LONGEST = 10_000
"""Turns of a loop that are written out."""


def inline(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit with users' instructions written out; the same object where there are none.

    Raises:
        CompileError: one has neither a definition nor a unitary matrix, or its own code fails.
    """
    return _inlined(circuit, f"circuit {circuit.name!r}")


def _inlined(circuit: QuantumCircuit, place: str) -> QuantumCircuit:
    if not any(_is_users(instruction) for instruction in circuit.data):
        return circuit
    flat = circuit.copy_empty_like()
    _write_out(circuit, flat, flat.qubits, flat.clbits, place, 0)
    return flat


def is_users_gate(node: Any) -> bool:
    """Return whether an instruction of a circuit, or its node in a DAG, is a gate that a user made."""
    if node.is_standard_gate() or node.is_control_flow():
        return False
    kind: type = type(getattr(node, "op", None) or node.operation)
    return _is_users_kind(kind)


def _is_users(instruction: Any) -> bool:
    if instruction.is_standard_gate():
        return False
    operation = instruction.operation
    if instruction.is_control_flow():
        if operation.name == "box" or _is_counted(operation):
            return True
        return any(_is_users(inner) for block in operation.blocks for inner in block.data)
    return _is_users_kind(type(operation))  # type: ignore[arg-type]


@lru_cache(maxsize=256)
def _is_users_kind(kind: type) -> bool:
    if not issubclass(kind, Instruction) or issubclass(kind, _PLAIN):
        return False
    if kind in _GENERIC or not kind.__module__.startswith(_KNOWN_MODULES):
        return True
    return not issubclass(kind, Gate) and not getattr(kind, "_directive", False)


def _write_out(
    source: QuantumCircuit, onto: QuantumCircuit, qubits: list[Any], clbits: list[Any], place: str, depth: int
) -> None:
    onto.global_phase += source.global_phase if depth else 0
    where = dict(zip([*source.qubits, *source.clbits], [*qubits, *clbits], strict=True))
    for position, instruction in enumerate(source.data):
        on, to = [where[q] for q in instruction.qubits], [where[c] for c in instruction.clbits]
        if not _is_users(instruction):
            onto.append(instruction.operation, on, to)
            continue
        operation = instruction.operation
        native = restored(operation)
        if native is not None:
            onto.append(native, on)
            continue
        here = f"{place}: gate {operation.name!r} at position {position}"
        if instruction.is_control_flow():
            _write_flow(operation, onto, on, to, here)
            continue
        if depth > _DEEPEST:
            raise CompileError(f"{here} is defined by itself, or more than {_DEEPEST} levels deep")
        definition = _definition(operation, here)
        if definition is None:
            onto.append(UnitaryGate(_matrix(operation, here), check_input=False), on)
            continue
        if (definition.num_qubits, definition.num_clbits) != (len(on), len(to)):
            raise CompileError(f"{here} has a definition of another size than itself")
        _write_out(definition, onto, on, to, f"{here}, in its definition", depth + 1)


def _write_flow(
    operation: Any, onto: QuantumCircuit, qubits: list[Any], clbits: list[Any], here: str
) -> None:
    if operation.name == "box":
        if getattr(operation, "annotations", None):  # Qiskit 2.0 has none
            raise CompileError(f"{here} has annotations, and nothing here can tell what they ask for")
        onto.barrier(qubits)  # the ends of a box are barriers
        onto.compose(_inlined(operation.body, f"{here}, in it"), qubits, clbits, inplace=True)
        onto.barrier(qubits)
    elif _is_counted(operation):
        indices, parameter, body = operation.params
        for turn in _turns(indices, parameter, _inlined(body, f"{here}, in it")):
            onto.compose(turn, qubits, clbits, inplace=True)
    else:
        blocks = [_inlined(block, f"{here}, in it") for block in operation.blocks]
        onto.append(operation.replace_blocks(blocks), qubits, clbits)


def turns_of(operation: Any) -> QuantumCircuit | None:
    """Return a loop written out if its own parameter is in its gates; None for anything else.

    Raises:
        CompileError: it may end early, or has too many turns.
    """
    if operation.name != "for_loop":
        return None
    indices, parameter, body = operation.params
    if parameter is None or parameter not in body.parameters:
        return None
    if not _is_counted(operation):
        raise CompileError(
            f"a for_loop of {len(indices)} turns has its own parameter {parameter.name!r} in gates, and "
            f"native gates need numbers. Only loops of up to {_LONGEST} turns, without break and continue, "
            "are written out. Write the turns out, or do without the parameter."
        )
    written = body.copy_empty_like()
    for turn in _turns(indices, parameter, body):
        written.compose(turn, inplace=True)
    return written


def _turns(indices: Any, parameter: Any, body: QuantumCircuit) -> Iterator[QuantumCircuit]:
    for index in indices:
        yield body if parameter is None else body.assign_parameters({parameter: index}, strict=False)


def _is_counted(operation: Any) -> bool:
    """Return whether an operation is a loop whose turns are known."""
    return operation.name == "for_loop" and len(operation.params[0]) <= _LONGEST and not _leaves(operation)


def _leaves(operation: Any) -> bool:
    """Return whether a loop may end early."""
    return any(
        inner.name in ("break_loop", "continue_loop")
        or (inner.is_control_flow() and _leaves(inner.operation))
        for block in operation.blocks
        for inner in block.data
    )


def _definition(operation: Instruction, here: str) -> QuantumCircuit | None:
    try:
        definition: QuantumCircuit | None = operation.definition
    except Exception as error:
        raise CompileError(f"{here} fails to give its definition: {error!r}") from error
    return definition


def _matrix(operation: Instruction, here: str) -> np.ndarray:
    opaque = f"{here} is opaque: it has neither a definition nor a matrix. Give it one, or replace it"
    if not hasattr(operation, "to_matrix") or operation.num_clbits:
        raise CompileError(opaque)
    try:
        matrix = np.asarray(operation.to_matrix(), dtype=complex)
    except Exception as error:
        raise CompileError(f"{opaque} ({error})") from error
    size = 2**operation.num_qubits
    if matrix.shape != (size, size) or not np.isfinite(matrix).all():
        raise CompileError(f"{here} has a matrix that is not {size} by {size} finite numbers")
    if not np.allclose(matrix @ matrix.conj().T, np.eye(size), atol=1e-8):
        raise CompileError(f"{here} has a matrix that is not unitary")
    return matrix
