# SPDX-License-Identifier: Apache-2.0
"""Unmodified cirq-ionq runs against the emulator and gets the right physics."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit.quantum_info import Operator

from qiskit_parallel_ionq.gates import GPI2Gate, GPIGate, MSGate, ZZGate

pytestmark = pytest.mark.strangers


@pytest.fixture(scope="module")
def found(drive):
    return drive("cirq_client")


def test_a_circuit_runs_on_the_simulator(found):
    assert set(found["run"]) == {"00", "11"}
    assert sum(found["run"].values()) == 400
    assert 130 < found["run"]["00"] < 270


def test_a_circuit_runs_on_a_qpu(found):
    counts = found["run_on_qpu"]
    assert sum(counts.values()) == 400
    assert counts["00"] + counts["11"] > 360


def test_a_batch_comes_back_in_order(found):
    flip, bell = found["run_batch"]
    assert flip == {"01": 200}
    assert set(bell) == {"00", "11"}


@pytest.mark.parametrize("gateset", ["qis", "native"])
def test_distributions_are_those_of_cirqs_own_simulator(found, gateset):
    assert found[f"{gateset}_difference"] < 1e-9


@pytest.mark.parametrize(
    "gate", [GPIGate(0.3), GPI2Gate(-0.2), MSGate(0.1, 0.4, 0.17), ZZGate(0.15)], ids=lambda gate: gate.name
)
def test_native_gates_are_what_cirq_says_they_are(found, gate):
    real, imaginary = np.array(found["matrices"][gate.name])
    # Qiskit's first qubit is the right factor.
    ours = Operator(gate).reverse_qargs().data
    assert np.abs(ours - (real + 1j * imaginary)).max() < 1e-12


def test_a_job_tells_about_itself(found):
    assert found["job"] == {
        "status": "completed",
        "name": "kept",
        "target": "qpu.aria-1",
        "qubits": 2,
        "repetitions": 50,
    }


def test_listing_jobs_ends_and_shows_each_once(found):
    assert len(found["listed"]) == len(set(found["listed"])) == 6
    assert found["listed_in_pages"] == found["listed"]
    assert found["listed_by_status"] == 0


def test_errors_arrive_as_such(found):
    assert found["deleted"].startswith("IonQNotFoundException")
    assert "[ms] are not supported" in found["wrong_family"]
    assert found["wrong_key"].startswith("IonQException")
    assert found["calibration"].startswith("IonQNotFoundException")
