# SPDX-License-Identifier: Apache-2.0
"""What leaves the process in a pickle: settings, never a key or what may be one; and what copies are."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import pytest

from qiskit_parallel_ionq import ParallelIonQProvider, RunOptions
from qiskit_parallel_ionq.credentials import Environment, Redactor
from qiskit_parallel_ionq.errors import CredentialsError, JobError
from qiskit_parallel_ionq.transport import Transport

CANARY = "c4n4ry-k3y-c4n4ry"
URL = "https://api.ionq.test/v0.4"


@pytest.fixture
def provider():
    return ParallelIonQProvider(CANARY, URL)


def _there_and_back(thing):
    """Pickle and unpickle in every protocol; return the last twin."""
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(thing, protocol)
        assert CANARY.encode() not in data
        twin = pickle.loads(data)
    return twin


def test_a_provider_comes_back_with_its_url_and_looks_for_a_key_there(provider, monkeypatch):
    twin = _there_and_back(provider)
    assert type(twin) is ParallelIonQProvider
    assert twin.url == URL
    monkeypatch.setenv("IONQ_API_KEY", "another-key")
    assert twin._key().reveal() == "another-key"


@pytest.mark.parametrize("times", [1, 2])
def test_where_there_is_no_key_the_error_says_what_became_of_it(provider, times):
    for _ in range(times):
        provider = _there_and_back(provider)
    with pytest.raises(CredentialsError, match=r"IONQ_API_KEY.*pickle never holds a key.*Nothing was sent"):
        provider.require_available("simulator")


def test_a_provider_that_never_had_a_key_says_nothing_of_pickles():
    with pytest.raises(CredentialsError) as caught:
        _there_and_back(ParallelIonQProvider(url=URL)).require_available("simulator")
    assert "pickle" not in str(caught.value)


def test_a_key_that_was_found_in_the_environment_is_not_carried_either(monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", CANARY)
    provider = ParallelIonQProvider()
    assert provider._key().reveal() == CANARY
    _there_and_back(provider)


def test_a_url_of_the_environment_is_the_one_of_the_other_environment(monkeypatch):
    monkeypatch.setenv("IONQ_API_URL", "https://here.test")
    provider = ParallelIonQProvider(CANARY)
    assert provider.url == "https://here.test/v0.4"
    data = pickle.dumps(provider)
    monkeypatch.setenv("IONQ_API_URL", "https://there.test")
    assert pickle.loads(data).url == "https://there.test/v0.4"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"custom_headers": {"X-Auth": CANARY}}, "'X-Auth'"),
        ({"proxies": {"https": f"http://me:{CANARY}@proxy.test:3128"}}, "'https'"),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_what_may_be_secret_stays_behind_and_is_missed_before_anything_is_sent(settings, named, times):
    provider = ParallelIonQProvider(url=URL, **settings)
    for _ in range(times):
        provider = _there_and_back(provider)
    with pytest.raises(CredentialsError, match=named):
        provider.catalogue()


def test_a_proxy_without_a_password_is_carried():
    proxies = {"https": "http://proxy.test:3128"}
    twin = _there_and_back(ParallelIonQProvider(url=URL, proxies=proxies))
    assert twin._proxies == proxies
    assert twin._made_api() is not None


def test_a_backend_comes_back_as_it_was(provider):
    backend = provider.get_backend("qpu.forte-1", gateset="qis", shots=7, memory=True, noise_model=None)
    twin = _there_and_back({"a": backend, "b": backend})["a"]
    assert repr(twin) == repr(backend)
    assert (twin.name, twin.ionq_target, twin.gateset) == (backend.name, "qpu.forte-1", "qis")
    assert dict(twin.options.items()) == dict(backend.options.items())
    assert twin._account.url == URL


def test_a_backend_that_comes_back_runs(local_service, monkeypatch):
    from qiskit import QuantumCircuit

    with ParallelIonQProvider(CANARY, local_service.url) as provider:
        data = pickle.dumps(provider.get_backend("ionq_simulator", shots=10))
    monkeypatch.setenv("IONQ_API_KEY", local_service.api_key)
    circuit = QuantumCircuit(1, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    backend = pickle.loads(data)
    with backend._account:
        assert backend.run(circuit).result().get_counts() == {"1": 10}


def test_two_backends_of_one_provider_come_back_as_that(provider):
    one, other = _there_and_back([provider.get_backend("simulator"), provider.get_backend("qpu.forte-1")])
    assert one._account is other._account


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_job_is_not_pickled_and_says_what_to_do_instead(provider, protocol):
    job = provider.get_backend().run([])
    with pytest.raises(JobError, match="retrieve_job") as caught:
        pickle.dumps({"job": job}, protocol)
    assert isinstance(caught.value, TypeError)
    assert job.job_id() in str(caught.value)


def test_copies_of_a_provider_and_of_a_job_are_themselves(provider):
    job = provider.get_backend().run([])
    for thing in (provider, job):
        assert copy.copy(thing) is thing
        assert copy.deepcopy([thing])[0] is thing


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy])
def test_a_copy_of_a_backend_has_options_of_its_own_and_the_same_provider(provider, twin):
    backend = provider.get_backend(shots=7)
    other = twin(backend)
    other.set_options(shots=8)
    assert (backend.options.shots, other.options.shots) == (7, 8)
    assert other._account is provider


def test_options_come_back_equal():
    options = RunOptions(shots=(1, 2), noise_model="forte-1", extra_metadata={"a": "b"})
    assert _there_and_back(options) == options


def test_what_holds_secrets_itself_is_never_pickled(provider, monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", CANARY)
    provider.get_backend().run([])
    transport = Transport(URL, provider._key, user_agent="a", headers={"X-Auth": CANARY})
    things = [
        provider._key(),
        Redactor(CANARY),
        transport,
        provider._made_api(),
        provider.conductor(),
        provider.conductor().worker,
        SimpleNamespace(key=provider._key()),
    ]
    for thing in things:
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises((TypeError, AttributeError)) as caught:
                pickle.dumps(thing, protocol)
            assert CANARY not in str(caught.value)


def test_the_environment_is_not_shown(monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", CANARY)
    assert CANARY not in repr(Environment.read())
