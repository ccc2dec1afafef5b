# SPDX-License-Identifier: Apache-2.0
"""Whom we believe to be the service: authorities the system trusts, or those the environment names."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from qiskit_parallel_ionq.credentials import Secret
from qiskit_parallel_ionq.errors import TransportError
from qiskit_parallel_ionq.transport import CA_VARIABLES, Transport

CERTIFICATE = Path(__file__).with_name("loopback.pem")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.keys.append(self.headers["Authorization"])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args) -> None:
        pass


class _Server(HTTPServer):
    def handle_error(self, request, client_address) -> None:
        """A handshake that the client breaks off is what some tests are about."""


@pytest.fixture
def service():
    """A TLS service that only those trust who have its certificate; keeps the keys it was sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.keys = []
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def no_bundle(monkeypatch):
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@contextmanager
def connected(service, host="127.0.0.1"):
    transport = Transport(f"https://{host}:{service.server_port}", lambda: Secret("k3y-k3y"), user_agent="a")
    try:
        yield transport
    finally:
        transport.close()


def test_a_service_that_nobody_vouches_for_is_sent_nothing(service):
    with connected(service) as transport, pytest.raises(TransportError) as caught:
        transport.exchange("GET", "/jobs")
    assert caught.value.sent is False
    assert "certificate" in str(caught.value)
    assert "REQUESTS_CA_BUNDLE" in str(caught.value)
    assert service.keys == []


@pytest.mark.parametrize("name", CA_VARIABLES)
def test_a_bundle_that_the_environment_names_is_believed(service, monkeypatch, name):
    monkeypatch.setenv(name, str(CERTIFICATE))
    with connected(service) as transport:
        assert transport.exchange("GET", "/jobs").status == 200
    assert service.keys == ["apiKey k3y-k3y"]


def test_a_bundle_does_not_make_another_host_believable(service, monkeypatch):
    monkeypatch.setenv(CA_VARIABLES[0], str(CERTIFICATE))
    with (
        connected(service, "localhost") as transport,
        pytest.raises(TransportError, match="localhost") as caught,
    ):
        transport.exchange("GET", "/jobs")
    assert caught.value.sent is False
    assert service.keys == []


def test_the_first_variable_that_is_set_counts(service, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(CERTIFICATE))
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    with connected(service) as transport:
        assert transport.exchange("GET", "/jobs").status == 200


@pytest.mark.parametrize("content", [None, "no certificate\n"])
def test_a_bundle_that_is_none_stops_everything_and_is_named(service, monkeypatch, tmp_path, content):
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with connected(service) as transport, pytest.raises(TransportError, match="REQUESTS_CA_BUNDLE") as caught:
        transport.exchange("GET", "/jobs")
    assert caught.value.sent is False
    assert service.keys == []


def test_no_line_of_the_package_turns_verification_off():
    package = Path(__file__).parents[2] / "qiskit_parallel_ionq"
    texts = {path: path.read_text() for path in package.rglob("*.py")}
    for words in (
        "verify=False",
        "verify = False",
        "CERT_NONE",
        "_create_unverified",
        "check_hostname = False",
    ):
        assert [path for path, text in texts.items() if words in text] == []
    assert any("session.verify = " in text for text in texts.values())
