# SPDX-License-Identifier: Apache-2.0
"""Machines, characterizations and the endpoints about the service itself."""

from __future__ import annotations

import json

import pytest
import requests

from qiskit_parallel_ionq.emulator.catalogue import MACHINES, NOISE_MODELS, characterization
from qiskit_parallel_ionq.emulator.simulate import Rates

REQUIRED = {"backend", "status", "qubits", "average_queue_time", "last_updated"}


def test_backends_are_a_bare_list_open_to_everybody(api):
    listed = requests.get(api.service.url + "/backends", timeout=10).json()
    assert [entry["backend"] for entry in listed] == list(MACHINES)
    assert all(set(entry) >= REQUIRED for entry in listed)


@pytest.mark.parametrize(
    ("name", "qubits", "native", "status"),
    [
        ("simulator", 29, {"ms", "zz"}, "available"),
        ("qpu.aria-1", 25, {"ms"}, "available"),
        ("qpu.aria-2", 25, {"ms"}, "retired"),
        ("qpu.forte-1", 36, {"zz"}, "available"),
        ("qpu.forte-enterprise-1", 36, {"zz"}, "available"),
        ("qpu.harmony", 11, {"ms"}, "retired"),
    ],
)
def test_a_machine_is_as_documented(api, name, qubits, native, status):
    entry = requests.get(f"{api.service.url}/backends/{name}", timeout=10).json()
    assert (entry["qubits"], entry["status"]) == (qubits, status)
    assert {gate for gate in entry["supported_native_gates"] if gate in ("ms", "zz")} == native


def test_a_backend_nobody_knows_is_not_found(api):
    answer = requests.get(api.service.url + "/backends/qpu.qpu", timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (404, "Not Found Error")


def test_published_noise_rates_are_the_published_ones():
    assert NOISE_MODELS["aria-1"] == Rates(0.0005, 0.0133)
    assert NOISE_MODELS["aria-2"] == Rates(0.000657333, 0.01856)
    assert NOISE_MODELS["forte-1"] == Rates(0.000266667, 0.004949333)
    assert NOISE_MODELS["ideal"] is None
    assert set(NOISE_MODELS) >= {"harmony", "harmony-1", "harmony-2", "forte-enterprise-1", "tempo-1"}


def test_every_machine_has_a_noise_model():
    assert {machine.model for machine in MACHINES.values()} <= set(NOISE_MODELS)


def test_the_newest_characterization_of_a_qpu(api):
    url = api.service.url + "/backends/qpu.forte-1/characterizations"
    answer = requests.get(url, params={"limit": 1}, timeout=10).json()
    (found,) = answer["characterizations"]
    assert len(found["connectivity"]) == 36 * 35 // 2
    assert found["fidelity"]["2q"]["median"] == pytest.approx(1 - 0.75 * 0.004949333)
    assert found["timing"]["readout"] > 0
    assert requests.get(f"{url}/{found['id']}", timeout=10).status_code == 401
    assert api.get(f"/backends/qpu.forte-1/characterizations/{found['id']}") == found
    assert api.get("/backends/qpu.forte-1")["characterization_id"] == found["id"]


def test_characterizations_are_chosen_by_date_and_page(api):
    path = "/backends/qpu.forte-1/characterizations"
    assert len(api.get(path, start="2026-09-01", end="2026-10-31T00:00:00Z")["characterizations"]) == 1
    for query in ({"start": "2026-11-01"}, {"end": "2026-09-01"}, {"page": 2}):
        assert api.get(path, **query)["characterizations"] == []
    for query in ({"limit": 11}, {"limit": 0}, {"page": 0}, {"start": "yesterday"}):
        assert api.call("GET", path, params=query).status_code == 400


def test_the_simulator_has_no_characterization(api):
    assert api.get("/backends/simulator/characterizations")["characterizations"] is None
    assert api.call("GET", "/backends/simulator/characterizations/x").status_code == 404
    with pytest.raises(ValueError, match="no characterization"):
        characterization(MACHINES["simulator"], "today")


def test_tempo_lists_its_restricted_pairs(api):
    (found,) = api.get("/backends/qpu.tempo-1/characterizations")["characterizations"]
    assert [0, 1] in found["connectivity"]
    assert [0, 63] not in found["connectivity"]


def test_whoami_tells_keys_apart(api):
    mine = api.get("/whoami")
    assert set(mine) == {"key_id", "key_name", "project_id"}
    other = api.call("GET", "/whoami", headers={"Authorization": "apiKey test-other"}).json()
    assert other["key_id"] != mine["key_id"]


def test_every_format_has_a_schema(api):
    for name in (
        "ionq.result.probabilities.json.v1",
        "ionq.result.probabilities.json.v2",
        "ionq.result.histogram.json.v1",
        "ionq.result.histogram.json.v2",
        "ionq.result.shots.json.v1",
        "ionq.result.shots.json.v2",
        "ionq.result.probabilities-aggregate.json.v1",
        "ionq.native.v1",
    ):
        schema = api.get(f"/schemas/formats/{name}")
        assert schema["$id"] == name
        assert schema["$schema"].startswith("https://json-schema.org/")
        assert schema["type"] in ("object", "array")
    assert api.call("GET", "/schemas/formats/ionq.result.v9").status_code == 404


def test_the_service_describes_its_endpoints(api):
    document = requests.get(api.service.url + "/api-docs", timeout=10).json()
    assert document["openapi"].startswith("3.")
    assert set(document["paths"]["/jobs/{job}"]) == {"get", "delete"}
    assert json.dumps(document)
