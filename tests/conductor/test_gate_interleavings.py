# SPDX-License-Identifier: Apache-2.0
"""Two or three loops at one rate limiter, in any order of their turns: no request waits without a reason.

The long form is ``HARNESS_PROFILE=long``.
"""

from __future__ import annotations

import math
import os
import queue
import random

import pytest

from qiskit_parallel_ionq.conductor import Loop, SharedGate
from qiskit_parallel_ionq.conductor.gate import GRACE
from qiskit_parallel_ionq.conductor.loop import Lane, Order, Task
from qiskit_parallel_ionq.errors import TransportError, api_error
from qiskit_parallel_ionq.worker import Report

SEEDS = range(4000 if os.environ.get("HARNESS_PROFILE") == "long" else 60)


class Program:
    """One loop, whose turns are given to it, and whose requests end when they are told to."""

    def __init__(self, world: World, tasks: int, width: int) -> None:
        self.world, self.done, self.tasks = world, 0, tasks
        self.wakes_at = -math.inf
        self.busy_until = -math.inf
        self.loop = Loop(
            now=lambda: world.now,
            wait=self._wait,
            executor=lambda: self,
            jitter=world.die.random,
            gate=world.gate,
        )
        self.lane = Lane(width)
        for _ in range(tasks):
            order = world.die.choice(list(Order))
            self.lane.put(order, Task(self._report, then=lambda _: setattr(self, "done", self.done + 1)))
        self.loop.open_lane(self.lane)

    def _report(self) -> Report:
        kind, sent_at = self.world.die.choices(["ok", "429", "503", "lost"], [12, 1, 1, 1])[0], self.sent_at
        if kind == "ok":
            return Report(sent_at=sent_at)
        error = (
            TransportError("reset", sent=True) if kind == "lost" else api_error(int(kind), method="", path="")
        )
        pause = self.world.die.choice([None, None, 0.0, 0.3, 2.0]) if kind != "lost" else None
        return Report(error=error, is_passing=True, is_congestion=True, sent_at=sent_at, pause=pause)

    def submit(self, work) -> None:
        sent_at = self.world.now

        def answer() -> None:
            self.sent_at = sent_at
            work()

        self.world.under_way.append((sent_at + self.world.die.choice([0.0, 0.01, 0.1, 1.0]), answer))

    def shutdown(self) -> None:
        pass

    def _wait(self, inbox, patience):
        if inbox.empty():
            self.wakes_at = math.inf if patience is None else self.world.now + patience
            raise queue.Empty
        return inbox.get()

    @property
    def can_turn(self) -> bool:
        """Whether its thread has something to do, and time for it."""
        has_cause = not self.loop._inbox.empty() or self.wakes_at <= self.world.now
        return has_cause and self.busy_until <= self.world.now

    def turn(self) -> None:
        self.wakes_at = -math.inf  # after messages it goes on at once
        self.loop.turn()
        if self.world.die.random() < self.world.busy:
            self.busy_until = self.world.now + self.world.die.choice([0.05, 1.0, 30.0])

    def is_kept_waiting(self) -> bool:
        """Say whether a request could go, and nothing would let it go soon."""
        gate, now = self.world.gate, self.world.now
        ready = {order.kind for order in Order if self.lane.ready[order]} if self.has_room else set()
        could_go = any(gate._gate.allows(now, gate._under_way, kind) for kind in ready)
        will_try = not self.loop._inbox.empty() or self.wakes_at <= now + GRACE + 1e-9
        return could_go and not will_try and self.busy_until <= now

    @property
    def has_room(self) -> bool:
        return self.lane.under_way < self.lane.width


class World:
    """Some programs, and what chance makes of them."""

    def __init__(self, seed: int) -> None:
        self.die = random.Random(seed)
        self.now, self.under_way = 0.0, []
        self.busy, self.lazy = self.die.choice([0.0, 0.0, 0.02, 0.1]), 0.05
        self.gate = SharedGate(ceiling=self.die.choice([1, 2, 3, 8]))
        count, tasks = self.die.choice([2, 2, 3]), self.die.choice([5, 20, 40])
        self.programs = [Program(self, tasks, self.die.choice([1, 2, 10])) for _ in range(count)]

    def step(self) -> bool:
        """Let one thing happen; return whether there was one."""
        choices = [program.turn for program in self.programs if program.can_turn]
        choices += [
            lambda entry=entry: self._answer(entry) for entry in self.under_way if entry[0] <= self.now
        ]
        if choices and self.die.random() >= self.lazy:
            self.die.choice(choices)()
            return True
        times = [at for at, _ in self.under_way]
        times += [max(program.wakes_at, program.busy_until) for program in self.programs]
        times += [program.busy_until for program in self.programs if not program.loop._inbox.empty()]
        later = [at for at in times if self.now < at < math.inf]
        if not later:
            return bool(choices)
        self.now = min(later)
        return True

    def _answer(self, entry) -> None:
        self.under_way.remove(entry)
        entry[1]()


@pytest.mark.parametrize("seed", SEEDS)
def test_every_request_goes_whatever_the_order_of_turns(seed):
    world, steps = World(seed), 0
    while any(program.done < program.tasks for program in world.programs):
        assert world.step(), "nothing will ever happen again"
        steps += 1
        assert steps < 20_000, "it goes on without end"
        for number, program in enumerate(world.programs):
            assert not program.is_kept_waiting(), f"program {number} is kept waiting"
    assert world.gate._under_way == 0


def test_a_loop_whose_thread_is_busy_holds_up_the_other_for_a_moment_only():
    world = World(0)
    world.busy = world.lazy = 0.0
    world.gate = SharedGate(ceiling=1)
    busy, other = (Program(world, 30, 10) for _ in range(2))
    busy._report = other._report = lambda: Report(sent_at=world.now)
    for program in (busy, other):
        for tasks in program.lane.ready:
            tasks.clear()
        for _ in range(30):
            program.lane.put(
                Order.SUBMIT, Task(program._report, then=lambda _, p=program: setattr(p, "done", p.done + 1))
            )
    world.programs = [busy, other]
    busy.turn()
    other.turn()
    busy.busy_until = 1000.0
    while other.done < other.tasks:
        assert world.step()
    assert world.now < 1.0 * 30 + 30 * 2 * GRACE
    assert busy.done <= 1
