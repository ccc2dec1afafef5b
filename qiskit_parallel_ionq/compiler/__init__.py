# SPDX-License-Identifier: Apache-2.0
"""From any Qiskit circuit to IonQ's native gates, with as few interactions and pulses as we know how.

`compile_circuit` is what ``backend.run`` uses; `pass_manager` is what ``transpile`` does, cached. How it
works is in ``docs/compiler.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.transpiler import (
    Layout,
    PassManager,
    StagedPassManager,
    Target,
    TranspileLayout,
    generate_preset_pass_manager,
)

from qiskit_parallel_ionq.compiler.checking import (
    check,
    is_isa,
    is_native_target,
    is_restricted,
    target_family,
    why_not_isa,
)
from qiskit_parallel_ionq.compiler.dynamic import is_dynamic, lower_dynamic
from qiskit_parallel_ionq.compiler.emission import Pulse
from qiskit_parallel_ionq.compiler.inlining import inline
from qiskit_parallel_ionq.compiler.native import Reading, to_native, understand
from qiskit_parallel_ionq.compiler.plugin import RememberParameters, scheduling
from qiskit_parallel_ionq.compiler.reading import FENCES, READABLE, numbers
from qiskit_parallel_ionq.compiler.unbound import NativeTemplate, Sheet, Table
from qiskit_parallel_ionq.compiler.unrolling import unroll
from qiskit_parallel_ionq.errors import CompileError


def compile_circuit(circuit: QuantumCircuit, target: Target, level: int = 1) -> QuantumCircuit:
    """Compile a bound circuit for a target built by `qiskit_parallel_ionq.target.build_target`.

    Measured circuits keep the distribution of what is measured; others keep their unitary up to a global
    phase, and up to the permutation that ``circuit.layout`` reports.

    Args:
        circuit: any gates with a definition or a matrix, native gates among them.
        target: where it is to run.
        level: 0 gate by gate, 1 fast, 2 and 3 search for fewer interactions.

    Raises:
        CircuitError: the circuit is wider than the target.
        CompileError: there is no way; the message names circuit, gate and position.
    """
    with _explained(circuit, target):
        if not is_native_target(target) or is_restricted(target):
            return pass_manager(target, level, final=True).run(circuit)
        native, wires = to_native(unroll(circuit), target_family(target), level)
    if wires != list(range(len(wires))):
        _report(native, circuit, wires)
    return native


def read_circuit(circuit: QuantumCircuit, target: Target, level: int = 1) -> Reading:
    """Do the first half of `compile_circuit`; the other half is ``pulses()`` of what this returns.

    Args:
        circuit: as for `compile_circuit`, measured at its end.
        target: where it is to run, with native gates, and any two qubits can interact.
        level: as for `compile_circuit`.

    Raises:
        CircuitError: the circuit is wider than the target.
        CompileError: there is no way; the message names circuit, gate and position.
    """
    with _explained(circuit, target):
        return understand(unroll(circuit), target_family(target), level)


@contextmanager
def _explained(circuit: QuantumCircuit, target: Target) -> Iterator[None]:
    """Say what is wrong with a circuit that cannot be compiled."""
    if target.num_qubits is not None and circuit.num_qubits > target.num_qubits:
        check(circuit, target)
    try:
        yield
    except CompileError:
        raise
    except QiskitError as error:
        check(circuit, target)
        raise CompileError(f"circuit {circuit.name!r} cannot be compiled: {error}") from error


def _report(native: QuantumCircuit, circuit: QuantumCircuit, wires: list[int]) -> None:
    """Let the layout say where each qubit ended, after whatever it said before."""
    moves = {qubit: wires[i] for i, qubit in enumerate(native.qubits)}
    old = circuit.layout
    if old is None:
        index = {qubit: i for i, qubit in enumerate(native.qubits)}
        layout = TranspileLayout(Layout(index), index, Layout(moves), len(index), native.qubits)
    else:
        before = old.final_layout
        final = {
            qubit: wires[i if before is None else before[qubit]] for i, qubit in enumerate(native.qubits)
        }
        layout = TranspileLayout(
            old.initial_layout,
            old.input_qubit_mapping,
            Layout(final),
            len(old.input_qubit_mapping),
            native.qubits,
        )
    native._layout = layout  # noqa: SLF001  -- Qiskit has no public way to set it


def native_template(circuit: QuantumCircuit, target: Target, level: int = 1) -> NativeTemplate:
    """Compile a circuit with free parameters as far as can be without their values.

    Args:
        circuit: gates as for `compile_circuit`; measured at its end.
        target: where it is to run, with native gates.
        level: as for `compile_circuit`. What levels 2 and 3 search for is found once, and holds for all
            values.

    Raises:
        CircuitError: the circuit is wider than the target.
        CompileError: there is no way; the message names circuit, gate and position.
    """
    check(circuit, target)
    try:
        readable = pass_manager(target, level).run(circuit) if is_restricted(target) else unroll(circuit)
        return NativeTemplate(
            readable,
            list(circuit.parameters),
            target_family(target),
            level,
            relabelling=not is_restricted(target),
        )
    except CompileError:
        raise
    except QiskitError as error:
        raise CompileError(f"circuit {circuit.name!r} cannot be compiled: {error}") from error


def lifted_template(circuit: QuantumCircuit, target: Target, level: int = 1) -> NativeTemplate:
    """Compile a bound circuit as far as can be without its numbers, so that others take their place.

    Args:
        circuit: of standard gates that the compiler reads.
        target: where it is to run, with native gates, and any two qubits can interact.
        level: 0 or 1, as for `compile_circuit`.
    """
    return NativeTemplate(circuit, None, target_family(target), level, relabelling=True)


@lru_cache(maxsize=64)
def pass_manager(target: Target, level: int = 2, *, final: bool = False) -> StagedPassManager:
    """Return what ``transpile`` would run for this target and level, built once.

    One thing ``transpile`` cannot do: no parameter vanishes, so arrays of values made for the original
    circuit fit.

    Args:
        target: where circuits are to run.
        level: optimization level, 0 to 3.
        final: whether nothing will be added to the compiled circuits, so that what no measurement sees may
            go.

    Raises:
        ValueError: the level is not 0, 1, 2 or 3.
    """
    manager = generate_preset_pass_manager(
        level,
        target=target,
        translation_method="ionq_native",
        scheduling_method="ionq_native",
        qubits_initially_zero=False,
    )
    if final:
        manager.scheduling = scheduling(target, level, final=True)
    first = PassManager(RememberParameters())
    manager.pre_init = first if manager.pre_init is None else first + manager.pre_init
    return manager


__all__ = [
    "FENCES",
    "READABLE",
    "NativeTemplate",
    "Pulse",
    "Reading",
    "Sheet",
    "Table",
    "check",
    "compile_circuit",
    "inline",
    "is_dynamic",
    "is_isa",
    "is_native_target",
    "is_restricted",
    "lifted_template",
    "lower_dynamic",
    "native_template",
    "numbers",
    "pass_manager",
    "read_circuit",
    "why_not_isa",
]
