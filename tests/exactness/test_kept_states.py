# SPDX-License-Identifier: Apache-2.0
"""``transpile`` keeps what no measurement of the circuit sees; ``run``, where the circuit ends, need not."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, transpile
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp

from qiskit_parallel_ionq.compiler import compile_circuit
from qiskit_parallel_ionq.compiler.emission import emit
from qiskit_parallel_ionq.compiler.native import to_native
from qiskit_parallel_ionq.compiler.pauli_network import Settings, synthesise
from qiskit_parallel_ionq.compiler.pauli_reading import read_paulis, split_tail
from qiskit_parallel_ionq.compiler.program import Demand, Program
from qiskit_parallel_ionq.compiler.reading import read
from qiskit_parallel_ionq.primitives import EstimatorV2

from .circuits import Shape, interaction, one_qubit_gate, random_circuit
from .simulator import distance, distribution, instrument
from .ways import same_instrument

# Qiskit 2.0 warns about itself when it builds a gate with many controls.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

LEVELS = range(4)


@pytest.fixture(params=["ms", "zz"])
def family(request):
    return request.param


@pytest.fixture
def backend(family, backends):
    return backends[family]


def pairs(circuit):
    counts = circuit.count_ops()
    return counts.get("ms", 0) + counts.get("zz", 0)


def partly_measured(seed):
    """Return a random circuit in which some qubits are not measured at the end, and which these are."""
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, Shape(strange=False, delays=False))
    bare = QuantumCircuit(circuit.num_qubits, circuit.num_qubits)
    for item in circuit.data:
        if item.name not in ("measure", "reset"):
            bare.append(item.operation, [circuit.find_bit(qubit).index for qubit in item.qubits])
    order = rng.permutation(circuit.num_qubits).tolist()
    return bare, order[: rng.integers(1, circuit.num_qubits + 1)], order


# ── what may be added later ──


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(15))
def test_measuring_the_rest_before_or_after_transpile_gives_the_same(seed, level, backend):
    circuit, first, every = partly_measured(seed)
    circuit.measure(first, first)
    rest = [qubit for qubit in every if qubit not in first]
    compiled = transpile(circuit, backend, optimization_level=level)
    wire = compiled.layout.final_index_layout()
    compiled.measure([wire[qubit] for qubit in rest], rest)
    circuit.measure(rest, rest)
    assert distance(distribution(compiled), distribution(circuit)) < 2e-5


@pytest.mark.parametrize("level", LEVELS)
def test_gates_that_no_measurement_sees_are_kept_by_transpile_and_left_out_by_run(level, backend, line):
    circuit = QuantumCircuit(3, 1)
    circuit.h([0, 1, 2])
    circuit.cz(0, 1)  # diagonal before the only measurement, but not before those that may follow
    circuit.rxx(0.4, 1, 2)
    circuit.ry(0.3, 2)
    circuit.measure(0, 0)
    for device in (backend, line):
        assert pairs(transpile(circuit, device, optimization_level=level)) == 2
        assert pairs(compile_circuit(circuit, device.target, level)) == (0 if level else 2)


def test_what_is_diagonal_before_measurements_of_all_its_qubits_goes_in_transpile_too(backend):
    """Once both qubits are measured it can only have changed a phase."""
    circuit = QuantumCircuit(3, 2)
    circuit.h([0, 1, 2])
    circuit.cz(0, 1)
    circuit.cx(1, 2)
    circuit.measure([0, 1], [0, 1])
    assert pairs(transpile(circuit, backend)) == 1


@pytest.mark.parametrize("level", [1, 2])
def test_free_parameters_of_unmeasured_qubits_stay_in_their_gates(level, backend):
    ansatz = efficient_su2(3, reps=2)
    ansatz.add_register(ClassicalRegister(1))
    ansatz.measure(0, 0)
    values = np.linspace(-2, 2, ansatz.num_parameters)
    compiled = transpile(ansatz, backend, optimization_level=level)
    # The last rotation of the measured qubit is about the measured axis, and may go with its parameter.
    assert len(compiled.parameters) >= ansatz.num_parameters - 1
    bound = {p: value for p, value in zip(ansatz.parameters, values, strict=True) if p in compiled.parameters}
    assert same_instrument(
        compiled.assign_parameters(bound),
        ansatz.assign_parameters(values),
        1e-6,
        compiled.layout.final_index_layout(),
    )


# ── the estimator ──


@pytest.mark.parametrize("level", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("gateset", ["native", "qis"])
def test_an_estimator_over_a_partly_measured_circuit_is_exact(gateset, level, local):
    backend = local.get_backend("simulator", gateset=gateset)
    for seed in range(6):
        circuit, first, _ = partly_measured(100 + seed)
        circuit.measure(first, first)
        rng = np.random.default_rng(seed)
        observables = [SparsePauliOp("".join(rng.choice(list("IXYZ"), circuit.num_qubits))) for _ in range(3)]
        state = sum(instrument(circuit).values())
        exact = [np.trace(state @ each.to_matrix()).real for each in observables]
        if level is not None:
            circuit = transpile(circuit, backend, optimization_level=level)
            observables = [each.apply_layout(circuit.layout) for each in observables]
        values = EstimatorV2(backend).run([(circuit, observables)]).result()[0].data.evs
        np.testing.assert_allclose(values, exact, atol=2e-5)


# ── the Pauli network, where wires are kept ──


def drawn(seed, names_are_clifford):
    rng = np.random.default_rng(seed)
    width = int(rng.integers(2, 5))
    circuit = QuantumCircuit(width, width)
    for _ in range(20):
        if rng.random() < 0.5:
            interaction(circuit, rng, width, clifford=names_are_clifford)
        else:
            one_qubit_gate(circuit, rng, int(rng.integers(width)), clifford=names_are_clifford)
    measured = rng.permutation(width)[: rng.integers(0, width)].tolist()
    circuit.measure(measured, measured)
    return circuit


@pytest.mark.parametrize("settings", [Settings(), Settings(near=2, far=8), Settings(front=1, measured=0.0)])
@pytest.mark.parametrize("seed", range(12))
def test_a_network_keeps_the_state_of_wires_that_are_not_measured(seed, settings, family):
    original = drawn(seed, names_are_clifford=seed % 2 == 0)
    program = Program(original.num_qubits)
    read(original, program)
    program.fence(Demand.FULL, tuple(range(program.width)))
    terms, tail = split_tail(program.items)
    found = Program(program.width, relabelling=False)
    places = synthesise(read_paulis(terms, tail, program.width), tail, settings, 10_000, found)
    compiled = emit(found.items, original, family, reordering=True)
    assert same_instrument(compiled, original, 1e-7, [places[wire] for wire in program.wires])


@pytest.mark.parametrize("kept", [1, 3])
def test_a_network_still_pays_where_some_wires_are_kept(kept, family):
    rng = np.random.default_rng(3)
    circuit = QuantumCircuit(6, 6)
    for _ in range(60):
        interaction(circuit, rng, 6, clifford=True)
        one_qubit_gate(circuit, rng, int(rng.integers(6)), clifford=True)
    circuit.measure(range(6 - kept), range(6 - kept))
    fast, _ = to_native(circuit, family, 1, final=False)
    searched, _ = to_native(circuit, family, 2, final=False)
    assert pairs(searched) < 0.7 * pairs(fast)


@pytest.mark.parametrize("last", ["delay", "reset", "x"])
def test_what_is_not_only_measured_at_its_end_is_left_to_level_1(last):
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure(0, 0)
    if last == "delay":
        circuit.delay(10, 0)
    else:
        getattr(circuit, last)(0)
        circuit.measure(0, 1)
    program = Program(2)
    read(circuit, program)
    assert split_tail(program.items) is None
