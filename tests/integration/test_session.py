# SPDX-License-Identifier: Apache-2.0
"""Sessions over the emulated service: opened once, joined by value, and ended however the block is left."""

from __future__ import annotations

import copy
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qiskit_parallel_ionq import BatchError, OptionError, Session, SessionError
from qiskit_parallel_ionq.api import Api
from qiskit_parallel_ionq.emulator import Fault
from qiskit_parallel_ionq.errors import (
    ApiError,
    NotFoundError,
    RateLimitError,
    SessionEndedError,
    SessionUnknownError,
    TransportError,
)
from qiskit_parallel_ionq.primitives import EstimatorV2, SamplerV2

OPENING = {"method": "POST", "path": "/sessions"}


@pytest.fixture
def bell():
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


@pytest.fixture
def patient(connect):
    """Return a function: knobs -> (the service, a backend of a machine), with no real pauses."""

    def make(target="qpu.forte-1", **knobs):
        service, provider = connect(**knobs)
        provider._pause = lambda seconds: None
        return service, provider.get_backend(target, shots=10)

    return make


@pytest.fixture
def bodies(monkeypatch):
    """Every request for a session, as it was sent."""
    sent, send = [], Api.create_session

    def create(api, body):
        sent.append(json.loads(body))
        return send(api, body)

    monkeypatch.setattr(Api, "create_session", create)
    return sent


def stored(backend):
    return backend.provider.sessions(active=None)


def sessions_of(backend, job):
    api = backend.provider._made_api()
    return {api._get(f"/jobs/{job_id}")["session_id"] for job_id in job.job_ids()}


# ── opening ──


def test_a_session_is_made_without_a_request_and_opened_once(patient, bell):
    service, backend = patient()
    session = Session(backend)
    assert repr(session) == "<Session on qpu.forte-1: not open yet>"
    assert service.requests_log == []
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: session.id, range(8)))
    assert len(ids) == len(stored(backend)) == 1
    with session:
        assert {session.id} == ids
        assert repr(session) == f"<Session {session.id} on qpu.forte-1: open>"
    assert repr(session).endswith("closed>")


@pytest.mark.parametrize(
    ("limits", "settings"),
    [
        ({}, None),
        ({"max_time": 30}, {"duration_limit_min": 30}),
        ({"max_time": timedelta(hours=2)}, {"duration_limit_min": 120}),
        (
            {"max_jobs": 5, "max_cost": 9.5},
            {"job_count_limit": 5, "cost_limit": {"unit": "usd", "value": 9.5}},
        ),
    ],
)
def test_the_limits_are_sent(patient, bodies, limits, settings):
    _, backend = patient()
    with Session(backend, **limits) as session:
        record = session.details()
    expected = {"backend": "qpu.forte-1"} | ({} if settings is None else {"settings": settings})
    assert bodies == [expected]
    assert (record.backend, record.status, record.active) == ("qpu.forte-1", "created", True)
    assert record.max_jobs == limits.get("max_jobs")
    assert record.max_cost == limits.get("max_cost")


@pytest.mark.parametrize(
    "limits",
    [
        {"max_time": 0},
        {"max_time": 1.5},
        {"max_time": timedelta(seconds=90)},
        {"max_time": "2h"},
        {"max_jobs": True},
        {"max_jobs": -1},
        {"max_cost": 0},
        {"max_cost": float("nan")},
        {"max_cost": "5"},
        {"max_cost": True},
    ],
)
def test_a_limit_that_cannot_be_is_refused_by_name(patient, limits):
    service, backend = patient()
    with pytest.raises(OptionError, match=next(iter(limits))):
        Session(backend, **limits)
    assert service.requests_log == []


def test_only_backends_of_ours_have_sessions():
    with pytest.raises(OptionError, match="ParallelIonQProvider"):
        Session("qpu.forte-1")


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "status", "status": 503, "after": True},
        {"action": "status", "status": 409, "after": True},
        {"action": "reset", "after": True},
        {"action": "truncate"},
        {"action": "garbage"},
        {"action": "missing-id"},
    ],
)
def test_an_answer_that_is_lost_opens_no_second_session(patient, bell, fault):
    service, backend = patient(faults=[Fault(**OPENING, nth=1, **fault)])
    session = Session(backend, max_jobs=3)
    for _ in range(2):
        with pytest.raises(SessionUnknownError, match="may have been opened") as caught:
            session.run(bell)
    (there,) = stored(backend)
    assert caught.value.candidates == (there.id,)
    assert service.stats().by_route["POST /sessions"] == 1
    with Session.from_id(there.id, backend) as found:
        assert found.run(bell).result(timeout=20).success
    assert stored(backend)[0].active is False


def test_sessions_that_cannot_be_the_lost_one_are_not_named(patient, bell):
    _, backend = patient(faults=[Fault("reset", **OPENING, nth=5)])
    provider = backend.provider
    others = [
        Session(provider.get_backend("qpu.aria-1")),
        Session(backend, max_jobs=3),
        Session(backend, max_time=10),
        Session(backend),
    ]
    for other in others:
        other.open()
    others[3].run(bell).result(timeout=20)  # has begun: somebody works in it
    with pytest.raises(SessionUnknownError, match="none that is open looks like it") as caught:
        Session(backend).open()
    assert caught.value.candidates == ()


def test_where_nobody_says_which_are_open_that_is_said(patient):
    faults = [Fault("reset", **OPENING), Fault("status", method="GET", path="/sessions", status=403)]
    _, backend = patient(faults=faults)
    with pytest.raises(SessionUnknownError, match="does not say which are open"):
        Session(backend).open()


def test_what_had_no_effect_is_tried_again(patient):
    service, backend = patient(faults=[Fault("status", **OPENING, status=429, nth=[1, 2])])
    with Session(backend) as session:
        assert session.details().active
    assert len(stored(backend)) == 1
    assert service.stats().by_route["POST /sessions"] == 3


def test_what_was_not_sent_is_tried_again(patient, monkeypatch):
    _, backend = patient()
    send, tries = Api.create_session, []

    def fail_first(api, body):
        tries.append(body)
        if len(tries) == 1:
            raise TransportError("the network is down", sent=False)
        return send(api, body)

    monkeypatch.setattr(Api, "create_session", fail_first)
    assert Session(backend).id
    assert len(tries) == 2


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (404, SessionError, "enables them for an organisation"),
        (403, ApiError, "403"),
        (400, ApiError, "400"),
        (429, RateLimitError, "429"),
    ],
)
def test_a_refusal_is_said_and_may_be_tried_anew(patient, status, error, says):
    _, backend = patient(faults=[Fault("status", **OPENING, status=status, times=6)])
    session = Session(backend)
    with pytest.raises(error, match=says):
        session.open()
    assert stored(backend) == ()
    for _ in range(6):
        try:
            session.open()
            break
        except (ApiError, SessionError):
            continue
    assert session.details().active


# ── running ──


def test_runs_and_primitives_of_a_session_join_it_and_others_do_not(patient, bell):
    _, backend = patient()
    with Session(backend) as session:
        inside = [
            session.run([bell] * 2),
            session.backend.run(bell),
            copy.deepcopy(session.backend).run(bell),
            backend.run(bell, session_id=session.id),
        ]
        outside = backend.run(bell)
        sampled = SamplerV2(session.backend).run([bell], shots=20)
        valued = EstimatorV2(session.backend).run(
            [(bell.remove_final_measurements(inplace=False), SparsePauliOp("ZZ"))]
        )
        inside += [sampled._job, valued._job]
        for job in [*inside, outside]:
            job.result(timeout=20)
        for job in inside:
            assert sessions_of(backend, job) == {session.id}
        assert sessions_of(backend, outside) == {None}
    assert backend.options.session_id is None
    assert session.backend.name == backend.name
    assert session.backend.options.shots == 10


def test_leaving_the_block_waits_for_its_jobs_and_then_ends_the_session(patient, bell):
    _, backend = patient(execution_time=0.2, running_slots=2)
    with Session(backend) as session:
        kept = session.run([bell] * 4)
        SamplerV2(session.backend).run([bell] * 2)  # kept by nobody
    assert kept.progress().done == 4
    record = session.details()
    assert (record.active, record.status) == (False, "ended")
    assert record.ended_at is not None
    states = {job.state.value for job in backend.provider._made_api().jobs().records}
    assert states == {"completed"}
    assert backend.provider.session_jobs(session.id) == []


def test_an_error_in_the_block_ends_the_session_at_once_and_comes_out(patient, bell):
    _, backend = patient(execution_time=30, running_slots=1)
    session = Session(backend)
    job = session.run([bell] * 3)
    while job.progress().waiting:
        threading.Event().wait(0.01)
    with pytest.raises(ZeroDivisionError), session:
        raise ZeroDivisionError
    assert stored(backend)[0].active is False
    job.cancel()


@pytest.mark.parametrize("in_block", [True, False])
def test_a_session_that_cannot_be_ended_is_reported_with_its_id(patient, caplog, in_block):
    _, backend = patient(faults=[Fault("status", method="POST", path="/sessions/*/end", status=503)])
    session = Session(backend)

    def use():
        with session:
            if in_block:
                raise KeyError

    with pytest.raises(KeyError if in_block else ApiError):
        use()
    assert f"Session {session.id} may still be open" in caplog.text
    assert stored(backend)[0].active


def test_ending_is_tried_again_and_twice_is_harmless(patient):
    _, backend = patient(faults=[Fault("reset", method="POST", path="/sessions/*/end", nth=1, after=True)])
    session = Session(backend)
    session.open()
    for _ in range(2):
        session.close()
    assert stored(backend)[0].active is False
    Session.from_id(session.id, backend).close()


def test_a_session_that_was_never_opened_is_closed_without_a_request(patient):
    service, backend = patient()
    Session(backend).close()
    assert service.requests_log == []


def test_a_closed_session_takes_no_more_runs(patient, bell):
    service, backend = patient()
    with Session(backend) as session:
        pass
    posts = service.stats().posts
    with pytest.raises(SessionEndedError, match="has ended"):
        session.run(bell)
    assert service.stats().posts == posts


def test_a_session_whose_time_is_up_says_so(patient, bell, monkeypatch, caplog):
    service, backend = patient()
    now = [0.0]
    monkeypatch.setattr("qiskit_parallel_ionq.session.time.monotonic", lambda: now[0])
    session = Session(backend, max_time=1)
    session.open()
    now[0] += 61
    api = backend.provider._made_api()
    assert session.run(bell).result(timeout=20).success  # it begins with its first job, and goes on
    api.end_session(session.id)
    with pytest.raises(SessionEndedError):
        session.run(bell)
    assert service.stats().by_route["POST /jobs"] == 1


def test_a_limit_that_is_reached_is_the_service_s_to_say(patient, bell, caplog):
    _, backend = patient()
    with Session(backend, max_jobs=2) as session:
        job = session.run([bell] * 3, max_workers=1)
        with pytest.raises(BatchError, match="has ended") as caught:
            job.result(timeout=20)
        assert len(caught.value.failures) == 1
    assert f"Session {session.id} had ended by itself" in caplog.text


# ── from an id ──


@pytest.mark.parametrize("wrong", ["", "../backends", 7, None, "a b"])
def test_an_id_that_cannot_be_is_refused(patient, wrong):
    service, backend = patient()
    with pytest.raises(OptionError, match="id of a session"):
        Session.from_id(wrong, backend)
    assert service.requests_log == []


def test_an_id_that_nobody_knows_is_told(patient):
    _, backend = patient()
    with pytest.raises(NotFoundError):
        Session.from_id("nobody", backend).details()


def test_open_sessions_are_listed(patient):
    _, backend = patient()
    first, second = Session(backend), Session(backend)
    first.open()
    second.open()
    first.close()
    provider = backend.provider
    assert [record.id for record in provider.sessions()] == [second.id]
    assert [record.id for record in provider.sessions(active=False)] == [first.id]
    assert len(provider.sessions(active=None)) == 2


def test_the_record_of_a_run_names_its_session(patient, bell, tmp_path):
    from qiskit_parallel_ionq import ParallelIonQProvider

    service, _ = patient()
    with ParallelIonQProvider(service.api_key, service.url, state_dir=tmp_path) as provider:
        with Session(provider.get_backend("qpu.forte-1")) as session:
            job_id = session.run(bell, shots=10).job_id()
        again = provider._archive.read(job_id)
        assert again.run.session_id == session.id
