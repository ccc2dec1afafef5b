# SPDX-License-Identifier: Apache-2.0
"""When things happened to the circuits and submissions of a run, in eight bytes a time.

Times are seconds on the conductor's clock. What a `lifecycle.Submission` knows is not kept twice.
"""

from __future__ import annotations

import math
from array import array


class Stamps:
    """Columns of times, by circuit or by submission; what nobody has noted is not known.

    >>> stamps = Stamps()
    >>> stamps.compiled(1, 0.25, 0.5)
    >>> known(stamps.compile_began, 1), known(stamps.compile_began, 0), known(stamps.ended, 7)
    (0.25, None, None)
    """

    __slots__ = (
        "answered", "asked", "began", "compile_began", "compile_ended", "ended", "opened", "taken",
        "troubles",
    )  # fmt: skip

    def __init__(self) -> None:
        self.began = math.nan
        """When the user called."""
        self.compile_began, self.compile_ended, self.ended = (array("d") for _ in range(3))
        """By circuit."""
        self.taken, self.asked, self.answered, self.opened = (array("d") for _ in range(4))
        """By submission: handed to the conductor; result asked for, there, and about to be decoded."""
        self.troubles: list[tuple[int, float, str]] = []
        """Submission, time and reason of each read of a result that failed."""

    def compiled(self, circuit: int, began: float, ended: float) -> None:
        """Note that a circuit was compiled and encoded."""
        _put(self.compile_began, circuit, began)
        _put(self.compile_ended, circuit, ended)

    def take(self, number: int, at: float) -> None:
        """Note that the conductor has a submission's parcel."""
        _put(self.taken, number, at)

    def read(self, number: int, asked: float, answered: float) -> None:
        """Note that a result, or a part of it, came; from the first question to the last answer."""
        first = known(self.asked, number)
        _put(self.asked, number, asked if first is None else min(first, asked))
        _put(self.answered, number, answered)

    def open(self, number: int, at: float) -> None:
        """Note that a result is about to be decoded; the first time counts."""
        if known(self.opened, number) is None:
            _put(self.opened, number, at)

    def end(self, circuit: int, at: float) -> None:
        """Note that a circuit's state is final."""
        _put(self.ended, circuit, at)


def known(column: array[float], place: int) -> float | None:
    """Return a time, or None if nobody has noted it."""
    if place >= len(column):
        return None
    at = column[place]
    return None if at != at else at  # NaN equals nothing


def _put(column: array[float], place: int, at: float) -> None:
    size = len(column)
    if place < size:
        column[place] = at
        return
    if place > size:
        column.extend([math.nan] * (place - size))
    column.append(at)
