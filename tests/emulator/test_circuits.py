# SPDX-License-Identifier: Apache-2.0
"""Circuits in the JSON of the wire: every spelling clients use is read right, the rest is refused with a reason."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import library
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_ionq import GPI2Gate, GPIGate, MSGate, ZZGate

from qiskit_parallel_ionq.emulator.circuits import read_circuit
from qiskit_parallel_ionq.emulator.problems import CircuitError

# Qiskit 2.0 warns about itself when it builds a gate with many controls.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

NAMED = {
    "x": library.XGate,
    "not": library.XGate,
    "y": library.YGate,
    "z": library.ZGate,
    "h": library.HGate,
    "s": library.SGate,
    "si": library.SdgGate,
    "t": library.TGate,
    "ti": library.TdgGate,
    "v": library.SXGate,
    "vi": library.SXdgGate,
    "swap": library.SwapGate,
    "rx": library.RXGate,
    "ry": library.RYGate,
    "rz": library.RZGate,
    "xx": library.RXXGate,
    "yy": library.RYYGate,
    "zz": library.RZZGate,
}


def random_qis(qubits: int, gates: int, rng: np.random.Generator) -> tuple[list[dict], QuantumCircuit]:
    """Random QIS gates with up to two controls, in the JSON of the wire and in Qiskit."""
    wire, circuit = [], QuantumCircuit(qubits)
    for _ in range(gates):
        name = rng.choice([*NAMED, "phase", "cnot", "pauliexp"])
        order = [int(q) for q in rng.permutation(qubits)]
        angle = float(rng.uniform(-4, 4))
        controls = order[3 : 3 + int(rng.integers(0, 3))]
        entry: dict = {"gate": str(name)}
        if name == "phase":
            entry = {"gate": "z", "rotation": angle}
            gate = library.PhaseGate(angle)
        elif name == "cnot":
            controls = controls or order[3:4]
            gate = library.XGate()
        elif name == "pauliexp":
            term = "".join(rng.choice(list("IXYZ"), 3))
            entry |= {"terms": [term], "coefficients": [angle], "time": 0.37}
            gate = library.PauliEvolutionGate(SparsePauliOp(term, angle), 0.37).definition.to_gate()
        elif name in ("rx", "ry", "rz", "xx", "yy", "zz"):
            entry["rotation"] = angle
            gate = NAMED[name](angle)
        else:
            gate = NAMED[name]()
        entry["targets"] = order[: gate.num_qubits]
        if controls:
            entry["controls"] = controls
            gate = gate.control(len(controls), annotated=False)
        wire.append(entry)
        circuit.append(gate, [*controls, *entry["targets"]])
    return wire, circuit


@pytest.mark.parametrize("seed", range(25))
def test_random_qis_circuits_agree_with_statevector(distribution, seed):
    wire, circuit = random_qis(6, 25, np.random.default_rng(seed))
    np.testing.assert_allclose(distribution(wire, 6), Statevector(circuit).probabilities(), atol=1e-12)


@pytest.mark.parametrize("seed", range(15))
def test_random_native_circuits_agree_with_statevector(distribution, seed):
    rng = np.random.default_rng(seed)
    wire, circuit = [], QuantumCircuit(4)
    for _ in range(40):
        first, second = (int(q) for q in rng.permutation(4)[:2])
        a, b, angle = (float(x) for x in (*rng.uniform(-1, 1, 2), rng.uniform(0, 0.25)))
        kind = rng.choice(["gpi", "gpi2", "ms", "zz"])
        if kind == "gpi":
            wire.append({"gate": "gpi", "target": first, "phase": a})
            circuit.append(GPIGate(a), [first])
        elif kind == "gpi2":
            wire.append({"gate": "gpi2", "target": first, "phase": a})
            circuit.append(GPI2Gate(a), [first])
        elif kind == "ms":
            wire.append({"gate": "ms", "targets": [first, second], "phases": [a, b], "angle": angle})
            circuit.append(MSGate(a, b, angle), [first, second])
        else:
            wire.append({"gate": "zz", "targets": [first, second], "angle": angle})
            circuit.append(ZZGate(angle), [first, second])
    np.testing.assert_allclose(
        distribution(wire, 4, "native"), Statevector(circuit).probabilities(), atol=1e-12
    )


def test_qubit_zero_is_the_least_significant_bit(distribution):
    assert distribution([{"gate": "x", "target": 0}], 3)[1] == 1
    assert distribution([{"gate": "x", "target": 2}], 3)[4] == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"gate": "cnot", "control": 0, "target": 1},
        {"gate": "cnot", "controls": [0], "targets": [1]},
        {"gate": "x", "control": 0, "targets": [1]},
        {"gate": "not", "controls": [0], "target": 1},
    ],
)
def test_qubits_may_be_integers_or_lists(distribution, entry):
    assert distribution([{"gate": "x", "targets": [0]}, entry], 2)[3] == 1


def test_a_z_with_a_rotation_is_a_phase_and_not_an_rz(distribution):
    """Controlled, the two differ by what anybody can see."""
    ramsey = [{"gate": "h", "target": 0}, {"gate": "x", "target": 1}]
    turned = {"gate": "z", "target": 1, "controls": [0], "rotation": np.pi}
    assert distribution([*ramsey, turned, {"gate": "h", "target": 0}], 2)[0b11] == pytest.approx(1)


def test_the_rightmost_letter_of_a_term_acts_on_the_first_target(distribution):
    flip = {"gate": "pauliexp", "targets": [0, 1], "terms": ["IX"], "coefficients": [1.0], "time": np.pi / 2}
    assert distribution([flip], 2)[0b01] == pytest.approx(1)


@pytest.mark.parametrize(
    "terms", [["XX", "YY", "ZZ"], ["XI", "ZZ"]], ids=["terms that commute", "terms that do not"]
)
def test_pauliexp_with_several_terms_agrees_with_statevector(distribution, terms):
    weights = [0.3, -0.8, 0.45][: len(terms)]
    start = [{"gate": "ry", "target": q, "rotation": 0.4 + q} for q in range(3)]
    wire = [
        *start,
        {"gate": "pauliexp", "targets": [2, 0], "terms": terms, "coefficients": weights, "time": 1.3},
    ]
    circuit = QuantumCircuit(3)
    for q in range(3):
        circuit.ry(0.4 + q, q)
    state = Statevector(circuit)
    hamiltonian = sum(w * SparsePauliOp(t).to_matrix() for t, w in zip(terms, weights, strict=True))
    energies, vectors = np.linalg.eigh(hamiltonian)
    unitary = vectors @ np.diag(np.exp(-1.3j * energies)) @ vectors.conj().T
    expected = state.evolve(unitary, [2, 0]).probabilities()
    np.testing.assert_allclose(distribution(wire, 3), expected, atol=1e-12)


def test_a_controlled_identity_term_is_a_phase(distribution):
    wire = [
        {"gate": "h", "target": 0},
        {
            "gate": "pauliexp",
            "targets": [1],
            "controls": [0],
            "terms": ["I"],
            "coefficients": [1.0],
            "time": np.pi,
        },
        {"gate": "h", "target": 0},
    ]
    assert distribution(wire, 2)[0b01] == pytest.approx(1)


def test_a_native_zz_takes_its_angle_under_either_name_and_defaults_to_a_quarter(distribution):
    around = [{"gate": "gpi2", "target": q, "phase": 0} for q in (0, 1)]
    found = [
        distribution([*around, {"gate": "zz", "targets": [0, 1], **angle}, *around], 2, "native")
        for angle in ({"angle": 0.25}, {"phase": 0.25}, {})
    ]
    np.testing.assert_allclose(found[1], found[0])
    np.testing.assert_allclose(found[2], found[0])


def test_ms_defaults_to_the_full_angle(distribution):
    gate = {"gate": "ms", "targets": [0, 1], "phases": [0, 0]}
    np.testing.assert_allclose(distribution([gate], 2, "native"), [0.5, 0, 0, 0.5], atol=1e-12)


def test_nop_does_nothing(distribution):
    assert (
        distribution([{"gate": "nop", "target": 0}, {"gate": "nop", "targets": [0, 1]}], 2, "native")[0] == 1
    )


@pytest.mark.parametrize(
    ("entry", "code", "says"),
    [
        ({"gate": "gpi", "target": 0, "phase": 0}, "UnsupportedGate", "[gpi]"),
        ({"gate": "measure", "target": 0}, "UnsupportedGate", "[measure]"),
        ({"target": 0}, "InvalidInput", "name"),
        ("h 0", "InvalidInput", "object"),
        ({"gate": "h"}, "InvalidInput", "1 target"),
        ({"gate": "h", "targets": [0, 1]}, "InvalidInput", "not 2"),
        ({"gate": "h", "target": -1}, "InvalidInput", "-1"),
        ({"gate": "h", "target": "0"}, "InvalidInput", "'0'"),
        ({"gate": "h", "target": True}, "InvalidInput", "True"),
        ({"gate": "rx", "target": 0}, "InvalidInput", "rotation"),
        ({"gate": "rx", "target": 0, "rotation": "1"}, "InvalidInput", "finite"),
        ({"gate": "rx", "target": 0, "rotation": float("nan")}, "InvalidInput", "finite"),
        ({"gate": "cnot", "target": 0}, "InvalidInput", "control"),
        ({"gate": "swap", "targets": [1, 1]}, "InvalidInput", "twice"),
        ({"gate": "x", "target": 1, "control": 1}, "InvalidInput", "twice"),
        ({"gate": "x", "target": 2}, "NotEnoughQubits", "declares 2"),
        ({"gate": "pauliexp", "targets": [0]}, "InvalidInput", "terms"),
        (
            {"gate": "pauliexp", "targets": [0], "terms": ["X"], "coefficients": [1, 2], "time": 1},
            "InvalidInput",
            "as many",
        ),
        (
            {"gate": "pauliexp", "targets": [0], "terms": ["XX"], "coefficients": [1], "time": 1},
            "InvalidInput",
            "per target",
        ),
        (
            {"gate": "pauliexp", "targets": [0], "terms": ["X"], "coefficients": [1], "time": -1},
            "InvalidInput",
            "negative",
        ),
    ],
)
def test_a_wrong_qis_gate_is_refused_with_its_reason(entry, code, says):
    with pytest.raises(CircuitError) as refused:
        read_circuit({"circuit": [entry]}, gateset="qis", qubits=2, native_gates=())
    assert refused.value.failure.code == code
    assert says in refused.value.failure.message


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"gate": "h", "target": 0}, "[h]"),
        ({"gate": "zz", "targets": [0, 1], "angle": 0.1}, "[zz]"),
        ({"gate": "gpi", "target": 0}, "phase"),
        ({"gate": "gpi", "target": 0, "phase": 0, "controls": [1]}, "controls"),
        ({"gate": "ms", "targets": [0, 1]}, "two phases"),
        ({"gate": "ms", "targets": [0, 1], "phases": [0, 0], "angle": 0.3}, "0..0.25"),
        ({"gate": "ms", "targets": [0], "phases": [0, 0]}, "2 target"),
    ],
)
def test_a_wrong_native_gate_is_refused_with_its_reason(entry, says):
    with pytest.raises(CircuitError) as refused:
        read_circuit(
            {"circuit": [entry]}, gateset="native", qubits=2, native_gates=("gpi", "gpi2", "ms", "nop")
        )
    assert says in refused.value.failure.message


def test_a_refusal_says_which_gate_it_is():
    good, bad = {"gate": "h", "target": 0}, {"gate": "toffoli", "target": 0}
    with pytest.raises(CircuitError, match=r"Gate 2: .*\[toffoli\]"):
        read_circuit({"circuit": [good, good, bad]}, gateset="qis", qubits=1, native_gates=())


def test_a_pair_that_is_not_connected_is_refused_in_native_circuits_only():
    native = {"circuit": [{"gate": "zz", "targets": [2, 0], "angle": 0.1}]}
    options = {"qubits": 3, "native_gates": ("zz",), "pairs": frozenset({(0, 1), (1, 2)})}
    with pytest.raises(CircuitError, match="0 and 2 are not connected"):
        read_circuit(native, gateset="native", **options)
    qis = {"circuit": [{"gate": "zz", "targets": [2, 0], "rotation": 0.1}]}
    assert len(read_circuit(qis, gateset="qis", **options).steps) == 1


def test_width_follows_from_the_gates_where_none_is_declared():
    circuit = {"circuit": [{"gate": "gpi", "target": 4, "phase": 0}]}
    assert read_circuit(circuit, gateset="native", qubits=None, native_gates=("gpi",)).qubits == 5


def test_many_terms_on_many_targets_must_commute():
    entry = {
        "gate": "pauliexp",
        "targets": list(range(9)),
        "terms": ["X" * 9, "Z" + "I" * 8],
        "coefficients": [1, 1],
        "time": 1,
    }
    with pytest.raises(CircuitError, match="do not commute"):
        read_circuit({"circuit": [entry]}, gateset="qis", qubits=9, native_gates=())
