# SPDX-License-Identifier: Apache-2.0
"""``run``: files of circuits in, results out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .account import ask_before_buying, open_account, shows_progress
from .results import deliver, require_writable
from .settings import (
    Number,
    chosen_options,
    circuit_options,
    json_option,
    local_option,
    out_option,
    url_option,
    yes_option,
)
from .tables import plural

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from ..backend import ParallelIonQBackend


@click.command()
@circuit_options
@click.option("--memory", is_flag=True, default=None, help="Keep every shot in order, too.")
@click.option(
    "--seed", "seed_simulator", metavar="N", type=click.IntRange(0), help="Makes what is sampled repeatable."
)
@click.option(
    "--max-workers",
    metavar="N",
    type=click.IntRange(1, 64),
    help="Requests under way at once.  [default: 10]",
)
@click.option("--max-cost", metavar="AMOUNT", type=Number(0), help="Send nothing if the run would cost more.")
@click.option(
    "--max-jobs", metavar="N", type=click.IntRange(1), help="Send nothing if the run takes more IonQ jobs."
)
@out_option
@local_option
@url_option
@yes_option
@json_option
def run(
    files: tuple[str, ...],
    target: str | None,
    measure_all: bool,
    others: tuple[tuple[str, Any], ...],
    out: str | None,
    local: bool,
    url: str | None,
    yes: bool,
    as_json: bool,
    **told: Any,
) -> None:
    """Run the circuits of FILES, all at once.

    FILES are OpenQASM 2 or 3, or QPY; folders, of which all such files are taken; patterns such as
    'circuits/*.qasm'; or - for standard input. All are read before anything is sent. The key is IONQ_API_KEY.

    Ends with code 3 if a circuit has no result; the results of the others are shown and written.
    """
    chosen = chosen_options(told, others)
    require_writable(out)
    from ..circuit_files import read_circuits

    circuits = read_circuits(files, measure_all=measure_all)
    if local:
        chosen.setdefault("on_interrupt", "cancel")  # the service ends with this process
    with open_account(url, local=local) as provider:
        backend = provider.get_backend(target=target or ("simulator" if local else None))
        if not (backend.simulator or local or yes):
            _ask(backend, circuits, chosen)
        job = backend.run(circuits, **{"progress": shows_progress(), **chosen})
        deliver(job, out=out, as_json=as_json)


def _ask(backend: ParallelIonQBackend, circuits: list[QuantumCircuit], chosen: dict[str, Any]) -> None:
    """Ask before a machine is used, with what that costs.

    Raises:
        click.ClickException: no.
    """
    from ..errors import ApiError

    shots = sum(backend.run_options(**chosen).each_shots(len(circuits)))
    try:
        report = backend.estimate_cost(circuits, **chosen)
        cost = (
            f"{report.total:.2f} {report.unit} in {plural(len(report.jobs), 'job')} by the service's estimate"
        )
        if report.saving > 0.01 * report.total:
            cost += f" ({report.packed:.2f} {report.unit} if packed with --circuits-per-job)"
    except ApiError as error:
        cost = f"the service gives no estimate ({error.detail or error.status})"
    what = f"{plural(len(circuits), 'circuit')} of {shots:,} shots in all on {backend.ionq_target}"
    ask_before_buying(f"{what}: {cost}.")
