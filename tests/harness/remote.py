# SPDX-License-Identifier: Apache-2.0
"""A misbehaving service in a process of its own, as tests see it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .faults import Script
from .service import KEY, VERSION, Habits

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).parents[2]


class RemoteIonQ:
    """Starts `faulty_ionq` and reads its log. A context manager.

    Args:
        folder: where the log is written; clients may keep their things there, too.
        script: when the service misbehaves.
        habits: how it behaves otherwise.
    """

    key = KEY

    def __init__(self, folder: Path, script: Script | None = None, habits: Habits | None = None) -> None:
        self.folder = folder
        self._log = folder / "server.log"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.faulty_ionq", "--log", str(self._log),
             "--script", (script or Script()).to_json(), "--habits", json.dumps(asdict(habits or Habits()))],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip() + VERSION

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def log(self) -> list[Mapping[str, Any]]:
        """Return what has happened so far; a line that is being written is left out."""
        lines = self._log.read_text().splitlines(keepends=True) if self._log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def stored(self) -> list[Mapping[str, Any]]:
        """Return the records of the jobs that were stored."""
        return [record for record in self.log() if record["is"] == "stored"]

    def posts(self) -> int:
        """Return how many submissions have come."""
        return sum(r["is"] == "request" and r["method"] == "POST" for r in self.log())

    def stop(self) -> list[Mapping[str, Any]]:
        """End the service and return its whole log: what it was to store later is stored by then."""
        if self._process.poll() is None:
            self._process.communicate("")
        return self.log()
