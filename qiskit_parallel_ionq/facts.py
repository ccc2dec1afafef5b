# SPDX-License-Identifier: Apache-2.0
"""How a target stands, in the words that Qiskit's users know, and which of several is the one to take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from . import wire
from .wire import CatalogEntry

_B = TypeVar("_B")


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """How a target stands, with the names that Qiskit has given to such things.

    >>> BackendStatus.of(CatalogEntry("qpu.forte-1", 36, average_queue_time=90_000), "ionq_qpu.forte-1")
    <BackendStatus of ionq_qpu.forte-1: available, average queue 1.5 min>
    """

    backend_name: str
    operational: bool
    """Whether circuits can be sent there now."""
    status_msg: str
    """The service's word: ``"available"``, ``"unavailable"`` or ``"retired"``."""
    average_queue_time: float | None = None
    """Seconds that jobs wait on average; None: the service does not say."""
    degraded: bool = False
    """Whether the machine works less well than usual."""
    last_updated: datetime | None = None
    """When the service last looked, by its clock."""
    pending_jobs: int | None = None
    """Not told by IonQ, so None; other providers' users look for it here."""

    @classmethod
    def of(cls, entry: CatalogEntry, backend_name: str) -> BackendStatus:
        """Return the status that an entry of the catalogue tells."""
        return cls(
            backend_name=backend_name,
            operational=entry.status == "available",
            status_msg=entry.status,
            average_queue_time=entry.queue_seconds,
            degraded=entry.degraded,
            last_updated=wire.moment(entry.last_updated),
        )

    def __repr__(self) -> str:
        words = [self.status_msg, *(["degraded"] if self.degraded else [])]
        if self.average_queue_time is not None:
            words.append(f"average queue {_span(self.average_queue_time)}")
        return f"<BackendStatus of {self.backend_name}: {', '.join(words)}>"


def _span(seconds: float) -> str:
    """Return a length of time in the unit that makes it readable."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 3600 else f"{seconds / 3600:.3g} h"


def is_wanted(
    entry: CatalogEntry,
    *,
    name: str | None = None,
    min_num_qubits: int | None = None,
    simulator: bool | None = None,
    operational: bool | None = None,
) -> bool:
    """Say whether an entry of the catalogue is among those asked for; None does not matter."""
    return (
        (name is None or entry.name == wire.target_name(name))
        and (min_num_qubits is None or entry.qubits >= min_num_qubits)
        and (simulator is None or simulator is not wire.is_qpu(entry.name))
        and (operational is None or operational is (entry.status == "available"))
    )


def least_busy(candidates: Iterable[_B], entry_of: Callable[[_B], CatalogEntry]) -> _B | None:
    """Return the one with the shortest queue: healthy ones first, and last those that say nothing of it."""

    def waiting(candidate: _B) -> tuple[bool, bool, float]:
        entry = entry_of(candidate)
        queue = entry.queue_seconds
        return entry.degraded, queue is None, queue or 0.0

    return min(candidates, key=waiting, default=None)
