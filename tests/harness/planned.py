# SPDX-License-Identifier: Apache-2.0
"""An invariant of the conductor, checked after every turn: each open submission has a planned next step."""

from __future__ import annotations

from collections.abc import Iterator

from qiskit_parallel_ionq.conductor import Conductor
from qiskit_parallel_ionq.lifecycle import Phase


def require_plans(conductor: Conductor) -> None:
    """Fail if an open submission waits for something that nothing will bring about."""
    missing = list(_unplanned(conductor))
    assert not missing, "; ".join(missing)


def _unplanned(conductor: Conductor) -> Iterator[str]:
    for batch, ledger in conductor._ledgers.items():
        for number, submission in enumerate(batch.submissions):
            if submission.phase is Phase.UNKNOWN and not (number in ledger.doubts and ledger.is_listing):
                yield f"submission {number} of run {batch.run.id} is in doubt, and no listing is planned"
