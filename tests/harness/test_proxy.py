# SPDX-License-Identifier: Apache-2.0
"""Real connections that break at chosen bytes, in either direction: nothing is lost, bought twice or mixed up."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from qiskit_parallel_ionq import ParallelIonQProvider

from . import evidence
from .circuits import several
from .history import check
from .patience import shorten
from .proxy import Cut, Proxy
from .remote import RemoteIonQ


@pytest.fixture
def echo():
    """The port of a service that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(ConnectionResetError):
                while data := connection.recv(4096):
                    if data == b"stop":
                        return
                    connection.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    with socket.create_connection(listener.getsockname()) as connection:
        connection.sendall(b"stop")
        thread.join()
    listener.close()


def talk(port, data, patience=0.3):
    """What comes back through the proxy, and how it ended."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
        connection.sendall(data)
        got = b""
        try:
            while len(got) < len(data):
                piece = connection.recv(4096)
                if not piece:
                    return got, "closed"
                got += piece
        except ConnectionResetError:
            return got, "reset"
        except TimeoutError:
            return got, "silent"
        return got, "whole"


def test_without_a_cut_all_bytes_pass(echo):
    with Proxy(echo, lambda _: None) as proxy:
        assert talk(proxy.port, b"0123456789") == (b"0123456789", "whole")


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize(("how", "end"), [("reset", "reset"), ("close", "closed"), ("stall", "silent")])
def test_a_cut_lets_so_many_bytes_pass_and_no_more(echo, way, how, end):
    with Proxy(echo, {0: Cut(way, 4, how)}.get) as proxy:
        got, ended = talk(proxy.port, b"0123456789")
        assert b"0123".startswith(got)  # a reset may overtake what went before it
        assert ended == end
        assert talk(proxy.port, b"0123456789") == (b"0123456789", "whole")
        assert len(proxy.struck) == 1


def test_a_trickle_brings_everything_slowly(echo):
    with Proxy(echo, {0: Cut("down", 4, "trickle", pause=0.02)}.get) as proxy:
        begun = time.monotonic()
        assert talk(proxy.port, b"0123456789") == (b"0123456789", "whole")
        assert time.monotonic() - begun > 0.1


OFFSETS = {"up": (0, 1, 40, 200, 400, 700), "down": (0, 1, 20, 100, 160, 230)}
"""Bytes: in the request line, headers and body of a submission; in status line, headers and body of its
answer."""
LATER = {"up": 1500, "down": 400}
"""In what the connection is used for next."""
HOWS = ("reset", "close", "stall", "trickle")


def run_through(cut, remote, folder):
    """Run two circuits whose first submission meets a cut; return what both sides wrote, and the cuts made."""
    with Proxy(urlsplit(remote.url).port, {1: cut}.get) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/v0.4"
        with ParallelIonQProvider(remote.key, url, state_dir=folder) as provider:
            provider.catalogue()
            provider._made_api()._transport.close()  # connection 0: the next one is for a submission
            job = provider.get_backend("simulator").run(several(2), shots=4, max_workers=1)
            job.wait(60.0)
        return evidence.of_job(job, remote.log(), folder), proxy.struck


@pytest.mark.parametrize("how", HOWS)
def test_a_connection_that_breaks_at_any_byte_loses_nothing_and_buys_nothing_twice(
    how, monkeypatch, tmp_path
):
    shorten(monkeypatch.setattr, settle=1.5, silence=1.5)
    cuts = [Cut(way, offset, how) for way in OFFSETS for offset in (*OFFSETS[way], LATER[way])]
    with RemoteIonQ(tmp_path) as remote, ThreadPoolExecutor(len(cuts)) as threads:
        stories = list(threads.map(lambda cut: run_through(cut, remote, tmp_path / "state"), cuts))
    for cut, (history, struck) in zip(cuts, stories, strict=True):
        assert struck == [cut]
        assert check(history) == [], cut
        assert history.results == {0: 0, 1: 1}, cut


def test_a_run_over_connections_that_break_by_chance(monkeypatch, tmp_path):
    shorten(monkeypatch.setattr, settle=1.5, silence=1.5)
    die = random.Random(5)

    def fate(_):
        way, how = die.choice(list(OFFSETS)), die.choice(HOWS)
        return Cut(way, die.randrange(8_000), how) if die.random() < 0.7 else None

    with RemoteIonQ(tmp_path) as remote, Proxy(urlsplit(remote.url).port, fate) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/v0.4"
        with ParallelIonQProvider(remote.key, url, state_dir=tmp_path / "state") as provider:
            job = provider.get_backend("simulator").run(several(60), shots=4)
            job.wait(60.0)
        history = evidence.of_job(job, remote.stop(), tmp_path / "state")
    assert history.results == {index: index for index in range(60)}
    assert check(history) == []
    assert len(proxy.struck) >= 3
