# SPDX-License-Identifier: Apache-2.0
"""The service as a server: HTTP, keys, limits, books, and its independence from the rest of the package."""

from __future__ import annotations

import ast
import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

import qiskit_parallel_ionq.emulator as emulator
from qiskit_parallel_ionq.emulator import LocalIonQ
from qiskit_parallel_ionq.emulator.routes import ROUTES
from qiskit_parallel_ionq.emulator.server import MAX_BODY

FOLDER = Path(emulator.__file__).parent
MODULES = sorted(FOLDER.rglob("*.py"))


def connect(service: LocalIonQ) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=10)


def exchange(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    return connection.getresponse().read()


# ---- independence ----


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_it_imports_nothing_from_the_rest_of_the_package(module):
    depth = len(module.relative_to(FOLDER).parts)
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level <= depth, f"line {node.lineno} reaches above the emulator"
            assert node.level > 0 or not (node.module or "").startswith(
                ("qiskit_parallel_ionq", "qiskit_ionq")
            )
        elif isinstance(node, ast.Import):
            assert not any(
                name.name.startswith(("qiskit_parallel_ionq", "qiskit_ionq")) for name in node.names
            )


# ---- life of the server ----


def test_it_listens_on_loopback_only(api):
    assert api.service.url.startswith("http://127.0.0.1:")
    assert api.service.url.endswith("/v0.4")
    assert api.service._server.server_address[0] == "127.0.0.1"


def test_it_closes_with_clients_connected_and_closing_twice_is_harmless():
    service = LocalIonQ().start()
    connection = connect(service)
    exchange(connection, "/v0.4/backends")
    service.close()
    service.close()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        exchange(connection, "/v0.4/backends")
    connection.close()
    with pytest.raises(RuntimeError, match="closed"):
        service.start()


def test_a_service_that_is_not_started_says_so():
    service = LocalIonQ()
    for question in ("url", "stats"):
        with pytest.raises(RuntimeError, match="start"):
            getattr(service, question)()
    assert repr(service) == "<LocalIonQ not started>"
    service.close()


def test_starting_twice_is_harmless(api):
    url = api.service.url
    assert api.service.start() is api.service
    assert api.service.url == url


def test_its_repr_does_not_show_the_key(api):
    assert api.service.api_key not in repr(api.service)


@pytest.mark.parametrize(
    "knobs",
    [
        {"round_trip": -1},
        {"execution_time": -0.1},
        {"queue_time": -1},
        {"running_slots": 0},
        {"burst": 0, "rate_limit": 5},
        {"rate_limit": 0},
    ],
)
def test_a_knob_that_cannot_be_meant_is_refused(knobs):
    with pytest.raises(ValueError, match=next(iter(knobs))):
        LocalIonQ(**knobs)


# ---- HTTP ----


def test_connections_are_kept_alive_and_counted(serve):
    api = serve()
    for _ in range(5):
        api.get("/jobs")
    stats = api.service.stats()
    assert (stats.requests, stats.connections, stats.open_connections) == (5, 1, 1)
    requests.get(api.service.url + "/backends", timeout=10)
    assert api.service.stats().connections == 2


def test_answers_carry_the_headers_clients_read(api):
    for answer in (api.call("GET", "/jobs"), api.call("GET", "/jobs/nobody")):
        assert answer.headers["Content-Type"] == "application/json"
        assert len(answer.headers["x-request-id"]) == 36
        assert answer.headers["Date"].endswith("GMT")


def test_small_answers_are_not_held_back(api):
    """With Nagle's algorithm on, a kept-alive exchange costs tens of milliseconds."""
    api.get("/whoami")
    (connection,) = api.service._server._open
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/json"}]
)
def test_the_content_type_of_a_request_does_not_matter(api, headers):
    body = {"type": "ionq.circuit.v1", "backend": "simulator"}
    body["input"] = {"gateset": "qis", "qubits": 1, "circuit": []}
    connection = connect(api.service)
    key = {"Authorization": f"apiKey {api.service.api_key}"}
    connection.request("POST", "/v0.4/jobs", json.dumps(body).encode(), {**key, **headers})
    assert connection.getresponse().status == 201
    connection.close()


def test_a_chunked_body_is_read(api):
    body = json.dumps({"ids": [api.run()]}).encode()
    answer = api.session.put(
        api.service.url + "/jobs/status/cancel",
        data=iter([body[:7], body[7:]]),
        headers={"Authorization": f"apiKey {api.service.api_key}"},
        timeout=10,
    )
    assert answer.status_code == 200
    assert api.get("/jobs")  # the connection is still in step


def test_put_and_post_need_no_body(api):
    job_id = api.run()
    connection = connect(api.service)
    headers = {"Authorization": f"apiKey {api.service.api_key}", "Content-Type": "application/json"}
    connection.request("PUT", f"/v0.4/jobs/{job_id}/status/cancel", headers=headers)
    assert connection.getresponse().status == 200
    connection.close()


def test_a_body_beyond_ten_megabytes_is_refused_and_the_connection_lives_on(api):
    answer = api.session.post(
        api.service.url + "/jobs",
        data=b" " * (MAX_BODY + 1),
        headers={"Authorization": f"apiKey {api.service.api_key}"},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["statusCode"]) == (413, 413)
    assert api.get("/jobs")["jobs"] == []


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"not json"])
def test_a_body_that_is_not_json_is_refused(api, body):
    headers = {"Authorization": f"apiKey {api.service.api_key}"}
    answer = api.session.post(api.service.url + "/jobs", data=body, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/calibrations/current"),
        ("GET", "/jobs/1/2/3"),
        ("PATCH", "/jobs"),
        ("GET", "/"),
        ("OPTIONS", "/jobs"),
    ],
)
def test_what_is_not_there_is_a_json_404(api, method, path):
    answer = api.call(method, path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "message", "statusCode"}


def test_paths_outside_the_version_are_a_json_404(api):
    root = api.service.url.removesuffix("/v0.4")
    for path in ("/", "/v0.3/jobs", "/v0.4"):
        assert requests.get(root + path, timeout=10).json()["statusCode"] == 404


def test_a_request_no_parser_accepts_is_answered_in_the_error_shape(api):
    headers = {f"X-{n}": "too many" for n in range(200)}
    answer = requests.get(api.service.url + "/backends", headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["statusCode"]) == (431, 431)


def test_an_endpoint_that_breaks_answers_500_and_the_service_lives_on(serve, caplog):
    def broken(_number: int) -> float:
        raise ZeroDivisionError("no such time")

    api = serve(execution_time=broken)
    body = {"type": "ionq.circuit.v1", "backend": "simulator"}
    body["input"] = {"gateset": "qis", "qubits": 1, "circuit": []}
    answer = api.call("POST", "/jobs", body)
    assert (answer.status_code, answer.json()["error"]) == (500, "Internal Server Error")
    assert "no such time" in answer.json()["message"]
    assert "no such time" in caplog.text
    assert api.get("/jobs")["jobs"] == []


# ---- keys ----


@pytest.mark.parametrize(
    "header",
    [None, "", "apiKey", "apiKey ", "Bearer test-1", "apikey test-1", "apiKey 0a1b2c3d4e", "test-1"],
)
def test_only_keys_that_look_like_test_keys_are_let_in(api, header):
    headers = {} if header is None else {"Authorization": header}
    answer = requests.get(api.service.url + "/jobs", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.json()["error"] == "Unauthorized Error"


@pytest.mark.parametrize("key", ["test", "test-123", "local-abc"])
def test_test_keys_are_let_in(api, key):
    answer = requests.get(api.service.url + "/jobs", headers={"Authorization": f"apiKey {key}"}, timeout=10)
    assert answer.status_code == 200


def test_every_service_has_a_key_of_its_own():
    first, second = LocalIonQ(), LocalIonQ()
    assert first.api_key.startswith("local-")
    assert first.api_key != second.api_key
    first.close()
    second.close()


def test_only_the_catalogue_and_the_description_are_open_to_all():
    assert {route.name for route in ROUTES if not route.needs_key} == {
        "GET /backends",
        "GET /backends/{backend}",
        "GET /backends/{backend}/characterizations",
        "GET /api-docs",
    }


# ---- time ----


def test_a_round_trip_is_added_to_each_request_and_requests_overlap(serve):
    api = serve(round_trip=0.5)
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: requests.get(api.service.url + "/backends", timeout=10), range(8)))
    took = time.monotonic() - begun
    assert all(answer.ok for answer in answers)
    assert 0.5 <= took < 3.0  # one after the other they take 4 s


@pytest.mark.parametrize(("execution_time", "seen"), [(5, "completed"), (6, "started")])
def test_the_state_is_read_half_way_through_the_round_trip(serve, clock, monkeypatch, execution_time, seen):
    api = serve(round_trip=10, execution_time=execution_time)
    monkeypatch.setattr(api.service._server, "pause", lambda seconds: None)
    job_id = api.run()
    monkeypatch.setattr(api.service._server, "pause", clock.advance)
    assert api.status(job_id) == seen


# ---- rate limit ----


def test_a_rate_limit_refuses_what_exceeds_the_burst_and_recovers(serve, clock):
    api = serve(rate_limit=2, burst=3)
    statuses = [api.call("GET", "/jobs").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = api.call("GET", "/jobs")
    assert refused.headers["Retry-After"] == "1"
    assert refused.json()["statusCode"] == 429
    clock.advance(1)
    assert [api.call("GET", "/jobs").status_code for _ in range(3)] == [200, 200, 429]
    assert api.service.stats().rejected_429 == 4


def test_a_slow_rate_limit_asks_for_whole_seconds(serve):
    api = serve(rate_limit=0.25)
    assert api.call("GET", "/jobs").status_code == 200
    assert api.call("GET", "/jobs").headers["Retry-After"] == "4"


# ---- books ----


def test_stats_count_by_method_and_endpoint(api):
    job_id = api.run()
    api.run_many([[], []])
    api.status(job_id)
    api.call("GET", "/nowhere")
    stats = api.service.stats()
    assert (stats.requests, stats.posts, stats.gets, stats.jobs) == (4, 2, 2, 2)
    assert stats.by_route == {"POST /jobs": 2, "GET /jobs/{job}": 1, "other": 1}
    with pytest.raises(AttributeError):
        stats.jobs = 5


def test_the_log_remembers_method_path_and_status(api):
    job_id = api.run()
    api.get("/jobs", limit=3)
    api.call("GET", "/jobs/nobody")
    assert api.service.requests_log == [
        ("POST", "/jobs", 201),
        ("GET", "/jobs", 200),
        ("GET", "/jobs/nobody", 404),
    ]
    assert job_id


# ---- many at once ----


def test_many_clients_at_once_all_get_their_own_results(serve):
    api = serve(seed=1)
    key = {"Authorization": f"apiKey {api.service.api_key}"}

    def one(word: int) -> bool:
        gates = [{"gate": "x", "target": q} for q in range(6) if word >> q & 1]
        body = {"type": "ionq.circuit.v1", "backend": "simulator"}
        body["input"] = {"gateset": "qis", "qubits": 6, "circuit": gates}
        with requests.Session() as session:
            job = session.post(api.service.url + "/jobs", json=body, headers=key, timeout=10).json()["id"]
            url = f"{api.service.url}/jobs/{job}/results/probabilities"
            deadline = time.monotonic() + 10
            while (answer := session.get(url, headers=key, timeout=10)).status_code == 404:
                assert time.monotonic() < deadline
            return answer.json() == {str(word): 1.0}

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(one, range(64)))
    assert api.service.stats().jobs == 64
