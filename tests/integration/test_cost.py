# SPDX-License-Identifier: Apache-2.0
"""Money guards over real HTTP: what a run would cost, and runs that may not begin or go on."""

from __future__ import annotations

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq.api import Api
from qiskit_parallel_ionq.conductor import bills
from qiskit_parallel_ionq.emulator import Fault
from qiskit_parallel_ionq.errors import BudgetError, CircuitFailedError, OptionError
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


# ── limits ──


class Till:
    """Charges so many times what the service charges; and counts, from the service's own log."""

    def __init__(self, monkeypatch, service, ratio):
        self.service = service
        cost = Api.cost

        def charged(api, job_id):
            value = cost(api, job_id)
            return None if value is None else ratio * value

        monkeypatch.setattr(Api, "cost", charged)
        self.ratio = ratio

    @property
    def total(self):
        """What the service has charged so far; each job costs the minimum of 2 usd, times the ratio."""
        return 2.0 * self.ratio * posts(self.service)


@pytest.mark.parametrize("ratio", [1.0, 3.0, 9.0])
def test_a_run_in_one_go_does_not_cost_more_than_it_may(connect, monkeypatch, ratio):
    service, provider = connect(execution_time=0.02)
    till = Till(monkeypatch, service, ratio)
    job = provider.get_backend("qpu.forte-1").run([bell()] * 12, shots=10, max_cost=40.0)
    assert job.wait(20)
    assert till.total <= 40.0
    assert posts(service) == min(12, 40 // (2 * ratio))
    assert all(isinstance(error, BudgetError) for error in job.errors().values())
    assert job.progress().done == posts(service)


def test_a_run_that_leaves_ten_times_its_estimate_goes_out_at_once(connect):
    service, provider = connect(execution_time=0.5)
    job = provider.get_backend("qpu.forte-1").run([bell()] * 4, shots=10, max_cost=80.0)
    job.batch.wait_for(lambda: all(job.job_ids()), 0.45)
    assert posts(service) == 4
    assert job.wait(20)


def test_a_bill_that_never_comes_holds_a_run_up_and_does_not_stop_it(connect, monkeypatch, caplog):
    _, provider = connect(execution_time=0.02)
    monkeypatch.setattr(bills, "PATIENCE", 0.2)
    monkeypatch.setattr(Api, "cost", lambda api, job_id: None)
    job = provider.get_backend("qpu.forte-1").run([bell()] * 3, shots=10, max_cost=6.0)
    assert job.wait(20)
    assert job.errors() == {}
    assert "does not say what job" in caplog.text


def cut_short(provider, circuits, **options):
    """Run circuits one after the other, and leave once two are done; return the job's id."""
    job = provider.get_backend("qpu.forte-1").run(circuits, shots=10, use_parallel=False, **options)
    assert job.batch.wait_for(lambda: job.progress().done >= 2, 20)
    job.leave()
    job.wait(20)
    if "max_cost" in options:
        assert job.batch.wait_for(lambda: len(job.batch.charges) >= job.progress().done, 20)
    return job.job_id()


@pytest.mark.parametrize("ratio", [1.0, 2.5])
def test_a_resumed_run_keeps_to_what_is_left(connect, monkeypatch, ratio, capsys):
    service, provider = connect(execution_time=0.05)
    till = Till(monkeypatch, service, ratio)
    run_id = cut_short(provider, [bell()] * 6, max_cost=15.0)
    job = provider.resume(run_id, submit=True)
    assert job.wait(20)
    assert till.total <= 15.0
    assert posts(service) == min(6, 15 // (2 * ratio))
    assert {type(error) for error in job.errors().values()} <= {BudgetError}
    job = provider.resume(run_id, submit=True, max_cost=31.0)
    assert job.wait(20)
    assert till.total <= 31.0
    assert job.errors() == {}
    assert posts(service) == 6


def test_a_limit_may_be_given_to_a_run_that_had_none(connect, capsys):
    service, provider = connect(execution_time=0.05)
    job = provider.get_backend("qpu.forte-1").run([bell()] * 6, shots=10, use_parallel=False)
    assert job.batch.wait_for(lambda: job.progress().done >= 2, 20)
    job.leave()
    job.wait(20)
    with pytest.raises(OptionError, match="submit=True"):
        provider.resume(job.job_id(), max_cost=8.0)
    job = provider.resume(job.job_id(), submit=True, max_cost=8.0)
    assert job.wait(20)
    assert posts(service) == 4
    assert {type(error) for error in job.errors().values()} == {BudgetError}


def test_a_resumed_run_keeps_to_its_number_of_jobs(connect, capsys):
    service, provider = connect(execution_time=0.05)
    run_id = cut_short(provider, [bell()] * 6, max_jobs=6)
    sent = posts(service)
    job = provider.resume(run_id, submit=True, max_jobs=sent + 1)
    assert job.wait(20)
    assert posts(service) == sent + 1
    assert "max_jobs is" in str(next(iter(job.errors().values())))
    job = provider.resume(run_id, submit=True)
    assert job.wait(20)
    assert posts(service) == sent + 1  # the new limit is on record
    job = provider.resume(run_id, submit=True, max_jobs=6)
    assert job.wait(20)
    assert job.errors() == {}


def failing(name):
    return Fault("fail", name=name, code="InternalError", message="because", times=1)


def test_a_retry_keeps_to_what_is_left(connect, monkeypatch):
    service, provider = connect(faults=(failing("c1"), failing("c2")), execution_time=0.02)
    monkeypatch.setattr(Api, "cost", lambda api, job_id: 4.0)  # a failed job is charged here, too
    circuits = [bell(f"c{k}") for k in range(4)]
    job = provider.get_backend("qpu.forte-1").run(circuits, shots=10, max_cost=20.0)
    assert job.wait(20)
    assert (set(job.errors()), posts(service)) == ({1, 2}, 4)
    with pytest.raises(BudgetError, match=r"would cost 4.00 usd .* after 16.00 .*max_cost is 18.00"):
        job.retry(spend=True, max_cost=18.0)
    assert posts(service) == 4
    again = job.retry(spend=True)
    assert again.wait(20)
    assert posts(service) == 5
    assert len(again.errors()) == 1
    assert isinstance(next(iter(again.errors().values())), BudgetError)


def test_a_retry_keeps_to_the_number_of_jobs(connect):
    service, provider = connect(faults=(failing("c1"),), execution_time=0.02)
    circuits = [bell(f"c{k}") for k in range(3)]
    job = provider.get_backend("qpu.forte-1").run(circuits, shots=10, max_jobs=3)
    assert job.wait(20)
    with pytest.raises(BudgetError, match=r"takes 1 IonQ jobs, after 3 before, and max_jobs is 3"):
        job.retry(spend=True)
    assert job.retry(spend=True, max_jobs=4).wait(20)
    assert posts(service) == 4


def test_a_failed_job_that_was_not_charged_leaves_room_for_its_retry(connect):
    _, provider = connect(faults=(failing("c1"),), execution_time=0.02)
    job = provider.get_backend("qpu.forte-1").run([bell(f"c{k}") for k in range(3)], shots=10, max_cost=6.0)
    assert job.wait(20)
    again = job.retry(spend=True)
    assert again.wait(20)
    assert again.errors() == {}


@pytest.mark.parametrize("ratio", [1.0, 3.0])
def test_a_stream_keeps_to_what_it_is_charged(connect, monkeypatch, ratio):
    service, provider = connect(execution_time=0.02)
    till = Till(monkeypatch, service, ratio)
    stream = provider.get_backend("qpu.forte-1").run(
        (bell() for _ in range(30)), shots=10, window=16, max_cost=20.0
    )
    good, raised = 0, None
    try:
        for _, entry in stream.results_iter(timeout=30):
            good += entry.success
    except BudgetError as error:
        raised = error
    assert till.total <= 20.0
    assert good == posts(service) == 20 // (2 * ratio)
    assert raised is not None


def test_what_other_parts_of_a_stream_were_charged_counts_when_one_is_resumed(connect, monkeypatch, capsys):
    service, provider = connect(execution_time=0.05)
    stream = provider.get_backend("qpu.forte-1").run(
        (bell() for _ in range(40)), shots=10, window=16, max_cost=24.0, use_parallel=False
    )
    results = stream.results_iter(timeout=30)
    for _ in range(3):
        next(results)
    stream.leave()
    for job in stream.stretches:
        assert job.wait(20)
    for run in provider.jobs():
        provider.resume(run.job_id, submit=True).wait(20)
    assert 3 <= posts(service) <= 12
