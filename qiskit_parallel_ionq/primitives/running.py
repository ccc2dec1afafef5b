# SPDX-License-Identifier: Apache-2.0
"""What both primitives do to run: the backend, the options of the run, the table of values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.primitives.containers.bindings_array import BindingsArray

from ..backend import ParallelIonQBackend
from ..drafts import require_finite
from ..errors import CircuitError, OptionError
from ..options import RunOptions
from .options import EstimatorOptions, SamplerOptions


def our_backend(backend: Any, asking: str) -> ParallelIonQBackend:
    """Return a backend of this package.

    Raises:
        OptionError: it is of another.
    """
    if not isinstance(backend, ParallelIonQBackend):
        raise OptionError(
            f"{asking} runs on a backend of ParallelIonQProvider, not on {backend!r}; for other backends "
            "Qiskit has BackendSamplerV2 and BackendEstimatorV2"
        )
    return backend


def run_options(
    backend: ParallelIonQBackend, options: SamplerOptions | EstimatorOptions, **own: Any
) -> RunOptions:
    """Return what the run is told: the primitive's own words, the user's, the backend's, in that order.

    Raises:
        OptionError: they cannot be right together.
    """
    chosen = backend.run_options(**options.run_options, seed_simulator=options.seed_simulator, **own)
    if chosen.dry_run:
        raise OptionError("the backend's option dry_run leaves a primitive without a result")
    return chosen


def coerced(kind: Any, pubs: Iterable[Any], default: Any) -> list[Any]:
    """Return PUBs as Qiskit's own class, with a default for shots or precision.

    Raises:
        ValueError: parts of a PUB do not fit each other.
        TypeError: it is no PUB.
    """
    found = []
    for index, pub in enumerate(pubs):
        with naming_pub(index):
            found.append(kind.coerce(pub, default))
    return found


@contextmanager
def naming_pub(index: int) -> Iterator[None]:
    """Put the number of the PUB before what is said of it."""
    try:
        yield
    except (CircuitError, TypeError, ValueError) as error:
        raise type(error)(f"PUB {index}: {error}") from error


def table_of(circuit: QuantumCircuit, values: BindingsArray) -> npt.NDArray[np.float64]:
    """Return the values as a table of shape (sets, parameters), in the order of ``circuit.parameters``.

    Raises:
        CircuitError: a value is not finite.
    """
    if not circuit.num_parameters:
        return np.zeros((values.size, 0))
    table = np.asarray(values.as_array(circuit.parameters), dtype=float).reshape(-1, circuit.num_parameters)
    require_finite(circuit, table)
    return table
