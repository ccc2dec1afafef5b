# SPDX-License-Identifier: Apache-2.0
"""The command line: try it, time it, serve the emulator, see what the service offers.

Exit codes: 0 done, 1 an error of ours or a no to a question, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import io
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
    from .job import ParallelIonQJob

_ROUND_TRIP = 0.15
_FEW = 5
"""How many circuits go one after the other with ``--quick``."""


class _Number(click.FloatRange):
    """A number in a range; ``nan`` is in none."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail("nan is not a number", param, ctx)
        return number


_SECONDS = _Number(0, 86_400)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="qiskit-parallel-ionq")
@click.option("-v", "--verbose", is_flag=True, help="Log every circuit, in place of a progress bar.")
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
    "--execution-time", default=3.0, show_default=True, type=_SECONDS, help="Seconds a circuit runs."
)
@click.option("--compare", is_flag=True, help="Run the same circuits one after the other as well.")
@click.option("--quick", is_flag=True, help=f"With --compare: {_FEW} of them, and scale up.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def demo(
    num_circuits: int,
    shots: int,
    max_workers: int,
    execution_time: float,
    compare: bool,
    quick: bool,
    as_json: bool,
) -> None:
    """Send circuits of 4 qubits to an emulated IonQ on this machine: no key, no network, no cost."""
    from .provider import ParallelIonQProvider

    say = _silence if as_json else click.echo
    say(f"An emulated IonQ: round trip {_ROUND_TRIP * 1e3:.0f} ms, {execution_time:g} s a circuit.")
    with ParallelIonQProvider.local(
        seed=1, round_trip=_ROUND_TRIP, execution_time=execution_time
    ) as provider:
        backend = provider.get_backend(target="simulator", shots=shots)
        circuits = _native_circuits(backend, num_circuits)
        say(f"Running {num_circuits} circuits of 4 qubits, {shots} shots each, {max_workers} at a time.")
        wall, job = _timed_run(backend, circuits, max_workers=max_workers)
        counts = [job.result().get_counts(index) for index in range(num_circuits)]
        ids = [str(job_id) for job_id in job.job_ids()]
        for index, (counted, job_id) in enumerate(zip(counts, ids, strict=True)):
            say(f"  circuit {index:3}  job …{job_id[-8:]}  {_in_short(counted)}")
        ideal, how = _ideal_time(num_circuits, max_workers, execution_time)
        say(f"\nWall time {wall:.2f} s; ideal {ideal:.2f} s; ratio {wall / ideal:.2f}.")
        say(
            "Wall: from run() to the last result; circuits were compiled before.\n"
            f"Ideal: {how}.\n"
            "A result is asked for at the moment it should be there, not after it is seen\n"
            "to be there, so part of a round trip may be saved on that."
        )
        facts: dict[str, Any] = {"circuits": num_circuits, "wall_s": wall, "ideal_s": ideal}
        facts |= {"ratio": wall / ideal, "job_ids": ids, "counts": counts}
        if compare:
            few = circuits[:_FEW] if quick and num_circuits > _FEW else circuits
            estimate = len(few) * (execution_time + 2 * _ROUND_TRIP)
            which = "the same" if few is circuits else f"{len(few)} of them"
            say(f"\nNow {which}, one after the other (about {estimate:.0f} s):")
            slow, _ = _timed_run(backend, few, use_parallel=False)
            scaled = slow * num_circuits / len(few)
            facts |= {"sequential_s": slow, "sequential_circuits": len(few), "speed_up": scaled / wall}
            note = "" if few is circuits else f" (scaled from {len(few)} circuits in {slow:.2f} s)"
            say(f"\nOne after the other: {scaled:.2f} s{note}.")
            say(f"At once: {wall:.2f} s, {scaled / wall:.1f} times faster.")
    if as_json:
        click.echo(json.dumps(facts))


@cli.command()
@click.option("--compare", is_flag=True, help="One after the other and in parallel (the default).")
@click.option("--parallel", is_flag=True, help="In parallel only.")
@click.option("--num-circuits", default=20, show_default=True, type=click.IntRange(1, 5000))
@click.option("--max-workers", default=8, show_default=True, type=click.IntRange(1, 64))
@click.option("--shots", default=1000, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--target", help="A real target, such as simulator or qpu.forte-1; needs an API key.")
@click.option("--url", help="Base URL of another service; needs its API key.")
@click.option(
    "--execution-time",
    default=3.0,
    show_default=True,
    type=_SECONDS,
    help="Seconds a circuit runs on the emulator.",
)
@click.option("--yes", is_flag=True, help="Do not ask before a machine that costs money is used.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def bench(
    compare: bool,
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
    """Time circuits of 4 qubits, one after the other and in parallel.

    On the emulator, unless --target or --url is given: then on your account, whose key is IONQ_API_KEY.
    """
    from .provider import ParallelIonQProvider

    say = _silence if as_json else click.echo
    one_by_one = compare or not parallel
    is_local = target is None and url is None
    if is_local:
        provider = ParallelIonQProvider.local(seed=1, round_trip=_ROUND_TRIP, execution_time=execution_time)
    else:
        provider = ParallelIonQProvider(url=url)
    with provider:
        backend = provider.get_backend(target="simulator" if is_local else target, shots=shots)
        where = "the emulator" if is_local else f"{backend.ionq_target} at {provider.url}"
        provider.require_available(backend.ionq_target)  # there is a key: nobody is asked in vain
        if not backend.simulator and not yes:
            _ask_before_buying(num_circuits * (1 + one_by_one), shots, backend.ionq_target)
        circuits = _native_circuits(backend, num_circuits)
        say(f"{num_circuits} circuits of 4 qubits, {shots} shots each, on {where}.")
        times: dict[str, float] = {}
        if one_by_one:
            say("One after the other:")
            times["sequential"], _ = _timed_run(backend, circuits, use_parallel=False)
        say("In parallel:")
        times["parallel"], _ = _timed_run(backend, circuits, max_workers=max_workers)
    speed_up = times["sequential"] / times["parallel"] if one_by_one else None
    say(f"\n{'mode':12} {'total s':>9} {'s/circuit':>10}")
    for mode, seconds in times.items():
        say(f"{mode:12} {seconds:9.2f} {seconds / num_circuits:10.3f}")
    if speed_up is not None:
        say(f"\nIn parallel it is {speed_up:.1f} times faster (max_workers={max_workers}).")
    if as_json:
        facts = {"where": where, "circuits": num_circuits, "shots": shots, "max_workers": max_workers}
        click.echo(json.dumps({**facts, "seconds": times, "speed_up": speed_up}))


@cli.command()
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535))
@click.option(
    "--round-trip", default=0.0, show_default=True, type=_SECONDS, help="Seconds added to a request."
)
@click.option(
    "--execution-time", default=0.5, show_default=True, type=_SECONDS, help="Seconds a circuit runs."
)
@click.option("--running-slots", type=click.IntRange(1), help="Circuits that run at once; no limit if unset.")
@click.option(
    "--rate-limit",
    type=_Number(0, min_open=True),
    help="Requests per second before it answers 429; no limit if unset.",
)
@click.option("--control-flow", is_flag=True, help="Execute branches, which the real service refuses.")
@click.option("--seed", type=click.IntRange(0), help="Makes what is sampled repeatable.")
def serve(**knobs: Any) -> None:
    """Serve the emulated IonQ on this machine until Ctrl-C, for any client of IonQ's API."""
    from .emulator import LocalIonQ

    try:
        service = LocalIonQ(**knobs).start()
    except OSError as error:
        raise click.ClickException(f"cannot listen on port {knobs['port']}: {error.strerror}") from error
    with service:
        click.echo(f"export IONQ_API_URL={service.url}")
        click.echo(f"export IONQ_API_KEY={service.api_key}")
        click.echo("Serving until Ctrl-C; set these two where your program runs.", err=True)
        try:
            while True:
                time.sleep(3600)
        finally:
            click.echo(f"\nServed {service.stats().requests} requests.", err=True)


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

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter shows "?"
    try:
        cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="qiskit-parallel-ionq",
            standalone_mode=False,
        )
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except IonQError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


def _silence(text: str) -> None:
    """Say nothing: standard output is for JSON."""


def _ask_before_buying(jobs: int, shots: int, target: str) -> None:
    """Ask on standard error; whatever is not a yes, the end of the input included, is a no."""
    click.echo(
        f"This buys {jobs} jobs of {shots} shots each ({jobs * shots:,} shots) on {target}. Go on? [y/N]: ",
        nl=False,
        err=True,
    )
    answer = sys.stdin.readline()
    if not sys.stdin.isatty():
        click.echo(err=True)
    if answer.strip().lower() not in ("y", "yes"):
        raise click.ClickException("not confirmed, so nothing was sent; --yes confirms without a question")


def _native_circuits(backend: ParallelIonQBackend, count: int) -> list[QuantumCircuit]:
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
) -> tuple[float, ParallelIonQJob]:
    from .display import is_watched

    is_verbose = logging.getLogger("qiskit_parallel_ionq").isEnabledFor(logging.INFO)
    progress = is_watched() and not is_verbose
    began = time.perf_counter()
    job = backend.run(circuits, progress=progress, **options)
    try:
        job.result()
    except KeyboardInterrupt:
        click.echo("\nInterrupted: cancelling what has no result yet.", err=True)
        job.cancel()
        job.wait(timeout=10)
        raise
    return time.perf_counter() - began, job


def _ideal_time(circuits: int, workers: int, execution: float) -> tuple[float, str]:
    """Return the seconds it takes at least with one connection per worker, and how they are counted."""
    waves = math.ceil(circuits / workers)
    to_submit = f"{waves} round trip{'s' if waves > 1 else ''} to submit"
    if execution >= (waves - 1) * _ROUND_TRIP:
        seconds = waves * _ROUND_TRIP + execution + _ROUND_TRIP
        return seconds, f"{to_submit}, {execution:g} s of execution, 1 to fetch"
    return 2 * waves * _ROUND_TRIP, f"{to_submit}, as many to fetch; executions end meanwhile"


def _in_short(counts: dict[str, int], shown: int = 4) -> str:
    """Return the most frequent outcomes on one line."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{bits}: {count}" for bits, count in ranked[:shown]]
    return "  ".join(parts) + ("  …" if len(ranked) > shown else "")
