# SPDX-License-Identifier: Apache-2.0
"""The OpenQASM 3 reader: what Qiskit's exporter writes is read right, what IonQ documents as refused is refused."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm3
from qiskit.circuit import library
from qiskit.circuit.classical import expr
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Operator, Statevector
from qiskit_ionq import GPI2Gate, GPIGate, MSGate, ZZGate

from qiskit_parallel_ionq.emulator.problems import CircuitError
from qiskit_parallel_ionq.emulator.program import ALL_QUBITS, Gate
from qiskit_parallel_ionq.emulator.qasm3 import read_program
from qiskit_parallel_ionq.emulator.simulate import simulate

# Qiskit 2.0 warns about itself when it builds a gate with many controls.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

HEAD = 'OPENQASM 3.0; include "stdgates.inc"; qubit[3] q; bit[2] c; '


def run(text: str, *, control_flow: bool = False):
    program = read_program(text, control_flow=control_flow)
    return simulate(program, shots=1, rates=None, rng=np.random.default_rng(0))


def distribution(text: str, register: str = ALL_QUBITS, *, control_flow: bool = False) -> dict[str, float]:
    """Probabilities of a register's bit strings, bit 0 leftmost."""
    outcome = run(text, control_flow=control_flow)
    found: dict[str, float] = {}
    for bits, weight in zip(outcome.bits(register).tolist(), outcome.weights.tolist(), strict=True):
        key = "".join(map(str, bits))
        found[key] = found.get(key, 0.0) + weight
    return found


def unitary(text: str, qubits: int = 1) -> np.ndarray:
    """What a program's gates do, in Qiskit's order of qubits."""
    whole = Operator(np.eye(1 << qubits))
    for gate in read_program(text, control_flow=False).steps:
        assert isinstance(gate, Gate)
        matrix = np.eye(2 ** len(gate.qubits), dtype=complex)
        matrix[-len(gate.matrix) :, -len(gate.matrix) :] = gate.matrix
        whole = whole.compose(Operator(matrix), gate.qubits[::-1])
    return whole.data


@pytest.mark.parametrize("seed", range(25))
def test_circuits_that_qiskit_exports_agree_with_statevector(seed):
    circuit = random_circuit(4, 6, max_operands=4, seed=seed)
    found = np.zeros(16)
    outcome = run(qasm3.dumps(circuit))
    np.add.at(found, outcome.words(), outcome.weights)
    np.testing.assert_allclose(found, Statevector(circuit).probabilities(), atol=1e-12)


def test_qiskit_ionqs_native_gates_survive_the_export():
    circuit = QuantumCircuit(2)
    for gate, qubits in (
        (GPI2Gate(0.1), [0]),
        (MSGate(0.1, 0.2, 0.2), [0, 1]),
        (GPIGate(0.3), [1]),
        (GPIGate(0.7), [0]),
        (ZZGate(0.15), [1, 0]),
        (GPI2Gate(0.4), [1]),
    ):
        circuit.append(gate, qubits)
    found = np.zeros(4)
    outcome = run(qasm3.dumps(circuit))
    np.add.at(found, outcome.words(), outcome.weights)
    np.testing.assert_allclose(found, Statevector(circuit).probabilities(), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "gate"),
    [
        ("id", library.IGate()),
        ("x", library.XGate()),
        ("sdg", library.SdgGate()),
        ("tdg", library.TdgGate()),
        ("sx", library.SXGate()),
        ("p(0.3)", library.PhaseGate(0.3)),
        ("phase(0.3)", library.PhaseGate(0.3)),
        ("u1(0.3)", library.PhaseGate(0.3)),
        ("rx(0.3)", library.RXGate(0.3)),
        ("cx", library.CXGate()),
        ("CX", library.CXGate()),
        ("cy", library.CYGate()),
        ("cz", library.CZGate()),
        ("ch", library.CHGate()),
        ("cp(0.3)", library.CPhaseGate(0.3)),
        ("cphase(0.3)", library.CPhaseGate(0.3)),
        ("crx(0.3)", library.CRXGate(0.3)),
        ("cry(0.3)", library.CRYGate(0.3)),
        ("crz(0.3)", library.CRZGate(0.3)),
        ("cu(0.1, 0.2, 0.3, 0.4)", library.CUGate(0.1, 0.2, 0.3, 0.4)),
        ("swap", library.SwapGate()),
        ("ccx", library.CCXGate()),
        ("cswap", library.CSwapGate()),
    ],
)
def test_a_standard_gate_is_qiskits(name, gate):
    qubits = ", ".join(f"q[{k}]" for k in range(gate.num_qubits))
    found = unitary(f"OPENQASM 3.0; qubit[{gate.num_qubits}] q; {name} {qubits};", gate.num_qubits)
    np.testing.assert_allclose(found, Operator(gate).data, atol=1e-14)


@pytest.mark.parametrize("call", ["U(0.1, 0.2, 0.3)", "u3(0.1, 0.2, 0.3)"])
def test_a_general_rotation_is_qiskits_up_to_a_phase(call):
    assert Operator(unitary(f"qubit q; {call} q;")).equiv(library.UGate(0.1, 0.2, 0.3))


def test_the_built_in_u_has_the_phase_the_language_gives_it():
    np.testing.assert_allclose(
        unitary("qubit q; U(pi, 0, pi) q;"), 1j * library.XGate().to_matrix(), atol=1e-15
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inv @ s q;", library.SdgGate()),
        ("pow(2) @ t q;", library.SGate()),
        ("pow(-1) @ t q;", library.TdgGate()),
        ("pow(1/2) @ x q;", library.SXGate()),
        ("inv @ pow(3) @ t q;", library.TGate().power(-3)),
        ("inv @ pow(0.5) @ x q;", library.SXdgGate()),
    ],
)
def test_modifiers_of_one_qubit(text, expected):
    assert Operator(unitary("qubit q; " + text)).equiv(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ctrl @ sx q[0], q[1];", library.CSXGate()),
        ("negctrl @ x q[0], q[1];", library.CXGate(ctrl_state=0)),
        ("ctrl @ gphase(0.3) q[0]; id q[1];", Operator(np.diag([1, np.exp(0.3j), 1, np.exp(0.3j)]))),
        ("inv @ ctrl @ s q[0], q[1];", library.CSGate().inverse()),
        ("gate mine(a) x, y { rx(a/2) y; cx x, y; gphase(a); } ctrl(0) @ mine(0.4) q[0], q[1];", None),
    ],
)
def test_modifiers_of_two_qubits(text, expected):
    if expected is None:
        circuit = QuantumCircuit(2)
        circuit.rx(0.2, 1)
        circuit.cx(0, 1)
        expected = circuit
    assert Operator(unitary("qubit[2] q; " + text, 2)).equiv(expected)


def test_a_control_reaches_the_global_phase_of_a_definition():
    text = "gate turned x { gphase(pi/2); rz(pi) x; } qubit[2] q; ctrl @ turned q[0], q[1];"
    assert Operator(unitary(text, 2)).equiv(library.CZGate())  # e^{iπ/2}·RZ(π) is Z


def test_two_controls_of_a_definition():
    text = "gate pair a, b { cx a, b; h a; } qubit[4] q; ctrl(2) @ pair q[3], q[2], q[1], q[0];"
    circuit = QuantumCircuit(4)
    circuit.mcx([3, 2, 1], 0)
    circuit.append(library.HGate().control(2, annotated=False), [3, 2, 1])
    assert Operator(unitary(text, 4)).equiv(circuit)


@pytest.mark.parametrize(
    ("angle", "value"),
    [
        ("pi/2", np.pi / 2),
        ("-pi/2 + 3*π/4", np.pi / 4),
        ("2**3", 8),
        ("(1 + 2) * 0.5", 1.5),
        ("1_0e-1", 1.0),
        (".5", 0.5),
        ("0x1F % 4", 3),
        ("0b11", 3),
        ("sqrt(4) - cos(0)", 1),
        ("τ", 2 * np.pi),
        ("-2**2", -4),
    ],
)
def test_angles_are_expressions(angle, value):
    np.testing.assert_allclose(
        unitary(f"qubit q; p({angle}) q;"), np.diag([1, np.exp(1j * value)]), atol=1e-12
    )


def test_constants_and_parameters_are_names_in_angles():
    text = "const float[64] a = pi/4; gate twice(x) q { p(2*x) q; } qubit q; twice(a) q;"
    np.testing.assert_allclose(unitary(text), np.diag([1, 1j]), atol=1e-15)


def test_registers_are_numbered_as_declared_and_gates_broadcast():
    text = "qubit a; qubit[2] b; qreg d[1]; x b; cx a, d; x d[0];"
    assert distribution(text) == {"0111": 1.0}


def test_comments_barriers_delays_and_pragmas_change_nothing():
    text = "// one\nqubit[2] q; /* two\n lines */ #pragma ionq\nbarrier q; delay[100.0ns] q[0]; x q[1];"
    assert distribution(text) == {"01": 1.0}


def test_each_declared_register_is_reported_with_bit_zero_first():
    text = HEAD + "bit flag; x q[0]; x q[2]; c[0] = measure q[0]; c[1] = measure q[1]; flag = measure q[2];"
    outcome = run(text)
    assert {name: outcome.bits(name).tolist() for name, _ in outcome.registers} == {
        "output_all": [[1, 0, 1]],
        "c": [[1, 0]],
        "flag": [[1]],
    }


@pytest.mark.parametrize(
    "measure",
    [
        "c = measure q;",
        "measure q -> c;",
        "c[0] = measure q[0]; c[1] = measure q[1];",
        "measure q[0] -> c[0]; measure q[1] -> c[1];",
    ],
)
def test_every_way_to_measure(measure):
    assert distribution(f"qubit[2] q; bit[2] c; x q[1]; {measure}", "c") == {"01": 1.0}


def test_measurement_in_the_middle_and_reset_run_exactly():
    text = HEAD + "h q[0]; c[0] = measure q[0]; cx q[0], q[1]; reset q[0]; h q[0]; c[1] = measure q[0];"
    assert distribution(text, "c") == pytest.approx({"00": 0.25, "01": 0.25, "10": 0.25, "11": 0.25})
    whole = distribution(text)
    assert whole == pytest.approx({"000": 0.25, "010": 0.25, "100": 0.25, "110": 0.25})


# ---- branches ----

CONDITIONS = {
    "c[0]": lambda v: v & 1,
    "!c[0]": lambda v: not v & 1,
    "c == 2": lambda v: v == 2,
    "c != 2": lambda v: v != 2,
    "c > 1": lambda v: v > 1,
    "c[0] && !c[1]": lambda v: v == 1,
    "c[0] || c[1]": lambda v: v > 0,
    "c[0] == c[1]": lambda v: v in (0, 3),
    "(c & 2) == 2": lambda v: v & 2,
    "c[0] ^ c[1]": lambda v: v in (1, 2),
    "c[0] == true": lambda v: v & 1,
    "true": lambda v: True,
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_is_evaluated_bit_by_bit(condition):
    text = HEAD + "h q[0]; h q[1]; c[0] = measure q[0]; c[1] = measure q[1]; "
    text += f"if ({condition}) {{ x q[2]; }}"
    expected = {}
    for value in range(4):
        taken = int(bool(CONDITIONS[condition](value)))
        expected[f"{value & 1}{value >> 1}{taken}"] = 0.25
    assert distribution(text, control_flow=True) == pytest.approx(expected)


def test_else_and_nested_branches():
    text = HEAD + "h q[0]; c[0] = measure q[0]; "
    text += "if (c[0]) x q[1]; else { if (!c[0]) { x q[2]; } else x q[1]; }"
    assert distribution(text, control_flow=True) == pytest.approx({"110": 0.5, "001": 0.5})


def test_dynamic_circuits_of_qiskit_run_when_asked_to():
    q, c, d = QuantumRegister(3, "q"), ClassicalRegister(2, "c"), ClassicalRegister(1, "d")
    circuit = QuantumCircuit(q, c, d)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((c, 1)) as otherwise:
        circuit.x(1)
    with otherwise:
        circuit.h(1)
    circuit.measure(1, 1)
    with circuit.if_test(expr.logic_and(c[0], c[1])):
        circuit.x(2)
    circuit.measure(2, 2)
    text = qasm3.dumps(circuit)
    assert distribution(text, "c", control_flow=True) == pytest.approx({"11": 0.5, "00": 0.25, "01": 0.25})
    assert distribution(text, "d", control_flow=True) == pytest.approx({"1": 0.5, "0": 0.5})


def test_branches_are_refused_by_default():
    with pytest.raises(CircuitError, match="branches run on no target") as refused:
        read_program(HEAD + "c[0] = measure q[0]; if (c[0]) { x q[1]; }", control_flow=False)
    assert refused.value.failure.code == "PreflightError"


# ---- refusals ----


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("for int i in [0:3] { h q[0]; }", "PreflightError", "'for'"),
        ("while (c[0]) { h q[0]; }", "PreflightError", "'while'"),
        ("switch (c) { case 0 { } }", "PreflightError", "'switch'"),
        ("def f(qubit a) { h a; }", "PreflightError", "'def'"),
        ("int n = 3;", "PreflightError", "'int'"),
        ('bit[2] d = "01";', "PreflightError", "initial"),
        ("bit[2] output;", "PreflightError", "'output'"),
        ("bit[2] measure;", "PreflightError", "'measure'"),
        ("h $0;", "PreflightError", "$0"),
        ("c = 2;", "PreflightError", "arithmetic"),
        ("h q[0:1];", "PreflightError", "ranges"),
        (
            "pow(0.5) @ swap q[0], q[1]; gate two a { h a; t a; } pow(0.5) @ two q[0];",
            "PreflightError",
            "single",
        ),
        ("foo q[0];", "UnsupportedGate", "'foo'"),
        ("cx q[0], q[0];", "InvalidInput", "twice"),
        ("h r[0];", "CompilationError", "'r' is not declared"),
        ("h q[3];", "CompilationError", "no element 3"),
        ("h q[0]", "CompilationError", "';'"),
        ("rx q[0];", "CompilationError", "1 parameters and 1 qubits, not 0 and 1"),
        ("cx q[0];", "CompilationError", "2 qubits, not 0 and 1"),
        ("rx(1/0) q[0];", "CompilationError", "no value"),
        ("rx(x) q[0];", "CompilationError", "'x' is no constant"),
        ("rx(sqrt(-1)) q[0];", "CompilationError", "no value"),
        ("qubit[2] q;", "CompilationError", "twice"),
        ("qubit[0] r;", "CompilationError", "at least one"),
        ("qubit[1.5] r;", "CompilationError", "integer"),
        ("c = measure q;", "CompilationError", "3 qubits"),
        ("cx q, r; ", "CompilationError", "'r'"),
        ("gate g a { h b; } g q[0];", "CompilationError", "'b'"),
        ("h q[0]; ?", "CompilationError", "'?'"),
        ("gate g a { ", "CompilationError", "name"),
        ("pow(200000) @ x q[0];", "TooManyGates", "150000"),
    ],
)
def test_what_the_service_does_not_take_is_refused_with_its_reason(text, code, says):
    with pytest.raises(CircuitError) as refused:
        read_program(HEAD + text, control_flow=False)
    assert refused.value.failure.code == code
    assert says in refused.value.failure.message


@pytest.mark.parametrize("condition", ["d", "q[0]", "c[2]", "c[0"])
def test_a_wrong_condition_is_refused(condition):
    with pytest.raises(CircuitError):
        read_program(HEAD + f"if ({condition}) {{ x q[0]; }}", control_flow=True)


def test_a_block_must_be_closed():
    with pytest.raises(CircuitError, match="'}'"):
        read_program(HEAD + "if (c[0]) { x q[0];", control_flow=True)


def test_registers_of_different_length_do_not_broadcast():
    with pytest.raises(CircuitError, match="different length"):
        read_program("qubit[2] a; qubit[3] b; cx a, b;", control_flow=False)


def test_a_program_needs_qubits():
    with pytest.raises(CircuitError, match="no qubits"):
        read_program("OPENQASM 3.0; bit c;", control_flow=False)


def test_a_refusal_says_the_line():
    with pytest.raises(CircuitError, match="Line 3"):
        read_program("OPENQASM 3.0;\nqubit q;\nfoo q;", control_flow=False)
