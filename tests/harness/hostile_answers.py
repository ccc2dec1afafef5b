# SPDX-License-Identifier: Apache-2.0
"""Trials of chance: a service whose answers are hostile in every way we know of, and users who cancel, interrupt
and come back. ``python -m tests.harness.hostile_answers --trials 10000`` is the long form.

What must hold: every run ends, is in the same state whoever is asked, and gives no circuit another outcome than
its own; nothing is bought twice; and no fault of ours is met on the way.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import logging
import multiprocessing
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from qiskit.providers import JobStatus

from qiskit_parallel_ionq import ParallelIonQJob

from . import faults
from .adversary import INSIDE, Adversary
from .campaign import commit
from .circuits import several
from .history import check
from .service import Answer, Job, Service
from .simulation import EPOCH, Client, World

ENDS = (JobStatus.DONE, JobStatus.ERROR, JobStatus.CANCELLED)
SPOILT: dict[str, Callable[[dict[str, Any], random.Random], Any]] = {
    "half of it": lambda body, _: {key: value / 2.0 for key, value in body.items()},
    "below 0": lambda body, _: {**dict.fromkeys(body, 1.5), "0" if "0" not in body else "1": -0.5},
    "out of range": lambda body, _: {str(1 << 40): 1.0},
    "a text for a number": lambda body, _: dict.fromkeys(body, "1.0"),
    "no object": lambda body, die: die.choice(["nothing", 7, None, []]),
    "nothing": lambda body, _: {},
}
"""What may become of one distribution."""
UNREADABLE = {
    "NaN": b'{"0": NaN}',
    "digits": b'{"0": ' + b"7" * 5_000 + b"}",
    "a page": b"<html>We will be back soon.</html>",
    "half": b'{"0": 0.',
    "no text": b"\xff\xfe",
    "depth": b"[" * 50_000,
}


@dataclass(frozen=True, slots=True)
class Malice:
    """How hostile a service is: shares of answers that are spoilt, each in its own way.

    Attributes:
        children: pages of packs that name their children wrongly.
        results: results that cannot be true.
        unreadable: answers that cannot be read at all.
        stuck: answers of a replica that is some seconds behind.
        behind: how many, at the most.
        parts: jobs whose results are given, normalised, while they still run. No replica gives a part after
            the job has ended: where no shots are counted, nothing could tell it from the whole.
        persists: whether a resource that was spoilt once stays so.
    """

    children: float = 0.0
    results: float = 0.0
    unreadable: float = 0.0
    stuck: float = 0.0
    behind: float = 0.0
    parts: float = 0.0
    persists: float = 0.0


class HostileService(Service):
    """A service with malice of its own, besides the faults of its script."""

    def __init__(self, malice: Malice, seed: int, *args: Any) -> None:
        super().__init__(*args)
        self._malice, self._whim = malice, random.Random(f"{seed} malice")
        self._behind = 0.0
        """Seconds by which the replica that answers is out of date."""
        self._grudges: dict[str, str] = {}
        """Resource -> how it is spoilt for good."""
        self.whims = 0

    def _done(self, number: int, route: str, path: str, query: Any, body: Any, fault: Any) -> Answer:
        is_read = route in (faults.LOOK, faults.JOB, faults.RESULT)
        self._behind = self._some(self._malice.stuck) * self._whim.uniform(0.0, self._malice.behind) * is_read
        answer = super()._done(number, route, path, query, body, fault)
        if is_read and answer.status == 200 and self._some(self._malice.unreadable):
            return replace(answer, body=self._whim.choice(list(UNREADABLE.values())))
        return answer

    def _store(self, body: Any, at: float, number: int) -> Job:
        job = super()._store(body, at, number)
        job.ends_at += self._whim.choice([0.0, 0.05, 0.5, 3.0]) * self._whim.random()
        return job

    def frozen_at(self, route: str) -> float:
        """Return the time as of which a request is answered."""
        return min(super().frozen_at(route), self._now() - self._behind)

    def _page(self, job: Job, position: int | None, now: float) -> dict[str, Any]:
        page = super()._page(job, position, now)
        if position is None and job.children and self._is_spoilt(job.id, self._malice.children):
            page["child_job_ids"] = self._misnamed(list(job.children))
        return page

    def _misnamed(self, children: list[str]) -> Any:
        return self._whim.choice(
            [
                None,
                [],
                children[:1],
                children[:-1],
                [*children, self._new_id()],
                [*children[:-1], children[0]],
                [*children[:-1], "../backends"],
                [*children[:-1], None],
                "children",
            ]
        )

    def _result(self, job: Job, position: int | None, rest: str, now: float) -> Answer:
        if job.state(self._now()) == "started" and self._has_parts(job):
            return self._part(job, position, rest)
        answer = super()._result(job, position, rest, now)
        if answer.status != 200:
            return answer
        resource = f"{job.id} {position} {rest}"
        if not self._is_spoilt(resource, self._malice.results):
            return answer
        body = json.loads(answer.body)
        if rest.endswith("aggregated"):
            body = self._spoilt_aggregate(body)
        elif rest.endswith("shots"):
            body = self._whim.choice([body[:-1], [*body, "0"], [str(1 << 40)] * len(body), {}, body[0]])
        else:
            body = self._whim.choice(list(SPOILT.values()))(body, self._whim)
        return replace(answer, body=json.dumps(body).encode())

    def _spoilt_aggregate(self, body: dict[str, Any]) -> Any:
        child, way = self._whim.choice(list(body)), self._whim.choice(list(SPOILT.values()))
        changed = {**body, child: way(body[child], self._whim)}
        return self._whim.choice(
            [
                changed,
                {key: value for key, value in body.items() if key != child},
                {**body, self._new_id(): {"0": 1.0}},
                dict(reversed(body.items())),
                {},
                [],
                "nothing",
            ]
        )

    def _part(self, job: Job, position: int | None, rest: str) -> Answer:
        """Return the first shots of a job that still runs: noise, and no outcome of its own."""
        kind = rest.rpartition("/")[2]
        wrong = {str(outcome ^ 1): 1.0 for outcome in job.outcomes[position or 0 :][:1]}
        body: Any = wrong
        if kind == "aggregated":
            body = {
                child: {str(outcome ^ 1): 1.0}
                for child, outcome in zip(job.children, job.outcomes, strict=True)
            }
        elif kind == "shots":
            body = list(wrong)
        elif kind == "histogram":
            body = dict.fromkeys(wrong, 1)
        return Answer(200, json.dumps(body).encode(), {})

    def _has_parts(self, job: Job) -> bool:
        return random.Random(job.id).random() < self._malice.parts

    def _is_spoilt(self, resource: str, share: float) -> bool:
        if resource in self._grudges:
            return True
        is_spoilt = self._some(share)
        if is_spoilt and self._some(self._malice.persists):
            self._grudges[resource] = "for good"
        return is_spoilt

    def _some(self, share: float) -> bool:
        chosen = self._whim.random() < share
        self.whims += chosen
        return chosen


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one or more trials came to."""

    trials: int = 0
    circuits: int = 0
    results: int = 0
    whims: int = 0
    strikes: int = 0
    deaths: int = 0
    cancels: int = 0
    hangs: int = 0
    twice: int = 0
    wrong: int = 0
    other: int = 0
    told: tuple[str, ...] = field(default=())
    """What went wrong, with the seed that shows it."""
    errors: tuple[tuple[str, int], ...] = field(default=())
    """How many circuits ended with an error of each class."""

    def __add__(self, more: Verdict) -> Verdict:
        counts = (n for n in self.__slots__ if n not in ("told", "errors"))
        errors = Counter(dict(self.errors)) + Counter(dict(more.errors))
        return Verdict(
            **{name: getattr(self, name) + getattr(more, name) for name in counts},
            told=self.told + more.told,
            errors=tuple(sorted(errors.items())),
        )

    def __str__(self) -> str:
        return (
            f"trials {self.trials:,} · circuits {self.circuits:,} · with a result {self.results:,} · hostile answers "
            f"{self.whims:,} · other faults {self.strikes:,} · deaths {self.deaths:,} · cancelled or interrupted "
            f"{self.cancels:,} · hangs {self.hangs} · bought twice {self.twice} · wrong counts {self.wrong} · other "
            f"broken promises {self.other} · commit {commit()}"
        )


class Trial:
    """One world, in which a user runs a few lists of circuits.

    Args:
        seed: of everything.
    """

    def __init__(self, seed: int) -> None:
        die = self.die = random.Random(f"{seed} trial")
        share = die.choice([0.0, 0.05, 0.2])
        self.malice = Malice(
            children=die.choice([0.0, 0.3, 0.7]),
            results=die.choice([0.0, 0.1, 0.4]),
            unreadable=die.choice([0.0, 0.05, 0.2]),
            stuck=die.choice([0.0, 0.1, 0.5]),
            behind=die.choice([0.5, 5.0, 20.0]),
            parts=die.choice([0.0, 0.5, 1.0]),
            persists=die.choice([0.0, 0.0, 0.1]),
        )
        self.is_machine = die.random() < 0.5
        settles = 1.0 if self.is_machine else 1.0 / 40.0  # the simulator is given 10 s and not 300 s
        self.adversary: Adversary = replace(
            INSIDE,
            strike=share,
            unreachable=share / 5.0,
            late=INSIDE.late * settles,
            lag=INSIDE.lag * settles,
            queue=die.choice([0.0, 0.2, 2.0, 20.0]),
            execution=die.choice([0.05, 0.5, 2.0]),
            round_trip=die.choice([0.02, 0.15]),
            deaths=die.choice([0, 0, 0, 1, 2]),
            skew=die.choice([0.0, 0.0, 3600.0]),
        )
        self.jumps = [
            (die.uniform(0.0, 20.0), die.uniform(-7200.0, 7200.0)) for _ in range(die.choice([0, 0, 3]))
        ]
        if (
            self.jumps and not self.adversary.skew
        ):  # what the client writes down cannot be compared by its times
            self.adversary = replace(self.adversary, skew=1e-9)
        self.options: dict[str, Any] = {
            "circuits_per_job": die.choice([1, 2, 3, 5]),
            "max_workers": die.choice([1, 3, 10]),
            "on_unknown": die.choice(["reconcile", "reconcile", "never"]),
        }
        if self.is_machine:
            self.options["memory"] = die.random() < 0.4
        self.deed = die.choice(["none", "none", "cancel", "cancel all", "interrupt", "leave"])
        self.deed_at = die.uniform(0.0, 2.0 * (self.adversary.queue + self.adversary.execution) + 1.0)
        self.seed, self.problems, self.deaths = seed, [], 0

    def __call__(self) -> Verdict:
        """Live through it."""
        with World(self.adversary, self.seed) as world, contextlib.redirect_stderr(io.StringIO()):
            script = self.adversary.script(self.seed)
            world.service = HostileService(
                self.malice,
                self.seed,
                lambda: EPOCH + world.clock.now,
                world.log.append,
                script,
                self.adversary.habits(),
            )
            verdict = Verdict(trials=1)
            for count in (self.die.randint(1, 12) for _ in range(self.die.choice([1, 1, 2, 3]))):
                verdict += self._run(world, count)
            return verdict + Verdict(
                whims=world.service.whims, strikes=world.faults, deaths=self.deaths, told=tuple(self.problems)
            )

    def _run(self, world: World, count: int) -> Verdict:
        """Run some circuits to their end, through all deaths."""
        target = "qpu.forte-1" if self.is_machine else "simulator"
        circuits, first = several(count), True
        while True:
            client = self._client(world, count)
            if first:
                backend = client.provider.get_backend(target)
                get_job = client.do(lambda: backend.run(circuits, shots=4, **self.options))  # noqa: B023
                world.clock.at(world.clock.now + self.deed_at, self._doing(client, get_job))
            else:
                get_job = self._resumed(client) or (lambda: None)
            for at, jump in self.jumps:
                world.clock.at(
                    world.clock.now + at, lambda client=client, jump=jump: self._jump(client, jump)
                )
            is_over = world.until(lambda: client.is_done(get_job))  # noqa: B023 - called at once
            if not client.process.is_dead:
                break
            if first and not list(world.folder.glob("*.journal")):
                return Verdict()  # it died before the run was on record
            first = False
            self.deaths += 1
            client.bury(power_cut=world.die.random() < 0.5, die=world.die)
            world.pass_time(world.die.uniform(0.0, 60.0))
        if not is_over:
            self.problems.append(f"seed {self.seed}: the run does not come to an end")
            return Verdict(hangs=1)
        world.pass_time(self.adversary.late + self.adversary.lag + 30.0)
        return self._judged(world, get_job(), count)

    def _client(self, world: World, count: int) -> Client:
        for client in world.clients:
            client.bury(power_cut=False, die=world.die)
        client = world.client(world.next_death(count, self.deaths))
        give_up = client.provider._conductor._give_up

        def watched(batch: Any, error: Exception) -> None:
            if error.__cause__ is not None:
                self.problems.append(f"seed {self.seed}: a fault of ours: {error.__cause__!r}")
            give_up(batch, error)

        client.provider._conductor._give_up = watched
        return client

    def _resumed(self, client: Client) -> Callable[[], ParallelIonQJob | None] | None:
        latest = max(client.provider.jobs(), key=lambda run: run.created_at, default=None)
        if latest is None:
            return None
        return client.do(lambda: client.provider.resume(latest.job_id, submit=True))

    def _doing(self, client: Client, get_job: Callable[[], ParallelIonQJob | None]) -> Callable[[], None]:
        """Return what the user does in the middle of the run."""

        def act() -> None:
            job = get_job()
            if client.process.is_dead or job is None:
                return
            match self.deed:
                case "cancel":
                    job.cancel(include_running=False)
                case "cancel all":
                    job.cancel(include_running=True)
                case "interrupt":
                    job._cancels_on_interrupt = True
                    job.interrupt()
                case "leave":
                    job.leave()

        return act

    @staticmethod
    def _jump(client: Client, seconds: float) -> None:
        client.skew += seconds

    def _judged(self, world: World, job: ParallelIonQJob | None, count: int) -> Verdict:
        assert job is not None
        if not (job.batch.is_over and job.done() + job.cancelled() + (job.status() is JobStatus.ERROR) == 1):
            self.problems.append(f"seed {self.seed}: {job.status()} and over: {job.batch.is_over}")
        if job.status() not in ENDS or not job.in_final_state() or not job.wait(0):
            self.problems.append(f"seed {self.seed}: {job.status()} is not final")
        history = world.history(job)
        broken = Counter(violation.rule for violation in check(history))
        self.problems += [f"seed {self.seed}: {violation}" for violation in check(history)]
        return Verdict(
            circuits=count,
            results=len(history.results),
            cancels=int(self.deed != "none"),
            twice=broken.pop("once", 0),
            wrong=broken.pop("match", 0),
            other=sum(broken.values()),
            errors=tuple(sorted(Counter(history.errors.values()).items())),
        )


def trial(seed: int) -> Verdict:
    """Live through one trial; whatever goes wrong is told with its seed."""
    logging.disable(logging.CRITICAL)
    try:
        return Trial(seed)()
    except Exception:  # noqa: BLE001 - a world that breaks down is a finding, too
        return Verdict(trials=1, other=1, told=(f"seed {seed}: {traceback.format_exc()}",))


def trials(seeds: range, cores: int) -> Iterator[Verdict]:
    """Live through a trial for each seed, several at a time."""
    if cores == 1:
        yield from map(trial, seeds)
        return
    with ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(trial, seeds, chunksize=16)


def main() -> int:
    """Live through many trials; return how the program is to end."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.hostile_answers", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=2)
    given = parser.parse_args()
    total, done = Verdict(), itertools.count(1)
    for verdict in trials(range(given.first_seed, given.first_seed + given.trials), given.cores):
        total += verdict
        for told in verdict.told:
            print(told, file=sys.stderr, flush=True)
        if next(done) % 500 == 0:
            print(total, file=sys.stderr, flush=True)
    print(total)
    print(dict(total.errors))
    return 1 if total.told else 0


if __name__ == "__main__":
    sys.exit(main())
