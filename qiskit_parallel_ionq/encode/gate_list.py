# SPDX-License-Identifier: Apache-2.0
"""Circuits as IonQ's JSON lists of gates, native and QIS."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import ControlModifier
from qiskit.quantum_info import SparsePauliOp

from .encoded import UNSENT, Kind, Readout, refusal

# ── gate lists ──

_Write = Callable[[Sequence[float], Sequence[int]], str]
_Step = tuple[_Write, Sequence[float], Sequence[int]]  # a writer, with the gate's parameters and qubits


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one Qiskit gate is written, and its size, which tells a stranger of the same name."""

    params: int
    qubits: int | None  # None: any number
    write: _Write


def _turns(phase: float) -> float:
    return phase if -1 <= phase <= 1 else math.fmod(phase, 1)


def _gpi(values: Sequence[float], wires: Sequence[int]) -> str:
    return f'{{"gate":"gpi","target":{wires[0]},"phase":{_turns(values[0])!r}}}'


def _gpi2(values: Sequence[float], wires: Sequence[int]) -> str:
    return f'{{"gate":"gpi2","target":{wires[0]},"phase":{_turns(values[0])!r}}}'


def _ms(values: Sequence[float], wires: Sequence[int]) -> str:
    """Write exp(-iπθ A⊗B): θ and θ + 1 differ by a global phase, θ and -θ by half a turn of A's phase."""
    phase, angle = values[0], math.remainder(values[2], 1)
    if angle < 0:
        phase, angle = phase + 0.5, -angle
    if angle > 0.25:
        raise ValueError(f"has an angle of {values[2]!r} turns, which is not 0 to 0.25; compile the circuit")
    phases = f"{_turns(phase)!r},{_turns(values[1])!r}"
    return f'{{"gate":"ms","targets":[{wires[0]},{wires[1]}],"phases":[{phases}],"angle":{angle!r}}}'


def _zz(values: Sequence[float], wires: Sequence[int]) -> str:
    # No source states a range for zz: the user's own negative or large angles go out as they are.
    return f'{{"gate":"zz","targets":[{wires[0]},{wires[1]}],"angle":{_turns(values[0])!r}}}'


_NATIVE = {
    "gpi": _Rule(1, 1, _gpi),
    "gpi2": _Rule(1, 1, _gpi2),
    "ms": _Rule(3, 2, _ms),
    "zz": _Rule(1, 2, _zz),
}


def _qis_rule(gate: str, params: int, targets: int, controls: int | None) -> _Rule:
    """Return the rule for an IonQ gate under so many controls (None: all qubits but the targets)."""
    # `z` with a rotation is IonQ's way to say diag(1, exp(iθ)), and the only one under controls. Without
    # controls the plainly documented `rz` is the same up to a global phase.
    if gate == "z" and params and controls == 0:
        gate = "rz"

    def write(values: Sequence[float], wires: Sequence[int]) -> str:
        first = len(wires) - targets
        text = f'{{"gate":"{gate}","targets":[{",".join(map(str, wires[first:]))}]'
        if first:
            text += f',"controls":[{",".join(map(str, wires[:first]))}]'
        return text + (f',"rotation":{values[0]!r}}}' if params else "}")

    return _Rule(params, None if controls is None else controls + targets, write)


# Qiskit's gate: (IonQ's gate, parameters, targets)
_QIS_BASES = {
    "x": ("x", 0, 1),
    "y": ("y", 0, 1),
    "z": ("z", 0, 1),
    "h": ("h", 0, 1),
    "s": ("s", 0, 1),
    "sdg": ("si", 0, 1),
    "t": ("t", 0, 1),
    "tdg": ("ti", 0, 1),
    "sx": ("v", 0, 1),
    "sxdg": ("vi", 0, 1),
    "p": ("z", 1, 1),
    "u1": ("z", 1, 1),
    "rx": ("rx", 1, 1),
    "ry": ("ry", 1, 1),
    "rz": ("rz", 1, 1),
    "swap": ("swap", 0, 2),
    "rxx": ("xx", 1, 2),
    "ryy": ("yy", 1, 2),
    "rzz": ("zz", 1, 2),
}
# Qiskit's gate: (the gate under control, controls). Other controlled forms are read from the operation.
_QIS_CONTROLLED: dict[str, tuple[str, int | None]] = {
    **{f"c{base}": (base, 1) for base in _QIS_BASES},
    "ccx": ("x", 2),
    "ccz": ("z", 2),
    "c3sx": ("sx", 3),
    "mcx": ("x", None),
    "mcphase": ("p", None),
}
_QIS = {name: _qis_rule(*base, 0) for name, base in _QIS_BASES.items()} | {
    name: _qis_rule(*_QIS_BASES[base], controls) for name, (base, controls) in _QIS_CONTROLLED.items()
}

# Whether the service takes an empty list of gates is nowhere stated, and targets do not list `nop` among the
# gates they support. A gate and its inverse are ordinary gates that every target of the gate set has.
_IDENTITY = {
    "native": [_gpi((0.0,), (0,))] * 2,
    "qis": ['{"gate":"x","targets":[0]}'] * 2,
}


def gate_list(circuit: QuantumCircuit, kind: Kind, renumber: bool) -> tuple[bytes, int, Readout]:
    """Return the JSON array of gates, how many they are, and the way back from outcomes."""
    rules = _NATIVE if kind == "native" else _QIS
    qubit_index = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    clbit_index = {clbit: index for index, clbit in enumerate(circuit.clbits)}
    gates: list[tuple[int, _Step]] = []
    touched: set[int] = set()
    measured: set[int] = set()
    discarded: set[int] = set()
    sources: list[int | None] = [None] * len(clbit_index)

    for position, instruction in enumerate(circuit.data):
        name = instruction.name
        if name in UNSENT:
            continue
        qubits = [qubit_index[qubit] for qubit in instruction.qubits]
        if name == "reset":
            # Before anything else the qubit is in |0> already; after everything else nobody looks at it.
            discarded.update(touched.intersection(qubits))
            continue
        if not discarded.isdisjoint(qubits):
            raise refusal(circuit, position, "follows a reset; send the circuit as OpenQASM 3")
        if name == "measure":
            sources[clbit_index[instruction.clbits[0]]] = qubits[0]
            measured.add(qubits[0])
        else:
            if not measured.isdisjoint(qubits):
                raise refusal(circuit, position, "acts on a measured qubit; send the circuit as OpenQASM 3")
            rule = rules.get(name)
            if rule is None:
                gates += [(position, step) for step in _composed(circuit, position, qubits, kind)]
            else:
                values = _numbers(circuit, position, instruction.params)
                if len(values) != rule.params or rule.qubits not in (None, len(qubits)):
                    raise refusal(
                        circuit, position, "has other parameters or qubits than the gate of that name"
                    )
                gates.append((position, (rule.write, values, qubits)))
        touched.update(qubits)

    wire_of = _renumbered(touched, None if renumber else circuit.num_qubits)
    texts = []
    for position, (write, params, on) in gates:
        try:
            texts.append(write(params, [wire_of[qubit] for qubit in on]))
        except ValueError as error:
            raise refusal(circuit, position, str(error)) from None
    return _joined(texts, kind, sources, wire_of)


def _renumbered(touched: set[int], num_qubits: int | None) -> dict[int, int]:
    """Return the qubit on the wire for each qubit that goes out: those touched, or so many."""
    used = (sorted(touched) if num_qubits is None else range(num_qubits)) or [0]
    return {qubit: wire for wire, qubit in enumerate(used)}


def _joined(
    texts: list[str], kind: Kind, sources: Sequence[int | None], wire_of: Mapping[int, int]
) -> tuple[bytes, int, Readout]:
    texts = texts or _IDENTITY[kind]
    wires = tuple(None if qubit is None else wire_of[qubit] for qubit in sources)
    return f"[{','.join(texts)}]".encode(), len(texts), Readout(wires, len(wire_of))


def _numbers(circuit: QuantumCircuit, position: int, params: Sequence[Any]) -> list[float]:
    try:
        values = [float(param) for param in params]
    except (TypeError, ValueError):
        raise refusal(
            circuit, position, f"has parameters {params} that are not all numbers; bind them"
        ) from None
    if not all(map(math.isfinite, values)):
        raise refusal(circuit, position, f"has parameters {values} that are not all finite")
    return values


def _composed(circuit: QuantumCircuit, position: int, qubits: list[int], kind: Kind) -> list[_Step]:
    """Return what says a gate that is not in the table: controlled forms and Pauli evolutions (QIS only)."""
    operation = circuit.data[position].operation
    if operation.name == "store" or hasattr(operation, "blocks"):
        raise refusal(circuit, position, "is no gate; send the circuit as OpenQASM 3")
    if kind == "native":
        raise refusal(circuit, position, "is not native (gpi, gpi2, ms, zz); transpile it for the backend")
    if operation.name == "PauliEvolution":
        return _pauli_evolution(circuit, position, qubits)
    gate, controls, state = _control(operation)
    base = _QIS_BASES.get(gate.name)
    if base is None or len(qubits) != controls + base[2]:
        raise refusal(circuit, position, "has no counterpart in IonQ's QIS set; transpile it for the backend")
    rule = _qis_rule(*base, controls)
    values = _numbers(circuit, position, gate.params)
    # A control on 0 is a control on 1 between two X.
    opened = [qubit for k, qubit in enumerate(qubits[:controls]) if not state >> k & 1]
    flips: list[_Step] = [(_QIS["x"].write, (), [qubit]) for qubit in opened]
    return [*flips, (rule.write, values, qubits), *flips]


def _control(operation: Any) -> tuple[Any, int, int]:
    """Return the gate under control, its number of controls, and their state (bit k: control k)."""
    if hasattr(operation, "ctrl_state"):
        return operation.base_gate, operation.num_ctrl_qubits, operation.ctrl_state
    modifiers = getattr(operation, "modifiers", [])
    if not modifiers or not all(isinstance(modifier, ControlModifier) for modifier in modifiers):
        return operation, 0, 0
    controls = state = 0
    for modifier in modifiers:  # each puts its controls before those that are there
        controls += modifier.num_ctrl_qubits
        state = state << modifier.num_ctrl_qubits | modifier.ctrl_state
    return operation.base_op, controls, state


def _pauli_evolution(circuit: QuantumCircuit, position: int, qubits: list[int]) -> list[_Step]:
    """Return exp(-it Σ c P) as one `pauliexp`; a term's last letter acts on the first target."""
    operation = circuit.data[position].operation
    (time,) = _numbers(circuit, position, operation.params)
    operators = operation.operator if isinstance(operation.operator, list) else [operation.operator]
    terms: dict[str, float] = {}
    for operator in operators:
        sparse = operator if hasattr(operator, "paulis") else SparsePauliOp.from_sparse_observable(operator)
        for label, coefficient in zip(sparse.paulis.to_labels(), sparse.coeffs, strict=True):
            try:
                value = complex(coefficient)
            except TypeError:
                raise refusal(circuit, position, f"has the coefficient {coefficient}; bind it") from None
            if value.imag or not math.isfinite(value.real):
                raise refusal(circuit, position, f"has the coefficient {value}, which is not real and finite")
            if set(label) != {"I"}:  # a multiple of the identity is a global phase
                terms[label] = terms.get(label, 0.0) + value.real
    for left, right in combinations(terms, 2):
        if not _commute(left, right):
            raise refusal(circuit, position, f"has terms that do not commute ({left}, {right}); decompose it")
    if not terms:
        return []
    sign = math.copysign(1, time)  # the service wants time >= 0
    labels = ",".join(f'"{label}"' for label in terms)
    coefficients = ",".join(repr(sign * value) for value in terms.values())

    def write(values: Sequence[float], wires: Sequence[int]) -> str:
        return (
            f'{{"gate":"pauliexp","targets":[{",".join(map(str, wires))}],"terms":[{labels}],'
            f'"coefficients":[{coefficients}],"time":{values[0]!r}}}'
        )

    return [(write, (abs(time),), qubits)]


def _commute(left: str, right: str) -> bool:
    return sum(a != b and "I" not in (a, b) for a, b in zip(left, right, strict=True)) % 2 == 0
