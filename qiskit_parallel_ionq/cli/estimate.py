# SPDX-License-Identifier: Apache-2.0
"""``estimate``: what circuits would cost."""

from __future__ import annotations

import json
from typing import Any

import click

from .account import open_account
from .settings import chosen_options, circuit_options, json_option, local_option, url_option
from .tables import plural, table, width


@click.command()
@circuit_options
@local_option
@url_option
@json_option
def estimate(
    files: tuple[str, ...],
    target: str | None,
    measure_all: bool,
    others: tuple[tuple[str, Any], ...],
    local: bool,
    url: str | None,
    as_json: bool,
    **told: Any,
) -> None:
    """Show what the circuits of FILES would cost.

    By the service's own estimate; sends no circuit. FILES are as for run. The key is IONQ_API_KEY.
    """
    chosen = chosen_options(told, others)
    from ..circuit_files import origin, read_circuits

    circuits = read_circuits(files, measure_all=measure_all)
    with open_account(url, local=local) as provider:
        backend = provider.get_backend(target=target or ("simulator" if local else None))
        options = backend.run_options(**chosen)
        report = backend.estimate_cost(circuits, **chosen)
    shots = options.each_shots(len(circuits))
    costs = report.jobs if len(report.jobs) == len(circuits) else (None,) * len(circuits)
    rows = [
        {
            "circuit": index,
            "file": str(origin(circuit.metadata)),
            "name": circuit.name,
            "shots": each,
            "cost": cost,
        }
        for index, (circuit, each, cost) in enumerate(zip(circuits, shots, costs, strict=True))
    ]
    if as_json:
        facts = {
            "target": backend.ionq_target,
            "unit": report.unit,
            "total": report.total,
            "jobs": report.jobs,
        }
        facts |= {"minimum": report.minimum, "packed": report.packed, "circuits": rows}
        click.echo(json.dumps(facts))
        return
    money, where = report.unit, backend.ionq_target
    if costs:
        header = ["circuit", "file", "name", "shots", money]
        cells = [
            [*list(row.values())[:4], None if row["cost"] is None else f"{row['cost']:.2f}"] for row in rows
        ]
        click.echo(table(header, cells, numbers=["circuit", "shots", money], fit=width()))
    what = f"{plural(len(circuits), 'circuit')} in {plural(len(report.jobs), 'job')}"
    click.echo(f"{what} on {where}: {report.total:.2f} {money}.")
    if backend.simulator:
        click.echo("The simulator is free; --target names a machine.")
    elif report.saving > 0.005:
        click.echo(
            f"{plural(report.at_minimum, 'job')} at the minimum of {report.minimum:.2f} {money}; "
            f"packed with --circuits-per-job: {report.packed:.2f} {money}."
        )
