# SPDX-License-Identifier: Apache-2.0
"""The ways in which a service can misbehave, and a script that says when it does. Pure; stdlib only."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

POST, LIST, LOOK, JOB, RESULT, CANCEL = (
    "POST /jobs", "GET /jobs", "GET /jobs?ids", "GET /jobs/id", "GET result", "PUT cancel"
)  # fmt: skip
BACKENDS, WHOAMI, STORED = "GET /backends", "GET /whoami", "stored"
ROUTES = (POST, LIST, LOOK, JOB, RESULT, CANCEL, BACKENDS, WHOAMI, STORED)
"""What can be struck: requests by route, and, as ``stored``, jobs once they are."""

WIRE = frozenset({"reset", "close", "stall", "drip", "truncated", "oversize", "bomb"})
"""Kinds that spoil the bytes of an answer; whoever holds the connection sees to them."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave.

    On the wire: ``reset``, ``close``, ``stall`` (no answer), ``drip`` (one byte every ``seconds``),
    ``truncated``, ``oversize``, ``bomb`` (small, but huge once unpacked).

    In the answer: ``status`` (with ``status`` and perhaps ``retry_after``), ``garbage`` (no JSON),
    ``redirect`` (to another host), and for submissions ``no id``, ``wrong id``, ``repeated id``,
    ``unknown id``, ``late`` (the connection breaks, and the job is stored ``seconds`` later).

    In a listing: ``stale`` (as it was ``seconds`` ago), ``shuffled``, ``repeated rows``, ``cursor loop``;
    and what makes its rows unreadable: see `unreadable_listings`.

    In a stored job: ``odd status`` (words that no specification has), ``canceled at last`` (completed,
    and ``seconds`` later canceled), ``gone`` (completed, and ``seconds`` later 404), ``no echo``,
    ``wrong echo`` (metadata of another job), ``hidden`` (not listed for ``seconds``).
    """

    kind: str
    after: bool = False
    """Whether the request has had its effect by then."""
    status: int = 0
    seconds: float = 0.0
    retry_after: str | None = None

    def __str__(self) -> str:
        words = [str(self.status) if self.kind == "status" else self.kind]
        words += [f"Retry-After {self.retry_after}"] if self.retry_after is not None else []
        words += [f"{self.seconds:g} s"] if self.seconds else []
        return ", ".join(words) + (" after the effect" if self.after else "")


def status(code: int, *, after: bool = False, retry_after: str | None = None) -> Fault:
    """Return the fault of answering with a status."""
    return Fault("status", after=after, status=code, retry_after=retry_after)


@dataclass(frozen=True, slots=True)
class Script:
    """When a service misbehaves: at named requests, and by chance.

    Args:
        seed: of the dice.
        plan: route -> how many such requests there were, this one included -> fault. The number 0 stands
            for all requests of the route that are not named.
        chances: route -> probability that a request is struck, where the plan says nothing.
        menu: route -> what it is struck with then; each equally likely.
    """

    seed: int = 0
    plan: Mapping[str, Mapping[int, Fault]] = field(default_factory=dict)
    chances: Mapping[str, float] = field(default_factory=dict)
    menu: Mapping[str, Sequence[Fault]] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the script as text, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Script:
        """Return the script that `to_json` wrote."""
        told = json.loads(text)
        plan = {
            route: {int(nth): Fault(**fault) for nth, fault in struck.items()}
            for route, struck in told["plan"].items()
        }
        menu = {route: [Fault(**fault) for fault in faults] for route, faults in told["menu"].items()}
        return cls(told["seed"], plan, told["chances"], menu)


class Fate:
    """A script as it is played: counts requests and throws the dice."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._asked: Counter[str] = Counter()
        # A die for each route: one more request here changes nothing there.
        self._dice = {route: random.Random(f"{script.seed} {route}") for route in ROUTES}
        self.struck = 0

    def of(self, route: str) -> Fault | None:
        """Return what befalls the next request of a route."""
        self._asked[route] += 1
        plan = self._script.plan.get(route, {})
        fault = plan.get(self._asked[route], plan.get(0)) or self._by_chance(route)
        self.struck += fault is not None
        return fault

    def _by_chance(self, route: str) -> Fault | None:
        menu, die = self._script.menu.get(route, ()), self._dice[route]
        if not menu or die.random() >= self._script.chances.get(route, 0.0):
            return None
        return die.choice(menu)


EDGE = (500, 502, 503, 504, 520, 522, 524, 530)
"""Statuses that say nothing of whether the request had its effect."""


def submission_faults(*, late: float = 0.0) -> list[Fault]:
    """Return what may befall a submission.

    Args:
        late: seconds by which a job may be stored after its connection broke.
    """
    wire = [Fault(kind, after=after) for kind in ("reset", "close", "stall") for after in (False, True)]
    answers = [
        Fault(kind, after=True)
        for kind in ("truncated", "garbage", "no id", "wrong id", "unknown id", "repeated id")
    ]
    edge = [status(code, after=after) for code in EDGE for after in (False, True)]
    odd = [status(code, after=after) for code in (408, 409, 425) for after in (False, True)]
    pushed_back = [status(429), status(429, retry_after="1"), status(429, retry_after="nonsense")]
    redirects = [Fault("redirect", after=after) for after in (False, True)]
    delayed = [Fault("late", seconds=late * share) for share in (0.1, 0.3, 0.6, 1.0)] if late else []
    return wire + answers + edge + odd + pushed_back + redirects + delayed


def read_faults() -> list[Fault]:
    """Return what may befall any request that changes nothing."""
    wire = [Fault(kind) for kind in ("reset", "close", "stall", "truncated", "garbage", "redirect")]
    return wire + [status(code) for code in (408, 409, 425, 429, *EDGE)]


def unreadable_listings() -> list[Fault]:
    """Return what may make a listing useless, although it is complete and well-formed."""
    kinds = ("no rows", "no metadata", "empty metadata", "half metadata", "odd ids", "no status")
    return [Fault(kind) for kind in kinds]


def listing_faults(*, stale: float = 0.0) -> list[Fault]:
    """Return what may befall one page of a listing.

    Args:
        stale: seconds by which a listing may lag behind.
    """
    lagging = [Fault("stale", seconds=stale * share) for share in (0.1, 0.3, 0.6, 1.0)] if stale else []
    return read_faults() + lagging + [Fault(kind) for kind in ("shuffled", "repeated rows", "cursor loop")]
