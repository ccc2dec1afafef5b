# SPDX-License-Identifier: Apache-2.0
"""The jobs the service holds and what each is doing at a given time: computed from times, never stored."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from . import qasm3
from .catalogue import IDEAL, NOISE_MODELS, SIMULATOR_QUBITS, noisy_width
from .circuits import read_circuit
from .faults import Fault, FaultScript
from .knobs import Knobs
from .orders import MULTI, QASM3, UNSUPPORTED_TYPES, CircuitOrder, Order
from .problems import CircuitError, Failure, RequestError
from .program import Program
from .schedule import Schedule, Turn
from .simulate import Outcome, simulate

SUBMITTED, READY, STARTED = "submitted", "ready", "started"
COMPLETED, FAILED, CANCELED = "completed", "failed", "canceled"
FINAL = (COMPLETED, FAILED, CANCELED)

PREFLIGHT_SHARE = 0.1
"""Part of the queue time a job is ``submitted`` rather than ``ready``."""


@dataclass(slots=True, eq=False)
class Job:
    """One job: a circuit, or a multi-circuit parent with a child per circuit.

    Times are seconds since the epoch.

    Attributes:
        serial: position in the order of storing.
        checked_at: when preflight ends.
        qubits, gate_counts: of the circuit, once preflight has passed it.
        duration: how long the circuit runs, or would.
        turn: when the circuit runs; None for parents and for what never runs.
        rejected: why preflight refuses it.
        fault: what was scripted to go wrong with the circuit.
        outcome: the simulation under way; None for what is not simulated.
    """

    id: str
    serial: int
    type: str
    order: Order
    name: str | None
    submitted_at: float
    checked_at: float
    parent: Job | None = None
    children: tuple[Job, ...] = ()
    circuit: CircuitOrder | None = None
    qubits: int = 0
    gate_counts: Mapping[str, int] = field(default_factory=dict)
    duration: float = 0.0
    rejected: Failure | None = None
    turn: Turn | None = None
    fault: Fault | None = None
    outcome: Future[Outcome] | None = None
    canceled_at: float | None = None

    @property
    def leaves(self) -> tuple[Job, ...]:
        """The circuits: the children, or the job itself."""
        return self.children or (self,)

    def is_pending(self, now: float) -> bool:
        """Whether a circuit still has something before it that can be canceled."""
        if self.canceled_at is not None:
            return False
        return now < (self.checked_at if self.turn is None else self.turn.end)

    @property
    def simulation(self) -> Future[Outcome]:
        """The simulation of a circuit that runs.

        Raises:
            LookupError: the job is a parent, a dry run or was refused.
        """
        if self.outcome is None:
            raise LookupError(f"Job {self.id} is not simulated")
        return self.outcome


@dataclass(frozen=True, slots=True)
class Look:
    """A moment at which the service is looked at, and how long the looker waits for a simulation to end."""

    now: float
    patience: Callable[[], float]

    def status(self, job: Job) -> str:
        """The state of a job."""
        if job.children:
            return _combined([self.status(child) for child in job.children])
        if job.canceled_at is not None and job.canceled_at <= self.now:
            return CANCELED
        if self.now < job.checked_at:
            return SUBMITTED
        if job.rejected is not None:
            return FAILED
        if job.turn is None:
            return COMPLETED
        if self.now < job.turn.start:
            return READY
        if self.now < job.turn.end:
            return STARTED
        if job.fault is not None and job.fault.action == "fail":
            return FAILED
        return self._simulated(job)

    def failure(self, job: Job) -> Failure | None:
        """Why a job failed; of a parent, why its first failed child did."""
        if self.status(job) != FAILED:
            return None
        if job.children:
            return next(filter(None, map(self.failure, job.children)), None)
        if job.rejected is not None:
            return job.rejected
        if job.fault is not None and job.fault.action == "fail":
            return Failure(job.fault.code, job.fault.message)
        return _simulation_failure(job)

    def _simulated(self, job: Job) -> str:
        try:
            error = job.simulation.exception(timeout=self.patience())
        except StillRunning:
            return STARTED
        return COMPLETED if error is None else FAILED


def _simulation_failure(job: Job) -> Failure:
    error = job.simulation.exception()
    if isinstance(error, CircuitError):
        return error.failure
    return Failure("SimulationError", f"The simulation broke off: {error!r}")


def _combined(states: Sequence[str]) -> str:
    """The state of a parent: final once every child is, and then the worst of theirs."""
    if all(state in FINAL for state in states):
        return next((worst for worst in (FAILED, CANCELED) if worst in states), COMPLETED)
    if any(state in (STARTED, *FINAL) for state in states):
        return STARTED
    return SUBMITTED if SUBMITTED in states else READY


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What preflight says of a circuit, and the circuit's fingerprint."""

    digest: bytes
    program: Program | None = None
    gate_counts: Mapping[str, int] = field(default_factory=dict)
    failure: Failure | None = None


class JobStore:
    """Every job of the service."""

    def __init__(self, knobs: Knobs, seed: int, script: FaultScript, clock: Callable[[], float]) -> None:
        self._knobs = knobs
        self._seed = seed
        self._script = script
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._schedule = Schedule(knobs.running_slots)
        self._circuits = count()
        self._serials = count()
        self._seen: Counter[bytes] = Counter()
        self._lock = threading.RLock()
        self._simulators = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ionq-simulator")

    def close(self) -> None:
        """Drop simulations that have not begun."""
        self._simulators.shutdown(wait=False, cancel_futures=True)

    def place(self, order: Order) -> Job:
        """Store a job and queue its circuits."""
        checked = [self._preflight(order, circuit) for circuit in order.circuits]  # the long part: no lock
        with self._lock:
            now = self._clock()
            job = self._new(order, order.type, order.name, now)
            if order.type == MULTI:
                job.children = tuple(
                    self._new(order, circuit.type, circuit.name, now, job) for circuit in order.circuits
                )
            for leaf, circuit, verdict in zip(job.leaves, order.circuits, checked, strict=True):
                leaf.circuit = circuit
                self._admit(leaf, verdict)
            for stored in (job, *job.children):
                self._jobs[stored.id] = stored
            self._queue(job)
            return job

    def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            RequestError: 404.
        """
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None:
            raise RequestError(404, f"There is no job {job_id}.")
        return job

    def newest_first(self, ids: Iterable[str] = (), parents: Iterable[str] = ()) -> list[Job]:
        """The jobs with these ids, or the children of these parents, or else all jobs but children."""
        ids, parents = set(ids), set(parents)
        with self._lock:
            if ids:
                found = [self._jobs[job_id] for job_id in ids if job_id in self._jobs]
            elif parents:
                known = [self._jobs[job_id] for job_id in parents if job_id in self._jobs]
                found = [child for parent in known for child in parent.children if child.id in self._jobs]
            else:
                found = [job for job in self._jobs.values() if job.parent is None]
        return sorted(found, key=lambda job: job.serial, reverse=True)

    def __len__(self) -> int:
        with self._lock:
            return sum(job.parent is None for job in self._jobs.values())

    def cancel(self, jobs: Iterable[Job]) -> None:
        """Cancel jobs and their children; what is finished stays as it is."""
        with self._lock:
            now = self._clock()
            leaves = [leaf for job in jobs for leaf in job.leaves if leaf.is_pending(now)]
            for leaf in leaves:
                leaf.canceled_at = now
            self._schedule.cancel([leaf.turn for leaf in leaves if leaf.turn is not None], now)

    def delete(self, jobs: Iterable[Job]) -> None:
        """Forget jobs and their children; what still runs is canceled."""
        jobs = list(jobs)
        with self._lock:
            self.cancel(jobs)
            for job in jobs:
                for gone in (job, *job.children):
                    self._jobs.pop(gone.id, None)

    def _new(self, order: Order, kind: str, name: str | None, now: float, parent: Job | None = None) -> Job:
        checked_at = now + self._knobs.queue_time * PREFLIGHT_SHARE
        return Job(_time_ordered_id(now), next(self._serials), kind, order, name, now, checked_at, parent)

    def _preflight(self, order: Order, circuit: CircuitOrder) -> _Verdict:
        digest = _fingerprint(order, circuit)
        try:
            program = self._compile(order, circuit)
        except CircuitError as refused:
            return _Verdict(digest, failure=refused.failure)
        return _Verdict(digest, program, program.gate_counts)

    def _compile(self, order: Order, circuit: CircuitOrder) -> Program:
        if circuit.type in UNSUPPORTED_TYPES:
            raise CircuitError("PreflightError", f"The emulator does not run {circuit.type} jobs.")
        machine = order.machine
        if circuit.type == QASM3:
            program = qasm3.read_program(circuit.source["data"], control_flow=self._knobs.control_flow)
        else:
            if order.type != MULTI and circuit.gateset == "qis" and circuit.qubits is None:
                raise CircuitError("CompilationError", "A QIS circuit must declare input.qubits.")
            program = read_circuit(
                circuit.source,
                gateset=circuit.gateset,
                qubits=circuit.qubits,
                native_gates=machine.native_gates,
                pairs=machine.pairs,
            )
        widest = machine.qubits
        if machine.is_simulator:
            widest = SIMULATOR_QUBITS if order.model == IDEAL else noisy_width(order.model)
        if program.qubits > widest:
            raise CircuitError(
                "NotEnoughQubits", f"The circuit has {program.qubits} qubits, {machine.name} has {widest}."
            )
        return program

    def _admit(self, job: Job, verdict: _Verdict) -> None:
        """Take in what preflight found; of a circuit that runs, set off the simulation."""
        job.duration = self._knobs.duration(next(self._circuits))
        if verdict.program is None:
            job.rejected = verdict.failure
            return
        job.qubits, job.gate_counts = verdict.program.qubits, verdict.gate_counts
        if job.order.dry_run:
            return
        job.fault = self._script.on_circuit(job.name or job.order.name or "")
        job.turn = Turn(job.submitted_at + self._knobs.queue_time, job.duration)
        job.outcome = self._simulators.submit(
            simulate,
            verdict.program,
            shots=job.order.shots,
            rates=NOISE_MODELS[job.order.model],
            rng=np.random.default_rng(self._seed_of(job.order, verdict.digest)),
        )

    def _queue(self, job: Job) -> None:
        turns = [leaf.turn for leaf in job.leaves if leaf.turn is not None]
        if self._knobs.serial_children and turns:
            self._schedule.add(turns)
        else:
            for turn in turns:
                self._schedule.add([turn])

    def _seed_of(self, order: Order, digest: bytes) -> np.random.SeedSequence:
        """The seed of one circuit's samples.

        It depends on what the circuit is and how often it came, not on the order in which requests arrive; a
        seed given by the client fixes it altogether.
        """
        words = np.frombuffer(digest, dtype=np.uint32).tolist()
        if order.noise_seed is not None:
            return np.random.SeedSequence([order.noise_seed % 2**32, *words])
        self._seen[digest] += 1
        return np.random.SeedSequence([self._seed, self._seen[digest], *words])


def _fingerprint(order: Order, circuit: CircuitOrder) -> bytes:
    content = {key: value for key, value in circuit.source.items() if key != "name"}
    facts = [content, circuit.gateset, order.machine.name, order.model, order.shots]
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).digest()


def _time_ordered_id(now: float) -> str:
    """A version 7 UUID: milliseconds first, so that ids sort by age."""
    value = (int(now * 1000) & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(3 << 62) | 2 << 62
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
