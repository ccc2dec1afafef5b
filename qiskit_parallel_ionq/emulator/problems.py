# SPDX-License-Identifier: Apache-2.0
"""The two ways a request goes wrong: at the door, with an HTTP status, or later, as a failed job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ERROR_TEXTS: Mapping[int, str] = {
    400: "Bad Request",
    401: "Unauthorized Error",
    403: "Forbidden",
    404: "Not Found Error",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Payload Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def error_body(status: int, message: str, keys: tuple[str, ...] = (), source: str = "body") -> dict[str, Any]:
    """The error shape of the API; ``keys`` and ``source`` say which fields of what were wrong."""
    body: dict[str, Any] = {
        "error": ERROR_TEXTS.get(status, "Error"),
        "message": message,
        "statusCode": status,
    }
    if keys:
        body["validation"] = {"keys": list(keys), "source": source}
    return body


class RequestError(Exception):
    """A request the service refuses: becomes an HTTP error with the API's error body."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        keys: tuple[str, ...] = (),
        source: str = "body",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.keys = keys
        self.source = source
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body to send."""
        return error_body(self.status, self.message, self.keys, self.source)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed: ``code`` is one of the API's failure codes."""

    code: str
    message: str


class CircuitError(Exception):
    """A circuit that was accepted and cannot run: its job becomes ``failed``, with this code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(code, message)
