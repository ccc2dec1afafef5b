# SPDX-License-Identifier: Apache-2.0
"""Unmodified qiskit-ionq runs against the emulator and gets the right physics."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import library
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_ionq import GPI2Gate, GPIGate, IonQProvider, MSGate, ZZGate
from qiskit_ionq.exceptions import IonQAPIError, IonQJobError, IonQJobFailureError
from qiskit_ionq.ionq_session import Session

from qiskit_parallel_ionq.emulator import LocalIonQ

pytestmark = pytest.mark.filterwarnings("ignore::qiskit_ionq.exceptions.IonQTranspileLevelWarning")
QUICK = {"wait": 0.01}


@pytest.fixture
def service(monkeypatch):
    with LocalIonQ(seed=3) as service:
        monkeypatch.setenv("IONQ_API_URL", service.url)  # 1.1.1 looks backends up there
        monkeypatch.setenv("IONQ_API_KEY", service.api_key)
        yield service


@pytest.fixture
def backend(service):
    """Get a backend by name."""

    def get(name: str, gateset: str = "qis"):
        return IonQProvider(service.api_key, url=service.url).get_backend(name, gateset=gateset)

    return get


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def flip() -> QuantumCircuit:
    circuit = QuantumCircuit(3, 3, name="flip")
    circuit.x(2)
    circuit.measure(range(3), range(3))
    return circuit


def assert_exact(found: dict[str, float], circuit: QuantumCircuit) -> None:
    """What was found is exact; the client leaves out outcomes that it did not draw."""
    gates = circuit.remove_final_measurements(inplace=False)
    state = Statevector(gates.decompose("PauliEvolution"))
    expected = {str(key): float(p) for key, p in state.probabilities_dict().items()}
    assert found == pytest.approx({key: expected[key] for key in found}, abs=1e-9)
    assert sum(found.values()) > 0.99


def test_a_single_run(backend):
    result = backend("ionq_simulator").run(bell(), shots=1000).result(**QUICK)
    assert result.get_probabilities() == pytest.approx({"00": 0.5, "11": 0.5})
    assert sum(result.get_counts().values()) == 1000


def test_a_run_of_two_circuits(backend):
    job = backend("ionq_simulator").run([flip(), bell()], shots=100)
    first, second = job.result(**QUICK).get_counts()
    assert first == {"100": 100}
    assert set(second) == {"00", "11"}
    assert job.status(detailed=True)["completed"] == 2


def test_memory_on_a_qpu_name(backend):
    qpu = backend("ionq_qpu.forte-1")
    result = qpu.run(bell(), shots=50, memory=True).result(**QUICK)
    assert len(result.get_memory()) == 50
    assert {key: result.get_memory().count(key) for key in set(result.get_memory())} == result.get_counts()
    several = qpu.run([flip(), bell()], shots=50, memory=True).result(**QUICK)
    assert [len(several.get_memory(k)) for k in (0, 1)] == [50, 50]


def test_a_program_with_measurement_in_the_middle_and_a_noise_model(backend):
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.reset(0)
    circuit.cx(0, 1)
    circuit.measure(1, 1)
    counts = (
        backend("ionq_simulator").run(circuit, shots=200, noise_model="aria-1").result(**QUICK).get_counts()
    )
    assert sum(counts.values()) == 200
    assert counts["01"] > 180


def test_a_program_on_the_ideal_simulator_has_no_shots(backend):
    circuit = QuantumCircuit(1, 1)
    circuit.reset(0)
    circuit.measure(0, 0)
    with pytest.raises(IonQJobError, match="require sampling"):
        backend("ionq_simulator").run(circuit, shots=20).result(**QUICK)


def test_a_branch_is_taken_in_and_fails(backend):
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)
    job = backend("ionq_simulator").run(circuit, shots=20)
    with pytest.raises(IonQJobFailureError, match="branches"):
        job.result(**QUICK)


def test_every_gate_it_sends_agrees_with_statevector(backend):
    rng = np.random.default_rng(2)
    gates = [
        library.HGate(), library.XGate(), library.YGate(), library.ZGate(), library.SGate(), library.SdgGate(),
        library.TGate(), library.TdgGate(), library.SXGate(), library.SXdgGate(), library.RXGate(0.3),
        library.RYGate(1.2), library.RZGate(-0.7), library.PhaseGate(0.9), library.CXGate(), library.CYGate(),
        library.CZGate(), library.CHGate(), library.CRXGate(0.4), library.CRYGate(-1.1), library.CRZGate(0.6),
        library.CPhaseGate(0.8), library.CSXGate(), library.SwapGate(), library.RXXGate(0.5), library.RYYGate(0.2),
        library.RZZGate(-0.9), library.CCXGate(), library.C3XGate(), library.MCPhaseGate(0.7, 2),
        library.PauliEvolutionGate(SparsePauliOp(["XYZ"], [0.4]), 0.9),
    ]  # fmt: skip
    circuits = []
    for _ in range(4):
        circuit = QuantumCircuit(5)
        for qubit in range(5):
            circuit.ry(rng.uniform(-3, 3), qubit)
        for k in rng.permutation(len(gates)):
            circuit.append(gates[k], [int(q) for q in rng.permutation(5)[: gates[k].num_qubits]])
        circuit.measure_all()
        circuits.append(circuit)
    result = backend("ionq_simulator").run(circuits, shots=100_000).result(**QUICK)
    for index, circuit in enumerate(circuits):
        assert_exact(result.get_probabilities(index), circuit)


@pytest.mark.parametrize(
    ("name", "pair"), [("ionq_qpu.aria-1", MSGate(0.1, 0.3, 0.2)), ("ionq_qpu.forte-1", ZZGate(0.2))]
)
def test_native_circuits_agree_with_statevector(backend, name, pair):
    circuit = QuantumCircuit(2)
    circuit.append(GPI2Gate(0.1), [0])
    circuit.append(pair, [1, 0])
    circuit.append(GPIGate(0.4), [1])
    circuit.append(GPI2Gate(0.6), [1])
    circuit.measure_all()
    exact = backend("ionq_simulator", "native").run(circuit, shots=4000).result(**QUICK).get_probabilities()
    assert_exact(exact, circuit)
    counts = backend(name, "native").run(circuit, shots=4000).result(**QUICK).get_counts()
    assert {key: n / 4000 for key, n in counts.items()} == pytest.approx(exact, abs=0.06)


def test_the_wrong_family_fails_and_says_which_gate(backend):
    circuit = QuantumCircuit(2, 2)
    circuit.append(MSGate(0, 0), [0, 1])
    circuit.measure([0, 1], [0, 1])
    with pytest.raises(IonQJobFailureError, match=r"UnsupportedGate: .*\[ms\]"):
        backend("ionq_qpu.forte-1", "native").run(circuit, shots=10).result(**QUICK)


def test_a_dry_run_gives_the_compiled_circuit(backend):
    circuit = QuantumCircuit(1, 1)
    circuit.append(GPIGate(0.25), [0])
    circuit.measure(0, 0)
    job = backend("ionq_qpu.forte-1", "native").run(circuit, shots=10, dry_run=True)
    job.wait_for_final_state(**QUICK)
    assert job.compiled_circuit() == {"qubits": 1, "circuit": [{"gate": "gpi", "target": 0, "phase": 0.25}]}


def test_a_job_is_retrieved_canceled_and_deleted(backend):
    simulator = backend("ionq_simulator")
    job = simulator.run(bell(), shots=10)
    job.cancel()
    again = simulator.retrieve_job(job.job_id())
    assert again.result(**QUICK).get_probabilities() == pytest.approx({"00": 0.5, "11": 0.5})
    simulator.client.delete_job(job.job_id())
    with pytest.raises(IonQAPIError, match="There is no job"):
        simulator.retrieve_job(job.job_id())


def test_widths_and_calibrations(backend):
    qpu = backend("ionq_qpu.forte-1")
    assert qpu.num_qubits == 36
    assert qpu.calibration().qubits == 36


@pytest.mark.skipif(sys.version_info < (3, 11), reason="there the client cannot read a time that ends in Z")
def test_estimates(backend):
    client = backend("ionq_qpu.forte-1").client
    estimate = client.estimate_job(
        backend="ionq_qpu.forte-1", oneq_gates=1, twoq_gates=1, qubits=2, shots=1000
    )
    assert (estimate.cost, estimate.cost_unit) == (5.5, "usd")
    assert estimate.total_runtime == 0


def test_a_session_takes_jobs_and_ends(backend, service):
    qpu = backend("ionq_qpu.aria-1")
    with Session(backend=qpu, max_jobs=3) as session:
        counts = qpu.run(flip(), shots=5).result(**QUICK).get_counts()
        assert session.details()["active"] is True
    assert counts == {"100": 5}
    assert session.details()["status"] == "ended"
    assert ("POST", f"/sessions/{session.session_id}/end", 200) in service.requests_log


def test_a_key_that_is_no_test_key_is_refused(service):
    with pytest.raises(IonQAPIError, match="test"):
        IonQProvider("f00ba12", url=service.url).get_backend("ionq_simulator").run(bell(), shots=5)
