# SPDX-License-Identifier: Apache-2.0
"""How close a run comes to the time that physics and the service need; unmodified qiskit-ionq beside it.

``python tests/benchmarks/first_light.py [--quick] [--json FILE]``

The emulator runs in a process of its own with a round trip of 150 ms. The ideal time of N jobs sent by W
workers that each hold one connection is

    max(⌈N/W⌉ · RTT + execution + RTT,   2 · ⌈N/W⌉ · RTT)

The first term counts waves of submissions, the execution of the last wave and the fetch of its results;
the second says that N submissions and N fetches cannot pass W connections any faster. The looser ideal of
a client with unlimited connections for its fetches, the first term alone, is printed beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.primitives import BackendEstimatorV2
from qiskit.quantum_info import SparsePauliOp

from qiskit_parallel_ionq import ParallelIonQProvider

ROUND_TRIP = 0.15


@dataclass(frozen=True)
class Row:
    """One measured case; times in seconds."""

    who: str
    case: str
    circuits: int
    execution: float
    wall: float
    ideal: float
    loose_ideal: float
    requests: int
    connections: int
    limit: float | None = None

    @property
    def ratio(self) -> float:
        return self.wall / self.ideal


def ideal_time(jobs: int, workers: int, execution: float) -> tuple[float, float]:
    """Return the ideal for so many connections, and the looser one."""
    waves = math.ceil(jobs / workers)
    loose = waves * ROUND_TRIP + execution + ROUND_TRIP
    return max(loose, 2 * waves * ROUND_TRIP), loose


class Service:
    """The emulator in another process, so that it has a core of its own."""

    def __init__(self, execution: float) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        spawn = multiprocessing.get_context("spawn")
        self._process = spawn.Process(target=_serve, args=(theirs, execution), daemon=True)
        self._process.start()
        self.url, self.key = self._pipe.recv()

    def stats(self) -> tuple[int, int]:
        """Return how many requests were served and how many connections were opened so far."""
        self._pipe.send("stats")
        return self._pipe.recv()  # type: ignore[no-any-return]

    def close(self) -> None:
        self._pipe.send("end")
        self._process.join(5)


def _serve(pipe: Any, execution: float) -> None:
    from qiskit_parallel_ionq.emulator import LocalIonQ

    with LocalIonQ(seed=1, round_trip=ROUND_TRIP, execution_time=execution) as service:
        pipe.send((service.url, service.api_key))
        while pipe.recv() == "stats":
            stats = service.stats()
            pipe.send((stats.requests, stats.connections))


def circuits(count: int) -> list[QuantumCircuit]:
    """Return different circuits of 4 qubits."""
    made = []
    for index in range(count):
        circuit = QuantumCircuit(4, name=f"c{index}")
        for qubit in range(4):
            circuit.ry(0.1 * (index + qubit + 1), qubit)
        for qubit in range(3):
            circuit.cx(qubit, qubit + 1)
        circuit.measure_all()
        made.append(circuit)
    return made


def timed(service: Service, work: Callable[[], Any]) -> tuple[float, int, int]:
    """Return seconds, requests and connections of a piece of work."""
    requests, connections = service.stats()
    began = time.perf_counter()
    work()
    wall = time.perf_counter() - began
    requests_after, connections_after = service.stats()
    return wall, requests_after - requests, connections_after - connections


def ours(service: Service, execution: float, quick: bool) -> list[Row]:
    rows = []
    cases = [
        ("defaults", 20, {}, 1.15),
        ("max_workers=10", 100, {}, 1.25),
        ("max_workers=32", 100, {"max_workers": 32}, 1.25),
        ("circuits_per_job=10", 100, {"circuits_per_job": 10}, 1.15),
    ]
    for case, count, options, limit in cases:
        jobs = count // options.get("circuits_per_job", 1)
        workers = options.get("max_workers", 10)
        ideal, loose = ideal_time(jobs, workers, execution)
        for attempt in range(1 if quick else 3):
            with ParallelIonQProvider(service.key, service.url) as provider:
                backend = provider.get_backend("ionq_parallel")
                native = transpile(circuits(count), backend)
                wall, requests, connections = timed(
                    service, lambda: backend.run(native, shots=1000, **options).result(timeout=120)
                )
            name = f"{case}, run {attempt + 1}"
            rows.append(Row("ours", name, count, execution, wall, ideal, loose, requests, connections, limit))
    return rows


def peers(service: Service, execution: float) -> list[Row]:
    from concurrent.futures import ThreadPoolExecutor

    from qiskit_ionq import IonQProvider

    os.environ["IONQ_API_URL"] = service.url  # its look-ups ignore the provider's URL
    backend = IonQProvider(service.key, url=service.url).get_backend("ionq_simulator", gateset="native")
    native = transpile(circuits(20), backend)
    rows = []

    def pool() -> None:
        with ThreadPoolExecutor(10) as workers:
            list(workers.map(lambda c: backend.run(c, shots=1000).result(), native))

    for case, work, jobs in (
        ("pool of 10 around run().result()", pool, 20),
        ("one list job, default wait", lambda: backend.run(native, shots=1000).result(), 1),
        ("one list job, result(wait=.2)", lambda: backend.run(native, shots=1000).result(wait=0.2), 1),
    ):
        wall, requests, connections = timed(service, work)
        ideal, loose = ideal_time(jobs, 10, execution)
        rows.append(Row("qiskit-ionq", case, 20, execution, wall, ideal, loose, requests, connections))
    return rows


def estimator_rows(service: Service, execution: float) -> list[Row]:
    """One iteration of a variational loop through Qiskit's own estimator."""
    from qiskit_ionq import IonQProvider

    ansatz = QuantumCircuit(4)
    for qubit in range(4):
        ansatz.ry(0.3 * (qubit + 1), qubit)
    ansatz.cx(0, 1)
    observable = SparsePauliOp.from_list([("ZZII", 1.0), ("IIXX", 0.5)])
    ideal, loose = ideal_time(2, 10, execution)
    rows = []
    with ParallelIonQProvider(service.key, service.url) as provider:
        backend = provider.get_backend("ionq_parallel")
        isa = transpile(ansatz, backend)
        for iteration in (1, 2, 3):
            estimator = BackendEstimatorV2(backend=backend)
            layout = observable.apply_layout(isa.layout)
            wall, requests, connections = timed(service, lambda: estimator.run([(isa, layout)]).result())
            name = f"BackendEstimatorV2, iteration {iteration}"
            rows.append(Row("ours", name, 2, execution, wall, ideal, loose, requests, connections, 1.3))
    os.environ["IONQ_API_URL"] = service.url
    peer = IonQProvider(service.key, url=service.url).get_backend("ionq_simulator", gateset="qis")
    estimator = BackendEstimatorV2(backend=peer)
    isa = transpile(ansatz, peer)
    layout = observable.apply_layout(isa.layout)
    wall, requests, connections = timed(service, lambda: estimator.run([(isa, layout)]).result())
    rows.append(
        Row(
            "qiskit-ionq",
            "BackendEstimatorV2, one iteration",
            2,
            execution,
            wall,
            ideal,
            loose,
            requests,
            connections,
        )
    )
    return rows


def run_returns(service: Service) -> float:
    """Return the median milliseconds until ``run`` of 20 small native circuits returns."""
    with ParallelIonQProvider(service.key, service.url) as provider:
        backend = provider.get_backend("ionq_parallel")
        native = transpile(circuits(20), backend)
        times = []
        for _ in range(5):
            began = time.perf_counter()
            job = backend.run(native, shots=1000)
            times.append(1e3 * (time.perf_counter() - began))
            job.result(timeout=60)
    return statistics.median(times)


def cpu_rows(service: Service) -> dict[str, dict[str, float]]:
    """Return client CPU per circuit in microseconds: encoding a job, decoding its result."""
    from qiskit_ionq import IonQProvider
    from qiskit_ionq.helpers import qiskit_to_ionq
    from qiskit_ionq.ionq_job import _build_counts

    from qiskit_parallel_ionq.decode import RawResult, decode
    from qiskit_parallel_ionq.encode import encode_circuit
    from qiskit_parallel_ionq.options import RunOptions
    from qiskit_parallel_ionq.packer import Packer

    os.environ["IONQ_API_URL"] = service.url
    peer = IonQProvider(service.key, url=service.url).get_backend("ionq_simulator", gateset="native")
    (native,) = transpile(circuits(1), peer)
    arguments = {"shots": 1000, "sampler_seed": None, "noise_model": None, "job_settings": None}

    def encode_ours() -> None:
        packer = Packer("r" * 22, 1, "simulator", RunOptions(), "agent")
        list(packer.add(0, encode_circuit(native, kind="native"), 1000))

    rng = np.random.default_rng(1)
    weights = rng.random(16)
    body = {str(k): float(w) for k, w in enumerate(weights / weights.sum())}
    readout = encode_circuit(native, kind="native").readout

    def decode_ours() -> None:
        decode(RawResult("probabilities", body), readout, shots=1000, rng=rng, exact=True, memory=False)

    def decode_peer() -> None:
        _build_counts(body, 4, [0, 1, 2, 3], 1000, use_sampler=True, sampler_seed=1)

    return {
        "encode": {
            "ours": _cpu(encode_ours),
            "qiskit-ionq": _cpu(lambda: qiskit_to_ionq(native, peer, arguments)),
        },
        "decode": {"ours": _cpu(decode_ours), "qiskit-ionq": _cpu(decode_peer)},
    }


def _cpu(work: Callable[[], Any], repeat: int = 300) -> float:
    for _ in range(20):
        work()
    began = time.process_time()
    for _ in range(repeat):
        work()
    return 1e6 * (time.process_time() - began) / repeat


def show(rows: list[Row]) -> None:
    """Print one line a case."""
    print(f"{'who':12} {'case':36} {'n':>4} {'exec':>5} {'wall':>7} {'ideal':>6} {'ratio':>6} {'bar':>5} "
          f"{'loose':>6} {'req':>4} {'conn':>4}")  # fmt: skip
    for row in rows:
        bar = "" if row.limit is None else f"{row.limit:.2f}"
        print(f"{row.who:12} {row.case:36} {row.circuits:4} {row.execution:5.1f} {row.wall:7.2f} {row.ideal:6.2f} "
              f"{row.ratio:6.2f} {bar:>5} {row.wall / row.loose_ideal:6.2f} {row.requests:4} {row.connections:4}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one repetition, no peers")
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    rows: list[Row] = []
    facts: dict[str, Any] = {}
    for execution in (3.0, 0.5):
        service = Service(execution)
        try:
            rows += ours(service, execution, asked.quick)
            rows += [] if asked.quick else peers(service, execution)
            if execution == 0.5:
                rows += estimator_rows(service, execution)
                facts = {"run_returns_ms": run_returns(service), "cpu_us": cpu_rows(service)}
        finally:
            service.close()
    show(rows)
    print(f"run() of 20 small native circuits returns after {facts['run_returns_ms']:.1f} ms (bar 50)")
    for what, cost in facts["cpu_us"].items():
        ratio = cost["ours"] / cost["qiskit-ionq"]
        peer = cost["qiskit-ionq"]
        print(f"{what}: {cost['ours']:.0f} us of CPU per small circuit, qiskit-ionq {peer:.0f}: {ratio:.2f}x")
    if asked.json:
        asked.json.write_text(json.dumps({"rows": [asdict(r) for r in rows], **facts}, indent=1))


if __name__ == "__main__":
    main()
