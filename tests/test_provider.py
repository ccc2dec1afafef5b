# SPDX-License-Identifier: Apache-2.0
"""Born offline, one catalogue, one conductor, and a key that goes nowhere but to the service."""

from __future__ import annotations

import copy
import socket
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from qiskit_parallel_ionq import ParallelIonQBackend, ParallelIonQProvider, wire
from qiskit_parallel_ionq.api import Api
from qiskit_parallel_ionq.credentials import TARGET_VARIABLES, TOKEN_VARIABLES, URL_VARIABLES
from qiskit_parallel_ionq.errors import (
    CredentialsError,
    IonQError,
    JobError,
    OptionError,
    PermissionDeniedError,
    TargetError,
    TransportError,
    api_error,
)
from qiskit_parallel_ionq.wire import CatalogEntry

CANARY = "c4n4ry-k3y"
CATALOGUE = (
    CatalogEntry("simulator", 29),
    CatalogEntry("qpu.forte-1", 36, status="unavailable"),
    CatalogEntry("qpu.aria-1", 25, status="retired"),
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """No variables of the developer's own, and a folder in which a ``.env`` can be put."""
    for name in (*TOKEN_VARIABLES, *URL_VARIABLES, *TARGET_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("")  # stops the search here
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def offline(monkeypatch):
    """Whoever reaches for the network fails."""

    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.fixture
def catalogue(monkeypatch):
    """The catalogue, without a service; counts how often it is asked for."""
    asked = []

    def backends(api):
        asked.append(threading.current_thread())
        threading.Event().wait(0.02)
        return CATALOGUE

    monkeypatch.setattr(Api, "backends", backends)
    return asked


# ── born offline ──


def test_a_provider_and_its_backends_are_born_offline(offline, monkeypatch):
    reads = []
    monkeypatch.setattr(
        "qiskit_parallel_ionq.provider.Environment.read", lambda: reads.append("read") or pytest.fail("read")
    )
    before = set(threading.enumerate())  # some of other tests may be about to end
    provider = ParallelIonQProvider(CANARY)
    for name in ("ionq_simulator", "qpu.forte-1"):
        backend = provider.get_backend(name, shots=7)
        copy.deepcopy(backend)
        repr(backend)
    provider.close()
    assert set(threading.enumerate()) <= before
    assert reads == []


def test_without_a_key_all_is_well_until_one_is_needed(offline):
    provider = ParallelIonQProvider()
    backend = provider.get_backend()
    assert backend.run([]).result().results == []
    with pytest.raises(CredentialsError, match=r"IONQ_API_KEY.*local\(\)"):
        provider.require_available("simulator")


# ── where things come from ──


@pytest.mark.parametrize(
    ("given", "variables", "dotenv", "expected"),
    [
        ("given", {"IONQ_API_KEY": "env"}, "IONQ_API_KEY=file", "given"),
        (None, {"IONQ_API_KEY": "env", "QISKIT_IONQ_API_TOKEN": "old"}, "IONQ_API_KEY=file", "env"),
        (None, {"IONQ_API_TOKEN": "older"}, "IONQ_API_KEY=file", "older"),
        (None, {"IONQ_API_KEY": "  "}, "IONQ_API_KEY=file", "file"),
        (None, {}, "QISKIT_IONQ_API_TOKEN='file'  # mine", "file"),
        ("", {}, "IONQ_API_KEY=file", "file"),
    ],
)
def test_the_key_is_the_argument_or_the_environments_or_the_dotenv_files(
    bare_environment, monkeypatch, given, variables, dotenv, expected
):
    (bare_environment / ".env").write_text(dotenv)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ParallelIonQProvider(given)._key().reveal() == expected


@pytest.mark.parametrize(
    ("given", "variables", "dotenv", "expected"),
    [
        (None, {}, "", wire.DEFAULT_URL),
        ("https://a.test", {"IONQ_API_URL": "https://b.test"}, "", "https://a.test/v0.4"),
        (
            None,
            {"IONQ_API_URL": "https://b.test/v0.4/"},
            "IONQ_API_URL=https://c.test",
            "https://b.test/v0.4",
        ),
        (None, {}, "QISKIT_IONQ_API_URL=https://c.test", "https://c.test/v0.4"),
    ],
)
def test_so_is_the_url(bare_environment, monkeypatch, given, variables, dotenv, expected):
    (bare_environment / ".env").write_text(dotenv)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ParallelIonQProvider(url=given).url == expected


@pytest.mark.parametrize(
    ("given", "variable", "dotenv", "expected"),
    [
        (None, None, "", "simulator"),
        (None, None, "IONQ_TARGET=qpu.forte-1", "qpu.forte-1"),
        (None, "ionq_qpu.aria-1", "IONQ_TARGET=qpu.forte-1", "qpu.aria-1"),
        ("simulator", "qpu.aria-1", "", "simulator"),
    ],
)
def test_so_is_the_target(bare_environment, monkeypatch, given, variable, dotenv, expected):
    (bare_environment / ".env").write_text(dotenv)
    if variable:
        monkeypatch.setenv("IONQ_TARGET", variable)
    backend = ParallelIonQProvider().get_backend(target=given)
    assert (backend.name, backend.ionq_target) == ("ionq_parallel", expected)


@pytest.mark.parametrize("given", ["given", None])
def test_a_url_in_a_dotenv_file_is_not_sent_a_key_from_elsewhere(
    bare_environment, monkeypatch, offline, given
):
    (bare_environment / ".env").write_text("IONQ_API_KEY=file\nIONQ_API_URL=https://c.test\n")
    if given is None:
        monkeypatch.setenv("IONQ_API_KEY", "env")
    provider = ParallelIonQProvider(given)
    for ask in (lambda: provider.url, provider.catalogue, lambda: provider.require_available("simulator")):
        with pytest.raises(CredentialsError, match=r"\.env asks .* https://c\.test"):
            ask()
    assert "refused" in repr(provider)
    assert ParallelIonQProvider(given, "https://c.test").url == "https://c.test/v0.4"
    monkeypatch.setenv("IONQ_API_URL", "https://c.test")
    assert ParallelIonQProvider(given).url == "https://c.test/v0.4"


def test_a_dotenv_file_that_has_the_key_may_say_where_to_send_it(bare_environment):
    (bare_environment / ".env").write_text("IONQ_API_KEY=file\nIONQ_API_URL=https://c.test\n")
    provider = ParallelIonQProvider()
    assert provider._key().reveal() == "file"
    assert provider.url == "https://c.test/v0.4"  # having found the key does not make it an argument


def test_a_key_is_never_sent_in_the_clear():
    with pytest.raises(CredentialsError, match="http://"):
        ParallelIonQProvider(CANARY, "http://api.ionq.co")
    assert ParallelIonQProvider(CANARY, "http://127.0.0.1:8000").url == "http://127.0.0.1:8000/v0.4"


def test_a_url_of_the_environment_is_checked_too(monkeypatch):
    monkeypatch.setenv("IONQ_API_URL", "http://evil.test")
    provider = ParallelIonQProvider(CANARY)
    with pytest.raises(CredentialsError, match=r"evil\.test"):
        provider.catalogue()


# ── taking over from qiskit-ionq ──


def test_key_url_and_headers_of_a_stock_provider_are_taken_over():
    stock = SimpleNamespace(
        credentials={"token": CANARY, "url": "https://stock.test/v0.4"}, custom_headers={"X-Team": "ions"}
    )
    provider = ParallelIonQProvider(stock)
    assert provider._key().reveal() == CANARY
    assert provider.url == "https://stock.test/v0.4"
    assert provider._custom_headers == {"X-Team": "ions"}
    assert ParallelIonQProvider(stock, "https://mine.test/v1").url == "https://mine.test/v1"


def test_a_stock_provider_without_a_key_leaves_the_environments(monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", "env")
    stock = SimpleNamespace(credentials={"token": None, "url": None})
    assert ParallelIonQProvider(stock)._key().reveal() == "env"


@pytest.mark.parametrize("token", [7, b"key", object(), ["key"], SimpleNamespace(credentials=CANARY)])
def test_what_is_neither_a_key_nor_a_provider_is_refused(token):
    with pytest.raises(CredentialsError, match=r"must be text or a qiskit_ionq\.IonQProvider"):
        ParallelIonQProvider(token)


# ── targets ──


@pytest.mark.parametrize(
    ("name", "shown", "target"),
    [
        ("ionq_parallel", "ionq_parallel", "simulator"),
        ("ionq_simulator", "ionq_simulator", "simulator"),
        ("simulator", "ionq_simulator", "simulator"),
        ("ionq_qpu.forte-1", "ionq_qpu.forte-1", "qpu.forte-1"),
        ("qpu.forte-1", "ionq_qpu.forte-1", "qpu.forte-1"),
    ],
)
def test_a_backend_goes_by_any_of_its_names(offline, name, shown, target):
    backend = ParallelIonQProvider().get_backend(name)
    assert isinstance(backend, ParallelIonQBackend)
    assert (backend.name, backend.ionq_target, backend.simulator) == (shown, target, target == "simulator")


@pytest.mark.parametrize("name", ["simulater", "ionq_qpu", "forte-1", "", "qpu"])
def test_a_name_that_no_target_can_have_is_refused_with_those_there_are(offline, name):
    with pytest.raises(TargetError) as caught:
        ParallelIonQProvider().get_backend(name)
    assert all(target in str(caught.value) for target in wire.KNOWN_TARGETS)


def test_the_nearest_name_is_suggested():
    with pytest.raises(TargetError, match="Did you mean 'simulator'"):
        ParallelIonQProvider().get_backend("simulater")


def test_a_target_that_the_service_lacks_is_refused_with_those_it_has(catalogue):
    provider = ParallelIonQProvider(CANARY)
    with pytest.raises(
        TargetError, match=r"'qpu\.forte-9'; there are simulator, qpu\.forte-1, qpu\.aria-1"
    ) as caught:
        provider.require_available("qpu.forte-9")
    assert "Did you mean 'qpu.forte-1'" in str(caught.value)


@pytest.mark.parametrize(("target", "status"), [("qpu.forte-1", "unavailable"), ("qpu.aria-1", "retired")])
def test_a_target_that_cannot_be_used_now_is_refused(catalogue, target, status):
    with pytest.raises(TargetError, match=f"{target} is {status}; available are simulator"):
        ParallelIonQProvider(CANARY).require_available(target)
    ParallelIonQProvider(CANARY).require_available("simulator")


def test_retired_targets_are_not_offered(catalogue):
    assert [b.name for b in ParallelIonQProvider(CANARY).backends()] == ["ionq_simulator", "ionq_qpu.forte-1"]


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ({"name": "qpu.forte-1", "target": "simulator"}, TargetError, "contradicts"),
        ({"gateset": "nativ"}, TargetError, "gateset must be"),
        ({"shot": 5}, OptionError, "did you mean 'shots'"),
        ({"shots": 0}, OptionError, "between 1 and"),
    ],
)
def test_what_cannot_be_meant_is_refused(offline, arguments, kind, says):
    with pytest.raises(kind, match=says):
        ParallelIonQProvider().get_backend(**arguments)


# ── one of each ──


def test_the_catalogue_is_asked_for_once_however_many_threads_want_it(catalogue):
    provider = ParallelIonQProvider(CANARY)
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda _: provider.catalogue_entry("simulator"), range(16)))
    assert entries == [CATALOGUE[0]] * 16
    assert len(catalogue) == 1


def _stumbling(monkeypatch, *answers):
    """Let the catalogue be answered by these, one after the other; return what is left of them."""
    left = list(answers)

    def backends(api):
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Api, "backends", backends)
    return left


def test_a_catalogue_is_asked_for_again_when_the_service_stumbles(monkeypatch):
    busy = api_error(503, method="GET", path="/backends")
    busy.retry_after = "7"
    _stumbling(monkeypatch, TransportError("reset", sent=True), busy, CATALOGUE)
    provider, pauses = ParallelIonQProvider(CANARY), []
    monkeypatch.setattr(provider, "_pause", pauses.append)
    assert "simulator" in provider.catalogue()
    assert pauses[0] < 1.0
    assert pauses[1] == 7.0


def test_a_refused_catalogue_is_not_asked_for_again_by_itself(monkeypatch):
    left = _stumbling(monkeypatch, api_error(403, method="GET", path="/backends"), CATALOGUE)
    provider = ParallelIonQProvider(CANARY)
    with pytest.raises(PermissionDeniedError):
        provider.catalogue()
    assert left == [CATALOGUE]
    assert "simulator" in provider.catalogue()


def test_there_is_one_conductor_however_many_threads_want_it():
    provider = ParallelIonQProvider(CANARY)
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: provider.conductor(), range(16)))) == 1


def test_a_copied_backend_shares_the_provider_and_not_the_options():
    provider = ParallelIonQProvider(CANARY)
    backend = provider.get_backend("ionq_simulator", shots=7, noise_model="aria-1")
    twin = copy.deepcopy(backend)
    assert twin is not backend
    assert twin.provider is provider
    assert (twin.name, twin.ionq_target, twin.gateset) == (backend.name, backend.ionq_target, backend.gateset)
    assert dict(twin.options.items()) == dict(backend.options.items())
    twin.set_options(shots=9)
    assert backend.options.shots == 7
    nested = copy.deepcopy({"a": backend, "b": [backend]})
    assert nested["a"] is nested["b"][0]


def test_runs_without_a_seed_have_one_each():
    provider = ParallelIonQProvider(CANARY)
    assert len({provider.next_seed() for _ in range(100)}) == 100
    assert all(0 <= provider.next_seed() < 2**63 for _ in range(100))


def test_an_unknown_job_is_an_error_of_ours():
    with pytest.raises(JobError, match="knows no job 'x'"):
        ParallelIonQProvider(CANARY).job("x")


def test_the_service_is_told_who_asks():
    agent = ParallelIonQProvider(CANARY).user_agent
    assert all(part in agent for part in ("qiskit-parallel-ionq/", "qiskit/", "python/"))


# ── the end ──


def _conductors():
    return {t for t in threading.enumerate() if t.name.startswith("ionq-") and t.is_alive()}


def test_closing_ends_the_threads_and_may_be_done_twice():
    before = _conductors()
    provider = ParallelIonQProvider(CANARY)
    provider.conductor().start()
    assert len(_conductors() - before) == 1
    provider.close()
    provider.close()
    assert _conductors() <= before


def test_leaving_the_context_closes():
    before = _conductors()
    with ParallelIonQProvider(CANARY) as provider:
        provider.conductor().start()
    assert _conductors() <= before


def test_closing_what_was_never_used_does_nothing(offline):
    ParallelIonQProvider().close()


@pytest.mark.parametrize("was_used", [True, False])
def test_a_closed_provider_sends_nothing_more(offline, was_used):
    provider = ParallelIonQProvider(CANARY)
    if was_used:
        provider.conductor().start()
    provider.close()
    before = _conductors()
    for verb in (provider.catalogue, lambda: provider.conductor().start()):
        with pytest.raises(IonQError, match="closed"):
            verb()
    assert _conductors() <= before


def test_a_local_provider_needs_no_key_and_ends_its_service():
    with ParallelIonQProvider.local(seed=1) as provider:
        assert provider.url.startswith("http://127.0.0.1:")
        assert "simulator" in provider.catalogue()
        address = provider.url.split("/")[2].split(":")
    with pytest.raises(OSError), socket.create_connection((address[0], int(address[1])), timeout=1):
        pass


# ── the key ──


def test_no_repr_shows_the_key():
    provider = ParallelIonQProvider(CANARY, "https://api.ionq.test")
    backend = provider.get_backend()
    for thing in (provider, backend, backend.run([]), backend.options, vars(provider), vars(backend)):
        assert CANARY not in repr(thing)
        assert CANARY not in str(thing)


def test_a_repr_never_fails(monkeypatch):
    monkeypatch.setenv("IONQ_API_URL", "http://evil.test")
    assert "ParallelIonQProvider" in repr(ParallelIonQProvider(CANARY))


@pytest.mark.parametrize(
    ("token", "url"), [(f"{CANARY}\nX: y", None), (f"{CANARY} é", None), ("https://api.ionq.co", CANARY)]
)
def test_a_malformed_key_is_refused_without_being_quoted(token, url):
    with pytest.raises(CredentialsError) as caught:
        ParallelIonQProvider(token, url)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
