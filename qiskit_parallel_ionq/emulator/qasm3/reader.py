# SPDX-License-Identifier: Apache-2.0
"""Reads the statements of an OpenQASM 3 program and unrolls its gates into matrices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import gates
from ..orders import MAX_GATES
from ..problems import CircuitError
from ..program import ALL_QUBITS, Branch, Gate, Measure, Program, Reset, Step
from .expressions import Expression, read_expression
from .stdgates import STANDARD
from .tokens import Cursor

RESERVED = frozenset({"input", "output", "measure"})
"""Words a register may not be called."""
UNSUPPORTED = frozenset({
    "angle", "array", "bool", "box", "break", "cal", "complex", "continue", "def", "defcal",
    "defcalgrammar", "duration", "end", "extern", "float", "for", "input", "int", "let", "output", "return",
    "stretch", "switch", "uint", "while",
})  # fmt: skip
"""Words that begin a statement the service does not take."""
MODIFIERS = ("inv", "pow", "ctrl", "negctrl")


def read_program(text: str, *, control_flow: bool) -> Program:
    """Turn OpenQASM 3 into a program.

    Args:
        text: the source.
        control_flow: take ``if``/``else``; otherwise they are refused, as IonQ documents for every target.

    Raises:
        CircuitError: CompilationError for text that is no OpenQASM 3, PreflightError for what the service
            does not take, UnsupportedGate, InvalidInput, TooManyGates; each says the line.
    """
    reader = _Reader(Cursor(text), control_flow)
    steps = tuple(reader.statements())
    if not reader.qubits:
        raise CircuitError("CompilationError", "The program declares no qubits: write 'qubit[n] q;'.")
    width = sum(map(len, reader.qubits.values()))
    registers: list[tuple[str, tuple[int | None, ...]]] = [(ALL_QUBITS, tuple(range(width)))]
    registers += [(name, tuple(width + bit for bit in bits)) for name, bits in reader.bits.items()]
    return Program(width, steps, sum(map(len, reader.bits.values())), tuple(registers))


@dataclass(frozen=True, slots=True)
class _Modifier:
    kind: str
    amount: Expression | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    """A gate call inside a definition, its operands by name."""

    gate: str
    arguments: tuple[Expression, ...]
    operands: tuple[str, ...]
    modifiers: tuple[_Modifier, ...]
    line: int


@dataclass(frozen=True, slots=True)
class _Definition:
    parameters: tuple[str, ...]
    qubits: tuple[str, ...]
    body: tuple[_Call, ...]


@dataclass(slots=True)
class _Reader:
    """The state of one reading: declarations so far, and where we are."""

    cursor: Cursor
    control_flow: bool
    qubits: dict[str, tuple[int, ...]] = field(default_factory=dict)
    bits: dict[str, tuple[int, ...]] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    definitions: dict[str, _Definition] = field(default_factory=dict)
    gates_read: int = 0

    def statements(self) -> Iterator[Step]:
        while self.cursor.now.kind != "end":
            yield from self._statement()

    def _statement(self) -> Iterator[Step]:
        cursor = self.cursor
        word = cursor.now.text
        if cursor.now.kind == "pragma":
            cursor.next()
        elif word in ("OPENQASM", "include"):
            cursor.next()
            cursor.next()
            cursor.expect(";")
        elif word in ("qubit", "qreg"):
            self._declare(self.qubits)
        elif word in ("bit", "creg"):
            self._declare(self.bits)
        elif word == "const":
            self._constant()
        elif word == "gate":
            self._definition()
        elif word in ("barrier", "delay"):
            self._skip_to_semicolon()
        elif word == "reset":
            cursor.next()
            for qubit in self._operand(self.qubits):
                yield Reset(qubit)
            cursor.expect(";")
        elif word == "measure":
            yield from self._measure_arrow()
        elif word == "if":
            yield self._branch()
        elif word in UNSUPPORTED:
            raise cursor.error(f"{word!r} is not supported", "PreflightError")
        elif word in self.bits:
            yield from self._measure_into()
        else:
            yield from self._gates()

    # ---- declarations ----

    def _declare(self, registers: dict[str, tuple[int, ...]]) -> None:
        cursor = self.cursor
        old_style = cursor.next().text in ("qreg", "creg")
        size = 1 if old_style else self._size()
        name = cursor.name()
        if name in RESERVED:
            raise cursor.error(f"{name!r} cannot name a register", "PreflightError")
        if name in self.qubits or name in self.bits:
            raise cursor.error(f"{name!r} is declared twice")
        if old_style:
            size = self._size()
        first = sum(map(len, registers.values()))
        registers[name] = tuple(range(first, first + size))
        if cursor.at("="):
            raise cursor.error("initial values are not supported", "PreflightError")
        cursor.expect(";")

    def _size(self) -> int:
        if not self.cursor.take("["):
            return 1
        size = self._index()
        if size < 1:
            raise self.cursor.error(f"a register has at least one element, not {size}")
        return size

    def _index(self) -> int:
        """The rest of ``[n]``."""
        value = self._value(read_expression(self.cursor))
        if self.cursor.at(":", ","):
            raise self.cursor.error("ranges and index lists are not supported", "PreflightError")
        self.cursor.expect("]")
        if value != int(value):
            raise self.cursor.error(f"an index must be an integer, not {value}")
        return int(value)

    def _constant(self) -> None:
        cursor = self.cursor
        cursor.next()
        cursor.name()  # the type
        if cursor.take("["):
            self._index()
        name = cursor.name()
        cursor.expect("=")
        self.constants[name] = self._value(read_expression(cursor))
        cursor.expect(";")

    def _definition(self) -> None:
        cursor = self.cursor
        cursor.next()
        name = cursor.name()
        parameters: tuple[str, ...] = ()
        if cursor.take("("):
            parameters = () if cursor.at(")") else self._names()
            cursor.expect(")")
        qubits = self._names()
        cursor.expect("{")
        body: list[_Call] = []
        while not cursor.take("}"):
            if cursor.at("barrier", "delay"):
                self._skip_to_semicolon()
                continue
            modifiers, gate, arguments = self._call_head()
            operands = () if cursor.at(";") else self._names()
            body.append(_Call(gate, arguments, operands, modifiers, cursor.now.line))
            cursor.expect(";")
        self.definitions[name] = _Definition(parameters, qubits, tuple(body))

    def _names(self) -> tuple[str, ...]:
        names = [self.cursor.name()]
        while self.cursor.take(","):
            names.append(self.cursor.name())
        return tuple(names)

    def _skip_to_semicolon(self) -> None:
        while self.cursor.now.kind != "end" and not self.cursor.take(";"):
            self.cursor.next()

    # ---- measurement and branches ----

    def _measure_into(self) -> Iterator[Step]:
        """Read ``c[0] = measure q[0];``."""
        cursor = self.cursor
        bits = self._operand(self.bits)
        cursor.expect("=")
        if not cursor.take("measure"):
            raise cursor.error("classical arithmetic is not supported", "PreflightError")
        yield from self._paired(self._operand(self.qubits), bits)

    def _measure_arrow(self) -> Iterator[Step]:
        """Read ``measure q[0] -> c[0];`` or just ``measure q[0];``."""
        cursor = self.cursor
        cursor.next()
        qubits = self._operand(self.qubits)
        bits: tuple[int | None, ...] = (None,) * len(qubits)
        if cursor.take("->"):
            bits = self._operand(self.bits)
        yield from self._paired(qubits, bits)

    def _paired(self, qubits: tuple[int, ...], bits: tuple[int | None, ...]) -> Iterator[Step]:
        if len(qubits) != len(bits):
            raise self.cursor.error(f"{len(qubits)} qubits cannot be measured into {len(bits)} bits")
        self.cursor.expect(";")
        for qubit, bit in zip(qubits, bits, strict=True):
            yield Measure(qubit, bit)

    def _branch(self) -> Branch:
        cursor = self.cursor
        if not self.control_flow:
            raise cursor.error(
                "'if' is not supported: branches run on no target, the simulator included", "PreflightError"
            )
        cursor.next()
        cursor.expect("(")
        condition = read_expression(cursor)
        cursor.expect(")")
        then = self._block()
        otherwise = self._block() if cursor.take("else") else ()
        reads: set[int] = set()

        def note(name: str, index: Any) -> int:
            reads.update(self._bits_named(name, index))
            return 0

        def holds(rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
            value = condition(lambda name, index: _word(rows, self._bits_named(name, index)))
            return np.broadcast_to(np.asarray(value, dtype=bool), len(rows))

        condition(note)
        return Branch(frozenset(reads), holds, then, otherwise)

    def _block(self) -> tuple[Step, ...]:
        if not self.cursor.take("{"):
            return tuple(self._statement())
        steps: list[Step] = []
        while not self.cursor.take("}"):
            if self.cursor.now.kind == "end":
                raise self.cursor.error("expected '}'")
            steps.extend(self._statement())
        return tuple(steps)

    def _bits_named(self, name: str, index: Any) -> tuple[int, ...]:
        """The classical bits of a register, or one of them."""
        if name not in self.bits:
            raise self.cursor.error(f"{name!r} is no classical register")
        bits = self.bits[name]
        if index is None:
            return bits
        if not 0 <= index < len(bits):
            raise self.cursor.error(f"{name} has no bit {index}")
        return bits[int(index) : int(index) + 1]

    # ---- gates ----

    def _operand(self, registers: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
        """A register, or one element of it, as indices."""
        cursor = self.cursor
        name = cursor.name()
        if name.startswith("$"):
            raise cursor.error(f"physical qubits such as {name} are not supported", "PreflightError")
        if name not in registers:
            raise cursor.error(f"{name!r} is not declared")
        elements = registers[name]
        if not cursor.take("["):
            return elements
        index = self._index()
        if not 0 <= index < len(elements):
            raise cursor.error(f"{name} has no element {index}")
        return elements[index : index + 1]

    def _call_head(self) -> tuple[tuple[_Modifier, ...], str, tuple[Expression, ...]]:
        """Modifiers, name and arguments of a gate call."""
        cursor = self.cursor
        modifiers: list[_Modifier] = []
        while cursor.at(*MODIFIERS):
            kind, amount = cursor.next().text, None
            if cursor.take("("):
                amount = read_expression(cursor)
                cursor.expect(")")
            cursor.expect("@")
            modifiers.append(_Modifier(kind, amount))
        name = cursor.name()
        arguments: list[Expression] = []
        if cursor.take("("):
            while not cursor.take(")"):
                arguments.append(read_expression(cursor))
                if not cursor.at(")"):
                    cursor.expect(",")
        return tuple(modifiers), name, tuple(arguments)

    def _gates(self) -> Iterator[Gate]:
        cursor = self.cursor
        modifiers, name, arguments = self._call_head()
        values = tuple(self._value(argument) for argument in arguments)
        operands = [] if cursor.at(";") else [self._operand(self.qubits)]
        while cursor.take(","):
            operands.append(self._operand(self.qubits))
        widest = max((len(operand) for operand in operands), default=1)
        if any(len(operand) not in (1, widest) for operand in operands):
            raise cursor.error(f"{name!r} is called on registers of different length")
        for row in range(widest):
            qubits = tuple(operand[row if len(operand) > 1 else 0] for operand in operands)
            for gate in self._modified(modifiers, name, values, qubits, self.constants):
                self.gates_read += 1
                if self.gates_read > MAX_GATES:
                    raise cursor.error(f"the program has more than {MAX_GATES} gates", "TooManyGates")
                if gate.targets:  # else a global phase
                    yield gate
        cursor.expect(";")

    def _modified(
        self,
        modifiers: Sequence[_Modifier],
        name: str,
        values: tuple[float, ...],
        qubits: tuple[int, ...],
        scope: Mapping[str, Any],
    ) -> list[Gate]:
        """The gates of a call; its leftmost modifier takes the first qubits as controls."""
        if not modifiers:
            return self._unrolled(name, values, qubits)
        first, rest = modifiers[0], modifiers[1:]
        amount = 1.0 if first.amount is None else self._value(first.amount, scope)
        if first.kind == "inv":
            return _inverse(self._modified(rest, name, values, qubits, scope))
        if first.kind == "pow":
            return self._power(self._modified(rest, name, values, qubits, scope), amount)
        count = int(amount)
        controls, inner = qubits[:count], qubits[count:]
        controlled = [
            _controlled(gate, controls) for gate in self._modified(rest, name, values, inner, scope)
        ]
        if first.kind == "negctrl":
            flips = [Gate(gates.X, (control,)) for control in controls]
            return [*flips, *controlled, *flips]
        return controlled

    def _unrolled(self, name: str, values: tuple[float, ...], qubits: tuple[int, ...]) -> list[Gate]:
        """A call without modifiers, as gates with matrices."""
        if len(set(qubits)) != len(qubits):
            raise self.cursor.error(f"{name!r} names a qubit twice", "InvalidInput")
        if name == "gphase":
            self._check_arity(name, (1, 0), values, qubits)
            return [Gate(np.exp(1j * np.array([[values[0]]])), (), (), virtual=True)]
        if name in self.definitions:
            definition = self.definitions[name]
            self._check_arity(name, (len(definition.parameters), len(definition.qubits)), values, qubits)
            scope = {**self.constants, **dict(zip(definition.parameters, values, strict=True))}
            places = dict(zip(definition.qubits, qubits, strict=True))
            return list(chain.from_iterable(self._inside(call, scope, places) for call in definition.body))
        if name not in STANDARD:
            raise self.cursor.error(f"gate {name!r} is not supported", "UnsupportedGate")
        gate = STANDARD[name]
        matrix_qubits = gate.controls + (2 if name in ("swap", "cswap") else 1)
        self._check_arity(name, (gate.parameters, matrix_qubits), values, qubits)
        targets, controls = qubits[gate.controls :], qubits[: gate.controls]
        return [Gate(gate.matrix(*values), targets, controls, gate.virtual)]

    def _inside(self, call: _Call, scope: Mapping[str, Any], places: Mapping[str, int]) -> list[Gate]:
        missing = [operand for operand in call.operands if operand not in places]
        if missing:
            raise CircuitError(
                "CompilationError", f"Line {call.line}: {missing[0]!r} is no qubit of the gate."
            )
        values = tuple(self._value(argument, scope) for argument in call.arguments)
        qubits = tuple(places[operand] for operand in call.operands)
        return self._modified(call.modifiers, call.gate, values, qubits, scope)

    def _check_arity(
        self, name: str, wanted: tuple[int, int], values: tuple[float, ...], qubits: tuple[int, ...]
    ) -> None:
        given = len(values), len(qubits)
        if given != wanted:
            takes = f"{wanted[0]} parameters and {wanted[1]} qubits"
            raise self.cursor.error(f"{name!r} takes {takes}, not {given[0]} and {given[1]}")

    def _power(self, inner: list[Gate], exponent: float) -> list[Gate]:
        if exponent == int(exponent):
            once = inner if exponent >= 0 else _inverse(inner)
            if len(once) * abs(exponent) > MAX_GATES:
                raise self.cursor.error(f"the program has more than {MAX_GATES} gates", "TooManyGates")
            return once * int(abs(exponent))
        if len(inner) != 1:
            raise self.cursor.error(
                "only a single gate can be raised to a fractional power", "PreflightError"
            )
        values, vectors = np.linalg.eig(inner[0].matrix)
        root = vectors @ np.diag(np.exp(1j * np.angle(values) * exponent)) @ np.linalg.inv(vectors)
        return [replace(inner[0], matrix=root)]

    def _value(self, expression: Expression, scope: Mapping[str, Any] | None = None) -> float:
        """The value of a constant expression."""

        def lookup(name: str, index: Any) -> Any:
            names = self.constants if scope is None else scope
            if index is not None or name not in names:
                raise self.cursor.error(f"{name!r} is no constant")
            return names[name]

        try:
            value = expression(lookup)
            if isfinite(value):
                return value  # type: ignore[no-any-return]
        except (ArithmeticError, ValueError, TypeError) as error:
            raise self.cursor.error(f"an expression has no value: {error}") from error
        raise self.cursor.error(f"an expression has the value {value}")


def _word(rows: NDArray[np.uint8], bits: tuple[int, ...]) -> NDArray[np.int64]:
    """The value of some bits in each run, first bit least significant."""
    word: NDArray[np.int64] = rows[:, list(bits)].astype(np.int64) @ (1 << np.arange(len(bits)))
    return word


def _inverse(steps: Sequence[Gate]) -> list[Gate]:
    return [replace(gate, matrix=gate.matrix.conj().T) for gate in reversed(steps)]


def _controlled(gate: Gate, controls: tuple[int, ...]) -> Gate:
    if not controls:
        return gate
    if not gate.targets:  # a global phase becomes a phase of its first control
        matrix = np.diag([1, gate.matrix[0, 0]]).astype(np.complex128)
        every = controls + gate.controls
        return Gate(matrix, every[:1], every[1:], virtual=len(every) == 1)
    return Gate(gate.matrix, gate.targets, controls + gate.controls)
