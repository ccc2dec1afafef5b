# SPDX-License-Identifier: Apache-2.0
"""Every gate does what IonQ documents, judged by Qiskit and qiskit-ionq."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.circuit import library
from qiskit.quantum_info import Operator
from qiskit_ionq import GPI2Gate, GPIGate, MSGate, ZZGate

from qiskit_parallel_ionq.emulator import gates

FIXED = {
    "x": library.XGate(),
    "not": library.XGate(),
    "cnot": library.XGate(),
    "y": library.YGate(),
    "z": library.ZGate(),
    "h": library.HGate(),
    "s": library.SGate(),
    "si": library.SdgGate(),
    "t": library.TGate(),
    "ti": library.TdgGate(),
    "v": library.SXGate(),
    "vi": library.SXdgGate(),
    "swap": library.SwapGate(),
}
ROTATIONS = {
    "rx": library.RXGate,
    "ry": library.RYGate,
    "rz": library.RZGate,
    "xx": library.RXXGate,
    "yy": library.RYYGate,
    "zz": library.RZZGate,
}
ANGLES = (0.0, 0.3, -1.1, np.pi / 2, 3.7)


def first_target_leftmost(gate) -> np.ndarray:
    """A Qiskit gate's matrix with its first qubit as the most significant factor."""
    return Operator(gate).reverse_qargs().data


def test_every_fixed_gate_is_judged():
    assert set(FIXED) == set(gates.FIXED)
    assert set(ROTATIONS) == set(gates.ROTATIONS)


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_gate_is_qiskits(name):
    np.testing.assert_allclose(gates.FIXED[name], first_target_leftmost(FIXED[name]), atol=1e-15)


@pytest.mark.parametrize("name", ROTATIONS)
@pytest.mark.parametrize("angle", ANGLES)
def test_a_rotation_is_qiskits(name, angle):
    expected = first_target_leftmost(ROTATIONS[name](angle))
    np.testing.assert_allclose(gates.ROTATIONS[name](angle), expected, atol=1e-15)


@pytest.mark.parametrize("turns", [0.0, 0.1, -0.35, 0.5])
def test_single_qubit_native_gates_are_qiskit_ionqs(turns):
    np.testing.assert_allclose(gates.gpi(turns), GPIGate(turns).to_matrix(), atol=1e-15)
    np.testing.assert_allclose(gates.gpi2(turns), GPI2Gate(turns).to_matrix(), atol=1e-15)


@pytest.mark.parametrize(("first", "second", "angle"), [(0, 0, 0.25), (0.1, 0.4, 0.25), (-0.3, 0.2, 0.1)])
def test_ms_is_qiskit_ionqs(first, second, angle):
    expected = first_target_leftmost(MSGate(first, second, angle))
    np.testing.assert_allclose(gates.ms(first, second, angle), expected, atol=1e-15)


def test_ms_has_the_documented_entries():
    matrix = gates.ms(0.1, 0.3, 0.2)
    sine = -1j * np.sin(0.2 * np.pi)
    np.testing.assert_allclose(np.diag(matrix), np.full(4, np.cos(0.2 * np.pi)))
    assert matrix[0b00, 0b11] == pytest.approx(sine * np.exp(-2j * np.pi * 0.4))
    assert matrix[0b11, 0b00] == pytest.approx(sine * np.exp(2j * np.pi * 0.4))
    assert matrix[0b01, 0b10] == pytest.approx(sine * np.exp(-2j * np.pi * -0.2))
    assert matrix[0b10, 0b01] == pytest.approx(sine * np.exp(2j * np.pi * -0.2))


@pytest.mark.parametrize("angle", [0.25, 0.1, -0.2])
def test_native_zz_is_qiskit_ionqs(angle):
    np.testing.assert_allclose(gates.native_zz(angle), Operator(ZZGate(angle)).data, atol=1e-15)


def test_a_sum_of_paulis_that_do_not_commute_is_exponentiated_exactly():
    total = 0.7 * np.kron(gates.X, gates.I) + -0.4 * np.kron(gates.Z, gates.Z)
    power, expected = np.eye(4, dtype=complex), np.zeros((4, 4), dtype=complex)
    for n in range(40):  # the series, as a second witness
        expected += power
        power = power @ (-1j * 0.6 * total) / (n + 1)
    found = gates.pauli_sum_exponential(["XI", "ZZ"], [0.7, -0.4], 0.6)
    np.testing.assert_allclose(found, expected, atol=1e-14)
