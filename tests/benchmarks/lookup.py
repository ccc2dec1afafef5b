# SPDX-License-Identifier: Apache-2.0
"""Ten thousand results become one, and every circuit's counts are asked for by name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from qiskit.result import Result

from qiskit_parallel_ionq.decode import Outcome
from qiskit_parallel_ionq.merge import experiment, merge

from .processes import processor
from .rows import OURS, PEER, Row, Setup

LIMIT = 1.0


def measure(setup: Setup) -> Iterator[Row]:
    """Merge, and ask; qiskit-ionq returns Qiskit's own ``Result``, which is asked for some names only."""
    count = 1_000 if setup.quick else 10_000
    case = f"merge of {count:,} results, then all counts by name: CPU"
    outcome = Outcome(1000, np.arange(16), np.full(16, 62), weights=np.full(16, 1 / 16))
    header = {"memory_slots": 4, "creg_sizes": [["meas", 4]], "metadata": {}}

    def merged() -> Result:
        entries = [
            experiment({**header, "name": f"c{index}"}, shots=1000, outcome=outcome) for index in range(count)
        ]
        return merge(entries, backend_name="b", backend_version="1", job_id="j")

    def ours() -> None:
        result = merged()
        for index in range(count):
            result.get_counts(f"c{index}")

    asked = count // 20
    plain = Result.from_dict(merged().to_dict())

    def qiskits() -> None:
        for index in range(0, count, count // asked):
            plain.get_counts(f"c{index}")

    yield Row("lookup", case, OURS, processor(ours, setup.repeat), "s", limit=LIMIT)
    whole = processor(qiskits, setup.repeat) * count / asked
    note = f"{asked} names were asked for, and that times {count // asked}; without its merge"
    yield Row("lookup", case, PEER, whole, "s", note=note)
