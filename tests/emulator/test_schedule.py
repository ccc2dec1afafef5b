# SPDX-License-Identifier: Apache-2.0
"""Who runs when: first come, first served, on so many slots."""

from __future__ import annotations

import pytest

from qiskit_parallel_ionq.emulator.schedule import Schedule, Turn


def queued(schedule: Schedule, *durations: float, ready_at: float = 0.0) -> list[Turn]:
    turns = [Turn(ready_at, duration) for duration in durations]
    for turn in turns:
        schedule.add([turn])
    return turns


def spans(turns: list[Turn]) -> list[tuple[float, float]]:
    return [(turn.start, turn.end) for turn in turns]


def test_without_a_limit_all_run_at_once():
    assert spans(queued(Schedule(), 3, 3, 5)) == [(0, 3), (0, 3), (0, 5)]


def test_one_slot_runs_one_after_another():
    assert spans(queued(Schedule(1), 3, 1, 2)) == [(0, 3), (3, 4), (4, 6)]


def test_two_slots_take_whoever_is_next():
    assert spans(queued(Schedule(2), 3, 1, 1, 4)) == [(0, 3), (0, 1), (1, 2), (2, 6)]


def test_nobody_starts_before_being_ready():
    schedule = Schedule(1)
    queued(schedule, 1)
    assert spans(queued(schedule, 2, ready_at=5)) == [(5, 7)]


@pytest.mark.parametrize("slots", [1, 2, None])
def test_a_group_shares_a_slot_and_keeps_its_order(slots):
    schedule = Schedule(slots)
    group = [Turn(0, 2), Turn(0, 3)]
    schedule.add(group)
    (later,) = queued(schedule, 1)
    assert spans(group) == [(0, 2), (2, 5)]
    assert later.start == (5 if slots == 1 else 0)


def test_canceling_who_waits_moves_the_others_up():
    schedule = Schedule(1)
    first, second, third = queued(schedule, 3, 3, 3)
    schedule.cancel([second], now=1)
    assert spans([first, third]) == [(0, 3), (3, 6)]
    assert second.canceled_at == 1


def test_canceling_who_runs_frees_the_slot_now():
    schedule = Schedule(1)
    first, second = queued(schedule, 10, 3)
    schedule.cancel([first], now=4)
    assert spans([first, second]) == [(0, 4), (4, 7)]


def test_canceling_without_a_limit_ends_that_one_only():
    schedule = Schedule()
    first, second = queued(schedule, 10, 10)
    (third,) = queued(schedule, 5, ready_at=8)
    schedule.cancel([first, third], now=4)
    assert spans([first, second, third]) == [(0, 4), (0, 10), (8, 8)]


def test_canceling_who_is_done_changes_nothing():
    schedule = Schedule(1)
    first, second = queued(schedule, 2, 2)
    schedule.cancel([first], now=3)
    assert first.canceled_at is None
    assert spans([first, second]) == [(0, 2), (2, 4)]


def test_canceling_inside_a_running_group_moves_up_the_rest_of_it():
    schedule = Schedule(1)
    group = [Turn(0, 2), Turn(0, 3), Turn(0, 4)]
    schedule.add(group)
    (later,) = queued(schedule, 1)
    schedule.cancel([group[1]], now=1)
    assert spans([group[0], group[2], later]) == [(0, 2), (2, 6), (6, 7)]


def test_canceling_all_of_a_waiting_group_leaves_no_gap():
    schedule = Schedule(1)
    queued(schedule, 5)
    group = [Turn(0, 2), Turn(0, 3)]
    schedule.add(group)
    (later,) = queued(schedule, 1)
    schedule.cancel(group, now=1)
    assert later.start == 5


def test_who_runs_keeps_running_when_others_are_canceled():
    schedule = Schedule(2)
    turns = queued(schedule, 10, 10, 10, 10)
    schedule.cancel([turns[2]], now=5)
    assert spans([turns[0], turns[1], turns[3]]) == [(0, 10), (0, 10), (10, 20)]
