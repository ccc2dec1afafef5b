# SPDX-License-Identifier: Apache-2.0
"""One function per endpoint: a request and the service's state in, JSON out."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import results
from .catalogue import MACHINES, backend_entry, characterization
from .jobs import COMPLETED, Job, JobStore, Look
from .knobs import Knobs
from .orders import MULTI, read_order
from .problems import Problem
from .records import job_record, timestamp
from .server import Request

PREFIX = "/v0.4"
PAGE = 25
"""Jobs of a listing page, by default and at most."""
PATIENCE = 2.0
"""Seconds a request waits for simulations that should be over; after that their jobs show as ``started``."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """All the state endpoints work on."""

    knobs: Knobs
    jobs: JobStore
    clock: Callable[[], float]

    def look(self) -> Look:
        """A look at the service as it is now."""
        deadline = time.monotonic() + PATIENCE
        return Look(self.clock(), patience=lambda: max(0.0, deadline - time.monotonic()))


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answers."""

    content: Any
    status: int = 200
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint."""

    method: str
    template: str
    handle: Callable[..., Answer]
    needs_key: bool
    pattern: re.Pattern[str]

    @property
    def name(self) -> str:
        """``POST /jobs``, ``GET /jobs/{id}``."""
        return f"{self.method} {self.template}"


ROUTES: list[Route] = []


def _route(method: str, template: str, *, needs_key: bool = True) -> Callable[[Any], Any]:
    def register(handle: Callable[..., Answer]) -> Callable[..., Answer]:
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template) + "/?")
        ROUTES.append(Route(method, template, handle, needs_key, pattern))
        return handle

    return register


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The endpoint of a method and a path below ``/v0.4``, with the path's variables."""
    for route in ROUTES:
        if route.method == method and (match := route.pattern.fullmatch(path)):
            return route, match.groupdict()
    return None


def parse_json(body: bytes | None) -> Any:
    """A request body as JSON; None when there is none.

    Raises:
        Problem: 400.
    """
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        raise Problem(400, f"The body is not JSON: {error}.") from error


def _first(request: Request, name: str) -> str | None:
    values = request.query.get(name)
    return values[0] if values else None


def _integer(request: Request, name: str, default: int, least: int, most: int | None = None) -> int:
    text = _first(request, name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"in {least}..{most}"
        raise Problem(400, f"{name} must be an integer {limits}, not {text!r}", keys=(name,), source="query")
    return value


def _created(job: Job) -> Answer:
    return Answer({"id": job.id, "status": "submitted", "session_id": job.order.session_id}, 201)


def _ids(cloud: Cloud, request: Request) -> list[Job]:
    body = parse_json(request.body)
    ids = body.get("ids") if isinstance(body, dict) else None
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids):
        raise Problem(400, "ids must be a list of job ids", keys=("ids",))
    return [cloud.jobs.get(item) for item in ids]


# ---- jobs ----


@_route("POST", "/jobs")
def create_job(cloud: Cloud, request: Request) -> Answer:
    """Store a job."""
    return _created(cloud.jobs.place(read_order(parse_json(request.body))))


@_route("GET", "/jobs")
def list_jobs(cloud: Cloud, request: Request, **extra: list[str]) -> Answer:
    """A page of jobs, newest first. Children are listed only when asked for by parent or by id."""
    query = {**request.query, **extra}
    body = parse_json(request.body)
    limit = min(_integer(request, "limit", PAGE, 1), PAGE)
    if isinstance(body, dict) and type(body.get("limit")) is int:
        limit = max(1, min(body["limit"], PAGE))
    look = cloud.look()
    chosen = _chosen(cloud.jobs.newest_first(), query, look)
    page: list[Job] = []
    following = None
    for job in chosen:
        if len(page) == limit:
            following = _cursor(page[-1])
            break
        page.append(job)
    urls = not cloud.knobs.artifacts_only
    answer: dict[str, Any] = {"jobs": [job_record(job, look, with_urls=urls, listed=True) for job in page]}
    # A client that sends its limit in a body reads on for as long as the key is there, even if it is null.
    if following is not None or body is None:
        answer["next"] = following
    return Answer(answer)


def _chosen(jobs: Iterable[Job], query: Mapping[str, list[str]], look: Look) -> Iterable[Job]:
    """The jobs a listing's query asks for."""
    ids = set(query.get("ids", ()))
    parents = set(query.get("parent_job_id", ()))
    sessions = set(query.get("session_id", ()))
    targets = _commas(query.get("target", ()))
    states = _commas(query.get("status", ()))
    before = _serial_of(query["next"][0]) if query.get("next") else None
    for job in jobs:
        parent = job.parent.id if job.parent else None
        if before is not None and job.serial >= before:
            continue
        if ids and job.id not in ids or parents and parent not in parents:
            continue
        if not ids and not parents and parent is not None:
            continue
        if sessions and job.order.session_id not in sessions:
            continue
        if targets and job.order.machine.name not in targets:
            continue
        if states and look.status(job) not in states:
            continue
        yield job


def _commas(values: Iterable[str]) -> set[str]:
    return {part for value in values for part in value.split(",") if part}


def _cursor(job: Job) -> str:
    return base64.urlsafe_b64encode(f"before {job.serial}".encode()).decode().rstrip("=")


def _serial_of(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        word, serial = text.split(" ")
        if word == "before":
            return int(serial)
    except ValueError:
        pass
    raise Problem(400, f"next is not a cursor of this service: {cursor!r}", keys=("next",), source="query")


@_route("DELETE", "/jobs")
def delete_jobs(cloud: Cloud, request: Request) -> Answer:
    """Forget several jobs."""
    jobs = _ids(cloud, request)
    cloud.jobs.delete(jobs)
    return Answer({"ids": [job.id for job in jobs], "status": "deleted"})


@_route("PUT", "/jobs/status/cancel")
def cancel_jobs(cloud: Cloud, request: Request) -> Answer:
    """Cancel several jobs."""
    jobs = _ids(cloud, request)
    cloud.jobs.cancel(jobs)
    return Answer({"ids": [job.id for job in jobs], "status": "canceled"})


@_route("GET", "/jobs/{job}")
def get_job(cloud: Cloud, _request: Request, job: str) -> Answer:
    """One job."""
    urls = not cloud.knobs.artifacts_only
    return Answer(job_record(cloud.jobs.get(job), cloud.look(), with_urls=urls))


@_route("DELETE", "/jobs/{job}")
def delete_job(cloud: Cloud, _request: Request, job: str) -> Answer:
    """Forget a job."""
    cloud.jobs.delete([cloud.jobs.get(job)])
    return Answer({"id": job, "status": "deleted"})


@_route("PUT", "/jobs/{job}/status/cancel")
def cancel_job(cloud: Cloud, _request: Request, job: str) -> Answer:
    """Cancel a job; a finished one stays as it is."""
    cloud.jobs.cancel([cloud.jobs.get(job)])
    return Answer({"id": job, "status": "canceled"})


# ---- results ----


def _completed(cloud: Cloud, job_id: str) -> Job:
    job = cloud.jobs.get(job_id)
    status = cloud.look().status(job)
    if status != COMPLETED or job.order.dry_run:
        why = "was a dry run" if job.order.dry_run else f"is {status}"
        raise Problem(404, f"Job {job_id} has no results: it {why}.")
    return job


def _legacy(cloud: Cloud) -> None:
    if cloud.knobs.artifacts_only:
        raise Problem(404, "This service publishes results as artifacts only.")


@_route("GET", "/jobs/{job}/results/probabilities")
def get_probabilities(cloud: Cloud, _request: Request, job: str) -> Answer:
    """The distribution of one circuit."""
    found = _completed(cloud, job)
    if found.type == MULTI:
        raise Problem(404, f"Job {job} has several circuits: ask for probabilities/aggregated.")
    return Answer(results.probabilities(found))


@_route("GET", "/jobs/{job}/results/probabilities/aggregated")
def get_aggregated(cloud: Cloud, _request: Request, job: str) -> Answer:
    """The distributions of all children, in circuit order."""
    _legacy(cloud)
    found = _completed(cloud, job)
    if found.type != MULTI:
        raise Problem(404, f"Job {job} has one circuit: ask for probabilities.")
    return Answer(results.aggregated(found))


def _sampled(cloud: Cloud, job_id: str) -> Job:
    _legacy(cloud)
    job = _completed(cloud, job_id)
    if job.type == MULTI or not results.outcome_of(job).sampled:
        raise Problem(404, f"Job {job_id} has no shots of its own.")
    return job


@_route("GET", "/jobs/{job}/results/histogram")
def get_histogram(cloud: Cloud, _request: Request, job: str) -> Answer:
    """The counts of a sampled circuit."""
    return Answer(results.histogram(_sampled(cloud, job)))


@_route("GET", "/jobs/{job}/results/shots")
def get_shots(cloud: Cloud, _request: Request, job: str) -> Answer:
    """The shots of a sampled circuit."""
    return Answer(results.shots(_sampled(cloud, job)))


@_route("GET", "/jobs/{job}/artifacts/{artifact}")
def get_artifact(cloud: Cloud, _request: Request, job: str, artifact: str) -> Answer:
    """A result in the format its descriptor names."""
    found = _completed(cloud, job)
    for name in results.formats(found):
        if artifact == results.artifact_id(found, name):
            return Answer(results.payload(found, name))
    raise Problem(404, f"Job {job} has no artifact {artifact}.")


# ---- backends ----


@_route("GET", "/backends", needs_key=False)
def list_backends(cloud: Cloud, _request: Request) -> Answer:
    """All machines."""
    return Answer([_entry(cloud, name) for name in MACHINES])


@_route("GET", "/backends/{backend}", needs_key=False)
def get_backend(cloud: Cloud, _request: Request, backend: str) -> Answer:
    """One machine."""
    return Answer(_entry(cloud, backend))


def _entry(cloud: Cloud, name: str) -> dict[str, Any]:
    if name not in MACHINES:
        raise Problem(404, f"There is no backend {name}.")
    return backend_entry(MACHINES[name], round(cloud.knobs.queue_time * 1000), timestamp(cloud.clock()))


@_route("GET", "/backends/{backend}/characterizations", needs_key=False)
def list_characterizations(cloud: Cloud, request: Request, backend: str) -> Answer:
    """The one characterization of a QPU; null for the simulator."""
    _integer(request, "limit", 10, 1, 10)
    page = _integer(request, "page", 1, 1)
    _entry(cloud, backend)
    machine = MACHINES[backend]
    if machine.is_simulator:
        return Answer({"characterizations": None, "pages": 0})
    found = [characterization(machine, timestamp(cloud.clock()))] if page == 1 else []
    return Answer({"characterizations": found, "pages": 0})


@_route("GET", "/backends/{backend}/characterizations/{uuid}")
def get_characterization(cloud: Cloud, _request: Request, backend: str, uuid: str) -> Answer:
    """One characterization by id."""
    machine = MACHINES.get(backend)
    if machine is None or machine.is_simulator or uuid != machine.characterization_id:
        raise Problem(404, f"{backend} has no characterization {uuid}.")
    return Answer(characterization(machine, timestamp(cloud.clock())))
