# SPDX-License-Identifier: Apache-2.0
"""``show``: how each circuit of a run stands."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import click

from .account import open_account
from .jobs import when
from .results import send_hint
from .run_ids import RunId
from .settings import SECONDS, json_option, url_option
from .tables import plural, table, width, wrapped

if TYPE_CHECKING:
    from ..job import ParallelIonQJob
    from ..report import Provenance


@click.command()
@click.argument("run_id", metavar="ID", type=RunId())
@click.option(
    "--wait",
    "patience",
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    type=SECONDS,
    help="Seconds for the service to say how open circuits stand.",
)
@url_option
@json_option
def show(run_id: str, patience: float, url: str | None, as_json: bool) -> None:
    """Show how each circuit of a run stands.

    ID is a run, or the beginning of its id; or an IonQ job. Sends no circuit.
    """
    with open_account(url) as provider:
        job = provider.retrieve_job(run_id)
        job.wait(patience)
        report = job.report()
        facts = {"run": run_id, "target": job.batch.target, "circuits": report.records()}
        click.echo(json.dumps(facts) if as_json else _told(job, list(report)))


def _told(job: ParallelIonQJob, rows: list[Provenance]) -> str:
    from ..batch import NOT_SENT

    states = Counter(row.status for row in rows)
    stands = ", ".join(f"{count} {state}" for state, count in states.most_common())
    run = job.batch.run
    begun = f", begun {when(run.created_at)}" if run.created_at else ""
    lines = [f"run {run.id} on {run.target}{begun}", f"{plural(len(rows), 'circuit')}: {stands}"]
    cells = [[row.circuit, row.name, row.status, row.job_id] for row in rows]
    lines.append(table(["circuit", "name", "status", "job"], cells, numbers=["circuit"], fit=width()))
    for row in rows:
        notes = [*row.setbacks, *(f"stored twice, as {twin}" for twin in row.twins)]
        notes += [row.error] if row.error and row.status not in ("cancelled", NOT_SENT) else []
        lines += [wrapped(f"circuit {row.circuit}: {note}") for note in notes]
    if states[NOT_SENT]:
        lines.append(send_hint(run.id, states[NOT_SENT]))
    return "\n".join(filter(None, lines))
