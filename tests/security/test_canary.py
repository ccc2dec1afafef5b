# SPDX-License-Identifier: Apache-2.0
"""A canary is sent through everything that shows something to somebody, and must not be seen."""

from __future__ import annotations

import base64
import html
import http.client
import json
import logging
import pickle
import re
import traceback
import warnings
from urllib.parse import quote, quote_plus

import pytest
import requests

from qiskit_parallel_ionq import ParallelIonQProvider, Session, transport
from qiskit_parallel_ionq.credentials import Environment, Secret, Unshown, checked_url
from qiskit_parallel_ionq.emulator import LocalIonQ
from qiskit_parallel_ionq.errors import BatchError, CircuitFailedError, CredentialsError, IonQError
from qiskit_parallel_ionq.transport import Transport

UUID = "0199b2c4-7d11-7c31-9a44-0b6f5d0a91e2"
SPELLINGS = {
    "plain": str,
    "url": lambda key: quote(key, safe=""),
    "form": lambda key: quote_plus(key).lower().replace(quote_plus(key).lower(), quote_plus(key)),
    "json": json.dumps,
    "html": html.escape,
    "python": repr,
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of the header": lambda key: base64.urlsafe_b64encode(f"apiKey {key}".encode()).decode(),
}


def _all_that_shows(error):
    """Return what a terminal, a log, a report with local variables and another process see of an error.

    The frame that called is left out: it is a test's, and holds the canary.
    """
    inner = error.__traceback__ and error.__traceback__.tb_next
    report = traceback.TracebackException(type(error), error, inner, capture_locals=True)
    shown = [*report.format(), str(error), repr(error), repr(vars(error)), repr(error.args)]
    others = (error.__cause__, error.__context__, *getattr(error, "exceptions", ()))
    shown += [_all_that_shows(other) for other in others if other is not None]
    if isinstance(error, IonQError):
        shown.append(repr(pickle.dumps(error)))
    return "\n".join(shown)


def _raised(call):
    with pytest.raises(IonQError) as caught:
        call()
    return caught.value


# ── what shows ──


def test_no_object_shows_it(connect, key, flip, shows_key):
    provider = connect(
        key,
        custom_headers={"X-Auth": key},
        proxies={"https": f"http://me:{quote(key, safe='')}@proxy.test:1"},
    )
    backend = provider.get_backend("simulator", shots=10)
    job = backend.run([flip] * 2)
    result = job.result(timeout=20)
    conductor, api = provider.conductor(), provider._made_api()
    things = [provider, backend, backend.options, job, result, conductor, conductor.loop, conductor.worker]
    things += [api, api._transport, api._transport._session, provider._key(), provider._key().redactor]
    things += [Environment({"IONQ_API_KEY": key}, {"IONQ_API_KEY": key}), job._batch, job._batch.parcels]
    things += [job._batch.submissions, transport._Signature(provider._key(), ("http", "a", 1))]
    machine = provider.get_backend("qpu.forte-1")
    with Session(machine, max_time=5) as session:
        things += [session, session.backend, session.details(), session.run(flip, shots=10), session._account]
    things += [machine.status(), machine.calibration(), machine.target, provider.backends()]
    things += [provider.least_busy(), provider.sessions(active=None), provider._characterizations]
    for thing in things:
        shown = [f"{thing}", repr(thing), f"{thing!s:.10000}", repr(getattr(thing, "__dict__", ""))]
        assert not shows_key(*shown), type(thing)
    assert provider._key().reveal() == key


def test_no_log_line_shows_it(connect, overheard, caplog, key, flip, shows_key):
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, name)
    provider = connect(key, custom_headers={"X-Auth": key})
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        backend = provider.get_backend("simulator")
        backend.run([flip] * 3).result(timeout=20)
        overheard.spoil = lambda request, *_: (403, {}, {"message": dict(request.headers)})
        job = backend.run(flip)
        assert job.wait(20)
        job.cancel()
    assert not shows_key(caplog.text, *[str(w.message) for w in warned])
    assert {"qiskit_parallel_ionq", "urllib3.connectionpool"} <= {r.name for r in caplog.records}


def test_http_debugging_prints_nothing_of_ours(monkeypatch, capfd, local_service, key, shows_key):
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with ParallelIonQProvider(key, local_service.url) as provider:
        provider._made_api().jobs()
    assert not shows_key(capfd.readouterr().out)
    requests.get(local_service.url + "/jobs", headers={"Authorization": f"apiKey {key}"}, timeout=5)
    assert shows_key(capfd.readouterr().out)  # that is what it prints of others


# ── what is raised ──


@pytest.mark.parametrize("wrong", [" ", "\n", "\x7f", "\xe9"])
@pytest.mark.parametrize("give", ["argument", "environment", "dotenv", "secret", "takeover", "bytes"])
def test_a_key_that_is_refused_is_not_shown(monkeypatch, bare_environment, key, shows_key, flip, wrong, give):
    bad = f"{key}{wrong}{key}"

    class Stock:
        def __init__(self):
            self.credentials = {"token": bad, "url": None}

    def run():
        ParallelIonQProvider(url="http://127.0.0.1:9").get_backend("simulator").run(flip)

    if give == "environment":
        monkeypatch.setenv("IONQ_API_KEY", bad)
    elif give == "dotenv":
        (bare_environment / ".env").write_text("IONQ_API_KEY=" + json.dumps(bad, ensure_ascii=False), "utf-8")
    calls = {
        "argument": lambda: ParallelIonQProvider(bad, custom_headers={"X": bad}, proxies={"https": bad}),
        "secret": lambda: Secret(bad),
        "takeover": lambda: ParallelIonQProvider(Stock()),
        "bytes": lambda: ParallelIonQProvider(bad.encode()),
    }
    error = _raised(calls.get(give, run))
    assert isinstance(error, CredentialsError)
    inner = (
        error.__traceback__.tb_next
    )  # the first frame is the one that caught it, the next that of the call
    assert not shows_key(_all_that_shows(error.with_traceback(inner)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ParallelIonQProvider("bad key"),
        lambda: ParallelIonQProvider("good-key", "http://evil.test"),
        lambda: ParallelIonQProvider().get_backend(shots=0),
        lambda: Transport("http://a.test", None, user_agent="a", headers={"X": "\n"}),
        lambda: Transport("http://a.test", None, user_agent="a", proxies={"https": "no URL"}),
    ],
)
def test_a_report_of_a_failed_constructor_can_be_made(make):
    error = _raised(make)
    report = traceback.TracebackException(type(error), error, error.__traceback__, capture_locals=True)
    assert "repr() failed" not in "".join(report.format())


def test_a_key_given_as_the_url_is_not_shown(key, shows_key):
    error = _raised(lambda: checked_url(key))
    assert not shows_key(str(error), "".join(traceback.format_exception(error)))


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
def test_an_answer_that_echoes_it_is_shown_without_it(
    overheard, connect, caplog, key, shows_key, spell, status
):
    caplog.set_level(logging.DEBUG)
    echoes = []

    def echo(request, *_):
        known = [request.headers.get("Authorization", "").removeprefix("apiKey "), request.headers["X-Auth"]]
        said = f"you sent {' and '.join(map(spell, known))}, which is no good"
        echoes.append(said)
        bodies = {"GET": {"message": said}, "POST": said.encode(), "PUT": {"error": {"message": said}}}
        return status, {"x-request-id": said, "Retry-After": said}, bodies[request.method]

    overheard.spoil = echo
    provider = connect(key, custom_headers={"X-Auth": "h3ader-" + key})
    api = provider._made_api()
    seen = []
    for call in (
        lambda: api.job(UUID),
        api.jobs,
        lambda: api.result("/jobs/j"),
        lambda: api.cancel_job("j"),
        api.backends,
    ):
        try:
            seen.append(repr(call()))
        except IonQError as error:
            seen.append(_all_that_shows(error))
    report = provider.conductor().worker.submit(b"{}")
    seen += [repr(report), _all_that_shows(report.error)]
    assert not shows_key(*seen, caplog.text)
    assert "***" in "".join(seen)
    assert all(map(shows_key, echoes))


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_a_job_whose_failure_echoes_it_is_shown_without_it(
    overheard, connect, caplog, key, flip, shows_key, spell
):
    caplog.set_level(logging.DEBUG)

    def fail(request, status, headers, answer):
        rows = answer["jobs"] if isinstance(answer, dict) and "jobs" in answer else [answer]
        for row in rows:
            if isinstance(row, dict) and request.method == "GET" and "status" in row:
                row.update(status="failed", failure={"code": "InternalError", "message": f"no: {spell(key)}"})
        return status, headers, answer if "/results" not in request.path else b"[]"

    overheard.spoil = fail
    job = connect(key).get_backend("simulator").run([flip, flip])
    error = _raised(lambda: job.result(timeout=20))
    assert isinstance(error, BatchError)
    assert isinstance(error.failures[0], CircuitFailedError)
    assert "no: " in str(error)
    seen = [_all_that_shows(error), repr(job.errors()), job.error_message(), repr(job.result(partial=True))]
    assert not shows_key(*seen, caplog.text)


@pytest.mark.parametrize("what", ["status line", "header", "length", "chunk"])
def test_an_answer_that_is_no_http_and_echoes_it_is_shown_without_it(what, key, shows_key):
    import socket
    import threading

    answers = {
        "status line": "{}\r\n\r\n",
        "header": "HTTP/1.1 200 OK\r\n{}\r\n\r\n",
        "length": "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        "chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}\r\n",
    }

    def echo(listener):
        connection, _ = listener.accept()
        with connection:
            request = connection.recv(65536).decode()
            said = re.search("Authorization: (.*)\r\n", request)[1]
            connection.sendall(answers[what].format(said).encode())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=echo, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        one = Transport(url, lambda: Secret(key), user_agent="a")
        try:
            shown = repr(one.exchange("GET", "/jobs", read_timeout=2.0))
        except IonQError as error:
            shown = _all_that_shows(error)
        thread.join()
        one.close()
    assert not shows_key(shown)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_bug_below_us_shows_no_header_and_no_password(monkeypatch, overheard, key, shows_key, method):
    class BugError(Exception):
        pass

    def fail(*args, **kwargs):
        raise BugError("in a library")

    monkeypatch.setattr(transport._Pool, "_make_request", fail)
    secrets = {
        "headers": {"X-Auth": key},
        "proxies": {"https": f"http://me:{quote(key, safe='')}@proxy.test"},
    }
    one = Transport(overheard.url, lambda: Secret(key), user_agent="a", **secrets)
    with pytest.raises(BugError) as caught:
        one.exchange(method, "/jobs")
    one.close()
    shown = _all_that_shows(caught.value)
    assert "Authorization" in shown  # the frames below us do show their headers
    assert "proxies" in shown
    assert not shows_key(shown)
    monkeypatch.setattr(Unshown, "__repr__", str.__repr__)
    assert shows_key(_all_that_shows(caught.value))


def test_an_interruption_shows_no_header_either(monkeypatch, connect, key, shows_key):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(transport._Connection, "getresponse", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        connect(key)._made_api().jobs()
    assert not shows_key(_all_that_shows(caught.value))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_failure_shows_no_local_variable_that_holds_it(key, shows_key, scheme):
    one = Transport(f"{scheme}://127.0.0.1:9", lambda: Secret(key), user_agent="a", headers={"X-Auth": key})
    error = _raised(lambda: one.exchange("POST", "/jobs", body=b"{}"))
    assert "exchange" in _all_that_shows(error)
    assert not shows_key(_all_that_shows(error))


def test_a_proxy_that_fails_is_not_shown_with_its_password(key, shows_key):
    proxy = f"http://me:{quote(key, safe='')}@127.0.0.1:9"
    for url in ("http://ionq.invalid", "https://ionq.invalid"):
        one = Transport(
            url, lambda: Secret("another-key"), user_agent="a", proxies={"http": proxy, "https": proxy}
        )
        error = _raised(lambda: one.exchange("GET", "/jobs"))  # noqa: B023 - called at once
        assert not shows_key(_all_that_shows(error), repr(one), repr(vars(one)))
    provider = ParallelIonQProvider("another-key", proxies={"https": proxy})
    assert not shows_key(repr(provider), repr(vars(provider)))


def test_the_emulator_logs_no_key(caplog, key, flip, shows_key):
    caplog.set_level(logging.DEBUG)
    with LocalIonQ(seed=1) as service, ParallelIonQProvider(key, service.url) as provider:
        provider.get_backend("simulator").run(flip).result(timeout=20)
    assert any(record.name.startswith("qiskit_parallel_ionq.emulator") for record in caplog.records)
    assert not shows_key(caplog.text)


# ── the canary sings ──


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_the_canary_is_found_in_every_spelling(key, shows_key, spell):
    assert shows_key(f"some words before {spell(key)} and after")
    assert shows_key({"key": spell(key)})
    assert not shows_key("some words before and after")


def test_a_redactor_that_does_nothing_is_noticed(overheard, connect, monkeypatch, key, shows_key):
    monkeypatch.setattr("qiskit_parallel_ionq.credentials.Redactor.__call__", lambda self, data: data)
    overheard.spoil = lambda request, *_: (400, {}, {"message": request.headers["Authorization"]})
    assert shows_key(_all_that_shows(_raised(connect(key)._made_api().jobs)))


def test_a_local_variable_is_noticed(key, shows_key):
    def call(secret):
        raise IonQError("no")

    assert shows_key(_all_that_shows(_raised(lambda: call(key))))
