# SPDX-License-Identifier: Apache-2.0
"""Scripted bad days: each fault does what it says, to whom it says, as often as it says."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

import pytest
import requests

from qiskit_parallel_ionq.emulator import Fault
from qiskit_parallel_ionq.emulator.faults import FaultScript

JOB = {
    "type": "ionq.circuit.v1",
    "backend": "simulator",
    "input": {"gateset": "qis", "qubits": 1, "circuit": [{"gate": "x", "target": 0}]},
}
LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def strikes(fault: Fault, times: int = 12, seed: int = 0) -> list[int]:
    """The numbers, from 1, of the requests that a fault strikes."""
    script = FaultScript([fault], seed)
    return [n for n in range(1, times + 1) if script.on_request("GET", "/jobs") is not None]


# ---- when ----


def test_a_plain_fault_strikes_always():
    assert strikes(Fault("reset"), 3) == [1, 2, 3]


def test_nth_every_and_times_choose_the_occurrence():
    assert strikes(Fault("reset", nth=3)) == [3]
    assert strikes(Fault("reset", nth=(2, 5))) == [2, 5]
    assert strikes(Fault("reset", every=5)) == [5, 10]
    assert strikes(Fault("reset", times=2)) == [1, 2]
    assert strikes(Fault("reset", every=2, times=3)) == [2, 4, 6]


def test_probability_is_drawn_from_the_seed():
    fault = Fault("reset", probability=0.25)
    first = strikes(fault, 400, seed=1)
    assert first == strikes(fault, 400, seed=1) != strikes(fault, 400, seed=2)
    assert 60 < len(first) < 140


def test_method_and_path_choose_the_request():
    script = FaultScript([Fault("reset", method="GET", path="/jobs/*/results/*")], 0)
    assert script.on_request("POST", "/jobs/1/results/shots") is None
    assert script.on_request("GET", "/jobs/1") is None
    assert script.on_request("GET", "/jobs/1/results/shots") is not None


def test_only_matches_are_counted():
    script = FaultScript([Fault("reset", method="POST", nth=2)], 0)
    hits = [script.on_request(method, "/jobs") is not None for method in ("POST", "GET", "GET", "POST")]
    assert hits == [False, False, False, True]


def test_the_first_of_two_faults_strikes():
    first, second = Fault("status", status=502), Fault("reset")
    assert FaultScript([first, second], 0).on_request("GET", "/jobs") is first


def test_a_name_chooses_the_circuit():
    script = FaultScript([Fault("fail", name="bad-*")], 0)
    assert script.on_circuit("good-1") is None
    assert script.on_circuit("bad-1") is not None
    assert script.on_request("GET", "/jobs") is None


def test_an_action_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="action"):
        Fault("explode")


# ---- what ----


def test_a_status_before_stores_nothing_and_has_the_error_shape(serve):
    api = serve(faults=[Fault("status", status=503, retry_after=2, method="POST", nth=1)])
    answer = api.call("POST", "/jobs", JOB)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert set(answer.json()) == {"error", "message", "statusCode"}
    assert api.service.stats().jobs == 0
    assert api.call("POST", "/jobs", JOB).status_code == 201


def test_a_status_after_stores_the_job_and_loses_the_answer(serve):
    api = serve(faults=[Fault("status", status=502, method="POST", after=True)])
    assert api.call("POST", "/jobs", JOB).status_code == 502
    assert len(api.get("/jobs")["jobs"]) == 1


@pytest.mark.parametrize(("after", "stored"), [(False, 0), (True, 1)])
def test_a_reset_breaks_the_connection(serve, after, stored):
    api = serve(faults=[Fault("reset", method="POST", after=after)])
    with pytest.raises(requests.ConnectionError):
        api.call("POST", "/jobs", JOB)
    assert len(api.get("/jobs")["jobs"]) == stored
    assert ("POST", "/jobs", 0) in api.service.requests_log


def test_a_reset_is_a_reset_and_no_polite_end(serve):
    api = serve(faults=[Fault("reset")])
    with socket.create_connection(("127.0.0.1", urlsplit(api.service.url).port), timeout=10) as raw:
        raw.sendall(b"GET /v0.4/backends HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            raw.recv(1)


@pytest.mark.parametrize(("after", "stored"), [(False, 0), (True, 1)])
def test_a_stall_lets_the_client_give_up(serve, after, stored):
    api = serve(faults=[Fault("stall", method="POST", seconds=30, after=after)])
    with pytest.raises(requests.ReadTimeout):
        api.session.post(
            api.service.url + "/jobs",
            json=JOB,
            headers={"Authorization": f"apiKey {api.service.api_key}"},
            timeout=0.2,
        )
    assert len(api.get("/jobs")["jobs"]) == stored


def test_a_short_stall_answers_late(serve):
    api = serve(faults=[Fault("stall", method="POST", seconds=0.15)])
    begun = time.monotonic()
    assert api.call("POST", "/jobs", JOB).status_code == 201
    assert time.monotonic() - begun >= 0.15


def test_a_truncated_body_ends_in_the_middle(serve):
    api = serve(faults=[Fault("truncate", method="GET", nth=1)])
    with pytest.raises(LOST):
        api.call("GET", "/jobs")
    assert api.get("/jobs")["jobs"] == []


def test_garbage_is_not_json(serve):
    api = serve(faults=[Fault("garbage", method="POST")])
    answer = api.call("POST", "/jobs", JOB)
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()
    assert len(api.get("/jobs")["jobs"]) == 1


def test_an_id_may_be_missing(serve):
    api = serve(faults=[Fault("missing-id", method="POST")])
    assert set(api.call("POST", "/jobs", JOB).json()) == {"status", "session_id"}
    assert len(api.get("/jobs")["jobs"]) == 1


def test_a_drip_arrives_whole_and_slowly(serve):
    api = serve(faults=[Fault("drip", path="/whoami", seconds=0.2)])
    begun = time.monotonic()
    assert set(api.get("/whoami")) == {"key_id", "key_name", "project_id"}
    assert time.monotonic() - begun >= 0.19


def test_a_scripted_429_counts_as_one(serve):
    api = serve(faults=[Fault("status", status=429, retry_after=1, nth=1)])
    assert api.call("GET", "/jobs").status_code == 429
    assert api.service.stats().rejected_429 == 1


# ---- circuits ----


def test_a_circuit_fails_at_the_end_of_its_run(serve, clock):
    fault = Fault("fail", nth=2, code="QuantumComputerError", message="no ions")
    api = serve(faults=[fault], execution_time=10)
    ids = [api.run() for _ in range(3)]
    clock.advance(5)
    assert {api.status(job_id) for job_id in ids} == {"started"}
    clock.advance(5)
    assert [api.status(job_id) for job_id in ids] == ["completed", "failed", "completed"]
    assert api.job(ids[1])["failure"] == {
        "code": "QuantumComputerError",
        "message": "no ions",
        "error": "no ions",
    }


def test_a_named_child_fails_alone(serve):
    api = serve(faults=[Fault("fail", name="second")])
    circuits = [{"name": name, "circuit": []} for name in ("first", "second")]
    body = {"gateset": "qis", "qubits": 1, "circuits": circuits}
    parent = api.post("/jobs", {"type": "ionq.multi-circuit.v1", "backend": "simulator", "input": body})["id"]
    job = api.job(parent)
    assert [api.status(child) for child in job["child_job_ids"]] == ["completed", "failed"]
    assert (job["status"], job["failure"]["code"]) == ("failed", "QuantumComputerError")


@pytest.mark.parametrize("factor", [0.9, 1 + 1e-9])
def test_results_may_not_sum_to_one(serve, factor):
    api = serve(faults=[Fault("scale", factor=factor, nth=1)])
    spoiled, sound = (api.get(f"/jobs/{api.run()}/results/probabilities") for _ in range(2))
    assert spoiled == {"0": 0.5 * factor, "3": 0.5 * factor}
    assert sound == {"0": 0.5, "3": 0.5}
