# SPDX-License-Identifier: Apache-2.0
"""Circuits compiled by a real Dask cluster of processes, and what becomes of a run when a worker dies."""

from __future__ import annotations

import os
import signal

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.errors import OptionError
from qiskit_parallel_ionq.options import RunOptions
from qiskit_parallel_ionq.workshop import CHUNK, encode_all

distributed = pytest.importorskip("distributed", reason="Dask comes with the extra 'dask'")
pytestmark = pytest.mark.filterwarnings("ignore")


def turned(number):
    circuit = QuantumCircuit(3, 3, name=f"turned {number}")
    circuit.ry(0.1 * number, 0)
    circuit.cx(0, 1)
    circuit.rzz(0.2 * number, 1, 2)
    circuit.measure([0, 1, 2], [0, 1, 2])
    return circuit


@pytest.fixture
def client():
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def backend():
    with ParallelIonQProvider.local(seed=7) as provider:
        yield provider.get_backend()


def test_a_cluster_makes_what_this_process_makes(backend, client):
    circuits = [turned(k) for k in range(120)]
    executor = client.get_executor(pure=False)
    how = {"shots": 50, "seed_simulator": 3, "optimization_level": 2}  # each is compiled by itself
    here = backend.run(circuits, **how).result().get_counts()
    assert backend.run(circuits, **how, executor=executor).result().get_counts() == here


def test_a_worker_that_is_killed_costs_nothing(backend, client):
    drafts = backend.drafted([turned(k) for k in range(10 * CHUNK)], RunOptions(optimization_level=2))
    made = encode_all(drafts, client.get_executor(pure=False))
    first = next(made)
    victim = next(iter(client.run(os.getpid).values()))
    os.kill(victim, signal.SIGKILL)
    assert [first, *made] == list(encode_all(drafts))


def test_a_client_that_is_closed_on_the_way_costs_nothing(backend, client, caplog):
    drafts = backend.drafted([turned(k) for k in range(10 * CHUNK)], RunOptions(optimization_level=2))
    made = encode_all(drafts, client.get_executor(pure=False))
    first = next(made)
    client.close()
    assert [first, *made] == list(encode_all(drafts))
    assert "compiled in this process instead" in caplog.text


def test_workers_that_are_threads_of_this_process_are_refused(backend):
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(OptionError, match="processes=True"),
    ):
        backend.run(turned(1), executor=client.get_executor(pure=False))


def test_several_threads_to_a_worker_are_refused(backend):
    options = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(OptionError, match="threads_per_worker=1"),
    ):
        backend.run(turned(1), executor=client.get_executor(pure=False))
