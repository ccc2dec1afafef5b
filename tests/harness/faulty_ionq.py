# SPDX-License-Identifier: Apache-2.0
"""The misbehaving service on a real socket, in a process of its own: ``python -m tests.harness.faulty_ionq``.

HTTP is spoken by hand, for no library would break it as asked. Standard library only; nothing of the package
is imported. The first line on stdout says where it listens; it ends when its stdin does, and the log is
complete by then.
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

from .faults import Script
from .service import Answer, Habits, Request, Service, http_date

STALL = 300.0
"""Seconds for which an answer that never comes keeps its connection."""
OVERSIZE = 300 * 2**20


class Log:
    """What happened, one JSON object a line, in the order in which it did."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def tell(self, record: dict[str, Any]) -> None:
        """Write one line."""
        self._file.write(json.dumps(record) + "\n")


def serve(service: Service, lock: threading.Lock) -> socket.socket:
    """Take connections to a service from now on; the lock is held while it thinks."""

    def converse(connection: socket.socket) -> None:
        for request in _requests(connection.makefile("rb")):
            with lock:
                answer = service.answer(request)
            if not _send(connection, answer):
                return

    return _listen(converse)


def serve_elsewhere(log: Log, lock: threading.Lock) -> socket.socket:
    """Take connections that should never come, where redirects lead to, and write them down."""

    def converse(connection: socket.socket) -> None:
        for request in _requests(connection.makefile("rb")):
            with lock:
                log.tell({"is": "elsewhere", "at": time.time(), "path": request.target})
            connection.sendall(_head(404, {"Content-Length": "0"}))

    return _listen(converse)


def _listen(converse: Callable[[socket.socket], None]) -> socket.socket:
    """Hand each connection to ``converse`` in a thread of its own; return the listening socket."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                converse(connection)
            except (OSError, ValueError):
                return  # the client has gone, as clients do on a bad day

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def _requests(stream: BinaryIO) -> Iterator[Request]:
    """Yield the requests of one connection, each once all of it has come."""
    while first := stream.readline(65536):
        method, target, _ = first.decode("latin-1").split(" ", 2)
        headers = {}
        while (line := stream.readline(65536)) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        body = stream.read(length)
        if len(body) < length:
            return
        yield Request(method, target, body, headers)


def _send(connection: socket.socket, answer: Answer) -> bool:
    """Send an answer, spoilt as it may be; return whether the connection can go on."""
    headers = {
        "Date": http_date(time.time()),
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": str(len(answer.body)),
        **answer.headers,
    }
    kind = answer.spoil.kind if answer.spoil else ""
    match kind:
        case "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        case "close":
            pass
        case "stall":
            connection.settimeout(STALL)
            connection.recv(1)  # until the client has had enough
        case "drip":
            pause = answer.spoil.seconds if answer.spoil else 0.0
            for byte in _head(answer.status, headers) + answer.body:
                connection.sendall(bytes([byte]))
                time.sleep(pause)
        case "truncated":
            connection.sendall(_head(answer.status, headers) + answer.body[: len(answer.body) // 2])
        case "oversize":
            connection.sendall(_head(answer.status, headers | {"Content-Length": str(OVERSIZE)}))
            for _ in range(OVERSIZE >> 20):
                connection.sendall(b" " * 2**20)
        case "bomb":
            packed = zlib.compress(b" " * OVERSIZE, wbits=31)
            packing = {"Content-Encoding": "gzip", "Content-Length": str(len(packed))}
            connection.sendall(_head(answer.status, headers | packing) + packed)
        case _:
            connection.sendall(_head(answer.status, headers) + answer.body)
            return True
    return False


def _head(status: int, headers: dict[str, str]) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Edge Trouble"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def main() -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="file that the server's log is appended to")
    parser.add_argument("--script", default=Script().to_json(), help="when to misbehave, as JSON")
    parser.add_argument("--habits", default="{}", help="how to behave otherwise, as JSON")
    given = parser.parse_args()
    log, lock = Log(given.log), threading.Lock()
    habits = json.loads(given.habits) | {"elsewhere": _url(serve_elsewhere(log, lock))}
    service = Service(time.time, log.tell, Script.from_json(given.script), Habits(**habits))
    print(_url(serve(service, lock)), flush=True)
    sys.stdin.read()
    with lock:
        service.catch_up(float("inf"))


def _url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


if __name__ == "__main__":
    main()
