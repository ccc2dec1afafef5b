# SPDX-License-Identifier: Apache-2.0
"""How many pulses each situation takes, on both families."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq.compiler.emission import emit
from qiskit_parallel_ionq.compiler.native import to_native
from qiskit_parallel_ionq.compiler.program import Program
from qiskit_parallel_ionq.compiler.reading import read


def one(*gates):
    circuit = QuantumCircuit(1)
    for name, *arguments in gates:
        getattr(circuit, name)(*arguments, 0)
    return circuit


@pytest.mark.parametrize(
    ("gates", "pulses"),
    [
        ([], 0),
        ([("x",)], 1),
        ([("h",)], 2),
        ([("rx", np.pi / 2)], 1),
        ([("rz", 0.3)], 2),
        ([("u", 0.3, 0.4, 0.5)], 3),
        ([("ry", np.pi / 2), ("rz", 0.3)], 2),
    ],
)
def test_restoring_a_whole_frame_takes_three_pulses_at_most(gates, pulses, lab, family):
    circuit = one(*gates)
    native, wires = to_native(circuit, family, 1)
    assert lab.pulses(native) == pulses
    lab.assert_same_unitary(native, wires, circuit)


@pytest.mark.parametrize(
    ("gates", "pulses"), [([("rz", 0.3)], 0), ([("x",)], 1), ([("h",)], 1), ([("u", 0.3, 0.4, 0.5)], 2)]
)
def test_before_a_measurement_z_rotations_are_forgotten(gates, pulses, lab, family):
    original = lab.measure(one(*gates), [0])
    native, _ = to_native(original, family, 1)
    assert lab.pulses(native) == pulses
    lab.assert_same_distribution(native, original)


def test_between_interactions_ms_needs_one_pulse_and_zz_two(lab):
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.rzz(0.4, 0, 1)
    circuit.u(0.3, 0.4, 0.5, 1)
    circuit.rzz(0.7, 1, 2)
    circuit.h([0, 1, 2])
    original = lab.measure(circuit, [0, 1, 2])
    counts = {}
    for family in ("ms", "zz"):
        native, _ = to_native(original, family, 1)
        lab.assert_same_distribution(native, original)
        counts[family] = lab.pulses(native)
    assert counts["ms"] < counts["zz"]


def test_ms_does_not_pulse_where_every_direction_is_on_the_equator(lab):
    circuit = QuantumCircuit(3)
    circuit.rxx(0.3, 0, 1)
    circuit.ryy(0.5, 1, 2)
    original = lab.measure(circuit, [0, 1, 2])
    native, _ = to_native(original, "ms", 1)
    assert lab.pulses(native) == 0
    lab.assert_same_distribution(native, original)


def test_a_negative_zz_angle_is_made_positive_by_where_its_directions_land(lab):
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.rzz(-0.3, 0, 1)
    circuit.h([0, 1])
    original = lab.measure(circuit, [0, 1])
    native, _ = to_native(original, "zz", 1)
    assert (lab.pulses(native), lab.pairs(native)) == (4, 1)
    lab.assert_native(native, "zz")
    lab.assert_same_distribution(native, original)


def test_a_frustrated_triangle_of_signs_costs_one_gpi(lab):
    circuit = QuantumCircuit(3)
    circuit.h([0, 1, 2])
    circuit.rzz(0.3, 0, 1)
    circuit.rzz(0.3, 1, 2)
    circuit.rzz(-0.3, 0, 2)
    circuit.h([0, 1, 2])
    original = lab.measure(circuit, [0, 1, 2])
    native, _ = to_native(original, "zz", 1)
    assert native.count_ops()["gpi"] == 1
    lab.assert_same_distribution(native, original)


def test_interactions_that_commute_are_ordered_to_need_fewer_pulses(lab):
    circuit = QuantumCircuit(2)
    circuit.rxx(0.3, 0, 1)
    circuit.rzz(0.4, 0, 1)  # costs nothing at the start, on a zz device
    circuit.ry(0.7, [0, 1])
    original = lab.measure(circuit, [0, 1])
    program = Program(2)
    read(original, program)
    kept, ordered = (emit(program.items, original, "zz", reordering=choice) for choice in (False, True))
    assert lab.pulses(ordered) < lab.pulses(kept)
    for native in (kept, ordered):
        lab.assert_same_distribution(native, original)


def test_level_0_keeps_every_gate_where_it_is(lab, family):
    circuit = QuantumCircuit(2)
    for _ in range(3):
        circuit.cx(0, 1)
        circuit.h(0)
        circuit.h(0)
    circuit.swap(0, 1)
    native, wires = to_native(circuit, family, 0)
    assert lab.pairs(native) == 6
    assert wires == [0, 1]
    lab.assert_same_unitary(native, wires, circuit)
    folded, _ = to_native(lab.measure(circuit, [0, 1]), family, 1)
    assert lab.pairs(folded) <= 1


def test_level_0_takes_two_pulses_at_most_for_a_one_qubit_gate(lab, family):
    circuit = QuantumCircuit(1)
    for angle in range(20):
        circuit.u(0.3 + angle, 0.4, 0.5, 0)
    native, _ = to_native(lab.measure(circuit, [0]), family, 0)
    assert lab.pulses(native) <= 40


@pytest.mark.parametrize("level", [0, 1])
def test_pulses_stay_on_their_side_of_a_barrier(level, lab, family):
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.barrier()
    circuit.x(0)
    native, _ = to_native(lab.measure(circuit, [0]), family, level)
    assert [item.operation.name for item in native.data] == ["gpi", "barrier", "gpi", "measure"]
