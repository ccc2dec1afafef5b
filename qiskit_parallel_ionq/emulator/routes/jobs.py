# SPDX-License-Identifier: Apache-2.0
"""Endpoints under ``/jobs`` that make, show, cancel and forget jobs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from ..billing import cost_of
from ..jobs import COMPLETED, Job, Look
from ..orders import MULTI, read_order
from ..problems import RequestError
from ..records import job_record
from ..server import Request
from .base import Answer, Cloud, bad_query, parse_json, parse_object, query_integer, route

PAGE = 25
"""Jobs of a listing page, by default and at most."""
OVERRIDES = ("name", "metadata", "shots", "backend", "session_id", "settings", "dry_run", "noise")
"""What a clone may have otherwise than its original."""


def create_job(cloud: Cloud, request: Request) -> Answer:
    """Store a job."""
    return _place(cloud, parse_json(request.body))


def _place(cloud: Cloud, body: Any) -> Answer:
    order = read_order(body)
    now = cloud.clock()
    if order.session_id is not None:
        cloud.sessions.join(order.session_id, order.machine.name, now)
    job = cloud.jobs.place(order)
    if order.session_id is not None:
        cloud.sessions.charge(order.session_id, cost_of(job), now)
    return Answer({"id": job.id, "status": "submitted", "session_id": order.session_id}, 201)


def clone_job(cloud: Cloud, request: Request, job: str) -> Answer:
    """Store a copy of a job, with other settings where the body gives some."""
    given = parse_object(request.body)
    original = cloud.jobs.get(job)
    if original.parent is not None:
        raise RequestError(400, "A child of a multi-circuit job cannot be cloned; clone its parent.")
    changes = {key: given[key] for key in OVERRIDES if given.get(key) is not None}
    return _place(cloud, {**original.order.body, **changes})


def move_job(cloud: Cloud, request: Request, job: str) -> Answer:
    """Store a copy as `clone_job` does and cancel the original, unless it is finished."""
    answer = clone_job(cloud, request, job)
    cloud.jobs.cancel([cloud.jobs.get(job)])
    return answer


def list_jobs(cloud: Cloud, request: Request) -> Answer:
    """A page of jobs, newest first. Children are listed only when asked for by parent or by id."""
    return job_page(cloud, request, request.query)


def job_page(cloud: Cloud, request: Request, query: Mapping[str, list[str]]) -> Answer:
    """The page of jobs a query asks for."""
    body = parse_json(request.body)
    limit = min(query_integer(request, "limit", PAGE, 1), PAGE)
    if isinstance(body, dict) and type(body.get("limit")) is int:
        limit = max(1, min(body["limit"], PAGE))
    look = cloud.look()
    known = cloud.jobs.newest_first(query.get("ids", ()), query.get("parent_job_id", ()))
    chosen = list(islice(_chosen(known, query, look), limit + 1))
    following = _cursor(chosen[limit - 1]) if len(chosen) > limit else None
    with_urls = not cloud.knobs.artifacts_only
    page = [job_record(job, look, with_urls=with_urls, listed=True) for job in chosen[:limit]]
    # A client that sends its limit in a body reads on for as long as the key is there, even if it is null.
    if following is None and body is not None:
        return Answer({"jobs": page})
    return Answer({"jobs": page, "next": following})


def _chosen(jobs: Iterable[Job], query: Mapping[str, list[str]], look: Look) -> Iterable[Job]:
    parents = set(query.get("parent_job_id", ()))
    sessions = set(query.get("session_id", ()))
    targets = _commas(query.get("target", ()))
    states = _commas(query.get("status", ()))
    cursor = query.get("next")
    before = _serial_of(cursor[0]) if cursor else float("inf")
    wanted: list[Callable[[Job], bool]] = [lambda job: job.serial < before]
    if parents:
        wanted.append(lambda job: job.parent is not None and job.parent.id in parents)
    if sessions:
        wanted.append(lambda job: job.order.session_id in sessions)
    if targets:
        wanted.append(lambda job: job.order.machine.name in targets)
    if states:  # an unknown status, as a released client sends, matches nothing
        wanted.append(lambda job: look.status(job) in states)
    return (job for job in jobs if all(test(job) for test in wanted))


def _commas(values: Iterable[str]) -> set[str]:
    return {part for value in values for part in value.split(",") if part}


def _cursor(job: Job) -> str:
    return base64.urlsafe_b64encode(f"before {job.serial}".encode()).decode().rstrip("=")


def _serial_of(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        return int(text.removeprefix("before "))
    except ValueError:
        raise bad_query("next", f"{cursor!r} is not a cursor of this service") from None


def get_job(cloud: Cloud, _request: Request, job: str) -> Answer:
    """One job."""
    with_urls = not cloud.knobs.artifacts_only
    return Answer(job_record(cloud.jobs.get(job), cloud.look(), with_urls=with_urls))


def delete_job(cloud: Cloud, _request: Request, job: str) -> Answer:
    """Forget a job."""
    cloud.jobs.delete([cloud.jobs.get(job)])
    return Answer({"id": job, "status": "deleted"})


def delete_jobs(cloud: Cloud, request: Request) -> Answer:
    """Forget several jobs."""
    jobs = _named(cloud, request)
    cloud.jobs.delete(jobs)
    return Answer({"ids": [job.id for job in jobs], "status": "deleted"})


def cancel_job(cloud: Cloud, _request: Request, job: str) -> Answer:
    """Cancel a job; a finished one stays as it is."""
    cloud.jobs.cancel([cloud.jobs.get(job)])
    return Answer({"id": job, "status": "canceled"})


def cancel_jobs(cloud: Cloud, request: Request) -> Answer:
    """Cancel several jobs; finished ones stay as they are."""
    jobs = _named(cloud, request)
    cloud.jobs.cancel(jobs)
    return Answer({"ids": [job.id for job in jobs], "status": "canceled"})


def _named(cloud: Cloud, request: Request) -> list[Job]:
    """The jobs whose ids the body lists; if one is unknown, nothing is done to any."""
    ids = parse_object(request.body).get("ids")
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids):
        raise RequestError(400, "ids must be a list of job ids", keys=("ids",))
    return [cloud.jobs.get(item) for item in ids]


def completed(cloud: Cloud, job_id: str, *, dry_runs: bool = False) -> Job:
    """A job whose results are available.

    Raises:
        RequestError: 404, also for a dry run, unless those are asked for.
    """
    job = cloud.jobs.get(job_id)
    status = cloud.look().status(job)
    if status != COMPLETED:
        raise RequestError(404, f"Job {job_id} has no results: it is {status}.")
    if job.order.dry_run and not dry_runs:
        raise RequestError(404, f"Job {job_id} has no results: it was a dry run.")
    return job


def is_parent(job: Job) -> bool:
    """Whether a job is a multi-circuit parent."""
    return job.type == MULTI


ROUTES = (
    route("POST", "/jobs", create_job),
    route("GET", "/jobs", list_jobs),
    route("DELETE", "/jobs", delete_jobs),
    route("PUT", "/jobs/status/cancel", cancel_jobs),
    route("GET", "/jobs/{job}", get_job),
    route("DELETE", "/jobs/{job}", delete_job),
    route("PUT", "/jobs/{job}/status/cancel", cancel_job),
    route("POST", "/jobs/{job}/clone", clone_job),
    route("POST", "/jobs/{job}/move", move_job),
)
