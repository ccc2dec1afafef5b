# SPDX-License-Identifier: Apache-2.0
"""Runs a program: exactly on the ideal simulator, by shots under a noise model.

Noise is the published one, a depolarising channel after each gate: as a density matrix of few qubits, or as
Pauli errors drawn at random, which samples the same channel. Only qubits a circuit touches are simulated.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from . import gates
from .problems import CircuitError
from .program import ALL_QUBITS, Branch, Gate, Measure, Program, Reset, Step, flatten
from .states import NEGLIGIBLE, Branches, Dense, Sparse

DENSE_QUBITS = 22
"""Circuits that touch more qubits are simulated by their non-zero amplitudes only."""
LARGEST_STATE = 1 << 23
"""Amplitudes held at once, 16 bytes each."""
TILE = 1 << 16
"""Amplitudes beyond which branches are run in two halves: small enough for a processor's cache."""
DECIMALS = 15
"""Exact probabilities are rounded to these, so that a half reads 0.5."""
MIXED_QUBITS = 10
"""Most qubits of a density matrix, which has 4**qubits entries."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Depolarising rates r of a noise model.

    On one qubit the channel is √(1-3r/4)·I with √(r/4)·X, Y, Z; on two, √(1-15r/16)·II with √(r/16) times
    each of the other 15 Paulis. A gate on more qubits gets the two-qubit channel on each pair of its qubits.
    """

    one_qubit: float
    two_qubit: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a circuit gave.

    Attributes:
        table: shape (rows, columns) of bits. Columns as in `Program.registers`.
        weights: per row. An exact run has a row per possible outcome, with its probability; a sampled one has
            a row per shot, in order, each of weight 1/shots.
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
        words: list[int] = (bits.astype(np.int64) @ powers).tolist()
        return words
    return [int("".join(map(str, row[::-1])) or "0", 2) for row in bits.tolist()]


def simulate(program: Program, *, shots: int, rates: Rates | None, rng: Generator) -> Outcome:
    """Run a program from all zeros.

    Args:
        program: what to run.
        shots: number of samples; not used by an exact run.
        rates: None for the ideal simulator, which gives the exact distribution.
        rng: the only source of chance.

    Raises:
        CircuitError: SimulationError, when the circuit needs more memory than the emulator takes.
    """
    active, compact = _compact(program)
    run = _Run(compact, rates, rng)
    table, weights = run.exact() if rates is None else run.sampled(shots)
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
    """Measurements (by position) whose qubit no later step touches and whose bit none uses."""
    busy: set[int] = set()
    used: set[int] = set()
    final: dict[int, Measure] = {}
    for position in range(len(steps) - 1, -1, -1):
        step = steps[position]
        if isinstance(step, Measure) and step.qubit not in busy and step.bit not in used:
            final[position] = step
        for inner in flatten((step,)):
            busy.update(_touched(inner))
            if isinstance(inner, Measure) and inner.bit is not None:
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

    def exact(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Every outcome with its probability."""
        state = self._ground(1.0)
        for step in self._steps:
            state = self._step(step, state)
        branches, words, chances = state.outcomes()
        order = np.argsort(words, kind="stable")
        branches, words = branches[order], words[order]
        weights = np.round(chances[order] * state.weights[branches], DECIMALS)
        return self._table(words, state.bits[branches]), weights

    def sampled(self, shots: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """One row per shot, in random order, each of weight 1/shots."""
        words: list[NDArray[np.int64]] = []
        bits: list[NDArray[np.uint8]] = []
        steps = [step for step in self._steps if isinstance(step, Gate)]
        if len(steps) == len(self._steps) and self._suits_a_mixture(shots):
            hits = self._rng.multinomial(shots, self._mixture(steps))
            words.append(np.repeat(np.arange(len(hits)), hits))
            bits.append(np.zeros((shots, self._program.bits), dtype=np.uint8))
        else:
            for state in self._chunks(self._ground(shots)):
                branches, outcomes, chances = state.outcomes()
                starts = np.searchsorted(branches, np.arange(len(state) + 1))
                for branch, count in enumerate(state.weights.tolist()):
                    span = slice(starts[branch], starts[branch + 1])
                    hits = self._rng.multinomial(count, chances[span] / chances[span].sum())
                    words.append(np.repeat(outcomes[span], hits))
                    bits.append(np.broadcast_to(state.bits[branch], (count, self._program.bits)))
        order = self._rng.permutation(shots)
        table = self._table(np.concatenate(words)[order], np.concatenate(bits)[order])
        return table, np.full(shots, 1 / shots)

    def _ground(self, weight: float) -> Branches:
        form = Dense if self._program.qubits <= DENSE_QUBITS else Sparse
        return form.ground(self._program.qubits, self._program.bits, weight)

    def _table(self, words: NDArray[np.int64], bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        qubits = ((words[:, None] >> np.arange(self._program.qubits)) & 1).astype(np.uint8)
        bits = np.array(bits)
        for read in self._reads:
            if read.bit is not None:
                bits[:, read.bit] = qubits[:, read.qubit]
        return np.concatenate([qubits, bits], axis=1)

    # ---- as a density matrix: its cost does not depend on the shots ----

    def _suits_a_mixture(self, shots: int) -> bool:
        qubits = self._program.qubits
        return qubits <= 6 or (qubits <= MIXED_QUBITS and 16 << qubits <= shots)

    def _mixture(self, steps: Sequence[Gate]) -> NDArray[np.float64]:
        """The noisy distribution over words, from the density matrix (row bits k, column bits n+k)."""
        width = self._program.qubits
        mixture = Dense.ground(2 * width, 0, 1.0)

        def columns(qubits: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(qubit + width for qubit in qubits)

        for gate in steps:
            mixture.apply(gate.matrix, gate.targets, gate.controls)
            mixture.apply(gate.matrix.conj(), columns(gate.targets), columns(gate.controls))
            for qubits, rate in self._noise(gate):
                mixture.apply(_depolariser(len(qubits), rate), qubits + columns(qubits))
        diagonal = mixture.amplitudes[:: (1 << width) + 1, 0].real.clip(0.0)
        chances: NDArray[np.float64] = diagonal / diagonal.sum()
        return chances

    # ---- as branches ----

    def _chunks(self, state: Branches, start: int = 0) -> Iterable[Branches]:
        """Run to the end; a state that grows too large goes on in two halves, one after the other."""
        for position in range(start, len(self._steps)):
            state = self._step(self._steps[position], state)
            if state.size > TILE and len(state) > 1:
                everything = np.arange(len(state))
                for half in np.array_split(everything, 2):
                    yield from self._chunks(state.pick(half, state.weights[half]), position + 1)
                return
        yield state

    def _step(self, step: Step, state: Branches) -> Branches:
        if state.size > LARGEST_STATE:
            raise CircuitError(
                "SimulationError",
                f"The circuit needs more than {LARGEST_STATE} amplitudes, this emulator's limit.",
            )
        if isinstance(step, Gate):
            state.apply(step.matrix, step.targets, step.controls)
            for qubits, rate in self._noise(step):
                state = self._disturb(state, qubits, rate)
            return state
        if isinstance(step, Measure):
            zero, one = self._split(state, step.qubit)
            if step.bit is not None:
                zero.bits[:, step.bit], one.bits[:, step.bit] = 0, 1
            return _together(zero, one)
        if isinstance(step, Reset):
            zero, one = self._split(state, step.qubit)
            one.apply(gates.X, (step.qubit,))
            return _together(zero, one)
        taken = step.holds(state.bits)
        return _together(
            self._branch(step.then, state, np.nonzero(taken)[0]),
            self._branch(step.otherwise, state, np.nonzero(~taken)[0]),
        )

    def _branch(self, steps: Iterable[Step], state: Branches, chosen: NDArray[np.intp]) -> Branches:
        part = state.pick(chosen, state.weights[chosen])
        if len(part):
            for step in steps:
                part = self._step(step, part)
        return part

    def _noise(self, gate: Gate) -> Iterable[tuple[tuple[int, ...], float]]:
        """The depolarising channels after a gate: their qubits and rates."""
        if self._rates is None or gate.virtual:
            return ()
        if len(gate.qubits) == 1:
            return ((gate.qubits, self._rates.one_qubit),)
        return ((pair, self._rates.two_qubit) for pair in combinations(gate.qubits, 2))

    def _split(self, state: Branches, qubit: int) -> tuple[Branches, Branches]:
        """The branches where ``qubit`` reads 0 and those where it reads 1."""
        one = state.probability_of_one(qubit)
        if self._rates is None:
            ones: NDArray[Any] = state.weights * one
        else:
            ones = self._rng.binomial(state.weights, one)
        parts = []
        for value, share in enumerate((state.weights - ones, ones)):
            keep = np.nonzero(share > NEGLIGIBLE)[0]
            part = state.pick(keep, share[keep])
            part.project(qubit, value, (one if value else 1 - one)[keep])
            parts.append(part)
        return parts[0], parts[1]

    def _disturb(self, state: Branches, qubits: tuple[int, ...], rate: float) -> Branches:
        """Depolarise: give each shot, with the channel's probability, one of the non-identity Paulis."""
        errors = _ERRORS[len(qubits)]
        struck = self._rng.binomial(state.weights, rate * len(errors) / (len(errors) + 1))
        hit = np.nonzero(struck)[0]
        if not len(hit):
            return state
        counts = self._rng.multinomial(struck[hit], np.full(len(errors), 1 / len(errors)))
        parts = []
        for error, shares in zip(errors, counts.T, strict=True):
            some = np.nonzero(shares)[0]
            if len(some):
                part = state.pick(hit[some], shares[some])
                for qubit, pauli in zip(qubits, error, strict=True):
                    part.apply(pauli, (qubit,))
                parts.append(part)
        left = state.weights - struck
        healthy = np.nonzero(left)[0]
        return state.pick(healthy, left[healthy]).joined(parts)


def _together(first: Branches, second: Branches) -> Branches:
    if len(first) and len(second):
        return first.joined([second])
    return first if len(first) else second


@lru_cache(maxsize=64)
def _depolariser(qubits: int, rate: float) -> gates.Matrix:
    """The depolarising channel on rows and columns of a density matrix: (1-r)·ρ + r·(trace)·I/2^n."""
    identity = np.eye(1 << qubits, dtype=np.complex128).reshape(-1)
    mixing = np.outer(identity, identity) / (1 << qubits)
    return (1 - rate) * np.eye(1 << 2 * qubits, dtype=np.complex128) + rate * mixing
