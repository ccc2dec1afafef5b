# SPDX-License-Identifier: Apache-2.0
"""Circuits in segments between fences, and whether a compiled circuit keeps each gate in its segment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, Delay

from .circuits import interaction, one_qubit_gate
from .simulator import unitary

_VIRTUAL = frozenset({"z", "s", "sdg", "t", "tdg", "rz", "p", "u1", "id"})


def segmented(rng: Generator, *, barriers: bool, delays: bool, partial: bool = False) -> QuantumCircuit:
    """Return a random circuit of segments with fences between them.

    Args:
        rng: randomness.
        barriers: fences may be barriers, each with a label of its own.
        delays: fences may be delays, each qubit of each with a duration of its own.
        partial: a fence need not be on all qubits.
    """
    width = int(rng.integers(1, 5))
    circuit = QuantumCircuit(width)
    kinds = ["barrier"] * barriers + ["delay"] * delays
    for number in range(int(rng.integers(2, 5))):
        for _ in range(rng.integers(0, 6)):
            if width > 1 and rng.random() < 0.5:
                interaction(circuit, rng, width)
            else:
                one_qubit_gate(circuit, rng, int(rng.integers(width)))
        count = int(rng.integers(1, width + 1)) if partial else width
        qubits = rng.permutation(width)[:count].tolist()
        if kinds[rng.integers(len(kinds))] == "barrier":
            circuit.append(Barrier(count, label=f"fence {number}"), qubits)
        else:
            for qubit in qubits:
                circuit.append(Delay(1 + qubit + width * number), [qubit])
    if rng.random() < 0.5:
        one_qubit_gate(circuit, rng, int(rng.integers(width)))
    return circuit


def prefixes(circuit: QuantumCircuit, width: int) -> list[tuple[QuantumCircuit, list[int]]]:
    """Return what comes before each fence on all qubits, and the wire of each qubit there.

    Gates on wires that have passed another number of fences belong to no segment.
    """
    passed = [0] * circuit.num_qubits
    stages: list[tuple[int, object, list[int]]] = []
    wires: list[dict[int, int]] = []
    for item in circuit.data:
        on = [circuit.find_bit(qubit).index for qubit in item.qubits]
        if item.name == "measure":
            break
        if item.name in ("barrier", "delay"):
            for place, wire in enumerate(on):
                qubit = place if item.name == "barrier" else (int(item.operation.duration) - 1) % width
                while len(wires) <= passed[wire]:
                    wires.append({})
                wires[passed[wire]][qubit] = wire
                passed[wire] += 1
            continue
        (stage,) = {passed[wire] for wire in on}
        stages.append((stage, item.operation, on))
    found = []
    for number, wire_of in enumerate(wires):
        before = QuantumCircuit(circuit.num_qubits)
        for stage, operation, on in stages:
            if stage <= number:
                before.append(operation, on)
        found.append((before, [wire_of[qubit] for qubit in range(width)]))
    return found


def only_virtual_between(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Return whether two unitaries differ by z rotations of each qubit after them, and a phase."""
    product = ours @ theirs.conj().T
    phases = np.diag(product)
    if not np.allclose(product, np.diag(phases), atol=1e-6):
        return False
    # Each qubit's rotation shows where only its bit is 1; together they have to explain all phases.
    expected = np.ones(1, dtype=complex)
    for place in range((len(phases)).bit_length() - 1):
        expected = np.kron([1, phases[1 << place] / phases[0]], expected)
    return bool(np.allclose(phases / phases[0], expected, atol=1e-6))


def keeps_segments(compiled: QuantumCircuit, original: QuantumCircuit) -> bool:
    """Return whether what is before each fence is the same in both, up to wires and virtual rotations."""
    width = original.num_qubits
    ours, theirs = prefixes(compiled, width), prefixes(original, width)
    assert len(ours) == len(theirs)
    for (mine, wires), (yours, qubits) in zip(ours, theirs, strict=True):
        wire_of = dict(zip(qubits, wires, strict=True))
        index = [sum((value >> k & 1) << wire_of[k] for k in range(width)) for value in range(2**width)]
        if not only_virtual_between(unitary(mine)[index, :], unitary(yours)):
            return False
    return True


@dataclass
class Span:
    """What a circuit does on a wire between two of its fences."""

    pulses: int = 0
    """Gates that are no z rotation."""
    interactions: int = 0


def spans(circuit: QuantumCircuit) -> dict[tuple[str, str], Span]:
    """Return what happens on a wire between two fences of it that follow each other, by the fences.

    A fence on a wire is known by what is the same in every compiled circuit: its label or duration, and the
    place of the wire among its qubits.
    """
    last: dict[object, str] = {}
    since: dict[object, Span] = {}
    found: dict[tuple[str, str], Span] = {}
    for item in circuit.data:
        for place, qubit in enumerate(item.qubits):
            span = since.setdefault(qubit, Span())
            if item.name in ("barrier", "delay"):
                name = item.operation.label if item.name == "barrier" else f"delay {item.operation.duration}"
                if name is not None:  # the barrier of measure_all
                    fence = f"{name}/{place}"
                    found[last.get(qubit, f"start {circuit.find_bit(qubit).index}"), fence] = span
                    last[qubit], since[qubit] = fence, Span()
            elif item.name != "measure" and item.name not in _VIRTUAL:
                span.pulses += 1
                span.interactions += len(item.qubits) > 1
    return found


def keeps_silence(compiled: QuantumCircuit, original: QuantumCircuit) -> bool:
    """Return whether no gate comes between two fences of a wire where there was none."""
    ours = spans(compiled)
    silent = [fences for fences, span in spans(original).items() if not span.pulses]
    return all(fences in ours and not ours[fences].pulses for fences in silent)
