# SPDX-License-Identifier: Apache-2.0
"""An IonQ of our own that can be told to misbehave: what it stores, shows, answers and writes down.

It knows neither sockets nor clocks, shares no code with the package or its emulator, and keeps to the facts
of the API v0.4. What a circuit gives is told by its gates alone, so that a mix-up shows: each ``gpi`` or
``x`` flips its qubit. Everything that happens goes to ``tell``, one flat record after the other, with ``at``:

``request``   one has come: ``r`` (its number), ``method``, ``path``, ``host``, ``token``, ``fault``
``stored``    a job exists from now on: ``id``, ``token``, ``check``, ``outcomes``, ``starts_at``
``canceled``  somebody asked for it: ``id``, and ``was``, the state it had
``answered``  what was answered to request ``r``: ``status``, and to a submission ``id``, whatever it was;
              not told where the answer was to be lost
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import faults
from .faults import WIRE, Fate, Fault, Script

VERSION = "/v0.4"
KEY = "harness-key"
LONGEST_PAGE = 25
NOT_JUDGED = "1.0123456789ab.1"
"""What jobs of other runs have as their check."""
_ODD_WORDS = {"submitted": "validating", "ready": "paused-by-operator", "started": "post_processing"}


@dataclass(frozen=True, slots=True)
class Request:
    """What has come in."""

    method: str
    target: str
    """Path and query."""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to go out, and what is to befall it on the way."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    spoil: Fault | None = None


@dataclass(frozen=True, slots=True)
class Habits:
    """How the service behaves on its good days. Seconds.

    Attributes:
        queue: from storing to start.
        execution: from start to end.
        lag: for how long listings do not show a new job; any number up to it.
        page: rows of a listing at the most.
        predicts: whether it says how long jobs take.
        project: what ``/whoami`` names.
        elsewhere: where redirects lead.
    """

    queue: float = 0.0
    execution: float = 0.05
    lag: float = 0.0
    page: int = LONGEST_PAGE
    predicts: bool = True
    project: str = "project-1"
    elsewhere: str = "http://elsewhere.invalid"


@dataclass(slots=True, eq=False)
class Job:
    """What the service has stored."""

    id: str
    body: Mapping[str, Any]
    outcomes: tuple[int, ...]
    children: tuple[str, ...]
    stored_at: float
    starts_at: float
    ends_at: float
    listed_at: float
    oddity: Fault | None
    canceled_at: float | None = None

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the client wrote on it."""
        return self.body.get("metadata") or {}

    def state(self, now: float) -> str:
        """Return the state in the specification's words."""
        odd = self.oddity.kind if self.oddity else ""
        if (self.canceled_at is not None and now >= self.canceled_at) or (
            odd == "canceled at last" and now >= self._odd_from
        ):
            return "canceled"
        if now >= self.ends_at:
            return "completed"
        if now >= self.starts_at:
            return "started"
        return "ready" if now > self.stored_at else "submitted"

    def shown_state(self, now: float) -> str:
        """Return the state in the words that are shown."""
        state = self.state(now)
        if self.oddity is not None and self.oddity.kind == "odd status" and state != "completed":
            return _ODD_WORDS.get(state, state)
        return state

    def is_gone(self, now: float) -> bool:
        """Say whether the service denies having it."""
        return self.oddity is not None and self.oddity.kind == "gone" and now >= self._odd_from

    @property
    def _odd_from(self) -> float:
        return self.ends_at + (self.oddity.seconds if self.oddity else 0.0)


class Service:
    """All jobs of one account.

    Args:
        now: the service's clock: seconds since 1970.
        tell: is given every record of what happens.
        script: when it misbehaves.
        habits: how it behaves otherwise.
    """

    def __init__(
        self,
        now: Callable[[], float],
        tell: Callable[[dict[str, Any]], None],
        script: Script | None = None,
        habits: Habits | None = None,
    ) -> None:
        self.habits = habits or Habits()
        script = script or Script()
        self.fate = Fate(script)
        self._now, self._tell = now, tell
        self._die = random.Random(f"{script.seed} service")
        self._jobs: dict[str, Job] = {}
        self._children: dict[str, tuple[Job, int]] = {}
        self._numbers = itertools.count(1)
        self._late: list[tuple[float, int, Mapping[str, Any]]] = []
        self._passes: dict[str, list[Job]] = {}
        self._opened_at = now()
        self.stuck: list[tuple[float, float, frozenset[str]]] = []
        """When a replica is stuck: from, until, and the routes that it answers as things were at the beginning."""
        self.shown: Callable[[float], float] = lambda at: at
        """What the clock of the service showed at a time: it may be set, too."""

    def add_foreign(self, count: int, first_at: float, last_at: float) -> None:
        """Store jobs of other people, evenly over some time; they have metadata, but no token."""
        metadata = {"owner": "lab", "qpi_chk": NOT_JUDGED}
        body = {"type": "ionq.circuit.v1", "backend": "simulator", "shots": 1, "metadata": metadata}
        jobs = list(self._jobs.values())
        for k in range(count):
            at = first_at + (last_at - first_at) * k / max(1, count - 1)
            jobs.append(Job(self._new_id(), body, (0,), (), at, at, at, at, None))
        self._jobs = {job.id: job for job in sorted(jobs, key=lambda job: job.stored_at)}

    def frozen_at(self, route: str) -> float:
        """Return the time as of which a route is answered now."""
        now = self._now()
        return min(
            [now, *(begin for begin, end, routes in self.stuck if begin <= now < end and route in routes)]
        )

    def add_history(self, at: float | None = None) -> None:
        """Store a job of another run of the package, of no concern to any judge: by default an hour old."""
        at = self._opened_at - 3600.0 if at is None else at
        metadata = {"qpi": "1.aRunOfAnEarlierProgram.0.0", "qpi_chk": NOT_JUDGED}
        body = {"type": "ionq.circuit.v1", "backend": "simulator", "shots": 1, "metadata": metadata}
        job = Job(self._new_id(), body, (0,), (), at, at, at, at, None)
        self._jobs[job.id] = job

    # -- requests ------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        """Do what is asked, and say what to answer."""
        self.catch_up(self._now())
        number = next(self._numbers)
        url = urlsplit(request.target)
        path, query = url.path.removeprefix(VERSION), parse_qs(url.query)
        route = _route(request.method, path, query)
        body = _parsed(request.body)
        fault = self.fate.of(route) if route else None
        self._tell(
            {"is": "request", "r": number, "at": self._now(), "method": request.method, "path": path}
            | {"host": request.headers.get("host"), "fault": str(fault) if fault else None}
            | ({"token": _mark(body, "qpi")} if route == faults.POST else {})
        )
        if route is None:
            answer = _problem(404, "there is no such page")
        elif route != faults.BACKENDS and request.headers.get("authorization") != f"apiKey {KEY}":
            answer = _problem(401, "there is no such key")
        else:
            answer = self._struck(number, route, path, query, body, fault)
        if answer.spoil is None:
            given = {"id": _parsed(answer.body).get("id")} if route == faults.POST else {}
            told = {"is": "answered", "r": number, "at": self._now(), "status": answer.status}
            self._tell(told | given)
        return answer

    def catch_up(self, now: float) -> None:
        """Let what was to happen by now happen, whether anybody asks or not."""
        while self._late and self._late[0][0] <= now:
            due, number, body = heapq.heappop(self._late)
            self._store(body, due, number)

    def _struck(
        self, number: int, route: str, path: str, query: Query, body: Any, fault: Fault | None
    ) -> Answer:
        if fault is None:
            return self._done(number, route, path, query, body, None)
        if fault.kind == "late":
            heapq.heappush(self._late, (self._now() + fault.seconds, number, body))
            return _answer(200, {}, spoil=Fault("reset"))
        changes_something = route in (faults.POST, faults.CANCEL)
        has_effect = fault.after or not changes_something
        whole = self._done(number, route, path, query, body, fault) if has_effect else _answer(200, {})
        return self._spoilt(whole, fault)

    def _spoilt(self, whole: Answer, fault: Fault) -> Answer:
        match fault.kind:
            case kind if kind in WIRE:
                return replace(whole, spoil=fault)
            case "status":
                retry = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
                return _problem(fault.status, "not today", retry)
            case "garbage":
                return replace(whole, body=b"<html><body>We will be back soon.</body></html>")
            case "redirect":
                return _answer(307, {}, {"Location": f"{self.habits.elsewhere}{VERSION}/jobs"})
            case "no id":
                return _answer(whole.status, {"status": "submitted", "session_id": None})
            case "wrong id":
                return _answer(whole.status, {"id": "../backends", "status": "submitted"})
            case "unknown id":
                return _answer(whole.status, {"id": self._new_id(), "status": "submitted"})
            case "repeated id":
                given = next(
                    job.id for job in self._jobs.values() if _mark(job.body, "qpi_chk") != NOT_JUDGED
                )
                return _answer(whole.status, {"id": given, "status": "submitted"})
            case _:
                return whole  # it was told in another way

    def _done(
        self, number: int, route: str, path: str, query: Query, body: Any, fault: Fault | None
    ) -> Answer:
        """Do as on a good day."""
        match route:
            case faults.POST:
                job = self._store(body, self._now(), number)
                return _answer(201, {"id": job.id, "status": "submitted", "session_id": None})
            case faults.LIST | faults.LOOK:
                return _answer(200, self._listing(query, fault))
            case faults.CANCEL:
                ids = body["ids"] if path == "/jobs/status/cancel" else [path.split("/")[2]]
                return self._cancel(ids)
            case faults.BACKENDS:
                return _answer(200, [_target("simulator", 29), _target("qpu.forte-1", 36)])
            case faults.WHOAMI:
                return _answer(200, {"key_id": "key-1", "key_name": "k", "project_id": self.habits.project})
        job_id, _, rest = path.removeprefix("/jobs/").partition("/")
        at = self.frozen_at(route)
        if job_id in self._children:
            job, position = self._children[job_id]
        elif job_id in self._jobs:
            job, position = self._jobs[job_id], None
        else:
            return _problem(404, "there is no such job")
        if job.is_gone(self._now()) or job.stored_at > at:
            return _problem(404, "there is no such job")
        return self._result(job, position, rest, at) if rest else _answer(200, self._page(job, position, at))

    # -- jobs ----------------------------------------------------------------------------------

    def _store(self, body: Any, at: float, number: int) -> Job:
        given = body["input"].get("circuits")
        gate_lists = [body["input"]["circuit"]] if given is None else [each["circuit"] for each in given]
        job = Job(
            id=self._new_id(),
            body=body,
            outcomes=tuple(map(outcome, gate_lists)),
            children=() if given is None else tuple(self._new_id() for _ in given),
            stored_at=at,
            starts_at=at + self.habits.queue,
            ends_at=at + self.habits.queue + self.habits.execution,
            listed_at=at + self.habits.lag * self._die.random(),
            oddity=self.fate.of(faults.STORED),
        )
        if job.oddity is not None and job.oddity.kind == "hidden":
            job.listed_at = at + job.oddity.seconds
        self._jobs[job.id] = job
        self._children.update({child: (job, position) for position, child in enumerate(job.children)})
        self._tell(
            {"is": "stored", "r": number, "at": at, "id": job.id, "starts_at": job.starts_at}
            | {"token": _mark(body, "qpi"), "check": _mark(body, "qpi_chk"), "outcomes": list(job.outcomes)}
            | {"oddity": str(job.oddity) if job.oddity else None}
        )
        return job

    def _cancel(self, ids: list[str]) -> Answer:
        now = self._now()
        for job_id in ids:
            job = self._jobs.get(job_id)
            if job is None:
                return _problem(404, "there is no such job")
            if job.canceled_at is None:
                self._tell({"is": "canceled", "at": now, "id": job_id, "was": job.state(now)})
                job.canceled_at = now
        return _answer(200, {"ids": ids, "status": "canceled"})

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._die.getrandbits(128), version=4))

    # -- what is shown -------------------------------------------------------------------------

    def _listing(self, query: Query, fault: Fault | None) -> dict[str, Any]:
        kind = fault.kind if fault else ""
        cursor = query.get("next", [""])[0]
        key, _, place = cursor.partition(":")
        if key not in self._passes:
            key, place = self._new_id(), "0"
            self._passes[key] = self._visible(query, fault)
        at = self.frozen_at(faults.LOOK if "ids" in query else faults.LIST)
        jobs, start = self._passes[key], int(place)
        page = min(int(query.get("limit", [str(LONGEST_PAGE)])[0]), self.habits.page)
        rows = [self._row(job, at) for job in jobs[start : start + page]]
        rows = _spoilt_rows(rows, kind)
        if kind == "repeated rows":
            rows += rows[-2:]
        more = f"{key}:{start + page}" if start + page < len(jobs) else None
        if more is None:
            del self._passes[key]
        if kind == "cursor loop" and more is not None:
            more = cursor or more
        return {"jobs": rows, "next": more}

    def _visible(self, query: Query, fault: Fault | None) -> list[Job]:
        """Return the rows of one pass through the listing, as they are when it begins."""
        wanted = query.get("ids")
        if wanted is not None:
            at = self.frozen_at(faults.LOOK)
            jobs = [self._jobs[job_id] for job_id in wanted if job_id in self._jobs]
            jobs = [job for job in jobs if job.stored_at <= at]
        else:
            stale = fault.seconds if fault and fault.kind == "stale" else 0.0
            limit = self.frozen_at(faults.LIST) - stale
            jobs = [job for job in reversed(self._jobs.values()) if job.listed_at <= limit]
        jobs = [job for job in jobs if not job.is_gone(self._now())]
        if fault and fault.kind == "shuffled":
            self._die.shuffle(jobs)
        return jobs

    def _row(self, job: Job, at: float) -> dict[str, Any]:
        page = self._page(job, None, at)
        del page["child_job_ids"]
        return page

    def _page(self, job: Job, position: int | None, now: float) -> dict[str, Any]:
        is_child = position is not None
        state = job.state(now)
        has_result = state == "completed"
        takes = 1000.0 * (job.ends_at - job.starts_at) if self.habits.predicts else None
        kind = "probabilities/aggregated" if job.children and not is_child else "probabilities"
        own = job.children[position] if position is not None else job.id
        results = {"probabilities": {"url": f"{VERSION}/jobs/{own}/results/{kind}"}}
        return {
            "id": own, "status": job.shown_state(now),
            "type": job.body.get("type"), "backend": job.body.get("backend"),
            "dry_run": False, "submitter_id": "submitter-1", "project_id": self.habits.project,
            "parent_job_id": job.id if is_child else None, "session_id": None, "metadata": self._echo(job),
            "name": job.body.get("name"), "shots": job.body.get("shots"), "submitted_at": self._iso(job.stored_at),
            "started_at": self._iso(job.starts_at) if now >= job.starts_at else None,
            "completed_at": self._iso(job.ends_at) if now >= job.ends_at else None,
            "predicted_wait_time_ms": None if now >= job.starts_at else 1000.0 * (job.starts_at - now),
            "predicted_execution_duration_ms": takes, "execution_duration_ms": takes if has_result else None,
            "failure": None, "settings": {}, "output": {}, "stats": {},
            "child_job_ids": None if is_child else list(job.children) or None,
            "results": results if has_result else None,
        }  # fmt: skip

    def _echo(self, job: Job) -> Mapping[str, Any] | None:
        """Return the metadata as it is shown."""
        odd = job.oddity.kind if job.oddity else ""
        if odd == "no echo":
            return None
        if odd == "wrong echo":
            return next(iter(self._jobs.values())).metadata
        return job.metadata

    def _iso(self, at: float) -> str:
        return _iso(self.shown(at))

    def _result(self, job: Job, position: int | None, rest: str, now: float) -> Answer:
        if job.state(now) != "completed":
            return _problem(404, "there is no result yet")
        if rest == "results/probabilities/aggregated" and position is None and job.children:
            pairs = zip(job.children, job.outcomes, strict=True)
            return _answer(200, {child: {str(value): 1.0} for child, value in pairs})
        if job.children and position is None:
            return _problem(404, "this job has children")
        value = str(job.outcomes[position or 0])
        match rest:
            case "results/probabilities":
                return _answer(200, {value: 1.0})
            case "results/histogram":
                return _answer(200, {value: job.body["shots"]})
            case "results/shots":
                return _answer(200, [value] * job.body["shots"])
        return _problem(404, "there is no such result")


def _spoilt_rows(rows: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return rows of a listing as they are shown on a bad day."""
    match kind:
        case "no rows":
            return []
        case "no metadata":
            return [{**row, "metadata": None} for row in rows]
        case "empty metadata":
            return [{**row, "metadata": {}} for row in rows]
        case "half metadata":
            return [row if k % 2 else {**row, "metadata": None} for k, row in enumerate(rows)]
        case "odd ids":
            return [{**row, "id": f"job:{row['id']}/1"} for row in rows]
        case "no status":
            return [{name: value for name, value in row.items() if name != "status"} for row in rows]
    return rows


Query = Mapping[str, list[str]]


def outcome(gates: list[Mapping[str, Any]]) -> int:
    """Return what a circuit of bit flips always gives; bit *k* is qubit *k*."""
    value = 0
    for gate in gates:
        if gate["gate"] in ("gpi", "x"):
            for qubit in gate.get("targets") or [gate["target"]]:
                value ^= 1 << qubit
    return value


def _route(method: str, path: str, query: Query) -> str | None:
    parts = path.strip("/").split("/")
    match method, parts:
        case "POST", ["jobs"]:
            return faults.POST
        case "GET", ["jobs"]:
            return faults.LOOK if "ids" in query else faults.LIST
        case "GET", ["jobs", _]:
            return faults.JOB
        case "GET", ["jobs", _, "results" | "artifacts", *_]:
            return faults.RESULT
        case ("PUT", ["jobs", "status", "cancel"]) | ("PUT", ["jobs", _, "status", "cancel"]):
            return faults.CANCEL
        case "GET", ["backends"]:
            return faults.BACKENDS
        case "GET", ["whoami"]:
            return faults.WHOAMI
    return None


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else {}
    except ValueError:
        return {}


def _mark(body: Any, key: str) -> str | None:
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    return metadata.get(key) if isinstance(metadata, Mapping) else None


def _answer(
    status: int, content: Any, headers: Mapping[str, str] | None = None, spoil: Fault | None = None
) -> Answer:
    return Answer(status, json.dumps(content).encode(), headers or {}, spoil)


def _problem(status: int, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    return _answer(status, {"error": "Problem", "message": message, "statusCode": status}, headers)


def _target(name: str, qubits: int) -> dict[str, Any]:
    gates = ["gpi", "gpi2", "zz"] if name.startswith("qpu") else ["gpi", "gpi2", "ms", "zz"]
    return {
        "backend": name, "status": "available", "qubits": qubits, "average_queue_time": 0,
        "last_updated": _iso(0.0), "degraded": False, "supported_native_gates": gates,
    }  # fmt: skip


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(at: float) -> str:
    """Return a time as HTTP's headers write it."""
    return format_datetime(datetime.fromtimestamp(at, timezone.utc), usegmt=True)
