# SPDX-License-Identifier: Apache-2.0
"""From what is known of a device to the Qiskit ``Target`` that describes it.

A native target lists IonQ's gates first and then Qiskit's names for the same rotations and interactions
(``u``, ``rz``, ``rzz``, ``swap``, …). Qiskit's own passes only ever reach for the second group, which is
written in Rust: its optimiser is slow with gates defined in Python, and some versions of it deadlock. The
scheduling stage of `qiskit_parallel_ionq.compiler.plugin` then turns all of them into the first group.

Operations are listed for all qubits at once, unless only some pairs of qubits can interact: so circuits keep
their width, and no time is spent on layout and routing that all-to-all connectivity does not need.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from qiskit.circuit import (
    BoxOp,
    BreakLoopOp,
    ContinueLoopOp,
    Delay,
    ForLoopOp,
    Gate,
    IfElseOp,
    Instruction,
    Measure,
    Parameter,
    Reset,
    SwitchCaseOp,
    WhileLoopOp,
)
from qiskit.circuit import library as gates
from qiskit.transpiler import InstructionDurations, InstructionProperties, QubitProperties, Target

from qiskit_parallel_ionq.gates import NATIVE_NAMES, Family, GPI2Gate, GPIGate, MSGate, ZZGate
from qiskit_parallel_ionq.wire import CatalogEntry, Characterization

Gateset = Literal["native", "qis"]

WIDE_GATES = frozenset({"ccx", "ccz", "cswap"})
"""Gates of three qubits that a target lists."""

_MS_DEVICES = ("aria", "harmony", "simulator")
_CONTROL_FLOW: dict[str, type[Instruction]] = {
    "if_else": IfElseOp,
    "while_loop": WhileLoopOp,
    "for_loop": ForLoopOp,
    "switch_case": SwitchCaseOp,
    "box": BoxOp,
    "break_loop": BreakLoopOp,
    "continue_loop": ContinueLoopOp,
}


class IonQTarget(Target):
    """A Target that can tell durations which hold for all qubits at once, where Qiskit's own fails."""

    def durations(self) -> InstructionDurations:
        """Return how long operations take, in seconds."""
        rows = []
        for name, everywhere in self.items():
            for qubits, properties in everywhere.items():
                if properties is not None and properties.duration is not None:
                    rows.append((name, None if qubits is None else list(qubits), properties.duration, "s"))
        return InstructionDurations(rows, dt=self.dt)


def family_of(target_name: str, supported_native_gates: Sequence[str] | None = None) -> Family:
    """Return the two-qubit native gate to compile to.

    What the service says decides. Where it says nothing the name does: ms on Aria and Harmony, zz on
    everything newer. The ideal simulator runs both; it gets ms, which needs fewer pulses.

    >>> family_of("qpu.aria-1"), family_of("qpu.forte-1"), family_of("simulator")
    ('ms', 'zz', 'ms')
    >>> family_of("qpu.next-1", ["gpi", "gpi2", "ms"])
    'ms'
    """
    offered = {name.lower() for name in supported_native_gates or ()}
    if "ms" in offered:
        return "ms"
    if "zz" in offered:
        return "zz"
    return "ms" if any(name in target_name.lower() for name in _MS_DEVICES) else "zz"


def build_target(
    num_qubits: int,
    *,
    gateset: Gateset,
    family: Family,
    connectivity: Sequence[tuple[int, int]] | None = None,
    error_1q: float | None = None,
    error_2q: float | None = None,
    error_readout: float | None = None,
    duration_1q: float | None = None,
    duration_2q: float | None = None,
    duration_readout: float | None = None,
    duration_reset: float | None = None,
    t1: float | None = None,
    t2: float | None = None,
) -> Target:
    """Build the Target of one device and gate set.

    Args:
        num_qubits: width of the device.
        gateset: "native" for IonQ's own gates, "qis" for the gates that IonQ's server compiles.
        family: the native two-qubit gate; does not matter for "qis".
        connectivity: unordered pairs that can interact. None, or a list of all pairs, means all to all.
        error_1q: median error of a pulse (1 - fidelity). Likewise `error_2q` and `error_readout`.
        error_2q: median error of a two-qubit gate.
        error_readout: median error of state preparation and measurement.
        duration_1q: seconds of one pulse. Likewise the other durations.
        duration_2q: seconds of one two-qubit gate.
        duration_readout: seconds of a measurement.
        duration_reset: seconds of a reset.
        t1: seconds of a qubit's relaxation. Likewise `t2`, of its dephasing.
        t2: seconds.

    Raises:
        ValueError: a pair names a qubit that the device does not have.
    """
    pairs = _restricting(num_qubits, connectivity)
    target = IonQTarget(
        description=f"IonQ, {num_qubits} qubits, {gateset} gates",
        num_qubits=num_qubits,
        qubit_properties=[QubitProperties(t1=t1, t2=t2) for _ in range(num_qubits)],
    )

    def add(operation: Instruction, error: float | None = None, duration: float | None = None) -> None:
        properties = None
        if error is not None or duration is not None:
            properties = InstructionProperties(error=error, duration=duration)
        if pairs is None:
            target.add_instruction(operation, {None: properties} if properties else None)
        elif operation.num_qubits == 1:
            target.add_instruction(operation, {(qubit,): properties for qubit in range(num_qubits)})
        elif operation.num_qubits == 2:
            target.add_instruction(operation, dict.fromkeys(pairs, properties))

    if gateset == "native":
        for gate in _native_gates(family):
            one = gate.num_qubits == 1
            add(gate, error_1q if one else error_2q, duration_1q if one else duration_2q)
        for gate in _proxy_gates():
            add(gate)
    else:
        for gate in _qis_gates():
            add(gate)
    add(Measure(), error_readout, duration_readout)
    add(Reset(), None, duration_reset)
    add(Delay(Parameter("t")))
    for name, kind in _CONTROL_FLOW.items():
        target.add_instruction(kind, name=name)
    return target


def device_target(
    entry: CatalogEntry, *, gateset: Gateset, family: Family, measured: Characterization | None = None
) -> Target:
    """Build the Target of an entry of the catalogue, with what was measured of the machine.

    Error rates are 1 - fidelity, of medians: every qubit has the same. Pairs matter to native gates only;
    others are brought to them by the service. Where only some pairs can interact there are no figures:
    equal ones tell a layout nothing, and have Qiskit search for a better one ten times as long.
    """
    pairs = _listed_pairs(entry, measured) if measured is not None and gateset == "native" else None
    if measured is None:
        return build_target(entry.qubits, gateset=gateset, family=family)
    if pairs is not None:
        return build_target(
            entry.qubits, gateset=gateset, family=family, connectivity=pairs, t1=measured.t1, t2=measured.t2
        )
    return build_target(
        entry.qubits,
        gateset=gateset,
        family=family,
        error_1q=_error(measured.fidelity_1q),
        error_2q=_error(measured.fidelity_2q),
        error_readout=_error(measured.fidelity_spam),
        duration_1q=measured.duration_1q,
        duration_2q=measured.duration_2q,
        duration_readout=measured.duration_readout,
        duration_reset=measured.duration_reset,
        t1=measured.t1,
        t2=measured.t2,
    )


def spelled_out(target: Target) -> Target:
    """Return a target of one- and two-qubit operations that lists every qubit and pair by itself.

    Qiskit's drawings read it. The transpiler must not: it would widen circuits to the whole device.
    """
    width = target.num_qubits or 0
    places: dict[int, list[tuple[int, ...]]] = {
        1: [(qubit,) for qubit in range(width)],
        2: list(itertools.permutations(range(width), 2)),
    }
    rest = Target(description=target.description, num_qubits=width, qubit_properties=target.qubit_properties)
    for name, everywhere in target.items():
        operation = target.operation_from_name(name)
        if not isinstance(operation, type) and operation.num_qubits in places:
            shared = everywhere.get(None) if everywhere else None
            listed = dict.fromkeys(places[operation.num_qubits], shared)
            rest.add_instruction(operation, listed, name=name)
    return rest


def _error(fidelity: float | None) -> float | None:
    return None if fidelity is None else 1 - fidelity


def _listed_pairs(entry: CatalogEntry, measured: Characterization) -> Sequence[tuple[int, int]] | None:
    """Return the pairs that can interact; None where all can that are named at all."""
    named = {qubit for pair in measured.connectivity for qubit in pair}
    if len(measured.connectivity) == len(named) * (len(named) - 1) // 2:
        return None
    return None if max(named) >= entry.qubits else measured.connectivity


def without_native_gates(target: Target) -> Target:
    """Return the part of a native target that Qiskit's translation may use.

    qiskit-ionq teaches Qiskit's global equivalence library to translate into native gates as soon as one of
    its backends exists; with this target it cannot.
    """
    rest = Target(description=target.description, num_qubits=target.num_qubits)
    for name in target.operation_names:
        operation = target.operation_from_name(name)
        if isinstance(operation, type):
            rest.add_instruction(operation, name=name)
        elif name not in NATIVE_NAMES:
            everywhere = target.qargs_for_operation_name(name) is None
            rest.add_instruction(operation, None if everywhere else dict(target[name]))
    return rest


def _restricting(
    num_qubits: int, connectivity: Sequence[tuple[int, int]] | None
) -> list[tuple[int, int]] | None:
    """Return both directions of every pair that can interact, or None if all can."""
    if connectivity is None:
        return None
    pairs = {(min(a, b), max(a, b)) for a, b in connectivity if a != b}
    for pair in pairs:
        if not 0 <= pair[0] < pair[1] < num_qubits:
            raise ValueError(f"pair {pair} is not on a device of {num_qubits} qubits")
    if len(pairs) == num_qubits * (num_qubits - 1) // 2:
        return None
    return sorted(pairs | {(b, a) for a, b in pairs})


def _native_gates(family: Family) -> list[Gate]:
    a, b, c = Parameter("a"), Parameter("b"), Parameter("c")
    return [GPIGate(a), GPI2Gate(a), MSGate(a, b, c) if family == "ms" else ZZGate(a)]


def _proxy_gates() -> list[Gate]:
    """Return what Qiskit's passes may produce; our reading of three-qubit gates beats theirs."""
    a, b, c = Parameter("a"), Parameter("b"), Parameter("c")
    return [
        gates.UGate(a, b, c),
        gates.RZGate(a),
        gates.RZZGate(a),
        gates.SwapGate(),
        gates.CCXGate(),
        gates.CCZGate(),
        gates.CSwapGate(),
    ]


def _qis_gates() -> list[Gate]:
    """Return the gates of IonQ's QIS set that have a name in Qiskit."""
    a = Parameter("a")
    fixed = [
        gates.XGate, gates.YGate, gates.ZGate, gates.HGate, gates.SGate, gates.SdgGate,
        gates.TGate, gates.TdgGate, gates.SXGate, gates.SXdgGate, gates.SwapGate,
        gates.CXGate, gates.CYGate, gates.CZGate, gates.CHGate, gates.CCXGate, gates.CCZGate, gates.CSwapGate,
    ]  # fmt: skip
    turned = [
        gates.RXGate, gates.RYGate, gates.RZGate, gates.PhaseGate, gates.CPhaseGate,
        gates.CRXGate, gates.CRYGate, gates.CRZGate, gates.RXXGate, gates.RYYGate, gates.RZZGate,
    ]  # fmt: skip
    return [kind() for kind in fixed] + [kind(a) for kind in turned]
