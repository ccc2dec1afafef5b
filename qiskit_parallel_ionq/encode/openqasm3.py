# SPDX-License-Identifier: Apache-2.0
"""Circuits as OpenQASM 3, with one quantum and one classical register."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm3
from qiskit.circuit import Bit, Clbit, ForLoopOp, IfElseOp, Parameter, SwitchCaseOp, WhileLoopOp
from qiskit.circuit.classical import expr, types

from ..errors import EncodeError
from .conditions import bit_by_bit, equals, uses_register
from .encoded import UNSENT, Readout, refusal

_QUBITS, _CLBITS = "q", "c"  # the service reserves neither word


class _Unsayable(Exception):  # noqa: N818 - it never leaves this module
    """A condition on a register that cannot be written with its bits."""


def openqasm3(circuit: QuantumCircuit, renumber: bool) -> tuple[bytes, int, Readout]:
    """Return the source as a JSON string, its number of operations, and the way back from outcomes.

    All classical bits are in one register, so that joint outcomes of several registers survive.
    """
    if circuit.num_input_vars:
        raise EncodeError(f"circuit {circuit.name!r} has input variables, which have no value")
    for position, instruction in enumerate(circuit.data):
        _check_numbers(circuit, position, instruction.operation)

    sent = [instruction for instruction in circuit.data if instruction.name not in UNSENT]
    touched = {qubit for instruction in sent for qubit in instruction.qubits}
    used = [qubit for qubit in circuit.qubits if qubit in touched or not renumber] or circuit.qubits[:1]
    clbits = [ClassicalRegister(circuit.num_clbits, _CLBITS)] if circuit.clbits else []
    flat = QuantumCircuit(QuantumRegister(len(used) or 1, _QUBITS), *clbits)
    for var in circuit.iter_declared_vars():
        flat.add_uninitialized_var(var)
    places = dict(zip(used, flat.qubits, strict=False)) | dict(zip(circuit.clbits, flat.clbits, strict=True))
    is_whole = len(circuit.cregs) == 1 and list(circuit.cregs[0]) == circuit.clbits
    mover = _Mover({circuit.cregs[0].name: clbits[0]} if is_whole else {})
    try:
        mover.copy(sent, flat, places)
    except _Unsayable:
        raise EncodeError(
            f"circuit {circuit.name!r} uses a whole classical register in a way that cannot be written bit "
            "by bit, such as arithmetic or a switch. Use comparisons, bitwise operations or single bits."
        ) from None
    try:
        source = qasm3.Exporter(disable_constants=True).dumps(flat)  # plain numbers, not the nearest π/n
    except qasm3.QASM3ExporterError as error:
        raise EncodeError(f"circuit {circuit.name!r} has no form in OpenQASM 3: {error.message}") from error

    sources, final = _final_sources(circuit, {qubit: wire for wire, qubit in enumerate(used)})
    labels = tuple((_CLBITS, k) for k in range(circuit.num_clbits))
    readout = Readout(sources, flat.num_qubits, labels=labels, final=final)
    return json.dumps(source).encode(), len(flat.data), readout


def _check_numbers(
    circuit: QuantumCircuit, position: int, operation: Any, bound: frozenset[Any] = frozenset()
) -> None:
    """Refuse unbound and non-finite parameters, in blocks too; a loop's own variable is bound."""
    blocks = getattr(operation, "blocks", None)
    if blocks is not None:
        if operation.name == "for_loop":
            bound |= {operation.params[1]}
        for block in blocks:
            for instruction in block.data:
                _check_numbers(circuit, position, instruction.operation, bound)
        return
    for param in operation.params:
        if set(getattr(param, "parameters", ())) - bound:
            raise refusal(circuit, position, f"has unbound parameters in {operation.params}; bind them")
        if isinstance(param, int | float) and not math.isfinite(param):
            raise refusal(circuit, position, f"has parameters {operation.params} that are not all finite")


class _Mover:
    """Copies operations onto other bits, blocks and conditions included.

    Args:
        registers: registers that stay whole, by name, and what they become.
    """

    def __init__(self, registers: Mapping[str, ClassicalRegister]) -> None:
        self._registers = registers

    def copy(self, data: Iterable[Any], onto: QuantumCircuit, places: Mapping[Bit, Bit]) -> None:
        """Append what is sent of ``data`` to a circuit whose bits are those that ``places`` leads to."""
        for instruction in data:
            if instruction.name in UNSENT:
                continue
            qubits = [places[qubit] for qubit in instruction.qubits]
            clbits = [places[clbit] for clbit in instruction.clbits]
            operation = instruction.operation
            if getattr(operation, "blocks", None) is not None:
                operation = self._control_flow(operation, qubits, clbits, places)
            elif operation.name == "store":
                operation = type(operation)(
                    self._expression(operation.lvalue, places), self._expression(operation.rvalue, places)
                )
            onto.append(operation, qubits, clbits)

    def _control_flow(
        self, operation: Any, qubits: Sequence[Bit], clbits: Sequence[Bit], places: Mapping[Bit, Bit]
    ) -> Any:
        blocks = [self._block(block, qubits, clbits) for block in operation.blocks]
        if isinstance(operation, IfElseOp | WhileLoopOp):
            return type(operation)(
                self._condition(operation.condition, places), *blocks, label=operation.label
            )
        if isinstance(operation, SwitchCaseOp):
            target = operation.target
            moved = self._expression(expr.lift(target), places)
            cases = [labels for labels, _ in operation.cases_specifier()]
            plain = getattr(moved, "var", moved) if not isinstance(target, expr.Expr) else moved
            return SwitchCaseOp(plain, zip(cases, blocks, strict=True), label=operation.label)
        if isinstance(operation, ForLoopOp):
            indices, parameter, _ = operation.params
            return ForLoopOp(indices, *_renamed(parameter, blocks[0]), label=operation.label)
        return operation.replace_blocks(blocks)

    def _block(self, block: QuantumCircuit, qubits: Sequence[Bit], clbits: Sequence[Bit]) -> QuantumCircuit:
        copy = QuantumCircuit(list(qubits), list(clbits), captures=list(block.iter_captured_vars()))
        for register in self._registers.values():
            if set(register) <= set(clbits):
                copy.add_register(register)
        for var in block.iter_declared_vars():
            copy.add_uninitialized_var(var)
        inner = dict(zip(block.qubits, qubits, strict=True)) | dict(zip(block.clbits, clbits, strict=True))
        self.copy(block.data, copy, inner)
        return copy

    def _condition(self, condition: Any, places: Mapping[Bit, Bit]) -> Any:
        if not isinstance(condition, tuple):
            return self._expression(condition, places)
        left, value = condition
        if isinstance(left, Clbit):
            return places[left], value
        if left.name in self._registers:
            return self._registers[left.name], value
        return self._expression(equals(left, value), places)

    def _expression(self, node: Any, places: Mapping[Bit, Bit]) -> Any:
        """Return an expression over the bits that ``places`` leads to."""
        if _computes(node) and not self._is_whole(node):
            said = bit_by_bit(node)
            if said is None:
                raise _Unsayable
            return self._expression(said, places)
        if isinstance(node, expr.Var):
            if node.standalone:
                return node
            if isinstance(node.var, Clbit):
                return expr.Var(places[node.var], node.type)
            if node.var.name in self._registers:
                return expr.Var(self._registers[node.var.name], node.type)
            raise _Unsayable
        if isinstance(node, expr.Unary):
            return expr.Unary(node.op, self._expression(node.operand, places), node.type)
        if isinstance(node, expr.Cast):
            return expr.Cast(self._expression(node.operand, places), node.type, implicit=node.implicit)
        if isinstance(node, expr.Index):
            return expr.Index(
                self._expression(node.target, places), self._expression(node.index, places), node.type
            )
        if isinstance(node, expr.Binary):
            left, right = self._expression(node.left, places), self._expression(node.right, places)
            return expr.Binary(node.op, left, right, node.type)
        return node

    def _is_whole(self, node: Any) -> bool:
        """Return whether an expression compares a register that stays whole with a number for equality."""
        if not isinstance(node, expr.Binary) or not isinstance(node.right, expr.Value):
            return False
        register = getattr(node.left, "var", None)
        is_known = isinstance(register, ClassicalRegister) and register.name in self._registers
        return is_known and node.op in (expr.Binary.Op.EQUAL, expr.Binary.Op.NOT_EQUAL)


def _renamed(parameter: Any, body: QuantumCircuit) -> tuple[Any, QuantumCircuit]:
    """Return a loop's variable and body, under a name that is not one of our registers'."""
    if parameter is None or parameter.name not in (_QUBITS, _CLBITS):
        return parameter, body
    taken = {name.name for name in body.parameters}
    other = Parameter(next(n for k in count() if (n := f"{parameter.name}_{k}") not in taken))
    return other, body.assign_parameters({parameter: other}) if parameter in body.parameters else body


def _computes(node: Any) -> bool:
    """Return whether a condition is true or false by what whole registers hold as integers."""
    if not isinstance(node.type, types.Bool) or not uses_register(node):
        return False
    operands = [getattr(node, name, None) for name in ("left", "operand", "target")]
    return any(isinstance(getattr(operand, "type", None), types.Uint) for operand in operands)


def _final_sources(
    circuit: QuantumCircuit, wire_of: Mapping[Any, int]
) -> tuple[tuple[int | None, ...], bool]:
    """Return which qubit still shows each classical bit, and whether each written bit has one."""
    clbit_index = {clbit: index for index, clbit in enumerate(circuit.clbits)}
    sources: list[int | None] = [None] * len(clbit_index)
    lost: set[int] = set()
    for instruction in circuit.data:
        if instruction.name in UNSENT:
            continue
        if instruction.name == "store":  # may write any bit, and does not say which
            return (None,) * len(sources), False
        wires = {wire_of[qubit] for qubit in instruction.qubits}
        bits = {clbit_index[clbit] for clbit in instruction.clbits}
        if instruction.name == "measure":
            lost -= bits
            for bit in bits:
                (sources[bit],) = wires
            continue
        lost |= bits | {bit for bit, wire in enumerate(sources) if wire in wires}
        for bit in lost:
            sources[bit] = None
    return tuple(sources), not lost
