# SPDX-License-Identifier: Apache-2.0
"""What goes out means what the user wrote, and the readout finds the way back.

The wire simulator here is small and knows only the gate definitions; it shares nothing with the encoder.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm3
from qiskit.circuit import Clbit, Gate, Parameter
from qiskit.circuit.classical import expr
from qiskit.circuit.library import (
    C3SXGate,
    CSdgGate,
    CSGate,
    CSXGate,
    CXGate,
    HGate,
    PauliEvolutionGate,
    PhaseGate,
    RCCXGate,
    RXGate,
    RYGate,
    RZZGate,
    SdgGate,
    SwapGate,
    SXdgGate,
    SXGate,
    U1Gate,
    XGate,
    ZGate,
)
from qiskit.quantum_info import SparseObservable, SparsePauliOp, Statevector
from qiskit.result import Result
from qiskit_ionq import GPI2Gate, GPIGate, MSGate, ZZGate
from qiskit_ionq.helpers import (
    compress_to_metadata_string,
    decompress_metadata_string,
    qiskit_circ_to_ionq_circ,
    qiskit_to_ionq,
)
from qiskit_ionq.ionq_job import IonQJob

from qiskit_parallel_ionq.decode import RawResult, decode
from qiskit_parallel_ionq.encode import encode_circuit, ionq_header, job_body, read_ionq_header
from qiskit_parallel_ionq.errors import EncodeError, ResultIntegrityError

# ── a wire simulator ──

I2 = np.eye(2)
X = np.array([[0, 1], [1, 0]], complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1]).astype(complex)
PAULI = {"I": I2, "X": X, "Y": Y, "Z": Z}
ROOT_X = np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2
FIXED = {
    "x": X,
    "y": Y,
    "z": Z,
    "h": (X + Z) / math.sqrt(2),
    "s": np.diag([1, 1j]),
    "si": np.diag([1, -1j]),
    "t": np.diag([1, np.exp(0.25j * np.pi)]),
    "ti": np.diag([1, np.exp(-0.25j * np.pi)]),
    "v": ROOT_X,
    "vi": ROOT_X.conj().T,
    "swap": np.eye(4)[[0, 2, 1, 3]],
}
ROTATED = {"rx": X, "ry": Y, "rz": Z, "xx": np.kron(X, X), "yy": np.kron(Y, Y), "zz": np.kron(Z, Z)}


def exponential(hamiltonian, time):
    """exp(-i · time · hamiltonian)"""
    energies, vectors = np.linalg.eigh(hamiltonian)
    return vectors @ np.diag(np.exp(-1j * time * energies)) @ vectors.conj().T


def equator(turns):
    return np.array([[0, np.exp(-2j * np.pi * turns)], [np.exp(2j * np.pi * turns), 0]])


def matrix_of(gate, gateset):
    """The matrix of a wire gate without its controls; the first target is the most significant factor."""
    name = gate["gate"]
    if gateset == "native":
        if name == "gpi":
            return equator(gate["phase"])
        if name == "gpi2":
            return (I2 - 1j * equator(gate["phase"])) / math.sqrt(2)
        if name == "ms":
            first, second = map(equator, gate["phases"])
            return exponential(np.kron(first, second), np.pi * gate["angle"])
        assert name == "zz"
        return exponential(np.kron(Z, Z), np.pi * gate["angle"])
    if name == "pauliexp":
        assert gate["time"] >= 0
        total = 0
        for term, coefficient in zip(gate["terms"], gate["coefficients"], strict=True):
            product_ = np.eye(1)
            for letter in reversed(term):  # the rightmost letter acts on the first target
                product_ = np.kron(product_, PAULI[letter])
            total = total + coefficient * product_
        return exponential(total, gate["time"])
    if name == "z" and "rotation" in gate:
        return np.diag([1, np.exp(1j * gate["rotation"])])
    if name in ROTATED:
        return exponential(ROTATED[name], gate["rotation"] / 2)
    assert "rotation" not in gate
    return FIXED[name]


def run_wire(gates, width, gateset):
    """Probabilities of the wire outcomes, bit k = qubit k."""
    state = np.zeros((2,) * width, complex)
    state[(0,) * width] = 1
    for gate in gates:
        targets = gate["targets"] if "targets" in gate else [gate["target"]]
        controls = gate.get("controls", [])
        assert len({*targets, *controls}) == len(targets) + len(controls)
        axes = [width - 1 - qubit for qubit in (*controls, *targets)]
        moved = np.moveaxis(state, axes, range(len(axes))).copy()
        part = moved[(1,) * len(controls)]
        moved[(1,) * len(controls)] = (matrix_of(gate, gateset) @ part.reshape(2 ** len(targets), -1)).reshape(
            part.shape
        )
        state = np.moveaxis(moved, range(len(axes)), axes)
    return np.abs(state.ravel()) ** 2


def wire_body(encoded):
    probabilities = run_wire(json.loads(encoded.fragment), encoded.num_qubits, encoded.kind)
    return {str(k): float(p) for k, p in enumerate(probabilities) if p > 1e-14}


def through_the_wire(circuit, kind, **kwargs):
    """Distribution over classical bits after encode, service and decode."""
    encoded = encode_circuit(circuit, kind=kind, **kwargs)
    raw = RawResult("probabilities", wire_body(encoded))
    rng = np.random.default_rng(0)
    return decode(raw, encoded.readout, shots=1, rng=rng, exact=True, memory=False).probabilities


def expected(circuit):
    """The same from Qiskit's state vector: the last measurement of each classical bit, others 0."""
    bare = circuit.copy_empty_like()
    read = {}
    for instruction in circuit.data:
        if instruction.operation.name == "measure":
            read[circuit.find_bit(instruction.clbits[0]).index] = circuit.find_bit(instruction.qubits[0]).index
        elif instruction.operation.name not in {"barrier", "delay"}:
            bare.append(instruction)
    result = {}
    for outcome, probability in enumerate(Statevector(bare).probabilities()):
        key = hex(sum((outcome >> qubit & 1) << clbit for clbit, qubit in read.items()))
        result[key] = result.get(key, 0) + probability
    return result


def assert_same_distribution(got, wanted, tolerance=1e-9):
    keys = got.keys() | wanted.keys()
    assert max(abs(got.get(key, 0) - wanted.get(key, 0)) for key in keys) < tolerance


# ── random circuits ──


def random_layout(rng, num_qubits):
    """A circuit with several quantum registers, and classical bits in, between and across registers."""
    cut = int(rng.integers(0, num_qubits + 1))
    qregs = [QuantumRegister(size, f"q{k}") for k, size in enumerate((cut, num_qubits - cut)) if size]
    circuit = QuantumCircuit(*qregs, name=f"random-{num_qubits}")
    for k in range(int(rng.integers(1, 4))):
        style = rng.integers(3)
        if style == 0:
            circuit.add_register(ClassicalRegister(int(rng.integers(1, 4)), f"c{k}"))
        elif style == 1:
            circuit.add_bits([Clbit() for _ in range(int(rng.integers(1, 3)))])
        elif circuit.clbits:
            shared = [circuit.clbits[i] for i in rng.permutation(circuit.num_clbits)[:2]]
            circuit.add_register(ClassicalRegister(bits=[*shared, Clbit()], name=f"c{k}"))
        else:
            circuit.add_register(ClassicalRegister(2, f"c{k}"))
    return circuit


def measure_at_random(rng, circuit):
    """Partial, crossed, repeated and overwritten measurements."""
    for _ in range(int(rng.integers(1, circuit.num_clbits + 3))):
        circuit.measure(int(rng.integers(circuit.num_qubits)), int(rng.integers(circuit.num_clbits)))


def add_native(rng, circuit, gates):
    for _ in range(gates):
        a, b = (int(q) for q in rng.permutation(max(2, circuit.num_qubits))[:2])
        phase, other, angle = rng.uniform(-1.5, 1.5), rng.uniform(-1, 1), rng.uniform(-0.25, 0.25)
        style = rng.integers(4 if circuit.num_qubits > 1 else 2)
        if style < 2:
            circuit.append([GPIGate, GPI2Gate][style](phase), [a % circuit.num_qubits])
        else:
            circuit.append(MSGate(phase, other, angle) if style == 2 else ZZGate(4 * angle), [a, b])


QIS_ONE = ["x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg"]
QIS_ONE_TURNED = ["rx", "ry", "rz", "p"]
QIS_TWO = ["cx", "cy", "cz", "ch", "cs", "csdg", "csx", "swap"]
QIS_TWO_TURNED = ["cp", "crx", "cry", "crz", "rxx", "ryy", "rzz"]
QIS_THREE = ["ccx", "ccz", "cswap"]


def add_qis(rng, circuit, gates):
    sizes = [1, 1, 2, 2, 3][: 2 * circuit.num_qubits] if circuit.num_qubits < 3 else [1, 1, 2, 2, 3]
    for _ in range(gates):
        size = int(rng.choice([s for s in sizes if s <= circuit.num_qubits]))
        qubits = [int(q) for q in rng.permutation(circuit.num_qubits)[:size]]
        plain, turned = [(QIS_ONE, QIS_ONE_TURNED), (QIS_TWO, QIS_TWO_TURNED), (QIS_THREE, [])][size - 1]
        name = str(rng.choice([*plain, *turned]))
        arguments = [rng.uniform(-7, 7)] if name in turned else []
        getattr(circuit, name)(*arguments, *qubits)


@pytest.mark.parametrize("kind", ["native", "qis"])
@pytest.mark.parametrize("renumber", [True, False])
@pytest.mark.parametrize("seed", range(25))
def test_random_circuits_keep_their_distribution_through_the_wire(kind, renumber, seed):
    rng = np.random.default_rng(seed)
    circuit = random_layout(rng, int(rng.integers(1, 9)))
    (add_native if kind == "native" else add_qis)(rng, circuit, int(rng.integers(0, 25)))
    circuit.barrier()
    measure_at_random(rng, circuit)
    assert_same_distribution(through_the_wire(circuit, kind, renumber=renumber), expected(circuit))


PREPARED = [0.3, 1.1, -0.8, 2.0, 0.5]


def sandwiched(operation, qubits):
    """One gate between generic rotations, so that any error in it shows in the distribution."""
    circuit = QuantumCircuit(5, 5)
    for qubit, angle in enumerate(PREPARED):
        circuit.ry(angle, qubit)
        circuit.rz(angle / 2 + 0.4, qubit)
    circuit.append(operation, qubits)
    for qubit, angle in enumerate(PREPARED):
        circuit.rx(0.9 - angle, qubit)
    circuit.measure(range(5), range(5))
    return circuit


CONTROLLED = [
    (CSGate(), [3, 1]),
    (CSdgGate(), [3, 1]),
    (CSXGate(), [0, 4]),
    (CXGate(ctrl_state=0), [2, 0]),
    (U1Gate(0.7), [2]),
    (U1Gate(0.7).control(1, annotated=False), [2, 4]),
    (XGate().control(4, annotated=False, ctrl_state=5), [4, 1, 0, 3, 2]),
    (C3SXGate(), [4, 1, 0, 3]),
    (SXGate().control(3, annotated=False, ctrl_state=3), [0, 1, 2, 3]),
    (SdgGate().control(2, annotated=False), [0, 1, 2]),
    (SXdgGate().control(2, annotated=False), [3, 1, 2]),
    (PhaseGate(0.6).control(3, annotated=False), [3, 0, 1, 2]),
    (HGate().control(2, annotated=False, ctrl_state=1), [2, 3, 0]),
    (RXGate(1.2).control(2, annotated=False), [2, 3, 0]),
    (SwapGate().control(2, annotated=False, ctrl_state=2), [2, 3, 0, 4]),
    (RZZGate(0.9).control(1, annotated=False, ctrl_state=0), [2, 3, 0]),
    (HGate().control(2, annotated=True, ctrl_state=1), [2, 3, 0]),
    (ZGate().control(2, annotated=True, ctrl_state=2).control(1, annotated=True, ctrl_state=0), [4, 0, 2, 1]),
    (RYGate(0.4).control(3, annotated=True, ctrl_state=6), [4, 0, 2, 1]),
]


@pytest.mark.parametrize(("operation", "qubits"), CONTROLLED, ids=lambda value: getattr(value, "name", None))
def test_controls_open_or_closed_in_any_number_are_said_rightly(operation, qubits):
    circuit = sandwiched(operation, qubits)
    encoded = encode_circuit(circuit, kind="qis")
    assert any(gate.get("controls") or gate["gate"] == "rz" for gate in json.loads(encoded.fragment))
    assert_same_distribution(through_the_wire(circuit, "qis"), expected(circuit))


PAULI_SUMS = [
    (SparsePauliOp(["XZI"], [0.7]), 0.9),
    (SparsePauliOp(["XXI", "ZZI", "IIY", "III"], [0.7, -0.2, 0.4, 3.0]), -0.9),
    (SparsePauliOp(["ZIX", "ZIX"], [0.5, 0.25]), 1.3),
    ([SparsePauliOp(["XXI"], [0.7]), SparsePauliOp(["YYI", "IIZ"], [0.1, 0.2])], 0.4),
    (SparseObservable.from_list([("XIZ", 0.6), ("ZIX", 0.3)]), 0.8),
]


@pytest.mark.parametrize(("operator", "time"), PAULI_SUMS)
def test_pauli_evolutions_keep_the_order_of_their_letters(operator, time):
    circuit = sandwiched(PauliEvolutionGate(operator, time=time), [3, 0, 2])
    (gate,) = [g for g in json.loads(encode_circuit(circuit, kind="qis").fragment) if g["gate"] == "pauliexp"]
    assert gate["targets"] == [3, 0, 2]
    assert_same_distribution(through_the_wire(circuit, "qis"), expected(circuit))


def test_an_evolution_that_is_only_a_phase_is_not_sent():
    circuit = QuantumCircuit(2)
    circuit.append(PauliEvolutionGate(SparsePauliOp("II"), time=0.3), [0, 1])
    circuit.h(0)
    assert json.loads(encode_circuit(circuit, kind="qis").fragment) == [{"gate": "h", "targets": [0]}]


@pytest.mark.parametrize(
    ("operator", "reason"),
    [
        (SparsePauliOp(["XI", "ZI"]), "do not commute"),
        (SparsePauliOp(["XX"], [1 + 0.5j]), "not real"),
        (SparsePauliOp(["XX"], np.array([Parameter("a")])), "bind"),
        (SparsePauliOp(["XX"], [math.nan]), "not real and finite"),
    ],
)
def test_an_evolution_the_service_cannot_take_is_refused(operator, reason):
    circuit = QuantumCircuit(2, name="evolve")
    circuit.append(PauliEvolutionGate(operator, time=1.0), [0, 1])
    with pytest.raises(EncodeError, match=reason):
        encode_circuit(circuit, kind="qis")


# ── the peer as a witness ──


@pytest.mark.parametrize("kind", ["native", "qis"])
@pytest.mark.parametrize("seed", range(20))
def test_gate_lists_equal_those_of_qiskit_ionq(kind, seed):
    rng = np.random.default_rng(1000 + seed)
    circuit = QuantumCircuit(int(rng.integers(2, 7)), 3)
    if kind == "native":
        for _ in range(30):
            a, b = (int(q) for q in rng.permutation(circuit.num_qubits)[:2])
            circuit.append([GPIGate, GPI2Gate][rng.integers(2)](rng.uniform(-1, 1)), [a])
            circuit.append(MSGate(*rng.uniform(-1, 1, 2), rng.uniform(0, 0.25)), [b, a])
            circuit.append(ZZGate(rng.uniform(-0.25, 0.25)), [a, b])
    else:
        add_qis(rng, circuit, 60)
    circuit.measure([0, 1], [2, 0])
    theirs, _, their_map = qiskit_circ_to_ionq_circ(circuit, kind)
    ours = encode_circuit(circuit, kind=kind, renumber=False)

    def plain_phase(gate):  # theirs says an uncontrolled p as z with a rotation, ours as rz
        is_phase = gate["gate"] == "z" and "rotation" in gate and "controls" not in gate
        return {**gate, "gate": "rz"} if is_phase else gate

    assert json.loads(ours.fragment) == [plain_phase(gate) for gate in theirs]
    assert list(ours.readout.sources) == their_map


# ── numbers ──


@pytest.mark.parametrize(
    ("operation", "wanted"),
    [
        (GPIGate(-1), {"gate": "gpi", "target": 0, "phase": -1.0}),
        (GPIGate(2.25), {"gate": "gpi", "target": 0, "phase": 0.25}),
        (GPI2Gate(-3.5), {"gate": "gpi2", "target": 0, "phase": -0.5}),
        (GPI2Gate(np.float64(0.125)), {"gate": "gpi2", "target": 0, "phase": 0.125}),
        (MSGate(0.5, 0.25), {"gate": "ms", "targets": [0, 1], "phases": [0.5, 0.25], "angle": 0.25}),
        (MSGate(0, 1, -0.125), {"gate": "ms", "targets": [0, 1], "phases": [0.5, 1.0], "angle": 0.125}),
        (MSGate(0.75, 0, -0.25), {"gate": "ms", "targets": [0, 1], "phases": [0.25, 0.0], "angle": 0.25}),
        (MSGate(0, 0, 1.125), {"gate": "ms", "targets": [0, 1], "phases": [0.0, 0.0], "angle": 0.125}),
        (ZZGate(-0.2), {"gate": "zz", "targets": [0, 1], "angle": -0.2}),
        (ZZGate(0.5), {"gate": "zz", "targets": [0, 1], "angle": 0.5}),
    ],
)
def test_native_numbers_are_brought_into_range_and_otherwise_kept(operation, wanted):
    circuit = QuantumCircuit(2)
    circuit.append(operation, range(operation.num_qubits))
    assert json.loads(encode_circuit(circuit, kind="native").fragment) == [wanted]


@given(st.floats(-1, 1))
def test_a_phase_in_range_goes_out_to_the_last_digit(phase):
    circuit = QuantumCircuit(1)
    circuit.append(GPIGate(phase), [0])
    assert json.loads(encode_circuit(circuit, kind="native").fragment)[0]["phase"] == phase


def test_a_bound_parameter_is_a_number():
    theta = Parameter("θ")
    circuit = QuantumCircuit(1)
    circuit.rx(2 * theta, 0)
    bound = circuit.assign_parameters({theta: 0.25})
    assert json.loads(encode_circuit(bound, kind="qis").fragment)[0]["rotation"] == 0.5


# ── refusals ──


def custom(name, num_qubits, params=()):
    return Gate(name, num_qubits, list(params))


@pytest.mark.parametrize("kind", ["native", "qis"])
@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (custom("mystery", 2), "transpile"),
        (RCCXGate(), "transpile"),
        (HGate().control(1, annotated=True).inverse(annotated=True), "transpile"),
        (custom("gpi", 1, [math.nan]), "finite|transpile"),
        (custom("rx", 1, [math.inf]), "finite|transpile"),
    ],
)
def test_a_gate_that_cannot_be_said_is_named_with_circuit_and_position(kind, operation, reason):
    circuit = QuantumCircuit(3, name="ansatz-7")
    circuit.barrier()
    circuit.append(operation, range(operation.num_qubits))
    with pytest.raises(EncodeError, match=reason) as error:
        encode_circuit(circuit, kind=kind)
    assert "'ansatz-7'" in str(error.value)
    assert repr(operation.name) in str(error.value)
    assert "position 1" in str(error.value)


@pytest.mark.parametrize("operation", [custom("gpi", 1), custom("gpi2", 2, [0.1]), custom("ms", 3, [0, 0, 0.1])])
def test_a_stranger_of_a_known_name_is_refused(operation):
    circuit = QuantumCircuit(3)
    circuit.append(operation, range(operation.num_qubits))
    with pytest.raises(EncodeError, match="other parameters or qubits"):
        encode_circuit(circuit, kind="native")


@pytest.mark.parametrize("angle", [0.3, -0.4, 0.5])
def test_an_ms_angle_without_a_legal_form_is_refused(angle):
    circuit = QuantumCircuit(2)
    circuit.append(MSGate(0, 0, angle), [0, 1])
    with pytest.raises(EncodeError, match=r"0 to 0\.25"):
        encode_circuit(circuit, kind="native")


@pytest.mark.parametrize("kind", ["native", "qis", "qasm3"])
def test_unbound_parameters_are_refused(kind):
    circuit = QuantumCircuit(1, name="free")
    circuit.append(custom("gpi", 1, [Parameter("a")]) if kind == "native" else RXGate(Parameter("a")), [0])
    with pytest.raises(EncodeError, match=r"'free': gate .* at position 0 .*bind"):
        encode_circuit(circuit, kind=kind)


@pytest.mark.parametrize("kind", ["native", "qis", "qasm3"])
def test_an_unbound_global_phase_is_refused(kind):
    circuit = QuantumCircuit(1, global_phase=Parameter("a"))
    with pytest.raises(EncodeError, match="global phase"):
        encode_circuit(circuit, kind=kind)


@pytest.mark.parametrize("kind", ["native", "qis"])
def test_gates_after_a_measurement_are_refused_in_gate_lists(kind):
    circuit = QuantumCircuit(2, 1)
    circuit.measure(0, 0)
    circuit.append(ZZGate(0.1) if kind == "native" else CXGate(), [1, 0])
    with pytest.raises(EncodeError, match="position 1 acts on a measured qubit"):
        encode_circuit(circuit, kind=kind)


def test_control_flow_and_late_resets_are_refused_in_gate_lists():
    branching = QuantumCircuit(2, 1)
    with branching.if_test((0, 1)):
        branching.x(1)
    late_reset = QuantumCircuit(1)
    late_reset.h(0)
    late_reset.reset(0)
    for circuit in (branching, late_reset):
        with pytest.raises(EncodeError, match="OpenQASM 3"):
            encode_circuit(circuit, kind="qis")


# ── what is not sent ──


def test_directives_and_fresh_resets_are_not_sent():
    circuit = QuantumCircuit(3, 1, global_phase=0.3)
    circuit.reset([0, 1, 2])
    circuit.id(2)
    circuit.h(1)
    circuit.barrier()
    circuit.delay(100, 1)
    circuit.measure(1, 0)
    circuit.barrier()
    circuit.id(1)
    encoded = encode_circuit(circuit, kind="qis")
    assert json.loads(encoded.fragment) == [{"gate": "h", "targets": [0]}]
    assert (encoded.num_qubits, encoded.num_gates) == (1, 1)


@pytest.mark.parametrize("kind", ["native", "qis"])
@pytest.mark.parametrize("measured", [[], [2], [0, 2]])
def test_a_circuit_without_gates_is_sent_as_a_gate_and_its_inverse(kind, measured):
    circuit = QuantumCircuit(3, 3)
    circuit.measure(measured, measured)
    encoded = encode_circuit(circuit, kind=kind)
    assert encoded.num_gates == len(json.loads(encoded.fragment)) == 2
    assert encoded.num_qubits == max(1, len(measured))
    assert_same_distribution(through_the_wire(circuit, kind), {"0x0": 1.0})


# ── readout ──


def test_only_touched_qubits_go_out_in_ascending_order():
    circuit = QuantumCircuit(30, 4)
    circuit.cx(21, 4)
    circuit.measure([21, 4, 13], [0, 2, 3])
    encoded = encode_circuit(circuit, kind="qis")
    assert json.loads(encoded.fragment) == [{"gate": "x", "targets": [0], "controls": [2]}]
    assert encoded.readout.sources == (2, None, 0, 1)
    assert encoded.num_qubits == encoded.readout.num_qubits == 3


def test_without_renumbering_qubits_keep_their_places():
    circuit = QuantumCircuit(5, 1)
    circuit.x(3)
    circuit.measure(3, 0)
    encoded = encode_circuit(circuit, kind="qis", renumber=False)
    assert json.loads(encoded.fragment) == [{"gate": "x", "targets": [3]}]
    assert (encoded.num_qubits, encoded.readout.sources) == (5, (3,))


def test_the_last_measurement_of_a_classical_bit_wins_and_a_qubit_may_feed_several():
    circuit = QuantumCircuit(3, 3)
    circuit.x(1)
    circuit.measure([0, 1, 1], [0, 0, 2])
    assert encode_circuit(circuit, kind="qis").readout.sources == (1, None, 1)


@given(st.permutations(range(6)), st.integers(0, 2**6 - 1))
@settings(max_examples=30, deadline=None)
def test_renumbering_and_readout_cancel(order, prepared):
    circuit = QuantumCircuit(12, 6)
    for clbit, place in enumerate(order):
        if prepared >> clbit & 1:
            circuit.x(2 * place)
        circuit.measure(2 * place, clbit)
    assert through_the_wire(circuit, "qis") == {hex(prepared): 1.0}


def test_the_digest_tells_circuits_apart_and_only_circuits():
    def bell(angle, name):
        circuit = QuantumCircuit(2, 2, name=name, metadata={"seen": name})
        circuit.rx(angle, 0)
        circuit.cx(0, 1)
        return encode_circuit(circuit, kind="qis").digest

    assert bell(0.1, "a") == bell(0.1, "b") != bell(0.2, "a")
    assert len(bell(0.1, "a")) == 12


# ── OpenQASM 3 ──


def source_of(encoded):
    return json.loads(encoded.fragment)


def two_registers():
    circuit = QuantumCircuit(
        QuantumRegister(1, "input"), QuantumRegister(3, "measure"), ClassicalRegister(2, "output"), name="dynamic"
    )
    circuit.add_bits([Clbit()])
    circuit.add_register(ClassicalRegister(1, "second"))
    return circuit


def test_registers_are_flattened_and_reserved_names_avoided():
    circuit = two_registers()
    circuit.h(1)
    circuit.measure(1, 3)
    circuit.reset(1)
    circuit.barrier()
    circuit.delay(5, 0)
    circuit.measure(1, 0)
    encoded = encode_circuit(circuit, kind="qasm3")
    assert source_of(encoded).split("\n") == [
        "OPENQASM 3.0;",
        'include "stdgates.inc";',
        "bit[4] c;",
        "qubit[1] q;",
        "h q[0];",
        "c[3] = measure q[0];",
        "reset q[0];",
        "c[0] = measure q[0];",
        "",
    ]
    assert encoded.readout.labels == tuple(("c", k) for k in range(4))
    assert encoded.readout.in_clbit_order
    assert (encoded.num_qubits, encoded.num_gates) == (1, 4)


def test_angles_are_written_to_the_last_digit():
    circuit = QuantumCircuit(1)
    circuit.rx(math.pi / 2 + 1e-11, 0)
    assert repr(math.pi / 2 + 1e-11) in source_of(encode_circuit(circuit, kind="qasm3"))


@pytest.mark.parametrize("kept", [True, False])
def test_sources_are_final_only_where_the_last_measurement_still_holds(kept):
    circuit = QuantumCircuit(3, 3)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.reset(2)
    circuit.measure(2, 2)
    if not kept:
        circuit.x(0)
    readout = encode_circuit(circuit, kind="qasm3").readout
    assert readout.final is kept
    assert readout.sources == ((0 if kept else None), None, 1)


def test_a_branch_or_a_stored_value_is_not_a_final_measurement():
    branching = QuantumCircuit(2, 2)
    branching.measure(0, 0)
    with branching.if_test((0, 1)):
        branching.measure(1, 1)
    storing = QuantumCircuit(1, 2)
    storing.measure(0, 0)
    storing.store(storing.clbits[1], storing.clbits[0])
    assert not encode_circuit(branching, kind="qasm3").readout.final
    assert not encode_circuit(storing, kind="qasm3").readout.final


def condition_on_register(circuit, prepare):
    register = circuit.cregs[0]
    conditions = {
        "equal": (register, 2),
        "expression": expr.equal(register, 1),
        "different": expr.not_equal(register, 1),
        "logic": expr.logic_or(expr.equal(register, 3), expr.logic_not(circuit.clbits[1])),
        "impossible": (register, 7),
        "bit": (circuit.clbits[0], 0),
    }
    with circuit.if_test(conditions[prepare]) as otherwise:
        circuit.barrier()
        circuit.x(3)
    with otherwise:
        circuit.ry(0.8, 3)


@pytest.mark.parametrize("style", ["equal", "expression", "different", "logic", "impossible", "bit"])
def test_conditions_stay_right_after_flattening(style):
    aer = pytest.importorskip("qiskit_aer")
    circuit = two_registers()
    circuit.rx(0.9, 1)
    circuit.rx(1.9, 2)
    circuit.measure([1, 2], [0, 1])
    condition_on_register(circuit, style)
    circuit.measure(3, 3)
    back = qasm3.loads(source_of(encode_circuit(circuit, kind="qasm3")))
    assert [(register.name, len(register)) for register in back.cregs] == [("c", 4)]

    def distribution(any_circuit):
        plain = any_circuit.copy()
        plain.save_probabilities_dict([plain.num_qubits - 1]) if False else None
        run = aer.AerSimulator(seed_simulator=7).run(plain, shots=20_000).result()
        return {int(key.replace(" ", ""), 2): n / 20_000 for key, n in run.get_counts().items()}

    flat = QuantumCircuit(QuantumRegister(4), ClassicalRegister(4))
    flat.compose(circuit, range(4), range(4), inplace=True)
    before, after = distribution(flat), distribution(back)
    assert sum(abs(before.get(k, 0) - after.get(k, 0)) for k in range(16)) < 0.04


def test_a_circuit_with_one_register_keeps_conditions_on_it():
    circuit = QuantumCircuit(2, 2)
    circuit.measure(0, 0)
    with circuit.switch(circuit.cregs[0]) as case:
        with case(1, 2):
            circuit.x(1)
        with case(case.DEFAULT):
            circuit.h(1)
    with circuit.while_loop(expr.less(circuit.cregs[0], 1)):
        circuit.measure(1, 1)
    source = source_of(encode_circuit(circuit, kind="qasm3"))
    assert "case 1, 2 {" in source
    assert "while (c < 1) {" in source


def test_a_condition_that_cannot_be_said_bit_by_bit_is_refused():
    circuit = two_registers()
    with circuit.if_test(expr.less(circuit.cregs[0], 2)):
        circuit.x(0)
    with pytest.raises(EncodeError, match="'dynamic' uses a whole classical register"):
        encode_circuit(circuit, kind="qasm3")


def test_a_loop_variable_is_bound_and_a_free_one_inside_a_loop_is_not():
    index, free = Parameter("i"), Parameter("free")
    circuit = QuantumCircuit(1, 1)
    with circuit.for_loop(range(3), index):
        circuit.rx(index, 0)
    assert "in [0:2]" in source_of(encode_circuit(circuit, kind="qasm3"))
    with circuit.for_loop(range(3), index):
        circuit.rx(index + free, 0)
    with pytest.raises(EncodeError, match=r"'for_loop' at position 1 .*bind"):
        encode_circuit(circuit, kind="qasm3")


def test_variables_travel_and_inputs_are_refused():
    circuit = QuantumCircuit(1, 1, name="v")
    flag = circuit.add_var("c", expr.lift(True))  # clashes with our register: the variable yields
    with circuit.if_test(flag):
        circuit.x(0)
    assert "bit[1] c;" in source_of(encode_circuit(circuit, kind="qasm3"))
    asking = QuantumCircuit(1, inputs=[expr.Var.new("a", flag.type)])
    with pytest.raises(EncodeError, match="input variables"):
        encode_circuit(asking, kind="qasm3")


def test_non_finite_numbers_and_opaque_gates_are_refused_in_openqasm():
    for operation in (RXGate(math.inf), custom("opaque", 1)):
        circuit = QuantumCircuit(1, name="odd")
        circuit.append(operation, [0])
        with pytest.raises(EncodeError, match="'odd'"):
            encode_circuit(circuit, kind="qasm3")


# ── headers ──


def ghz(n, name="ghz", kind="qis"):
    circuit = QuantumCircuit(
        QuantumRegister(n, "q"), ClassicalRegister(1, "a"), ClassicalRegister(n - 1, "b"), name=name
    )
    circuit.ry(1.0, n - 1)
    for k in range(n - 1):
        circuit.cx(n - 1, k)
        circuit.rx(0.3 * k + 0.2, k)
    circuit.measure(range(n - 1, -1, -1), range(n))
    return circuit


class StockClient:
    """The service as seen by qiskit-ionq's own job."""

    def __init__(self, job, results=None, artifact=None):
        self.job, self.results, self.artifact = job, results, artifact

    def retrieve_job(self, job_id):
        return self.job

    def get_results(self, **kwargs):
        return self.results

    def get_artifact(self, *args, **kwargs):
        return self.artifact


def stock_job(encoded, results=None, artifact=None, job_type="ionq.circuit.v1"):
    record = {
        "id": "job",
        "status": "completed",
        "type": job_type,
        "stats": {"qubits": max(c.num_qubits for c in encoded), "circuits": len(encoded)},
        "metadata": {"shots": "1000", "sampler_seed": "5", "qiskit_header": ionq_header(encoded)},
        "results": {"probabilities": {"url": "/v0.4/x"}, "ionq.result.shots.json.v2": {"id": "artifact"}},
        "execution_duration_ms": 1,
    }
    if len(encoded) > 1:
        record["child_job_ids"] = [f"child-{k}" for k in range(len(encoded))]
    backend = SimpleNamespace(
        name="ionq_simulator", backend_version="1", options=SimpleNamespace(noise_model="ideal"), version=2
    )
    return IonQJob(backend, "job", client=StockClient(record, results, artifact))


def from_binary(distribution):
    return {hex(int(key, 2)): value for key, value in distribution.items()}


def test_qiskit_ionq_unpacks_the_header():
    encoded = encode_circuit(ghz(3, name="größer"), kind="qis")
    header = decompress_metadata_string(ionq_header([encoded]))
    assert header["meas_mapped"] == [2, 1, 0]
    assert header["name"] == "größer"
    assert header["creg_sizes"] == [["a", 1], ["b", 2]]
    assert len(decompress_metadata_string(ionq_header([encoded, encoded]))) == 2
    assert ionq_header([encoded]) == ionq_header([encoded])


@pytest.mark.parametrize("sizes", [[2], [3, 4]])
def test_qiskit_ionq_decodes_our_jobs_to_the_same_probabilities(sizes):
    circuits = [ghz(n) for n in sizes]
    encoded = [encode_circuit(circuit, kind="qis") for circuit in circuits]
    bodies = [wire_body(e) for e in encoded]
    results = bodies[0] if len(sizes) == 1 else {f"child-{k}": body for k, body in enumerate(bodies)}
    theirs = stock_job(encoded, results).result()
    for k, circuit in enumerate(circuits):
        got = from_binary(theirs.data(k)["probabilities"])
        wanted = {key: p for key, p in expected(circuit).items() if key in got}
        assert_same_distribution(got, wanted)
        assert sum(got.values()) > 0.9  # theirs leaves out outcomes that it did not draw


def test_qiskit_ionq_reads_unmeasured_and_renumbered_bits_as_we_do():
    circuit = QuantumCircuit(9, 4)
    circuit.x(7)
    circuit.measure(7, 2)
    encoded = encode_circuit(circuit, kind="qis")
    assert from_binary(stock_job([encoded], wire_body(encoded)).result().data(0)["counts"]) == {"0x4": 1000}
    unmeasured = QuantumCircuit(2, 3)
    unmeasured.x([0, 1])
    encoded = encode_circuit(unmeasured, kind="qis")
    assert from_binary(stock_job([encoded], wire_body(encoded)).result().data(0)["counts"]) == {"0x0": 1000}


def test_qiskit_ionq_reads_our_openqasm_jobs():
    circuit = two_registers()
    circuit.x(1)
    circuit.measure(1, 3)
    circuit.reset(1)
    circuit.measure(1, 0)
    encoded = encode_circuit(circuit, kind="qasm3")
    shots = [{"registers": {"c": [0, 0, 0, 1], "output_all": [0]}}] * 3
    job = stock_job([encoded], artifact={"shots": shots}, job_type="ionq.qasm3.v1")
    assert job.result().data(0)["counts"] == {"1000": 3}


def stock_header(circuits, gateset="qis"):
    backend = SimpleNamespace(
        name="ionq_simulator",
        gateset=lambda: gateset,
        options=SimpleNamespace(noise_model="ideal", sampler_seed=None, get=lambda key: None),
    )
    body = json.loads(qiskit_to_ionq(circuits, backend, {"shots": 100}))
    return body["metadata"]["qiskit_header"]


def test_we_read_the_header_of_qiskit_ionq():
    crossed, partial = ghz(3), QuantumCircuit(3, 4, name="partial", metadata={"theirs": 1})
    partial.h(2)
    partial.measure(2, 1)
    entries = read_ionq_header(stock_header([crossed, partial]))
    assert [entry.header["name"] for entry in entries] == ["ghz", "partial"]
    assert [entry.readout.sources for entry in entries] == [(2, 1, 0), (None, 2, None, None)]
    assert [entry.readout.num_qubits for entry in entries] == [3, 3]
    assert entries[1].header["metadata"] == {"theirs": 1}


def test_a_job_of_qiskit_ionq_without_measurements_reads_all_qubits():
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    (entry,) = read_ionq_header(stock_header(circuit))
    assert entry.readout.sources == (0, 1)
    assert entry.header["memory_slots"] == 2


def test_an_openqasm_job_of_qiskit_ionq_is_read_by_its_own_registers():
    circuit = QuantumCircuit(QuantumRegister(1, "q"), ClassicalRegister(1, "a"), ClassicalRegister(2, "b"))
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 2)
    (entry,) = read_ionq_header(stock_header(circuit))
    assert entry.readout.labels == (("a", 0), ("b", 0), ("b", 1))
    assert not entry.readout.final


@pytest.mark.parametrize("kind", ["qis", "qasm3"])
def test_our_own_header_gives_the_readout_back(kind):
    crossed = ghz(3)
    unread = QuantumCircuit(2, 2)
    unread.h(0)
    dynamic = two_registers()
    dynamic.measure(0, 1)
    for circuit in (crossed, unread, dynamic):
        encoded = encode_circuit(circuit, kind=kind)
        (entry,) = read_ionq_header(ionq_header([encoded]))
        assert entry.readout == encoded.readout
        assert "metadata" not in entry.header


def test_circuit_metadata_stays_at_home():
    circuit = QuantumCircuit(1, metadata={"secret": object()})
    encoded = encode_circuit(circuit, kind="qis")
    assert encoded.header["metadata"] is circuit.metadata
    assert "metadata" not in decompress_metadata_string(ionq_header([encoded]))


def test_qiskit_splits_counts_by_register_where_that_is_right():
    split = encode_circuit(ghz(3), kind="qis")
    shared = ClassicalRegister(2, "a")
    overlapping = QuantumCircuit(QuantumRegister(1), shared, ClassicalRegister(bits=[shared[1], Clbit()], name="b"))
    joint = encode_circuit(overlapping, kind="qis")

    def counts(encoded):
        entry = {"shots": 5, "success": True, "data": {"counts": {"0x5": 5}}, "header": encoded.header}
        return Result.from_dict({"results": [entry], "job_id": "j", "success": True}).get_counts()

    assert counts(split) == {"10 1": 5}
    assert counts(joint) == {"101": 5}


def packed(payload):
    return base64.b64encode(gzip.compress(payload)).decode()


def test_a_header_that_inflates_without_end_is_refused_without_inflating():
    bomb = packed(b"[" + b" " * 30_000_000 + b"]")
    assert len(bomb) < 256_000
    with pytest.raises(ResultIntegrityError, match="8000000"):
        read_ionq_header(bomb)
    with pytest.raises(ResultIntegrityError, match="characters"):
        read_ionq_header("A" * 256_001)


GOOD_HEADER = {"memory_slots": 2, "n_qubits": 2, "meas_mapped": [0, 1], "name": "x", "clbit_labels": [["c", 0], ["c", 1]]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not base64!",
        "é",
        base64.b64encode(b"not gzip").decode(),
        packed(b"{}")[:-8],
        packed(b"not json"),
        packed(b"[" * 100_000),
        packed(b"\xff"),
        packed(b"[1]"),
        packed(b'"text"'),
        compress_to_metadata_string({**GOOD_HEADER, "memory_slots": 10**9}),
        compress_to_metadata_string({**GOOD_HEADER, "n_qubits": -1}),
        compress_to_metadata_string({**GOOD_HEADER, "n_qubits": "2"}),
        compress_to_metadata_string({**GOOD_HEADER, "memory_slots": True}),
        compress_to_metadata_string({**GOOD_HEADER, "meas_mapped": "01"}),
        compress_to_metadata_string({**GOOD_HEADER, "meas_mapped": [0]}),
        compress_to_metadata_string({**GOOD_HEADER, "meas_mapped": None, "clbit_labels": [["c", 0]]}),
        compress_to_metadata_string({**GOOD_HEADER, "meas_mapped": None, "clbit_labels": [["c"], ["c"]]}),
        compress_to_metadata_string({**GOOD_HEADER, "meas_mapped": None, "clbit_labels": None}),
    ],
)
def test_a_broken_header_is_an_integrity_error(text):
    with pytest.raises(ResultIntegrityError, match="qiskit_header"):
        read_ionq_header(text)


# ── job bodies ──


def test_one_circuit_makes_a_circuit_job():
    encoded = encode_circuit(ghz(2, name="pair"), kind="qis")
    body = json.loads(
        job_body(
            [encoded],
            backend="simulator",
            shots=200,
            metadata={"owner": "lab"},
            settings={"error_mitigation": {"debiasing": False}},
            noise={"model": "forte-1", "seed": 7},
            session_id="s-1",
            dry_run=True,
            extra={"lang": "json"},
        )
    )
    assert body == {
        "type": "ionq.circuit.v1",
        "backend": "simulator",
        "shots": 200,
        "name": "pair",
        "metadata": {"owner": "lab"},
        "settings": {"error_mitigation": {"debiasing": False}},
        "noise": {"model": "forte-1", "seed": 7},
        "session_id": "s-1",
        "dry_run": True,
        "lang": "json",
        "input": {"gateset": "qis", "qubits": 2, "circuit": json.loads(encoded.fragment)},
    }


def test_members_that_were_not_given_are_not_sent():
    body = json.loads(job_body([encode_circuit(ghz(2), kind="qis")], backend="qpu.forte-1", shots=10))
    assert body.keys() == {"type", "backend", "shots", "name", "metadata", "input"}


def test_several_circuits_make_a_multi_circuit_job_of_their_fragments():
    names = ['quo"ted', "naïve\ud800"]  # a lone surrogate is no UTF-8, and still a legal name
    encoded = [encode_circuit(ghz(n, name=name), kind="qis") for n, name in zip((3, 2), names, strict=True)]
    raw = job_body(encoded, backend="simulator", shots=10)
    body = json.loads(raw)
    assert body["type"] == "ionq.multi-circuit.v1"
    assert body["name"] == "2 circuits"
    assert body["input"] == {
        "gateset": "qis",
        "qubits": 3,
        "circuits": [
            {"name": e.name, "qubits": e.num_qubits, "circuit": json.loads(e.fragment)} for e in encoded
        ],
    }
    assert all(e.fragment in raw for e in encoded)


def test_an_openqasm_program_makes_a_job_of_its_own():
    encoded = encode_circuit(ghz(2), kind="qasm3")
    body = json.loads(job_body([encoded], backend="simulator", shots=10, name="mine"))
    assert (body["type"], body["name"]) == ("ionq.qasm3.v1", "mine")
    assert body["input"]["data"].startswith("OPENQASM 3.0;")
    with pytest.raises(EncodeError, match="one program, not 2"):
        job_body([encoded, encoded], backend="simulator", shots=10)


def test_circuits_of_different_kinds_and_no_circuits_make_no_job():
    mixed = [encode_circuit(ghz(2), kind=kind) for kind in ("qis", "qasm3")]
    for circuits in (mixed, []):
        with pytest.raises(EncodeError, match="one kind"):
            job_body(circuits, backend="simulator", shots=10)


@pytest.mark.parametrize(
    ("extra", "reason"), [({"input": {}}, "input"), ({"x": object()}, "JSON"), ({"x": math.nan}, "JSON")]
)
def test_members_that_cannot_be_sent_are_refused(extra, reason):
    with pytest.raises(EncodeError, match=reason):
        job_body([encode_circuit(ghz(2), kind="qis")], backend="simulator", shots=10, extra=extra)


def test_every_bit_of_the_wire_is_ordered_as_documented():
    for width, qubit in product((1, 3), (0,)):
        assert run_wire([{"gate": "x", "targets": [qubit]}], width, "qis")[1] == 1
    assert run_wire([{"gate": "x", "targets": [2]}], 3, "qis")[4] == 1
