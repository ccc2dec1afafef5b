# SPDX-License-Identifier: Apache-2.0
"""IonQ's native gates. Every phase and every angle is in turns: 1 turn is 2π radians.

This is the only module that imports qiskit_ionq; everything else takes the four classes from here.

=================  ==============================================  ==================================
gate               action                                          range sent
=================  ==============================================  ==================================
``GPIGate(p)``     half turn about the equator's axis at ``p``     p in [-0.5, 0.5]
``GPI2Gate(p)``    quarter turn about the same axis                p in [-0.5, 0.5]
``MSGate(p, q,     ``exp(-iπa · A(p) ⊗ A(q))`` with                p, q in [-0.5, 0.5], a in [0, 0.25]
a)``               ``A(p) = cos(2πp) X + sin(2πp) Y``
``ZZGate(a)``      ``exp(-iπa · Z ⊗ Z)``                           a in [0, 0.25]
=================  ==============================================  ==================================
"""

from __future__ import annotations

from typing import Literal

from qiskit_ionq import GPI2Gate, GPIGate, MSGate, ZZGate

Family = Literal["ms", "zz"]
"""The two-qubit native gate that a device has."""

NATIVE_NAMES = frozenset({"gpi", "gpi2", "ms", "zz"})

__all__ = ["NATIVE_NAMES", "Family", "GPI2Gate", "GPIGate", "MSGate", "ZZGate"]
