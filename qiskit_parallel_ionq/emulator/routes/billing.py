# SPDX-License-Identifier: Apache-2.0
"""Endpoints about money: what a job costs, what one would cost, what was spent. All prices are made up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from typing import Any

from ..billing import CURRENCY, cost_of, price
from ..catalogue import MACHINES
from ..jobs import COMPLETED, Job
from ..records import ORGANIZATION, PROJECT, SUBMITTER, timestamp
from ..server import Request
from .base import Answer, Cloud, bad_query, query_flag, query_integer, query_text, query_time, route

TOP_GROUPS = 5
RATE_CARD = "0199b2c4-0000-7000-8000-000000000004"


def get_cost(cloud: Cloud, _request: Request, job: str) -> Answer:
    """What a job costs: an estimate for paid machines, the cost once it has run."""
    found = cloud.jobs.get(job)
    answer: dict[str, Any] = {"dry_run": found.order.dry_run}
    amount = {"value": cost_of(found), "unit": CURRENCY}
    if found.order.machine.prices is not None:
        answer["estimated_cost"] = amount
    if cloud.look().status(found) == COMPLETED and not found.order.dry_run:
        answer["cost"] = amount
    return Answer(answer)


def estimate(cloud: Cloud, request: Request) -> Answer:
    """What a job would cost, in the members of the newest specification and of the one before."""
    backend = query_text(request, "backend")
    machine = MACHINES.get(backend or "")
    if machine is None:
        raise bad_query("backend", f"backend must be one of {', '.join(MACHINES)}, not {backend!r}")
    one, two = query_integer(request, "1q_gates", 0, 0), query_integer(request, "2q_gates", 0, 0)
    shots = query_integer(request, "shots", 1000, 1)
    inputs = {
        "backend": machine.name,
        "type": query_text(request, "type") or "ionq.circuit.v1",
        "qubits": query_integer(request, "qubits", 25, 1),
        "shots": shots,
        "1q_gates": one,
        "2q_gates": two,
        "error_mitigation": bool(query_flag(request, "error_mitigation")),
    }
    prices = machine.prices
    total = price(machine, shots, one, two)
    rates = {
        "cost_1q_gate": prices.one_qubit_gate if prices else 0.0,
        "cost_2q_gate": prices.two_qubit_gate if prices else 0.0,
        "job_cost_minimum": prices.minimum if prices else 0.0,
    }
    return Answer(
        {
            "estimate_context": {**inputs, "organization": ORGANIZATION, "project": PROJECT},
            "estimated_at": timestamp(cloud.clock()),
            "estimated_unit": CURRENCY,
            "rate_card": {"id": RATE_CARD, "rates": [{"sku": machine.name, "unit": "gates", **rates}]},
            "estimated_total_cost": total,
            "estimated_execution_time": round(cloud.knobs.duration(0) * 1000),
            "current_predicted_queue_time": round(cloud.knobs.queue_time * 1000),
            # The members of the edition before, which a released client reads.
            "input_values": {**inputs, "session": bool(query_flag(request, "session"))},
            "cost_unit": CURRENCY,
            "rate_information": {**rates, "organization": ORGANIZATION},
            "estimated_cost": total,
        }
    )


def get_usage(cloud: Cloud, request: Request, organization: str) -> Answer:
    """What completed QPU jobs cost and how long they took, by period and group; both dates inclusive."""
    group_by = query_text(request, "group_by") or "project"
    modality = query_text(request, "modality") or "daily"
    if group_by not in ("job", "project", "user"):
        raise bad_query("group_by", f"group_by must be job, project or user, not {group_by!r}")
    if modality not in ("daily", "weekly", "monthly"):
        raise bad_query("modality", f"modality must be daily, weekly or monthly, not {modality!r}")
    start, end = query_time(request, "start_date"), query_time(request, "end_date")
    look = cloud.look()
    first = look.now - timedelta(days=30).total_seconds() if start is None else start
    last = look.now if end is None else end + timedelta(days=1).total_seconds()
    spent = [
        job
        for job in cloud.jobs.newest_first()
        if not job.order.machine.is_simulator
        and first <= job.submitted_at < last
        and look.status(job) == COMPLETED
        and not job.order.dry_run
    ]
    periods: dict[date, list[Job]] = defaultdict(list)
    for job in spent:
        periods[_period(job, modality)].append(job)
    total = _sums(spent)
    return Answer(
        {
            "group_type": group_by,
            "modality": modality,
            "organization": organization,
            "usage_from": timestamp(first),
            "usage_to": timestamp(last),
            "usage_unit": CURRENCY,
            "amount_total": total["amount"],
            "amount_totals": total["amounts"],
            "job_count": total["job_count"],
            "time_us_total": total["time_us"],
            "usage_data": [
                {
                    "from": f"{day.isoformat()}T00:00:00Z",
                    **_sums(jobs),
                    "group_usages": _groups(jobs, group_by),
                }
                for day, jobs in sorted(periods.items(), reverse=True)
            ],
        }
    )


def _period(job: Job, modality: str) -> date:
    day = datetime.fromtimestamp(job.submitted_at, tz=timezone.utc).date()
    if modality == "weekly":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if modality == "monthly" else day


def _groups(jobs: Iterable[Job], group_by: str) -> list[dict[str, Any]]:
    groups: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        groups[{"job": job.id, "project": PROJECT, "user": SUBMITTER}[group_by]].append(job)
    entries = [
        {"group_id": group, "group_name": group, **_sums(members)} for group, members in groups.items()
    ]
    return sorted(entries, key=lambda entry: entry["amount"], reverse=True)[:TOP_GROUPS]


def _sums(jobs: Iterable[Job]) -> dict[str, Any]:
    jobs = list(jobs)
    amount = sum(cost_of(job) for job in jobs)
    return {
        "amount": amount,
        "amount_unit": CURRENCY,
        "amounts": [{"amount": amount, "unit": CURRENCY}],
        "job_count": len(jobs),
        "time_us": sum(leaf.duration for job in jobs for leaf in job.leaves) * 1e6,
    }


ROUTES = (
    route("GET", "/jobs/estimate", estimate),
    route("GET", "/jobs/{job}/cost", get_cost),
    route("GET", "/organizations/{organization}/usage", get_usage),
)
