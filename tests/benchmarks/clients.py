# SPDX-License-Identifier: Apache-2.0
"""The ways to run a list of circuits: this package, and unmodified qiskit-ionq and cirq-ionq."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider

from .processes import Cost, Service
from .rows import CIRQ, PEER, THREADS, TUNED, Row, Setup

MOST = 2_500
"""Circuits in one job of a peer: as many as surely pass the service's limits on gates and bytes."""


@contextmanager
def our_backend(service: Service, name: str = "ionq_parallel") -> Iterator[Any]:
    """Lend our backend, on that service; like the peers' it has asked already how wide the target is."""
    with ParallelIonQProvider(service.key, service.url) as provider:
        backend = provider.get_backend(name)
        _ = backend.target
        yield backend


def peer_backend(service: Service, gateset: str = "native") -> Any:
    """Return qiskit-ionq's backend, on that service."""
    from qiskit_ionq import IonQProvider

    os.environ["IONQ_API_URL"] = service.url  # its look-ups ignore the provider's URL
    return IonQProvider(service.key, url=service.url).get_backend("ionq_simulator", gateset=gateset)


def peer_run(backend: Any, circuits: Sequence[QuantumCircuit], who: str, shots: int = 1000) -> None:
    """Run native circuits with qiskit-ionq.

    Args:
        backend: from `peer_backend`.
        circuits: that it shall run.
        who: `PEER`: a list as it is meant to be run; `TUNED`: the same, asked for five times a second;
            `THREADS`: ten threads, each of which runs one circuit after the other.
        shots: of each circuit.
    """
    if who == THREADS:
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda circuit: backend.run(circuit, shots=shots).result(), circuits))
        return
    # Its simulator sampled with a seed would not be slower.
    jobs = [backend.run(list(circuits[at : at + MOST]), shots=shots) for at in range(0, len(circuits), MOST)]
    for job in jobs:
        job.result(**({"wait": 0.2} if who == TUNED else {}))


def cirq_row(setup: Setup, service: Service, count: int, blank: Row) -> Row:
    """Return a row, filled with what cirq-ionq takes for so many circuits as batches."""
    if setup.cirq is None:
        return replace(blank, who=CIRQ, note="no interpreter with cirq-ionq was found: give one with --cirq")
    script = Path(__file__).with_name("cirq_client.py")
    command = [setup.cirq, str(script), service.url, service.key, *map(str, (count, MOST, setup.repeat))]
    before = service.stats()
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seen = [(a - b) // setup.repeat for a, b in zip(service.stats(), before, strict=True)]
    cost = Cost(**json.loads(told), requests=seen[0], connections=seen[1])
    return replace(blank, who=CIRQ, value=cost.wall, facts=cost.facts)


PEERS = (PEER, TUNED, THREADS)
