# SPDX-License-Identifier: Apache-2.0
"""Other processes: the service that all clients talk to, and a client that is measured by itself."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

ROUND_TRIP = 0.15
"""Seconds that every request takes on its way, half of it in each direction."""

_SPAWN = multiprocessing.get_context("spawn")
_T = TypeVar("_T")


class Service:
    """The emulator in a process of its own, so that it has a core of its own.

    Args:
        **knobs: of `LocalIonQ`; a round trip takes 150 ms unless said otherwise.
    """

    def __init__(self, **knobs: Any) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        knobs = {"seed": 1, "round_trip": ROUND_TRIP, **knobs}
        self._process = _SPAWN.Process(target=_serve, args=(theirs, knobs), daemon=True)
        self._process.start()
        self.url, self.key = self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def stats(self) -> tuple[int, int]:
        """Return how many requests were served and how many connections were opened so far."""
        return self._ask("stats")  # type: ignore[no-any-return]

    def answered(self) -> dict[int, int]:
        """Return how many requests were answered with each status so far."""
        return self._ask("answered")  # type: ignore[no-any-return]

    def kill(self) -> None:
        """Stop dead: what is open is never answered."""
        self._process.kill()
        self._process.join()

    def _ask(self, what: str) -> Any:
        self._pipe.send(what)
        return self._pipe.recv()


def _serve(pipe: Any, knobs: dict[str, Any]) -> None:
    from qiskit_parallel_ionq.emulator import LocalIonQ

    with LocalIonQ(**knobs) as service:
        pipe.send((service.url, service.api_key))
        while True:
            stats = service.stats() if pipe.recv() == "stats" else None
            if stats is None:
                pipe.send(dict(Counter(status for *_, status in service.requests_log)))
            else:
                pipe.send((stats.requests, stats.connections))


@dataclass(slots=True)
class Cost:
    """What a piece of work took.

    Attributes:
        wall: seconds.
        cpu: seconds of this process's own time on a processor.
        requests: that the service answered.
        connections: that were opened to it.
    """

    wall: float = 0.0
    cpu: float = 0.0
    requests: int = 0
    connections: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """What stands beside the time in a row."""
        return {"cpu": round(self.cpu, 3), "requests": self.requests, "connections": self.connections}


@contextmanager
def timed(service: Service | None = None) -> Iterator[Cost]:
    """Measure what is done inside."""
    cost = Cost()
    requests, connections = service.stats() if service else (0, 0)
    wall, cpu = time.perf_counter(), time.process_time()
    yield cost
    cost.wall, cost.cpu = time.perf_counter() - wall, time.process_time() - cpu
    if service:
        requests_after, connections_after = service.stats()
        cost.requests, cost.connections = requests_after - requests, connections_after - connections


def best(work: Callable[[], object], repeat: int, service: Service | None = None) -> Cost:
    """Return what a piece of work takes when nothing disturbs it: the fastest of some repetitions."""
    costs = []
    for _ in range(repeat):
        with timed(service) as cost:
            work()
        costs.append(cost)
    return min(costs, key=lambda cost: cost.wall)


def processor(work: Callable[[], object], repeat: int) -> float:
    """Return the seconds of processor that a piece of work takes: the least of some repetitions.

    For work that waits for nothing this is its wall time on a machine that has nothing else to do.
    """
    times = []
    for _ in range(repeat):
        with timed() as cost:
            work()
        times.append(cost.cpu)
    return min(times)


def alone(work: Callable[..., _T], *arguments: Any) -> _T:
    """Return what a function of a module returns in a fresh process, whose time and memory are its alone."""
    with ProcessPoolExecutor(1, mp_context=_SPAWN) as pool:
        return pool.submit(work, *arguments).result()
