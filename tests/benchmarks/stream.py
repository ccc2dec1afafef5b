# SPDX-License-Identifier: Apache-2.0
"""An iterator of a hundred thousand circuits: what each leaves behind in memory, and whether time grows more."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from .circuits import native
from .processes import Cost, Service, alone, timed
from .rows import PACKED, Row, Setup

GROWTH_LIMIT = 1.1
"""Ten times the circuits may take ten times as long, and a tenth more."""
PENDING = 20_000


@dataclass(frozen=True)
class Streamed:
    """What reading a stream to its end took, and the memory (bytes) at its tenths."""

    cost: Cost
    memory: tuple[int, ...]


def measure(setup: Setup) -> Iterator[Row]:
    """Stream 1,000, 10,000 and 100,000 circuits; keep 20,000 waiting."""
    if not Path("/proc/self/statm").exists():
        yield Row(
            "stream", "memory and growth", PACKED, None, "bytes", note="memory is measured on Linux only"
        )
        return
    sizes = (500, 1_000) if setup.quick else (1_000, 10_000, 100_000)
    largest = streamed(sizes[-1])
    settled = largest.memory[1]  # after two tenths, when every cache is full
    left = (largest.memory[-1] - settled) / (0.8 * sizes[-1])
    yield Row("stream", f"{sizes[-1]:,} circuits: memory per completed circuit", PACKED, left, "bytes")
    waiting = 1_000 if setup.quick else PENDING
    few = waiting // 5  # what does not grow with them is no circuit's
    held = (alone(pending, waiting) - alone(pending, few)) / (waiting - few) / 1024
    case = f"{few:,} → {waiting:,} pending: memory per pending circuit"
    yield Row("stream", case, PACKED, held, "KiB", limit=1.0)
    for small, large in pairwise(sizes):
        for what in ("wall", "cpu"):
            before, after = getattr(streamed(small).cost, what), getattr(streamed(large).cost, what)
            linear = before * large / small
            case = f"{small:,} → {large:,} circuits: {what}"
            yield Row("stream", case, PACKED, after, "s", linear, "linear", GROWTH_LIMIT)


@cache
def streamed(count: int) -> Streamed:
    """Stream so many circuits; the service takes next to no time for them."""
    with Service(execution_time=0.0, round_trip=0.02) as service:
        return alone(_stream, service.url, service.key, count)


def _stream(url: str, key: str, count: int) -> Streamed:
    from qiskit_parallel_ionq import ParallelIonQProvider

    memory = []
    with ParallelIonQProvider(key, url) as provider:
        backend = provider.get_backend("ionq_parallel")
        backend.run(list(native(20)), shots=100).result(timeout=60)  # what is imported late, is
        with timed() as cost:
            job = backend.run(native(count), shots=100, circuits_per_job="auto")
            for number, (_, entry) in enumerate(job.results_iter(), 1):
                if not entry.success:
                    raise RuntimeError(entry.status)
                if number % (count // 10) == 0:
                    memory.append(resident())
    return Streamed(cost, tuple(memory))


def pending(count: int) -> int:
    """Return the bytes that so many circuits take in memory while the service has not run them yet."""
    from qiskit_parallel_ionq import ParallelIonQProvider

    with (
        Service(execution_time=3_600.0, round_trip=0.02) as service,
        ParallelIonQProvider(service.key, service.url) as provider,
    ):
        backend = provider.get_backend("ionq_parallel")
        backend.run(native(100), shots=100, circuits_per_job="auto").cancel()
        before = resident()
        job = backend.run(native(2 * count), shots=100, circuits_per_job="auto", window=count)
        while job.progress().waiting:
            job.stretches[-1].wait(0.2)
        held = resident() - before
        job.cancel()
    return held


def resident() -> int:
    """Return the bytes of memory that this process has."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])  # Linux
    return pages * os.sysconf("SC_PAGE_SIZE")
