# SPDX-License-Identifier: Apache-2.0
"""Endpoints under ``/backends``: machines and their characterizations."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ..catalogue import MACHINES, Machine, backend_entry, characterization
from ..problems import RequestError
from ..records import timestamp
from ..server import Request
from .base import Answer, Cloud, query_integer, query_time, route

MEASURED_AT = datetime(2026, 10, 1, tzinfo=timezone.utc).timestamp()
"""When every machine was characterized."""


def list_backends(cloud: Cloud, _request: Request) -> Answer:
    """All machines, as a bare list."""
    return Answer([_entry(cloud, machine) for machine in MACHINES.values()])


def get_backend(cloud: Cloud, _request: Request, backend: str) -> Answer:
    """One machine."""
    return Answer(_entry(cloud, _machine(backend)))


def list_characterizations(_cloud: Cloud, request: Request, backend: str) -> Answer:
    """The one characterization of a QPU; null for the simulator, which has none."""
    query_integer(request, "limit", 10, 1, 10)
    page = query_integer(request, "page", 1, 1)
    start, end = query_time(request, "start"), query_time(request, "end")
    machine = _machine(backend)
    if machine.is_simulator:
        return Answer({"characterizations": None, "pages": 0})
    asked_for = (start is None or start <= MEASURED_AT) and (end is None or end >= MEASURED_AT) and page == 1
    return Answer({"characterizations": [_characterization(machine)] if asked_for else [], "pages": 0})


def get_characterization(_cloud: Cloud, _request: Request, backend: str, uuid: str) -> Answer:
    """One characterization by id."""
    machine = _machine(backend)
    if machine.is_simulator or uuid != machine.characterization_id:
        raise RequestError(404, f"{backend} has no characterization {uuid}.")
    return Answer(_characterization(machine))


def _machine(name: str) -> Machine:
    if name not in MACHINES:
        raise RequestError(404, f"There is no backend {name}.")
    return MACHINES[name]


def _entry(cloud: Cloud, machine: Machine) -> dict[str, Any]:
    return backend_entry(machine, round(cloud.knobs.queue_time * 1000), timestamp(cloud.clock()))


def _characterization(machine: Machine) -> dict[str, Any]:
    return characterization(machine, timestamp(MEASURED_AT))


ROUTES = (
    route("GET", "/backends", list_backends, needs_key=False),
    route("GET", "/backends/{backend}", get_backend, needs_key=False),
    route("GET", "/backends/{backend}/characterizations", list_characterizations, needs_key=False),
    route("GET", "/backends/{backend}/characterizations/{uuid}", get_characterization),
)
