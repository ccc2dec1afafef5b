# SPDX-License-Identifier: Apache-2.0
"""Runs a program: exactly on the ideal simulator, by shots under a noise model.

Noise is the published one: after each gate a depolarising channel, here as Pauli errors drawn at random, which
samples that channel exactly. Only qubits a circuit touches are simulated, so width costs nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from . import gates
from .problems import CircuitFailure
from .program import ALL_QUBITS, Branch, Gate, Measure, Program, Reset, Step, flatten
from .states import NEGLIGIBLE, Branches

LARGEST_STATE = 1 << 24
"""Amplitudes held at once (16 bytes each)."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Depolarising rates r of a noise model.

    On one qubit the channel is √(1-3r/4)·I with √(r/4)·X, Y, Z; on two, √(1-15r/16)·II with √(r/16) times each of
    the other 15 Paulis. A gate on more qubits gets the two-qubit channel on each pair of its qubits.
    """

    one_qubit: float
    two_qubit: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a circuit gave.

    Attributes:
        table: shape (rows, columns) of bits. Columns as in `Program.registers`.
        weights: per row. An exact run has one row per possible outcome, with its probability; a sampled one has a
            row per shot, in order, each of weight 1/shots.
        sampled: whether rows are shots.
        registers: name -> columns, None for a bit nobody writes.
    """

    table: NDArray[np.uint8]
    weights: NDArray[np.float64]
    sampled: bool
    registers: tuple[tuple[str, tuple[int | None, ...]], ...]

    def bits(self, register: str) -> NDArray[np.uint8]:
        """The bits of one register, shape (rows, width); column j is bit j."""
        columns = dict(self.registers)[register]
        filled = np.zeros((len(self.table), len(columns)), dtype=np.uint8)
        for place, column in enumerate(columns):
            if column is not None:
                filled[:, place] = self.table[:, column]
        return filled

    def words(self) -> list[int]:
        """All qubits of each row as an integer, bit k for qubit k."""
        return _words(self.bits(ALL_QUBITS))


def _words(bits: NDArray[np.uint8]) -> list[int]:
    if bits.shape[1] <= 62:
        powers = np.left_shift(np.int64(1), np.arange(bits.shape[1], dtype=np.int64))
        return (bits.astype(np.int64) @ powers).tolist()
    return [int("".join(map(str, row[::-1])) or "0", 2) for row in bits.tolist()]


def simulate(program: Program, *, shots: int, rates: Rates | None, rng: Generator) -> Outcome:
    """Run a program from all zeros.

    Args:
        program: what to run.
        shots: number of samples; not used by an exact run.
        rates: None for the ideal simulator, which gives the exact distribution.
        rng: the only source of chance.

    Raises:
        CircuitFailure: SimulationError, when the circuit needs more memory than the emulator takes.
    """
    active, compact = _compact(program)
    if 1 << len(active) > LARGEST_STATE:
        raise CircuitFailure(
            "SimulationError",
            f"The circuit entangles up to {len(active)} qubits; this emulator holds 2^24 amplitudes at most.",
        )
    run = _Run(compact, rates, rng)
    final = run.exact() if rates is None else run.sampled(shots)
    if final is None:
        raise CircuitFailure("SimulationError", "The circuit measures too often for an exact distribution.")
    table, weights = final
    wide = np.zeros((len(table), program.qubits + program.bits), dtype=np.uint8)
    wide[:, [*active, *range(program.qubits, program.qubits + program.bits)]] = table
    return Outcome(wide, weights, rates is not None, program.registers)


def _compact(program: Program) -> tuple[list[int], Program]:
    """The qubits a program touches, and the same program on just those, renumbered."""
    active = sorted({qubit for step in flatten(program.steps) for qubit in _touched(step)})
    place = {qubit: index for index, qubit in enumerate(active)}
    return active, replace(program, qubits=len(active), steps=tuple(_renumber(program.steps, place)))


def _touched(step: Step) -> tuple[int, ...]:
    if isinstance(step, Gate):
        return step.qubits
    return () if isinstance(step, Branch) else (step.qubit,)


def _renumber(steps: Iterable[Step], place: dict[int, int]) -> Iterable[Step]:
    for step in steps:
        if isinstance(step, Gate):
            targets = tuple(place[qubit] for qubit in step.targets)
            controls = tuple(place[qubit] for qubit in step.controls)
            yield Gate(step.matrix, targets, controls, step.virtual)
        elif isinstance(step, Branch):
            then, otherwise = _renumber(step.then, place), _renumber(step.otherwise, place)
            yield replace(step, then=tuple(then), otherwise=tuple(otherwise))
        else:
            yield replace(step, qubit=place[step.qubit])


def _final_reads(steps: Sequence[Step]) -> dict[int, Measure]:
    """Measurements (by position) that nothing follows: no later step touches their qubit or uses their bit."""
    busy: set[int] = set()
    used: set[int] = set()
    final: dict[int, Measure] = {}
    for position in range(len(steps) - 1, -1, -1):
        step = steps[position]
        if isinstance(step, Measure) and step.qubit not in busy and step.bit not in used:
            final[position] = step
        for inner in flatten((step,)):
            busy.update(_touched(inner))
            if isinstance(inner, Measure):
                used.add(inner.bit)
            elif isinstance(inner, Branch):
                used.update(inner.reads)
    return final


_ERRORS: dict[int, list[tuple[gates.Matrix, ...]]] = {
    1: [(gates.PAULIS[letter],) for letter in "XYZ"],
    2: [
        (gates.PAULIS[first], gates.PAULIS[second])
        for first, second in product("IXYZ", repeat=2)
        if first + second != "II"
    ],
}


class _Run:
    """One run of one program."""

    def __init__(self, program: Program, rates: Rates | None, rng: Generator) -> None:
        self._program = program
        self._rates = rates
        self._rng = rng
        reads = _final_reads(program.steps)
        self._steps = tuple(step for position, step in enumerate(program.steps) if position not in reads)
        self._reads = tuple(reads.values())

    def exact(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]] | None:
        """Every outcome with its probability, or None when there are too many branches."""
        state = self._walk(self._steps, self._ground(1.0))
        if state.size > LARGEST_STATE:
            return None
        density = (np.abs(state.amplitudes) ** 2) * state.weights
        words, branches = np.nonzero(density > NEGLIGIBLE)
        order = np.argsort(words, kind="stable")
        words, branches = words[order], branches[order]
        return self._table(words, state.bits[branches]), density[words, branches]

    def sampled(self, shots: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """One row per shot, in random order, each of weight 1/shots."""
        words: list[NDArray] = []
        bits: list[NDArray] = []
        for state in self._chunks(self._ground(shots)):
            density = np.abs(state.amplitudes) ** 2
            for branch, count in enumerate(state.weights.tolist()):
                column = density[:, branch]
                hits = self._rng.multinomial(count, column / column.sum())
                seen = np.nonzero(hits)[0]
                words.append(np.repeat(seen, hits[seen]))
                bits.append(np.broadcast_to(state.bits[branch], (count, self._program.bits)))
        order = self._rng.permutation(shots)
        table = self._table(np.concatenate(words)[order], np.concatenate(bits)[order])
        return table, np.full(shots, 1 / shots)

    def _ground(self, weight: float | int) -> Branches:
        return Branches.ground(self._program.qubits, self._program.bits, weight)

    def _table(self, words: NDArray, bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        qubits = ((words[:, None] >> np.arange(self._program.qubits)) & 1).astype(np.uint8)
        bits = np.array(bits)
        for read in self._reads:
            bits[:, read.bit] = qubits[:, read.qubit]
        return np.concatenate([qubits, bits], axis=1)

    def _chunks(self, state: Branches, start: int = 0) -> Iterable[Branches]:
        """Run to the end; a state that grows too large goes on in two halves, one after the other."""
        for position in range(start, len(self._steps)):
            state = self._step(self._steps[position], state)
            if state.size > LARGEST_STATE and len(state) > 1:
                half = np.arange(len(state)) < len(state) // 2
                yield from self._chunks(state.pick(half), position + 1)
                yield from self._chunks(state.pick(~half), position + 1)
                return
        yield state

    def _walk(self, steps: Iterable[Step], state: Branches) -> Branches:
        for step in steps:
            state = self._step(step, state)
            if self._rates is None and state.size > LARGEST_STATE:
                break
        return state

    def _step(self, step: Step, state: Branches) -> Branches:
        if isinstance(step, Gate):
            state.apply(step.matrix, step.targets, step.controls)
            return state if self._rates is None or step.virtual else self._disturb(state, step.qubits)
        if isinstance(step, Measure):
            zero, one = self._split(state, step.qubit)
            for part, value in ((zero, 0), (one, 1)):
                part.bits[:, step.bit] = value
            return _together(zero, one)
        if isinstance(step, Reset):
            zero, one = self._split(state, step.qubit)
            one.apply(gates.X, (step.qubit,))
            return _together(zero, one)
        taken = step.holds(state.bits)
        return _together(
            self._walk(step.then, state.pick(taken)), self._walk(step.otherwise, state.pick(~taken))
        )

    def _split(self, state: Branches, qubit: int) -> tuple[Branches, Branches]:
        """The branches where ``qubit`` reads 0 and those where it reads 1."""
        one = state.probability_of_one(qubit)
        if self._rates is None:
            shares = (state.weights * (1 - one), state.weights * one)
            kept = [share > NEGLIGIBLE for share in shares]
        else:
            ones = self._rng.binomial(state.weights, one)
            shares = (state.weights - ones, ones)
            kept = [share > 0 for share in shares]
        parts = []
        for value, (share, keep) in enumerate(zip(shares, kept, strict=True)):
            part = state.pick(keep, share[keep])
            part.project(qubit, value, (one if value else 1 - one)[keep])
            parts.append(part)
        return parts[0], parts[1]

    def _disturb(self, state: Branches, qubits: tuple[int, ...]) -> Branches:
        """Depolarise: one qubit alone, or each pair of qubits."""
        assert self._rates is not None
        if len(qubits) == 1:
            return self._depolarise(state, qubits, self._rates.one_qubit * 3 / 4)
        for pair in combinations(qubits, 2):
            state = self._depolarise(state, pair, self._rates.two_qubit * 15 / 16)
        return state

    def _depolarise(self, state: Branches, qubits: tuple[int, ...], chance: float) -> Branches:
        """Give each shot a non-identity Pauli with probability ``chance``, all of them alike."""
        struck = self._rng.binomial(state.weights, chance)
        hit = np.nonzero(struck)[0]
        if not len(hit):
            return state
        errors = _ERRORS[len(qubits)]
        counts = self._rng.multinomial(struck[hit], np.full(len(errors), 1 / len(errors)))
        parts = []
        for error, shares in zip(errors, counts.T, strict=True):
            some = shares > 0
            if some.any():
                part = state.pick(hit[some], shares[some])
                for qubit, pauli in zip(qubits, error, strict=True):
                    part.apply(pauli, (qubit,))
                parts.append(part)
        state.weights = state.weights - struck
        healthy = state.pick(state.weights > 0)
        return Branches.join([healthy, *parts])


def _together(first: Branches, second: Branches) -> Branches:
    return Branches.join([part for part in (first, second) if len(part)] or [first])
