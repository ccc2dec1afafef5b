# SPDX-License-Identifier: Apache-2.0
"""Passes of Qiskit that come before ours: they bring everything to gates that `reading` knows."""

from __future__ import annotations

from functools import lru_cache

from qiskit import QuantumCircuit
from qiskit.circuit.equivalence_library import SessionEquivalenceLibrary
from qiskit.converters import circuit_to_dag, dag_to_circuit
from qiskit.dagcircuit import DAGCircuit
from qiskit.transpiler import PassManager, TransformationPass
from qiskit.transpiler.passes import BasisTranslator, HighLevelSynthesis, UnitarySynthesis

from qiskit_parallel_ionq.compiler.reading import READABLE, is_readable
from qiskit_parallel_ionq.gates import NATIVE_NAMES

_PASSING = ("measure", "reset", "barrier", "delay", "store", "break_loop", "continue_loop", "unitary")
_CONTROL_FLOW = ("if_else", "for_loop", "while_loop", "switch_case", "box")


class UnrollNative(TransformationPass):
    """Rewrite the user's native gates into Qiskit's, so that the optimiser meets none from Python."""

    def run(self, dag: DAGCircuit) -> DAGCircuit:
        """Replace each native gate by its definition."""
        for node in dag.op_nodes():
            if node.name in NATIVE_NAMES and not node.is_standard_gate():
                dag.substitute_node_with_dag(node, circuit_to_dag(node.op.definition))
            elif node.is_control_flow():
                blocks = [dag_to_circuit(self.run(circuit_to_dag(block))) for block in node.op.blocks]
                dag.substitute_node(node, node.op.replace_blocks(blocks))
        return dag


def unroll(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the circuit over gates that `reading` knows, by Qiskit's synthesis and translation where needed.

    Raises:
        QiskitError: a gate has neither a definition nor a matrix.
    """
    return circuit if is_readable(circuit) else unrolling().run(circuit)


@lru_cache(maxsize=1)
def unrolling() -> PassManager:
    """Return the passes of `unroll`."""
    basis = [*sorted(READABLE), *_PASSING, *_CONTROL_FLOW]
    return PassManager(
        [
            UnrollNative(),
            UnitarySynthesis(basis_gates=["u", "cx", "rzz"], min_qubits=3),
            HighLevelSynthesis(
                basis_gates=basis,
                equivalence_library=SessionEquivalenceLibrary,
                qubits_initially_zero=False,  # the unitary stays, whatever state an idle qubit is in
            ),
            BasisTranslator(SessionEquivalenceLibrary, basis),
        ]
    )
