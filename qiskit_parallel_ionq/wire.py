# SPDX-License-Identifier: Apache-2.0
"""The vocabulary of IonQ's REST API v0.4: paths, status words, limits, and the records read from its JSON.

Records are tolerant where the service is known to vary (``null`` lists, missing keys, either of two
names) and strict where money or meaning hang on the value (ids, statuses).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

API_VERSION = "v0.4"
DEFAULT_URL = f"https://api.ionq.co/{API_VERSION}"

MAX_SHOTS = 1_000_000
MAX_CIRCUITS_PER_JOB = 5_000
MAX_GATES_PER_JOB = 150_000
MAX_BODY_BYTES = 10_000_000
IDS_PER_PAGE = 25
"""The largest page of ``GET /jobs`` that any source states."""

SIMULATOR = "simulator"
NOISE_MODELS = (
    "ideal", "harmony", "harmony-1", "harmony-2", "aria-1", "aria-2", "forte-1", "forte-enterprise-1",
    "tempo-1",
)  # fmt: skip
MODEL_QUBITS = {"harmony": 11, "harmony-1": 11, "harmony-2": 11, "aria-1": 25, "aria-2": 25}
"""Qubits of the machines that noise models stand for, where fewer than the simulator's."""
KNOWN_TARGETS = (
    SIMULATOR,
    "qpu.aria-1",
    "qpu.aria-2",
    "qpu.forte-1",
    "qpu.forte-enterprise-1",
    "qpu.tempo-1",
)
"""Named in errors as long as the service itself has not been asked."""

TOKEN_KEY = "qpi"  # noqa: S105 - the name of a metadata key
"""Metadata key of the submission token: run, index and generation of what a job carries."""
CHECK_KEY = "qpi_chk"
"""Metadata key of ``<circuits in the run>.<12 hex digits of the content's SHA-256>.<seed>``; ``m`` after
the seed: every shot is wanted."""
CONTENT_KEY = "qpi_in"
"""Metadata key of the positions in the run that a pack holds, as ``0-4,7``; absent if they are in a row."""
HEADER_KEY = "qiskit_header"
"""Metadata key under which qiskit-ionq keeps its packed experiment header."""

DEBIASED_FROM = 500
"""Shots that debiasing needs, and from which on a machine does it unless it is told not to."""

OUT_OF_MONEY = frozenset({"QuotaExhaustedError", "ContractExpiredError", "UnknownBillingError"})
"""Failure codes that concern the account, and so every further job."""

_LARGEST = 1e15
_JOB_ID = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z_-]{0,127}")


def is_job_id(value: object) -> bool:
    """Say whether a value may stand in a URL path as a job id.

    The service uses UUIDs; anything that could leave its path segment is refused.

    >>> is_job_id("0199b2c4-7d11-7c31-9a44-0b6f5d0a91e2"), is_job_id("../backends")
    (True, False)
    """
    return isinstance(value, str) and _JOB_ID.fullmatch(value) is not None


def target_name(name: str) -> str:
    """Return the service's name for a target, given any of the names users know it by.

    >>> [target_name(n) for n in ("ionq_simulator", "simulator", "ionq_qpu.forte-1", "qpu.forte-1")]
    ['simulator', 'simulator', 'qpu.forte-1', 'qpu.forte-1']
    """
    return name.removeprefix("ionq_")


def is_qpu(target: str) -> bool:
    """Say whether running on a target costs money."""
    return target != SIMULATOR


class JobState(Enum):
    """Status words of a job. A word the service adds later is read as UNKNOWN: alive, not final."""

    SUBMITTED = "submitted"
    READY = "ready"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> JobState:
        # Words of the previous API version and of the web console.
        return {"running": cls.STARTED, "queued": cls.READY, "cancelled": cls.CANCELED}.get(
            str(value), cls.UNKNOWN
        )


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What the service says of one job. Durations are milliseconds, times ISO 8601 by the service's clock."""

    id: str
    state: JobState
    failure_code: str | None = None
    failure_message: str | None = None
    metadata: Mapping[str, str] | None = None
    backend: str | None = None
    shots: int | None = None
    child_ids: tuple[str, ...] = ()
    parent_id: str | None = None
    results: Mapping[str, Any] | None = None
    predicted_wait_ms: float | None = None
    predicted_execution_ms: float | None = None
    execution_ms: float | None = None
    noise_model: str | None = None
    dry_run: bool = False
    submitted_at: str | None = None
    started_at: str | None = None
    completed_at: str | None = None

    @property
    def service_seconds(self) -> float | None:
        """Seconds from the job's submission to its completion by the service's own clock, rounded up.

        None where the service does not say, says what cannot be, or says whole seconds only.

        >>> times = {"submitted_at": "2026-10-05T12:00:00.250Z", "completed_at": "2026-10-05T12:00:00.750Z"}
        >>> JobRecord("j", JobState.COMPLETED, **times).service_seconds
        0.501
        """
        began, ended = moment(self.submitted_at), moment(self.completed_at)
        if began is None or ended is None or ended < began:
            return None
        if began.microsecond == ended.microsecond == 0:  # fractions were cut off
            return None
        return (ended - began).total_seconds() + 0.001

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> JobRecord:
        """Read one job object.

        Raises:
            ValueError: there is no usable id or status.
        """
        if not is_job_id(body.get("id")) or not isinstance(body.get("status"), str):
            raise ValueError("a job object without id or status")
        failure = body.get("failure") or {}
        if not isinstance(failure, Mapping):
            failure = {"message": failure}
        results, metadata, noise = body.get("results"), body.get("metadata"), body.get("noise")
        return cls(
            id=body["id"],
            state=JobState(body["status"]),
            failure_code=_text(failure.get("code")),
            failure_message=_text(failure.get("message") or failure.get("error")),
            metadata=metadata if isinstance(metadata, Mapping) else None,
            backend=_text(body.get("backend")),
            shots=_integer(body.get("shots")),
            child_ids=_ids(body.get("child_job_ids")),
            parent_id=_text(body.get("parent_job_id")),
            results=results if isinstance(results, Mapping) else None,
            predicted_wait_ms=_number(body.get("predicted_wait_time_ms")),
            predicted_execution_ms=_number(body.get("predicted_execution_duration_ms")),
            execution_ms=_number(body.get("execution_duration_ms")),
            noise_model=_text(noise.get("model")) if isinstance(noise, Mapping) else None,
            dry_run=body.get("dry_run") is True,
            submitted_at=_text(body.get("submitted_at")),
            started_at=_text(body.get("started_at")),
            completed_at=_text(body.get("completed_at")),
        )


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row of a job listing without a usable id or status: a job exists, and this package cannot use it."""

    metadata: Mapping[str, Any] | None = None
    backend: str | None = None
    parent_id: str | None = None
    submitted_at: str | None = None

    @classmethod
    def from_json(cls, row: object) -> UnreadableRow:
        """Read what can be read."""
        body = _object(row)
        metadata = body.get("metadata")
        return cls(
            metadata=metadata if isinstance(metadata, Mapping) else None,
            backend=_text(body.get("backend")),
            parent_id=_text(body.get("parent_job_id")),
            submitted_at=_text(body.get("submitted_at")),
        )


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What the service thinks that a job costs, and by which rates. Rates are per gate and shot."""

    total: float
    unit: str
    job_minimum: float | None = None
    one_qubit_gate: float | None = None
    two_qubit_gate: float | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> CostEstimate:
        """Read the answer of ``GET /jobs/estimate``, in its older shape or its newer one.

        Raises:
            ValueError: there is no amount.
        """
        total = _number(body.get("estimated_total_cost", body.get("estimated_cost")))
        if total is None or total < 0:
            raise ValueError("an estimate without an amount")
        card = body.get("rate_card")
        listed = card.get("rates") if isinstance(card, Mapping) else None
        rates: Mapping[str, Any] = body.get("rate_information") or {}
        for rate in listed if isinstance(listed, list) else ():
            if isinstance(rate, Mapping) and rate.get("unit") == "gates":
                rates = rate
        return cls(
            total=total,
            unit=_text(body.get("estimated_unit") or body.get("cost_unit")) or "usd",
            job_minimum=_number(rates.get("job_cost_minimum")),
            one_qubit_gate=_number(rates.get("cost_1q_gate")),
            two_qubit_gate=_number(rates.get("cost_2q_gate")),
        )


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """What the service says of one target."""

    name: str
    qubits: int
    status: str = "available"
    degraded: bool = False
    average_queue_time: float | None = None
    native_gates: tuple[str, ...] = ()
    error_mitigations: tuple[str, ...] = ()
    noise_models: tuple[str, ...] = ()
    characterization_id: str | None = None
    last_updated: str | None = None

    @property
    def queue_seconds(self) -> float | None:
        """How long jobs wait on average; the service says milliseconds."""
        return None if self.average_queue_time is None else self.average_queue_time / 1000

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> CatalogEntry:
        """Read one entry of ``GET /backends``.

        Raises:
            ValueError: there is no name or no qubit number.
        """
        name, qubits = body.get("backend"), _integer(body.get("qubits"))
        if not isinstance(name, str) or qubits is None or qubits < 1:
            raise ValueError("a backend entry without name or number of qubits")
        return cls(
            name=name,
            qubits=qubits,
            status=_text(body.get("status")) or "available",
            degraded=bool(body.get("degraded")),
            average_queue_time=_number(body.get("average_queue_time")),
            native_gates=_texts(body.get("supported_native_gates")),
            error_mitigations=_texts(body.get("supported_error_mitigations")),
            noise_models=_texts(body.get("noise_models")),
            characterization_id=_text(body.get("characterization_id")),
            last_updated=_text(body.get("last_updated")),
        )


@dataclass(frozen=True, slots=True)
class Characterization:
    """What the service has measured of a machine. None: it does not say, or nothing that can be true."""

    backend: str
    id: str | None = None
    date: datetime | None = None
    """When it was measured."""
    qubits: int | None = None
    connectivity: tuple[tuple[int, int], ...] = ()
    """Unordered pairs of qubits that can interact, the smaller first; empty: it does not say."""
    fidelity_1q: float | None = None
    """Median fidelity of a one-qubit gate, 0 to 1. Likewise the other fidelities."""
    fidelity_2q: float | None = None
    fidelity_spam: float | None = None
    """Of state preparation and measurement together."""
    duration_1q: float | None = None
    """Seconds of a one-qubit gate. Likewise the other durations."""
    duration_2q: float | None = None
    duration_readout: float | None = None
    duration_reset: float | None = None
    t1: float | None = None
    """Seconds."""
    t2: float | None = None
    """Seconds."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Characterization:
        """Read one characterization.

        Raises:
            ValueError: it does not say of which machine.
        """
        name, qubits = body.get("backend"), _integer(body.get("qubits"))
        if not isinstance(name, str):
            raise ValueError("a characterization without the name of a backend")
        fidelity, timing = _object(body.get("fidelity")), _object(body.get("timing"))
        return cls(
            backend=name,
            id=_text(body.get("id")),
            date=moment(_text(body.get("date"))),
            qubits=qubits,
            connectivity=_pairs(body.get("connectivity"), qubits),
            fidelity_1q=_fidelity(fidelity.get("1q")),
            fidelity_2q=_fidelity(fidelity.get("2q")),
            fidelity_spam=_fidelity(fidelity.get("spam")),
            duration_1q=_seconds(timing.get("1q")),
            duration_2q=_seconds(timing.get("2q")),
            duration_readout=_seconds(timing.get("readout")),
            duration_reset=_seconds(timing.get("reset")),
            t1=_seconds(timing.get("t1")),
            t2=_seconds(timing.get("t2")),
        )

    def __repr__(self) -> str:
        known = [f"{name}={value:.6g}" for name in _SHOWN if (value := getattr(self, name)) is not None]
        date = "" if self.date is None else f" of {self.date:%Y-%m-%d}"
        return f"<Characterization of {self.backend}{date}: {', '.join(known) or 'no figures'}>"


_SHOWN = ("fidelity_1q", "fidelity_2q", "fidelity_spam", "duration_1q", "duration_2q", "t1", "t2")


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What the service says of one session."""

    id: str
    backend: str | None = None
    status: str = "created"
    """``"created"``, ``"started"`` with its first job, ``"ended"``."""
    active: bool = True
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    """When it will end by itself, once that is known."""
    max_jobs: int | None = None
    max_time: float | None = None
    """Minutes."""
    max_cost: float | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> SessionRecord:
        """Read one session.

        Raises:
            ValueError: there is no usable id.
        """
        if not is_job_id(body.get("id")):
            raise ValueError("a session without an id")
        settings = _object(body.get("settings"))
        status, ended_at = _text(body.get("status")) or "created", moment(_text(body.get("ended_at")))
        told = body.get("active")
        return cls(
            id=body["id"],
            backend=_text(body.get("backend")),
            status=status,
            active=told if isinstance(told, bool) else status != "ended" and ended_at is None,
            created_at=moment(_text(body.get("created_at"))),
            started_at=moment(_text(body.get("started_at"))),
            ended_at=ended_at,
            expires_at=moment(_text(settings.get("expires_at"))),
            max_jobs=_integer(settings.get("job_count_limit")),
            max_time=_number(settings.get("duration_limit_min")),
            max_cost=_number(_object(settings.get("cost_limit")).get("value")),
        )

    def __repr__(self) -> str:
        end = f", ended {self.ended_at:%H:%M:%S}" if self.ended_at else ""
        end = f", ends {self.expires_at:%H:%M:%S}" if self.expires_at and not end else end
        return f"<SessionRecord {self.id}: {self.status} on {self.backend}{end}>"


def http_date(text: str | None) -> datetime | None:
    """Return the moment that a ``Date`` header names, or None.

    >>> http_date("Mon, 05 Oct 2026 12:00:30 GMT").isoformat()
    '2026-10-05T12:00:30+00:00'
    """
    try:
        return _aware(parsedate_to_datetime(text or ""))
    except (ValueError, TypeError):
        return None


def moment(text: str | None) -> datetime | None:
    """Return the moment that a time of the service names, or None.

    >>> moment("2026-10-05T12:00:00.250Z").isoformat()
    '2026-10-05T12:00:00.250000+00:00'
    """
    try:
        return _aware(datetime.fromisoformat((text or "").replace("Z", "+00:00")))
    except ValueError:
        return None


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _ids(value: object) -> tuple[str, ...]:
    """Return all ids or none: circuits are found by their place among them."""
    return tuple(value) if isinstance(value, list | tuple) and all(map(is_job_id, value)) else ()


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(v) for v in value) if isinstance(value, list | tuple) else ()


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _fidelity(value: object) -> float | None:
    """Return a median fidelity, however it is wrapped, if it can be one."""
    median = _number(value.get("median") if isinstance(value, Mapping) else value)
    return median if median is not None and 0 <= median <= 1 else None


def _seconds(value: object) -> float | None:
    seconds = _number(value)
    return seconds if seconds is not None and seconds > 0 else None


def _pairs(value: object, qubits: int | None) -> tuple[tuple[int, int], ...]:
    """Return unordered pairs, or none at all where one of them cannot be read: half of them would mislead."""
    pairs = set()
    for row in value if isinstance(value, list | tuple) else ():
        ends = [_integer(end) for end in row] if isinstance(row, list | tuple) and len(row) == 2 else []
        low, high = sorted(end for end in ends if end is not None) if None not in ends and ends else (-1, -1)
        if not 0 <= low < high or (qubits is not None and high >= qubits):
            return ()
        pairs.add((low, high))
    return tuple(sorted(pairs))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= _LARGEST else None  # JSON may say 1e999


def _integer(value: object) -> int | None:
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
