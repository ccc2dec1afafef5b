# SPDX-License-Identifier: Apache-2.0
"""The page on the command line: its commands, typed from the first to the last, print what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from qiskit_parallel_ionq.cli import cli
from qiskit_parallel_ionq.cli.exit_codes import ExitCode
from qiskit_parallel_ionq.cli.run_ids import SHORT

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text()
RUN = re.compile(r"(?<=run )[0-9A-Za-z]{22}\b")


def masked(text: str) -> list[str]:
    """Return lines without what differs from run to run: times, and ids of IonQ jobs."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "<time>", text)
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<job>", text).strip().splitlines()


def test_the_page_shows_what_is_printed(command, account, tmp_path):
    for name, text in re.findall(r"^```text\n// (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    typed = re.findall(
        r"^```console\n\$ qiskit-parallel-ionq (.*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
    )
    assert len(typed) >= 6
    shown_id = RUN.search(typed[0][1])[0]
    run_id = "?" * len(shown_id)
    for arguments, shown in typed:
        ended = command(*shlex.split(arguments.replace(shown_id[:SHORT], run_id[:SHORT])))
        assert (ended.code, ended.err) == (0, ""), arguments
        found = RUN.search(ended.out)
        run_id = found[0] if found else run_id
        shown = shown.replace(shown_id, run_id).replace(shown_id[:SHORT], run_id[:SHORT])
        assert masked(ended.out) == masked(shown)
    assert {path.name for path in tmp_path.glob("*.json")} == {"results.json", "again.json"}


def test_the_page_tells_of_every_command_and_exit_code():
    assert [name for name in cli.commands if f"`{name}" not in PAGE] == []
    told = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert [int(code) for code in told] == [code.value for code in ExitCode]


def test_the_page_tells_of_every_member_of_the_document(command, account, circuits):
    document = command("run", "bell.qasm", "--memory", "--json").json
    for member in (*document, *document["circuits"][0]):
        assert f"`{member}`" in PAGE
