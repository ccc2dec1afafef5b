# SPDX-License-Identifier: Apache-2.0
"""What the simulator runs: gates as matrices, measurements, resets and branches on numbered qubits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .gates import Matrix

ALL_QUBITS = "output_all"
"""The register the service adds to every result: all qubits, read at the end."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A unitary on ``targets``, applied where every qubit of ``controls`` is 1."""

    matrix: Matrix
    targets: tuple[int, ...]
    controls: tuple[int, ...] = ()
    virtual: bool = False

    @property
    def qubits(self) -> tuple[int, ...]:
        """Controls first, then targets."""
        return self.controls + self.targets


@dataclass(frozen=True, slots=True)
class Measure:
    """Read ``qubit`` into classical ``bit``; None keeps nothing."""

    qubit: int
    bit: int | None


@dataclass(frozen=True, slots=True)
class Reset:
    """Put ``qubit`` into state 0."""

    qubit: int


@dataclass(frozen=True, slots=True)
class Branch:
    """Run ``then`` where a condition on classical bits holds, else ``otherwise``.

    Attributes:
        reads: the classical bits the condition depends on.
        holds: from all classical bits, shape (runs, bits), to a mask over the runs.
    """

    reads: frozenset[int]
    holds: Callable[[NDArray[np.uint8]], NDArray[np.bool_]]
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...] = ()


Step = Gate | Measure | Reset | Branch


@dataclass(frozen=True, slots=True)
class Program:
    """A circuit ready to run.

    Attributes:
        qubits: declared width.
        steps: in order.
        bits: number of classical bits.
        registers: name -> column of each of its bits. Column k < qubits is qubit k read at the end, column
            qubits + b is classical bit b, None is a bit nobody writes.
    """

    qubits: int
    steps: tuple[Step, ...]
    bits: int = 0
    registers: tuple[tuple[str, tuple[int | None, ...]], ...] = ()

    @property
    def gate_counts(self) -> dict[str, int]:
        """Gates on one qubit (``1q``) and on more (``2q``), as ``stats`` show them; and ``billed 2q``.

        A gate on N > 2 qubits is billed as 6 (N - 2) two-qubit gates, as IonQ bills several controls.
        """
        sizes = [len(step.qubits) for step in flatten(self.steps) if isinstance(step, Gate)]
        wide = [size for size in sizes if size > 1]
        billed = sum(1 if size == 2 else 6 * (size - 2) for size in wide)
        return {"1q": sizes.count(1), "2q": len(wide), "billed 2q": billed}


def flatten(steps: Iterable[Step]) -> Iterator[Step]:
    """Every step, those inside branches too."""
    for step in steps:
        yield step
        if isinstance(step, Branch):
            yield from flatten(step.then)
            yield from flatten(step.otherwise)
