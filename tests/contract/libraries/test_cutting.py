# SPDX-License-Identifier: Apache-2.0
"""qiskit-addon-cutting, unmodified, over our sampler: pieces of a circuit give back its expectation values."""

from __future__ import annotations

import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp

pytest.importorskip("qiskit_addon_cutting")

from qiskit_addon_cutting import (
    generate_cutting_experiments,
    partition_problem,
    reconstruct_expectation_values,
)

pytestmark = [pytest.mark.strangers, pytest.mark.filterwarnings("default")]


@pytest.mark.parametrize("transpiled", [False, True])
def test_a_cut_circuit_has_the_expectation_values_of_the_whole(backend, sampler, transpiled):
    circuit = QuantumCircuit(4)
    for qubit in range(4):
        circuit.ry(0.4 + 0.2 * qubit, qubit)
    circuit.cx(0, 1)
    circuit.rzz(0.5, 1, 2)
    circuit.cx(2, 3)
    observables = SparsePauliOp(["ZIII", "IIIZ", "ZZZZ"])
    whole = partition_problem(circuit=circuit, partition_labels="AABB", observables=observables.paulis)
    pieces, coefficients = generate_cutting_experiments(
        circuits=whole.subcircuits, observables=whole.subobservables, num_samples=1000
    )
    if transpiled:
        pieces = {name: backend.pass_manager(1).run(circuits) for name, circuits in pieces.items()}
    results = {name: sampler.run(circuits).result() for name, circuits in pieces.items()}
    found = reconstruct_expectation_values(results, coefficients, whole.subobservables)
    exact = StatevectorEstimator().run([(circuit, list(observables.paulis))]).result()[0].data.evs
    assert found == pytest.approx(list(exact), abs=0.12)
