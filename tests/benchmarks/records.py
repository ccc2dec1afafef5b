# SPDX-License-Identifier: Apache-2.0
"""What recording costs on this disk: durable lines, the beginning of a run, and reading a long one."""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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

from .processes import processor
from .rows import OURS, PACKED, Row, Setup

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


def intents(folder: Path, threads: int) -> float:
    """Return what a durable intent adds to a submission of about 100 ms, as a median in milliseconds."""
    journal = Journal(folder / f"{threads}-intents.journal", is_new=True)

    def note(number: int) -> float:
        time.sleep(random.uniform(0.09, 0.11))  # in place of the POST
        began = time.perf_counter()
        journal.note({"is": "sent", "n": number, "t": 0.0})
        journal.sync()
        return time.perf_counter() - began

    with ThreadPoolExecutor(threads) as pool:
        taken = list(pool.map(note, range(max(50, 12 * threads))))
    journal.close()
    return 1e3 * statistics.median(taken)


def measure(setup: Setup) -> Iterator[Row]:
    """Write and read records in a folder of the system's, as the journal's own would be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for threads, each in ((1, 2000), (64, 200)):
            rate, median, worst = lines_a_second(folder, threads, each // (10 if setup.quick else 1))
            facts = {"lines_a_second": round(rate), "p99_ms": round(worst, 3)}
            case = f"a durable line, {threads} threads at once"
            yield Row("records", case, OURS, median, "ms", facts=facts)
            case = f"a durable intent among submissions, {threads} threads"
            yield Row("records", case, OURS, intents(folder, threads), "ms", limit=10)
        yield Row("records", "the beginning of a run", OURS, beginnings(folder), "ms")
        for per_job, who in ((1, OURS), (100, PACKED)):
            path = long_run(folder, per_job)
            data = path.read_bytes()
            story = chronicle.read(data)
            if len(story.results) != CIRCUITS:
                raise RuntimeError(f"{len(story.results)} results were read again")
            size = len(data) / CIRCUITS
            yield Row("records", "journal of each of 10,000 circuits", who, size, "bytes")
            cpu = processor(lambda: chronicle.read(data), setup.repeat)
            yield Row("records", "replay of 10,000 circuits: CPU", who, cpu, "s")
            cpu = processor(lambda: Batch.restored(story, ReadAlong(path)), setup.repeat)
            yield Row("records", "restoring them with all results: CPU", who, cpu, "s")
