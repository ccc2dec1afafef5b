# SPDX-License-Identifier: Apache-2.0
"""The gate that all loops of an account share: who may send now, who is next, and a word when it closes."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Collection
from weakref import WeakValueDictionary

from ..credentials import Secret
from ..logs import logger
from ..options import MAX_WORKERS_LIMIT
from ..policy import Gate, Kind
from ..worker import Report

LONG = 10.0
"""Seconds: a pause worth a word."""

Wake = Callable[[], object]


GRACE = 0.02
"""Seconds for which a request that may leave waits for the loop whose turn it is."""


class SharedGate:
    """A `Gate` that any thread may use. Loops that are refused take turns.

    A loop is known by the function that wakes it. For each request it calls `enter`; once it has tried all
    it has, it calls `wait`, which says when to try again; it calls `leave` when an answer is there. A
    wake-up means that trying again may help.

    No request waits without an event that ends the wait: a time from `wait`, or a wake-up. What changes the
    state of the gate wakes every loop that it may concern. A loop that does not use its turn within `GRACE`
    seconds, because its thread is busy, is passed over and woken; it queues again when it has time.
    """

    def __init__(self, ceiling: int = MAX_WORKERS_LIMIT) -> None:
        self._lock = threading.Lock()
        self._gate = Gate.open(ceiling)
        self._under_way = 0
        self._waiting: dict[Kind, list[Wake]] = {kind: [] for kind in Kind}
        self._turn_began: dict[Kind, float] = dict.fromkeys(Kind, -math.inf)
        """When the first loop in line became the first, or when there was room for its request."""
        self._shut_since = 0.0

    def enter(self, wake: Wake, kind: Kind, now: float) -> bool:
        """Return whether a request may leave, and count it as under way if so."""
        with self._lock:
            line = self._waiting[kind]
            is_first = not line or line[0] == wake
            if not self._gate.allows(now, self._under_way, kind):
                return False
            if not is_first and now < self._ends_turn_at(kind):
                return False
            passed_over = [] if is_first else [line.pop(0)]
            self._under_way += 1
            before, self._gate = self._gate, self._gate.sent(now, kind)
            self._drop(wake, kind)
            self._turn_began[kind] = now
            woken = passed_over + line[:1]
        self._tell(before, self._gate, now)
        _call(woken)
        return True

    def wait(self, wake: Wake, kinds: Collection[Kind], now: float) -> float:
        """Queue for these kinds and no others; return when to try again, unless woken before."""
        with self._lock:
            woken = []
            for kind in Kind:
                if kind not in kinds and self._drop(wake, kind):
                    self._turn_began[kind] = now
                    woken += self._waiting[kind][:1]
            again = math.inf
            for kind in kinds:
                line = self._waiting[kind]
                if not line:
                    self._turn_began[kind] = now
                if wake not in line:
                    line.append(wake)
                if self._gate.has_room(self._under_way):
                    is_first = line[0] == wake
                    again = min(again, self._gate.opens_at(kind) if is_first else self._ends_turn_at(kind))
        _call(woken)
        return again

    def leave(self, wake: Wake, kind: Kind, report: Report | None, *, now: float, jitter: float) -> None:
        """Take note of how a request went; None if it never left."""
        with self._lock:
            before, had_room = self._gate, self._gate.has_room(self._under_way)
            if report is not None:
                self._gate = _judged(before, report, kind, now=now, under_way=self._under_way, jitter=jitter)
            self._under_way -= 1
            if not had_room:
                self._turn_began = dict.fromkeys(Kind, now)
            waiting = dict.fromkeys(loop for line in self._waiting.values() for loop in line if loop != wake)
        try:
            self._tell(before, self._gate, now, report)
        finally:
            _call(waiting)

    def _ends_turn_at(self, kind: Kind) -> float:
        """Return when others may go before the first loop in line, if there is room."""
        return max(self._turn_began[kind], self._gate.opens_at(kind)) + GRACE

    def _drop(self, wake: Wake, kind: Kind) -> bool:
        """Remove a loop from a line; return whether it was the first."""
        line = self._waiting[kind]
        if wake not in line:
            return False
        was_first = line[0] == wake
        line.remove(wake)
        return was_first

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
