# SPDX-License-Identifier: Apache-2.0
"""A program that ends right after ``result()``, over real sockets: a duplicate is cancelled before that."""

from __future__ import annotations

import threading
import time

import pytest

from qiskit_parallel_ionq import ParallelIonQProvider

from .circuits import several
from .faults import CANCEL, POST, Fault, Script
from .faulty_ionq import serve
from .history import read_journal
from .service import KEY, VERSION, Habits, Service


@pytest.mark.parametrize("refused", [0, 1], ids=["at once", "at the second attempt"])
def test_a_duplicate_is_cancelled_although_the_program_ends_right_after_the_result(tmp_path, refused):
    log = []
    plan = {
        POST: {1: Fault("reset", after=True)},
        CANCEL: dict.fromkeys(range(1, refused + 1), Fault("reset")),
    }
    service = Service(time.time, log.append, Script(plan=plan), Habits(execution=0.02))
    store = service._store

    def store_first_for_later(*given):
        job = store(*given)
        if len(service._jobs) == 1:  # the duplicate-to-be waits in the queue for ever
            job.starts_at = job.ends_at = time.time() + 1e6
        return job

    service._store = store_first_for_later
    port = serve(service, threading.Lock()).getsockname()[1]
    with ParallelIonQProvider(KEY, f"http://127.0.0.1:{port}{VERSION}", state_dir=tmp_path) as provider:
        job = provider.get_backend("simulator").run(several(1), shots=4, on_unknown="resubmit")
        job.result(timeout=20.0)
    stored = [record["id"] for record in log if record["is"] == "stored"]
    assert len(stored) == 2
    assert job.job_ids() == stored[1:]
    assert [(r["id"], r["was"]) for r in log if r["is"] == "canceled"] == [(stored[0], "ready")]
    (path,) = tmp_path.glob("*.journal")
    told = [(line["is"], line.get("state")) for line in read_journal(path.read_bytes())]
    assert ("twin ended", "canceled") in told
    assert told[-1] == ("over", None)
