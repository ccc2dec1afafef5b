# SPDX-License-Identifier: Apache-2.0
"""What is sent can be differentiated numerically: no angle is rounded away that the wire format can say.

Optimisers of SciPy take steps of 1e-8 to 1.5e-8 rad. Phases and angles go out in 1e-12 turns, 6e-12 rad.
"""

from __future__ import annotations

import os
from math import pi

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import UnitaryGate
from qiskit.quantum_info import Operator

from .circuits import Shape, random_circuit
from .simulator import distribution
from .ways import freed, sent, sent_from_template
from .wire import outcomes

LONG = os.environ.get("EXACTNESS_PROFILE") == "long"
CIRCUITS = 300 if LONG else 40
LEVELS = range(4) if LONG else (1, 2)
ROUNDING = 2e-11  # radians, for all phases of a circuit together

PAIRS = ("rxx", "ryy", "rzz", "rzx", "cp", "crx", "crz")


def slope(after, before, step):
    """Return the derivative of each outcome's probability."""
    return {key: (after.get(key, 0) - before.get(key, 0)) / step for key in after.keys() | before.keys()}


def error(found, exact):
    return max(abs(found.get(key, 0) - exact.get(key, 0)) for key in found.keys() | exact.keys())


def seen(kind, angle, on):
    """Return a circuit of one small turn whose outcomes depend on it to the first order."""
    circuit = QuantumCircuit(2)
    circuit.rx(0.4, 0)
    circuit.ry(0.9, 1)
    circuit.cx(0, 1)
    circuit.h(0)
    getattr(circuit, kind)(angle, *on)
    circuit.ry(0.7, 0)
    circuit.rx(-0.5, 1)
    circuit.cx(1, 0)
    circuit.measure_all()
    return circuit


@pytest.mark.parametrize("base", [0.0, pi / 2, -pi, 2 * pi], ids=str)
@pytest.mark.parametrize("kind", ["rx", "ry", "rz", *PAIRS])
@pytest.mark.parametrize("device", ["ms", "zz", "qis"])
def test_a_step_of_1e_8_from_a_special_angle_has_the_right_slope(device, kind, base, backends):
    on = (0, 1) if kind in PAIRS else (0,)
    exact = slope(*(distribution(seen(kind, base + h, on)) for h in (1e-4, -1e-4)), 2e-4)
    for step in (1e-8, 1e-9):
        for level in LEVELS if device != "qis" else (1,):
            parameter = Parameter("a")
            rows = [[base + step], [base - step]]
            circuits = [seen(kind, angle, on) for (angle,) in rows]
            for encoded in (
                sent(circuits, backends[device], optimization_level=level),
                sent_from_template(
                    seen(kind, parameter, on), rows, backends[device], optimization_level=level
                ),
            ):
                found = slope(*(outcomes(each, 2) for each in encoded), 2 * step)
                assert error(found, exact) < ROUNDING / step


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("device", ["ms", "zz"])
def test_a_matrix_that_is_almost_a_simple_one_is_not_taken_for_it(device, level, backends):
    def circuit(angle):
        turned = QuantumCircuit(2)
        turned.rxx(angle, 0, 1)
        turned.rzz(pi / 2 + 2 * angle, 0, 1)
        whole = QuantumCircuit(2)
        whole.rx(0.4, 0)
        whole.ry(0.9, 1)
        whole.append(UnitaryGate(Operator(turned)), [0, 1])
        whole.ry(0.7, 0)
        whole.rx(0.2, 1)
        whole.measure_all()
        return whole

    exact = slope(*(distribution(circuit(h)) for h in (1e-4, -1e-4)), 2e-4)
    encoded = sent([circuit(1e-8), circuit(-1e-8)], backends[device], optimization_level=level)
    found = slope(*(outcomes(each, 2) for each in encoded), 2e-8)
    assert error(found, exact) < ROUNDING / 1e-8


@pytest.mark.parametrize("device", ["ms", "zz"])
def test_random_circuits_at_special_angles_have_the_slopes_of_what_they_are(device, backends):
    """Other angles are multiples of a quarter turn about as often as not, so that much merges and vanishes."""
    steep = 0
    for number in range(CIRCUITS):
        rng = np.random.default_rng([number, 4])
        free, values = freed(random_circuit(rng, Shape(strange=False, delays=False)))
        if not values:
            continue
        which = int(rng.integers(len(values)))
        values[which] = round(values[which] / (pi / 4)) * pi / 4

        def moved(step, values=values, which=which):
            return [value + step * (place == which) for place, value in enumerate(values)]

        bound = [free.assign_parameters(moved(step)) for step in (1e-4, -1e-4)]
        exact = slope(*map(distribution, bound), 2e-4)
        steep += max(map(abs, exact.values())) > 1e-2
        for level in range(4) if LONG else [int(rng.integers(4))]:
            rows = [moved(1e-8), moved(-1e-8)]
            options = {"optimization_level": level}
            for encoded in (
                sent_from_template(free, rows, backends[device], **options),
                sent([free.assign_parameters(row) for row in rows], backends[device], **options),
            ):
                found = slope(*(outcomes(each, free.num_clbits) for each in encoded), 2e-8)
                assert error(found, exact) < ROUNDING / 1e-8, f"level {level}, circuit {number}"
    assert steep > CIRCUITS / 20
