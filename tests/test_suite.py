# SPDX-License-Identifier: Apache-2.0
"""What the tests rely on: all cores for the whole suite, and servers that take many connections at once."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")


@pytest.fixture
def processes(tmp_path):
    """Return a function: pytest's options -> how many processes run a suite of four tests."""
    pytest.importorskip("xdist")
    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy(CONFTEST, tests)
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\ntestpaths = ["tests"]\n')
    (tests / "test_process.py").write_text(
        "import os, pathlib, pytest\n"
        "@pytest.mark.parametrize('number', range(4))\n"
        "def test_process(number):\n"
        "    pathlib.Path(f'process-{os.getpid()}').touch()\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTEST_XDIST_AUTO_NUM_WORKERS": "2", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def run(*options):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "xdist", *options]
        finished = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return len(list(tmp_path.glob("process-*")))

    return run


def test_the_whole_suite_runs_in_several_processes(processes):
    assert processes() == 2


@pytest.mark.parametrize(
    "options", [("-k", "process"), ("tests/test_process.py",), ("-p", "no:xdist")], ids=str
)
def test_chosen_tests_and_tests_without_xdist_run_in_one_process(processes, options):
    assert processes(*options) == 1


def test_a_server_of_a_test_takes_many_connections_at_once():
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server, ExitStack() as stack:
        for _ in range(64):  # and it accepts none of them yet
            stack.enter_context(socket.create_connection(server.server_address, timeout=0.5))
