# SPDX-License-Identifier: Apache-2.0
"""``GET /jobs``: filters, pages, and the one client that sends its limit in a body."""

from __future__ import annotations

import pytest

X = [{"gate": "x", "target": 0}]


def ids(answer) -> list[str]:
    return [job["id"] for job in answer["jobs"]]


def test_newest_come_first_and_null_ends_the_pages(api):
    made = [api.run() for _ in range(3)]
    answer = api.get("/jobs")
    assert ids(answer) == made[::-1]
    assert answer["next"] is None


def test_pages_hold_25_whatever_is_asked_for_and_follow_the_cursor(api):
    made = [api.run() for _ in range(60)]
    seen, cursor, sizes = [], None, []
    while True:
        answer = api.get("/jobs", limit=40, **({"next": cursor} if cursor else {}))
        seen += ids(answer)
        sizes.append(len(answer["jobs"]))
        cursor = answer["next"]
        if cursor is None:
            break
    assert sizes == [25, 25, 10]
    assert seen == made[::-1]


def test_a_cursor_is_not_moved_by_new_jobs(api):
    made = [api.run() for _ in range(4)]
    first = api.get("/jobs", limit=2)
    api.run()
    assert ids(api.get("/jobs", limit=2, next=first["next"])) == made[1::-1]


def test_ids_repeat_and_reach_children_and_pass_over_strangers(api):
    parent, other = api.run_many([X, X]), api.run()
    child = api.job(parent)["child_job_ids"][1]
    answer = api.get("/jobs", ids=[other, child, "nobody"])
    assert ids(answer) == [other, child]


def test_more_ids_than_a_page_are_paged(api):
    made = [api.run() for _ in range(30)]
    first = api.get("/jobs", ids=made)
    second = api.get("/jobs", ids=made, next=first["next"])
    assert ids(first) + ids(second) == made[::-1]
    assert second["next"] is None


def test_children_are_listed_by_parent_only(api):
    parent = api.run_many([X, X])
    assert ids(api.get("/jobs")) == [parent]
    assert ids(api.get("/jobs", parent_job_id=parent)) == api.job(parent)["child_job_ids"][::-1]


def test_jobs_are_filtered_by_target_status_and_session(serve, clock):
    api = serve(execution_time=10)
    session = api.post("/sessions", {"backend": "qpu.forte-1"})["id"]
    simulated = api.run()
    aria = api.run(backend="qpu.aria-1")
    clock.advance(10)
    forte = api.run(backend="qpu.forte-1", session_id=session)
    assert ids(api.get("/jobs", target="qpu.aria-1")) == [aria]
    assert ids(api.get("/jobs", target="qpu.aria-1,simulator")) == [aria, simulated]
    assert ids(api.get("/jobs", status="started")) == [forte]
    assert ids(api.get("/jobs", status="completed", target="simulator")) == [simulated]
    assert ids(api.get("/jobs", session_id=session)) == [forte]
    assert ids(api.get(f"/sessions/{session}/jobs")) == [forte]
    assert ids(api.get(f"/sessions/{session}/jobs", status="completed")) == []


def test_a_status_nobody_knows_lists_nothing(api):
    api.run()
    assert api.get("/jobs", status="queued") == {"jobs": [], "next": None}


def test_with_a_limit_in_a_body_the_last_page_has_no_cursor(api):
    made = [api.run() for _ in range(5)]
    first = api.call("GET", "/jobs", {"limit": 3}).json()
    assert ids(first) == made[:1:-1]
    last = api.call("GET", "/jobs", {"limit": 3}, params={"next": first["next"]}).json()
    assert ids(last) == made[1::-1]
    assert "next" not in last


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "many"}, {"next": "garbage"}, {"next": "////"}])
def test_a_wrong_parameter_is_named(api, query):
    answer = api.call("GET", "/jobs", params=query)
    assert answer.status_code == 400
    assert answer.json()["validation"] == {"keys": list(query), "source": "query"}
