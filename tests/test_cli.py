# SPDX-License-Identifier: Apache-2.0
"""The command line, as a person and as a script use it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.cli import cli, main


@pytest.fixture
def run():
    def invoke(*arguments, **kwargs):
        return CliRunner().invoke(cli, arguments, catch_exceptions=False, **kwargs)

    return invoke


@pytest.fixture
def account(monkeypatch, tmp_path):
    """An emulated service behind the environment variables that a user would set."""
    with ParallelIonQProvider.local(seed=1) as provider:
        monkeypatch.setenv("IONQ_API_URL", provider.url)
        monkeypatch.setenv("IONQ_API_KEY", provider._key().reveal())
        monkeypatch.delenv("IONQ_TARGET", raising=False)
        monkeypatch.chdir(tmp_path)
        yield provider


def test_the_demo_prints_counts_wall_time_ideal_time_and_ratio(run):
    shown = run("demo", "--num-circuits", "3", "--execution-time", "0.1", "--shots", "50").output
    assert shown.count("circuit  ") == 3
    assert "Wall time" in shown
    assert "ideal 0.40 s" in shown
    assert "ratio" in shown


def test_the_demo_compares_with_one_after_the_other(run):
    shown = run("demo", "--num-circuits", "3", "--execution-time", "0.1", "--compare").output
    assert "times faster" in shown


def test_the_demo_speaks_json(run):
    facts = json.loads(
        run("demo", "--num-circuits", "2", "--execution-time", "0", "--compare", "--json").output
    )
    assert facts["circuits"] == 2
    assert [sum(counts.values()) for counts in facts["counts"]] == [1000, 1000]
    assert facts["speed_up"] == pytest.approx(facts["sequential_s"] / facts["wall_s"])


def test_bench_times_both_ways_on_the_emulator(run):
    shown = run("bench", "--num-circuits", "3", "--execution-time", "0.1").output
    assert "sequential" in shown
    assert "max_workers=8" in shown


def test_bench_parallel_leaves_the_sequential_run_out(run):
    facts = json.loads(
        run("bench", "--parallel", "--num-circuits", "3", "--execution-time", "0", "--json").output
    )
    assert list(facts["modes"]) == ["parallel"]
    assert facts["speed_up"] is None


def test_bench_uses_a_real_account_when_a_target_is_given(run, account):
    facts = json.loads(
        run("bench", "--parallel", "--num-circuits", "2", "--target", "simulator", "--json").output
    )
    assert account.url in facts["where"]


def test_bench_asks_before_it_buys(run, account):
    refused = run(
        "bench", "--num-circuits", "2", "--target", "qpu.forte-1", input="n\n", standalone_mode=True
    )
    assert "This buys 4 jobs of 1000 shots each on qpu.forte-1" in refused.output
    assert refused.exit_code == 1
    bought = run("bench", "--parallel", "--num-circuits", "2", "--target", "qpu.forte-1", "--yes")
    assert bought.exit_code == 0


def test_backends_are_listed_without_a_key(run, account, monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY")
    rows = json.loads(run("backends", "--json").output)
    assert {"simulator", "qpu.forte-1"} <= {row["target"] for row in rows}
    assert "qpu.forte-1" in run("backends").output


def test_an_error_of_ours_is_one_message_and_exit_code_1(monkeypatch, tmp_path, capsys):
    for name in ("IONQ_API_KEY", "QISKIT_IONQ_API_TOKEN", "IONQ_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ending:
        main(["bench", "--url", "http://example.org"])
    assert ending.value.code == 1
    assert capsys.readouterr().err.startswith("Error: http:// would send the API key readable")


def test_wrong_usage_is_exit_code_2(capsys):
    with pytest.raises(SystemExit) as ending:
        main(["demo", "--num-circuits", "0"])
    assert ending.value.code == 2
    assert "--num-circuits" in capsys.readouterr().err


def test_serve_prints_what_to_export_and_stops_at_ctrl_c():
    import signal

    command = [sys.executable, "-m", "qiskit_parallel_ionq", "serve", "--execution-time", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as served:
        url, key = (served.stdout.readline().strip().partition("=")[2] for _ in range(2))
        with ParallelIonQProvider(key, url) as provider:
            assert "simulator" in provider.catalogue()
        served.send_signal(signal.SIGINT)
        assert served.wait(timeout=20) == 130
