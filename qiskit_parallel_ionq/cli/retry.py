# SPDX-License-Identifier: Apache-2.0
"""``retry``: execute again what failed by no fault of its own."""

from __future__ import annotations

import click

from .account import ask_before_buying, open_account, shows_progress
from .results import deliver, require_writable
from .run_ids import RunId
from .settings import json_option, limit_options, out_option, url_option, yes_option
from .tables import plural


@click.command()
@click.argument("run_id", metavar="ID", type=RunId())
@click.option("--split", is_flag=True, help="Send circuits that shared a job one by one.")
@limit_options
@out_option
@url_option
@yes_option
@json_option
def retry(
    run_id: str,
    split: bool,
    max_cost: float | None,
    max_jobs: int | None,
    out: str | None,
    url: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Execute again what failed by no fault of its own.

    As a new run, whose results hold those of the old one, too. ID is a run that is over, or the beginning of
    its id. What the service refused or could not compile is left as it is. Ends with code 3 if a circuit has
    no result. Limits that the run was given hold on, unless new ones are given here.
    """
    from .. import wire
    from ..rerun import fell_with_its_pack, is_worth_another_try

    require_writable(out)
    with open_account(url) as provider:
        job = provider.resume(run_id)
        job.wait(progress=shows_progress())
        again = [
            index
            for index, error in job.errors().items()
            if is_worth_another_try(error) or (split and fell_with_its_pack(job.batch, index))
        ]
        if again and wire.is_qpu(job.batch.target) and not yes:
            shots = sum(job.batch.run.shots[index] for index in again)
            what = f"{plural(len(again), 'circuit')} ({shots:,} shots)"
            ask_before_buying(f"This sends {what} to {job.batch.target} again.")
        again_job = job.retry(spend=True, split=split, max_cost=max_cost, max_jobs=max_jobs)
        deliver(again_job, out=out, as_json=as_json)
