# SPDX-License-Identifier: Apache-2.0
"""Circuits that have passed every check and wait to be compiled and encoded, each when its turn comes.

A circuit with parameters is a template: what does not depend on their values is done once for each target and
level, and kept for later runs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from . import compiler
from .encode import EncodedCircuit, Kind, encode_circuit, encode_pulses, experiment_header
from .errors import CircuitError
from .gates import NATIVE_NAMES


@dataclass(frozen=True, slots=True)
class Draft:
    """One circuit, ready to be encoded."""

    name: str
    num_clbits: int
    encode: Callable[[], EncodedCircuit]
    """Compiles and encodes; raises errors of this package, or of Qiskit's compiler."""


def draft(circuit: QuantumCircuit, kind: Kind, target: Target, level: int | None) -> Draft:
    """Return the draft of a bound circuit.

    Args:
        circuit: checked; without instructions of the user's own.
        kind: the language to send it in.
        target: where it is to run.
        level: how it is compiled if it is not native; None: it is.
    """
    return Draft(circuit.name, circuit.num_clbits, partial(_encode, circuit, kind, target, level or 0))


def unfit(name: str, error: CircuitError) -> Draft:
    """Return the draft of a circuit that cannot be run, whose failure shall cost no other its turn."""
    return Draft(name, 0, partial(_refuse, error))


def _refuse(error: CircuitError) -> EncodedCircuit:
    raise error


def _encode(circuit: QuantumCircuit, kind: Kind, target: Target, level: int) -> EncodedCircuit:
    if kind == "qasm3":
        return encode_circuit(compiler.lower_dynamic(circuit), kind=kind)
    if not compiler.is_isa(circuit, target):
        circuit = compiler.compile_circuit(circuit, target, level)
    return encode_circuit(circuit, kind=kind, renumber=target.build_coupling_map() is None)


def drafts(
    circuit: QuantumCircuit, kind: Kind, target: Target, level: int | None, values: npt.NDArray[np.float64]
) -> list[Draft]:
    """Return one draft for each set of values of a circuit's parameters.

    Args:
        circuit: checked, but for its parameters; without instructions of the user's own.
        kind: the language to send it in.
        target: where it is to run.
        level: how it is compiled if it is not native; None: it is.
        values: of shape (sets, parameters), in the order of ``circuit.parameters``.

    Raises:
        CircuitError: a value is not finite, or a gate has no finite parameter for it.
        CompileError: the circuit cannot be compiled.
    """
    require_finite(circuit, values)
    if not circuit.num_parameters:
        return [draft(circuit, kind, target, level)] * len(values)
    if kind == "qasm3" or level is None or _is_partly_native(circuit):
        bound = [circuit.assign_parameters(row) for row in values]
        return [draft(each, kind, target, level) for each in bound]
    template = _template(Structure(circuit), target, level)
    try:
        rows = template.rows(values)
    except CircuitError as error:
        raise CircuitError(f"circuit {circuit.name!r}: {error}") from error
    header = experiment_header(_without_phase(circuit))
    return [Draft(circuit.name, circuit.num_clbits, partial(template.encode, row, header)) for row in rows]


def require_finite(circuit: QuantumCircuit, values: npt.NDArray[np.float64]) -> None:
    """Refuse values that no gate can have.

    Raises:
        CircuitError: names the circuit, the set of values and the parameter.
    """
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        index, place = bad[0]
        name = circuit.parameters[int(place)].name
        raise CircuitError(
            f"circuit {circuit.name!r}: set {index} of the values gives {name} the value "
            f"{values[index, place]}, which is not finite"
        )


def _is_partly_native(circuit: QuantumCircuit) -> bool:
    """Return whether the user wrote native gates, which are sent as they are if all are."""
    return any(i.name in NATIVE_NAMES and not i.is_standard_gate() for i in circuit.data)


def _without_phase(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return an empty copy whose global phase, which nobody can measure, has no parameters."""
    copy = circuit.copy_empty_like()
    copy.global_phase = 0
    return copy


# ── templates ──


class Structure:
    """A circuit that equals every other circuit of the same gates on the same bits, whatever their names."""

    def __init__(self, circuit: QuantumCircuit) -> None:
        self.circuit = circuit
        qubits = {bit: index for index, bit in enumerate(circuit.qubits)}
        clbits = {bit: index for index, bit in enumerate(circuit.clbits)}
        self._key = (
            len(qubits),
            len(clbits),
            tuple(
                [
                    (
                        _kind_of(instruction),
                        tuple([qubits[bit] for bit in instruction.qubits]),
                        tuple([clbits[bit] for bit in instruction.clbits]),
                        tuple(map(_hashable, instruction.params)),
                    )
                    for instruction in circuit.data
                ]
            ),
        )
        self._hash = hash(self._key)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and self._key == other._key


_PLAIN = frozenset({"measure", "barrier", "reset", "delay"})


def _kind_of(instruction: Any) -> Hashable:
    if instruction.is_standard_gate() or instruction.name in _PLAIN:
        return instruction.name  # type: ignore[no-any-return]
    return _Same(instruction.operation)


@dataclass(frozen=True, slots=True, eq=False)
class _Same:
    """An operation that equals only itself; kept, so that no other can take its place in memory."""

    operation: Any

    def __hash__(self) -> int:
        return id(self.operation)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.operation is other.operation


def _hashable(parameter: Any) -> Hashable:
    try:
        hash(parameter)
    except TypeError:
        array = np.asarray(parameter)
        return array.shape, array.dtype.str, array.tobytes()
    return parameter  # type: ignore[no-any-return]


class _NativeTemplate:
    """A circuit that is compiled here, as far as it can be without values."""

    def __init__(self, circuit: QuantumCircuit, target: Target, level: int) -> None:
        self._native = compiler.native_template(circuit, target, level)
        self._clbits = {bit: index for index, bit in enumerate(circuit.clbits)}
        self._renumber = target.build_coupling_map() is None
        self._width = circuit.num_qubits if self._renumber else target.num_qubits
        self.rows = self._native.rows

    def encode(self, row: compiler.Row, header: dict[str, Any]) -> EncodedCircuit:
        return encode_pulses(
            self._native.pulses(row),
            header=header,
            clbits=self._clbits,
            num_qubits=self._width,
            renumber=self._renumber,
        )


class _TranslatedTemplate:
    """A circuit that the service compiles, translated to gates that it knows."""

    def __init__(self, circuit: QuantumCircuit, target: Target, level: int) -> None:
        self._circuit = compiler.pass_manager(target, level).run(circuit)
        self._renumber = target.build_coupling_map() is None
        self._parameters = list(circuit.parameters)

    def rows(self, values: npt.NDArray[np.float64]) -> list[compiler.Row]:
        return values.tolist()  # type: ignore[no-any-return]

    def encode(self, row: compiler.Row, header: dict[str, Any]) -> EncodedCircuit:
        values = dict(zip(self._parameters, row, strict=True))
        bound = self._circuit.assign_parameters(values, strict=False)
        encoded = encode_circuit(bound, kind="qis", renumber=self._renumber)
        return replace(encoded, name=header["name"], header=header)


@lru_cache(maxsize=64)
def _template(structure: Structure, target: Target, level: int) -> _NativeTemplate | _TranslatedTemplate:
    """Return the template of a structure; the last ones that were used are kept."""
    circuit = structure.circuit
    if compiler.is_native_target(target):
        return _NativeTemplate(circuit, target, level)
    return _TranslatedTemplate(circuit, target, level)
