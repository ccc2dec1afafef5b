# SPDX-License-Identifier: Apache-2.0
"""Endpoints under ``/sessions``."""

from __future__ import annotations

from ..records import ORGANIZATION
from ..server import Request
from .base import Answer, Cloud, parse_json, query_flag, route
from .jobs import job_page


def create_session(cloud: Cloud, request: Request) -> Answer:
    """Open a session."""
    session = cloud.sessions.create(parse_json(request.body), cloud.clock())
    return Answer(session.record(cloud.clock()), 201)


def list_sessions(cloud: Cloud, request: Request) -> Answer:
    """All sessions, or only the active or the ended ones."""
    active = query_flag(request, "active")
    now = cloud.clock()
    records = [session.record(now) for session in cloud.sessions.newest_first()]
    chosen = [record for record in records if active is None or record["active"] is active]
    return Answer({"organization_id": ORGANIZATION, "sessions": chosen})


def get_session(cloud: Cloud, _request: Request, session: str) -> Answer:
    """One session."""
    return Answer(cloud.sessions.get(session).record(cloud.clock()))


def end_session(cloud: Cloud, _request: Request, session: str) -> Answer:
    """End a session; its jobs that have not started are canceled."""
    found = cloud.sessions.end(session, cloud.clock())
    look = cloud.look()
    cloud.jobs.cancel(
        leaf
        for job in cloud.jobs.newest_first()
        if job.order.session_id == session
        for leaf in job.leaves
        if look.status(leaf) in ("submitted", "ready")
    )
    return Answer(found.record(cloud.clock()))


def list_session_jobs(cloud: Cloud, request: Request, session: str) -> Answer:
    """A page of a session's jobs, filtered as the listing of all jobs is."""
    cloud.sessions.get(session)
    return job_page(cloud, request, {**request.query, "session_id": [session]})


ROUTES = (
    route("POST", "/sessions", create_session),
    route("GET", "/sessions", list_sessions),
    route("GET", "/sessions/{session}", get_session),
    route("POST", "/sessions/{session}/end", end_session),
    route("GET", "/sessions/{session}/jobs", list_session_jobs),
)
