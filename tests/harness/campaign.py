# SPDX-License-Identifier: Apache-2.0
"""Many worlds, one after the other on each core, and the one line that says what became of all circuits."""

from __future__ import annotations

import logging
import multiprocessing
import subprocess
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .adversary import Adversary
from .circuits import several
from .history import Tally, check, tally
from .simulation import live


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one or more worlds came to."""

    tally: Tally = field(default_factory=Tally)
    faults: int = 0
    deaths: int = 0
    kills: int = 0
    broken: tuple[str, ...] = field(default=())
    """What was promised and not kept, with the seed that shows it."""

    def __add__(self, more: Outcome) -> Outcome:
        return Outcome(
            self.tally + more.tally,
            self.faults + more.faults,
            self.deaths + more.deaths,
            self.kills + more.kills,
            self.broken + more.broken,
        )


def one_world(adversary: Adversary, circuits: int, seed: int) -> Outcome:
    """Live through one world; whatever goes wrong is told with its seed."""
    logging.disable(logging.CRITICAL)
    try:
        life = live(adversary, seed, several(circuits))
    except Exception:  # noqa: BLE001 - a world that breaks down is a finding, too
        return Outcome(broken=(f"seed {seed}: {traceback.format_exc()}",))
    broken = [f"seed {seed}: {violation}" for violation in check(life.history)]
    if not life.is_over:
        broken.append(f"seed {seed}: the run did not come to an end")
    return Outcome(tally(life.history), life.faults, life.deaths, broken=tuple(broken))


def many_worlds(adversary: Adversary, circuits: int, seeds: Iterable[int], cores: int) -> Iterator[Outcome]:
    """Live through a world for each seed, several at a time."""
    if cores == 1:
        yield from map(partial(one_world, adversary, circuits), seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context) as pool:
        yield from pool.map(partial(one_world, adversary, circuits), seeds, chunksize=4)


def line(outcome: Outcome, adversary: Adversary, seeds: range) -> str:
    """Return the line that is published."""
    told = outcome.tally
    return " · ".join(
        [
            f"faults {outcome.faults:,}",
            f"kills {outcome.kills:,}",
            f"simulated deaths {outcome.deaths:,}",
            f"circuits {told.circuits:,}",
            f"lost {told.lost}",
            f"duplicated {told.duplicated}",
            f"unresolved {told.unresolved}",
            f"twins cancelled {told.twins_cancelled}",
            f"other broken promises {told.other}",
            f"seeds {seeds[0]}-{seeds[-1]}",
            f"commit {commit()}",
            f"assumption ({adversary.name}): settle 300 s; {adversary.assumption}",
        ]
    )


def commit() -> str:
    """Return the commit that was tried; with a plus where files were changed since."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() or "unknown"
