# SPDX-License-Identifier: Apache-2.0
"""Error mitigation from the option to the result that is read, over the emulated service."""

from __future__ import annotations

import pytest
from qiskit import QuantumCircuit
from qiskit_ionq import ErrorMitigation

from qiskit_parallel_ionq import CircuitError, OptionError
from qiskit_parallel_ionq.api import Api
from qiskit_parallel_ionq.primitives import SamplerV2


@pytest.fixture
def deep():
    """A circuit whose one outcome, 11, a machine of 1 % errors often misses."""
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    for _ in range(61):
        circuit.cx(0, 1)
        circuit.barrier()
    circuit.measure([0, 1], [0, 1])
    return circuit


@pytest.fixture
def machine(connect):
    return connect()[1].get_backend("qpu.aria-1", shots=2000, optimization_level=0)


@pytest.fixture
def bodies(monkeypatch):
    """Every request for a job, as it was sent."""
    import json

    sent, send = [], Api.create_job
    monkeypatch.setattr(Api, "create_job", lambda api, body: sent.append(json.loads(body)) or send(api, body))
    return sent


@pytest.mark.parametrize("how", [{}, {"circuits_per_job": 3}, {"memory": True}])
def test_sharpening_reads_what_the_variants_agree_on(machine, deep, how):
    plain = machine.run([deep] * 3, **how).result(timeout=30)
    voted = machine.run([deep] * 3, sharpen=True, **how).result(timeout=30)
    for index in range(3):
        counts, sharp = plain.get_counts(index), voted.get_counts(index)
        assert counts["11"] < 0.85 * 2000 < sharp["11"]
        assert sum(sharp.values()) == 2000
        if "memory" in how:
            assert voted.get_memory(index).count("11") == sharp["11"]


def test_the_finer_words_do_the_same(machine, deep):
    shares = {
        how: machine.run(deep, aggregation=how).result(timeout=30).get_counts()["11"] / 2000
        for how in ("average", "voting")
    }
    assert shares["average"] < 0.85 < shares["voting"]


def test_the_sampler_reads_the_sharpened_result_too(machine, deep):
    sampler = SamplerV2(machine, {"run_options": {"sharpen": True}})
    counts = sampler.run([deep], shots=2000).result()[0].data.c.get_counts()
    assert counts["11"] > 0.85 * 2000


@pytest.mark.parametrize(
    ("said", "settings"),
    [
        ({"debiasing": True}, {"error_mitigation": {"debiasing": True}}),
        ({"error_mitigation": ErrorMitigation.NO_DEBIASING}, {"error_mitigation": {"debiasing": False}}),
        ({"symmetry_verification": True}, {"error_mitigation": {"symmetry_verification": True}}),
        ({}, None),
    ],
)
def test_what_is_said_is_sent(machine, deep, bodies, said, settings):
    machine.run(deep, **said).result(timeout=30)
    assert [body.get("settings") for body in bodies] == [settings]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("qpu.aria-1", {"debiasing": True, "shots": 100}),
        ("qpu.aria-1", {"noise_model": "aria-1"}),
        ("simulator", {"debiasing": True}),
        ("simulator", {"sharpen": True}),
        ("qpu.aria-1", {"debiasing": True, "error_mitigation": ErrorMitigation.NO_DEBIASING}),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(connect, deep, target, said):
    service, provider = connect()
    with pytest.raises(OptionError):
        provider.get_backend(target).run(deep, **said)
    assert service.stats().posts == 0


def test_what_the_service_does_not_offer_is_refused_before_anything_is_sent(connect, deep, monkeypatch):
    from dataclasses import replace

    ask = Api.backends
    monkeypatch.setattr(
        Api, "backends", lambda api: tuple(replace(e, error_mitigations=("debiasing",)) for e in ask(api))
    )
    service, provider = connect()
    backend = provider.get_backend("qpu.aria-1")
    for call in (backend.run, backend.estimate_cost):
        with pytest.raises(OptionError, match="symmetry_verification"):
            call(deep, symmetry_verification=True)
    with pytest.raises(OptionError, match="symmetry_verification"):
        SamplerV2(backend, {"run_options": {"symmetry_verification": True}}).run([deep])
    assert service.stats().posts == 0


def test_a_circuit_told_by_registers_cannot_be_sharpened(machine):
    twice = QuantumCircuit(1, 2)
    twice.h(0)
    twice.measure(0, 0)
    twice.h(0)
    twice.measure(0, 1)
    with pytest.raises(CircuitError, match="without sharpen"):
        machine.run(twice, sharpen=True)
    assert machine.run(twice).result(timeout=30).success


def test_a_resumed_run_reads_the_result_that_was_chosen(deep, tmp_path):
    from qiskit_parallel_ionq import ParallelIonQProvider
    from qiskit_parallel_ionq.emulator import LocalIonQ

    with LocalIonQ(seed=7, execution_time=0.3) as service:
        with ParallelIonQProvider(service.api_key, service.url, state_dir=tmp_path) as first:
            backend = first.get_backend("qpu.aria-1", shots=2000, optimization_level=0)
            job_id = backend.run(deep, sharpen=True).job_id()
        with ParallelIonQProvider(service.api_key, service.url, state_dir=tmp_path) as second:
            job = second.resume(job_id, submit=True)
            assert job.result(timeout=30).get_counts()["11"] > 0.85 * 2000
