# SPDX-License-Identifier: Apache-2.0
"""``cancel``: call back what has no result yet."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from .account import open_account
from .run_ids import RunId
from .settings import json_option, url_option
from .tables import plural

_PATIENCE = 30.0
"""Seconds in which the service is to confirm."""


@click.command()
@click.argument("run_id", metavar="ID", type=RunId())
@click.option(
    "--include-running", is_flag=True, help="On a machine, what already runs, too; it may be billed in part."
)
@url_option
@json_option
def cancel(run_id: str, include_running: bool, url: str | None, as_json: bool) -> None:
    """Cancel the circuits of a run that have no result yet.

    ID is a run, or the beginning of its id. Results that are there stay; what was not sent stays unsent.
    """
    from .. import wire
    from ..lifecycle import Phase

    with open_account(url) as provider:
        job = provider.resume(run_id)
        before = job.progress().cancelled
        job.cancel(include_running=include_running or None)
        batch, runs_on = job.batch, wire.is_qpu(job.batch.target) and not include_running

        def is_settled() -> bool:
            return all(phase.is_final or (runs_on and phase is Phase.RUNNING) for phase in batch.phases())

        batch.wait_for(is_settled, _PATIENCE)
        at = job.progress()
    if as_json:
        click.echo(json.dumps({"run": run_id, **asdict(at)}))
        return
    parts = [
        f"{at.done} done",
        f"{at.cancelled} cancelled",
        f"{at.failed} failed",
        f"{at.not_sent} not sent",
        f"{at.running} running",
        f"{at.queued + at.waiting} not yet confirmed",
    ]
    stands = ", ".join(part for part in parts if not part.startswith("0 "))
    click.echo(f"{plural(at.total, 'circuit')} of run {run_id}: {stands}.")
    if at.cancelled == before and at.finished == at.total:
        click.echo("Nothing was left to cancel.")
    if at.running and runs_on:
        click.echo("What runs goes on; --include-running cancels it, too, and may cost a part.")
