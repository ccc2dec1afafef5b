# SPDX-License-Identifier: Apache-2.0
"""Random circuits with tails, at all levels and on all ways, are right by exact simulation.

A tail is what comes after the last interaction: one-qubit gates, barriers, delays, resets, measurements, in
any order. Some hundred circuits, each in one way at one level; with ``EXACTNESS_PROFILE=long`` 8,750
circuits, each in all ways at all levels.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from qiskit_parallel_ionq.compiler import is_dynamic

from .circuits import Shape, random_circuit
from .ways import (
    APPROXIMATION,
    TRANSPILING,
    assert_sends,
    by_transpile,
    freed,
    same_instrument,
    same_unitary,
    sent,
    sent_from_template,
    sent_to_target,
)

# Qiskit 2.0 warns about itself when it builds a gate with many controls.
pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")

LONG = os.environ.get("EXACTNESS_PROFILE") == "long"
BLOCKS, CIRCUITS = (50, 25) if LONG else (4, 25)
ROWS = 30  # enough for rows to be compiled together

WAYS = (
    ("transpile", "ms"),
    ("transpile", "line"),
    ("transpile", "qis"),
    ("preset", "zz"),
    ("pass manager", "zz"),
    ("pass manager", "line"),
)

SHAPES = {
    "ends in measurements": Shape(),
    "goes on": Shape(goes_on=True),
    "branches": Shape(goes_on=True, branches=True),
    "unmeasured": Shape(measures=False),
}


def exactly(level):
    return 1e-6 if level < 2 else APPROXIMATION


def chosen(ways, rng):
    """Return all ways in the long profile, else one of them."""
    ways = list(ways)
    return ways if LONG else [ways[rng.integers(len(ways))]]


def circuits(block, shape, salt):
    """Return random circuits of a shape, each with levels and a generator of its own."""
    for number in range(CIRCUITS):
        rng = np.random.default_rng([block, number, salt])
        circuit = random_circuit(rng, shape)
        for level in range(4) if LONG else [int(rng.integers(4))]:
            yield circuit, level, rng


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("shape", SHAPES)
def test_transpiling_keeps_every_outcome_and_every_state_that_it_leaves(shape, block, backends, line):
    """So a measurement added later, or an observable of an unmeasured qubit, finds what it would have found."""
    same = same_instrument if SHAPES[shape].measures else same_unitary
    devices = {**backends, "line": line}
    for circuit, level, rng in circuits(block, SHAPES[shape], 1):
        for way, device in chosen(WAYS, rng):
            compiled = TRANSPILING[way](circuit, devices[device], level)
            assert same(compiled, circuit, exactly(level)), f"{way} for {device} at level {level}:\n{circuit}"


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("shape", ["ends in measurements", "goes on"])
def test_what_run_sends_has_the_outcomes_of_the_circuit(shape, block, backends, line):
    for circuit, level, rng in circuits(block, replace(SHAPES[shape], delays=False), 2):
        for way in chosen(["ms", "zz", "qis", "line", "transpiled", "transpiled zz"], rng):
            if way == "line":
                encoded = sent_to_target(circuit, line.target, level)
            elif way.startswith("transpiled"):
                backend = backends[way.partition(" ")[2] or "ms"]
                (encoded,) = sent([by_transpile(circuit, backend, level)], backend)
            else:
                (encoded,) = sent([circuit], backends[way], optimization_level=level)
            assert_sends(encoded, circuit, exactly(level))


@pytest.mark.parametrize("block", range(BLOCKS))
def test_what_is_compiled_once_for_many_values_has_the_outcomes_of_each(block, backends):
    """Free parameters, as a primitive compiles them, and lists of circuits that differ only in numbers."""
    for circuit, level, rng in circuits(block, Shape(delays=False), 3):
        free, values = freed(circuit)
        rows = [values, *rng.uniform(-4, 4, (ROWS - 1, len(values))).tolist()]
        rows = rows if len(values) and rng.random() < 0.5 else rows[:2]
        bound = [free.assign_parameters(row) for row in rows]
        looked_at = rng.permutation(len(rows))[:3].tolist()
        for device, together in chosen([(d, t) for d in backends for t in ("template", "list")], rng):
            backend = backends[device]
            if together == "template":
                encoded = sent_from_template(free, rows, backend, optimization_level=level)
            else:
                encoded = sent(bound, backend, optimization_level=level)
            assert not is_dynamic(circuit)
            for place in looked_at:
                assert_sends(encoded[place], bound[place], exactly(level))
