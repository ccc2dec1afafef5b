# SPDX-License-Identifier: Apache-2.0
"""Drafts are made once for a circuit's gates, and encode what running the bound circuit would send."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import PauliEvolutionGate, UnitaryGate, efficient_su2
from qiskit.quantum_info import SparsePauliOp

from qiskit_parallel_ionq import CircuitError, compiler
from qiskit_parallel_ionq.drafts import _lifted_template, _native_template, bound_drafts, draft, drafter
from qiskit_parallel_ionq.gates import GPI2Gate
from qiskit_parallel_ionq.structure import Structure

RNG = np.random.default_rng(3)


def ansatz(width=3):
    circuit = efficient_su2(width, reps=1)
    circuit.measure_all()
    circuit.metadata = {"mine": True}
    return circuit


@pytest.mark.parametrize("gateset", ["native", "qis"])
@pytest.mark.parametrize("name", ["simulator", "qpu.forte-1", "qpu.aria-1"])
def test_a_draft_encodes_what_running_the_bound_circuit_would_send(local, name, gateset):
    backend = local.get_backend(name, gateset=gateset)
    circuit = ansatz()
    values = RNG.uniform(-3, 3, (4, circuit.num_parameters))
    made = backend.drafts(circuit, values, backend.run_options())
    for each, row in zip(made, values, strict=True):
        ours = each.encode()
        bound = circuit.assign_parameters(row)
        bound.name = circuit.name
        theirs = draft(bound, gateset, backend.target, 1).encode()
        assert (each.name, each.num_clbits) == (circuit.name, 3)
        assert (ours.kind, ours.name, ours.readout) == (theirs.kind, theirs.name, theirs.readout)
        assert (ours.num_qubits, ours.num_gates) == (theirs.num_qubits, theirs.num_gates)
        assert dict(ours.header) | {"global_phase": 0} == dict(theirs.header) | {"global_phase": 0}
        if gateset == "native":
            assert (ours.fragment, ours.digest) == (theirs.fragment, theirs.digest)


@pytest.fixture
def compiled(monkeypatch):
    """The circuits that were compiled as templates."""
    _native_template.cache_clear()
    seen = []
    real = compiler.native_template
    monkeypatch.setattr(compiler, "native_template", lambda c, *a: seen.append(c) or real(c, *a))
    return seen


def test_one_structure_is_compiled_once_whatever_it_is_called(local, compiled):
    backend = local.get_backend("simulator")
    circuit = ansatz()
    for name in "abc":
        other = circuit.copy(name)
        other.metadata = {"name": name}
        (made,) = backend.drafts(other, np.zeros((1, circuit.num_parameters)), backend.run_options())
        assert made.encode().name == name
        assert made.encode().header["metadata"] == {"name": name}
    assert len(compiled) == 1


def test_levels_and_targets_have_templates_of_their_own(local, compiled):
    circuit = ansatz()
    values = np.zeros((1, circuit.num_parameters))
    for name in ("simulator", "qpu.forte-1"):
        backend = local.get_backend(name)
        for level in (0, 1, 1):
            backend.drafts(circuit, values, backend.run_options(optimization_level=level))
    assert len(compiled) == 4


def test_templates_are_kept_within_bounds(local, compiled):
    backend = local.get_backend("simulator")
    for count in range(1, 80):
        circuit = QuantumCircuit(1, 1)
        for _ in range(count):
            circuit.rx(Parameter("x"), 0) if not circuit.num_parameters else circuit.h(0)
        circuit.measure(0, 0)
        backend.drafts(circuit, [[0.1]], backend.run_options())
    assert _native_template.cache_info().currsize == _native_template.cache_info().maxsize == 64


def test_threads_share_templates(local, compiled):
    backend = local.get_backend("simulator")
    circuit = ansatz()
    values = RNG.uniform(-3, 3, (3, circuit.num_parameters))
    found = []

    def make():
        made = backend.drafts(circuit, values, backend.run_options())
        found.append([each.encode().fragment for each in made])

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(each == found[0] for each in found)


# ── what is the same structure ──


def test_angles_bits_and_gates_tell_structures_apart():
    def made(angle=0.3, target=1, gate="rx", clbit=0):
        circuit = QuantumCircuit(2, 2)
        getattr(circuit, gate)(angle, 0)
        circuit.cx(0, target) if target else circuit.h(0)
        circuit.measure(0, clbit)
        return Structure.of(circuit)

    assert made() == made()
    assert hash(made()) == hash(made())
    others = [made(angle=0.4), made(target=0), made(gate="ry"), made(clbit=1), made(angle=Parameter("x"))]
    assert all(other != made() for other in others)
    assert made() != "structure"


def test_a_changed_circuit_is_another_structure():
    circuit = ansatz()
    before = Structure.of(circuit)
    circuit.data.insert(0, circuit.data[0])
    assert Structure.of(circuit) != before


def test_gates_made_in_python_equal_only_themselves():
    gate = UnitaryGate(np.eye(2))
    one, same, other = QuantumCircuit(1), QuantumCircuit(1), QuantumCircuit(1)
    one.append(gate, [0], copy=False)
    same.append(gate, [0], copy=False)
    other.append(UnitaryGate(np.eye(2)), [0])
    assert Structure.of(one) == Structure.of(same)
    assert Structure.of(one) != Structure.of(other)


def test_a_circuit_with_an_evolution_is_compiled_once(local, compiled):
    circuit = QuantumCircuit(2)
    circuit.append(PauliEvolutionGate(SparsePauliOp("XZ"), Parameter("t")), [0, 1])
    circuit.measure_all()
    backend = local.get_backend("simulator")
    for _ in range(3):
        backend.drafts(circuit, [[0.2], [0.4]], backend.run_options())
    assert len(compiled) == 1


# ── what is bound and compiled one by one ──


def test_native_gates_with_parameters_are_sent_as_they_are(local, compiled):
    phase = Parameter("phase")
    circuit = QuantumCircuit(1, 1)
    circuit.append(GPI2Gate(phase), [0])
    circuit.append(GPI2Gate(phase), [0])
    circuit.measure(0, 0)
    backend = local.get_backend("simulator")
    for level in (1, None):
        (made,) = backend.drafts(circuit, [[0.25]], backend.run_options(optimization_level=level))
        assert made.encode().fragment.count(b'"gpi2"') == 2
    assert compiled == []


def test_where_compiling_is_forbidden_each_bound_circuit_must_be_native(local):
    backend = local.get_backend("simulator", optimization_level=None)
    with pytest.raises(CircuitError, match="optimization_level=None"):
        backend.drafts(ansatz(), np.zeros((1, 12)), backend.run_options())


def test_a_circuit_without_parameters_may_be_asked_for_many_times(local):
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    backend = local.get_backend("simulator")
    assert len(backend.drafts(circuit, np.zeros((3, 0)), backend.run_options())) == 3


def test_a_value_that_is_not_finite_is_named(local):
    backend = local.get_backend("simulator")
    circuit = ansatz()
    values = np.zeros((2, circuit.num_parameters))
    values[1, 4] = np.nan
    with pytest.raises(CircuitError, match=r"set 1 .*θ\[4\] .*nan"):
        drafter(circuit, "native", backend.target, 1)(values)


def test_mid_circuit_measurements_go_out_as_openqasm(local):
    circuit = QuantumCircuit(1, 2)
    circuit.rx(Parameter("x"), 0)
    circuit.measure(0, 0)
    circuit.h(0)
    circuit.measure(0, 1)
    backend = local.get_backend("qpu.forte-1")
    made = backend.drafts(circuit, [[0.1], [0.2]], backend.run_options())
    assert [each.encode().kind for each in made] == ["qasm3", "qasm3"]


# ── bound circuits that differ only in numbers ──


def bound(circuit, count, *, special=0, seed=5):
    """The circuit with random numbers, some sets of them multiples of a quarter turn."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-3, 3, (count, circuit.num_parameters))
    values[:special] = rng.integers(-2, 3, (special, circuit.num_parameters)) * np.pi / 2
    made = [circuit.assign_parameters(row) for row in values]
    for number, each in enumerate(made):
        each.name = f"number {number}"
        each.metadata = {"number": number}
    return made


@pytest.fixture
def lifted(monkeypatch):
    """The circuits that were compiled as templates for others."""
    _lifted_template.cache_clear()
    seen = []
    real = compiler.lifted_template
    monkeypatch.setattr(compiler, "lifted_template", lambda c, *a: seen.append(c) or real(c, *a))
    return seen


@pytest.mark.parametrize("count", [3, 60])
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("name", ["simulator", "qpu.forte-1"])
@pytest.mark.parametrize("measured", [True, False])
def test_a_circuit_among_others_like_it_is_sent_as_if_it_were_alone(
    local, lifted, name, level, count, measured
):
    target = local.get_backend(name).target
    circuit = ansatz() if measured else efficient_su2(3, reps=1)
    circuits = bound(circuit, count, special=count // 3)
    circuits.insert(1, bound(ansatz(2), 1)[0])
    made = bound_drafts([(each, "native") for each in circuits], target, level)
    for each, one in zip(made, circuits, strict=True):
        ours, theirs = each.encode(), draft(one, "native", target, level).encode()
        assert ours == theirs
        assert ours.header["metadata"] == one.metadata
        assert (each.name, each.num_clbits) == (one.name, one.num_clbits)
    assert len(lifted) == 1


def test_what_a_template_was_made_of_does_not_matter(local, lifted):
    target = local.get_backend("simulator").target
    first = bound(ansatz(), 4, special=4)
    second = bound(ansatz(), 4, seed=6)
    bound_drafts([(each, "native") for each in first], target, 1)
    made = bound_drafts([(each, "native") for each in second], target, 1)
    assert len(lifted) == 1
    for each, one in zip(made, second, strict=True):
        assert each.encode() == draft(one, "native", target, 1).encode()


@pytest.mark.parametrize("level", [None, 2, 3])
def test_where_a_search_may_find_more_each_circuit_is_by_itself(local, lifted, level):
    target = local.get_backend("simulator").target
    bound_drafts([(each, "native") for each in bound(ansatz(), 3)], target, level)
    assert lifted == []


def test_only_circuits_of_gates_that_are_read_share_a_template(local, lifted):
    target = local.get_backend("simulator").target
    circuits = []
    for phase in (0.1, 0.2):
        circuit = QuantumCircuit(1, 1)
        circuit.append(GPI2Gate(phase), [0])
        circuit.measure(0, 0)
        empty = QuantumCircuit(1, 1)
        empty.measure(0, 0)
        empty.barrier()
        circuits += [circuit, empty]
    made = bound_drafts([(each, "native") for each in circuits], target, 1)
    assert lifted == []
    assert [each.encode().num_gates for each in made] == [1, 2, 1, 2]  # two stand for none


def test_a_failure_among_circuits_alike_is_that_circuits_own(local, monkeypatch):
    target = local.get_backend("simulator").target
    made = bound_drafts([(each, "native") for each in bound(ansatz(), 40)], target, 1)
    real = compiler.NativeTemplate.pulses
    one = {"left": 2}  # all together first, then the first by itself

    def buggy(self, row):
        one["left"] -= 1
        if one["left"] >= 0:
            raise ZeroDivisionError("a bug")
        return real(self, row)

    monkeypatch.setattr(compiler.NativeTemplate, "pulses", buggy)
    with pytest.raises(ZeroDivisionError):
        made[0].encode()
    assert made[1].encode().name == "number 1"


def test_a_list_of_circuits_alike_has_the_results_of_each(local):
    backend = local.get_backend("simulator")
    circuits = bound(ansatz(), 30, special=4)
    together = backend.run(circuits, shots=50, seed_simulator=3).result()
    for number in (0, 7, 29):
        alone = backend.run(circuits[number], shots=50).result()
        assert together.results[number].header["name"] == f"number {number}"
        mine, theirs = (r.data(i)["probabilities"] for r, i in ((together, number), (alone, 0)))
        assert mine == pytest.approx(theirs, abs=1e-9)
