# SPDX-License-Identifier: Apache-2.0
"""When each circuit runs: first come, first served, on a number of slots. Pure arithmetic on times.

Durations are known, so a circuit's times are settled when it joins the queue; only a cancellation moves them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Turn:
    """One circuit's turn on the machine; times in seconds.

    Attributes:
        ready_at: may not start before.
        duration: how long it runs.
        start, end: when it runs, settled by the schedule.
        canceled_at: when it was taken out, if it was.
    """

    ready_at: float
    duration: float
    start: float = 0.0
    end: float = 0.0
    canceled_at: float | None = None


@dataclass(slots=True, eq=False)
class _Group:
    """Turns that share a slot and follow each other."""

    turns: Sequence[Turn]
    end: float = field(default=0.0)

    def begin(self, start: float) -> None:
        for turn in self.turns:
            if turn.canceled_at is None or turn.start < turn.canceled_at:
                turn.start, turn.end = start, start + turn.duration
                if turn.canceled_at is not None:
                    turn.end = min(turn.end, turn.canceled_at)
                start = turn.end
        self.end = start


class Schedule:
    """A queue in front of ``slots`` slots; None means that all run at once."""

    def __init__(self, slots: int | None = None) -> None:
        self._slots = slots
        self._free = [float("-inf")] * (slots or 0)
        self._groups: list[_Group] = []

    def add(self, turns: Sequence[Turn]) -> None:
        """Queue turns that run one after another on one slot."""
        group = _Group(turns)
        if self._slots is not None or len(turns) > 1:  # else nobody's end moves anybody's start
            self._groups.append(group)
        self._place(group)

    def cancel(self, turns: Iterable[Turn], now: float) -> None:
        """Take turns out: what has not started never will, what runs stops now. Later turns move up."""
        for turn in turns:
            if turn.canceled_at is None and turn.end > now:
                turn.canceled_at = now
                turn.end = max(turn.start, now)
        self._replan(now)

    def _place(self, group: _Group) -> None:
        ready = group.turns[0].ready_at
        if self._slots is None:
            group.begin(ready)
            return
        group.begin(max(ready, self._free[0]))
        heapq.heapreplace(self._free, group.end)

    def _replan(self, now: float) -> None:
        self._groups = [group for group in self._groups if group.end > now]
        started = [group for group in self._groups if group.turns[0].start <= now]
        waiting = [group for group in self._groups if group.turns[0].start > now]
        for group in started:
            group.begin(group.turns[0].start)
        if self._slots is not None:
            ends = sorted((group.end for group in started), reverse=True)[: self._slots]
            self._free = [*ends, *[now] * (self._slots - len(ends))]
            heapq.heapify(self._free)
        for group in waiting:
            group.turns = [turn for turn in group.turns if turn.canceled_at is None]
            if group.turns:
                self._place(group)
        self._groups = [group for group in self._groups if group.turns]
