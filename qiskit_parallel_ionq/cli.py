# SPDX-License-Identifier: Apache-2.0
"""The command line: try it, time it, serve the emulator, see what the service offers.

Exit codes: 0 done, 1 an error of ours, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from .backend import ParallelIonQBackend

_ROUND_TRIP = 0.15


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="qiskit-parallel-ionq")
@click.option("-v", "--verbose", is_flag=True, help="Show the log of every circuit.")
def cli(verbose: bool) -> None:
    """Run many quantum circuits on IonQ at once."""
    if verbose:
        logging.basicConfig(format="%(message)s")
        logging.getLogger("qiskit_parallel_ionq").setLevel(logging.INFO)


@cli.command()
@click.option("--num-circuits", default=20, show_default=True, type=click.IntRange(1, 5000))
@click.option("--shots", default=1000, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--max-workers", default=10, show_default=True, type=click.IntRange(1, 64))
@click.option(
    "--execution-time",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds a circuit runs.",
)
@click.option("--compare", is_flag=True, help="Run the same circuits one after the other as well.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def demo(
    num_circuits: int, shots: int, max_workers: int, execution_time: float, compare: bool, as_json: bool
) -> None:
    """Send circuits of 4 qubits to an emulated IonQ on this machine: no key, no network, no cost."""
    from .provider import ParallelIonQProvider

    _say(as_json, f"An emulated IonQ: round trip {_ROUND_TRIP * 1e3:.0f} ms, {execution_time:g} s a circuit.")
    with ParallelIonQProvider.local(
        seed=1, round_trip=_ROUND_TRIP, execution_time=execution_time
    ) as provider:
        backend = provider.get_backend()
        circuits = _transpiled(backend, num_circuits)
        _say(
            as_json,
            f"Running {num_circuits} circuits of 4 qubits, {shots} shots each, {max_workers} at a time.",
        )
        wall, job = _timed_run(backend, circuits, shots=shots, max_workers=max_workers, progress=not as_json)
        counts = job.result().get_counts()
        counts = counts if isinstance(counts, list) else [counts]
        ideal = _ideal_time(num_circuits, max_workers, execution_time)
        facts: dict[str, Any] = {
            "circuits": num_circuits,
            "wall_s": wall,
            "ideal_s": ideal,
            "ratio": wall / ideal,
        }
        if not as_json:
            for index, (counted, job_id) in enumerate(zip(counts, job.job_ids(), strict=True)):
                click.echo(f"  circuit {index:3}  job …{str(job_id)[-8:]}  {_in_short(counted)}")
            click.echo(f"\nWall time {wall:.2f} s; ideal {ideal:.2f} s; ratio {wall / ideal:.2f}.")
            click.echo(_how_ideal_is_counted(num_circuits, max_workers))
        if compare:
            estimate = num_circuits * (execution_time + 2 * _ROUND_TRIP)
            _say(as_json, f"\nNow one after the other (about {estimate:.0f} s) …")
            slow, _ = _timed_run(backend, circuits, shots=shots, use_parallel=False, progress=not as_json)
            facts |= {"sequential_s": slow, "speed_up": slow / wall}
            _say(
                as_json,
                f"Sequential {slow:.2f} s, parallel {wall:.2f} s: {slow / wall:.1f} times faster.",
            )
        if as_json:
            click.echo(json.dumps({**facts, "counts": counts}))


@cli.command()
@click.option(
    "--compare/--no-compare", default=None, help="Sequential and parallel, side by side (the default)."
)
@click.option("--parallel", is_flag=True, help="Parallel only.")
@click.option("--num-circuits", default=20, show_default=True, type=click.IntRange(1, 5000))
@click.option("--max-workers", default=8, show_default=True, type=click.IntRange(1, 64))
@click.option("--shots", default=1000, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--target", help="A real target, such as simulator or qpu.forte-1; needs an API key.")
@click.option("--url", help="Base URL of another service; its key comes from IONQ_API_KEY.")
@click.option(
    "--execution-time",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Of the emulator, in seconds.",
)
@click.option("--yes", is_flag=True, help="Do not ask before a machine that costs money is used.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def bench(
    compare: bool | None,
    parallel: bool,
    num_circuits: int,
    max_workers: int,
    shots: int,
    target: str | None,
    url: str | None,
    execution_time: float,
    yes: bool,
    as_json: bool,
) -> None:
    """Time circuits one after the other and in parallel; on the emulator unless a target or URL is given."""
    from .provider import ParallelIonQProvider

    one_by_one = compare if compare is not None else not parallel
    if target is None and url is None:
        provider = ParallelIonQProvider.local(seed=1, round_trip=_ROUND_TRIP, execution_time=execution_time)
        where = "the emulator"
    else:
        provider = ParallelIonQProvider(url=url)
        where = f"{target or 'simulator'} at {provider.url}"
    with provider:
        backend = provider.get_backend(target=target)
        if not backend.simulator and not yes:
            runs = num_circuits * (2 if one_by_one else 1)
            click.confirm(
                f"This buys {runs} jobs of {shots} shots each on {backend.ionq_target}. Go on?", abort=True
            )
        circuits = _transpiled(backend, num_circuits)
        _say(as_json, f"{num_circuits} circuits of 4 qubits, {shots} shots each, on {where}")
        modes = ([("sequential", {"use_parallel": False})] if one_by_one else []) + [
            ("parallel", {"max_workers": max_workers})
        ]
        times: dict[str, float] = {}
        for name, options in modes:
            times[name], _ = _timed_run(backend, circuits, shots=shots, progress=not as_json, **options)
        rows = {
            name: {"seconds": seconds, "per_circuit": seconds / num_circuits}
            for name, seconds in times.items()
        }
        speed_up = times["sequential"] / times["parallel"] if one_by_one else None
    if as_json:
        click.echo(
            json.dumps({"where": where, "max_workers": max_workers, "modes": rows, "speed_up": speed_up})
        )
        return
    click.echo(f"\n{'mode':12} {'total s':>9} {'s/circuit':>10}")
    for name, row in rows.items():
        click.echo(f"{name:12} {row['seconds']:9.2f} {row['per_circuit']:10.3f}")
    if speed_up is not None:
        click.echo(f"\nParallel is {speed_up:.1f} times faster (max_workers={max_workers}).")


@cli.command()
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535))
@click.option(
    "--round-trip", default=0.0, show_default=True, type=click.FloatRange(0), help="Seconds per request."
)
@click.option(
    "--execution-time",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds a circuit runs.",
)
@click.option(
    "--running-slots", type=click.IntRange(1), help="Circuits that run at once; unlimited if not given."
)
@click.option(
    "--rate-limit", type=click.FloatRange(0, min_open=True), help="Requests per second before it answers 429."
)
@click.option("--control-flow", is_flag=True, help="Execute branches, which the real service refuses.")
@click.option("--seed", type=int)
def serve(
    port: int,
    round_trip: float,
    execution_time: float,
    running_slots: int | None,
    rate_limit: float | None,
    control_flow: bool,
    seed: int | None,
) -> None:
    """Serve the emulated IonQ on this machine until Ctrl-C, for any client of IonQ's API."""
    from .emulator import LocalIonQ

    service = LocalIonQ(
        port=port,
        round_trip=round_trip,
        execution_time=execution_time,
        running_slots=running_slots,
        rate_limit=rate_limit,
        control_flow=control_flow,
        seed=seed,
    )
    with service:
        click.echo(f"export IONQ_API_URL={service.url}")
        click.echo(f"export IONQ_API_KEY={service.api_key}")
        click.echo("Serving until Ctrl-C.", err=True)
        while True:
            time.sleep(3600)


@cli.command()
@click.option("--local", is_flag=True, help="Ask the emulator.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array instead of a table.")
def backends(local: bool, as_json: bool) -> None:
    """List the targets of the service. Needs no API key."""
    from .provider import ParallelIonQProvider

    with ParallelIonQProvider.local() if local else ParallelIonQProvider() as provider:
        entries = list(provider.catalogue().values())
    if as_json:
        rows = [
            {"target": e.name, "qubits": e.qubits, "status": e.status, "native_gates": list(e.native_gates)}
            for e in entries
        ]
        click.echo(json.dumps(rows))
        return
    click.echo(f"{'target':26} {'qubits':>6} {'status':12} native gates")
    for e in entries:
        click.echo(f"{e.name:26} {e.qubits:6} {e.status:12} {' '.join(e.native_gates)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors of ours are one message and exit code 1."""
    from .errors import IonQError

    try:
        cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="qiskit-parallel-ionq",
            standalone_mode=False,
        )
    except click.exceptions.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except IonQError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _transpiled(backend: ParallelIonQBackend, count: int) -> list[QuantumCircuit]:
    """Return different circuits of 4 qubits in native gates: entangled, each turned a little further."""
    from qiskit import QuantumCircuit, transpile

    circuits = []
    for index in range(count):
        circuit = QuantumCircuit(4, name=f"turned-{index}")
        circuit.ry(math.pi * (index + 1) / (count + 1), 0)
        for qubit in range(3):
            circuit.cx(qubit, qubit + 1)
        circuit.rx(0.2, 3)
        circuit.measure_all()
        circuits.append(circuit)
    native: list[QuantumCircuit] = transpile(circuits, backend)
    return native


def _timed_run(
    backend: ParallelIonQBackend, circuits: list[QuantumCircuit], **options: Any
) -> tuple[float, Any]:
    began = time.perf_counter()
    job = backend.run(circuits, **options)
    job.result()
    return time.perf_counter() - began, job


def _ideal_time(circuits: int, workers: int, execution: float) -> float:
    """Return seconds that nobody can save who holds one connection per worker."""
    waves = math.ceil(circuits / workers)
    return max(waves * _ROUND_TRIP + execution + _ROUND_TRIP, 2 * waves * _ROUND_TRIP)


def _how_ideal_is_counted(circuits: int, workers: int) -> str:
    waves = math.ceil(circuits / workers)
    trips = "1 round trip" if waves == 1 else f"{waves} round trips"
    return f"Ideal: {trips} to submit, the last execution, 1 round trip to fetch."


def _in_short(counts: dict[str, int], shown: int = 4) -> str:
    """Return the most frequent outcomes on one line."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{bits}: {count}" for bits, count in ranked[:shown]]
    return "  ".join(parts) + ("  …" if len(ranked) > shown else "")


def _say(as_json: bool, text: str) -> None:
    if not as_json:
        click.echo(text)
