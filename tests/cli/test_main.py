# SPDX-License-Identifier: Apache-2.0
"""What holds for all commands: help at once, errors in one message, exit codes, pipes."""

from __future__ import annotations

import os
import select
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qiskit_parallel_ionq import cli as package
from qiskit_parallel_ionq.cli import cli, main
from qiskit_parallel_ionq.cli.exit_codes import ExitCode

VERBS = ["run", "estimate", "jobs", "show", "resume", "cancel", "backends", "demo", "bench", "serve"]


def test_help_lists_the_commands_as_they_are_met_and_the_exit_codes(command):
    told = command("--help")
    assert told.code == 0
    commands = told.out.partition("Commands:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in commands.splitlines()] == VERBS
    assert "..." not in commands  # each is told whole, on a line of its own
    for code in ExitCode:
        assert f"\n    {code.value} " in told.out


def test_without_a_command_there_is_help(command):
    assert command() == command("--help")


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_help_in_80_columns_and_speaks_json(command, verb):
    told = command(verb, "--help")
    assert told.code == 0
    assert "--json" in told.out
    assert max(map(len, told.out.splitlines())) <= 80


def test_the_version_is_the_distribution_s(command):
    from qiskit_parallel_ionq import __version__

    assert command("--version").out == f"qiskit-parallel-ionq, version {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"], ["show", "nobody"]])
def test_what_needs_no_qiskit_does_not_import_it(arguments):
    code = (
        "import sys; from qiskit_parallel_ionq.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: print('qiskit' in sys.modules, 'numpy' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1] == "False False"


def test_every_module_says_what_it_is_for():
    for path in Path(package.__file__).parent.glob("*.py"):
        assert path.read_text().startswith('# SPDX-License-Identifier: Apache-2.0\n"""')


def test_an_error_of_ours_is_one_message_and_exit_code_1(capsys):
    with pytest.raises(SystemExit) as ending:
        main(["bench", "--url", "http://example.org"])
    assert ending.value.code == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("Error: http:// would send the API key readable")
    assert shown.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo", "--num-circuits", "0"],
        ["demo", "--execution-time", "nan"],
        ["demo", "--execution-time", "inf"],
        ["serve", "--rate-limit", "0"],
        ["frobnicate"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 2
    assert arguments[-1] in capsys.readouterr().err


def test_what_a_terminal_cannot_show_is_replaced(ours):
    environment = os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    with ours("demo", "--num-circuits", "1", "--execution-time", "0", env=environment) as shown:
        assert "job ?" in shown.communicate(timeout=60)[0]
        assert shown.returncode == 0


def test_a_reader_that_has_seen_enough_is_no_error_to_show(ours):
    with ours("demo", "--num-circuits", "200", "--execution-time", "0") as running:
        running.stdout.readline()
        running.stdout.close()
        assert running.wait(timeout=60) == 1
        assert "Traceback" not in running.stderr.read()


def test_no_error_of_another_s_making_is_hidden(monkeypatch):
    def broken(**_):
        raise ZeroDivisionError

    monkeypatch.setattr(cli.commands["jobs"], "callback", broken)
    with pytest.raises(ZeroDivisionError):
        main(["jobs"])


# ── on a terminal ──


@pytest.fixture
def on_a_terminal(tmp_path):
    """Return a function: arguments, columns -> the lines that a terminal shows of a command, and its code."""

    def run(*arguments, columns=80, typed=b""):
        pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX")
        ours, theirs = pty.openpty()
        termios, fcntl = pytest.importorskip("termios"), pytest.importorskip("fcntl")
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        command = [sys.executable, "-m", "qiskit_parallel_ionq", *arguments]
        with subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        ) as running:
            os.close(theirs)
            os.write(ours, typed)
            seen, deadline = b"", time.monotonic() + 60
            while time.monotonic() < deadline:
                ready, _, _ = select.select([ours], [], [], 0.2)
                try:
                    seen += os.read(ours, 65536) if ready else b""
                except OSError:  # the other end is closed
                    break
            code = running.wait(timeout=10)
        os.close(ours)
        text = seen.decode().replace("\r\n", "\n")
        return [line.rpartition("\r")[2] for line in text.splitlines()], code

    return run


def test_a_terminal_has_a_bar_and_tables_that_fit(on_a_terminal, account, circuits):
    wide = circuits / ("a-folder-with-a-rather-long-name-" * 2)
    wide.mkdir()
    shutil.copy("three.qpy", wide / "three.qpy")
    lines, code = on_a_terminal("run", "bell.qasm", str(wide), "--noise-model", "aria-1", "-n", "5000")
    assert code == 0
    assert any("4/4 [" in line for line in lines)
    assert any(line.startswith("      1  …") and "three.qpy" in line for line in lines)
    assert max(map(len, lines)) <= 80
    lines, _ = on_a_terminal("run", "bell.qasm", "--noise-model", "aria-1", "-n", "5000", columns=50)
    assert any(line.endswith("…") for line in lines)  # what does not fit is cut, and shows it
    assert max(map(len, lines)) <= 50


def test_a_pipe_has_no_bar_and_whole_cells(command, account, circuits):
    name = "a-file-with-a-rather-long-name.qasm"
    shutil.copy("bell.qasm", name)
    ended = command("run", name)
    assert ended.err == ""
    assert name in ended.out


def test_a_terminal_shows_messages_between_words(on_a_terminal, account, circuits):
    lines, code = on_a_terminal("run", "bell.qasm", "-t", "qpu.nope")
    assert code == 1
    assert lines[0].startswith("Error: there is no target 'qpu.nope'; ")
    assert len(lines) > 1
    assert max(map(len, lines)) <= 80


def test_a_person_answers_the_question(on_a_terminal, account, circuits):
    lines, code = on_a_terminal("run", "bell.qasm", "-t", "qpu.forte-1", typed=b"y\n")
    assert code == 0
    assert any(line.endswith("Go on? [y/N]: ") for line in lines)
    assert any("1 of 1 circuit done" in line for line in lines)
