# SPDX-License-Identifier: Apache-2.0
"""Virtual time: order, waiting, waking, and deaths."""

from __future__ import annotations

import threading

import pytest

from .clock import Clock, Killed, Process


def run_out(clock):
    while clock.step():
        pass


def test_strands_take_turns_as_their_times_come():
    clock, seen = Clock(), []
    process = Process(clock)

    def sleeper(name, *naps):
        for nap in naps:
            clock.sleep(nap)
            seen.append((name, clock.now))

    process.spawn(lambda: sleeper("a", 1.0, 1.0))
    process.spawn(lambda: sleeper("b", 1.5))
    process.spawn(lambda: sleeper("c", 1.0))
    run_out(clock)
    assert seen == [("a", 1.0), ("c", 1.0), ("b", 1.5), ("a", 2.0)]


def test_a_strand_can_be_woken_before_its_time_and_is_not_woken_twice():
    clock, seen = Clock(), []
    process = Process(clock)

    def patient():
        clock.sleep(10.0)
        seen.append(clock.now)
        clock.sleep(20.0)
        seen.append(clock.now)

    process.spawn(patient)
    clock.step()
    strand = next(iter(process.strands))
    clock.at(3.0, strand.wake)
    run_out(clock)
    assert seen == [3.0, 23.0]


def test_what_ends_a_strand_is_heard():
    clock = Clock()
    Process(clock).spawn(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_out(clock)


@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_process_dies_at_a_numbered_seam_and_nothing_of_it_goes_on(dies_at):
    clock, passed, unwound = Clock(), [], []
    process = Process(clock, dies_at)

    def work():
        try:
            for number in (1, 2, 3):
                process.seam()
                passed.append(number)
                clock.sleep(1.0)
        except Killed:
            unwound.append(clock.now)
            raise

    process.spawn(work)
    process.spawn(lambda: clock.sleep(99.0))
    while not process.is_dead:
        clock.step()
    process.kill()
    assert passed == list(range(1, dies_at))
    assert unwound == [dies_at - 1.0]
    assert process.strands == set()
    run_out(clock)
    assert passed == list(range(1, dies_at))


def test_threads_are_used_again():
    clock, process = Clock(), None
    process = Process(clock)
    for _ in range(50):
        process.spawn(lambda: clock.sleep(1.0))
        run_out(clock)
    assert len(clock._idle) == 1


def test_threads_end_with_their_clock():
    before = set(threading.enumerate())  # some of other tests may be about to end
    clock = Clock()
    process = Process(clock)
    for _ in range(5):
        process.spawn(lambda: clock.sleep(1.0))
    run_out(clock)
    begun = set(threading.enumerate()) - before
    assert len(begun) == 5
    clock.close()
    for thread in begun:
        thread.join(timeout=30.0)
    assert not any(thread.is_alive() for thread in begun)
