# SPDX-License-Identifier: Apache-2.0
"""A row becomes the same to the last bit, whether it is compiled alone or among a thousand others."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import efficient_su2, qaoa_ansatz, real_amplitudes, zz_feature_map
from qiskit.quantum_info import SparsePauliOp

from qiskit_parallel_ionq import compiler
from qiskit_parallel_ionq.compiler.columns import Rows, atan2, choose, cos, each_row, sin, sqrt
from qiskit_parallel_ionq.target import build_target

SPECIAL = np.pi * np.array([0, 0.25, 0.5, 1, -0.5, -1, 2, 0.5 + 5e-9, 0.5 - 5e-9, 1e-9, -1.5, 3])


def heisenberg():
    """Pairs that interact along three directions, again and again: merges, folds and whole blocks."""
    angles = ParameterVector("t", 8)
    circuit = QuantumCircuit(3)
    for index, angle in enumerate(angles):
        pair = (index % 2, index % 2 + 1)
        getattr(circuit, ("rxx", "ryy", "rzz", "rzx")[index % 4])(angle, *pair)
        circuit.ry(angle + 0.3, pair[0])
        circuit.crx(-angle, *pair)
    return circuit


TEMPLATES = {
    "su2": efficient_su2(4, reps=2),
    "map": zz_feature_map(3, reps=2).compose(real_amplitudes(3, reps=1)),
    "qaoa": qaoa_ansatz(SparsePauliOp(["ZZII", "IZZI", "IIZZ", "ZIIZ"]), reps=2),
    "heisenberg": heisenberg(),
    "two": efficient_su2(2, reps=3),
}


def measured(name):
    circuit = TEMPLATES[name].copy()
    circuit.measure_all()
    return circuit


def assert_rows_are_as_if_alone(template, table):
    """Every row of every sheet has the very pulses that it has by itself; no row is in two sheets."""
    seen = []
    for members, pulses in template.sheets(table):
        seen += members
        for place, member in enumerate(members):
            alone = template.pulses(table[member].tolist())
            ours = [(p.name, p.wires, tuple(float(np.broadcast_to(v, len(members))[place]) for v in p.values))
                    for p in pulses]  # fmt: skip
            assert ours == [(p.name, p.wires, p.values) for p in alone]
    assert len(seen) == len(set(seen))
    return len(seen)


@pytest.mark.parametrize("family", ["zz", "ms"])
@pytest.mark.parametrize("level", [0, 1, 2, 3])
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_row_is_compiled_as_if_it_were_alone(name, level, family):
    circuit = measured(name)
    rng = np.random.default_rng(11)
    wild = rng.uniform(-7, 7, (60, circuit.num_parameters))
    small = rng.uniform(0.1, 0.4, (40, circuit.num_parameters))
    special = rng.choice(SPECIAL, (30, circuit.num_parameters))
    target = build_target(8, gateset="native", family=family)
    template = compiler.native_template(circuit, target, level)
    assert assert_rows_are_as_if_alone(template, template.table(np.vstack([special, wild, small])))


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(sorted(TEMPLATES)),
    family=st.sampled_from(["zz", "ms"]),
    level=st.integers(0, 1),
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0, 1),
)
def test_whatever_the_values_a_row_is_compiled_as_if_it_were_alone(name, family, level, seed, share):
    circuit = measured(name)
    rng = np.random.default_rng(seed)
    table = rng.uniform(-7, 7, (30, circuit.num_parameters))
    table[:, rng.random(circuit.num_parameters) < share] = rng.choice(SPECIAL)
    table[rng.integers(30), :] = rng.choice(SPECIAL)
    template = compiler.native_template(circuit, build_target(8, gateset="native", family=family), level)
    assert_rows_are_as_if_alone(template, template.table(table))


def test_rows_with_vanishing_angles_leave_the_others():
    circuit = measured("su2")
    target = build_target(8, gateset="native", family="zz")
    template = compiler.native_template(circuit, target, 1)
    values = np.random.default_rng(2).uniform(0.1, 1, (60, circuit.num_parameters))
    values[::6] = 0.0
    sheets = list(template.sheets(template.table(values)))
    assert [len(members) for members, _ in sheets] == [50]
    assert set(sheets[0].members).isdisjoint(range(0, 60, 6))


def test_few_rows_are_left_to_be_compiled_one_by_one():
    circuit = measured("su2")
    template = compiler.native_template(circuit, build_target(8, gateset="native", family="zz"), 1)
    assert list(template.sheets(template.table(np.ones((5, circuit.num_parameters))))) == []


# ── columns ──


def test_columns_compute_what_numbers_do():
    values = np.random.default_rng(3).uniform(-3, 3, (2, 50))
    rows = Rows(50)
    a, b = (rows.column(each) for each in values)

    def formula(x, y):
        return [
            x + y, 1 + x, x - y, 1 - x, x * y, 2 * x, x / y, 1 / x, -x, abs(x), round(x),
            sin(x), cos(y), sqrt(abs(x)), atan2(x, y), atan2(1.0, y), atan2(x, 1.0),
        ]  # fmt: skip

    ours = [each.values.tolist() for each in formula(a, b)]
    theirs = [formula(x, y) for x, y in zip(*values.tolist(), strict=True)]
    assert ours == [list(each) for each in zip(*theirs, strict=True)]
    assert not rows.strayed.any()


def test_rows_answer_by_majority_and_the_others_stray_for_good():
    rows = Rows(5)
    column = rows.column(np.array([1.0, 2.0, 3.0, -1.0, 0.0]))
    assert column > 0
    assert rows.strayed.tolist() == [0, 0, 0, 1, 1]
    assert column > 1.5  # two of the three that are left
    assert rows.strayed.tolist() == [2, 0, 0, 1, 1]
    assert bool(column)
    assert column == rows.column(np.array([0.0, 2.0, 3.0, 0.0, 1.0]))
    assert rows.strayed.tolist() == [2, 0, 0, 1, 1]


def test_a_number_that_all_rows_have_is_a_number():
    assert Rows(3).column(np.full(3, 0.25)) == 0.25


def test_rows_that_strayed_may_be_beyond_a_functions_domain():
    rows = Rows(3)
    column = rows.column(np.array([1.0, 2.0, math.inf]))
    assert column < 10
    assert sin(column).values[:2].tolist() == [math.sin(1.0), math.sin(2.0)]
    with np.errstate(invalid="ignore"):
        assert each_row(lambda numbers: [numbers[0] + 1], [column])[0].values[:2].tolist() == [2.0, 3.0]


def test_rows_choose_each_for_itself():
    rows = Rows(2)
    column = rows.column(np.array([1.0, 2.0]))
    assert choose(np.array([True, False]), column, column, 7.0).values.tolist() == [1.0, 7.0]
