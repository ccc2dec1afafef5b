# SPDX-License-Identifier: Apache-2.0
"""``serve``: the emulated IonQ for any client of its API; ``backends``: what a service offers."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from .account import open_account
from .settings import SECONDS, Number, json_option, local_option, url_option
from .tables import table, width


@click.command()
@click.option("--port", default=0, show_default="a free one", metavar="N", type=click.IntRange(0, 65535))
@click.option(
    "--round-trip",
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    type=SECONDS,
    help="Seconds added to a request.",
)
@click.option(
    "--execution-time",
    default=0.5,
    show_default=True,
    metavar="SECONDS",
    type=SECONDS,
    help="Seconds a circuit runs.",
)
@click.option(
    "--queue-time",
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    type=SECONDS,
    help="Seconds until a circuit may start.",
)
@click.option(
    "--running-slots",
    metavar="N",
    type=click.IntRange(1),
    help="Circuits that run at once; no limit if unset.",
)
@click.option("--serial-children", is_flag=True, help="Run the circuits of a job one by one.")
@click.option(
    "--rate-limit",
    metavar="N",
    type=Number(0, min_open=True),
    help="Requests per second before it answers 429; no limit if unset.",
)
@click.option(
    "--burst", metavar="N", type=click.IntRange(1), help="Requests that may come at once under a rate limit."
)
@click.option("--control-flow", is_flag=True, help="Execute branches, which the real service refuses.")
@click.option("--artifacts-only", is_flag=True, help="Publish no legacy result URLs.")
@click.option("--seed", metavar="N", type=click.IntRange(0), help="Makes what is sampled repeatable.")
@json_option
def serve(as_json: bool, **knobs: Any) -> None:
    """Serve the emulated IonQ until Ctrl-C.

    On this machine, for any client of IonQ's API.
    """
    from ..emulator import LocalIonQ

    try:
        service = LocalIonQ(**knobs).start()
    except OSError as error:
        raise click.ClickException(f"cannot listen on port {knobs['port']}: {error.strerror}") from error
    with service:
        if as_json:
            click.echo(json.dumps({"url": service.url, "api_key": service.api_key}))
        else:
            click.echo(f"export IONQ_API_URL={service.url}")
            click.echo(f"export IONQ_API_KEY={service.api_key}")
            click.echo("Serving until Ctrl-C; set these two where your program runs.", err=True)
        try:
            while True:
                time.sleep(3600)
        finally:
            click.echo(f"\nServed {service.stats().requests} requests.", err=True)


@click.command()
@local_option
@url_option
@json_option
def backends(local: bool, url: str | None, as_json: bool) -> None:
    """List the targets of the service. Needs no API key."""
    with open_account(url, local=local) as provider:
        entries = list(provider.catalogue().values())
    rows = [
        {"target": e.name, "qubits": e.qubits, "status": e.status, "native_gates": list(e.native_gates)}
        for e in entries
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    cells = [[e.name, e.qubits, e.status, " ".join(e.native_gates)] for e in entries]
    click.echo(table(["target", "qubits", "status", "native gates"], cells, numbers=["qubits"], fit=width()))
