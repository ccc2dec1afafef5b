# SPDX-License-Identifier: Apache-2.0
"""Results in both shapes and all formats, and the job objects around them."""

from __future__ import annotations

from collections import Counter

import pytest

X0, X1 = [{"gate": "x", "target": 0}], [{"gate": "x", "target": 1}]
HALF = [{"gate": "h", "target": 0}]
QPU = {"backend": "qpu.forte-1", "shots": 200}
RESULT = "ionq.result."


def test_the_ideal_simulator_gives_the_exact_distribution_and_nothing_sampled(api):
    job_id = api.run()
    job = api.job(job_id)
    assert api.get(f"/jobs/{job_id}/results/probabilities") == {"0": 0.5, "3": 0.5}
    assert set(job["results"]) == {
        "probabilities",
        "ionq.result.probabilities.json.v1",
        "ionq.result.probabilities.json.v2",
    }
    assert "shots" not in job
    for name in ("shots", "histogram"):
        assert api.call("GET", f"/jobs/{job_id}/results/{name}").status_code == 404


@pytest.mark.parametrize(
    "members", [QPU, {"noise": {"model": "aria-1"}, "shots": 200}], ids=["a QPU", "a noise model"]
)
def test_sampled_results_agree_with_each_other(api, members):
    job_id = api.run(**members)
    job = api.job(job_id)
    assert job["shots"] == 200
    base = f"/jobs/{job_id}/results"
    shots = api.get(f"{base}/shots")
    histogram = api.get(f"{base}/histogram")
    assert len(shots) == 200
    assert histogram == Counter(shots)
    assert api.get(f"{base}/probabilities") == {word: n / 200 for word, n in histogram.items()}
    assert api.artifact(job_id, RESULT + "shots.json.v1") == shots
    assert api.artifact(job_id, RESULT + "histogram.json.v1") == histogram
    bits = [
        shot["registers"]["output_all"] for shot in api.artifact(job_id, RESULT + "shots.json.v2")["shots"]
    ]
    assert [str(a + 2 * b) for a, b in bits] == shots
    by_bits = api.artifact(job_id, RESULT + "histogram.json.v2")["histogram"]["registers"]["output_all"]
    assert by_bits == Counter("".join(map(str, pair)) for pair in bits)
    assert set(job["results"]) == {"probabilities", "histogram", "shots"} | {
        f"{RESULT}{kind}.json.{version}"
        for kind in ("probabilities", "histogram", "shots")
        for version in ("v1", "v2")
    }


def test_version_one_keys_have_qubit_zero_last_and_version_two_keys_have_it_first(api):
    job_id = api.run(X0, input={"qubits": 3})
    assert api.artifact(job_id, RESULT + "probabilities.json.v1") == {"1": 1.0}
    assert api.artifact(job_id, RESULT + "probabilities.json.v2") == {
        "probabilities": {"registers": {"output_all": {"100": 1.0}}}
    }


def test_urls_are_relative_to_the_root_and_carry_the_version(api):
    job_id = api.run()
    assert api.job(job_id)["results"]["probabilities"] == {
        "url": f"/v0.4/jobs/{job_id}/results/probabilities"
    }


def test_a_descriptor_names_its_format_and_media_type(api):
    entries = api.job(api.run(**QPU))["results"]
    for name, entry in entries.items():
        if name.startswith("ionq."):
            assert (entry["format"], entry["media_type"]) == (name, "application/json")
    assert entries[RESULT + "probabilities.json.v1"]["id"] == "probabilities"
    assert len(entries[RESULT + "shots.json.v2"]["id"]) == 36


@pytest.mark.parametrize("query", ["sharpen=true", "aggregation=voting"])
def test_a_debiased_job_is_sharpened_by_vote(api, query):
    noisy = [{"gate": "x", "target": 0}] + [{"gate": "cnot", "control": 0, "target": 1}] * 61
    members = {"backend": "qpu.aria-1", "shots": 2000}
    job_id = api.run(noisy, **members)
    path = f"/jobs/{job_id}/results/probabilities"
    plain, voted = api.get(path), api.get(f"{path}?{query}")
    assert plain == api.get(f"{path}?sharpen=False") == api.get(f"{path}?aggregation=average")
    assert plain["3"] < 0.8 < voted["3"]
    assert sum(voted.values()) == pytest.approx(1)
    pack = api.run_many([noisy, noisy], **members)
    path = f"/jobs/{pack}/results/probabilities/aggregated"
    assert all(row["3"] > 0.8 for row in api.get(f"{path}?{query}").values())
    assert all(row["3"] < 0.8 for row in api.get(path).values())


@pytest.mark.parametrize(
    "members",
    [
        {"backend": "qpu.aria-1", "shots": 499},
        {"backend": "qpu.aria-1", "shots": 500, "settings": {"error_mitigation": {"debiasing": False}}},
        {"shots": 500, "noise": {"model": "aria-1"}},
        {"backend": "qpu.aria-1", "shots": 100, "settings": {"error_mitigation": ["debiasing"]}},
        {},
    ],
)
def test_without_variants_there_is_nothing_to_sharpen(api, members):
    job_id = api.run(**members)
    plain = api.get(f"/jobs/{job_id}/results/probabilities")
    assert api.get(f"/jobs/{job_id}/results/probabilities", sharpen="True") == plain
    for wrong in ("sharpen=much", "aggregation=plurality"):
        assert api.call("GET", f"/jobs/{job_id}/results/probabilities?{wrong}").status_code == 400


# ---- multi-circuit jobs ----


def test_children_are_in_circuit_order_everywhere(api):
    parent = api.run_many([X1, X0, HALF], **QPU)
    job = api.job(parent)
    aggregated = api.call("GET", f"/jobs/{parent}/results/probabilities/aggregated").json()
    assert list(aggregated) == job["child_job_ids"]
    assert [max(found, key=found.get) for found in list(aggregated.values())[:2]] == ["2", "1"]
    assert set(job["results"]) == {"probabilities", "ionq.result.probabilities-aggregate.json.v1"}
    assert job["results"]["probabilities"]["url"].endswith("/results/probabilities/aggregated")
    assert api.artifact(parent, "ionq.result.probabilities-aggregate.json.v1") == aggregated
    assert job["stats"]["circuits"] == 3


def test_a_child_is_a_job_with_results_of_its_own(api):
    parent = api.run_many([X1, X0], **QPU)
    child_id = api.job(parent)["child_job_ids"][1]
    child = api.job(child_id)
    assert (child["parent_job_id"], child["type"], child["child_job_ids"]) == (
        parent,
        "ionq.circuit.v1",
        None,
    )
    assert len(api.get(f"/jobs/{child_id}/results/shots")) == 200
    assert child["results"]["shots"]["url"] == f"/v0.4/jobs/{child_id}/results/shots"


def test_parents_have_no_plain_probabilities_and_single_jobs_no_aggregated_ones(api):
    parent, single = api.run_many([X0]), api.run()
    for path in (
        f"/jobs/{parent}/results/probabilities",
        f"/jobs/{single}/results/probabilities/aggregated",
        f"/jobs/{parent}/results/shots",
    ):
        assert api.call("GET", path).status_code == 404


def test_registers_of_a_circuit_group_its_qubits(api):
    circuit = {"circuit": X1, "registers": {"pair": [1, None, 0]}}
    body = {"gateset": "qis", "qubits": 2, "circuits": [circuit]}
    parent = api.post("/jobs", {"type": "ionq.multi-circuit.v1", "backend": "simulator", "input": body})["id"]
    child = api.job(parent)["child_job_ids"][0]
    registers = api.artifact(child, RESULT + "probabilities.json.v2")["probabilities"]["registers"]
    assert registers == {"output_all": {"01": 1.0}, "pair": {"100": 1.0}}


def test_a_register_on_a_qubit_that_is_not_there_fails_in_preflight(api):
    body = {"gateset": "qis", "qubits": 2, "circuits": [{"circuit": X1, "registers": {"pair": [2]}}]}
    parent = api.post("/jobs", {"type": "ionq.multi-circuit.v1", "backend": "simulator", "input": body})["id"]
    assert "pair" in api.job(parent)["failure"]["message"]


# ---- OpenQASM 3 ----

PROGRAM = "qubit[3] q; bit[2] c; bit d; x q[1]; c[1] = measure q[1]; reset q[1]; d = measure q[1]; x q[2];"


def test_registers_of_a_program_are_reported_exactly_on_the_ideal_simulator(api):
    job_id = api.run_qasm3(PROGRAM)
    registers = api.artifact(job_id, RESULT + "probabilities.json.v2")["probabilities"]["registers"]
    assert registers == {"output_all": {"001": 1.0}, "c": {"01": 1.0}, "d": {"0": 1.0}}
    assert api.get(f"/jobs/{job_id}/results/probabilities") == {"4": 1.0}
    assert RESULT + "shots.json.v2" not in api.job(job_id)["results"]


def test_registers_of_a_program_are_reported_shot_by_shot_where_there_are_shots(api):
    job_id = api.run_qasm3(
        "qubit[2] q; bit[2] c; h q[0]; c[1] = measure q[0]; h q[0];", backend="qpu.forte-1", shots=50
    )
    shots = api.artifact(job_id, RESULT + "shots.json.v2")["shots"]
    assert len(shots) == 50
    assert {tuple(shot["registers"]["c"]) for shot in shots} == {(0, 0), (0, 1)}
    assert {len(shot["registers"]["output_all"]) for shot in shots} == {2}
    histogram = api.artifact(job_id, RESULT + "histogram.json.v2")["histogram"]["registers"]
    assert histogram["c"] == Counter("".join(map(str, shot["registers"]["c"])) for shot in shots)


# ---- until there are results ----


@pytest.mark.parametrize("wait", [0, 5, 11])
def test_results_are_not_there_until_the_job_is_completed(serve, clock, wait):
    api = serve(queue_time=10, execution_time=5)
    job_id = api.run()
    clock.advance(wait)
    answer = api.call("GET", f"/jobs/{job_id}/results/probabilities")
    assert answer.status_code == 404
    assert answer.json()["error"] == "Not Found Error"
    assert api.job(job_id)["results"] is None
    clock.advance(15 - wait)
    assert api.get(f"/jobs/{job_id}/results/probabilities") == {"0": 0.5, "3": 0.5}


def test_an_artifact_nobody_knows_is_not_found(api):
    assert api.call("GET", f"/jobs/{api.run()}/artifacts/nothing").status_code == 404


def test_artifacts_only_leaves_out_what_is_outside_the_specification(serve):
    api = serve(artifacts_only=True)
    single, parent = api.run(**QPU), api.run_many([X0])
    assert all(name.startswith("ionq.") for name in api.job(single)["results"])
    assert list(api.job(parent)["results"]) == ["ionq.result.probabilities-aggregate.json.v1"]
    assert api.call("GET", f"/jobs/{single}/results/shots").status_code == 404
    assert api.call("GET", f"/jobs/{parent}/results/probabilities/aggregated").status_code == 404
    assert api.call("GET", f"/jobs/{single}/results/probabilities").status_code == 200
    assert api.artifact(parent, "ionq.result.probabilities-aggregate.json.v1")


# ---- seeds ----


def shots_of(api, **members):
    return api.get(f"/jobs/{api.run(**members)}/results/shots")


def test_a_seeded_service_repeats_itself(serve):
    assert shots_of(serve(seed=1), **QPU) == shots_of(serve(seed=1), **QPU)


def test_services_with_other_seeds_or_none_differ(serve):
    seen = [shots_of(serve(seed=seed), **QPU) for seed in (1, 2, None, None)]
    assert all(a != b for k, a in enumerate(seen) for b in seen[:k])


def test_the_same_circuit_twice_gives_other_shots(api):
    assert shots_of(api, **QPU) != shots_of(api, **QPU)


def test_a_circuits_shots_do_not_depend_on_what_was_sent_before(serve):
    first, second = serve(seed=1), serve(seed=1)
    second.run(X0, **QPU)
    assert shots_of(first, **QPU) == shots_of(second, **QPU)


def test_a_noise_seed_from_the_client_fixes_the_shots(serve):
    members = {"noise": {"model": "aria-1", "seed": 7}, "shots": 200}
    api = serve(seed=None)
    assert shots_of(api, **members) == shots_of(api, **members)
    assert shots_of(api, **members) != shots_of(api, noise={"model": "aria-1", "seed": 8}, shots=200)


# ---- the job object ----

ALWAYS = {
    "id", "status", "type", "backend", "dry_run", "submitter_id", "project_id", "parent_job_id", "session_id",
    "metadata", "name", "submitted_at", "started_at", "completed_at", "predicted_wait_time_ms",
    "predicted_execution_duration_ms", "execution_duration_ms", "failure", "settings", "output", "stats", "results",
}  # fmt: skip


@pytest.mark.parametrize("circuit", [X0, [{"gate": "toffoli"}]], ids=["completed", "failed"])
def test_every_promised_key_is_there_in_every_state(serve, clock, circuit):
    api = serve(queue_time=10, execution_time=5)
    job_id = api.run(circuit)
    for seconds in (0, 5, 6, 10):
        clock.advance(seconds)
        job, (listed,) = api.job(job_id), api.get("/jobs")["jobs"]
        assert set(job) >= ALWAYS | {"child_job_ids"}
        assert set(listed) >= ALWAYS
        assert "child_job_ids" not in listed
        for name in ("settings", "output", "stats"):
            assert isinstance(job[name], dict)


def test_what_was_sent_is_echoed(api):
    sent = {
        "name": "pair",
        "metadata": {"owner": "lab", "long": "x" * 5000},
        "settings": {"error_mitigation": {"debiasing": False}},
        "noise": {"model": "forte-1", "seed": 7},
        "shots": 20,
    }
    job = api.job(api.run(**sent))
    assert {key: job[key] for key in sent} == sent
    assert "input" not in job


def test_a_null_noise_seed_is_left_out_of_the_echo(api):
    assert api.job(api.run(noise={"model": "ideal", "seed": None}))["noise"] == {"model": "ideal"}


def test_stats_count_qubits_circuits_and_gates(api):
    gates = [*HALF, *X1, {"gate": "swap", "targets": [0, 1]}, {"gate": "x", "target": 1, "controls": [0, 2]}]
    job = api.job(api.run(gates, input={"qubits": 4}))
    assert job["stats"] == {"qubits": 4, "circuits": 1, "gate_counts": {"1q": 2, "2q": 2}}


def test_a_qpu_job_has_a_cost_model_and_no_noise(api):
    job = api.job(api.run(noise={"model": "aria-1"}, **QPU))
    assert job["cost_model"] == "2QGE_operations"
    assert "noise" not in job
