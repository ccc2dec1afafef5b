# SPDX-License-Identifier: Apache-2.0
"""The backend as Qiskit and its users handle it: targets, copies, options, transpiling."""

from __future__ import annotations

import copy
import itertools
import sys
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import matplotlib as mpl
import pytest
from PIL import Image
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import efficient_su2
from qiskit.providers import BackendV2, QiskitBackendNotFoundError
from qiskit.quantum_info import Statevector
from qiskit.transpiler import generate_preset_pass_manager
from qiskit.visualization import plot_circuit_layout, plot_error_map, plot_gate_map

from qiskit_parallel_ionq.compiler import is_isa
from qiskit_parallel_ionq.errors import OptionError, TargetError


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


# ── what Qiskit's users and tools ask of a backend ──


def test_a_target_that_does_not_exist_is_qiskit_s_error_too(local):
    with pytest.raises(QiskitBackendNotFoundError, match=r"qpu\.nowhere-9") as caught:
        local.get_backend("qpu.nowhere-9").target  # noqa: B018 - it is read from the service
    assert isinstance(caught.value, TargetError)


@pytest.mark.parametrize("call", ["set_options", "run", "get_backend"])
def test_an_option_of_an_unknown_name_is_an_attribute_error_and_an_option_error(local, call):
    backend = local.get_backend("simulator")
    calls = {
        "set_options": backend.set_options,
        "run": lambda **options: backend.run(bell(), **options),
        "get_backend": lambda **options: local.get_backend("simulator", **options),
    }
    for kind in (AttributeError, OptionError, ValueError):
        with pytest.raises(kind, match=r"'shot'.*'shots'"):
            calls[call](shot=5)
    with pytest.raises(OptionError) as caught:
        calls[call](shots=0)
    assert not isinstance(caught.value, AttributeError)


def test_qubits_have_the_times_that_the_service_has_measured(local):
    backend = local.get_backend("qpu.forte-1")
    measured = backend.calibration()
    assert measured.t1 > measured.t2 > 0
    first, last = backend.qubit_properties([0, 35])
    assert (first.t1, first.t2) == (last.t1, last.t2) == (measured.t1, measured.t2)
    assert backend.qubit_properties(7).t1 == measured.t1
    assert backend.target.qubit_properties[7].t2 == measured.t2


def test_qubits_of_a_simulator_have_no_times(local):
    found = local.get_backend("simulator").qubit_properties(0)
    assert (found.t1, found.t2, found.frequency) == (None, None, None)


def test_a_job_tells_when_it_was_made_and_of_what(local):
    backend = local.get_backend("simulator")
    began = datetime.now(timezone.utc) - timedelta(seconds=1)
    job = backend.run([bell(), bell()], shots=[3, 4], seed_simulator=8)
    assert began < job.creation_date < began + timedelta(seconds=60)
    assert job.creation_date.tzinfo is not None
    assert job.metadata["target"] == "simulator"
    assert job.metadata["shots"] == (3, 4)
    assert job.metadata["seed"] == 8
    stream = backend.run(iter([bell()] * 5), shots=3, window=4)
    assert began < stream.creation_date < began + timedelta(seconds=60)
    stream.result(timeout=10)


@pytest.fixture
def drawn(monkeypatch):
    """The graphs that Qiskit draws, without the programs that draw them."""
    graphs = []

    def draw(graph, **options):
        graphs.append((graph, options["edge_attr_fn"]))
        return Image.new("RGB", (4, 4))

    mpl.use("Agg")
    monkeypatch.setattr("qiskit.visualization.gate_map.graphviz_draw", draw, raising=False)
    monkeypatch.setattr("rustworkx.visualization.graphviz_draw", draw)
    monkeypatch.setattr("qiskit.utils.optionals.HAS_GRAPHVIZ._bool", True)
    return graphs


@pytest.mark.parametrize("draw", [plot_gate_map, plot_circuit_layout])
@pytest.mark.parametrize("name", ["simulator", "qpu.forte-1"])
def test_qiskit_draws_the_pairs_that_can_interact(local, drawn, draw, name):
    backend = local.get_backend(name)
    assert draw(*([transpile(bell(), backend)] if draw is plot_circuit_layout else []), backend) is not None
    graph, _ = drawn[0]
    width = backend.num_qubits
    assert (graph.num_nodes(), graph.num_edges()) == (width, width * (width - 1) // 2)


def test_qiskit_draws_the_errors_that_the_service_has_measured(local, drawn, monkeypatch):
    palette = SimpleNamespace(cubehelix_palette=lambda **_: mpl.colormaps["viridis"])
    monkeypatch.setitem(sys.modules, "seaborn", palette)
    monkeypatch.setattr("qiskit.utils.optionals.HAS_SEABORN._bool", True)
    backend = local.get_backend("qpu.forte-1")
    figure = plot_error_map(backend)
    titles = " ".join(axes.get_title() for axes in figure.axes)
    measured = backend.calibration()
    for fidelity in (measured.fidelity_1q, measured.fidelity_2q):
        assert f"[Avg. = {round(100 * (1 - fidelity), 3)}]" in titles


def test_the_transpiler_sees_no_coupling_map_and_keeps_the_width(local):
    backend = local.get_backend("qpu.forte-1")
    assert backend.coupling_map is None
    for level in range(4):
        for manager in (
            generate_preset_pass_manager(level, backend=backend),
            generate_preset_pass_manager(level, target=backend.target),
        ):
            assert manager.run(bell()).num_qubits == 2
