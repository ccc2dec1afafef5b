# SPDX-License-Identifier: Apache-2.0
"""Results of many outcomes are read, decoded and kept without holding up the loop or who waits."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest

from qiskit_parallel_ionq.conductor import Loop
from qiskit_parallel_ionq.journal import Journal
from qiskit_parallel_ionq.lifecycle import Phase
from qiskit_parallel_ionq.result_json import PIECE

BITS = 16
WEIGHTS = np.random.default_rng(1).random(1 << BITS)
WEIGHTS /= WEIGHTS.sum()
DENSE = json.dumps(dict(zip(map(str, range(1 << BITS)), WEIGHTS.tolist(), strict=True))).encode()
SHAPES = {"single": 1, "pack": 2}


@pytest.fixture
def wide(simulation):
    """A simulation of wide circuits whose service answers with the same dense distribution for each."""

    class Wide(simulation):
        def __init__(self, **service) -> None:
            self.BITS = BITS
            super().__init__(**service)
            result = self.ionq.result

            def dense(path, *, largest):
                told = json.loads(result(path, largest=largest))
                if "aggregated" in path:
                    return b"{%s}" % b", ".join(b'"%s": %s' % (child.encode(), DENSE) for child in told)
                return DENSE

            self.ionq.result = dense

    return Wide


@pytest.mark.parametrize("per_job", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("is_kept", [False, True], ids=["not recorded", "recorded"])
def test_large_results_are_right_and_can_be_read_again_from_disk(wide, tmp_path, per_job, is_kept):
    assert len(DENSE) > 4 * PIECE
    run = wide()
    record = Journal(tmp_path / "run.journal", is_new=True) if is_kept else None
    batch = run.send(2, record=record, circuits_per_job=per_job)
    batch.outcomes._room = 0
    run.finish(batch)
    assert not batch.errors
    for index in range(2):
        outcome = batch.outcomes[index]
        assert outcome.values.tolist() == list(range(1 << BITS))
        assert outcome.weights.tolist() == WEIGHTS.tolist()
        assert outcome.tallies.sum() == 10


def test_a_pack_whose_large_result_is_being_decoded_can_be_cancelled(wide):
    run = wide()
    batch = run.send(2, circuits_per_job=2)
    while not batch.submissions or batch.submissions[0].phase is not Phase.FETCHING:
        run.loop.turn()
    run.conductor.cancel(batch, include_running=True)
    run.finish(batch)
    assert not batch.errors


@pytest.mark.parametrize("per_job", SHAPES.values(), ids=SHAPES)
def test_who_waits_is_on_time_while_large_results_come_in(wide, tmp_path, per_job):
    run = wide(round_trip=0.0, execution=0.0)
    loop = Loop()
    loop.on_bug, loop.on_end = run.conductor.loop.on_bug, run.conductor.loop.on_end
    run.loop = run.conductor.loop = loop
    loop.start()
    late, begun = 0.0, time.monotonic()
    batch = run.send(2, record=Journal(tmp_path / "run.journal", is_new=True), circuits_per_job=per_job)
    answered = threading.Event()
    loop.post(answered.set)
    assert answered.wait(5.0)
    while not batch.is_over:
        asked = time.monotonic()
        batch.wait_for(lambda: batch.is_over, 0.02)
        late = max(late, time.monotonic() - asked - 0.02)
    took = time.monotonic() - begun
    loop.close()
    assert not batch.errors
    assert late < max(0.1, took / 4.0)
