# SPDX-License-Identifier: Apache-2.0
"""Drives the service at argv[1] with the key argv[2] by unmodified pennylane-ionq; prints what came back as JSON."""

from __future__ import annotations

import json
import sys

import pennylane as qml
from pennylane_ionq.api_client import APIClient

URL, KEY = sys.argv[1:]
APIClient.BASE_URL = URL  # the client offers no other way


def bell() -> None:
    qml.Hadamard(0)
    qml.CNOT([0, 1])


def flip() -> None:
    qml.PauliX(1)


def mixed() -> None:
    qml.RY(0.3, 0)
    qml.SX(1)
    qml.CNOT([0, 2])
    qml.IsingZZ(0.4, [0, 1])
    qml.IsingXX(0.7, [1, 2])
    qml.IsingYY(-0.2, [0, 2])
    qml.T(1)
    qml.adjoint(qml.S(0))
    qml.RX(-0.8, 2)
    qml.RZ(1.1, 1)
    qml.SWAP([0, 1])
    qml.Hadamard(1)


def probabilities(device, circuit, wires: int, shots: int = 1000) -> list[float]:
    @qml.set_shots(shots)
    @qml.qnode(device)
    def node():
        circuit()
        return qml.probs(wires=range(wires))

    return [float(p) for p in node()]


def main() -> None:
    simulator = qml.device("ionq.simulator", wires=2, api_key=KEY)
    wide = qml.device("ionq.simulator", wires=3, api_key=KEY)
    qpu = qml.device("ionq.qpu", wires=2, api_key=KEY, backend="aria-1")
    found = {
        "bell": probabilities(simulator, bell, 2),
        "flip": probabilities(simulator, flip, 2),
        "bell_on_qpu": probabilities(qpu, bell, 2, shots=400),
        "mixed": probabilities(wide, mixed, 3),
        "mixed_expected": probabilities(qml.device("default.qubit", wires=3), mixed, 3, shots=None),
    }
    print(json.dumps(found))


main()
