# SPDX-License-Identifier: Apache-2.0
"""Real processes that are really killed: ``python -m tests.harness.crash --kills N`` and its one line.

Each world has a misbehaving service in a process of its own. A client process runs circuits against it and is
killed with SIGKILL, at a random moment or at a numbered passage of a seam (before and after each line of the
journal, each flush, each request); then another goes on with ``resume(submit=True)``, and may be killed,
too. The judge reads what the last journal and the service's log say. Clients are forked from a process that
has imported everything and started no thread, so that a life costs milliseconds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.journal import Disk, Journal
from qiskit_parallel_ionq.transport import Transport

from . import evidence, patience
from .adversary import Adversary
from .campaign import Outcome
from .circuits import several
from .history import check, tally
from .remote import RemoteIonQ

WORLD = Adversary(name="killed", strike=0.10, late=0.3, lag=0.2, queue=0.1, execution=0.1)
SETTLE = 1.2
CIRCUITS = 30
LONGEST_LIFE = 90.0
SEAMS = ((Journal, "note"), (Disk, "write"), (Disk, "sync"), (Transport, "exchange"))


def die_at(passage: int) -> None:
    """Have this process kill itself at the n-th passage of any seam, counted before and after each."""
    passed = iter(range(passage))

    def pass_by() -> None:
        if next(passed, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    def watched(work: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            pass_by()
            try:
                return work(*args, **options)
            finally:
                pass_by()

        return wrapped

    for kind, name in SEAMS:
        setattr(kind, name, watched(getattr(kind, name)))


def live(url: str, folder: Path, options: dict[str, Any]) -> None:
    """One life of a client: begin the run, or go on with it, until it is over."""
    with ParallelIonQProvider(RemoteIonQ.key, url, state_dir=folder) as provider:
        begun = provider.jobs()
        if begun:
            job = provider.resume(begun[0].job_id, submit=True)
        else:
            job = provider.get_backend("qpu.forte-1").run(several(CIRCUITS), shots=10, **options)
        job.wait(LONGEST_LIFE)


def judge(url: str, folder: Path, remote: RemoteIonQ) -> None:
    """Write down what became of the run."""
    with ParallelIonQProvider(RemoteIonQ.key, url, state_dir=folder) as provider:
        begun = provider.jobs()
        if not begun:  # killed before anything was on record, and so before anything was sent
            told: dict[str, Any] = {"broken": [], "tally": {}, "posts": remote.posts()}
        else:
            job = provider.retrieve_job(begun[0].job_id)
            history = evidence.of_job(job, remote.log(), folder, timeout=20.0)
            told = {"broken": [str(v) for v in check(history)], "tally": _flat(tally(history))}
    (folder / "verdict").write_text(json.dumps(told))


def forked(work: Callable[[], None], kill_after: float | None = None) -> bool:
    """Run something in a process of its own, and say whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            with contextlib.redirect_stderr(open(os.devnull, "w")):  # noqa: PTH123 - ends with us
                work()
        except BaseException:  # noqa: BLE001 - this process is only here to be judged
            traceback.print_exc()
            os._exit(3)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def forget_intents() -> None:
    """Have clients write down no intent, as a broken one would."""
    note = Journal.note

    def note_the_rest(self: Journal, record: Mapping[str, Any], **options: Any) -> None:
        if record["is"] != "sent":
            note(self, record, **options)

    Journal.note = note_the_rest  # type: ignore[method-assign]


def one_world(kills: int, seed: int, spoil: Callable[[], None] | None = None) -> Outcome:
    """Live through one world, in which the client dies so many times.

    Args:
        kills: how often.
        seed: of the dice.
        spoil: what is broken in every client, to see that it is found out.
    """
    dice = random.Random(seed)
    deaths, attempts = 0, 0
    options = dice.choice([{}, {"circuits_per_job": 4}, {"max_workers": 4}])
    with (
        tempfile.TemporaryDirectory() as place,
        RemoteIonQ(Path(place), WORLD.script(seed), WORLD.habits()) as remote,
    ):
        folder = Path(place) / "runs"

        def life(passage: int | None) -> None:
            patience.shorten(settle=SETTLE)
            if spoil is not None:
                spoil()
            if passage is not None:
                die_at(passage)
            live(remote.url, folder, options)

        while deaths < kills and attempts < 3 * kills:  # a run that is over cannot be killed any more
            attempts += 1
            at_seam = dice.random() < 0.6
            # Most first lives last until all circuits are handed over: what was not is no loss.
            born, spread = (150, 300) if attempts == 1 and dice.random() < 0.8 else (0, 60)
            passage = born + int(dice.expovariate(1 / spread)) if at_seam else None
            deaths += forked(partial(life, passage), None if at_seam else born / 600 + dice.uniform(0.0, 0.4))
        forked(partial(life, None))
        time.sleep(WORLD.late + WORLD.lag)  # what is on its way arrives
        forked(partial(judge, remote.url, folder, remote))
        server = remote.stop()
        verdict = folder / "verdict"
        told = (
            json.loads(verdict.read_text()) if verdict.exists() else {"broken": ["no verdict"], "tally": {}}
        )
    struck = sum(record["is"] == "request" and record.get("fault") is not None for record in server)
    counted = Outcome().tally.__class__(**told["tally"])
    if told.get("posts"):
        told["broken"].append("something was sent, and nothing is on record")
    return Outcome(counted, struck, kills=deaths, broken=tuple(f"seed {seed}: {b}" for b in told["broken"]))


def many_worlds(
    kills: int, each: int, seed: int, side_by_side: int, spoil: Callable[[], None] | None = None
) -> Iterator[Outcome]:
    """Live through worlds until so many clients were killed."""
    context = multiprocessing.get_context("spawn")
    done, worlds = 0, iter(range(seed, seed + 100 * kills))
    with ProcessPoolExecutor(side_by_side, mp_context=context) as pool:
        while done < kills:
            wanted = -(-(kills - done) // each)
            for outcome in pool.map(
                partial(one_world, each, spoil=spoil), [next(worlds) for _ in range(wanted)]
            ):
                done += outcome.kills
                yield outcome


def line(total: Outcome) -> str:
    """Return the line that is published."""
    told = total.tally
    return (
        f"kills {total.kills:,} · faults {total.faults:,} · circuits {told.circuits:,} · lost {told.lost} · "
        f"duplicated {told.duplicated} · unresolved {told.unresolved} · twins cancelled {told.twins_cancelled} · "
        f"other broken promises {told.other}"
    )


def _flat(counted: Any) -> dict[str, int]:
    return {name: getattr(counted, name) for name in counted.__slots__}


def main() -> int:
    """Kill clients; return how the program is to end."""
    parser = argparse.ArgumentParser(prog="python -m tests.harness.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--each", type=int, default=6, help="kills in each world")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--side-by-side", type=int, default=6, help="worlds at a time")
    parser.add_argument("--broken", action="store_true", help="have clients write down no intent")
    given = parser.parse_args()
    total, spoil = Outcome(), forget_intents if given.broken else None
    for outcome in many_worlds(given.kills, given.each, given.seed, given.side_by_side, spoil):
        total += outcome
        for broken in outcome.broken:
            print(broken, file=sys.stderr, flush=True)
    print(line(total))
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())
