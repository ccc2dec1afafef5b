# SPDX-License-Identifier: Apache-2.0
"""The misbehaving service on its socket: what a client sees of each fault that concerns the bytes."""

from __future__ import annotations

import http.client
import json
import socket
import time
from urllib.parse import urlsplit

import pytest

from . import faults
from .faults import Fault, Script
from .remote import RemoteIonQ

BODY = {
    "backend": "simulator",
    "shots": 5,
    "input": {"circuit": [{"gate": "x", "target": 1}]},
    "metadata": {"qpi": "t"},
}


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a service with a fault at its first submission."""
    started = []

    def make(*args, **options):
        started.append(RemoteIonQ(tmp_path, *args, **options))
        return started[-1]

    yield make
    for remote in started:
        remote.stop()


def post(remote, patience=1.0):
    """What a plain client gets: status, headers and body, or what it is told by the socket."""
    connection = http.client.HTTPConnection(urlsplit(remote.url).netloc, timeout=patience)
    try:
        connection.request("POST", "/v0.4/jobs", json.dumps(BODY), {"Authorization": f"apiKey {remote.key}"})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def struck(kind, **options):
    return Script(plan={faults.POST: {1: Fault(kind, after=True, **options)}})


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("reset", ConnectionResetError),
        ("close", http.client.RemoteDisconnected),
        ("stall", TimeoutError),
        ("truncated", http.client.IncompleteRead),
    ],
)
def test_the_answer_is_lost_and_the_job_is_stored(start, kind, seen):
    remote = start(struck(kind))
    with pytest.raises(seen):
        post(remote, patience=0.3)
    assert len(remote.stored()) == 1
    assert post(remote)[0] == 201


def test_a_dripping_answer_keeps_every_read_alive_and_takes_its_time(start):
    remote = start(struck("drip", seconds=0.002))
    begun = time.monotonic()
    status, _, body = post(remote, patience=0.5)
    assert time.monotonic() - begun > 0.25
    assert (status, json.loads(body)["status"]) == (201, "submitted")


def test_a_small_answer_may_unpack_to_a_huge_one(start):
    status, headers, body = post(start(struck("bomb")), patience=10.0)
    assert (status, headers["Content-Encoding"]) == (201, "gzip")
    assert len(body) < 1_000_000


def test_an_answer_may_be_larger_than_anybody_wants(start):
    remote = start(struck("oversize"))
    connection = socket.create_connection(urlsplit(remote.url).netloc.split(":"))
    text = json.dumps(BODY).encode()
    head = f"POST /v0.4/jobs HTTP/1.1\r\nauthorization: apiKey {remote.key}\r\ncontent-length: {len(text)}\r\n\r\n"
    with connection:
        connection.sendall(head.encode() + text)
        begin = connection.recv(4096)
    assert int(begin.split(b"Content-Length: ")[1].split(b"\r\n")[0]) > 256 * 2**20


def test_a_redirect_leads_to_a_place_that_tells_who_came(start):
    remote = start(struck("redirect"))
    status, headers, _ = post(remote)
    assert status == 307
    assert not any(record["is"] == "elsewhere" for record in remote.log())
    place = urlsplit(headers["Location"])
    connection = http.client.HTTPConnection(place.netloc, timeout=1.0)
    connection.request("GET", place.path)
    connection.getresponse().read()
    connection.close()
    assert [record["path"] for record in remote.log() if record["is"] == "elsewhere"] == ["/v0.4/jobs"]


def test_the_log_tells_all_and_no_key(start):
    remote = start(struck("late", seconds=60.0))
    with pytest.raises(ConnectionResetError):
        post(remote)
    assert remote.stored() == []
    log = remote.stop()
    assert [record["is"] for record in log] == ["request", "stored"]
    assert log[0]["fault"] == "late, 60 s after the effect"
    assert log[0]["token"] == log[1]["token"] == "t"
    assert log[1]["outcomes"] == [2]
    assert remote.key not in json.dumps(log)
