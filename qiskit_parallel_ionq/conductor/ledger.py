# SPDX-License-Identifier: Apache-2.0
"""What the conductor keeps about a batch besides what readers see, and what its parts share."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ..batch import Batch
from ..budget import Budget
from ..chronicle import StoredResult
from ..clocks import Instant
from ..decode import Outcome, RawResult
from ..lifecycle import Event
from ..policy import Backoff
from ..reconcile import Doubt
from ..shelf import Scrap
from ..worker import Worker
from .horizon import Horizon
from .loop import Lane, Loop

BACKOFF = Backoff()


@dataclass(slots=True, eq=False)
class Reading:
    """One attempt to read the result of one job. Answers to requests of an earlier attempt are ignored."""

    open: set[int]
    """Positions in the job of the circuits that have neither a result nor an error yet."""
    complete_from: float = math.inf
    """From when on the job is known to be complete: what is asked for later is whole."""
    asked_at: float = math.inf
    """When the answer that is here was asked for."""
    answer: RawResult | None = None
    """An answer that waits for evidence that it is whole, or for the ids of a pack's children."""


@dataclass(slots=True)
class Voyage:
    """What is kept about one submission besides its state."""

    setbacks: int = 0
    """Reads in a row that failed; they may succeed later."""
    due: float = math.inf
    """When it is to be looked at next; an entry of the heap with another time is void."""
    is_looked_at: bool = False
    """Whether a look at it is queued or under way."""
    unreadable: int = 0
    """Looks in a row whose answer could not be read."""
    bets: int = 0
    bet_at: float | None = None
    """When its result will be asked for unseen; a timer with another time is void."""
    takes_at_least: float = 0.0
    missing_since: float | None = None
    cancels: int = 0
    """How often its cancellation was asked for."""
    cancel_again_at: float = -math.inf
    reading: Reading | None = None
    """The attempt to read its result that is under way."""
    spoilt: int = 0
    """Answers that could not be true, or that could not be read."""


@dataclass(slots=True, eq=False)
class Ledger:
    """What is kept about one batch. Touched by the loop's thread only."""

    began: float
    lane: Lane
    owner: object = None
    """Kept alive while the batch is under way: without it the provider could be collected."""
    voyages: list[Voyage] = field(default_factory=list)
    due: list[tuple[float, int]] = field(default_factory=list)
    to_look: list[int] = field(default_factory=list)
    asks_whose_at: float = -math.inf
    """When jobs that nobody has seen yet are asked about together."""
    looks_ready: int = 0
    horizon: Horizon = field(default_factory=Horizon)
    is_moving: bool = False
    """Whether the horizon is about to be moved."""
    to_cancel: list[int] = field(default_factory=list)
    active: int = 0
    posts: int = 0
    has_asked_project: bool = False
    doubts: dict[int, Doubt] = field(default_factory=dict)
    """Submissions that may or may not exist, by number."""
    is_restored: bool = False
    """Whether another process, whose clock nobody knows, began it."""
    resent: set[int] = field(default_factory=set)
    """Submissions that were sent again after a proof of absence: the only ones that can have duplicates."""
    duplicates: dict[str, int] = field(default_factory=dict)
    """Duplicates that are being cancelled, and how often each was looked at in vain."""
    withheld: deque[int] = field(default_factory=deque)
    """Submissions that wait until the budget has room for them, in their order."""
    is_releasing: bool = False
    """Whether they are being gone through, so that what happens meanwhile does not do so again."""
    open_bills: set[int] = field(default_factory=set)
    """Submissions that have ended and whose bills are being asked for."""
    stopped: Exception | None = None
    is_given_up: bool = False
    """Whether a fault of ours ended it: only answers to submissions under way are taken note of."""
    stays_open: bool = False
    """Whether a circuit that ended here may still come to something when the run is resumed."""
    unreachable_since: float | None = None
    is_cancelled: bool = False
    cancels_running: bool = False
    looks_one_by_one: bool = False
    unreadable_pages: int = 0
    """Pages of looks in a row that could not be read."""
    listings: int = 0
    is_listing: bool = False
    listing_took: float = 0.0
    """Seconds that the last listing took."""
    first_left: dict[int, Instant] = field(default_factory=dict)
    """When submissions that may be in doubt left first, by number, if this process sent them."""
    left_before: dict[int, Instant] = field(default_factory=dict)
    """The same of those that another process sent: by the wall clock, on which alone its times are known."""
    last_sent_at: float = -math.inf
    posts_before: dict[int, int] = field(default_factory=dict)
    """How often submissions were sent by processes before this one, by number."""
    is_sweeping: bool = False
    is_watching: bool = False
    """Whether the account is looked through for duplicates now and then."""


class Stage(Protocol):
    """What the parts of the conductor may ask of the whole."""

    loop: Loop
    worker: Worker

    def ledger(self, batch: Batch) -> Ledger:
        """Return the ledger of a batch that is under way."""

    def is_open(self, batch: Batch) -> bool:
        """Say whether a batch is under way."""

    def at(self, batch: Batch, due: float, act: Callable[[], object]) -> None:
        """Do something for a batch at a time on the loop's clock, if the batch is under way then."""

    def aside(
        self, batch: Batch, work: Callable[[], Callable[[], None]], is_wanted: Callable[[], bool]
    ) -> None:
        """Compute something for a batch on a worker's thread, then do what that returns on this one."""

    def settle(self, batch: Batch, number: int) -> None:
        """Go on with a result that waits for what the job's record says."""

    def apply(self, batch: Batch, number: int, event: Event) -> None:
        """Step one submission, publish its state, and see to what follows."""

    def batches_of(self, budget: Budget) -> list[Batch]:
        """Return the batches under way that share a budget."""

    def circuit_done(
        self, batch: Batch, index: int, outcome: Outcome | None, kept: StoredResult | Scrap | None
    ) -> None:
        """Publish a circuit's result, None where none was wanted, and record where it is kept."""

    def circuit_failed(self, batch: Batch, index: int, error: Exception) -> None:
        """Keep the reason why a circuit by itself, and not its job, has no result."""


def pause(stage: Stage, setbacks: int) -> float:
    """Return seconds to wait after so many setbacks in a row."""
    return BACKOFF.delay(min(setbacks, BACKOFF.attempts), jitter=stage.loop.jitter()) or 0.0
