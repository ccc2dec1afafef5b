# SPDX-License-Identifier: Apache-2.0
"""One lost answer: a job is stored, its answer is spoilt once, and a client has to make the best of it.

``python -m tests.harness.lost_answers FILE`` tries all of them and writes the table to a file.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from qiskit_parallel_ionq import ParallelIonQProvider

from . import faults, report
from .circuits import numbered, outcome_of
from .faults import Fault, Script, status
from .patience import shorten
from .remote import RemoteIonQ

FAULTS = {
    "500": status(500, after=True),
    "502": status(502, after=True),
    "503": status(503, after=True),
    "504": status(504, after=True),
    "524": status(524, after=True),
    "connection reset": Fault("reset", after=True),
    "connection closed": Fault("close", after=True),
    "no answer ever": Fault("stall", after=True),
    "truncated body": Fault("truncated", after=True),
    "201 without JSON": Fault("garbage", after=True),
}
NUMBER, BITS = 5, 3


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of the one circuit."""

    stored: tuple[str, ...]
    """Jobs that the service has for it."""
    posts: int
    known: tuple[str | None, ...]
    """Jobs that the client names."""
    outcome: int | None

    @property
    def verdict(self) -> str:
        """What it comes to, in a word."""
        if len(self.stored) > 1:
            return f"bought {len(self.stored)} times"
        if self.known != self.stored:
            return "id lost"
        return "right" if self.outcome == NUMBER else "result lost"


Client = Callable[[RemoteIonQ], tuple[tuple[str | None, ...], int | None]]
"""Sends the circuit; returns the ids that it knows, and the outcome."""


def ours(remote: RemoteIonQ) -> tuple[tuple[str | None, ...], int | None]:
    """Send the circuit as users of this package do."""
    with ParallelIonQProvider(remote.key, remote.url, state_dir=remote.folder / "state") as provider:
        job = provider.get_backend("simulator").run(numbered(NUMBER, BITS), shots=10)
        entry = job.result(timeout=15.0, partial=True).results[0]
        return tuple(job.job_ids()), outcome_of(entry)


def tried(client: Client, fault: Fault, folder: Path, times: int = 1) -> Fate:
    """Have a client send the circuit to a service that spoils the answer so many times."""
    script = Script(plan={faults.POST: dict.fromkeys(range(1, times + 1), fault)})
    with RemoteIonQ(folder, script) as remote:
        known, outcome = client(remote)
        remote.stop()
        stored = tuple(record["id"] for record in remote.stored())
        return Fate(stored, remote.posts(), known, outcome)


def written(fates: dict[str, Fate]) -> str:
    """Return the page that tells of all of them."""
    rows = [(name, fate.posts, len(fate.stored), fate.verdict) for name, fate in fates.items()]
    right = sum(fate.verdict == "right" for fate in fates.values())
    return report.page(
        "One lost answer",
        "The service stores a job and then spoils the answer, once. Right is: one job, its id known, its "
        "result in place.",
        report.table(["fault after the job was stored", "submissions", "jobs stored", "verdict"], rows),
        f"Right: {right} of {len(fates)}.",
    )


def main() -> None:
    """Try all and write the table."""
    shorten()
    with tempfile.TemporaryDirectory() as folder:
        fates = {name: tried(ours, fault, _made(Path(folder) / name)) for name, fault in FAULTS.items()}
    report.write(Path(sys.argv[1]), written(fates))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
