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

from qiskit_parallel_ionq.compiler.inlining import is_users_gate, turns_of
from qiskit_parallel_ionq.compiler.reading import READABLE, is_readable
from qiskit_parallel_ionq.gates import NATIVE_NAMES

_PASSING = ("measure", "reset", "barrier", "delay", "store", "break_loop", "continue_loop", "unitary")
_CONTROL_FLOW = ("if_else", "for_loop", "while_loop", "switch_case", "box")


class UnrollNative(TransformationPass):
    """Rewrite the user's native gates into Qiskit's, so that the optimiser meets none from Python.

    Gates that users made are rewritten, too, those read from OpenQASM 3 among them. They may have the name of
    a known gate, and Qiskit's translation goes by names.
    """

    def run(self, dag: DAGCircuit) -> DAGCircuit:
        """Replace each such gate by its definition."""
        for node in dag.op_nodes():
            if node.is_control_flow():
                blocks = [dag_to_circuit(self.run(circuit_to_dag(block))) for block in node.op.blocks]
                dag.substitute_node(node, node.op.replace_blocks(blocks))
            elif node.name in NATIVE_NAMES or is_users_gate(node):
                definition = node.op.definition
                if definition is not None:
                    dag.substitute_node_with_dag(node, self.run(circuit_to_dag(definition)))
        return dag


class WriteOutLoops(TransformationPass):
    """Write out loops whose own parameter is in their gates: native gates need numbers.

    Raises:
        CompileError: such a loop may end early, or has too many turns.
    """

    def run(self, dag: DAGCircuit) -> DAGCircuit:
        """Replace each such loop by its turns."""
        for node in dag.op_nodes():
            if node.is_control_flow():
                blocks = [dag_to_circuit(self.run(circuit_to_dag(block))) for block in node.op.blocks]
                operation = node.op.replace_blocks(blocks)
                turns = turns_of(operation)
                if turns is None:
                    dag.substitute_node(node, operation)
                else:
                    dag.substitute_node_with_dag(node, circuit_to_dag(turns))
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
