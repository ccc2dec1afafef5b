# SPDX-License-Identifier: Apache-2.0
"""Bugs that somebody might write one day, and the worlds in which each of them shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from qiskit_parallel_ionq import chronicle, worker
from qiskit_parallel_ionq.conductor import conductor
from qiskit_parallel_ionq.conductor.duplicates import Duplicates
from qiskit_parallel_ionq.conductor.submitting import Submitting
from qiskit_parallel_ionq.conductor.watching import Watching
from qiskit_parallel_ionq.listing import Listing
from qiskit_parallel_ionq.policy import Verdict
from qiskit_parallel_ionq.reconcile import NO_END, Doubt, Finding
from qiskit_parallel_ionq.worker import Worker

from .adversary import INSIDE, OUTSIDE, Adversary
from .circuits import several
from .faults import LIST, POST, Fault, Script, status
from .history import check
from .simulation import World, live

Patch = Callable[[pytest.MonkeyPatch], None]
Trial = Callable[[], Iterator[str]]
"""Lives through something and yields what was promised and not kept."""

HARSH = replace(INSIDE, deaths=2, strike=0.3)
LAGGING = replace(OUTSIDE, deaths=2, strike=0.3)
QUIET = Adversary(strike=0.0, unreachable=0.0, late=0.0, lag=0.0)


@dataclass(frozen=True, slots=True)
class Bug:
    """One mistake.

    Attributes:
        name: what is wrong.
        patch: makes it.
        trial: where it shows.
    """

    name: str
    patch: Patch
    trial: Trial


def worlds(adversary: Adversary, *seeds: int, rule: str = "") -> Trial:
    """Return a trial: worlds full of chance, in which the client dies, too."""

    def trial() -> Iterator[str]:
        for seed in seeds:
            life = live(adversary, seed, several(24))
            yield from (str(v) for v in check(life.history) if not rule or v.rule == rule)
            if not life.is_over:
                yield "the run did not come to an end"

    return trial


def scripted(plan: dict[str, dict[int, Fault]], *, lasts: float = 4000.0) -> Trial:
    """Return a trial: one run in a world that misbehaves just where it is told to."""

    def trial() -> Iterator[str]:
        with World(QUIET, 0, Script(plan=plan)) as world:
            client = world.client()
            get_job = client.run(several(6))
            world.until(lambda: client.is_done(get_job))
            world.pass_time(lasts)
            yield from map(str, check(world.history(get_job())))

    return trial


def _unwritten(kind: str) -> Patch:
    def patch(put: pytest.MonkeyPatch) -> None:
        put.setattr(
            conductor,
            "event_record",
            lambda n, event, t: None if type(event).__name__ == kind else chronicle.event_record(n, event, t),
        )

    return patch


def _judged(as_if: Callable[[int | None, Verdict], Verdict]) -> Patch:
    judge = worker.verdict_on_submission

    def patch(put: pytest.MonkeyPatch) -> None:
        put.setattr(
            worker,
            "verdict_on_submission",
            lambda status, **facts: as_if(status, judge(status, **facts)),
        )

    return patch


def _put(kind: Any, name: str, value: Any) -> Patch:
    return lambda put: put.setattr(kind, name, value)


def _first_listing_decides(self: Doubt, listing: Listing, **_: object) -> tuple[Finding, Doubt]:
    return (Finding.FOUND if self.token in listing.records else Finding.ABSENT), self


def _by_arrival(put: pytest.MonkeyPatch) -> None:
    done = conductor.Conductor.circuit_done

    def misplaced(self: Any, batch: Any, index: int, *result: Any) -> None:
        done(self, batch, next(i for i in range(batch.total) if not batch.has_ended(i)), *result)

    put.setattr(conductor.Conductor, "circuit_done", misplaced)


def _no_flush(put: pytest.MonkeyPatch) -> None:
    submit = Worker.submit
    put.setattr(Worker, "submit", lambda self, body, make_durable=None: submit(self, body))


BUGS = [
    Bug("no intent is written", _unwritten("Sent"), worlds(HARSH, 0)),
    Bug(
        "intents are written and not flushed",
        _no_flush,
        worlds(replace(HARSH, deaths=3, power_cuts=1.0), *range(12)),
    ),
    Bug("no proof of absence is written", _unwritten("Absent"), worlds(HARSH, 0)),
    Bug(
        "late effects are given no time",
        _put(
            Doubt,
            "about",
            classmethod(lambda cls, token, lost_at, *, target: cls(token, lost_at, settle=0.0)),
        ),
        worlds(replace(HARSH, queue=20.0), *range(4)),
    ),
    Bug(
        "the first listing decides",
        _put(Doubt, "judge", _first_listing_decides),
        worlds(replace(HARSH, queue=20.0), 0, 1),
    ),
    Bug(
        "a stale listing proves absence",
        _put(Doubt, "_objection", lambda self, listing, witnesses: "" if listing.is_complete else NO_END),
        scripted(
            {POST: {6: Fault("reset", after=True)}, LIST: {0: Fault("stale", seconds=2500.0)}}, lasts=0.0
        ),
    ),
    Bug(
        "a listing that was cut short proves absence",
        _put(Doubt, "_objection", lambda self, listing, witnesses: ""),
        scripted({POST: {6: Fault("reset", after=True)}, LIST: {0: status(503)}}, lasts=0.0),
    ),
    Bug(
        "whatever is not accepted is sent again",
        _judged(lambda code, verdict: Verdict.PUSHED_BACK if verdict is Verdict.UNKNOWN else verdict),
        worlds(HARSH, 0),
    ),
    Bug(
        "503 is taken for: not stored",
        _judged(lambda code, verdict: Verdict.PUSHED_BACK if code == 503 else verdict),
        scripted({POST: {2: status(503, after=True)}}),
    ),
    Bug(
        "silence is taken for: not sent",
        _judged(lambda code, verdict: Verdict.NOT_SENT if code is None else verdict),
        scripted({POST: {2: Fault("reset", after=True)}}),
    ),
    Bug(
        "409 is taken for a refusal",
        _judged(lambda code, verdict: Verdict.REFUSED if code == 409 else verdict),
        scripted({POST: {2: status(409, after=True)}}),
    ),
    Bug(
        "an answer without an id is taken for a refusal",
        _judged(lambda code, v: Verdict.REFUSED if code == 201 and v is Verdict.UNKNOWN else v),
        scripted({POST: {2: Fault("no id", after=True)}}),
    ),
    Bug(
        "an id is believed whoever's it is",
        lambda put: (
            put.setattr(Watching, "disowned", lambda self, *job: False),
            put.setattr(Submitting, "_is_new", lambda self, job_id: True),
        )[0],
        scripted({POST: {3: Fault("repeated id", after=True)}}),
    ),
    Bug("results go by arrival", _by_arrival, worlds(HARSH, 0)),
    Bug(
        "a twin is kept silent",
        _put(Duplicates, "take", lambda self, *listing: None),
        worlds(LAGGING, 7, 17, rule="told"),
    ),
]
