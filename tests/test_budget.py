# SPDX-License-Identifier: Apache-2.0
"""The limits of a run: estimates reserve, bills settle, and nothing goes out that does not fit."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qiskit_parallel_ionq.budget import UNPROVEN, Budget, new_budget
from qiskit_parallel_ionq.cost import CostReport, Workload, cost_report
from qiskit_parallel_ionq.errors import BudgetError
from qiskit_parallel_ionq.wire import CostEstimate


def report(*jobs):
    return CostReport(math.fsum(jobs), "usd", jobs)


def planned(limit, *jobs, **facts):
    budget = Budget(limit, **facts)
    budget.plan("run", report(*jobs))
    return budget


def sent(budget, count):
    """The jobs that may go out now, in order."""
    return [n for n in range(count) if budget.reserve(("run", n))]


def test_a_run_that_would_cost_too_much_is_refused_and_told_the_cheaper_way():
    dear = cost_report([Workload(4, 100, 2, 2)] * 20, lambda _: CostEstimate(2.0, "usd", 2.0, 0.0005, 0.005))
    with pytest.raises(BudgetError, match=r"would cost 40.00 usd.*max_cost is 30.00; packed .* 22.00 usd"):
        Budget(30.0).plan("run", dear)
    Budget(40.0).plan("run", dear)  # exactly enough is enough


def test_before_the_first_bill_ten_times_the_estimates_must_fit():
    assert sent(planned(100.0, *[2.0] * 20), 20) == [0, 1, 2, 3, 4]
    assert sent(planned(1000.0, *[2.0] * 20), 20) == list(range(20))
    assert UNPROVEN == 10.0


def test_where_that_does_not_fit_one_job_goes_out_alone():
    budget = planned(40.0, *[10.0] * 4)
    assert sent(budget, 4) == [0]
    budget.bill(("run", 0), 10.0)  # as estimated
    assert [n for n in (1, 2, 3) if budget.reserve(("run", n))] == [1, 2, 3]
    assert budget.total == 40.0


def test_a_bill_above_its_estimate_makes_all_others_dearer():
    budget = planned(40.0, *[10.0] * 4)
    assert sent(budget, 4) == [0]
    budget.bill(("run", 0), 30.0)
    assert not budget.reserve(("run", 1))  # would be 30, too
    assert not budget.has_jobs_under_way
    assert "30.00 usd were charged so far, this job would cost 30.00 usd" in str(budget.refusal(("run", 1)))


def test_a_bill_below_its_estimate_makes_room():
    budget = planned(40.0, 10.0, 10.0)
    assert sent(budget, 2) == [0]
    budget.bill(("run", 0), 4.0)
    budget.plan("next", report(10.0, 10.0))
    with pytest.raises(BudgetError, match=r"after 34.00 usd before"):
        budget.plan("more", report(10.0))


def test_what_was_not_sent_or_was_refused_costs_nothing():
    budget = planned(10.0, 5.0, 5.0)
    assert budget.reserve(("run", 0))
    budget.release(("run", 0))
    assert (budget.total, budget.jobs) == (5.0, 1)
    budget.plan("next", report(5.0))


def test_a_bill_that_cannot_be_had_counts_as_estimated_by_the_bills_so_far():
    budget = planned(100.0, *[10.0] * 4)
    assert sent(budget, 4) == [0]
    budget.assume(("run", 0))
    assert budget.charged == 10.0
    assert sent(budget, 4)[:1] == [0]  # counted as sent before
    budget.bill(("run", 1), 20.0)
    assert budget.reserve(("run", 2))
    budget.assume(("run", 2))
    assert budget.charged == 50.0


def test_a_job_that_goes_out_again_is_counted_once():
    budget = planned(20.0, 10.0, 10.0, max_jobs=2)
    assert budget.reserve(("run", 0))
    assert budget.reserve(("run", 0))
    assert budget.total == 20.0


def test_jobs_are_limited_too():
    budget = Budget(max_jobs=3, sent=1)
    with pytest.raises(BudgetError, match=r"takes 3 IonQ jobs, after 1 before, and max_jobs is 3"):
        budget.plan("run", report(0.0, 0.0, 0.0))
    budget.plan("run", report(0.0, 0.0))
    assert sent(budget, 2) == [0, 1]
    budget.restore(("other", 0), 0.0, is_sent=False)
    assert not budget.reserve(("other", 0))
    assert "3 IonQ jobs were sent, and max_jobs is 3" in str(budget.refusal(("other", 0)))


def test_estimates_in_several_units_do_not_fit_together():
    with pytest.raises(BudgetError, match="credit"):
        planned(10.0, 1.0).plan("next", CostReport(1.0, "credit", (1.0,)))


def test_without_limits_there_is_no_budget():
    assert new_budget(None, None) is None
    assert not new_budget(None, 3).asks_for_bills
    assert new_budget(0.0, None).asks_for_bills


@settings(max_examples=300)
@given(
    st.lists(st.floats(0.1, 20.0), min_size=1, max_size=30),
    st.floats(1.0, 4.0),
    st.floats(0.5, 10.0),
    st.integers(0, 2**32),
)
def test_bills_of_one_ratio_never_exceed_the_limit(estimates, slack, ratio, seed):
    """Whatever the order in which bills come: as long as they are up to ten times the estimates."""
    limit = slack * math.fsum(estimates)
    if ratio * max(estimates) > limit:
        return  # not even the first job would fit, and nobody could know
    die = random.Random(seed)
    budget = planned(limit, *estimates)
    waiting, under_way, charged = list(range(len(estimates))), [], 0.0
    while waiting or under_way:
        while waiting and budget.reserve(("run", waiting[0])):
            under_way.append(waiting.pop(0))
        if not under_way:
            assert budget.charged + max(1.0, ratio) * estimates[waiting[0]] > limit * (1 - 1e-9)
            break
        number = under_way.pop(die.randrange(len(under_way)))
        charged += ratio * estimates[number]
        budget.bill(("run", number), ratio * estimates[number])
        assert budget.charged == pytest.approx(charged)
    assert charged <= limit * (1 + 1e-6)
    if ratio <= 1.0:
        assert not waiting
