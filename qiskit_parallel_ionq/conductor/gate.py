# SPDX-License-Identifier: Apache-2.0
"""The gate that all loops of an account share: who may send now, who is next, and a word when it closes."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable, Collection
from weakref import WeakValueDictionary

from ..credentials import Secret
from ..options import MAX_WORKERS_LIMIT
from ..policy import Gate, Kind
from ..worker import Report

logger = logging.getLogger("qiskit_parallel_ionq")

LONG = 10.0
"""Seconds: a pause worth a word."""

Wake = Callable[[], object]


class SharedGate:
    """A `Gate` that any thread may use. Loops that are refused are let in one after the other.

    A loop is known by the function that wakes it. It asks `enter` for each request, says `wait` once it has
    asked for all it could, and `leave` when an answer is there; a wake-up means that asking again may help.
    """

    def __init__(self, ceiling: int = MAX_WORKERS_LIMIT) -> None:
        self._lock = threading.Lock()
        self._gate = Gate.open(ceiling)
        self._under_way = 0
        self._waiting: dict[Kind, list[Wake]] = {kind: [] for kind in Kind}
        self._shut_since = 0.0

    def enter(self, wake: Wake, kind: Kind, now: float) -> bool:
        """Say whether a request may leave, and take it as gone if so."""
        with self._lock:
            waiting = self._waiting[kind]
            if (waiting and waiting[0] != wake) or not self._gate.allows(now, self._under_way, kind):
                return False
            self._under_way += 1
            before, self._gate = self._gate, self._gate.sent(now, kind)
            next_in_line = self._drop(wake, kind)
        self._tell(before, self._gate, now)
        _call(next_in_line)
        return True

    def wait(self, wake: Wake, kinds: Collection[Kind]) -> float:
        """Stand in line for these kinds and no others; return when to ask again, unless woken before."""
        with self._lock:
            left = [w for kind in Kind if kind not in kinds for w in self._drop(wake, kind)]
            again = math.inf
            for kind in kinds:
                waiting = self._waiting[kind]
                if wake not in waiting:
                    waiting.append(wake)
                if waiting[0] == wake and self._gate.has_room(self._under_way):
                    again = min(again, self._gate.opens_at(kind))
        _call(left)
        return again

    def leave(self, wake: Wake, kind: Kind, report: Report | None, *, now: float, jitter: float) -> None:
        """Take note of how a request went; None if it never left."""
        with self._lock:
            before = self._gate
            if report is not None:
                self._gate = _judged(before, report, kind, now=now, under_way=self._under_way, jitter=jitter)
            self._under_way -= 1
            first = [line[0] for line in self._waiting.values() if line and line[0] != wake]
        self._tell(before, self._gate, now, report)
        _call(first)

    def _drop(self, wake: Wake, kind: Kind) -> list[Wake]:
        """Take a loop out of a line, and return whose turn it is then, if that changed."""
        waiting = self._waiting[kind]
        if wake not in waiting:
            return []
        was_first = waiting[0] == wake
        waiting.remove(wake)
        return waiting[:1] if was_first else []

    def _tell(self, before: Gate, after: Gate, now: float, report: Report | None = None) -> None:
        """Log that the gate closed for long, or opened again; never what befell one request."""
        cause = None if report is None else report.error
        if after.is_shut and not before.is_shut:
            self._shut_since = now
            logger.warning(
                "%d requests in a row failed (the last: %s). From now on single requests, 1 to %.0f s apart, "
                "try whether the service is back; what was accepted goes on and nothing is given up",
                after.setbacks,
                cause,
                after.LONGEST_PROBE,
            )
        elif before.is_shut and not after.is_shut:
            logger.info(
                "The service answers again after %.0f s; requests go out as before", now - self._shut_since
            )
        elif after.pace.is_on and not before.pace.is_on:
            logger.warning(
                "The service limits how often it is asked (429). Nothing is sent for %.1f s, then about %.1f "
                "%s a second, more as far as it lets us; nothing is lost",
                after.not_before - now,
                after.pace.rate(after.not_before),
                "requests" if after.pace.covers_reads else "submissions",
            )
        elif before.pace.is_on and not after.pace.is_on:
            logger.info("The service's limit was not felt for a while; requests go out freely again")
        elif after.not_before - now >= LONG > before.not_before - now and not after.is_shut:
            logger.warning(
                "The service asked for a pause (%s): nothing is sent for %.0f s; what was accepted goes on",
                cause,
                after.not_before - now,
            )


_SALT = os.urandom(32)
_GATES: WeakValueDictionary[tuple[int, str, bytes], SharedGate] = WeakValueDictionary()
_GATES_LOCK = threading.Lock()


def gate_of(url: str, key: Secret) -> SharedGate:
    """Return the one gate of an account in this process, for as long as somebody keeps it.

    An account is a base URL and a key, of which a fingerprint is compared. A forked process has other gates:
    requests that its parent had under way never come back to it.
    """
    account = os.getpid(), url, key.fingerprint(_SALT)
    with _GATES_LOCK:
        gate = _GATES.get(account)
        if gate is None:
            gate = _GATES[account] = SharedGate()
        return gate


def _judged(gate: Gate, report: Report, kind: Kind, *, now: float, under_way: int, jitter: float) -> Gate:
    """Return a gate after a request."""
    sent_at = report.sent_at
    if not report.is_congestion:
        return gate.answered(now, sent_at=sent_at, under_way=under_way, kind=kind)
    if getattr(report.error, "status", None) == 429:
        return gate.pushed_back(now, sent_at=sent_at, kind=kind, pause=report.pause, jitter=jitter)
    return gate.failed(now, sent_at=sent_at, under_way=under_way, pause=report.pause, jitter=jitter)


def _call(wakes: Collection[Wake]) -> None:
    for wake in wakes:
        wake()
