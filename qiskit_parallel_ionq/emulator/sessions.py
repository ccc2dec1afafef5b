# SPDX-License-Identifier: Apache-2.0
"""Sessions: reserved spans of work that jobs join, with limits on jobs, time and money."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from .catalogue import MACHINES
from .problems import RequestError
from .records import ORGANIZATION, PROJECT, SUBMITTER, timestamp


@dataclass(slots=True, eq=False)
class Session:
    """One session; times are seconds since the epoch."""

    backend: str
    settings: Mapping[str, Any]
    created_at: float
    id: str = field(default_factory=lambda: str(uuid4()))
    started_at: float | None = None
    ended_at: float | None = None
    jobs: int = 0
    spent: float = 0.0

    def end_by(self, now: float) -> float | None:
        """When it ended: on request, or as its time was up."""
        expires = self._expires_at()
        if self.ended_at is None and expires is not None and expires <= now:
            return expires
        return self.ended_at

    def _expires_at(self) -> float | None:
        minutes = self.settings.get("duration_limit_min")
        return None if minutes is None or self.started_at is None else self.started_at + 60 * minutes

    def record(self, now: float) -> dict[str, Any]:
        """What the API says about it."""
        ended = self.end_by(now)
        expires = self._expires_at()
        status = "ended" if ended is not None else "created" if self.started_at is None else "started"
        return {
            "id": self.id,
            "created_at": timestamp(self.created_at),
            "organization_id": ORGANIZATION,
            "backend": self.backend,
            "project_id": PROJECT,
            "creator_id": SUBMITTER,
            "ended_at": None if ended is None else timestamp(ended),
            "ender_id": None if ended is None else SUBMITTER,
            "active": ended is None,
            "status": status,
            "started_at": None if self.started_at is None else timestamp(self.started_at),
            "settings": {**self.settings, **({} if expires is None else {"expires_at": timestamp(expires)})},
        }


class SessionStore:
    """Every session of the service."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()

    def create(self, body: Any, now: float) -> Session:
        """Open a session.

        Raises:
            RequestError: 400.
        """
        if not isinstance(body, dict) or body.get("backend") not in MACHINES:
            raise RequestError(400, f"backend must be one of {', '.join(MACHINES)}", keys=("backend",))
        settings = body.get("settings") or {}
        if not isinstance(settings, dict):
            raise RequestError(400, "settings must be an object", keys=("settings",))
        for name in ("job_count_limit", "duration_limit_min"):
            limit = settings.get(name)
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
                raise RequestError(400, f"{name} must be a positive integer, not {limit!r}", keys=(name,))
        cost = settings.get("cost_limit")
        if cost is not None and not (isinstance(cost, dict) and isinstance(cost.get("value"), (int, float))):
            raise RequestError(400, "cost_limit needs a value", keys=("cost_limit",))
        session = Session(body["backend"], settings, now)
        with self._lock:
            self._sessions[session.id] = session
        return session

    def get(self, session_id: str) -> Session:
        """One session.

        Raises:
            RequestError: 404.
        """
        with self._lock:
            session = self._sessions.get(session_id)
        if session is None:
            raise RequestError(404, f"There is no session {session_id}.")
        return session

    def newest_first(self) -> list[Session]:
        """All sessions."""
        with self._lock:
            return list(reversed(self._sessions.values()))

    def join(self, session_id: str, backend: str, now: float) -> None:
        """Count a job in; the session ends when that was its last.

        Raises:
            RequestError: 400, when it has ended or is another machine's; 404, when there is none.
        """
        session = self.get(session_id)
        with self._lock:
            if session.end_by(now) is not None:
                raise RequestError(400, f"Session {session_id} has ended.", keys=("session_id",))
            if session.backend != backend:
                raise RequestError(
                    400, f"Session {session_id} is for {session.backend}.", keys=("session_id",)
                )
            session.jobs += 1
            session.started_at = now if session.started_at is None else session.started_at
            if session.jobs == session.settings.get("job_count_limit"):
                session.ended_at = now

    def charge(self, session_id: str, cost: float, now: float) -> None:
        """Add what a job costs; the session ends when its limit is reached."""
        session = self.get(session_id)
        limit = session.settings.get("cost_limit")
        with self._lock:
            session.spent += cost
            if limit is not None and session.spent >= limit["value"] and session.ended_at is None:
                session.ended_at = now

    def end(self, session_id: str, now: float) -> Session:
        """End a session; ending it twice changes nothing.

        Raises:
            RequestError: 404.
        """
        session = self.get(session_id)
        with self._lock:
            session.ended_at = session.end_by(now) or now
        return session
