# SPDX-License-Identifier: Apache-2.0
"""How long a run will still take, where that can be told; else nothing is said."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .batch import Batch
from .lifecycle import Submission
from .spans import skew
from .stamps import known
from .timeline import exchanges, execution_ms, in_service

ENOUGH = 4
"""Results from which a rate can be told."""
ALIKE = 3.0
"""Factor by which the rate of late and that of the whole run may differ: else results come in bursts."""
OVERDUE = 0.25
"""Part of its length by which a predicted execution may be overdue, or a second if that is more."""
FORETOLD = 1000
"""Jobs up to which each one's prediction is looked at."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What can be said of the time to come.

    Attributes:
        left: seconds until the last result; None where there is no telling.
        rate: circuits per second; None where results come in bursts.
    """

    left: float | None = None
    rate: float | None = None


def outlook(batch: Batch, now: float) -> Outlook:
    """Return how long a run will still take.

    If the service has all jobs that are left and has predicted each of them, it takes until the last one's
    time; else as long as it has taken of late, provided that this is like the time before.

    Args:
        batch: the run.
        now: on the conductor's clock.
    """
    rate, left = _rate(batch, now), _foretold(batch, now)
    if left is None and rate is not None:
        left = (batch.total - len(batch.finished)) / rate
    return Outlook(left, rate)


def _rate(batch: Batch, now: float) -> float | None:
    """Return the rate of the later half of the results, if it is like that of all."""
    stamps = batch.stamps
    ends = [at for index in list(batch.finished) if (at := known(stamps.ended, index)) is not None]
    starts = (stamps.began, known(stamps.compile_began, 0), known(stamps.taken, 0))
    began = next((at for at in starts if at is not None and not math.isnan(at)), None)
    if len(ends) < ENOUGH or began is None:
        return None
    half = len(ends) // 2
    recent, overall = now - ends[-half - 1], now - began
    if recent <= 0.0 or overall <= 0.0:
        return None
    rates = half / recent, len(ends) / overall
    return rates[0] if max(rates) <= ALIKE * min(rates) else None


def _foretold(batch: Batch, now: float) -> float | None:
    """Return the seconds until the last of the jobs that are left should be done."""
    pairs = list(zip(list(batch.parcels), list(batch.submissions), strict=False))
    left = [sent for parcel, sent in pairs if not all(map(batch.has_ended, parcel.circuits))]
    others = sum(index not in batch.parcel_of and not batch.has_ended(index) for index in range(batch.total))
    if others or not left or len(left) > FORETOLD:
        return None
    ahead = skew(exchanges(left))
    ends = [None if ahead is None else _end(sent, ahead, now) for sent in left]
    told = [end for end in ends if end is not None]
    return max(told) - now if len(told) == len(ends) else None


def _end(sent: Submission, ahead: float, now: float) -> float | None:
    """Return when a job should be done; None if nobody has said, or it should have been done long ago."""
    if sent.record is None or sent.accepted_at is None:
        return None
    lasts = execution_ms(sent.record)
    if lasts is None:
        return None
    started, _ = in_service(sent, ahead)
    end = (sent.accepted_at if started is None else started) + lasts / 1000.0
    return None if now - end > max(OVERDUE * lasts / 1000.0, 1.0) else max(end, now)
