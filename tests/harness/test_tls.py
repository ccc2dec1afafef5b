# SPDX-License-Identifier: Apache-2.0
"""Runs over TLS: a handshake that fails sent nothing, whatever it looks like; what comes after may have."""

from __future__ import annotations

from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from qiskit_parallel_ionq import ParallelIonQProvider

from . import evidence, faults
from .circuits import several
from .faults import Fault, Script
from .history import check
from .patience import shorten
from .proxy import Cut, Proxy
from .remote import RemoteIonQ
from .tls import CERTIFICATE, TlsFront

COUNT = 6


@pytest.fixture
def trusting(monkeypatch):
    """The environment names our certificate as one to trust."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))


@contextmanager
def a_run(folder, fate=lambda _: None, script=None):
    """Run circuits through a proxy that cuts connections before they reach the TLS service."""
    with (
        RemoteIonQ(folder, script) as remote,
        TlsFront(urlsplit(remote.url).port) as front,
        Proxy(front.port, fate) as proxy,
        ParallelIonQProvider(
            remote.key, f"https://127.0.0.1:{proxy.port}/v0.4", state_dir=folder / "state"
        ) as provider,
    ):
        provider.catalogue()
        provider._made_api()._transport.close()  # connection 0
        job = provider.get_backend("simulator").run(several(COUNT), shots=4, max_workers=2)
        job.wait(60.0)
        yield job, evidence.of_job(job, remote.stop(), folder / "state")


def lines(history, kind):
    return [line for line in history.journal if line["is"] == kind]


HANDSHAKES = [
    Cut("up", 0, "close"),
    Cut("up", 0, "stall"),
    Cut("up", 100, "reset"),
    Cut("down", 0, "reset"),
    Cut("down", 0, "stall"),
    Cut("down", 100, "close"),
    Cut("down", 500, "stall"),
]


@pytest.mark.parametrize("cut", HANDSHAKES, ids=lambda cut: f"{cut.how}-{cut.way}-{cut.offset}")
def test_a_handshake_that_breaks_or_hangs_sent_nothing(cut, trusting, monkeypatch, tmp_path):
    shorten(monkeypatch.setattr, silence=1.0)
    with a_run(tmp_path, {1: cut, 2: cut, 4: cut}.get) as (_, history):
        assert check(history) == []
        assert history.results == {index: index for index in range(COUNT)}
        assert lines(history, "held back")
        assert lines(history, "lost") == []


def test_after_the_handshake_a_lost_answer_is_a_doubt(trusting, monkeypatch, tmp_path):
    shorten(monkeypatch.setattr)
    script = Script(plan={faults.POST: {2: Fault("close", after=True), 4: Fault("truncated", after=True)}})
    with a_run(tmp_path, script=script) as (_, history):
        assert check(history) == []
        assert history.results == {index: index for index in range(COUNT)}
        assert len(lines(history, "lost")) == len(lines(history, "found")) == 2


@pytest.mark.parametrize("offset", [700, 1200, 2000])
@pytest.mark.parametrize("way", ["up", "down"])
def test_bytes_that_break_off_under_the_cipher_lose_nothing(way, offset, trusting, monkeypatch, tmp_path):
    shorten(monkeypatch.setattr, settle=1.5, silence=1.0)
    with a_run(tmp_path, {n: Cut(way, offset, "reset") for n in (1, 2, 5)}.get) as (_, history):
        assert check(history) == []
        assert history.results == {index: index for index in range(COUNT)}


def test_a_service_that_nobody_vouches_for_gets_no_circuit_and_no_key(monkeypatch, tmp_path):
    shorten(monkeypatch.setattr, outage=0.5)
    with RemoteIonQ(tmp_path) as remote, TlsFront(urlsplit(remote.url).port) as front:
        plain = ParallelIonQProvider(remote.key, remote.url)
        with (
            ParallelIonQProvider(
                remote.key, f"https://127.0.0.1:{front.port}/v0.4", state_dir=tmp_path / "state"
            ) as provider,
            plain,
        ):
            provider._catalogue.put(dict(plain.catalogue()))
            job = provider.get_backend("simulator").run(several(COUNT), shots=4)
            job.wait(60.0)
            history = evidence.of_job(job, remote.stop(), tmp_path / "state")
    assert front.handshakes == 0
    assert history.arrivals == {}
    assert check(history) == []
    assert set(history.errors) == set(range(COUNT))
    assert all("certificate" in str(error) for error in job.errors().values())
