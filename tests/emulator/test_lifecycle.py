# SPDX-License-Identifier: Apache-2.0
"""The life of a job, on a clock that the test sets."""

from __future__ import annotations

import pytest

BELL = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]
X = [{"gate": "x", "target": 0}]
NO_SUCH_GATE = [{"gate": "toffoli", "target": 0}]


def test_a_job_goes_from_submitted_to_completed(serve, clock):
    api = serve(queue_time=10, execution_time=5)
    job_id = api.run()
    seen = []
    for seconds in (0, 0.9, 0.2, 8.8, 0.1, 4.9, 0.1):
        clock.advance(seconds)
        seen.append(api.status(job_id))
    assert seen == ["submitted", "submitted", "ready", "ready", "started", "started", "completed"]


def test_the_times_of_a_job_are_told_and_foretold(serve, clock):
    api = serve(queue_time=10, execution_time=5)
    job_id = api.run()
    clock.advance(4)
    job = api.job(job_id)
    assert (job["predicted_wait_time_ms"], job["predicted_execution_duration_ms"]) == (6000, 5000)
    assert (job["started_at"], job["completed_at"], job["execution_duration_ms"]) == (None, None, None)
    clock.advance(60)
    job = api.job(job_id)
    assert (job["predicted_wait_time_ms"], job["execution_duration_ms"]) == (None, 5000)
    assert job["submitted_at"] == "2026-09-21T14:13:20.000Z"
    assert job["started_at"] == "2026-09-21T14:13:30.000Z"
    assert job["completed_at"] == "2026-09-21T14:13:35.000Z"


def test_without_delays_a_job_is_done_when_first_looked_at(api):
    assert api.status(api.run()) == "completed"


def test_execution_time_may_depend_on_the_circuits_number(serve, clock):
    api = serve(execution_time=lambda number: 10.0 * (number + 1))
    ids = [api.run() for _ in range(3)]
    clock.advance(25)
    assert [api.status(job_id) for job_id in ids] == ["completed", "completed", "started"]


def test_slots_make_jobs_wait_in_order(serve, clock):
    api = serve(execution_time=10, running_slots=2)
    ids = [api.run() for _ in range(5)]
    clock.advance(1)
    assert [api.status(job_id) for job_id in ids] == ["started", "started", "ready", "ready", "ready"]
    assert [api.job(job_id)["predicted_wait_time_ms"] for job_id in ids[2:]] == [9000, 9000, 19000]
    clock.advance(15)
    assert [api.status(job_id) for job_id in ids] == ["completed", "completed", "started", "started", "ready"]


def test_children_share_the_slots_and_the_parent_ends_with_the_last(serve, clock):
    api = serve(execution_time=10, running_slots=2)
    parent = api.run_many([BELL, X, X])
    children = api.job(parent)["child_job_ids"]
    clock.advance(15)
    assert [api.status(child) for child in children] == ["completed", "completed", "started"]
    assert api.status(parent) == "started"
    assert api.job(parent)["results"] is None
    clock.advance(5)
    job = api.job(parent)
    assert (job["status"], job["execution_duration_ms"]) == ("completed", 20_000)


def test_children_run_one_by_one_when_told_to(serve, clock):
    api = serve(execution_time=10, serial_children=True)
    parent = api.run_many([X, X, X])
    single = api.run()
    children = api.job(parent)["child_job_ids"]
    clock.advance(12)
    assert [api.status(child) for child in children] == ["completed", "started", "ready"]
    assert api.status(single) == "completed"


# ---- preflight ----


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"circuit": NO_SUCH_GATE}, "UnsupportedGate"),
        ({"circuit": X, "input": {"qubits": 30}}, "NotEnoughQubits"),
        ({"circuit": X, "input": {"qubits": 26}, "noise": {"model": "aria-1"}}, "NotEnoughQubits"),
        ({"circuit": X, "input": {"qubits": 37}, "backend": "qpu.forte-1"}, "NotEnoughQubits"),
        ({"circuit": X, "input": {"qubits": None}}, "CompilationError"),
        ({"circuit": X, "input": {"gateset": "native"}}, "UnsupportedGate"),
        (
            {
                "circuit": [{"gate": "ms", "targets": [0, 1], "phases": [0, 0]}],
                "input": {"gateset": "native"},
                "backend": "qpu.forte-1",
            },
            "UnsupportedGate",
        ),
        (
            {
                "circuit": [{"gate": "zz", "targets": [0, 1]}],
                "input": {"gateset": "native"},
                "backend": "qpu.aria-1",
            },
            "UnsupportedGate",
        ),
        (
            {
                "circuit": [{"gate": "zz", "targets": [0, 20]}],
                "input": {"gateset": "native", "qubits": 21},
                "backend": "qpu.tempo-1",
            },
            "UnsupportedGate",
        ),
    ],
)
def test_an_accepted_circuit_that_cannot_run_fails_in_preflight(serve, clock, members, code):
    api = serve(queue_time=10, execution_time=5)
    job_id = api.run(members.pop("circuit"), **members)
    assert api.status(job_id) == "submitted"
    clock.advance(1)
    job = api.job(job_id)
    assert job["status"] == "failed"
    assert job["failure"]["code"] == code
    assert job["failure"]["message"] == job["failure"]["error"] != ""
    assert (job["results"], job["started_at"], job["execution_duration_ms"]) == (None, None, None)
    assert job["completed_at"] is not None


@pytest.mark.parametrize(
    "members",
    [
        {"input": {"qubits": 29}},
        {"input": {"qubits": 25}, "noise": {"model": "aria-1"}},
        {"input": {"qubits": 36}, "backend": "qpu.forte-1"},
        {"input": {"qubits": 11}, "noise": {"model": "harmony"}},
    ],
)
def test_the_widest_circuit_a_machine_takes_runs(api, members):
    assert api.status(api.run(X, **members)) == "completed"


def test_both_native_two_qubit_gates_run_on_the_simulator(api):
    gates = [{"gate": "ms", "targets": [0, 1], "phases": [0, 0]}, {"gate": "zz", "targets": [0, 1]}]
    assert api.status(api.run(gates, input={"gateset": "native"})) == "completed"


def test_a_job_type_the_emulator_does_not_run_fails_and_says_so(api):
    job_id = api.post("/jobs", {"type": "quantum-function", "backend": "simulator", "input": {"data": {}}})[
        "id"
    ]
    failure = api.job(job_id)["failure"]
    assert failure["code"] == "PreflightError"
    assert "quantum-function" in failure["message"]


def test_one_bad_child_fails_its_parent_and_not_its_siblings(api):
    parent = api.run_many([BELL, NO_SUCH_GATE, X])
    job = api.job(parent)
    assert (job["status"], job["failure"]["code"]) == ("failed", "UnsupportedGate")
    assert [api.status(child) for child in job["child_job_ids"]] == ["completed", "failed", "completed"]
    assert api.get(f"/jobs/{job['child_job_ids'][2]}/results/probabilities") == {"1": 1.0}


def test_a_refused_circuit_takes_no_slot(serve, clock):
    api = serve(execution_time=10, running_slots=1)
    api.run(NO_SUCH_GATE)
    good = api.run()
    clock.advance(10)
    assert api.status(good) == "completed"


def test_branches_fail_in_preflight_unless_asked_for(serve):
    text = "qubit[2] q; bit c; x q[0]; c = measure q[0]; if (c) { x q[1]; }"
    plain, dynamic = serve(), serve(control_flow=True)
    failure = plain.job(plain.run_qasm3(text))["failure"]
    assert failure["code"] == "PreflightError"
    assert "branches" in failure["message"]
    assert dynamic.get(f"/jobs/{dynamic.run_qasm3(text)}/results/probabilities") == {"3": 1.0}


# ---- dry runs ----


def test_a_dry_run_completes_without_running(serve, clock):
    api = serve(queue_time=10, execution_time=5, running_slots=1)
    native = [{"gate": "gpi", "target": 0, "phase": 0.5}]
    job_id = api.run(native, input={"gateset": "native"}, backend="qpu.aria-1", dry_run=True)
    clock.advance(1)
    job = api.job(job_id)
    assert (job["status"], job["dry_run"], job["results"]) == ("completed", True, None)
    assert (job["predicted_execution_duration_ms"], job["execution_duration_ms"]) == (5000, None)
    assert job["started_at"] is None
    descriptor = job["output"]["compilation"]["compiled_circuits"]["ionq.native.v1"]
    assert api.get(f"/jobs/{job_id}/artifacts/{descriptor['id']}") == {"qubits": 2, "circuit": native}
    assert api.call("GET", f"/jobs/{job_id}/results/probabilities").status_code == 404


# ---- cancellation and deletion ----


@pytest.mark.parametrize("wait", [0, 5, 12], ids=["submitted", "ready", "started"])
def test_a_job_is_canceled_wherever_it_is(serve, clock, wait):
    api = serve(queue_time=10, execution_time=5)
    job_id = api.run()
    clock.advance(wait)
    assert api.put(f"/jobs/{job_id}/status/cancel") == {"id": job_id, "status": "canceled"}
    clock.advance(100)
    job = api.job(job_id)
    assert (job["status"], job["results"], job["failure"]) == ("canceled", None, None)
    assert (job["started_at"] is not None) == (wait == 12)


def test_canceling_a_finished_job_says_canceled_and_changes_nothing(api):
    job_id = api.run()
    assert api.status(job_id) == "completed"
    assert api.put(f"/jobs/{job_id}/status/cancel") == {"id": job_id, "status": "canceled"}
    assert api.status(job_id) == "completed"


def test_canceling_a_parent_cancels_the_children_that_are_not_done(serve, clock):
    api = serve(execution_time=lambda number: 10.0 * (number + 1))
    parent = api.run_many([X, X, X])
    children = api.job(parent)["child_job_ids"]
    clock.advance(15)
    api.put(f"/jobs/{parent}/status/cancel")
    assert [api.status(child) for child in children] == ["completed", "canceled", "canceled"]
    assert api.status(parent) == "canceled"


def test_many_jobs_are_canceled_in_one_request(serve, clock):
    api = serve(execution_time=10, running_slots=1)
    ids = [api.run() for _ in range(4)]
    assert api.put("/jobs/status/cancel", {"ids": ids[:3]}) == {"ids": ids[:3], "status": "canceled"}
    assert [api.status(job_id) for job_id in ids] == ["canceled"] * 3 + ["started"]


def test_a_deleted_job_is_gone_with_its_children(api):
    parent, other = api.run_many([X, X]), api.run()
    child = api.job(parent)["child_job_ids"][0]
    answer = api.call("DELETE", f"/jobs/{parent}")
    assert (answer.status_code, answer.json()) == (200, {"id": parent, "status": "deleted"})
    assert [api.call("GET", f"/jobs/{gone}").status_code for gone in (parent, child)] == [404, 404]
    answer = api.call("DELETE", "/jobs", {"ids": [other]})
    assert answer.json() == {"ids": [other], "status": "deleted"}
    assert api.get("/jobs")["jobs"] == []


@pytest.mark.parametrize("body", [None, [], {"ids": "all"}, {"ids": [1]}])
def test_a_bulk_request_needs_a_list_of_ids(api, body):
    for method, path in (("PUT", "/jobs/status/cancel"), ("DELETE", "/jobs")):
        assert api.call(method, path, body).status_code == 400


def test_a_bulk_request_with_an_unknown_id_does_nothing(serve):
    api = serve(execution_time=10)
    job_id = api.run()
    assert api.call("PUT", "/jobs/status/cancel", {"ids": [job_id, "nobody"]}).status_code == 404
    assert api.status(job_id) == "started"


# ---- clone and move ----


def test_a_clone_is_a_new_job_with_other_settings(api):
    original = api.run(X, name="one", shots=10, metadata={"a": "b"})
    clone = api.post(f"/jobs/{original}/clone", {"name": "two", "backend": "qpu.aria-1", "shots": 7})
    assert clone["id"] != original
    job = api.job(clone["id"])
    assert (job["name"], job["backend"], job["shots"], job["metadata"]) == (
        "two",
        "qpu.aria-1",
        7,
        {"a": "b"},
    )
    assert len(api.get(f"/jobs/{clone['id']}/results/shots")) == 7
    assert api.job(original)["name"] == "one"


def test_a_clone_without_a_body_is_the_same_job_again(api):
    clone = api.post(f"/jobs/{api.run(X)}/clone", None)["id"]
    assert api.get(f"/jobs/{clone}/results/probabilities") == {"1": 1.0}


def test_a_move_cancels_the_original(serve):
    api = serve(execution_time=10)
    original = api.run(X)
    moved = api.post(f"/jobs/{original}/move", {"backend": "qpu.forte-1"})["id"]
    assert (api.status(original), api.status(moved)) == ("canceled", "started")


def test_a_child_is_not_cloned(api):
    child = api.job(api.run_many([X]))["child_job_ids"][0]
    assert api.call("POST", f"/jobs/{child}/clone", {}).status_code == 400
