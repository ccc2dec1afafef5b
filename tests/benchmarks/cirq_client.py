# SPDX-License-Identifier: Apache-2.0
"""Runs circuits by unmodified cirq-ionq; by an interpreter that has it and need not have Qiskit.

Arguments: URL, key, circuits, most circuits in a batch, repetitions. Prints the best as JSON. A batch is
asked for five times a second; the default is once.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import pairwise

import cirq
import cirq_ionq


def circuits(count: int) -> list[cirq.Circuit]:
    qubits = cirq.LineQubit.range(4)
    made = []
    for index in range(count):
        circuit = cirq.Circuit(cirq.ry(0.1 * (index + k + 1))(qubit) for k, qubit in enumerate(qubits))
        circuit.append(cirq.CNOT(a, b) for a, b in pairwise(qubits))
        circuit.append(cirq.measure(*qubits, key="m"))
        made.append(circuit)
    return made


def main() -> None:
    url, key, count, most, repeat = sys.argv[1:]
    host = url.removesuffix("/v0.4")
    service = cirq_ionq.Service(remote_host=host, api_key=key, default_target="simulator")
    made = circuits(int(count))
    costs = []
    for _ in range(int(repeat)):
        wall, cpu = time.perf_counter(), time.process_time()
        jobs = [
            service.create_batch_job(made[at : at + int(most)], repetitions=1000)
            for at in range(0, len(made), int(most))
        ]
        for job in jobs:
            job.results(polling_seconds=0.2)
        costs.append({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu})
    print(json.dumps(min(costs, key=lambda cost: cost["wall"])))


main()
