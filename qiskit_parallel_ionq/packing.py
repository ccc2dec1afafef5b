# SPDX-License-Identifier: Apache-2.0
"""Circuits as a few bytes, for the way to another process: in Qiskit's own file format, where that is quick.

A pickled circuit takes about as long to make and to read as it takes to compile.
"""

from __future__ import annotations

from io import BytesIO
from json import JSONEncoder
from typing import Any

import qiskit
from qiskit import QuantumCircuit, qpy

_IS_QUICK = tuple(map(int, qiskit.__version__.split(".")[:2])) >= (2, 5)
"""Whether Qiskit reads and writes the format in Rust; before, it took longer than pickling."""
_PLAIN = frozenset({"measure", "barrier", "reset"})


class _Nothing(JSONEncoder):
    """Writes no metadata: users put anything into it."""

    def encode(self, o: Any) -> str:  # noqa: ARG002
        return "{}"


def pack(circuit: QuantumCircuit) -> bytes | None:
    """Return the gates of a bound circuit; None if it holds what the format might not keep, or is slow at.

    The name comes along, the metadata does not.
    """
    if not _IS_QUICK or not _is_plain(circuit):
        return None
    file = BytesIO()
    try:
        qpy.dump(circuit, file, metadata_serializer=_Nothing)
    except Exception:  # noqa: BLE001 - then it goes another way
        return None
    return file.getvalue()


def unpack(packed: bytes) -> QuantumCircuit:
    """Return the circuit that was packed by the same version of Qiskit."""
    (circuit,) = qpy.load(BytesIO(packed))
    return circuit


def _is_plain(circuit: QuantumCircuit) -> bool:
    """Return whether it has only Qiskit's own gates, and registers that neither share nor miss bits."""
    return (
        [bit for register in circuit.qregs for bit in register] == circuit.qubits
        and [bit for register in circuit.cregs for bit in register] == circuit.clbits
        and all(step.is_standard_gate() or step.name in _PLAIN for step in circuit.data)
    )
