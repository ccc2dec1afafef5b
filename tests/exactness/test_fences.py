# SPDX-License-Identifier: Apache-2.0
"""Nothing moves across a barrier or a delay, except virtual z rotations.

Checked on random circuits by the unitary before each fence, and by the gates between two fences of a wire.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile

from qiskit_parallel_ionq.compiler import compile_circuit

from .fences import keeps_segments, keeps_silence, segmented

CIRCUITS = 300 if os.environ.get("EXACTNESS_PROFILE") == "long" else 10


def for_run(circuit, backend, level):
    return compile_circuit(circuit, backend.target, level)


def for_later(circuit, backend, level):
    return transpile(circuit, backend, optimization_level=level)


@pytest.fixture(params=["ms", "zz"])
def backend(request, backends):
    return backends[request.param]


def drawn(salt, **what):
    for number in range(CIRCUITS):
        yield segmented(np.random.default_rng([number, salt]), **what)


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("compiled", [for_run, for_later])
def test_before_each_fence_of_an_unmeasured_circuit_is_what_was_before_it(compiled, level, backend):
    for circuit in drawn(1, barriers=True, delays=True):
        assert keeps_segments(compiled(circuit, backend, level), circuit), circuit


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("compiled", [for_run, for_later])
def test_before_each_delay_of_a_measured_circuit_is_what_was_before_it(compiled, level, backend):
    """What no measurement could see is not left out before a delay either."""
    for circuit in drawn(2, barriers=False, delays=True):
        circuit.measure_all()
        assert keeps_segments(compiled(circuit, backend, level), circuit), circuit


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("compiled", [for_run, for_later])
def test_gates_between_a_barrier_and_the_measurements_stay_there(compiled, level, backend):
    for circuit in drawn(4, barriers=True, delays=False):
        for qubit in range(circuit.num_qubits):
            circuit.ry(0.3 + qubit, qubit)
        circuit.measure_all()
        assert keeps_segments(compiled(circuit, backend, level), circuit), circuit


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("compiled", [for_run, for_later])
@pytest.mark.parametrize("measured", [False, True])
def test_no_pulse_comes_between_two_fences_of_a_wire_without_gates_there(measured, compiled, level, backend):
    for circuit in drawn(3, barriers=True, delays=True, partial=True):
        if measured:
            circuit.measure_all()
        assert keeps_silence(compiled(circuit, backend, level), circuit), circuit


@pytest.mark.parametrize("level", range(4))
def test_a_ramsey_experiment_keeps_its_pulses_on_both_sides_of_the_delay(level, backend):
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.delay(100, 0)
    circuit.h(0)
    circuit.barrier()
    circuit.h(1)
    circuit.measure([0, 1], [0, 1])
    for compiled in (for_run, for_later):
        names = [item.name for item in compiled(circuit, backend, level).data]
        assert {"gpi", "gpi2"} & set(names[names.index("delay") : names.index("barrier")])
        assert {"gpi", "gpi2"} & set(names[names.index("barrier") :])
