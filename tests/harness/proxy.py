# SPDX-License-Identifier: Apache-2.0
"""A proxy on loopback that passes bytes on until it does not: it cuts, stalls or trickles where it is told."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from typing_extensions import Self

Way = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Cut:
    """What befalls a connection once so many bytes have passed in one direction.

    Args:
        way: ``up`` is from the client to the service.
        offset: bytes that still pass.
        how: ``reset`` and ``close`` end the connection for both; after ``stall`` nothing passes any more;
            ``trickle`` lets single bytes through from then on, ``pause`` seconds apart.
        pause: seconds.
    """

    way: Way
    offset: int
    how: Literal["reset", "close", "stall", "trickle"]
    pause: float = 0.0003


class Proxy:
    """Stands before a service. A context manager.

    Args:
        port: the service's, on loopback.
        fate: number of a connection, from 0 -> what befalls it; None: nothing.
    """

    def __init__(self, port: int, fate: Callable[[int], Cut | None]) -> None:
        self._target = ("127.0.0.1", port)
        self._fate = fate
        self._clients: list[socket.socket] = []
        self._is_over = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.port: int = self._listener.getsockname()[1]
        self.struck: list[Cut] = []
        """Cuts that were made."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes it
        self._thread.join()
        self._listener.close()
        for client in self._clients:
            with contextlib.suppress(OSError):  # most have ended by themselves
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        for number in itertools.count():
            client, _ = self._listener.accept()
            if self._is_over:
                client.close()
                return
            self._clients.append(client)
            connection = _Connection(client, self._target, self._fate(number), self.struck)
            threading.Thread(target=connection.relay, daemon=True).start()


class _Connection:
    def __init__(
        self, client: socket.socket, target: tuple[str, int], cut: Cut | None, struck: list[Cut]
    ) -> None:
        self._client, self._service = client, socket.create_connection(target)
        self._cut, self._struck = cut, struck

    def relay(self) -> None:
        """Copy bytes both ways until one end closes or breaks, or the cut ends it."""
        cut, left = self._cut, self._cut.offset if self._cut else 0
        with self._client, self._service, contextlib.suppress(OSError):
            while True:
                for source in select.select([self._client, self._service], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    way, sink = ("up", self._service) if source is self._client else ("down", self._client)
                    if cut is None or cut.way != way:
                        sink.sendall(data)
                        continue
                    sink.sendall(data[:left])
                    rest, left = data[left:], max(0, left - len(data))
                    if left == 0 and not self._strike(cut, sink, rest):
                        return

    def _strike(self, cut: Cut, sink: socket.socket, rest: bytes) -> bool:
        """Do what is to be done once the cut is reached; return whether the connection goes on."""
        if cut not in self._struck:
            self._struck.append(cut)
        match cut.how:
            case "reset":
                for end in (self._client, self._service):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case "stall":
                while self._client.recv(65536):  # until the client has had enough
                    continue
            case "trickle":
                for byte in rest:
                    sink.sendall(bytes([byte]))
                    time.sleep(cut.pause)
        return cut.how == "trickle"
