# SPDX-License-Identifier: Apache-2.0
"""``run``: files in, results out, in a table and in one document; nothing bought unasked."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import requests
from qiskit import qpy, transpile

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.circuit_files import read_circuits
from qiskit_parallel_ionq.emulator import Fault


def test_files_of_all_kinds_run_in_the_order_they_are_named(command, account, circuits):
    ended = command("run", "three.qpy", "bell.qasm", "bell.qasm3", "--shots", 50)
    assert (ended.code, ended.err) == (0, "")
    rows = [line.split() for line in ended.out.splitlines()]
    assert rows[0] == ["circuit", "file", "name", "status", "counts"]
    assert [row[:4] for row in rows[1:6]] == [
        ["0", "three.qpy", "flip-0", "done"],
        ["1", "three.qpy[1]", "flip-1", "done"],
        ["2", "three.qpy[2]", "flip-2", "done"],
        ["3", "bell.qasm", "bell", "done"],
        ["4", "bell.qasm3", "bell", "done"],
    ]
    assert [row[4:] for row in rows[1:4]] == [["00:", "50"], ["01:", "50"], ["10:", "50"]]
    assert rows[6][:6] == ["5", "of", "5", "circuits", "done;", "run"]


def test_the_document_says_what_it_is_and_the_same_as_json(command, account, circuits):
    ended = command("run", "bell.qasm", "three.qpy", "--seed", 5, "--memory", "--out", "r.json", "--json")
    written = json.loads((circuits / "r.json").read_text())
    assert written == ended.json
    assert (written["format"], written["version"]) == ("qiskit-parallel-ionq results", 1)
    assert (written["target"], written["service"], written["seed"]) == ("simulator", account.url, 5)
    assert (written["total"], written["done"]) == (4, 4)
    bell, *_, last = written["circuits"]
    assert (bell["file"], bell["position"], bell["name"], bell["status"]) == ("bell.qasm", 0, "bell", "done")
    assert bell["probabilities"] == pytest.approx({"00": 0.5, "11": 0.5})
    assert sum(bell["counts"].values()) == bell["shots"] == len(bell["memory"]) == 1024
    assert {bits: bell["memory"].count(bits) for bits in bell["counts"]} == bell["counts"]
    assert bell["error"] is None
    assert (last["file"], last["position"], last["counts"]) == ("three.qpy", 2, {"10": 1024})
    (recorded,) = ParallelIonQProvider().jobs()
    assert recorded.job_id == written["run"]


def test_the_same_seed_gives_the_same_counts(command, account, circuits):
    counts = [
        [circuit["counts"] for circuit in command("run", "bell.qasm", "--seed", 3, "--json").json["circuits"]]
        for _ in range(2)
    ]
    assert counts[0] == counts[1]


def test_what_the_service_samples_has_no_exact_probabilities(command, account, circuits):
    noisy = command("run", "bell.qasm", "--noise-model", "forte-1", "--json").json
    assert "probabilities" not in noisy["circuits"][0]
    assert sum(noisy["circuits"][0]["counts"].values()) == 1024


def test_options_reach_the_run(command, account, circuits):
    ended = command(
        "run", "three.qpy", "--circuits-per-job", 3, "--max-workers", 2, "--level", 0,
        "--option", 'extra_metadata={"lab": "a"}', "--option", "name=flips", "--json",
    )  # fmt: skip
    assert ended.code == 0
    jobs = {circuit["job"] for circuit in ended.json["circuits"]}
    assert len(jobs) == 1
    (stored,) = requests.get(
        f"{account.url}/jobs", headers={"Authorization": f"apiKey {account.api_key}"}, timeout=10
    ).json()["jobs"]
    assert (stored["id"], stored["name"], stored["metadata"]["lab"]) == (*jobs, "flips", "a")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--option", "shot=5"), "did you mean 'shots'"),
        (("--option", "shots"), "not of the form name=value"),
        (("--shots", "5", "--option", "shots=6"), "shots is given twice"),
        (("--shots", "0"), "--shots"),
        (("--noise-model", "forte-9"), "there are ideal"),
        (("--circuits-per-job", "many"), "circuits_per_job"),
        (("--level", "4"), "--level"),
        (("--max-cost", "nan"), "nan is not a number"),
        (("--out", "nowhere/r.json"), "there is no folder nowhere"),
        (("--out", "."), "is a folder"),
        (("--local", "--url", "https://example.org"), "--local"),
    ],
)
def test_wrong_usage_ends_with_2_before_anything_is_sent(command, account, circuits, arguments, says):
    ended = command("run", "bell.qasm", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert account.stats().posts == 0


def test_all_files_are_read_before_anything_is_sent(command, account, circuits):
    (circuits / "bad.qasm").write_text("OPENQASM 2.0;\nqreg q[1];\nfoo q[0];\n")
    ended = command("run", "bell.qasm", "bad.qasm")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("Error: bad.qasm:3: ")
    assert account.stats().posts == 0


@pytest.mark.parametrize("verb", ["run", "estimate"])
def test_a_circuit_that_cannot_run_is_named_by_its_file(command, account, circuits, verb):
    (circuits / "open.qasm3").write_text(
        "OPENQASM 3.0;\ninput float x;\nqubit q; bit c;\nU(x, 0, 0) q;\nc = measure q;\n"
    )
    (circuits / "wide.qasm").write_text("OPENQASM 2.0;\nqreg q[40];\ncreg c[40];\nmeasure q -> c;\n")
    unbound = command(verb, "bell.qasm", "open.qasm3")
    assert (unbound.code, unbound.out) == (1, "")
    assert unbound.err.startswith("Error: open.qasm3: circuit 1 ('open') has unbound parameters: x;")
    assert command(verb, "wide.qasm", "--level", "none").err.startswith("Error: wide.qasm: ")
    assert account.stats().posts == 0


def test_circuits_that_are_native_already_come_from_qpy(command, account, circuits):
    provider = ParallelIonQProvider()
    native = transpile(read_circuits(["bell.qasm"]), provider.get_backend(target="qpu.forte-1"))
    assert native[0].count_ops()["zz"] == 1
    with (circuits / "native.qpy").open("wb") as file:
        qpy.dump(native, file)
    ended = command("run", "native.qpy", "--target", "qpu.forte-1", "--yes", "--json")
    assert (ended.code, ended.err) == (0, "")
    counts = ended.json["circuits"][0]["counts"]
    assert counts["00"] + counts["11"] > 950


def test_bare_circuits_are_refused_unless_all_is_to_be_measured(command, account, circuits):
    (circuits / "bare.qasm").write_text("OPENQASM 2.0;\nqreg q[2];\n")
    refused = command("run", "bare.qasm")
    assert refused.code == 1
    assert "bare.qasm: measures nothing" in refused.err
    assert "--measure-all" in refused.err
    measured = command("run", "bare.qasm", "--measure-all", "--shots", 7, "--json")
    assert measured.json["circuits"][0]["counts"] == {"00": 7}


def test_standard_input_is_run(command, account, circuits):
    ended = command("run", "-", "--shots", 9, "--json", given=(circuits / "bell.qasm3").read_bytes())
    assert ended.json["circuits"][0]["file"] == "-"
    assert ended.json["circuits"][0]["shots"] == 9


def test_local_needs_no_key_and_leaves_no_record(command, circuits):
    ended = command("run", "bell.qasm", "--local", "--shots", 20)
    assert ended.code == 0
    assert "1 of 1 circuit done" in ended.out
    assert not (circuits / "state").exists()
    machine = command("run", "bell.qasm", "--local", "--target", "qpu.forte-1", "--json")
    assert machine.json["target"] == "qpu.forte-1"  # emulated: nobody is asked


def test_some_circuits_failed_ends_with_3_and_keeps_the_others(command, faulty, circuits):
    faulty(Fault("fail", name="flip-1", code="QuantumComputerError", message="ion lost"))
    ended = command("run", "three.qpy", "--out", "r.json", "--shots", 8)
    assert ended.code == 3
    assert "2 of 3 circuits done" in ended.out
    assert "Results are in r.json." in ended.out
    assert "circuit 1: " in ended.err
    assert "ion lost" in ended.err
    good, bad, other = json.loads((circuits / "r.json").read_text())["circuits"]
    assert (good["counts"], other["counts"]) == ({"00": 8}, {"10": 8})
    assert (bad["counts"], bad["status"], bad["error"]["type"]) == (None, "failed", "CircuitFailedError")
    assert "ion lost" in bad["error"]["message"]
    as_json = command("run", "three.qpy", "--json")
    assert (as_json.code, as_json.err, as_json.json["done"]) == (3, "", 2)


def test_equal_reasons_are_told_once(command, faulty, circuits):
    faulty(Fault("status", status=401, method="POST", path="/jobs", every=1))
    ended = command("run", "three.qpy")
    assert ended.code == 3
    assert "circuit 0 and 2 more: " in ended.err


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b""])
def test_a_machine_is_asked_about_with_the_estimate(command, account, circuits, answer):
    ended = command("run", "three.qpy", "--target", "qpu.forte-1", "--shots", 100, given=answer)
    assert (ended.code, ended.out) == (1, "")
    assert "3 circuits of 300 shots in all on qpu.forte-1: " in ended.err
    assert "usd in 3 jobs by the service's estimate" in ended.err
    assert "packed with --circuits-per-job" in ended.err  # 3 minimum charges
    assert "nothing was sent" in ended.err
    assert account.stats().posts == 0


def test_a_machine_is_used_once_it_may_be(command, account, circuits):
    asked = command("run", "bell.qasm", "-t", "qpu.forte-1", given=b"y\n")
    assert (asked.code, "Go on?" in asked.err) == (0, True)
    unasked = command("run", "bell.qasm", "-t", "qpu.forte-1", "--yes")
    assert (unasked.code, unasked.err) == (0, "")


def test_a_service_without_an_estimate_is_asked_about_all_the_same(command, faulty, circuits):
    faulty(Fault("status", status=404, method="GET", path="/jobs/estimate", every=1))
    ended = command("run", "bell.qasm", "-t", "qpu.forte-1", given=b"n\n")
    assert "the service gives no estimate" in ended.err
    assert ended.code == 1


def test_a_budget_that_is_too_small_sends_nothing(command, account, circuits):
    ended = command("run", "three.qpy", "-t", "qpu.forte-1", "--yes", "--max-cost", "0.5")
    assert ended.code == 1
    assert "max_cost is 0.50" in ended.err
    assert account.stats().posts == 0


def test_nobody_is_asked_without_a_key(command, account, circuits, monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY")
    ended = command("run", "bell.qasm", "-t", "qpu.forte-1")
    assert ended.code == 1
    assert ended.err.startswith("Error: there is no API key: set IONQ_API_KEY")


def test_the_key_is_never_shown(command, account, circuits, monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", "s3cret-key-0123456789")  # refused by the emulator, quoted by nobody
    ended = command("-v", "run", "bell.qasm")
    assert ended.code in (1, 3)
    assert "401" in ended.err
    assert "s3cret" not in ended.err + ended.out


def test_results_replace_a_file_whole_and_links_stay(command, account, circuits):
    (circuits / "old.json").write_text("old")
    (circuits / "link.json").symlink_to("old.json")
    assert command("run", "bell.qasm", "-o", "link.json").code == 0
    assert (circuits / "link.json").is_symlink()
    assert json.loads((circuits / "old.json").read_text())["done"] == 1
    assert [path.name for path in circuits.iterdir() if path.name.startswith(".")] == []
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((circuits / "old.json").stat().st_mode) == 0o666 & ~umask


def test_a_place_that_cannot_be_written_after_all_says_how_to_get_the_results(
    command, account, circuits, monkeypatch
):
    def full(self, _):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    ended = command("run", "bell.qasm", "-o", "r.json")
    assert ended.code == 1
    assert "r.json cannot be written: No space left on device." in ended.err
    (run,) = ParallelIonQProvider().jobs()
    assert f"qiskit-parallel-ionq resume {run.job_id} --out FILE" in ended.err
    assert [path.name for path in circuits.iterdir() if path.name.startswith((".", "r."))] == []


def test_results_can_go_to_a_device(command, account, circuits):
    assert command("run", "bell.qasm", "-o", os.devnull).code == 0
    assert not Path(os.devnull).is_file()


def test_a_long_list_is_cut_in_the_table_only(command, account, circuits):
    ended = command("run", *["three.qpy"] * 8, "--shots", 5, "-o", "r.json")
    assert "… and 4 more\n24 of 24 circuits done" in ended.out
    assert len(json.loads((circuits / "r.json").read_text())["circuits"]) == 24


def test_a_dry_run_has_no_counts(command, account, circuits):
    ended = command("run", "bell.qasm", "--option", "dry_run=true", "--json")
    assert (ended.code, ended.json["circuits"][0]["counts"]) == (0, None)
