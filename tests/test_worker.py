# SPDX-License-Identifier: Apache-2.0
"""A worker does one command's I/O and gives a true account of it; it never raises one of our errors."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from qiskit_parallel_ionq.api import Page
from qiskit_parallel_ionq.errors import (
    ApiError,
    CircuitCancelledError,
    CircuitFailedError,
    CredentialsError,
    ResultIntegrityError,
    TransportError,
    api_error,
)
from qiskit_parallel_ionq.listing import Reach
from qiskit_parallel_ionq.policy import Verdict
from qiskit_parallel_ionq.sources import Source
from qiskit_parallel_ionq.transport import Reply
from qiskit_parallel_ionq.wire import JobRecord, JobState
from qiskit_parallel_ionq.worker import MAX_PAGES, Worker, parsed

A, B = Source("probabilities", "/a"), Source("shots", "/b")


class ScriptedApi:
    """Answers each call by the next item of its script: a value, an exception, or a function."""

    def __init__(self, *script) -> None:
        self.script = list(script)
        self.calls = []

    def __getattr__(self, name):
        def call(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            answer = self.script.pop(0)
            answer = answer(*args, **kwargs) if callable(answer) else answer
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def _worker(*script):
    api = ScriptedApi(*script)
    return Worker(api, now=lambda: 42.0), api


def _error(status, retry_after=None):
    error = api_error(status, method="GET", path="/x")
    error.retry_after = retry_after
    return error


def _row(job_id, token=None, parent=None):
    return JobRecord(job_id, JobState.READY, metadata={"qpi": token} if token else None, parent_id=parent)


# ── submitting ──


@pytest.mark.parametrize(
    ("answer", "verdict", "is_passing", "is_congestion"),
    [
        (Reply(201, {}, b'{"id": "j1"}'), Verdict.ACCEPTED, False, False),
        (Reply(200, {}, b'{"id": "j1"}'), Verdict.ACCEPTED, False, False),
        (Reply(201, {}, b"{}"), Verdict.UNKNOWN, True, False),
        (Reply(201, {}, b"not json"), Verdict.UNKNOWN, True, False),
        (Reply(302, {}, b""), Verdict.UNKNOWN, True, False),
        (Reply(400, {}, b""), Verdict.REFUSED, False, False),
        (Reply(401, {}, b""), Verdict.STOP, False, False),
        (Reply(403, {}, b""), Verdict.STOP, False, False),
        (Reply(409, {}, b""), Verdict.UNKNOWN, True, False),
        (Reply(429, {}, b""), Verdict.PUSHED_BACK, True, True),
        (Reply(500, {}, b'{"id": "j1"}'), Verdict.UNKNOWN, True, True),
        (Reply(503, {}, b""), Verdict.UNKNOWN, True, True),
        (TransportError("reset", sent=True), Verdict.UNKNOWN, True, True),
        (TransportError("too large", sent=True, answered=True), Verdict.UNKNOWN, True, False),
        (TransportError("refused", sent=False), Verdict.NOT_SENT, True, True),
        (CredentialsError("no key"), Verdict.STOP, False, False),
    ],
    ids=lambda v: str(getattr(v, "status", v))[:20],
)
def test_a_submission_is_judged_by_what_its_answer_proves(answer, verdict, is_passing, is_congestion):
    worker, _ = _worker(answer)
    report = worker.submit(b"{}")
    assert (report.verdict, report.is_passing, report.is_congestion) == (verdict, is_passing, is_congestion)
    assert report.sent_at == 42.0
    if verdict is Verdict.ACCEPTED:
        assert (report.value, report.error) == ("j1", None)
    else:
        assert report.value is None
        assert report.error is not None


NO_IDS = {
    "empty": b"",
    "no object": b'["j1"]',
    "no id": b'{"status": "submitted"}',
    "null": b'{"id": null}',
    "a number": b'{"id": 7}',
    "a path": b'{"id": "../backends"}',
    "two ids": b'{"id": "j1", "id": "j2"}',
    "cut off": b'{"id": "j1"',
    "no JSON": b"<html>j1</html>",
    "not a number": b'{"id": "j1", "cost": NaN}',
    "too deep": b"[" * 100_000,
    "no text": b'\xff\xfe{"id": "j1"}',
}


@pytest.mark.parametrize("body", [b'{"id": "j1"}', *NO_IDS.values()], ids=["an id", *NO_IDS])
def test_every_status_with_every_body_is_judged_and_only_2xx_with_an_id_is_a_job(body):
    definite = {401: Verdict.STOP, 402: Verdict.STOP, 403: Verdict.STOP, 429: Verdict.PUSHED_BACK}
    definite |= dict.fromkeys((400, 404, 405, 411, 413, 415, 422), Verdict.REFUSED)
    if body not in NO_IDS.values():
        definite |= dict.fromkeys(range(200, 300), Verdict.ACCEPTED)
    for status in range(200, 600):
        worker, _ = _worker(Reply(status, {}, body))
        report = worker.submit(b"{}")
        assert report.verdict is definite.get(status, Verdict.UNKNOWN), status
        assert (report.value == "j1") == (report.error is None) == (report.verdict is Verdict.ACCEPTED)


def test_the_pause_that_the_service_asks_for_is_passed_on():
    worker, _ = _worker(Reply(429, {"Retry-After": "7"}, b""), _error(503, "9"), _error(503))
    assert worker.submit(b"{}").pause == 7.0
    assert worker.look_at("j1").pause == 9.0
    assert worker.look_at("j1").pause is None


# ── reading ──


@pytest.mark.parametrize(
    ("error", "is_passing", "is_congestion"),
    [
        (_error(404), False, False),
        (_error(401), False, False),
        (_error(408), True, False),
        (_error(409), True, False),
        (_error(429), True, True),
        (_error(500), True, False),
        (TransportError("reset", sent=True), True, True),
        (TransportError("refused", sent=False), True, True),
        (TransportError("not JSON", sent=True, answered=True), True, False),
        (CredentialsError("no key"), False, False),
    ],
    ids=lambda v: str(getattr(v, "status", v))[:20],
)
@pytest.mark.parametrize(
    "command",
    [
        lambda w: w.look(["j1"]),
        lambda w: w.look_at("j1"),
        lambda w: w.fetch((A,), largest=9),
        lambda w: w.fetch_child("c1", ("shots",), largest=9),
        lambda w: w.list_tokens(),
        lambda w: w.cancel([]),
    ],
)
def test_a_read_that_fails_is_accounted_for(command, error, is_passing, is_congestion):
    worker, _ = _worker(error)
    report = command(worker)
    if report.error is None:  # a cancellation of nothing, one by one, has nothing to fail at
        assert error.status == 404
        return
    assert report.error is error
    assert (report.value, report.is_passing, report.is_congestion) == (None, is_passing, is_congestion)
    assert report.sent_at == 42.0


def test_one_request_looks_at_many_jobs():
    worker, api = _worker(Page((_row("a"), _row("b")), "more"))
    assert set(worker.look(["a", "b", "c"]).value) == {"a", "b"}
    assert api.calls == [("jobs", (), {"ids": ["a", "b", "c"], "limit": 3})]


def test_a_job_is_looked_at_alone():
    worker, _ = _worker(_row("a"))
    assert worker.look_at("a").value == {"a": _row("a")}


# ── fetching ──


def test_the_first_place_that_has_the_result_gives_it():
    worker, api = _worker(_error(404), b'{"0": 1.0}')
    raw = parsed(worker.fetch((A, B), largest=9)).value
    assert (raw.kind, raw.body) == ("shots", {"0": 1.0})
    assert [args for _, args, _ in api.calls] == [("/a",), ("/b",)]


def test_a_place_that_is_only_busy_is_not_passed_by():
    worker, api = _worker(_error(503))
    assert worker.fetch((A, B), largest=9).is_passing
    assert len(api.calls) == 1


def test_where_no_place_has_it_the_last_refusal_is_told():
    worker, _ = _worker(_error(404), _error(410))
    report = worker.fetch((A, B), largest=9)
    assert isinstance(report.error, ApiError)
    assert report.error.status == 410


def test_a_circuit_of_a_pack_is_fetched_by_its_own_id():
    record = JobRecord("c1", JobState.COMPLETED, results={"shots": {"url": "/x"}})
    worker, api = _worker(record, b'["0"]')
    assert parsed(worker.fetch_child("c1", ("shots", "histogram"), largest=9)).value.body == ["0"]
    assert api.calls[-1][1] == ("/jobs/c1/results/shots",)


def test_a_failed_circuit_of_a_pack_says_why():
    worker, api = _worker(JobRecord("c1", JobState.FAILED, failure_code="Code", failure_message="because"))
    report = worker.fetch_child("c1", ("shots",), largest=9)
    assert isinstance(report.error, CircuitFailedError)
    assert report.error.job_id == "c1"
    assert "because" in str(report.error)
    assert len(api.calls) == 1


def test_a_cancelled_circuit_of_a_pack_is_cancelled():
    worker, _ = _worker(JobRecord("c1", JobState.CANCELED))
    report = worker.fetch_child("c1", ("shots",), largest=9)
    assert isinstance(report.error, CircuitCancelledError)
    assert not report.is_passing


@pytest.mark.parametrize("state", [JobState.SUBMITTED, JobState.READY, JobState.STARTED, JobState.UNKNOWN])
def test_a_circuit_of_a_pack_that_is_not_done_is_asked_for_again(state):
    worker, _ = _worker(JobRecord("c1", state))
    report = worker.fetch_child("c1", ("shots",), largest=9)
    assert report.is_passing
    assert not report.is_congestion
    assert state.value in str(report.error)


@pytest.mark.parametrize(
    "text",
    [b"<html></html>", b"NaN", b'{"0": NaN}', b'{"0": 0.5', b"", b'{"0": ' + b"9" * 5_000 + b"}", b"\xff"],
    ids=lambda text: text[:10].decode("latin-1"),
)
def test_a_result_that_cannot_be_read_is_an_integrity_error_and_no_congestion(text):
    worker, _ = _worker(text)
    report = parsed(worker.fetch((A,), largest=9))
    if report.error is None:  # a number may have any length in some versions of Python
        assert text.startswith(b'{"0": 9')
        return
    assert isinstance(report.error, ResultIntegrityError)
    assert "/a" in str(report.error)
    assert (report.value, report.is_passing, report.is_congestion) == (None, False, False)


@pytest.mark.parametrize(
    ("answer", "is_acknowledged"),
    [
        (Reply(201, {}, b'{"id": "../backends"}'), True),
        (Reply(200, {}, b'{"id": 12345}'), True),
        (Reply(201, {}, b'{"status": "submitted"}'), False),
        (Reply(201, {}, b"<html>"), False),
        (Reply(503, {}, b'{"id": "../backends"}'), False),
    ],
)
def test_an_id_that_cannot_be_used_is_an_acknowledgement_all_the_same(answer, is_acknowledged):
    report = _worker(answer)[0].submit(b"{}")
    assert (report.verdict, report.is_acknowledged) == (Verdict.UNKNOWN, is_acknowledged)


# ── listing ──


def test_a_listing_reads_every_page_and_keeps_what_bears_a_token():
    pages = [
        Page((_row("a", "t1"), _row("b")), "2"),
        Page((_row("c", "t2"), _row("d", "t1"), _row("e", "t3", parent="c")), None),
    ]
    worker, api = _worker(*pages)
    listing = worker.list_tokens().value
    assert listing.is_complete
    assert listing.begun_at == 42.0
    assert {t: [r.id for r in jobs] for t, jobs in listing.records.items()} == {"t1": ["a", "d"], "t2": ["c"]}
    assert [kwargs["cursor"] for _, _, kwargs in api.calls] == [None, "2"]


def test_a_cursor_that_comes_twice_ends_the_listing_incomplete():
    worker, api = _worker(Page((_row("a", "t1"),), "2"), Page((_row("b", "t2"),), "2"))
    listing = worker.list_tokens().value
    assert not listing.is_complete
    assert set(listing.records) == {"t1", "t2"}
    assert len(api.calls) == 2


def test_an_endless_listing_ends_incomplete():
    worker, api = _worker(*(Page((), str(k)) for k in range(MAX_PAGES + 5)))
    listing = worker.list_tokens().value
    assert (listing.is_complete, listing.is_endless) == (False, True)
    assert len(api.calls) == MAX_PAGES


def test_a_listing_whose_next_cursor_cannot_be_read_is_incomplete():
    worker, _ = _worker(Page((_row("a", "t1"),), None, has_end=False))
    assert not worker.list_tokens().value.is_complete


def test_a_listing_is_read_no_further_than_it_must_be():
    noon = datetime(2026, 10, 5, 12, tzinfo=timezone.utc)
    row = replace(_row("a", "t1"), submitted_at="2026-10-05T11:00:00Z")
    worker, api = _worker(Page((row,), "2", noon))
    assert worker.list_tokens(Reach(after=noon - timedelta(minutes=1))).value.is_complete
    assert len(api.calls) == 1


def test_a_listing_that_breaks_off_proves_nothing():
    worker, _ = _worker(Page((_row("a", "t1"),), "2"), _error(503))
    report = worker.list_tokens()
    assert report.value is None
    assert report.is_passing


# ── cancelling ──


def test_many_jobs_are_cancelled_by_one_request():
    worker, api = _worker(None)
    assert worker.cancel(["a", "b"]).value is True
    assert [name for name, *_ in api.calls] == ["cancel_jobs"]


@pytest.mark.parametrize("status", [404, 405])
def test_where_the_service_cancels_only_singly_so_do_we(status):
    worker, api = _worker(_error(status), None, None)
    assert worker.cancel(["a", "b"]).value is True
    assert [(name, args) for name, args, _ in api.calls[1:]] == [
        ("cancel_job", ("a",)),
        ("cancel_job", ("b",)),
    ]


def test_a_job_that_cannot_be_cancelled_does_not_keep_the_others_alive():
    worker, api = _worker(_error(405), _error(404), None, _error(409), None)
    report = worker.cancel(["a", "b", "c", "d"])
    assert [args for name, args, _ in api.calls[1:]] == [("a",), ("b",), ("c",), ("d",)]
    assert report.error.status == 404


def test_a_dead_service_is_not_asked_for_each_job():
    worker, api = _worker(_error(405), _error(503))
    assert worker.cancel(["a", "b", "c"]).is_congestion
    assert len(api.calls) == 2
