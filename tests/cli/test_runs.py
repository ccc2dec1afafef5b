# SPDX-License-Identifier: Apache-2.0
"""``jobs``, ``show``, ``resume``, ``retry``, ``cancel``: runs of other processes, the interrupted among them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.emulator import Fault
from qiskit_parallel_ionq.state_folder import VARIABLE


@pytest.fixture
def interrupted(ours, wait_until):
    """Return a function: a service, arguments -> (id, standard error) of a run that Ctrl-C ended."""

    def run(service, *arguments, posts=1) -> tuple[str, str]:
        before = service.stats().posts
        with ours("run", *arguments) as running:
            wait_until(lambda: service.stats().posts >= before + posts or running.poll() is not None)
            wait_until(lambda: len(accepted()) >= posts or running.poll() is not None)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=30)
        assert (running.returncode, out) == (130, ""), err
        return ParallelIonQProvider().jobs(limit=1)[0].job_id, err

    def accepted() -> list[str]:
        """The lines of the newest record that say that a job was accepted."""
        records = sorted(Path(os.environ[VARIABLE]).glob("*.journal"), key=lambda path: path.stat().st_mtime)
        return (
            [line for line in records[-1].read_text().splitlines() if '"accepted"' in line] if records else []
        )

    return run


def first_takes_long(number: int) -> float:
    return 0.0 if number else 4.0


def done_run(command, *files) -> str:
    return command("run", *files, "--shots", 10, "--json").json["run"]


# ── jobs ──


def test_jobs_lists_runs_the_latest_first(command, account, circuits):
    first, second = done_run(command, "bell.qasm"), done_run(command, "three.qpy")
    os.utime(circuits / "state" / f"{first}.journal", (1, 1))
    listed = command("jobs", "--json").json
    assert [run["job_id"] for run in listed] == [second, first]
    assert [(run["total"], run["done"], run["is_over"]) for run in listed] == [(3, 3, True), (1, 1, True)]
    assert [run["job_id"] for run in command("jobs", "--json", "--limit", 1).json] == [second]
    header, *rows = [line.split() for line in command("jobs").out.splitlines()]
    assert header == ["run", "begun", "target", "circuits", "state"]
    assert [(row[0], *row[3:]) for row in rows] == [
        (second[:8], "simulator", "3", "done"),
        (first[:8], "simulator", "1", "done"),
    ]


def test_jobs_needs_neither_key_nor_network(command, account, circuits, monkeypatch):
    run_id = done_run(command, "bell.qasm")
    account.close()
    monkeypatch.delenv("IONQ_API_KEY")
    assert run_id[:8] in command("jobs").out


def test_jobs_says_where_it_looked_and_that_other_services_have_runs(command, account, circuits):
    empty = command("jobs")
    assert (empty.code, empty.err) == (0, "")
    assert f"No run of {account.url} is recorded in {circuits / 'state'}." in empty.out
    done_run(command, "bell.qasm")
    other = command("jobs", "--url", "https://example.org/v0.4")
    assert "No run of https://example.org/v0.4" in other.out
    assert "1 run of other services: see --url" in other.out
    assert command("jobs", "--url", "https://example.org/v0.4", "--json").json == []


def test_jobs_tells_open_and_failed_circuits_apart(command, faulty, circuits, interrupted):
    service = faulty(Fault("fail", name="flip-1"))
    command("run", "three.qpy")
    assert command("jobs").out.splitlines()[1].endswith("2 done, 1 without result")
    service.close()
    slow = faulty(execution_time=60)
    interrupted(slow, "three.qpy", posts=3)
    assert command("jobs").out.splitlines()[1].endswith("3 open")


# ── show ──


def test_show_tells_each_circuit_and_takes_the_beginning_of_an_id(command, account, circuits):
    run_id = done_run(command, "three.qpy")
    told = command("show", run_id[:3])
    assert (told.code, told.err) == (0, "")
    first, second, header, *rows = told.out.splitlines()
    assert first.startswith(f"run {run_id} on simulator, begun 20")
    assert second == "3 circuits: 3 done"
    assert header.split() == ["circuit", "name", "status", "job"]
    assert [row.split()[:3] for row in rows] == [[str(k), f"flip-{k}", "done"] for k in range(3)]
    facts = command("show", run_id, "--json").json
    assert (facts["run"], facts["target"]) == (run_id, "simulator")
    assert [circuit["job_id"] for circuit in facts["circuits"]] == [row.split()[3] for row in rows]


def test_show_of_a_run_that_is_over_needs_neither_key_nor_network(command, account, circuits, monkeypatch):
    run_id = done_run(command, "bell.qasm")
    account.close()
    monkeypatch.delenv("IONQ_API_KEY")
    assert command("show", run_id).out.splitlines()[1] == "1 circuit: 1 done"


def test_show_tells_what_went_wrong(command, faulty, circuits):
    faulty(
        Fault("fail", name="flip-1", message="ion lost"),
        Fault("status", status=429, method="POST", path="/jobs", nth=1),
    )
    run_id = command("run", "three.qpy", "--json").json["run"]
    told = command("show", run_id)
    assert told.code == 0
    assert "1 failed" in told.out
    assert "circuit 1: CircuitFailedError: " in told.out
    assert "ion lost" in told.out
    assert ": held back: " in told.out  # sent again after a pause


def test_show_says_of_circuits_that_were_never_sent_that_they_were_not(
    command, faulty, circuits, interrupted
):
    service = faulty(execution_time=first_takes_long)
    run_id, _ = interrupted(service, "three.qpy", "--option", "use_parallel=false")
    told = command("show", run_id)
    assert told.code == 0
    assert "2 not sent" in told.out.splitlines()[1]
    assert "failed" not in told.out
    assert "NotSentError" not in told.out
    assert told.out.splitlines()[-1] == f"To send these 2: qiskit-parallel-ionq resume {run_id} --submit"
    shown = command("show", run_id, "--json").json["circuits"]
    assert [circuit["status"] for circuit in shown[1:]] == ["not sent", "not sent"]


def test_show_takes_an_ionq_job_too(command, account, circuits):
    job = command("run", "bell.qasm", "--json").json["circuits"][0]["job"]
    told = command("show", job)
    assert told.code == 0
    assert job in told.out


@pytest.mark.parametrize("verb", ["show", "resume", "retry", "cancel"])
def test_ids_are_looked_up_and_near_ones_named(command, account, circuits, verb):
    run_id = done_run(command, "bell.qasm")
    typo = run_id[:6] + ("a" if run_id[6] != "a" else "b")
    ended = command(verb, typo)
    assert (ended.code, ended.out) == (1, "")
    assert f"no run that begins with '{typo}'" in ended.err
    assert f"there is\n  {run_id}" in ended.err
    lost = command(verb, "!" * 5)
    assert "qiskit-parallel-ionq jobs lists those that are" in lost.err


def test_a_beginning_of_several_ids_names_them(command, account, circuits):
    runs = [done_run(command, "bell.qasm") for _ in range(2)]
    state = circuits / "state"
    for number, run_id in enumerate(runs):
        (state / f"{run_id}.journal").rename(state / f"same{number}{run_id[5:]}.journal")
    ended = command("show", "same")
    assert ended.code == 1
    assert "several runs begin with 'same'" in ended.err
    assert {line.strip()[:5] for line in ended.err.splitlines()[1:]} == {"same0", "same1"}


# ── interrupted, resumed, cancelled ──


def test_ctrl_c_says_how_to_go_on_and_resume_does(command, faulty, circuits, interrupted):
    service = faulty(execution_time=4)
    run_id, said = interrupted(service, "bell.qasm", "three.qpy", "--out", "r.json", posts=4)
    assert f"  qiskit-parallel-ionq resume {run_id}\n" in said
    assert "4 accepted, 0 in doubt, 0 not sent" in said
    assert "Traceback" not in said
    assert not (circuits / "r.json").exists()
    resumed = command("resume", run_id[:6], "--out", "r.json")
    assert (resumed.code, resumed.err) == (0, "")
    assert "4 of 4 circuits done" in resumed.out
    written = json.loads((circuits / "r.json").read_text())["circuits"]
    assert [(c["file"], c["position"], c["name"]) for c in written[:2]] == [
        ("bell.qasm", 0, "bell"),
        ("three.qpy", 0, "flip-0"),
    ]
    assert service.stats().posts == 4
    again = command("resume", run_id, "--json").json["circuits"]
    assert [c["counts"] for c in again] == [c["counts"] for c in written]


def test_what_was_not_sent_is_sent_only_when_asked(command, faulty, circuits, interrupted):
    service = faulty(execution_time=first_takes_long)
    run_id, said = interrupted(service, "three.qpy", "--option", "use_parallel=false")
    assert f"  qiskit-parallel-ionq resume {run_id} --submit\n" in said
    collected = command("resume", run_id)
    assert collected.code == 3
    assert "1 of 3 circuits done" in collected.out
    assert "circuit 1 and 1 more: " in collected.err
    assert f"To send these 2: qiskit-parallel-ionq resume {run_id} --submit\n" in collected.err
    assert service.stats().posts == 1
    sent = command("resume", run_id, "--submit")
    assert (sent.code, service.stats().posts) == (0, 3)


def test_a_limit_holds_for_a_run_that_goes_on(command, faulty, circuits, interrupted):
    service = faulty(execution_time=first_takes_long)
    run_id, _ = interrupted(service, "three.qpy", "--option", "use_parallel=false", "--max-jobs", "3")
    sent = command("resume", run_id, "--submit", "--max-jobs", "2")
    assert (sent.code, service.stats().posts) == (3, 2)
    assert "2 IonQ jobs were sent, and max_jobs is 2" in sent.err
    refused = command("resume", run_id, "--max-jobs", "3")
    assert refused.code == 1
    assert "submit=True" in refused.err
    assert command("resume", run_id, "--submit", "--max-jobs", "3").code == 0
    assert service.stats().posts == 3


def test_what_is_not_on_record_cannot_be_sent(command, account):
    ended = command("resume", "0" * 22, "--submit")
    assert ended.code == 1
    assert "without --submit, resume collects what the account holds" in ended.err


def test_resume_asks_before_it_sends_to_a_machine(command, faulty, circuits, interrupted):
    service = faulty(execution_time=first_takes_long)
    run_id, _ = interrupted(
        service, "three.qpy", "--option", "use_parallel=false", "-t", "qpu.forte-1", "--yes", "-n", "100"
    )
    refused = command("resume", run_id, "--submit", given=b"n\n")
    assert (refused.code, service.stats().posts) == (1, 1)
    assert "This sends up to 2 circuits (200 shots) to qpu.forte-1. Go on? [y/N]:" in refused.err
    assert command("resume", run_id, "--submit", "--yes").code == 0
    unasked = command("resume", run_id, "--submit")  # nothing is left to send
    assert (unasked.code, unasked.err) == (0, "")


def test_cancel_on_the_simulator_cancels_all_that_has_no_result(command, faulty, circuits, interrupted):
    service = faulty(execution_time=60)
    run_id, _ = interrupted(service, "three.qpy", posts=3)
    ended = command("cancel", run_id[:8])
    assert (ended.code, ended.out) == (0, f"3 circuits of run {run_id}: 3 cancelled.\n")
    assert command("cancel", run_id, "--json").json["cancelled"] == 3
    assert command("show", run_id).out.splitlines()[1] == "3 circuits: 3 cancelled"
    assert command("resume", run_id).code == 3


def test_cancel_leaves_alone_what_runs_on_a_machine_unless_told(command, faulty, circuits, interrupted):
    service = faulty(execution_time=60, running_slots=1)
    run_id, _ = interrupted(service, "three.qpy", "-t", "qpu.forte-1", "--yes", posts=3)
    ended = command("cancel", run_id)
    assert ended.out.splitlines()[0] == f"3 circuits of run {run_id}: 2 cancelled, 1 running."
    assert "--include-running" in ended.out
    assert command("cancel", run_id, "--include-running").out == (
        f"3 circuits of run {run_id}: 3 cancelled.\n"
    )


def test_cancel_of_a_run_that_is_over_changes_nothing(command, account, circuits):
    run_id = done_run(command, "bell.qasm")
    assert command("cancel", run_id).out == (
        f"1 circuit of run {run_id}: 1 done.\nNothing was left to cancel.\n"
    )


def test_a_run_that_another_process_is_at_is_left_to_it(command, faulty, circuits, ours, wait_until):
    service = faulty(execution_time=60)
    with ours("run", "bell.qasm"):
        wait_until(lambda: service.stats().posts == 1)
        (run_id,) = [run.job_id for run in ParallelIonQProvider().jobs()]
        for verb in ("resume", "cancel"):
            ended = command(verb, run_id)
            assert ended.code == 1
            assert run_id in ended.err
        assert "1 circuit: 1 " in command("show", run_id, "--wait", 0).out


# ── executed again ──


def test_what_failed_by_no_fault_of_its_own_is_executed_again(command, faulty, circuits):
    service = faulty(Fault("fail", name="flip-1", code="QuantumComputerError", message="ion lost", times=1))
    run_id = command("run", "three.qpy", "--shots", 5, "--json").json["run"]
    ended = command("retry", run_id[:5], "--out", "r.json", "--json")
    assert (ended.code, ended.err, service.stats().posts) == (0, "", 4)
    assert ended.json["run"] == f"{run_id}.1"
    assert [circuit["counts"] for circuit in ended.json["circuits"]] == [{"00": 5}, {"01": 5}, {"10": 5}]
    assert [circuit["file"] for circuit in ended.json["circuits"]] == ["three.qpy"] * 3
    assert json.loads((circuits / "r.json").read_text()) == ended.json
    assert command("show", f"{run_id[:5]}.1").out.splitlines()[1] == "3 circuits: 3 done"
    assert {line.split()[0] for line in command("jobs").out.splitlines()[1:]} == {
        run_id[:8],
        f"{run_id[:8]}.1",
    }


def test_what_would_fail_again_is_left_as_it_is(command, account, circuits):
    run_id = done_run(command, "bell.qasm")
    ended = command("retry", run_id)
    assert ended.code == 1
    assert "would do better the next time" in ended.err


def test_a_machine_is_asked_about_before_it_executes_again(command, faulty, circuits):
    service = faulty(Fault("fail", name="flip-1", code="QuantumComputerError", message="ion lost", times=1))
    machine = ("--target", "qpu.forte-1", "--yes", "--shots", "100", "--json")
    run_id = command("run", "three.qpy", *machine).json["run"]
    refused = command("retry", run_id, given=b"n\n")
    assert (refused.code, service.stats().posts) == (1, 3)
    assert "This sends 1 circuit (100 shots) to qpu.forte-1 again. Go on? [y/N]:" in refused.err
    assert command("retry", run_id, "--yes").code == 0
