# SPDX-License-Identifier: Apache-2.0
"""Observables as sums of terms, each a letter per qubit; which of them are measured together, and read how.

A term's label is in Qiskit's order, qubit 0 last: ``I``, ``X``, ``Y``, ``Z``, and the projectors ``0 1`` (of
Z), ``+ -`` (of X), ``r l`` (of Y).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.quantum_info import PauliList

from ..decode import Outcome
from ..gates import NATIVE_NAMES, GPI2Gate

_AXES = {"Z": "Z", "0": "Z", "1": "Z", "X": "X", "+": "X", "-": "X", "Y": "Y", "r": "Y", "l": "Y"}
_SIGNED = frozenset("XYZ")
_EXCITED = frozenset("1-l")
_PULSES = {"X": -0.25, "Y": 0.0}
"""Phase in turns of the GPI2 that brings an axis to z."""

_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Basis:
    """The axis along which each qubit is measured; qubits that are not measured have none."""

    axes: tuple[tuple[int, str], ...]
    """(qubit, "X", "Y" or "Z"), by ascending qubit; the place of a qubit here is that of its bit."""

    def measure(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Return the circuit measured in this basis, on bits that come after its own.

        A circuit of native gates stays one.
        """
        measured = circuit.copy()
        measured.metadata = {}
        name = "observed"
        while any(register.name == name for register in circuit.cregs):
            name += "_"
        bits = ClassicalRegister(len(self.axes), name)
        measured.add_register(bits)
        is_native = any(i.name in NATIVE_NAMES and not i.is_standard_gate() for i in circuit.data)
        for bit, (qubit, axis) in zip(bits, self.axes, strict=True):
            if is_native and axis in _PULSES:
                measured.append(GPI2Gate(_PULSES[axis]), [qubit])
            elif axis == "X":
                measured.h(qubit)
            elif axis == "Y":
                measured.sx(qubit)  # a quarter turn about x brings y to z
            measured.measure(qubit, bit)
        return measured


def bases(labels: Iterable[str]) -> Mapping[Basis, tuple[str, ...]]:
    """Return the few bases in which all terms can be measured, each with its terms.

    Terms that agree on every qubit where both have a letter can share a basis. Each goes to the first that
    has room; of two orders, the heaviest first and Qiskit's groups one after the other, the one with fewer
    bases is taken. The identity needs none.

    >>> for basis, terms in bases(["ZZ", "IZ", "XX", "II"]).items():
    ...     print(basis.axes, terms)
    ((0, 'X'), (1, 'X')) ('XX',)
    ((0, 'Z'), (1, 'Z')) ('ZZ', 'IZ')
    """
    return _bases(frozenset(labels))


@lru_cache(maxsize=256)
def _bases(labels: frozenset[str]) -> Mapping[Basis, tuple[str, ...]]:
    axes = {label: _axes(label) for label in labels if not is_constant(label)}
    heaviest = sorted(axes, key=lambda label: (-len(axes[label]), label))
    if not heaviest:
        return {}
    alike: dict[str, list[str]] = {}
    for label in heaviest:
        alike.setdefault("".join([_AXES.get(letter, "I") for letter in label]), []).append(label)
    groups = PauliList(list(alike)).group_commuting(qubit_wise=True)
    grouped = [label for group in groups for pauli in group.to_labels() for label in alike[pauli]]
    found = min(_first_fit(heaviest, axes), _first_fit(grouped, axes), key=len)
    return {Basis(tuple(sorted(taken.items()))): tuple(terms) for taken, terms in found}


def _first_fit(
    order: Iterable[str], axes: Mapping[str, dict[int, str]]
) -> list[tuple[dict[int, str], list[str]]]:
    found: list[tuple[dict[int, str], list[str]]] = []
    for label in order:
        wanted = axes[label]
        for taken, terms in found:
            if all(taken.get(qubit, axis) == axis for qubit, axis in wanted.items()):
                taken.update(wanted)
                terms.append(label)
                break
        else:
            found.append((dict(wanted), [label]))
    return found


def is_constant(label: str) -> bool:
    """Return whether a term is the identity."""
    return not _axes(label)


def _axes(label: str) -> dict[int, str]:
    return {qubit: _AXES[letter] for qubit, letter in enumerate(reversed(label)) if letter != "I"}


@dataclass(frozen=True, slots=True)
class Reading:
    """Part of an observable, as a function of what is measured in one basis: signs under conditions."""

    signs: tuple[int, ...]
    """For each term, the bits whose parity is its sign."""
    conditions: tuple[tuple[int, int], ...]
    """For each term, bits that have to have a value, and the value."""
    coefficients: tuple[float, ...]

    @classmethod
    def of(cls, terms: Mapping[str, float], basis: Basis, offset: int) -> Reading:
        """Return what some terms are in a basis, whose first bit is the classical bit ``offset``."""
        place = {qubit: offset + index for index, (qubit, _) in enumerate(basis.axes)}
        signs, conditions = [], []
        for label in terms:
            sign = where = what = 0
            for qubit, letter in enumerate(reversed(label)):
                if letter in _SIGNED:
                    sign |= 1 << place[qubit]
                elif letter != "I":
                    where |= 1 << place[qubit]
                    what |= (letter in _EXCITED) << place[qubit]
            signs.append(sign)
            conditions.append((where, what))
        return cls(tuple(signs), tuple(conditions), tuple(float(c) for c in terms.values()))

    def values(self, outcomes: _Ints) -> _Floats:
        """Return the value of this part for each outcome."""
        total = np.zeros(len(outcomes))
        for sign, (where, what), coefficient in zip(
            self.signs, self.conditions, self.coefficients, strict=True
        ):
            part = coefficient * (1.0 - 2.0 * _parity(outcomes & sign))
            if where:
                part = part * ((outcomes & where) == what)
            total += part
        return total


def _parity(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return whether each number has an odd number of bits."""
    if numbers.dtype == object:
        return np.array([number.bit_count() & 1 for number in numbers.tolist()], np.int64)
    folded = numbers.copy()
    for shift in (32, 16, 8, 4, 2, 1):
        folded ^= folded >> shift
    parity: npt.NDArray[np.int64] = folded & 1
    return parity


def exact_mean(values: _Floats, outcome: Outcome) -> float:
    """Return the expectation value under an exact distribution."""
    weights = outcome.weights
    if weights is None:
        raise ValueError("the service gave shots where an exact distribution was expected")
    return float(values @ weights / weights.sum())


def sampled_mean(values: _Floats, outcome: Outcome) -> tuple[float, float]:
    """Return the mean over shots, and the square of its standard error."""
    shots = outcome.shots
    mean = float(values @ outcome.tallies / shots)
    spread = float((values - mean) ** 2 @ outcome.tallies)
    return mean, spread / (shots * max(shots - 1, 1))
