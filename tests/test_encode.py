# SPDX-License-Identifier: Apache-2.0
"""What goes out says what the circuit does, bit for bit, and what cannot be said is refused by name.

The gate lists are played on a simulator of a few lines, whose matrices are written down from the service's
documentation and share nothing with the encoder.
"""

from __future__ import annotations

import base64
import cmath
import contextlib
import gzip
import hashlib
import json
import math
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm3
from qiskit.circuit import AnnotatedOperation, Clbit, ControlModifier, Gate, InverseModifier, Parameter, Qubit
from qiskit.circuit import library as lib
from qiskit.circuit.classical import expr, types
from qiskit.quantum_info import Operator, SparseObservable, SparsePauliOp, Statevector
from qiskit_ionq.helpers import (
    compress_to_metadata_string,
    decompress_metadata_string,
    qiskit_circ_to_ionq_circ,
)
from scipy.linalg import expm

from qiskit_parallel_ionq.emulator.qasm3 import read_program
from qiskit_parallel_ionq.emulator.simulate import simulate
from qiskit_parallel_ionq.encode import (
    Readout,
    encode_circuit,
    header_entry,
    ionq_header,
    job_body,
    read_ionq_header,
)
from qiskit_parallel_ionq.errors import EncodeError, ResultIntegrityError
from qiskit_parallel_ionq.gates import GPI2Gate, GPIGate, MSGate, ZZGate

# Qiskit 2.0 warns about itself when it builds a gate with many controls.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

turns = st.floats(-5, 5)

# ── a simulator of the wire format ──

X, Y, Z, I = (np.array(rows, complex) for rows in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]], np.eye(2)))  # fmt: skip  # noqa: E741
PAULIS = {"I": I, "X": X, "Y": Y, "Z": Z}


def turn(phase: float) -> complex:
    return cmath.exp(2j * math.pi * phase)


def exponential(pauli: np.ndarray, theta: float) -> np.ndarray:
    """exp(-iθP) of a P that is its own inverse."""
    return math.cos(theta) * np.eye(len(pauli)) - 1j * math.sin(theta) * pauli


def root_of_x(sign: int) -> np.ndarray:
    return np.array([[1 + sign * 1j, 1 - sign * 1j], [1 - sign * 1j, 1 + sign * 1j]]) / 2


def native_ms(gate: dict) -> np.ndarray:
    (a, b), theta = gate["phases"], math.pi * gate.get("angle", 0.25)
    matrix = np.eye(4, dtype=complex) * math.cos(theta)
    for row, phase in enumerate([-(a + b), -(a - b), a - b, a + b]):
        matrix[row, 3 - row] = -1j * turn(phase) * math.sin(theta)
    return matrix


# Matrices with the first target as the most significant factor.
MATRICES = {
    "x": lambda g: X,
    "y": lambda g: Y,
    "z": lambda g: np.diag([1, cmath.exp(1j * g.get("rotation", math.pi))]),
    "h": lambda g: (X + Z) / math.sqrt(2),
    "s": lambda g: np.diag([1, 1j]),
    "si": lambda g: np.diag([1, -1j]),
    "t": lambda g: np.diag([1, turn(1 / 8)]),
    "ti": lambda g: np.diag([1, turn(-1 / 8)]),
    "v": lambda g: root_of_x(1),
    "vi": lambda g: root_of_x(-1),
    "rx": lambda g: exponential(X, g["rotation"] / 2),
    "ry": lambda g: exponential(Y, g["rotation"] / 2),
    "rz": lambda g: exponential(Z, g["rotation"] / 2),
    "swap": lambda g: np.eye(4)[[0, 2, 1, 3]],
    "xx": lambda g: exponential(np.kron(X, X), g["rotation"] / 2),
    "yy": lambda g: exponential(np.kron(Y, Y), g["rotation"] / 2),
    "zz": lambda g: exponential(np.kron(Z, Z), g["rotation"] / 2 if "rotation" in g else math.pi * g["angle"]),
    "gpi": lambda g: np.array([[0, turn(-g["phase"])], [turn(g["phase"]), 0]]),
    "gpi2": lambda g: np.array([[1, -1j * turn(-g["phase"])], [-1j * turn(g["phase"]), 1]]) / math.sqrt(2),
    "ms": native_ms,
    "pauliexp": lambda g: pauli_exponential(g),
}  # fmt: skip


def pauli_exponential(gate: dict) -> np.ndarray:
    assert gate["time"] >= 0
    matrix = np.eye(2 ** len(gate["targets"]), dtype=complex)
    for term, coefficient in zip(gate["terms"], gate["coefficients"], strict=True):
        product = np.eye(1)
        for letter in reversed(term):  # the last letter acts on the first target
            product = np.kron(product, PAULIS[letter])
        matrix = exponential(product, coefficient * gate["time"]) @ matrix
    return matrix


def played(gates: list[dict], num_qubits: int) -> np.ndarray:
    """Return the unitary of a gate list; bit k of an index is qubit k."""
    state = np.eye(2**num_qubits, dtype=complex).reshape([2] * num_qubits + [-1])
    for gate in gates:
        targets = gate["targets"] if "targets" in gate else [gate["target"]]
        controls = gate.get("controls", [])
        assert len({*targets, *controls}) == len(targets) + len(controls)
        # Axis k of the tensor is qubit n - 1 - k. Where all controls are 1, the matrix acts.
        where = [slice(None)] * (num_qubits + 1)
        for control in controls:
            where[num_qubits - 1 - control] = slice(1, 2)
        part = state[tuple(where)]
        axes = [num_qubits - 1 - target for target in targets]
        matrix = np.asarray(MATRICES[gate["gate"]](gate), complex).reshape([2] * 2 * len(targets))
        acted = np.tensordot(matrix, part, (range(len(targets), 2 * len(targets)), axes))
        state[tuple(where)] = np.moveaxis(acted, range(len(targets)), axes)
    return state.reshape(2**num_qubits, -1)


def gates_of(circuit: QuantumCircuit, kind: str = "qis", **options: bool) -> list[dict]:
    return json.loads(encode_circuit(circuit, kind=kind, **options).fragment)


def alone(operation, num_qubits: int | None = None) -> QuantumCircuit:
    """A circuit of one operation on qubits that are out of order, so that a swap of two would show."""
    count = num_qubits or operation.num_qubits
    circuit = QuantumCircuit(count, name="solo")
    circuit.append(operation, list(range(count))[::-1])
    return circuit


def assert_same_up_to_phase(ours: np.ndarray, theirs: np.ndarray) -> None:
    overlap = abs(np.vdot(ours, theirs)) / len(ours)
    assert overlap == pytest.approx(1, abs=1e-9)


# ── QIS ──

A = 0.3
# Qiskit's operation, IonQ's gate, its number of targets, its rotation
PLAIN = [
    (lib.XGate(), "x", 1, None),
    (lib.YGate(), "y", 1, None),
    (lib.ZGate(), "z", 1, None),
    (lib.HGate(), "h", 1, None),
    (lib.SGate(), "s", 1, None),
    (lib.SdgGate(), "si", 1, None),
    (lib.TGate(), "t", 1, None),
    (lib.TdgGate(), "ti", 1, None),
    (lib.SXGate(), "v", 1, None),
    (lib.SXdgGate(), "vi", 1, None),
    (lib.PhaseGate(A), "rz", 1, A),
    (lib.U1Gate(A), "rz", 1, A),
    (lib.RXGate(A), "rx", 1, A),
    (lib.RYGate(A), "ry", 1, A),
    (lib.RZGate(A), "rz", 1, A),
    (lib.SwapGate(), "swap", 2, None),
    (lib.RXXGate(A), "xx", 2, A),
    (lib.RYYGate(A), "yy", 2, A),
    (lib.RZZGate(A), "zz", 2, A),
]
CONTROLLED = [
    (lib.CXGate(), "x", 1, None),
    (lib.CYGate(), "y", 1, None),
    (lib.CZGate(), "z", 1, None),
    (lib.CHGate(), "h", 1, None),
    (lib.CSGate(), "s", 1, None),
    (lib.CSdgGate(), "si", 1, None),
    (lib.CSXGate(), "v", 1, None),
    (lib.CPhaseGate(A), "z", 1, A),
    (lib.CU1Gate(A), "z", 1, A),
    (lib.CRXGate(A), "rx", 1, A),
    (lib.CRYGate(A), "ry", 1, A),
    (lib.CRZGate(A), "rz", 1, A),
    (lib.CSwapGate(), "swap", 2, None),
    (lib.CCXGate(), "x", 1, None),
    (lib.CCZGate(), "z", 1, None),
    (lib.C3XGate(), "x", 1, None),
    (lib.C4XGate(), "x", 1, None),
    (lib.C3SXGate(), "v", 1, None),
    (lib.MCPhaseGate(A, 3), "z", 1, A),
    (lib.MCU1Gate(A, 2), "z", 1, A),
]


def label(value) -> str | None:
    return f"{value.name}-{value.num_qubits}" if hasattr(value, "num_qubits") else None


def assert_said(operation, said, targets, rotation):
    circuit = alone(operation)
    (gate,) = gates_of(circuit)
    wires = list(range(operation.num_qubits))[::-1]
    expected = {"gate": said, "targets": wires[-targets:]}
    if len(wires) > targets:
        expected["controls"] = wires[:-targets]
    if rotation is not None:
        expected["rotation"] = rotation
    assert gate == expected
    assert_same_up_to_phase(played([gate], circuit.num_qubits), Operator(circuit).data)


@pytest.mark.parametrize(("operation", "said", "targets", "rotation"), PLAIN + CONTROLLED, ids=label)
def test_each_gate_is_said_by_its_counterpart(operation, said, targets, rotation):
    assert_said(operation, said, targets, rotation)


@pytest.mark.parametrize(("controls", "annotated"), [(1, False), (2, False), (3, True)])
@pytest.mark.parametrize(("base", "said", "targets", "rotation"), PLAIN, ids=label)
def test_each_gate_is_said_under_controls(base, said, targets, rotation, controls, annotated):
    # Under controls a phase is no rz: they differ by a phase that the controls can see.
    under = "z" if base.name in {"p", "u1"} else said
    assert_said(base.control(controls, annotated=annotated), under, targets, rotation)


def test_any_number_of_controls_is_said():
    circuit = QuantumCircuit(6)
    circuit.append(lib.MCXGate(5), [5, 4, 3, 2, 1, 0])
    assert gates_of(circuit) == [{"gate": "x", "targets": [0], "controls": [5, 4, 3, 2, 1]}]


@pytest.mark.parametrize("state", range(4))
@pytest.mark.parametrize("annotated", [False, True])
@pytest.mark.parametrize(
    "base", [lib.XGate(), lib.HGate(), lib.PhaseGate(A), lib.SwapGate(), lib.RZZGate(A)], ids=label
)
def test_an_open_control_is_a_closed_one_between_two_x(base, annotated, state):
    circuit = alone(base.control(2, ctrl_state=state, annotated=annotated))
    gates = gates_of(circuit)
    assert [gate["gate"] for gate in gates].count("x") == 2 * (2 - state.bit_count()) + (base.name == "x")
    assert_same_up_to_phase(played(gates, circuit.num_qubits), Operator(circuit).data)


def test_controls_put_on_one_after_the_other_keep_their_order():
    inner, outer = ControlModifier(2, ctrl_state=0b01), ControlModifier(1, ctrl_state=0)
    circuit = alone(AnnotatedOperation(lib.RYGate(A), [inner, outer]))
    assert_same_up_to_phase(played(gates_of(circuit), 4), Operator(circuit).data)


@pytest.mark.parametrize(
    ("operator", "time"),
    [
        (SparsePauliOp("ZX"), 0.3),
        (SparsePauliOp("IYX", 0.7), -1.2),
        (SparsePauliOp(["ZZI", "IZZ", "III"], [0.5, -0.25, 3]), 0.9),
        (SparsePauliOp(["XX", "XX"], [0.5, 0.2]), 1.0),
        ([SparsePauliOp("XX"), SparsePauliOp("ZZ", 0.4)], 0.6),
        (SparseObservable("ZX"), 0.3),
        (SparseObservable.from_list([("0Z", 0.8)]), 0.3),  # a projector: (I + Z) / 2
        (SparsePauliOp("ZX"), 0.0),
    ],
)
def test_a_pauli_evolution_is_one_gate_forward_in_time(operator, time):
    evolution = lib.PauliEvolutionGate(operator, time)
    (gate,) = gates_of(alone(evolution))
    assert gate["gate"] == "pauliexp"
    parts = operator if isinstance(operator, list) else [operator]
    hamiltonian = sum(
        SparsePauliOp.from_sparse_observable(p) if hasattr(p, "bit_terms") else p for p in parts
    )
    exact = lib.UnitaryGate(expm(-1j * time * hamiltonian.to_matrix()))
    assert_same_up_to_phase(played([gate], evolution.num_qubits), Operator(alone(exact)).data)


def test_the_last_letter_of_a_term_acts_on_the_first_target():
    circuit = QuantumCircuit(3)
    circuit.append(lib.PauliEvolutionGate(SparsePauliOp("ZX", 0.5), 0.3), [2, 0])
    assert gates_of(circuit, renumber=False) == [
        {"gate": "pauliexp", "targets": [2, 0], "terms": ["ZX"], "coefficients": [0.5], "time": 0.3}
    ]


def test_an_evolution_under_the_identity_is_a_phase_and_not_sent():
    circuit = alone(lib.PauliEvolutionGate(SparsePauliOp("II", 0.5), 0.3))
    circuit.h(0)
    assert gates_of(circuit) == [{"gate": "h", "targets": [0]}]


# ── native ──


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (GPIGate(0.1), {"gate": "gpi", "target": 0, "phase": 0.1}),
        (GPIGate(-1.25), {"gate": "gpi", "target": 0, "phase": -0.25}),
        (GPI2Gate(2.75), {"gate": "gpi2", "target": 0, "phase": 0.75}),
        (GPI2Gate(-1.0), {"gate": "gpi2", "target": 0, "phase": -1.0}),
        (MSGate(0.1, 0.2, 0.25), {"gate": "ms", "targets": [1, 0], "phases": [0.1, 0.2], "angle": 0.25}),
        (MSGate(0.1, 0.2), {"gate": "ms", "targets": [1, 0], "phases": [0.1, 0.2], "angle": 0.25}),
        (MSGate(0.25, 0, -0.125), {"gate": "ms", "targets": [1, 0], "phases": [0.75, 0.0], "angle": 0.125}),
        (MSGate(0, 1.5, 1.125), {"gate": "ms", "targets": [1, 0], "phases": [0.0, 0.5], "angle": 0.125}),
        (MSGate(0.75, 0, -0.25), {"gate": "ms", "targets": [1, 0], "phases": [0.25, 0.0], "angle": 0.25}),
        (ZZGate(0.25), {"gate": "zz", "targets": [1, 0], "angle": 0.25}),
        (ZZGate(-0.1), {"gate": "zz", "targets": [1, 0], "angle": -0.1}),
    ],
    ids=repr,
)
def test_native_gates_go_out_in_turns_and_inside_their_ranges(gate, said):
    circuit = alone(gate)
    assert gates_of(circuit, "native") == [said]
    assert_same_up_to_phase(played([said], circuit.num_qubits), Operator(circuit).data)


@given(turns, turns, st.floats(-0.25, 0.25) | st.integers(-3, 3).map(float))
def test_any_ms_that_a_device_can_do_goes_out_as_the_same_operation(a, b, angle):
    circuit = alone(MSGate(a, b, angle))
    (gate,) = gates_of(circuit, "native")
    assert 0 <= gate["angle"] <= 0.25
    assert all(-1 <= phase <= 1 for phase in gate["phases"])
    assert_same_up_to_phase(played([gate], 2), Operator(circuit).data)


@given(turns)
def test_any_phase_goes_out_inside_one_turn(phase):
    circuit = QuantumCircuit(1)
    circuit.append(GPIGate(phase), [0])
    circuit.append(GPI2Gate(phase), [0])
    gates = gates_of(circuit, "native")
    assert all(-1 <= gate["phase"] <= 1 for gate in gates)
    assert_same_up_to_phase(played(gates, 1), Operator(circuit).data)


# ── refusals ──


def behind_a_hadamard(operation, kind: str) -> QuantumCircuit:
    circuit = QuantumCircuit(operation.num_qubits, max(1, operation.num_clbits), name="Ada")
    circuit.append(GPIGate(0) if kind == "native" else lib.HGate(), [0])
    circuit.append(operation, range(operation.num_qubits), range(operation.num_clbits))
    return circuit


def evolution_changed_to(coefficient) -> lib.PauliEvolutionGate:
    """An evolution whose operator was changed after Qiskit had looked at it."""
    operator = SparsePauliOp("Z", np.array([1.0], object))
    gate = lib.PauliEvolutionGate(operator, 1.0)
    operator.coeffs[0] = coefficient
    return gate


@pytest.mark.parametrize(
    ("kind", "operation", "why"),
    [
        *(
            (kind, gate, "finite")
            for value in (math.nan, math.inf, -math.inf)
            for kind, gate in [
                ("native", GPIGate(value)),
                ("native", GPI2Gate(value)),
                ("native", MSGate(0, value, 0.1)),
                ("native", MSGate(0, 0, value)),
                ("native", ZZGate(value)),
                ("qis", lib.RXGate(value)),
                ("qis", lib.CPhaseGate(value)),
                ("qis", lib.RZGate(value).control(3, annotated=True)),
                ("qis", lib.PauliEvolutionGate(SparsePauliOp("Z"), value)),
                ("qis", evolution_changed_to(value)),
                ("qasm3", lib.RXGate(value)),
            ]
        ),
        ("qis", lib.PauliEvolutionGate(SparseObservable.from_list([("Z", math.nan)]), 1.0), "finite"),
        ("native", GPIGate(Parameter("a")), "bind"),
        ("qis", lib.RXGate(Parameter("a")), "bind"),
        ("qis", lib.PauliEvolutionGate(SparsePauliOp("Z"), Parameter("t")), "bind"),
        ("qis", evolution_changed_to(Parameter("c")), "bind"),
        ("qasm3", lib.RXGate(Parameter("a")), "bind"),
        ("native", MSGate(0, 0, 0.3), "0.3 turns, which is not 0 to 0.25"),
        ("native", MSGate(0, 0, -0.4), "-0.4 turns"),
        ("native", lib.HGate(), "not native"),
        ("native", lib.PauliEvolutionGate(SparsePauliOp("Z"), 1.0), "not native"),
        ("qis", GPIGate(0), "no counterpart"),
        ("qis", lib.UGate(1, 2, 3), "no counterpart"),
        ("qis", lib.CUGate(1, 2, 3, 4), "no counterpart"),
        ("qis", lib.CU3Gate(1, 2, 3), "no counterpart"),
        ("qis", lib.ECRGate(), "no counterpart"),
        ("qis", AnnotatedOperation(lib.XGate(), InverseModifier()), "no counterpart"),
        ("qis", AnnotatedOperation(lib.SGate(), [ControlModifier(1), InverseModifier()]), "no counterpart"),
        ("qis", Gate("h", 2, []), "other parameters or qubits"),
        ("qis", Gate("rx", 1, []), "other parameters or qubits"),
        ("native", Gate("zz", 1, [0.1]), "other parameters or qubits"),
        ("qis", lib.Initialize([1, 0]), "no counterpart"),
        ("qis", lib.PauliEvolutionGate(SparsePauliOp(["XI", "ZI"]), 1.0), "do not commute"),
        ("qis", lib.PauliEvolutionGate([SparsePauliOp("X"), SparsePauliOp("Z")], 1.0), "do not commute"),
        ("qis", evolution_changed_to(1j), "real"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_circuit_the_gate_and_its_position(kind, operation, why):
    with pytest.raises(EncodeError) as refusal:
        encode_circuit(behind_a_hadamard(operation, kind), kind=kind)
    text = str(refusal.value)
    assert text.startswith(f"circuit 'Ada': gate '{operation.name}' at position 1 ")
    assert why in text


@pytest.mark.parametrize("kind", ["qis", "native"])
def test_a_gate_list_cannot_go_on_after_a_measurement(kind):
    circuit = QuantumCircuit(2, 2, name="Ada")
    circuit.measure(0, 0)
    circuit.append(GPIGate(0) if kind == "native" else lib.XGate(), [0])
    with pytest.raises(EncodeError, match=r"circuit 'Ada'.*position 1 acts on a measured qubit.*OpenQASM 3"):
        encode_circuit(circuit, kind=kind)


def test_a_gate_list_has_no_branches():
    circuit = QuantumCircuit(2, 1, name="Ada")
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(1)
    with pytest.raises(EncodeError, match=r"'Ada': gate 'if_else' at position 1 .*OpenQASM 3"):
        encode_circuit(circuit, kind="qis")


@pytest.mark.parametrize("kind", ["qis", "native", "qasm3"])
def test_an_unbound_global_phase_is_refused(kind):
    circuit = QuantumCircuit(1, name="Ada", global_phase=Parameter("a"))
    with pytest.raises(EncodeError, match=r"'Ada'.*global phase"):
        encode_circuit(circuit, kind=kind)


# ── what is not sent, and where what is sent sits ──


@pytest.mark.parametrize("kind", ["qis", "native"])
def test_what_changes_no_outcome_is_not_sent(kind):
    circuit = QuantumCircuit(3, 3, global_phase=1.0)
    circuit.reset(1)
    circuit.barrier()
    circuit.id(0)
    circuit.append(GPIGate(0.5) if kind == "native" else lib.YGate(), [1])
    circuit.delay(10, 2)
    circuit.append(lib.GlobalPhaseGate(0.5), [])
    circuit.measure(1, 2)
    encoded = encode_circuit(circuit, kind=kind)
    (gate,) = json.loads(encoded.fragment)
    assert gate == (
        {"gate": "gpi", "target": 0, "phase": 0.5} if kind == "native" else {"gate": "y", "targets": [0]}
    )
    assert (encoded.num_gates, encoded.num_qubits) == (1, 1)
    assert encoded.readout.sources == (None, None, 0)


@pytest.mark.parametrize("after", [lib.HGate(), lib.Measure()])
def test_a_reset_is_not_sent_and_what_follows_one_is_refused(after):
    circuit = QuantumCircuit(1, 2)
    circuit.reset(0)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.reset(0)
    assert gates_of(circuit) == [{"gate": "h", "targets": [0]}]
    circuit.append(after, [0], [1] if after.num_clbits else [])
    with pytest.raises(EncodeError, match=f"'{after.name}' at position 4 follows a reset.*OpenQASM 3"):
        encode_circuit(circuit, kind="qis")


def test_idle_qubits_are_left_out_and_the_others_keep_their_order():
    circuit = QuantumCircuit(9, 2)
    circuit.cx(7, 2)
    circuit.measure([4, 7], [0, 1])
    encoded = encode_circuit(circuit, kind="qis")
    assert json.loads(encoded.fragment) == [{"gate": "x", "targets": [0], "controls": [2]}]
    assert encoded.num_qubits == encoded.readout.num_qubits == 3
    assert encoded.readout.sources == (1, 2)
    whole = encode_circuit(circuit, kind="qis", renumber=False)
    assert json.loads(whole.fragment) == [{"gate": "x", "targets": [2], "controls": [7]}]
    assert whole.num_qubits == 9
    assert whole.readout.sources == (4, 7)


@pytest.mark.parametrize("kind", ["qis", "native"])
@pytest.mark.parametrize(("num_qubits", "renumber", "wires"), [(3, True, 1), (3, False, 3), (0, True, 1)])
def test_a_circuit_without_gates_goes_out_as_a_gate_and_its_inverse(kind, num_qubits, renumber, wires):
    encoded = encode_circuit(QuantumCircuit(num_qubits, 2), kind=kind, renumber=renumber)
    gates = json.loads(encoded.fragment)
    assert encoded.num_gates == len(gates) == 2
    assert encoded.num_qubits == wires
    assert encoded.readout.sources == (None, None)
    assert_same_up_to_phase(played(gates, wires), np.eye(2**wires))


READOUTS = {
    "partial": (3, 2, [(2, 0)], (2, None)),
    "crossed": (3, 3, [(0, 2), (1, 0), (2, 1)], (1, 2, 0)),
    "repeated": (3, 2, [(0, 0), (0, 0), (1, 1)], (0, 1)),
    "reused": (3, 1, [(0, 0), (2, 0)], (2,)),
    "shared": (3, 3, [(1, 0), (1, 1), (1, 2)], (1, 1, 1)),
    "none": (3, 3, [], (None, None, None)),
    "no bits": (3, 0, [], ()),
}


@pytest.mark.parametrize("kind", ["qis", "native", "qasm3"])
@pytest.mark.parametrize(("num_qubits", "num_clbits", "pairs", "sources"), READOUTS.values(), ids=READOUTS)
def test_each_classical_bit_knows_the_qubit_it_reads(kind, num_qubits, num_clbits, pairs, sources):
    circuit = QuantumCircuit(num_qubits, num_clbits)
    for qubit in range(num_qubits):
        circuit.append(GPIGate(0) if kind == "native" else lib.HGate(), [qubit])
    for qubit, clbit in pairs:
        circuit.measure(qubit, clbit)
    readout = encode_circuit(circuit, kind=kind).readout
    assert readout.sources == sources
    assert readout.final
    assert readout.in_clbit_order == (kind == "qasm3")


def scattered() -> QuantumCircuit:
    """Two qubit registers, a loose qubit, two classical registers that share a bit, a loose bit."""
    bits = [Clbit() for _ in range(4)]
    circuit = QuantumCircuit(QuantumRegister(2, "a"), [Qubit()], QuantumRegister(1, "b"), bits)
    circuit.add_register(ClassicalRegister(bits=bits[:2], name="low"))
    circuit.add_register(ClassicalRegister(bits=[bits[1], bits[3]], name="odd"))
    return circuit


@pytest.mark.parametrize("kind", ["qis", "qasm3"])
def test_several_registers_and_loose_bits_are_read_by_position_in_the_circuit(kind):
    circuit = scattered()
    circuit.h(range(4))
    circuit.measure([3, 2, 0, 1], [0, 1, 2, 3])
    encoded = encode_circuit(circuit, kind=kind)
    assert encoded.readout.sources == (3, 2, 0, 1)
    assert encoded.header["memory_slots"] == 4
    assert encoded.header["creg_sizes"] == []  # no split by register is right here


def test_registers_that_follow_one_another_split_the_bit_strings():
    circuit = QuantumCircuit(QuantumRegister(2, "q"), ClassicalRegister(1, "a"), ClassicalRegister(2, "b"))
    circuit.metadata = {"tag": object()}
    header = encode_circuit(circuit, kind="qis").header
    assert header["creg_sizes"] == [["a", 1], ["b", 2]]
    assert header["clbit_labels"] == [["a", 0], ["b", 0], ["b", 1]]
    assert header["metadata"] is circuit.metadata


# ── whole circuits, against Qiskit ──

DRAWN = [
    *((maker, 0) for maker in (lib.XGate, lib.YGate, lib.ZGate, lib.HGate, lib.SGate, lib.SdgGate, lib.TGate)),
    *((maker, 0) for maker in (lib.TdgGate, lib.SXGate, lib.SXdgGate, lib.SwapGate, lib.CXGate, lib.CSXGate)),
    *((maker, 0) for maker in (lib.CHGate, lib.CYGate, lib.CZGate, lib.CCXGate, lib.C3XGate)),
    *((maker, 1) for maker in (lib.PhaseGate, lib.RXGate, lib.RYGate, lib.RZGate, lib.RXXGate, lib.RYYGate)),
    *((maker, 1) for maker in (lib.RZZGate, lib.CPhaseGate, lib.CRXGate, lib.CRYGate, lib.CRZGate)),
    (lambda angle: lib.MCPhaseGate(angle, 2), 1),
]  # fmt: skip
ODDER = [
    *((maker, 0) for maker in (lib.CSwapGate, lib.CCZGate, lib.CSGate, lib.C3SXGate, lib.IGate)),
    (lambda: lib.CCXGate(ctrl_state=1), 0),
    (lambda angle: lib.CRYGate(angle, ctrl_state=0), 1),
    (lambda angle: lib.RZGate(angle).control(2, ctrl_state=2, annotated=True), 1),
    (lambda angle: lib.PauliEvolutionGate(SparsePauliOp(["XYZ", "ZYX"], [1.0, 0.5]), angle), 1),
]
NATIVE = [
    (GPIGate, 1),
    (GPI2Gate, 1),
    (lambda a, b, c: MSGate(a, b, c / 20), 3),
    (ZZGate, 1),
]


@st.composite
def circuits(draw, pool):
    """A circuit of 1 to 6 qubits and the pairs of a final measurement: (qubit, classical bit)."""
    num_qubits = draw(st.integers(1, 6))
    circuit = QuantumCircuit(num_qubits, num_qubits)
    for maker, params in draw(st.lists(st.sampled_from(pool), max_size=16)):
        gate = maker(*(draw(turns) for _ in range(params)))
        if gate.num_qubits <= num_qubits:
            circuit.append(gate, draw(st.permutations(range(num_qubits)))[: gate.num_qubits])
    qubits, clbits = draw(st.permutations(range(num_qubits))), draw(st.permutations(range(num_qubits)))
    read = draw(st.integers(1, num_qubits))
    return circuit, list(zip(qubits[:read], clbits[:read], strict=True))


def read_out(probabilities: np.ndarray, sources) -> dict[int, float]:
    """Return the probabilities of classical outcomes, where bit k is the bit that ``sources[k]`` shows."""
    found: dict[int, float] = {}
    for outcome, probability in enumerate(probabilities):
        bits = sum((outcome >> s & 1) << k for k, s in enumerate(sources) if s is not None)
        found[bits] = found.get(bits, 0.0) + probability
    return {bits: probability for bits, probability in found.items() if probability > 1e-9}


def expected_outcomes(circuit: QuantumCircuit, pairs) -> dict[int, float]:
    sources: list[int | None] = [None] * circuit.num_clbits
    for qubit, clbit in pairs:
        sources[clbit] = qubit
    bound = circuit.decompose("PauliEvolution")  # Qiskit's own exponential of it warns
    return read_out(Statevector(bound).probabilities(), sources)


def assert_sent_outcomes(circuit: QuantumCircuit, pairs, kind: str, renumber: bool) -> None:
    expected = expected_outcomes(circuit, pairs)
    circuit.measure(*zip(*pairs, strict=True))
    encoded = encode_circuit(circuit, kind=kind, renumber=renumber)
    gates = json.loads(encoded.fragment)
    assert encoded.num_gates == len(gates)
    state = played(gates, encoded.num_qubits)[:, 0]
    assert read_out(abs(state) ** 2, encoded.readout.sources) == pytest.approx(expected, abs=1e-8)


@settings(max_examples=60)
@given(circuits(DRAWN + ODDER), st.booleans())
def test_a_qis_gate_list_has_the_outcomes_of_its_circuit(drawn, renumber):
    assert_sent_outcomes(*drawn, "qis", renumber)


@settings(max_examples=40)
@given(circuits(NATIVE), st.booleans())
def test_a_native_gate_list_has_the_outcomes_of_its_circuit(drawn, renumber):
    assert_sent_outcomes(*drawn, "native", renumber)


def in_one_way(gate: dict) -> dict:
    """Return a gate with the one thing said differently made alike: a phase gate without controls."""
    if gate["gate"] == "z" and "rotation" in gate and "controls" not in gate:
        return {**gate, "gate": "rz"}
    return gate


@settings(max_examples=60)
@given(circuits(DRAWN))
def test_qiskit_ionq_writes_the_same_gate_list(drawn):
    circuit, pairs = drawn
    assume(circuit.size())
    theirs, _, _ = qiskit_circ_to_ionq_circ(circuit)
    assert gates_of(circuit, renumber=False) == list(map(in_one_way, theirs))
    circuit.measure(*zip(*pairs, strict=True))
    _, _, their_map = qiskit_circ_to_ionq_circ(circuit)
    assert encode_circuit(circuit, kind="qis", renumber=False).readout.sources == tuple(their_map)


@settings(max_examples=30)
@given(circuits([(GPIGate, 1), (GPI2Gate, 1), (ZZGate, 1)]))
def test_qiskit_ionq_writes_the_same_native_gate_list(drawn):
    circuit, _ = drawn
    assume(circuit.size())
    theirs, _, _ = qiskit_circ_to_ionq_circ(circuit, "native")
    ours = gates_of(circuit, "native", renumber=False)
    assert len(ours) == len(theirs)
    for said, heard in zip(ours, theirs, strict=True):
        for phase in said.keys() & {"phase", "angle"}:  # ours are inside one turn
            assert abs(turn(said.pop(phase)) - turn(heard.pop(phase))) < 1e-9
        assert said == heard


# ── digests ──


def test_the_digest_is_that_of_kind_width_and_fragment():
    circuit = QuantumCircuit(2, name="one")
    circuit.cx(0, 1)
    digest = encode_circuit(circuit, kind="qis").digest
    text = b'qis 2 [{"gate":"x","targets":[1],"controls":[0]}]'
    assert digest == hashlib.sha256(text).hexdigest()[:12]
    circuit.name, circuit.metadata = "another", {"tag": 1}
    assert encode_circuit(circuit, kind="qis").digest == digest
    assert encode_circuit(circuit.copy(), kind="qasm3").digest != digest
    circuit.x(0)
    assert encode_circuit(circuit, kind="qis").digest != digest


# ── OpenQASM 3 ──


def source_of(circuit: QuantumCircuit, **options: bool) -> str:
    return json.loads(encode_circuit(circuit, kind="qasm3", **options).fragment)


def run_source(source: str) -> dict[str, float]:
    """Return the probabilities of the strings of register ``c``, bit 0 leftmost, as the emulator reads it."""
    program = read_program(source, control_flow=True)
    outcome = simulate(program, shots=1, rates=None, rng=np.random.default_rng(0))
    found: dict[str, float] = {}
    for bits, weight in zip(outcome.bits("c").tolist(), outcome.weights.tolist(), strict=True):
        key = "".join(map(str, bits))
        found[key] = found.get(key, 0.0) + weight
    return {key: weight for key, weight in found.items() if weight > 1e-9}


def test_a_program_declares_one_register_of_each_kind_whatever_the_names():
    circuit = QuantumCircuit(
        QuantumRegister(1, "input"),
        QuantumRegister(2, "gate"),
        ClassicalRegister(1, "measure"),
        ClassicalRegister(2, "output"),
        ClassicalRegister(1, "q"),
    )
    circuit.x([0, 2])
    circuit.measure([0, 1, 2], [1, 0, 3])
    encoded = encode_circuit(circuit, kind="qasm3")
    source = json.loads(encoded.fragment)
    assert source.splitlines() == [
        "OPENQASM 3.0;",
        'include "stdgates.inc";',
        "bit[4] c;",
        "qubit[3] q;",
        "x q[0];",
        "x q[2];",
        "c[1] = measure q[0];",
        "c[0] = measure q[1];",
        "c[3] = measure q[2];",
    ]
    assert encoded.num_gates == 5
    assert encoded.readout.labels == (("c", 0), ("c", 1), ("c", 2), ("c", 3))
    assert encoded.readout.sources == (1, 0, None, 2)


def test_loose_and_shared_bits_keep_their_place_in_the_one_register():
    circuit = scattered()
    circuit.x([2, 3])
    circuit.measure([3, 2, 0, 1], [0, 1, 2, 3])
    assert run_source(source_of(circuit)) == {"1100": 1}


@pytest.mark.parametrize("renumber", [True, False])
def test_a_program_names_the_qubits_that_are_used(renumber):
    circuit = QuantumCircuit(5, 1)
    circuit.cx(4, 2)
    circuit.barrier()
    circuit.id(0)
    circuit.measure(2, 0)
    encoded = encode_circuit(circuit, kind="qasm3", renumber=renumber)
    lines = json.loads(encoded.fragment).splitlines()[3:]
    assert lines == (
        ["qubit[2] q;", "cx q[1], q[0];", "c[0] = measure q[0];"]
        if renumber
        else ["qubit[5] q;", "cx q[4], q[2];", "c[0] = measure q[2];"]
    )
    assert encoded.num_qubits == (2 if renumber else 5)
    assert encoded.readout.sources == ((0,) if renumber else (2,))


@settings(max_examples=25)
@given(circuits(DRAWN + NATIVE + [(lib.U3Gate, 3), (lib.RZXGate, 1), (lib.CSwapGate, 0)]))
def test_a_program_is_the_circuit_number_for_number(drawn):
    circuit, _ = drawn
    read_back = qasm3.loads(source_of(circuit, renumber=False))
    assert_same_up_to_phase(Operator(read_back).data, Operator(circuit).data)


def test_angles_go_out_as_they_are_and_not_as_the_nearest_fraction_of_pi():
    circuit = QuantumCircuit(1)
    angle = math.pi / 3 + 1e-12
    circuit.rx(angle, 0)
    assert f"rx({angle!r})" in source_of(circuit)


@pytest.mark.parametrize("flip", [(), (0,), (1,), (0, 1)])
def test_conditions_on_bits_and_on_registers_mean_what_they_meant(flip):
    first, second = ClassicalRegister(2, "first"), ClassicalRegister(1, "if")
    circuit = QuantumCircuit(QuantumRegister(8, "q"), first, second, ClassicalRegister(5, "said"))
    for qubit in flip:
        circuit.x(qubit)
    circuit.measure([0, 1], [1, 2])  # first is 2 or 0, second is 1 or 0
    conditions = [
        (first, 2),
        (second[0], 0),
        expr.logic_and(expr.equal(first, 2), second[0]),
        expr.not_equal(first, 0),
        (first, 6),  # more than the register holds, and 2 in the bits it has
    ]
    for k, condition in enumerate(conditions):
        with circuit.if_test(condition) as otherwise:
            circuit.barrier()
            circuit.x(3 + k)
        with otherwise:
            circuit.id(2)
        circuit.measure(3 + k, 3 + k)
    a, b = 0 in flip, 1 in flip
    said = "".join(str(int(bit)) for bit in (False, a, b, a, not b, a and b, a, False))
    source = source_of(circuit)
    assert "barrier" not in source
    assert "id " not in source
    assert run_source(source) == {said: 1}


@pytest.mark.parametrize(
    "nested", [lambda inner: (inner, 2), lambda inner: (inner[1], 1)], ids=["register", "bit"]
)
def test_a_condition_inside_a_branch_means_what_it_meant_too(nested):
    outer, inner = ClassicalRegister(1, "outer"), ClassicalRegister(2, "inner")
    circuit = QuantumCircuit(QuantumRegister(3, "q"), outer, inner)
    circuit.x([0, 1])
    circuit.measure([0, 1], [0, 2])
    with circuit.if_test((outer, 1)), circuit.if_test(nested(inner)):
        circuit.x(2)
    circuit.measure(2, 1)
    assert run_source(source_of(circuit)) == {"111": 1}


def test_branches_nest_under_a_register_of_any_name():
    circuit = QuantumCircuit(QuantumRegister(2, "q"), ClassicalRegister(2, "answers"))
    circuit.x(0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)), circuit.if_test((1, 0)):
        circuit.x(1)
    circuit.measure(1, 1)
    assert run_source(source_of(circuit)) == {"11": 1}


ONE_REGISTER = {
    "less": (lambda a: expr.less(a, 2), lambda a: a < 2),
    "less or equal": (lambda a: expr.less_equal(a, 5), lambda a: a <= 5),
    "always": (lambda a: expr.less_equal(a, 7), lambda a: True),
    "never": (lambda a: expr.greater(a, 7), lambda a: False),
    "greater": (lambda a: expr.greater(a, 3), lambda a: a > 3),
    "greater or equal": (lambda a: expr.greater_equal(a, 3), lambda a: a >= 3),
    "number first": (lambda a: expr.less(2, a), lambda a: a > 2),
    "not equal": (lambda a: expr.not_equal(a, 4), lambda a: a != 4),
    "bitwise": (lambda a: expr.equal(expr.bit_xor(expr.bit_and(a, 3), 1), 2), lambda a: a & 3 == 3),
    "bitwise or": (lambda a: expr.equal(expr.bit_or(a, 1), 5), lambda a: a in (4, 5)),
    "bitwise not": (lambda a: expr.less(expr.bit_not(a), 3), lambda a: a > 4),
    "shifted": (lambda a: expr.equal(expr.shift_right(a, 1), 2), lambda a: a in (4, 5)),
    "shifted up": (lambda a: expr.greater(expr.shift_left(a, 1), 3), lambda a: a & 3 > 1),
    "index": (lambda a: expr.index(a, 2), lambda a: a > 3),
    "as bool": (lambda a: expr.cast(a, types.Bool()), lambda a: a != 0),
    "narrowed": (lambda a: expr.equal(expr.cast(a, types.Uint(2)), 1), lambda a: a & 3 == 1),
}
TWO_REGISTERS = {
    "less": (lambda a, b: expr.less(expr.cast(b, types.Uint(3)), a), lambda a, b: b < a),
    "equal": (lambda a, b: expr.equal(a, expr.cast(b, types.Uint(3))), lambda a, b: a == b),
    "joined": (
        lambda a, b: expr.logic_or(expr.less(a, 2), expr.logic_not(expr.less(b, 3))),
        lambda a, b: a < 2 or b == 3,
    ),
    "bits": (lambda a, b: expr.equal(a[0], b[1]), lambda a, b: a & 1 == b >> 1),
}


def is_taken(value: int, registers: list[ClassicalRegister], condition) -> bool:
    """Return whether a branch is taken when classical bits hold a value; the last bit tells."""
    width = sum(map(len, registers))
    circuit = QuantumCircuit(QuantumRegister(width + 1, "q"), *registers, [Clbit()])
    for qubit in range(width):
        if value >> qubit & 1:
            circuit.x(qubit)
        circuit.measure(qubit, qubit)
    with circuit.if_test(condition):
        circuit.x(width)
    circuit.measure(width, width)
    (found,) = run_source(source_of(circuit))
    return found[-1] == "1"


@pytest.mark.parametrize("case", ONE_REGISTER)
def test_what_is_computed_with_a_register_is_written_bit_by_bit(case):
    build, meant = ONE_REGISTER[case]
    for value in range(8):
        register = ClassicalRegister(3, "a")
        assert is_taken(value, [register], build(register)) == meant(value)


@pytest.mark.parametrize("case", TWO_REGISTERS)
def test_what_is_computed_with_two_registers_is_written_bit_by_bit(case):
    build, meant = TWO_REGISTERS[case]
    for value in range(32):
        a, b = ClassicalRegister(3, "a"), ClassicalRegister(2, "b")
        assert is_taken(value, [a, b], build(a, b)) == meant(value & 7, value >> 3)


def test_a_comparison_is_written_with_the_operators_of_bits():
    circuit = QuantumCircuit(3, 3)
    circuit.measure([0, 1], [0, 1])
    with circuit.if_test(expr.less(circuit.cregs[0], 2)):
        circuit.x(2)
    assert "if (!c[2] && !c[1]) {" in source_of(circuit)


@pytest.mark.parametrize("build", [
    lambda circuit, register: circuit.switch(register),
    lambda circuit, register: circuit.if_test(expr.equal(expr.add(register, 1), 2)),
    lambda circuit, register: circuit.if_test(expr.less(expr.shift_right(register, register), 2)),
    lambda circuit, register: circuit.if_test(expr.index(register, register)),
])  # fmt: skip
def test_what_cannot_be_written_bit_by_bit_is_refused(build):
    circuit = QuantumCircuit(
        QuantumRegister(1), ClassicalRegister(2, "a"), ClassicalRegister(2, "b"), name="Ada"
    )
    with build(circuit, circuit.cregs[0]) as case:
        if case is not None and hasattr(case, "DEFAULT"):
            with case(1):
                circuit.x(0)
        else:
            circuit.x(0)
    with pytest.raises(EncodeError, match=r"'Ada' uses a whole classical register .* bit by bit"):
        encode_circuit(circuit, kind="qasm3")


def test_a_register_that_is_all_there_is_stays_whole():
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.cregs[0], 2)):
        circuit.x(1)
    assert "if (c == 2) {" in source_of(circuit)


def test_phases_that_nobody_sees_are_not_sent_from_inside_a_branch():
    body = QuantumCircuit(1, global_phase=1.0)
    body.x(0)
    circuit = QuantumCircuit(1, 1)
    circuit.if_test((circuit.clbits[0], True), body, [0], [])
    circuit.global_phase = 1.0
    assert "gphase" not in source_of(circuit)


@pytest.mark.parametrize("name", ["c", "q", "input", "rx"])
def test_gates_and_variables_do_not_take_the_names_of_registers(name):
    flip = QuantumCircuit(1, name=name)
    flip.x(0)
    circuit = QuantumCircuit(QuantumRegister(2, "w"), ClassicalRegister(2, "z"))
    variable = circuit.add_var(name, expr.lift(False))
    circuit.append(flip.to_gate(), [0])
    circuit.measure(0, 0)
    circuit.store(variable, circuit.clbits[0])
    circuit.rx(math.pi, 1)
    circuit.measure(1, 1)
    source = source_of(circuit)
    assert "bit[2] c;" in source
    assert "qubit[2] q;" in source
    assert not re.search(rf"^(gate|bool) {name}\b", source, re.MULTILINE)


@pytest.mark.parametrize("name", ["a", "c", "q", "input"])
def test_a_loop_variable_does_not_take_the_name_of_a_register(name):
    circuit = QuantumCircuit(QuantumRegister(1, "w"), ClassicalRegister(1, "z"))
    angle = Parameter(name)
    with circuit.for_loop(range(3), angle):
        circuit.rx(angle, 0)
        circuit.measure(0, 0)
    (declared,) = re.findall(r"for (?:int )?(\w+) in \[0:2\]", source_of(circuit))
    assert declared not in {"c", "q", "input"}


def test_a_renamed_loop_variable_takes_no_name_that_is_taken():
    circuit = QuantumCircuit(QuantumRegister(1, "w"), ClassicalRegister(1, "z"))
    outer, inner = Parameter("q_"), Parameter("q")
    with circuit.for_loop(range(2), outer), circuit.for_loop(range(3), inner):
        circuit.rx(outer + inner, 0)
    first, second = re.findall(r"for (?:int )?(\w+) in", source_of(circuit))
    assert len({first, second, "q", "c"}) == 4


def test_parameters_inside_blocks_are_looked_at_too():
    circuit = QuantumCircuit(1, 1, name="Ada")
    circuit.h(0)
    with circuit.if_test((0, 1)):
        circuit.rx(math.nan, 0)
    with pytest.raises(EncodeError, match=r"'Ada': gate 'if_else' at position 1 .*finite"):
        encode_circuit(circuit, kind="qasm3")


def test_what_the_exporter_cannot_say_is_refused_with_its_reason():
    circuit = alone(Gate("mystery", 1, []))
    with pytest.raises(EncodeError, match=r"'solo' has no form in OpenQASM 3: .*mystery"):
        encode_circuit(circuit, kind="qasm3")


def test_input_variables_are_refused():
    circuit = QuantumCircuit(1, name="Ada", inputs=[expr.Var.new("angle", types.Bool())])
    with pytest.raises(EncodeError, match="'Ada' has input variables"):
        encode_circuit(circuit, kind="qasm3")


def measured_and_flipped(circuit):
    circuit.measure(0, 0)
    circuit.x(0)


def measured_twice(circuit):
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 0)


def stored(circuit):
    circuit.measure(0, 0)
    circuit.store(circuit.clbits[1], True)


def branched(circuit):
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.measure(1, 1)


def moved_on_elsewhere(circuit):
    circuit.measure(0, 0)
    circuit.x(1)
    circuit.barrier()
    circuit.id(0)


@pytest.mark.parametrize(
    ("build", "sources", "final"),
    [
        (measured_and_flipped, (None, None), False),
        (measured_twice, (0, None), True),
        (stored, (None, None), False),
        (branched, (None, None), False),
        (moved_on_elsewhere, (0, None), True),
    ],
)
def test_a_program_knows_whether_its_final_qubits_tell_all(build, sources, final):
    circuit = QuantumCircuit(2, 2)
    build(circuit)
    readout = encode_circuit(circuit, kind="qasm3").readout
    assert (readout.sources, readout.final) == (sources, final)


# ── job bodies ──


def bell(name: str = "bell") -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name=name)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([1, 0], [0, 1])
    return circuit


BELL = [{"gate": "h", "targets": [0]}, {"gate": "x", "targets": [1], "controls": [0]}]


def test_one_circuit_makes_a_plain_job():
    body = job_body([encode_circuit(bell('"quoted" é'), kind="qis")], backend="simulator", shots=100)
    assert json.loads(body) == {
        "type": "ionq.circuit.v1",
        "backend": "simulator",
        "shots": 100,
        "name": '"quoted" é',
        "metadata": {},
        "input": {"gateset": "qis", "qubits": 2, "circuit": BELL},
    }


def test_several_circuits_make_one_job_as_wide_as_the_widest():
    narrow = QuantumCircuit(1, name="narrow")
    narrow.x(0)
    parts = [encode_circuit(circuit, kind="qis") for circuit in (bell('a"b'), narrow)]
    body = json.loads(job_body(parts, backend="qpu.forte-1", shots=7))
    assert body["type"] == "ionq.multi-circuit.v1"
    assert body["name"] == "2 circuits"
    assert body["input"] == {
        "gateset": "qis",
        "qubits": 2,
        "circuits": [
            {"name": 'a"b', "qubits": 2, "circuit": BELL},
            {"name": "narrow", "qubits": 1, "circuit": [{"gate": "x", "targets": [0]}]},
        ],
    }


def test_a_program_makes_a_job_of_its_own_type():
    encoded = encode_circuit(bell(), kind="qasm3")
    body = json.loads(job_body([encoded], backend="simulator", shots=7))
    assert body["type"] == "ionq.qasm3.v1"
    assert body["input"] == {"data": source_of(bell())}
    with pytest.raises(EncodeError, match="one program, not 2"):
        job_body([encoded, encoded], backend="simulator", shots=7)


def test_options_go_into_members_of_their_names():
    body = json.loads(
        job_body(
            [encode_circuit(bell(), kind="qis")],
            backend="simulator",
            shots=100,
            name="mine",
            metadata={"qpi": "1.r.0.0"},
            settings={"error_mitigation": {"debiasing": False}},
            noise={"model": "aria-1", "seed": 5},
            session_id="s1",
            dry_run=True,
            extra={"shots": 5, "lang": "json"},
        )
    )
    del body["input"]
    assert body == {
        "type": "ionq.circuit.v1",
        "backend": "simulator",
        "shots": 5,  # further members win
        "name": "mine",
        "metadata": {"qpi": "1.r.0.0"},
        "settings": {"error_mitigation": {"debiasing": False}},
        "noise": {"model": "aria-1", "seed": 5},
        "session_id": "s1",
        "dry_run": True,
        "lang": "json",
    }


@pytest.mark.parametrize(
    ("kinds", "extra", "why"),
    [
        (["qis", "qasm3"], {}, "one kind"),
        ([], {}, "one kind"),
        (["qis"], {"input": {}}, "cannot replace"),
        (["qis"], {"x": math.nan}, "as JSON"),
        (["qis"], {"x": object()}, "as JSON"),
    ],
)
def test_a_body_that_cannot_be_is_refused(kinds, extra, why):
    parts = [encode_circuit(bell(), kind=kind) for kind in kinds]
    with pytest.raises(EncodeError, match=why):
        job_body(parts, backend="simulator", shots=1, extra=extra)


# ── headers ──


def dynamic() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name="dynamic")
    measured_and_flipped(circuit)
    circuit.measure(0, 1)
    return circuit


def unread() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name="unread")
    circuit.h(1)
    return circuit


def partly_read() -> QuantumCircuit:
    circuit = QuantumCircuit(5, 3, name="partly")
    circuit.h([1, 3])
    circuit.measure(3, 1)
    return circuit


@pytest.mark.parametrize(
    ("circuit", "kind"),
    [
        (bell(), "qis"),
        (unread(), "qis"),
        (partly_read(), "qis"),
        (QuantumCircuit(1, name="bare"), "native"),
        (bell(), "qasm3"),
        (unread(), "qasm3"),
        (dynamic(), "qasm3"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_header_comes_back_as_the_readout_it_was(circuit, kind):
    circuit.metadata = {"secret": 7}
    encoded = encode_circuit(circuit, kind=kind)
    text = ionq_header([header_entry(encoded)])
    (entry,) = read_ionq_header(text)
    sources = encoded.readout.sources if encoded.readout.final else (None,) * circuit.num_clbits
    # A circuit without classical bits cannot be told from one whose bits nobody wrote.
    assert entry.readout.sources[: len(sources)] == sources
    assert entry.readout.num_qubits == encoded.num_qubits
    assert (entry.readout.labels, entry.readout.final) == (encoded.readout.labels, encoded.readout.final)
    assert entry.header["name"] == circuit.name
    assert entry.header["memory_slots"] == circuit.num_clbits
    assert "secret" not in json.dumps(decompress_metadata_string(text))
    assert ionq_header([header_entry(encode_circuit(circuit, kind=kind))]) == text
    assert base64.b64decode(text)[4:8] == bytes(4)  # where gzip would put the time


def test_qiskit_ionq_reads_what_we_write():
    parts = [encode_circuit(circuit, kind="qis") for circuit in (bell(), partly_read(), unread())]
    theirs = decompress_metadata_string(ionq_header([header_entry(p) for p in parts]))
    assert [entry["meas_mapped"] for entry in theirs] == [[1, 0], [None, 1, None], [-1, -1]]
    assert [entry["n_qubits"] for entry in theirs] == [2, 2, 1]
    assert [entry["memory_slots"] for entry in theirs] == [2, 3, 2]
    assert theirs[0]["creg_sizes"] == [["c", 2]]
    assert decompress_metadata_string(ionq_header([header_entry(parts[0])])) == theirs[0]
    assert [
        entry.readout.sources for entry in read_ionq_header(ionq_header([header_entry(p) for p in parts]))
    ] == [part.readout.sources for part in parts]


def packed(value) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.b64encode(gzip.compress(text)).decode()


def test_what_qiskit_ionq_writes_is_read():
    theirs = compress_to_metadata_string(
        [
            {"memory_slots": 2, "n_qubits": 3, "name": "a", "meas_mapped": [2, None]},
            {"memory_slots": 2, "n_qubits": 3, "name": "b", "meas_mapped": [None, None]},
            {"memory_slots": 2, "n_qubits": 3, "name": "c", "clbit_labels": [["x", 0], ["y", 0]]},
        ]
    )
    partial, everything, program = read_ionq_header(theirs)
    assert partial.readout == Readout((2, None), 3)
    assert everything.readout == Readout((0, 1, 2), 3)  # nothing measured means all qubits there
    assert everything.header["memory_slots"] == 3
    assert program.readout == Readout((None, None), 3, labels=(("x", 0), ("y", 0)), final=False)
    assert "meas_mapped" not in partial.header


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64!",
        "YWJj",
        packed({"memory_slots": 1, "meas_mapped": [0]}) + "!",
        base64.b64encode(gzip.compress(b"[1")).decode(),
        base64.b64encode(gzip.compress(b'{"memory_slots": 1}' * 50)[:-9]).decode(),
        packed(b"\xff\xfe"),
        packed(b"[" * 100_000),
        packed(b"1" * 5_000),
        packed(7),
        packed("text"),
        packed([None]),
        packed([[]]),
        packed({}),
        packed({"memory_slots": 2, "meas_mapped": [0]}),
        packed({"memory_slots": 2, "clbit_labels": [["c", 0]]}),
        packed({"memory_slots": 1, "clbit_labels": [["c"]]}),
        packed({"memory_slots": 1, "clbit_labels": [["c", -1]]}),
        packed({"memory_slots": 1, "clbit_labels": 5}),
        packed({"memory_slots": -1, "meas_mapped": [0]}),
        packed({"memory_slots": True, "meas_mapped": [0]}),
        packed({"memory_slots": 1.0, "meas_mapped": [0]}),
        packed({"memory_slots": 1 << 40, "meas_mapped": [0]}),
        packed({"n_qubits": 1 << 40, "meas_mapped": []}),
        packed({"n_qubits": "2", "meas_mapped": [0]}),
        packed({"memory_slots": 1, "meas_mapped": {"0": 1}}),
        packed({"memory_slots": 1, "meas_mapped": "0"}),
    ],
    ids=range(27),
)
def test_a_header_that_cannot_be_is_refused(text):
    with pytest.raises(ResultIntegrityError, match="qiskit_header"):
        read_ionq_header(text)


@pytest.mark.parametrize("source", [-1, 2, 10**30, "0", 0.0, True, [0]])
def test_a_qubit_that_is_not_there_reads_0(source):
    text = packed({"memory_slots": 2, "n_qubits": 2, "meas_mapped": [source, 1]})
    assert read_ionq_header(text)[0].readout.sources == (None, 1)


def test_a_header_is_not_looked_at_when_it_is_too_long():
    with pytest.raises(ResultIntegrityError, match="11 characters, more than 10"):
        read_ionq_header("A" * 11, max_encoded=10)


def test_a_header_that_unpacks_to_far_more_is_refused_before_it_has():
    bomb = packed(b" " * 30_000_000)
    assert len(bomb) < 256_000
    tracemalloc.start()
    try:
        with pytest.raises(ResultIntegrityError, match="8000000 bytes"):
            read_ionq_header(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_a_small_header_does_not_grow_into_many_bits():
    bomb = packed([{"n_qubits": 65_536, "meas_mapped": []}] * 16)
    assert len(bomb) < 400
    tracemalloc.start()
    try:
        with contextlib.suppress(ResultIntegrityError):
            read_ionq_header(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000
