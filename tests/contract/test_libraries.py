# SPDX-License-Identifier: Apache-2.0
"""The libraries above Qiskit's primitives, in an environment of their own: large, so only where asked for.

The tests in ``libraries`` also run wherever a library can be imported.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.strangers


@pytest.mark.skipif(
    "QPI_LIBRARIES" not in os.environ, reason="large; set QPI_LIBRARIES=1 to install and run it"
)
def test_libraries_run_unmodified(library_python):
    tests = Path(__file__).parent / "libraries"
    command = [str(library_python), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert finished.returncode == 0, finished.stdout
    assert " skipped" not in finished.stdout.splitlines()[-1]
