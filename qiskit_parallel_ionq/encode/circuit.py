# SPDX-License-Identifier: Apache-2.0
"""One circuit, encoded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qiskit import QuantumCircuit

from ..compiler import Pulse
from .encoded import EncodedCircuit, Kind, Readout
from .gate_list import gate_list
from .header import experiment_header
from .openqasm3 import openqasm3
from .pulses import pulse_texts


def encode_circuit(circuit: QuantumCircuit, *, kind: Kind, renumber: bool = True) -> EncodedCircuit:
    """Encode one circuit.

    Barriers, delays, identities, global phases, and in gate lists final measurements and resets before or
    after everything else on their qubit, are not sent. Native phases beyond one turn are taken modulo 1 and a
    negative MS angle is said as half a turn more of its first phase: the same operation, inside the
    documented ranges.

    Args:
        circuit: no unbound parameters. ``"native"``: gpi, gpi2, ms, zz. ``"qis"``: Qiskit's gates that have a
            counterpart in IonQ's set, with any number of open or closed controls. ``"qasm3"``: anything
            Qiskit's exporter can say; classical bits go out as one register.
        kind: the language to write.
        renumber: whether only qubits that a gate or measurement touches go out, in ascending order.

    Raises:
        EncodeError: a gate cannot be said; the message names the circuit, the gate and its position.

    >>> bell = QuantumCircuit(3, 2)
    >>> _ = bell.h(0), bell.cx(0, 2), bell.measure([2, 0], [0, 1])
    >>> encoded = encode_circuit(bell, kind="qis")
    >>> encoded.fragment.decode()
    '[{"gate":"h","targets":[0]},{"gate":"x","targets":[1],"controls":[0]}]'
    >>> encoded.readout.sources
    (1, 0)
    """
    if kind == "qasm3":
        fragment, num_gates, readout = openqasm3(circuit, renumber)
    else:
        fragment, num_gates, readout = gate_list(circuit, kind, renumber)
    return _encoded(kind, fragment, num_gates, readout, experiment_header(circuit))


def encode_pulses(
    pulses: Iterable[Pulse],
    *,
    headers: Sequence[Mapping[str, Any]],
    clbits: Mapping[Any, int],
    num_qubits: int,
    renumber: bool = True,
) -> list[EncodedCircuit]:
    """Encode what the compiler gives as pulses: one circuit, or many that differ only in numbers.

    Args:
        pulses: native gates in range; measurements at the end. A value is a number, or an array with one for
            each circuit.
        headers: the experiment header of each circuit.
        clbits: the place of each classical bit.
        num_qubits: wires that the pulses speak of.
        renumber: whether only wires that a gate or measurement touches go out, in ascending order.
    """
    texts, num_gates, readout = pulse_texts(pulses, clbits, num_qubits, renumber, len(headers))
    return [
        _encoded("native", text, num_gates, readout, header)
        for text, header in zip(texts, headers, strict=True)
    ]


def _encoded(
    kind: Kind, fragment: bytes, num_gates: int, readout: Readout, header: Mapping[str, Any]
) -> EncodedCircuit:
    digest = hashlib.sha256(b"%s %d %s" % (kind.encode(), readout.num_qubits, fragment)).hexdigest()[:12]
    return EncodedCircuit(
        name=header["name"],
        kind=kind,
        fragment=fragment,
        num_qubits=readout.num_qubits,
        num_gates=num_gates,
        readout=readout,
        header=header,
        digest=digest,
    )
