# SPDX-License-Identifier: Apache-2.0
"""The misbehaving service by itself: it is right on good days, and wrong in just the way it was told to be."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from . import faults
from .faults import Fate, Fault, Script, status
from .service import KEY, Habits, Request, Service

HERE = Path(__file__).parent


class Account:
    """A service whose clock stands until it is told to go on, asked without a network."""

    def __init__(self, script=None, **habits):
        self.clock = 1000.0
        self.told = []
        self.service = Service(lambda: self.clock, self.told.append, script, Habits(**habits))

    def ask(self, method, target, body=None, key=KEY):
        headers = {"authorization": f"apiKey {key}", "host": "here"}
        return self.service.answer(
            Request(method, f"/v0.4{target}", json.dumps(body).encode() if body else b"", headers)
        )

    def get(self, target):
        return json.loads(self.ask("GET", target).body)

    def post(self, *numbers, token="t"):
        gates = [[{"gate": "gpi", "target": b} for b in range(8) if n >> b & 1] for n in numbers]
        given = {"circuit": gates[0]} if len(gates) == 1 else {"circuits": [{"circuit": g} for g in gates]}
        body = {"backend": "simulator", "shots": 5, "input": given}
        return self.ask("POST", "/jobs", body | {"metadata": {"qpi": token, "qpi_chk": "1.a"}})

    def post_id(self, *numbers, token="t"):
        return json.loads(self.post(*numbers, token=token).body)["id"]

    def listed(self, target="/jobs"):
        """The tokens of a whole pass through the listing, at most 99 pages of it."""
        tokens, cursor = [], None
        for _ in range(99):
            page = self.get(target if cursor is None else f"{target}?next={cursor}")
            tokens += [row["metadata"]["qpi"] for row in page["jobs"]]
            cursor = page["next"]
            if cursor is None:
                return tokens
        return None

    def records(self, kind):
        return [record for record in self.told if record["is"] == kind]


# ── good days ──


def test_a_circuit_gives_what_its_gates_say():
    account = Account(execution=2.0)
    job = account.post_id(0b101)
    assert account.get(f"/jobs/{job}")["status"] in ("submitted", "started")
    assert account.ask("GET", f"/jobs/{job}/results/probabilities").status == 404
    account.clock += 2.0
    assert account.get(f"/jobs/{job}")["status"] == "completed"
    assert account.get(f"/jobs/{job}/results/probabilities") == {"5": 1.0}


def test_circuits_of_a_pack_keep_their_own_results():
    account = Account(execution=0.0)
    job = account.post_id(3, 0, 6)
    children = account.get(f"/jobs/{job}")["child_job_ids"]
    together = account.get(f"/jobs/{job}/results/probabilities/aggregated")
    assert [together[child] for child in children] == [{"3": 1.0}, {"0": 1.0}, {"6": 1.0}]
    assert account.get(f"/jobs/{children[2]}/results/shots") == ["6"] * 5
    assert account.get(f"/jobs/{children[0]}")["parent_job_id"] == job


def test_a_listing_runs_from_new_to_old_over_all_pages():
    account = Account(page=4)
    for n in range(10):
        account.post(n, token=f"t{n}")
    assert account.listed() == [f"t{n}" for n in reversed(range(10))]


def test_a_job_that_is_cancelled_before_its_start_is_not_charged():
    account = Account(queue=10.0)
    job = account.post_id(1)
    account.ask("PUT", "/jobs/status/cancel", {"ids": [job]})
    assert account.get(f"/jobs/{job}")["status"] == "canceled"
    assert [record["was"] for record in account.records("canceled")] == ["submitted"]


def test_without_the_key_only_the_catalogue_is_shown():
    account = Account()
    assert account.ask("GET", "/jobs", key="another").status == 401
    assert account.ask("GET", "/backends", key="another").status == 200


# ── bad days ──


@pytest.mark.parametrize("after", [False, True])
def test_a_status_strikes_before_or_after_the_effect(after):
    account = Account(Script(plan={faults.POST: {1: status(503, after=after)}}))
    assert account.post(1).status == 503
    assert len(account.records("stored")) == after


@pytest.mark.parametrize("kind", sorted(faults.WIRE))
def test_what_befalls_the_bytes_is_left_to_the_wire(kind):
    account = Account(Script(plan={faults.POST: {1: Fault(kind, after=True)}}))
    assert account.post(1).spoil == Fault(kind, after=True)
    assert len(account.records("stored")) == 1
    assert account.records("answered") == []


@pytest.mark.parametrize(
    ("kind", "answered"),
    [("no id", None), ("wrong id", "../backends"), ("repeated id", "first"), ("unknown id", "none")],
)
def test_an_accepted_job_is_answered_with_another_id_than_its_own(kind, answered):
    account = Account(Script(plan={faults.POST: {2: Fault(kind, after=True)}}))
    first = account.post_id(1)
    told = json.loads(account.post(2).body).get("id")
    ids = [record["id"] for record in account.records("stored")]
    assert len(ids) == 2
    assert told != ids[1]
    assert told == {"first": first, "none": told}.get(answered, answered)


def test_a_late_job_is_stored_when_its_client_has_given_up():
    account = Account(Script(plan={faults.POST: {1: Fault("late", seconds=30.0)}}))
    assert account.post(1).spoil == Fault("reset")
    account.clock += 29.0
    assert account.listed() == []
    account.clock += 1.0
    assert account.listed() == ["t"]
    assert [record["at"] for record in account.records("stored")] == [1030.0]


def test_late_jobs_are_stored_even_if_nobody_asks():
    account = Account(Script(plan={faults.POST: {1: Fault("late", seconds=30.0)}}))
    account.post(1)
    account.service.catch_up(float("inf"))
    assert len(account.records("stored")) == 1


def test_a_stale_listing_shows_the_past():
    account = Account(Script(plan={faults.LIST: {1: Fault("stale", seconds=5.0)}}))
    account.post(1, token="old")
    account.clock += 6.0
    account.post(2, token="new")
    assert account.listed() == ["old"]
    assert account.listed() == ["new", "old"]


def test_a_lagging_listing_hides_a_job_that_can_be_read():
    account = Account(Script(plan={faults.STORED: {1: Fault("hidden", seconds=5.0)}}))
    job = account.post_id(1)
    assert account.listed() == []
    assert account.get(f"/jobs/{job}")["id"] == job
    account.clock += 5.0
    assert account.listed() == ["t"]


def test_a_shuffled_listing_is_complete():
    account = Account(Script(plan={faults.LIST: {1: Fault("shuffled")}}), page=4)
    for n in range(30):
        account.post(n, token=f"t{n}")
    tokens = account.listed()
    assert tokens != [f"t{n}" for n in reversed(range(30))]
    assert sorted(tokens) == sorted(f"t{n}" for n in range(30))


def test_rows_that_come_twice_push_none_out():
    account = Account(Script(plan={faults.LIST: {0: Fault("repeated rows")}}), page=4)
    for n in range(10):
        account.post(n, token=f"t{n}")
    tokens = account.listed()
    assert len(tokens) > 10
    assert set(tokens) == {f"t{n}" for n in range(10)}


def test_a_cursor_may_lead_back_to_its_own_page():
    account = Account(Script(plan={faults.LIST: {n: Fault("cursor loop") for n in range(2, 999)}}), page=4)
    for n in range(10):
        account.post(n)
    assert account.listed() is None


@pytest.mark.parametrize("kind", ["canceled at last", "gone"])
def test_a_completed_job_may_be_denied_later(kind):
    account = Account(Script(plan={faults.STORED: {1: Fault(kind, seconds=3.0)}}), execution=1.0)
    job = account.post_id(1)
    account.clock += 1.5
    assert account.get(f"/jobs/{job}")["status"] == "completed"
    account.clock += 3.0
    answer = account.ask("GET", f"/jobs/{job}")
    assert answer.status == 404 if kind == "gone" else json.loads(answer.body)["status"] == "canceled"


def test_metadata_may_be_shown_of_another_job_or_not_at_all():
    oddities = {2: Fault("wrong echo"), 3: Fault("no echo")}
    account = Account(Script(plan={faults.STORED: oddities}))
    jobs = [account.post_id(n, token=f"t{n}") for n in range(3)]
    shown = [account.get(f"/jobs/{job}")["metadata"] for job in jobs]
    assert shown[1] == shown[0] == {"qpi": "t0", "qpi_chk": "1.a"}
    assert shown[2] is None


# ── scripts ──


def test_a_script_survives_the_way_to_another_process():
    script = Script(
        7,
        plan={faults.POST: {1: status(429, retry_after="3"), 0: Fault("late", seconds=2.0)}},
        chances={faults.LIST: 0.25},
        menu={faults.LIST: faults.listing_faults(stale=4.0)},
    )
    assert Script.from_json(script.to_json()) == script


def test_the_same_seed_throws_the_same_dice_and_another_seed_others():
    def thrown(seed):
        fate = Fate(Script(seed, chances={faults.POST: 0.3}, menu={faults.POST: faults.submission_faults()}))
        return [fate.of(faults.POST) for _ in range(100)]

    assert thrown(1) == thrown(1)
    assert thrown(1) != thrown(2)
    assert 10 < sum(fault is not None for fault in thrown(1)) < 60


def test_requests_of_one_route_do_not_move_the_dice_of_another():
    script = Script(3, chances={faults.POST: 0.5}, menu={faults.POST: faults.submission_faults()})
    quiet, busy = Fate(script), Fate(script)
    for _ in range(50):
        busy.of(faults.LIST)
        assert busy.of(faults.POST) == quiet.of(faults.POST)


@pytest.mark.parametrize("module", ["faults", "service", "faulty_ionq"])
def test_the_service_shares_no_code_with_what_it_tests(module):
    siblings = {"faults", "service"}
    for node in ast.walk(ast.parse((HERE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            names = {node.module} if node.module else {alias.name for alias in node.names}
            allowed = siblings if node.level else sys.stdlib_module_names
            assert {name.split(".")[0] for name in names} <= allowed
