# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.circuit.library import UGate

from qiskit_parallel_ionq.compiler import rotations as r

angles = st.floats(-10, 10)
quaternions = st.tuples(angles, angles, angles).map(lambda values: r.euler(*values))
vectors = st.tuples(angles, angles, angles).filter(lambda v: sum(c * c for c in v) > 1e-2).map(r.unit)


def same_up_to_phase(a, b):
    return np.isclose(abs(np.trace(a.conj().T @ b)), 2)


@given(quaternions, quaternions)
def test_product_is_the_product_of_the_matrices(p, q):
    assert np.allclose(r.to_matrix(r.product(p, q)), r.to_matrix(p) @ r.to_matrix(q))


@given(quaternions, vectors)
def test_rotate_conjugates_the_pauli_along_a_direction(q, v):
    def pauli(u):
        x, y, z = u
        return np.array([[z, x - 1j * y], [x + 1j * y, -z]])

    u = r.to_matrix(q)
    assert np.allclose(pauli(r.rotate(q, v)), u @ pauli(v) @ u.conj().T)
    assert np.allclose(r.back(q, r.rotate(q, v)), v)


@given(quaternions)
def test_back_finds_what_turns_to_an_axis(q):
    for found, axis in ((r.back_x(q), r.X), (r.back_y(q), r.Y), (r.back_z(q), r.Z)):
        assert np.allclose(r.rotate(q, found), axis)


@given(angles, angles, angles)
def test_euler_is_qiskit_s_u_and_comes_back(theta, phi, lam):
    matrix = UGate(theta, phi, lam).to_matrix()
    assert same_up_to_phase(r.to_matrix(r.euler(theta, phi, lam)), matrix)
    assert same_up_to_phase(UGate(*r.to_euler(r.euler(theta, phi, lam))).to_matrix(), matrix)
    assert same_up_to_phase(r.to_matrix(r.from_matrix(matrix)), matrix)


def test_a_matrix_that_is_not_unitary_is_refused():
    with pytest.raises(ValueError, match="unitary"):
        r.from_matrix(np.array([[1, 0], [0, 2]]))


@given(vectors)
def test_alignment_tells_equal_from_opposite_from_neither(v):
    assert r.alignment(v, v) == 1
    assert r.alignment(v, (-v[0], -v[1], -v[2])) == -1
    tilted = r.rotate(r.about(r.unit(r.cross(v, (v[1], v[2], -v[0] + 0.3))), 1e-6), v)
    assert r.alignment(v, tilted) == 0


@given(angles)
def test_turns_are_within_half_a_turn(angle):
    value = r.turns(angle)
    assert -0.5 <= value <= 0.5
    assert np.isclose(np.exp(2j * np.pi * value), np.exp(1j * angle))
