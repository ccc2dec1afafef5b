# SPDX-License-Identifier: Apache-2.0
"""What the package exports: imported when it is first used, and the same for people, tools and types."""

from __future__ import annotations

import ast
import importlib
import logging
import subprocess
import sys
from pathlib import Path

import pytest

import qiskit_parallel_ionq
from qiskit_parallel_ionq import logs


def in_a_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", qiskit_parallel_ionq.__all__)
def test_every_name_is_there_and_listed(name):
    assert getattr(qiskit_parallel_ionq, name) is not None
    assert name in dir(qiskit_parallel_ionq)


def test_types_see_the_names_where_programs_find_them():
    tree = ast.parse(Path(qiskit_parallel_ionq.__file__).read_text())
    shown = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert sorted(shown) == sorted(qiskit_parallel_ionq.__all__)
    homes = {name: qiskit_parallel_ionq._HOMES.get(name, "errors") for name in shown}
    assert homes == shown


def test_importing_it_does_not_import_qiskit():
    code = "import sys, qiskit_parallel_ionq; print('qiskit' in sys.modules, 'numpy' in sys.modules)"
    assert in_a_new_process(code) == "False False"


def test_names_and_modules_are_found_after_a_bare_import():
    code = (
        "import qiskit_parallel_ionq as q; from qiskit_parallel_ionq import *; "
        "print(q.ParallelIonQProvider is ParallelIonQProvider, q.primitives.SamplerV2.__name__, "
        "issubclass(ApiError, q.errors.IonQError))"
    )
    assert in_a_new_process(code) == "True SamplerV2 True"


def test_a_name_that_is_not_there_is_an_attribute_error():
    assert not hasattr(qiskit_parallel_ionq, "ParallelIonq")
    assert not hasattr(qiskit_parallel_ionq, "_private")
    with pytest.raises(ImportError, match="cannot import name 'Frobnicator'"):
        exec("from qiskit_parallel_ionq import Frobnicator")


# ── what a program that does not configure logging sees ──

RUN = """
import logging
from qiskit import QuantumCircuit
from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.emulator import Fault

SETUP
bell = QuantumCircuit(2)
bell.h(0)
bell.cx(0, 1)
bell.measure_all()
faults = [FAULTS]
with ParallelIonQProvider.local(seed=7, faults=faults) as provider:
    job = provider.get_backend().run([bell] * 20, shots=10)
    job.result(partial=True)
"""
BUSY = 'Fault("status", status=429, retry_after=1, method="POST", path="/jobs", nth=1)'
FAILED = 'Fault("fail", name="*", code="InternalError", message="because")'
LIMITED = "The service limits how often"


def complaints(setup: str = "", faults: str = "") -> str:
    code = RUN.replace("SETUP", setup).replace("FAULTS", faults)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("faults", ["", FAILED], ids=["all is well", "circuits fail"])
def test_a_run_without_surprises_writes_nothing(faults):
    assert complaints(faults=faults) == ""


@pytest.mark.parametrize(
    "setup",
    [
        "",
        "logging.basicConfig()",
        "logging.basicConfig(level=logging.INFO)",
        "logging.getLogger('qiskit_parallel_ionq').addHandler(logging.StreamHandler())",
    ],
)
def test_a_warning_is_shown_once_however_logging_is_configured(setup):
    assert complaints(setup, BUSY).count(LIMITED) == 1


@pytest.mark.parametrize(
    "setup",
    [
        "logging.getLogger('qiskit_parallel_ionq').addHandler(logging.NullHandler())",
        "logging.getLogger('qiskit_parallel_ionq').setLevel(logging.CRITICAL)",
    ],
)
def test_a_program_can_silence_warnings(setup):
    assert complaints(setup, BUSY) == ""


@pytest.mark.parametrize(
    "logger", ["provider", "conductor.loop", "conductor.gate", "conductor.submitting", "journal"]
)
def test_modules_that_warn_of_money_and_minutes_use_a_logger_without_a_handler(logger):
    module = importlib.import_module(f"qiskit_parallel_ionq.{logger}")
    assert module.logger is logs.logger
    handlers = logging.getLogger("qiskit_parallel_ionq").handlers
    assert not any(isinstance(handler, logging.NullHandler) for handler in handlers)
