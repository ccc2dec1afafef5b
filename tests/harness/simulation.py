# SPDX-License-Identifier: Apache-2.0
"""The shipped client, from the provider to the journal, against a misbehaving service in virtual time.

Only what touches the world outside is replaced: the sockets, the clock, the threads of the pool, and the
disk's ``write`` and ``sync``. A client can be killed at any seam between them, and another one can go on.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import queue
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQJob, ParallelIonQProvider
from qiskit_parallel_ionq.api import Api
from qiskit_parallel_ionq.archive import Archive
from qiskit_parallel_ionq.conductor import Conductor, Loop
from qiskit_parallel_ionq.errors import ApiError, TransportError
from qiskit_parallel_ionq.journal import Disk, Journal
from qiskit_parallel_ionq.transport import READ_TIMEOUT, Reply
from qiskit_parallel_ionq.worker import Worker

from . import evidence
from .adversary import Adversary
from .clock import Clock, Process
from .faults import Script
from .history import CLOCK, History
from .planned import require_plans
from .service import KEY, Request, Service, http_date

if TYPE_CHECKING:
    from typing_extensions import Self

EPOCH = 1_800_000_000.0
"""What the service's clock says when virtual time begins."""
URL = "https://ionq.invalid/v0.4"
CONNECTION_LASTS = 60.0
"""Seconds of suspension that a connection survives."""


class Inbox:
    """Stands where the loop's queue stands: who waits for a message waits in virtual time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._messages: list[Callable[[], object]] = []
        self._waiting: Any = None

    def put(self, message: Callable[[], object]) -> None:
        """Add a message, and wake who waits for one."""
        self._messages.append(message)
        if self._waiting is not None:
            self._waiting.wake()

    def get(self) -> Callable[[], object]:
        """Take the oldest message."""
        return self._messages.pop(0)

    def empty(self) -> bool:
        """Say whether there is none."""
        return not self._messages

    def wait(self, _: object, patience: float | None) -> Callable[[], object]:
        """Take the oldest message, once there is one.

        Raises:
            queue.Empty: there is none after so many seconds.
        """
        if not self._messages:
            self._waiting = self._clock.running
            self._clock.sleep(patience)
            self._waiting = None
        if not self._messages:
            raise queue.Empty
        return self.get()


class Network:
    """Stands where `Transport` stands.

    Args:
        clock: virtual time.
        process: who asks.
        service: who answers.
        adversary: how bad it is.
        die: what is thrown.
    """

    def __init__(
        self, clock: Clock, process: Process, service: Service, adversary: Adversary, die: random.Random
    ) -> None:
        self._clock, self._process, self._service = clock, process, service
        self._adversary, self._die = adversary, die
        self.unreachable = 0

    def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
        with_key: bool = True,
        read_timeout: float = READ_TIMEOUT,
        largest: int = 0,
    ) -> Reply:
        """Send one request and wait for its answer; see `Transport.exchange`."""
        self._process.seam()
        if self._die.random() < self._adversary.unreachable:
            self.unreachable += 1
            self._clock.sleep(self._trip())
            raise TransportError(f"{method} {path}: no connection", sent=False)
        query = "&".join(f"{name}={value}" for name, value in params)
        headers = {"host": URL, **({"authorization": f"apiKey {KEY}"} if with_key else {})}
        request = Request(method, f"/v0.4{path}?{query}", body or b"", headers)
        answers: list[Any] = []
        is_lost_with_us = self._die.random() < 0.5

        def arrive() -> None:
            if not (self._process.is_dead and is_lost_with_us):
                answers.append(self._service.answer(request))

        trip, slept = self._trip(), self._process.slept
        self._clock.at(self._clock.now + trip, arrive)
        self._clock.sleep(trip)
        self._process.seam()
        answer = answers[0]
        kind = answer.spoil.kind if answer.spoil else ""
        if kind == "stall":
            self._clock.sleep(read_timeout)
        self._clock.sleep(self._trip())
        self._process.seam()
        if self._process.slept - slept > CONNECTION_LASTS:
            kind = kind or "reset while this computer was suspended"
        if kind:
            raise TransportError(f"{method} {path}: {kind}", sent=True)
        date = http_date(self._service.shown(EPOCH + self._clock.now))
        return Reply(answer.status, {"Date": date, **answer.headers}, answer.body)

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _trip(self) -> float:
        """Return how long one way takes."""
        half = self._adversary.round_trip / 2.0
        return half * (
            self._die.uniform(1.0, 1.5) if self._die.random() < 0.95 else self._die.uniform(1.5, 10.0)
        )


class KillableDisk(Disk):
    """Writes to real files; what `sync` has not seen may be gone after a power cut."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.durable: dict[int, int] = {}
        """Bytes that survive a power cut, by inode."""

    def write(self, handle: int, data: bytes) -> None:
        """Write all of it, unless we die before."""
        self._process.seam()
        super().write(handle, data)
        self._process.seam()

    def sync(self, handle: int) -> None:
        """Take note of what is durable from now on."""
        self._process.seam()
        file = os.fstat(handle)
        self.durable[file.st_ino] = file.st_size
        self._process.seam()


class KillableArchive(Archive):
    """Remembers the journals that it opened: the system closes them when a process dies."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        super().__init__(folder, disk=disk)
        self.opened: list[Journal] = []

    def _journal(self, run_id: str, *, is_new: bool) -> Journal:
        self.opened.append(super()._journal(run_id, is_new=is_new))
        return self.opened[-1]


class Client:
    """One life of a program that uses the package.

    Args:
        world: where it lives.
        folder: where its runs are recorded.
        dies_at: the seam at which it is killed; None: at none.
    """

    def __init__(self, world: World, folder: Path, dies_at: int | None = None) -> None:
        clock, die = world.clock, random.Random(world.die.random())
        self.process = Process(clock, dies_at)
        self.disk = KillableDisk(self.process)
        self.network = Network(clock, self.process, world.service, world.adversary, die)
        self.skew = die.uniform(-1.0, 1.0) * world.adversary.skew
        self._clock, self._folder = clock, folder
        inbox = Inbox(clock)
        now = self.process.monotonic
        self.has_boot_clock = True
        loop = Loop(
            now=now,
            wall=lambda: EPOCH + clock.now + self.skew,
            boot=lambda: clock.now if self.has_boot_clock else now(),
            wait=inbox.wait,
            executor=lambda: self,
            jitter=die.random,
        )
        loop._inbox = inbox
        loop._thread = self  # the strand below is its thread
        provider = ParallelIonQProvider(KEY, URL, state_dir=folder)
        provider._archive = self.archive = KillableArchive(folder, self.disk)
        provider._pause = clock.sleep
        provider._api = Api(self.network)
        provider._conductor = Conductor(Worker(provider._api, now), loop)
        self.provider = provider
        conductor, turn = provider._conductor, loop.turn

        def checked_turn() -> None:
            turn()
            try:
                require_plans(conductor)
            except AssertionError as error:
                clock.failures.append(error)

        loop.turn = checked_turn
        self.process.spawn(loop._run)

    # -- what the loop takes for its pool and its thread ---------------------------------------

    def submit(self, work: Callable[[], object]) -> None:
        """Have a worker do something."""
        self.process.spawn(work)

    def shutdown(self) -> None:
        """Do nothing: strands end by themselves."""

    def join(self, timeout: float) -> None:
        """Do nothing: nobody waits for a strand."""

    # -- what a program does -------------------------------------------------------------------

    def run(self, circuits: Sequence[QuantumCircuit], **options: Any) -> Callable[[], ParallelIonQJob | None]:
        """Run circuits; return what gives the job, once there is one."""
        backend = self.provider.get_backend("qpu.forte-1")
        return self.do(lambda: backend.run(circuits, shots=4, **options))

    def do(self, act: Callable[[], Any]) -> Callable[[], Any]:
        """Do something as the program's own thread would; return what gives its value, once it has one."""
        values: list[Any] = []
        self.process.spawn(lambda: values.append(act()))
        return lambda: values[0] if values else None

    def resume(self) -> Callable[[], ParallelIonQJob | None] | None:
        """Go on with the one run that is recorded; return what gives the job, or None if there is none."""
        runs = [summary.job_id for summary in self.provider.jobs()]
        if not runs:
            return None

        def act() -> ParallelIonQJob:
            while True:
                try:
                    return self.provider.resume(runs[0], submit=True)
                except (TransportError, ApiError):
                    self._clock.sleep(30.0)

        return self.do(act)

    def is_done(self, get_job: Callable[[], ParallelIonQJob | None]) -> bool:
        """Say whether a job has ended and nothing of it is under way; or whether we are dead."""
        job = get_job()
        return self.process.is_dead or (
            job is not None and job.batch.is_over and not self.provider.conductor().is_open(job.batch)
        )

    def bury(self, *, power_cut: bool, die: random.Random) -> None:
        """Clear up after a death: handles are closed, locks are free, and some bytes may be gone."""
        self.process.kill()
        for journal in self.archive.opened:
            journal.abandon()
        if power_cut:
            for path in self._folder.iterdir():
                file = path.stat()
                durable = min(self.disk.durable.get(file.st_ino, file.st_size), file.st_size)
                os.truncate(path, die.randint(durable, file.st_size))


class World:
    """A service, an adversary and virtual time. A context manager.

    Args:
        adversary: how bad it is.
        seed: of all dice.
        script: when the service misbehaves, if not as the adversary has it.
        is_new_account: whether the package was never used with this account.
    """

    def __init__(
        self, adversary: Adversary, seed: int, script: Script | None = None, *, is_new_account: bool = False
    ) -> None:
        self.adversary, self.die = adversary, random.Random(f"{seed} world")
        self.clock = Clock()
        self.log: list[Mapping[str, Any]] = []
        self.service = Service(
            lambda: EPOCH + self.clock.now,
            self.log.append,
            script or adversary.script(seed),
            adversary.habits(),
        )
        if not is_new_account:
            self.service.add_history()
        self.folder = Path(tempfile.mkdtemp(prefix="harness-", dir=_memory()))
        self.clients: list[Client] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.bury(power_cut=False, die=self.die)
        self.clock.close()
        shutil.rmtree(self.folder)

    def client(self, dies_at: int | None = None) -> Client:
        """Start a program."""
        self.clients.append(Client(self, self.folder, dies_at))
        return self.clients[-1]

    def next_death(self, circuits: int, deaths: int) -> int | None:
        """Return the seam at which the next client is killed; None: at none.

        Handing over passes some four for each circuit, and all the rest some ten. What was not handed over
        dies with the program, so most first lives are let go on until everything is.
        """
        if deaths >= self.adversary.deaths:
            return None
        begin = 4 * circuits if deaths == 0 and self.die.random() < 0.9 else 1
        return self.die.randint(begin, begin + 8 * circuits)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        ends = self.clock.now + seconds
        self.clock.at(ends, lambda: None)
        self.until(lambda: self.clock.now >= ends)
        self.service.catch_up(EPOCH + self.clock.now)

    def until(self, done: Callable[[], bool], *, patience: float = 50_000.0) -> bool:
        """Let time pass until something holds; return False if it does not in so many seconds."""
        deadline = self.clock.now + patience
        while not done():
            if self.clock.now > deadline or not self.clock.step():
                return False
        return True

    def history(self, job: ParallelIonQJob) -> History:
        """Return what a run has left behind so far."""
        tolerance = math.inf if self.adversary.skew else CLOCK
        return replace(evidence.of_job(job, self.log, self.folder), tolerance=tolerance)

    @property
    def faults(self) -> int:
        """How often anything was struck so far."""
        return self.service.fate.struck + sum(client.network.unreachable for client in self.clients)


@dataclass(frozen=True, slots=True)
class Life:
    """What a run came to, over all lives of the program."""

    history: History
    faults: int
    deaths: int
    is_over: bool
    """Whether it ended in reasonable time."""


def live(adversary: Adversary, seed: int, circuits: Sequence[QuantumCircuit], **options: Any) -> Life:
    """Run circuits to their end in one world, through all deaths, and let everything become quiet."""
    deaths = 0
    last_words = contextlib.redirect_stderr(io.StringIO())
    with World(adversary, seed) as world, last_words:
        while True:
            client = world.client(world.next_death(len(circuits), deaths))
            get_job = client.resume() or client.run(circuits, **options)
            is_over = world.until(partial(client.is_done, get_job))
            if not client.process.is_dead:
                break
            deaths += 1
            client.bury(power_cut=world.die.random() < adversary.power_cuts, die=world.die)
            world.pass_time(world.die.uniform(0.0, 600.0))
        world.pass_time(adversary.late + adversary.lag)
        return Life(world.history(get_job()), world.faults, deaths, is_over)


def _memory() -> str | None:
    """Return a folder in memory, where there is one: nobody waits for a disk there."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
