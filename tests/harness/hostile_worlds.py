# SPDX-License-Identifier: Apache-2.0
"""Random hostile worlds in which nothing may be bought twice: ``python -m tests.harness.hostile_worlds --trials N``.

Each trial draws a run (circuits, packs, workers), a service (lost answers, late effects, listings that lag or
that cannot be read, stuck replicas, refused results, a clock that is set) and a computer (suspensions, wall
clocks that are set, no boot clock, deaths, programs that leave). The run lives through all of that. Then the
service is right again, and the run is resumed once more. What was bought is counted in the service's own log.

A trial has either late effects or stuck replicas: both at once break the condition on which the client
promises that nothing is bought twice (``docs/what-happens-when.md``).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import multiprocessing
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from qiskit_parallel_ionq import ParallelIonQJob

from . import faults
from .adversary import Adversary
from .circuits import several
from .faults import Fate, Fault, Script, status
from .history import History, check
from .simulation import EPOCH, Client, World

HOUR = 3600.0
READS = (faults.LIST, faults.LOOK, faults.JOB, faults.RESULT)
LONGEST_STUCK = 1200.0
"""Seconds: a listing may be out of date by less than the 25 minutes after which its silence is believed."""
PATIENCE = 40 * HOUR


@dataclass(frozen=True, slots=True)
class Trial:
    """What one seed stands for. Times are seconds from the beginning of a life of the program."""

    seed: int
    circuits: int
    options: dict[str, Any]
    adversary: Adversary
    script: Script
    is_new_account: bool
    foreign: int
    """Jobs that others store while the run goes on."""
    stuck: tuple[tuple[float, float, frozenset[str]], ...]
    suspensions: tuple[tuple[float, float], ...]
    wall_jumps: tuple[tuple[float, float], ...]
    service_jumps: tuple[tuple[float, float], ...]
    has_boot_clock: bool
    deaths: int
    leaves_at: float | None
    """When the user presses Ctrl-C in the first life."""
    cancels_at: float | None

    @classmethod
    def of(cls, seed: int) -> Trial:
        """Return the trial of a seed."""
        die = random.Random(f"{seed} trial")
        is_late = die.random() < 0.5
        late, lag = (die.choice([0.0, 20.0, 180.0]), die.choice([0.0, 5.0, 60.0])) if is_late else (0.0, 0.0)
        strike = die.choice([0.1, 0.3, 0.6])
        per_job = die.choice([1, 1, 1, 2, 3, 5])
        adversary = Adversary(
            name="hostile", strike=strike, unreachable=0.01, late=late, lag=lag,
            queue=die.choice([1.0, 30.0, 400.0, 3000.0]), execution=die.choice([0.05, 5.0]),
            round_trip=die.choice([0.05, 0.15, 2.0]), skew=die.choice([0.0, 7200.0]),
        )  # fmt: skip
        return cls(
            seed=seed,
            circuits=die.randint(1, 12),
            options={
                "circuits_per_job": per_job,
                "memory": per_job > 1 and die.random() < 0.4,
                "max_workers": die.choice([1, 2, 4, 10]),
                "use_parallel": die.random() < 0.85,
                "on_unknown": die.choice(["reconcile"] * 6 + ["never"]),
            },
            adversary=adversary,
            script=_script(seed, die, strike, late, lag),
            is_new_account=die.random() < 0.15,
            foreign=die.choice([0, 0, 3, 60]),
            stuck=() if is_late else tuple(_stuck(die) for _ in range(die.choice([0, 1, 1, 2]))),
            suspensions=tuple(
                (
                    die.choice([die.uniform(0.0, 5.0), die.uniform(0.0, 600.0)]),
                    die.choice([20.0, 600.0, 8 * HOUR]),
                )
                for _ in range(die.choice([0, 0, 1, 2]))
            ),
            wall_jumps=_jumps(die, 8 * HOUR),
            service_jumps=_jumps(die, HOUR) if die.random() < 0.4 else (),
            has_boot_clock=die.random() < 0.6,
            deaths=die.choice([0, 0, 1, 2, 3]),
            leaves_at=die.uniform(0.1, 60.0) if die.random() < 0.15 else None,
            cancels_at=die.uniform(0.1, 600.0) if die.random() < 0.15 else None,
        )


def _script(seed: int, die: random.Random, strike: float, late: float, lag: float) -> Script:
    reads = faults.read_faults()
    refusals = [status(403), status(404)]
    listings = faults.listing_faults(stale=lag)
    unreadable = die.choice([0.0, 0.0, 0.3, 0.7])
    menu = {
        faults.STORED: [Fault("odd status")],
        faults.POST: faults.submission_faults(late=late),
        faults.LIST: die.choices(listings, k=20) + faults.unreadable_listings() * int(20 * unreadable),
        faults.LOOK: [*reads, Fault("no rows"), Fault("no rows")],
        faults.RESULT: reads + refusals * 5,
        **dict.fromkeys((faults.JOB, faults.CANCEL, faults.WHOAMI), reads),
    }
    chances = dict.fromkeys(menu, strike / 2.0) | {faults.POST: strike}
    chances[faults.LIST] = max(strike / 2.0, unreadable)
    return Script(seed, chances=chances, menu=menu)


def _stuck(die: random.Random) -> tuple[float, float, frozenset[str]]:
    begin = die.choice([0.0, die.uniform(0.0, 5.0), die.uniform(0.0, 400.0)])
    length = die.choice([die.uniform(5.0, 60.0), die.uniform(60.0, LONGEST_STUCK)])
    routes = die.choice([READS, READS, (faults.LIST,), (faults.LOOK, faults.JOB), (faults.RESULT,)])
    return begin, begin + length, frozenset(routes)


def _jumps(die: random.Random, most: float) -> tuple[tuple[float, float], ...]:
    return tuple(
        (die.uniform(0.0, 600.0), die.choice([-most, -60.0, 60.0, most]))
        for _ in range(die.choice([0, 0, 1, 2]))
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one or more trials came to, as the service counts."""

    trials: int = 0
    circuits: int = 0
    submissions: int = 0
    faults: int = 0
    deaths: int = 0
    suspensions: int = 0
    stuck: int = 0
    clock_jumps: int = 0
    hung: int = 0
    bought_twice: int = 0
    wrong_counts: int = 0
    sent_again_after_an_id: int = 0
    unresolved: int = 0
    """Submissions of which the client says in the end that it does not know."""
    broken: tuple[str, ...] = field(default=())

    def __add__(self, more: Verdict) -> Verdict:
        return Verdict(*(getattr(self, name) + getattr(more, name) for name in self.__slots__))


class Play:
    """One trial as it is played."""

    def __init__(self, trial: Trial, world: World) -> None:
        self.trial, self.world = trial, world
        self.deaths = self.struck = 0
        self.is_cancelled = False
        self.client: Client
        self.get_job: Callable[[], ParallelIonQJob | None]

    def play(self) -> bool:
        """Live through all lives; return whether each came to its end in reasonable time."""
        trial, world = self.trial, self.world
        world.service.stuck = [(EPOCH + a, EPOCH + b, routes) for a, b, routes in trial.stuck]
        world.service.shown = self._shown
        self._add_foreign(trial.foreign, 0.0, 2000.0)
        while True:
            dies = self.deaths < trial.deaths
            jobs = -(-trial.circuits // int(trial.options["circuits_per_job"]))
            self.client = world.client(world.die.randint(1, 10 + 12 * jobs) if dies else None)
            self.client.has_boot_clock = trial.has_boot_clock
            self._begin()
            self._schedule()
            if not self._ends():
                return False
            has_left = trial.leaves_at is not None and self.deaths == 0
            if not self.client.process.is_dead and not has_left:
                break
            self.deaths += 1
            self.client.bury(power_cut=world.die.random() < 0.5, die=world.die)
            world.pass_time(world.die.choice([0.0, world.die.uniform(0.0, 600.0)]))
        return self._heal()

    def _begin(self) -> None:
        again = self.client.resume()
        self.get_job = again or self.client.run(several(self.trial.circuits), **self.trial.options)

    def _heal(self) -> bool:
        """Let the service be right again, and resume the run once more."""
        world = self.world
        self.client.bury(power_cut=False, die=world.die)
        world.pass_time(self.trial.adversary.late + self.trial.adversary.lag + LONGEST_STUCK)
        self.struck = world.service.fate.struck
        world.service.fate, world.service.stuck = Fate(Script()), []
        world.service.add_history(EPOCH + world.clock.now)
        self._add_foreign(3, 30.0, 90.0)
        self.client = world.client()
        again = self.client.resume()
        if again is None:
            return True  # it died before anything was recorded
        self.get_job = again
        return self._ends()

    def _ends(self) -> bool:
        return self.world.until(lambda: self.client.is_done(self.get_job), patience=PATIENCE)

    def _add_foreign(self, count: int, begin: float, end: float) -> None:
        now, service = EPOCH + self.world.clock.now, self.world.service
        for k in range(count):
            at = now + begin + (end - begin) * (k + 1) / count
            self.world.clock.at(at - EPOCH, partial(service.add_foreign, 1, at, at))

    def _shown(self, at: float) -> float:
        return at + sum(by for since, by in self.trial.service_jumps if at >= EPOCH + since)

    def _schedule(self) -> None:
        trial, now, client = self.trial, self.world.clock.now, self.client

        def at(seconds: float, act: Callable[[], object]) -> None:
            self.world.clock.at(now + seconds, lambda: None if client.process.is_dead else act())

        for begin, seconds in trial.suspensions:
            at(begin, partial(client.process.suspend, seconds))
        for when, by in trial.wall_jumps:
            at(when, partial(self._set_wall, client, by))
        if trial.leaves_at is not None and self.deaths == 0:
            at(trial.leaves_at, self._leave)
        if trial.cancels_at is not None:
            at(trial.cancels_at, self._cancel)

    @staticmethod
    def _set_wall(client: Client, by: float) -> None:
        client.skew += by

    def _leave(self) -> None:
        job = self.get_job()
        if job is not None and not job.batch.is_over:
            job.leave()

    def _cancel(self) -> None:
        job = self.get_job()
        if job is not None and not job.batch.is_over:
            self.is_cancelled = True
            job.cancel(include_running=self.trial.seed % 2 == 0)


def play(seed: int) -> Verdict:
    """Play the trial of a seed; whatever goes wrong is told with it."""
    logging.disable(logging.CRITICAL)
    trial = Trial.of(seed)
    begun = Verdict(
        trials=1,
        suspensions=len(trial.suspensions),
        stuck=len(trial.stuck),
        clock_jumps=len(trial.wall_jumps) + len(trial.service_jumps),
    )
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            world = World(trial.adversary, seed, trial.script, is_new_account=trial.is_new_account)
            with world:
                played = Play(trial, world)
                if not played.play():
                    return replace(begun, hung=1, broken=(f"seed {seed}: the run did not come to an end",))
                job = played.get_job()
                if job is None:
                    return begun
                history = replace(world.history(job), tolerance=1e12)
                return _judged(begun, trial, played, history)
    except Exception:  # noqa: BLE001 - a trial that breaks down is a finding, too
        return replace(begun, broken=(f"seed {seed}: {traceback.format_exc()}",))


def _judged(begun: Verdict, trial: Trial, played: Play, history: History) -> Verdict:
    wrong = [i for i, outcome in history.results.items() if outcome != i]
    twice = [token for token, jobs in history.charged.items() if len(jobs) > 1]
    again = [token for token, lines in history.told.items() if _is_sent_again_after_an_id(lines)]
    broken = [str(violation) for violation in check(history)]
    allowed = {"NotSentError"} if history.handed_over < history.total else set()
    if played.is_cancelled:
        allowed.add("CircuitCancelledError")
    odd = {i: error for i, error in history.errors.items() if error not in allowed}
    unknown = [i for i, error in odd.items() if error == "SubmissionUnknownError"]
    if trial.options["on_unknown"] == "never" or played.is_cancelled:
        odd = {i: error for i, error in odd.items() if i not in unknown}
    broken += [f"in the end circuit {i} has {error}" for i, error in odd.items()]
    broken += [f"{token} was sent again after an id had been given" for token in again]
    return replace(
        begun,
        circuits=history.handed_over,
        submissions=sum(map(len, history.arrivals.values())),
        faults=played.struck + played.world.faults,
        deaths=played.deaths,
        bought_twice=len(twice),
        wrong_counts=len(wrong),
        sent_again_after_an_id=len(again),
        unresolved=len(unknown),
        broken=tuple(f"seed {trial.seed}: {text}" for text in broken),
    )


def _is_sent_again_after_an_id(lines: Iterable[Any]) -> bool:
    has_id = False
    for line in lines:
        if line["is"] == "sent" and has_id:
            return True
        has_id |= line["is"] == "accepted" or line.get("acknowledged", False)
    return False


def many(seeds: Iterable[int], cores: int = 1) -> Iterator[Verdict]:
    """Play the trials of many seeds, several at a time."""
    if cores == 1:
        yield from map(play, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context) as pool:
        yield from pool.map(play, seeds, chunksize=8)


def line(total: Verdict, seeds: range) -> str:
    """Return the line that is published."""
    counts = [
        f"{name.replace('_', ' ')} {getattr(total, name):,}" for name in total.__slots__ if name != "broken"
    ]
    return " · ".join([*counts, f"broken promises {len(total.broken):,}", f"seeds {seeds[0]}-{seeds[-1]}"])


def main() -> int:
    """Play many trials; return how the program is to end."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.hostile_worlds", description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--cores", type=int, default=1)
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.trials)
    total, begun = Verdict(), time.monotonic()
    kinds: Counter[str] = Counter()
    for verdict in many(seeds, given.cores):
        total += verdict
        for broken in verdict.broken:
            kinds[broken.partition(": ")[2].partition(":")[0][:60]] += 1
            print(broken, file=sys.stderr, flush=True)
        if total.trials % 500 == 0:
            print(f"{time.monotonic() - begun:.0f} s: {line(total, seeds)}", file=sys.stderr, flush=True)
    print(line(total, seeds))
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())
