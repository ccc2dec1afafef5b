# SPDX-License-Identifier: Apache-2.0
"""What endpoints are made of: the state they work on, what they answer, and how they read requests."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ..jobs import JobStore, Look
from ..knobs import Knobs
from ..problems import RequestError
from ..server import Request
from ..sessions import SessionStore

PREFIX = "/v0.4"
PATIENCE = 2.0
"""Seconds a request waits for simulations that should be over; after that their jobs show as ``started``."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """All the state endpoints work on."""

    knobs: Knobs
    jobs: JobStore
    sessions: SessionStore
    clock: Callable[[], float]

    def look(self) -> Look:
        """A look at the service as it is now."""
        deadline = time.monotonic() + PATIENCE
        return Look(self.clock(), patience=lambda: max(0.0, deadline - time.monotonic()))


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answers: anything JSON can hold, and a status."""

    content: Any
    status: int = 200


Endpoint = Callable[..., Answer]
"""Takes the cloud, the request and the variables of the path by name."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where an endpoint is found.

    Attributes:
        method: of HTTP.
        template: path below the version, variables in braces.
        handle: the endpoint.
        needs_key: whether an API key is asked for.
        pattern: the template as a regular expression.
    """

    method: str
    template: str
    handle: Endpoint
    needs_key: bool
    pattern: re.Pattern[str]

    @property
    def name(self) -> str:
        """``POST /jobs``, ``GET /jobs/{job}``."""
        return f"{self.method} {self.template}"


def route(method: str, template: str, handle: Endpoint, *, needs_key: bool = True) -> Route:
    """Put an endpoint at a method and a path."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template) + "/?"
    return Route(method, template, handle, needs_key, re.compile(pattern))


def parse_json(body: bytes | None) -> Any:
    """A request body as JSON; None when there is none.

    Raises:
        RequestError: 400.
    """
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        raise RequestError(400, f"The body is not JSON: {error}.") from error


def parse_object(body: bytes | None) -> Mapping[str, Any]:
    """A request body as a JSON object; empty when there is none.

    Raises:
        RequestError: 400.
    """
    found = parse_json(body)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise RequestError(400, "The body must be a JSON object.")
    return found


def query_text(request: Request, name: str) -> str | None:
    """A query parameter, the first if it is repeated."""
    values = request.query.get(name)
    return values[0] if values else None


def query_integer(request: Request, name: str, default: int, least: int, most: int | None = None) -> int:
    """A query parameter that is an integer within limits.

    Raises:
        RequestError: 400, naming the parameter.
    """
    text = query_text(request, name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least or (most is not None and value > most):
        limits = f"at least {least}" if most is None else f"in {least}..{most}"
        raise bad_query(name, f"{name} must be an integer {limits}, not {text!r}")
    return value


def query_flag(request: Request, name: str) -> bool | None:
    """A query parameter that is true or false, however it is capitalised."""
    text = query_text(request, name)
    if text is None:
        return None
    if text.lower() not in ("true", "false"):
        raise bad_query(name, f"{name} must be true or false, not {text!r}")
    return text.lower() == "true"


def query_time(request: Request, name: str) -> float | None:
    """A query parameter that is an ISO date or time, in seconds since the epoch."""
    text = query_text(request, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise bad_query(name, f"{name} must be an ISO date, not {text!r}") from None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()


def bad_query(name: str, message: str) -> RequestError:
    """A 400 about a query parameter."""
    return RequestError(400, message, keys=(name,), source="query")
