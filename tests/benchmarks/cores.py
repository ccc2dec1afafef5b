# SPDX-License-Identifier: Apache-2.0
"""Compiling and encoding different circuits of ten qubits: this process alone, and two others."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context

from qiskit import QuantumCircuit

from .processes import timed
from .rows import OURS, Row, Setup


def measure(setup: Setup) -> Iterator[Row]:
    """Make requests of 2,000 circuits; nothing is sent."""
    from qiskit_parallel_ionq import ParallelIonQProvider

    count = 100 if setup.quick else 2_000
    case = f"{count:,} circuits of 10 qubits, by 2 processes"
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

        def wall(executor: Executor | None) -> tuple[float, float]:
            """Seconds from circuits to requests, and from checked circuits to requests."""
            with timed() as whole:
                drafts = backend.drafted(made, backend.run_options())
                with timed() as work:
                    for encoded in encode_all(drafts, executor):
                        if isinstance(encoded, Exception):
                            raise encoded
            return whole.wall, work.wall

        wall(pool)  # the processes have started, and imported
        pairs = [(wall(None), wall(pool)) for _ in range(setup.repeat)]
    for place, what in enumerate(("checked, compiled and encoded", "compiled and encoded")):
        one, two = (min(times[place] for times in walls) for walls in zip(*pairs, strict=True))
        yield Row("cores", f"{case}: {what}", OURS, two, "s", one, "one process")


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
