# SPDX-License-Identifier: Apache-2.0
"""One HTTP exchange over a shared pool of connections; the only module that knows requests and urllib3.

Below us nothing retries and nothing follows redirects. "Was it sent?" is answered by a flag set at the
first byte written, not by the type of the exception: a TLS handshake that hangs, for one, is reported as
a read timeout.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from .credentials import Secret
from .errors import CredentialsError, OptionError, TransportError
from .options import MAX_WORKERS_LIMIT

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
SUBMIT_TIMEOUT = 120.0
"""Longer than an edge proxy waits for its origin, so that the edge answers before we give up."""
STALE_AFTER = 5.0
"""Idle seconds after which a connection is not trusted with a submission."""
LARGEST_ANSWER = 256 * 2**20
_TOTAL_FACTOR = 4.0

_exchange = threading.local()


class _Watched:
    """Mixed into urllib3's connections: notes the first byte written and the last use."""

    sock: Any
    idle_since: float = 0.0

    def connect(self) -> None:
        before = getattr(_exchange, "sent", False)
        try:
            super().connect()  # type: ignore[misc]
        finally:
            _exchange.sent = before  # what was said to a proxy on the way is not the request

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _exchange.sent = True
        super().send(data)  # type: ignore[misc]


class _Connection(_Watched, HTTPConnection):
    pass


class _SecureConnection(_Watched, HTTPSConnection):
    pass


class _WatchedPool:
    """Mixed into urllib3's pools: a connection that idled too long is not used for a submission."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        if getattr(_exchange, "fresh", False) and time.monotonic() - connection.idle_since > STALE_AFTER:
            connection.close()
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)  # type: ignore[misc]


class _Pool(_WatchedPool, HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(_WatchedPool, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer of the service, whatever it says."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Parse the body.

        Raises:
            ValueError: it is not JSON, is nested absurdly deep, or holds NaN or Infinity.
        """
        try:
            return json.loads(self.body, parse_constant=_refuse_constant)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None

    @property
    def detail(self) -> str:
        """What the service says went wrong, at most 500 characters."""
        try:
            body = self.json()
        except ValueError:
            return " ".join(self.body[:300].decode("utf-8", "replace").split())
        if isinstance(body, dict):
            error = body.get("error")
            nested = error.get("message") if isinstance(error, dict) else error
            return str(body.get("message") or nested or "")[:500]
        return str(body)[:500]


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


class Transport:
    """The one door to the network, shared by all workers and never changed after it is made."""

    def __init__(
        self,
        url: str,
        key: Callable[[], Secret],
        *,
        user_agent: str,
        headers: Mapping[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        for name, value in (headers or {}).items():
            if not (_is_plain(name) and _is_plain(value)):
                raise OptionError(f"the custom header {name!r} must be printable ASCII text, name and value")
            if name.lower() in ("authorization", "host", "cookie"):
                raise CredentialsError(f"the header {name!r} is not a custom one; pass the key as token")
        self.url = url
        self._key = key
        self._headers = {"User-Agent": user_agent, "Accept": "application/json", **(headers or {})}
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc entry would replace our Authorization header
        self._session.proxies = dict(proxies or {})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _Adapter(pool_connections=1, pool_maxsize=MAX_WORKERS_LIMIT, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
        with_key: bool = True,
        read_timeout: float = READ_TIMEOUT,
    ) -> Reply:
        """Send one request and read the whole answer.

        Raises:
            TransportError: no complete answer; ``sent`` says whether a byte had left.
            CredentialsError: there is no key.
        """
        headers = dict(self._headers)
        key = self._key().reveal() if with_key else ""
        if with_key:
            headers["Authorization"] = f"apiKey {key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        _exchange.sent, _exchange.fresh = False, method == "POST"
        failure = ""
        try:
            with self._session.request(
                method,
                self.url + path,
                params=list(params),
                data=body,
                headers=headers,
                timeout=(CONNECT_TIMEOUT, read_timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                answer = _read(response, read_timeout)
                if key and not response.ok:  # an error is quoted to people, and may quote us
                    answer = answer.replace(key.encode(), b"***")
                return Reply(response.status_code, response.headers, answer)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            failure = _cause(error)
        # Raised out here, so that it is not chained: requests' exceptions hold the request, and so the key.
        sent = bool(_exchange.sent)
        fate = "after the request had left" if sent else "before anything was sent"
        raise TransportError(f"{method} {path} failed {fate}: {failure}", sent=sent)

    def close(self) -> None:
        """Close all idle connections."""
        self._session.close()


def _is_plain(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.isprintable()


def _read(response: requests.Response, read_timeout: float) -> bytes:
    """Read the body within bounds of size and of total time, against endless or dripping answers."""
    limit = time.monotonic() + read_timeout * _TOTAL_FACTOR
    parts, size = [], 0
    for part in response.iter_content(65536):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise requests.ConnectionError(f"the answer exceeds {LARGEST_ANSWER:,} bytes")
        if time.monotonic() > limit:
            raise requests.ConnectionError(
                f"the answer took longer than {read_timeout * _TOTAL_FACTOR:.0f} s"
            )
    body = b"".join(parts)
    expected = response.headers.get("Content-Length", "")
    if expected.isdecimal() and not response.headers.get("Content-Encoding") and len(body) < int(expected):
        raise requests.ConnectionError(f"the answer ended after {len(body)} of {expected} bytes")
    return body


def _cause(error: BaseException) -> str:
    """Return the innermost reason in a few words; requests wraps urllib3, which wraps the socket's own."""
    reason: Any = error
    while True:
        inner = getattr(reason, "reason", None) or next(
            (a for a in getattr(reason, "args", ()) if isinstance(a, BaseException)), None
        )
        if not isinstance(inner, BaseException):
            break
        reason = inner
    text = " ".join(str(reason).split())
    if text.startswith(("<", "HTTP")) and ": " in text:  # urllib3 begins with the object at fault
        text = text.split(": ", 1)[1]
    return f"{type(reason).__name__}: {text[:200]}"
