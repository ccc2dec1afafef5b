# SPDX-License-Identifier: Apache-2.0
"""What can be said of a circuit without compiling it: does it run as it is, can it ever run."""

from __future__ import annotations

from math import isfinite

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, ParameterExpression
from qiskit.exceptions import QiskitError
from qiskit.transpiler import Target

from qiskit_parallel_ionq.compiler.reading import is_small_matrix, reader
from qiskit_parallel_ionq.errors import CircuitError, CompileError
from qiskit_parallel_ionq.gates import NATIVE_NAMES, Family

_PASSING = frozenset({"measure", "barrier", "reset", "delay", "store", "break_loop", "continue_loop"})


def is_native_target(target: Target) -> bool:
    """Return whether the target's gates are IonQ's native ones."""
    return "gpi2" in target.operation_names


def target_family(target: Target) -> Family:
    """Return the two-qubit native gate of a native target."""
    return "ms" if "ms" in target.operation_names else "zz"


def is_restricted(target: Target) -> bool:
    """Return whether only some pairs of qubits can interact."""
    return target.build_coupling_map() is not None


def why_not_isa(circuit: QuantumCircuit, target: Target) -> str | None:
    """Return what keeps the circuit from running as it is ("gate 'h' at position 3 …"), or None.

    ISA is: gates of the target's wire format with bound values in range (native phases within ±1 turn, angles
    0 to 0.25 turns) on pairs that can interact, and measure, barrier, reset, delay and control flow over such
    gates.
    """
    if target.num_qubits is not None and circuit.num_qubits > target.num_qubits:
        return f"it has {circuit.num_qubits} qubits and the target {target.num_qubits}"
    native = is_native_target(target)
    family = target_family(target) if native else None
    restricted = is_restricted(target)
    index = {qubit: i for i, qubit in enumerate(circuit.qubits)} if restricted else {}
    for position, instruction in enumerate(circuit.data):
        name = instruction.name
        if name in _PASSING:
            continue
        where = f"gate {name!r} at position {position}"
        if instruction.is_control_flow():
            for block in instruction.operation.blocks:
                reason = why_not_isa(block, target)
                if reason is not None:
                    return f"inside {where}: {reason}"
            continue
        if native:
            if (
                name not in NATIVE_NAMES
                or (name in ("ms", "zz") and name != family)
                or instruction.is_standard_gate()
            ):
                return f"{where} is not a native gate of this target"
            if not _in_range(instruction):
                return f"{where} has a value out of range or unbound: {_values(instruction)}"
        else:
            if name not in target.operation_names or not instruction.is_standard_gate():
                return f"{where} is not a gate of this target"
            if not all(_real(value) is not None for value in instruction.params):
                return f"{where} has a value that is not a real number: {_values(instruction)}"
        if restricted and len(instruction.qubits) == 2:
            pair = tuple(index[qubit] for qubit in instruction.qubits)
            if not target.instruction_supported(name, pair):
                return f"{where} acts on {pair}, a pair that cannot interact on this target"
    return None


def is_isa(circuit: QuantumCircuit, target: Target) -> bool:
    """Return whether every instruction already runs on the target as it is."""
    return why_not_isa(circuit, target) is None


def check(circuit: QuantumCircuit, target: Target) -> None:
    """Find what can never be compiled, without compiling.

    Raises:
        CircuitError: the circuit is wider than the target.
        CompileError: a gate has neither definition nor matrix, or a value that is not a finite real number.
        The
            message names circuit, gate and position.
    """
    if target.num_qubits is not None and circuit.num_qubits > target.num_qubits:
        raise CircuitError(
            f"circuit {circuit.name!r} has {circuit.num_qubits} qubits, "
            f"and the target has {target.num_qubits}."
        )
    _check_gates(circuit, f"circuit {circuit.name!r}")


def _check_gates(circuit: QuantumCircuit, where: str) -> None:
    for position, instruction in enumerate(circuit.data):
        name = instruction.name
        if name in _PASSING:
            continue
        place = f"{where}: gate {name!r} at position {position}"
        if instruction.is_control_flow():
            for block in instruction.operation.blocks:
                _check_gates(block, f"{place}, inside it")
            continue
        if reader(instruction) is not None:
            for value in () if is_small_matrix(instruction) else instruction.params:
                if _real(value) is None and not _unbound(value):
                    raise CompileError(f"{place} has the value {value}, which is not a finite real number.")
            continue
        operation = instruction.operation
        definition = getattr(operation, "definition", None)
        if definition is not None:
            _check_gates(definition, f"{place}, in its definition")
        elif not _has_matrix(operation):
            raise CompileError(
                f"{place} is opaque: it has neither a definition nor a matrix. Give it one, or replace it."
            )


def _has_matrix(operation: object) -> bool:
    try:
        return getattr(operation, "to_matrix", None) is not None and operation.to_matrix() is not None  # type: ignore[attr-defined]
    except (QiskitError, TypeError, ValueError, NotImplementedError):
        return False


def _unbound(value: object) -> bool:
    return isinstance(value, ParameterExpression) and bool(value.parameters)


def _real(value: object) -> float | None:
    """Return a bound, finite, real value, else None."""
    if type(value) is float:  # nearly always
        return value if isfinite(value) else None
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError, QiskitError):
        return None
    return number if isfinite(number) else None


def _in_range(instruction: CircuitInstruction) -> bool:
    values = [_real(value) for value in instruction.params]
    if instruction.name in ("ms", "zz"):
        angle = values.pop()
        if angle is None or not 0.0 <= angle <= 0.25:
            return False
    return all(value is not None and -1.0 <= value <= 1.0 for value in values)


def _values(instruction: CircuitInstruction) -> str:
    return ", ".join(str(value) for value in instruction.params)
