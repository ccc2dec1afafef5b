# SPDX-License-Identifier: Apache-2.0
"""A run as its journal tells it: which line is written of each event, and what the lines say together. Pure.

A line is ``<CRC-32 of the rest, 8 hex digits> <JSON object>``. Its member ``is`` says of what it tells, ``n``
which submission, ``i`` which circuit, ``t`` when (seconds of the wall clock). What a submission has come to
is not written anywhere: it follows from the same table that moved it the first time.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import string
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from . import errors
from .encode import read_header_entry
from .errors import IonQError, JournalError, SubmissionUnknownError
from .lifecycle import (
    Absent,
    Accepted,
    BetPlaced,
    CancelAsked,
    Disowned,
    Event,
    Fetched,
    FetchFailed,
    Found,
    HeldBack,
    Lost,
    Phase,
    Refused,
    Reopened,
    Seen,
    Sent,
    Submission,
    Unresolved,
    Vanished,
    may_be_read_later,
    step,
)
from .parcel import Parcel
from .wire import JobRecord, JobState, moment

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Run:
    """What is fixed about a run when it begins."""

    id: str
    total: int
    target: str
    seed: int
    """Seed of what is sampled here: circuit ``i`` draws from child ``i``."""
    shots: tuple[int, ...] = ()
    """Shots of each circuit."""
    workers: int = 10
    window: int | None = None
    """How many submissions may be unfinished at once; None: any number."""
    on_unknown: str = "reconcile"
    backend: str = "ionq_parallel"
    gateset: str = "native"
    url: str = ""
    created_at: float = 0.0
    """Seconds of the wall clock."""
    generation: int = 0
    user_agent: str = ""
    stream: str = ""
    """Id of the run that began the stream of which this is a stretch, if it is one."""
    first: int = 0
    """Position in the stream of the first circuit."""
    session_id: str | None = None
    """The IonQ session that its jobs belong to."""
    max_cost: float | None = None
    """What all executions of the run may cost together, and all runs of its stream; None: no limit."""
    max_jobs: int | None = None
    """How many IonQ jobs they may take together; None: no limit."""
    cost_before: float = 0.0
    """What those before it had cost when it began, as far as that was known."""
    jobs_before: int = 0
    """How many IonQ jobs those before it had sent when it began."""


_BASE62 = string.digits + string.ascii_letters


def new_run_id() -> str:
    """Return 22 random letters and digits: as many bits as a UUID."""
    return "".join(secrets.choice(_BASE62) for _ in range(22))


def base62(number: int, digits: int) -> str:
    """Return a number in so many letters and digits, at least.

    >>> base62(0, 4), base62(62, 4)
    ('0000', '0010')
    """
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = _BASE62[digit] + text
    return text.rjust(digits, "0")


@dataclass(frozen=True, slots=True)
class Place:
    """Where some bytes lie in a file beside the journal."""

    offset: int
    size: int
    digest: str
    """First 12 hex digits of their SHA-256."""

    def record(self) -> dict[str, Any]:
        """Return the place as a member of a record."""
        return {"offset": self.offset, "size": self.size, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result that is on disk as the service gave it."""

    kind: str
    place: Place


@dataclass(slots=True)
class Chronicle:
    """What all lines of a journal say together. Times are seconds of the wall clock."""

    run: Run
    parcels: list[Parcel] = field(default_factory=list)
    bodies: dict[int, Place] = field(default_factory=dict)
    submissions: list[Submission] = field(default_factory=list)
    results: dict[int, StoredResult | None] = field(default_factory=dict)
    """By circuit; None where the run wanted none."""
    headers: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """Qiskit's experiment header, by circuit."""
    errors: dict[int, Exception] = field(default_factory=dict)
    """Of circuits that failed by themselves: in compilation, or within a pack."""
    estimates: dict[int, float] = field(default_factory=dict)
    """What jobs were estimated to cost, by submission, where that was asked."""
    charges: dict[int, float] = field(default_factory=dict)
    """What they were charged, as far as that is known."""
    twins: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Jobs that were stored beside the one that counts, by submission."""
    unsettled: dict[str, int] = field(default_factory=dict)
    """Those of them whose cancellation was asked for and not seen, and their submissions."""
    is_swept: bool = False
    """Whether the account was looked through for such jobs since something was last sent again."""
    project: str | None = None
    epoch: int = 0
    """How often somebody has taken the run over."""
    is_damaged: bool = False
    """A line cannot be read: something that was known may be missing."""
    length: int = 0
    """Bytes up to the end of the last line that can be read."""

    def ended(self, index: int) -> bool:
        """Say whether a circuit has a result on disk, or a reason for having none."""
        return index in self.results or index in self.errors


@dataclass(frozen=True, slots=True)
class Summary:
    """A recorded run in short."""

    job_id: str
    created_at: float
    """Seconds of the wall clock."""
    target: str
    total: int
    done: int
    """Circuits that have a result on disk."""
    failed: int
    """Circuits that have none and will have none."""
    url: str
    stream: str = ""
    """Id of the stream of which it is a stretch, if it is one."""
    first: int = 0
    """Position in the stream of the first circuit."""
    session_id: str | None = None
    """The IonQ session that its jobs belong to."""

    @property
    def is_over(self) -> bool:
        """Whether nothing can follow."""
        return self.done + self.failed >= self.total


def spent(
    submissions: Sequence[Submission], estimates: Mapping[int, float], charges: Mapping[int, float]
) -> tuple[float, int]:
    """Return what the jobs of a run have cost, and how many were sent.

    A job whose bill is not known counts as it was estimated, unless the service refused it.

    Args:
        submissions: of the run.
        estimates: by submission.
        charges: by submission.
    """
    cost, jobs = 0.0, 0
    for number, submission in enumerate(submissions):
        if not may_have_cost(submission):
            continue
        jobs += 1
        cost += charges.get(number, estimates.get(number, 0.0))
    return cost, jobs


def may_have_cost(submission: Submission) -> bool:
    """Say whether there may be a job of a submission."""
    if submission.phase in (Phase.WAITING, Phase.FAILED, Phase.CANCELLED) and submission.job_id is None:
        return isinstance(submission.error, SubmissionUnknownError)
    return True


def summary(story: Chronicle) -> Summary:
    """Return a run in short."""
    failed = {index for index, error in story.errors.items() if not may_be_read_later(error)}
    for parcel, submission in zip(story.parcels, story.submissions, strict=True):
        if submission.phase in (Phase.FAILED, Phase.CANCELLED) and not submission.may_come:
            failed.update(parcel.circuits)
    run = story.run
    done = len(story.results)
    return Summary(
        run.id,
        run.created_at,
        run.target,
        run.total,
        done,
        len(failed - set(story.results)),
        run.url,
        run.stream,
        run.first,
        run.session_id,
    )


# ── lines ──


def line(record: Mapping[str, Any]) -> bytes:
    """Return one line of a journal, with its end.

    >>> line({"is": "over"}).decode().strip()
    '2d37c38f {"is":"over"}'
    """
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read_line(text: bytes) -> dict[str, Any]:
    """Return the record that a line without its end holds.

    Raises:
        ValueError: it is torn or was changed.
    """
    if text[:9] != b"%08x " % zlib.crc32(text[9:]):
        raise ValueError("the checksum does not agree")
    record = json.loads(text[9:].decode())
    if not isinstance(record, dict):
        raise ValueError("not a record")
    return record


def read(data: bytes) -> Chronicle:
    """Return what a journal says.

    A last line without its end was torn by a crash, before anything relied on it, and is left out. Any
    other line that cannot be read makes ``is_damaged`` true: something that was known may be missing.

    Raises:
        JournalError: it does not begin as a journal does, or is of a later version.
    """
    records = _Records(data)
    header = next(iter(records), None)
    if header is None or header.get("is") != "run":
        raise JournalError("this is no journal of a run: its first line cannot be read")
    if header.get("schema") != SCHEMA:
        raise JournalError(
            f"this journal is of version {header.get('schema')}, and {SCHEMA} is what this package reads; "
            "a newer one wrote it"
        )
    chronicle = Chronicle(_read_run(header))
    for record in records:
        try:
            _fold(chronicle, record)
        except Exception:  # noqa: BLE001 - whatever is odd about a line, the others still count
            records.is_damaged = True
    chronicle.is_damaged, chronicle.length = records.is_damaged, records.length
    return chronicle


def _read_run(header: Mapping[str, Any]) -> Run:
    """Return what a journal's first record says, if it can be right.

    Raises:
        JournalError: a member is missing, of the wrong type or out of range.
    """
    members = {name: header[name] for name in Run.__dataclass_fields__ if name in header}
    if isinstance(members.get("shots"), list):
        members["shots"] = tuple(members["shots"])
    try:
        run = Run(**members)
    except TypeError as error:
        raise JournalError(f"the first line of this journal does not describe a run: {error}") from error
    wrong = [name for name, is_right in _RUN_CHECKS.items() if not is_right(getattr(run, name))]
    if not wrong and len(run.shots) not in (0, run.total):
        wrong = ["shots"]
    if wrong:
        told = ", ".join(f"{name}={getattr(run, name)!r:.80}" for name in wrong)
        raise JournalError(f"the first line of this journal does not describe a run: {told}")
    return run


def _is_count(value: Any, low: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_YEAR_3000 = 32_503_680_000.0
_RUN_CHECKS: dict[str, Callable[[Any], bool]] = {
    "id": _is_text,
    "total": _is_count,
    "target": _is_text,
    "seed": _is_count,
    "shots": lambda value: isinstance(value, tuple) and all(_is_count(shots, 1) for shots in value),
    "workers": lambda value: _is_count(value, 1),
    "window": lambda value: value is None or _is_count(value, 1),
    "on_unknown": _is_text,
    "backend": _is_text,
    "gateset": _is_text,
    "url": _is_text,
    "created_at": lambda value: (_is_count(value) or isinstance(value, float)) and 0 <= value < _YEAR_3000,
    "generation": _is_count,
    "user_agent": _is_text,
    "stream": _is_text,
    "first": _is_count,
    "session_id": lambda value: value is None or _is_text(value),
}
"""What each member of a journal's first record must be."""


class _Records:
    """The readable lines of a journal, and how far they go."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = 0
        self.is_damaged = False
        self._iterator = self._read()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._iterator

    def _read(self) -> Iterator[dict[str, Any]]:
        start = 0
        while (end := self._data.find(b"\n", start)) >= 0:
            try:
                record = read_line(self._data[start:end])
            except ValueError:
                self.is_damaged = True
            else:
                self.length = end + 1
                yield record
            start = end + 1
        with contextlib.suppress(ValueError):
            read_line(self._data[start:-1])  # whole, so it was not torn: its end was changed
            self.is_damaged = True


# ── what is written ──


def header(run: Run) -> dict[str, Any]:
    """Return the first record of a journal."""
    return {"is": "run", "schema": SCHEMA, **asdict(run)}


def parcel_record(
    number: int, parcel: Parcel, place: Place | None, metadata: list[Any], estimate: float | None = None
) -> dict[str, Any]:
    """Return the record of a parcel that is about to be sent.

    Args:
        number: its place among the run's submissions.
        parcel: the parcel.
        place: where its request lies; None where circuits are not kept.
        metadata: the user's own metadata of each circuit.
        estimate: what the job is estimated to cost; None where that was not asked.
    """
    return {
        "is": "parcel",
        "n": number,
        "circuits": parcel.circuits,
        "shots": parcel.shots,
        "token": parcel.token,
        "digest": parcel.digest,
        "exact": parcel.is_exact,
        "memory": parcel.memory,
        "dry_run": parcel.dry_run,
        **({"query": parcel.query} if parcel.query else {}),
        **({} if estimate is None else {"estimate": estimate}),
        "body": None if place is None else place.record(),
        "headers": parcel.headers,
        "metadata": metadata,
    }


def event_record(number: int, event: Event, wall: float) -> dict[str, Any] | None:
    """Return the record of an event, or None for one that need not outlive the process."""
    told = _TOLD.get(type(event))
    if told is None:
        return None
    facts = told(event)
    return None if facts is None else {"is": _NAMES[type(event)], "n": number, "t": round(wall, 3), **facts}


def error_facts(error: Exception) -> dict[str, Any]:
    """Return an error as JSON that `read_error` turns into its like again."""
    own = vars(error) if isinstance(error, IonQError) else {}
    facts = {name: value for name, value in own.items() if isinstance(value, str | int | None)}
    return {"error": type(error).__name__, "facts": {**facts, "message": str(error)}}


def read_error(facts: Mapping[str, Any]) -> IonQError:
    """Return the error that was told of: of its class where that is known, with its message."""
    kind, message = getattr(errors, str(facts["error"]), None), str(facts["facts"]["message"])
    if not (isinstance(kind, type) and issubclass(kind, IonQError)):
        return IonQError(message)
    error = kind.__new__(kind)
    error.args = (message,)
    error.__dict__.update(facts["facts"])
    return error


def _job(record: JobRecord) -> dict[str, Any] | None:
    """Return what is kept of a job's own account: only what is final is."""
    if record.state not in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELED):
        return None
    facts = {
        "id": record.id,
        "state": record.state.value,
        "code": record.failure_code,
        "message": record.failure_message,
        "children": record.child_ids,
        "execution_ms": record.execution_ms,
        "submitted_at": record.submitted_at,
        "started_at": record.started_at,
        "completed_at": record.completed_at,
    }
    return {name: value for name, value in facts.items() if value not in (None, ())}


_NAMES: dict[type, str] = {
    Sent: "sent",
    Accepted: "accepted",
    HeldBack: "held back",
    Refused: "refused",
    Lost: "lost",
    Found: "found",
    Absent: "absent",
    Unresolved: "unresolved",
    Disowned: "disowned",
    Seen: "ended",
    Fetched: "stored",
    FetchFailed: "not fetched",
    Vanished: "vanished",
    Reopened: "reopened",
    CancelAsked: "cancel",
}
_TOLD: dict[type, Callable[[Any], dict[str, Any] | None]] = {
    Sent: lambda e: {} if e.service_time is None else {"service": e.service_time.isoformat()},
    Accepted: lambda e: {"id": e.job_id},
    HeldBack: lambda e: {"why": e.why},
    Refused: lambda e: error_facts(e.error),
    Lost: lambda e: {"why": e.why, **({"acknowledged": True} if e.is_acknowledged else {})},
    Found: lambda e: _job(e.record) or {"id": e.record.id},
    Absent: lambda e: {"why": e.why},
    Unresolved: lambda e: error_facts(e.error),
    Disowned: lambda e: {"why": e.why, **({"id": e.job_id} if e.job_id else {})},
    Seen: lambda e: _job(e.record),
    Fetched: lambda _: {},
    FetchFailed: lambda e: error_facts(e.error),
    Vanished: lambda e: error_facts(e.error),
    Reopened: lambda _: {},
    CancelAsked: lambda _: {},
}


# ── what is read ──


def _event(record: Mapping[str, Any]) -> Event:
    at, why = float(record["t"]), str(record.get("why", ""))
    match record["is"]:
        case "sent":
            return Sent(at, moment(record.get("service")))
        case "accepted":
            return Accepted(str(record["id"]), at)
        case "held back":
            return HeldBack(at, why)
        case "refused":
            return Refused(read_error(record))
        case "lost":
            return Lost(at, why, bool(record.get("acknowledged")))
        case "found":
            return Found(_read_job(record), at)
        case "absent":
            return Absent(at, why)
        case "disowned":
            return Disowned(at, why, str(record["id"]) if "id" in record else None)
        case "ended":
            return Seen(_read_job(record), at)
        case "stored":
            return Fetched(at)
        case "not fetched":
            return FetchFailed(read_error(record), at)
        case "vanished":
            return Vanished(read_error(record), at)
        case "reopened":
            return Reopened(at)
        case "cancel":
            return CancelAsked()
        case other:
            raise ValueError(f"unknown record {other!r}")


def _read_job(record: Mapping[str, Any]) -> JobRecord:
    return JobRecord(
        str(record["id"]),
        JobState(record.get("state", "submitted")),
        failure_code=record.get("code"),
        failure_message=record.get("message"),
        child_ids=tuple(record.get("children", ())),
        execution_ms=record.get("execution_ms"),
        submitted_at=record.get("submitted_at"),
        started_at=record.get("started_at"),
        completed_at=record.get("completed_at"),
    )


def _fold(chronicle: Chronicle, record: Mapping[str, Any]) -> None:
    match record.get("is"):
        case "parcel":
            _take_parcel(chronicle, record)
        case "result":
            place = record.get("at")
            chronicle.results[_index(chronicle, record["i"])] = (
                None if place is None else StoredResult(str(record["kind"]), Place(**place))
            )
        case "circuit failed":
            chronicle.errors[_index(chronicle, record["i"])] = read_error(record)
        case "charged":
            chronicle.charges[int(record["n"])] = float(record["cost"])
        case "limits":
            limits = {name: record[name] for name in ("max_cost", "max_jobs")}
            chronicle.run = replace(chronicle.run, **limits)
        case "project":
            chronicle.project = str(record["id"])
        case "owner":
            chronicle.epoch = int(record["epoch"])
        case "unresolved" | "over" | "detached":
            pass  # for people who read the file; an open question stays open
        case "twin":
            number, job_id = int(record["n"]), str(record["id"])
            chronicle.twins[number] = (*chronicle.twins.get(number, ()), job_id)
            if record.get("state") in ("submitted", "ready"):
                chronicle.unsettled[job_id] = number
        case "twin ended":
            chronicle.unsettled.pop(str(record["id"]), None)
        case "swept":
            chronicle.is_swept = True
        case _:
            number = int(record["n"])
            chronicle.is_swept &= record["is"] != "absent"
            chronicle.submissions[number] = _moved(chronicle.submissions[number], _event(record))


def _index(chronicle: Chronicle, value: Any) -> int:
    """Return the index of one of the run's circuits.

    Raises:
        ValueError: the run has no such circuit.
    """
    if not _is_count(value) or value >= chronicle.run.total:
        raise ValueError(f"{value!r} is not the index of a circuit")
    return int(value)


def _moved(submission: Submission, event: Event) -> Submission:
    """Return a submission after an event; asking for a result unseen is not written down."""
    if isinstance(event, Fetched | FetchFailed) and submission.phase.is_in_service:
        submission, _ = step(submission, BetPlaced())
    return step(submission, event)[0]


def _take_parcel(chronicle: Chronicle, record: Mapping[str, Any]) -> None:
    if record["n"] != len(chronicle.parcels):
        raise ValueError("a parcel is missing")
    entries = [read_header_entry(k, entry) for k, entry in enumerate(record["headers"])]
    mine = record.get("metadata") or [None] * len(entries)
    circuits = [_index(chronicle, index) for index in record["circuits"]]
    for index, entry, own in zip(circuits, entries, mine, strict=True):
        chronicle.headers[index] = {**entry.header, "metadata": own or {}}
    parcel = Parcel(
        circuits=tuple(circuits),
        readouts=tuple(entry.readout for entry in entries),
        headers=(),  # the request has them, too
        shots=int(record["shots"]),
        token=str(record["token"]),
        digest=str(record["digest"]),
        body=b"",
        is_exact=bool(record["exact"]),
        memory=bool(record["memory"]),
        dry_run=bool(record["dry_run"]),
        query=str(record.get("query", "")),
    )
    if record.get("estimate") is not None:
        chronicle.estimates[len(chronicle.parcels)] = float(record["estimate"])
    if record.get("body"):
        chronicle.bodies[len(chronicle.parcels)] = Place(**record["body"])
    chronicle.parcels.append(parcel)
    chronicle.submissions.append(Submission())
