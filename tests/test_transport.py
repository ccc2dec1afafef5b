# SPDX-License-Identifier: Apache-2.0
"""One exchange against real sockets: was it sent, is the answer whole, and does the key stay with us?"""

from __future__ import annotations

import gzip
import logging
import pickle
import re
import socket
import threading
import time
import traceback
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from qiskit_parallel_ionq import transport as module
from qiskit_parallel_ionq.api import Api, accepted_id
from qiskit_parallel_ionq.credentials import Secret
from qiskit_parallel_ionq.errors import (
    CredentialsError,
    IonQError,
    OptionError,
    ResultIntegrityError,
    TransportError,
)
from qiskit_parallel_ionq.transport import Reply, Transport

CANARY = "c4n4ry-k3y"


class Server(ThreadingHTTPServer):
    """A loopback service that keeps every request and counts connections."""

    daemon_threads = True

    def __init__(self) -> None:
        self.requests: list = []
        self.connections = 0
        self.answer = lambda request: (200, {}, b"{}")
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/v0.4"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def process_request(self, request, client_address) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up on too long an answer is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _serve(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = SimpleNamespace(path=self.path, headers=self.headers, body=sent)
        self.server.requests.append(request)
        status, headers, body = self.server.answer(request)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the names of the base class

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def server():
    with Server() as made:
        yield made
        made.shutdown()


@contextmanager
def raw_server(behave):
    """A listening socket; ``behave`` is given each connection, which is closed afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        is_over = threading.Event()

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if is_over.is_set():
                        return
                    behave(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        is_over.set()
        socket.create_connection(listener.getsockname()).close()  # wakes it
        thread.join()


@pytest.fixture
def make():
    made = []

    def transport(url, **options):
        made.append(Transport(url, lambda: Secret(CANARY), user_agent="agent/1", **options))
        return made[-1]

    yield transport
    for one in made:
        one.close()


def repr_of(value):
    return repr(value)[:20]


def _unused_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _close_after_request(connection):
    connection.recv(65536)


def _close_at_once(connection):
    pass


def _never_answer(connection):
    while connection.recv(65536):  # until the client has had enough
        pass


def _speak_garbage(connection):
    connection.sendall(b"this is not TLS at all, and no HTTP either\r\n\r\n")
    connection.recv(65536)


def _half_a_body(connection):
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"id": ')


def _half_a_chunk(connection):
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{"id": ')


def _reset(connection):
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def _failure(transport, **arguments):
    with pytest.raises(TransportError) as caught:
        transport.exchange("POST", "/jobs", body=b"{}", **arguments)
    return caught.value


# ── was it sent? ──


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_refused_connection_sends_nothing(make, scheme):
    error = _failure(make(f"{scheme}://127.0.0.1:{_unused_port()}"))
    assert error.sent is False
    assert "before anything was sent" in str(error)
    assert "Connection refused" in str(error)


def test_a_host_without_address_is_sent_nothing(make):
    assert _failure(make("https://nonexistent.invalid/v0.4")).sent is False


def test_a_host_that_cannot_be_is_sent_nothing(make):
    assert _failure(make("https://a..b/v0.4")).sent is False


@pytest.mark.parametrize("behave", [_speak_garbage, _close_at_once, _close_after_request])
def test_a_tls_handshake_that_fails_sends_nothing(make, behave):
    with raw_server(behave) as address:
        assert _failure(make(f"https://{address}")).sent is False


def test_a_tls_handshake_that_hangs_sends_nothing_although_it_looks_like_a_read_timeout(make, monkeypatch):
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", 0.1)
    with raw_server(_never_answer) as address:
        assert _failure(make(f"https://{address}"), read_timeout=0.1).sent is False


@pytest.mark.parametrize(
    "behave", [_close_after_request, _reset, _half_a_body, _half_a_chunk, _speak_garbage]
)
def test_what_goes_wrong_after_the_first_byte_leaves_it_open_whether_it_arrived(make, behave):
    with raw_server(behave) as address:
        error = _failure(make(f"http://{address}"))
    assert error.sent is True
    assert "after the request had left" in str(error)


def test_an_answer_that_never_comes_ends_in_time(make):
    begun = time.monotonic()
    with raw_server(_never_answer) as address:
        error = _failure(make(f"http://{address}"), read_timeout=0.1)
        assert time.monotonic() - begun < 10.0  # READ_TIMEOUT is 30 s
    assert error.sent is True


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"", b"H"),
    ],
    ids=["chunks", "body", "header", "status"],
)
def test_an_answer_that_drips_for_ever_ends_in_time(make, begin, drop):
    def drip(connection):
        connection.recv(65536)
        connection.sendall(begin)
        for _ in range(3000):
            try:
                connection.sendall(drop)
            except OSError:
                return
            time.sleep(0.01)

    with raw_server(drip) as address:
        begun = time.monotonic()
        error = _failure(make(f"http://{address}"), read_timeout=0.2)
        assert time.monotonic() - begun < 15.0  # all of it takes 30 s
    assert error.sent is True
    assert "took longer than 0.8 s" in str(error)


@pytest.mark.parametrize(("slowest", "is_whole"), [(10_000.0, True), (1e9, False)])
def test_an_answer_may_take_as_much_longer_as_it_is_large(make, monkeypatch, slowest, is_whole):
    def trickle(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(100):
            try:
                connection.sendall(bytes(1000))
            except OSError:
                return
            time.sleep(0.01)

    monkeypatch.setattr(module, "_SLOWEST", slowest)
    with raw_server(trickle) as address:
        transport = make(f"http://{address}")
        if is_whole:
            reply = transport.exchange("GET", "/jobs/j/results/probabilities", read_timeout=0.1)
            assert len(reply.body) == 100_000
            return
        with pytest.raises(TransportError, match="took longer than") as caught:
            transport.exchange("GET", "/jobs/j/results/probabilities", read_timeout=0.1)
        assert not caught.value.answered


def test_an_answer_that_announces_more_than_it_may_have_is_not_read_at_all(make):
    sent = []

    def announce(connection):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        try:
            for _ in range(1000):
                connection.sendall(bytes(65536))
                sent.append(65536)
        except OSError:
            return

    with raw_server(announce) as address:
        transport = make(f"http://{address}")
        with pytest.raises(TransportError, match="exceeds 1,048,576 bytes") as caught:
            transport.exchange("GET", "/jobs", largest=2**20)
        assert caught.value.answered
        with pytest.raises(ResultIntegrityError, match="more than 1,048,576 bytes"):
            Api(transport).result("/jobs/j1/results/probabilities", largest=2**20)
    assert sum(sent) < 64 * 2**20  # what the buffers between us take


@pytest.mark.parametrize("body", [b"<html></html>", b'{"jobs": [NaN]}', b"[]", b""], ids=repr_of)
def test_a_complete_answer_that_cannot_be_read_is_told_from_none(server, make, body):
    server.answer = lambda request: (200, {}, body)
    with pytest.raises(TransportError) as caught:
        Api(make(server.url)).jobs()
    assert caught.value.answered
    assert pickle.loads(pickle.dumps(caught.value)).answered


def test_a_large_body_on_a_slow_line_outlasts_the_time_for_connecting(make, monkeypatch):
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", 0.1)
    size = 16 * 2**20

    def take_time(connection):
        time.sleep(0.3)
        received = connection.recv(65536)
        while len(received) < size:
            received += connection.recv(2**22)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with raw_server(take_time) as address:
        transport = make(f"http://{address}")
        assert transport.exchange("POST", "/jobs", body=bytes(size), read_timeout=5.0).body == b"{}"


def test_the_flag_is_of_this_exchange_and_not_of_the_one_before(server, make):
    first, second = make(server.url), make(f"http://127.0.0.1:{_unused_port()}")
    first.exchange("POST", "/jobs", body=b"{}")
    assert _failure(second).sent is False


def test_through_a_proxy_the_flag_is_as_true(make):
    with raw_server(_close_after_request) as proxy:
        error = _failure(make("http://ionq.invalid", proxies={"http": f"http://{proxy}"}))
    assert error.sent is True


def test_a_proxy_that_refuses_the_way_through_was_not_sent_the_request(make):
    def refuse(connection):
        assert connection.recv(65536).startswith(b"CONNECT ionq.invalid:443")
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with raw_server(refuse) as proxy:
        error = _failure(make("https://ionq.invalid", proxies={"https": f"http://{proxy}"}))
    assert error.sent is False
    assert "403" in str(error)


def test_a_proxy_that_is_not_there_is_sent_nothing(make):
    proxies = {"http": f"http://127.0.0.1:{_unused_port()}"}
    assert _failure(make("http://ionq.invalid", proxies=proxies)).sent is False


# ── the words ──


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("behave", [_never_answer, _close_at_once, _speak_garbage, _half_a_body, None])
def test_a_failure_names_no_object_of_ours_and_says_what_to_do(make, monkeypatch, scheme, behave):
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", 0.1)
    with raw_server(behave or _close_at_once) as address:
        url = f"{scheme}://{address if behave else f'127.0.0.1:{_unused_port()}'}"
        text = str(_failure(make(url), read_timeout=0.1))
    assert not re.search(r"_Pool|_Secure|_Connection|<|object at|host=|_ssl\.c", text)
    assert re.search(r"\?$|before sending it again\.$", text)
    assert len(text) < 300


def test_what_is_safe_to_ask_again_is_said_to_be(make):
    with raw_server(_close_after_request) as address, pytest.raises(TransportError, match="again is safe"):
        make(f"http://{address}").exchange("GET", "/jobs")


@pytest.mark.parametrize(
    "proxy", ["http://u:s3cret@", "u:s3cret@host:1", "ftp://u:s3cret@host", "http://u:s3cret@[", 7, None]
)
def test_what_is_no_proxy_is_refused_without_being_quoted(make, proxy):
    with pytest.raises(OptionError, match=r"proxies\['https'\]") as caught:
        make("https://api.ionq.test", proxies={"https": proxy})
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


# ── the answer ──


def test_an_answer_is_returned_whatever_it_says(server, make):
    server.answer = lambda request: (503, {"Retry-After": "3"}, b'{"message": "later"}')
    reply = make(server.url).exchange("GET", "/jobs", params=[("ids", "a b"), ("ids", "c")])
    assert (reply.status, reply.headers["retry-after"], reply.json()) == (503, "3", {"message": "later"})
    assert server.requests[0].path == "/v0.4/jobs?ids=a+b&ids=c"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_redirects_are_not_followed(server, make, status, method):
    server.answer = lambda request: (status, {"Location": f"{server.url}/elsewhere"}, b"")
    assert make(server.url).exchange(method, "/jobs").status == status
    assert [request.path for request in server.requests] == ["/v0.4/jobs"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_nothing_below_us_tries_again(server, make, status):
    server.answer = lambda request: (status, {"Retry-After": "0"}, b"")
    make(server.url).exchange("POST", "/jobs", body=b"{}")
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_nothing_below_us_tries_again_after_a_lost_answer(make, method):
    asked = []
    with raw_server(lambda connection: asked.append(connection.recv(65536))) as address:
        with pytest.raises(TransportError):
            make(f"http://{address}").exchange(method, "/jobs")
        assert len(asked) == 1


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_an_answer_too_large_is_not_read_to_its_end(server, make, headers):
    body = b"0" * 1_000_000
    server.answer = lambda request: (200, headers, gzip.compress(body) if headers else body)
    with pytest.raises(TransportError, match="exceeds 100,000 bytes") as caught:
        make(server.url).exchange("GET", "/jobs", largest=100_000)
    assert caught.value.sent
    assert make(server.url).exchange("GET", "/jobs", largest=1_000_000).body == body


def test_each_kind_of_answer_has_its_own_bound(make, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        Transport,
        "exchange",
        lambda self, method, path, *, largest=module.LARGEST_LISTING, **_: (
            asked.update({f"{method} {path}": largest}) or Reply(200, {}, b'{"jobs": []}')
        ),
    )
    api = Api(make("https://api.ionq.test"))
    api.create_job(b"{}")
    api.jobs()
    api.result("/jobs/j1/results/histogram", largest=7)
    assert asked == {
        "POST /jobs": module.LARGEST_SUBMISSION_ANSWER,
        "GET /jobs": module.LARGEST_LISTING,
        "GET /jobs/j1/results/histogram": 7,
    }


def test_a_bomb_is_not_unpacked_beyond_the_bound(server, make):
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(256)) + packer.flush()
    server.answer = lambda request: (200, {"Content-Encoding": "gzip"}, bomb)
    transport = make(server.url)
    tracemalloc.start()
    try:
        with pytest.raises(TransportError, match="exceeds 1,048,576 bytes"):
            transport.exchange("GET", "/jobs", largest=2**20)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20  # of 256
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packing", ["br", "zstd", "gzip, gzip", "compress", "x" * 500])
def test_an_answer_in_a_packing_nobody_asked_for_is_none(server, make, packing):
    server.answer = lambda request: (200, {"Content-Encoding": packing}, b"\x00" * 10)
    with pytest.raises(TransportError) as caught:
        make(server.url).exchange("GET", "/jobs")
    assert server.requests[0].headers["Accept-Encoding"] == "gzip, deflate"
    assert caught.value.sent
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "packed", [gzip.compress(b"{}" * 50)[:-12], b"no gzip at all"], ids=["cut off", "no gzip"]
)
def test_a_packed_answer_that_is_spoilt_is_none(server, make, packed):
    server.answer = lambda request: (200, {"Content-Encoding": "gzip"}, packed)
    with pytest.raises(TransportError):
        _ = Api(make(server.url)).jobs()


def test_a_truncated_answer_is_none(make):
    with raw_server(_half_a_body) as address, pytest.raises(TransportError) as caught:
        make(f"http://{address}").exchange("GET", "/jobs")
    assert caught.value.sent


@pytest.mark.parametrize(
    "body",
    [
        *[b"NaN", b'{"a": Infinity}', b"[-Infinity]", b"{", b"", b"\xff", b"1" * 5_000],
        *[b"[" * 200_000, b'{"a":' * 200_000, b'{"a":[' * 100_000],
    ],
    ids=repr_of,
)
def test_what_is_not_json_is_a_value_error(body):
    with pytest.raises(ValueError):
        Reply(200, {}, body).json()


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 1}', b'[{"b": {"id": 1, "x": 2, "id": 3}}]'])
def test_a_key_that_stands_twice_is_a_value_error(body):
    with pytest.raises(ValueError, match="twice"):
        Reply(200, {}, body).json()


def test_an_answer_to_a_submission_with_two_ids_has_none():
    assert accepted_id(Reply(201, {}, b'{"id": "j1"}')) == "j1"
    assert accepted_id(Reply(201, {}, b'{"id": "j1", "id": "j2"}')) is None


def test_a_listing_with_a_key_twice_is_no_listing(server, make):
    server.answer = lambda request: (200, {}, b'{"jobs": [], "next": "a", "next": null}')
    with pytest.raises(TransportError, match="'next' stands twice"):
        Api(make(server.url)).jobs()


# ── connections ──


def test_many_requests_are_one_connection(server, make):
    transport = make(server.url)
    for _ in range(20):
        transport.exchange("GET", "/jobs")
        transport.exchange("POST", "/jobs", body=b"{}")
    assert len(server.requests) == 40
    assert server.connections == 1


def test_eight_threads_are_at_most_eight_connections(server, make):
    transport = make(server.url)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: transport.exchange("GET", "/jobs"), range(80)))
    assert len(server.requests) == 80
    assert server.connections <= 8


def test_a_refusal_does_not_cost_the_connection(server, make):
    server.answer = lambda request: (429, {}, b"slow down")
    transport = make(server.url)
    for _ in range(5):
        transport.exchange("POST", "/jobs", body=b"{}")
    assert server.connections == 1


def test_a_connection_that_idled_too_long_is_not_trusted_with_a_submission(server, make, monkeypatch):
    transport = make(server.url)
    transport.exchange("GET", "/jobs")
    monkeypatch.setattr(module, "STALE_AFTER", 0.0)
    transport.exchange("GET", "/jobs")
    assert server.connections == 1
    transport.exchange("POST", "/jobs", body=b"{}")
    assert server.connections == 2


# ── the key ──


def test_the_key_is_sent_only_where_it_is_asked_for(server, make):
    transport = make(server.url)
    transport.exchange("GET", "/jobs")
    transport.exchange("GET", "/backends", with_key=False)
    with_key, without = (request.headers for request in server.requests)
    assert with_key["Authorization"] == f"apiKey {CANARY}"
    assert CANARY not in str(without)


def test_requests_say_who_we_are_and_carry_the_users_headers(server, make):
    make(server.url, headers={"X-Team": "ions"}).exchange("POST", "/jobs", body=b'{"a": 1}')
    (request,) = server.requests
    assert (request.headers["User-Agent"], request.headers["X-Team"]) == ("agent/1", "ions")
    assert request.headers["Content-Type"] == "application/json"
    assert request.body == b'{"a": 1}'


@pytest.mark.parametrize("name", ["Authorization", "authorization", "HOST", "Cookie"])
def test_headers_that_are_not_the_users_are_refused(make, name):
    with pytest.raises(CredentialsError, match=name):
        make("https://api.ionq.test", headers={name: "x"})


@pytest.mark.parametrize(
    "headers", [{"X-Team": "line\nbreak"}, {"X-Team": "caf\xe9"}, {"X-Team": 7}, {"X\n": "x"}]
)
def test_headers_that_http_cannot_say_are_refused_before_anything_is_tried(make, headers):
    with pytest.raises(OptionError, match="header"):
        make("https://api.ionq.test", headers=headers)


def test_netrc_and_the_proxies_of_the_environment_are_not_used(server, make, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login mallory password stolen\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{_unused_port()}")
        monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{_unused_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    make(server.url).exchange("GET", "/jobs")
    assert server.requests[0].headers["Authorization"] == f"apiKey {CANARY}"


def test_cookies_are_not_kept(server, make):
    server.answer = lambda request: (200, {"Set-Cookie": "who=you; Path=/"}, b"{}")
    transport = make(server.url)
    transport.exchange("GET", "/jobs")
    transport.exchange("GET", "/jobs")
    assert server.requests[1].headers["Cookie"] is None


def _seen_in(error):
    """Return all that a program, a log or another process may get to see of an error."""
    seen = [
        "".join(traceback.format_exception(error)),
        str(error),
        repr(error),
        repr(vars(error)),
        repr(error.args),
    ]
    links = [error]
    while (deeper := links[-1].__context__ or links[-1].__cause__) is not None:
        links.append(deeper)
        seen.append(repr(vars(deeper)))
        seen.append(str(getattr(getattr(deeper, "request", None), "headers", "")))
    return "\n".join(seen) + repr(pickle.dumps(error)) + repr(pickle.loads(pickle.dumps(error)))


@pytest.mark.parametrize(
    "behave",
    [_close_after_request, _close_at_once, _reset, _half_a_body, _half_a_chunk, _speak_garbage, None],
    ids=lambda b: getattr(b, "__name__", "refused"),
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_key_is_in_nothing_that_is_raised_or_logged(make, caplog, behave, scheme):
    caplog.set_level(logging.DEBUG)
    with raw_server(behave or _close_at_once) as address:
        transport = make(f"{scheme}://{address if behave else f'127.0.0.1:{_unused_port()}'}")
        api = Api(transport)
        for call in (lambda: api.create_job(b"{}"), lambda: api.job("j1"), lambda: api.cancel_jobs(["j1"])):
            with pytest.raises(IonQError) as caught:
                call()
            assert CANARY not in _seen_in(caught.value)
    assert CANARY not in caplog.text
    assert CANARY not in repr(vars(transport))


@pytest.mark.parametrize("status", [200, 302, 400, 401, 429, 500])
def test_the_key_is_in_no_refusal_either(server, make, caplog, status):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda request: (status, {"Location": "https://evil.test/"}, b"not json")
    with pytest.raises(IonQError) as caught:
        Api(make(server.url)).job("j1")
    assert CANARY not in _seen_in(caught.value)
    assert CANARY not in caplog.text


def test_a_failure_carries_no_foreign_error_along(make):
    error = _failure(make(f"http://127.0.0.1:{_unused_port()}"))
    assert error.__cause__ is None
    assert error.__context__ is None


def test_where_there_is_no_key_nothing_is_sent(server):
    def no_key():
        raise CredentialsError("there is no API key")

    with pytest.raises(CredentialsError):
        Transport(server.url, no_key, user_agent="a").exchange("GET", "/jobs")
    assert server.requests == []


def test_a_service_that_echoes_the_key_does_not_get_it_quoted(server, make):
    server.answer = lambda request: (400, {}, b'{"message": "bad header apiKey %s"}' % CANARY.encode())
    reply = make(server.url).exchange("GET", "/jobs")
    assert CANARY not in reply.detail
    assert "***" in reply.detail
