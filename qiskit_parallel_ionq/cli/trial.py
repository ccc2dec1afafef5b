# SPDX-License-Identifier: Apache-2.0
"""``demo`` and ``bench``: circuits of 4 qubits, for seeing it work and for timing it."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

import click

from .account import ask_before_buying, open_account, shows_progress
from .settings import SECONDS, json_option, url_option, yes_option
from .tables import counts_in_short

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from ..backend import ParallelIonQBackend
    from ..job import ParallelIonQJob

_ROUND_TRIP = 0.15
_FEW = 5
"""How many circuits go one after the other with ``--quick``."""


@click.command()
@click.option("--num-circuits", default=20, show_default=True, metavar="N", type=click.IntRange(1, 5000))
@click.option("--shots", default=1000, show_default=True, metavar="N", type=click.IntRange(1, 1_000_000))
@click.option("--max-workers", default=10, show_default=True, metavar="N", type=click.IntRange(1, 64))
@click.option(
    "--execution-time",
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    type=SECONDS,
    help="Seconds a circuit runs.",
)
@click.option("--compare", is_flag=True, help="Run the same circuits one after the other as well.")
@click.option("--quick", is_flag=True, help=f"With --compare: {_FEW} of them, and scale up.")
@json_option
def demo(
    num_circuits: int,
    shots: int,
    max_workers: int,
    execution_time: float,
    compare: bool,
    quick: bool,
    as_json: bool,
) -> None:
    """Try it: no key, no network, no cost.

    Sends circuits of 4 qubits to an emulated IonQ on this machine.
    """
    say = _silence if as_json else click.echo
    say(f"An emulated IonQ: round trip {_ROUND_TRIP * 1e3:.0f} ms, {execution_time:g} s a circuit.")
    with open_account(local=True, **_emulated(execution_time)) as provider:
        backend = provider.get_backend(target="simulator", shots=shots)
        circuits = _native_circuits(backend, num_circuits)
        say(f"Running {num_circuits} circuits of 4 qubits, {shots} shots each, {max_workers} at a time.")
        wall, job = _timed_run(backend, circuits, max_workers=max_workers)
        counts = [job.result().get_counts(index) for index in range(num_circuits)]
        ids = [str(job_id) for job_id in job.job_ids()]
        for index, (counted, job_id) in enumerate(zip(counts, ids, strict=True)):
            say(f"  circuit {index:3}  job …{job_id[-8:]}  {counts_in_short(counted)}")
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


@click.command()
@click.option("--compare", is_flag=True, help="One after the other and in parallel (the default).")
@click.option("--parallel", is_flag=True, help="In parallel only.")
@click.option("--num-circuits", default=20, show_default=True, metavar="N", type=click.IntRange(1, 5000))
@click.option("--max-workers", default=8, show_default=True, metavar="N", type=click.IntRange(1, 64))
@click.option("--shots", default=1000, show_default=True, metavar="N", type=click.IntRange(1, 1_000_000))
@click.option("--target", help="A real target, such as simulator or qpu.forte-1; needs an API key.")
@url_option
@click.option(
    "--execution-time",
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    type=SECONDS,
    help="Seconds a circuit runs on the emulator.",
)
@yes_option
@json_option
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
    """Time circuits one after the other and in parallel.

    Circuits of 4 qubits, on the emulator; or with --target or --url on your account, whose key is
    IONQ_API_KEY.
    """
    say = _silence if as_json else click.echo
    one_by_one = compare or not parallel
    is_local = target is None and url is None
    emulated = _emulated(execution_time) if is_local else {}
    with open_account(url, local=is_local, **emulated) as provider:
        backend = provider.get_backend(target="simulator" if is_local else target, shots=shots)
        where = "the emulator" if is_local else f"{backend.ionq_target} at {provider.url}"
        provider.require_available(backend.ionq_target)  # there is a key: nobody is asked in vain
        if not backend.simulator and not yes:
            bought = num_circuits * (1 + one_by_one)
            what = f"{bought} jobs of {shots} shots each ({bought * shots:,} shots)"
            ask_before_buying(f"This buys {what} on {backend.ionq_target}.")
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


def _emulated(execution_time: float) -> dict[str, Any]:
    """Return the knobs of the emulated service."""
    return {"seed": 1, "round_trip": _ROUND_TRIP, "execution_time": execution_time}


def _silence(text: str) -> None:
    """Say nothing: standard output is for JSON."""


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
    began = time.perf_counter()
    job = backend.run(circuits, progress=shows_progress(), on_interrupt="cancel", **options)
    try:
        job.result()
    except KeyboardInterrupt:
        job.wait(timeout=10)  # until the service has confirmed
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
