# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.benchmarks [--quick] [--only NAME …] [--json FILE] [--plot FILE] [--cirq PYTHON]``."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import logging
import os
import platform
import sys
import time
import warnings
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .rows import Row, Setup, table

MEASUREMENTS = (
    "lists",
    "packed",
    "stream",
    "cores",
    "lookup",
    "decoding",
    "compilers",
    "first_light",
    "bad_days",
    "records",
)


def main() -> int:
    """Measure; return 1 if a bar was missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Time and memory, measured; unmodified peers beside it on the same service.",
        epilog="measurements: " + ", ".join(MEASUREMENTS),
    )
    parser.add_argument("--quick", action="store_true", help="see that all of it works, in a few minutes")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=MEASUREMENTS, default=MEASUREMENTS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here, too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them; needs matplotlib")
    parser.add_argument("--from-json", type=Path, metavar="FILE", help="measure nothing; show what was")
    parser.add_argument("--cirq", metavar="PYTHON", help="an interpreter that has cirq-ionq")
    given = parser.parse_args()
    if given.from_json:
        found = json.loads(given.from_json.read_text())
        rows, facts = [Row(**row) for row in found["rows"]], found["where"]
    else:
        rows, facts = measured(given.only, Setup(given.quick, given.cirq or _cirq_here())), where()
    print(f"{facts}\n\n{table(rows)}")
    if given.json:
        told = {"where": facts, "rows": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    if given.plot:
        from .plot import draw

        draw(rows, given.plot)
    return 1 if any(row.is_met is False for row in rows) else 0


def measured(names: tuple[str, ...], setup: Setup) -> list[Row]:
    """Return the rows of some measurements, and say on stderr how they go on."""
    warnings.simplefilter("ignore")  # the peers warn of every retry
    logging.getLogger("qiskit_parallel_ionq").setLevel(logging.WARNING)
    rows: list[Row] = []
    for name in names:
        began = time.perf_counter()
        module: Any = importlib.import_module(f"{__package__}.{name}")
        for found in module.measure(setup):
            row = replace(found, limit=None) if setup.quick else found  # a glance judges nothing
            rows.append(row)
            print(f"  {row.measurement}: {row.case}: {row.who}: {row.cell()} {row.bar()}", file=sys.stderr)
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return rows


def where() -> str:
    """Return what a reader has to know of the machine and of the versions."""
    packages = ("qiskit-parallel-ionq", "qiskit-ionq", "qiskit", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    kind = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return f"{time.strftime('%d %B %Y', time.gmtime())}; {kind}; {versions}"


def _cirq_here() -> str | None:
    return sys.executable if importlib.util.find_spec("cirq_ionq") else None


if __name__ == "__main__":
    sys.exit(main())
