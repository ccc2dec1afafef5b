# SPDX-License-Identifier: Apache-2.0
"""Bad input is refused by name, before anything is sent, and costs the good circuits beside it nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.emulator import LocalIonQ
from qiskit_parallel_ionq.emulator import catalogue as machines
from qiskit_parallel_ionq.errors import (
    AuthenticationError,
    BatchError,
    CircuitError,
    CompileError,
    CredentialsError,
    OptionError,
    TargetError,
)


@pytest.fixture(scope="module")
def service():
    """One service for the whole module; each test looks at what it added."""
    with LocalIonQ(seed=7) as running:
        yield running


@pytest.fixture
def provider(service):
    """A provider of `service`, and afterwards a look at its books: no job may have been sent."""
    before = service.stats()
    with ParallelIonQProvider(service.api_key, service.url) as talking:
        yield talking
    after = service.stats()
    assert after.posts == before.posts
    assert after.jobs == before.jobs


@pytest.fixture
def refuse(provider, bell):
    """Return a function that runs something bad in all ways, and gives back the message of the refusal."""

    def check(bad, kind, **options):
        messages = []
        for gateset in ("native", "qis"):
            backend = provider.get_backend("ionq_parallel", gateset=gateset)
            for per_job in (1, 10):
                with pytest.raises(kind) as caught:
                    backend.run([bell, bell, bad], circuits_per_job=per_job, **options)
                assert type(caught.value) is kind
                messages.append(str(caught.value))
        assert len(set(messages)) == 1
        return messages[0]

    return check


# ── circuits ──


@pytest.mark.parametrize(
    ("bad", "shown"),
    [(None, "NoneType"), (7, "int"), ("OPENQASM 3;", "OPENQASM 3;"), (object(), "object"), ([], "list")],
)
def test_what_is_no_circuit_is_named_with_its_place(refuse, bad, shown):
    message = refuse(bad, CircuitError)
    assert "circuit 2" in message
    assert shown in message


@pytest.mark.parametrize("bad", [None, 7, "OPENQASM 3;", b"bytes", 3.5])
def test_what_holds_no_circuits_is_refused(provider, bad):
    with pytest.raises(CircuitError, match=r"QuantumCircuit.*not " + type(bad).__name__):
        provider.get_backend().run(bad)


def test_an_empty_list_is_an_empty_result_and_sends_nothing(provider):
    result = provider.get_backend().run([]).result()
    assert result.success
    assert result.results == []


def test_unbound_parameters_are_named(refuse):
    theta, phi = Parameter("theta"), Parameter("phi")
    circuit = QuantumCircuit(1, 1, name="ansatz")
    circuit.rx(theta, 0)
    circuit.rz(2 * phi, 0)
    circuit.measure(0, 0)
    message = refuse(circuit, CircuitError)
    for word in ("circuit 2", "ansatz", "theta", "phi", "assign_parameters"):
        assert word in message


def test_too_many_qubits_are_told_with_both_numbers(refuse):
    circuit = QuantumCircuit(30, 30, name="wide")
    circuit.h(range(30))
    circuit.measure(range(30), range(30))
    message = refuse(circuit, CircuitError)
    for word in ("circuit 2", "wide", "30", "29"):
        assert word in message


def test_the_width_limit_is_the_targets_own(provider):
    circuit = QuantumCircuit(26, 26)
    circuit.h(range(26))
    circuit.measure(range(26), range(26))
    with pytest.raises(CircuitError, match=r"26 qubits.*25"):
        provider.get_backend("qpu.aria-1").run(circuit)


def test_an_opaque_gate_is_named_with_its_position(refuse):
    circuit = QuantumCircuit(2, 2, name="oracle")
    circuit.h(0)
    circuit.append(Gate("mystery", 2, []), [0, 1])
    circuit.measure([0, 1], [0, 1])
    message = refuse(circuit, CompileError)
    for word in ("circuit 2", "oracle", "mystery", "position 1"):
        assert word in message


def test_an_opaque_gate_inside_another_is_found(refuse):
    inner = QuantumCircuit(1, name="inner")
    inner.append(Gate("mystery", 1, []), [0])
    circuit = QuantumCircuit(1, 1, name="outer")
    circuit.append(inner.to_gate(), [0])
    circuit.measure(0, 0)
    message = refuse(circuit, CompileError)
    for word in ("circuit 2", "outer", "inner", "mystery"):
        assert word in message


@pytest.mark.parametrize("angle", [float("nan"), float("inf")])
def test_an_angle_that_is_no_number_is_named(refuse, angle):
    circuit = QuantumCircuit(1, 1, name="broken")
    circuit.rx(angle, 0)
    circuit.measure(0, 0)
    message = refuse(circuit, CompileError)
    for word in ("circuit 2", "broken", "rx", str(angle)):
        assert word in message


def test_gates_to_compile_are_refused_where_compiling_is_forbidden(provider):
    circuit = QuantumCircuit(1, 1, name="abstract")
    circuit.h(0)
    circuit.measure(0, 0)
    with pytest.raises(CircuitError, match=r"circuit 0 \('abstract'\).*optimization_level"):
        provider.get_backend().run(circuit, optimization_level=None)


# ── options ──


@pytest.mark.parametrize(
    ("shots", "words"),
    [
        (0, ("between 1 and 1,000,000", "0")),
        (-5, ("between 1 and 1,000,000", "-5")),
        (1_000_001, ("between 1 and 1,000,000", "1,000,001")),
        (10.0, ("integer", "10.0")),
        (2.5, ("integer", "2.5")),
        ("100", ("integer", "'100'")),
        (True, ("integer", "True")),
        (float("nan"), ("integer", "nan")),
        ([100, 0, 100], ("shots[1]", "between")),
        ([100, 100, 1.5], ("shots[2]", "integer")),
        ([100, 100], ("2", "3 circuits")),
        (np.array([100, -1, 100]), ("shots[1]", "-1")),
    ],
    ids=str,
)
def test_shots_that_cannot_be_are_told_with_the_limits(provider, bell, shots, words):
    with pytest.raises(OptionError) as caught:
        provider.get_backend().run([bell] * 3, shots=shots)
    for word in ("shots", *words):
        assert word in str(caught.value)


def test_numpy_integers_are_integers(bell):
    with ParallelIonQProvider.local(seed=1) as local:
        assert sum(local.get_backend().run(bell, shots=np.int64(9)).get_counts().values()) == 9


@pytest.mark.parametrize(
    ("option", "meant"),
    [("shot", "shots"), ("max_worker", "max_workers"), ("circuit_per_job", "circuits_per_job")],
)
def test_an_unknown_option_suggests_the_near_one(provider, bell, option, meant):
    for act in (
        lambda: provider.get_backend().run(bell, **{option: 5}),
        lambda: provider.get_backend(**{option: 5}),
        lambda: provider.get_backend().set_options(**{option: 5}),
    ):
        with pytest.raises(OptionError, match=f"unknown option '{option}'.*'{meant}'"):
            act()


def test_an_option_near_to_none_lists_them_all(provider, bell):
    with pytest.raises(OptionError, match=r"'xyzzy'.*shots.*max_workers"):
        provider.get_backend().run(bell, xyzzy=1)


@pytest.mark.parametrize(
    "option",
    [
        {"max_workers": 0}, {"max_workers": 65}, {"circuits_per_job": 0}, {"seed_simulator": -1},
        {"noise_model": "sycamore-9"}, {"optimization_level": 4}, {"on_unknown": "pray"}, {"memory": "yes"},
        {"extra_query_params": {"shots": 7}}, {"extra_metadata": {"qpi": "mine"}},
    ],
    ids=str,
)  # fmt: skip
def test_an_option_out_of_range_is_named(provider, bell, option):
    (name,) = option
    with pytest.raises(OptionError, match=name):
        provider.get_backend().run(bell, **option)


def test_a_noise_model_on_a_machine_is_refused(provider, bell):
    with pytest.raises(OptionError, match=r"noise_model.*simulator.*qpu\.forte-1"):
        provider.get_backend("qpu.forte-1").run(bell, noise_model="aria-1")


# ── keys ──


def test_without_a_key_it_is_said_how_to_set_one(service, bell):
    before = service.stats()
    with ParallelIonQProvider(url=service.url) as provider, pytest.raises(CredentialsError) as caught:
        provider.get_backend().run([bell] * 3)
    for word in ("IONQ_API_KEY", ".env", "ParallelIonQProvider.local()", "Nothing was sent"):
        assert word in str(caught.value)
    assert service.stats().posts == before.posts


def test_a_wrong_key_is_said_once_and_stops_the_rest(connect, bell):
    service, _ = connect()
    with ParallelIonQProvider("wrong-c4n4ry", service.url) as provider:
        job = provider.get_backend().run([bell] * 20, max_workers=4)
        with pytest.raises(BatchError) as caught:
            job.result(timeout=20)
    message = str(caught.value)
    assert message.count("was answered 401") == 1
    assert "IONQ_API_KEY" in message
    assert "c4n4ry" not in message
    assert sorted(caught.value.failures) == list(range(20))
    assert all(isinstance(error, AuthenticationError) for error in caught.value.failures.values())
    assert 1 <= service.stats().posts <= 4
    assert service.stats().jobs == 0


# ── targets ──


@pytest.mark.parametrize("name", ["simulatr", "qpu", "ibm_brisbane", ""])
def test_a_name_that_no_target_has_lists_those_there_are(provider, name):
    with pytest.raises(TargetError) as caught:
        provider.get_backend(name)
    for known in ("simulator", "qpu.forte-1", "qpu.aria-1"):
        assert known in str(caught.value)


def test_a_near_miss_is_suggested(provider, bell):
    with pytest.raises(TargetError, match=r"there is no target 'qpu\.fort-1'.*Did you mean 'qpu\.forte-1'"):
        provider.get_backend("qpu.fort-1").run(bell)


def test_a_machine_that_does_not_exist_lists_those_of_the_service(provider, bell):
    with pytest.raises(TargetError) as caught:
        provider.get_backend("qpu.osprey-7").run([bell] * 2)
    for known in ("qpu.osprey-7", "simulator", "qpu.forte-1", "qpu.tempo-1"):
        assert known in str(caught.value)


def test_a_target_argument_that_contradicts_the_name_is_refused(provider):
    with pytest.raises(TargetError, match="contradicts"):
        provider.get_backend("qpu.forte-1", target="simulator")


def test_a_retired_target_names_those_available(provider, bell):
    with pytest.raises(TargetError, match=r"qpu\.aria-2 is retired; available are simulator, .*qpu\.forte-1"):
        provider.get_backend("qpu.aria-2").run([bell] * 2)


def test_an_unavailable_target_names_those_available(provider, bell, monkeypatch):
    asleep = replace(machines.MACHINES["qpu.forte-1"], status="unavailable")
    monkeypatch.setitem(machines.MACHINES, "qpu.forte-1", asleep)
    with pytest.raises(
        TargetError, match=r"qpu\.forte-1 is unavailable; available are simulator, .*qpu\.aria-1"
    ):
        provider.get_backend("qpu.forte-1").run([bell] * 2)


# ── URLs ──


@pytest.mark.parametrize(
    "url", ["http://api.ionq.co/v0.4", "http://10.0.0.1:8080", "http://127.0.0.1.example.com/"]
)
def test_plain_http_leaves_this_machine_never(url):
    with pytest.raises(CredentialsError, match="https://") as caught:
        ParallelIonQProvider("c4n4ry", url)
    assert "c4n4ry" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["ftp://api.ionq.co", "api.ionq.co", "https://me:secret@api.ionq.co", "https://"]
)
def test_what_is_no_url_for_a_key_is_refused(url):
    with pytest.raises(CredentialsError) as caught:
        ParallelIonQProvider("c4n4ry", url)
    assert "secret" not in str(caught.value)


def test_a_plain_http_url_of_the_environment_is_refused_before_use(monkeypatch, bell):
    monkeypatch.setenv("IONQ_API_URL", "http://api.ionq.co/v0.4")
    with ParallelIonQProvider("c4n4ry") as provider, pytest.raises(CredentialsError, match="https://"):
        provider.get_backend().run(bell)
