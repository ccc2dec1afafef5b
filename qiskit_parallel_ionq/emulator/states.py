# SPDX-License-Identifier: Apache-2.0
"""Branches of a running circuit: pure states side by side, each with its weight and its classical bits.

A measurement, a reset or a gate error splits a branch. In an exact run weights are probabilities; in a
sampled run they are numbers of shots, split at random, so a branch without shots never exists.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from .gates import Matrix

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

NEGLIGIBLE = 1e-14
"""Probability below which something is rounding, not physics."""
CANCELLED = 1e-13
"""Size below which an amplitude is what rounding leaves of a cancellation.

A rotation by 1e-8 rad, the step of numerical derivatives, leaves an amplitude of 5e-9.
"""
CACHED_QUBITS = 12
"""Index tables are kept for states up to this width."""

Rows = NDArray[np.intp]
Amplitudes = NDArray[np.complex128]


@dataclass(slots=True)
class Branches(ABC):
    """Pure states of ``qubits`` qubits.

    Attributes:
        qubits: width.
        weights: per branch, a probability or a number of shots.
        bits: shape (branches, classical bits), what each branch has read so far.
    """

    qubits: int
    weights: NDArray[Any]
    bits: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.weights)

    @classmethod
    @abstractmethod
    def ground(cls, qubits: int, bits: int, weight: float) -> Self:
        """One branch, all qubits in state 0."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of amplitudes held."""

    @abstractmethod
    def apply(self, matrix: Matrix, targets: tuple[int, ...], controls: tuple[int, ...] = ()) -> None:
        """Apply a unitary to every branch, in place."""

    @abstractmethod
    def probability_of_one(self, qubit: int) -> NDArray[np.float64]:
        """Per branch, the probability to read 1."""

    @abstractmethod
    def project(self, qubit: int, value: int, chances: NDArray[np.float64]) -> None:
        """Keep the part where ``qubit`` is ``value``; ``chances`` are its probabilities, per branch."""

    @abstractmethod
    def pick(self, chosen: NDArray[np.intp], weights: NDArray[Any]) -> Self:
        """The chosen branches, with new weights."""

    @abstractmethod
    def joined(self, others: Sequence[Self]) -> Self:
        """These branches followed by those of others."""

    @abstractmethod
    def outcomes(self) -> tuple[Rows, NDArray[np.int64], NDArray[np.float64]]:
        """Branch, word and probability within the branch of each outcome, by branch, then by word."""


@dataclass(slots=True)
class Dense(Branches):
    """All amplitudes of all branches.

    Attributes:
        amplitudes: shape (2**qubits, branches), columns of norm 1; bit k of a row's index is qubit k.
    """

    amplitudes: Amplitudes

    @classmethod
    def ground(cls, qubits: int, bits: int, weight: float) -> Self:
        """One branch, all qubits in state 0."""
        amplitudes = np.zeros((1 << qubits, 1), dtype=np.complex128)
        amplitudes[0, 0] = 1
        return cls(qubits, np.array([weight]), np.zeros((1, bits), dtype=np.uint8), amplitudes)

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
        found: NDArray[np.float64] = (np.abs(self.amplitudes[ones]) ** 2).sum(axis=0)
        return found.clip(0.0, 1.0)

    def project(self, qubit: int, value: int, chances: NDArray[np.float64]) -> None:
        """Keep the part where ``qubit`` is ``value``; ``chances`` are its probabilities, per branch."""
        self.amplitudes[block_rows(self.qubits, (qubit,), ())[1 - value]] = 0
        self.amplitudes /= np.sqrt(chances)

    def pick(self, chosen: NDArray[np.intp], weights: NDArray[Any]) -> Self:
        """The chosen branches, with new weights."""
        return type(self)(self.qubits, weights, self.bits[chosen], self.amplitudes[:, chosen])

    def joined(self, others: Sequence[Self]) -> Self:
        """These branches followed by those of others."""
        parts = (self, *others)
        return type(self)(
            self.qubits,
            np.concatenate([part.weights for part in parts]),
            np.concatenate([part.bits for part in parts]),
            np.concatenate([part.amplitudes for part in parts], axis=1),
        )

    def outcomes(self) -> tuple[Rows, NDArray[np.int64], NDArray[np.float64]]:
        """Branch, word and probability within the branch of each outcome, by branch, then by word."""
        density = (np.abs(self.amplitudes) ** 2).T
        branches, words = np.nonzero(density > NEGLIGIBLE)
        return branches, words.astype(np.int64), density[branches, words]


@dataclass(slots=True)
class Sparse(Branches):
    """The amplitudes that are not zero: for wide circuits whose states stay small, such as a GHZ state.

    Attributes:
        branches, words, amplitudes: of each non-zero amplitude, sorted by branch, then by word.
    """

    branches: Rows
    words: NDArray[np.int64]
    amplitudes: Amplitudes

    @classmethod
    def ground(cls, qubits: int, bits: int, weight: float) -> Self:
        """One branch, all qubits in state 0."""
        return cls(
            qubits,
            np.array([weight]),
            np.zeros((1, bits), dtype=np.uint8),
            np.zeros(1, dtype=np.intp),
            np.zeros(1, dtype=np.int64),
            np.ones(1, dtype=np.complex128),
        )

    @property
    def size(self) -> int:
        """Number of amplitudes held."""
        return len(self.amplitudes)

    def apply(self, matrix: Matrix, targets: tuple[int, ...], controls: tuple[int, ...] = ()) -> None:
        """Apply a unitary to every branch, in place."""
        on = np.ones(self.size, dtype=bool)
        for control in controls:
            on &= (self.words >> control) & 1 == 1
        value: npt.NDArray[np.intp] = np.zeros(self.size, dtype=np.intp)
        for target in targets:
            value = value << 1 | (self.words >> target) & 1
        cleared = self.words & ~np.int64(sum(1 << target for target in targets))
        branches, words, amplitudes = [self.branches[~on]], [self.words[~on]], [self.amplitudes[~on]]
        for result in range(len(matrix)):
            factors = np.where(on, matrix[result, value], 0)
            kept = factors != 0
            offset = sum(1 << t for place, t in enumerate(reversed(targets)) if result >> place & 1)
            branches.append(self.branches[kept])
            words.append(cleared[kept] | offset)
            amplitudes.append(self.amplitudes[kept] * factors[kept])
        self._store(np.concatenate(branches), np.concatenate(words), np.concatenate(amplitudes))

    def _store(self, branches: Rows, words: NDArray[np.int64], amplitudes: Amplitudes) -> None:
        """Sort, add up what falls on the same word, drop what cancels."""
        order = np.lexsort((words, branches))
        branches, words = branches[order], words[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (branches[1:] != branches[:-1]) | (words[1:] != words[:-1])
        totals = np.add.reduceat(amplitudes[order], np.nonzero(new)[0])
        kept = np.abs(totals) > CANCELLED
        self.branches, self.words, self.amplitudes = branches[new][kept], words[new][kept], totals[kept]

    def probability_of_one(self, qubit: int) -> NDArray[np.float64]:
        """Per branch, the probability to read 1."""
        density = np.abs(self.amplitudes) ** 2 * ((self.words >> qubit) & 1)
        return np.bincount(self.branches, density, len(self)).clip(0.0, 1.0)

    def project(self, qubit: int, value: int, chances: NDArray[np.float64]) -> None:
        """Keep the part where ``qubit`` is ``value``; ``chances`` are its probabilities, per branch."""
        kept = (self.words >> qubit) & 1 == value
        self.branches, self.words = self.branches[kept], self.words[kept]
        self.amplitudes = self.amplitudes[kept] / np.sqrt(chances)[self.branches]

    def pick(self, chosen: NDArray[np.intp], weights: NDArray[Any]) -> Self:
        """The chosen branches, with new weights."""
        place = np.full(len(self), -1, dtype=np.intp)
        place[chosen] = np.arange(len(chosen))
        kept = place[self.branches] >= 0
        return type(self)(
            self.qubits,
            weights,
            self.bits[chosen],
            place[self.branches[kept]],
            self.words[kept],
            self.amplitudes[kept],
        )

    def joined(self, others: Sequence[Self]) -> Self:
        """These branches followed by those of others."""
        parts = (self, *others)
        starts = np.cumsum([0, *(len(part) for part in parts)])
        return type(self)(
            self.qubits,
            np.concatenate([part.weights for part in parts]),
            np.concatenate([part.bits for part in parts]),
            np.concatenate([part.branches + start for part, start in zip(parts, starts, strict=False)]),
            np.concatenate([part.words for part in parts]),
            np.concatenate([part.amplitudes for part in parts]),
        )

    def outcomes(self) -> tuple[Rows, NDArray[np.int64], NDArray[np.float64]]:
        """Branch, word and probability within the branch of each outcome, by branch, then by word."""
        density = np.abs(self.amplitudes) ** 2
        kept = density > NEGLIGIBLE
        return self.branches[kept], self.words[kept], density[kept]


def block_rows(qubits: int, targets: tuple[int, ...], controls: tuple[int, ...]) -> Rows:
    """Row indices a gate mixes, shape (2**targets, the rest).

    Entry [t] holds value t on the targets, first target most significant, and 1 on every control.
    """
    if qubits <= CACHED_QUBITS:
        return _cached_rows(qubits, targets, controls)
    return _block_rows(qubits, targets, controls)


def _block_rows(qubits: int, targets: tuple[int, ...], controls: tuple[int, ...]) -> Rows:
    rest: npt.NDArray[np.intp] = np.arange(1 << (qubits - len(targets) - len(controls)), dtype=np.intp)
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
