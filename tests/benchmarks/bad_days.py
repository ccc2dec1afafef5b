# SPDX-License-Identifier: Apache-2.0
"""What bad days cost: a rate limit, an outage, the disk; in real time, unmodified qiskit-ionq beside it.

``python tests/benchmarks/bad_days.py [--json FILE]``

The emulator runs in a process of its own. An outage is that process stopped dead: connections are accepted
by the system and never answered, or refused once it has been killed.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import random
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.archive import Archive
from qiskit_parallel_ionq.chronicle import Run
from qiskit_parallel_ionq.errors import ResultTimeoutError


class Service:
    """The emulator in another process."""

    def __init__(self, **knobs: Any) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(theirs, knobs), daemon=True
        )
        self.process.start()
        self.url, self.key = self._pipe.recv()

    def answered(self) -> dict[int, int]:
        """Return how many requests were answered with each status so far."""
        self._pipe.send("log")
        return self._pipe.recv()  # type: ignore[no-any-return]

    def close(self) -> None:
        self.process.kill()
        self.process.join()


def _serve(pipe: Any, knobs: dict[str, Any]) -> None:
    from collections import Counter

    from qiskit_parallel_ionq.emulator import LocalIonQ

    with LocalIonQ(seed=1, **knobs) as service:
        pipe.send((service.url, service.api_key))
        while pipe.recv() == "log":
            pipe.send(dict(Counter(status for *_, status in service.requests_log)))


def circuits(count: int) -> list[QuantumCircuit]:
    """Return small circuits, native once compiled."""
    made = []
    for index in range(count):
        circuit = QuantumCircuit(2, name=f"c{index}")
        circuit.ry(0.01 * index, 0)
        circuit.cx(0, 1)
        circuit.measure_all()
        made.append(circuit)
    return made


def rate_limit(folder: Path) -> list[dict[str, Any]]:
    """100 circuits at 20 requests a second with 32 workers: ours, and 32 threads around the peer's run."""
    rows = []
    service = Service(rate_limit=20, burst=20)
    with ParallelIonQProvider(service.key, service.url, state_dir=folder) as provider:
        backend = provider.get_backend()
        began = time.perf_counter()
        result = backend.run(circuits(100), shots=10, max_workers=32).result(timeout=300, partial=True)
        wall = time.perf_counter() - began
    lost = sum(not entry.success for entry in result.results)
    answered = service.answered()
    rows.append(_row("100 circuits, 20/s, 32 workers", "ours", lost=lost, wall=wall, **_requests(answered)))
    service.close()

    from qiskit_ionq import IonQProvider

    service = Service(rate_limit=20, burst=20)
    backend = IonQProvider(service.key, url=service.url).get_backend("ionq_simulator")
    failed = 0

    def one(circuit: QuantumCircuit) -> bool:
        try:
            return bool(backend.run(circuit, shots=10).result().success)
        except Exception:  # noqa: BLE001 - the peer's errors are what is counted
            return False

    began = time.perf_counter()
    with ThreadPoolExecutor(32) as pool:
        failed = sum(not good for good in pool.map(one, circuits(100)))
    wall = time.perf_counter() - began
    requests = _requests(service.answered())
    rows.append(_row("100 circuits, 20/s, 32 workers", "qiskit-ionq", lost=failed, wall=wall, **requests))
    service.close()
    return rows


def outage(folder: Path) -> list[dict[str, Any]]:
    """``result(timeout=2)`` while nobody answers."""
    service = Service(execution_time=1.0)
    with ParallelIonQProvider(service.key, service.url, state_dir=folder) as provider:
        job = provider.get_backend().run(circuits(20), shots=10)
        while None in job.job_ids():
            time.sleep(0.01)
        service.process.kill()
        began = time.perf_counter()
        try:
            job.result(timeout=2)
        except ResultTimeoutError:
            waited = time.perf_counter() - began
    service.close()
    return [_row("result(timeout=2) in an outage", "ours", wall=waited)]


def journal(folder: Path) -> list[dict[str, Any]]:
    """What a durable intent adds to a submission of about 100 ms, alone and among 64 threads."""
    rows = []
    for threads in (1, 64):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            record = Archive(Path(place)).begin(Run("r" * 22, 10_000, "simulator", seed=1))

            def note(number: int) -> float:
                time.sleep(random.uniform(0.09, 0.11))  # in place of the POST
                began = time.perf_counter()
                record.note({"is": "sent", "n": number, "t": 0.0})
                record.sync()
                return time.perf_counter() - began

            with ThreadPoolExecutor(threads) as pool:
                taken = sorted(pool.map(note, range(max(50, 12 * threads))))
            record.close()
        median = 1e3 * taken[len(taken) // 2]
        rows.append(_row(f"durable intent, {threads} threads", "ours", median_ms=median))
    return rows


def _row(case: str, who: str, **facts: Any) -> dict[str, Any]:
    return {"case": case, "who": who, **facts}


def _requests(answered: dict[int, int]) -> dict[str, Any]:
    total = sum(answered.values())
    return {"requests": total, "pushed_back": answered.get(429, 0)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    chosen = parser.parse_args()
    logging.getLogger("qiskit_parallel_ionq").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # the peer warns of every retry
    with tempfile.TemporaryDirectory() as folder:
        rows = [*journal(Path(folder)), *outage(Path(folder)), *rate_limit(Path(folder))]
    for row in rows:
        facts = ", ".join(
            f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}"
            for k, v in row.items()
            if k not in ("case", "who")
        )
        print(f"{row['case']:36} {row['who']:12} {facts}")
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
