# SPDX-License-Identifier: Apache-2.0
"""Noisy circuits of many qubits on Qiskit Aer, where it is installed: the same channels, sampled faster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .gates import Matrix
from .program import Gate

AVAILABLE = find_spec("qiskit_aer") is not None
FEWEST_QUBITS = 99
MOST_QUBITS = 24
WIDEST_GATE = 5
"""A gate on more qubits, controls included, would be too large a matrix."""

Noise = Callable[[Gate], Iterable[tuple[tuple[int, ...], float]]]


def suits(qubits: int, gates: Sequence[Any]) -> bool:
    """Whether Aer is installed and the better engine for a noisy run of these steps."""
    return (
        AVAILABLE
        and FEWEST_QUBITS <= qubits <= MOST_QUBITS
        and all(isinstance(gate, Gate) and len(gate.qubits) <= WIDEST_GATE for gate in gates)
    )


def sample(qubits: int, gates: Sequence[Gate], noise: Noise, shots: int, seed: int) -> NDArray[np.int64]:
    """Words seen in ``shots`` shots, sorted; bit k is qubit k.

    Args:
        qubits: width.
        gates: what to run from all zeros.
        noise: the depolarising channels after a gate.
        shots: how often.
        seed: of Aer's generator.
    """
    from qiskit import QuantumCircuit
    from qiskit_aer import AerSimulator

    circuit = QuantumCircuit(qubits)
    for gate in gates:
        # Qiskit's matrices have the first qubit least significant, ours most.
        circuit.unitary(_with_controls(gate), gate.qubits[::-1])
        for pair, rate in noise(gate):
            circuit.append(_channel(len(pair), rate), pair)
    circuit.measure_all()
    simulator = AerSimulator(method="statevector", seed_simulator=seed, max_parallel_threads=1)
    counts = simulator.run(circuit, shots=shots).result().get_counts()
    words = sorted((int(key, 2), count) for key, count in counts.items())
    return np.repeat(np.array([word for word, _ in words]), [count for _, count in words])


def _with_controls(gate: Gate) -> Matrix:
    whole = np.eye(1 << len(gate.qubits), dtype=np.complex128)
    whole[-len(gate.matrix) :, -len(gate.matrix) :] = gate.matrix
    return whole


@lru_cache(maxsize=64)
def _channel(qubits: int, rate: float) -> Any:
    from qiskit_aer.noise import depolarizing_error

    return depolarizing_error(rate, qubits).to_instruction()
