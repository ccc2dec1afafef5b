# SPDX-License-Identifier: Apache-2.0
"""What is refused at the door, and what clients send that must not be."""

from __future__ import annotations

from typing import Any

import pytest

from qiskit_parallel_ionq.emulator.orders import read_order
from qiskit_parallel_ionq.emulator.problems import RequestError

H = {"gate": "h", "target": 0}


def single(**changes: Any) -> dict[str, Any]:
    body = {
        "type": "ionq.circuit.v1",
        "backend": "simulator",
        "input": {"gateset": "qis", "qubits": 1, "circuit": [H]},
    }
    return {key: value for key, value in {**body, **changes}.items() if value is not ...}


def multi(*circuits: Any, **members: Any) -> dict[str, Any]:
    return single(
        type="ionq.multi-circuit.v1", input={"gateset": "qis", "circuits": list(circuits), **members}
    )


def test_defaults():
    order = read_order(single())
    assert (order.shots, order.dry_run, order.model, order.is_exact) == (100, False, "ideal", True)


@pytest.mark.parametrize(("given", "shots"), [(1, 1), (1_000_000, 1_000_000), ("250", 250), (None, 100)])
def test_shots_may_be_an_integer_or_its_decimal_text(given, shots):
    assert read_order(single(shots=given)).shots == shots


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"type": ...}, "type"),
        ({"type": "circuit"}, "type"),
        ({"backend": ...}, "backend"),
        ({"backend": "qpu.forte-9"}, "backend"),
        ({"backend": "qpu.harmony"}, "backend"),
        ({"shots": 0}, "shots"),
        ({"shots": 1_000_001}, "shots"),
        ({"shots": 1.5}, "shots"),
        ({"shots": True}, "shots"),
        ({"shots": "-5"}, "shots"),
        ({"name": 3}, "name"),
        ({"session_id": 3}, "session_id"),
        ({"metadata": ["a"]}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"settings": "fast"}, "settings"),
        ({"dry_run": "yes"}, "dry_run"),
        ({"noise": "aria-1"}, "noise"),
        ({"noise": {"model": "aria-9"}}, "noise"),
        ({"noise": {"model": "aria-1", "seed": 2**31}}, "noise"),
        ({"shots": 499, "settings": {"error_mitigation": {"debiasing": True}}}, "shots"),
        ({"input": ...}, "input"),
        ({"input": {"gateset": "qis", "qubits": 1}}, "input"),
        ({"input": {"circuit": [H]}}, "input"),
        ({"input": {"gateset": "qis", "qubits": 0, "circuit": [H]}}, "input"),
        ({"input": {"gateset": "qis", "qubits": 1, "circuit": [H], "circuits": []}}, "input"),
        ({"input": {"gateset": "qis", "qubits": 1, "circuit": [H] * 150_001}}, "input"),
        ({"type": "ionq.qasm3.v1", "input": {"data": 3}}, "input"),
        (multi(), "input"),
        (multi({"circuit": [H]}, circuit=[H]), "input"),
        (multi("h"), "input"),
        (multi({"name": "a"}), "input"),
        (multi({"circuit": [H], "name": 7}), "name"),
        (multi({"circuit": [H], "gateset": "clifford"}), "input"),
        (multi({"circuit": [H], "registers": {"c": 0}}), "input"),
        (multi(*[{"circuit": []}] * 5001), "input"),
        (multi({"circuit": [H] * 100_000}, {"circuit": [H] * 50_001}), "input"),
    ],
)
def test_a_bad_field_is_named_in_the_refusal(changes, key):
    with pytest.raises(RequestError) as refused:
        read_order(single(**changes))
    assert refused.value.body["statusCode"] == 400
    assert refused.value.body["error"] == "Bad Request"
    assert refused.value.body["validation"] == {"keys": [key], "source": "body"}


@pytest.mark.parametrize("body", [None, [], "job", 3])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(RequestError, match="JSON object"):
        read_order(body)


@pytest.mark.parametrize(
    "changes",
    [
        {"lang": "json"},
        {"noise": {"model": "ideal", "seed": None}},
        {"noise": None},
        {"settings": {"compilation": {"opt": 1, "precision": "1e-3", "service_version": "v0.4"}}},
        {"settings": {"error_mitigation": {"debiasing": False}}, "shots": 10},
        {"settings": {"error_mitigation": {"debiasing": True}}, "shots": 500},
        {"type": "ionq.qasm3.v1", "input": {"data": "qubit q;", "qubits": 1}},
        {"type": "quantum-function", "input": {"data": {}}},
        {"metadata": {"k": "v" * 40_000}},
        {"name": None, "metadata": None, "settings": None, "session_id": None},
        multi(*[{"circuit": []}] * 5000),
        multi({"circuit": [H] * 100_000}, {"circuit": [H] * 50_000}),
    ],
)
def test_what_clients_send_beyond_the_specification_is_accepted(changes):
    read_order(single(**changes))


def test_children_inherit_width_and_gate_set_and_may_override_them():
    order = read_order(
        multi({"circuit": [H]}, {"circuit": [], "gateset": "native", "qubits": 5, "name": "b"}, qubits=3)
    )
    assert [(c.gateset, c.qubits, c.name) for c in order.circuits] == [("qis", 3, None), ("native", 5, "b")]


def test_a_qpu_has_its_own_noise_whatever_is_asked_for():
    order = read_order(single(backend="qpu.aria-1", noise={"model": "ideal"}))
    assert (order.model, order.is_exact, order.noise) == ("aria-1", False, None)
