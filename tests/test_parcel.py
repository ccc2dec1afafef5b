# SPDX-License-Identifier: Apache-2.0
"""What a job carries: all circuits once, in their order, packed within the service's limits."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import wire
from qiskit_parallel_ionq.encode import Readout, encode_circuit, header_entry
from qiskit_parallel_ionq.options import RunOptions
from qiskit_parallel_ionq.packer import Packer
from qiskit_parallel_ionq.parcel import Token, positions, ranges

RUN = "4fQ0000000000000000000"


def _bell(kind="qis"):
    bell = QuantumCircuit(2, 2, name="bell")
    bell.h(0)
    bell.cx(0, 1)
    bell.measure([0, 1], [0, 1])
    return encode_circuit(bell, kind=kind)


BELL, PROGRAM = _bell(), _bell("qasm3")
BIG = replace(BELL, num_gates=wire.MAX_GATES_PER_JOB // 2)
LONG = replace(BELL, fragment=BELL.fragment + b" " * (wire.MAX_BODY_BYTES // 2))


def _parcels(circuits, *, target="simulator", shots=None, **options):
    packer = Packer(RUN, len(circuits), target, RunOptions().update(**options), "agent/1")
    shots = shots or [100] * len(circuits)
    parcels = [p for k, c in enumerate(circuits) for p in packer.add(k, c, shots[k])]
    return parcels + list(packer.flush())


def _body(parcel):
    return json.loads(parcel.body)


def test_a_token_is_short_and_never_the_same_for_two_submissions():
    tokens = [str(Token(RUN, index, generation)) for index in range(2_000) for generation in range(2)]
    assert len(set(tokens)) == len(tokens)
    assert str(Token(RUN, 0)) == f"1.{RUN}.0.0"
    assert len(str(Token(RUN, 10**9, 99))) <= 40


@given(st.integers(0, 10**12))
def test_the_index_can_be_read_back_from_a_token(index):
    assert Token.read(str(Token(RUN, index, 3))) == Token(RUN, index, 3)


def test_one_circuit_a_job_goes_out_at_once():
    packer = Packer(RUN, 2, "simulator", RunOptions(), "agent/1")
    (parcel,) = packer.add(0, BELL, 100)
    assert parcel.circuits == (0,)
    assert not parcel.is_pack
    assert list(packer.flush()) == []
    body = _body(parcel)
    assert (body["type"], body["backend"], body["shots"], body["name"]) == (
        "ionq.circuit.v1",
        "simulator",
        100,
        "bell",
    )
    assert body["noise"] == {"model": "ideal"}


def test_the_metadata_tell_whose_job_it_is_and_leave_room_for_the_users():
    body = _body(_parcels([BELL], extra_metadata={"who": "me"}, sampler_seed=5)[0])
    metadata = body["metadata"]
    assert metadata["qpi"] == f"1.{RUN}.0.0"
    assert metadata["qpi_chk"].startswith("1.")
    assert len(metadata["qpi_chk"]) == 2 + 12
    assert metadata["user_agent"] == "agent/1"
    assert (metadata["who"], metadata["shots"], metadata["sampler_seed"]) == ("me", "100", "5")
    assert all(isinstance(value, str) for value in metadata.values())


def test_the_check_sum_tells_circuits_apart():
    other = replace(BELL, digest="0" * 12)
    checks = [_body(p)["metadata"]["qpi_chk"] for p in _parcels([BELL, other, BELL])]
    assert checks[0] == checks[2] != checks[1]


def test_packs_are_sent_when_full_and_the_rest_at_the_end():
    parcels = _parcels([BELL] * 7, circuits_per_job=3)
    assert [p.circuits for p in parcels] == [(0, 1, 2), (3, 4, 5), (6,)]
    assert [p.is_pack for p in parcels] == [True, True, False]
    assert _body(parcels[0])["type"] == "ionq.multi-circuit.v1"
    assert len(_body(parcels[0])["input"]["circuits"]) == 3
    assert _body(parcels[0])["name"] == "3 circuits"


def test_circuits_that_cannot_share_a_job_do_not():
    parcels = _parcels([BELL, PROGRAM, BELL, BELL], shots=[100, 100, 200, 100], circuits_per_job=10)
    assert [(p.circuits, p.shots, p.by_register) for p in parcels] == [
        ((1,), 100, True),
        ((0, 3), 100, False),
        ((2,), 200, False),
    ]


@pytest.mark.parametrize("big", [BIG, LONG], ids=["gates", "bytes"])
def test_the_limits_of_the_service_close_a_pack(big):
    parcels = _parcels([big, BELL, big, BELL], circuits_per_job=10)
    assert [p.circuits for p in parcels] == [(0, 1), (2, 3)]
    assert all(len(p.body) <= wire.MAX_BODY_BYTES for p in parcels)


@given(
    st.lists(st.tuples(st.sampled_from([BELL, BIG, PROGRAM]), st.sampled_from([10, 20])), max_size=12),
    st.integers(1, 5),
)
def test_every_circuit_travels_exactly_once_and_in_order(circuits, per_job):
    parcels = _parcels([c for c, _ in circuits], shots=[s for _, s in circuits], circuits_per_job=per_job)
    assert sorted(index for p in parcels for index in p.circuits) == list(range(len(circuits)))
    assert len({p.token for p in parcels}) == len(parcels)
    for parcel in parcels:
        assert list(parcel.circuits) == sorted(parcel.circuits)
        carried = [circuits[index][0] for index in parcel.circuits]
        assert len(carried) <= per_job
        assert {circuits[index][1] for index in parcel.circuits} == {parcel.shots}
        assert parcel.readouts == tuple(c.readout for c in carried)
        assert parcel.headers == tuple(header_entry(c) for c in carried)
        assert sum(c.num_gates for c in carried) <= wire.MAX_GATES_PER_JOB


def test_packing_four_times_the_circuits_takes_some_four_times_as_long():
    def seconds(total):
        packer = Packer(RUN, 5_000, "simulator", RunOptions(circuits_per_job=5_000), "agent/1")
        begun = time.thread_time()
        for index in range(total):
            assert not list(packer.add(index, BELL, 100))
        return time.thread_time() - begun

    few, many = (min(seconds(total) for _ in range(5)) for total in (1_000, 4_000))
    assert many < 10 * few  # it would be 16, were each circuit compared to those before it


def test_programs_name_the_compiler_that_reads_registers_unless_the_user_does():
    assert _body(_parcels([PROGRAM])[0])["settings"]["compilation"] == {"service_version": "v0.4"}
    mine = {"compilation": {"service_version": "v0.3", "opt": 1}}
    assert _body(_parcels([PROGRAM], job_settings=mine)[0])["settings"] == mine
    assert "settings" not in _body(_parcels([BELL])[0])


def test_options_reach_the_body():
    parcel = _parcels(
        [BELL],
        target="qpu.forte-1",
        name="mine",
        session_id="s-1",
        dry_run=True,
        error_mitigation={"debiasing": False},
        extra_query_params={"priority": 1},
    )[0]
    body = _body(parcel)
    assert (body["name"], body["session_id"], body["dry_run"], body["priority"]) == ("mine", "s-1", True, 1)
    assert body["settings"] == {"error_mitigation": {"debiasing": False}}
    assert "noise" not in body
    assert parcel.dry_run


@pytest.mark.parametrize(
    ("target", "options", "exact"),
    [("simulator", {}, True), ("simulator", {"noise_model": "aria-1"}, False), ("qpu.aria-1", {}, False)],
)
def test_only_the_ideal_simulator_is_exact(target, options, exact):
    (parcel,) = _parcels([BELL], target=target, **options)
    assert parcel.is_exact is exact
    assert parcel.kinds[0] == "probabilities"


def test_memory_of_a_noisy_pack_is_read_circuit_by_circuit():
    noisy = _parcels([BELL] * 2, circuits_per_job=2, memory=True, noise_model="aria-1")[0]
    exact = _parcels([BELL] * 2, circuits_per_job=2, memory=True)[0]
    alone = _parcels([BELL], memory=True, noise_model="aria-1")[0]
    assert (noisy.by_child, exact.by_child, alone.by_child) == (True, False, False)
    assert noisy.kinds[0] == "shots"


def test_the_register_decides_how_a_program_is_read():
    by_register = replace(PROGRAM, readout=Readout((0, 1), 2, labels=(("c", 0), ("c", 1))))
    assert _parcels([by_register])[0].by_register
    assert not _parcels([BELL])[0].by_register


def test_a_pack_says_which_circuits_it_holds_where_they_are_not_in_a_row():
    first, second = _parcels([BELL] * 4, shots=[100, 200, 100, 200], circuits_per_job=10)
    assert [_body(p)["metadata"]["qpi_in"] for p in (first, second)] == ["0,2", "1,3"]
    assert "qpi_in" not in _body(_parcels([BELL] * 4, circuits_per_job=10)[0])["metadata"]


@given(st.sets(st.integers(0, 9_999), min_size=1, max_size=50))
def test_positions_in_short_are_read_back(indices):
    assert positions(ranges(sorted(indices))) == tuple(sorted(indices))


def test_the_seed_of_a_run_travels_with_its_jobs_so_that_it_can_be_rebuilt_from_them():
    packer = Packer(RUN, 1, "simulator", RunOptions(noise_model="forte-1"), "agent/1", seed=2**63 - 1)
    (parcel,) = packer.add(0, BELL, 100)
    metadata = _body(parcel)["metadata"]
    assert metadata["qpi_chk"].split(".") == ["1", parcel.digest, str(2**63 - 1)]
    assert all(len(metadata[key]) <= 40 for key in ("qpi", "qpi_chk"))
    assert 1 <= _body(parcel)["noise"]["seed"] < 2**31  # a result asked for twice is the same twice
