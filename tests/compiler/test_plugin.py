# SPDX-License-Identifier: Apache-2.0
"""The whole way: transpile(circuit, backend), preset pass managers, Qiskit's primitives."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from qiskit import QuantumCircuit, QuantumRegister, qasm3, transpile
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import PauliEvolutionGate, QFTGate, efficient_su2
from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2, StatevectorEstimator
from qiskit.providers import BackendV2, JobV1, Options
from qiskit.providers.jobstatus import JobStatus
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector
from qiskit.result import Result
from qiskit.transpiler import generate_preset_pass_manager

from qiskit_parallel_ionq.compiler import compile_circuit, is_isa, pass_manager
from qiskit_parallel_ionq.errors import CompileError
from qiskit_parallel_ionq.gates import NATIVE_NAMES, GPI2Gate, GPIGate, MSGate, ZZGate
from qiskit_parallel_ionq.target import build_target

# Qiskit 2.0 warns about itself when it builds a gate with many controls.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")


class Done(JobV1):
    """A job that is done."""

    def __init__(self, backend, result):
        super().__init__(backend, "done")
        self._result = result

    def submit(self):
        pass

    def result(self):
        return self._result

    def status(self):
        return JobStatus.DONE


class Exact(BackendV2):
    """Runs native circuits by their matrices, with the stages under test."""

    def __init__(self, target, distribution):
        super().__init__(name="exact")
        self._target = target
        self._distribution = distribution

    @property
    def target(self):
        return self._target

    @property
    def max_circuits(self):
        return None

    @classmethod
    def _default_options(cls):
        return Options(shots=1000, memory=True)

    def get_translation_stage_plugin(self):
        return "ionq_native"

    def get_scheduling_stage_plugin(self):
        return "ionq_native"

    def run(self, circuits, shots=1000, **_options):
        rng = np.random.default_rng(7)
        results = []
        for circuit in circuits if isinstance(circuits, list) else [circuits]:
            native = circuit if is_isa(circuit, self._target) else compile_circuit(circuit, self._target)
            drawn = rng.choice(2**native.num_clbits, size=shots, p=self._distribution(native))
            memory = [hex(value) for value in drawn]
            header = {
                "creg_sizes": [[register.name, register.size] for register in circuit.cregs],
                "memory_slots": circuit.num_clbits,
                "name": circuit.name,
                "metadata": circuit.metadata,
            }
            counts = {key: memory.count(key) for key in set(memory)}
            results.append(
                {
                    "success": True,
                    "shots": shots,
                    "data": {"counts": counts, "memory": memory},
                    "header": header,
                }
            )
        body = {
            "backend_name": "exact",
            "backend_version": "1",
            "qobj_id": "",
            "job_id": "done",
            "success": True,
        }
        return Done(self, Result.from_dict({**body, "results": results}))


@pytest.fixture
def backend(target, lab):
    return Exact(target, lab.distribution)


def sample(width=4, *, measured=True):
    circuit = QuantumCircuit(width)
    circuit.append(QFTGate(width), range(width))
    circuit.append(GPI2Gate(0.3), [0])
    circuit.append(MSGate(0.1, 0.2, 0.2), [0, 1])
    circuit.ccx(0, 1, 2)
    circuit.append(PauliEvolutionGate(SparsePauliOp(["XYZ", "ZZI"], [0.4, 0.3])), [0, 2, 3])
    circuit.append(ZZGate(0.1), [2, 3])
    circuit.append(GPIGate(0.4), [3])
    circuit.swap(0, 3)
    if measured:
        circuit.measure_all()
    return circuit


def plain(circuit):
    """Return the circuit over gates whose matrices Qiskit finds without sparse algebra, and its warnings."""
    # Once qiskit-ionq has taught Qiskit's equivalence library, its translation fails on native gates.
    known = circuit.decompose(list(NATIVE_NAMES))
    return transpile(known, basis_gates=["u", "cx"], optimization_level=0)


@pytest.mark.parametrize("level", range(4))
def test_transpile_ends_in_native_gates_and_is_right(level, backend, lab, family):
    for measured in (True, False):
        circuit = sample(measured=measured)
        native = transpile(circuit, backend, optimization_level=level)
        lab.assert_native(native, family)
        assert native.num_qubits == 4
        if measured:
            original = sample(measured=False)
            assert np.allclose(
                lab.distribution(native), Statevector(plain(original)).probabilities(), atol=1e-6
            )
        else:
            assert Operator.from_circuit(native).equiv(Operator(plain(circuit)), atol=1e-6)


def test_level_0_does_not_break_gates_that_it_could_leave_whole(backend, lab):
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    circuit.measure_all()
    native = transpile(circuit, backend, optimization_level=0)
    assert lab.pairs(native) == 1
    assert lab.pulses(native) <= 4


@pytest.mark.parametrize("level", range(4))
def test_preset_pass_managers_and_our_own_do_the_same(level, backend):
    circuit = sample()
    theirs = generate_preset_pass_manager(level, backend=backend, seed_transpiler=1).run(circuit)
    ours = pass_manager(backend.target, level).run(circuit)
    assert theirs.count_ops() == ours.count_ops()


def test_our_pass_manager_is_built_once(target):
    assert pass_manager(target, 1) is pass_manager(target, 1)
    assert pass_manager(target, 1) is not pass_manager(target, 2)


@pytest.mark.parametrize("level", range(4))
def test_the_layout_says_where_every_qubit_ended(level, backend):
    native = transpile(sample(), backend, optimization_level=level)
    wires = [None] * 4
    for item in native.data:
        if item.operation.name == "measure":
            wires[native.find_bit(item.clbits[0]).index] = native.find_bit(item.qubits[0]).index
    assert native.layout.final_index_layout() == wires
    assert native.layout.initial_index_layout() == [0, 1, 2, 3]


@pytest.mark.parametrize("level", [1, 2])
def test_observables_follow_the_layout(level, backend):
    circuit = sample(measured=False)
    circuit.swap(1, 2)
    observable = SparsePauliOp(["XIZY", "ZZII"], [1.0, 0.5])
    native = transpile(circuit, backend, optimization_level=level)
    exact = Statevector(plain(circuit)).expectation_value(observable)
    moved = Statevector(native).expectation_value(observable.apply_layout(native.layout))
    assert np.isclose(exact, moved)


def test_compiling_twice_composes_the_permutations(target):
    circuit = sample(measured=False)
    once = compile_circuit(circuit, target, 1)
    again = once.copy()
    again.swap(0, 1)
    reference = circuit.copy()
    reference.swap(*(once.layout.final_index_layout().index(wire) for wire in (0, 1)))
    twice = compile_circuit(again, target, 1)
    assert Operator.from_circuit(twice).equiv(Operator(plain(reference)))


def test_qiskit_s_sampler_is_right_over_the_stages(backend):
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    for isa in (circuit, transpile(circuit, backend)):
        counts = BackendSamplerV2(backend=backend).run([isa], shots=400).result()[0].data.meas.get_counts()
        assert set(counts) == {"00", "11"}
        assert abs(counts["00"] - 200) < 60


def test_qiskit_s_estimator_is_right_over_the_stages(backend):
    ansatz = efficient_su2(3, reps=1)
    observable = SparsePauliOp(["XXI", "ZIZ", "IYY"], [1.0, 0.5, -0.7])
    values = np.linspace(0.1, 2.0, ansatz.num_parameters)
    exact = StatevectorEstimator().run([(ansatz, observable, values)]).result()[0].data.evs
    native = transpile(ansatz, backend)
    pub = (native, observable.apply_layout(native.layout), values)
    estimate = BackendEstimatorV2(backend=backend).run([pub], precision=0.03).result()[0].data.evs
    assert abs(estimate - exact) < 0.15


@pytest.mark.parametrize("level", [1, 2])
def test_templates_stay_in_proxies_and_bind_to_the_same_meaning(level, target, lab, family):
    template = efficient_su2(3, reps=2)
    measured = lab.measure(template, range(3))
    compiled = pass_manager(target, level).run(measured)
    assert set(compiled.parameters) == set(measured.parameters)
    values = np.linspace(-4, 7, template.num_parameters)
    native = compile_circuit(compiled.assign_parameters(values), target)
    lab.assert_native(native, family)
    lab.assert_same_distribution(native, measured.assign_parameters(values))


def test_our_pass_manager_keeps_parameters_that_vanish(target, lab):
    angles = ParameterVector("a", 3)
    circuit = QuantumCircuit(2)
    circuit.ry(angles[0], 0)
    circuit.cx(0, 1)
    circuit.rz(angles[1], 0)
    circuit.rz(angles[2], 1)
    measured = lab.measure(circuit, [0, 1])
    for level in range(4):
        compiled = pass_manager(target, level).run(measured)
        assert list(compiled.parameters) == list(measured.parameters)
        values = [0.3, 0.4, 0.5]
        native = compile_circuit(compiled.assign_parameters(values), target)
        lab.assert_same_distribution(native, measured.assign_parameters(values))


def test_error_rates_and_durations_do_not_change_what_qiskit_s_stages_reach_for(family, lab):
    target = build_target(
        8, gateset="native", family=family, error_1q=2e-4, error_2q=5e-3, duration_1q=1e-4, duration_2q=9e-4
    )
    for level in range(4):
        lab.assert_native(pass_manager(target, level).run(sample()), family)


@pytest.mark.parametrize("level", range(4))
def test_only_listed_pairs_interact_on_a_restricted_target(level, family, lab):
    target = build_target(5, gateset="native", family=family, connectivity=[(0, 1), (1, 2), (2, 3), (3, 4)])
    circuit = lab.random_circuit(["h", "cx", "ccx", "swap", "rz", "cswap"], 5, 15, level)
    for native in (pass_manager(target, level).run(circuit), compile_circuit(circuit, target, level)):
        assert is_isa(native, target)
        assert Operator.from_circuit(native).equiv(Operator(plain(circuit)), atol=1e-6)


@pytest.mark.parametrize("level", range(4))
def test_qis_targets_get_qiskit_s_gates(level):
    target = build_target(4, gateset="qis", family="zz")
    circuit = sample(measured=False)
    compiled = compile_circuit(circuit, target, level)
    assert is_isa(compiled, target)
    assert Operator.from_circuit(compiled).equiv(Operator(plain(circuit)), atol=1e-6)


def test_what_qiskit_ionq_teaches_qiskit_does_not_bring_native_gates_into_the_optimiser():
    """In a process of its own: the lesson is global, and cannot be taken back."""
    program = """
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit_ionq.ionq_equivalence_library import add_equivalences
from qiskit_parallel_ionq.compiler import pass_manager
from qiskit_parallel_ionq.gates import MSGate
from qiskit_parallel_ionq.target import build_target
add_equivalences()
mixed = QuantumCircuit(2)
mixed.append(MSGate(0.1, 0.2, 0.2), [0, 1])
for gateset in ("qis", "native"):
    for level in range(4):
        pass_manager(build_target(4, gateset=gateset, family="ms"), level).run(mixed)
template = efficient_su2(12, reps=3)
template.measure_all()
for family in ("ms", "zz"):
    for level in range(4):
        for connectivity in (None, [(i, i + 1) for i in range(35)]):
            target = build_target(36, gateset="native", family=family, connectivity=connectivity)
            names = set(pass_manager(target, level).run(template).count_ops())
            assert not names & {"gpi", "gpi2", "ms", "zz"}, (family, level, names)
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, timeout=60)


# ── the unitary, whatever the qubits start in ──


@pytest.mark.parametrize("level", range(4))
def test_an_idle_qubit_is_not_taken_for_one_in_zero(level, backend):
    """Qiskit's synthesis of ``mcx`` has a shorter way with a qubit that it knows to be in 0."""
    circuit = QuantumCircuit(5)
    circuit.mcx([0, 1, 2], 3)
    told = {"qubits_initially_zero": False} if level == 3 else {}  # there Qiskit does not ask us in time
    for native in (
        transpile(circuit, backend, optimization_level=level, **told),
        pass_manager(backend.target, level).run(circuit),
        compile_circuit(circuit, backend.target, level),
    ):
        assert Operator.from_circuit(native).equiv(Operator(circuit), atol=1e-6)


@pytest.mark.parametrize("level", range(4))
def test_an_idle_qubit_is_not_taken_for_one_in_zero_by_other_targets(level, local, family):
    line = build_target(5, gateset="native", family=family, connectivity=[(0, 1), (1, 2), (2, 3), (3, 4)])
    circuit = QuantumCircuit(5)
    circuit.mcx([0, 1, 2], 3)
    told = {"qubits_initially_zero": False} if level == 3 else {}
    stages = Exact(line, None), local.get_backend("simulator", gateset="qis")
    for native in [
        compile_circuit(circuit, line, level),
        *(transpile(circuit, backend, optimization_level=level, **told) for backend in stages),
    ]:
        assert Operator.from_circuit(native).equiv(Operator(circuit), atol=1e-6)


# ── what else transpile may be asked ──


@pytest.mark.parametrize("level", range(4))
def test_circuits_read_from_openqasm3_can_be_transpiled(level, backend, lab):
    """Every gate of such a circuit is made anew, and some have the names of Qiskit's."""
    native = transpile(sample(), backend, optimization_level=1)
    again = transpile(qasm3.loads(qasm3.dumps(native)), backend, optimization_level=level)
    assert is_isa(again, backend.target)
    assert np.allclose(lab.distribution(again), lab.distribution(native), atol=1e-6)


@pytest.mark.parametrize("level", range(4))
def test_a_box_is_compiled_from_inside(level, backend):
    circuit = QuantumCircuit(3)
    circuit.h(0)
    with circuit.box():
        circuit.cx(0, 1)
        circuit.rx(0.3, 1)
    circuit.cx(1, 2)
    native = transpile(circuit, backend, optimization_level=level)
    assert is_isa(native, backend.target)
    (box,) = [item.operation for item in native.data if item.name == "box"]
    assert {"ms", "zz"} & {item.name for item in box.body.data}
    assert Operator.from_circuit(opened(native)).equiv(Operator(opened(circuit)), atol=1e-6)


def opened(circuit):
    """Return a circuit with what is in its boxes in place of them, and its layout."""
    out = circuit.copy_empty_like()
    out._layout = circuit._layout
    for item in circuit.data:
        if item.name == "box":
            out.compose(item.operation.body, item.qubits, inplace=True)
        else:
            out.append(item)
    return out


@pytest.mark.parametrize("level", range(4))
def test_a_loop_with_its_own_parameter_in_its_gates_is_written_out(level, backend, lab):
    turn, other = Parameter("turn"), Parameter("other")
    circuit = QuantumCircuit(2)
    circuit.h(1)
    with circuit.for_loop(range(1, 4), turn):
        circuit.rx(turn / 3, 0)
        with circuit.for_loop((2, 5), other):
            circuit.rzx(turn * other / 7, 1, 0)
    circuit.measure_all()
    native = transpile(circuit, backend, optimization_level=level)
    lab.assert_native(native, "ms" if "ms" in backend.target.operation_names else "zz")
    written = QuantumCircuit(2)
    written.h(1)
    for first in range(1, 4):
        written.rx(first / 3, 0)
        for second in (2, 5):
            written.rzx(first * second / 7, 1, 0)
    written.measure_all()
    assert np.allclose(lab.distribution(native), lab.distribution(written), atol=1e-6)


@pytest.mark.parametrize("level", range(4))
def test_a_loop_that_cannot_be_written_out_is_refused_by_its_parameter(level, backend):
    turn = Parameter("turn")
    circuit = QuantumCircuit(1, 1)
    with circuit.for_loop(range(4), turn):
        circuit.rx(turn, 0)
        circuit.measure(0, 0)
        with circuit.if_test((0, 1)):
            circuit.break_loop()
    with pytest.raises(CompileError, match=r"for_loop of 4 turns has its own parameter 'turn'.*break"):
        transpile(circuit, backend, optimization_level=level)


@pytest.mark.parametrize("level", range(4))
def test_a_loop_without_its_parameter_in_gates_stays_a_loop(level, backend):
    circuit = QuantumCircuit(2)
    with circuit.for_loop(range(3), Parameter("unused")):
        circuit.cx(0, 1)
        circuit.h(0)
    assert transpile(circuit, backend, optimization_level=level).count_ops() == {"for_loop": 1}


@pytest.mark.filterwarnings("ignore:Providing `coupling_map`:UserWarning")
@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("gateset", ["native", "qis"])
def test_a_coupling_map_may_be_laid_over_the_backend_s(gateset, level, local):
    backend = local.get_backend("simulator", gateset=gateset)
    circuit = over_a_distance(wide=True)
    allowed = [[0, 1], [1, 0], [1, 2], [2, 1]]
    compiled = transpile(circuit, backend, coupling_map=allowed, optimization_level=level)
    used = [
        [compiled.find_bit(q).index for q in item.qubits] for item in compiled.data if item.name != "barrier"
    ]
    assert all(qubits in allowed for qubits in used if len(qubits) > 1)
    assert is_isa(compiled, backend.target)
    small = compact(compiled, 3)
    assert np.allclose(outcomes_of(small), outcomes_of(circuit), atol=1e-6)


def over_a_distance(*, wide):
    """Return a measured circuit in which qubits interact that are no neighbours, perhaps three at once."""
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 2)
    if wide:
        circuit.ccx(0, 1, 2)
    circuit.rx(0.3, 1)
    circuit.rzz(0.7, 1, 2)
    circuit.swap(0, 2)
    circuit.measure_all()
    return circuit


def compact(circuit, width):
    """Return a circuit without its last qubits, which are idle."""
    out = QuantumCircuit(QuantumRegister(width), *circuit.cregs)
    for item in circuit.data:
        wires = [circuit.find_bit(qubit).index for qubit in item.qubits]
        if item.name != "barrier":
            out.append(item.operation, wires, item.clbits)
    return out


def outcomes_of(circuit):
    bare = circuit.remove_final_measurements(inplace=False)
    wires = {
        circuit.find_bit(i.clbits[0]).index: circuit.find_bit(i.qubits[0]).index
        for i in circuit.data
        if i.name == "measure"
    }
    return Statevector(bare).probabilities([wires[bit] for bit in range(len(wires))])


@pytest.mark.filterwarnings("ignore:Providing `coupling_map`:UserWarning")
@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize(
    ("basis", "names"),
    [
        (["u", "cx"], {"u", "cx"}),
        (["rz", "sx", "x", "cx"], {"rz", "sx", "x", "cx"}),
        (["gpi", "gpi2", "ms"], {"gpi", "gpi2", "ms"}),
    ],
)
@pytest.mark.parametrize("coupling", [None, [[0, 1], [1, 0], [1, 2], [2, 1]]])
def test_basis_gates_may_be_laid_over_the_backend_s(coupling, basis, names, level, local):
    backend = local.get_backend("simulator")
    circuit = over_a_distance(wide=False)
    compiled = transpile(circuit, backend, basis_gates=basis, coupling_map=coupling, optimization_level=level)
    assert set(compiled.count_ops()) - {"measure", "barrier"} <= names
    assert np.allclose(outcomes_of(compact(compiled, 3)), outcomes_of(circuit), atol=1e-6)
