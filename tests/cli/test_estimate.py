# SPDX-License-Identifier: Apache-2.0
"""``estimate``: what it would cost, circuit by circuit, with nothing sent."""

from __future__ import annotations

import pytest


def test_costs_are_listed_by_circuit_and_add_up(command, account, circuits):
    facts = command("estimate", "bell.qasm", "three.qpy", "-t", "qpu.forte-1", "--shots", 1000, "--json").json
    assert (facts["target"], facts["unit"]) == ("qpu.forte-1", "usd")
    assert [circuit["file"] for circuit in facts["circuits"]] == [
        "bell.qasm", "three.qpy", "three.qpy[1]", "three.qpy[2]",
    ]  # fmt: skip
    assert sum(circuit["cost"] for circuit in facts["circuits"]) == pytest.approx(facts["total"])
    assert 0 < facts["packed"] < facts["total"]
    assert account.stats().posts == 0


def test_the_table_says_the_total_and_what_packing_would_cost(command, account, circuits):
    told = command("estimate", "three.qpy", "-t", "qpu.forte-1", "--shots", 10)
    lines = told.out.splitlines()
    assert (told.code, told.err) == (0, "")
    assert lines[0].split() == ["circuit", "file", "name", "shots", "usd"]
    assert "3 circuits in 3 jobs on qpu.forte-1: " in lines[4]
    assert "packed with --circuits-per-job: " in lines[5]


def test_of_packs_only_the_sum_is_known(command, account, circuits):
    facts = command("estimate", "three.qpy", "-t", "qpu.forte-1", "--circuits-per-job", 3, "--json").json
    assert len(facts["jobs"]) == 1
    assert [circuit["cost"] for circuit in facts["circuits"]] == [None] * 3


def test_the_simulator_is_free(command, circuits):
    told = command("estimate", "bell.qasm", "--local")
    assert "1 circuit in 1 job on simulator: 0.00 usd." in told.out
    assert "The simulator is free" in told.out


def test_it_needs_files(command):
    assert command("estimate").code == 2
