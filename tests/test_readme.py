# SPDX-License-Identifier: Apache-2.0
"""Everything that the README and the pages of docs/ show is run."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from click.testing import CliRunner
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import ParallelIonQProvider, errors
from qiskit_parallel_ionq.cli import cli
from qiskit_parallel_ionq.credentials import TARGET_VARIABLES, TOKEN_VARIABLES, URL_VARIABLES
from qiskit_parallel_ionq.emulator import LocalIonQ
from qiskit_parallel_ionq.errors import CredentialsError

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
NEEDS_KEY = "# Needs an IonQ API key in the environment variable IONQ_API_KEY, or in a file .env\n"
"""First line of a block that needs an account."""
NEEDS_PACKAGES = re.compile(r"# Needs .*: pip install .*\n")
"""First line of a block that needs packages that the tests are not installed with."""
STARTS_PROCESSES = 'if __name__ == "__main__":'
"""In blocks whose worker processes import the file that the block is in."""
EXAMPLES = ROOT / "docs" / "examples"


def blocks(language: str) -> list:
    """Return a parameter for each block of a language."""
    found = []
    for page in PAGES:
        for number, (kind, text) in enumerate(FENCE.findall(page.read_text())):
            if kind == language:
                found.append(pytest.param(text, id=f"{page.relative_to(ROOT).as_posix()}-{number}"))
    return found


def python_blocks(*, with_key: bool) -> list:
    """Return a parameter for each block of Python that needs an API key, or for each other one."""
    return [block for block in blocks("python") if block.values[0].startswith(NEEDS_KEY) == with_key]


def commands() -> list:
    """Return all commands that the pages show; the page on the command line has tests of its own."""
    return [
        line.removeprefix("$ ")
        for block in blocks("console")
        if not block.id.startswith("docs/command-line.md")
        for line in block.values[0].splitlines()
        if line.startswith("$ ")
    ]


def run_block(code: str) -> None:
    """Run a block as if it had been pasted into a new interpreter. Only other packages may warn."""
    with warnings.catch_warnings():
        if NEEDS_PACKAGES.match(code):
            warnings.simplefilter("default")
        exec(compile(code, "<block>", "exec"), {"__name__": "__main__"})


def imported(code: str) -> set[str]:
    """Return the top-level packages that a block imports."""
    nodes = list(ast.walk(ast.parse(code)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.split(".")[0] for name in names}


@pytest.fixture
def new_folder(monkeypatch, tmp_path):
    """An empty working directory, no key and no other setting in the environment, and no network."""
    for variable in (*TOKEN_VARIABLES, *URL_VARIABLES, *TARGET_VARIABLES):
        monkeypatch.delenv(variable, raising=False)
    connect = socket.socket.connect

    def connect_here(connection, address):
        assert not isinstance(address, tuple) or address[0] in ("127.0.0.1", "::1"), address
        return connect(connection, address)

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("code", python_blocks(with_key=False))
def test_a_python_block_runs_as_pasted(code, new_folder, capsys):
    missing = sorted(name for name in imported(code) if importlib.util.find_spec(name) is None)
    if missing:
        assert NEEDS_PACKAGES.match(code), f"the block does not say that it needs {missing}"
        pytest.skip(f"not installed: {missing}")
    if STARTS_PROCESSES in code:
        (new_folder / "script.py").write_text(code)
        assert printed_by(new_folder / "script.py", new_folder)
    else:
        run_block(code)


@pytest.mark.parametrize("code", python_blocks(with_key=True))
def test_a_python_block_for_an_account_lacks_only_the_key(code, new_folder, monkeypatch, capsys):
    with pytest.raises(CredentialsError, match="IONQ_API_KEY"):
        run_block(code)
    with LocalIonQ(seed=1) as service:
        monkeypatch.setenv("IONQ_API_KEY", service.api_key)
        monkeypatch.setenv("IONQ_API_URL", service.url)
        run_block(code)
        assert ("POST", "/jobs", 201) in service.requests_log


def test_few_python_blocks_need_an_account():
    assert len(python_blocks(with_key=True)) == 2


@pytest.mark.parametrize("text", [*blocks("text"), *blocks("")])
def test_no_python_is_shown_as_text(text):
    try:
        statements = ast.parse(text).body
    except SyntaxError:
        return
    code = (ast.Import, ast.ImportFrom, ast.Call, ast.FunctionDef, ast.With)
    assert not [node for statement in statements for node in ast.walk(statement) if isinstance(node, code)]


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("qiskit-parallel-ionq")])
def test_a_command_of_ours_runs(command, new_folder):
    result = CliRunner().invoke(cli, shlex.split(command)[1:], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("command", [c for c in commands() if re.match(r"python (-m )?tests", c)])
def test_a_command_that_measures_exists_and_has_the_options(command):
    program, *arguments = shlex.split(command)[1:]
    start = ["-m", arguments.pop(0)] if program == "-m" else [program]
    finished = subprocess.run([sys.executable, *start, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert [name for name in arguments if name.startswith("-") and name not in finished.stdout] == []


def test_setting_up_is_one_command_for_the_main_job_and_one_for_the_tests():
    """`.ci/run` finds these two by how they end, and runs them."""
    script = (ROOT / ".ci" / "run").read_text()
    setting_up = [c for c in commands() if c.startswith("python3 -m venv .venv && ")]
    ends = ["qiskit-parallel-ionq demo", "-m pytest"]
    assert [c for c, end in zip(setting_up, ends, strict=True) if not c.endswith(end)] == []
    assert [end for end in ends if f'readme "{end}"' not in script] == []


def shown_commands() -> list:
    """Return each ``qiskit-parallel-ionq …`` in the text of a page."""
    found = {}
    for page in PAGES:
        for command in re.findall(r"`qiskit-parallel-ionq ([a-z][^`]*)`", page.read_text()):
            found[f"{page.relative_to(ROOT).as_posix()}: {command}"] = command
    return [pytest.param(command, id=name) for name, command in found.items()]


@pytest.mark.parametrize("command", shown_commands())
def test_a_command_in_a_sentence_has_its_options(command):
    name, *arguments = shlex.split(command)
    options = {option for parameter in cli.commands[name].params for option in parameter.opts}
    assert {word.split("=")[0] for word in arguments if word.startswith("-")} <= {*options, "--help"}


def test_the_page_on_errors_has_every_error():
    page = (ROOT / "docs" / "errors.md").read_text()
    bases = {errors.IonQError, errors.JobError}
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.IonQError)
    ]
    assert [kind.__name__ for kind in kinds if kind not in bases and f"`{kind.__name__}`" not in page] == []


def printed_by(example, folder, *options):
    """Run an example as a user would, and return what it prints."""
    command = [sys.executable, str(example), *options]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.parametrize("example", ["parallel_batch.py", "variational.py"])
def test_an_example_runs(example, tmp_path):
    assert printed_by(EXAMPLES / example, tmp_path, "--quick")


def test_the_classifier_learns(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn comes with the extra 'examples'")
    pytest.importorskip("matplotlib", reason="matplotlib comes with the extra 'examples'")
    small = ["--quick-test", "--epochs", "1", "--execution-time", "0.1", "--circuits-per-job", "20"]
    printed = printed_by(EXAMPLES / "image_classification.py", tmp_path, *small)
    told = [float(found) for found in re.findall(r"([\d.]+)% of unseen", printed.split("classical")[0])]
    before = float(re.search(r"([\d.]+)% of 60 unseen", printed)[1])
    assert len(told) == 1
    assert told[-1] > max(before, 50) + 20
    assert (tmp_path / "image_classification.png").stat().st_size > 10_000


def test_the_timeline_is_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib comes with the extra 'plot'")
    printed = printed_by(EXAMPLES / "timeline.py", tmp_path, "--quick")
    assert "19 done, 1 failed" in printed
    assert "answer lost" in printed
    assert (tmp_path / "timeline.svg").read_text().count("ansatz-") >= 20


def test_every_example_is_tried():
    tried = Path(__file__).read_text()
    examples = [path.name for path in EXAMPLES.glob("*.py")]
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
