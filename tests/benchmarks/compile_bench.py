# SPDX-License-Identifier: Apache-2.0
"""Compare compilers to IonQ's native gates on a directory of OpenQASM 2 files.

    python tests/benchmarks/compile_bench.py DIRECTORY [--out DIRECTORY] [--cirq PYTHON] [--repeat 3] [--only
    NAME …]

Counts two-qubit gates, their total angle (turns), pulses (gpi and gpi2), two-qubit depth and time, for
qiskit-ionq's default ``transpile``, its TrappedIonOptimizerPlugin with the target handed in, cirq-ionq (run
by another interpreter, for it needs other versions) and this package at each level, by ``transpile`` and as
``run`` compiles, which may leave out what no measurement sees; once for devices with ms and once with zz. Writes a table to the screen, and table, JSON and, where matplotlib is installed, a plot to
``--out``. Barriers are removed for all; a circuit that measures nothing is measured whole.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

TWO = {"ms", "zz"}
ONE = {"gpi", "gpi2"}
FIELDS = ("two", "angle", "pulses", "depth", "seconds")


@dataclass(frozen=True)
class Row:
    """What one compiler made of one circuit."""

    circuit: str
    family: str
    compiler: str
    two: int
    angle: float
    pulses: int
    depth: int
    seconds: float


def measured(gates: Iterable[tuple[str, tuple[int, ...], float]]) -> tuple[int, float, int, int]:
    """Return two-qubit gates, turns, pulses and two-qubit depth of (name, qubits, angle)."""
    two = pulses = 0
    angle = 0.0
    depth: dict[int, int] = {}
    for name, qubits, turns in gates:
        if name in TWO:
            two += 1
            angle += abs(turns)
            layer = max(depth.get(qubit, 0) for qubit in qubits) + 1
            depth.update(dict.fromkeys(qubits, layer))
        elif name in ONE:
            pulses += 1
        elif name != "measure":
            raise ValueError(f"{name} is no native gate")
    return two, angle, pulses, max(depth.values(), default=0)


def fastest(action: Callable[[], object], repeat: int) -> tuple[object, float]:
    """Return the result and the median of the warm times."""
    result = action()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        result = action()
        times.append(time.perf_counter() - start)
    return result, statistics.median(times)


def qiskit_rows(paths: list[Path], repeat: int) -> list[Row]:
    """Compile with qiskit-ionq, its plugin, and this package."""
    import qiskit_ionq.ionq_backend
    from qiskit import QuantumCircuit, transpile
    from qiskit.transpiler import PassManagerConfig
    from qiskit_ionq import IonQProvider, TrappedIonOptimizerPlugin

    from qiskit_parallel_ionq.compiler import compile_circuit, pass_manager
    from qiskit_parallel_ionq.target import build_target

    qiskit_ionq.ionq_backend.get_n_qubits = lambda *_: 36  # it would ask the service
    rows = []
    for family, name in (("ms", "ionq_qpu.aria-1"), ("zz", "ionq_qpu.forte-1")):
        stock = IonQProvider("no-key").get_backend(name, gateset="native")
        plugin = TrappedIonOptimizerPlugin().pass_manager(PassManagerConfig.from_backend(stock), 3)
        target = build_target(40, gateset="native", family=family)
        compilers: dict[str, Callable[[QuantumCircuit], QuantumCircuit]] = {
            "qiskit-ionq": lambda circuit, stock=stock: transpile(circuit, stock),
            "its plugin": plugin.run,
            **{
                f"level {level}": lambda circuit, target=target, level=level: pass_manager(target, level).run(
                    circuit
                )
                for level in range(4)
            },
            **{
                f"run {level}": lambda circuit, target=target, level=level: compile_circuit(
                    circuit, target, level
                )
                for level in range(4)
            },
        }
        for path in paths:
            circuit = prepared(QuantumCircuit.from_qasm_file(str(path)))
            for compiler, compile_ in compilers.items():
                start = time.perf_counter()
                result, seconds = fastest(
                    lambda c=compile_: c(circuit), 1 if compiler == "its plugin" else repeat
                )
                gates = [
                    (
                        item.operation.name,
                        tuple(result.find_bit(qubit).index for qubit in item.qubits),
                        float(item.operation.params[-1]) if item.operation.params else 0.0,
                    )
                    for item in result.data
                ]
                rows.append(Row(path.stem, family, compiler, *measured(gates), seconds))
                print(
                    f"{family} {path.stem} {compiler}: {time.perf_counter() - start:.2f} s", file=sys.stderr
                )
    return rows


def prepared(circuit):  # type: ignore[no-untyped-def]
    """Return the circuit without barriers, measured."""
    bare = circuit.copy_empty_like()
    for item in circuit.data:
        if item.operation.name != "barrier":
            bare.append(item)
    if not any(item.operation.name == "measure" for item in bare.data):
        bare.measure_all()
        return prepared(bare)
    return bare


def cirq_rows(paths: list[Path], repeat: int) -> list[Row]:
    """Compile with cirq-ionq; runs in an interpreter that has it and need not have Qiskit."""
    import cirq
    import cirq_ionq
    from cirq.contrib.qasm_import import circuit_from_qasm

    rows = []
    for family, gateset in (("ms", cirq_ionq.AriaNativeGateset()), ("zz", cirq_ionq.ForteNativeGateset())):
        names = {
            cirq_ionq.GPIGate: "gpi",
            cirq_ionq.GPI2Gate: "gpi2",
            cirq_ionq.MSGate: "ms",
            cirq_ionq.ZZGate: "zz",
        }
        for path in paths:
            circuit = circuit_from_qasm(path.read_text())
            if not any(cirq.is_measurement(operation) for operation in circuit.all_operations()):
                circuit.append(cirq.measure(*sorted(circuit.all_qubits())))
            result, seconds = fastest(
                lambda c=circuit, g=gateset: cirq.optimize_for_target_gateset(c, gateset=g), repeat
            )
            index = {qubit: i for i, qubit in enumerate(sorted(result.all_qubits()))}
            gates = [
                (
                    names.get(
                        type(operation.gate), "measure" if cirq.is_measurement(operation) else str(operation)
                    ),
                    tuple(index[qubit] for qubit in operation.qubits),
                    float(getattr(operation.gate, "theta", 0.0)),
                )
                for operation in result.all_operations()
            ]
            rows.append(Row(path.stem, family, "cirq-ionq", *measured(gates), seconds))
    return rows


def rows_of_cirq(python: str, directory: Path, repeat: int, only: Sequence[str] = ()) -> list[Row]:
    """Compile with cirq-ionq, by an interpreter that has it."""
    command = [python, __file__, str(directory), "--as-cirq", "--repeat", str(repeat)]
    command += ["--only", *only] if only else []
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [Row(**row) for row in json.loads(found)]


def ratios(rows: list[Row]) -> str:
    """Return the geometric means of ours over each peer's, over circuits that keep two-qubit gates."""
    table = {(row.family, row.compiler, row.circuit): row for row in rows}
    compilers = list(dict.fromkeys(row.compiler for row in rows))
    ours = [name for name in compilers if name.startswith(("level", "run"))]
    peers = [name for name in compilers if name not in ours]
    circuits = list(dict.fromkeys(row.circuit for row in rows))
    lines = ["| ours / peer | " + " | ".join(FIELDS) + " | circuits |", "|---" * (len(FIELDS) + 2) + "|"]
    for family in ("ms", "zz"):
        for mine in ours:
            for peer in peers:
                cells, count = [], 0
                for field in FIELDS:
                    logs = []
                    for circuit in circuits:
                        a, b = table.get((family, mine, circuit)), table.get((family, peer, circuit))
                        if a and b and a.two and getattr(a, field) and getattr(b, field):
                            logs.append(math.log(getattr(a, field) / getattr(b, field)))
                    cells.append(f"{math.exp(statistics.fmean(logs)):.3f}" if logs else "")
                    count = max(count, len(logs))
                lines.append(f"| {family} {mine} / {peer} | " + " | ".join(cells) + f" | {count} |")
    return "\n".join(lines)


def each(rows: list[Row]) -> str:
    """Return a table of every circuit: two-qubit gates/pulses/turns/ms."""
    compilers = list(dict.fromkeys(row.compiler for row in rows))
    cells = {(row.family, row.circuit, row.compiler): row for row in rows}
    lines = ["| family circuit | " + " | ".join(compilers) + " |", "|---" * (len(compilers) + 1) + "|"]
    for family, circuit in dict.fromkeys((row.family, row.circuit) for row in rows):
        line = []
        for compiler in compilers:
            row = cells.get((family, circuit, compiler))
            line.append(f"{row.two}/{row.pulses}/{row.angle:.1f}/{1e3 * row.seconds:.1f}" if row else "")
        lines.append(f"| {family} {circuit} | " + " | ".join(line) + " |")
    return "\n".join(lines)


def plot(rows: list[Row], path: Path) -> None:
    """Draw two-qubit gates and pulses per circuit, if matplotlib is installed."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    chosen = ["qiskit-ionq", "its plugin", "cirq-ionq", "level 1", "level 2"]
    figure, axes = plt.subplots(2, 1, figsize=(12, 8), sharex=True)
    for axis, field, title in zip(
        axes, ("two", "pulses"), ("two-qubit gates (zz)", "pulses (zz)"), strict=True
    ):
        for compiler in chosen:
            mine = [row for row in rows if row.family == "zz" and row.compiler == compiler]
            if mine:
                axis.plot(
                    [row.circuit for row in mine], [getattr(row, field) for row in mine], "o", label=compiler
                )
        axis.set_yscale("symlog")
        axis.set_title(title)
        axis.tick_params(axis="x", rotation=90)
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cirq", help="a Python interpreter with cirq-ionq")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--as-cirq", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    paths = [
        path
        for path in sorted(options.directory.glob("*.qasm"))
        if path.stem in options.only or not options.only
    ]
    if options.as_cirq:
        print(json.dumps([asdict(row) for row in cirq_rows(paths, options.repeat)]))
        return
    rows = qiskit_rows(paths, options.repeat)
    if options.cirq:
        rows = rows_of_cirq(options.cirq, options.directory, options.repeat, options.only) + rows
    report = f"{ratios(rows)}\n\n{each(rows)}\n"
    print(report)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "compile.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
        (options.out / "compile.md").write_text(report)
        plot(rows, options.out / "compile.png")


if __name__ == "__main__":
    main()
