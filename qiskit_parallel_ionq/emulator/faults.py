# SPDX-License-Identifier: Apache-2.0
"""Scripts of bad days: which requests or circuits go wrong, and how."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, get_args

RequestAction = Literal["status", "reset", "stall", "truncate", "garbage", "missing-id", "drip"]
CircuitAction = Literal["fail", "scale"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, each time it matches.

    Request faults:

    * ``"status"``: answer `status`, with ``Retry-After: retry_after`` if given, in the API's error shape.
    * ``"reset"``: reset the connection instead of an answer.
    * ``"stall"``: send nothing for `seconds`, then go on.
    * ``"truncate"``: promise the whole body, send half of it, close.
    * ``"garbage"``: answer 200 with a body that is not JSON.
    * ``"missing-id"``: leave ``id`` out of the answer.
    * ``"drip"``: send the body byte by byte over `seconds`.

    With ``after=True`` a ``status``, ``reset`` or ``stall`` strikes when the request has been handled, so a
    job is stored and only the answer is lost; otherwise it strikes before. The other actions need an answer
    to spoil, so the request is always handled.

    Circuit faults (`method` and `path` are not used; `name` matches the circuit's name, else the job's):

    * ``"fail"``: the circuit runs and then fails, with `code` and `message`.
    * ``"scale"``: its probabilities are multiplied by `factor`: 0.9 for results that do not sum to one,
      ``1 + 1e-9`` for a harmless drift.

    A fault without `nth`, `every` or `probability` strikes each time it matches. Of several that could
    strike, the first one does.

    Attributes:
        action: what happens.
        method: HTTP method, None for any.
        path: shell-style pattern on the path below ``/v0.4``: ``"/jobs"``, ``"/jobs/*/results/*"``.
        name: shell-style pattern on the circuit's name.
        nth: strike the nth match only, counted from 1; several may be given.
        every: strike each match whose number is a multiple of this.
        probability: strike with this chance, drawn from the service's seed.
        times: strike no more often than this.
        after: strike after the request has been handled.
        status, retry_after, seconds, code, message, factor: see the actions.

    >>> lost_answer = Fault("reset", method="POST", path="/jobs", nth=1, after=True)
    >>> busy = Fault("status", status=503, retry_after=2, every=3)
    """

    action: RequestAction | CircuitAction
    method: str | None = None
    path: str = "*"
    name: str = "*"
    nth: int | Sequence[int] | None = None
    every: int | None = None
    probability: float | None = None
    times: int | None = None
    after: bool = False
    status: int = 503
    retry_after: float | None = None
    seconds: float = 0.0
    code: str = "QuantumComputerError"
    message: str = "The ion chain was lost."
    factor: float = 1.0

    def __post_init__(self) -> None:
        """Refuse unknown actions.

        Raises:
            ValueError: the action is not one of those above.
        """
        known = (*get_args(RequestAction), *get_args(CircuitAction))
        if self.action not in known:
            raise ValueError(f"action must be one of {', '.join(known)}, not {self.action!r}")

    @property
    def strikes_requests(self) -> bool:
        """Whether it concerns requests rather than circuits."""
        return self.action in get_args(RequestAction)

    @property
    def strikes_before(self) -> bool:
        """Whether the request is not handled, or not yet, when it strikes."""
        return self.action in ("status", "reset", "stall") and not self.after


class FaultScript:
    """Decides which fault strikes; keeps the counts. Safe to share between threads."""

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        watches = [_Watch(fault, random.Random(f"{seed}/{n}")) for n, fault in enumerate(faults)]
        self._circuits = [watch for watch in watches if not watch.fault.strikes_requests]
        self._requests = [watch for watch in watches if watch.fault.strikes_requests]
        self._lock = threading.Lock()

    def on_request(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request, if any."""
        with self._lock:
            return _first(
                watch
                for watch in self._requests
                if watch.fault.method in (None, method) and fnmatchcase(path, watch.fault.path)
            )

    def on_circuit(self, name: str) -> Fault | None:
        """The fault that strikes this circuit, if any."""
        with self._lock:
            return _first(watch for watch in self._circuits if fnmatchcase(name, watch.fault.name))


@dataclass(slots=True)
class _Watch:
    """A fault and how often it matched and struck."""

    fault: Fault
    chance: random.Random
    matches: int = 0
    strikes: int = 0

    def due(self) -> bool:
        """Count one more match; whether the fault wants to strike it."""
        fault = self.fault
        self.matches += 1
        if fault.times is not None and self.strikes >= fault.times:
            return False
        if fault.nth is not None:
            return self.matches == fault.nth if isinstance(fault.nth, int) else self.matches in fault.nth
        if fault.every is not None:
            return self.matches % fault.every == 0
        return fault.probability is None or self.chance.random() < fault.probability


def _first(watches: Iterable[_Watch]) -> Fault | None:
    due = [watch for watch in watches if watch.due()]
    if not due:
        return None
    due[0].strikes += 1
    return due[0].fault
