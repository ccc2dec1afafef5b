# SPDX-License-Identifier: Apache-2.0
"""A TLS front for a plain service on loopback, with a certificate that only those trust who are told to.

Its key is published with these tests and protects nothing.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

CERTIFICATE = Path(__file__).parents[1] / "security" / "loopback.pem"


class TlsFront:
    """Takes TLS connections and passes on what they say. A context manager.

    Args:
        port: the plain service's, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(CERTIFICATE)
        self._is_over = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self.port: int = self._listener.getsockname()[1]
        self.handshakes = 0
        """Those that succeeded."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes it
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._is_over:
                client.close()
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, plain: socket.socket) -> None:
        """Copy bytes both ways until one end closes or breaks."""
        with (
            plain,
            contextlib.suppress(OSError),
            self._context.wrap_socket(plain, server_side=True) as client,
        ):
            self.handshakes += 1
            with socket.create_connection(self._target) as service:
                while True:
                    # What was unpacked but not read yet does not show in select.
                    ready = [client] if client.pending() else select.select([client, service], [], [])[0]
                    for source in ready:
                        data = source.recv(65536)
                        if not data:
                            return
                        (service if source is client else client).sendall(data)
