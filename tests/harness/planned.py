# SPDX-License-Identifier: Apache-2.0
"""An invariant of the conductor, checked after every turn: each open submission has a planned next step."""

from __future__ import annotations

import math
from collections.abc import Iterator

from qiskit_parallel_ionq.conductor import Conductor
from qiskit_parallel_ionq.conductor.loop import Order
from qiskit_parallel_ionq.lifecycle import Phase


def require_plans(conductor: Conductor) -> None:
    """Fail if an open submission waits for something that nothing will bring about."""
    missing = list(_unplanned(conductor))
    assert not missing, "; ".join(missing)


def _unplanned(conductor: Conductor) -> Iterator[str]:
    for batch, ledger in conductor._ledgers.items():
        if ledger.is_given_up:
            continue
        is_cancelling = ledger.to_cancel or ledger.lane.ready[Order.CANCEL] or ledger.lane.under_way
        for number, (submission, voyage) in enumerate(zip(batch.submissions, ledger.voyages, strict=True)):
            which = f"submission {number} of run {batch.run.id}"
            if submission.phase is Phase.UNKNOWN and not (number in ledger.doubts and ledger.is_listing):
                yield f"{which} is in doubt, and no listing is planned"
            is_planned = voyage.due < math.inf or voyage.is_looked_at or voyage.bet_at is not None
            if submission.phase.is_in_service and not (
                is_planned or number in ledger.horizon.behind or (submission.cancel_asked and is_cancelling)
            ):
                yield f"{which} is {submission.phase.value}, and no look is planned"
            if submission.phase is Phase.FETCHING and voyage.reading is None:
                yield f"{which} is complete, and nothing reads its result"
