# SPDX-License-Identifier: Apache-2.0
"""A variational loop: the energy and all parameter shifts of its gradient are one composite job.

Runs on the emulator. ``--quick`` is a short run.
"""

import argparse
import time

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.primitives import EstimatorV2

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=15)
parser.add_argument("--quick", action="store_true")
asked = parser.parse_args()

angles = ParameterVector("angle", 4)
ansatz = QuantumCircuit(2)
for qubit in range(2):
    ansatz.ry(angles[qubit], qubit)
ansatz.cx(0, 1)
for qubit in range(2):
    ansatz.ry(angles[2 + qubit], qubit)
energy = SparsePauliOp(["ZZ", "XX"], [1.0, 0.5])
lowest = min(np.linalg.eigvalsh(energy.to_matrix()))

with ParallelIonQProvider.local(seed=1, round_trip=0.02, execution_time=0.1) as provider:
    estimator = EstimatorV2(provider.get_backend("ionq_parallel"))
    shifts = np.vstack([np.zeros(4), np.pi / 2 * np.eye(4), -np.pi / 2 * np.eye(4)])
    place = np.array([1.2, -0.8, 0.4, 0.1])
    for step in range(4 if asked.quick else asked.steps):
        began = time.perf_counter()
        values = estimator.run([(ansatz, energy, place + shifts)]).result()[0].data.evs
        print(f"step {step:2}: energy {values[0]:+.3f}, {time.perf_counter() - began:.2f} s for 9 points")
        place -= 0.2 * (values[1:5] - values[5:])
print(f"lowest there is: {lowest:+.3f}")
