# SPDX-License-Identifier: Apache-2.0
"""What a primitive cannot do is said before anything is sent, with the number of the PUB."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import real_amplitudes
from qiskit.providers.basic_provider import BasicSimulator

from qiskit_parallel_ionq import CircuitError, OptionError
from qiskit_parallel_ionq.errors import TargetError
from qiskit_parallel_ionq.gates import MSGate, ZZGate
from qiskit_parallel_ionq.primitives import EstimatorV2, SamplerV2

ANSATZ = real_amplitudes(2, reps=1)
MEASURED = ANSATZ.measure_all(inplace=False)
GOOD = np.zeros(4)


@pytest.fixture
def refuse(runs, local_service):
    """Return a function: work -> what it is refused with; nothing may have been sent."""

    def check(work, kind):
        before = local_service.stats().posts
        with pytest.raises(kind) as caught:
            work()
        assert runs == []
        assert local_service.stats().posts == before
        return str(caught.value)

    return check


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((2, 5)), np.zeros((4, 2)), 0.5])
def test_values_of_another_shape_than_the_parameters(backend, refuse, values):
    sampler, estimator = SamplerV2(backend), EstimatorV2(backend)
    for work in (
        lambda: sampler.run([(MEASURED, GOOD), (MEASURED, values)]),
        lambda: estimator.run([(ANSATZ, "ZZ", GOOD), (ANSATZ, "ZZ", values)]),
    ):
        assert refuse(work, ValueError).startswith("PUB 1: ")


@pytest.mark.parametrize("observable", ["ZZZ", "Z", ["ZZ", "IZI"], "ZA"])
def test_observables_that_are_not_of_the_circuit(backend, refuse, observable):
    pubs = [(ANSATZ, "ZZ", GOOD), (ANSATZ, observable, GOOD)]
    assert refuse(lambda: EstimatorV2(backend).run(pubs), ValueError).startswith("PUB 1: ")


def test_observables_and_values_that_do_not_broadcast(backend, refuse):
    pubs = [(ANSATZ, ["ZZ", "XX"], np.zeros((3, 4)))]
    assert refuse(lambda: EstimatorV2(backend).run(pubs), ValueError).startswith("PUB 0: ")


@pytest.mark.parametrize(
    ("precision", "kind"),
    [(0, OptionError), (-0.1, ValueError), (np.nan, OptionError), (np.inf, OptionError), ("fine", TypeError)],
)
def test_precisions_that_no_shots_reach(local, refuse, precision, kind):
    estimator = EstimatorV2(local.get_backend("qpu.forte-1"))
    for work in (
        lambda: estimator.run([(ANSATZ, "ZZ", GOOD, precision)]),
        lambda: estimator.run([(ANSATZ, "ZZ", GOOD)], precision=precision),
    ):
        message = refuse(work, kind)
        assert message.startswith("PUB 0: ")
        assert "precision" in message


@pytest.mark.parametrize(
    ("shots", "kind"),
    [(0, ValueError), (-3, ValueError), (1.5, TypeError), ("7", TypeError), (True, TypeError)],
)
def test_mixed_shots_with_a_bad_one_among_them(backend, refuse, shots, kind):
    sampler = SamplerV2(backend)
    message = refuse(lambda: sampler.run([(MEASURED, GOOD, 10), (MEASURED, GOOD, shots)]), kind)
    assert message.startswith("PUB 1: shots")


def test_mixed_shots_are_one_run(backend, runs):
    pubs = [(MEASURED, GOOD, 10), (MEASURED, GOOD), (MEASURED, GOOD, 30)]
    result = SamplerV2(backend).run(pubs, shots=20).result()
    assert [entry.data.meas.num_shots for entry in result] == [10, 20, 30]
    assert runs == [3]


def test_a_sampler_has_nothing_to_say_of_a_circuit_without_classical_register(backend, local_service):
    before = local_service.stats().posts
    with pytest.warns(UserWarning, match="PUB 0.*no classical register.*measure_all"):
        result = SamplerV2(backend).run([(ANSATZ, GOOD)]).result()
    assert len(result) == 1
    assert len(result[0].data) == 0
    assert local_service.stats().posts == before


@pytest.mark.parametrize("primitive", [SamplerV2, EstimatorV2])
@pytest.mark.parametrize("other", [BasicSimulator(), None, "qpu.forte-1"])
def test_backends_of_another_package(primitive, other):
    with pytest.raises(OptionError, match=f"{primitive.__name__} runs on a backend of ParallelIonQProvider"):
        primitive(other)


@pytest.mark.parametrize("primitive", [SamplerV2, EstimatorV2])
def test_gate_sets_and_targets_that_are_not_there(local, refuse, primitive):
    assert "abstract" in refuse(lambda: local.get_backend("simulator", gateset="abstract"), TargetError)
    pub = MEASURED if primitive is SamplerV2 else (ANSATZ, "ZZ")
    pub = (*pub, GOOD) if isinstance(pub, tuple) else (pub, GOOD)
    nowhere = local.get_backend("qpu.nowhere")
    assert "qpu.nowhere" in refuse(lambda: primitive(nowhere).run([pub]), TargetError)


@pytest.mark.parametrize(
    ("target", "gateset", "gate"),
    [
        ("qpu.aria-1", "native", ZZGate(0.1)),
        ("qpu.forte-1", "native", MSGate(0, 0, 0.1)),
        ("qpu.forte-1", "qis", ZZGate(0.1)),
    ],
)
def test_gates_that_the_backend_has_not_where_compiling_is_forbidden(local, refuse, target, gateset, gate):
    circuit = QuantumCircuit(2)
    circuit.append(gate, [0, 1])
    backend = local.get_backend(target, gateset=gateset, optimization_level=None)
    for work in (
        lambda: SamplerV2(backend).run([circuit.measure_all(inplace=False)]),
        lambda: EstimatorV2(backend).run([(circuit, "ZZ")]),
    ):
        message = refuse(work, CircuitError)
        assert message.startswith("PUB 0: ")
        assert target in message
