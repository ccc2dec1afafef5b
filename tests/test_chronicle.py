# SPDX-License-Identifier: Apache-2.0
"""Lines of a journal and what they say together: any prefix can be read, and no change goes unnoticed."""

from __future__ import annotations

import json
import os
import pickle
import zlib
from dataclasses import asdict, replace
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import chronicle
from qiskit_parallel_ionq.chronicle import Chronicle, Place, Run, StoredResult
from qiskit_parallel_ionq.encode import encode_circuit
from qiskit_parallel_ionq.errors import (
    CircuitFailedError,
    CompileError,
    IonQError,
    JournalError,
    NotFoundError,
    NotSentError,
    RateLimitError,
    SubmissionUnknownError,
    TransportError,
    api_error,
)
from qiskit_parallel_ionq.lifecycle import (
    TABLE,
    Absent,
    Accepted,
    BetLost,
    BetPlaced,
    CancelAsked,
    Disowned,
    Fetched,
    FetchFailed,
    Found,
    HeldBack,
    Lost,
    Phase,
    Refused,
    Reopened,
    Seen,
    Sent,
    Stopped,
    Submission,
    Unresolved,
    Vanished,
    step,
)
from qiskit_parallel_ionq.options import RunOptions
from qiskit_parallel_ionq.packer import Packer
from qiskit_parallel_ionq.wire import JobRecord, JobState

RUN = Run(
    "r" * 22, 3, "qpu.forte-1", seed=7, shots=(10, 10, 10), url="https://example.org/v0.4", created_at=5.0
)
ERROR = CircuitFailedError("IonQ failed job j1: because", code="Because", job_id="j1")


def parcels(total=3, per_job=1, **options):
    chosen = RunOptions().update(shots=10, circuits_per_job=per_job, **options)
    packer = Packer(RUN.id, total, RUN.target, chosen, "test", 7)
    found = []
    for index in range(total):
        circuit = QuantumCircuit(2, 2, name=f"c{index}")
        circuit.measure([0, 1], [1, 0])
        found += packer.add(index, encode_circuit(circuit, kind="native", renumber=False), 10)
    return [*found, *packer.flush()]


PARCELS = parcels()


def job(state, **facts):
    return JobRecord("j1", state, **facts)


def journal(*records, run=RUN, sent=PARCELS):
    told = [chronicle.parcel_record(n, parcel, None, []) for n, parcel in enumerate(sent)]
    return [chronicle.line(record) for record in (chronicle.header(run), *told, *records)]


def told(*events, number=0):
    records = [chronicle.event_record(number, event, float(t)) for t, event in enumerate(events)]
    return [record for record in records if record is not None]


LINES = journal(
    {"is": "owner", "epoch": 1, "pid": 1, "t": 0.0},
    *told(Sent(0.0), Accepted("j1", 1.0), Seen(job(JobState.COMPLETED, execution_ms=5.0), 2.0)),
    {"is": "result", "i": 0, "kind": "probabilities", "at": {"offset": 0, "size": 5, "digest": "0" * 12}},
    *told(Fetched(3.0)),
    {"is": "project", "id": "p1"},
    *told(Sent(0.0), Lost(1.0, "reset"), number=1),
    *told(Sent(0.0), Refused(ERROR), number=2),
    {"is": "over"},
)
WHOLE = b"".join(LINES)


# ── lines ──


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.booleans()))
def test_a_line_is_read_as_it_was_written_and_holds_no_other_line(record):
    text = chronicle.line(record)
    assert text.count(b"\n") == 1
    assert chronicle.read_line(text[:-1]) == record


@pytest.mark.parametrize(
    "text",
    [b"", b"00000000", b"00000000 ", b"12345678 {}", b"not a line", chronicle.line({})[:-2], b"f" * 100],
)
def test_what_is_no_line_is_refused(text):
    with pytest.raises(ValueError):
        chronicle.read_line(text)


def test_a_line_must_be_an_object():
    whole = chronicle.line({"a": 1})
    assert chronicle.read_line(whole[:-1]) == {"a": 1}
    with pytest.raises(ValueError, match="not a record"):
        chronicle.read_line(b"%08x [1]" % zlib.crc32(b"[1]"))


@pytest.mark.parametrize("disguise", [bytes.upper, lambda digits: b"+" + digits[1:], lambda d: b"_" + d[1:]])
def test_a_checksum_is_compared_as_text_so_that_no_other_spelling_of_it_passes(disguise):
    number = next(
        n
        for n in range(1000)
        if chronicle.line({"n": n})[:1] == b"0"
        and chronicle.line({"n": n})[:8].upper() != chronicle.line({"n": n})[:8]
    )
    text = chronicle.line({"n": number})[:-1]
    with pytest.raises(ValueError):
        chronicle.read_line(disguise(text[:8]) + text[8:])


# ── what the lines say together ──


def test_a_journal_tells_the_run_its_parcels_and_what_came_of_each():
    story = chronicle.read(WHOLE)
    assert story.run == RUN
    assert not story.is_damaged
    assert story.length == len(WHOLE)
    assert (story.project, story.epoch) == ("p1", 1)
    assert [s.phase for s in story.submissions] == [Phase.DONE, Phase.UNKNOWN, Phase.FAILED]
    assert story.submissions[0].job_id == "j1"
    assert story.results == {0: StoredResult("probabilities", Place(0, 5, "0" * 12))}
    assert [replace(p, body=b"", headers=()) for p in PARCELS] == [
        replace(p, headers=()) for p in story.parcels
    ]


def test_a_user_s_own_metadata_comes_back_where_it_was():
    record = chronicle.parcel_record(0, PARCELS[0], Place(3, 4, "ab"), [{"angle": 0.5}])
    story = chronicle.read(b"".join([chronicle.line(chronicle.header(RUN)), chronicle.line(record)]))
    assert story.headers[0]["metadata"] == {"angle": 0.5}
    assert story.headers[0]["name"] == "c0"
    assert story.bodies == {0: Place(3, 4, "ab")}


def test_a_pack_comes_back_with_every_circuit_in_its_place():
    packed = parcels(7, per_job=3)
    told_of = [chronicle.line(chronicle.parcel_record(n, p, None, [])) for n, p in enumerate(packed)]
    story = chronicle.read(
        b"".join([chronicle.line(chronicle.header(replace(RUN, total=7, shots=(10,) * 7))), *told_of])
    )
    assert [p.circuits for p in story.parcels] == [(0, 1, 2), (3, 4, 5), (6,)]
    assert [p.readouts for p in story.parcels] == [p.readouts for p in packed]
    assert sorted(story.headers) == list(range(7))


@given(st.integers(0, len(WHOLE)))
def test_any_prefix_can_be_read_and_says_no_more_than_its_whole_lines(length):
    prefix = WHOLE[:length]
    if length < len(LINES[0]):
        with pytest.raises(JournalError):
            chronicle.read(prefix)
        return
    story = chronicle.read(prefix)
    assert not story.is_damaged
    assert story.length == prefix.rfind(b"\n") + 1
    again = chronicle.read(prefix[: story.length])
    assert [s.phase for s in again.submissions] == [s.phase for s in story.submissions]
    assert again.results == story.results


@settings(max_examples=400)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_byte_that_changes_is_noticed(place, change):
    data = bytearray(WHOLE)
    data[place] ^= change
    try:
        story = chronicle.read(bytes(data))
    except JournalError:
        assert place < len(LINES[0])
    else:
        assert story.is_damaged


def test_lines_after_a_torn_one_are_read_on():
    story = chronicle.read(b"".join([*LINES[:5], b"torn\n", *LINES[5:]]))
    assert story.is_damaged
    assert story.submissions[0].phase is Phase.DONE


@pytest.mark.parametrize("data", [b"", b"\n", b"hello\n", chronicle.line({"is": "over"})])
def test_what_does_not_begin_as_a_journal_is_none(data):
    with pytest.raises(JournalError, match="no journal"):
        chronicle.read(data)


def test_a_journal_of_a_later_version_is_left_alone():
    with pytest.raises(JournalError, match="newer"):
        chronicle.read(chronicle.line({**chronicle.header(RUN), "schema": 2}))


@pytest.mark.parametrize(
    "record",
    [
        {"is": "stored", "n": 0, "t": 1.0},  # cannot follow
        {"is": "sent", "n": 99, "t": 1.0},  # of no parcel
        {"is": "sent", "n": 0},  # without its time
        {"is": "something else", "n": 0, "t": 1.0},
        {"is": "result", "i": 0, "kind": "shots", "at": {"offset": 0}},
        {"is": "parcel", "n": 7},
        {},
    ],
)
def test_a_line_that_makes_no_sense_is_damage_and_not_an_exception(record):
    assert chronicle.read(b"".join(journal(record))).is_damaged


# ── events ──


TIMES = st.floats(0.0, 100.0)
WHY = st.text(max_size=5)
DATES = st.none() | st.datetimes(timezones=st.just(timezone.utc))
RECORDS = st.builds(
    job,
    st.sampled_from(JobState),
    child_ids=st.sampled_from([(), ("c1", "c2")]),
    failure_code=st.sampled_from([None, "Code"]),
    failure_message=st.sampled_from([None, "because"]),
)
EVENTS = {
    Sent: st.builds(Sent, TIMES, DATES),
    Accepted: st.builds(Accepted, st.just("j1"), TIMES),
    HeldBack: st.builds(HeldBack, TIMES, WHY),
    Refused: st.builds(Refused, st.just(ERROR)),
    Lost: st.builds(Lost, TIMES, WHY, st.booleans()),
    Found: st.builds(Found, RECORDS, TIMES),
    Absent: st.builds(Absent, TIMES, WHY),
    Unresolved: st.just(Unresolved(SubmissionUnknownError("lost", token="t"))),
    Seen: st.builds(Seen, RECORDS, TIMES),
    BetPlaced: st.just(BetPlaced()),
    BetLost: st.just(BetLost()),
    Fetched: st.builds(Fetched, TIMES),
    FetchFailed: st.builds(FetchFailed, st.just(ERROR), TIMES),
    Vanished: st.builds(Vanished, st.just(ERROR), TIMES),
    Disowned: st.builds(Disowned, TIMES, WHY, st.sampled_from([None, "j1"])),
    Reopened: st.builds(Reopened, TIMES),
    CancelAsked: st.just(CancelAsked()),
    Stopped: st.just(Stopped(NotSentError("stopped"))),
}


@st.composite
def lives(draw):
    """A submission that lived through what the table allows, and the records that were made of it."""
    submission, records = Submission(), []
    for _ in range(draw(st.integers(0, 25))):
        is_bet = submission.is_bet
        kinds = [
            k for k in TABLE[submission.phase] if not (is_bet and k is FetchFailed)
        ]  # a bet is lost first
        kinds = [k for k in kinds if k is not BetLost or is_bet]
        kinds = [k for k in kinds if k is not Absent or not submission.is_acknowledged]
        if not kinds:
            break
        before, event = submission, draw(EVENTS[draw(st.sampled_from(kinds))])
        submission, _ = step(before, event)
        if submission is not before and (not isinstance(event, Seen) or submission.phase is not before.phase):
            record = chronicle.event_record(0, event, 1.0)
            records += [] if record is None else [record]
    return submission, records


@settings(max_examples=600)
@given(lives())
def test_the_fold_of_what_was_recorded_is_the_submission_that_lived(life):
    lived, records = life
    story = chronicle.read(b"".join(journal(*records)))
    assert not story.is_damaged
    folded = story.submissions[0]
    as_told = {Phase.RUNNING: Phase.QUEUED}.get(lived.shown_phase, lived.shown_phase)
    if isinstance(lived.error, NotSentError | SubmissionUnknownError):  # open questions stay open
        assert folded.phase in (Phase.WAITING, Phase.UNKNOWN)
    else:
        assert folded.phase is as_told
        assert str(folded.error) == str(lived.error)
        assert type(folded.error) is type(lived.error)
    assert folded.job_id == lived.job_id
    assert folded.posts == lived.posts
    assert folded.cancel_asked == lived.cancel_asked
    assert folded.was_sent_again == lived.was_sent_again
    assert folded.is_acknowledged == lived.is_acknowledged
    assert folded.sent_after == lived.sent_after
    assert folded.may_come == lived.may_come


def test_a_job_that_still_runs_is_not_worth_a_line():
    for state in (JobState.SUBMITTED, JobState.READY, JobState.STARTED, JobState.UNKNOWN):
        assert chronicle.event_record(0, Seen(job(state), 1.0), 1.0) is None
    for event in (BetPlaced(), BetLost(), Stopped(ERROR)):
        assert chronicle.event_record(0, event, 1.0) is None


def test_a_result_that_is_stored_twice_is_no_damage():
    again = told(Sent(0.0), Accepted("j1", 1.0), Fetched(2.0), Reopened(3.0), Fetched(4.0))
    story = chronicle.read(b"".join(journal(*again)))
    assert not story.is_damaged
    assert story.submissions[0].phase is Phase.DONE


def test_a_job_that_was_found_failed_is_known_to_have_failed():
    found = Found(job(JobState.FAILED, failure_code="Code", failure_message="because"), 2.0)
    story = chronicle.read(b"".join(journal(*told(Sent(0.0), Lost(1.0), found))))
    assert story.submissions[0].phase is Phase.FAILED
    assert story.submissions[0].error.code == "Code"


# ── errors ──


@pytest.mark.parametrize(
    "error",
    [
        ERROR,
        api_error(404, method="GET", path="/jobs/x", detail="none", request_id="r1"),
        api_error(429, method="POST", path="/jobs"),
        TransportError("reset", sent=True),
        SubmissionUnknownError("lost", token="1.x.0.0"),
        NotSentError("never"),
        CompileError("no way"),
        IonQError("something"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_error_comes_back_as_its_like_with_its_facts_and_can_be_pickled(error):
    again = chronicle.read_error(chronicle.error_facts(error))
    for told_of in (again, pickle.loads(pickle.dumps(again))):
        assert type(told_of) is type(error)
        assert str(told_of) == str(error)
        assert {k: v for k, v in vars(told_of).items() if k != "retry_after"} == {
            k: v for k, v in vars(error).items() if k != "retry_after"
        }


def test_known_classes_come_back_as_themselves_and_strangers_as_the_root():
    assert isinstance(
        chronicle.read_error(chronicle.error_facts(api_error(404, method="GET", path="/"))), NotFoundError
    )
    assert isinstance(
        chronicle.read_error(chronicle.error_facts(api_error(429, method="GET", path="/"))), RateLimitError
    )
    for stranger in (KeyError("x"), SystemExit(3)):
        again = chronicle.read_error(chronicle.error_facts(stranger))
        assert type(again) is IonQError
        assert str(stranger) in str(again)


@pytest.mark.parametrize("name", ["QiskitError", "Counter", "Mapping", "no such", "__name__"])
def test_only_our_own_errors_can_be_named(name):
    assert type(chronicle.read_error({"error": name, "facts": {"message": "m"}})) is IonQError


# ── in short ──


def test_a_summary_counts_results_and_failures_once_each():
    story = chronicle.read(WHOLE)
    short = chronicle.summary(story)
    assert (short.job_id, short.total, short.done, short.failed) == (RUN.id, 3, 1, 1)
    assert not short.is_over
    story.errors[0] = ERROR  # it has a result
    story.errors[1] = ERROR
    short = chronicle.summary(story)
    assert (short.done, short.failed, short.is_over) == (1, 2, True)


def test_a_run_whose_circuits_were_cancelled_before_they_were_sent_is_over():
    events = [record for n in range(3) for record in told(CancelAsked(), number=n)]
    short = chronicle.summary(chronicle.read(b"".join(journal(*events))))
    assert (short.failed, short.is_over) == (3, True)


def test_a_chronicle_knows_which_circuits_have_ended():
    story = Chronicle(RUN, results={0: None}, errors={1: ERROR})
    assert [story.ended(index) for index in range(3)] == [True, True, False]


def test_all_that_is_fixed_about_a_run_is_in_its_header():
    assert chronicle.read(chronicle.line(chronicle.header(RUN))).run == RUN
    assert set(asdict(RUN)) < set(chronicle.header(RUN))


# ── headers that nobody wrote ──

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.one_of(st.integers(-5, 5), st.none(), st.text(max_size=3)), max_size=4),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
LONG = settings(max_examples=int(os.environ.get("QPI_EXAMPLES", "300")))


def raw_line(record):
    """A line with any values, those that JSON does not have included."""
    text = json.dumps(record).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


@LONG
@given(
    name=st.sampled_from([*Run.__dataclass_fields__, "schema", "is", "unheard of"]),
    value=ODD,
    leave=st.booleans(),
)
def test_an_odd_header_is_a_run_or_an_error_of_the_journal(name, value, leave):
    header = json.loads(json.dumps(chronicle.header(RUN)))
    if leave:
        header.pop(name, None)
    else:
        header[name] = value
    try:
        story = chronicle.read(raw_line(header))
    except JournalError:
        return
    found = chronicle.summary(story)
    assert found.total >= 0
    assert found.created_at == found.created_at >= 0
    datetime.fromtimestamp(found.created_at, timezone.utc)
    hash(found)
    assert chronicle.header(story.run)["id"] == found.job_id
    assert json.loads(json.dumps(chronicle.header(story.run), allow_nan=False))


@LONG
@given(
    kind=st.sampled_from(["parcel", "result", "circuit failed", "project", "owner", "accepted", "ended", "refused"]),
    members=st.dictionaries(
        st.sampled_from(
            ["n", "i", "t", "id", "at", "kind", "circuits", "shots", "headers", "metadata", "body", "token",
             "digest", "exact", "memory", "dry_run", "error", "facts", "epoch", "state", "children"]
        ),
        ODD,
        max_size=8,
    ),
)  # fmt: skip
def test_an_odd_line_leaves_indexes_within_the_run(kind, members):
    story = chronicle.read(b"".join(journal()) + raw_line({"is": kind, **members}))
    circuits = range(RUN.total)
    assert set(story.results) | set(story.errors) | set(story.headers) <= set(circuits)
    assert all(index in circuits for parcel in story.parcels for index in parcel.circuits)
    assert len(story.parcels) == len(story.submissions)
    chronicle.summary(story)


def test_a_summary_has_the_session_of_the_run():
    run = replace(RUN, session_id="s-1")
    assert chronicle.summary(Chronicle(run)).session_id == "s-1"
