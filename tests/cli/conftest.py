# SPDX-License-Identifier: Apache-2.0
"""The command line in this process and in one of its own, over an emulated account."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import PIPE

import pytest
from click.testing import CliRunner
from qiskit import QuantumCircuit, qpy

from qiskit_parallel_ionq.cli import cli, main
from qiskit_parallel_ionq.emulator import LocalIonQ
from qiskit_parallel_ionq.state_folder import VARIABLE


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No key, no target, no `.env`, no runs on record; and a log that is as it was afterwards."""
    for name in ("API_KEY", "API_TOKEN", "API_URL", "TARGET"):
        monkeypatch.delenv(f"IONQ_{name}", raising=False)
        monkeypatch.delenv(f"QISKIT_IONQ_{name}", raising=False)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("qiskit_parallel_ionq")
    monkeypatch.setattr(logger, "level", logger.level)
    return logger


@pytest.fixture
def run():
    def invoke(*arguments, **kwargs):
        return CliRunner().invoke(cli, arguments, catch_exceptions=False, **kwargs)

    return invoke


@pytest.fixture
def account(nobody, monkeypatch):
    """An emulated service behind the environment variables that a user would set."""
    with LocalIonQ(seed=1) as service:
        monkeypatch.setenv("IONQ_API_URL", service.url)
        monkeypatch.setenv("IONQ_API_KEY", service.api_key)
        yield service


@pytest.fixture
def faulty(nobody, monkeypatch):
    """Return a function: faults and knobs -> a service with them, behind the environment variables."""
    services = []

    def serve(*faults, **knobs) -> LocalIonQ:
        service = LocalIonQ(seed=1, faults=faults, **knobs).start()
        services.append(service)
        monkeypatch.setenv("IONQ_API_URL", service.url)
        monkeypatch.setenv("IONQ_API_KEY", service.api_key)
        return service

    yield serve
    for service in services:
        service.close()


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def command(capsys, monkeypatch):
    """Return a function: arguments -> how the command ended, run as a shell would run it."""

    def run(*arguments, given: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ending:
            main(list(map(str, arguments)))
        return Ended(ending.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def ours():
    """Return a context manager: arguments -> the command in a process of its own."""

    @contextmanager
    def process(*arguments, **kwargs):
        command = [sys.executable, "-m", "qiskit_parallel_ionq", *arguments]
        with subprocess.Popen(command, **{"text": True, "stdout": PIPE, "stderr": PIPE, **kwargs}) as running:
            try:
                yield running
            finally:
                running.kill()

    return process


@pytest.fixture
def wait_until():
    def wait(condition) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    return wait


BELL_2 = """OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0], q[1];
measure q -> c;
"""
BELL_3 = """OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q;
bit[2] c;
h q[0];
cx q[0], q[1];
c = measure q;
"""


@pytest.fixture
def circuits(tmp_path):
    """The working folder with three files: ``bell.qasm``, ``bell.qasm3``, and ``three.qpy`` of 3 circuits."""
    (tmp_path / "bell.qasm").write_text(BELL_2)
    (tmp_path / "bell.qasm3").write_text(BELL_3)
    flipped = []
    for index in range(3):
        circuit = QuantumCircuit(2, 2, name=f"flip-{index}")
        if index:
            circuit.x(index - 1)
        circuit.measure([0, 1], [0, 1])
        flipped.append(circuit)
    with (tmp_path / "three.qpy").open("wb") as file:
        qpy.dump(flipped, file)
    return tmp_path
