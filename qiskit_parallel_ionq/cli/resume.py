# SPDX-License-Identifier: Apache-2.0
"""``resume``: go on with a run where it stopped."""

from __future__ import annotations

import click

from .account import ask_before_buying, open_account
from .results import deliver, require_writable
from .run_ids import RunId
from .settings import json_option, limit_options, out_option, url_option, yes_option
from .tables import plural


@click.command()
@click.argument("run_id", metavar="ID", type=RunId())
@click.option("--submit", is_flag=True, help="Send what was not sent, too; that may cost money.")
@limit_options
@out_option
@url_option
@yes_option
@json_option
def resume(
    run_id: str,
    submit: bool,
    max_cost: float | None,
    max_jobs: int | None,
    out: str | None,
    url: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Go on with a run where it stopped.

    Collects what was sent, and looks for what is in doubt. ID is a run, or the beginning of its id. A run
    that is over gives the same results again. Ends with code 3 if a circuit has no result.
    Limits that the run was given hold on, unless new ones are given here.
    """
    require_writable(out)
    if submit:
        _check(run_id, yes=yes)
    with open_account(url) as provider:
        job = provider.resume(run_id, submit=submit, max_cost=max_cost, max_jobs=max_jobs)
        deliver(job, out=out, as_json=as_json)


def _check(run_id: str, *, yes: bool) -> None:
    """Make sure that circuits may be sent: it is known which, and if they cost money the user agrees.

    Raises:
        click.ClickException: they may not.
    """
    from .. import wire
    from ..archive import Archive
    from ..lifecycle import Phase

    archive = Archive()
    if not archive.holds(run_id):
        raise click.ClickException(
            f"run {run_id} is not recorded here, so nobody knows what was not sent; without --submit, resume "
            "collects what the account holds"
        )
    story = archive.read(run_id)
    unsent = [
        parcel
        for parcel, submission in zip(story.parcels, story.submissions, strict=True)
        if submission.phase in (Phase.WAITING, Phase.SENDING, Phase.UNKNOWN)
    ]
    if unsent and wire.is_qpu(story.run.target) and not yes:
        circuits = sum(len(parcel.circuits) for parcel in unsent)
        shots = sum(parcel.shots * len(parcel.circuits) for parcel in unsent)
        ask_before_buying(
            f"This sends up to {plural(circuits, 'circuit')} ({shots:,} shots) to {story.run.target}."
        )
