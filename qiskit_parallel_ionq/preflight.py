# SPDX-License-Identifier: Apache-2.0
"""Checks before a circuit is sent: it fits the target, it has a measurement, and it has no delay. Pure."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import Delay
from qiskit.transpiler import Target

from .compiler import is_restricted
from .errors import CircuitError

_IDLE = frozenset({"barrier", "delay"})
"""Operations that do not use their qubits: neither is sent."""
_MAY_WAIT = frozenset({"delay", "if_else", "for_loop", "while_loop", "switch_case", "box"})
"""Operations that are a delay, or may hold one."""


def measures(circuit: QuantumCircuit) -> bool:
    """Return whether a circuit has a measurement, in a block or inside a custom instruction too."""
    if "measure" in circuit.count_ops():
        return True
    for instruction in circuit.data:
        operation = instruction.operation
        if any(map(measures, getattr(operation, "blocks", ()))):
            return True
        if instruction.clbits and operation.definition is not None and measures(operation.definition):
            return True
    return False


def require_measurement(circuit: QuantumCircuit, who: str) -> None:
    """Refuse a circuit without any measurement: it has no counts, and on a QPU it costs money.

    Args:
        circuit: without custom instructions.
        who: the circuit's name in the message.

    Raises:
        CircuitError: there is no measurement.
    """
    if not measures(circuit):
        raise CircuitError(
            f"{who} has no measurement, so there is nothing to count. It was not sent; "
            "add circuit.measure_all(), or measure the qubits that you want"
        )


def refuse_delays(circuit: QuantumCircuit, who: str) -> None:
    """Refuse a circuit with a delay: IonQ's jobs have no instruction that waits.

    A delay of zero duration is no wait, and passes.

    Args:
        circuit: without custom instructions.
        who: the circuit's name in the message.

    Raises:
        CircuitError: there is a delay, and its duration is not known to be zero.
    """
    if not circuit.count_ops().keys() & _MAY_WAIT:
        return
    for position, instruction in enumerate(circuit.data):
        operation = instruction.operation
        for block in getattr(operation, "blocks", ()):
            refuse_delays(block, f"{who}, inside {operation.name!r} at position {position},")
        if isinstance(operation, Delay) and not _is_zero(operation):
            qubit = circuit.find_bit(instruction.qubits[0]).index
            raise CircuitError(
                f"{who} has a delay of {operation.duration} {operation.unit} on qubit {qubit} at position "
                f"{position}, and IonQ's jobs have no instruction that waits: without its delays this "
                "circuit is another one. It was not sent. Remove the delays if the waiting time does not "
                "matter; experiments about it (T1, T2, Ramsey) cannot run on IonQ"
            )


def _is_zero(delay: Delay) -> bool:
    try:
        return float(delay.duration) == 0.0
    except (TypeError, ValueError, RuntimeError):  # a parameter or a stretch
        return False


def fitted(circuit: QuantumCircuit, target: Target) -> QuantumCircuit:
    """Return a circuit without its idle qubits if it is too wide with them, else the same object.

    Where only some pairs of qubits can interact, a qubit's index has a meaning, and the width stays.
    """
    width = target.num_qubits
    if width is None or circuit.num_qubits <= width or is_restricted(target) or circuit.num_input_vars:
        return circuit
    used = {qubit for step in circuit.data if step.name not in _IDLE for qubit in step.qubits}
    narrow = QuantumCircuit(
        [qubit for qubit in circuit.qubits if qubit in used],
        circuit.clbits,
        *circuit.cregs,
        name=circuit.name,
        global_phase=circuit.global_phase,
        metadata=circuit.metadata,
    )
    for var in circuit.iter_declared_vars():
        narrow.add_uninitialized_var(var)
    for step in circuit.data:
        qubits = [qubit for qubit in step.qubits if qubit in used]
        if len(qubits) == len(step.qubits):
            narrow.append(step, copy=False)
        elif qubits and step.name == "barrier":
            narrow.barrier(qubits)
    return narrow
