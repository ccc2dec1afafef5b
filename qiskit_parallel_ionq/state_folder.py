# SPDX-License-Identifier: Apache-2.0
"""The folder in which runs are recorded, and which runs these are. No record is opened here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import platformdirs

VARIABLE = "QISKIT_PARALLEL_IONQ_STATE_DIR"
SUFFIX = ".journal"
"""How the name of a record ends; it begins with the run's id."""
_RUN_ID = re.compile(r"[0-9a-zA-Z]{22}(\.[0-9]{1,4})?")


def is_run_id(text: object) -> bool:
    """Say whether a text can be the id of a run, and so part of a file's name."""
    return isinstance(text, str) and _RUN_ID.fullmatch(text) is not None


def default_folder() -> Path:
    """Return where runs are recorded unless the user says otherwise."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return platformdirs.user_state_path("qiskit-parallel-ionq", appauthor=False)


def recorded_runs(folder: Path) -> Iterator[str]:
    """Yield the ids of all runs that are recorded in a folder, the latest first."""
    try:
        paths = [path for path in folder.iterdir() if path.name.endswith(SUFFIX)]
    except FileNotFoundError:
        return
    names = (path.name.removesuffix(SUFFIX) for path in sorted(paths, key=last_change, reverse=True))
    yield from filter(is_run_id, names)


def last_change(path: Path) -> float:
    """Return when a file was written last, in seconds of the wall clock; 0 where it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # somebody else has tidied up
        return 0.0
