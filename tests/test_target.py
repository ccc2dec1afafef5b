# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager

from qiskit_parallel_ionq.target import build_target, family_of


@pytest.mark.parametrize(
    ("name", "offered", "family"),
    [
        ("qpu.aria-1", None, "ms"),
        ("qpu.harmony", [], "ms"),
        ("qpu.forte-enterprise-1", None, "zz"),
        ("qpu.tempo-1", (), "zz"),
        ("simulator", ["gpi", "gpi2", "ms", "zz"], "ms"),
        ("qpu.forte-1", ["gpi", "gpi2", "zz"], "zz"),
        ("qpu.aria-1", ["gpi", "gpi2", "zz"], "zz"),
    ],
)
def test_family_follows_the_service_first_and_the_name_second(name, offered, family):
    assert family_of(name, offered) == family


@pytest.mark.parametrize(("family", "other"), [("ms", "zz"), ("zz", "ms")])
def test_native_target_shows_the_native_gates_first(family, other):
    names = list(build_target(11, gateset="native", family=family).operation_names)
    assert names[:3] == ["gpi", "gpi2", family]
    assert other not in names
    assert {"measure", "reset", "delay", "if_else"} <= set(names)


def test_all_to_all_targets_have_no_coupling_map_and_keep_the_circuit_s_width():
    every = [(a, b) for a in range(4) for b in range(a)]
    for target in (
        build_target(4, gateset="native", family="zz"),
        build_target(4, gateset="native", family="zz", connectivity=every),
    ):
        assert target.build_coupling_map() is None
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    assert generate_preset_pass_manager(1, target=target).run(circuit).num_qubits == 2


def test_listed_pairs_couple_both_ways_and_no_others():
    target = build_target(3, gateset="native", family="zz", connectivity=[(0, 1), (2, 1)])
    assert set(target.build_coupling_map().get_edges()) == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert not target.instruction_supported("zz", (0, 2))


def test_a_pair_outside_the_device_is_refused():
    with pytest.raises(ValueError, match=r"\(0, 3\)"):
        build_target(3, gateset="native", family="zz", connectivity=[(0, 3)])


def test_errors_and_durations_belong_to_the_native_gates():
    target = build_target(
        5, gateset="native", family="ms", error_1q=2e-4, error_2q=5e-3, duration_2q=9e-4, error_readout=4e-3
    )
    assert target["gpi2"][None].error == 2e-4
    assert target["ms"][None].error == 5e-3
    assert target["ms"][None].duration == 9e-4
    assert target["measure"][None].error == 4e-3
    assert target["rzz"][None] is None


def test_qis_target_has_qiskit_s_gates_only():
    names = set(build_target(5, gateset="qis", family="zz").operation_names)
    assert {"h", "cx", "rzz", "swap", "ccx"} <= names
    assert not names & {"gpi", "gpi2", "ms", "zz", "u"}
