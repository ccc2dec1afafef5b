# SPDX-License-Identifier: Apache-2.0
"""What came of a run: a table for people, and one JSON document that says what it is."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..state_folder import default_folder, recorded_runs
from .account import shows_progress
from .exit_codes import ExitCode
from .tables import counts_in_short, plural, table, width, wrapped

if TYPE_CHECKING:
    from qiskit.result.models import ExperimentResult

    from ..job import ParallelIonQJob

FORMAT = "qiskit-parallel-ionq results"
VERSION = 1
_ROWS = 20
"""Circuits that a table shows; a document has all."""
_ERRORS = 5


def deliver(job: ParallelIonQJob, *, out: str | None, as_json: bool) -> None:
    """Wait for a run, write and show its results, and end the command with the code that says how it went."""
    job.wait(progress=shows_progress())
    document = results_document(job)
    if out is not None:
        write_document(document, out)
    if as_json:
        click.echo(json.dumps(document))
    else:
        click.echo(results_table(document))
        if out is not None:
            click.echo(f"Results are in {out}.")
    if document["done"] < document["total"]:
        if not as_json and (told := _failures(document)):
            click.echo(told, err=True)
        click.get_current_context().exit(ExitCode.INCOMPLETE)


def results_document(job: ParallelIonQJob) -> dict[str, Any]:
    """Return all that is known of a run that is over, in JSON's words.

    Counts are keyed by bit strings as Qiskit prints them: classical bit 0 rightmost, registers apart by
    blanks.
    """
    run, errors = job.batch.run, job.errors()
    circuits = [_circuit(job, index, entry, errors.get(index)) for index, entry in job.results_iter()]
    done = sum(circuit["status"] == "done" for circuit in circuits)
    return {
        "format": FORMAT,
        "version": VERSION,
        "run": run.id,
        "service": run.url,
        "target": run.target,
        "begun_at": _iso(run.created_at),
        "written_at": _iso(None),
        "made_with": run.user_agent,
        "seed": run.seed,
        "bits": "classical bit 0 is the rightmost; registers are apart by blanks, the first is the rightmost",
        "total": len(circuits),
        "done": done,
        "circuits": circuits,
    }


def _circuit(
    job: ParallelIonQJob, index: int, entry: ExperimentResult, error: Exception | None
) -> dict[str, Any]:
    from qiskit.result.postprocess import format_counts_memory

    from ..circuit_files import origin

    header, data = entry.header, entry.data
    place = origin(header.get("metadata"))

    def spelled_out(values: dict[str, Any] | None) -> dict[str, Any] | None:
        if values is None:
            return None
        return {format_counts_memory(key, header): values[key] for key in sorted(values, key=_number)}

    told: dict[str, Any] = {
        "circuit": index,
        "file": place and place.file,
        "position": place and place.position,
        "name": header.get("name"),
        "status": job.batch.state(index),
        "shots": entry.shots,
        "job": job.batch.job_id(index),
        "error": None if error is None else {"type": type(error).__name__, "message": str(error)},
        "counts": spelled_out(getattr(data, "counts", None)),
    }
    number = job.batch.parcel_of.get(index)
    is_exact = number is not None and job.batch.parcels[number].is_exact
    if is_exact and getattr(data, "probabilities", None) is not None:
        told["probabilities"] = spelled_out(data.probabilities)
    if getattr(data, "memory", None) is not None:
        told["memory"] = [format_counts_memory(shot, header) for shot in data.memory]
    return told


def _number(key: str) -> int:
    return int(key, 16)


def _iso(at: float | None) -> str:
    when = datetime.now(timezone.utc) if at is None else datetime.fromtimestamp(at, timezone.utc)
    return when.isoformat(timespec="milliseconds")


def results_table(document: dict[str, Any]) -> str:
    """Return a document as a table of its first circuits, and one line on all."""
    circuits = document["circuits"]
    with_file = any(circuit["file"] for circuit in circuits)
    header = ["circuit", *(["file"] if with_file else []), "name", "status", "counts"]
    rows = [
        [
            circuit["circuit"],
            *([_file(circuit)] if with_file else []),
            circuit["name"],
            circuit["status"],
            counts_in_short(circuit["counts"] or {}),
        ]
        for circuit in circuits[:_ROWS]
    ]
    lines = [table(header, rows, numbers=["circuit"], fit=width())] if rows else []
    if len(circuits) > _ROWS:
        lines.append(f"… and {len(circuits) - _ROWS} more")
    lines.append(f"{document['done']} of {plural(document['total'], 'circuit')} done; run {document['run']}.")
    return "\n".join(lines)


def _file(circuit: dict[str, Any]) -> str | None:
    return f"{circuit['file']}[{circuit['position']}]" if circuit["position"] else circuit["file"]


def _failures(document: dict[str, Any]) -> str:
    """Return why circuits have no result: each reason once."""
    reasons: dict[str, list[int]] = {}
    for circuit in document["circuits"]:
        if circuit["error"] and circuit["status"] != "cancelled":
            reasons.setdefault(circuit["error"]["message"], []).append(circuit["circuit"])
    lines = []
    for reason, indices in list(reasons.items())[:_ERRORS]:
        who = f"circuit {indices[0]}"
        who += f" and {len(indices) - 1} more" if len(indices) > 1 else ""
        lines.append(wrapped(f"{who}: {reason}", err=True))
    if len(reasons) > _ERRORS:
        lines.append(f"… and {len(reasons) - _ERRORS} more reasons; 'show' tells all")
    unsent = sum((circuit["error"] or {}).get("type") == "NotSentError" for circuit in document["circuits"])
    lines.append(send_hint(document["run"], unsent))
    return "\n".join(filter(None, lines))


def send_hint(run_id: str, unsent: int) -> str:
    """Return how to send circuits that were not sent; nothing if that cannot be done from here."""
    if not unsent or not _is_recorded(run_id):
        return ""
    them = "it" if unsent == 1 else f"these {unsent}"
    return f"To send {them}: qiskit-parallel-ionq resume {run_id} --submit"


def _is_recorded(run_id: str) -> bool:
    return run_id in recorded_runs(default_folder())


def require_writable(out: str | None) -> None:
    """Refuse a place where results could not be written, before anything costs.

    Raises:
        click.UsageError: it is a folder, or its folder is not there or may not be written.
    """
    if out is None:
        return
    path = Path(out)
    if path.is_dir():
        raise click.UsageError(f"--out {out} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise click.UsageError(f"--out {out}: there is no folder {path.parent}")
    if not os.access(path if path.exists() and not path.is_file() else path.parent, os.W_OK):
        raise click.UsageError(f"--out {out}: the folder {path.parent} may not be written")


def write_document(document: dict[str, Any], out: str) -> None:
    """Write a document so that the file is there whole, or as it was before.

    Raises:
        click.ClickException: it cannot be written.
    """
    path = Path(out).resolve()  # a link stays one
    is_device = path.exists() and not path.is_file()
    part = path if is_device else path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(_text(document))
            if not is_device:
                file.flush()
                os.fsync(file.fileno())
        if not is_device:
            part.replace(path)
    except OSError as error:
        if not is_device:
            part.unlink(missing_ok=True)
        lost = f"{out} cannot be written: {error.strerror}."
        if _is_recorded(document["run"]):
            lost += " Nothing is lost; write the results elsewhere with\n"
            lost += f"  qiskit-parallel-ionq resume {document['run']} --out FILE"
        raise click.ClickException(lost) from error


def _text(document: dict[str, Any]) -> str:
    """Return a document with one line for each member and for each circuit."""
    members = [
        f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in document.items() if name != "circuits"
    ]
    circuits = ",\n".join(f"    {json.dumps(circuit)}" for circuit in document["circuits"])
    members.append(f'  "circuits": [\n{circuits}\n  ]')
    return "{\n" + ",\n".join(members) + "\n}\n"
