# SPDX-License-Identifier: Apache-2.0
"""One HTTP exchange over a shared pool of connections; the only module that knows requests and urllib3.

Below us nothing retries and nothing follows redirects. "Was it sent?" is answered by a flag set at the
first byte written, not by the type of the exception: a TLS handshake that hangs, for one, is reported as
a read timeout.
"""

from __future__ import annotations

import io
import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from .credentials import Redactor, Secret, Unshown, unshown
from .errors import CredentialsError, OptionError, TransportError
from .options import MAX_WORKERS_LIMIT

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
SUBMIT_TIMEOUT = 120.0
"""Longer than an edge proxy waits for its origin, so that the edge answers before we give up."""
STALE_AFTER = 5.0
"""Idle seconds after which a connection is not trusted with a submission."""
LARGEST_SUBMISSION_ANSWER = 2**20
LARGEST_LISTING = 32 * 2**20
"""Bytes of an answer, unpacked, beyond which it is not read on."""
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Name a file of certificate authorities to trust; the first that is set counts."""
_TOTAL_FACTOR = 4.0
_SLOWEST = 250_000.0
"""Bytes a second: a large answer may take as much longer as it needs at this rate."""
_KEPT_AS_BYTES = 2**20
"""Bytes of a body up to which it is copied, so that it cannot change."""
_ENCODINGS = "gzip, deflate"
"""Those that urllib3 unpacks piece by piece, whatever else is installed."""
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_LIKELY_SECRET = 16
"""Characters from which on the value of a custom header may be a secret, and is no word of a sentence."""


class _Exchange(threading.local):
    """What the connections must know of the exchange of their thread, and what it has come to so far."""

    sent = False
    fresh = False
    patience = 0.0
    deadline = 0.0
    requests = 0
    connections = 0


_exchange = _Exchange()


def traffic_of_thread() -> tuple[int, int]:
    """Return how many requests this thread has sent, and how many connections it has opened for them."""
    return _exchange.requests, _exchange.connections


class _Punctual(io.RawIOBase):
    """Reads from a socket until the time of the exchange is up, however slowly an answer drips.

    What has come extends the time a little: large answers take long on a slow line.
    """

    def __init__(self, raw: Any, sock: Any) -> None:
        self._raw, self._sock = raw, sock

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def readinto(self, buffer: Any) -> int | None:
        left = _exchange.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is up")
        patience = self._sock.gettimeout()
        self._sock.settimeout(min(patience, left))
        try:
            count: int | None = self._raw.readinto(buffer)
        finally:
            self._sock.settimeout(patience)
        _exchange.deadline += (count or 0) / _SLOWEST
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Punctual(self.fp.detach(), sock))


class _Watched:
    """Mixed into urllib3's connections: notes the first byte written and the last use."""

    response_class: Any = _Answer
    debuglevel = 0  # whoever turns on http.client's debugging would have it print the key
    sock: Any
    idle_since: float = 0.0

    def connect(self) -> None:
        sent, patience = _exchange.sent, _exchange.patience
        _exchange.patience = CONNECT_TIMEOUT
        try:
            super().connect()  # type: ignore[misc]
        finally:
            _exchange.connections += 1
            # What was said to a proxy on the way is not the request.
            _exchange.sent, _exchange.patience = sent, patience

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _exchange.sent = True
        self.sock.settimeout(_exchange.patience)  # a large body on a slow line outlasts a connect timeout
        super().send(data)  # type: ignore[misc]


class _Connection(_Watched, HTTPConnection):
    pass


class _SecureConnection(_Watched, HTTPSConnection):
    pass


class _WatchedPool:
    """Mixed into urllib3's pools: a connection that idled too long is not used for a submission."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        if _exchange.fresh and time.monotonic() - connection.idle_since > STALE_AFTER:
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
    body: bytes | bytearray

    def json(self) -> Any:
        """Parse the body.

        Raises:
            ValueError: it is not JSON, is nested absurdly deep, holds NaN or Infinity, or a key twice.
        """
        try:
            return json.loads(self.body, parse_constant=_refuse_constant, object_pairs_hook=_with_unique_keys)
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


def _with_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twin[:40]!r} stands twice in one object")
    return members


class _Signature(AuthBase):
    """Puts the key on a request at the last moment, and on none that goes elsewhere."""

    def __init__(self, key: Secret, origin: tuple[str, str | None, int | None]) -> None:
        self._key = key
        self._origin = origin

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if _origin(request.url or "") != self._origin:
            raise CredentialsError("the request would have gone to another host than the key belongs to")
        request.headers["Authorization"] = Unshown(f"apiKey {self._key.reveal()}")
        return request


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


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
        self.url = url
        for name, value in (headers or {}).items():
            if not (_is_plain(name) and _is_plain(value)):
                raise OptionError(f"the custom header {name!r} must be printable ASCII text, name and value")
            if name.lower() in ("authorization", "host", "cookie"):
                raise CredentialsError(f"the header {name!r} is not a custom one; pass the key as token")
        for scheme, proxy in (proxies or {}).items():
            _check_proxy(scheme, proxy)
        self._origin = _origin(url)
        self._key = key
        self._headers = {
            "User-Agent": user_agent,
            "Accept": "application/json",
            "Accept-Encoding": _ENCODINGS,
            **unshown(headers or {}),
        }
        private = [value for value in (headers or {}).values() if len(value) >= _LIKELY_SECRET]
        private += [unquote(urlsplit(proxy).password or "") for proxy in (proxies or {}).values()]
        self._redactor = Redactor(*private)
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc entry would replace our Authorization header
        self._session.verify = _ca_bundle() or True
        self._session.proxies = unshown(proxies or {})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _Adapter(pool_connections=1, pool_maxsize=MAX_WORKERS_LIMIT, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __repr__(self) -> str:
        return f"<Transport to {self.url}>"

    def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
        with_key: bool = True,
        read_timeout: float = READ_TIMEOUT,
        largest: int = LARGEST_LISTING,
    ) -> Reply:
        """Send one request and read the whole answer.

        Args:
            method: HTTP method.
            path: path below the base URL.
            params: query, in order.
            body: JSON.
            with_key: whether the request is signed.
            read_timeout: seconds without a byte; four times as many for all of it.
            largest: bytes of the answer, unpacked, beyond which it is not read on.

        Raises:
            TransportError: no complete answer; ``sent`` says whether a byte had left, ``answered`` whether
                there is one that is too large.
            CredentialsError: there is no key.
        """
        key = self._key() if with_key else None
        redact = self._redactor.and_of(key) if key else self._redactor
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        limit = read_timeout * _TOTAL_FACTOR
        _exchange.sent, _exchange.fresh = False, method == "POST"
        _exchange.requests += 1
        _exchange.patience, _exchange.deadline = read_timeout, time.monotonic() + limit
        is_too_large = False
        try:
            with self._session.request(
                method,
                self.url + path,
                params=list(params),
                data=body,
                headers=headers,
                auth=_Signature(key, self._origin) if key else None,
                timeout=(CONNECT_TIMEOUT, read_timeout),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = redact(_read(response, largest))
                told = {name: redact.text(value) for name, value in response.headers.items()}
                return Reply(response.status_code, CaseInsensitiveDict(told), content)
        except _TooLargeError as error:
            reason, is_too_large = str(error), True
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            reason = redact.text(_cause(error))
        if not is_too_large and time.monotonic() >= _exchange.deadline:
            reason = f"the answer took longer than {limit:g} s"
        # Raised out here, so that it is not chained: requests' exceptions hold the request, and so the key.
        sent = bool(_exchange.sent)
        fate = "after the request had left" if sent else "before anything was sent"
        raise TransportError(
            f"{method} {path} failed {fate}: {reason}. {_advice(method, reason, sent=sent)}",
            sent=sent,
            answered=is_too_large,
        )

    def close(self) -> None:
        """Close all idle connections."""
        self._session.close()


def _is_plain(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.isprintable()


def _check_proxy(scheme: str, proxy: object) -> None:
    """Refuse what is no URL of a proxy; it is not quoted, as it may hold a password.

    Raises:
        OptionError: it is none.
    """
    try:
        parts = urlsplit(proxy if isinstance(proxy, str) else "")
        is_good = parts.scheme in _PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise OptionError(
            f"proxies[{scheme!r}] must be a URL such as 'http://proxy.example:3128', of one of the schemes "
            f"{', '.join(_PROXY_SCHEMES)}"
        )


def _ca_bundle() -> str | None:
    """Return the file of trusted authorities that the environment names, as curl and requests read it."""
    return next((os.environ[name] for name in CA_VARIABLES if os.environ.get(name)), None)


class _TooLargeError(Exception):
    """An answer has more bytes than it may."""


def _read(response: requests.Response, largest: int) -> bytes | bytearray:
    """Read the body, and stop when it is too large; a packed one is unpacked no further than that.

    Raises:
        requests.ConnectionError: it is cut short, or packed in a way that was not asked for.
        _TooLargeError: it has more bytes than it may.
    """
    packing = response.headers.get("Content-Encoding", "").strip().lower()
    if packing not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise requests.ConnectionError(f"the answer is packed as {packing[:40]!r}, which was not asked for")
    expected = response.headers.get("Content-Length", "")
    announced = int(expected) if expected.isdecimal() and len(expected) < 20 and not packing else 0
    body = bytearray()
    if announced <= largest:
        for part in response.iter_content(65536):
            body += part
            if len(body) > largest:
                break
    if max(announced, len(body)) > largest:
        raise _TooLargeError(f"the answer exceeds {largest:,} bytes")
    if len(body) < announced:
        raise requests.ConnectionError(f"the answer ended after {len(body)} of {expected} bytes")
    return bytes(body) if len(body) <= _KEPT_AS_BYTES else body  # a second copy of a large one may not fit


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
    text = _CULPRIT.sub("", " ".join(str(reason).split()))
    text = _SOURCE_LINE.sub("", text)
    return f"{type(reason).__name__}: {text[:200]}".rstrip(".: ")


_CULPRIT = re.compile(r"^(?:<[^>]*>|\w+\(host=[^)]*\)): ")
"""urllib3 begins with the object at fault."""
_SOURCE_LINE = re.compile(r" \(_ssl\.c:\d+\)")


def _advice(method: str, reason: str, *, sent: bool) -> str:
    """Return what to do about a failure."""
    if sent:
        is_safe = method != "POST"
        return "Asking again is safe." if is_safe else "Look whether it took effect before sending it again."
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return f"If a gateway of yours signs for the service, name its CA bundle in {CA_VARIABLES[0]}."
    if "CA certificate bundle" in reason or "NO_CERTIFICATE_OR_CRL" in reason:
        return f"Correct {' or '.join(CA_VARIABLES)}, whichever is set."
    if "SSL" in reason:
        return "Does the URL name a host and port that speak https?"
    if "roxy" in reason or "Tunnel" in reason:
        return "Are the proxies right, and their password?"
    return "Is the network up, the URL right, and does the way out need a proxy (proxies=...)?"
