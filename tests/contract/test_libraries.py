# SPDX-License-Identifier: Apache-2.0
"""The libraries above Qiskit's primitives, in an environment of their own: large, so only where asked for.

The tests in ``libraries`` also run wherever a library can be imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.strangers
PYTHONS = (3, 11), (3, 12)
"""Where all of them can be installed."""


@pytest.mark.skipif(
    "QPI_LIBRARIES" not in os.environ, reason="large; set QPI_LIBRARIES=1 to install and run it"
)
@pytest.mark.parametrize("environment", ["libraries", "pennylane_libraries"])
@pytest.mark.skipif(sys.version_info[:2] not in PYTHONS, reason="not every library is there for this Python")
def test_libraries_run_unmodified(library_python, environment):
    everything = sorted((Path(__file__).parent / "libraries").glob("test_*.py"))
    tests = [each for each in everything if ("pennylane" in each.name) == ("pennylane" in environment)]
    command = [
        str(library_python(environment)),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *map(str, tests),
    ]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert finished.returncode == 0, finished.stdout
    assert " skipped" not in finished.stdout.splitlines()[-1]
