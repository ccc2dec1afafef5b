# SPDX-License-Identifier: Apache-2.0
"""Job objects as ``GET /jobs`` and ``GET /jobs/{id}`` show them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from . import results
from .jobs import COMPLETED, FAILED, FINAL, READY, STARTED, SUBMITTED, Job, Look

SUBMITTER = "0199b2c4-0000-7000-8000-000000000001"
PROJECT = "0199b2c4-0000-7000-8000-000000000002"
ORGANIZATION = "0199b2c4-0000-7000-8000-000000000003"


def timestamp(seconds: float) -> str:
    """ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def job_record(job: Job, look: Look, *, with_urls: bool, listed: bool = False) -> dict[str, Any]:
    """Everything the API says about a job.

    Args:
        job: which one.
        look: when.
        with_urls: add the legacy URL entries to ``results``.
        listed: the shorter form of the listing, without ``child_job_ids``.
    """
    status = look.status(job)
    failure = look.failure(job) if status == FAILED else None
    order = job.order
    ran = _ran(job, look, status)
    finished = status == COMPLETED and not order.dry_run
    record: dict[str, Any] = {
        "id": job.id,
        "status": status,
        "type": job.type,
        "backend": order.machine.name,
        "dry_run": order.dry_run,
        "submitter_id": SUBMITTER,
        "project_id": PROJECT,
        "parent_job_id": job.parent.id if job.parent else None,
        "session_id": order.session_id,
        "metadata": order.metadata,
        "name": job.name,
        "submitted_at": timestamp(job.submitted_at),
        "started_at": timestamp(ran[0]) if ran else None,
        "completed_at": _completed_at(job, status),
        "predicted_wait_time_ms": _wait_ms(job, look, status),
        "predicted_execution_duration_ms": _predicted_ms(job),
        "execution_duration_ms": _ms(ran[1] - ran[0]) if ran and finished else None,
        # The specification says `message`, released clients read `error`.
        "failure": failure and {"code": failure.code, "message": failure.message, "error": failure.message},
        "settings": order.settings or {},
        "output": _output(job, status),
        "stats": _stats(job),
        "results": results.results_map(job, with_urls=with_urls) if finished else None,
    }
    if not order.is_exact:
        record["shots"] = order.shots
    if order.noise is not None:
        record["noise"] = {key: value for key, value in order.noise.items() if value is not None}
    if not order.machine.is_simulator:
        record["cost_model"] = "2QGE_operations"
    if not listed:
        record["child_job_ids"] = [child.id for child in job.children] or None
    return record


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _ran(job: Job, look: Look, status: str) -> tuple[float, float] | None:
    """When a job started and ended or will end; None when it has not started."""
    if status in (SUBMITTED, READY):
        return None
    turns = [leaf.turn for leaf in job.leaves if leaf.turn is not None and leaf.turn.start <= look.now]
    turns = [turn for turn in turns if turn.canceled_at is None or turn.start < turn.canceled_at]
    if not turns:
        return None
    return min(turn.start for turn in turns), max(turn.end for turn in turns)


def _completed_at(job: Job, status: str) -> str | None:
    if status not in FINAL:
        return None
    return timestamp(max(_end(leaf) for leaf in job.leaves))


def _end(job: Job) -> float:
    if job.canceled_at is not None:
        return job.canceled_at
    return job.checked_at if job.turn is None else job.turn.end


def _wait_ms(job: Job, look: Look, status: str) -> int | None:
    if status in FINAL:
        return None
    starts = [leaf.turn.start for leaf in job.leaves if leaf.turn is not None and leaf.canceled_at is None]
    return None if not starts or status == STARTED else _ms(min(starts) - look.now)


def _predicted_ms(job: Job) -> int | None:
    durations = [leaf.duration for leaf in job.leaves if leaf.rejected is None]
    return _ms(max(durations)) if durations else None


def _output(job: Job, status: str) -> dict[str, Any]:
    """Compiled circuits: of a native circuit, which the compiler leaves alone, the circuit itself."""
    if status not in (READY, STARTED, COMPLETED) or not results.is_native(job):
        return {}
    return {"compilation": {"compiled_circuits": {results.NATIVE: results.descriptor(job, results.NATIVE)}}}


def _stats(job: Job) -> dict[str, Any]:
    stats: dict[str, Any] = {"circuits": len(job.leaves)}
    compiled = [leaf for leaf in job.leaves if leaf.rejected is None]
    if compiled:
        stats["qubits"] = max(leaf.qubits for leaf in compiled)
        stats["gate_counts"] = {
            kind: sum(leaf.gate_counts[kind] for leaf in compiled) for kind in ("1q", "2q")
        }
    return stats
