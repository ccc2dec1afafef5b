# SPDX-License-Identifier: Apache-2.0
"""Everything that the README and the pages of docs/ show is run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list:
    found = []
    for page in PAGES:
        for number, (kind, text) in enumerate(BLOCK.findall(page.read_text())):
            if kind == language:
                found.append(pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}"))
    return found


def commands() -> list:
    return [
        line.removeprefix("$ ")
        for block in blocks("console")
        for line in block.values[0].splitlines()
        if line.startswith("$ ")
    ]


@pytest.fixture
def emulated_account(monkeypatch, tmp_path):
    """An emulated service behind the environment variables that a user would set."""
    with ParallelIonQProvider.local(seed=1) as provider:
        monkeypatch.setenv("IONQ_API_URL", provider.url)
        monkeypatch.setenv("IONQ_API_KEY", provider._key().reveal())
        monkeypatch.delenv("IONQ_TARGET", raising=False)
        monkeypatch.chdir(tmp_path)
        yield


@pytest.mark.parametrize("code", blocks("python"))
def test_a_python_block_runs(code, emulated_account, capsys):
    bell = QuantumCircuit(2, name="bell")
    bell.h(0)
    bell.cx(0, 1)
    bell.measure_all()
    exec(compile(code, "<page>", "exec"), {"circuits": [bell] * 3, "__name__": "__page__"})


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("qiskit-parallel-ionq")])
def test_a_command_of_ours_runs(command):
    result = CliRunner().invoke(cli, shlex.split(command)[1:], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_setting_up_is_one_command_for_the_main_job_and_one_for_the_tests():
    """`.ci/run` runs these two, word for word."""
    script = (ROOT / ".ci" / "run").read_text()
    setting_up = [c for c in commands() if "venv" in c]
    assert len(setting_up) == 2
    for command in setting_up:
        install = re.search(r"install (.*?) &&", command)
        assert install is not None
        assert install[1].strip("'") in script


def test_every_option_is_in_the_readme():
    from qiskit_parallel_ionq.options import OPTION_NAMES

    text = (ROOT / "README.md").read_text()
    assert [name for name in OPTION_NAMES if f"`{name}`" not in text] == []
