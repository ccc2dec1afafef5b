# SPDX-License-Identifier: Apache-2.0
"""Ten thousand circuits on a service that runs a hundred at a time: the wall, and the client's own work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .circuits import native
from .clients import cirq_row, peer_backend, peer_run
from .processes import ROUND_TRIP, Cost, Service, alone, best, timed
from .rows import OURS, PACKED, PEER, THREADS, TUNED, Row, Setup

EXECUTION = 0.05
SLOTS = 100
LIMIT = 1.15
CPU_LIMIT = 0.5
"""Milliseconds of the client's processor for each circuit, beyond compiling and encoding it."""


def measure(setup: Setup) -> Iterator[Row]:
    """Run them with each client that can, each in a process of its own."""
    count = 1_000 if setup.quick else 10_000
    ideal = ROUND_TRIP + count * EXECUTION / SLOTS + ROUND_TRIP
    case = f"{count:,} circuits, {SLOTS} at a time"
    wall = Row("packed", case, PACKED, None, "s", ideal, "ideal")
    cpu = Row("packed", f"{case}: CPU per circuit beyond encoding", PACKED, None, "ms")
    with Service(execution_time=EXECUTION, running_slots=SLOTS) as service:
        runs = [alone(ours, service.url, service.key, count) for _ in range(setup.repeat)]
        fastest = min(runs, key=lambda run: run[0].wall)
        beyond = min(cost.cpu - encoding for cost, encoding in runs)
        yield replace(wall, value=fastest[0].wall, limit=LIMIT, facts=fastest[0].facts)
        yield replace(cpu, value=1e3 * beyond / count, limit=CPU_LIMIT)
        yield replace(wall, who=OURS, note="not run: packing is what this many circuits need")
        backend = peer_backend(service)
        made = list(native(count))
        for who in (PEER, TUNED):
            cost = best(lambda: peer_run(backend, made, who), setup.repeat, service)
            yield replace(wall, who=who, value=cost.wall, facts=cost.facts)
        yield replace(wall, who=THREADS, note=f"not run: {count // 10:,} waves of 5.6 s")
        yield cirq_row(setup, service, count, wall)


def ours(url: str, key: str, count: int) -> tuple[Cost, float]:
    """Return what a run takes, and the seconds of processor that checking and encoding take of it."""
    from qiskit_parallel_ionq import ParallelIonQProvider

    made = list(native(count))
    with ParallelIonQProvider(key, url) as provider:
        backend = provider.get_backend("ionq_parallel")
        backend.run(made[:20], shots=1000).result(timeout=60)  # what is imported late, is
        options = backend.run_options(shots=1000)
        with timed() as encoding:
            for draft in backend.drafted(made, options):
                draft.encode()
        with timed() as cost:
            backend.run(made, shots=1000, circuits_per_job="auto").result(timeout=600)
    return cost, encoding.cpu
