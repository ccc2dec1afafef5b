# SPDX-License-Identifier: Apache-2.0
"""The sampler gives the shots of every register, for PUBs of every shape, in one composite job."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import Clbit, Parameter, ParameterVector
from qiskit.circuit.random import random_circuit
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.primitives.containers import BitArray

from qiskit_parallel_ionq import CircuitError, OptionError, ParallelIonQProvider
from qiskit_parallel_ionq.decode import Outcome
from qiskit_parallel_ionq.primitives import SamplerOptions, SamplerV2
from qiskit_parallel_ionq.primitives.bits import bit_array

SHOTS = 2000
SIGMAS = 5


def agree(ours, theirs):
    """Two samples of one distribution: each outcome differs by no more than chance explains."""
    assert (ours.shape, ours.num_bits, ours.num_shots) == (theirs.shape, theirs.num_bits, theirs.num_shots)
    for place in np.ndindex(ours.shape):
        left, right = ours.get_int_counts(place), theirs.get_int_counts(place)
        for key in left.keys() | right.keys():
            mine, yours = left.get(key, 0), right.get(key, 0)
            assert abs(mine - yours) <= SIGMAS * np.sqrt(mine + yours) + SIGMAS


def compare(backend, pubs):
    ours = SamplerV2(backend).run(pubs, shots=SHOTS).result()
    theirs = StatevectorSampler(seed=3).run(pubs, shots=SHOTS).result()
    for mine, yours in zip(ours, theirs, strict=True):
        assert list(mine.data) == list(yours.data)
        assert mine.data.shape == yours.data.shape
        for name in yours.data:
            agree(mine.data[name], yours.data[name])
    return ours


def rotated(width=3):
    """A chain of entangled qubits, turned by free angles."""
    angles = ParameterVector("angle", width)
    circuit = QuantumCircuit(width)
    for qubit in range(width):
        circuit.ry(angles[qubit], qubit)
    for qubit in range(width - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.rz(angles[0] * angles[1] + 0.2, 0)
    circuit.ry(2 * angles[0] - angles[1] / 3, 0)
    circuit.measure_all()
    return circuit


def registered(name):
    """A circuit that measures into a register of this name."""
    circuit = QuantumCircuit(QuantumRegister(1), ClassicalRegister(1, name))
    circuit.measure(0, 0)
    return circuit


@pytest.mark.parametrize("seed", range(4))
def test_random_circuits_agree_with_the_state_vector(backend, seed):
    compare(backend, [random_circuit(4, 4, seed=10 * seed + k, measure=True) for k in range(3)])


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (2, 1, 2)])
def test_pubs_have_any_shape(backend, shape):
    values = np.random.default_rng(1).uniform(-3, 3, (*shape, 3))
    compare(backend, [(rotated(), values)])


def test_values_may_be_given_by_name(backend):
    circuit = rotated()
    rng = np.random.default_rng(2)
    values = {("angle[0]", "angle[1]"): rng.uniform(-3, 3, (2, 3, 2)), "angle[2]": rng.uniform(-3, 3, (2, 3))}
    compare(backend, [(circuit, values)])


def test_the_transpiled_circuit_may_be_given(backend):
    values = np.random.default_rng(1).uniform(-3, 3, (3, 3))
    compare(backend, [(transpile(rotated(), backend), values)])


def test_all_circuits_of_all_pubs_are_one_composite_job_whatever_their_shots(backend, runs):
    values = np.linspace(0, 1, 12).reshape(4, 3)
    job = SamplerV2(backend).run([(rotated(), values, 100), (rotated(), values[0], 7), (rotated(), values)])
    assert runs == [9]
    assert [pub.data.meas.num_shots for pub in job.result()] == [100, 7, 1024]
    assert job.job_id() == job.composite.job_id()
    assert len(job.composite) == 9


def test_metadata_says_where_the_shots_come_from(backend):
    circuit = rotated()
    circuit.metadata = {"step": 3}
    job = SamplerV2(backend).run([(circuit, np.zeros((2, 3)), 10), (circuit, np.zeros(3), 20)])
    result = job.result()
    assert [pub.metadata["shots"] for pub in result] == [10, 20]
    assert [pub.metadata["circuit_metadata"] for pub in result] == [{"step": 3}] * 2
    assert [name for pub in result for name in pub.metadata["job_ids"]] == job.composite.job_ids()
    assert result[0].metadata["timing"]["sent_at"] <= result[0].metadata["timing"]["ended_at"]
    assert result.metadata == {"version": 2, "job_id": job.job_id()}


# ── registers ──


def shared_bits():
    bits = [Clbit() for _ in range(3)]
    circuit = QuantumCircuit(QuantumRegister(3, "q"), bits)
    circuit.add_register(ClassicalRegister(name="low", bits=bits[:2]))
    circuit.add_register(ClassicalRegister(name="crossed", bits=[bits[2], bits[0]]))
    circuit.x([0, 2])
    circuit.measure([0, 1, 2], bits)
    return circuit


def test_registers_that_share_and_cross_bits_are_read_right(backend):
    circuit = shared_bits()
    data = SamplerV2(backend).run([circuit], shots=5).result()[0].data
    assert data.low.get_counts() == {"01": 5}
    assert data.crossed.get_counts() == {"11": 5}
    circuit = QuantumCircuit(QuantumRegister(2, "q"), ClassicalRegister(2, "c"))
    circuit.x(1)
    circuit.add_register(ClassicalRegister(name="back", bits=list(reversed(circuit.clbits))))
    circuit.measure([0, 1], [0, 1])
    data = SamplerV2(backend).run([circuit], shots=5).result()[0].data
    assert (data.c.get_counts(), data.back.get_counts()) == ({"10": 5}, {"01": 5})


def test_empty_and_unwritten_registers(backend):
    circuit = QuantumCircuit(
        QuantumRegister(2, "q"),
        ClassicalRegister(0, "none"),
        ClassicalRegister(3, "rest"),
        ClassicalRegister(1, "last"),
    )
    circuit.x(1)
    circuit.measure(1, 3)
    data = SamplerV2(backend).run([circuit], shots=7).result()[0].data
    assert data.none.array.shape == (7, 0)
    assert data.rest.get_counts() == {"000": 7}
    assert data.last.get_counts() == {"1": 7}


def test_more_than_64_bits():
    """Ordinary numbers do not hold them, so they take another way."""
    wide = Outcome(
        shots=3,
        values=np.array([1, 1 << 70 | 5], object),
        tallies=np.array([1, 2]),
        order=np.array([1, 0, 1]),
    )
    places = tuple(range(80))
    assert bit_array([wide], places, (), 3).get_int_counts() == {1: 1, 1 << 70 | 5: 2}
    crossed = bit_array([wide], (70, 0, 2), (), 3)
    assert crossed.get_counts() == {"111": 2, "010": 1}


def test_samples_are_those_of_qiskits_road_through_hex_strings(backend):
    values = np.random.default_rng(4).uniform(-3, 3, (3, 3))
    ours = SamplerV2(backend, {"seed_simulator": 5}).run([(rotated(), values)], shots=300).result()
    options = {"seed_simulator": 5}
    theirs = BackendSamplerV2(backend=backend, options=options).run([(rotated(), values)], shots=300).result()
    assert np.array_equal(ours[0].data.meas.array, theirs[0].data.meas.array)


def test_a_machine_gives_its_own_shots(local):
    circuit = QuantumCircuit(
        QuantumRegister(3, "q"), ClassicalRegister(1, "flag"), ClassicalRegister(2, "pair")
    )
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(0, 2)
    circuit.measure([0, 1, 2], [0, 1, 2])
    data = SamplerV2(local.get_backend("qpu.forte-1")).run([circuit], shots=500).result()[0].data
    assert np.mean(data.flag.array[:, 0] * 3 == data.pair.array[:, 0]) > 0.9


# ── seeds ──


def test_a_seed_repeats_the_samples_and_none_does_not(local):
    backend = local.get_backend("simulator")

    def samples(**options):
        return SamplerV2(backend, options).run([(rotated(), np.ones((2, 3)))]).result()[0].data.meas.array

    assert np.array_equal(samples(seed_simulator=3), samples(seed_simulator=3))
    assert not np.array_equal(samples(seed_simulator=3), samples(seed_simulator=4))
    assert not np.array_equal(samples(), samples())


# ── bad input ──


def test_a_circuit_without_registers_is_warned_of_and_not_sent(backend, runs):
    bare = QuantumCircuit(1)
    with pytest.warns(UserWarning, match="PUB 0.*measure_all"):
        result = SamplerV2(backend).run([bare, rotated().assign_parameters([0, 0, 0])]).result()
    assert runs == [1]
    assert len(result[0].data) == 0
    assert result[1].data.meas.get_counts() == {"000": 1024}


def test_no_pubs_are_an_empty_result(backend):
    assert len(SamplerV2(backend).run([]).result()) == 0


def test_an_empty_sweep_has_empty_arrays(backend):
    meas = SamplerV2(backend).run([(rotated(), np.zeros((0, 3)))], shots=10).result()[0].data.meas
    assert isinstance(meas, BitArray)
    assert meas.array.shape == (0, 10, 1)


@pytest.mark.parametrize(
    ("pub", "error", "says"),
    [
        ((rotated(), np.zeros((2, 2))), ValueError, "PUB 1: .*inconsistent"),
        ((rotated(),), ValueError, "PUB 1: .*parameter"),
        ((rotated(), [0, 0, 0], -5), ValueError, "shots"),
        ((rotated(), [0, 0, 0], 10**7), OptionError, "PUB 1: 10,000,000 shots"),
        ((registered("shape"),), CircuitError, "PUB 1: .*'shape'"),
        ((registered("values"),), CircuitError, "PUB 1: .*'values'"),
        ((rotated(), [0, np.nan, 0]), CircuitError, r"PUB 1: circuit .*angle\[1\]"),
        ("circuit", ValueError, "PUB 1: "),
    ],
)
def test_bad_pubs_are_refused_before_anything_is_sent(backend, runs, pub, error, says):
    good = (rotated(), [0, 0, 0])
    with pytest.raises(error, match=says):
        SamplerV2(backend).run([good, pub])
    assert runs == []


def test_a_formula_without_a_value_is_refused_before_anything_is_sent(backend, runs):
    x = Parameter("x")
    circuit = QuantumCircuit(1, 1)
    circuit.rx(1 / x, 0)
    circuit.measure(0, 0)
    if backend.gateset == "qis":
        pytest.skip("the circuit is bound by Qiskit as its turn comes")
    with pytest.raises(CircuitError, match=r"1/x|x\*\*"):
        SamplerV2(backend).run([(circuit, [[1.0], [0.0]])])
    assert runs == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"shots": 5}, "unknown option 'shots'"),
        ({"defualt_shots": 5}, "did you mean 'default_shots'"),
        ({"default_shots": 0}, "between"),
        ({"run_options": {"shots": 5}}, "the primitive does"),
        ({"run_options": {"max_worker": 5}}, "did you mean 'max_workers'"),
        ({"run_options": 5}, "mapping"),
        ({"seed_simulator": -1}, "seed_simulator"),
        (5, "mapping"),
    ],
)
def test_bad_options_are_named(backend, options, says):
    with pytest.raises(OptionError, match=says):
        SamplerV2(backend, options)


def test_options_are_the_users_then_the_backends(local):
    backend = local.get_backend("simulator", shots=77)
    assert SamplerV2(backend).default_shots == 77
    assert SamplerV2(backend, SamplerOptions(default_shots=5)).options.default_shots == 5
    options = {"run_options": {"circuits_per_job": 10}}
    job = SamplerV2(backend, options).run([(rotated(), np.zeros((4, 3)))])
    assert job.result()[0].data.meas.num_shots == 77
    assert len(set(job.composite.job_ids())) == 1


def test_a_backend_of_another_package_is_refused(backend):
    with pytest.raises(OptionError, match="BackendSamplerV2"):
        SamplerV2("ionq_simulator")
    dry = backend._account.get_backend("simulator", dry_run=True)
    with pytest.raises(OptionError, match="dry_run"):
        SamplerV2(dry).run([rotated().assign_parameters([0, 0, 0])])


# ── the job ──


def test_a_job_under_way_can_be_watched_and_cancelled():
    with ParallelIonQProvider.local(execution_time=60) as provider:
        job = SamplerV2(provider.get_backend("simulator")).run([(rotated(), np.zeros((3, 3)))])
        assert not job.done()
        assert not job.in_final_state()
        with pytest.raises(TimeoutError):
            job.result(timeout=0.05)
        assert job.cancel()
        job.wait_for_final_state(timeout=10)
        assert job.cancelled()
        assert not job.running()
        assert "cancelled" in job.error_message()
        with pytest.raises(Exception, match="cancelled"):
            job.result()


def test_a_result_is_made_once(backend):
    job = SamplerV2(backend).run([(rotated(), np.zeros(3))])
    assert job.result() is job.result()
    assert job.done()
    assert job.backend() is backend
    assert "1/1" in repr(job)


def test_a_circuit_may_be_built_on_while_its_job_is_under_way(backend):
    circuit = QuantumCircuit(2, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    job = SamplerV2(backend).run([circuit], shots=3)
    circuit.measure_all()
    assert {name: bits.get_counts() for name, bits in job.result()[0].data.items()} == {"c": {"1": 3}}
