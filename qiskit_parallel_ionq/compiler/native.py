# SPDX-License-Identifier: Apache-2.0
"""The native stage: a circuit of known gates becomes one of native gates. Needs nothing of Qiskit's transpiler."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, ControlFlowOp

from qiskit_parallel_ionq.compiler.emission import emit
from qiskit_parallel_ionq.compiler.program import Demand, Fence, Program
from qiskit_parallel_ionq.compiler.pruning import drop_unseen
from qiskit_parallel_ionq.compiler.reading import read
from qiskit_parallel_ionq.gates import Family


def to_native(
    circuit: QuantumCircuit, family: Family, level: int, *, relabelling: bool = True, body: bool = False
) -> tuple[QuantumCircuit, list[int]]:
    """Compile a bound circuit of readable gates.

    Args:
        circuit: gates that `reading` knows, fences and control flow.
        family: the two-qubit gate of the device.
        level: 0 gate by gate; 1 merging; 2 and 3 search further.
        relabelling: whether qubits may end on other wires. Off where only some pairs can interact.
        body: this is a block of a branch or loop, whose end is not the end of the circuit.

    Returns:
        The native circuit, and for each qubit the wire that it ends on.

    Raises:
        CompileError: a gate is not known, or has a parameter that is not a finite real number.
    """
    seen_through_measurement = not body and has_measurement(circuit)
    program = Program(circuit.num_qubits, merging=level > 0, relabelling=relabelling and level > 0 and not body)
    read(circuit, program, step_by_step=level == 0)
    if not seen_through_measurement:
        program.fence(Demand.FULL, tuple(range(program.width)))
    items = program.items
    if seen_through_measurement and level > 0:
        items = drop_unseen(items, program.width)
    for item in items:
        if type(item) is Fence and item.instruction is not None:
            item.instruction = _compile_blocks(item.instruction, family, level)
    return emit(items, circuit, family), list(program.wires)


def has_measurement(circuit: QuantumCircuit) -> bool:
    """Return whether anything is measured, in branches and loops too."""
    return any(
        instruction.name == "measure"
        or any(has_measurement(block) for block in getattr(instruction.operation, "blocks", ()))
        for instruction in circuit.data
        if instruction.name == "measure" or instruction.is_control_flow()
    )


def _compile_blocks(instruction: CircuitInstruction, family: Family, level: int) -> CircuitInstruction:
    if not instruction.is_control_flow() or not isinstance(instruction.operation, ControlFlowOp):
        return instruction
    blocks = [to_native(block, family, level, body=True)[0] for block in instruction.operation.blocks]
    return instruction.replace(operation=instruction.operation.replace_blocks(blocks)) if blocks else instruction
