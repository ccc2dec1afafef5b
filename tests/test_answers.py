# SPDX-License-Identifier: Apache-2.0
"""Kept answers: one thread asks, and threads that are content with the last answer do not wait for it."""

from __future__ import annotations

import threading

import pytest

from qiskit_parallel_ionq.answers import Answer, Known


def always(_):
    return True


def never(_):
    return False


def test_an_answer_is_asked_for_once_and_kept():
    answer, asked = Answer(), []
    for _ in range(3):
        assert answer.get(lambda: asked.append(1) or Known("yes"), always) == "yes"
    assert len(asked) == 1
    answer.forget()
    assert answer.get(lambda: Known("no"), always) == "no"
    answer.put("given")
    assert answer.get(lambda: Known("no"), always) == "given"


def test_an_answer_that_is_not_good_enough_is_asked_for_anew():
    answer = Answer()
    answer.put("old")
    assert answer.get(lambda: Known("new"), lambda known: known.value == "new") == "new"
    assert answer.known.age < 60


def test_what_asking_raises_is_raised_and_nothing_is_kept():
    answer = Answer()
    with pytest.raises(ZeroDivisionError):
        answer.get(lambda: 1 / 0, always)
    assert answer.known is None
    assert answer.get(lambda: Known(2), always) == 2


def test_a_thread_that_is_content_does_not_wait_for_one_that_asks():
    answer, may_end, has_begun = Answer(), threading.Event(), threading.Event()
    answer.put("old")

    def ask():
        has_begun.set()
        assert may_end.wait(20)
        return Known("new")

    asking = threading.Thread(target=answer.get, args=(ask, never))
    asking.start()
    assert has_begun.wait(20)
    assert answer.get(lambda: Known("unasked"), always) == "old"
    may_end.set()
    asking.join(20)
    assert answer.known.value == "new"


def test_threads_that_have_no_answer_yet_share_one():
    answer, asked, barrier = Answer(), [], threading.Barrier(8)

    def get():
        barrier.wait(20)
        assert answer.get(lambda: asked.append(1) or Known("yes"), always) == "yes"

    threads = [threading.Thread(target=get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(asked) == 1
