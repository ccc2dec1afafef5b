# SPDX-License-Identifier: Apache-2.0
"""The gates of ``stdgates.inc`` and the two that are built in, ``U`` and ``gphase``."""

from __future__ import annotations

from cmath import exp
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from .. import gates
from ..gates import Matrix


@dataclass(frozen=True, slots=True)
class Standard:
    """A gate given by a matrix: how many parameters, how many controls before its targets, what it does.

    Attributes:
        virtual: a rotation about Z on one qubit.
    """

    parameters: int
    controls: int
    matrix: Callable[..., Matrix]
    virtual: bool = False


def u(theta: float, phi: float, lam: float) -> Matrix:
    """The built-in U of OpenQASM 3, global phase included."""
    c, s = cos(theta / 2), sin(theta / 2)
    rows = [[c, -exp(1j * lam) * s], [exp(1j * phi) * s, exp(1j * (phi + lam)) * c]]
    return np.array(rows, dtype=np.complex128) * exp(0.5j * theta)


def _u3(theta: float, phi: float, lam: float) -> Matrix:
    return u(theta, phi, lam) * exp(-0.5j * (theta + phi + lam))


def _cu(theta: float, phi: float, lam: float, gamma: float) -> Matrix:
    """What ``cu`` does to its target where its control is 1."""
    return u(theta, phi, lam) * exp(1j * (gamma - theta / 2))


def _constant(matrix: Matrix) -> Callable[[], Matrix]:
    return lambda: matrix


def _plain(name: str, controls: int = 0, *, virtual: bool = False) -> Standard:
    return Standard(0, controls, _constant(gates.FIXED[name]), virtual)


STANDARD: Mapping[str, Standard] = {
    "U": Standard(3, 0, u),
    "id": Standard(0, 0, _constant(gates.I), virtual=True),
    "x": _plain("x"),
    "y": _plain("y"),
    "z": _plain("z", virtual=True),
    "h": _plain("h"),
    "s": _plain("s", virtual=True),
    "sdg": _plain("si", virtual=True),
    "t": _plain("t", virtual=True),
    "tdg": _plain("ti", virtual=True),
    "sx": _plain("v"),
    "rx": Standard(1, 0, gates.rx),
    "ry": Standard(1, 0, gates.ry),
    "rz": Standard(1, 0, gates.rz, virtual=True),
    "p": Standard(1, 0, gates.phase, virtual=True),
    "phase": Standard(1, 0, gates.phase, virtual=True),
    "u1": Standard(1, 0, gates.phase, virtual=True),
    "u2": Standard(2, 0, lambda phi, lam: _u3(pi / 2, phi, lam)),
    "u3": Standard(3, 0, _u3),
    "CX": _plain("x", 1),
    "cx": _plain("x", 1),
    "cy": _plain("y", 1),
    "cz": _plain("z", 1),
    "ch": _plain("h", 1),
    "cp": Standard(1, 1, gates.phase),
    "cphase": Standard(1, 1, gates.phase),
    "crx": Standard(1, 1, gates.rx),
    "cry": Standard(1, 1, gates.ry),
    "crz": Standard(1, 1, gates.rz),
    "cu": Standard(4, 1, _cu),
    "swap": _plain("swap"),
    "ccx": _plain("x", 2),
    "cswap": _plain("swap", 1),
}
