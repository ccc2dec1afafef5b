# SPDX-License-Identifier: Apache-2.0
"""How close a run comes to the time that physics and the service need, for every way to send it.

The ideal time of N jobs sent by W workers that each hold one connection is

    max(⌈N/W⌉ · RTT + execution + RTT,   2 · ⌈N/W⌉ · RTT)

The first term counts waves of submissions, the execution of the last wave and the fetch of its results;
the second says that N submissions and N fetches cannot pass W connections any faster.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.primitives import BackendEstimatorV2
from qiskit.quantum_info import SparsePauliOp

from .circuits import native
from .clients import our_backend, peer_backend
from .processes import ROUND_TRIP, Service, best
from .rows import OURS, PEER, Row, Setup

CASES: tuple[tuple[str, int, dict[str, Any], float], ...] = (
    ("20 jobs, defaults", 20, {}, 1.15),
    ("100 jobs, max_workers=10", 100, {}, 1.25),
    ("100 jobs, max_workers=32", 100, {"max_workers": 32}, 1.25),
    ("100 circuits, circuits_per_job=10", 100, {"circuits_per_job": 10}, 1.15),
)


def ideal_time(jobs: int, workers: int, execution: float) -> float:
    """Return the ideal for so many connections."""
    waves = math.ceil(jobs / workers)
    return max(waves * ROUND_TRIP + execution + ROUND_TRIP, 2 * waves * ROUND_TRIP)


def measure(setup: Setup) -> Iterator[Row]:
    """Run jobs of 0.5 and 3 seconds; a variational step; then what the client itself takes."""
    for execution in (0.5,) if setup.quick else (3.0, 0.5):
        with Service(execution_time=execution) as service:
            for case, count, options, limit in CASES:
                made = list(native(count))
                jobs = count // options.get("circuits_per_job", 1)
                ideal = ideal_time(jobs, options.get("max_workers", 10), execution)
                with our_backend(service) as backend:
                    cost = best(
                        lambda: backend.run(made, shots=1000, **options).result(timeout=120),
                        setup.repeat,
                        service,
                    )
                case = f"{case}, {execution:g} s each"
                yield Row("first_light", case, OURS, cost.wall, "s", ideal, "ideal", limit, cost.facts)
            if execution == 0.5:
                yield from _estimator(service, execution)
                yield _run_returns(service)
                yield from _cpu(service)


def _estimator(service: Service, execution: float) -> Iterator[Row]:
    """One iteration of a variational loop through Qiskit's own estimator: two circuits."""
    ansatz = QuantumCircuit(4)
    for qubit in range(4):
        ansatz.ry(0.3 * (qubit + 1), qubit)
    ansatz.cx(0, 1)
    observable = SparsePauliOp.from_list([("ZZII", 1.0), ("IIXX", 0.5)])
    ideal = ideal_time(2, 10, execution)
    blank = Row("first_light", "BackendEstimatorV2, one iteration", OURS, None, "s", ideal, "ideal")

    def wall(backend: Any, repeat: int) -> float:
        isa = transpile(ansatz, backend)
        estimator = BackendEstimatorV2(backend=backend)
        layout = observable.apply_layout(isa.layout)
        return best(lambda: estimator.run([(isa, layout)]).result(), repeat).wall

    with our_backend(service) as backend:
        yield replace(blank, value=wall(backend, 3), limit=1.3)
    yield replace(blank, who=PEER, value=wall(peer_backend(service, "qis"), 1))


def _run_returns(service: Service) -> Row:
    """How long ``run`` itself takes: the median, for it is what a user waits for every time."""
    with our_backend(service) as backend:
        made = list(native(20))
        times = []
        for _ in range(5):
            began = time.perf_counter()
            job = backend.run(made, shots=1000)
            times.append(1e3 * (time.perf_counter() - began))
            job.result(timeout=60)
    return Row("first_light", "run() of 20 circuits returns", OURS, statistics.median(times), "ms", limit=50)


def _cpu(service: Service) -> Iterator[Row]:
    """What encoding and decoding a small circuit takes of the processor."""
    from qiskit_ionq.helpers import qiskit_to_ionq
    from qiskit_ionq.ionq_job import _build_counts

    from qiskit_parallel_ionq.decode import RawResult, decode
    from qiskit_parallel_ionq.encode import encode_circuit
    from qiskit_parallel_ionq.options import RunOptions
    from qiskit_parallel_ionq.packer import Packer

    peer = peer_backend(service)
    (circuit,) = native(1)
    arguments = {"shots": 1000, "sampler_seed": None, "noise_model": None, "job_settings": None}
    encoded = encode_circuit(circuit, kind="native")
    rng = np.random.default_rng(1)
    weights = rng.random(16)
    body = {str(k): float(w) for k, w in enumerate(weights / weights.sum())}
    raw = RawResult("probabilities", body)

    def encode() -> None:
        packer = Packer("r" * 22, 1, "simulator", RunOptions(), "agent")
        list(packer.add(0, encode_circuit(circuit, kind="native"), 1000))

    pairs: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "encode": (encode, lambda: qiskit_to_ionq(circuit, peer, arguments)),
        "decode": (
            lambda: decode(raw, encoded.readout, shots=1000, rng=rng, exact=True, memory=False).counts,
            lambda: _build_counts(body, 4, [0, 1, 2, 3], 1000, use_sampler=True, sampler_seed=1),
        ),
    }
    for what, (ours, peers) in pairs.items():
        mine, theirs = _each(ours), _each(peers)
        case = f"{what} one small circuit: CPU"
        yield Row("first_light", case, OURS, mine, "µs", theirs, PEER)
        yield Row("first_light", case, PEER, theirs, "µs")


def _each(work: Callable[[], object], count: int = 200) -> float:
    """Return microseconds of this thread's processor; the best of five rounds."""
    times = []
    for _ in range(5):
        began = time.thread_time()
        for _ in range(count):
            work()
        times.append(1e6 * (time.thread_time() - began) / count)
    return min(times)
