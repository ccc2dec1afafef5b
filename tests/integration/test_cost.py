# SPDX-License-Identifier: Apache-2.0
"""Money guards over real HTTP: what a run would cost, and runs that may not begin or go on."""

from __future__ import annotations

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq.emulator import Fault
from qiskit_parallel_ionq.errors import BudgetError, CircuitFailedError
from qiskit_parallel_ionq.wire import CostEstimate


def bell(name="bell"):
    circuit = QuantumCircuit(2, name=name)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


@pytest.fixture
def machine(connect):
    service, provider = connect()
    return service, provider.get_backend("qpu.forte-1")


def posts(service):
    return sum(method == "POST" for method, *_ in service.requests_log)


def test_an_estimate_is_what_the_service_charges_afterwards(machine):
    service, backend = machine
    circuits = [bell() for _ in range(3)]
    report = backend.estimate_cost(circuits, shots=2000)
    assert posts(service) == 0
    job = backend.run(circuits, shots=2000)
    job.result(timeout=20)
    charged = [backend.provider._made_api().cost(job_id) for job_id in job.job_ids()]
    assert list(report.jobs) == pytest.approx(charged)
    assert report.total == pytest.approx(sum(charged))


@pytest.mark.parametrize("is_dynamic", [False, True], ids=["qis", "OpenQASM 3"])
def test_gates_with_several_controls_cost_what_the_estimate_says(connect, is_dynamic):
    _, provider = connect()
    backend = provider.get_backend("qpu.forte-1", gateset="qis")
    circuit = QuantumCircuit(4, 4)
    circuit.h(0)
    if is_dynamic:
        circuit.measure(0, 0)
    circuit.ccx(0, 1, 2)
    circuit.cswap(0, 1, 2)
    circuit.measure(range(4), range(4))
    report = backend.estimate_cost(circuit, shots=400)
    job = backend.run(circuit, shots=400)
    job.result(timeout=20)
    charged = backend.provider._made_api().cost(job.job_ids()[0])
    assert charged > 400 * 12 * 0.005
    assert report.total == pytest.approx(charged)


@pytest.mark.parametrize(
    ("shots", "options", "is_counted"),
    [
        (2000, {}, True),  # what a machine does by itself costs, too
        (499, {}, False),
        (2000, {"debiasing": False}, False),
        (2000, {"debiasing": True}, True),
        (2000, {"error_mitigation": {"debiasing": False}}, False),
    ],
)
def test_debiasing_is_priced_where_the_machine_would_do_it(machine, monkeypatch, shots, options, is_counted):
    _, backend = machine
    asked = []

    def estimate(target, load):
        asked.append(load)
        return CostEstimate(1.0, "usd")

    monkeypatch.setattr(backend.provider, "estimate", estimate)
    backend.estimate_cost(bell(), shots=shots, **options)
    assert [load.error_mitigation for load in asked] == [is_counted]


def test_packs_are_priced_as_packs(machine):
    _, backend = machine
    alone = backend.estimate_cost([bell()] * 4, shots=10)
    packed = backend.estimate_cost([bell()] * 4, shots=10, circuits_per_job=4)
    assert (len(alone.jobs), len(packed.jobs)) == (4, 1)
    assert packed.total == pytest.approx(alone.packed)
    assert packed.total < alone.total


def test_the_simulator_is_free(connect):
    _, provider = connect()
    report = provider.get_backend().estimate_cost([bell()] * 2)
    assert (report.total, len(report.jobs)) == (0.0, 2)
    assert provider.get_backend().run(bell(), max_cost=0.0).result(timeout=20).success


def test_a_run_beyond_its_budget_does_not_begin(machine):
    service, backend = machine
    with pytest.raises(BudgetError, match=r"max_cost is 1\.00"):
        backend.run([bell()] * 3, shots=100, max_cost=1.0)
    with pytest.raises(BudgetError, match="takes 3 IonQ jobs, and max_jobs is 2"):
        backend.run([bell()] * 3, shots=100, max_jobs=2)
    assert posts(service) == 0
    assert backend.run([bell()] * 3, shots=100, max_jobs=1, circuits_per_job=3).result(timeout=20).success


def test_a_minimum_paid_many_times_is_pointed_out(machine, caplog):
    _, backend = machine
    backend.run([bell()] * 3, shots=10, max_cost=100.0).result(timeout=20)
    assert "cost the minimum of 2.00 usd each" in caplog.text


def test_a_run_whose_bills_exceed_its_estimates_goes_no_further(connect, monkeypatch):
    service, provider = connect(execution_time=0.05)
    backend = provider.get_backend("qpu.forte-1")
    monkeypatch.setattr(type(provider._made_api()), "cost", lambda self, job_id: 50.0)
    job = backend.run([bell()] * 12, shots=10, max_cost=60.0, max_workers=1, use_parallel=False)
    job.wait(20)
    errors = job.errors()
    assert errors
    assert all(isinstance(error, BudgetError) for error in errors.values())
    assert posts(service) < 12


def test_an_account_without_money_ends_the_run_and_keeps_what_was_paid(connect):
    broke = Fault("fail", name="third", code="QuotaExhaustedError", message="the quota is used up")
    service, provider = connect(faults=(broke,), execution_time=0.02)
    circuits = [bell("third" if k == 2 else f"c{k}") for k in range(12)]
    job = provider.get_backend("qpu.forte-1").run(circuits, shots=10, use_parallel=False)
    job.wait(20)
    assert set(job.errors()) == set(range(2, 12))
    assert isinstance(job.errors()[2], CircuitFailedError)
    assert "can pay for nothing more" in str(job.errors()[3])
    assert posts(service) == 3
