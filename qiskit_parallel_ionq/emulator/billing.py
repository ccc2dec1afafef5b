# SPDX-License-Identifier: Apache-2.0
"""What jobs cost: gates times shots, never less than a minimum per circuit."""

from __future__ import annotations

from .catalogue import Machine
from .jobs import Job

CURRENCY = "usd"


def price(machine: Machine, shots: int, one_qubit_gates: int, two_qubit_gates: int) -> float:
    """Price of one circuit."""
    if machine.prices is None:
        return 0.0
    gates = one_qubit_gates * machine.prices.one_qubit_gate + two_qubit_gates * machine.prices.two_qubit_gate
    return round(max(machine.prices.minimum, shots * gates), 6)


def cost_of(job: Job) -> float:
    """Price of a job's circuits, those that preflight refused left out."""
    order = job.order
    return sum(
        price(order.machine, order.shots, leaf.gate_counts["1q"], leaf.gate_counts["2q"])
        for leaf in job.leaves
        if leaf.rejected is None
    )
