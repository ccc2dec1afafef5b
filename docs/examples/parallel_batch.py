# SPDX-License-Identifier: Apache-2.0
"""Sequential against parallel: the same circuits, one after the other and all at once.

Runs on the emulator; ``--target simulator`` (or a machine) uses your account. ``--quick`` is a short run.
"""

import argparse
import logging
import time

from qiskit import QuantumCircuit, transpile

from qiskit_parallel_ionq import ParallelIonQProvider

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--num-circuits", type=int, default=20)
parser.add_argument("--max-workers", type=int, default=10)
parser.add_argument("--target")
parser.add_argument("--quick", action="store_true")
asked = parser.parse_args()
logging.basicConfig(level=logging.INFO, format="%(message)s")
logging.getLogger("qiskit").setLevel(logging.WARNING)

circuits = []
for index in range(5 if asked.quick else asked.num_circuits):
    circuit = QuantumCircuit(4, name=f"circuit-{index}")
    circuit.ry(0.1 * (index + 1), 0)
    for qubit in range(3):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    circuits.append(circuit)

if asked.target:
    provider = ParallelIonQProvider()
else:
    provider = ParallelIonQProvider.local(seed=1, round_trip=0.15, execution_time=0.2 if asked.quick else 3.0)
with provider:
    backend = provider.get_backend("ionq_parallel", target=asked.target)
    native = transpile(circuits, backend)
    seconds = {}
    for name, options in {
        "sequential": {"use_parallel": False},
        "parallel": {"max_workers": asked.max_workers},
    }.items():
        began = time.perf_counter()
        backend.run(native, shots=1000, **options).result()
        seconds[name] = time.perf_counter() - began

print(
    f"\nsequential {seconds['sequential']:.2f} s, parallel {seconds['parallel']:.2f} s: "
    f"{seconds['sequential'] / seconds['parallel']:.1f} times faster"
)
