# SPDX-License-Identifier: Apache-2.0
"""Circuits that must not be sent: those that wait, and those that measure nothing."""

from __future__ import annotations

import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import Parameter
from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2
from qiskit.quantum_info import SparsePauliOp

from qiskit_parallel_ionq.errors import CircuitError, IonQError
from qiskit_parallel_ionq.preflight import fitted, measures, refuse_delays
from qiskit_parallel_ionq.primitives import EstimatorV2, SamplerV2


def t1(delay, unit="us"):
    circuit = QuantumCircuit(1, 1, name="t1")
    circuit.x(0)
    circuit.delay(delay, 0, unit)
    circuit.measure(0, 0)
    return circuit


def in_a_branch(delay):
    circuit = QuantumCircuit(2, 2, name="branch")
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.delay(delay, 1, "ns")
    circuit.measure(1, 1)
    return circuit


def in_a_loop(delay):
    circuit = QuantumCircuit(1, 1, name="loop")
    with circuit.for_loop(range(3)):
        circuit.delay(delay, 0)
        circuit.x(0)
    circuit.measure(0, 0)
    return circuit


def in_an_instruction(delay):
    inner = QuantumCircuit(1, name="inner")
    inner.delay(delay, 0)
    inner.x(0)
    circuit = QuantumCircuit(1, 1, name="instruction")
    circuit.append(inner.to_instruction(), [0])
    circuit.measure(0, 0)
    return circuit


def between_measurements(delay):
    circuit = QuantumCircuit(1, 2, name="dynamic")
    circuit.measure(0, 0)
    circuit.delay(delay, 0)
    circuit.x(0)
    circuit.measure(0, 1)
    return circuit


DELAYED = [t1, in_a_branch, in_a_loop, in_an_instruction, between_measurements]


def unmeasured():
    circuit = QuantumCircuit(2, 2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def unmeasured_dynamic():
    circuit = unmeasured()
    circuit.reset(0)
    circuit.x(0)
    return circuit


def unmeasured_branch():
    circuit = unmeasured()
    with circuit.if_test((0, 1)):
        circuit.x(1)
    return circuit


@pytest.fixture(params=["native", "qis"])
def backend(request, local):
    return local.get_backend("simulator", gateset=request.param)


@pytest.fixture
def refused(local_service):
    """Return a function: a call -> the message of its refusal; nothing may have been sent."""

    def check(call):
        before = local_service.stats().posts
        with pytest.raises(CircuitError) as caught:
            call()
        assert local_service.stats().posts == before
        return str(caught.value)

    return check


@pytest.mark.parametrize("make", DELAYED)
@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1"])
def test_a_circuit_with_a_delay_is_refused_before_anything_is_sent(local, refused, make, target):
    backend = local.get_backend(target)
    good = transpile(t1(0), backend)
    message = refused(lambda: backend.run([good, make(100)], shots=10))
    assert "circuit 1" in message
    assert repr(make(100).name) in message
    assert "delay of 100" in message


@pytest.mark.parametrize("level", range(4))
def test_a_transpiled_delay_is_still_refused(backend, refused, level):
    for make in (t1, between_measurements):
        isa = transpile(make(50), backend, optimization_level=level)
        assert "delay of 50" in refused(lambda isa=isa: backend.run(isa))
        assert "delay" in refused(lambda isa=isa: backend.run(isa, optimization_level=None))


@pytest.mark.parametrize("make", [t1, in_a_loop, in_an_instruction, between_measurements])
def test_a_delay_of_no_duration_is_no_delay(backend, make):
    counts = backend.run(make(0), shots=9).result(timeout=10).get_counts()
    assert set(counts) == {"10" if make is between_measurements else "1"}


def test_a_delay_whose_duration_is_not_known_is_refused(backend, refused):
    duration = Parameter("t")
    assert "delay of t" in refused(lambda: SamplerV2(backend).run([(t1(duration), [[0.0], [1e-6]])]))
    assert "delay of t" in refused(
        lambda: EstimatorV2(backend).run([(t1(duration), SparsePauliOp("Z"), [0.0])])
    )


def test_a_stretch_is_refused():
    circuit = QuantumCircuit(1, 1)
    if not hasattr(circuit, "add_stretch"):
        pytest.skip("this Qiskit has no stretches")
    circuit.delay(circuit.add_stretch("s"), 0)
    with pytest.raises(CircuitError, match="delay"):
        refuse_delays(circuit, "circuit 0")


@pytest.mark.parametrize("make", [unmeasured, unmeasured_dynamic, unmeasured_branch])
@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1"])
def test_a_circuit_without_a_measurement_is_refused_before_anything_is_sent(local, refused, make, target):
    backend = local.get_backend(target)
    message = refused(lambda: backend.run([t1(0), make()], shots=10))
    for word in ("circuit 1", "'bell'", "measure_all()"):
        assert word in message
    assert "measure_all()" in refused(lambda: backend.estimate_cost(make()))


def test_a_stream_sends_the_others(local):
    backend = local.get_backend("simulator")
    circuits = (unmeasured() if number == 5 else t1(7) if number == 9 else t1(0) for number in range(40))
    job = backend.run(circuits, shots=10, window=16)
    good = {index for index, entry in job.results_iter(timeout=30) if entry.success}
    assert set(range(40)) - good == {5, 9}
    assert "no measurement" in str(job.errors()[5])
    assert "delay" in str(job.errors()[9])


def test_a_measurement_inside_an_instruction_counts(backend):
    inner = QuantumCircuit(1, 1)
    inner.x(0)
    inner.measure(0, 0)
    circuit = QuantumCircuit(1, 1)
    circuit.append(inner.to_instruction(), [0], [0])
    assert measures(circuit)
    assert backend.run(circuit, shots=9).result(timeout=10).get_counts() == {"1": 9}


def test_samplers_refuse_registers_that_nothing_is_measured_into(backend, refused):
    assert "PUB 0" in refused(lambda: SamplerV2(backend).run([unmeasured()]))
    assert "no measurement" in refused(lambda: BackendSamplerV2(backend=backend).run([unmeasured()]).result())


def test_estimators_measure_for_themselves(backend):
    circuit = QuantumCircuit(2)
    circuit.x(0)
    for operator, value in (("IZ", -1.0), ("ZI", 1.0), ("II", 1.0)):
        pub = (circuit, SparsePauliOp(operator))
        assert EstimatorV2(backend).run([pub]).result()[0].data.evs == pytest.approx(value)
        theirs = BackendEstimatorV2(backend=backend).run([pub], precision=0.1).result()
        assert theirs[0].data.evs == pytest.approx(value)


# ── width ──


def test_a_circuit_laid_out_on_a_wider_device_runs_if_it_uses_few_qubits(local):
    wide = QuantumCircuit(60, 2)
    wide.h(58)
    wide.cx(58, 3)
    wide.barrier()
    wide.measure([58, 3], [0, 1])
    for target, options in (("simulator", {}), ("simulator", {"noise_model": "aria-1"}), ("qpu.aria-1", {})):
        counts = local.get_backend(target, **options).run(wide, shots=100).result(timeout=10).get_counts()
        assert counts.get("00", 0) + counts.get("11", 0) > 80


def test_a_wide_circuit_that_measures_in_the_middle_runs(local):
    wide = QuantumCircuit(QuantumRegister(40, "q"), ClassicalRegister(2, "c"))
    wide.x(39)
    wide.measure(39, 0)
    wide.x(39)
    wide.measure(39, 1)
    assert local.get_backend("simulator").run(wide, shots=9).result(timeout=10).get_counts() == {"01": 9}


@pytest.mark.parametrize(
    ("model", "qubits"), [("harmony", 11), ("aria-1", 25), ("forte-1", 29), ("ideal", 29)]
)
def test_the_target_has_the_qubits_of_the_noise_model(local, model, qubits):
    backend = local.get_backend("simulator", noise_model=model)
    assert backend.num_qubits == qubits
    assert backend.target is backend.target
    backend.set_options(noise_model=None)
    assert backend.num_qubits == 29


def test_a_circuit_that_is_transpiled_for_a_noise_model_runs_on_it(local):
    backend = local.get_backend("simulator", noise_model="aria-1")
    circuit = QuantumCircuit(backend.num_qubits, 2)
    circuit.x(backend.num_qubits - 1)
    circuit.measure([0, backend.num_qubits - 1], [0, 1])
    counts = backend.run(transpile(circuit, backend), shots=100).result(timeout=10).get_counts()
    assert counts["10"] > 80


def test_what_fits_is_not_copied(local):
    target = local.get_backend("simulator").target
    circuit = QuantumCircuit(29)
    assert fitted(circuit, target) is circuit


def test_a_wide_circuit_with_too_many_used_qubits_is_refused(local, refused):
    wide = QuantumCircuit(40, 1)
    wide.x(range(30))
    wide.measure(0, 0)
    message = refused(lambda: local.get_backend("simulator").run(wide))
    assert "30 qubits" in message
    assert "29" in message


def test_every_refusal_is_an_error_of_this_package():
    assert issubclass(CircuitError, IonQError)
