# SPDX-License-Identifier: Apache-2.0
"""What jobs cost: gates times shots, never less than a minimum per job."""

from __future__ import annotations

from .catalogue import Machine
from .jobs import Job

CURRENCY = "usd"


def price(machine: Machine, shots: int, one_qubit_gates: int, two_qubit_gates: int) -> float:
    """Price of one job."""
    if machine.prices is None:
        return 0.0
    gates = one_qubit_gates * machine.prices.one_qubit_gate + two_qubit_gates * machine.prices.two_qubit_gate
    return round(max(machine.prices.minimum, shots * gates), 6)


def cost_of(job: Job) -> float:
    """Price of a job's circuits together, those that preflight refused left out."""
    order = job.order
    leaves = [leaf for leaf in job.leaves if leaf.rejected is None]
    if not leaves:
        return 0.0
    one, two = (sum(leaf.gate_counts[kind] for leaf in leaves) for kind in ("1q", "billed 2q"))
    return price(order.machine, order.shots, one, two)
