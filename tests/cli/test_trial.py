# SPDX-License-Identifier: Apache-2.0
"""``demo`` and ``bench``: what they time, what they print, and that nothing is bought unasked."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.cli import main
from qiskit_parallel_ionq.cli.trial import _ideal_time
from qiskit_parallel_ionq.emulator import LocalIonQ
from qiskit_parallel_ionq.wire import JobState


def test_the_demo_prints_counts_wall_time_ideal_time_and_ratio(run):
    shown = run("demo", "--num-circuits", "3", "--execution-time", "0.1", "--shots", "50").output
    assert shown.count("circuit  ") == 3
    assert "ideal 0.40 s; ratio" in shown
    assert "Ideal: 1 round trip to submit, 0.1 s of execution, 1 to fetch." in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_demo_compares_with_one_after_the_other(run):
    shown = run("demo", "--num-circuits", "3", "--execution-time", "0.1", "--compare").output
    assert "Now the same, one after the other" in shown
    assert "times faster" in shown
    assert "scaled" not in shown


def test_a_quick_comparison_says_that_it_is_scaled(run):
    facts = json.loads(
        run("demo", "--num-circuits", "10", "--execution-time", "0", "--compare", "--quick", "--json").output
    )
    assert facts["sequential_circuits"] == 5
    assert facts["speed_up"] == pytest.approx(2 * facts["sequential_s"] / facts["wall_s"])
    shown = run("demo", "--num-circuits", "6", "--execution-time", "0", "--compare", "--quick").output
    assert "Now 5 of them, one after the other" in shown
    assert "(scaled from 5 circuits in " in shown


def test_the_demo_speaks_json(run):
    facts = json.loads(run("demo", "--num-circuits", "1", "--execution-time", "0", "--json").output)
    assert facts["circuits"] == 1
    assert [sum(counts.values()) for counts in facts["counts"]] == [1000]
    assert len(facts["job_ids"]) == 1
    assert facts["ratio"] == pytest.approx(facts["wall_s"] / facts["ideal_s"])


def test_the_demo_heeds_no_target_from_the_environment(run, monkeypatch):
    monkeypatch.setenv("IONQ_TARGET", "qpu.nowhere")
    assert run("demo", "--num-circuits", "1", "--execution-time", "0").exit_code == 0


@pytest.mark.parametrize(
    ("circuits", "workers", "execution", "seconds"),
    [(1, 10, 3.0, 3.3), (20, 10, 3.0, 3.45), (21, 10, 3.0, 3.6), (20, 1, 0.5, 6.0), (8, 10, 0.0, 0.3)],
)
def test_the_ideal_time_counts_waves_of_round_trips(circuits, workers, execution, seconds):
    """N submissions and N fetches of 150 ms over W connections, and one execution."""
    assert _ideal_time(circuits, workers, execution)[0] == pytest.approx(seconds)


def test_bench_times_both_ways_on_the_emulator(run):
    shown = run("bench", "--num-circuits", "3", "--execution-time", "0.1").output
    rows = {
        line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.startswith(("seq", "par"))
    }
    assert float(rows["sequential"][0]) > float(rows["parallel"][0]) > 0.1
    assert float(rows["parallel"][1]) == pytest.approx(float(rows["parallel"][0]) / 3, abs=0.01)
    assert "times faster (max_workers=8)" in shown


def test_bench_parallel_leaves_the_sequential_run_out(run):
    facts = json.loads(
        run("bench", "--parallel", "--num-circuits", "3", "--execution-time", "0", "--json").output
    )
    assert list(facts["seconds"]) == ["parallel"]
    assert facts["where"] == "the emulator"
    assert facts["speed_up"] is None


def test_bench_compares_when_both_switches_are_given(run):
    facts = json.loads(
        run(
            "bench", "--compare", "--parallel", "--num-circuits", "2", "--execution-time", "0", "--json"
        ).output
    )
    assert list(facts["seconds"]) == ["sequential", "parallel"]
    assert facts["speed_up"] == pytest.approx(facts["seconds"]["sequential"] / facts["seconds"]["parallel"])


def test_bench_uses_a_real_account_when_a_target_is_given(run, account):
    facts = json.loads(
        run("bench", "--parallel", "--num-circuits", "2", "--target", "simulator", "--json").output
    )
    assert facts["where"] == f"simulator at {account.url}"


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_bench_asks_before_it_buys(run, account, answer):
    refused = run(
        "bench", "--num-circuits", "2", "--target", "qpu.forte-1", input=answer, standalone_mode=True
    )
    assert "This buys 4 jobs of 1000 shots each (4,000 shots) on qpu.forte-1" in refused.output
    assert "nothing was sent" in refused.output
    assert refused.exit_code == 1


def test_bench_buys_once_it_may(run, account):
    asked = ("bench", "--parallel", "--num-circuits", "2", "--target", "qpu.forte-1")
    assert "In parallel:" in run(*asked, input="y\n").output
    unasked = run(*asked, "--yes")
    assert "In parallel:" in unasked.output
    assert "This buys" not in unasked.output


def test_nobody_is_asked_to_buy_without_a_key(account, monkeypatch, capsys):
    monkeypatch.delenv("IONQ_API_KEY")
    with pytest.raises(SystemExit) as ending:
        main(["bench", "--target", "qpu.forte-1"])
    assert ending.value.code == 1
    assert capsys.readouterr().err.startswith("Error: there is no API key: set IONQ_API_KEY")


def test_ctrl_c_cancels_what_has_no_result(ours, wait_until):
    with LocalIonQ(execution_time=60) as service:
        environment = os.environ | {"IONQ_API_URL": service.url, "IONQ_API_KEY": service.api_key}
        arguments = ("bench", "--parallel", "--num-circuits", "3", "--target", "simulator")
        with ours(*arguments, env=environment) as running:
            wait_until(lambda: service.stats().posts == 3 or running.poll() is not None)
            time.sleep(1.0)  # until run() has returned what can be cancelled
            running.send_signal(signal.SIGINT)
            said = running.communicate(timeout=20)[1]
            assert (running.returncode, "What has no result is cancelled." in said) == (130, True), said
        with ParallelIonQProvider(service.api_key, service.url) as provider:
            listed = provider._made_api().jobs()
        assert [record.state for record in listed.records] == [JobState.CANCELED] * 3
