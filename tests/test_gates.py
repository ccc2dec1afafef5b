# SPDX-License-Identifier: Apache-2.0
"""The conventions that the compiler relies on, checked against qiskit-ionq's matrices."""

from __future__ import annotations

import cmath
from math import pi

import numpy as np
import pytest
from qiskit.quantum_info import Operator

from qiskit_parallel_ionq.gates import GPI2Gate, GPIGate, MSGate, ZZGate

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
