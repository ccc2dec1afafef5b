# SPDX-License-Identifier: Apache-2.0
"""IonQ sessions: spans of time on a machine that jobs join by id. They cost, so none is opened twice."""

from __future__ import annotations

import copy
import json
import math
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from qiskit.circuit import QuantumCircuit

from . import wire
from .api import accepted_id, refusal
from .backend import ParallelIonQBackend
from .errors import (
    ApiError,
    IonQError,
    NotFoundError,
    OptionError,
    SessionEndedError,
    SessionError,
    SessionUnknownError,
    TransportError,
)
from .job import ParallelIonQJob
from .logs import logger
from .policy import Verdict, verdict_on_submission
from .stream import ParallelIonQStream
from .transport import Reply
from .wire import SessionRecord

if TYPE_CHECKING:
    from typing_extensions import Self

_T = TypeVar("_T")


class Account(Protocol):
    """What a session asks of its backend's provider."""

    def patiently(self, ask: Callable[[], _T]) -> _T:
        """Ask for what somebody waits for, again a few times while that may help."""

    def post_session(self, body: bytes) -> Reply:
        """Ask for a session, once."""

    def session_record(self, session_id: str) -> SessionRecord:
        """Return what the service says of a session now."""

    def sessions(self, *, active: bool | None = True) -> tuple[SessionRecord, ...]:
        """Return the sessions of the organisation."""

    def session_jobs(self, session_id: str) -> list[ParallelIonQJob]:
        """Return the jobs of a session that are under way here."""

    def end_session(self, session_id: str) -> SessionRecord:
        """End a session."""


class Session:
    """A session on one machine, and a backend whose runs belong to it.

    Made without a request; it is opened where a ``with`` block is entered, or else when its id is first
    needed. The block's end waits for the jobs that were started in the session, and ends it; after an error
    it ends it at once. A session ends by itself at its limits, and what is sent later is refused.

    Args:
        backend: where the session is; stays as it is.
        max_time: whole minutes, or a ``timedelta``, from the first job on.
        max_cost: US dollars.
        max_jobs: IonQ jobs; a run sends one for each circuit, unless they are packed.

    Raises:
        OptionError: a limit cannot be right.

    >>> from qiskit import QuantumCircuit
    >>> from qiskit_parallel_ionq import ParallelIonQProvider, Session
    >>> bell = QuantumCircuit(2); _ = bell.h(0), bell.cx(0, 1); bell.measure_all()
    >>> with ParallelIonQProvider.local(seed=7) as provider:
    ...     with Session(provider.get_backend("qpu.forte-1"), max_time=30) as session:
    ...         job = session.run([bell] * 3, shots=100)
    ...     job.result().success, session.details().status
    (True, 'ended')
    """

    def __init__(
        self,
        backend: ParallelIonQBackend,
        *,
        max_time: int | timedelta | None = None,
        max_cost: float | None = None,
        max_jobs: int | None = None,
    ) -> None:
        if not isinstance(backend, ParallelIonQBackend):
            raise OptionError(f"a session is on a backend of ParallelIonQProvider, not on {backend!r}")
        self._outside = backend
        self._account: Account = backend.provider
        self._limits = _limits(max_time, max_cost, max_jobs)
        self._lock = threading.RLock()
        self._id: str | None = None
        self._inside: ParallelIonQBackend | None = None
        self._lost: SessionUnknownError | None = None
        self._over_after: float | None = None
        self._is_closed = False

    @classmethod
    def from_id(cls, session_id: str, backend: ParallelIonQBackend) -> Self:
        """Return a session that is open already. Asks nothing of the service.

        Args:
            session_id: as the service gave it.
            backend: a backend of the machine that the session is on.

        Raises:
            OptionError: the id cannot be one.
        """
        if not wire.is_job_id(session_id):
            raise OptionError(f"{session_id!r} is not the id of a session")
        session = cls(backend)
        session._id = session_id
        return session

    def __repr__(self) -> str:
        state = "not open yet" if self._id is None else "closed" if self._is_closed else "open"
        name = "Session" if self._id is None else f"Session {self._id}"
        return f"<{name} on {self._outside.ionq_target}: {state}>"

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            try:
                self.close()
            except IonQError:
                logger.warning("Session %s could not be ended after an error in its block", self._id)
            return
        try:
            for job in self._account.session_jobs(self.id):
                job.wait()
        finally:
            self.close()

    @property
    def id(self) -> str:
        """The service's id of the session, which is opened if it is not yet."""
        return self.open()

    @property
    def backend(self) -> ParallelIonQBackend:
        """A backend like the one given, whose runs belong to the session: for primitives and libraries.

        The session is opened if it is not yet.
        """
        with self._lock:
            if self._inside is None:
                session_id = self.open()
                self._inside = copy.deepcopy(self._outside)
                self._inside.set_options(session_id=session_id)
            return self._inside

    def run(
        self, run_input: QuantumCircuit | Iterable[QuantumCircuit], **options: Any
    ) -> ParallelIonQJob | ParallelIonQStream:
        """Send circuits within the session, as ``backend.run`` does.

        Raises:
            SessionEndedError: the session is over. Nothing was sent.
        """
        self._require_open()
        sent: ParallelIonQJob | ParallelIonQStream = self.backend.run(run_input, **options)
        return sent

    def open(self) -> str:
        """Open the session, unless it is open, and return its id.

        Raises:
            SessionError: the service has no sessions for this account.
            SessionUnknownError: the answer was lost. It is not asked for again.
            ApiError: the service refuses.
            TransportError: it could not be reached.
        """
        with self._lock:
            if self._lost is not None:
                raise self._lost
            if self._id is None:
                self._id = self._account.patiently(self._opened)
                minutes = self._limits.get("duration_limit_min")
                self._over_after = None if minutes is None else time.monotonic() + 60 * minutes
                logger.info("Opened session %s on %s", self._id, self._outside.ionq_target)
            return self._id

    def details(self) -> SessionRecord:
        """Return what the service says of the session now: whether it is active, and when it ends."""
        return self._account.session_record(self.id)

    def close(self) -> None:
        """End the session, which may be done twice. What has not started may be cancelled by the service.

        Raises:
            ApiError: the service refuses; the session may still be open.
            TransportError: it could not be reached; likewise.
        """
        with self._lock:
            if self._id is None or self._is_closed:
                return
            try:
                before = self._account.session_record(self._id)
                if before.active:
                    self._account.end_session(self._id)
                else:
                    logger.warning(
                        "Session %s had ended by itself, at %s: it had reached one of its limits",
                        self._id,
                        before.ended_at,
                    )
            except IonQError:
                logger.warning(
                    "Session %s may still be open, and cost: Session.from_id(%r, backend).close() ends it",
                    self._id,
                    self._id,
                )
                raise
            self._is_closed = True
            logger.info("Ended session %s", self._id)

    def _require_open(self) -> None:
        """Refuse to send into a session that is over; the service is asked as soon as that may be so."""
        if not self._is_closed and self._over_after is not None and time.monotonic() > self._over_after:
            self._is_closed = not self.details().active
        if self._is_closed:
            raise SessionEndedError(f"session {self._id} has ended. Nothing was sent; open another one")

    def _opened(self) -> str:
        """Ask for the session once; only what is proven to have had no effect may be tried again."""
        members: dict[str, Any] = {"backend": self._outside.ionq_target}
        if self._limits:
            members["settings"] = self._limits
        try:
            reply = self._account.post_session(json.dumps(members).encode())
        except TransportError as error:
            if not error.sent:
                raise
            raise self._unknown(str(error)) from None
        session_id = accepted_id(reply)
        verdict = verdict_on_submission(reply.status, sent=True, has_id=session_id is not None)
        if session_id is not None and verdict is Verdict.ACCEPTED:
            return session_id
        problem = refusal("POST", "/sessions", reply)
        if verdict is Verdict.UNKNOWN:
            raise self._unknown(str(problem))
        if isinstance(problem, NotFoundError):
            raise SessionError(
                f"there are no sessions for this account, or none on {self._outside.ionq_target}: IonQ "
                f"enables them for an organisation on request. {problem}"
            )
        raise problem

    def _unknown(self, why: str) -> SessionUnknownError:
        """Return what is known of a session whose opening was not answered; it is never opened again."""
        try:
            candidates = tuple(row.id for row in self._account.sessions() if self._may_be(row))
            seen = f"it may be {', '.join(candidates)}" if candidates else "none that is open looks like it"
        except (ApiError, TransportError) as error:
            candidates, seen = (), f"and the service does not say which are open ({error})"
        self._lost = SessionUnknownError(
            f"a session on {self._outside.ionq_target} may have been opened, and would cost: {why} "
            f"It was not asked for again; {seen}. Go on with Session.from_id(...), or make a new Session",
            candidates=candidates,
        )
        return self._lost

    def _may_be(self, row: SessionRecord) -> bool:
        """Say whether an open session may be the one that was asked for: unused, and with the same limits."""
        cost = (self._limits.get("cost_limit") or {}).get("value")
        limits = (self._limits.get("job_count_limit"), self._limits.get("duration_limit_min"), cost)
        return (
            row.backend == self._outside.ionq_target
            and row.started_at is None
            and (row.max_jobs, row.max_time, row.max_cost) == limits
        )


def _limits(max_time: int | timedelta | None, max_cost: float | None, max_jobs: int | None) -> dict[str, Any]:
    """Return the ``settings`` member of a session.

    Raises:
        OptionError: a limit cannot be right.
    """
    limits: dict[str, Any] = {}
    if max_jobs is not None:
        limits["job_count_limit"] = _whole("max_jobs", max_jobs, "jobs")
    if max_time is not None:
        minutes = max_time / timedelta(minutes=1) if isinstance(max_time, timedelta) else max_time
        whole = int(minutes) if isinstance(minutes, float) and minutes.is_integer() else minutes
        limits["duration_limit_min"] = _whole("max_time", whole, "minutes")
    if max_cost is not None:
        is_number = isinstance(max_cost, int | float) and not isinstance(max_cost, bool)
        if not is_number or not 0 < max_cost < math.inf:
            raise OptionError(f"max_cost must be a positive number of US dollars, not {max_cost!r}")
        limits["cost_limit"] = {"unit": "usd", "value": max_cost}
    return limits


def _whole(name: str, value: Any, unit: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise OptionError(f"{name} must be a whole number of {unit}, 1 or more, not {value!r}")
    return value
