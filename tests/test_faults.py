# SPDX-License-Identifier: Apache-2.0
"""Bad days with a service that is not our emulator: what was bought comes home, and is the right circuit's.

The stranger below knows QIS circuits of ``x`` gates only, so that its results need no simulator. It keeps to
the facts of the API v0.4 and differs from the emulator wherever they leave room: no predictions, short pages,
keys of its own, artifacts only, aggregates in another order.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs, urlsplit

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.errors import BatchError, ResultIntegrityError

PAGE = 10


class Stranger:
    """A service in another hand.

    Args:
        execution: seconds from submission to result.
        child_lag: seconds by which the circuits of a pack end later than the pack says it did.
        visible_after: seconds for which a stored job is not shown.
        aggregates: whether all results of a pack can be had in one answer.
        faults: called with (method, path, how often that path was asked) before each answer; returns None,
            a status, ``"reset"``, or a function that replaces (status, body).
    """

    def __init__(self, *, execution=0.0, child_lag=0.0, visible_after=0.0, aggregates=True, faults=None):
        self.execution, self.child_lag = execution, child_lag
        self.visible_after, self.aggregates = visible_after, aggregates
        self.faults = faults or (lambda method, path, nth: None)
        self.jobs, self.log, self.lock = {}, [], threading.Lock()
        stranger = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                stranger.handle(self, json.loads(self.rfile.read(length)) if length else {})

            do_GET = do_POST = do_PUT = answer  # noqa: N815 - http.server's names

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v0.4"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def posts(self):
        return sum(method == "POST" for method, _ in self.log)

    def handle(self, request, body):
        url = urlsplit(request.path)
        path, query = url.path.removeprefix("/v0.4"), parse_qs(url.query)
        with self.lock:
            self.log.append((request.command, path))
            nth = self.log.count((request.command, path))
        fault = self.faults(request.command, path, nth)
        if isinstance(fault, int):
            status, answer = fault, self.problem(fault)[1]
        else:
            with self.lock:
                status, answer = self.route(request.command, path, query, body)
        if callable(fault):
            status, answer = fault(status, answer)
        if fault == "reset":
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.close_connection = True
            request.connection.close()
            return
        text = json.dumps(answer).encode()
        request.send_response(status)
        request.send_header("content-type", "application/json; charset=utf-8")
        request.send_header("content-length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    @staticmethod
    def problem(status):
        return status, {"error": "Problem", "message": "not today", "statusCode": status}

    def route(self, method, path, query, body):
        if path == "/backends":
            return 200, [{"backend": "simulator", "status": "available", "qubits": 29, "colour": "blue"}]
        if (method, path) == ("POST", "/jobs"):
            return 201, {"id": self.store(body), "status": "submitted", "session_id": None, "hint": None}
        if (method, path) == ("GET", "/jobs"):
            return 200, self.listing(query)
        job = self.jobs.get(path.split("/")[2])
        if job is None or time.monotonic() < job["stored_at"] + self.visible_after:
            return self.problem(404)
        if path.count("/") == 2:
            return 200, self.shown(job) | {"child_job_ids": job["children"] or None}
        return self.result(job, path.split("/", 3)[3])

    def store(self, body):
        given = body["input"].get("circuits", [])
        parent = self.keep(body, None, body["input"].get("circuit"))
        parent["children"] = [self.keep(body, parent["id"], child["circuit"])["id"] for child in given]
        return parent["id"]

    def keep(self, body, parent, gates):
        job = {
            "id": str(uuid.uuid4()), "parent": parent, "children": [], "gates": gates,
            "metadata": body["metadata"], "stored_at": time.monotonic(),
        }  # fmt: skip
        self.jobs[job["id"]] = job
        return job

    def state(self, job):
        takes = self.execution + (self.child_lag if job["parent"] else 0.0)
        return "completed" if time.monotonic() >= job["stored_at"] + takes else "started"

    def shown(self, job):
        results = None
        if self.state(job) == "completed":
            kind = "probabilities-aggregate" if job["children"] else "probabilities"
            name = f"ionq.result.{kind}.json.v1"
            results = {name: {"id": kind, "format": name, "media_type": "application/json"}}
        return {
            "id": job["id"], "status": self.state(job), "parent_job_id": job["parent"], "results": results,
            "metadata": {"_origin": "edge", **job["metadata"]}, "failure": None, "execution_duration_ms": 0,
        }  # fmt: skip

    def listing(self, query):
        shown = [job for job in reversed(self.jobs.values()) if job["id"] in query.get("ids", [job["id"]])]
        start = int(query.get("next", ["0"])[0])
        rest = {"next": str(start + PAGE)} if start + PAGE < len(shown) else {}
        return {"jobs": [self.shown(job) for job in shown[start : start + PAGE]], **rest}

    def result(self, job, path):
        if self.state(job) != "completed":
            return self.problem(400)
        if path == "artifacts/probabilities" and not job["children"]:
            return 200, self.distribution(job)
        if path == "artifacts/probabilities-aggregate" and job["children"] and self.aggregates:
            children = random.sample(job["children"], len(job["children"]))
            return 200, {child: self.distribution(self.jobs[child]) for child in children}
        return self.problem(404)

    @staticmethod
    def distribution(job):
        outcome = 0
        for gate in job["gates"]:
            assert gate["gate"] == "x"
            for target in gate["targets"]:
                outcome ^= 1 << target
        return {str(outcome): 1}


def flips(number, width=5):
    """A circuit whose only outcome is ``number``; every qubit has a gate."""
    circuit = QuantumCircuit(width, width, name=f"flips-{number}")
    for qubit in range(width):
        circuit.x(qubit)
        if not number >> qubit & 1:
            circuit.barrier()
            circuit.x(qubit)
    circuit.measure(range(width), range(width))
    return circuit


CIRCUITS = [flips(number) for number in range(12)]


@pytest.fixture
def meet():
    """Return a function: habits of a stranger -> (the stranger, a function that runs `CIRCUITS` there)."""
    closers = []

    def make(**habits):
        stranger = Stranger(**habits)
        provider = ParallelIonQProvider("a-key", stranger.url)
        closers.extend((stranger.close, provider.close))
        backend = provider.get_backend("simulator", gateset="qis")

        def run(circuits=CIRCUITS, **options):
            return backend.run(circuits, shots=3, **options)

        return stranger, run

    yield make
    for close in reversed(closers):
        close()


def answers(job, timeout=30.0):
    """The outcome of each circuit; None where there is none."""
    entries = job.result(timeout=timeout, partial=True).results
    return [int(next(iter(entry.data.counts)), 16) if entry.success else None for entry in entries]


def nth(method, end, *times, fault):
    """Strike some requests of each path that ends so."""
    return lambda m, path, n: fault if m == method and path.endswith(end) and n in times else None


packs = pytest.mark.parametrize("per_job", [1, 5], ids=["singles", "packs"])


# ── a service with habits of its own ──


@packs
@pytest.mark.parametrize("execution", [0.0, 0.3])
def test_a_service_without_urls_and_predictions_gives_the_same_results(meet, per_job, execution):
    stranger, run = meet(execution=execution)
    assert answers(run(circuits_per_job=per_job)) == list(range(12))
    assert stranger.posts == -(-12 // per_job)


def test_circuits_of_a_pack_that_end_after_their_pack_are_waited_for(meet):
    _, run = meet(execution=0.1, child_lag=0.4, aggregates=False)
    assert answers(run(circuits_per_job=6), timeout=30) == list(range(12))


def test_a_pack_without_an_answer_for_all_is_read_circuit_by_circuit(meet):
    _, run = meet(aggregates=False)
    assert answers(run(circuits_per_job=6), timeout=30) == list(range(12))


def test_a_job_that_is_shown_with_a_delay_costs_little_more_than_the_delay(meet):
    _, run = meet(visible_after=0.4)
    assert answers(run(circuits_per_job=6), timeout=30) == list(range(12))


# ── answers lost after the job was stored ──


@packs
@pytest.mark.parametrize(
    "fault",
    [
        "reset",
        lambda status, answer: (502, {"error": "Bad Gateway", "message": "…", "statusCode": 502}),
        lambda status, answer: (200, {}),
        lambda status, answer: (201, {"id": "../backends", "status": "submitted"}),
        lambda status, answer: (201, []),
        lambda status, answer: (409, {"error": "Conflict", "message": "…", "statusCode": 409}),
    ],
    ids=["reset", "502", "no id", "no id of a job", "no object", "409"],
)
def test_a_stored_job_is_found_by_its_token_over_many_pages(meet, fault, per_job):
    stranger, run = meet(faults=nth("POST", "/jobs", 2, 3, fault=fault))
    job = run(circuits_per_job=per_job)
    assert answers(job) == list(range(12))
    assert stranger.posts == -(-12 // per_job)
    assert len(set(job.job_ids())) == stranger.posts


def test_an_id_that_was_given_twice_never_gives_one_circuit_the_result_of_another(meet):
    first = []

    def echo(status, answer):
        first.append(answer)
        return status, first[0]

    _, run = meet(faults=lambda method, path, n: echo if method == "POST" else None)
    job = run(CIRCUITS[:4])
    assert all(answer in (None, index) for index, answer in enumerate(answers(job)))


# ── reads that are refused or spoilt, once ──


@packs
@pytest.mark.parametrize("status", [400, 403, 500])
def test_one_refused_look_loses_no_job_that_was_paid(meet, per_job, status):
    # singles are looked at in listings, packs on their own pages
    seen = count(1)

    def refuse_first(method, path, n):
        is_look = method == "GET" and path.startswith("/jobs") and path.count("/") <= 2
        return status if is_look and next(seen) == 1 else None

    _, run = meet(execution=0.2, faults=refuse_first)
    assert answers(run(circuits_per_job=per_job)) == list(range(12))


@pytest.mark.parametrize("status", [400, 403, 405, 414])
def test_a_service_that_refuses_to_list_is_asked_job_by_job(meet, status):
    _, run = meet(execution=0.2, faults=lambda m, path, n: status if (m, path) == ("GET", "/jobs") else None)
    assert answers(run()) == list(range(12))


@packs
@pytest.mark.parametrize("spoilt", [{}, [], None], ids=str)
def test_a_result_that_was_spoilt_once_is_read_again(meet, per_job, spoilt):
    def spoil(status, answer):
        if isinstance(spoilt, dict) and per_job > 1:
            return status, dict.fromkeys(answer, spoilt)
        return status, spoilt

    def first_of_each(method, path, n):
        return spoil if "/artifacts/probabilities" in path and n == 1 else None

    _, run = meet(faults=first_of_each)
    assert answers(run(circuits_per_job=per_job)) == list(range(12))


def test_a_result_that_is_spoilt_each_time_is_an_error_of_that_circuit(meet):
    stranger, run = meet()
    whole = stranger.distribution
    stranger.distribution = lambda job: {"7": 0.9} if whole(job) == {"7": 1} else whole(job)
    job = run()
    assert answers(job) == [None if n == 7 else n for n in range(12)]
    assert isinstance(job.errors()[7], ResultIntegrityError)
    assert "0.9" in str(job.errors()[7])


def test_server_errors_about_single_results_do_not_stop_everything(meet):
    # a 500 for one result says nothing of the others; push-back and silence do
    _, run = meet(faults=nth("GET", "/artifacts/probabilities", 1, fault=500))
    assert answers(run(max_workers=2), timeout=30) == list(range(12))


# ── a deadline is a deadline ──


def test_a_result_that_never_comes_holds_up_neither_the_others_nor_the_deadline(meet):
    poisoned = []

    def poison(method, path, n):
        if path.endswith("/artifacts/probabilities"):
            poisoned[:] = poisoned or [path]
            return 500 if path == poisoned[0] else None
        return None

    _, run = meet(execution=0.1, faults=poison)
    job = run()
    until = time.monotonic() + 30.0
    while job.progress().done < 11:
        assert time.monotonic() < until
        job.wait(0.02)
    begun = time.monotonic()
    got = answers(job, timeout=0.5)
    assert time.monotonic() - begun < 5.0
    assert got.count(None) == 1
    assert [n for n in range(12) if got[n] not in (n, None)] == []


def test_a_service_that_falls_silent_lets_the_deadline_pass_on_time(meet):
    is_over = threading.Event()

    def fall_silent(method, path, n):
        if method == "GET" and path != "/backends":
            is_over.wait(30.0)

    _, run = meet(faults=fall_silent)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        run(CIRCUITS[:2]).result(timeout=0.3)
    assert time.monotonic() - begun < 10.0
    is_over.set()


# ── one refusal stays with its own circuit ──


def test_a_refused_submission_leaves_the_others_intact(meet):
    _, run = meet(faults=nth("POST", "/jobs", 3, fault=400))
    job = run(max_workers=1)
    with pytest.raises(BatchError, match=r"1 of 12[\s\S]*circuit 2[\s\S]*400[\s\S]*not today"):
        job.result(timeout=30)
    assert answers(job) == [None if n == 2 else n for n in range(12)]


def test_with_a_key_that_stops_working_what_was_sent_is_kept_and_no_more_is_sent(meet):
    stranger, run = meet(faults=lambda m, path, n: 401 if m == "POST" and n > 4 else None)
    job = run(max_workers=1)
    assert answers(job) == [0, 1, 2, 3] + [None] * 8
    assert stranger.posts == 5
    assert job.error_message().count("answered 401") == 1
