# SPDX-License-Identifier: Apache-2.0
"""Where the time of a run goes: the report in words, and the timeline as a picture.

Runs on the emulator, with a few things gone wrong. ``--path`` names the picture, ``--quick`` is a short run.
"""

import argparse

from qiskit import QuantumCircuit, transpile

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.emulator import Fault

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--path", default="timeline.svg")
parser.add_argument("--quick", action="store_true")
asked = parser.parse_args()

circuits = []
for index in range(20):
    circuit = QuantumCircuit(4, name=f"ansatz-{index}")
    circuit.ry(0.1 * (index + 1), 0)
    for qubit in range(3):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    circuits.append(circuit)

faults = (
    Fault("reset", method="POST", path="/jobs", nth=6, after=True),  # the job is stored, its answer lost
    Fault("status", method="POST", path="/jobs", nth=14, status=429, retry_after=0.2),
    Fault("fail", name="ansatz-17"),
)
speed = 0.2 if asked.quick else 1.0
with ParallelIonQProvider.local(
    seed=1, round_trip=0.15 * speed, execution_time=1.5 * speed, running_slots=12, faults=faults
) as provider:
    backend = provider.get_backend("ionq_parallel")
    job = backend.run(transpile(circuits, backend), shots=1000, progress=True)
    job.wait()

print(job.report())
job.timeline(asked.path)
print(f"\nThe timeline is in {asked.path}")
