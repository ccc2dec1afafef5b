# SPDX-License-Identifier: Apache-2.0
"""``serve`` and ``backends``: the emulated service in a process of its own, and what a service offers."""

from __future__ import annotations

import json
import signal

import pytest

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.cli import main


def test_backends_are_listed_without_a_key(run, account, monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY")
    rows = json.loads(run("backends", "--json").output)
    assert {"simulator", "qpu.forte-1"} <= {row["target"] for row in rows}
    assert "qpu.forte-1" in run("backends").output


def test_a_port_that_is_taken_is_named(account, capsys):
    port = account.url.rpartition(":")[2].partition("/")[0]
    with pytest.raises(SystemExit) as ending:
        main(["serve", "--port", port])
    assert ending.value.code == 1
    assert capsys.readouterr().err.startswith(f"Error: cannot listen on port {port}: ")


def test_serve_prints_what_to_export_and_stops_at_ctrl_c(ours):
    with ours("serve", "--execution-time", "0") as served:
        url, key = (served.stdout.readline().strip().partition("=")[2] for _ in range(2))
        with ParallelIonQProvider(key, url) as provider:
            assert "simulator" in provider.catalogue()
        served.send_signal(signal.SIGINT)
        assert served.wait(timeout=20) == 130
        assert "Served 1 requests." in served.stderr.read()
