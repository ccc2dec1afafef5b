# SPDX-License-Identifier: Apache-2.0
"""What a worker thread does: one command's I/O, and an account of it. It decides and waits for nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from .api import ADVICE, Api, accepted_id, names_an_id, refusal
from .decode import RawResult
from .errors import ApiError, CircuitCancelledError, IonQError, ResultIntegrityError, TransportError
from .lifecycle import failure_of
from .listing import Listing, ListingReader, Reach
from .policy import Verdict, is_passing, retry_after, verdict_on_submission
from .result_json import parse
from .sources import Kind, Source, sources
from .wire import JobRecord, JobState

MAX_PAGES = 200
"""Pages of a listing that are read at the most."""


@dataclass(frozen=True, slots=True)
class Report:
    """How one command went.

    Attributes:
        value: what was asked for; None if it could not be had.
        error: why not.
        is_passing: whether asking again may help.
        is_congestion: whether the service pushed back, failed or was silent, which concerns everybody.
        pause: seconds the service asked to wait.
        sent_at: when the command began, on the conductor's clock.
        verdict: for submissions, what the answer proves.
        is_acknowledged: for submissions, whether the answer named an id although the verdict is UNKNOWN.
    """

    value: Any = None
    error: IonQError | None = None
    is_passing: bool = False
    is_congestion: bool = False
    pause: float | None = None
    sent_at: float = 0.0
    verdict: Verdict | None = None
    is_acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class RawText:
    """A result as it came, which is yet to be parsed."""

    source: Source
    text: bytes | bytearray


def parsed(report: Report, *, depth: int = 0) -> Report:
    """Return the report of a fetch with a `RawResult` for its `RawText`; an error where that cannot be.

    Args:
        report: of `Worker.fetch` or `Worker.fetch_child`.
        depth: containers around each distribution: 1 in an answer for several circuits.
    """
    raw = report.value
    if not isinstance(raw, RawText):
        return report
    try:
        body = parse(raw.text, depth=depth)
    except (ValueError, MemoryError) as error:
        what = f"is not JSON ({error})" if isinstance(error, ValueError) else "does not fit in memory"
        reason = f"GET {raw.source.path}: the result, of {len(raw.text):,} bytes, {what}. {ADVICE}"
        return replace(report, value=None, error=ResultIntegrityError(reason))
    return replace(report, value=RawResult(raw.source.kind, body, raw.text))


class _Unfinished(IonQError):  # noqa: N818 - it is no failure
    """What was asked for is not there yet."""


class Worker:
    """Performs commands. Stateless, so that any number of threads may share it."""

    def __init__(self, api: Api, now: Callable[[], float]) -> None:
        self._api = api
        self._now = now

    def submit(self, body: bytes, make_durable: Callable[[], None] = lambda: None) -> Report:
        """Send one job and say what its answer proves; the value is the job's id.

        Args:
            body: the request.
            make_durable: called first; what it raises keeps the request from being sent.
        """
        sent_at = self._now()
        try:
            make_durable()
            sent_at = self._now()
            reply = self._api.create_job(body)
        except TransportError as error:
            return Report(
                error=error,
                is_passing=True,
                is_congestion=not error.answered,
                sent_at=sent_at,
                verdict=verdict_on_submission(None, sent=error.sent),
            )
        except IonQError as error:  # no key, no room on disk: the same for every job of the run
            return Report(error=error, sent_at=sent_at, verdict=Verdict.STOP)
        job_id = accepted_id(reply)
        verdict = verdict_on_submission(reply.status, sent=True, has_id=job_id is not None)
        if verdict is Verdict.ACCEPTED:
            return Report(value=job_id, sent_at=sent_at, verdict=verdict)
        return Report(
            error=refusal("POST", "/jobs", reply),
            is_passing=verdict in (Verdict.PUSHED_BACK, Verdict.UNKNOWN),
            is_congestion=reply.status == 429 or reply.status >= 500,
            pause=retry_after(reply.headers.get("Retry-After"), now=datetime.now(timezone.utc)),
            sent_at=sent_at,
            verdict=verdict,
            is_acknowledged=verdict is Verdict.UNKNOWN and 200 <= reply.status < 300 and names_an_id(reply),
        )

    def service_time(self) -> datetime | None:
        """Return the service's clock as its latest answer told it; None where no answer has."""
        return self._api.service_time

    def look(self, ids: Sequence[str]) -> Report:
        """Ask how some jobs stand, in one request; the value is a dict of records by id."""

        def ask() -> dict[str, JobRecord]:
            page = self._api.jobs(ids=ids, limit=len(ids))
            return {record.id: record for record in page.records}

        return self._reading(ask)

    def look_at(self, job_id: str) -> Report:
        """Ask how one job stands, with its children's ids; the value is a dict of one record."""
        return self._reading(lambda: {job_id: self._api.job(job_id)})

    def fetch(self, candidates: Sequence[Source], *, largest: int) -> Report:
        """Ask for a result where it may be, best place first; the value is a `RawText`.

        Args:
            candidates: places.
            largest: bytes beyond which an answer is not read on.
        """
        return self._reading(lambda: self._first(candidates, largest))

    def fetch_child(self, child_id: str, kinds: tuple[Kind, ...], query: str = "", *, largest: int) -> Report:
        """Ask for the result of one circuit of a pack, or for the reason why it has none; see `fetch`."""

        def ask() -> RawText:
            record = self._api.job(child_id)
            if record.state is JobState.FAILED:
                raise failure_of(record)
            if record.state is JobState.CANCELED:
                raise CircuitCancelledError(f"circuit {child_id} of the pack was cancelled")
            if record.state is not JobState.COMPLETED:
                raise _Unfinished(f"circuit {child_id} of the pack is {record.state.value}")
            return self._first(sources(child_id, record.results, kinds, query=query), largest)

        return self._reading(ask)

    def list_tokens(self, reach: Reach | None = None) -> Report:
        """Read the account's job listing; the value is a `Listing`.

        Args:
            reach: which part of it is needed. Where the listing proves to run from new to old it is read
                back so far; else, and by default, to its end.
        """
        reader = ListingReader(self._now(), reach or Reach())

        def ask() -> Listing:
            cursors: set[str | None] = set()
            cursor: str | None = None
            while cursor not in cursors and len(cursors) < MAX_PAGES:
                cursors.add(cursor)
                page = self._api.jobs(cursor=cursor)
                reader.take(page.records, page.unreadable, page.date)
                cursor = page.next
                if reader.is_enough:
                    return reader.listing(is_complete=True)
                if cursor is None:
                    return reader.listing(is_complete=page.has_end)
            return reader.listing(is_complete=False, is_endless=cursor not in cursors)

        return self._reading(ask)

    def cost(self, job_id: str) -> Report:
        """Ask what a job was charged; the value is a number, or None while nobody knows."""
        return self._reading(lambda: self._api.cost(job_id))

    def project(self) -> Report:
        """Ask which project the key belongs to; the value is its id, or None."""
        return self._reading(self._api.project)

    def cancel(self, ids: Sequence[str]) -> Report:
        """Ask for jobs to be cancelled: in one request, or one by one where that is refused."""

        def ask() -> bool:
            try:
                self._api.cancel_jobs(ids)
            except ApiError as error:
                if error.status not in (404, 405):
                    raise
                self._cancel_one_by_one(ids)
            return True

        return self._reading(ask)

    def _cancel_one_by_one(self, ids: Sequence[str]) -> None:
        first = None
        for job_id in ids:
            try:
                self._api.cancel_job(job_id)
            except ApiError as error:
                if error.status not in (404, 409):  # gone, or over: no reason to spare the others
                    raise
                first = first or error
        if first is not None:
            raise first

    def _first(self, candidates: Sequence[Source], largest: int) -> RawText:
        for source in candidates[:-1]:
            try:
                return RawText(source, self._api.result(source.path, largest=largest))
            except ApiError as error:
                if is_passing(error.status):
                    raise
        return RawText(candidates[-1], self._api.result(candidates[-1].path, largest=largest))

    def _reading(self, ask: Callable[[], Any]) -> Report:
        """Run a read and turn what it raises into an account of it."""
        sent_at = self._now()
        try:
            return Report(value=ask(), sent_at=sent_at)
        except _Unfinished as error:
            return Report(error=error, is_passing=True, sent_at=sent_at)
        except ApiError as error:
            return Report(
                error=error,
                is_passing=is_passing(error.status),
                is_congestion=error.status == 429 or error.status > 500,  # a lone 500 is about this one thing
                pause=retry_after(error.retry_after, now=datetime.now(timezone.utc)),
                sent_at=sent_at,
            )
        except TransportError as error:
            return Report(error=error, is_passing=True, is_congestion=not error.answered, sent_at=sent_at)
        except IonQError as error:
            return Report(error=error, sent_at=sent_at)
