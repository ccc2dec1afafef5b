# SPDX-License-Identifier: Apache-2.0
"""Where requests go: to the configured service and nowhere else, whatever it answers and whatever the
environment suggests; and the key goes in their Authorization header and nowhere else."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest
import requests

from qiskit_parallel_ionq import ParallelIonQProvider, sources, wire
from qiskit_parallel_ionq.credentials import Secret
from qiskit_parallel_ionq.emulator import LocalIonQ
from qiskit_parallel_ionq.errors import CredentialsError, IonQError, TransportError
from qiskit_parallel_ionq.policy import Verdict
from qiskit_parallel_ionq.transport import Transport

UUID = "0199b2c4-7d11-7c31-9a44-0b6f5d0a91e2"
ELSEWHERE = [
    "@evil.test/x",
    ":pw@evil.test/x",
    ".evil.test/x",
    "//evil.test/x",
    "\\\\evil.test\\x",
    "/\\evil.test/x",
    "http://evil.test/x",
    "https://evil.test/v0.4/jobs/x",
    "http://127.0.0.1:{port}/v0.4/jobs/x",
    "/../../evil",
]
"""Addresses that lead elsewhere when they are believed, or put behind a host's name."""


def _only_the_service_was_told(overheard, foreign, key):
    """Say what must hold after any exchange."""
    assert not foreign, (foreign.heard, foreign.asked_for)
    assert overheard.heard
    for request in overheard.heard:
        signatures = request.headers.get_all("Authorization") or []
        assert signatures in ([f"apiKey {key}"], []), request.path
        assert request.raw.count(key.encode()) == len(signatures), request.path
        assert request.path.startswith("/v0.4/")
        assert request.headers["Cookie"] is None
        assert request.headers["Host"] == overheard.url.split("/")[2]


def _each_record(answer, change):
    """Apply a change to every job record of an answer."""
    rows = answer["jobs"] if isinstance(answer, dict) and "jobs" in answer else [answer]
    for row in rows:
        if isinstance(row, dict) and "status" in row:
            change(row)
    return answer


# ── the service answers ──


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["http://127.0.0.1:{port}/x", "http://evil.test/x", "//evil.test/x"])
def test_a_redirect_leads_nowhere(overheard, foreign, connect, key, status, place):
    there = place.format(port=foreign.port)
    overheard.spoil = lambda *_: (status, {"Location": there, "Refresh": f"0; url={there}"}, b"")
    api = connect(key)._made_api()
    assert api.create_job(b"{}").status == status
    for call in (
        api.backends,
        lambda: api.job(UUID),
        api.jobs,
        lambda: api.result(f"/jobs/{UUID}/results/histogram"),
        lambda: api.cancel_jobs([UUID]),
        lambda: api.cancel_job(UUID),
    ):
        with pytest.raises(IonQError, match=f"was answered {status}"):
            call()
    assert len(overheard.heard) == 7
    _only_the_service_was_told(overheard, foreign, key)


def test_a_whole_run_against_a_service_that_points_everywhere_else(overheard, foreign, connect, key, flip):
    def point_elsewhere(request, status, headers, answer):
        there = f"http://127.0.0.1:{foreign.port}/x"
        headers = {
            "Set-Cookie": f"session={foreign.port}; Path=/",
            "Location": there,
            "Content-Location": there,
            "Link": f'<{there}>; rel="next"',
            "Alt-Svc": f'h2="evil.test:{foreign.port}"',
        }
        return status, headers, answer

    overheard.spoil = point_elsewhere
    provider = connect(key)
    job = provider.get_backend("simulator", shots=10, circuits_per_job=2).run([flip] * 5)
    assert job.result(timeout=20).get_counts() == [{"1": 10}] * 5
    _only_the_service_was_told(overheard, foreign, key)


@pytest.mark.parametrize("place", ELSEWHERE)
@pytest.mark.parametrize("as_dict", [True, False])
def test_the_url_of_a_result_is_not_believed(overheard, foreign, connect, key, flip, place, as_dict):
    there = place.format(port=foreign.port)

    def lie(request, status, headers, answer):
        def change(row):
            if row.get("results"):
                row["results"] = {
                    kind: {"url": there} if as_dict else there for kind in ("probabilities", "histogram")
                }
            row["results_url"] = row["url"] = there

        return status, headers, _each_record(answer, change)

    overheard.spoil = lie
    job = connect(key).get_backend("simulator", shots=10).run([flip, flip])
    assert job.result(timeout=20).get_counts() == [{"1": 10}] * 2
    _only_the_service_was_told(overheard, foreign, key)


@pytest.mark.parametrize(
    "artifact", ["../../../x", "a/b", "/evil", "//evil.test/x", "x?y", "x#y", "%2e%2e", ""]
)
def test_an_artifact_id_does_not_leave_its_place_in_the_path(
    overheard, foreign, connect, key, flip, artifact
):
    def lie(request, status, headers, answer):
        def change(row):
            if row.get("results"):
                row["results"] = {"ionq.result.probabilities.json.v1": {"id": artifact, "url": artifact}}

        return status, headers, _each_record(answer, change)

    overheard.spoil = lie
    assert connect(key).get_backend("simulator", shots=10).run(flip).result(timeout=20).get_counts()
    assert not any("artifacts" in request.path for request in overheard.heard)
    _only_the_service_was_told(overheard, foreign, key)


@pytest.mark.parametrize(
    "cursor", ["http://127.0.0.1:{port}/jobs", "//evil.test/jobs", "/v0.4/whoami", "a&b=c#d"]
)
def test_a_cursor_is_a_word_and_no_address(overheard, foreign, connect, key, cursor):
    there = cursor.format(port=foreign.port)
    overheard.spoil = lambda request, *_: (
        200,
        {},
        {"jobs": [], "next": there if "?" not in request.path else None},
    )
    report = connect(key).conductor().worker.list_tokens()
    assert report.value.is_complete
    first, second = (request.path for request in overheard.heard)
    assert first == "/v0.4/jobs"
    assert second == f"/v0.4/jobs?next={requests.utils.quote(there, safe='')}"
    _only_the_service_was_told(overheard, foreign, key)


@pytest.mark.parametrize(
    "name", ["../backends", "a/../../x", "@evil.test", "a?b", "", ".", "a" * 200, 7, None, ["a"]]
)
def test_what_is_no_job_id_is_never_asked_for(overheard, foreign, connect, key, name):
    overheard.spoil = lambda *_: (201, {}, {"id": name, "status": "submitted"})
    assert connect(key).conductor().worker.submit(b"{}").verdict is Verdict.UNKNOWN
    overheard.spoil = lambda *_: (200, {}, {"jobs": [{"id": name, "status": "completed"}], "next": None})
    assert connect(key).conductor().worker.look([UUID]).value == {}
    record = wire.JobRecord.from_json({"id": "j", "status": "completed", "child_job_ids": [UUID, name]})
    assert record.child_ids == ()
    _only_the_service_was_told(overheard, foreign, key)


# ── the environment suggests ──


def test_the_proxies_of_the_environment_are_not_used(overheard, foreign, connect, monkeypatch, key, flip):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{foreign.port}")
    monkeypatch.setenv("no_proxy", "")
    assert connect(key).get_backend("simulator").run(flip).result(timeout=20)
    _only_the_service_was_told(overheard, foreign, key)


def test_a_netrc_file_changes_no_signature(overheard, foreign, connect, monkeypatch, tmp_path, key, flip):
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text(
            "machine 127.0.0.1 login mallory password stolen\ndefault login m password s\n"
        )
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert connect(key).get_backend("simulator").run(flip).result(timeout=20)
    _only_the_service_was_told(overheard, foreign, key)
    requests.get(overheard.url + "/backends", timeout=5)  # the file would have been believed
    assert overheard.heard[-1].headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("source", ["environment", "argument"])
def test_a_dotenv_file_that_came_with_a_folder_gets_no_key(
    foreign, monkeypatch, bare_environment, key, flip, source
):
    (bare_environment / ".env").write_text(
        f"IONQ_API_URL=http://127.0.0.1:{foreign.port}\nIONQ_API_KEY=theirs\n"
    )
    if source == "environment":
        monkeypatch.setenv("IONQ_API_KEY", key)
    with ParallelIonQProvider(key if source == "argument" else None) as provider:
        for ask in (provider.catalogue, lambda: provider.get_backend().run(flip)):
            with pytest.raises(CredentialsError, match="set IONQ_API_URL in the environment"):
                ask()
    assert not foreign
    with ParallelIonQProvider() as theirs:  # the trap does work
        monkeypatch.delenv("IONQ_API_KEY", raising=False)
        theirs._made_api().create_job(b"{}")
    assert b"apiKey theirs" in foreign.heard[0]


@pytest.mark.parametrize("url", ["http://api.ionq.co", "http://evil.test", "http://10.1.2.3", "http://[::2]"])
def test_in_the_clear_nothing_leaves_this_machine(foreign, monkeypatch, key, url):
    with pytest.raises(CredentialsError, match="http://"):
        ParallelIonQProvider(key, url)
    monkeypatch.setenv("IONQ_API_URL", url)
    with pytest.raises(CredentialsError, match="http://"):
        ParallelIonQProvider(key).require_available("simulator")
    assert not foreign


# ── the last line ──


@pytest.mark.parametrize("place", ["http://127.0.0.1:{port}", "http://evil.test", "https://evil.test"])
def test_a_request_that_would_go_elsewhere_is_neither_signed_nor_sent(overheard, foreign, key, place):
    transport = Transport(overheard.url, lambda: Secret(key), user_agent="a")
    transport.url = place.format(port=foreign.port)  # as a bug might
    with pytest.raises(CredentialsError, match="another host"):
        transport.exchange("GET", "/jobs")
    assert not foreign
    transport.close()


@pytest.mark.parametrize(
    "path", ["@evil.test/x", "//evil.test/x", "/../../../x", "\\@evil.test", ":80@evil.test/x"]
)
def test_no_path_leads_to_another_host(overheard, foreign, key, path):
    transport = Transport(overheard.url, lambda: Secret(key), user_agent="a")
    with suppress(TransportError):  # not every path makes a URL
        transport.exchange("GET", path)
    for request in overheard.heard:
        assert request.headers["Host"] == overheard.url.split("/")[2]
    assert not foreign
    transport.close()


# ── the traps work ──


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_who_follows_redirects_is_caught(overheard, foreign, connect, monkeypatch, key, status):
    overheard.spoil = lambda *_: (status, {"Location": f"http://127.0.0.1:{foreign.port}/x"}, b"")
    provider, ask = connect(key), requests.Session.request
    monkeypatch.setattr(
        requests.Session, "request", lambda *a, **k: ask(*a, **{**k, "allow_redirects": True})
    )
    provider._made_api().create_job(b"{}")
    assert foreign
    with pytest.raises(AssertionError):
        _only_the_service_was_told(overheard, foreign, key)


@pytest.mark.parametrize(
    "place", ["@evil.test/x", ".evil.test/x", "http://evil.test/x", "http://127.0.0.1:{port}/x"]
)
def test_who_believes_the_url_of_a_result_is_caught(foreign, key, place):
    there = place.format(port=foreign.port)
    requests.get(
        there if "//" in there else f"http://api.ionq.test{there}", headers={"X-Key": key}, timeout=5
    )
    assert key.encode() in foreign.heard[0]


def test_who_believes_artifact_ids_is_caught(overheard, foreign, connect, monkeypatch, key, flip):
    monkeypatch.setattr(wire, "is_job_id", lambda value: isinstance(value, str))
    record = {"ionq.result.probabilities.json.v1": {"id": "../../../x"}}
    assert [s.path for s in sources.sources(UUID, record, ("probabilities",))] == [
        f"/jobs/{UUID}/artifacts/../../../x"
    ]


def test_who_keeps_cookies_is_caught(overheard, foreign, connect, key):
    overheard.spoil = lambda request, status, headers, answer: (status, {"Set-Cookie": "a=b; Path=/"}, answer)
    provider = connect(key)
    transport = provider._made_api()._transport
    transport._session.cookies.set_policy(requests.cookies.RequestsCookieJar()._policy)
    provider._made_api().jobs()
    provider._made_api().jobs()
    with pytest.raises(AssertionError):
        _only_the_service_was_told(overheard, foreign, key)


# ── the emulator ──


def _own_address():
    """Return this machine's address on its network, or None if it is on none. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return probe.getsockname()[0]


def test_the_emulator_listens_on_this_machine_only():
    with LocalIonQ(seed=1) as service:
        assert service._server.socket.getsockname()[0] == "127.0.0.1"
        assert service.url.startswith("http://127.0.0.1:")
        address = _own_address()
        if address not in (None, "127.0.0.1"):
            with pytest.raises(OSError), socket.create_connection((address, service._server.port), timeout=1):
                pass  # somebody listens there
    for words in ({"host": "0.0.0.0"}, {"address": ""}):
        with pytest.raises(TypeError):
            LocalIonQ(**words)
