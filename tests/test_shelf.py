# SPDX-License-Identifier: Apache-2.0
"""Results in memory while there is room, and the same results from disk afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from qiskit_parallel_ionq.chronicle import Place, StoredResult
from qiskit_parallel_ionq.decode import Outcome, RawResult
from qiskit_parallel_ionq.shelf import Shelf, size_of


def outcome(number):
    return Outcome(shots=number, values=np.array([number]), tallies=np.array([number]))


def raw(number):
    return RawResult("histogram", {str(number): number})


def decoded(index, given):
    ((key, count),) = given.body.items()
    assert int(key) == index
    return outcome(count)


class Record:
    """Gives what was stored, and counts how often."""

    def __init__(self):
        self.asked = []

    def __call__(self, stored):
        self.asked.append(stored.place.offset)
        return raw(stored.place.offset)


@pytest.fixture
def record():
    return Record()


def stored(number):
    return StoredResult("histogram", Place(number, 1, "0" * 12))


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("room", [0, 3 * size_of(outcome(1)), 10**9])
def test_every_outcome_is_given_back_wherever_it_is(record, room, recorded):
    shelf = Shelf(record, decoded, room=room)
    for number in range(1, 20):
        kept = stored(number) if recorded else shelf.stash("histogram", b'{"%d": %d}' % (number, number))
        shelf.put(number, outcome(number), kept)
    assert len(shelf) == 19
    assert sorted(shelf) == list(range(1, 20))
    assert all(number in shelf for number in range(1, 20))
    assert 20 not in shelf
    assert [shelf[number].counts for number in range(1, 20)] == [{hex(n): n} for n in range(1, 20)]
    assert [shelf[number].counts for number in (7, 3, 7)] == [{hex(n): n} for n in (7, 3, 7)]


def test_only_what_finds_no_room_is_read_from_the_record(record):
    shelf = Shelf(record, decoded, room=3 * size_of(outcome(1)))
    for number in range(1, 10):
        shelf.put(number, outcome(number), stored(number))
    assert all(shelf[number] is not None for number in range(1, 10))
    assert record.asked == [4, 5, 6, 7, 8, 9]


def test_what_is_nowhere_else_stays_in_memory(record):
    shelf = Shelf(record, decoded, room=0)
    shelf.put(5, outcome(5))
    shelf.put(6, None)
    assert shelf[5].counts == {"0x5": 5}
    assert shelf[6] is None
    assert shelf.get(7) is None
    with pytest.raises(KeyError):
        shelf[7]


def test_sizes_are_those_of_the_arrays():
    wide = Outcome(shots=2, values=np.array([1 << 70, 1 << 80], dtype=object), tallies=np.array([1, 1]))
    many = Outcome(shots=1000, values=np.arange(4), tallies=np.arange(4), order=np.zeros(1000, np.int64))
    assert size_of(None) < size_of(outcome(1)) < size_of(wide) < size_of(many)
    assert size_of(many) >= 8_000


def test_the_first_outcome_stays_in_memory_however_large_it_is(record):
    shelf = Shelf(record, decoded, room=0)
    for number in (1, 2):
        assert shelf.has_room(outcome(number)) is (number == 1)
        shelf.put(number, outcome(number), stored(number))
    assert shelf[1].counts == {"0x1": 1}
    assert record.asked == []
    assert shelf[2].counts == {"0x2": 2}
    assert record.asked == [2]
