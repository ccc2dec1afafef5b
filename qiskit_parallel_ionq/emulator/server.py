# SPDX-License-Identifier: Apache-2.0
"""The HTTP shell: sockets and threads, keep-alive, and the ways an answer can get lost on the wire."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from .problems import error_body

MAX_BODY = 10_000_000
"""Bytes of a request body, beyond which the answer is 413."""
DRAINED_BODY = 8 * MAX_BODY
"""A longer body is not even read: the connection is closed after the answer."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One request: ``path`` without the query, ``body`` None when there is none."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes | None
    oversized: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        body: JSON text in bytes.
        spoil: how to spoil it on the wire, if at all.
        seconds: duration of a ``drip``.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    spoil: Literal["reset", "truncate", "drip"] | None = None
    seconds: float = 0.0

    @classmethod
    def json(cls, status: int, content: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """An answer with a JSON body."""
        return cls(status, json.dumps(content, separators=(",", ":")).encode(), headers or {})


Application = Callable[[Request], Reply]


class Server(ThreadingHTTPServer):
    """A server on 127.0.0.1, one thread per connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, port: int, application: Application) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.application = application
        self.closing = threading.Event()
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    @property
    def open_connections(self) -> int:
        """Connections that are open now."""
        with self._lock:
            return len(self._open)

    def opened(self, connection: socket.socket) -> None:
        """Count a connection."""
        with self._lock:
            self.connections += 1
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)

    def pause(self, seconds: float) -> None:
        """Sleep, but wake when the server closes."""
        if seconds > 0:
            self.closing.wait(seconds)

    def stop(self) -> None:
        """Stop listening and hang up on everybody."""
        self.closing.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):  # the other side was faster
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - not ours to name
        """Log what escaped a handler; a client that hung up is no error."""
        _log.debug("connection of %s broke off", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: Server

    def version_string(self) -> str:
        """The ``Server`` header."""
        return "LocalIonQ"

    def setup(self) -> None:
        """Count the connection."""
        super().setup()
        self.server.opened(self.connection)

    def finish(self) -> None:
        """Flush what is left and forget the connection."""
        try:
            with contextlib.suppress(OSError):  # nobody left to flush to
                super().finish()
        finally:
            self.server.closed(self.connection)

    def _serve(self) -> None:
        address = urlsplit(self.path)
        body, oversized = self._body()
        request = Request(
            self.command,
            address.path,
            parse_qs(address.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            body,
            oversized,
        )
        self._send(self.server.application(request))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = _serve  # noqa: N815

    def _body(self) -> tuple[bytes | None, bool]:
        """The request body and whether it is too long."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        announced = self.headers.get("Content-Length") or "0"
        if not (announced.isascii() and announced.isdigit()):
            self.close_connection = True
            return None, False
        length = int(announced)
        if length > DRAINED_BODY:
            self.close_connection = True
            return None, True
        body = self.rfile.read(length) if length else None
        return (None, True) if length > MAX_BODY else (body, False)

    def _chunks(self) -> tuple[bytes | None, bool]:
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
            if len(body) > MAX_BODY:
                self.close_connection = True
                return None, True
        while self.rfile.readline().strip():  # trailers
            pass
        return bytes(body), False

    def _send(self, reply: Reply) -> None:
        if reply.spoil == "reset":
            self._reset()
            return
        body = b"" if self.command == "HEAD" else reply.body
        self.send_response(reply.status)
        headers = {"Content-Type": "application/json", "x-request-id": str(uuid4()), **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.spoil == "truncate":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif reply.spoil == "drip":
            for position in range(len(body)):
                self.wfile.write(body[position : position + 1])
                self.wfile.flush()
                self.server.pause(reply.seconds / len(body))
        else:
            self.wfile.write(body)

    def _reset(self) -> None:
        """End the connection with a TCP reset: lingering for zero seconds drops what is unsent."""
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # Closing the socket object would wait for the files made of it, and say goodbye first.
        socket.close(self.connection.detach())
        self.close_connection = True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer a request the HTTP parser refuses, in the API's error shape."""
        self.close_connection = True
        self._send(Reply.json(code, error_body(code, message or "The request cannot be read.")))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        _log.debug(format, *args)
