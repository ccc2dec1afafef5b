# SPDX-License-Identifier: Apache-2.0
"""Canary keys, a service that is overheard, and a listener of somebody else's that must hear nothing."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
import threading
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.credentials import TARGET_VARIABLES, TOKEN_VARIABLES, URL_VARIABLES

CORE = "c4n4ry7s1ngs"
"""Letters and digits, which no escaping changes: whoever finds them has found the key."""
KEYS = {"plain": f"local-{CORE}-0123456789", "awkward": f"local-/+=&<%2f>'\"\\{CORE}"}
PACKED = {
    base64.b64encode(bytes(offset) + CORE.encode()).decode()[4 if offset else 0 : 16] for offset in range(3)
}
"""How the letters look in base64, wherever in a longer text they stand."""


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """No variables of the developer's own, and an empty ``.env`` that stops the search for another."""
    for name in (*TOKEN_VARIABLES, *URL_VARIABLES, *TARGET_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=KEYS.values(), ids=KEYS)
def key(request):
    """A key that the emulator takes and that is easily found wherever it turns up."""
    return request.param


@pytest.fixture(scope="session")
def shows_key():
    """Return a function: anything -> whether the canary is in its text."""

    def shows(*things) -> bool:
        text = "\n".join(thing if isinstance(thing, str) else repr(thing) for thing in things)
        return CORE in text or any(word in text for word in PACKED)

    return shows


@pytest.fixture
def flip():
    """One qubit that is always 1."""
    circuit = QuantumCircuit(1, 1, name="flip")
    circuit.x(0)
    circuit.measure(0, 0)
    return circuit


@dataclass
class Heard:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: http.client.HTTPMessage
    raw: bytes


class Overheard(ThreadingHTTPServer):
    """A service whose every byte is recorded and whose answers can be spoilt.

    ``spoil(request, status, headers, body) -> (status, headers, body)``, where body is parsed JSON or bytes.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, behind) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.heard: list[Heard] = []
        self.spoil = lambda request, *answer: answer
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v0.4"

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is no concern of ours."""


class _Recorder:
    """A file that remembers what was read from it."""

    def __init__(self, file) -> None:
        self._file, self.seen = file, b""

    def readline(self, *size):
        line = self._file.readline(*size)
        self.seen += line
        return line

    def read(self, *size):
        data = self._file.read(*size)
        self.seen += data
        return data

    def __getattr__(self, name):
        return getattr(self._file, name)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.rfile = _Recorder(self.rfile)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Heard(self.command, self.path, self.headers, self.rfile.seen)
        self.rfile.seen = b""
        self.server.heard.append(request)
        status, headers, answer = self.server.spoil(request, *self._behind(body))
        if not isinstance(answer, bytes):
            answer = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(answer)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the names of the base class

    def _behind(self, body):
        port = urlsplit(self.server.behind.url).port
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            connection.request(self.command, self.path, body, dict(self.headers))
            with connection.getresponse() as answer:
                return answer.status, {}, json.loads(answer.read() or b"null")

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def overheard(local_service):
    """`Overheard` in front of an emulated service."""
    with Overheard(local_service) as server:
        yield server
        server.shutdown()


@pytest.fixture
def connect(overheard):
    """Return a function: key and settings -> a provider of the overheard service."""
    made = []

    def provider(key, **settings):
        made.append(ParallelIonQProvider(key, overheard.url, **settings))
        return made[-1]

    yield provider
    for one in made:
        one.close()


class Foreign:
    """Somebody else's listener, to whom all names but this machine's lead; keeps what it is told."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard: list[bytes] = []
        self.asked_for: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return  # closed
            with connection:
                connection.settimeout(1.0)
                self.heard.append(b"")
                try:
                    self.heard[-1] += connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                except OSError:
                    continue  # it was only knocked at

    def __bool__(self) -> bool:
        return bool(self.heard or self.asked_for)


@pytest.fixture
def foreign(monkeypatch):
    """`Foreign`; false as long as nobody spoke to it or asked for its address."""
    listener, find = Foreign(), socket.getaddrinfo

    def find_or_mislead(host, port, *args, **kwargs):
        if re.fullmatch(r"127\.0\.0\.1|localhost|::1", str(host)):
            return find(host, port, *args, **kwargs)
        listener.asked_for.append(str(host))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", listener.port))]

    monkeypatch.setattr(socket, "getaddrinfo", find_or_mislead)
    yield listener
    listener.listener.close()
