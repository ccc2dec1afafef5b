# SPDX-License-Identifier: Apache-2.0
"""What holds for all commands: help at once, errors in one message, exit codes, pipes."""

from __future__ import annotations

import os

import pytest

from qiskit_parallel_ionq.cli import main


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
