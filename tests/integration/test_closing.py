# SPDX-License-Identifier: Apache-2.0
"""Closing a provider waits for submissions under way and for nothing else; no thread but a worker waits for a disk."""

from __future__ import annotations

import threading
import time

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.emulator import Fault, LocalIonQ
from qiskit_parallel_ionq.journal import Disk

HANGS = 6.0
"""Seconds for which an answer does not come: less than closing waits for a submission."""


@pytest.fixture
def bell():
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def until(done, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.01)


@pytest.mark.parametrize("path", ["/jobs", "/jobs/*/results/*"], ids=["the state of jobs", "a result"])
def test_closing_does_not_wait_for_an_answer_that_can_be_asked_for_again(bell, path):
    service = LocalIonQ(seed=7, faults=[Fault("stall", method="GET", path=path, seconds=HANGS)]).start()
    provider = ParallelIonQProvider(service.api_key, service.url)
    job = provider.get_backend().run([bell] * 3, shots=10)
    until(lambda: all(job.job_ids()))
    until(lambda: any(lane.under_way for lane in provider.conductor().loop._lanes))
    begun = time.monotonic()
    provider.close()
    took = time.monotonic() - begun
    assert took < HANGS / 3.0
    assert job.wait(timeout=0)
    service.close()


def test_closing_waits_for_the_answer_to_a_submission_and_keeps_the_id(bell):
    service = LocalIonQ(seed=7, faults=[Fault("stall", method="POST", path="/jobs", seconds=1.0)]).start()
    provider = ParallelIonQProvider(service.api_key, service.url)
    job = provider.get_backend().run([bell], shots=10)
    until(lambda: any(lane.under_way for lane in provider.conductor().loop._lanes))
    provider.close()
    assert job.job_ids()[0] is not None
    service.close()


@pytest.mark.parametrize("circuits", [1, 40])
def test_a_run_makes_the_conductor_s_thread_wait_for_no_disk(bell, monkeypatch, tmp_path, circuits):
    synced_on, sync = [], Disk.sync

    def watched(self, handle):
        synced_on.append(threading.current_thread().name)
        sync(self, handle)

    monkeypatch.setattr(Disk, "sync", watched)
    with ParallelIonQProvider.local(seed=7, state_dir=tmp_path) as provider:
        job = provider.get_backend().run([bell] * circuits, shots=10)
        job.result(timeout=30)
        conductor = provider.conductor()
        until(lambda: not conductor.is_open(job.batch) and not conductor._closing)
        again = provider.resume(job.job_id())
        again.result(timeout=30)
        assert synced_on
        assert "ionq-conductor" not in synced_on
