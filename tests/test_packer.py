# SPDX-License-Identifier: Apache-2.0
"""How many circuits share a job when the run may choose: all of them once, balanced, within the limits."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import wire
from qiskit_parallel_ionq.encode import encode_circuit
from qiskit_parallel_ionq.options import RunOptions
from qiskit_parallel_ionq.packer import LARGEST_QPU_PACK, Packer, pack_size


def encoded(kind="qis"):
    bell = QuantumCircuit(2, 2, name="bell")
    bell.h(0)
    bell.cx(0, 1)
    bell.measure([0, 1], [0, 1])
    return encode_circuit(bell, kind=kind)


BELL, PROGRAM = encoded(), encoded("qasm3")


def packs(circuits, shots, *, target="simulator", **options):
    chosen = RunOptions().update(**{"circuits_per_job": "auto", **options})
    packer = Packer("r" * 22, len(circuits), target, chosen, "agent/1", 7, shots)
    made = [packer.add(k, circuit, shots[k]) for k, circuit in enumerate(circuits)]
    return list(chain(chain.from_iterable(made), packer.flush()))


@pytest.mark.parametrize(
    ("count", "target", "sizes"),
    [
        (1, "simulator", {1: 1}),
        (10, "simulator", {1: 10}),  # there is a worker for each: nothing is gained by packing
        (40, "simulator", {4: 10}),  # one round trip for all
        (41, "simulator", {5: 8, 1: 1}),
        (1_000, "simulator", {100: 10}),
        (8_000, "simulator", {200: 40}),  # the first ones run while the last are still being made
        (20, "qpu.forte-1", {20: 1}),  # one minimum charge
        (100, "qpu.forte-1", {100: 1}),
        (101, "qpu.forte-1", {51: 1, 50: 1}),  # balanced, and no failure takes more than 100
    ],
)
def test_sizes_follow_the_number_of_circuits_and_the_target(count, target, sizes):
    parcels = packs([BELL] * count, [100] * count, target=target)
    assert Counter(len(parcel.circuits) for parcel in parcels) == sizes


def test_fewer_workers_mean_larger_packs():
    assert len(packs([BELL] * 160, [100] * 160, max_workers=2)) == 2
    assert len(packs([BELL] * 90, [100] * 90, use_parallel=False)) == 1


def test_programs_travel_alone_and_circuits_share_a_job_only_with_equal_shots():
    circuits = [BELL, PROGRAM] * 100
    shots = [100, 100, 200, 200] * 50
    parcels = packs(circuits, shots)
    assert all(len(p.circuits) == 1 for p in parcels if p.by_register)
    assert all(len({shots[index] for index in p.circuits}) == 1 for p in parcels)


@given(
    st.lists(st.sampled_from([100, 200, 300]), max_size=300),
    st.integers(1, 64),
    st.sampled_from(["simulator", "qpu.forte-1"]),
)
def test_every_circuit_travels_exactly_once(shots, workers, target):
    parcels = packs([BELL] * len(shots), shots, max_workers=workers, target=target)
    assert sorted(chain.from_iterable(p.circuits for p in parcels)) == list(range(len(shots)))


@given(st.integers(0, 10**6), st.integers(1, 64), st.booleans())
def test_packs_keep_within_the_limits(circuits, workers, is_qpu):
    size = pack_size(circuits, workers=workers, is_qpu=is_qpu)
    assert 0 <= size <= (LARGEST_QPU_PACK if is_qpu else wire.MAX_CIRCUITS_PER_JOB)
    assert size >= (circuits > 0)


def test_noise_and_seeds_of_a_stretch_go_on_where_the_one_before_ended():
    chosen = RunOptions().update(noise_model="forte-1")
    whole = Packer("r" * 22, 6, "simulator", chosen, "agent/1", 7)
    later = Packer("s" * 22, 3, "simulator", chosen, "agent/1", 7, first=3)
    bodies = [parcel.body for k in range(6) for parcel in whole.add(k, BELL, 100)]
    again = [parcel.body for k in range(3) for parcel in later.add(k, BELL, 100)]
    seeds = [body[body.index(b'"noise"') :].split(b"}")[0] for body in bodies + again]
    assert seeds[3:6] == seeds[6:]
    assert len(set(seeds[:6])) == 6
