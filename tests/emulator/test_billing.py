# SPDX-License-Identifier: Apache-2.0
"""Costs, estimates, usage and sessions."""

from __future__ import annotations

import pytest

X = [{"gate": "x", "target": 0}]
GATES = [*X, {"gate": "cnot", "control": 0, "target": 1}]
FORTE = {"backend": "qpu.forte-1", "shots": 1000}
PRICE = 1000 * (0.0005 + 0.005)


def test_a_simulated_job_is_free(api):
    assert api.get(f"/jobs/{api.run()}/cost") == {"dry_run": False, "cost": {"value": 0.0, "unit": "usd"}}


def test_a_qpu_job_is_estimated_at_once_and_charged_when_done(serve, clock):
    api = serve(execution_time=10)
    job_id = api.run(GATES, **FORTE)
    estimate = {"value": pytest.approx(PRICE), "unit": "usd"}
    assert api.get(f"/jobs/{job_id}/cost") == {"dry_run": False, "estimated_cost": estimate}
    clock.advance(10)
    assert api.get(f"/jobs/{job_id}/cost")["cost"] == estimate


def test_a_dry_run_is_priced_and_not_charged(api):
    cost = api.get(f"/jobs/{api.run(GATES, dry_run=True, **FORTE)}/cost")
    assert cost == {"dry_run": True, "estimated_cost": {"value": pytest.approx(PRICE), "unit": "usd"}}


def test_each_job_has_a_minimum_price_however_many_circuits_it_has(api):
    for parent in (
        api.run_many([X, X, X], backend="qpu.forte-1", shots=1),
        api.run(X, backend="qpu.forte-1", shots=1),
    ):
        assert api.get(f"/jobs/{parent}/cost")["cost"]["value"] == 2.0


def test_an_estimate_has_the_members_of_both_editions(serve):
    api = serve(execution_time=2, queue_time=30)
    query = {"backend": "qpu.forte-1", "1q_gates": 1, "2q_gates": 1, "shots": 1000, "session": "false"}
    found = api.get("/jobs/estimate", **query)
    assert found["estimated_total_cost"] == found["estimated_cost"] == pytest.approx(PRICE)
    assert found["estimated_unit"] == found["cost_unit"] == "usd"
    assert found["estimate_context"]["1q_gates"] == found["input_values"]["1q_gates"] == 1
    assert found["rate_card"]["rates"][0]["cost_2q_gate"] == found["rate_information"]["cost_2q_gate"]
    assert (found["estimated_execution_time"], found["current_predicted_queue_time"]) == (2000, 30_000)
    assert found["input_values"]["session"] is False


def test_an_estimate_has_the_documented_defaults(api):
    context = api.get("/jobs/estimate", backend="simulator")["estimate_context"]
    assert (context["qubits"], context["shots"], context["type"]) == (25, 1000, "ionq.circuit.v1")


@pytest.mark.parametrize(
    "query", [{}, {"backend": "qpu.none"}, {"backend": "simulator", "error_mitigation": "maybe"}]
)
def test_a_wrong_estimate_is_refused(api, query):
    assert api.call("GET", "/jobs/estimate", params=query).status_code == 400


@pytest.mark.parametrize("modality", ["daily", "weekly", "monthly"])
@pytest.mark.parametrize("group_by", ["job", "project", "user"])
def test_usage_sums_what_qpu_jobs_cost(serve, clock, modality, group_by):
    api = serve(execution_time=2)
    api.run()
    api.run(GATES, **FORTE)
    clock.advance(86_400 * 40)
    api.run(GATES, **FORTE)
    api.run(X, backend="qpu.aria-1")
    api.run(X, backend="qpu.aria-1", dry_run=True)
    clock.advance(10)
    span = {"start_date": "2026-09-01", "end_date": "2026-12-31"}
    usage = api.get("/organizations/self/usage", group_by=group_by, modality=modality, **span)
    assert usage["amount_total"] == pytest.approx(2 * PRICE + 1)
    assert usage["job_count"] == 3
    assert usage["time_us_total"] == 6e6
    assert [day["job_count"] for day in usage["usage_data"]] == [2, 1]
    assert len(usage["usage_data"][0]["group_usages"]) == (2 if group_by == "job" else 1)


def test_usage_counts_only_the_days_asked_for(api):
    api.run(**FORTE)
    usage = api.get("/organizations/self/usage", start_date="2026-01-01", end_date="2026-01-02")
    assert (usage["job_count"], usage["usage_data"]) == (0, [])


@pytest.mark.parametrize("query", [{"group_by": "planet"}, {"modality": "hourly"}, {"start_date": "soon"}])
def test_a_wrong_usage_request_is_refused(api, query):
    assert api.call("GET", "/organizations/self/usage", params=query).status_code == 400


# ---- sessions ----

SESSION_KEYS = {
    "id", "created_at", "organization_id", "backend", "project_id", "creator_id", "ended_at", "ender_id", "active",
    "status", "started_at", "settings",
}  # fmt: skip


def test_a_session_starts_with_its_first_job_and_ends_when_told_to(api):
    session = api.post("/sessions", {"backend": "simulator"})
    assert set(session) == SESSION_KEYS
    assert (session["status"], session["active"]) == ("created", True)
    job_id = api.run(session_id=session["id"])
    assert api.job(job_id)["session_id"] == session["id"]
    assert api.get(f"/sessions/{session['id']}")["status"] == "started"
    ended = api.call("POST", f"/sessions/{session['id']}/end").json()
    assert (ended["status"], ended["active"]) == ("ended", False)
    assert ended["ended_at"] is not None


def test_a_finished_session_takes_no_jobs(api):
    session = api.post("/sessions", {"backend": "simulator"})["id"]
    api.call("POST", f"/sessions/{session}/end")
    body = {"type": "ionq.circuit.v1", "backend": "simulator", "session_id": session}
    body["input"] = {"gateset": "qis", "qubits": 1, "circuit": X}
    answer = api.call("POST", "/jobs", body)
    assert answer.status_code == 400
    assert "has ended" in answer.json()["message"]
    assert api.get("/jobs")["jobs"] == []


def test_ending_a_session_cancels_what_has_not_started(serve, clock):
    api = serve(execution_time=10, running_slots=1)
    session = api.post("/sessions", {"backend": "simulator"})["id"]
    running, waiting, stranger = api.run(session_id=session), api.run(session_id=session), api.run()
    clock.advance(5)
    api.call("POST", f"/sessions/{session}/end")
    assert [api.status(job_id) for job_id in (running, waiting, stranger)] == ["started", "canceled", "ready"]


@pytest.mark.parametrize(
    ("settings", "jobs"),
    [({"job_count_limit": 2}, 2), ({"cost_limit": {"unit": "usd", "value": 1.5}}, 2)],
    ids=["jobs", "money"],
)
def test_a_session_ends_with_the_job_that_reaches_its_limit(api, settings, jobs):
    session = api.post("/sessions", {"backend": "qpu.aria-1", "settings": settings})
    assert session["settings"] == settings
    ids = [api.run(X, backend="qpu.aria-1", session_id=session["id"]) for _ in range(jobs)]
    assert api.get(f"/sessions/{session['id']}")["status"] == "ended"
    assert [api.status(job_id) for job_id in ids] == ["completed"] * jobs


def test_a_session_ends_when_its_time_is_up(api, clock):
    session = api.post("/sessions", {"backend": "simulator", "settings": {"duration_limit_min": 30}})["id"]
    clock.advance(86_400)
    api.run(session_id=session)
    found = api.get(f"/sessions/{session}")
    assert (found["status"], found["settings"]["expires_at"]) == ("started", "2026-09-22T14:43:20.000Z")
    clock.advance(1800)
    assert api.get(f"/sessions/{session}")["ended_at"] == "2026-09-22T14:43:20.000Z"


def test_sessions_are_listed_newest_first_and_by_activity(api):
    first, second = (api.post("/sessions", {"backend": "simulator"})["id"] for _ in range(2))
    api.call("POST", f"/sessions/{first}/end")

    def listed(**query):
        return [session["id"] for session in api.get("/sessions", **query)["sessions"]]

    assert listed() == [second, first]
    assert (listed(active="true"), listed(active="false")) == ([second], [first])


@pytest.mark.parametrize(
    "body",
    [
        None,
        {"backend": "qpu.none"},
        {"backend": "simulator", "settings": 3},
        {"backend": "simulator", "settings": {"job_count_limit": 0}},
        {"backend": "simulator", "settings": {"duration_limit_min": "long"}},
        {"backend": "simulator", "settings": {"cost_limit": 5}},
    ],
)
def test_a_wrong_session_is_refused(api, body):
    assert api.call("POST", "/sessions", body).status_code == 400


def test_a_session_is_for_one_machine(api):
    session = api.post("/sessions", {"backend": "qpu.aria-1"})["id"]
    body = {"type": "ionq.circuit.v1", "backend": "simulator", "session_id": session}
    body["input"] = {"gateset": "qis", "qubits": 1, "circuit": X}
    assert "qpu.aria-1" in api.call("POST", "/jobs", body).json()["message"]


def test_a_session_nobody_knows_is_not_found(api):
    assert api.call("GET", "/sessions/x").status_code == 404
    assert api.call("POST", "/sessions/x/end").status_code == 404
    assert api.call("GET", "/sessions/x/jobs").status_code == 404
