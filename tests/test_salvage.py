# SPDX-License-Identifier: Apache-2.0
"""A run rebuilt from nothing but its jobs: holes and missing tails show, and foreign metadata is not trusted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit

from qiskit_parallel_ionq.encode import encode_circuit, header_entry, ionq_header
from qiskit_parallel_ionq.errors import JobError
from qiskit_parallel_ionq.lifecycle import Phase
from qiskit_parallel_ionq.options import RunOptions
from qiskit_parallel_ionq.packer import Packer
from qiskit_parallel_ionq.parcel import Token, positions, ranges
from qiskit_parallel_ionq.salvage import LARGEST_RUN, rebuilt_run, single_job
from qiskit_parallel_ionq.wire import JobRecord, JobState

RUN_ID = "r" * 22


def encoded(index, clbits=2):
    circuit = QuantumCircuit(2, clbits, name=f"c{index}")
    circuit.measure([0, 1], [clbits - 1, 0])
    return encode_circuit(circuit, kind="native", renumber=False)


def jobs(total, *, target="simulator", seed=11, shots=lambda index: 10, **options):
    """The jobs of a run as the service tells them, and the parcels they were."""
    chosen = RunOptions().update(**options)
    packer = Packer(RUN_ID, total, target, chosen, "test", seed)
    parcels = [parcel for i in range(total) for parcel in packer.add(i, encoded(i), shots(i))]
    parcels += packer.flush()
    found = []
    for number, parcel in enumerate(parcels):
        body = json.loads(parcel.body)
        found.append(
            JobRecord(
                f"job-{number}",
                JobState.COMPLETED,
                metadata=body["metadata"],
                backend=body["backend"],
                shots=body["shots"],
                noise_model=(body.get("noise") or {}).get("model"),
            )
        )
    return found, parcels


def told(parcel):
    return (
        parcel.circuits,
        parcel.readouts,
        parcel.shots,
        parcel.token,
        parcel.digest,
        parcel.is_exact,
        parcel.memory,
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"memory": True},
        {"circuits_per_job": 4},
        {"circuits_per_job": 4, "memory": True, "noise_model": "forte-1"},
        {"target": "qpu.forte-1", "memory": True, "circuits_per_job": 3},
        {"circuits_per_job": 3, "shots": lambda i: 10 + i % 2},  # packs with gaps
    ],
    ids=["plain", "memory", "packs", "noisy", "machine", "gaps"],
)
def test_a_run_is_rebuilt_from_its_jobs_as_it_was_sent(options):
    found, parcels = jobs(9, **options)
    story = rebuilt_run(RUN_ID, 0, reversed(found))
    assert sorted(map(told, story.parcels)) == sorted(map(told, parcels))
    assert (story.run.id, story.run.total, story.run.seed) == (RUN_ID, 9, 11)
    assert story.run.target == options.get("target", "simulator")
    assert story.run.shots == tuple(options.get("shots", lambda i: 10)(i) for i in range(9))
    assert {s.phase for s in story.submissions} == {Phase.QUEUED}
    assert [p.circuits[0] for p in story.parcels] == sorted(p.circuits[0] for p in story.parcels)
    assert {i: h["name"] for i, h in story.headers.items()} == {i: f"c{i}" for i in range(9)}


@given(st.sets(st.integers(0, 7), min_size=1))
def test_what_is_missing_is_known_to_be_missing(kept):
    found, _ = jobs(8)
    story = rebuilt_run(RUN_ID, 0, [found[index] for index in kept])
    assert story.run.total == 8
    assert {i for parcel in story.parcels for i in parcel.circuits} == kept


def test_jobs_of_other_runs_generations_and_programs_are_left_alone():
    found, _ = jobs(2)
    others = [
        JobRecord("x1", JobState.COMPLETED),
        JobRecord("x2", JobState.COMPLETED, metadata={"qpi": 7}),
        replace(found[1], id="x3", metadata={**found[1].metadata, "qpi": str(Token("s" * 22, 1))}),
        replace(found[1], id="x4", metadata={**found[1].metadata, "qpi": str(Token(RUN_ID, 1, 3))}),
        replace(found[1], id="x5", parent_id="p"),
    ]
    story = rebuilt_run(RUN_ID, 0, [*others, found[0]])
    assert [s.job_id for s in story.submissions] == ["job-0"]
    again = rebuilt_run(RUN_ID, 3, [*others, found[0]])
    assert [s.job_id for s in again.submissions] == ["x4"]
    assert again.run.id == f"{RUN_ID}.3"


def test_a_run_of_which_there_is_no_job_is_refused():
    with pytest.raises(JobError, match="another key or project"):
        rebuilt_run(RUN_ID, 0, [])


@pytest.mark.parametrize(
    "lie",
    [
        {"qpi_chk": "9" * 30},
        {"qpi_chk": ""},
        {"qpi_chk": "....."},
        {"qpi_chk": "-1.x.y"},
        {"qpi_in": "0-4999," * 50 + "1"},
        {"qpi_in": "5,0"},
        {"qpi_in": "a-b"},
        {"qpi_in": ""},
        {"qpi_in": "0,1,2"},
        {"qiskit_header": "bm8="},
        {"qiskit_header": None},
        {"qpi": str(Token(RUN_ID, 36**10 - 1))},
    ],
    ids=str,
)
def test_metadata_that_cannot_be_true_costs_neither_memory_nor_a_traceback(lie):
    found, _ = jobs(1)
    spoilt = replace(found[0], metadata={**found[0].metadata, **lie})
    try:
        story = rebuilt_run(RUN_ID, 0, [spoilt])
    except JobError:
        return
    assert story.run.total <= 1
    assert len(story.run.shots) == story.run.total


def test_a_total_is_believed_up_to_a_limit():
    found, _ = jobs(1)
    for total, believed in ((LARGEST_RUN + 1, 1), (3, 3)):
        job = replace(found[0], metadata={**found[0].metadata, "qpi_chk": f"{total}.abc.5"})
        assert rebuilt_run(RUN_ID, 0, [job]).run.total == believed


def test_a_job_that_does_not_tell_its_shots_is_refused():
    found, _ = jobs(1)
    silent = replace(found[0], shots=None, metadata={**found[0].metadata, "shots": "many"})
    with pytest.raises(JobError, match="shots"):
        rebuilt_run(RUN_ID, 0, [silent])
    told_in_metadata = replace(found[0], shots=None)
    assert rebuilt_run(RUN_ID, 0, [told_in_metadata]).run.shots == (10,)


# ── one job ──


def test_a_single_job_is_a_run_of_its_own():
    found, parcels = jobs(6, circuits_per_job=3)
    story = single_job(found[1])
    assert (story.run.id, story.run.total, story.run.seed) == ("job-1", 3, 11)
    assert story.parcels[0].circuits == (0, 1, 2)
    assert story.parcels[0].readouts == parcels[1].readouts


def test_a_job_of_stock_qiskit_ionq_is_read_by_its_header_and_samples_alike_each_time():
    header = ionq_header([header_entry(encoded(0))])
    stock = JobRecord(
        "uuid", JobState.COMPLETED, backend="simulator", shots=100, metadata={"qiskit_header": header}
    )
    story, again = single_job(stock), single_job(stock)
    assert story.run.seed == again.run.seed
    assert story.run.shots == (100,)
    assert story.parcels[0].is_exact
    seeded = replace(stock, metadata={**stock.metadata, "sampler_seed": "42"})
    assert single_job(seeded).run.seed == 42
    noisy = replace(stock, noise_model="forte-1")
    assert not single_job(noisy).parcels[0].is_exact


@pytest.mark.parametrize("metadata", [None, {}, {"qiskit_header": 7}, {"qiskit_header": "!"}])
def test_a_job_without_a_header_cannot_be_read_and_is_named(metadata):
    with pytest.raises(JobError, match="uuid"):
        single_job(JobRecord("uuid", JobState.COMPLETED, backend="simulator", shots=1, metadata=metadata))


# ── tokens and ranges ──


@given(st.integers(0, 36**10 - 1), st.integers(0, 9999))
def test_a_token_reads_back_and_stays_short(index, generation):
    token = Token(RUN_ID, index, generation)
    assert Token.read(str(token)) == token
    assert len(str(token)) <= 40


@pytest.mark.parametrize(
    "text",
    [None, 7, "", "1.x.0.0", f"2.{RUN_ID}.0.0", f"1.{RUN_ID}.0.0 ", f"1.{RUN_ID}.A.0", f"1.{RUN_ID}.0"],
)
def test_what_is_no_token_is_none(text):
    assert Token.read(text) is None


@given(st.sets(st.integers(0, 10_000), min_size=1, max_size=200))
def test_positions_read_what_ranges_told(numbers):
    assert positions(ranges(sorted(numbers))) == tuple(sorted(numbers))


@pytest.mark.parametrize(
    "text", ["", ",", "1,", "-5", "x", "3,1", "1,1", "0-3,2", "0-9999", "0-4999,6000-9000"]
)
def test_positions_that_cannot_be_are_refused(text):
    with pytest.raises(ValueError):
        positions(text)
