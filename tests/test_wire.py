# SPDX-License-Identifier: Apache-2.0
"""Reading the service's JSON: tolerant where it varies, strict where money or meaning hang on it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qiskit_parallel_ionq import wire
from qiskit_parallel_ionq.wire import CatalogEntry, JobRecord, JobState

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
JOB_KEYS = st.sampled_from(
    (
        *("id", "status", "failure", "metadata", "shots", "child_job_ids", "parent_job_id", "results"),
        *("predicted_wait_time_ms", "predicted_execution_duration_ms", "execution_duration_ms"),
    )
)
ENTRY_KEYS = st.sampled_from(
    [
        "backend",
        "qubits",
        "status",
        "degraded",
        "average_queue_time",
        "supported_native_gates",
        "noise_models",
    ]
)


@pytest.mark.parametrize("job_id", ["0199b2c4-7d11-7c31-9a44-0b6f5d0a91e2", "a", "j_1", "A" * 128])
def test_ids_that_stay_in_their_path_segment_are_ids(job_id):
    assert wire.is_job_id(job_id)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "../backends",
        "a/b",
        "a?b",
        "a#b",
        "a b",
        "a\n",
        "%2e%2e",
        ".",
        "-a",
        "@host",
        "A" * 129,
        None,
        7,
        b"a",
    ],
)
def test_nothing_that_could_leave_its_path_segment_is_an_id(value):
    assert not wire.is_job_id(value)


@given(st.text())
def test_an_id_holds_only_characters_that_urls_leave_alone(text):
    if wire.is_job_id(text):
        assert text.isascii()
        assert set(text) <= set("-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("ionq_simulator", "simulator"),
        ("simulator", "simulator"),
        ("ionq_qpu.forte-1", "qpu.forte-1"),
        ("qpu.forte-1", "qpu.forte-1"),
    ],
)
def test_targets_go_by_all_their_names(name, target):
    assert wire.target_name(name) == target
    assert wire.is_qpu(target) == (target != "simulator")


@pytest.mark.parametrize("state", [s for s in JobState if s is not JobState.UNKNOWN])
def test_every_status_word_is_known(state):
    assert JobState(state.value) is state


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("running", JobState.STARTED),
        ("queued", JobState.READY),
        ("cancelled", JobState.CANCELED),
        ("transmogrified", JobState.UNKNOWN),
        ("COMPLETED", JobState.UNKNOWN),
        ("", JobState.UNKNOWN),
    ],
)
def test_a_strange_status_word_is_never_taken_for_a_final_one(word, state):
    assert JobState(word) is state


def test_a_whole_job_is_read():
    record = JobRecord.from_json(
        {
            "id": "j1",
            "status": "failed",
            "failure": {"code": "CompilationError", "message": "no such gate"},
            "metadata": {"qpi": "1.r.0.0"},
            "shots": 100,
            "child_job_ids": ["c1", "c2"],
            "parent_job_id": "p1",
            "results": {"probabilities": {"url": "/x"}},
            "predicted_wait_time_ms": 1000,
            "predicted_execution_duration_ms": 20.5,
            "execution_duration_ms": 21,
        }
    )
    assert record == JobRecord(
        "j1",
        JobState.FAILED,
        failure_code="CompilationError",
        failure_message="no such gate",
        metadata={"qpi": "1.r.0.0"},
        shots=100,
        child_ids=("c1", "c2"),
        parent_id="p1",
        results={"probabilities": {"url": "/x"}},
        predicted_wait_ms=1000.0,
        predicted_execution_ms=20.5,
        execution_ms=21.0,
    )


@pytest.mark.parametrize(
    ("failure", "code", "message"),
    [
        (None, None, None),
        ({}, None, None),
        ("plain words", None, "plain words"),
        ({"error": "old name"}, None, "old name"),
        ({"message": None, "error": "old name", "code": "X"}, "X", "old name"),
    ],
)
def test_a_failure_is_read_under_either_name(failure, code, message):
    record = JobRecord.from_json({"id": "j", "status": "failed", "failure": failure})
    assert (record.failure_code, record.failure_message) == (code, message)


@pytest.mark.parametrize(
    "field", ["child_job_ids", "metadata", "results", "failure", "shots", "parent_job_id"]
)
def test_null_reads_as_missing(field):
    assert JobRecord.from_json({"id": "j", "status": "ready", field: None}) == JobRecord("j", JobState.READY)


@pytest.mark.parametrize(
    ("field", "junk"),
    [("child_job_ids", 5), ("child_job_ids", "abc"), ("child_job_ids", [None, "../x", 3]),
     ("metadata", "text"), ("results", [1]), ("shots", 1.5), ("shots", True),
     ("execution_duration_ms", "soon")],
)  # fmt: skip
def test_junk_in_a_lesser_member_reads_as_missing(field, junk):
    assert JobRecord.from_json({"id": "j", "status": "ready", field: junk}) == JobRecord("j", JobState.READY)


@pytest.mark.parametrize(
    "body",
    [{}, {"id": "j"}, {"status": "ready"}, {"id": "../x", "status": "ready"}, {"id": "j", "status": 7}],
)
def test_a_job_without_id_or_status_is_no_job(body):
    with pytest.raises(ValueError, match="id or status"):
        JobRecord.from_json(body)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400, "NaN", "Infinity"])
def test_absurd_times_read_as_unknown(number):
    body = json.loads(f'{{"id": "j", "status": "ready", "predicted_wait_time_ms": {number}}}')
    assert JobRecord.from_json(body).predicted_wait_ms is None


@given(st.dictionaries(JOB_KEYS | st.text(max_size=3), JSON, max_size=6))
def test_any_object_is_a_record_or_a_value_error(body):
    try:
        record = JobRecord.from_json({"id": "j1", "status": "ready", **body})
    except ValueError:
        return
    assert wire.is_job_id(record.id)
    assert all(map(wire.is_job_id, record.child_ids))


@given(st.dictionaries(ENTRY_KEYS, JSON, max_size=6))
def test_any_object_is_a_catalogue_entry_or_a_value_error(body):
    try:
        entry = CatalogEntry.from_json({"backend": "simulator", "qubits": 29, **body})
    except ValueError:
        return
    assert entry.name is not None
    assert entry.qubits >= 1


def test_a_catalogue_entry_is_read():
    entry = CatalogEntry.from_json(
        {
            "backend": "qpu.forte-1",
            "qubits": 36,
            "status": "unavailable",
            "degraded": True,
            "average_queue_time": 5,
            "supported_native_gates": ["gpi", "zz"],
            "noise_models": None,
            "characterization_id": "c-1",
        }
    )
    assert (entry.name, entry.qubits, entry.status, entry.degraded) == (
        "qpu.forte-1",
        36,
        "unavailable",
        True,
    )
    assert (entry.native_gates, entry.noise_models) == (("gpi", "zz"), ())
    assert (entry.average_queue_time, entry.characterization_id) == (5.0, "c-1")


@pytest.mark.parametrize("body", [{}, {"backend": "x"}, {"qubits": 3}, {"backend": "x", "qubits": 0}])
def test_a_target_without_name_or_qubits_is_none(body):
    with pytest.raises(ValueError, match="name or number of qubits"):
        CatalogEntry.from_json(body)
