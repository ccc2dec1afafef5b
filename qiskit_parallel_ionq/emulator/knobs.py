# SPDX-License-Identifier: Apache-2.0
"""The settings of one emulated service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """How the service behaves. Times are seconds.

    Attributes:
        seed: makes every sampled result repeatable; None draws one.
        round_trip: added to each request, half before it is handled and half after.
        execution_time: how long a circuit runs: a number, or a function of the circuit's number, counted
            from 0 in the order the service stored them.
        queue_time: from submission until a circuit may start. Its first tenth is spent as ``submitted``
            (validation), the rest as ``ready``.
        running_slots: circuits that run at once; None for no limit.
        serial_children: circuits of a multi-circuit job run one after another, on one slot.
        rate_limit: requests per second, beyond which the answer is 429; None for no limit.
        burst: requests that may come at once under a rate limit; by default one second's worth.
        faults: scripted bad days, see `Fault`.
        control_flow: run ``if``/``else`` in OpenQASM 3 jobs. IonQ's documentation says no target does, so by
            default such jobs fail in preflight.
        artifacts_only: leave the legacy ``url`` entries out of ``results``, and answer 404 to legacy URLs.
    """

    seed: int | None = None
    round_trip: float = 0.0
    execution_time: float | Callable[[int], float] = 0.0
    queue_time: float = 0.0
    running_slots: int | None = None
    serial_children: bool = False
    rate_limit: float | None = None
    burst: int | None = None
    faults: tuple[Fault, ...] = ()
    control_flow: bool = False
    artifacts_only: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: a negative time, or a limit below one.
        """
        for name in ("round_trip", "queue_time"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if not callable(self.execution_time) and self.execution_time < 0:
            raise ValueError(f"execution_time must not be negative, not {self.execution_time}")
        for name in ("running_slots", "burst"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.rate_limit is not None and self.rate_limit <= 0:
            raise ValueError(f"rate_limit must be positive, not {self.rate_limit}")

    def duration(self, circuit_number: int) -> float:
        """How long a circuit runs."""
        if callable(self.execution_time):
            return self.execution_time(circuit_number)
        return self.execution_time
