# SPDX-License-Identifier: Apache-2.0
"""All commands together, and how their errors end."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from .cancel import cancel
from .estimate import estimate
from .exit_codes import TOLD, ExitCode
from .jobs import jobs
from .resume import resume
from .run import run
from .serve import backends, serve
from .show import show
from .tables import wrapped
from .trial import bench, demo

PROGRAM = "qiskit-parallel-ionq"


class _InOrder(click.Group):
    """Lists its commands as a person meets them, not by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's name
        return list(self.commands)


@click.group(
    cls=_InOrder,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=TOLD,
    invoke_without_command=True,
)
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM)
@click.option("-v", "--verbose", is_flag=True, help="Log every circuit, in place of a progress bar.")
@click.pass_context
def cli(ctx: click.Context, verbose: bool) -> None:
    """Run many quantum circuits on IonQ at once."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    if verbose:
        logging.basicConfig(format="%(message)s")
        logging.getLogger("qiskit_parallel_ionq").setLevel(logging.INFO)


for command in (run, estimate, jobs, show, resume, cancel, backends, demo, bench, serve):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the program: an error of ours is one message, and no traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter shows "?"
    sys.exit(_ended(arguments))


def _ended(arguments: Sequence[str] | None) -> int:
    try:
        code = cli.main(
            args=None if arguments is None else list(arguments), prog_name=PROGRAM, standalone_mode=False
        )
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx is not None:
            click.echo(
                f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n", err=True
            )
        _say(error.format_message())
        return error.exit_code
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.ERROR
    except Exception as error:
        from ..errors import IonQError

        if not isinstance(error, IonQError):
            raise
        _say(str(error))
        return ExitCode.ERROR
    return code if isinstance(code, int) else ExitCode.DONE


def _say(error: str) -> None:
    click.echo(wrapped(f"Error: {error}", err=True), err=True)
