# SPDX-License-Identifier: Apache-2.0
"""Branches of a running circuit: pure states side by side, each with its weight and its classical bits.

A measurement, a reset or a gate error splits a branch. In an exact run weights are probabilities; in a sampled
run they are numbers of shots, split at random, so a branch without shots never exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .gates import Matrix

NEGLIGIBLE = 1e-14
"""Probability below which a branch is rounding, not physics."""
CACHED_QUBITS = 12
"""Index tables are kept for states up to this width."""

Rows = NDArray[np.intp]


@dataclass(slots=True)
class Branches:
    """Pure states of ``qubits`` qubits, one a column.

    Attributes:
        qubits: width.
        amplitudes: shape (2**qubits, branches), each column of norm 1; bit k of a row's index is qubit k.
        weights: per branch, a probability or a number of shots.
        bits: shape (branches, classical bits), what each branch has read so far.
    """

    qubits: int
    amplitudes: NDArray[np.complex128]
    weights: NDArray
    bits: NDArray[np.uint8]

    @classmethod
    def ground(cls, qubits: int, bits: int, weight: float | int) -> Branches:
        """All qubits in state 0, one branch."""
        amplitudes = np.zeros((1 << qubits, 1), dtype=np.complex128)
        amplitudes[0, 0] = 1
        return cls(qubits, amplitudes, np.array([weight]), np.zeros((1, bits), dtype=np.uint8))

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def size(self) -> int:
        """Number of amplitudes held."""
        return int(self.amplitudes.size)

    def apply(self, matrix: Matrix, targets: tuple[int, ...], controls: tuple[int, ...] = ()) -> None:
        """Apply a unitary to every branch, in place."""
        rows = block_rows(self.qubits, targets, controls)
        block = self.amplitudes[rows]
        self.amplitudes[rows] = (matrix @ block.reshape(len(matrix), -1)).reshape(block.shape)

    def probability_of_one(self, qubit: int) -> NDArray[np.float64]:
        """Per branch, the probability to read 1."""
        ones = block_rows(self.qubits, (qubit,), ())[1]
        result: NDArray[np.float64] = (np.abs(self.amplitudes[ones]) ** 2).sum(axis=0)
        return result.clip(0.0, 1.0)

    def project(self, qubit: int, value: int, norms: NDArray[np.float64]) -> None:
        """Keep the part where ``qubit`` is ``value``; ``norms`` are the probabilities of that, per branch."""
        self.amplitudes[block_rows(self.qubits, (qubit,), ())[1 - value]] = 0
        self.amplitudes /= np.sqrt(norms)

    def pick(self, chosen: NDArray, weights: NDArray | None = None) -> Branches:
        """The chosen branches (a mask or indices), with new weights if given."""
        return Branches(
            self.qubits,
            self.amplitudes[:, chosen],
            self.weights[chosen] if weights is None else weights,
            self.bits[chosen],
        )

    @staticmethod
    def join(parts: Sequence[Branches]) -> Branches:
        """One set of all branches of ``parts``, in order."""
        if len(parts) == 1:
            return parts[0]
        return Branches(
            parts[0].qubits,
            np.concatenate([part.amplitudes for part in parts], axis=1),
            np.concatenate([part.weights for part in parts]),
            np.concatenate([part.bits for part in parts]),
        )


def block_rows(qubits: int, targets: tuple[int, ...], controls: tuple[int, ...]) -> Rows:
    """Row indices a gate mixes, shape (2**targets, the rest): entry [t] holds value t on the targets, first
    target most significant, and 1 on every control."""
    if qubits <= CACHED_QUBITS:
        return _cached_rows(qubits, targets, controls)
    return _block_rows(qubits, targets, controls)


def _block_rows(qubits: int, targets: tuple[int, ...], controls: tuple[int, ...]) -> Rows:
    rest = np.arange(1 << (qubits - len(targets) - len(controls)), dtype=np.intp)
    for position in sorted(targets + controls):
        rest = ((rest >> position) << (position + 1)) | (rest & ((1 << position) - 1))
    for control in controls:
        rest |= 1 << control
    offsets = np.zeros(1 << len(targets), dtype=np.intp)
    values = np.arange(len(offsets))
    for place, target in enumerate(reversed(targets)):
        offsets |= ((values >> place) & 1) << target
    return offsets[:, None] | rest[None, :]


_cached_rows = lru_cache(maxsize=4096)(_block_rows)
