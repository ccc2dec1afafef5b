# SPDX-License-Identifier: Apache-2.0
"""A local IonQ service: real HTTP on loopback, for tests, demonstrations and rehearsals of bad days.

It imports nothing from the rest of the package: it has its own circuit reader and its own matrices, so that a
mistake in the client cannot hide behind the same mistake here.
"""

from __future__ import annotations

from .faults import Fault
from .knobs import Knobs
from .service import LocalIonQ, Stats

__all__ = ["Fault", "Knobs", "LocalIonQ", "Stats"]
