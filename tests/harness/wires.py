# SPDX-License-Identifier: Apache-2.0
"""One cell of the fault matrix as it is played over real sockets, where the fault is one of bytes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qiskit_parallel_ionq import ParallelIonQJob, ParallelIonQProvider, api, transport
from qiskit_parallel_ionq.conductor import cancelling
from qiskit_parallel_ionq.errors import TransportError

from . import evidence, faults
from .circuits import several
from .faults import Fault, Script
from .faulty_ionq import serve
from .moments import ROUTES
from .patience import shorten
from .proxy import Cut, Proxy
from .service import KEY, VERSION, Habits, Service
from .tls import TlsFront
from .trials import keep

CIRCUITS = several(4)
LARGEST = 100_000
"""Bytes beyond which an answer is not read on, here."""
SETTLE, SILENCE = 1.5, 1.0
CUTS = {
    ("TLS", "reset"): Cut("down", 100, "reset"),
    ("TLS", "stall"): Cut("down", 100, "stall"),
    ("TLS", "drip"): Cut("down", 0, "trickle"),
    ("TLS", "truncated"): Cut("down", 100, "close"),
    ("send", "reset"): Cut("up", 300, "reset"),
    ("send", "stall"): Cut("up", 300, "stall"),
    ("send", "drip"): Cut("up", 300, "trickle", pause=0.0001),
}
"""What befalls the connection of the first submission: in its handshake, or in its request."""
DRIP = 0.0005
"""Seconds between two bytes."""


def hasten(put: Callable[[Any, str, Any], object] = setattr) -> None:
    """Shorten what the client waits for, and what it reads; ``put`` sets an attribute."""
    shorten(put, settle=SETTLE, silence=SILENCE)
    put(cancelling, "REPEAT_AFTER", 0.2)
    put(api, "LARGEST_SUBMISSION_ANSWER", LARGEST)
    defaults = transport.Transport.exchange.__kwdefaults__
    put(transport.Transport.exchange, "__kwdefaults__", {**defaults, "largest": LARGEST})


@dataclass(frozen=True, slots=True)
class Wire:
    """A service on a socket of this process, and what befalls the way to it.

    Args:
        url: where it is.
        log: what it has told.
        has_struck: says whether anything was befallen.
    """

    url: str
    log: list[Mapping[str, Any]]
    has_struck: Callable[[], bool]


def play(step: str, kind: str, folder: Path) -> None:
    """Play a day on which the bytes of a step's requests are spoilt.

    Args:
        step: the step.
        kind: how; a kind of `Cut` or of `Fault`.
        folder: where the run is recorded.
    """
    with ExitStack() as stack:
        wire = stack.enter_context(_wire(step, kind))
        provider = stack.enter_context(ParallelIonQProvider(KEY, wire.url, state_dir=folder))
        provider.catalogue()
        provider._made_api()._transport.close()  # the next connection is for a submission
        backend = provider.get_backend("simulator")
        job = backend.run(CIRCUITS, shots=4, max_workers=1, use_parallel=step != "resume")
        if step == "cancel":
            _until(lambda: all(job.job_ids()))
            job.cancel(include_running=True)
        if step == "resume":
            _until(lambda: job.progress().done > 0)
            provider.close()
            again = stack.enter_context(ParallelIonQProvider(KEY, wire.url, state_dir=folder))
            job = _resumed(again, job.job_id())
        assert job.wait(60.0), "the run does not come to an end"
        history = evidence.of_job(job, wire.log, folder)
    assert wire.has_struck(), "nothing was struck"
    keep(history)
    assert all(len(jobs) == 1 for jobs in history.stored.values()), "a job was stored twice"
    if step == "cancel":
        assert set(history.errors.values()) == {"CircuitCancelledError"}
    else:
        assert history.results == {index: index for index in range(len(CIRCUITS))}


@contextmanager
def _wire(step: str, kind: str) -> Iterator[Wire]:
    plan: dict[str, dict[int, Fault]] = {}
    if (step, kind) not in CUTS and (step, kind) != ("TLS", "garbage"):
        route = ROUTES[step]
        fault = Fault(kind, after=step == "answer", seconds=DRIP if kind == "drip" else 0.0)
        plan[route] = {2: fault} if route in (faults.POST, faults.WHOAMI) else {1: fault, 2: fault}
    if step == "page":
        plan[faults.POST] = {2: Fault("reset"), 3: Fault("reset", after=True)}
    log: list[Mapping[str, Any]] = []
    habits = Habits(queue=15.0 if step == "cancel" else 0.0, execution=0.02)
    service = Service(time.time, log.append, Script(plan=plan), habits)
    port = serve(service, threading.Lock()).getsockname()[1]
    if (step, kind) == ("TLS", "garbage"):
        with TlsFront(port) as front, Proxy(front.port, lambda _: None) as proxy, _no_tls() as plain:
            target = proxy._target
            struck: list[int] = []

            def fate(number: int) -> None:
                struck.extend([number] if number == 1 else [])
                proxy._target = ("127.0.0.1", plain) if number == 1 else target

            proxy._fate = fate
            yield Wire(f"https://127.0.0.1:{proxy.port}{VERSION}", log, lambda: bool(struck))
    elif step == "TLS":
        with TlsFront(port) as front, Proxy(front.port, {1: CUTS[step, kind]}.get) as proxy:
            yield Wire(f"https://127.0.0.1:{proxy.port}{VERSION}", log, lambda: bool(proxy.struck))
    elif step == "send":
        with Proxy(port, {1: CUTS[step, kind]}.get) as proxy:
            yield Wire(f"http://127.0.0.1:{proxy.port}{VERSION}", log, lambda: bool(proxy.struck))
    else:
        yield Wire(f"http://127.0.0.1:{port}{VERSION}", log, lambda: service.fate.struck > 0)


@contextmanager
def _no_tls() -> Iterator[int]:
    """Answer whoever comes with something that is no handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return  # it was closed
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _until(done: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20.0
    while not done():
        assert time.monotonic() < limit, "it takes too long"
        time.sleep(0.01)


def _resumed(provider: ParallelIonQProvider, run_id: str) -> ParallelIonQJob:
    for _ in range(3):
        try:
            return provider.resume(run_id, submit=True)
        except TransportError:
            continue
    raise AssertionError("the run cannot be resumed")
