# SPDX-License-Identifier: Apache-2.0
"""Circuits that measure and go on: telling them apart, and writing them over OpenQASM 3's standard gates."""

from __future__ import annotations

from enum import Enum

from qiskit import QuantumCircuit
from qiskit.circuit.equivalence_library import SessionEquivalenceLibrary
from qiskit.exceptions import QiskitError
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import BasisTranslator, HighLevelSynthesis, UnitarySynthesis

from qiskit_parallel_ionq.compiler.unrolling import UnrollNative
from qiskit_parallel_ionq.errors import CompileError

STDGATES = (
    "p", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "rx", "ry", "rz", "id", "u",
    "cx", "cy", "cz", "ch", "cp", "crx", "cry", "crz", "cu", "swap", "ccx", "cswap",
)  # fmt: skip
"""Gates of ``stdgates.inc`` (OpenQASM 3) and the built-in ``U``, by their names in Qiskit."""

_PASSING = frozenset({"measure", "reset", "barrier", "delay", "store", "break_loop", "continue_loop"})
_BASIS = [*STDGATES, *sorted(_PASSING), "if_else", "for_loop", "while_loop", "switch_case"]


class _Stage(Enum):
    """How far a qubit of a static circuit has come."""

    FRESH = 0  # nothing but resets so far
    TURNED = 1  # a gate has acted
    MEASURED = 2  # only further measurements or a reset may follow
    DISCARDED = 3  # reset after use: nothing may follow


_FRESH, _TURNED, _MEASURED, _DISCARDED = _Stage  # which takes its time to look one up


def is_dynamic(circuit: QuantumCircuit) -> bool:
    """Return whether the circuit needs more than "gates, then measure".

    That is control flow, a gate on a qubit after its measurement, or a reset whose qubit is used before and
    after. Measuring a qubit twice, barriers, delays, a reset before any gate and a reset after everything
    else are harmless.
    """
    stages = dict.fromkeys(circuit.qubits, _FRESH)
    for instruction in circuit.data:
        name = instruction.name
        if name in ("barrier", "delay"):
            continue
        if name == "store" or instruction.is_control_flow():
            return True
        for qubit in instruction.qubits:
            stage = stages[qubit]
            if name == "reset":
                if stage is not _FRESH:
                    stages[qubit] = _DISCARDED
            elif stage is _DISCARDED:
                return True
            elif name == "measure":
                stages[qubit] = _MEASURED
            elif stage is _MEASURED:
                return True
            else:
                stages[qubit] = _TURNED
    return False


def lower_dynamic(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the same circuit over gates of ``stdgates.inc``, so that it exports without gate definitions.

    Native gates are allowed in it; control-flow bodies are rewritten too. Measurements, classical registers
    and the order of everything stay.

    Raises:
        CompileError: a gate has neither a definition nor a matrix.
    """
    if _is_lowered(circuit):
        return circuit
    try:
        lowered = _lowering().run(circuit)
    except QiskitError as error:
        raise CompileError(
            f"circuit {circuit.name!r} cannot be written over OpenQASM 3's standard gates: {error}"
        ) from error
    lowered.name = circuit.name
    return lowered


def _is_lowered(circuit: QuantumCircuit) -> bool:
    for instruction in circuit.data:
        if instruction.is_control_flow():
            if not all(_is_lowered(block) for block in instruction.operation.blocks):
                return False
        elif instruction.name not in _PASSING and not (
            instruction.name in STDGATES and instruction.is_standard_gate()
        ):
            return False
    return True


def _lowering() -> PassManager:
    return PassManager(
        [
            UnrollNative(),
            UnitarySynthesis(basis_gates=_BASIS),
            HighLevelSynthesis(
                basis_gates=_BASIS,
                equivalence_library=SessionEquivalenceLibrary,
                qubits_initially_zero=False,
            ),
            BasisTranslator(SessionEquivalenceLibrary, _BASIS),
        ]
    )
