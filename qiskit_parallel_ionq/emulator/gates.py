# SPDX-License-Identifier: Apache-2.0
"""Matrices of every gate the service takes. QIS angles are radians, native angles and phases are turns.

The first target is the left, most significant, factor of a matrix: ``matrix[0b10, 0b01]`` takes
``|first=0, second=1>`` to ``|first=1, second=0>``.
"""

from __future__ import annotations

from cmath import exp
from collections.abc import Callable, Mapping, Sequence
from math import cos, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.complex128]

TURN = 2 * pi


def _matrix(rows: Sequence[Sequence[complex]]) -> Matrix:
    return np.array(rows, dtype=np.complex128)


I = _matrix([[1, 0], [0, 1]])  # noqa: E741 - the name physics uses
X = _matrix([[0, 1], [1, 0]])
Y = _matrix([[0, -1j], [1j, 0]])
Z = _matrix([[1, 0], [0, -1]])
H = _matrix([[1, 1], [1, -1]]) / sqrt(2)
V = _matrix([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2
SWAP = _matrix([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
PAULIS: Mapping[str, Matrix] = {"I": I, "X": X, "Y": Y, "Z": Z}


def phase(theta: float) -> Matrix:
    """diag(1, e^{iθ}): what a ``z`` gate with a ``rotation`` does."""
    return _matrix([[1, 0], [0, exp(1j * theta)]])


def rx(theta: float) -> Matrix:
    """exp(-iθX/2)."""
    c, s = cos(theta / 2), -1j * sin(theta / 2)
    return _matrix([[c, s], [s, c]])


def ry(theta: float) -> Matrix:
    """exp(-iθY/2)."""
    c, s = cos(theta / 2), sin(theta / 2)
    return _matrix([[c, -s], [s, c]])


def rz(theta: float) -> Matrix:
    """exp(-iθZ/2)."""
    return _matrix([[exp(-0.5j * theta), 0], [0, exp(0.5j * theta)]])


def rxx(theta: float) -> Matrix:
    """exp(-iθ X⊗X/2)."""
    c, s = cos(theta / 2), -1j * sin(theta / 2)
    return _matrix([[c, 0, 0, s], [0, c, s, 0], [0, s, c, 0], [s, 0, 0, c]])


def ryy(theta: float) -> Matrix:
    """exp(-iθ Y⊗Y/2)."""
    c, s = cos(theta / 2), -1j * sin(theta / 2)
    return _matrix([[c, 0, 0, -s], [0, c, s, 0], [0, s, c, 0], [-s, 0, 0, c]])


def rzz(theta: float) -> Matrix:
    """exp(-iθ Z⊗Z/2)."""
    same, other = exp(-0.5j * theta), exp(0.5j * theta)
    return _matrix([[same, 0, 0, 0], [0, other, 0, 0], [0, 0, other, 0], [0, 0, 0, same]])


def gpi(turns: float) -> Matrix:
    """A half turn about the equatorial axis at angle ``turns``."""
    return _matrix([[0, exp(-1j * TURN * turns)], [exp(1j * TURN * turns), 0]])


def gpi2(turns: float) -> Matrix:
    """A quarter turn about the equatorial axis at angle ``turns``."""
    return _matrix([[1, -1j * exp(-1j * TURN * turns)], [-1j * exp(1j * TURN * turns), 1]]) / sqrt(2)


def ms(first: float, second: float, angle: float) -> Matrix:
    """The Mølmer-Sørensen gate: phases and angle in turns, 0.25 is maximally entangling."""
    c, s = cos(pi * angle), -1j * sin(pi * angle)
    total, difference = exp(1j * TURN * (first + second)), exp(1j * TURN * (first - second))
    return _matrix(
        [
            [c, 0, 0, s / total],
            [0, c, s / difference, 0],
            [0, s * difference, c, 0],
            [s * total, 0, 0, c],
        ]
    )


def native_zz(angle: float) -> Matrix:
    """The native ZZ gate: ``angle`` in turns, 0.25 is maximally entangling."""
    return rzz(TURN * angle)


def _product(letters: str) -> Matrix:
    whole = PAULIS[letters[0]]
    for letter in letters[1:]:
        whole = np.kron(whole, PAULIS[letter]).astype(np.complex128)
    return whole


def pauli_sum_exponential(terms: Sequence[str], coefficients: Sequence[float], time: float) -> Matrix:
    """exp(-i·time·Σ c_k P_k), dense, for terms that need not commute.

    The leftmost character is the most significant factor, so the matrix acts on the targets in reverse order.
    """
    parts = [weight * _product(term) for term, weight in zip(terms, coefficients, strict=True)]
    energies, vectors = np.linalg.eigh(np.sum(parts, axis=0))
    result: Matrix = (vectors * np.exp(-1j * time * energies)) @ vectors.conj().T
    return result


FIXED: Mapping[str, Matrix] = {
    "x": X,
    "not": X,
    "cnot": X,
    "y": Y,
    "z": Z,
    "h": H,
    "s": phase(pi / 2),
    "si": phase(-pi / 2),
    "t": phase(pi / 4),
    "ti": phase(-pi / 4),
    "v": V,
    "vi": V.conj().T,
    "swap": SWAP,
}
"""QIS gates without a parameter."""

ROTATIONS: Mapping[str, Callable[[float], Matrix]] = {
    "rx": rx,
    "ry": ry,
    "rz": rz,
    "xx": rxx,
    "yy": ryy,
    "zz": rzz,
}
"""QIS gates of one angle, ``rotation``, in radians."""

QIS_GATES: tuple[str, ...] = (*FIXED, *ROTATIONS, "pauliexp")
NATIVE_GATES: tuple[str, ...] = ("gpi", "gpi2", "ms", "zz", "nop")
VIRTUAL_GATES = frozenset({"z", "s", "si", "t", "ti", "rz"})
"""Rotations about Z on one qubit: done by shifting later phases, so no pulse and no noise."""
