# SPDX-License-Identifier: Apache-2.0
"""One-qubit rotations as unit quaternions, directions as 3-vectors, both plain tuples.

The quaternion ``(w, x, y, z)`` stands for ``w - i(xX + yY + zZ)``; the product of two is the product of the
matrices. Tuples and explicit formulas because these few lines are most of the compiler's running time.
"""

from __future__ import annotations

from math import hypot, pi
from typing import Any

import numpy as np

from qiskit_parallel_ionq.compiler.columns import Column, atan2, choose, cos, raw, sin, sqrt

Quaternion = tuple[float, float, float, float]
Vector = tuple[float, float, float]

IDENTITY: Quaternion = (1.0, 0.0, 0.0, 0.0)
X: Vector = (1.0, 0.0, 0.0)
Y: Vector = (0.0, 1.0, 0.0)
Z: Vector = (0.0, 0.0, 1.0)
HALF = sqrt(0.5)

RESOLUTION = 2 * pi * 1e-12
"""Radians that make no difference: phases and angles are sent as multiples of 1e-12 turns.

Nothing larger may be rounded away. Optimisers that differentiate numerically take steps of 1e-8 rad.
"""

PARALLEL = RESOLUTION * RESOLUTION
"""Directions count as parallel when the squared sine of their angle is below this."""

CLOSE = 1e-10
"""Radians by which a direction may miss the pole or the equator before pulses are spent on it.

The azimuth of a direction near a pole is uncertain by the rounding errors of many gates, about 1e-13, divided
by its distance from the pole.
"""

CLOSE_SQUARED = CLOSE * CLOSE


def product(p: Quaternion, q: Quaternion) -> Quaternion:
    """Return the rotation that does `q` first and `p` after, normalised so that errors cannot pile up."""
    a, b, c, d = p
    e, f, g, h = q
    w = a * e - b * f - c * g - d * h
    x = a * f + b * e + c * h - d * g
    y = a * g - b * h + c * e + d * f
    z = a * h + b * g - c * f + d * e
    n: Any = w * w + x * x + y * y + z * z
    if n.__class__ is Column:
        return _normalised((w, x, y, z), n)
    if 0.9999999999999 < n < 1.0000000000001:
        return w, x, y, z
    n = 1.0 / sqrt(n)
    return w * n, x * n, y * n, z * n


def _normalised(q: Quaternion, n: Any) -> Quaternion:
    """Do what `product` does in the end to a column: rows that are as good as normalised stay as they are."""
    near = (n.values > 0.9999999999999) & (n.values < 1.0000000000001)
    if near.all():
        return q
    scale = choose(near, n, 1.0, 1.0 / sqrt(n))
    return q[0] * scale, q[1] * scale, q[2] * scale, q[3] * scale


def inverse(q: Quaternion) -> Quaternion:
    """Return the opposite rotation."""
    return q[0], -q[1], -q[2], -q[3]


def about(axis: Vector, angle: float) -> Quaternion:
    """Return the rotation by `angle` radians about a unit vector."""
    s = sin(angle / 2)
    return cos(angle / 2), axis[0] * s, axis[1] * s, axis[2] * s


def rotate(q: Quaternion, v: Vector) -> Vector:
    """Return where the rotation takes a direction."""
    w, x, y, z = q
    a, b, c = v
    # v + 2w(r × v) + 2 r × (r × v) with r the vector part
    s, t, u = y * c - z * b, z * a - x * c, x * b - y * a
    return (
        a + 2.0 * (w * s + y * u - z * t),
        b + 2.0 * (w * t + z * s - x * u),
        c + 2.0 * (w * u + x * t - y * s),
    )


def back(q: Quaternion, v: Vector) -> Vector:
    """Return the direction that the rotation takes to `v`."""
    return rotate((q[0], -q[1], -q[2], -q[3]), v)


def back_x(q: Quaternion) -> Vector:
    """Return the direction that the rotation takes to +x."""
    w, x, y, z = q
    return 1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)


def back_y(q: Quaternion) -> Vector:
    """Return the direction that the rotation takes to +y."""
    w, x, y, z = q
    return 2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)


def back_z(q: Quaternion) -> Vector:
    """Return the direction that the rotation takes to +z."""
    w, x, y, z = q
    return 2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)


def cross(u: Vector, v: Vector) -> Vector:
    """Return the cross product."""
    a, b, c = u
    d, e, f = v
    return b * f - c * e, c * d - a * f, a * e - b * d


def dot(u: Vector, v: Vector) -> float:
    """Return the scalar product."""
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]


def unit(v: Vector) -> Vector:
    """Return the vector scaled to length 1."""
    n = 1.0 / sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    return v[0] * n, v[1] * n, v[2] * n


def alignment(u: Vector, v: Vector, tolerance: float = PARALLEL) -> int:
    """Return 1 if two directions are equal, -1 if opposite, 0 otherwise.

    Args:
        u: a direction.
        v: another.
        tolerance: of the squared sine of their angle.
    """
    a, b, c = u
    d, e, f = v
    d_uv: Any = a * d + b * e + c * f
    if d_uv.__class__ is Column:
        found: int = _alignment_of_rows(u, v, d_uv, tolerance)
        return found
    if -0.9999999 < d_uv < 0.9999999:
        return 0
    p, q, r = b * f - c * e, c * d - a * f, a * e - b * d
    if p * p + q * q + r * r > tolerance:
        return 0
    return 1 if d_uv > 0.0 else -1


def _alignment_of_rows(u: Vector, v: Vector, d_uv: Any, tolerance: float) -> Any:
    """Do what `alignment` does: all rows are parallel or none is, but each may have a sign of its own."""
    if (abs(d_uv.values) < 0.9999999).all():
        return 0
    normal = cross(u, v)
    if dot(normal, normal) > tolerance:
        return 0
    return d_uv.rows.column(np.where(d_uv.values > 0.0, 1.0, -1.0))


def settled(axis: Vector, along: Vector, angle: float, where: Any = True) -> Vector:
    """Return a second direction, or its opposite, where a turn about the first is the same turn about it.

    Args:
        axis: an uncertain direction.
        along: a direction that it may stand for.
        angle: radians of the turn about `axis`. The change that is made is smaller than `RESOLUTION`.
        where: of columns, the rows whose direction is uncertain.
    """
    normal = cross(axis, along)
    error: Any = dot(normal, normal) * (angle * angle)
    side: Any = dot(axis, along)
    if error.__class__ is Column:
        alike = (error.values < PARALLEL) & where
        signed = [choose(raw(side) > 0.0, error, each, -each) for each in along]
        x, y, z = [choose(alike, error, new, old) for new, old in zip(signed, axis, strict=True)]
        return x, y, z
    if not error < PARALLEL:
        return axis
    return along if side > 0.0 else (-along[0], -along[1], -along[2])


def perpendicular(u: Vector, v: Vector, tolerance: float = PARALLEL) -> bool:
    """Return whether two directions are at a right angle."""
    d = u[0] * v[0] + u[1] * v[1] + u[2] * v[2]
    return d * d < tolerance


def euler(theta: float, phi: float, lam: float) -> Quaternion:
    """Return Qiskit's ``u(theta, phi, lam)``: Rz(phi) Ry(theta) Rz(lam), radians."""
    c, s = cos(theta / 2), sin(theta / 2)
    plus, minus = (phi + lam) / 2, (phi - lam) / 2
    return c * cos(plus), -s * sin(minus), s * cos(minus), c * sin(plus)


def from_matrix(matrix: np.ndarray) -> Quaternion:
    """Return the rotation that a 2x2 unitary makes, its phase dropped.

    Raises:
        ValueError: the matrix is not unitary.
    """
    a, b, c, d = np.asarray(matrix, dtype=complex).reshape(-1).tolist()
    root = (a * d - b * c) ** 0.5
    if not abs(abs(root) - 1.0) < 1e-6 or not abs(abs(a) ** 2 + abs(c) ** 2 - 1.0) < 1e-6:
        raise ValueError("not a unitary matrix")
    a, b, c, d = a / root, b / root, c / root, d / root
    w, z = (a + d).real / 2, (d - a).imag / 2
    x, y = -(b + c).imag / 2, (c - b).real / 2
    n = 1.0 / sqrt(w * w + x * x + y * y + z * z)
    return w * n, x * n, y * n, z * n


def to_matrix(q: Quaternion) -> np.ndarray:
    """Return the 2x2 matrix of determinant 1."""
    w, x, y, z = q
    return np.array([[w - 1j * z, -y - 1j * x], [y - 1j * x, w + 1j * z]])


def to_euler(q: Quaternion) -> Vector:
    """Return ``(theta, phi, lam)`` of the Qiskit ``u`` that makes this rotation, up to its phase."""
    w, x, y, z = q
    theta = 2.0 * atan2(hypot(x, y), hypot(w, z))
    plus = atan2(z, w) if w * w + z * z > PARALLEL else 0.0
    minus = atan2(-x, y) if x * x + y * y > PARALLEL else 0.0
    return theta, plus + minus, plus - minus


def turns(angle: float) -> float:
    """Return an angle in radians as turns in [-0.5, 0.5]."""
    value = angle / (2 * pi)
    return value - round(value)
