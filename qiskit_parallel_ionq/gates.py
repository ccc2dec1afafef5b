# SPDX-License-Identifier: Apache-2.0
"""IonQ's native gates. Every phase and every angle is in turns: 1 turn is 2π radians.

This is the only module that imports qiskit_ionq; everything else takes the four classes from here. They are
qiskit-ionq's, or subclasses: it knows gates by their names, as this package does.

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

from collections.abc import Mapping
from typing import Literal

from qiskit.circuit import Gate
from qiskit_ionq import GPI2Gate, GPIGate, ZZGate
from qiskit_ionq import MSGate as _UpstreamMSGate


class IonQMSGate(_UpstreamMSGate):
    """qiskit-ionq's ``MSGate`` under a class name that Qiskit's file format QPY can read back.

    QPY writes the name of a gate's class, and reads ``MSGate`` as ``qiskit.circuit.library.MSGate``, which
    takes other arguments.
    """


MSGate = IonQMSGate

Family = Literal["ms", "zz"]
"""The two-qubit native gate that a device has."""

NATIVE_GATES: Mapping[str, type[Gate]] = {"gpi": GPIGate, "gpi2": GPI2Gate, "ms": MSGate, "zz": ZZGate}
NATIVE_NAMES = frozenset(NATIVE_GATES)


def restored(operation: Gate) -> Gate | None:
    """Return the native gate that was written to a QPY file, if this is what was read from it.

    Such a gate has the name, the parameters and the definition, but no longer the class. A gate of a user's
    own that only has the name of a native gate has another definition.
    """
    kind = NATIVE_GATES.get(operation.name)
    if kind is None or type(operation) is not Gate or operation.definition is None:
        return None
    try:
        gate = kind(*operation.params)
    except TypeError:  # another number of parameters
        return None
    return gate if gate.definition == operation.definition else None


__all__ = [
    "NATIVE_GATES",
    "NATIVE_NAMES",
    "Family",
    "GPI2Gate",
    "GPIGate",
    "MSGate",
    "ZZGate",
    "restored",
]
