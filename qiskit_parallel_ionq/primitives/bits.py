# SPDX-License-Identifier: Apache-2.0
"""From outcomes over all classical bits to one array of samples for each register."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.primitives import BitArray

from ..decode import Outcome, move_bits


def register_bits(circuit: QuantumCircuit) -> dict[str, tuple[int, ...]]:
    """Return the places of each register's bits among the circuit's; registers may share bits.

    >>> register_bits(QuantumCircuit(1, 2))
    {'c': (0, 1)}
    """
    place = {bit: index for index, bit in enumerate(circuit.clbits)}
    return {register.name: tuple(place[bit] for bit in register) for register in circuit.cregs}


def bit_array(
    outcomes: Sequence[Outcome], places: tuple[int, ...], shape: tuple[int, ...], shots: int
) -> BitArray:
    """Return the samples of one register.

    Args:
        outcomes: one for each set of parameter values, with the order of their shots.
        places: where the register's bits are among the classical bits.
        shape: of the sets.
        shots: of each.
    """
    width = -(-len(places) // 8)
    samples = np.empty((len(outcomes), shots, width), np.uint8)
    for index, outcome in enumerate(outcomes):
        samples[index] = _bytes(move_bits(outcome.values, places), width)[outcome.order]
    return BitArray(samples.reshape(*shape, shots, width), len(places))


def _bytes(values: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.uint8]:
    """Return each value as so many bytes, the most significant first."""
    if values.dtype == object:
        text = b"".join([value.to_bytes(width, "big") for value in values.tolist()])
        return np.frombuffer(text, np.uint8).reshape(len(values), width)
    return values.astype(">i8").view(np.uint8).reshape(-1, 8)[:, 8 - width :]
