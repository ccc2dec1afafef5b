# SPDX-License-Identifier: Apache-2.0
"""Other people's clients and test suites, each in a virtual environment of its own, made once and kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from qiskit_parallel_ionq.emulator import Fault, LocalIonQ

CLIENTS = Path(__file__).parent / "clients"
OURS = ("pytest", "hypothesis", "--editable", str(Path(__file__).parents[2]))
SUITE_TOOLS = ("qiskit==2.6.2", "ddt==1.7.2", "pytest-timeout==2.4.0")
"""What the suites of Qiskit and of the libraries above it need, and the Qiskit whose suite is run."""
REQUIREMENTS = {
    "cirq_client": ("cirq-ionq==1.7.0",),
    "ionq_core_client": ("ionq-core==0.2.0",),
    "pennylane_client": ("pennylane-ionq==0.45.0", "pennylane==0.45.1"),
    "libraries": (
        "qiskit-machine-learning==0.9.1",
        "qiskit-algorithms==0.4.0",
        "qiskit-optimization==0.7.0",
        "qiskit-nature==0.8.0",
        "qiskit-finance==0.4.1",
        "qiskit-experiments==0.14.2",
        "qiskit-addon-cutting==0.10.0",
        "qiskit-addon-utils==0.4.0",
        "qiskit-addon-obp==0.3.0",
        "qiskit-addon-mpf==0.3.0",
        "qiskit-ibm-runtime==0.51.0",
        "mitiq==1.1.0; python_version < '3.13'",
        "ply",
        "qiskit-aer==0.18.2",
        "pyscf==2.14.0; sys_platform != 'win32'",
        *SUITE_TOOLS,
        *OURS,
    ),
    "qiskit_suite": (*SUITE_TOOLS, *OURS),
    "pennylane_libraries": ("pennylane-qiskit==0.45.0", "pennylane==0.45.1", *OURS),
}
UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Network is unreachable",
    "Connection refused",
    "Read timed out",
    "Could not fetch URL",
)
"""What pip says when there is no package index to talk to."""


def environments() -> Path:
    """Where the virtual environments are kept."""
    chosen = os.environ.get("QPI_CONTRACT_ENVS")
    if chosen:
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(cache) / "qiskit-parallel-ionq" / "contract"


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One test process at a time."""
    deadline = time.monotonic() + 900
    while True:
        try:
            lock.touch(exist_ok=False)
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                pytest.fail(f"Another process has been making this environment for long; delete {lock}.")
            time.sleep(0.5)
    try:
        yield
    finally:
        lock.unlink()


def pip(python: Path, verb: str, *arguments: str) -> None:
    """Run pip; skip the test where there is no package index, fail it where something else is wrong."""
    command = [str(python), "-m", "pip", verb, "--disable-pip-version-check", "--retries", "1", *arguments]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        said = outcome.stdout + outcome.stderr
        if any(sign in said for sign in UNREACHABLE):
            pytest.skip(f"no package index for pip {verb} {' '.join(arguments)}")
        pytest.fail(f"pip {verb} {' '.join(arguments)} failed:\n{said}")


def suite_of(requirement: str, python: Path) -> Path:
    """The folder with the test suite of a distribution, taken from its source distribution.

    Nothing else is unpacked: the suite has to import what is installed.

    Args:
        requirement: such as ``qiskit==2.6.2``.
        python: the interpreter whose pip fetches it.
    """
    folder = environments() / "suites" / requirement
    complete = folder / "complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder.with_name(f"{requirement}.lock")):
        if not complete.exists():
            with tempfile.TemporaryDirectory() as fetched:
                pip(python, "download", "--no-binary", ":all:", "--no-deps", "--dest", fetched, requirement)
                [archive] = Path(fetched).glob("*.tar.gz")
                with tarfile.open(archive) as source:
                    for member in source.getmembers():
                        _, _, member.name = member.name.partition("/")
                        if member.name.startswith("test/"):
                            source.extract(member, folder, filter="data")
            complete.touch()
    return folder


def interpreter(client: str) -> Path:
    """The Python that has a client's packages, installed if need be."""
    wanted = REQUIREMENTS[client]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = sha256(" ".join(wanted).encode()).hexdigest()[:8]
    folder = environments() / f"{client}-py{version}-{digest}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    complete = folder / "complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder.with_suffix(".lock")):
        if not complete.exists():
            venv.create(folder, with_pip=True, clear=True)
            pip(python, "install", *wanted)
            complete.touch()
    return python


@pytest.fixture(scope="session")
def library_python() -> Callable[[str], Path]:
    """The Python that has some of the libraries above Qiskit's primitives, and this package."""
    return interpreter


@pytest.fixture(scope="session")
def suite_files() -> Callable[[str, Path], Path]:
    """The folder with a distribution's test suite."""
    return suite_of


@pytest.fixture(scope="session")
def drive() -> Callable[[str], dict[str, Any]]:
    """Run a client's script against a new service and give what it printed, with the service's log."""

    def run(client: str) -> dict[str, Any]:
        if sys.version_info < (3, 11):
            pytest.skip("the pinned clients need Python 3.11")
        python = interpreter(client)
        busy = Fault("status", status=429, retry_after=1, path="/schemas/formats/scripted.429")
        with LocalIonQ(seed=3, faults=[busy]) as service:
            script = [str(python), str(CLIENTS / f"{client}.py"), service.url, service.api_key]
            outcome = subprocess.run(script, capture_output=True, text=True, check=False, timeout=180)
            assert outcome.returncode == 0, outcome.stderr
            return {**json.loads(outcome.stdout.splitlines()[-1]), "log": service.requests_log}

    return run
