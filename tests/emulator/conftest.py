# SPDX-License-Identifier: Apache-2.0
"""A clock that tests set, services that close themselves, and a plain HTTP client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import requests

from qiskit_parallel_ionq.emulator import LocalIonQ
from qiskit_parallel_ionq.emulator.circuits import read_circuit
from qiskit_parallel_ionq.emulator.gates import NATIVE_GATES
from qiskit_parallel_ionq.emulator.simulate import simulate

BELL = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Api:
    """A client that knows nothing but HTTP."""

    service: LocalIonQ
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        headers = {"Authorization": f"apiKey {self.service.api_key}", **options.pop("headers", {})}
        return self.session.request(
            method, self.service.url + path, json=body, headers=headers, timeout=10, **options
        )

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a successful GET."""
        response = self.call("GET", path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any) -> Any:
        """The JSON of a successful creation."""
        response = self.call("POST", path, body)
        assert response.status_code == 201, response.text
        return response.json()

    def put(self, path: str, body: Any = None) -> Any:
        """The JSON of a successful PUT."""
        response = self.call("PUT", path, body)
        assert response.status_code == 200, response.text
        return response.json()

    def run(self, circuit: Sequence[Any] = BELL, **members: Any) -> str:
        """Submit one circuit of QIS gates on two qubits, unless members say otherwise; its job id."""
        given = {"gateset": "qis", "qubits": 2, "circuit": list(circuit), **members.pop("input", {})}
        return self.post(
            "/jobs", {"type": "ionq.circuit.v1", "backend": "simulator", **members, "input": given}
        )["id"]

    def run_many(self, circuits: Sequence[Sequence[Any]], **members: Any) -> str:
        """Submit a multi-circuit job of QIS circuits on two qubits; its job id."""
        given = {"gateset": "qis", "qubits": 2, "circuits": [{"circuit": list(gates)} for gates in circuits]}
        body = {"type": "ionq.multi-circuit.v1", "backend": "simulator", **members, "input": given}
        return self.post("/jobs", body)["id"]

    def run_qasm3(self, text: str, **members: Any) -> str:
        """Submit an OpenQASM 3 program; its job id."""
        body = {"type": "ionq.qasm3.v1", "backend": "simulator", **members, "input": {"data": text}}
        return self.post("/jobs", body)["id"]

    def job(self, job_id: str) -> Any:
        return self.get(f"/jobs/{job_id}")

    def status(self, job_id: str) -> str:
        return self.job(job_id)["status"]

    def artifact(self, job_id: str, name: str) -> Any:
        """The payload of a result format."""
        return self.get(f"/jobs/{job_id}/artifacts/{self.job(job_id)['results'][name]['id']}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def serve(clock: Clock) -> Iterator[Callable[..., Api]]:
    """Start services on the test's clock; they close with the test."""
    running: list[Api] = []

    def start(**knobs: Any) -> Api:
        service = LocalIonQ(**{"seed": 5, "clock": clock, **knobs}).start()
        running.append(Api(service))
        return running[-1]

    yield start
    for api in running:
        api.session.close()
        api.service.close()


@pytest.fixture
def api(serve: Callable[..., Api]) -> Api:
    """A service without any knob turned."""
    return serve()


@pytest.fixture
def distribution() -> Callable[..., np.ndarray]:
    """Exact probabilities the emulator gives a circuit in the JSON of the wire, indexed by word."""

    def compute(circuit: Sequence[Any], qubits: int, gateset: str = "qis") -> np.ndarray:
        program = read_circuit(
            {"circuit": list(circuit)}, gateset=gateset, qubits=qubits, native_gates=NATIVE_GATES
        )
        outcome = simulate(program, shots=1, rates=None, rng=np.random.default_rng(0))
        found = np.zeros(1 << qubits)
        np.add.at(found, outcome.words(), outcome.weights)
        return found

    return compute
