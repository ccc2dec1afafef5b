# SPDX-License-Identifier: Apache-2.0
"""Drives the service at argv[1] with the key argv[2] by unmodified cirq-ionq; prints what came back as JSON."""

from __future__ import annotations

import json
import sys

import cirq
import cirq_ionq

URL, KEY = sys.argv[1:]
A, B, C = cirq.LineQubit.range(3)
BELL = cirq.Circuit(cirq.H(A), cirq.CNOT(A, B), cirq.measure(A, B, key="m"))
QIS = cirq.Circuit(
    cirq.ry(0.3)(A),
    cirq.X(B) ** 0.5,
    cirq.CNOT(A, C),
    cirq.ZZ(A, B) ** 0.3,
    cirq.XX(B, C) ** 0.7,
    cirq.YY(A, C) ** -0.2,
    cirq.T(B),
    cirq.S(A) ** -1,
    cirq.H(B),
    cirq.rx(-0.8)(C),
    cirq.SWAP(A, B),
    cirq.Y(C) ** 0.25,
)
NATIVE = cirq.Circuit(
    cirq_ionq.GPI2Gate(phi=0.1)(A),
    cirq_ionq.GPIGate(phi=0.3)(B),
    cirq_ionq.MSGate(phi0=0.1, phi1=0.4)(A, B),
    cirq_ionq.ZZGate(theta=0.15)(B, A),
    cirq_ionq.GPI2Gate(phi=0.6)(B),
)


def service(key: str = KEY) -> cirq_ionq.Service:
    host = URL.removesuffix("/v0.4")
    return cirq_ionq.Service(remote_host=host, api_key=key, default_target="simulator", max_retry_seconds=2)


def against_cirq(ionq: cirq_ionq.Service, circuit: cirq.Circuit) -> float:
    """Largest difference between the service's distribution and cirq's own simulator."""
    width = len(circuit.all_qubits())
    measured = circuit + cirq.measure(*cirq.LineQubit.range(width), key="all")
    job = ionq.create_job(measured, repetitions=10)
    found = job.results(polling_seconds=0.01).probabilities()
    expected = abs(cirq.final_state_vector(circuit, dtype=complex)) ** 2
    return max(float(abs(found.get(word, 0.0) - p)) for word, p in enumerate(expected))


def parts(gate: cirq.Gate) -> list:
    """Real and imaginary part of a gate's matrix, the first qubit being the left factor."""
    matrix = cirq.unitary(gate)
    return [matrix.real.tolist(), matrix.imag.tolist()]


def counts(result: cirq.Result) -> dict[str, int]:
    return {format(word, "02b"): n for word, n in result.histogram(key="m").items()}


def refusal(action) -> str:
    try:
        action()
    except Exception as error:  # noqa: BLE001 - its text is the answer
        return f"{type(error).__name__}: {error}"
    return "no error"


def main() -> None:
    ionq = service()
    flip = cirq.Circuit(cirq.X(B), cirq.Z(A), cirq.measure(A, B, key="m"))
    wrong = cirq.Circuit(cirq_ionq.MSGate(phi0=0, phi1=0)(A, B), cirq.measure(A, B, key="m"))
    found = {
        "run": counts(ionq.run(BELL, repetitions=400, seed=1)),
        "run_on_qpu": counts(ionq.run(BELL, repetitions=400, target="qpu.forte-1")),
        "run_batch": [counts(r) for r in ionq.run_batch([flip, BELL], repetitions=200, seed=1)],
        "qis_difference": against_cirq(ionq, QIS),
        "native_difference": against_cirq(ionq, NATIVE),
        "matrices": {
            "gpi": parts(cirq_ionq.GPIGate(phi=0.3)),
            "gpi2": parts(cirq_ionq.GPI2Gate(phi=-0.2)),
            "ms": parts(cirq_ionq.MSGate(phi0=0.1, phi1=0.4, theta=0.17)),
            "zz": parts(cirq_ionq.ZZGate(theta=0.15)),
        },
    }
    job = ionq.create_job(BELL, repetitions=50, name="kept", target="qpu.aria-1")
    found["job"] = {
        "status": job.status(),
        "name": ionq.get_job(job.job_id()).name(),
        "target": job.target(),
        "qubits": job.num_qubits(),
        "repetitions": job.repetitions(),
    }
    found["listed"] = [other.job_id() for other in ionq.list_jobs(limit=7)]
    found["listed_in_pages"] = [other.job_id() for other in ionq.list_jobs(limit=100, batch_size=2)]
    found["listed_by_status"] = len(ionq.list_jobs(status="failed"))
    job.cancel()
    job.delete()
    found["deleted"] = refusal(lambda: ionq.get_job(job.job_id()))
    found["wrong_family"] = refusal(lambda: ionq.create_job(wrong, target="qpu.forte-1").results())
    found["wrong_key"] = refusal(lambda: service("f00ba12").list_jobs())
    found["calibration"] = refusal(ionq.get_current_calibration)
    print(json.dumps(found))


main()
