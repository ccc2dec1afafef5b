# SPDX-License-Identifier: Apache-2.0
"""The ways from a circuit to native gates, and to what is sent."""

from __future__ import annotations

from typing import Any

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Parameter
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import Target, generate_preset_pass_manager

from qiskit_parallel_ionq.backend import ParallelIonQBackend
from qiskit_parallel_ionq.compiler import inline, is_dynamic, pass_manager
from qiskit_parallel_ionq.drafts import draft
from qiskit_parallel_ionq.encode import EncodedCircuit

from .simulator import History, distance, distribution, instrument, unitary
from .wire import outcomes

APPROXIMATION = 2e-5
"""What Qiskit's own passes may change in a probability at levels 2 and 3: they leave out small rotations."""

_TURNING = ("rx", "ry", "rz", "p", "rzz", "rxx", "crx", "cp", "rzx")


# ── what a circuit means ──


def placed(circuit: QuantumCircuit, width: int) -> list[int]:
    """Return on which qubit of a compiled circuit each of the first qubits of the original ends."""
    layout = circuit.layout
    return list(range(width)) if layout is None else layout.final_index_layout()[:width]


def same_instrument(
    compiled: QuantumCircuit, original: QuantumCircuit, atol: float, places: list[int] | None = None
) -> bool:
    """Return whether each sequence of outcomes has the same probability and leaves the same state.

    Args:
        compiled: the circuit to check.
        original: what it was compiled from.
        atol: the difference that is allowed.
        places: where each qubit ends; None: the layout says.
    """
    ours, theirs = instrument(compiled), instrument(original)
    places = placed(compiled, original.num_qubits) if places is None else places
    return all(
        np.allclose(_moved(ours, history, compiled, places), theirs.get(history, 0), atol=atol)
        for history in ours.keys() | theirs.keys()
    )


def _moved(
    found: dict[History, np.ndarray], history: History, circuit: QuantumCircuit, places: list[int]
) -> Any:
    """Return a density matrix with each qubit back in its place; what else there is has to be in 0."""
    if history not in found:
        return 0
    width = circuit.num_qubits
    index = [
        sum((value >> k & 1) << place for k, place in enumerate(places)) for value in range(2 ** len(places))
    ]
    density = found[history]
    kept = density[np.ix_(index, index)]
    assert width == len(places) or np.isclose(np.trace(density), np.trace(kept), atol=1e-6)
    return kept


def same_unitary(compiled: QuantumCircuit, original: QuantumCircuit, atol: float) -> bool:
    """Return whether two circuits of gates are the same up to the layout and a global phase."""
    places = placed(compiled, original.num_qubits)
    ours, theirs = unitary(compiled), unitary(original)
    moved = [sum((value >> k & 1) << place for k, place in enumerate(places)) for value in range(len(theirs))]
    start = list(range(len(theirs)))
    layout = compiled.layout
    if layout is not None:
        first = layout.initial_index_layout(filter_ancillas=True)
        start = [sum((value >> k & 1) << place for k, place in enumerate(first)) for value in start]
    block = ours[np.ix_(moved, start)]
    overlap = np.vdot(block, theirs) / len(theirs)
    return bool(abs(abs(overlap) - 1) < atol and np.allclose(block * overlap, theirs, atol=10 * atol))


# ── from a circuit to native gates, to which more may be added ──


class OnTarget(BackendV2):
    """A backend that only compiles, with the stages of this package."""

    def __init__(self, target: Target) -> None:
        super().__init__(name="target")
        self._target = target

    @property
    def target(self) -> Target:
        """The gates."""
        return self._target

    @property
    def max_circuits(self) -> None:
        """Any number."""

    @classmethod
    def _default_options(cls) -> Options:
        return Options()

    def run(self, run_input: Any, **options: Any) -> Any:
        """Not offered."""
        raise NotImplementedError

    def get_translation_stage_plugin(self) -> str:
        """Ours."""
        return "ionq_native"

    def get_scheduling_stage_plugin(self) -> str:
        """Ours."""
        return "ionq_native"


def by_transpile(circuit: QuantumCircuit, backend: Any, level: int) -> QuantumCircuit:
    """Compile with Qiskit's ``transpile``.

    At level 3 Qiskit makes its init stage before it asks for ours, so only there it has to be told that
    qubits may start in any state.
    """
    return transpile(
        circuit,
        backend,
        optimization_level=level,
        seed_transpiler=1,
        qubits_initially_zero=level < 3,
    )


def by_preset(circuit: QuantumCircuit, backend: Any, level: int) -> QuantumCircuit:
    """Compile with Qiskit's preset pass manager."""
    manager = generate_preset_pass_manager(
        level, backend=backend, seed_transpiler=1, qubits_initially_zero=level < 3
    )
    return manager.run(circuit)


def by_pass_manager(circuit: QuantumCircuit, backend: Any, level: int) -> QuantumCircuit:
    """Compile with this package's own pass manager."""
    return pass_manager(backend.target, level).run(circuit)


TRANSPILING = {"transpile": by_transpile, "preset": by_preset, "pass manager": by_pass_manager}
"""Ways that keep the state of every qubit."""


# ── from circuits to what is sent ──


def sent(
    circuits: list[QuantumCircuit], backend: ParallelIonQBackend, **options: Any
) -> list[EncodedCircuit]:
    """Return what `run` would send for a list of circuits."""
    return [draft.encode() for draft in backend.drafted(circuits, backend.run_options(**options))]


def sent_to_target(circuit: QuantumCircuit, target: Target, level: int) -> EncodedCircuit:
    """Return what `run` would send to a device with a target of its own."""
    kind = "qasm3" if is_dynamic(circuit) else "native"
    return draft(inline(circuit), kind, target, level).encode()


def sent_from_template(
    circuit: QuantumCircuit, rows: list[list[float]], backend: ParallelIonQBackend, **options: Any
) -> list[EncodedCircuit]:
    """Return what a primitive would send for a circuit with free parameters and some sets of values."""
    drafts = backend.drafts(circuit, np.array(rows), backend.run_options(**options))
    return [draft.encode() for draft in drafts]


def freed(circuit: QuantumCircuit) -> tuple[QuantumCircuit, list[float]]:
    """Return a circuit with a parameter for the angle of each rotation outside of blocks, and the angles."""
    free = circuit.copy_empty_like()
    values: list[float] = []
    for item in circuit.data:
        if item.name in _TURNING and item.is_standard_gate():
            parameter = Parameter(f"a{len(values):03}")  # so that their order is that of the gates
            values.append(float(item.params[0]))
            free.append(item.operation.base_class(parameter), item.qubits)
        else:
            free.append(item)
    return free, values


def assert_sends(encoded: EncodedCircuit, circuit: QuantumCircuit, atol: float) -> None:
    """What is sent has the outcomes of the circuit."""
    found = distance(outcomes(encoded, circuit.num_clbits), distribution(circuit))
    assert found < atol, f"a probability is off by {found}"
