# SPDX-License-Identifier: Apache-2.0
"""Drives the service at argv[1] with the key argv[2] by unmodified ionq-core; prints what came back as JSON."""

from __future__ import annotations

import datetime as dt
import json
import sys
import warnings

warnings.simplefilter("ignore")  # the base URL is not https

from ionq_core import IonQClient, SessionManager, exceptions, iter_jobs, wait_for_job  # noqa: E402
from ionq_core.api.backends import get_backend, get_backends  # noqa: E402
from ionq_core.api.characterizations import (  # noqa: E402
    get_characterization,
    get_characterizations_for_backend,
)
from ionq_core.api.default import (  # noqa: E402
    cancel_job,
    cancel_jobs,
    clone_job,
    create_job,
    delete_job,
    delete_jobs,
    estimate_job_cost,
    get_job,
    get_job_artifact,
    get_job_cost,
    get_job_probabilities,
    get_jobs,
    get_session_jobs,
    get_sessions,
    move_job,
)
from ionq_core.api.schemas import get_format_schema  # noqa: E402
from ionq_core.api.usage import get_usages  # noqa: E402
from ionq_core.api.whoami import get_whoami  # noqa: E402
from ionq_core.models.circuit_job_creation_payload import CircuitJobCreationPayload  # noqa: E402
from ionq_core.models.clone_job_payload import CloneJobPayload  # noqa: E402
from ionq_core.models.jobs_bulk_operation_request import JobsBulkOperationRequest  # noqa: E402
from ionq_core.models.json_multi_circuit_job import JSONMultiCircuitJob  # noqa: E402

URL, KEY = sys.argv[1:]
BELL = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]
FLIP = [{"gate": "x", "target": 1}]
NATIVE = [
    {"gate": "gpi2", "target": 0, "phase": 0.0},
    {"gate": "ms", "targets": [0, 1], "phases": [0.0, 0.0], "angle": 0.25},
]
PROGRAM = "OPENQASM 3.0; qubit[2] q; bit[2] c; x q[1]; c = measure q;"

client = IonQClient(api_key=KEY, base_url=URL, max_retries=0)


def submit(circuit, gateset="qis", **members) -> str:
    given = {"gateset": gateset, "qubits": 2, "circuit": circuit}
    body = {"type": "ionq.circuit.v1", "backend": "simulator", "shots": 500, **members, "input": given}
    return create_job.sync(client=client, body=CircuitJobCreationPayload.from_dict(body)).id


def submit_many(*circuits, **members) -> str:
    given = {"gateset": "qis", "qubits": 2, "circuits": [{"circuit": circuit} for circuit in circuits]}
    body = {"type": "ionq.multi-circuit.v1", "backend": "simulator", "shots": 500, **members, "input": given}
    return create_job.sync(client=client, body=JSONMultiCircuitJob.from_dict(body)).id


def submit_program() -> str:
    body = {"type": "ionq.qasm3.v1", "backend": "qpu.forte-1", "shots": 20, "input": {"data": PROGRAM}}
    return create_job.sync(client=client, body=CircuitJobCreationPayload.from_dict(body)).id


def finish(job_id: str, **options):
    return wait_for_job(client, job_id, poll_interval=0.01, timeout=10, **options)


def probabilities(job_id: str) -> dict[str, float]:
    return get_job_probabilities.sync(job_id, client=client).to_dict()


def artifact(job_id: str, name: str):
    entry = finish(job_id).to_dict()["results"][name]
    return json.loads(get_job_artifact.sync_detailed(job_id, entry["id"], client=client).content)


def refusal(action) -> list:
    try:
        action()
    except exceptions.APIError as error:
        return [type(error).__name__, error.status_code, getattr(error, "retry_after", None)]
    except exceptions.IonQError as error:
        return [type(error).__name__]
    return ["no error"]


def running_jobs() -> dict:
    single, many, program = submit(BELL, name="pair"), submit_many(BELL, FLIP), submit_program()
    job = finish(single)
    children = finish(many).child_job_ids
    aggregated = artifact(many, "ionq.result.probabilities-aggregate.json.v1")
    return {
        "typed": [type(finish(one)).__name__ for one in (single, many, program)],
        "name": job.name,
        "bell": probabilities(single),
        "native": probabilities(finish(submit(NATIVE, gateset="native")).id),
        "in_order": list(aggregated) == children,
        "aggregated": list(aggregated.values()),
        "children": [job.id for job in get_jobs.sync(client=client, parent_job_id=many).jobs]
        == children[::-1],
        "bits": artifact(program, "ionq.result.probabilities.json.v2")["probabilities"]["registers"],
        "shots": len(artifact(program, "ionq.result.shots.json.v2")["shots"]),
        "noisy": sum(probabilities(finish(submit(BELL, noise={"model": "aria-1", "seed": 3})).id).values()),
    }


def managing_jobs() -> dict:
    made = [submit(FLIP) for _ in range(30)]
    listed = [job.id for job in iter_jobs(client, limit=10)]
    clone = clone_job.sync(made[0], client=client, body=CloneJobPayload(name="clone", backend="qpu.forte-1"))
    moved = move_job.sync(made[1], client=client, body=CloneJobPayload())
    gone = delete_job.sync(made[2], client=client)
    bulk = JobsBulkOperationRequest(ids=made[3:5])
    return {
        "listed": listed[:30] == made[::-1] and len(set(listed)) == len(listed),
        "by_id": {job.id for job in get_jobs.sync(client=client, ids=made[:3]).jobs} == {*made[:2]},
        "completed": all(job.status == "completed" for job in iter_jobs(client, status="completed")),
        "clone": [finish(clone.id).name, finish(clone.id).backend, moved.status],
        "canceled": cancel_job.sync(made[5], client=client).status,
        "bulk": [
            cancel_jobs.sync(client=client, body=bulk).status,
            delete_jobs.sync(client=client, body=bulk).status,
        ],
        "deleted": [gone.status, refusal(lambda: get_job.sync(made[2], client=client))],
    }


def money() -> dict:
    job = submit(BELL, backend="qpu.forte-1")
    finish(job)
    day = dt.datetime.now(tz=dt.timezone.utc).date()
    cost = get_job_cost.sync(job, client=client)
    estimate = estimate_job_cost.sync(
        client=client, backend="qpu.forte-1", field_1q_gates=1, field_2q_gates=1, shots=500
    )
    usage = get_usages.sync(
        "self", client=client, start_date=day, end_date=day, group_by="project", modality="daily"
    )
    return {
        "cost": [cost.dry_run, cost.cost.value, cost.cost.unit],
        "free": get_job_cost.sync(submit(BELL), client=client).to_dict(),
        "estimate": [
            estimate.estimated_total_cost,
            estimate.estimated_unit,
            estimate.rate_card.rates[0].unit,
        ],
        "usage": [usage.job_count > 0, usage.amount_total >= cost.cost.value],
    }


def everything_else() -> dict:
    found = get_characterizations_for_backend.sync("qpu.forte-1", client=client, limit=1).characterizations[0]
    with SessionManager(client, "simulator", max_jobs=5) as session:
        joined = submit(BELL, session_id=session.session_id)
        during = session.status()
        listed = [job.id for job in get_session_jobs.sync(session.session_id, client=client).jobs]
    ended = [one.status for one in get_sessions.sync(client=client).sessions if one.id == session.session_id]
    return {
        "backends": [backend.backend for backend in get_backends.sync(client=client)],
        "backend": get_backend.sync("qpu.forte-1", client=client).qubits,
        "characterization": [
            found.qubits,
            len(found.connectivity),
            get_characterization.sync("qpu.forte-1", str(found.id), client=client).date == found.date,
        ],
        "session": [str(during), listed == [joined], ended],
        "whoami": get_whoami.sync(client=client).key_name,
        "schema": get_format_schema.sync("ionq.result.shots.json.v2", client=client).type_,
    }


def errors() -> dict:
    stranger = IonQClient(api_key="f00ba12", base_url=URL, max_retries=0)
    failing = submit([{"gate": "ms", "targets": [0, 1], "phases": [0, 0]}], "native", backend="qpu.forte-1")
    failed = finish(failing, raise_on_failure=False)
    return {
        "401": refusal(lambda: get_jobs.sync(client=stranger)),
        "404": refusal(lambda: get_job.sync("0199b2c4-7d11-7c31-9a44-0b6f5d0a91e2", client=client)),
        "400": refusal(lambda: submit(BELL, backend="qpu.none")),
        "429": refusal(lambda: get_format_schema.sync("scripted.429", client=client)),
        "failed": [failed.status, failed.failure.code, refusal(lambda: finish(failing))],
    }


print(
    json.dumps(
        {
            "running": running_jobs(),
            "managing": managing_jobs(),
            "money": money(),
            "else": everything_else(),
            "errors": errors(),
        }
    )
)
