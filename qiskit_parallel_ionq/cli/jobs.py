# SPDX-License-Identifier: Apache-2.0
"""``jobs``: the runs on record."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from ..state_folder import default_folder, recorded_runs
from .account import open_account
from .run_ids import in_short
from .settings import json_option, url_option
from .tables import plural, table, width

if TYPE_CHECKING:
    from ..chronicle import Summary


@click.command()
@click.option(
    "--limit", metavar="N", default=20, show_default=True, type=click.IntRange(1), help="Runs at the most."
)
@url_option
@json_option
def jobs(limit: int, url: str | None, as_json: bool) -> None:
    """List what was run from this machine.

    The latest first. Needs no key and no network.
    """
    with open_account(url) as provider:
        found, service = provider.jobs(limit=limit), provider.url
    if as_json:
        click.echo(json.dumps([{**asdict(run), "is_over": run.is_over} for run in found]))
        return
    recorded = list(recorded_runs(default_folder()))
    if not found:
        others = f"; {plural(len(recorded), 'run')} of other services: see --url" if recorded else ""
        click.echo(f"No run of {service} is recorded in {default_folder()}{others}.")
        return
    ids = in_short([run.job_id for run in found], among=recorded)
    rows = [
        [name, when(run.created_at), run.target, run.total, state(run)]
        for name, run in zip(ids, found, strict=True)
    ]
    click.echo(
        table(["run", "begun", "target", "circuits", "state"], rows, numbers=["circuits"], fit=width())
    )


def when(at: float) -> str:
    """Return a time of the wall clock as people here read it, to the minute."""
    return datetime.fromtimestamp(at, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M")


def state(run: Summary) -> str:
    """Return how a run stands, as far as it is recorded."""
    if run.done == run.total:
        return "done"
    parts = [f"{run.done} done", f"{run.failed} without result", f"{run.total - run.done - run.failed} open"]
    return ", ".join(part for part in parts if not part.startswith("0 "))
