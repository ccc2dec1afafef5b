# SPDX-License-Identifier: Apache-2.0
"""Clients of the simulation that notice which step of a circuit's way they are at.

So that something can befall them just then: a disk that fills up, a signal, a death.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from qiskit_parallel_ionq.errors import TransportError
from qiskit_parallel_ionq.transport import Reply

from . import faults
from .simulation import Client, KillableDisk, World

STEPS = (
    "serialise", "write intent", "connect", "TLS", "send", "store", "answer", "write acceptance",
    "poll", "page", "result", "write result", "cancel", "resume",
)  # fmt: skip
"""What a circuit passes on its way, in order; the last two only if somebody wants it."""
_LINES = {
    b"parcel": "serialise",
    b"sent": "write intent",
    b"accepted": "write acceptance",
    b"result": "write result",
}
_LINE = re.compile(rb'[0-9a-f]{8} \{"is":"([^"]+)"')
LEG = 0.02
"""Seconds that a connection takes, and again its handshake."""


class Moment:
    """Something that happens when a step is come to for the nth time.

    Args:
        step: one of `STEPS`.
        act: what happens; called on the strand that has come there, or when the service stores.
        nth: how often it must be come to.
    """

    def __init__(self, step: str, act: Callable[[], object], nth: int = 1) -> None:
        self._step, self._act, self._left = step, act, nth

    @property
    def has_come(self) -> bool:
        """Whether it has happened."""
        return self._left <= 0

    def reach(self, step: str) -> None:
        """Take note that a step was come to."""
        if step == self._step and self._left > 0:
            self._left -= 1
            if self._left == 0:
                self._act()


class SpoiltDisk(KillableDisk):
    """Tells what is written, and fails for good once told to."""

    def __init__(self, client: Client, moment: Moment) -> None:
        super().__init__(client.process)
        self._moment = moment
        self.broken: dict[str, int] = {}
        """What fails, ``write`` or ``sync`` -> errno."""

    def write(self, handle: int, data: bytes) -> None:
        """Write all of it, if anything can be written."""
        line = _LINE.match(data)
        self._moment.reach(_LINES.get(line[1], "") if line else "")
        self._fail("write")
        super().write(handle, data)

    def sync(self, handle: int) -> None:
        """Take note of what is durable from now on, if anything can be."""
        self._fail("sync")
        super().sync(handle)

    def _fail(self, call: str) -> None:
        if call in self.broken:
            raise OSError(self.broken[call], os.strerror(self.broken[call]))


class Line:
    """Stands before a client's network: tells the steps of each request, and keeps some from leaving.

    Args:
        world: where the client lives.
        client: whose network it is.
        moment: what is to happen at some step.
        unsent: step -> how many such requests there were, this one included -> seconds after which its
            connection is given up.
    """

    def __init__(
        self, world: World, client: Client, moment: Moment, unsent: Mapping[str, Mapping[int, float]]
    ) -> None:
        self._clock, self._client, self._network = world.clock, client, client.network
        self._moment, self._unsent = moment, unsent
        self._asked: Counter[str] = Counter()
        self.kept_back = 0

    def exchange(self, method: str, path: str, **given: Any) -> Reply:
        """Send one request and wait for its answer; see `Transport.exchange`."""
        step = _step(method, path, given)
        if step != "send":
            self._reach(step)
            self._lose(step)
            return self._network.exchange(method, path, **given)
        self._reach("connect")
        self._lose("connect")
        self._clock.sleep(LEG)
        self._reach("TLS")
        self._clock.sleep(LEG)
        self._reach("send")
        reply = self._network.exchange(method, path, **given)
        self._reach("answer")
        return reply

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _reach(self, step: str) -> None:
        self._client.tell(step)
        self._moment.reach(step)
        self._client.process.seam()

    def _lose(self, step: str) -> None:
        self._asked[step] += 1
        seconds = self._unsent.get(step, {}).get(self._asked[step])
        if seconds is not None:
            self.kept_back += 1
            self._clock.sleep(seconds)
            raise TransportError(f"{step}: no connection", sent=False)


class AttentiveClient(Client):
    """A client that something befalls at some step.

    Args:
        world: where it lives.
        moment: what is to happen, and when.
        unsent: see `Line`.
        threadless: numbers of the tasks for which no thread can be started.
    """

    def __init__(
        self,
        world: World,
        moment: Moment | None = None,
        unsent: Mapping[str, Mapping[int, float]] | None = None,
        threadless: frozenset[int] = frozenset(),
    ) -> None:
        super().__init__(world, world.folder)
        world.clients.append(self)
        moment = moment or Moment("", lambda: None)
        self.line = Line(world, self, moment, unsent or {})
        self.provider._api._transport = self.line
        self.disk = self.archive._disk = SpoiltDisk(self, moment)
        self.tasks_at: dict[str, int] = {}
        """Step -> number of the first task that came there."""
        self._threadless, self._tasks = threadless, 0
        self._task_of: dict[Any, int] = {}
        log = world.log

        def tell(record: Mapping[str, Any]) -> None:
            log.append(record)
            moment.reach("store" if record["is"] == "stored" else "")

        world.service._tell = tell

    def submit(self, work: Callable[[], object]) -> None:
        """Have a worker do something, if there is a thread for it."""
        self._tasks += 1
        number = self._tasks
        if number in self._threadless:
            raise RuntimeError("can't start new thread")

        def numbered() -> None:
            strand = self._clock.running
            self._task_of[strand] = number
            work()
            del self._task_of[strand]

        super().submit(numbered)

    def tell(self, step: str) -> None:
        """Take note of which task has come to a step."""
        if self._clock.running in self._task_of:
            self.tasks_at.setdefault(step, self._task_of[self._clock.running])


def _step(method: str, path: str, given: Mapping[str, Any]) -> str:
    if method == "POST":
        return "send"
    if method == "PUT":
        return "cancel"
    if path == "/jobs":
        return "poll" if any(name == "ids" for name, _ in given.get("params", ())) else "page"
    if path == "/whoami":
        return "resume"
    if "/results/" in path:
        return "result"
    return "poll" if path.startswith("/jobs/") else ""


ROUTES = {
    "store": faults.POST,
    "answer": faults.POST,
    "poll": faults.LOOK,
    "page": faults.LIST,
    "result": faults.RESULT,
    "cancel": faults.CANCEL,
    "resume": faults.WHOAMI,
}
"""Step -> the request that it is, as faults name it."""
