# SPDX-License-Identifier: Apache-2.0
"""What a run will cost, computed from the service's own estimates. Pure.

IonQ prices a job by its gates and shots, and never below a minimum per job. Where its answer names rates, and
they give its own estimate again, one answer prices every job of a run; else each kind of job is asked for.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import wire
from .errors import BudgetError
from .parcel import Parcel
from .wire import CostEstimate


@dataclass(frozen=True, slots=True)
class Workload:
    """What a job is priced by."""

    qubits: int
    shots: int
    one_qubit_gates: int
    two_qubit_gates: int
    error_mitigation: bool = False

    def __add__(self, other: Workload) -> Workload:
        return Workload(
            max(self.qubits, other.qubits),
            self.shots,
            self.one_qubit_gates + other.one_qubit_gates,
            self.two_qubit_gates + other.two_qubit_gates,
            self.error_mitigation,
        )


def workload(parcel: Parcel) -> Workload:
    """Return what a job is priced by, read from its request.

    Where the request says nothing about debiasing, a QPU decides by the number of shots. A gate on N > 2
    qubits counts as 6 (N - 2) two-qubit gates: the dearest rule that is published, for gates with several
    controls.
    """
    body = json.loads(parcel.body)
    given = body["input"]
    settings = body.get("settings")
    block = settings.get("error_mitigation") if isinstance(settings, Mapping) else None
    choice = block.get("debiasing") if isinstance(block, Mapping) else None
    is_debiased = parcel.shots >= wire.DEBIASED_FROM if choice is None else bool(choice)
    qubits = max(readout.num_qubits for readout in parcel.readouts)
    if "data" in given:
        sizes = _statement_sizes(given["data"])
    else:
        circuits = [c["circuit"] for c in given["circuits"]] if "circuits" in given else [given["circuit"]]
        sizes = [size for circuit in circuits for gate in circuit for size in _gate_sizes(gate)]
    two_qubit_gates = sum(1 if size == 2 else 6 * (size - 2) for size in sizes if size > 1)
    return Workload(qubits, parcel.shots, sizes.count(1), two_qubit_gates, is_debiased)


def _gate_sizes(gate: Mapping[str, Any]) -> list[int]:
    """Return on how many qubits a gate acts; several numbers for a gate that is a product of several."""
    named = sum(len(gate.get(members, ())) for members in ("targets", "controls"))
    size = named + ("target" in gate) + ("control" in gate)
    return [size] * max(1, len(gate.get("terms", ())))


_OPERAND = re.compile(r"\bq\[")
"""An operand in the OpenQASM 3 programs of this package, which have one quantum register."""


def _statement_sizes(source: str) -> list[int]:
    """Return on how many qubits each gate of an OpenQASM 3 program acts."""
    statements = (part for part in source.split(";") if "measure" not in part)
    return [size for statement in statements if (size := len(_OPERAND.findall(statement)))]


@dataclass(frozen=True, slots=True)
class CostReport:
    """What a run will cost, as far as the service says."""

    total: float
    unit: str
    jobs: tuple[float, ...]
    """Cost of each IonQ job, in the order in which they would be sent."""
    minimum: float | None = None
    """The least that one job costs; None where the service does not say."""
    packed: float | None = None
    """What the same circuits would cost in as few jobs as can be; None where the minimum is unknown."""

    @property
    def at_minimum(self) -> int:
        """Jobs that cost the minimum, whatever is in them."""
        return sum(cost <= (self.minimum or 0.0) * (1 + 1e-9) for cost in self.jobs) if self.minimum else 0

    @property
    def saving(self) -> float:
        """What packing would save."""
        return 0.0 if self.packed is None else max(0.0, self.total - self.packed)

    def __str__(self) -> str:
        told = f"{self.total:.2f} {self.unit} for {len(self.jobs)} jobs"
        if self.at_minimum and self.saving > 0.005:
            told += (
                f"; {self.at_minimum} of them cost the minimum of {self.minimum:.2f} {self.unit} each, and "
                f"packed with circuits_per_job they would cost {self.packed:.2f} {self.unit} in all"
            )
        return told


def cost_report(
    workloads: Sequence[Workload], ask: Callable[[Workload], CostEstimate], *, unit: str = "usd"
) -> CostReport:
    """Return what jobs will cost.

    Args:
        workloads: one for each job.
        ask: asks the service for one job's estimate; called as rarely as can be.
        unit: the unit of nothing at all.

    Raises:
        BudgetError: the service gives its estimates in more than one unit.
    """
    asked: dict[Workload, CostEstimate] = {}
    rates: CostEstimate | None = None
    costs = []
    for load in workloads:
        known = asked.get(load)
        if known is None and rates is not None:
            costs.append(_by_rates(rates, load))
            continue
        if known is None:
            known = asked[load] = ask(load)
            rates = known if _explains(known, load) else None
        costs.append(known.total)
    packed = _packed(workloads, rates, lambda load: asked.get(load) or ask(load))
    units = {estimate.unit for estimate in asked.values()} or {unit}
    if len(units) > 1:
        raise BudgetError(f"the service estimates in several units, {sorted(units)}; nothing was sent")
    first = next(iter(asked.values()), None)
    return CostReport(
        total=math.fsum(costs),
        unit=units.pop(),
        jobs=tuple(costs),
        minimum=None if first is None else first.job_minimum,
        packed=packed,
    )


def _by_rates(rates: CostEstimate, load: Workload) -> float:
    one, two = rates.one_qubit_gate or 0.0, rates.two_qubit_gate or 0.0
    gates = load.one_qubit_gates * one + load.two_qubit_gates * two
    return max(rates.job_minimum or 0.0, load.shots * gates)


def _explains(estimate: CostEstimate, load: Workload) -> bool:
    """Say whether the rates that came with an estimate give it, so that they give the others, too."""
    if estimate.two_qubit_gate is None or load.error_mitigation:
        return False
    return math.isclose(_by_rates(estimate, load), estimate.total, rel_tol=1e-6, abs_tol=1e-9)


def _packed(
    workloads: Sequence[Workload], rates: CostEstimate | None, ask: Callable[[Workload], CostEstimate]
) -> float | None:
    is_askable = any(load.error_mitigation for load in workloads)  # of which the rates say nothing
    if (rates is None and not is_askable) or (rates is not None and rates.job_minimum is None):
        return None
    packs: dict[int, Workload] = {}
    for load in workloads:
        packs[load.shots] = packs[load.shots] + load if load.shots in packs else load
    return math.fsum(ask(load).total if rates is None else _by_rates(rates, load) for load in packs.values())
