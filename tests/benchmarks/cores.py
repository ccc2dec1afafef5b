# SPDX-License-Identifier: Apache-2.0
"""Compiling and encoding different circuits of ten qubits: this process alone, and two others."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from qiskit import QuantumCircuit

from .processes import timed
from .rows import OURS, Row, Setup

LIMIT = 1 / 1.7
"""Of the time that one process takes."""


def measure(setup: Setup) -> Iterator[Row]:
    """Compile 2,000 circuits; nothing is sent."""
    from qiskit_parallel_ionq import ParallelIonQProvider

    count = 100 if setup.quick else 2_000
    case = f"{count:,} circuits of 10 qubits, compiled by 2 processes"
    try:
        from qiskit_parallel_ionq.workshop import encode_all
    except ImportError:
        yield Row("cores", case, OURS, None, "s", note="this version compiles in one process only")
        return
    made = [varied(seed) for seed in range(count)]
    with (
        ParallelIonQProvider.local() as provider,
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
    ):
        backend = provider.get_backend("ionq_parallel")

        def wall(executor: Executor | None) -> float:
            drafts: list[Any] = [backend.draft(i, c, backend.run_options()) for i, c in enumerate(made)]
            with timed() as cost:
                for encoded in encode_all(drafts, executor):
                    if isinstance(encoded, Exception):
                        raise encoded
            return cost.wall

        wall(pool)  # the processes have started, and imported
        pairs = [(wall(None), wall(pool)) for _ in range(setup.repeat)]
    one, two = (min(times) for times in zip(*pairs, strict=True))
    yield Row("cores", case, OURS, two, "s", one, "one process", LIMIT)


def varied(seed: int) -> QuantumCircuit:
    """Return a circuit that no template knows."""
    pick = random.Random(seed)
    circuit = QuantumCircuit(10, name=f"v{seed}")
    for _ in range(4):
        for qubit in range(10):
            circuit.u(*(pick.uniform(-3, 3) for _ in range(3)), qubit)
        qubits = pick.sample(range(10), 10)
        for first, second in zip(qubits[::2], qubits[1::2], strict=True):
            circuit.cx(first, second)
    circuit.measure_all()
    return circuit
