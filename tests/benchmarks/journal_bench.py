# SPDX-License-Identifier: Apache-2.0
"""What recording costs: durable lines a second, the beginning of a run, and reading a long one.

Run it as ``python tests/benchmarks/journal_bench.py [FOLDER]``, on the disk that is meant.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from qiskit import QuantumCircuit

from qiskit_parallel_ionq import chronicle
from qiskit_parallel_ionq.archive import Archive
from qiskit_parallel_ionq.batch import Batch
from qiskit_parallel_ionq.chronicle import Place, Run
from qiskit_parallel_ionq.encode import encode_circuit
from qiskit_parallel_ionq.journal import Journal, ReadAlong
from qiskit_parallel_ionq.lifecycle import Accepted, Fetched, Sent
from qiskit_parallel_ionq.options import RunOptions
from qiskit_parallel_ionq.packer import Packer

CIRCUITS = 10_000
RUN = Run("r" * 22, CIRCUITS, "simulator", seed=1, shots=(100,) * CIRCUITS)


def lines_a_second(folder: Path, threads: int, each: int) -> tuple[float, float, float]:
    """Return durable lines a second, and the median and the 99th percentile of one in milliseconds."""
    journal = Journal(folder / f"{threads}.journal", is_new=True)
    waits: list[float] = []
    ready = threading.Barrier(threads + 1)

    def work() -> None:
        mine = []
        ready.wait()
        for number in range(each):
            begun = time.perf_counter()
            journal.note({"is": "sent", "n": number, "t": 1234567890.123})
            journal.sync()
            mine.append(time.perf_counter() - begun)
        waits.extend(mine)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    ready.wait()
    begun = time.perf_counter()
    for worker in workers:
        worker.join()
    elapsed = time.perf_counter() - begun
    journal.close()
    percentiles = statistics.quantiles(waits, n=100)
    return threads * each / elapsed, 1000 * statistics.median(waits), 1000 * percentiles[98]


def beginnings(folder: Path, count: int = 50) -> float:
    """Return milliseconds that one run takes to begin, once the folder is there."""
    archive = Archive(folder / "begun")
    archive.begin(RUN).close()
    waits = []
    for number in range(count):
        run = Run(f"{number:022d}", 20, "simulator", seed=1, shots=(100,) * 20)
        begun = time.perf_counter()
        journal = archive.begin(run)
        waits.append(time.perf_counter() - begun)
        journal.close()
    return 1000 * statistics.median(waits)


def long_run(folder: Path, per_job: int) -> Path:
    """Return the journal of a finished run of many circuits of four qubits."""
    packer = Packer(
        RUN.id, CIRCUITS, "simulator", RunOptions().update(shots=100, circuits_per_job=per_job), "bench", 1
    )
    circuit = QuantumCircuit(4, 4, name="ansatz")
    circuit.measure(range(4), range(4))
    encoded = encode_circuit(circuit, kind="native", renumber=False)
    path = folder / f"{per_job}-a-job.journal"
    result = json.dumps({str(k): 1 / 16 for k in range(16)}).encode()
    journal = Journal(path, is_new=True)
    journal.note(chronicle.header(RUN))
    parcels = [parcel for index in range(CIRCUITS) for parcel in packer.add(index, encoded, 100)]
    for number, parcel in enumerate(parcels):
        journal.note(chronicle.parcel_record(number, parcel, Place(0, 1, "0" * 12), []))
        for event in (Sent(1.0), Accepted(f"0199b2c4-7d11-7c31-9a44-{number:012x}", 2.0)):
            journal.note(chronicle.event_record(number, event, 1234567890.123) or {})
        for index in parcel.circuits:
            place = journal.put_result(result)
            assert place is not None
            at = {"offset": place.offset, "size": place.size, "digest": place.digest}
            journal.note({"is": "result", "i": index, "kind": "probabilities", "at": at})
        journal.note(chronicle.event_record(number, Fetched(3.0), 1234567890.123) or {})
    journal.close()
    return path


def seconds(work: Callable[[], object]) -> float:
    """Return the processor's time that something takes: the best of three."""
    times = []
    for _ in range(3):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def main() -> None:
    """Measure, and print a table."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as name:
        folder = Path(name)
        print(f"{'note and sync':38} {'lines/s':>9} {'median ms':>10} {'p99 ms':>8}")
        for threads, each in ((1, 2000), (64, 200)):
            rate, median, worst = lines_a_second(folder, threads, each)
            print(f"{f'{threads} threads':38} {rate:9,.0f} {median:10.3f} {worst:8.3f}")
        print(f"\n{'begin a run':38} {beginnings(folder):9.2f} ms")
        for per_job in (1, 100):
            path = long_run(folder, per_job)
            data = path.read_bytes()
            story = chronicle.read(data)
            assert len(story.results) == CIRCUITS
            label = f"{CIRCUITS:,} circuits, {per_job} a job"
            print(f"\n{label:38} {len(data) / CIRCUITS:9.0f} bytes of journal a circuit")
            print(f"{'  replay':38} {seconds(lambda: chronicle.read(data)):9.3f} s")
            print(
                f"{'  restore with all results':38} {seconds(lambda: Batch.restored(story, ReadAlong(path))):9.3f} s"
            )


if __name__ == "__main__":
    main()
