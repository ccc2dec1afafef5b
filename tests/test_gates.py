# SPDX-License-Identifier: Apache-2.0
"""The conventions that the compiler relies on, checked against qiskit-ionq's matrices."""

from __future__ import annotations

import cmath
from io import BytesIO
from math import pi

import numpy as np
import pytest
import qiskit_ionq
from qiskit import QuantumCircuit, qpy, transpile
from qiskit.circuit import Gate
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import Operator
from qiskit_ionq.helpers import qiskit_circ_to_ionq_circ

from qiskit_parallel_ionq.gates import GPI2Gate, GPIGate, MSGate, ZZGate, restored

X = np.array([[0, 1], [1, 0]])
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1])


def equator(turns):
    return np.cos(2 * pi * turns) * X + np.sin(2 * pi * turns) * Y


def rotation(generator, angle):
    return np.cos(angle) * np.eye(len(generator)) - 1j * np.sin(angle) * generator


@pytest.mark.parametrize("phase", [-0.4, 0.0, 0.13, 0.5])
def test_gpi_is_a_half_turn_about_the_equator(phase):
    assert np.allclose(np.array(GPIGate(phase)), equator(phase))


@pytest.mark.parametrize("phase", [-0.4, 0.0, 0.13, 0.5])
def test_gpi2_is_a_quarter_turn_about_the_equator(phase):
    assert np.allclose(np.array(GPI2Gate(phase)), rotation(equator(phase), pi / 4))


@pytest.mark.parametrize(("p", "q", "angle"), [(0.1, -0.3, 0.25), (0.4, 0.2, 0.07)])
def test_ms_acts_along_its_two_phases_in_order(p, q, angle):
    # Qiskit's first qubit is the right factor of the product.
    expected = rotation(np.kron(equator(q), equator(p)), pi * angle)
    assert np.allclose(np.array(MSGate(p, q, angle)), expected)
    assert np.allclose(Operator(MSGate(p, q, angle).definition).data, expected)


def test_zz_has_its_angle_in_turns():
    corner = cmath.exp(-1j * pi * 0.2)
    assert np.allclose(
        np.array(ZZGate(0.2)), np.diag([corner, corner.conjugate(), corner.conjugate(), corner])
    )


# ── files ──


def through_a_file(circuit, **options):
    file = BytesIO()
    qpy.dump(circuit, file, **options)
    file.seek(0)
    return qpy.load(file)[0]


@pytest.fixture(params=[None, "forte-1"], ids=["ms", "zz"])
def backend(request, local):
    return local.get_backend("simulator", noise_model=request.param)


def transpiled(backend):
    circuit = efficient_su2(3, reps=1)
    circuit = circuit.assign_parameters(np.linspace(-2, 2, circuit.num_parameters))
    circuit.measure_all()
    return transpile(circuit, backend)


def what_is_sent(circuit, backend):
    options = backend.run_options(optimization_level=None)  # raises unless the gates are native
    (draft,) = backend.drafted([circuit], options)
    return draft.encode().fragment


@pytest.mark.parametrize("version", [13, qpy.QPY_VERSION])
def test_a_transpiled_circuit_read_from_a_qpy_file_is_sent_as_it_was_written(version, backend):
    circuit = transpiled(backend)
    read = through_a_file(circuit, version=version)
    assert [item.name for item in read.data] == [item.name for item in circuit.data]
    assert what_is_sent(read, backend) == what_is_sent(circuit, backend)


def test_stock_qiskit_ionq_takes_the_gates_before_and_after_a_file(backend):
    circuit = transpiled(backend)
    written = qiskit_circ_to_ionq_circ(circuit, gateset="native")
    assert written == qiskit_circ_to_ionq_circ(through_a_file(circuit), gateset="native")
    assert any(isinstance(item.operation, qiskit_ionq.GPI2Gate) for item in circuit.data)
    assert isinstance(MSGate(0.1, 0.2, 0.25), qiskit_ionq.MSGate)


@pytest.mark.parametrize("gate", [GPIGate(0.1), GPI2Gate(-0.3), MSGate(0.1, -0.4, 0.2), ZZGate(0.15)])
def test_each_native_gate_is_restored_from_what_a_file_keeps_of_it(gate):
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    found = restored(through_a_file(circuit).data[0].operation)
    assert type(found) is type(gate)
    assert found.params == gate.params


def named(name, *params):
    """Return a gate of a user's own that does nothing."""
    gate = Gate(name, 2, list(params))
    gate.definition = QuantumCircuit(2)
    return gate


def test_a_user_s_gate_of_the_same_name_is_what_its_definition_says(local):
    assert restored(named("ms", 0.1, 0.2, 0.25)) is None
    assert restored(named("ms", 0.1)) is None
    assert restored(Gate("zz", 2, [0.1])) is None
    circuit = QuantumCircuit(2)
    circuit.append(named("ms", 0.1, 0.2, 0.25), [0, 1])
    circuit.measure_all()
    backend = local.get_backend("simulator")
    assert "ms" not in transpile(circuit, backend).count_ops()
    assert backend.run(circuit, shots=10).result().get_counts() == {"00": 10}
