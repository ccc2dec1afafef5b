# SPDX-License-Identifier: Apache-2.0
"""What cannot run is named by its file: that is what a person has before them, not a position in a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


@contextmanager
def naming_files(circuits: Sequence[QuantumCircuit]) -> Iterator[None]:
    """Turn an error that a circuit cannot run into one that names its file.

    Raises:
        CircuitFileError: in its place.
    """
    from ..circuit_files import origin
    from ..errors import CircuitError, CircuitFileError

    try:
        yield
    except CircuitError as error:
        where = None if error.index is None else origin(circuits[error.index].metadata)
        if where is None:
            raise
        raise CircuitFileError(f"{where}: {error}", file=where.file) from error
