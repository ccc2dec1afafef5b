# SPDX-License-Identifier: Apache-2.0
"""A template read with values gives what compiling the bound circuit gives, pulse for pulse."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import (
    PauliEvolutionGate,
    efficient_su2,
    qaoa_ansatz,
    real_amplitudes,
    zz_feature_map,
)
from qiskit.quantum_info import SparsePauliOp, Statevector

from qiskit_parallel_ionq import compiler
from qiskit_parallel_ionq.compiler.unbound import Formulas
from qiskit_parallel_ionq.errors import CircuitError, CompileError
from qiskit_parallel_ionq.gates import GPI2Gate, GPIGate, MSGate, ZZGate
from qiskit_parallel_ionq.target import build_target

GATES = {"gpi": GPIGate, "gpi2": GPI2Gate, "ms": MSGate, "zz": ZZGate}
RNG = np.random.default_rng(5)


def evolution():
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.append(
        PauliEvolutionGate(SparsePauliOp(["ZZI", "IXX", "ZIZ"], [0.4, 0.7, -1]), Parameter("t")), range(3)
    )
    return circuit


def swapped():
    a, b = ParameterVector("a", 2)
    circuit = QuantumCircuit(3)
    circuit.u(a, b, 0.1, 0)
    circuit.swap(0, 2)
    circuit.cp(a - b, 0, 1)
    circuit.rxx(2 * b, 1, 2)
    circuit.swap(1, 2)
    circuit.crx(np.pi * a, 0, 2)
    return circuit


TEMPLATES = {
    "su2": efficient_su2(4, reps=2),
    "real": real_amplitudes(3, reps=2),
    "map": zz_feature_map(3, reps=2).compose(real_amplitudes(3, reps=1)),
    "qaoa": qaoa_ansatz(SparsePauliOp(["ZZII", "IZZI", "IIZZ", "ZIIZ"]), reps=2),
    "evolution": evolution(),
    "swapped": swapped(),
}
SPECIAL = [0.0, np.pi / 2, np.pi, -np.pi / 2, 2 * np.pi, 7.0]


def rows(circuit, count=6):
    return np.vstack([
        RNG.uniform(-7, 7, (count, circuit.num_parameters)),
        RNG.choice(SPECIAL, (count, circuit.num_parameters)),
        np.zeros((1, circuit.num_parameters)),
    ])  # fmt: skip


def circuit_of(pulses, like):
    circuit = like.copy_empty_like()
    circuit.global_phase = 0
    for name, wires, values, instruction in pulses:
        if instruction is None:
            circuit.append(GATES[name](*values), wires)
        else:
            circuit.append(instruction.operation, wires, instruction.clbits)
    return circuit


def measured(name):
    circuit = TEMPLATES[name].copy()
    circuit.measure_all()
    return circuit


@pytest.mark.parametrize("family", ["zz", "ms"])
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("name", TEMPLATES)
def test_every_set_of_values_gives_the_pulses_of_the_bound_circuit(name, level, family):
    circuit = measured(name)
    target = build_target(8, gateset="native", family=family)
    template = compiler.native_template(circuit, target, level)
    values = rows(circuit)
    for row, numbers in zip(template.table(values).tolist(), values, strict=True):
        ours = circuit_of(template.pulses(row), circuit)
        theirs = compiler.compile_circuit(circuit.assign_parameters(numbers), target, level)
        assert [(i.name, i.qubits, i.clbits) for i in ours.data] == [
            (i.name, i.qubits, i.clbits) for i in theirs.data
        ]
        mine, yours = ([p for i in c.data for p in i.params] for c in (ours, theirs))
        assert mine == pytest.approx(yours, abs=1e-9)


def distribution(circuit):
    """Distribution of the measured bits."""
    source = {
        circuit.find_bit(i.clbits[0]).index: circuit.find_bit(i.qubits[0]).index
        for i in circuit.data
        if i.name == "measure"
    }
    bare = circuit.remove_final_measurements(inplace=False).decompose("PauliEvolution")
    return Statevector(bare).probabilities([source[bit] for bit in range(len(source))])


@pytest.mark.parametrize("family", ["zz", "ms"])
@pytest.mark.parametrize("level", [2, 3])
@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_searched_once_holds_for_all_values(name, level, family):
    circuit = measured(name)
    target = build_target(8, gateset="native", family=family)
    template = compiler.native_template(circuit, target, level)
    values = rows(circuit, 3)
    for row, numbers in zip(template.table(values).tolist(), values, strict=True):
        ours = circuit_of(template.pulses(row), circuit)
        assert np.abs(distribution(ours) - distribution(circuit.assign_parameters(numbers))).max() < 1e-7


def test_the_search_is_done_once_and_shortens():
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    for label, angle in zip(["XYZX", "ZZXY", "YXZZ", "ZXXZ"], ParameterVector("t", 4), strict=True):
        circuit.append(PauliEvolutionGate(SparsePauliOp(label), angle), range(4))
    circuit.measure_all()
    target = build_target(8, gateset="native", family="zz")
    values = RNG.uniform(-3, 3, (1, circuit.num_parameters))
    lengths = []
    for level in (1, 3):
        template = compiler.native_template(circuit, target, level)
        lengths.append(sum(p.name == "zz" for p in template.pulses(template.table(values).tolist()[0])))
    assert lengths[1] < lengths[0]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_only_listed_pairs_interact_where_pairs_are_listed(level):
    circuit = measured("map")
    line = [(0, 1), (1, 2), (2, 3)]
    target = build_target(4, gateset="native", family="zz", connectivity=line)
    template = compiler.native_template(circuit, target, level)
    values = rows(circuit, 2)
    for row, numbers in zip(template.table(values).tolist(), values, strict=True):
        wide = QuantumCircuit(4)
        wide.add_register(*circuit.cregs)
        ours = circuit_of(template.pulses(row), wide)
        pairs = {tuple(sorted(wide.find_bit(q).index for q in i.qubits)) for i in ours.data if i.name == "zz"}
        assert pairs <= set(line)
        assert np.abs(distribution(ours) - distribution(circuit.assign_parameters(numbers))).max() < 1e-7


# ── formulas ──


def test_formulas_are_evaluated_as_qiskit_does():
    x, y, z = (Parameter(name) for name in "xyz")
    expressions = [x, -x, 2 * x - y / 3 + 1, x * y, (np.pi - x) * (np.pi - y), x.sin() + z**2, z, 0.25]
    formulas = Formulas([x, y, z])
    places = [formulas.column(each) for each in expressions]
    values = RNG.uniform(-3, 3, (5, 3))
    for row, numbers in zip(formulas.table(values).tolist(), values, strict=True):
        known = dict(zip((x, y, z), numbers.tolist(), strict=True))
        for place, each in zip(places, expressions, strict=True):
            exact = (
                each if isinstance(each, float) else float(each.bind({p: known[p] for p in each.parameters}))
            )
            assert row[place] == pytest.approx(exact, abs=1e-12)


def test_equal_formulas_are_evaluated_once():
    x = Parameter("x")
    formulas = Formulas([x])
    assert formulas.column(2 * x) == formulas.column(2 * x) != formulas.column(3 * x)


def test_no_formulas_and_no_sets():
    x = Parameter("x")
    assert Formulas([x]).table(np.zeros((2, 1))).tolist() == [[], []]
    formulas = Formulas([x])
    formulas.column(x * x)
    assert formulas.table(np.zeros((0, 1))).tolist() == []


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_a_formula_without_a_finite_real_value_is_named(bad):
    x = Parameter("x")
    formulas = Formulas([x])
    formulas.column(x.log() if bad else 1 / x)
    with pytest.raises(CircuitError, match="x"):
        formulas.table(np.array([[1.0], [bad]]))


def test_gates_of_no_use_are_refused_by_name():
    circuit = QuantumCircuit(1, 1)
    circuit.rx(complex(0, 1) * Parameter("x"), 0)
    circuit.measure(0, 0)
    target = build_target(4, gateset="native", family="zz")
    with pytest.raises((CircuitError, CompileError)):
        compiler.native_template(circuit, target, 1).table(np.array([[1.0]]))
    with pytest.raises(CircuitError, match="5 qubits"):
        compiler.native_template(QuantumCircuit(5), target, 1)
