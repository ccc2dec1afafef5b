# SPDX-License-Identifier: Apache-2.0
"""The shipped conductor and workers against a simulated service, in virtual time: no thread, no socket."""

from __future__ import annotations

import heapq
import itertools
import json
import queue
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq.api import Page
from qiskit_parallel_ionq.batch import Batch
from qiskit_parallel_ionq.chronicle import Run, header, parcel_record
from qiskit_parallel_ionq.conductor import Conductor, Loop
from qiskit_parallel_ionq.encode import encode_circuit
from qiskit_parallel_ionq.errors import TransportError, api_error
from qiskit_parallel_ionq.gates import GPIGate
from qiskit_parallel_ionq.options import RunOptions
from qiskit_parallel_ionq.packer import Packer
from qiskit_parallel_ionq.transport import Reply
from qiskit_parallel_ionq.wire import JobRecord, JobState
from qiskit_parallel_ionq.worker import Worker


class VirtualTime:
    """A clock that jumps to the next thing that happens, and a pool whose requests take a round trip."""

    def __init__(self, round_trip: float) -> None:
        self.now = 0.0
        self.round_trip = round_trip
        self.delays: list[float] = []
        self.under_way = 0
        self.most_under_way = 0
        self._events: list = []
        self._sequence = itertools.count()

    def submit(self, work) -> None:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        delay = self.delays.pop(0) if self.delays else self.round_trip
        self.at(self.now + delay, lambda: self._answer(work))

    def shutdown(self) -> None:
        pass

    def at(self, due: float, happen) -> None:
        heapq.heappush(self._events, (due, next(self._sequence), happen))

    def wait(self, inbox, patience):
        while inbox.empty():
            due = self._events[0][0] if self._events else float("inf")
            limit = float("inf") if patience is None else self.now + patience
            if due == limit == float("inf"):
                raise AssertionError("nothing will ever happen again: the conductor is stuck")
            if limit <= due:
                self.now, patience = limit, 0.0
                raise queue.Empty
            patience = None if patience is None else limit - due
            self.now = due
            heapq.heappop(self._events)[2]()
        return inbox.get()

    def jump(self, limit: float) -> None:
        """Go to the next thing that happens, or to a time before it."""
        if self._events and self._events[0][0] <= limit:
            self.now, _, happen = heapq.heappop(self._events)
            happen()
        else:
            assert limit < float("inf"), "nothing will ever happen again: the conductor is stuck"
            self.now = limit

    def cut_off(self, arrives) -> None:
        """Let requests under way arrive now or never."""
        events, self._events, self.under_way = sorted(self._events, key=lambda e: e[:2]), [], 0
        for _, _, happen in events:
            if arrives():
                happen()
        self.under_way = 0

    def _answer(self, work) -> None:
        self.under_way -= 1
        work()


@dataclass
class Stored:
    """A job in the simulated service."""

    id: str
    body: dict
    stored_at: float
    starts_at: float
    done_at: float
    children: tuple[str, ...]
    cancelled: bool = False
    failure: tuple[str, str] | None = None
    failed_children: dict[int, tuple[str, str]] = field(default_factory=dict)

    @property
    def token(self) -> str:
        return self.body["metadata"]["qpi"]

    @property
    def circuits(self) -> list:
        given = self.body["input"]
        return [c["circuit"] for c in given["circuits"]] if "circuits" in given else [given["circuit"]]


class SimulatedIonQ:
    """Stands where `Api` stands. ``post_faults`` and ``get_faults`` script bad days.

    A fault is ``"lost after store"``, ``"503 after store"``, ``"503 before store"``, ``"not sent"``,
    ``"lost before store"``, ``"id of <job>"`` (stored, and answered with that id), an HTTP status, or ``(429, seconds)``; a callable is asked at each request.
    """

    def __init__(
        self,
        time: VirtualTime,
        *,
        execution=0.5,
        predicts=True,
        rate=None,
        burst=1,
        limits_reads=True,
        serial=False,
        listing_lag=0.0,
    ):
        self.time = time
        self.execution = execution if callable(execution) else lambda _: execution
        self.predicts = predicts
        self.rate, self.tokens, self.filled_at, self.burst = rate, float(burst), 0.0, burst
        self.limits_reads = limits_reads
        self.serial = serial
        self.most_rows, self.refuses_ids_beyond = 100, 100
        self.listing_lag = listing_lag
        self.lists_jobs = True
        self.post_faults: list = []
        self.get_faults: list = []
        self.jobs_stored: list[Stored] = []
        self.log: list[tuple[float, str, str, object]] = []
        self.after_store = lambda job: None
        self.page_size = 25

    @property
    def service_time(self) -> datetime:
        """What the answers so far told of the service's clock."""
        return _moment(self.now)

    @property
    def now(self) -> float:
        """When the service handles the request that is being answered: half a round trip ago."""
        return self.time.now - self.time.round_trip / 2

    def create_job(self, body: bytes) -> Reply:
        fault = self._fault(self.post_faults)
        status = self._limited() or fault
        self.log.append((self.now, "POST", "/jobs", status))
        if fault == "not sent":
            raise TransportError("refused", sent=False)
        if fault == "lost before store":
            raise TransportError("reset", sent=True)
        if isinstance(status, tuple):
            return Reply(429, {"Retry-After": str(status[1])}, b'{"message": "slow down"}')
        if isinstance(status, int):
            return Reply(status, {}, b'{"error": "no", "message": "because", "statusCode": %d}' % status)
        if status == "503 before store":
            return Reply(503, {}, b"{}")
        job = self._store(json.loads(body))
        if isinstance(status, str) and status.startswith("id of "):
            return Reply(
                201, {}, json.dumps({"id": status.removeprefix("id of "), "status": "submitted"}).encode()
            )
        if status == "503 after store":
            return Reply(503, {}, b"{}")
        if status == "lost after store":
            raise TransportError("read timed out", sent=True)
        return Reply(201, {}, json.dumps({"id": job.id, "status": "submitted", "session_id": None}).encode())

    def job(self, job_id: str) -> JobRecord:
        self._get(f"/jobs/{job_id}")
        job = self._find(job_id)
        if job is not None and job.id == job_id:
            return self._record(job)
        if job is not None:
            position = job.children.index(job_id)
            failure = job.failed_children.get(position, (None, None))
            state = JobState.FAILED if failure[0] else JobState.COMPLETED
            return JobRecord(job_id, state, *failure, parent_id=job.id)
        raise api_error(404, method="GET", path=f"/jobs/{job_id}")

    def project(self) -> str | None:
        self._get("/whoami")
        return "p1"

    def jobs(self, *, ids=(), parent=None, limit=None, cursor=None) -> Page:
        self._get("/jobs" + ("?ids" if ids else ""))
        if not self.lists_jobs:
            raise api_error(404, method="GET", path="/jobs")
        if len(ids) > self.refuses_ids_beyond:
            raise api_error(400, method="GET", path="/jobs")
        if ids:
            found = [job for job in map(self._find, ids) if job is not None]
            return Page(tuple(self._listed(job) for job in found[: self.most_rows]), None)
        visible = [j for j in reversed(self.jobs_stored) if j.stored_at + self.listing_lag <= self.now]
        start = int(cursor or 0)
        page = visible[start : start + self.page_size]
        more = str(start + self.page_size) if start + self.page_size < len(visible) else None
        return Page(tuple(self._listed(j) for j in page), more, date=_moment(self.now))

    def result(self, path: str, *, largest: int = 0) -> bytes:
        return json.dumps(self.distribution(path)).encode()

    def distribution(self, path: str):
        """Return what is served as a result; tests put another in its place."""
        self._get(path)
        job_id, _, kind = path.removeprefix("/jobs/").partition("/results/")
        job = self._find(job_id)
        outcomes = [] if job is None else [_outcome(c) for c in job.circuits]
        if job is not None and job_id in job.children:
            outcome = str(outcomes[job.children.index(job_id)])
            return [outcome] * job.body["shots"] if kind == "shots" else {outcome: 1.0}
        if job is not None and self._record(job).state is JobState.COMPLETED:
            if kind == "probabilities/aggregated":
                return {c: {str(o): 1.0} for c, o in zip(job.children, outcomes, strict=True)}
            outcome = str(outcomes[0])
            return [outcome] * job.body["shots"] if kind == "shots" else {outcome: 1.0}
        raise api_error(404, method="GET", path=path)

    def cancel_jobs(self, ids) -> None:
        self.log.append((self.now, "PUT", "/jobs/status/cancel", len(ids)))
        for job in self.jobs_stored:
            job.cancelled = job.cancelled or job.id in ids

    # -- what tests read -----------------------------------------------------------------------

    def count(self, method: str, path: str = "") -> int:
        return sum(m == method and p.startswith(path) for _, m, p, _ in self.log)

    def stored_twice(self) -> dict[str, int]:
        return {t: n for t, n in Counter(j.token for j in self.jobs_stored).items() if n > 1}

    def pushed_back(self, method: str = "") -> int:
        return sum(m.startswith(method) and isinstance(fault, tuple) for _, m, _, fault in self.log)

    # -- inside --------------------------------------------------------------------------------

    def _find(self, job_id: str) -> Stored | None:
        """Return the job with this id, or with a child of it; numbers only grow along the list."""
        number = int(job_id.split("-")[1]) if "-" in job_id else -1
        for job in reversed(self.jobs_stored[: number + 1]):
            if job.id == job_id or job_id in job.children:
                return job
            if int(job.id.split("-")[1]) < number:
                return None
        return None

    def _store(self, body: dict) -> Stored:
        number = len(self.jobs_stored)
        circuits = body["input"].get("circuits", [])
        children = tuple(f"child-{number}-{k}" for k in range(len(circuits)))
        starts_at = max(self.now, self.jobs_stored[-1].done_at) if self.serial and number else self.now
        done_at = starts_at + self.execution(number)
        job = Stored(f"job-{number}", body, self.now, starts_at, done_at, children)
        self.jobs_stored.append(job)
        self.after_store(job)
        return job

    def _record(self, job: Stored) -> JobRecord:
        done = self.now >= job.done_at - 1e-9
        state = JobState.STARTED if self.now >= job.starts_at else JobState.READY
        state = JobState.COMPLETED if done else state
        if done and (job.failure or job.failed_children):
            state = JobState.FAILED
        if job.cancelled:
            state = JobState.CANCELED
        duration = 1000 * (job.done_at - job.starts_at)
        waiting = state is JobState.READY and self.predicts
        return JobRecord(
            job.id,
            state,
            *(job.failure or (None, None)),
            metadata=job.body["metadata"],
            child_ids=job.children,
            predicted_wait_ms=1000 * (job.starts_at - self.now) if waiting else None,
            predicted_execution_ms=duration if self.predicts else None,
            execution_ms=duration if self.predicts and done else None,
            submitted_at=_moment(job.stored_at).isoformat(),
            started_at=_moment(job.starts_at).isoformat() if self.now >= job.starts_at else None,
            completed_at=_moment(job.done_at).isoformat() if done else None,
        )

    def _listed(self, job: Stored) -> JobRecord:
        record = self._record(job)
        return JobRecord(**{f: getattr(record, f) for f in record.__slots__} | {"child_ids": ()})

    def _get(self, path: str) -> None:
        fault = (self.limits_reads and self._limited()) or self._fault(self.get_faults)
        self.log.append((self.now, "GET", path, fault))
        if fault == "lost":
            raise TransportError("read timed out", sent=True)
        if fault is not None:
            status = fault[0] if isinstance(fault, tuple) else fault
            error = api_error(status, method="GET", path=path)
            error.retry_after = str(fault[1]) if isinstance(fault, tuple) else None
            raise error

    @staticmethod
    def _fault(faults):
        if callable(faults):
            return faults()
        return faults.pop(0) if faults else None

    def _limited(self):
        if self.rate is None:
            return None
        self.tokens = min(self.burst, self.tokens + (self.now - self.filled_at) * self.rate)
        self.filled_at = self.now
        if self.tokens < 1.0:
            return (429, 1)
        self.tokens -= 1.0
        return None


def _moment(seconds: float) -> datetime:
    """Return a time of the service's own clock."""
    return datetime(2026, 10, 5, tzinfo=timezone.utc) + timedelta(seconds=seconds)


def _outcome(gates: list) -> int:
    outcome = 0
    for gate in gates:
        outcome ^= 1 << gate["target"] if gate["gate"] == "gpi" else 0
    return outcome


class Simulation:
    """Runs circuits whose outcome is their own number, so that a mix-up shows."""

    BITS = 8

    def __init__(self, *, round_trip=0.15, seed=0, gate=None, beside=None, **service) -> None:
        self.time = beside.time if beside else VirtualTime(round_trip)
        self.ionq = beside.ionq if beside else SimulatedIonQ(self.time, **service)
        self.wall_is_off = 0.0
        self._gate = gate
        self._chance = random.Random(seed)
        self._runs = itertools.count(0 if beside is None else next(beside._runs) + 1000)
        self.start_process()

    def start_process(self) -> None:
        """Begin with nothing in memory, as a new process does."""
        self.loop = Loop(
            now=lambda: self.time.now,
            wall=lambda: self.time.now + self.wall_is_off,
            boot=lambda: self.time.now,
            wait=self.time.wait,
            executor=lambda: self.time,
            jitter=self._chance.random,
            gate=self._gate,
        )
        worker = Worker(self.ionq, lambda: self.time.now - self.time.round_trip)
        self.conductor = Conductor(worker, self.loop)

    def crash(self, arrives=lambda: True) -> None:
        """End the process; each request under way still arrives, or does not. Its answer never does."""
        self.time.cut_off(arrives)
        self.start_process()

    def send(self, total: int, *, target="simulator", record=None, handed_over=None, **options) -> Batch:
        """Hand a run over; with a record, as the backend does."""
        chosen = RunOptions().update(shots=10, **options)
        batch = Batch(
            Run(
                f"run{next(self._runs):019d}",
                total,
                target,
                seed=1,
                workers=chosen.max_workers if chosen.use_parallel else 1,
                window=None if chosen.use_parallel else 1,
                on_unknown=chosen.on_unknown,
                shots=(10,) * total,
            ),
            record,
        )
        batch.record.note(header(batch.run))
        packer = Packer(batch.run.id, total, target, chosen, "test", batch.run.seed)
        for index in range(total if handed_over is None else handed_over):
            for parcel in packer.add(index, _numbered(index, self.BITS), 10):
                self._hand_over(batch, parcel)
        for parcel in packer.flush():
            self._hand_over(batch, parcel)
        return batch

    def _hand_over(self, batch: Batch, parcel) -> None:
        place = batch.record.put_body(parcel.body)
        batch.record.note(parcel_record(batch.announced, parcel, place, []))
        batch.announced += 1
        self.conductor.add(batch, parcel)

    def run(self, total: int, **options) -> Batch:
        return self.finish(self.send(total, **options))

    def finish_beside(self, batch: Batch, other: Simulation, others: Batch) -> None:
        """Finish two batches of two loops, which take turns at the same clock."""
        wakes: list[float] = []

        def look(inbox, patience):
            if inbox.empty():
                wakes.append(float("inf") if patience is None else self.time.now + patience)
            return inbox.get_nowait()

        self.loop._wait = other.loop._wait = look
        while not (batch.is_over and others.is_over):
            self.loop.turn(), other.loop.turn()
            if len(wakes) == 2 and self.loop._inbox.empty():  # neither had anything to do
                self.time.jump(min(wakes))
            wakes.clear()

    def finish(self, batch: Batch, until: float = float("inf")) -> Batch:
        while not batch.is_over and self.time.now < until:
            self.loop.turn()
        return batch


def _numbered(index: int, bits: int):
    circuit = QuantumCircuit(bits, bits, name=f"number {index}")
    for bit in range(bits):
        if index >> bit & 1:
            circuit.append(GPIGate(0.0), [bit])
    circuit.measure(range(bits), range(bits))
    return encode_circuit(circuit, kind="native", renumber=False)


@pytest.fixture
def simulation():
    return Simulation


@pytest.fixture
def random_faults():
    """Return faults that strike a share of requests at random, the same on every run."""

    def faults(fault, share: float):
        rng = random.Random(1)
        return lambda: fault if rng.random() < share else None

    return faults


@pytest.fixture
def assert_right():
    def check(batch: Batch, missing=()) -> None:
        assert set(batch.errors) == set(missing)
        for index in range(batch.total):
            if index not in batch.errors:
                assert batch.outcomes[index].counts == {hex(index): 10}, (
                    f"circuit {index} has another's result"
                )

    return check
