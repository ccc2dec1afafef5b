# SPDX-License-Identifier: Apache-2.0
"""The life of one submission, as a table: everything that affects its state lives in this file.

A submission is one IonQ job, carrying one circuit or a pack. ``step`` is pure; a pair of phase and event
that the table does not list raises and changes nothing.

::

    WAITING ─Sent─▶ SENDING ─Accepted─▶ QUEUED ⇄ RUNNING ─Seen(completed)─▶ FETCHING ─Fetched─▶ DONE
       ▲               ├─HeldBack──▶ WAITING                 BetPlaced ────▶ FETCHING ─BetLost─▶ QUEUED
       │               ├─Refused───▶ FAILED
       │               └─Lost──────▶ UNKNOWN ─Found─▶ QUEUED ─Disowned─▶ UNKNOWN
       └──────────────────Absent────────┘   └─Unresolved─▶ FAILED

Reopened leads back to QUEUED, from every phase in which the id of a job is known: the run goes on elsewhere,
or a result that could not be had is asked for again. Absent needs a submission that was not acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from qiskit.providers import JobStatus

from .errors import (
    ApiError,
    CircuitCancelledError,
    CircuitFailedError,
    ResultIntegrityError,
    TransportError,
)
from .wire import JobRecord, JobState


class Phase(Enum):
    """Where a submission stands."""

    WAITING = "waiting"
    SENDING = "sending"
    UNKNOWN = "unknown"
    QUEUED = "queued"
    RUNNING = "running"
    FETCHING = "fetching"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self in FINAL

    @property
    def is_in_service(self) -> bool:
        """Whether the service has the job and has not finished it, as far as is known."""
        return self in (Phase.QUEUED, Phase.RUNNING)


HELD_BACK, LOST, ABSENT = "held back", "answer lost", "proven absent"
DISOWNED, FOUND = "given a wrong id", "found by its token"
"""What a `Setback` can be."""
FINAL = frozenset({Phase.DONE, Phase.FAILED, Phase.CANCELLED})

QISKIT_STATUS = {
    Phase.WAITING: JobStatus.INITIALIZING,
    Phase.SENDING: JobStatus.INITIALIZING,
    Phase.UNKNOWN: JobStatus.INITIALIZING,
    Phase.QUEUED: JobStatus.QUEUED,
    Phase.RUNNING: JobStatus.RUNNING,
    Phase.FETCHING: JobStatus.RUNNING,
    Phase.DONE: JobStatus.DONE,
    Phase.FAILED: JobStatus.ERROR,
    Phase.CANCELLED: JobStatus.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Setback:
    """Something that went wrong on the way, and was seen to."""

    what: str
    at: float
    why: str = ""
    since: float | None = None
    """When the request left that it befell."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One IonQ job on its way. Times are seconds on the conductor's monotonic clock."""

    phase: Phase = Phase.WAITING
    posts: int = 0
    """Requests that may have reached the service."""
    first_sent_at: float | None = None
    sent_after: datetime | None = None
    """A moment on the service's clock before the first request left; None: unknown."""
    is_acknowledged: bool = False
    """Whether the service has named an id for it in a 2xx answer: it is stored, and never sent again."""
    sent_at: float | None = None
    accepted_at: float | None = None
    seen_at: float | None = None
    ended_at: float | None = None
    job_id: str | None = None
    record: JobRecord | None = None
    bet_from: Phase | None = None
    """Where it stood when its result was asked for without the job having been seen complete."""
    cancel_asked: bool = False
    error: Exception | None = None
    may_come: bool = False
    """Whether it failed only because its result could not be read: it can be asked for again, at no cost."""
    setbacks: tuple[Setback, ...] = ()

    @property
    def is_bet(self) -> bool:
        """Whether the result is being asked for unseen."""
        return self.bet_from is not None

    @property
    def is_complete(self) -> bool:
        """Whether the job's own record says that it is completed."""
        return self.record is not None and self.record.state is JobState.COMPLETED

    @property
    def awaits_look(self) -> bool:
        """Whether the job's record is wanted: for its state, or as evidence for an early result."""
        return self.phase.is_in_service or (self.is_bet and not self.is_complete)

    @property
    def was_sent_again(self) -> bool:
        """Whether it was proven absent once: if the proof was wrong, there are two jobs of it."""
        return any(setback.what == ABSENT for setback in self.setbacks)

    @property
    def shown_phase(self) -> Phase:
        """Where it stands as far as is known: a bet may be lost, and shows only once it is won."""
        return self.bet_from or self.phase


@dataclass(frozen=True, slots=True)
class Sent:
    """The submission was handed to a worker."""

    at: float
    service_time: datetime | None = None
    """The service's clock, as its latest answer before told it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service has it, under this id."""

    job_id: str
    at: float


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The service does not have it, and may be asked again later."""

    at: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The service does not want it, now or ever; or there is no more sense in asking."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Lost:
    """The answer was lost; the service may have it."""

    at: float = 0.0
    why: str = ""
    is_acknowledged: bool = False
    """Whether the answer named an id, although none that can be used: the service has it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A job with this submission's token was found in the service."""

    record: JobRecord
    at: float


@dataclass(frozen=True, slots=True)
class Absent:
    """The service was proven not to have it."""

    at: float = 0.0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Unresolved:
    """It could be neither found nor proven absent."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Seen:
    """The service said how the job stands."""

    record: JobRecord
    at: float


@dataclass(frozen=True, slots=True)
class BetPlaced:
    """The result is asked for at the forecast moment, unseen."""


@dataclass(frozen=True, slots=True)
class BetLost:
    """The result was not there yet."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The result is here."""

    at: float


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """The result cannot be had."""

    error: Exception
    at: float


@dataclass(frozen=True, slots=True)
class Vanished:
    """The service no longer knows the job."""

    error: Exception
    at: float


@dataclass(frozen=True, slots=True)
class Disowned:
    """The job under the id that we were given is another's, or was never shown."""

    at: float = 0.0
    why: str = ""
    job_id: str | None = None
    """The id, if it may still be the right one; None: it is another's."""


@dataclass(frozen=True, slots=True)
class Reopened:
    """The run goes on elsewhere, and the service is asked about the job anew."""

    at: float


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """The user wants no result."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing more may be sent for this run."""

    error: Exception


Event = (
    Sent | Accepted | HeldBack | Refused | Lost | Found | Absent | Unresolved | Seen | BetPlaced | BetLost
    | Fetched | FetchFailed | Vanished | Disowned | Reopened | CancelAsked | Stopped
)  # fmt: skip


class Command(Enum):
    """What is to be done next about a submission."""

    SUBMIT = "submit"
    RECONCILE = "reconcile"
    WATCH = "watch"
    FETCH = "fetch"
    LOOK_AND_CANCEL = "look and cancel"
    CANCEL = "cancel"


class IllegalTransition(RuntimeError):  # noqa: N818 - it is a bug of ours, never a user's error
    """An event that cannot happen in this phase."""


Handler = Callable[[Submission, Any], tuple[Submission, tuple[Command, ...]]]


def step(submission: Submission, event: Event) -> tuple[Submission, tuple[Command, ...]]:
    """Advance one submission.

    Raises:
        IllegalTransition: the table does not list this event in this phase.

    >>> sent, _ = step(Submission(), Sent(at=1.0))
    >>> queued, commands = step(sent, Accepted("j1", at=1.2))
    >>> queued.phase, commands
    (<Phase.QUEUED: 'queued'>, (<Command.WATCH: 'watch'>,))
    """
    handler = TABLE[submission.phase].get(type(event))
    if handler is None:
        raise IllegalTransition(f"{type(event).__name__} in phase {submission.phase.name}")
    return handler(submission, event)


def failure_of(record: JobRecord) -> CircuitFailedError:
    """Return the error that says why the service failed a job."""
    reason = record.failure_message or "no reason given"
    code = f"{record.failure_code}: " if record.failure_code else ""
    return CircuitFailedError(
        f"IonQ failed job {record.id}: {code}{reason}", code=record.failure_code, job_id=record.id
    )


def may_be_read_later(error: Exception) -> bool:
    """Say whether a result may still come although reading it ended with this error."""
    return isinstance(error, ApiError | TransportError)


def _sent(s: Submission, e: Sent) -> tuple[Submission, tuple[Command, ...]]:
    if s.first_sent_at is None:
        s = replace(s, first_sent_at=e.at, sent_after=e.service_time)
    return replace(s, phase=Phase.SENDING, sent_at=e.at), ()


def _accepted(s: Submission, e: Accepted) -> tuple[Submission, tuple[Command, ...]]:
    queued = replace(
        s, phase=Phase.QUEUED, posts=s.posts + 1, job_id=e.job_id, accepted_at=e.at, is_acknowledged=True
    )
    return queued, (Command.LOOK_AND_CANCEL if s.cancel_asked else Command.WATCH,)


def _set_back(s: Submission, what: str, e: HeldBack | Lost | Absent | Disowned) -> Submission:
    return replace(s, setbacks=(*s.setbacks, Setback(what, e.at, e.why, s.sent_at)))


def _held_back(s: Submission, e: HeldBack) -> tuple[Submission, tuple[Command, ...]]:
    if s.cancel_asked:
        return _cancelled(s)
    return replace(_set_back(s, HELD_BACK, e), phase=Phase.WAITING), (Command.SUBMIT,)


def _failed(s: Submission, e: Refused | Unresolved | Stopped) -> tuple[Submission, tuple[Command, ...]]:
    return replace(s, phase=Phase.FAILED, error=e.error), ()


def _lost(s: Submission, e: Lost) -> tuple[Submission, tuple[Command, ...]]:
    lost = replace(_set_back(s, LOST, e), is_acknowledged=s.is_acknowledged or e.is_acknowledged)
    return replace(lost, phase=Phase.UNKNOWN, posts=s.posts + 1), (Command.RECONCILE,)


def _found(s: Submission, e: Found) -> tuple[Submission, tuple[Command, ...]]:
    queued = replace(s, phase=Phase.QUEUED, job_id=e.record.id, accepted_at=e.at)
    queued = replace(queued, setbacks=(*s.setbacks, Setback(FOUND, e.at, e.record.id)))
    return _seen(queued, Seen(e.record, e.at))


def _absent(s: Submission, e: Absent) -> tuple[Submission, tuple[Command, ...]]:
    if s.is_acknowledged:
        raise IllegalTransition("Absent, of a submission that the service has acknowledged")
    if s.cancel_asked:
        return _cancelled(s)
    return replace(_set_back(s, ABSENT, e), phase=Phase.WAITING), (Command.SUBMIT,)


def _seen(s: Submission, e: Seen) -> tuple[Submission, tuple[Command, ...]]:
    seen = replace(s, record=e.record, seen_at=e.at)
    match e.record.state:
        case JobState.COMPLETED:
            return replace(seen, phase=Phase.FETCHING), (Command.FETCH,)
        case JobState.FAILED if e.record.child_ids:
            # Some circuits of a pack may have results although the pack failed.
            return replace(seen, phase=Phase.FETCHING), (Command.FETCH,)
        case JobState.FAILED:
            return replace(seen, phase=Phase.FAILED, error=failure_of(e.record), ended_at=e.at), ()
        case JobState.CANCELED:
            return _cancelled(seen)
        case JobState.STARTED:
            seen = replace(seen, phase=Phase.RUNNING)
    return seen, (Command.CANCEL if s.cancel_asked else Command.WATCH,)


def _bet_placed(s: Submission, _: BetPlaced) -> tuple[Submission, tuple[Command, ...]]:
    return replace(s, phase=Phase.FETCHING, bet_from=s.phase), (Command.FETCH,)


def _bet_lost(s: Submission, _: BetLost) -> tuple[Submission, tuple[Command, ...]]:
    back = replace(s, phase=s.shown_phase, bet_from=None)
    if s.is_complete:  # but the answer may have left the service before the job was
        return replace(back, phase=Phase.FETCHING), (Command.FETCH,)
    return back, (Command.LOOK_AND_CANCEL if s.cancel_asked else Command.WATCH,)


def _seen_while_fetching(s: Submission, e: Seen) -> tuple[Submission, tuple[Command, ...]]:
    if not s.is_bet:
        return (replace(s, record=e.record) if s.record is None else s), ()
    if e.record.state in (JobState.FAILED, JobState.CANCELED):
        return _seen(replace(s, phase=s.shown_phase, bet_from=None), e)
    bet_from = Phase.RUNNING if e.record.state is JobState.STARTED else s.bet_from
    return replace(s, record=e.record, seen_at=e.at, bet_from=bet_from), ()


def _disowned(s: Submission, e: Disowned) -> tuple[Submission, tuple[Command, ...]]:
    lost = _set_back(s, DISOWNED, e)
    lost = replace(lost, phase=Phase.UNKNOWN, job_id=e.job_id, record=None, bet_from=None, seen_at=None)
    return lost, (Command.RECONCILE,)


def _reopened(s: Submission, _: Reopened) -> tuple[Submission, tuple[Command, ...]]:
    # What is known of the job stays known: one that has been seen is not taken for one that never was.
    again = replace(s, phase=Phase.QUEUED, bet_from=None, seen_at=None, ended_at=None, cancel_asked=False)
    return replace(again, error=None, may_come=False), (Command.WATCH,)


def _reopened_doubt(s: Submission, e: Reopened) -> tuple[Submission, tuple[Command, ...]]:
    return (s, ()) if s.job_id is None else _reopened(s, e)


def _reopened_failure(s: Submission, e: Reopened) -> tuple[Submission, tuple[Command, ...]]:
    return _reopened(s, e) if s.may_come else (s, ())


def _fetched(s: Submission, e: Fetched) -> tuple[Submission, tuple[Command, ...]]:
    return replace(s, phase=Phase.DONE, bet_from=None, ended_at=e.at), ()


def _fetch_failed(s: Submission, e: FetchFailed | Vanished) -> tuple[Submission, tuple[Command, ...]]:
    failed = replace(s, phase=Phase.FAILED, bet_from=None, error=e.error, ended_at=e.at)
    return replace(failed, may_come=not isinstance(e.error, ResultIntegrityError)), ()


def _cancelled(s: Submission) -> tuple[Submission, tuple[Command, ...]]:
    where = f"job {s.job_id}" if s.job_id else "before it was sent"
    return replace(s, phase=Phase.CANCELLED, error=CircuitCancelledError(f"cancelled ({where})")), ()


def _cancel_waiting(s: Submission, _: CancelAsked) -> tuple[Submission, tuple[Command, ...]]:
    return _cancelled(s)


def _cancel_later(s: Submission, _: CancelAsked) -> tuple[Submission, tuple[Command, ...]]:
    return replace(s, cancel_asked=True), ()


def _cancel_in_service(s: Submission, _: CancelAsked) -> tuple[Submission, tuple[Command, ...]]:
    # A fresh look first: cancelling a job that has just completed could hide a paid result.
    return replace(s, cancel_asked=True), (Command.LOOK_AND_CANCEL,)


def _unmoved(s: Submission, _: Event) -> tuple[Submission, tuple[Command, ...]]:
    return s, ()


_IN_SERVICE: dict[type, Handler] = {
    Seen: _seen,
    BetPlaced: _bet_placed,
    Vanished: _fetch_failed,
    Disowned: _disowned,
    Reopened: _reopened,
    CancelAsked: _cancel_in_service,
    Stopped: _unmoved,
}
_ENDED: dict[type, Handler] = {CancelAsked: _unmoved, Stopped: _unmoved, Seen: _unmoved}

TABLE: dict[Phase, dict[type, Handler]] = {
    Phase.WAITING: {Sent: _sent, CancelAsked: _cancel_waiting, Stopped: _failed},
    Phase.SENDING: {
        Accepted: _accepted,
        HeldBack: _held_back,
        Refused: _failed,
        Lost: _lost,
        CancelAsked: _cancel_later,
        Stopped: _unmoved,
    },
    Phase.UNKNOWN: {
        Found: _found,
        Absent: _absent,
        Unresolved: _failed,
        Reopened: _reopened_doubt,
        CancelAsked: _cancel_later,
        Stopped: _unmoved,
    },
    Phase.QUEUED: _IN_SERVICE,
    Phase.RUNNING: _IN_SERVICE,
    Phase.FETCHING: {
        Fetched: _fetched,
        FetchFailed: _fetch_failed,
        BetLost: _bet_lost,
        Seen: _seen_while_fetching,
        Vanished: _fetch_failed,
        Disowned: _disowned,
        Reopened: _reopened,
        CancelAsked: _cancel_later,
        Stopped: _unmoved,
    },
    Phase.DONE: {**_ENDED, Reopened: _reopened},
    Phase.FAILED: {**_ENDED, Reopened: _reopened_failure},
    Phase.CANCELLED: _ENDED,
}
