# SPDX-License-Identifier: Apache-2.0
"""What compilers to native gates make of a few well-known circuits: gates, pulses, time; by `compile_bench`."""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

from qiskit import ClassicalRegister, QuantumCircuit, qasm2, transpile
from qiskit.circuit.library import efficient_su2
from qiskit.synthesis.qft import synth_qft_full

from . import compile_bench
from .processes import alone
from .rows import CIRQ, OURS, PEER, TUNED, Row, Setup

NAMES = {"level 1": OURS, "qiskit-ionq": PEER, "its plugin": TUNED, "cirq-ionq": CIRQ}
FIGURES = (("two", "two-qubit gates", ""), ("pulses", "pulses", ""), ("seconds", "time", "ms"))


def measure(setup: Setup) -> Iterator[Row]:
    """Compile them for the newer machines, whose two-qubit gate is zz."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, circuit in circuits().items():
            plain = transpile(circuit, basis_gates=["u3", "cx", "rzz", "h", "ry", "rx"], optimization_level=0)
            paths.append(Path(folder) / f"{name}.qasm")
            qasm2.dump(plain, paths[-1])
        paths = paths[:1] if setup.quick else paths
        found = alone(by_qiskit, paths, setup.repeat)
        if setup.cirq is not None:
            found += compile_bench.rows_of_cirq(setup.cirq, Path(folder), setup.repeat)
    for path in paths:
        mine = {
            NAMES.get(row.compiler): row for row in found if row.circuit == path.stem and row.family == "zz"
        }
        for field, what, unit in FIGURES:
            scale = 1e3 if unit == "ms" else 1
            for who in (OURS, PEER, TUNED, CIRQ):
                if who in mine:
                    yield Row(
                        "compilers", f"{path.stem}: {what}", who, scale * getattr(mine[who], field), unit
                    )


def by_qiskit(paths: list[Path], repeat: int) -> list[compile_bench.Row]:
    """Compile with this package and qiskit-ionq; quietly, in a process of its own, for the peer is changed."""
    with contextlib.redirect_stderr(io.StringIO()):
        return compile_bench.qiskit_rows(paths, repeat)


def circuits() -> dict[str, QuantumCircuit]:
    """Return circuits, measured."""
    ghz = QuantumCircuit(5)
    ghz.h(0)
    for qubit in range(4):
        ghz.cx(qubit, qubit + 1)
    ansatz = efficient_su2(6, reps=3)
    ansatz.assign_parameters([0.1 * (k + 1) for k in range(ansatz.num_parameters)], inplace=True)
    ring = QuantumCircuit(5)
    ring.h(range(5))
    for layer in range(3):
        for qubit in range(5):
            ring.rzz(0.3 + 0.2 * layer, qubit, (qubit + 1) % 5)
        ring.rx(math.pi / (layer + 3), range(5))
    made = {"ghz-5": ghz, "qft-6": synth_qft_full(6), "efficient_su2-6x3": ansatz, "qaoa-ring-5": ring}
    for circuit in made.values():
        circuit.add_register(ClassicalRegister(circuit.num_qubits, "meas"))
        circuit.measure(circuit.qubits, circuit.clbits)  # without the barrier, which cirq does not read
    return made
