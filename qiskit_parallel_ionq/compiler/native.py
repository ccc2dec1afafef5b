# SPDX-License-Identifier: Apache-2.0
"""The native stage: known gates become native gates, without Qiskit's transpiler."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import NamedTuple

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, ControlFlowOp

from qiskit_parallel_ionq.compiler.blocks import resynthesise
from qiskit_parallel_ionq.compiler.emission import Pulse, emit, write
from qiskit_parallel_ionq.compiler.pauli_network import Settings, synthesise
from qiskit_parallel_ionq.compiler.pauli_reading import read_paulis, split_tail
from qiskit_parallel_ionq.compiler.program import Demand, Fence, Item, Program, Term
from qiskit_parallel_ionq.compiler.pruning import drop_unseen
from qiskit_parallel_ionq.compiler.reading import read
from qiskit_parallel_ionq.gates import Family

_ROUNDS = 3
"""How often blocks are resynthesised while that makes the circuit shorter."""

_MANY = 3
"""With more Pauli rotations than this per interaction, a network cannot pay."""

_HOPELESS = 2
"""Level 2 stops after so many networks in a row that were given up, or ended far from the best."""

_FAR = 1.1
"""A network that is this much longer than the best so far is not looked at further."""

_WORSE = 1.3
"""A network is given up when it is this much longer than the best so far; resynthesis may still shorten
it."""


_FEW = (
    Settings(discount=0.2, measured=0.7),
    Settings(near=2, far=8),
    Settings(near=30, far=100, discount=0.2),
)
SETTINGS = {
    2: _FEW,
    3: (
        *_FEW,
        Settings(near=4, far=16),
        Settings(),
        Settings(discount=0.6, measured=0.7),
        Settings(near=60, far=60),
        Settings(discount=0.1, measured=0.1),
    ),
}
"""What the Pauli network is tried with, by level."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to do the circuit, and where each of its qubits ends."""

    items: list[Item]
    wires: list[int]

    @property
    def length(self) -> int:
        """Number of interactions."""
        return sum(isinstance(item, Term) for item in self.items)

    def cost(self, width: int, family: Family) -> float:
        """Return what is to be low: interactions, and a little for their angles and for pulses."""
        turns = sum([abs(item.t) for item in self.items if isinstance(item, Term)]) / (2 * pi)
        gates = [pulse.name for pulse in write(self.items, width, family, reordering=True)]
        return self.length + 0.3 * turns + 0.02 * (gates.count("gpi") + gates.count("gpi2"))


def to_native(
    circuit: QuantumCircuit,
    family: Family,
    level: int,
    *,
    relabelling: bool = True,
    body: bool = False,
    final: bool = True,
) -> tuple[QuantumCircuit, list[int]]:
    """Compile a bound circuit of readable gates.

    Args:
        circuit: gates that `reading` knows, fences and control flow.
        family: the two-qubit gate of the device.
        level: 0 gate by gate; 1 merging; 2 and 3 search further.
        relabelling: whether qubits may end on other wires. Off where only some pairs can interact.
        body: this is a block of a branch or loop, whose end is not the end of the circuit.
        final: nothing will follow, so of a circuit that measures only the distribution of what is measured
            has to stay. Otherwise the state that it leaves on every qubit stays, too.

    Returns:
        The native circuit, and for each qubit the wire that it ends on.

    Raises:
        CompileError: a gate is not known, or has a parameter that is not a finite real number.
    """
    found = shortest(circuit, family, level, relabelling=relabelling and not body, final=final and not body)
    for item in found.items:
        if isinstance(item, Fence) and item.instruction is not None:
            item.instruction = _compile_blocks(item.instruction, family, level)
    return emit(found.items, circuit, family, reordering=level > 0), found.wires


class Mark(NamedTuple):
    """What is left of an instruction that is no gate: nothing of Qiskit's."""

    name: str
    clbits: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A circuit whose gates are understood, and that is yet to be made short; small, and quick to pickle.

    Classical bits are known by their places.
    """

    program: Program
    family: Family
    level: int
    measured: bool

    def pulses(self) -> list[Pulse]:
        """Return native gates, and the measurements where they belong. It uses the program up: ask once."""
        program = self.program
        relabelling = program.relabelling
        found = improve(
            program, self.family, self.level, measured=self.measured, relabelling=relabelling, final=True
        )
        return write(found.items, program.width, self.family, reordering=self.level > 0)


def understand(circuit: QuantumCircuit, family: Family, level: int) -> Reading:
    """Read a circuit.

    Args:
        circuit: bound, of gates that `reading` knows, without control flow.
        family: the two-qubit gate of the device.
        level: as for `to_native`.

    Raises:
        CompileError: a gate is not known, or has a parameter that is not a finite real number.
    """
    program = Program(circuit.num_qubits, merging=level > 0, relabelling=level > 0)
    read(circuit, program, step_by_step=level == 0)
    places = {bit: place for place, bit in enumerate(circuit.clbits)}
    for item in program.items:
        if isinstance(item, Fence) and item.instruction is not None:
            name, clbits = item.instruction.name, item.instruction.clbits
            item.instruction = Mark(name, tuple([places[bit] for bit in clbits]))
    return Reading(program, family, level, has_measurement(circuit))


def shortest(
    circuit: QuantumCircuit, family: Family, level: int, *, relabelling: bool, final: bool
) -> Candidate:
    """Read a circuit and return the shortest program found for it. Arguments as for `to_native`."""
    relabelling = relabelling and level > 0
    program = Program(circuit.num_qubits, merging=level > 0, relabelling=relabelling)
    read(circuit, program, step_by_step=level == 0)
    measured = has_measurement(circuit)
    return improve(program, family, level, measured=measured, relabelling=relabelling, final=final)


def improve(
    program: Program, family: Family, level: int, *, measured: bool, relabelling: bool, final: bool
) -> Candidate:
    """Return the shortest program found for one that was just read.

    Args:
        program: what was read, at this level.
        family: the two-qubit gate of the device.
        level: as for `to_native`.
        measured: something is measured. Otherwise the unitary stays.
        relabelling: whether qubits may end on other wires.
        final: as for `to_native`.
    """
    if not (measured and final):
        program.fence(Demand.FULL, tuple(range(program.width)))
    first = Candidate(program.items, program.wires)
    if level == 0:
        return first
    if measured:
        first = Candidate(drop_unseen(first.items, program.width), first.wires)
    best = _shorten(first, program.width, measured, relabelling)
    if level > 1 and measured and relabelling:
        best = _search(first, best, program.width, family, SETTINGS[level])
    return best


def _shorten(candidate: Candidate, width: int, measured: bool, relabelling: bool) -> Candidate:
    """Drop what no measurement sees and resynthesise blocks, until that stops helping."""
    items, wires = candidate.items, candidate.wires
    for _ in range(_ROUNDS):
        if measured:
            items = drop_unseen(items, width)
        before = len(items)
        better = resynthesise(items, width, relabelling=relabelling)
        items, wires = better.items, [better.wires[wire] for wire in wires]
        if len(items) == before:
            break
    return Candidate(items, wires)


def _search(
    first: Candidate, best: Candidate, width: int, family: Family, settings: tuple[Settings, ...]
) -> Candidate:
    """Return the best of a candidate and of Pauli networks for the same circuit, unresynthesised.

    Resynthesis makes directions that are no Pauli axes, and so more rotations; the networks go through it
    afterwards.
    """
    split = split_tail(first.items)
    if split is None or not split[0]:
        return best
    terms, tail = split
    source = read_paulis(terms, tail, width)
    if len(source.rotations) > _MANY * len(terms) or source.is_plain(best.length):
        return best
    lowest = best.cost(width, family)
    hopeless = 0
    # Settings weigh the rotations; where there are none, all find the same.
    for setting in settings if source.rotations else settings[:1]:
        if hopeless == _HOPELESS and settings is _FEW:
            break
        limit = int(_WORSE * best.length) + 1
        program = Program(width, relabelling=False)
        places = synthesise(source, tail, setting, limit, program)
        hopeless += 1
        if places is not None:
            moved = Candidate(program.items, [places[wire] for wire in first.wires])
            shorter = _shorten(moved, width, measured=True, relabelling=True)
            if shorter.length > _FAR * best.length:
                continue
            hopeless = 0
            cost = shorter.cost(width, family)
            if cost < lowest:
                best, lowest = shorter, cost
    return best


def has_measurement(circuit: QuantumCircuit) -> bool:
    """Return whether anything is measured, in branches and loops too."""
    return any(
        instruction.name == "measure"
        or any(has_measurement(block) for block in getattr(instruction.operation, "blocks", ()))
        for instruction in circuit.data
        if instruction.name == "measure" or instruction.is_control_flow()
    )


def _compile_blocks(instruction: CircuitInstruction, family: Family, level: int) -> CircuitInstruction:
    if not instruction.is_control_flow() or not isinstance(instruction.operation, ControlFlowOp):
        return instruction
    blocks = [to_native(block, family, level, body=True)[0] for block in instruction.operation.blocks]
    return (
        instruction.replace(operation=instruction.operation.replace_blocks(blocks)) if blocks else instruction
    )
