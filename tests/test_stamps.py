# SPDX-License-Identifier: Apache-2.0
"""Times by circuit and submission, in whatever order they come; what nobody noted is not known."""

from __future__ import annotations

from qiskit_parallel_ionq.stamps import Stamps, known


def test_times_may_come_in_any_order():
    stamps = Stamps()
    for place in (3, 0, 5, 1):
        stamps.end(place, float(place))
    assert [known(stamps.ended, place) for place in range(7)] == [0.0, 1.0, None, 3.0, None, 5.0, None]


def test_a_later_time_replaces_an_earlier_one():
    stamps = Stamps()
    stamps.take(0, 1.0)
    stamps.take(0, 2.0)
    assert known(stamps.taken, 0) == 2.0


def test_a_result_in_parts_is_fetched_from_the_first_question_to_the_last_answer():
    stamps = Stamps()
    for asked, answered in ((2.0, 2.5), (1.0, 3.0), (1.5, 4.0)):
        stamps.read(0, asked, answered)
        stamps.open(0, answered)
    assert (known(stamps.asked, 0), known(stamps.answered, 0), known(stamps.opened, 0)) == (1.0, 4.0, 2.5)


def test_a_circuit_takes_less_than_a_hundred_bytes():
    stamps, count = Stamps(), 10_000
    for place in range(count):
        stamps.compiled(place, 0.0, 1.0)
        stamps.take(place, 2.0)
        stamps.read(place, 3.0, 4.0)
        stamps.open(place, 5.0)
        stamps.end(place, 6.0)
    columns = (getattr(stamps, name) for name in Stamps.__slots__)
    assert sum(column.__sizeof__() for column in columns) < 100 * count
