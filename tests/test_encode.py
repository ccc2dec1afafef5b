# SPDX-License-Identifier: Apache-2.0
"""What goes out says what the circuit does, bit for bit, and what cannot be said is refused by name.

The gate lists are played on a simulator of a few lines, whose matrices are written down from the service's
documentation and share nothing with the encoder.
"""

from __future__ import annotations

import cmath
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import AnnotatedOperation, Clbit, ControlModifier, Gate, InverseModifier, Parameter, Qubit
from qiskit.circuit import library as lib
from qiskit.quantum_info import Operator, SparseObservable, SparsePauliOp
from scipy.linalg import expm

from qiskit_parallel_ionq.encode import encode_circuit
from qiskit_parallel_ionq.errors import EncodeError
from qiskit_parallel_ionq.gates import GPI2Gate, GPIGate, MSGate, ZZGate

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
    (lib.MCXGate(5), "x", 1, None),
    (lib.C3SXGate(), "v", 1, None),
    (lib.MCPhaseGate(A, 3), "z", 1, A),
    (lib.MCU1Gate(A, 2), "z", 1, A),
    *(
        (gate.control(controls, annotated=annotated), "z" if gate.name in {"p", "u1"} else said, targets, rotation)
        for gate, said, targets, rotation in PLAIN
        for controls, annotated in [(1, False), (2, False), (3, True)]
    ),
]  # fmt: skip


def label(value) -> str | None:
    return f"{value.name}-{value.num_qubits}" if hasattr(value, "num_qubits") else None


@pytest.mark.parametrize(("operation", "said", "targets", "rotation"), PLAIN + CONTROLLED, ids=label)
def test_each_gate_is_said_by_its_counterpart(operation, said, targets, rotation):
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
        ("qis", lib.Reset(), "OpenQASM 3"),
        ("native", lib.Reset(), "OpenQASM 3"),
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


def test_a_reset_of_a_fresh_qubit_is_not_sent_and_one_of_a_used_qubit_is_not_forgotten():
    circuit = QuantumCircuit(2)
    circuit.reset([0, 1])
    circuit.h(0)
    assert gates_of(circuit) == [{"gate": "h", "targets": [0]}]
    circuit.reset(0)
    with pytest.raises(EncodeError, match="'reset' at position 3"):
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
