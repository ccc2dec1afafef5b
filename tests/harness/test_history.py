# SPDX-License-Identifier: Apache-2.0
"""The judge: it finds nothing in a good history, and the one thing that was done to a bad one."""

from __future__ import annotations

import json
import zlib

import pytest

from .history import RULES, History, Tally, check, read_journal, tally

RUN = "r" * 22


def token(index):
    return f"1.{RUN}.{index}.0"


class Story:
    """Records of a run, told one after the other."""

    def __init__(self):
        self.clock, self.requests = 100.0, 0
        self.server, self.journal = [], [{"is": "run", "id": RUN}]
        self.results, self.errors = {}, {}

    def parcel(self, n, *circuits):
        self.journal.append({"is": "parcel", "n": n, "token": token(circuits[0]), "circuits": circuits})
        return self

    def sent(self, n):
        return self.line("sent", n)

    def line(self, kind, n, **facts):
        self.clock += 1.0
        self.journal.append({"is": kind, "n": n, "t": self.clock, **facts})
        return self

    def request(self, index, status=None):
        self.clock += 1.0
        self.requests += 1
        request = {"is": "request", "r": self.requests, "at": self.clock, "method": "POST", "path": "/jobs"}
        self.server.append(request | {"token": token(index)})
        if status is not None:
            self.server.append({"is": "answered", "r": self.requests, "at": self.clock, "status": status})
        return self

    def stored(self, index, job, *outcomes, check="1.a"):
        record = {"is": "stored", "r": self.requests, "at": self.clock, "id": job, "token": token(index)}
        self.server.append(record | {"check": check, "outcomes": list(outcomes)})
        return self

    def cancelled(self, job, was):
        self.server.append({"is": "canceled", "at": self.clock, "id": job, "was": was})
        return self

    def result(self, index, outcome):
        self.results[index] = outcome
        return self

    def error(self, index, name):
        self.errors[index] = name
        return self

    def history(self, total=1, **other):
        facts = {"journal": self.journal, "results": self.results, "errors": self.errors} | other
        return History(RUN, total, self.server, **facts)


def good():
    """One circuit, lost before the store, proven absent, sent again, refused once, accepted, done."""
    story = Story().parcel(0, 0).sent(0).request(0).line("lost", 0).line("absent", 0)
    story.sent(0).request(0, 429).line("held back", 0).sent(0).request(0, 201).stored(0, "j1", 5)
    return story.line("accepted", 0, id="j1").result(0, 5)


def broken(story, total=1, **other):
    return {violation.rule for violation in check(story.history(total, **other))}


def test_a_good_history_keeps_all_promises():
    assert check(good().history()) == []
    assert tally(good().history()) == Tally(circuits=1)


def test_circuits_of_a_pack_are_told_apart_by_their_place():
    pack = Story().parcel(0, 0, 2).sent(0).request(0, 201).stored(0, "j1", 7, 9)
    pack.line("accepted", 0, id="j1").result(0, 7).result(2, 9).error(1, "CompileError")
    assert broken(pack, 3) == set()
    assert broken(pack.result(0, 9).result(2, 7), 3) == {"match"}


def test_without_a_journal_the_service_alone_is_the_witness():
    story = Story().request(0, 201).stored(0, "j1", 5).result(0, 5)
    assert broken(story, journal=None, ids=frozenset({"j1"})) == set()
    assert broken(story, journal=None) == {"known"}


DOCTORED = {
    "a submission that nobody announced": (
        Story().parcel(0, 0).request(0, 201).stored(0, "j1", 5).line("accepted", 0, id="j1").result(0, 5),
        {"intent"},
    ),
    "a submission that was announced afterwards": (
        Story().parcel(0, 0).request(0, 201).stored(0, "j1", 5).sent(0).line("accepted", 0, id="j1").result(0, 5),
        {"intent"},
    ),
    "a second submission that was announced once": (
        Story().parcel(0, 0).sent(0).request(0).line("absent", 0).request(0, 201).stored(0, "j1", 5)
        .line("found", 0, id="j1").result(0, 5),
        {"intent"},
    ),
    "sent again at once": (
        Story().parcel(0, 0).sent(0).request(0).line("lost", 0).sent(0).request(0, 201).stored(0, "j1", 5)
        .line("accepted", 0, id="j1").result(0, 5),
        {"proof"},
    ),
    "sent again after a 503 that was taken for a refusal": (
        Story().parcel(0, 0).sent(0).request(0, 503).line("held back", 0).sent(0).request(0, 201)
        .stored(0, "j1", 5).line("accepted", 0, id="j1").result(0, 5),
        {"proof"},
    ),
    "a 429 that came after the store, and was believed": (
        Story().parcel(0, 0).sent(0).request(0, 429).stored(0, "j0", 5).line("held back", 0).sent(0)
        .request(0, 201).stored(0, "j1", 5).line("accepted", 0, id="j1").line("twin", 0, id="j0").result(0, 5),
        {"proof", "once"},
    ),
    "a job that nobody knows": (
        Story().parcel(0, 0).sent(0).request(0).stored(0, "j1", 5).line("lost", 0).error(0, "BatchError"),
        {"known"},
    ),
    "a second job that nobody knows": (
        good().stored(0, "j2", 5),
        {"known", "once", "told"},
    ),
    "a twin that was told of, and paid": (
        good().stored(0, "j2", 5).line("twin", 0, id="j2").cancelled("j2", "started"),
        {"once"},
    ),
    "a twin that was found and not told of as such": (
        good().stored(0, "j2", 5).line("found", 0, id="j2").cancelled("j2", "submitted"),
        {"told"},
    ),
    "another's job under our id": (
        Story().parcel(0, 0).parcel(1, 1).sent(0).sent(1).request(0).stored(0, "j0", 5).request(1)
        .stored(1, "j1", 6).line("accepted", 0, id="j1").line("accepted", 1, id="j0").result(0, 5).result(1, 6),
        {"own"},
    ),
    "another's result": (good().result(0, 4), {"match"}),
    "a result of a circuit that was never sent": (good().result(1, 4), {"match"}),
    "two contents under one token": (
        good().stored(0, "j2", 5, check="1.b").line("twin", 0, id="j2").cancelled("j2", "ready"),
        {"match"},
    ),
    "a circuit without an end": (Story().parcel(0, 0), {"ended"}),
}  # fmt: skip


@pytest.mark.parametrize(("story", "rules"), DOCTORED.values(), ids=DOCTORED)
def test_it_finds(story, rules):
    assert broken(story, total=max(story.results, default=0) + 1) == rules


def test_it_finds_a_request_that_went_elsewhere():
    story = good()
    story.server.append({"is": "elsewhere", "at": 1.0, "path": "/v0.4/jobs"})
    assert broken(story) == {"home"}


def test_no_rule_is_left_untried():
    found = {rule for _, rules in DOCTORED.values() for rule in rules} | {"home"}
    assert found == set(RULES)


# ── what is no violation ──


def test_a_job_in_doubt_is_not_lost_but_counted():
    story = Story().parcel(0, 0).sent(0).request(0).stored(0, "j1", 5).line("lost", 0).line("unresolved", 0)
    story.error(0, "SubmissionUnknownError")
    assert broken(story) == set()
    assert tally(story.history()) == Tally(circuits=1, unresolved=1)


def test_a_twin_that_was_cancelled_in_time_costs_nothing():
    story = good().stored(0, "j2", 5).line("twin", 0, id="j2").cancelled("j2", "ready")
    assert broken(story) == set()
    assert tally(story.history()) == Tally(circuits=1, twins_cancelled=1)


def test_an_id_of_another_job_that_was_given_back_is_forgiven():
    story = Story().parcel(0, 0).sent(0).request(0, 201).stored(0, "j1", 5).line("accepted", 0, id="j9")
    story.line("disowned", 0).line("found", 0, id="j1").result(0, 5)
    assert broken(story) == set()


def test_runs_of_others_are_none_of_its_business():
    story = good()
    for record in Story().request(0).stored(0, "j7", 1).server:
        story.server.append(record | {"r": 99, "token": "1.another.0.0"})
    assert broken(story) == set()


def test_tallies_add_up():
    assert Tally(circuits=2, lost=1) + Tally(circuits=3, other=4) == Tally(circuits=5, lost=1, other=4)
    assert tally(good().stored(0, "j2", 5).history()) == Tally(circuits=1, lost=1, duplicated=1, other=1)


# ── reading ──


def test_a_journal_is_read_as_far_as_it_can_be():
    lines = [json.dumps({"is": "sent", "n": n}).encode() for n in range(3)]
    whole = b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in lines)
    assert [record["n"] for record in read_journal(whole)] == [0, 1, 2]
    assert [record["n"] for record in read_journal(whole[:-5])] == [0, 1]
    assert [record["n"] for record in read_journal(whole.replace(b'"n": 1', b'"n": 7'))] == [0, 2]
