# SPDX-License-Identifier: Apache-2.0
"""The endpoints of API v0.4, one function each, and how a request finds its own."""

from __future__ import annotations

from ..server import Request
from . import account, backends, billing, jobs, results, sessions
from .base import PREFIX, Answer, Cloud, Route, route


def describe(_cloud: Cloud, _request: Request) -> Answer:
    """These endpoints, as a short OpenAPI document."""
    paths: dict[str, dict[str, object]] = {}
    for entry in ROUTES:
        summary = (entry.handle.__doc__ or "").strip().splitlines()[0]
        operation = {"summary": summary, "responses": {"default": {"description": "See the summary."}}}
        paths.setdefault(entry.template, {})[entry.method.lower()] = operation
    info = {"title": "A local emulation of the IonQ Cloud API", "version": "0.4"}
    return Answer({"openapi": "3.1.0", "info": info, "servers": [{"url": PREFIX}], "paths": paths})


# Fixed paths come before those with variables that would match them too.
ROUTES: tuple[Route, ...] = (
    *billing.ROUTES,
    *jobs.ROUTES,
    *results.ROUTES,
    *backends.ROUTES,
    *sessions.ROUTES,
    *account.ROUTES,
    route("GET", "/api-docs", describe, needs_key=False),
)


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The endpoint of a method and a path below the version, with the path's variables."""
    for entry in ROUTES:
        if entry.method == method and (match := entry.pattern.fullmatch(path)):
            return entry, match.groupdict()
    return None


__all__ = ["PREFIX", "ROUTES", "Cloud", "find_route"]
