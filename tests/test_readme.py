# SPDX-License-Identifier: Apache-2.0
"""Everything that the README and the pages of docs/ show is run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list:
    found = []
    for page in PAGES:
        for number, (kind, text) in enumerate(BLOCK.findall(page.read_text())):
            if kind == language:
                found.append(pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}"))
    return found


def commands() -> list:
    """Return what is told to be typed; the page on the command line has tests of its own."""
    return [
        line.removeprefix("$ ")
        for block in blocks("console")
        if not block.id.startswith("docs/command-line.md")
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
    """`.ci/run` finds these two by how they end, and runs them."""
    script = (ROOT / ".ci" / "run").read_text()
    setting_up = [c for c in commands() if c.startswith("python3 -m venv .venv && ")]
    ends = ["qiskit-parallel-ionq demo", "-m pytest"]
    assert [c for c, end in zip(setting_up, ends, strict=True) if not c.endswith(end)] == []
    assert [end for end in ends if f'readme "{end}"' not in script] == []


def printed_by(example, folder, *options):
    """Run an example as a user would, and return what it prints."""
    command = [sys.executable, str(ROOT / "docs" / "examples" / example), *options]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.parametrize("example", ["parallel_batch.py", "variational.py"])
def test_an_example_runs(example, tmp_path):
    assert printed_by(example, tmp_path, "--quick")


def test_the_classifier_learns(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'examples'")
    pytest.importorskip("matplotlib", reason="matplotlib comes with the extra 'examples'")
    small = ["--quick-test", "--epochs", "2", "--execution-time", "0.1", "--circuits-per-job", "20"]
    printed = printed_by("image_classification.py", tmp_path, *small)
    told = [float(found) for found in re.findall(r"([\d.]+)% of unseen", printed.split("classical")[0])]
    before = float(re.search(r"([\d.]+)% of 60 unseen", printed)[1])
    assert len(told) == 2
    assert told[-1] > max(before, 50) + 20
    assert (tmp_path / "image_classification.png").stat().st_size > 10_000


def test_every_example_is_tried():
    tried = Path(__file__).read_text()
    examples = [path.name for path in (ROOT / "docs" / "examples").glob("*.py")]
    assert [name for name in examples if f'"{name}"' not in tried] == []


def masked(line: str) -> str:
    """Return a line without what may differ from run to run: ids, counts, times, order of arrival."""
    line = re.sub(r"job …\w{8} .*|job_id=[\w-]{36}", "job", line)
    return re.sub(r"circuit_id=\d+|\d+\.\d\d", "#", line)


def shown_in_the_readme(beginning: str) -> list[str]:
    """Return the lines of the text block that begins so; no bars, and nothing that was left out."""
    text = next(block.values[0] for block in blocks("text") if block.values[0].startswith(beginning))
    return [masked(line) for line in text.splitlines() if "%|" not in line and line.strip(". ")]


def test_the_demo_prints_what_the_readme_shows():
    printed = CliRunner().invoke(cli, ["demo"], catch_exceptions=False).output
    lines = {masked(line) for line in printed.splitlines()}
    assert [line for line in shown_in_the_readme("An emulated IonQ") if line not in lines] == []


def test_the_log_says_what_the_readme_shows(caplog):
    bell = QuantumCircuit(1, 1)
    bell.measure(0, 0)
    with caplog.at_level("INFO", "qiskit_parallel_ionq"), ParallelIonQProvider.local() as provider:
        provider.get_backend(target="simulator").run([bell] * 20).result()
    lines = {masked(message) for message in caplog.messages}
    assert [line for line in shown_in_the_readme("Executing") if line not in lines] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_every_option_is_in_the_readme():
    from qiskit_parallel_ionq.options import OPTION_NAMES

    text = (ROOT / "README.md").read_text()
    assert [name for name in OPTION_NAMES if f"`{name}`" not in text] == []
