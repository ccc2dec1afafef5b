# SPDX-License-Identifier: Apache-2.0
"""Merging: each rule acts, and each is right."""

from __future__ import annotations

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq.compiler.native import to_native
from qiskit_parallel_ionq.compiler.program import Demand, Program
from qiskit_parallel_ionq.compiler.reading import read


def circuit_of(width, *gates):
    circuit = QuantumCircuit(width)
    for name, *arguments in gates:
        getattr(circuit, name)(*arguments)
    return circuit


CASES = {
    "equal directions add up": (1, circuit_of(2, ("rzz", 0.3, 0, 1), ("rzz", 0.4, 0, 1))),
    "opposite directions subtract": (1, circuit_of(2, ("rzz", 0.3, 0, 1), ("x", 0), ("rzz", 1.4, 0, 1))),
    "equal and opposite vanish": (0, circuit_of(2, ("rxx", 0.3, 0, 1), ("z", 1), ("rxx", 0.3, 0, 1))),
    "past a parallel direction on a shared wire": (
        2,
        circuit_of(3, ("rzz", 0.3, 0, 1), ("rzz", 0.5, 1, 2), ("rzz", 0.4, 0, 1)),
    ),
    "past perpendicular directions of the pair": (
        2,
        circuit_of(2, ("rzz", 0.3, 0, 1), ("rxx", 0.5, 0, 1), ("rzz", 0.4, 0, 1)),
    ),
    "not past what does not commute": (
        3,
        circuit_of(3, ("rzz", 0.3, 0, 1), ("rxx", 0.5, 1, 2), ("rzz", 0.4, 0, 1)),
    ),
    "half turns are Paulis": (0, circuit_of(2, ("rzx", 3.141592653589793, 0, 1))),
    "a half turn made by merging passes what is in between": (
        1,
        circuit_of(3, ("rzz", 1.5, 0, 1), ("rzz", 0.5, 1, 2), ("rzz", 1.641592653589793, 0, 1), ("h", 1)),
    ),
    "one shared direction, first wire": (1, circuit_of(2, ("cx", 0, 1), ("rz", 0.7, 1), ("cx", 0, 1))),
    "one shared direction, second wire": (1, circuit_of(2, ("cx", 1, 0), ("ry", 0.7, 0), ("cx", 1, 0))),
    "one shared direction, past another partner": (
        2,
        circuit_of(3, ("cx", 0, 1), ("rz", 0.7, 1), ("cz", 0, 2), ("cx", 0, 1)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_merging_acts(case):
    expected, circuit = CASES[case]
    program = Program(circuit.num_qubits)
    read(circuit, program)
    assert len(program.items) == expected


@pytest.mark.parametrize("case", CASES)
def test_merging_is_right(case, lab, family):
    circuit = CASES[case][1]
    native, wires = to_native(circuit, family, 1)
    lab.assert_same_unitary(native, wires, circuit)


def test_nothing_merges_past_a_fence():
    program = Program(2)
    read(circuit_of(2, ("rzz", 0.3, 0, 1), ("barrier", 0), ("rzz", 0.4, 0, 1)), program)
    assert len(program.terms) == 2


def test_without_merging_every_interaction_stays():
    program = Program(2, merging=False)
    read(circuit_of(2, ("rzz", 0.3, 0, 1), ("rzz", 0.4, 0, 1)), program)
    assert [term.t for term in program.terms] == [0.3, 0.4]


def test_a_swap_exchanges_wires_or_is_three_interactions():
    swap = circuit_of(2, ("swap", 0, 1))
    relabelled, acting = Program(2), Program(2, relabelling=False)
    read(swap, relabelled)
    read(swap, acting)
    assert (relabelled.wires, relabelled.items) == ([1, 0], [])
    assert (acting.wires, len(acting.items)) == ([0, 1], 3)


def test_frames_start_again_after_a_measurement_but_not_after_a_barrier():
    program = Program(1)
    read(circuit_of(1, ("h", 0)), program)
    program.fence(Demand.POLE, (0,))
    assert program.frames[0] != (1.0, 0.0, 0.0, 0.0)
    program.fence(Demand.MEASURE, (0,))
    assert program.frames[0] == (1.0, 0.0, 0.0, 0.0)
