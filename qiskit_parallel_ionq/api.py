# SPDX-License-Identifier: Apache-2.0
"""IonQ's REST API v0.4, one method per endpoint. Reads return records or raise; nothing waits or retries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import wire
from .errors import ApiError, ResultIntegrityError, TransportError, api_error
from .transport import LARGEST_LISTING, LARGEST_SUBMISSION_ANSWER, SUBMIT_TIMEOUT, Reply, Transport
from .wire import CatalogEntry, Characterization, CostEstimate, JobRecord, SessionRecord, UnreadableRow

FACTS_TIMEOUT = 10.0
"""Seconds without a byte after which facts are done without that somebody may wait for."""
ADVICE = "Does the URL lead to IonQ's API v0.4, and to no page of a gateway?"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a job listing; ``next`` is None on the last."""

    records: tuple[JobRecord, ...]
    next: str | None
    date: datetime | None = None
    """When it was answered, by the service's clock."""
    unreadable: tuple[UnreadableRow, ...] = ()
    """Rows that are no usable job."""
    has_end: bool = True
    """Whether it is clear what follows; False: the cursor of the next page cannot be read."""


class Api:
    """The endpoints that this package calls.

    Every method raises `ApiError` for an answer other than 2xx, and `TransportError` for none, or for one
    that cannot be read.

    Attributes:
        service_time: the service's clock as its latest answer told it; None before the first.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.service_time: datetime | None = None

    def backends(self) -> tuple[CatalogEntry, ...]:
        """Return the catalogue. Needs no key."""
        body = self._get("/backends", with_key=False)
        rows = body.get("backends", []) if isinstance(body, dict) else body
        if not isinstance(rows, list):
            raise unreadable("GET /backends", "no list of targets")
        entries = []
        for row in rows:
            try:
                entries.append(CatalogEntry.from_json(row))
            except (ValueError, AttributeError):
                continue  # an entry that cannot be read is one that cannot be used
        return tuple(entries)

    def characterization(self, target: str) -> Characterization | None:
        """Return the newest characterization of a machine; None where there is none. Needs no key."""
        path = f"/backends/{target}/characterizations"
        reply = self._exchange(
            "GET", path, params=[("limit", "1")], with_key=False, read_timeout=FACTS_TIMEOUT
        )
        body = self._parsed(path, reply)
        rows = body.get("characterizations") if isinstance(body, dict) else body
        if rows is None:  # so the service says it of a machine without data
            return None
        try:
            return Characterization.from_json(rows[0]) if rows else None
        except (ValueError, AttributeError, LookupError, TypeError):
            raise unreadable(f"GET {path}", "no characterization") from None

    def project(self) -> str | None:
        """Return the project that the key belongs to, where the service says so."""
        body = self._get("/whoami")
        project = body.get("project_id") if isinstance(body, dict) else None
        return project if isinstance(project, str) else None

    def estimate(self, target: str, load: Mapping[str, Any]) -> CostEstimate:
        """Return what a job would cost; ``load`` holds the query's other members."""
        query = [("backend", target)]
        query += [(name, str(value).lower()) for name, value in load.items()]
        body = self._get("/jobs/estimate", query)
        try:
            return CostEstimate.from_json(body)
        except (ValueError, AttributeError):
            raise unreadable("GET /jobs/estimate", "no estimate") from None

    def cost(self, job_id: str) -> float | None:
        """Return what a job was charged, in the unit of the estimates; None while nobody knows."""
        body = self._get(f"/jobs/{job_id}/cost")
        charged = body.get("cost") if isinstance(body, dict) else None
        value = charged.get("value") if isinstance(charged, dict) else None
        return float(value) if isinstance(value, int | float) and value >= 0 else None

    def create_job(self, body: bytes) -> Reply:
        """Submit a job and return the answer unjudged: what it proves is decided in ``policy``."""
        return self._exchange(
            "POST", "/jobs", body=body, read_timeout=SUBMIT_TIMEOUT, largest=LARGEST_SUBMISSION_ANSWER
        )

    def job(self, job_id: str) -> JobRecord:
        """Return one job, with its children's ids."""
        return _record(self._get(f"/jobs/{job_id}"), f"/jobs/{job_id}")

    def jobs(
        self,
        *,
        ids: Sequence[str] = (),
        parent: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page:
        """Return one page of the account's jobs; ``ids`` narrows it where the service knows how."""
        params = [("ids", job_id) for job_id in ids]
        params += [("parent_job_id", parent)] if parent else []
        params += [("limit", str(limit))] if limit else []
        params += [("next", cursor)] if cursor else []
        reply = self._answer("/jobs", params)
        body = self._parsed("/jobs", reply)
        rows = body.get("jobs") if isinstance(body, dict) else None
        if not isinstance(rows, list):
            raise unreadable("GET /jobs", "no job listing")
        records, odd = [], []
        for row in rows:
            try:
                records.append(JobRecord.from_json(row))
            except (ValueError, AttributeError):
                odd.append(UnreadableRow.from_json(row))
        following = body.get("next")
        is_cursor = isinstance(following, str) and bool(following)
        return Page(
            tuple(records),
            following if is_cursor else None,
            wire.http_date(reply.headers.get("Date")),
            tuple(odd),
            has_end=is_cursor or following in (None, ""),
        )

    def result(self, path: str, *, largest: int = LARGEST_LISTING) -> bytes | bytearray:
        """Return the body behind a path built by ``sources``, which is parsed elsewhere: that may take long.

        Args:
            path: of the result.
            largest: bytes beyond which it is not read on.

        Raises:
            ResultIntegrityError: it has more.
        """
        try:
            reply = self._exchange("GET", path, largest=largest)
        except TransportError as error:
            if not error.answered:
                raise
            raise ResultIntegrityError(
                f"GET {path}: the result has more than {largest:,} bytes, which is more than the circuit's "
                "outcomes can take, or than fits in the memory of this machine. It stays at IonQ"
            ) from None
        self._checked("GET", path, reply)
        return reply.body

    def create_session(self, body: bytes) -> Reply:
        """Open a session and return the answer unjudged: a session costs, and none may be opened twice."""
        return self._exchange("POST", "/sessions", body=body)

    def session(self, session_id: str) -> SessionRecord:
        """Return one session."""
        path = f"/sessions/{session_id}"
        return _session(self._get(path), path)

    def sessions(self, *, active: bool | None = None) -> tuple[SessionRecord, ...]:
        """Return the sessions of the organisation, or only the active or the ended ones."""
        body = self._get("/sessions", [] if active is None else [("active", str(active).lower())])
        rows = body.get("sessions") if isinstance(body, dict) else body
        if not isinstance(rows, list):
            raise unreadable("GET /sessions", "no list of sessions")
        return tuple(_session(row, "/sessions") for row in rows)

    def end_session(self, session_id: str) -> SessionRecord:
        """End a session, which may be done twice, and return it."""
        path = f"/sessions/{session_id}/end"
        return _session(self._parsed(path, self._exchange("POST", path), method="POST"), path)

    def cancel_jobs(self, ids: Sequence[str]) -> None:
        """Ask for several jobs to be cancelled, in one request."""
        body = json.dumps({"ids": list(ids)}).encode()
        self._checked("PUT", "/jobs/status/cancel", self._exchange("PUT", "/jobs/status/cancel", body=body))

    def cancel_job(self, job_id: str) -> None:
        """Ask for one job to be cancelled."""
        path = f"/jobs/{job_id}/status/cancel"
        self._checked("PUT", path, self._exchange("PUT", path))

    def _exchange(self, method: str, path: str, **given: Any) -> Reply:
        """Send one request, and note what the answer says of the service's clock."""
        reply = self._transport.exchange(method, path, **given)
        self.service_time = wire.http_date(reply.headers.get("Date")) or self.service_time
        return reply

    def _get(self, path: str, params: Sequence[tuple[str, str]] = (), *, with_key: bool = True) -> Any:
        return self._parsed(path, self._answer(path, params, with_key=with_key))

    def _answer(self, path: str, params: Sequence[tuple[str, str]], *, with_key: bool = True) -> Reply:
        return self._exchange("GET", path, params=params, with_key=with_key)

    def _parsed(self, path: str, reply: Reply, *, method: str = "GET") -> Any:
        self._checked(method, path, reply)
        try:
            return reply.json()
        except ValueError as error:
            raise unreadable(f"{method} {path}", f"not JSON ({error})") from None

    @staticmethod
    def _checked(method: str, path: str, reply: Reply) -> None:
        if not 200 <= reply.status < 300:
            raise refusal(method, path, reply)


def refusal(method: str, path: str, reply: Reply) -> ApiError:
    """Return the error for an answer that is not 2xx."""
    error = api_error(
        reply.status,
        method=method,
        path=path,
        detail=reply.detail,
        request_id=reply.headers.get("x-request-id"),
    )
    error.retry_after = reply.headers.get("Retry-After")
    return error


def unreadable(request: str, what: str) -> TransportError:
    """Return the error for a complete 2xx answer that is not what was asked for."""
    return TransportError(f"{request}: the answer is {what}. {ADVICE}", sent=True, answered=True)


def accepted_id(reply: Reply) -> str | None:
    """Return the id in the answer to a submission, or None if there is no usable one."""
    try:
        body = reply.json()
    except ValueError:
        return None
    job_id = body.get("id") if isinstance(body, dict) else None
    return job_id if wire.is_job_id(job_id) else None


def names_an_id(reply: Reply) -> bool:
    """Say whether the answer to a submission names an id, of whatever form: then a job was stored."""
    try:
        body = reply.json()
    except ValueError:
        return False
    return isinstance(body, dict) and body.get("id") not in (None, "", False)


def _session(body: Any, path: str) -> SessionRecord:
    try:
        return SessionRecord.from_json(body)
    except (ValueError, AttributeError):
        raise unreadable(path, "no session") from None


def _record(body: Any, path: str) -> JobRecord:
    try:
        return JobRecord.from_json(body)
    except (ValueError, AttributeError):
        raise unreadable(f"GET {path}", "no job") from None
