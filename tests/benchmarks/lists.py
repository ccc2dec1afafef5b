# SPDX-License-Identifier: Apache-2.0
"""Lists of circuits that all run at once: how close each client comes to one way there and one way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from .circuits import native
from .clients import PEERS, cirq_row, our_backend, peer_backend, peer_run
from .processes import ROUND_TRIP, Service, best
from .rows import OURS, PACKED, THREADS, Row, Setup

EXECUTION = 0.5
LIMIT = 1.15
LONGEST = 100
"""More circuits are not run by ten threads, each wave of which waits for a poll of five seconds."""


def measure(setup: Setup) -> Iterator[Row]:
    """Run 20, 100 and 1,000 circuits."""
    ideal = ROUND_TRIP + EXECUTION + ROUND_TRIP
    for count in (20,) if setup.quick else (20, 100, 1_000):
        made = list(native(count))
        blank = Row("lists", f"{count:,} circuits", OURS, None, "s", ideal, "ideal")
        with Service(execution_time=EXECUTION) as service:
            for who, options in ((OURS, {}), (PACKED, {"circuits_per_job": "auto"})):
                with our_backend(service) as backend:
                    cost = best(
                        lambda: backend.run(made, shots=1000, **options).result(timeout=600),
                        setup.repeat,
                        service,
                    )
                limit = LIMIT if who == PACKED and count > 20 else None
                yield replace(blank, who=who, value=cost.wall, limit=limit, facts=cost.facts)
            backend = peer_backend(service)
            for who in PEERS:
                if who == THREADS and count > LONGEST:
                    note = f"not run: {count // 10} waves of 5.6 s"
                    yield replace(blank, who=who, note=note)
                    continue
                repeat = 1 if who == THREADS else setup.repeat
                cost = best(lambda: peer_run(backend, made, who), repeat, service)
                yield replace(blank, who=who, value=cost.wall, facts=cost.facts)
            yield cirq_row(setup, service, count, blank)
