# SPDX-License-Identifier: Apache-2.0
"""Arguments and options that several commands share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Number(click.FloatRange):
    """A number in a range; ``nan`` is in none."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number.

        Raises:
            click.BadParameter: it is none, or out of range.
        """
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail("nan is not a number", param, ctx)
        return number


class WholeOrWord(click.ParamType):
    """A whole number, or a word that has a meaning of its own, such as ``auto``."""

    name = "integer|word"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:  # noqa: ARG002 - click's names
        """Return the number, or the word as it is."""
        return int(value) if str(value).isdecimal() else str(value)


class NamedValue(click.ParamType):
    """``name=value``; the value is JSON, or else text as it is."""

    name = "name=json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        """Return the name and the value.

        Raises:
            click.BadParameter: there is no name.
        """
        if isinstance(value, tuple):
            return value
        name, separator, text = str(value).partition("=")
        if not separator or not name:
            self.fail(f"{value!r} is not of the form name=value", param, ctx)
        try:
            return name, json.loads(text)
        except ValueError:
            return name, text


SECONDS = Number(0, 86_400)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON value in place of text.")
url_option = click.option(
    "--url", metavar="URL", help="Base URL of the service; IONQ_API_URL if not given, else IonQ's."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask before a machine that costs money is used.")
out_option = click.option(
    "-o", "--out", metavar="FILE", help="Write all results to a JSON file, whole or not at all."
)
local_option = click.option(
    "--local", is_flag=True, help="Use an emulated IonQ inside this process: no key, no network, no cost."
)


def limit_options(command: _Command) -> _Command:
    """Add the limits of a run that goes on."""
    for option in (
        click.option(
            "--max-jobs",
            metavar="N",
            type=click.IntRange(1),
            help="Let the run take no more IonQ jobs in all, those that were sent before included.",
        ),
        click.option(
            "--max-cost",
            metavar="AMOUNT",
            type=Number(0),
            help="Let the run cost no more in all, what was charged before included.",
        ),
    ):
        command = option(command)
    return command


_CIRCUITS = (
    click.argument("files", nargs=-1, required=True, type=click.Path(allow_dash=True)),
    click.option(
        "-n",
        "--shots",
        metavar="N",
        type=click.IntRange(1, 1_000_000),
        help="Shots of each circuit.  [default: 1024]",
    ),
    click.option(
        "-t",
        "--target",
        metavar="NAME",
        help="Such as qpu.forte-1; IONQ_TARGET if not given, else the simulator.",
    ),
    click.option("--measure-all", is_flag=True, help="Measure all qubits of circuits that measure nothing."),
    click.option(
        "--circuits-per-job",
        metavar="N",
        type=WholeOrWord(),
        help="Circuits that share one IonQ job.  [default: 1]",
    ),
    click.option(
        "--level",
        "optimization_level",
        metavar="0-3|none",
        type=click.Choice(["0", "1", "2", "3", "none"]),
        help="At which circuits are compiled; none: refuse those that are not native.  [default: 1]",
    ),
    click.option(
        "--noise-model", metavar="NAME", help="Of the simulator, such as forte-1; exact if not given."
    ),
    click.option(
        "--option",
        "others",
        type=NamedValue(),
        multiple=True,
        help="Any other option of backend.run, such as on_unknown=never; may be given again.",
    ),
)


def circuit_options(command: _Command) -> _Command:
    """Add what says which circuits are meant and how they are to run; `chosen_options` reads it."""
    for decorate in reversed(_CIRCUITS):
        command = decorate(command)
    return command


def chosen_options(told: Mapping[str, Any], others: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """Return what ``backend.run`` is told.

    Args:
        told: options by their names there; None is one that was not given.
        others: what ``--option`` gave.

    Raises:
        click.UsageError: an option is unknown, cannot be right, or was given twice.
    """
    from ..errors import OptionError
    from ..options import RunOptions

    chosen = {name: value for name, value in told.items() if value is not None}
    if "optimization_level" in chosen:
        level = chosen["optimization_level"]
        chosen["optimization_level"] = None if level == "none" else int(level)
    for name, value in others:
        if name in chosen:
            raise click.UsageError(f"{name} is given twice")
        chosen[name] = value
    try:
        RunOptions().update(**chosen)
    except OptionError as error:
        raise click.UsageError(str(error)) from error
    return chosen
