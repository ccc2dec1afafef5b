# SPDX-License-Identifier: Apache-2.0
"""What bad days cost: a rate limit, and an outage.

An outage is the service's process stopped dead: connections are refused, or accepted by the system and never
answered.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from qiskit import QuantumCircuit

from qiskit_parallel_ionq.errors import ResultTimeoutError

from .circuits import native
from .clients import our_backend, peer_backend
from .processes import Service, timed
from .rows import OURS, PEER, Row, Setup

LIMIT = 3.0
"""Seconds in which ``result(timeout=2)`` is back: a deadline and one second."""


def measure(setup: Setup) -> Iterator[Row]:
    """Live through them."""
    logger = logging.getLogger("qiskit_parallel_ionq")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield _outage()
        yield from _rate_limit(20 if setup.quick else 100)
    finally:
        logger.setLevel(level)


def _outage() -> Row:
    with Service(execution_time=1.0, round_trip=0.0) as service, our_backend(service) as backend:
        job = backend.run(list(native(20)), shots=10)
        while None in job.job_ids():
            time.sleep(0.01)
        service.kill()
        with timed() as cost:
            try:
                job.result(timeout=2)
            except ResultTimeoutError:
                pass
            else:
                raise RuntimeError("nobody was there, and a result was")
    return Row("bad_days", "result(timeout=2) in an outage", OURS, cost.wall, "s", limit=LIMIT)


def _rate_limit(count: int) -> Iterator[Row]:
    """32 workers, and 32 threads around the peer's run, at twenty requests a second."""
    case = f"{count} circuits, 20 requests/s, 32 workers: "
    made = list(native(count))
    with Service(rate_limit=20, burst=20, round_trip=0.0) as service, our_backend(service) as backend:
        with timed() as cost:
            result = backend.run(made, shots=10, max_workers=32).result(timeout=300, partial=True)
        lost = sum(not entry.success for entry in result.results)
        facts = _requests(service)
    yield Row("bad_days", f"{case}circuits lost", OURS, lost, "", limit=0, facts=facts)
    yield Row("bad_days", f"{case}wall", OURS, cost.wall, "s", facts=facts)
    with Service(rate_limit=20, burst=20, round_trip=0.0) as service:
        backend = peer_backend(service)

        def one(circuit: QuantumCircuit) -> bool:
            try:
                return bool(backend.run(circuit, shots=10).result().success)
            except Exception:  # noqa: BLE001 - the peer's errors are what is counted
                return False

        with timed() as cost, ThreadPoolExecutor(32) as pool:
            lost = sum(not good for good in pool.map(one, made))
        facts = _requests(service)
    yield Row("bad_days", f"{case}circuits lost", PEER, lost, "", facts=facts)
    yield Row("bad_days", f"{case}wall", PEER, cost.wall, "s", facts=facts)


def _requests(service: Service) -> dict[str, int]:
    answered = service.answered()
    return {"requests": sum(answered.values()), "pushed_back": answered.get(429, 0)}
