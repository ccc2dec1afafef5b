# SPDX-License-Identifier: Apache-2.0
"""What templates and primitives cost, each beside another road to the same.

``python tests/benchmarks/primitives_bench.py [--quick] [--json FILE]``

* binding: 1,000 sets of values of a circuit of about 100 gates, to the bytes that are sent; beside Qiskit's
  `transpile` of each bound circuit for the same backend, level 1, which makes no bytes yet.
* lists: `backend.run` of bound circuits, up to their bytes; beside each compiled by itself.
* sampling: a 20-qubit outcome of 10,000 shots to a `BitArray`; beside ``int(x, 16)`` of each memory string.
* loop: CPU of this process for one step of a variational loop (5 qubits, execution 50 ms, round trip 20 ms,
  the emulator in another process); beside `BackendEstimatorV2` on the same backend.
* step: wall time of one step of 20 circuits (execution 0.5 s, round trip 150 ms); beside the ideal of
  ``first_light.py``.

A ratio says how much more the other road takes, but for ``step``, where it is ours over the ideal.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from first_light import ROUND_TRIP, ideal_time
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import efficient_su2, qaoa_ansatz, real_amplitudes, zz_feature_map
from qiskit.primitives import BackendEstimatorV2, BitArray
from qiskit.quantum_info import SparsePauliOp

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.decode import RawResult, decode
from qiskit_parallel_ionq.drafts import bound_drafts, draft
from qiskit_parallel_ionq.encode import Readout
from qiskit_parallel_ionq.primitives import EstimatorV2
from qiskit_parallel_ionq.primitives.bits import bit_array


@dataclass(frozen=True)
class Row:
    """One figure beside another; times in milliseconds."""

    what: str
    ours: float
    other: float
    ratio: float
    bar: str


def ring(width: int) -> SparsePauliOp:
    """Return ZZ between neighbours and between every third."""
    pairs = [("ZZ", [i, (i + step) % width], 1.0) for step in (1, 3) for i in range(width)]
    return SparsePauliOp.from_sparse_list(pairs, width)


def templates() -> dict[str, QuantumCircuit]:
    """Return circuits of about 100 gates with parameters."""
    found = {
        "efficient_su2, 6 qubits": efficient_su2(6, reps=5),
        "QAOA, 8 qubits, 2 layers": qaoa_ansatz(ring(8), reps=2).decompose().decompose(),
        "feature map and ansatz, 6 qubits": zz_feature_map(6, reps=2).compose(real_amplitudes(6, reps=2)),
    }
    return {name: circuit.measure_all(inplace=False) for name, circuit in found.items()}


def timed(work: Callable[[], Any], repeat: int = 3) -> float:
    """Return the least milliseconds of CPU of some tries: others may use the machine, too."""
    best = float("inf")
    for _ in range(repeat):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return 1e3 * best


def binding(quick: bool) -> Iterator[Row]:
    rng = np.random.default_rng(1)
    sets = 1000
    with ParallelIonQProvider.local() as provider:
        for target in ("simulator", "qpu.forte-1"):
            backend = provider.get_backend(target)
            options = backend.run_options()
            for name, circuit in templates().items():
                values = rng.uniform(-np.pi, np.pi, (sets, circuit.num_parameters))
                some = [circuit.assign_parameters(row) for row in values[:50]]

                def other(some: Any = some, backend: Any = backend) -> None:
                    for each in some:
                        transpile(each, backend, optimization_level=1)

                def ours(circuit: Any = circuit, values: Any = values, backend: Any = backend) -> None:
                    for each in backend.drafts(circuit, values, options):
                        each.encode()

                ours()  # compiled as a template now
                mine, theirs = timed(ours, 1 if quick else 5) / sets, timed(other) / len(some)
                what = f"binding {name}, {target} ({len(circuit.data)} gates)"
                yield Row(what, mine, theirs, theirs / mine, ">= 50")


def lists() -> Iterator[Row]:
    rng = np.random.default_rng(2)
    with ParallelIonQProvider.local() as provider:
        target = provider.get_backend("simulator").target
        circuit = efficient_su2(6, reps=5).measure_all(inplace=False)
        alike = [circuit.assign_parameters(rng.uniform(-3, 3, circuit.num_parameters)) for _ in range(200)]
        unlike = [_shuffled(each, rng) for each in alike]
        for what, circuits, bar in (("alike", alike, ">= 1"), ("of one size, unlike", unlike, ">= 0.95")):
            checked: Any = [(each, "native") for each in circuits]
            mine = timed(lambda c=checked: [d.encode() for d in bound_drafts(c, target, 1)])
            theirs = timed(lambda c=checked: [draft(*each, target, 1).encode() for each in c])
            yield Row(f"list of 200 circuits {what}, each", mine / 200, theirs / 200, theirs / mine, bar)


def _shuffled(circuit: QuantumCircuit, rng: np.random.Generator) -> QuantumCircuit:
    """Return a circuit of the same gates on other qubits."""
    other = circuit.copy_empty_like()
    places = rng.permutation(circuit.num_qubits)
    for position, instruction in enumerate(circuit.data):
        if instruction.name not in ("measure", "barrier") and position % 7 == 0:
            places = rng.permutation(circuit.num_qubits)
        qubits = [int(places[circuit.find_bit(qubit).index]) for qubit in instruction.qubits]
        other.append(instruction.operation, qubits, instruction.clbits)
    return other


def sampling() -> Row:
    rng = np.random.default_rng(0)
    weights = rng.random(2**14)
    keys = map(str, rng.choice(2**20, 2**14, replace=False).tolist())
    body = dict(zip(keys, (weights / weights.sum()).tolist(), strict=True))
    readout = Readout(tuple(range(20)), 20)
    raw = RawResult("probabilities", body)
    outcome = decode(raw, readout, shots=10_000, rng=rng, exact=True, memory=True)
    memory = outcome.memory or []

    def by_hex() -> BitArray:
        packed = b"".join([int(entry, 16).to_bytes(3, "big") for entry in memory])
        return BitArray(np.frombuffer(packed, np.uint8).reshape(10_000, 3), 20)

    def ours() -> BitArray:
        return bit_array([outcome], tuple(range(20)), (), 10_000)

    assert ours() == by_hex()
    mine, theirs = timed(ours, 50), timed(by_hex, 20)
    return Row("20 qubits, 10,000 shots to a BitArray", mine, theirs, theirs / mine, ">= 10")


@contextmanager
def service(round_trip: float, execution: float) -> Iterator[tuple[str, str]]:
    """Run the emulator in a process of its own; give its URL and key."""
    pipe, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(theirs, round_trip, execution), daemon=True
    )
    process.start()
    try:
        yield pipe.recv()
    finally:
        pipe.send("end")
        process.join(5)


def _serve(pipe: Any, round_trip: float, execution: float) -> None:
    from qiskit_parallel_ionq.emulator import LocalIonQ

    with LocalIonQ(seed=1, round_trip=round_trip, execution_time=execution) as emulator:
        pipe.send((emulator.url, emulator.api_key))
        pipe.recv()


def loop(steps: int) -> Iterator[Row]:
    rng = np.random.default_rng(3)
    width = 5
    ansatz = efficient_su2(width, reps=2)
    terms = [("ZZ", [i, i + 1], 1.0) for i in range(width - 1)] + [("X", [i], 0.5) for i in range(width)]
    energy = SparsePauliOp.from_sparse_list(terms, width)

    def step(estimator: Any, circuit: QuantumCircuit, observable: SparsePauliOp) -> None:
        estimator.run([(circuit, observable, rng.uniform(-3, 3, circuit.num_parameters))]).result()

    def cpu(*arguments: Any) -> tuple[float, float]:
        """Return milliseconds of a step: of all threads, and of the caller's own."""
        for _ in range(5):
            step(*arguments)
        everyone, own = time.process_time(), time.thread_time()
        for _ in range(steps):
            step(*arguments)
        return 1e3 * (time.process_time() - everyone) / steps, 1e3 * (time.thread_time() - own) / steps

    with service(0.02, 0.05) as (url, key), ParallelIonQProvider(key, url) as provider:
        backend = provider.get_backend("ionq_parallel")
        isa = transpile(ansatz, backend)
        theirs, _ = cpu(BackendEstimatorV2(backend=backend), isa, energy.apply_layout(isa.layout))
        for case, told in (("", {}), (", circuits_per_job=10", {"circuits_per_job": 10})):
            mine, own = cpu(EstimatorV2(backend, {"run_options": told}), ansatz, energy)
            yield Row(f"CPU of a step of a loop{case}", mine, theirs, theirs / mine, ">= 5")
            yield Row(f"  of that, the caller's own thread{case}", own, theirs, theirs / own, "")


def one_step() -> Row:
    ansatz = efficient_su2(4, reps=1)
    values = np.random.default_rng(4).uniform(-3, 3, (10, ansatz.num_parameters))
    energy = SparsePauliOp.from_list([("ZZII", 1.0), ("IIXX", 0.5), ("XXII", 0.5), ("IIZZ", 1.0)])
    with service(ROUND_TRIP, 0.5) as (url, key), ParallelIonQProvider(key, url) as provider:
        estimator = EstimatorV2(provider.get_backend("ionq_parallel"))
        job = estimator.run([(ansatz, energy, values)])
        job.result()
        count = len(job.composite.job_ids())
        began = time.perf_counter()
        estimator.run([(ansatz, energy, values)]).result()
        wall = 1e3 * (time.perf_counter() - began)
    ideal = 1e3 * ideal_time(count, 10, 0.5)[0]
    return Row(f"a step of {count} circuits, beside the ideal", wall, ideal, wall / ideal, "<= 1.15")


def show(row: Row) -> None:
    """Print one line."""
    print(f"{row.what:72} {row.ours:9.3f} {row.other:9.3f} {row.ratio:7.2f} {row.bar:>8}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--json", type=Path, help="write the rows here, too")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{'milliseconds':72} {'ours':>9} {'other':>9} {'ratio':>7} {'bar':>8}")
    rows: list[Row] = []
    for found in (
        binding(asked.quick),
        lists(),
        iter([sampling()]),
        loop(20 if asked.quick else 100),
        iter([one_step()]),
    ):
        for row in found:
            show(row)
            rows.append(row)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
