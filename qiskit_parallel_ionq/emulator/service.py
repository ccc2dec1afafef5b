# SPDX-License-Identifier: Apache-2.0
"""`LocalIonQ`, the service: wires catalogue, jobs, routes and HTTP together, and keeps the books."""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING

from .faults import Fault, FaultScript
from .jobs import JobStore
from .knobs import Knobs
from .problems import RequestError, error_body
from .routes import PREFIX, Cloud, find_route
from .server import Reply, Request, Server
from .sessions import SessionStore

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on

TEST_KEYS = ("test", "local")
"""How an API key must begin, so that nobody sends a real one here."""
LOG_LENGTH = 100_000
"""Requests the log remembers."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stats:
    """What the service has seen so far.

    Attributes:
        requests: all requests, refused and spoiled ones too.
        connections: TCP connections accepted.
        open_connections: those open now.
        posts, gets: requests of these methods.
        rejected_429: requests refused by the rate limit or by a scripted 429.
        jobs: jobs held now; a multi-circuit job counts once.
        by_route: requests per endpoint, such as ``"GET /jobs/{job}"``.
    """

    requests: int
    connections: int
    posts: int
    gets: int
    rejected_429: int
    jobs: int
    open_connections: int
    by_route: Mapping[str, int]


class LocalIonQ:
    """A local IonQ service on 127.0.0.1 for the clients of IonQ's API v0.4.

    Args:
        seed: makes every sampled result repeatable; None draws one.
        round_trip: this and what follows, up to ``artifacts_only``, are the knobs of `Knobs`.
        port: where to listen; 0 picks a free port.
        clock: seconds since the epoch, for the lives of jobs and the rate limit; by default the real time.
            Round trips and stalls always take real time.

    >>> with LocalIonQ(seed=7) as service:
    ...     service.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        round_trip: float = 0.0,
        execution_time: float | Callable[[int], float] = 0.0,
        queue_time: float = 0.0,
        running_slots: int | None = None,
        serial_children: bool = False,
        rate_limit: float | None = None,
        burst: int | None = None,
        faults: Iterable[Fault] = (),
        control_flow: bool = False,
        artifacts_only: bool = False,
        port: int = 0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.knobs = Knobs(
            seed=seed,
            round_trip=round_trip,
            execution_time=execution_time,
            queue_time=queue_time,
            running_slots=running_slots,
            serial_children=serial_children,
            rate_limit=rate_limit,
            burst=burst,
            faults=tuple(faults),
            control_flow=control_flow,
            artifacts_only=artifacts_only,
        )
        self.api_key = f"local-{secrets.token_hex(16)}"
        self._port = port
        self._clock = clock or _steady_clock()
        entropy = secrets.randbits(32) if seed is None else seed
        self._script = FaultScript(self.knobs.faults, entropy)
        self._limiter = _Limiter(self.knobs, self._clock)
        self._jobs = JobStore(self.knobs, entropy, self._script, self._clock)
        self._cloud = Cloud(self.knobs, self._jobs, SessionStore(), self._clock)
        self._books = _Books()
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self) -> Self:
        """Listen and serve in a background thread; starting twice is harmless.

        Raises:
            RuntimeError: the service has been closed.
            OSError: the port is taken.
        """
        if self._closed:
            raise RuntimeError("The service has been closed; make a new one.")
        if self._server is None:
            self._server = Server(self._port, self._exchange)
            self._thread = threading.Thread(
                target=self._server.serve_forever, args=(0.02,), name="local-ionq", daemon=True
            )
            self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving and hang up; jobs are lost. Closing twice is harmless."""
        if self._server is not None and self._thread is not None and not self._closed:
            self._server.stop()
            self._thread.join()
        self._closed = True
        self._jobs.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<LocalIonQ {self.url if self._server else 'not started'}>"

    @property
    def url(self) -> str:
        """The base URL, with the version.

        Raises:
            RuntimeError: the service has not been started.
        """
        return f"http://127.0.0.1:{self._running().port}{PREFIX}"

    @property
    def requests_log(self) -> list[tuple[str, str, int]]:
        """(method, path below the version, status) of the latest requests; status 0 means no answer."""
        return self._books.entries()

    def stats(self) -> Stats:
        """What the service has seen so far."""
        server = self._running()
        return self._books.stats(server.connections, server.open_connections, len(self._jobs))

    def _running(self) -> Server:
        if self._server is None:
            raise RuntimeError("The service is not started: call start(), or use it in a with statement.")
        return self._server

    def _exchange(self, request: Request) -> Reply:
        """Answer one request, with the delays and faults that are due."""
        server = self._running()
        server.pause(self.knobs.round_trip / 2)
        path = request.path.removeprefix(PREFIX)
        fault = self._script.on_request(request.method, path)
        reply = self._answer(request, path, fault)
        server.pause(self.knobs.round_trip / 2)
        self._books.note(request, path, 0 if reply.spoil == "reset" else reply.status)
        return reply

    def _answer(self, request: Request, path: str, fault: Fault | None) -> Reply:
        if fault is None:
            return self._handle(request, path)
        if fault.action == "stall":
            if fault.after:
                reply = self._handle(request, path)
                self._running().pause(fault.seconds)
                return reply
            self._running().pause(fault.seconds)
            return self._handle(request, path)
        if fault.strikes_before:
            return _spoiled(fault, None)
        return _spoiled(fault, self._handle(request, path))

    def _handle(self, request: Request, path: str) -> Reply:
        """Answer one request as a service without faults does."""
        try:
            self._limiter.admit()
            if not request.path.startswith(PREFIX + "/"):
                raise RequestError(404, f"There is nothing at {request.path}; all paths begin with {PREFIX}.")
            found = find_route(request.method, path)
            if found is None:
                raise RequestError(404, f"There is no {request.method} {path}.")
            route, variables = found
            if route.needs_key:
                _check_key(request.headers.get("authorization"))
            if request.oversized:
                raise RequestError(413, "The body is larger than 10 MB.")
            answer = route.handle(self._cloud, request, **variables)
            return Reply.json(answer.status, answer.content)
        except RequestError as problem:
            after = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
            return Reply.json(problem.status, problem.body, after)
        except Exception as error:  # noqa: BLE001 - a server answers, whatever happens
            _log.exception("%s %s broke", request.method, request.path)
            return Reply.json(500, error_body(500, f"The emulator broke: {error!r}"))


def _steady_clock() -> Callable[[], float]:
    """Seconds since the epoch, by a clock that is never set back."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


def _check_key(header: str | None) -> None:
    """Accept ``apiKey test…`` and ``apiKey local…`` only."""
    if header is None:
        raise RequestError(401, "The Authorization header is missing: send 'apiKey <key>'.")
    scheme, _, key = header.partition(" ")
    if scheme != "apiKey":
        raise RequestError(401, "The Authorization header must read 'apiKey <key>'.")
    if not key.startswith(TEST_KEYS):
        raise RequestError(
            401, "This is a local emulator: its keys begin with 'test' or 'local'. Never send it a real one."
        )


def _spoiled(fault: Fault, reply: Reply | None) -> Reply:
    """The answer a fault makes of the proper one; None when the request was not handled."""
    if fault.action == "status":
        headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
        return Reply.json(fault.status, error_body(fault.status, "A scripted fault."), headers)
    if fault.action == "reset" or reply is None:
        return Reply(0, b"", spoil="reset")
    if fault.action == "truncate":
        return replace(reply, spoil="truncate")
    if fault.action == "drip":
        return replace(reply, spoil="drip", seconds=fault.seconds)
    if fault.action == "missing-id":
        content = json.loads(reply.body)
        if isinstance(content, dict):
            content.pop("id", None)
        return Reply.json(reply.status, content, reply.headers)
    return Reply(200, b"<html><body>not what you asked for</body></html>", {"Content-Type": "text/html"})


class _Limiter:
    """A token bucket: `rate_limit` tokens a second, `burst` at most."""

    def __init__(self, knobs: Knobs, clock: Callable[[], float]) -> None:
        self._rate = knobs.rate_limit
        self._most = knobs.burst or max(1, ceil(knobs.rate_limit or 1))
        self._tokens = float(self._most)
        self._clock = clock
        self._then = clock()
        self._lock = threading.Lock()

    def admit(self) -> None:
        """Take a token.

        Raises:
            RequestError: 429 with the whole seconds until there is one.
        """
        if self._rate is None:
            return
        with self._lock:
            now = self._clock()
            self._tokens = min(self._most, self._tokens + (now - self._then) * self._rate)
            self._then = now
            if self._tokens < 1:
                wait = ceil((1 - self._tokens) / self._rate)
                raise RequestError(429, f"More than {self._rate:g} requests per second.", retry_after=wait)
            self._tokens -= 1


class _Books:
    """Counts and the log of requests."""

    def __init__(self) -> None:
        self._methods: Counter[str] = Counter()
        self._routes: Counter[str] = Counter()
        self._rejected = 0
        self._log: deque[tuple[str, str, int]] = deque(maxlen=LOG_LENGTH)
        self._lock = threading.Lock()

    def note(self, request: Request, path: str, status: int) -> None:
        """Enter one request."""
        found = find_route(request.method, path)
        with self._lock:
            self._methods[request.method] += 1
            self._routes[found[0].name if found else "other"] += 1
            self._rejected += status == 429
            self._log.append((request.method, path, status))

    def entries(self) -> list[tuple[str, str, int]]:
        """The log."""
        with self._lock:
            return list(self._log)

    def stats(self, connections: int, open_connections: int, jobs: int) -> Stats:
        """A snapshot."""
        with self._lock:
            return Stats(
                requests=self._methods.total(),
                connections=connections,
                posts=self._methods["POST"],
                gets=self._methods["GET"],
                rejected_429=self._rejected,
                jobs=jobs,
                open_connections=open_connections,
                by_route=MappingProxyType(dict(self._routes)),
            )
