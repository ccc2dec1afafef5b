# SPDX-License-Identifier: Apache-2.0
"""One request per endpoint; what comes back is a record or one of our errors, whatever the service says."""

from __future__ import annotations

import json

import pytest
import requests_mock
from hypothesis import given
from hypothesis import strategies as st

from qiskit_parallel_ionq.api import Api, accepted_id, names_an_id, refusal
from qiskit_parallel_ionq.credentials import Secret
from qiskit_parallel_ionq.errors import (
    ApiError,
    AuthenticationError,
    IonQError,
    NotFoundError,
    RateLimitError,
    TransportError,
)
from qiskit_parallel_ionq.transport import SUBMIT_TIMEOUT, Reply, Transport

URL = "https://api.ionq.test/v0.4"
JOB = {"id": "j1", "status": "ready"}


@pytest.fixture
def service():
    """An adapter that plays the service, and the `Api` that talks to it."""
    transport = Transport(URL, lambda: Secret("k3y"), user_agent="agent/1")
    adapter = requests_mock.Adapter()
    transport._session.mount("https://", adapter)
    return adapter, Api(transport)


def _answers(body):
    """Return an `Api` whose every read is answered so."""

    class Wire:
        def exchange(self, *_, **__):
            return Reply(200, {}, body)

    return Api(Wire())


@pytest.mark.parametrize(
    ("call", "method", "path", "body", "has_key"),
    [
        (lambda api: api.backends(), "GET", "/backends", None, False),
        (lambda api: api.create_job(b"{}"), "POST", "/jobs", b"{}", True),
        (lambda api: api.job("j1"), "GET", "/jobs/j1", None, True),
        (lambda api: api.jobs(), "GET", "/jobs", None, True),
        (lambda api: api.result("/jobs/j1/results/shots"), "GET", "/jobs/j1/results/shots", None, True),
        (lambda api: api.cancel_jobs(["a", "b"]), "PUT", "/jobs/status/cancel", b'{"ids": ["a", "b"]}', True),
        (lambda api: api.cancel_job("j1"), "PUT", "/jobs/j1/status/cancel", None, True),
    ],
)  # fmt: skip
def test_each_method_is_one_request(service, call, method, path, body, has_key):
    adapter, api = service
    adapter.register_uri(method, URL + path, json={**JOB, "jobs": [], "backends": []})
    call(api)
    (request,) = adapter.request_history
    assert (request.method, request.url, request.body) == (method, URL + path, body)
    assert ("Authorization" in request.headers) is has_key
    if has_key:
        assert request.headers["Authorization"] == "apiKey k3y"
    if body:
        assert request.headers["Content-Type"] == "application/json"


def test_a_submission_is_given_time_and_its_answer_is_not_judged(service):
    adapter, api = service
    adapter.register_uri("POST", f"{URL}/jobs", status_code=503, text="sorry")
    assert api.create_job(b"{}").status == 503
    assert adapter.last_request.timeout[1] == SUBMIT_TIMEOUT > 100


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ({}, ""),
        ({"ids": ["a", "b"], "limit": 2}, "ids=a&ids=b&limit=2"),
        ({"parent": "p", "cursor": "x y&z"}, "parent_job_id=p&next=x+y%26z"),
    ],
)
def test_a_listing_is_narrowed_by_query(service, arguments, query):
    adapter, api = service
    adapter.register_uri("GET", f"{URL}/jobs", json={"jobs": [JOB], "next": "more"})
    page = api.jobs(**arguments)
    assert (adapter.last_request.url.partition("?")[2]) == query
    assert [record.id for record in page.records] == ["j1"]
    assert page.next == "more"


@pytest.mark.parametrize("end", [{}, {"next": None}, {"next": ""}, {"next": 7}])
def test_the_last_page_has_no_next(end):
    assert _answers(json.dumps({"jobs": [], **end}).encode()).jobs().next is None


def test_rows_that_cannot_be_ours_are_passed_over():
    rows = [None, 7, {}, {"id": "../x", "status": "ready"}, {**JOB, "child_job_ids": 5}, {**JOB, "id": "j2"}]
    page = _answers(json.dumps({"jobs": rows}).encode()).jobs()
    assert [record.id for record in page.records] == ["j1", "j2"]


@pytest.mark.parametrize("wrapped", [True, False])
def test_the_catalogue_comes_bare_or_wrapped_and_bad_entries_are_passed_over(wrapped):
    rows = [
        {"backend": "simulator", "qubits": 29},
        {"backend": "broken"},
        None,
        {"backend": "qpu.x", "qubits": 4},
    ]
    entries = _answers(json.dumps({"backends": rows} if wrapped else rows).encode()).backends()
    assert [entry.name for entry in entries] == ["simulator", "qpu.x"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, ApiError), (401, AuthenticationError), (404, NotFoundError), (429, RateLimitError),
                         (301, ApiError), (302, ApiError), (503, ApiError)],
)  # fmt: skip
def test_what_is_not_2xx_raises_with_the_facts(service, status, kind):
    adapter, api = service
    adapter.register_uri(
        "GET",
        f"{URL}/jobs/j1",
        status_code=status,
        json={"error": "Error", "message": "because"},
        headers={"X-Request-ID": "r-7", "Retry-After": "3", "Location": "https://evil.test/"},
    )
    with pytest.raises(kind) as caught:
        api.job("j1")
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.method, error.path, error.detail) == (status, "GET", "/jobs/j1", "because")
    assert (error.request_id, error.retry_after) == ("r-7", "3")
    assert len(adapter.request_history) == 1


def test_cancelling_raises_too(service):
    adapter, api = service
    adapter.register_uri("PUT", f"{URL}/jobs/status/cancel", status_code=405)
    adapter.register_uri("PUT", f"{URL}/jobs/j1/status/cancel", status_code=404)
    with pytest.raises(ApiError, match="PUT /jobs/status/cancel was answered 405"):
        api.cancel_jobs(["j1"])
    with pytest.raises(NotFoundError):
        api.cancel_job("j1")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b"\xff\xfe", b'{"id": NaN}', b'{"id": Infinity}', b"[" * 200_000, b"null", b"7",
     b"[]", b"{}", b'"jobs"', b'{"jobs": 7}', b'{"jobs": null}', b"1" * 5_000],
    ids=lambda b: repr(b[:12]),
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_a_transport_error(body):
    for call in (lambda api: api.job("j1"), lambda api: api.jobs()):
        with pytest.raises(TransportError) as caught:
            call(_answers(body))
        assert caught.value.sent
        assert len(str(caught.value)) < 500


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "status", "jobs", "next", "backends", "failure", "child_job_ids"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.binary(max_size=20) | JSON.map(lambda body: json.dumps(body).encode()))
def test_whatever_the_service_says_only_our_errors_come_out(body):
    api = _answers(body)
    for call in (api.backends, api.jobs, lambda: api.job("j1"), lambda: api.result("/x")):
        try:
            call()
        except IonQError:
            continue
    job_id = accepted_id(Reply(201, {}, body))
    assert job_id is None or isinstance(job_id, str)


@pytest.mark.parametrize(
    ("body", "job_id"),
    [
        (b'{"id": "j1"}', "j1"),
        (b'{"id": "../x"}', None),
        (b'{"id": 7}', None),
        (b"{}", None),
        (b"[]", None),
        (b"not json", None),
        (b"", None),
    ],
)
def test_an_accepted_job_has_a_usable_id(body, job_id):
    assert accepted_id(Reply(201, {}, body)) == job_id


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"message": "m", "error": "e"}', "m"),
        (b'{"error": "e"}', "e"),
        (b'{"error": {"message": "deep"}}', "deep"),
        (b"<html>\n  <h1>Bad   Gateway</h1>", "<html> <h1>Bad Gateway</h1>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"{}", ""),
        (b"", ""),
        (b'{"message": "' + b"x" * 900 + b'"}', "x" * 500),
        (b"y" * 900, "y" * 300),
    ],
)
def test_the_services_reason_is_found_and_kept_short(body, detail):
    assert refusal("GET", "/jobs", Reply(500, {}, body)).detail == detail


@pytest.mark.parametrize(
    ("call", "method", "path", "answer", "query"),
    [
        (lambda api: api.characterization("qpu.x"), "GET", "/backends/qpu.x/characterizations", {"characterizations": [{"backend": "qpu.x"}]}, "limit=1"),
        (lambda api: api.session("s1"), "GET", "/sessions/s1", {"id": "s1"}, ""),
        (lambda api: api.sessions(), "GET", "/sessions", {"sessions": []}, ""),
        (lambda api: api.sessions(active=True), "GET", "/sessions", {"sessions": [{"id": "s1"}]}, "active=true"),
        (lambda api: api.end_session("s1"), "POST", "/sessions/s1/end", {"id": "s1"}, ""),
        (lambda api: api.create_session(b"{}"), "POST", "/sessions", {"id": "s1"}, ""),
    ],
)  # fmt: skip
def test_facts_and_sessions_are_one_request_each(service, call, method, path, answer, query):
    adapter, api = service
    adapter.register_uri(method, URL + path, json=answer)
    call(api)
    (request,) = adapter.request_history
    assert (request.method, request.url.partition("?")[2]) == (method, query)
    assert ("Authorization" in request.headers) is ("characterizations" not in path)


@pytest.mark.parametrize(
    "answer", [[7], {"sessions": 3}, {"sessions": [{"id": "../x"}]}, {"sessions": [None]}]
)
def test_an_answer_without_sessions_is_an_error_of_ours(answer):
    with pytest.raises(TransportError, match="session"):
        _answers(json.dumps(answer).encode()).sessions()


def test_a_session_that_has_ended_is_read_so_whichever_member_says_it():
    for ended in ({"active": False}, {"status": "ended"}, {"ended_at": "2026-10-05T12:00:00.000Z"}):
        assert _answers(json.dumps({"id": "s1", **ended}).encode()).session("s1").active is False
    limits = {"expires_at": "2026-10-05T12:30:00.000Z", "cost_limit": {"value": 9}, "job_count_limit": 2}
    record = _answers(json.dumps({"id": "s1", "backend": "qpu.x", "settings": limits}).encode()).session("s1")
    assert (record.max_cost, record.max_jobs, record.max_time, record.active) == (9.0, 2, None, True)
    assert repr(record) == "<SessionRecord s1: created on qpu.x, ends 12:30:00>"


# ── what listings prove ──


def test_a_row_that_cannot_be_used_is_kept_apart_and_not_dropped():
    rows = [
        JOB,
        {
            "id": "job:1/2",
            "status": "ready",
            "metadata": {"qpi": "t"},
            "submitted_at": "2026-10-05T12:00:00Z",
        },
        {"id": "j2"},
        None,
    ]
    page = _answers(json.dumps({"jobs": rows, "next": None}).encode()).jobs()
    assert [record.id for record in page.records] == ["j1"]
    assert [row.metadata for row in page.unreadable] == [{"qpi": "t"}, None, None]
    assert page.unreadable[0].submitted_at == "2026-10-05T12:00:00Z"


@pytest.mark.parametrize(
    ("following", "cursor", "has_end"),
    [
        ("more", "more", True),
        (None, None, True),
        ("", None, True),
        (7, None, False),
        ({"page": 2}, None, False),
    ],
)
def test_a_cursor_that_cannot_be_read_is_not_the_end(following, cursor, has_end):
    page = _answers(json.dumps({"jobs": [], "next": following}).encode()).jobs()
    assert (page.next, page.has_end) == (cursor, has_end)


@pytest.mark.parametrize(
    ("body", "names"),
    [(b'{"id": "j1"}', True), (b'{"id": "../x"}', True), (b'{"id": 7}', True), (b'{"id": null}', False),
     (b'{"id": ""}', False), (b"{}", False), (b"[]", False), (b"<html>", False)],
)  # fmt: skip
def test_an_answer_names_an_id_of_whatever_form(body, names):
    assert names_an_id(Reply(201, {}, body)) == names


def test_the_clock_of_the_service_is_what_its_latest_answer_told(service):
    adapter, api = service
    assert api.service_time is None
    for date in ("Mon, 05 Oct 2026 12:00:30 GMT", "nonsense"):
        adapter.register_uri("GET", f"{URL}/jobs/j1", json=JOB, headers={"Date": date})
        api.job("j1")
        assert api.service_time.isoformat() == "2026-10-05T12:00:30+00:00"
