# SPDX-License-Identifier: Apache-2.0
"""What a run will cost, from as few estimates as can be."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qiskit_parallel_ionq.cost import Workload, cost_report, workload
from qiskit_parallel_ionq.errors import BudgetError
from qiskit_parallel_ionq.wire import CostEstimate

OLD = {
    "estimated_cost": 5.5,
    "cost_unit": "usd",
    "rate_information": {"job_cost_minimum": 2.0, "cost_1q_gate": 0.0005, "cost_2q_gate": 0.005},
}
NEW = {
    "estimated_total_cost": 5.5,
    "estimated_unit": "usd",
    "rate_card": {
        "rates": [
            {"sku": "qct", "unit": "compute_second", "unit_cost": 3.0},
            {
                "sku": "g",
                "unit": "gates",
                "job_cost_minimum": 2.0,
                "cost_1q_gate": 5e-4,
                "cost_2q_gate": 5e-3,
            },
        ]
    },
}


class Till:
    """A service that prices gates, and counts how often it is asked."""

    def __init__(self, minimum=2.0, one=0.0005, two=0.005, tells=True, discount=0.0):
        self.minimum, self.one, self.two, self.tells, self.discount = minimum, one, two, tells, discount
        self.asked = []

    def price(self, load):
        gates = load.one_qubit_gates * self.one + load.two_qubit_gates * self.two
        return max(self.minimum, load.shots * gates * (1 - self.discount))

    def __call__(self, load):
        self.asked.append(load)
        rates = (self.minimum, self.one, self.two) if self.tells else (None, None, None)
        return CostEstimate(self.price(load), "usd", *rates)


@pytest.mark.parametrize("body", [OLD, NEW, {**OLD, **NEW}], ids=["old", "new", "both"])
def test_an_estimate_is_read_in_either_shape(body):
    assert CostEstimate.from_json(body) == CostEstimate(5.5, "usd", 2.0, 0.0005, 0.005)


@pytest.mark.parametrize(
    "body", [{}, {"estimated_cost": "5"}, {"estimated_cost": -1}, {"estimated_cost": True}]
)
def test_an_estimate_without_an_amount_is_none(body):
    with pytest.raises(ValueError, match="amount"):
        CostEstimate.from_json(body)


loads = st.builds(Workload, st.just(4), st.sampled_from([100, 1000]), st.integers(0, 50), st.integers(0, 50))


@given(st.lists(loads, max_size=20), st.booleans())
def test_every_job_is_priced_as_the_service_would(jobs, tells):
    till = Till(tells=tells)
    report = cost_report(jobs, till)
    assert report.jobs == pytest.approx(tuple(map(till.price, jobs)))
    assert report.total == pytest.approx(sum(map(till.price, jobs)))


def test_one_question_is_enough_where_rates_explain_the_answer():
    till = Till()
    cost_report([Workload(4, 100, n, n) for n in range(50)], till)
    assert len(till.asked) == 1


def test_rates_that_do_not_explain_the_answer_are_not_believed():
    till = Till(minimum=0.0, discount=0.2)
    jobs = [Workload(4, 100, n, n) for n in (3, 4, 3)]
    assert cost_report(jobs, till).jobs == pytest.approx(tuple(map(till.price, jobs)))
    assert len(till.asked) == 2  # equal jobs cost the same


def test_a_minimum_that_is_paid_many_times_is_named_with_the_way_out():
    report = cost_report([Workload(4, 100, 2, 2)] * 20, Till())
    assert (report.total, report.at_minimum) == (40.0, 20)
    assert report.packed == pytest.approx(20 * 100 * (2 * 0.0005 + 2 * 0.005))
    assert "20 of them cost the minimum of 2.00 usd each" in str(report)
    assert "22.00 usd" in str(report)


def test_circuits_with_other_shots_cannot_share_a_job():
    report = cost_report([Workload(4, 1, 0, 1), Workload(4, 2, 0, 1)], Till())
    assert report.packed == 4.0


def test_what_mitigated_jobs_would_cost_packed_is_asked_for():
    till = Till(discount=0.5)  # whatever it charges for variants is not in its rates
    loads = [Workload(4, 1000, 10 * n, n, error_mitigation=True) for n in (1, 2, 3)]
    report = cost_report(loads, till)
    assert report.packed == till.price(loads[0] + loads[1] + loads[2])
    assert len(till.asked) == 4


def test_units_are_not_mixed():
    units = iter(["usd", "credit"])
    with pytest.raises(BudgetError, match="several units"):
        cost_report([Workload(1, 1, 1, 0), Workload(1, 1, 2, 0)], lambda _: CostEstimate(1.0, next(units)))


def priced(**given):
    """Return the (one-qubit gates, two-qubit gates) by which a request is priced."""
    parcel = SimpleNamespace(
        body=json.dumps({"input": given}), readouts=[SimpleNamespace(num_qubits=5)], shots=10
    )
    load = workload(parcel)
    return load.one_qubit_gates, load.two_qubit_gates


@pytest.mark.parametrize(
    ("gate", "counts"),
    [
        ({"gate": "h", "target": 0}, (1, 0)),
        ({"gate": "swap", "targets": [0, 1]}, (0, 1)),
        ({"gate": "x", "targets": [1], "controls": [0]}, (0, 1)),
        ({"gate": "cnot", "target": 1, "control": 0}, (0, 1)),
        ({"gate": "x", "targets": [2], "controls": [0, 1]}, (0, 6)),  # ccx
        ({"gate": "z", "targets": [2], "controls": [0, 1]}, (0, 6)),  # ccz
        ({"gate": "swap", "targets": [1, 2], "controls": [0]}, (0, 6)),  # cswap
        ({"gate": "x", "targets": [4], "controls": [0, 1, 2, 3]}, (0, 18)),  # mcx
        ({"gate": "pauliexp", "targets": [0, 1, 2], "terms": ["ZZZ", "XXI"]}, (0, 12)),
    ],
)
def test_a_gate_on_n_qubits_is_priced_as_six_times_n_minus_two_two_qubit_gates(gate, counts):
    assert priced(circuit=[gate]) == counts
    assert priced(circuits=[{"circuit": [gate]}, {"circuit": [gate]}]) == tuple(2 * n for n in counts)


def test_an_openqasm_3_program_is_priced_by_the_qubits_of_its_gates():
    source = """OPENQASM 3.0;
include "stdgates.inc";
bit[5] c;
qubit[5] q;
h q[0];
cx q[0], q[1];
c[0] = measure q[0];
if (c[0]) {
  ccx q[0], q[1], q[2];
}
cswap q[2], q[3], q[4];
"""
    assert priced(data=source) == (1, 13)
