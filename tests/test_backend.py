# SPDX-License-Identifier: Apache-2.0
"""The backend as Qiskit and its users handle it: targets, copies, options, transpiling."""

from __future__ import annotations

import copy
import itertools

import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import efficient_su2
from qiskit.providers import BackendV2
from qiskit.quantum_info import Statevector
from qiskit.transpiler import generate_preset_pass_manager

from qiskit_parallel_ionq.compiler import is_isa
from qiskit_parallel_ionq.errors import OptionError


def bell():
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


@pytest.mark.parametrize(
    ("name", "family", "qubits"),
    [("simulator", "ms", 29), ("qpu.aria-1", "ms", 25), ("qpu.forte-1", "zz", 36)],
)
def test_the_target_has_the_gates_and_qubits_of_the_machine(local, name, family, qubits):
    backend = local.get_backend(name)
    assert isinstance(backend, BackendV2)
    assert backend.num_qubits == qubits
    assert {"gpi", "gpi2", "measure", "reset"} <= set(backend.operation_names)
    assert {"ms", "zz"} & set(backend.operation_names) == {family}
    assert backend.max_circuits is None
    assert backend.target is backend.target


def test_a_qis_target_has_no_native_gates(local):
    names = set(local.get_backend("qpu.forte-1", gateset="qis").operation_names)
    assert {"h", "cx", "rz", "rxx"} <= names
    assert not names & {"gpi", "gpi2", "ms", "zz"}


@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("gateset", ["native", "qis"])
def test_what_qiskit_transpiles_runs_as_it_is_and_keeps_its_qubits(local, level, gateset):
    backend = local.get_backend("simulator", gateset=gateset)
    ansatz = efficient_su2(4, reps=1).assign_parameters([0.1 * k for k in range(16)])
    exact = Statevector(ansatz).probabilities_dict()
    ansatz.measure_all()
    manager = generate_preset_pass_manager(optimization_level=level, backend=backend)
    for isa in (transpile(ansatz, backend, optimization_level=level), manager.run(ansatz)):
        assert is_isa(isa, backend.target)
        used = {isa.find_bit(q).index for step in isa.data if step.name != "barrier" for q in step.qubits}
        assert used == {0, 1, 2, 3}
        got = backend.run(isa, shots=5, optimization_level=None).get_probabilities()
        assert max(abs(got.get(key, 0.0) - exact.get(key, 0.0)) for key in {*got, *exact}) < 1e-9


def test_a_deep_copy_runs_and_keeps_options_of_its_own(local):
    backend = local.get_backend("simulator", shots=11)
    twin = copy.deepcopy(backend)
    twin.set_options(shots=7)
    assert sum(backend.run(bell()).get_counts().values()) == 11
    assert sum(twin.run(bell()).get_counts().values()) == 7


def test_options_of_a_run_go_before_those_of_the_backend(local):
    backend = local.get_backend("simulator", shots=11, memory=True)
    assert len(backend.run(bell(), shots=5).get_memory()) == 5
    assert len(backend.run(bell()).get_memory()) == 11
    assert backend.options.shots == 11


def test_a_refused_option_leaves_the_others_as_they_were(local):
    backend = local.get_backend("simulator", shots=11)
    with pytest.raises(OptionError):
        backend.set_options(memory=True, shots=0)
    assert backend.options.memory is False
    assert backend.options.shots == 11


def test_a_job_knows_its_backend_and_the_provider_its_job(local):
    backend = local.get_backend("simulator")
    job = backend.run(bell(), shots=3)
    assert job.backend() is backend
    assert local.job(job.job_id()) is job
    assert job.result(timeout=10).job_id == job.job_id()


def test_one_after_the_other_means_one_at_a_time(local, local_service):
    backend = local.get_backend("simulator")
    before = len(local_service.requests_log)
    job = backend.run([bell() for _ in range(4)], shots=3, use_parallel=False)
    assert all(entry.success for entry in job.result(timeout=10).results)
    methods = [
        method for method, *_ in list(local_service.requests_log)[before:] if method in ("POST", "GET")
    ]
    positions = [place for place, method in enumerate(methods) if method == "POST"]
    assert len(positions) == 4
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(positions))
