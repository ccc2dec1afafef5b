# SPDX-License-Identifier: Apache-2.0
"""Completion in the shell: commands, options, and the ids of recorded runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from qiskit_parallel_ionq.cli.run_ids import in_short, meant_by

RUNS = [
    "4fQaaaaaaaaaaaaaaaaaaa",
    "4fQbbbbbbbbbbbbbbbbbbb",
    "9xYzzzzzzzzzzzzzzzzzzz",
    "9xYzzzzzzzzzzzzzzzzzzz.1",
]


@pytest.fixture
def recorded(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    for run_id in RUNS:
        (state / f"{run_id}.journal").touch()


def completed(*words: str) -> list[str]:
    """What bash is offered for the last word."""
    environment = os.environ | {
        "_QISKIT_PARALLEL_IONQ_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["qiskit-parallel-ionq", *words]),
        "COMP_CWORD": str(len(words)),
    }
    command = [sys.executable, "-m", "qiskit_parallel_ionq"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_commands_and_options_are_completed():
    assert completed("re") == ["resume"]
    assert completed("s") == ["show", "serve"]
    assert completed("run", "--max-w") == ["--max-workers"]


@pytest.mark.parametrize("verb", ["show", "resume", "cancel"])
def test_ids_of_recorded_runs_are_completed(recorded, verb):
    assert sorted(completed(verb, "4fQ")) == RUNS[:2]
    assert completed(verb, "x") == []


def test_bash_completes_with_the_documented_line(recorded, tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    program = tmp_path / "bin" / "qiskit-parallel-ionq"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m qiskit_parallel_ionq "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(_QISKIT_PARALLEL_IONQ_COMPLETE=bash_source qiskit-parallel-ionq)"
        COMP_WORDS=(qiskit-parallel-ionq resume 9xYzzzzzzzzzzzzzzzzzzz.)
        COMP_CWORD=2
        $(complete -p qiskit-parallel-ionq | sed 's/.*-F \\([^ ]*\\).*/\\1/') qiskit-parallel-ionq
        echo "${COMPREPLY[@]}"
    """
    environment = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([bash, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["9xYzzzzzzzzzzzzzzzzzzz.1"], done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_have_a_script_too(shell):
    environment = os.environ | {"_QISKIT_PARALLEL_IONQ_COMPLETE": f"{shell}_source"}
    command = [sys.executable, "-m", "qiskit_parallel_ionq"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert f"_QISKIT_PARALLEL_IONQ_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(
    ("text", "runs"),
    [("4fQa", RUNS[:1]), ("4fQ", RUNS[:2]), ("9", RUNS[2:3]), ("9x.1", RUNS[3:]), ("9x.2", []), ("z", [])],
)
def test_a_beginning_means_the_first_execution_unless_it_says_which(text, runs):
    assert meant_by(text, RUNS) == runs


def test_short_ids_are_long_enough_to_be_told_apart():
    twins = ["same4same4a" + "0" * 11, "same4same4b" + "0" * 11]
    shortened = in_short(twins)
    assert [len(text) for text in shortened] == [11, 11]
    assert [meant_by(text, twins) for text in shortened] == [[twin] for twin in twins]
    assert in_short(RUNS[2:]) == ["9xYzzzzz", "9xYzzzzz.1"]
