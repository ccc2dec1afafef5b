# SPDX-License-Identifier: Apache-2.0
"""What circuits have in common: their gates and bits, with the numbers or without."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from qiskit import QuantumCircuit

from .compiler import FENCES, READABLE, numbers

_PLAIN = frozenset({"measure", "barrier", "reset", "delay"})


class Structure:
    """A circuit that equals every other one of the same key, whatever its name. Made by `of` or `lifted`."""

    def __init__(self, circuit: QuantumCircuit, key: Hashable) -> None:
        self.circuit = circuit
        self._key = key
        self._hash = hash(key)

    @classmethod
    def of(cls, circuit: QuantumCircuit) -> Structure:
        """Return what a circuit is, numbers and parameters included."""
        qubits, clbits = _places(circuit)
        gates = [
            (
                _kind_of(instruction),
                tuple([qubits[bit] for bit in instruction.qubits]),
                tuple([clbits[bit] for bit in instruction.clbits]),
                tuple(map(_hashable, instruction.params)),
            )
            for instruction in circuit.data
        ]
        return cls(circuit, (len(qubits), len(clbits), tuple(gates)))

    @classmethod
    def lifted(cls, circuit: QuantumCircuit) -> tuple[Structure, list[float]] | None:
        """Return what a bound circuit is but for its numbers, and those in the order of its gates.

        None if it is no circuit of standard gates that the compiler reads, or has none.
        """
        qubits, clbits = _places(circuit)
        key: list[Hashable] = [len(qubits), len(clbits)]
        values: list[float] = []
        is_empty = True
        for instruction in circuit.data:
            name = instruction.name
            if name not in FENCES:
                if name not in READABLE or not instruction.is_standard_gate():
                    return None
                is_empty = False
                if instruction.params:
                    found = numbers(instruction.params)
                    if found is None:
                        return None
                    values += found
            key.append((name, *[qubits[bit] for bit in instruction.qubits]))
            if instruction.clbits:
                key += [clbits[bit] for bit in instruction.clbits]
        return None if is_empty else (cls(circuit, tuple(key)), values)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and self._key == other._key


def _places(circuit: QuantumCircuit) -> tuple[dict[Any, int], dict[Any, int]]:
    return (
        {bit: index for index, bit in enumerate(circuit.qubits)},
        {bit: index for index, bit in enumerate(circuit.clbits)},
    )


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
