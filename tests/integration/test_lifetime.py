# SPDX-License-Identifier: Apache-2.0
"""What a provider holds, and for how long: threads, connections, and other threads' time."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from dataclasses import replace

import pytest

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.conductor import Conductor
from qiskit_parallel_ionq.emulator import Fault, LocalIonQ
from qiskit_parallel_ionq.primitives import SamplerV2

DESCRIPTORS = "/proc/self/fd"


def ours():
    """The threads that belong to some provider of this process."""
    names = ("ionq-conductor", "ionq-worker", "ionq-closing")
    return {thread for thread in threading.enumerate() if thread.name.startswith(names)}


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        gc.collect()
        time.sleep(0.05)


@pytest.fixture
def others():
    """Threads of other tests' providers, which may still be open."""
    gc.collect()
    return ours()


@pytest.mark.parametrize("use", ["run", "sampler", "catalogue", "stream"])
def test_a_provider_that_nobody_closes_is_collected_with_its_threads(bell, others, use):
    with LocalIonQ(seed=7) as service:
        gone = []
        for _ in range(5):
            provider = ParallelIonQProvider(service.api_key, service.url)
            backend = provider.get_backend()
            if use == "run":
                backend.run([bell] * 2, shots=10).result(timeout=20)
            elif use == "sampler":
                SamplerV2(backend).run([bell], shots=10).result(timeout=20)
            elif use == "stream":
                backend.run(iter([bell] * 20), shots=10, window=8).result(timeout=20)
            else:
                provider.catalogue()
            gone.append(weakref.ref(provider))
            del provider, backend
        until(lambda: not any(ref() for ref in gone) and ours() <= others)


@pytest.mark.skipif(not os.path.isdir(DESCRIPTORS), reason="descriptors are counted in /proc")  # noqa: PTH112
def test_forgotten_providers_keep_no_descriptor(bell):
    with LocalIonQ(seed=7) as service:
        before = len(os.listdir(DESCRIPTORS))  # noqa: PTH208
        for _ in range(25):
            ParallelIonQProvider(service.api_key, service.url).get_backend().run(bell, shots=10).result(
                timeout=20
            )
        until(lambda: len(os.listdir(DESCRIPTORS)) < before + 25)  # noqa: PTH208 - two each, if they were kept


def test_a_run_that_nobody_holds_is_finished_before_its_provider_is_collected(bell, others):
    with LocalIonQ(seed=7, execution_time=0.5) as service:
        provider = ParallelIonQProvider(service.api_key, service.url)
        gone = weakref.ref(provider)
        batch = weakref.ref(provider.get_backend().run([bell] * 20, shots=10, max_workers=4).batch)
        del provider
        gc.collect()
        assert gone() is not None
        until(lambda: batch() is None or batch().is_over)
        assert service.stats().jobs == 20
        until(lambda: gone() is None and ours() <= others)


def test_a_run_is_not_lost_if_its_provider_is_dropped_before_the_conductor_has_it(bell, monkeypatch):
    taking, may_take = Conductor._take, threading.Event()

    def take(conductor, *what):
        assert may_take.wait(20)
        taking(conductor, *what)

    monkeypatch.setattr(Conductor, "_take", take)
    with LocalIonQ(seed=7) as service:
        provider = ParallelIonQProvider(service.api_key, service.url)
        gone = weakref.ref(provider)
        provider.get_backend().run([bell] * 3, shots=10)
        del provider
        gc.collect()
        assert gone() is not None
        may_take.set()
        until(lambda: service.stats().jobs == 3)
        until(lambda: gone() is None)


def test_a_job_keeps_its_provider(bell, others):
    with LocalIonQ(seed=7, execution_time=0.2) as service:
        job = ParallelIonQProvider(service.api_key, service.url).get_backend().run([bell] * 3, shots=10)
        gc.collect()
        assert job.result(timeout=20).success
        gc.collect()
        assert job.backend().provider.jobs(limit=1)[0].job_id == job.job_id()
        del job
        until(lambda: ours() <= others)


@pytest.mark.parametrize(
    "question",
    [
        lambda provider: provider.get_backend("qpu.forte-1").status(max_age=0),
        lambda provider: provider.get_backend("qpu.forte-1").calibration(max_age=0),
        lambda provider: provider.project(anew=True),
    ],
    ids=["status", "calibration", "project"],
)
def test_a_question_that_takes_long_holds_up_no_run_of_another_thread(bell, connect, question):
    paths = ("/backends", "/backends/*/characterizations*", "/whoami")
    _, provider = connect(faults=[Fault("stall", seconds=3.0, path=path, nth=2) for path in paths])
    provider.get_backend().run(bell, shots=10).result(timeout=20)
    provider.get_backend("qpu.forte-1").calibration()
    catalogue = provider._catalogue
    catalogue._known = replace(catalogue.known, at=time.monotonic() - 3600)  # old, but still known
    asking = threading.Thread(target=question, args=(provider,))
    asking.start()
    time.sleep(0.1)
    provider.get_backend().run(bell, shots=10).result(timeout=20)
    assert asking.is_alive()
    asking.join(20)
