# SPDX-License-Identifier: Apache-2.0
"""Circuits that are taken together from an iterator, and sent as a run of their own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Protocol

from .batch import Changed
from .budget import Budget
from .chronicle import base62, new_run_id
from .drafts import Draft
from .errors import BudgetError
from .job import ParallelIonQJob
from .options import RunOptions

LARGEST = 512
"""Circuits that are taken together at the most: as circuits they are larger by far than as requests."""
_SHARE = 8
"""How many stretches a full window holds, at least."""
_DIGITS = 4
"""Of a stretch's number, at the end of its id."""


def stretch_size(window: int) -> int:
    """Return how many circuits are taken together, where so many may be under way.

    >>> stretch_size(16), stretch_size(1), stretch_size(1_000_000)
    (2, 1, 512)
    """
    return max(1, min(LARGEST, window // _SHARE))


def stream_name(run_id: str) -> str:
    """Return what the ids of all runs of a stream begin with.

    Args:
        run_id: of one of them, in its first execution.
    """
    return run_id[:-_DIGITS]


@dataclass(frozen=True, slots=True)
class Stretch:
    """What makes a run a stretch of a stream."""

    id: str
    stream: str
    first: int
    """Position in the stream of its first circuit."""
    seed: int
    changed: Changed
    """Told whenever a circuit of the stream moves."""
    budget: Budget | None = None
    """What all stretches of the stream may cost together."""


class Sends(Protocol):
    """What is asked of the backend."""

    def drafted(self, circuits: Sequence[Any], options: RunOptions, *, first: int) -> list[Draft]:
        """Check circuits; one that cannot run fails alone."""

    def send(
        self,
        drafts: Sequence[Draft],
        options: RunOptions,
        stretch: Stretch,
        *,
        executor: Executor | None,
    ) -> ParallelIonQJob:
        """Send checked circuits as a run."""


class Sender:
    """Sends stretch after stretch, within the bounds of the whole.

    Args:
        backend: where to.
        options: of the whole stream.
        seed: of what is sampled here.
        executor: makes requests in other processes.
        budget: what all of it may cost.
    """

    def __init__(
        self,
        backend: Sends,
        options: RunOptions,
        seed: int,
        executor: Executor | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._backend, self._options, self._seed, self._executor = backend, options, seed, executor
        self._name = new_run_id()[:-_DIGITS]
        self._number = 0
        self._budget = budget

    @property
    def stream_id(self) -> str:
        """The id of the stream, which is that of its first stretch."""
        return self._name + base62(0, _DIGITS)

    def __call__(self, circuits: Sequence[Any], *, first: int, changed: Changed) -> ParallelIonQJob:
        """Check, compile and send circuits as a run of their own; one that cannot run fails alone.

        Args:
            circuits: of the stretch.
            first: position of the first one in the stream.
            changed: told whenever one of them moves.

        Raises:
            BudgetError: the stream would leave its bounds. Nothing of the stretch was sent.
        """
        self._require_room()
        drafts = self._backend.drafted(circuits, self._options, first=first)
        run_id = self._name + base62(self._number, _DIGITS)
        self._number += 1
        stretch = Stretch(run_id, self.stream_id, first, self._seed, changed, self._budget)
        return self._backend.send(drafts, self._options, stretch, executor=self._executor)

    def _require_room(self) -> None:
        """Make sure that the stream may send any more jobs, before circuits are compiled in vain."""
        budget, most = self._budget, self._options.max_jobs
        if budget is not None and most is not None and budget.jobs >= most:
            raise BudgetError(
                f"this stream has sent {budget.jobs} IonQ jobs, and max_jobs is {most}, so no more circuits "
                "are sent; what was accepted goes on"
            )
