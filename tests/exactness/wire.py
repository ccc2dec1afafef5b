# SPDX-License-Identifier: Apache-2.0
"""What an encoded circuit does, played from the text that is sent."""

from __future__ import annotations

import json
from math import cos, pi, sin

import numpy as np
from qiskit import QuantumCircuit, qasm3
from qiskit.circuit.library import UnitaryGate

from qiskit_parallel_ionq.encode import EncodedCircuit

from .simulator import NATIVE, distribution, turn

_X = np.array([[0, 1], [1, 0]], dtype=complex)
_Y = np.array([[0, -1j], [1j, 0]])
_Z = np.diag([1, -1]).astype(complex)
_FIXED = {
    "x": _X,
    "y": _Y,
    "z": _Z,
    "h": (_X + _Z) / 2**0.5,
    "s": np.diag([1, 1j]),
    "si": np.diag([1, -1j]),
    "t": np.diag([1, turn(1 / 8)]),
    "ti": np.diag([1, turn(-1 / 8)]),
    "v": np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2,
    "vi": np.array([[1 - 1j, 1 + 1j], [1 + 1j, 1 - 1j]]) / 2,
    "swap": np.eye(4)[[0, 2, 1, 3]].astype(complex),
}
_PAULIS = {
    "rx": _X,
    "ry": _Y,
    "rz": _Z,
    "xx": np.kron(_X, _X),
    "yy": np.kron(_Y, _Y),
    "zz": np.kron(_Z, _Z),
}


def outcomes(encoded: EncodedCircuit, num_clbits: int) -> dict[int, float]:
    """Return the distribution of the circuit's classical bits, as the service and the readout make it."""
    if encoded.kind == "qasm3":
        return _openqasm3(encoded, num_clbits)
    circuit = QuantumCircuit(encoded.num_qubits, num_clbits)
    for gate in json.loads(encoded.fragment):
        matrix, qubits = _native(gate) if encoded.kind == "native" else _qis(gate)
        circuit.append(UnitaryGate(matrix, check_input=False), qubits)
    for place, wire in enumerate(encoded.readout.sources):
        if wire is not None:
            circuit.measure(wire, place)
    return distribution(circuit)


def _openqasm3(encoded: EncodedCircuit, num_clbits: int) -> dict[int, float]:
    circuit = qasm3.loads(json.loads(encoded.fragment))
    assert len(circuit.cregs) <= 1
    assert circuit.num_clbits == num_clbits
    assert circuit.num_qubits == encoded.num_qubits
    return distribution(circuit)


def _native(gate: dict) -> tuple[np.ndarray, list[int]]:
    if gate["gate"] in ("gpi", "gpi2"):
        assert -1 <= gate["phase"] <= 1
        return NATIVE[gate["gate"]](gate["phase"]), [gate["target"]]
    if gate["gate"] == "ms":
        assert 0 <= gate["angle"] <= 0.25
        return NATIVE["ms"](*gate["phases"], gate["angle"]), gate["targets"]
    return NATIVE["zz"](gate["angle"]), gate["targets"]


def _qis(gate: dict) -> tuple[np.ndarray, list[int]]:
    """Return the matrix of a gate of the abstract set, controls included, and its qubits."""
    name, controls = gate["gate"], gate.get("controls", [])
    if name in _PAULIS and "rotation" in gate:
        pauli, half = _PAULIS[name], gate["rotation"] / 2
        matrix = cos(half) * np.eye(len(pauli)) - 1j * sin(half) * pauli
    elif name == "z" and "rotation" in gate:
        matrix = np.diag([1, turn(gate["rotation"] / (2 * pi))])
    else:
        matrix = _FIXED[name]
    # The controls are the more significant qubits: the matrix acts where all of them are 1.
    whole = np.eye(len(matrix) << len(controls), dtype=complex)
    whole[-len(matrix) :, -len(matrix) :] = matrix
    return whole, [*gate["targets"], *controls]
