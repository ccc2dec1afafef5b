# SPDX-License-Identifier: Apache-2.0
"""The machines on offer: widths, gates, noise, prices and characterizations.

Numbers IonQ does not publish are chosen here and marked so; prices are made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from uuid import UUID, uuid5

from . import gates
from .simulate import Rates

IDEAL = "ideal"
SIMULATOR = "simulator"
SIMULATOR_QUBITS = 29

_HARMONY = Rates(0.004, 0.036)  # chosen: its published formula is another one
_FORTE = Rates(0.000266667, 0.004949333)  # published

NOISE_MODELS: Mapping[str, Rates | None] = {
    IDEAL: None,
    "harmony": _HARMONY,
    "harmony-1": _HARMONY,
    "harmony-2": _HARMONY,
    "aria-1": Rates(0.0005, 0.0133),  # published
    "aria-2": Rates(0.000657333, 0.01856),  # published
    "forte-1": _FORTE,
    "forte-enterprise-1": _FORTE,  # chosen: as forte-1
    "tempo-1": Rates(0.0001, 0.00133),  # chosen: a two-qubit error of 0.1 %
}
"""Noise model -> depolarising rates; None is the ideal simulator."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars per gate and shot, and the least a circuit costs. Not IonQ's price list."""

    one_qubit_gate: float
    two_qubit_gate: float
    minimum: float


@dataclass(frozen=True, slots=True)
class Machine:
    """One entry of ``GET /backends``.

    Attributes:
        name: as in ``backend`` of a job.
        qubits: width.
        native_gates: native gates it takes.
        status: ``available``, ``unavailable`` or ``retired``.
        model: its noise model; ``ideal`` for the simulator.
        pairs: pairs a native two-qubit gate may act on, smaller first; None means any.
        prices: None when jobs are free.
    """

    name: str
    qubits: int
    native_gates: tuple[str, ...]
    status: str = "available"
    model: str = IDEAL
    pairs: frozenset[tuple[int, int]] | None = None
    prices: Prices | None = None

    @property
    def is_simulator(self) -> bool:
        """Whether it is the simulator rather than a QPU."""
        return self.name == SIMULATOR

    @property
    def characterization_id(self) -> str:
        """A UUID that stays the same for ever, one per machine."""
        return str(uuid5(_NAMESPACE, self.name))

    def connectivity(self) -> list[list[int]]:
        """The unordered pairs two-qubit gates may act on."""
        pairs = self.pairs or combinations(range(self.qubits), 2)
        return [list(pair) for pair in sorted(pairs)]


_NAMESPACE = UUID("0199b2c4-7d11-7c31-9a44-0b6f5d0a91e2")
_MS = ("gpi", "gpi2", "ms", "nop")
_ZZ = ("gpi", "gpi2", "zz", "nop")
_ARIA_PRICES = Prices(0.0003, 0.003, 1.0)
_FORTE_PRICES = Prices(0.0005, 0.005, 2.0)
_TEMPO_REACH = 8  # chosen, as its 64 qubits: connectivity is restricted, how is not published
_TEMPO_PAIRS = frozenset(
    (low, high) for low, high in combinations(range(64), 2) if high - low <= _TEMPO_REACH
)

MACHINES: Mapping[str, Machine] = {
    machine.name: machine
    for machine in (
        Machine(SIMULATOR, SIMULATOR_QUBITS, gates.NATIVE_GATES),
        Machine("qpu.aria-1", 25, _MS, model="aria-1", prices=_ARIA_PRICES),
        Machine("qpu.aria-2", 25, _MS, "retired", "aria-2", prices=_ARIA_PRICES),
        Machine("qpu.forte-1", 36, _ZZ, model="forte-1", prices=_FORTE_PRICES),
        Machine("qpu.forte-enterprise-1", 36, _ZZ, model="forte-enterprise-1", prices=_FORTE_PRICES),
        Machine("qpu.tempo-1", 64, _ZZ, model="tempo-1", pairs=_TEMPO_PAIRS, prices=Prices(0.001, 0.01, 4.0)),
        Machine("qpu.harmony", 11, _MS, "retired", "harmony", prices=Prices(0.0001, 0.001, 0.5)),
    )
}
"""Name -> machine, in the order of the listing."""


MITIGATIONS = ("debiasing", "symmetry_verification")
"""What jobs on a QPU may ask for; which machine offers which is not published."""
_TIMING = {"readout": 0.00015, "reset": 0.00005, "1q": 0.00013, "2q": 0.00095, "t1": 100.0, "t2": 1.0}
"""Seconds."""


def noisy_width(model: str) -> int:
    """Widest circuit the simulator takes under a noise model: the machine's width, 29 at most."""
    if model.startswith("harmony"):
        return 11
    return 25 if model.startswith("aria") else SIMULATOR_QUBITS


def backend_entry(machine: Machine, queue_ms: int, updated: str) -> dict[str, Any]:
    """One object of ``GET /backends``."""
    entry: dict[str, Any] = {
        "backend": machine.name,
        "status": machine.status,
        "qubits": machine.qubits,
        "average_queue_time": queue_ms,
        "last_updated": updated,
        "degraded": False,
        "location": "this computer",
        "supported_gates": list(gates.QIS_GATES),
        "supported_native_gates": list(machine.native_gates),
        "supported_error_mitigations": [] if machine.is_simulator else list(MITIGATIONS),
    }
    if machine.is_simulator:
        entry["noise_models"] = list(NOISE_MODELS)
    else:
        entry["characterization_id"] = machine.characterization_id
    return entry


def characterization(machine: Machine, date: str) -> dict[str, Any]:
    """The characterization of a QPU: fidelities follow from its noise rates, times are typical of ions.

    Raises:
        ValueError: the machine is the simulator, which has none.
    """
    rates = NOISE_MODELS[machine.model]
    if rates is None:
        raise ValueError(f"{machine.name} has no characterization")
    return {
        "id": machine.characterization_id,
        "backend": machine.name,
        "date": date,
        "qubits": machine.qubits,
        "connectivity": machine.connectivity(),
        "fidelity": {
            "spam": {"median": 1.0},
            "1q": {"median": round(1 - rates.one_qubit / 2, 9)},
            "2q": {"median": round(1 - rates.two_qubit * 3 / 4, 9)},
        },
        "timing": _TIMING,
    }
