# SPDX-License-Identifier: Apache-2.0
"""Answers of the service that are kept. One thread at a time asks; others can go on with the last answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Known(Generic[_T]):
    """An answer, and when it came."""

    value: _T
    is_told: bool = True
    """False: the service could not be asked."""
    at: float = field(default_factory=lambda: time.monotonic())  # looked up at each call

    @property
    def age(self) -> float:
        """Seconds since it came."""
        return time.monotonic() - self.at


class Answer(Generic[_T]):
    """The last answer to one question.

    A thread that is content with the last answer gets it at once, also while another one asks anew. Threads
    that are not content wait for the one that asks, and take its answer.
    """

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._known: Known[_T] | None = None

    @property
    def known(self) -> Known[_T] | None:
        """The last answer; None if there is none."""
        return self._known

    def get(self, ask: Callable[[], Known[_T]], is_good: Callable[[Known[_T]], bool]) -> _T:
        """Return the last answer if it is good enough, else ask.

        Args:
            ask: asks the service. What it raises is raised here, and nothing is kept.
            is_good: says whether an answer will do.
        """
        known = self._known
        if known is None or not is_good(known):
            with self._asking:
                known = self._known
                if known is None or not is_good(known):
                    known = self._known = ask()
        return known.value

    def put(self, value: _T) -> None:
        """Keep an answer that came in another way."""
        self._known = Known(value)

    def forget(self) -> None:
        """Drop the last answer, so that the next thread asks."""
        self._known = None
