# SPDX-License-Identifier: Apache-2.0
"""Entry i is circuit i, and the whole is final exactly when its parts are."""

from __future__ import annotations

import copy
import pickle
import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.providers import JobStatus
from qiskit.result import Result

from qiskit_parallel_ionq.batch import Batch
from qiskit_parallel_ionq.chronicle import Run
from qiskit_parallel_ionq.decode import Outcome
from qiskit_parallel_ionq.errors import CircuitFailedError, TransportError
from qiskit_parallel_ionq.lifecycle import (
    FINAL,
    TABLE,
    Absent,
    Accepted,
    BetLost,
    BetPlaced,
    CancelAsked,
    Fetched,
    Found,
    HeldBack,
    Lost,
    Phase,
    Refused,
    Seen,
    Sent,
    Submission,
    step,
)
from qiskit_parallel_ionq.merge import composite_status, experiment, merge
from qiskit_parallel_ionq.wire import JobRecord, JobState

ENDS = {JobStatus.DONE, JobStatus.ERROR, JobStatus.CANCELLED}
RANK = {
    JobStatus.INITIALIZING: 0,
    JobStatus.QUEUED: 1,
    JobStatus.RUNNING: 2,
    JobStatus.DONE: 3,
    JobStatus.ERROR: 3,
    JobStatus.CANCELLED: 3,
}
HEADER = {"name": "bell", "memory_slots": 2}


@pytest.mark.parametrize(
    ("phases", "status"),
    [
        ([], "DONE"),
        ([Phase.DONE], "DONE"),
        ([Phase.DONE, Phase.CANCELLED], "CANCELLED"),
        ([Phase.DONE, Phase.CANCELLED, Phase.FAILED], "ERROR"),
        ([Phase.FAILED, Phase.WAITING], "RUNNING"),
        ([Phase.CANCELLED, Phase.UNKNOWN], "RUNNING"),
        ([Phase.FETCHING, Phase.WAITING], "RUNNING"),
        ([Phase.RUNNING, Phase.QUEUED], "RUNNING"),
        ([Phase.QUEUED, Phase.SENDING], "QUEUED"),
        ([Phase.UNKNOWN, Phase.WAITING, Phase.SENDING], "INITIALIZING"),
    ],
)
def test_the_status_of_the_whole(phases, status):
    assert composite_status(phases).name == status
    assert composite_status(phases[::-1]).name == status


def test_the_whole_is_final_exactly_when_every_part_is():
    for phases in product(Phase, repeat=3):
        assert (composite_status(phases) in ENDS) == all(phase in FINAL for phase in phases), phases


EVENTS = [
    Sent(1.0),
    Accepted("j", 1.0),
    HeldBack(),
    Refused(TransportError("no", sent=False)),
    Lost(),
    Absent(),
    *(Found(JobRecord("j", state), 1.0) for state in JobState),
    *(Seen(JobRecord("j", state), 1.0) for state in JobState),
    BetPlaced(),
    BetLost(),
    Fetched(1.0),
    CancelAsked(),
]


@given(st.data())
def test_the_status_of_the_whole_never_goes_back_and_is_never_final_early(data):
    parts = data.draw(st.integers(1, 3))
    batch = Batch(Run("run", parts, "simulator", seed=1))
    batch.submissions = [Submission()] * parts
    batch.parcel_of = {index: index for index in range(parts)}
    status = composite_status(batch.phases())
    for _ in range(data.draw(st.integers(0, 30))):
        number = data.draw(st.integers(0, parts - 1))
        submission = batch.submissions[number]
        possible = [e for e in EVENTS if type(e) in TABLE[submission.phase]]
        event = data.draw(st.sampled_from([e for e in possible if e != BetLost() or submission.is_bet]))
        batch.submissions[number], _ = step(submission, event)
        if batch.submissions[number].phase.is_final:
            batch.end(number, batch.submissions[number].error)
        before, status = status, composite_status(batch.phases())
        assert RANK[status] >= RANK[before], f"{before.name} -> {status.name} on {event}"
        assert (status in ENDS) == all(s.phase.is_final for s in batch.submissions)


def _outcome(values=(0, 3), tallies=(1, 3), order=None, weights=None):
    return Outcome(
        shots=4,
        values=np.array(values),
        tallies=np.array(tallies),
        order=None if order is None else np.array(order),
        weights=None if weights is None else np.array(weights),
    )


def test_an_entry_holds_what_there_is():
    bare = experiment(HEADER, shots=4, outcome=_outcome(), seed=7, job_id="j1")
    assert bare.success
    assert bare.status == "DONE"
    assert bare.data.to_dict() == {"counts": {"0x0": 1, "0x3": 3}}
    assert (bare.shots, bare.seed, bare.header["ionq_job_id"], bare.header["name"]) == (4, 7, "j1", "bell")
    memory = ["0x3", "0x3", "0x0", "0x3"]
    full = experiment(HEADER, shots=4, outcome=_outcome(order=[1, 1, 0, 1], weights=[0.25, 0.75]))
    assert full.data.memory == memory
    assert full.data.probabilities == {"0x0": 0.25, "0x3": 0.75}


def test_an_entry_without_a_result_says_why_and_holds_no_data():
    entry = experiment(HEADER, shots=4, error=CircuitFailedError("out of ions", code="X"))
    assert not entry.success
    assert entry.status == "CircuitFailedError: out of ions"
    assert entry.data.to_dict() == {}


def test_the_header_of_the_circuit_is_left_as_it_is():
    header = dict(HEADER)
    experiment(header, shots=4, outcome=_outcome(), job_id="j1")
    assert header == HEADER


def test_results_stand_in_input_order_and_qiskit_reads_them():
    entries = [
        experiment({**HEADER, "name": f"c{k}"}, shots=4, outcome=_outcome([k], [4], order=[0] * 4))
        for k in range(4)
    ]
    result = merge(entries, backend_name="ionq_parallel", backend_version="1", job_id="run")
    assert result.success
    assert result.status == "COMPLETED"
    assert result.get_counts() == [{"00": 4}, {"01": 4}, {"10": 4}, {"11": 4}]
    assert result.get_memory(2) == ["10"] * 4
    assert result.get_counts("c3") == {"11": 4}
    assert (result.backend_name, result.job_id) == ("ionq_parallel", "run")


def test_a_hole_keeps_its_place():
    entries = [
        experiment(HEADER, shots=4, outcome=_outcome()),
        experiment(HEADER, shots=4, error=CircuitFailedError("no")),
        experiment(HEADER, shots=4, outcome=_outcome([1], [4])),
    ]
    result = merge(entries, backend_name="b", backend_version="1", job_id="run")
    assert not result.success
    assert result.status == "2 of 3 circuits have a result"
    assert [entry.success for entry in result.results] == [True, False, True]
    assert result.get_counts(2) == {"01": 4}


def test_no_circuits_make_an_empty_result():
    result = merge([], backend_name="b", backend_version="1", job_id="run")
    assert result.success
    assert result.results == []


def _named(*names):
    entries = [
        experiment({**HEADER, "name": name}, shots=4, outcome=_outcome([k], [4]))
        for k, name in enumerate(names)
    ]
    return merge(entries, backend_name="b", backend_version="1", job_id="run")


def _told(result, key):
    """What a result says of a key: counts, or the error; and the warnings that it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            said = result.get_counts(key)
        except QiskitError as error:
            said = str(error)
    return said, [str(warning.message) for warning in caught]


KEYS = [
    "a",
    "b",
    "c",
    "",
    "no such",
    QuantumCircuit(1, name="c"),
    QuantumCircuit(1, name="z"),
    0,
    2,
    -1,
    9,
    1.5,
]


@pytest.mark.parametrize(
    "names", [("a", "b", "c"), ("a", "b", "b"), ("c",), ("", "a"), (None, "c"), (["a"], "c")]
)
@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_key_finds_what_qiskit_finds(names, key):
    ours = _named(*names)
    qiskits = Result.from_dict(ours.to_dict())
    assert type(qiskits) is Result
    assert _told(ours, key) == _told(qiskits, key)
    assert _told(ours, key) == _told(qiskits, key)


def test_asking_for_a_name_reads_no_other_entry_again():
    result = _named("a", "b", "c")
    result.get_counts("a")
    del result.results[0].header, result.results[1].header
    assert result.get_counts("c") == {"10": 4}


def test_an_entry_that_was_renamed_or_replaced_is_found_under_its_new_name():
    result = _named("a", "b", "c")
    assert result.get_counts("b") == {"01": 4}
    result.results[1].header["name"] = "d"
    assert result.get_counts("d") == {"01": 4}
    with pytest.raises(QiskitError, match="could not be found"):
        result.get_counts("b")
    result.results = result.results[2:]
    assert result.get_counts("c") == {"10": 4}


def test_an_entry_without_a_header_has_no_name():
    result = _named("a", "b")
    del result.results[0].header
    assert result.get_counts("b") == {"01": 4}


def test_a_failed_entry_says_why_under_its_name():
    entries = [
        experiment({**HEADER, "name": "good"}, shots=4, outcome=_outcome()),
        experiment({**HEADER, "name": "bad"}, shots=4, error=CircuitFailedError("no ions")),
    ]
    result = merge(entries, backend_name="b", backend_version="1", job_id="run")
    assert _told(result, "bad") == _told(Result.from_dict(result.to_dict()), "bad")
    assert "no ions" in _told(result, "bad")[0]


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda result: pickle.loads(pickle.dumps(result))]
)
def test_a_copy_says_the_same(copied):
    result = _named("a", "b")
    result.get_counts("b")
    other = copied(result)
    assert other.to_dict() == result.to_dict()
    assert other.get_counts("b") == {"01": 4}
    assert type(other).from_dict(other.to_dict()).get_counts("a") == {"00": 4}
