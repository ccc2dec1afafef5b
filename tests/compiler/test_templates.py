# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qiskit_parallel_ionq.compiler import compile_circuit, pass_manager
from qiskit_parallel_ionq.compiler.templates import shorten_template


def ladders(width, angles):
    """Return exponentials of long Paulis with unbound angles, and some numeric gates in between."""
    circuit = QuantumCircuit(width)
    circuit.ry(0.3, 0)
    for index, angle in enumerate(angles):
        for wire in range(width):
            (circuit.h if (index + wire) % 3 else circuit.sx)(wire)
        for wire in range(width - 1):
            circuit.cx(wire, wire + 1)
        circuit.rz(angle, width - 1)
        for wire in reversed(range(width - 1)):
            circuit.cx(wire, wire + 1)
        circuit.t(index % width)
        circuit.swap(0, 1)
    return circuit


@pytest.mark.parametrize("measured", [[0, 1, 2, 3], [2, 0]])
@pytest.mark.parametrize("level", [2, 3])
def test_a_template_is_shortened_once_for_all_values(level, measured, target, family, lab):
    angles = ParameterVector("a", 6)
    circuit = lab.measure(ladders(4, angles), measured, barrier=True)
    compiled = pass_manager(target, level).run(circuit)
    fast = pass_manager(target, 1).run(circuit)
    assert list(compiled.parameters) == list(circuit.parameters)
    lengths = []
    for values in (np.linspace(-4, 4, 6), np.full(6, np.pi / 2), np.zeros(6)):
        native = compile_circuit(compiled.assign_parameters(values), target)
        lab.assert_native(native, family)
        lab.assert_same_distribution(native, circuit.assign_parameters(values))
        lengths.append(lab.pairs(native))
    baseline = compile_circuit(fast.assign_parameters(np.linspace(-4, 4, 6)), target)
    assert lengths[0] < lab.pairs(baseline)


@pytest.mark.parametrize("name", ["rx", "ry", "rz", "p", "rzz", "rxx", "ryy", "rzx"])
def test_each_rotation_is_read_with_its_axis_and_sign(name, lab):
    angles = ParameterVector("a", 3)
    circuit = ladders(4, [angles[0], 0.7, angles[1]])
    qubits = (0, 2) if len(name) == 3 else (1,)
    getattr(circuit, name)(angles[2], *qubits)
    circuit.compose(ladders(4, [0.3, 0.2]), inplace=True)
    circuit.u(angles[0], 0.4, angles[1], 1)
    circuit.h(range(4))
    circuit = lab.measure(circuit, range(4))
    short, wires = shorten_template(circuit, 2, final=True)
    assert sorted(wires) == [0, 1, 2, 3]
    values = [0.4, -1.3, 2.2]
    lab.assert_same_distribution(short.assign_parameters(values), circuit.assign_parameters(values))


def test_a_template_that_cannot_get_shorter_stays(lab):
    angle = ParameterVector("a", 1)[0]
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.rzz(angle, 0, 1)
    circuit.h([0, 1])
    assert shorten_template(lab.measure(circuit, [0, 1]), 2, final=True) is None
    assert shorten_template(circuit, 2, final=True) is None  # not measured
