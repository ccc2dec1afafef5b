# SPDX-License-Identifier: Apache-2.0
"""The hooks by which Qiskit's own ``transpile`` ends in native gates.

A backend names two stages, translation and scheduling, and both of ours are called ``ionq_native`` (entry
points of the package). Between them Qiskit's optimiser sees only gates of its own; our scheduling stage makes
them native.
"""

from __future__ import annotations

from functools import lru_cache

from qiskit.converters import circuit_to_dag, dag_to_circuit
from qiskit.dagcircuit import DAGCircuit
from qiskit.passmanager.flow_controllers import ConditionalController
from qiskit.transpiler import (
    AnalysisPass,
    Layout,
    PassManager,
    PassManagerConfig,
    PropertySet,
    Target,
    TransformationPass,
)
from qiskit.transpiler.preset_passmanagers import common
from qiskit.transpiler.preset_passmanagers.plugin import PassManagerStagePlugin

from qiskit_parallel_ionq.compiler.checking import is_native_target, is_restricted, target_family
from qiskit_parallel_ionq.compiler.native import shortest, to_native
from qiskit_parallel_ionq.compiler.proxies import to_proxies
from qiskit_parallel_ionq.compiler.templates import shorten_template
from qiskit_parallel_ionq.compiler.unrolling import UnrollNative, WriteOutLoops, unrolling
from qiskit_parallel_ionq.gates import Family
from qiskit_parallel_ionq.target import build_target, without_native_gates


class NoteUnchangedLayout(AnalysisPass):
    """Note that qubit i is qubit i, for libraries that expect every compiled circuit to have a layout."""

    def run(self, dag: DAGCircuit) -> None:
        """Set the layout, unless a pass before this one did."""
        if self.property_set["layout"] is None:
            index = {qubit: i for i, qubit in enumerate(dag.qubits)}
            self.property_set["layout"] = Layout(index)
            if self.property_set["original_qubit_indices"] is None:
                self.property_set["original_qubit_indices"] = index
            if self.property_set["num_input_qubits"] is None:
                self.property_set["num_input_qubits"] = dag.num_qubits()


class RememberParameters(AnalysisPass):
    """Note the circuit's parameters before any pass can lose one."""

    def run(self, dag: DAGCircuit) -> None:
        """Set ``ionq_parameters``."""
        self.property_set["ionq_parameters"] = list(dag_to_circuit(dag, copy_operations=False).parameters)


class KeepParameters(TransformationPass):
    """Give back the parameters that vanished, so that arrays of values still fit the compiled circuit.

    A rotation just before a measurement is dropped with its parameter. Each such parameter returns as ``rz(p)
    rz(-p)`` on the first qubit, which does nothing and costs nothing: z rotations are virtual.
    """

    def run(self, dag: DAGCircuit) -> DAGCircuit:
        """Compare with what `RememberParameters` noted, if it ran."""
        before = self.property_set["ionq_parameters"]
        if not before:
            return dag
        circuit = dag_to_circuit(dag, copy_operations=False)
        present = set(circuit.parameters)
        lost = [parameter for parameter in before if parameter not in present]
        if not lost:
            return dag
        kept = circuit.copy_empty_like()
        for parameter in lost:
            kept.rz(parameter, 0)
            kept.rz(-parameter, 0)
        for instruction in circuit.data:
            kept.append(instruction, copy=False)
        return circuit_to_dag(kept, copy_operations=False)


class ToNative(TransformationPass):
    """Turn known gates into native gates, if no parameter is unbound.

    Args:
        family: the two-qubit gate of the device.
        level: optimization level, 0 to 3.
        relabelling: whether qubits may end on other wires.
        final: whether nothing will follow, so that what no measurement sees may go.
    """

    def __init__(self, family: Family, level: int, *, relabelling: bool = True, final: bool = False) -> None:
        super().__init__()
        self.family = family
        self.level = level
        self.relabelling = relabelling
        self.final = final

    def run(self, dag: DAGCircuit) -> DAGCircuit:
        """Compile, and report where each qubit ended."""
        circuit = dag_to_circuit(dag, copy_operations=False)
        if circuit.parameters:
            return dag
        native, wires = to_native(
            circuit, self.family, self.level, relabelling=self.relabelling, final=self.final
        )
        report_permutation(self.property_set, dag, wires)
        return circuit_to_dag(native, copy_operations=False)


def report_permutation(property_set: PropertySet, dag: DAGCircuit, wires: list[int]) -> None:
    """Compose "qubit i ends on wire wires[i]" into the final layout of the property set."""
    if wires == list(range(len(wires))):
        return
    earlier = property_set["final_layout"]
    moves = Layout({qubit: wires[i] for i, qubit in enumerate(dag.qubits)})
    property_set["final_layout"] = moves if earlier is None else earlier.compose(moves, dag.qubits)


class Shorten(TransformationPass):
    """Rewrite a circuit into fewer interactions, still in Qiskit's gates (level 2 and 3).

    This comes before Qiskit's optimiser, which hides the structure that the search lives on behind generic
    gates.
    """

    def __init__(self, family: Family, level: int) -> None:
        super().__init__()
        self.family = family
        self.level = level

    def run(self, dag: DAGCircuit) -> DAGCircuit:
        """Rewrite, and report where each qubit ended."""
        circuit = dag_to_circuit(dag, copy_operations=False)
        if circuit.parameters:
            template = shorten_template(circuit, self.level, final=False)
            if template is None:
                return dag
            report_permutation(self.property_set, dag, template[1])
            return circuit_to_dag(template[0], copy_operations=False)
        found = shortest(circuit, self.family, self.level, relabelling=True, final=False)
        report_permutation(self.property_set, dag, found.wires)
        return circuit_to_dag(to_proxies(found.items, circuit), copy_operations=False)


class NoteUnbound(AnalysisPass):
    """Note whether the circuit has unbound parameters."""

    def run(self, dag: DAGCircuit) -> None:
        """Set ``ionq_unbound``."""
        self.property_set["ionq_unbound"] = bool(dag_to_circuit(dag, copy_operations=False).parameters)


def _translation(target: Target | None, config: PassManagerConfig) -> PassManager:
    """Return Qiskit's own translation to a target."""
    return common.generate_translation_passmanager(
        target,
        basis_gates=config.basis_gates,
        method="translator",
        approximation_degree=config.approximation_degree,
        coupling_map=config.coupling_map,
        unitary_synthesis_method=config.unitary_synthesis_method,
        unitary_synthesis_plugin_config=config.unitary_synthesis_plugin_config,
        hls_config=config.hls_config,
        qubits_initially_zero=False,
    )


def _proxies(target: Target) -> Target:
    """Return what Qiskit's translation may use, also if ``basis_gates`` named the native gates alone."""
    rest = without_native_gates(target)
    if "rzz" in rest.operation_names and "u" in rest.operation_names:
        return rest
    pairs = target.build_coupling_map()
    full = build_target(
        target.num_qubits,
        gateset="native",
        family=target_family(target),
        connectivity=None if pairs is None else list(pairs.get_edges()),
    )
    return without_native_gates(full)


@lru_cache(maxsize=32)
def _usual_translation(
    num_qubits: int, family: Family, approximation: float | None, synthesis: str
) -> PassManager:
    """Return the translation for a target without restrictions; building one takes longer than running it."""
    target = without_native_gates(build_target(num_qubits, gateset="native", family=family))
    config = PassManagerConfig(
        target=target,
        approximation_degree=approximation,
        unitary_synthesis_method=synthesis,
    )
    return _translation(target, config)


class IonQTranslation(PassManagerStagePlugin):
    """Translation stage: Qiskit's own, with native gates of the input made Qiskit's first.

    At level 0, where no optimiser follows, gates that the compiler knows are left whole.
    """

    def pass_manager(
        self, pass_manager_config: PassManagerConfig, optimization_level: int | None = None
    ) -> PassManager:
        """Build the stage.

        Qiskit builds its init stage after this one, from the same configuration. Neither may take an idle
        qubit for one in |0>: the unitary of a circuit has to stay.
        """
        config = pass_manager_config
        config.qubits_initially_zero = False
        target = config.target
        if target is None or not is_native_target(target):
            return PassManager([UnrollNative()]) + _translation(target, config)
        if is_restricted(target) or config.hls_config or config.unitary_synthesis_plugin_config:
            translation = _translation(_proxies(target), config)
        else:
            translation = _usual_translation(
                target.num_qubits,
                target_family(target),
                config.approximation_degree,
                config.unitary_synthesis_method,
            )
        level = 2 if optimization_level is None else optimization_level
        stage = PassManager([UnrollNative(), WriteOutLoops()])
        if is_restricted(target) or level == 1:
            return stage + translation
        if level == 0:
            stage.append(NoteUnbound())
            for passes, unbound in ((translation, True), (unrolling(), False)):
                stage.append(
                    ConditionalController(
                        passes.to_flow_controller(),
                        condition=lambda found, unbound=unbound: found["ionq_unbound"] is unbound,
                    )
                )
            return stage
        stage += translation
        stage.append(Shorten(target_family(target), level))
        return stage


class IonQScheduling(PassManagerStagePlugin):
    """Scheduling stage: Qiskit's gates become native gates, as many as were not already."""

    def pass_manager(
        self, pass_manager_config: PassManagerConfig, optimization_level: int | None = None
    ) -> PassManager:
        """Build the stage."""
        return scheduling(pass_manager_config.target, optimization_level)


def scheduling(target: Target | None, optimization_level: int | None, *, final: bool = False) -> PassManager:
    """Return the passes that end in native gates, and that note what libraries look for.

    Args:
        target: where the circuit is to run.
        optimization_level: 0 to 3.
        final: whether nothing will follow, so that what no measurement sees may go.
    """
    stage = PassManager()
    if target is not None and is_native_target(target):
        # What levels 2 and 3 search for was found in the translation stage.
        level = 0 if optimization_level == 0 else 1
        relabelling = not is_restricted(target)
        stage.append(ToNative(target_family(target), level, relabelling=relabelling, final=final))
    stage.append([NoteUnchangedLayout(), KeepParameters()])
    return stage
