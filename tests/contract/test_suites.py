# SPDX-License-Identifier: Apache-2.0
"""Test suites of Qiskit and of libraries above it, unmodified, with our backends and primitives in them.

They come from the source distributions on the package index; ``suites/suites.toml`` lists them. What fails in
them is listed there with its reason: a failed test that is not listed fails this test, and so does a listed one
that passes. The quick ones are part of every run, ``QPI_SUITES=1`` runs all of them. ``-s`` shows the figures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest needs it there

pytestmark = pytest.mark.strangers
HERE = Path(__file__).parent / "suites"
SUITES: Mapping[str, Mapping[str, Any]] = tomllib.loads((HERE / "suites.toml").read_text(encoding="utf-8"))
LIBRARY_PYTHONS = (3, 11), (3, 12)
"""Where all libraries can be installed."""


def disagreements(outcomes: Mapping[str, str], listed: list[str]) -> list[str]:
    """What the table of exceptions is wrong about.

    Args:
        outcomes: of each test, by its id.
        listed: ids of tests that fail; a trailing ``*`` stands for any end.
    """
    found, expected = [], set()
    for pattern in listed:
        stem = pattern.removesuffix("*")
        named = {name for name in outcomes if name == pattern or (stem != pattern and name.startswith(stem))}
        expected |= named
        if not named:
            found.append(f"listed, but there is no such test: {pattern}")
        found += [
            f"listed, but it {outcomes[name]}: {name}" for name in sorted(named) if outcomes[name] != "failed"
        ]
    failed = {name for name, outcome in outcomes.items() if outcome == "failed"}
    return found + [f"failed, and is not listed: {name}" for name in sorted(failed - expected)]


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_of_others_passes_but_for_what_is_listed(name, library_python, suite_files, tmp_path):
    suite = SUITES[name]
    if not suite.get("quick") and "QPI_SUITES" not in os.environ:
        pytest.skip("takes minutes; set QPI_SUITES=1 to run it")
    if suite["environment"] == "libraries" and sys.version_info[:2] not in LIBRARY_PYTHONS:
        pytest.skip("not every library is there for this Python")
    python = library_python(suite["environment"])
    report = tmp_path / "outcomes.json"
    command = [
        *(str(python), "-m", "pytest", "-q", "--tb=short", "-rfE", "--rootdir=.", f"--config-file={os.devnull}"),
        *("-p", "substitutes", "-p", "no:cacheprovider", "-p", "no:warnings", "--timeout=1800"),
        *suite["files"],
    ]  # fmt: skip
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "QPI_FACE": suite["face"],
        "QPI_OUTCOMES": str(report),
    }
    finished = subprocess.run(
        command,
        cwd=suite_files(suite["requirement"], python),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=7200,
    )
    assert report.exists(), finished.stdout + finished.stderr
    written = json.loads(report.read_text(encoding="utf-8"))
    outcomes, ours = written["outcomes"], written["ours"]
    listed = [test for exception in suite.get("exceptions", ()) for test in exception["tests"]]
    count = Counter(outcomes.values())
    print(
        f"\n{name}: {len(outcomes)} tests, {count['passed']} passed, {count['failed']} failed, "
        f"{count['skipped']} skipped by the suite itself; a backend of ours was used in {len(ours)}"
    )
    assert count["passed"], finished.stdout
    assert ours, "nothing was substituted"
    wrong = disagreements(outcomes, listed)
    assert not wrong, "\n".join([*wrong, "", finished.stdout])


def test_every_exception_has_a_reason():
    for suite in SUITES.values():
        for exception in suite.get("exceptions", ()):
            assert len(exception["reason"].split()) > 4
            assert exception["tests"]


def test_the_table_of_exceptions_is_held_in_both_directions():
    outcomes = {"a::x_1": "failed", "a::x_2": "failed", "a::y": "passed", "a::z": "failed", "a::s": "skipped"}
    assert disagreements(outcomes, ["a::x_*", "a::z"]) == []
    assert disagreements(outcomes, ["a::x_*"]) == ["failed, and is not listed: a::z"]
    assert disagreements(outcomes, ["a::*"]) == [
        "listed, but it skipped: a::s",
        "listed, but it passed: a::y",
    ]
    assert disagreements(outcomes, ["a::x_1", "a::x_2", "a::z", "a::gone"]) == [
        "listed, but there is no such test: a::gone"
    ]
