# SPDX-License-Identifier: Apache-2.0
"""Endpoints about the caller and about the service itself."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from ..problems import RequestError
from ..records import PROJECT
from ..schemas import SCHEMAS
from ..server import Request
from .base import Answer, Cloud, route


def whoami(_cloud: Cloud, request: Request) -> Answer:
    """Which key this is."""
    key = request.headers.get("authorization", "")
    return Answer({"key_id": str(uuid5(NAMESPACE_URL, key)), "key_name": "local key", "project_id": PROJECT})


def get_schema(_cloud: Cloud, _request: Request, name: str) -> Answer:
    """The JSON Schema of a format."""
    if name not in SCHEMAS:
        raise RequestError(404, f"There is no format {name}; there are {', '.join(SCHEMAS)}.")
    return Answer(SCHEMAS[name])


ROUTES = (
    route("GET", "/whoami", whoami),
    route("GET", "/schemas/formats/{name}", get_schema),
)
