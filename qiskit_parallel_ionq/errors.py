# SPDX-License-Identifier: Apache-2.0
"""Everything this package raises, in one tree.

::

    IonQError (QiskitError)
    ├── OptionError (ValueError)            an option or argument that cannot be right
    │   └── UnknownOptionError (AttributeError)  there is no option of that name
    ├── CredentialsError                    no key, or a URL a key must not be sent to
    ├── BudgetError                         the run would cost more than it may
    ├── MissingExtraError (ImportError)     something that is not installed by default is needed
    ├── TargetError (QiskitBackendNotFoundError)  unknown, retired or unavailable target
    ├── CircuitError (ValueError)           a circuit that cannot run: names circuit, gate, position
    │   ├── CircuitFileError                a file of circuits cannot be read: names file and line
    │   ├── CompileError (TranspilerError)  no way to native gates
    │   └── EncodeError                     no way onto the wire
    ├── ApiError                            the service answered, and the answer is no
    │   ├── AuthenticationError             401: the key
    │   ├── PermissionDeniedError           402, 403: the account
    │   ├── NotFoundError                   404
    │   └── RateLimitError                  429
    ├── TransportError                      the service could not be reached, or did not answer in time
    ├── SubmissionUnknownError              an answer was lost: the job may or may not exist
    ├── SessionError                        a session cannot be had
    │   ├── SessionEndedError               it is over
    │   └── SessionUnknownError             an answer was lost: it may or may not have been opened
    ├── JournalError                        the record of a run cannot be written or read
    │   └── RunBusyError                    somebody else sends for this run
    ├── ResultIntegrityError                an answer that cannot be true
    └── JobError (qiskit.providers.JobError)
        ├── CircuitFailedError              the service failed this circuit
        ├── CircuitCancelledError           this circuit was cancelled
        ├── NotSentError                    this circuit was never sent
        ├── DetachedError                   this circuit's job goes on, and nothing here follows it
        ├── ResultTimeoutError (JobTimeoutError, TimeoutError)
        ├── JobPickleError (TypeError)      a job does not leave its process; its id does
        └── BatchError (ExceptionGroup)     some circuits have no result; carries all that have

Facts are attributes, so that a program need not parse prose.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qiskit.exceptions import QiskitError
from qiskit.providers import JobError as QiskitJobError
from qiskit.providers import JobTimeoutError, QiskitBackendNotFoundError
from qiskit.transpiler import TranspilerError

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

if TYPE_CHECKING:
    from typing_extensions import Self


class IonQError(QiskitError):
    """Base of everything raised here."""

    def __str__(self) -> str:
        return str(self.message)  # Qiskit's own shows the repr, which hides line breaks


class OptionError(IonQError, ValueError):
    """An option or argument is unknown, of the wrong type or out of range. Nothing was sent."""


class UnknownOptionError(OptionError, AttributeError):
    """There is no option of that name. An ``AttributeError`` too, as Qiskit's backends raise it."""


class CredentialsError(IonQError):
    """There is no usable API key, or the URL is one that a key must not be sent to."""


class BudgetError(IonQError):
    """The run would cost more, or take more jobs, than it may. The message says what was sent."""


class MissingExtraError(IonQError, ImportError):
    """A library is needed that is not installed by default; the message says how to install it."""


class TargetError(IonQError, QiskitBackendNotFoundError):
    """The target does not exist, is retired or is not available now."""


class CircuitError(IonQError, ValueError):
    """A circuit that cannot run. The message names the circuit, the gate and its position.

    Attributes:
        index: which circuit of the list that was to be run, if it is known.
    """

    index: int | None = None


class CircuitFileError(CircuitError):
    """A file of circuits that cannot be read, or holds a circuit that measures nothing. Nothing was sent.

    Attributes:
        file: the file, or what was to be one; the first, should there be several.
        line: the line, from 1, if it is one that cannot be read.
    """

    def __init__(self, message: str, *, file: str, line: int | None = None) -> None:
        self.file = file
        self.line = line
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_circuit_file_error, (self.message, self.file, self.line)


def _rebuild_circuit_file_error(message: str, file: str, line: int | None) -> CircuitFileError:
    return CircuitFileError(message, file=file, line=line)


class CompileError(CircuitError, TranspilerError):
    """A circuit that cannot be brought to the gates of its target."""


class EncodeError(CircuitError):
    """A circuit that the wire format cannot say."""


class ApiError(IonQError):
    """The service refused a request.

    Attributes:
        status: HTTP status code.
        method: HTTP method.
        path: path below the base URL.
        detail: what the service said (at most 500 characters).
        request_id: the service's id for this exchange, if it gave one.
        retry_after: the ``Retry-After`` header as it came, if there was one.
    """

    retry_after: str | None = None

    def __init__(
        self, status: int, *, method: str, path: str, detail: str = "", request_id: str | None = None
    ) -> None:
        self.status = status
        self.method = method
        self.path = path
        self.detail = detail
        self.request_id = request_id
        trace = f" (request id {request_id})" if request_id else ""
        super().__init__(
            f"{method} {path} was answered {status}: {detail or 'no reason given'}{trace}.{self._advice()}"
        )

    def _advice(self) -> str:
        return ""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_api_error, (
            type(self),
            self.status,
            self.method,
            self.path,
            self.detail,
            self.request_id,
            self.retry_after,
        )


def _rebuild_api_error(
    kind: type[ApiError],
    status: int,
    method: str,
    path: str,
    detail: str,
    request_id: str | None,
    retry_after: str | None,
) -> ApiError:
    error = kind(status, method=method, path=path, detail=detail, request_id=request_id)
    error.retry_after = retry_after
    return error


class AuthenticationError(ApiError):
    """401: the key is missing, wrong or revoked."""

    def _advice(self) -> str:
        return " Check the API key (IONQ_API_KEY, or the token argument); nothing more was sent with it."


class PermissionDeniedError(ApiError):
    """402 or 403: the account may not do this."""

    def _advice(self) -> str:
        return " The key is valid, but its project may not do this; submission stopped."


class NotFoundError(ApiError):
    """404: no such job, result or target for this key."""


class RateLimitError(ApiError):
    """429: too many requests."""

    def _advice(self) -> str:
        return " Use fewer max_workers, or pack with circuits_per_job."


def api_error(
    status: int, *, method: str, path: str, detail: str = "", request_id: str | None = None
) -> ApiError:
    """Return the error class that belongs to an HTTP status."""
    kinds: Mapping[int, type[ApiError]] = {
        401: AuthenticationError,
        402: PermissionDeniedError,
        403: PermissionDeniedError,
        404: NotFoundError,
        429: RateLimitError,
    }
    return kinds.get(status, ApiError)(status, method=method, path=path, detail=detail, request_id=request_id)


class TransportError(IonQError):
    """No usable answer: the network failed, or time ran out.

    Attributes:
        sent: whether a byte of the request had left. When False the service cannot have acted on it.
        answered: whether an answer came that cannot be read, so that neither the network nor the load on
            the service is at fault.
    """

    def __init__(self, message: str, *, sent: bool, answered: bool = False) -> None:
        self.sent = sent
        self.answered = answered
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_transport_error, (self.message, self.sent, self.answered)


def _rebuild_transport_error(message: str, sent: bool, answered: bool = False) -> TransportError:
    return TransportError(message, sent=sent, answered=answered)


class SubmissionUnknownError(IonQError):
    """The answer to a submission was lost, and the job could be neither found nor proven absent.

    Attributes:
        token: the value of ``metadata["qpi"]`` that the job carries, if it exists.
    """

    def __init__(self, message: str, *, token: str) -> None:
        self.token = token
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_unknown_error, (self.message, self.token)


def _rebuild_unknown_error(message: str, token: str) -> SubmissionUnknownError:
    return SubmissionUnknownError(message, token=token)


class SessionError(IonQError):
    """A session cannot be opened, or cannot be used."""


class SessionEndedError(SessionError):
    """The session is over: it was ended, or has reached one of its limits. Nothing was sent."""


class SessionUnknownError(SessionError):
    """The answer to the opening of a session was lost: there may be one, and none was opened in its place.

    Attributes:
        candidates: ids of open sessions that may be the one, the newest first.
    """

    def __init__(self, message: str, *, candidates: tuple[str, ...] = ()) -> None:
        self.candidates = candidates
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_session_unknown, (self.message, self.candidates)


def _rebuild_session_unknown(message: str, candidates: tuple[str, ...]) -> SessionUnknownError:
    return SessionUnknownError(message, candidates=candidates)


class JournalError(IonQError):
    """The record of a run cannot be written or read. What could not be recorded was not sent."""


class RunBusyError(JournalError):
    """Another process, or another job here, is already sending for this run."""


class ResultIntegrityError(IonQError):
    """A result that cannot be true or cannot be read.

    Probabilities do not sum to 1, keys are out of range, lengths are wrong, it is not JSON, or it is larger
    than the circuit's outcomes can make it or than this machine can hold.
    """


class JobError(IonQError, QiskitJobError):
    """A job, or one circuit of it, has no result."""


class CircuitFailedError(JobError):
    """The service accepted this circuit and then failed it.

    Attributes:
        code: the service's failure code, such as ``"CompilationError"``.
        job_id: the IonQ job that failed.
    """

    def __init__(self, message: str, *, code: str | None = None, job_id: str | None = None) -> None:
        self.code = code
        self.job_id = job_id
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_circuit_failed, (self.message, self.code, self.job_id)


def _rebuild_circuit_failed(message: str, code: str | None, job_id: str | None) -> CircuitFailedError:
    return CircuitFailedError(message, code=code, job_id=job_id)


class CircuitCancelledError(JobError):
    """This circuit was cancelled before it had a result."""


class NotSentError(JobError):
    """This circuit was never sent, and cost nothing."""


class DetachedError(JobError):
    """This circuit's job goes on at the service, and this job object follows it no more.

    ``provider.resume`` returns a job that does.
    """


class ResultTimeoutError(JobError, JobTimeoutError, TimeoutError):
    """Time ran out while waiting. Nothing was cancelled: the job goes on, and can be asked again."""


class JobPickleError(JobError, TypeError):
    """A job cannot be pickled. ``provider.retrieve_job`` finds it in another process."""


class BatchError(JobError, ExceptionGroup):
    """Some circuits have no result.

    It is a group too: ``except* CircuitFailedError`` gets the circuits that the service failed, and leaves
    the rest. ``except* JobError`` gets it whole, being a ``JobError`` itself.

    Attributes:
        failures: circuit index -> the reason, in ascending order. One reason may be that of many circuits.
        exceptions: the same reasons, without their indices.
        result: a Qiskit ``Result`` with all N entries; those in ``failures`` have ``success=False``.
        job_id: the composite job.
        total: how many circuits the job has.

    >>> error = BatchError({1: CircuitFailedError("too deep"), 4: ValueError()}, total=6, job_id="run")
    >>> failed, rest = error.split(CircuitFailedError)
    >>> list(failed.failures), list(rest.failures), failed.exceptions
    ([1], [4], (CircuitFailedError('too deep'),))
    """

    def __new__(
        cls,
        failures: Mapping[int, Exception],
        *,
        total: int,
        job_id: str,
        result: Any = None,  # noqa: ARG004 - for __init__
        message: str | None = None,
    ) -> Self:
        """Make the group, whose message is the one given, or else counts by reason."""
        ordered = dict(sorted(failures.items()))
        shown = message or _batch_message(ordered, total, job_id)
        group: Self = super().__new__(cls, shown, list(ordered.values()))
        return group

    def __init__(
        self,
        failures: Mapping[int, Exception],
        *,
        total: int,
        job_id: str,
        result: Any = None,
        message: str | None = None,  # noqa: ARG002 - for __new__
    ) -> None:
        # Not super()'s: Qiskit's assigns ``message``, which a group has already and does not let go of.
        Exception.__init__(self, self.message)
        self.failures = dict(sorted(failures.items()))
        self.total = total
        self.job_id = job_id
        self.result = result

    def __repr__(self) -> str:
        return f"<BatchError: {len(self.failures)} of {self.total} circuits of job {self.job_id}>"

    @property
    def run_id(self) -> str:
        """The composite job, as ``job_id``."""
        return self.job_id

    def derive(self, excs: Sequence[Any], /) -> Any:
        """Return a group of some of the reasons, with the same message; ``split`` and ``except*`` ask for it.

        Reasons that are not among ours belong to no circuit: with them it is an ordinary group.
        """
        wanted = {id(reason) for reason in excs}
        kept = {index: reason for index, reason in self.failures.items() if id(reason) in wanted}
        if len({id(reason) for reason in kept.values()}) < len(wanted):
            return super().derive(excs)
        return _rebuild_batch_error(kept, self.total, self.job_id, self.result, self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_batch_error, (self.failures, self.total, self.job_id, self.result, self.message)


def _rebuild_batch_error(
    failures: Mapping[int, Exception], total: int, job_id: str, result: Any, message: str
) -> BatchError:
    return BatchError(failures, total=total, job_id=job_id, result=result, message=message)


def _batch_message(failures: Mapping[int, Exception], total: int, job_id: str) -> str:
    """Return counts by reason, the first five distinct reasons spelled out once each."""
    reasons = Counter(str(error) for error in failures.values())
    first = {str(error): index for index, error in reversed(list(failures.items()))}
    lines = [f"{len(failures)} of {total} circuits of job {job_id} have no result:"]
    for reason, count in reasons.most_common(5):
        where = f"circuit {first[reason]}" if count == 1 else f"{count} circuits, first {first[reason]}"
        lines.append(f"  {where}: {reason}")
    if len(reasons) > 5:
        lines.append(f"  … and {len(reasons) - 5} more reasons in .failures")
    lines.append("The others are in .result, and job.result(partial=True) returns them.")
    return "\n".join(lines)
