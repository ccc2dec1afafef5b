# SPDX-License-Identifier: Apache-2.0
"""The picture of the house, held by a test: imports go down only, and on a floor to the left only."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "qiskit_parallel_ionq"
FLOORS = {
    "words": "_version logs errors wire gates options policy",
    "thinking": "facts target compiler preflight encode structure packing drafts result_json decode lifecycle stamps spans sources parcel packer cost merge listing reconcile chronicle salvage",
    "doing": "answers clocks state_folder circuit_files credentials memory transport api journal archive shelf workshop budget batch worker conductor",
    "face": "timeline outlook display gantt report job rerun stretch stream backend session primitives recall provider",
    "door": "cli",
}
ORDER = " ".join(FLOORS.values()).split()
NEXT_DOOR = {"emulator", "__init__", "__main__"}


def sources(module: str) -> list[Path]:
    folder = PACKAGE / module
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{module}.py"]


def imported(path: Path) -> set[str]:
    """Return modules named by an import anywhere in a file, absolute."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(parts[: len(parts) - node.level]) if node.level else []
            base += [node.module] if node.module else []
            if not node.module or base == ["qiskit_parallel_ionq"]:
                names |= {".".join([*base, alias.name]) for alias in node.names}
            else:
                names.add(".".join(base))
    return names


def neighbours(module: str) -> set[str]:
    """Return modules of the package that a module names, itself left out."""
    ours = {name.split(".")[1] for path in sources(module) for name in imported(path) if is_ours(name)}
    return ours - {module}


def is_ours(name: str) -> bool:
    return name.startswith("qiskit_parallel_ionq.")


def test_every_module_on_disk_has_its_place():
    on_disk = {p.stem if p.suffix else p.name for p in PACKAGE.iterdir() if p.suffix in ("", ".py")}
    assert on_disk - {"__pycache__"} == set(ORDER) | NEXT_DOOR


@pytest.mark.parametrize("module", ORDER)
def test_imports_only_what_stands_before_it(module):
    allowed = set(ORDER[: ORDER.index(module)])
    if module in ("provider", "cli"):
        allowed |= {"emulator"}
    assert neighbours(module) <= allowed


def test_the_emulator_names_none_of_us():
    ours = {name for path in sources("emulator") for name in imported(path) if is_ours(name)}
    assert {name for name in ours if not name.startswith("qiskit_parallel_ionq.emulator")} == set()


@pytest.mark.parametrize(
    ("outside", "doors"),
    [
        ("qiskit_ionq", {"gates.py"}),
        ("requests", {"transport.py"}),
        ("urllib3", {"transport.py"}),
        (
            "threading",
            {
                "answers.py",
                "batch.py",
                "budget.py",
                "shelf.py",
                "session.py",
                "journal.py",
                "transport.py",
                "gate.py",
                "loop.py",
                "pool.py",
                "display.py",
                "provider.py",
            },
        ),
        ("platformdirs", {"state_folder.py"}),
        ("logging", {"logs.py", "main.py", "account.py"}),  # the command line sets the level, and asks for it
        ("subprocess", set()),
    ],
)
def test_each_outside_thing_has_one_door(outside, doors):
    here = {p for p in PACKAGE.rglob("*.py") if "emulator" not in p.relative_to(PACKAGE).parts}
    users = {p.name for p in here if any(n.split(".")[0] == outside for n in imported(p))}
    assert users <= doors


def test_the_picture_in_the_documentation_is_this_one():
    picture = (ROOT / "docs" / "how-it-works.md").read_text()
    for floor, modules in FLOORS.items():
        drawn = re.search(rf"^{floor} +(.*)$", picture, re.MULTILINE)
        assert drawn is not None, floor
        assert drawn[1].split() == [m for m in modules.split() if m != "_version"]


def test_nothing_sleeps():
    for path in PACKAGE.rglob("*.py"):
        if {"emulator", "cli"} & set(path.relative_to(PACKAGE).parts):
            continue
        assert "sleep(" not in path.read_text(), path


def test_the_lower_floors_know_no_clock_thread_or_file():
    quiet = FLOORS["words"].split() + FLOORS["thinking"].split()
    for module in quiet:
        for path in sources(module):
            used = {n.split(".")[0] for n in imported(path)}
            assert used & {"time", "threading", "socket", "pathlib", "os", "requests"} == set(), path


def committed() -> list[Path]:
    """Return the text files of the project, as far as they are not made by tools."""
    found = [path for path in ROOT.iterdir() if path.suffix in (".md", ".toml") or path.name == ".gitignore"]
    for folder in ("qiskit_parallel_ionq", "tests", "docs", ".ci"):
        found += [p for p in (ROOT / folder).rglob("*") if p.is_file()]
    return [p for p in found if "__pycache__" not in p.parts and "_build" not in p.parts]


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("a path of one machine", r"(?<![\w.}])/(?:root|work|home|Users|opt)/[a-z]"),
        ("a package index", r"index[-]url|(?:pypi|artifactory|nexus)\.[a-z]+[./][a-z]"),
        ("an API key", r"apiKey [0-9a-zA-Z]{12}|\b(?:ghp|sk|pypi)[-_][0-9a-zA-Z]{16}"),
    ],
)
def test_no_committed_text_names(what, pattern):
    secretive = re.compile(pattern)
    assert committed()
    for path in committed():
        found = secretive.search(path.read_text())
        assert found is None, f"{path.relative_to(ROOT)} names {what}: {found}"
