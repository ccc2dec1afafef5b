# SPDX-License-Identifier: Apache-2.0
"""The account that commands work with, and the question before it costs."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import click

from .tables import wrapped

if TYPE_CHECKING:
    from ..provider import ParallelIonQProvider


def open_account(url: str | None = None, *, local: bool = False, **service: Any) -> ParallelIonQProvider:
    """Return the provider to work with.

    Args:
        url: of the service; None: what the environment says.
        local: whether it is an emulated service inside this process.
        **service: knobs of the emulated service.
    """
    from ..provider import ParallelIonQProvider

    if local and url:
        raise click.UsageError("--local is a service of its own: it does not go with --url")
    return ParallelIonQProvider.local(**service) if local else ParallelIonQProvider(url=url)


def ask_before_buying(what: str) -> None:
    """Ask on standard error; whatever is not a yes, the end of the input included, is a no.

    Raises:
        click.ClickException: no.
    """
    click.echo(wrapped(f"{what} Go on? [y/N]:", err=True) + " ", nl=False, err=True)
    answer = sys.stdin.readline()
    if not sys.stdin.isatty():
        click.echo(err=True)
    if answer.strip().lower() not in ("y", "yes"):
        raise click.ClickException("not confirmed, so nothing was sent; --yes confirms without a question")


def shows_progress() -> bool:
    """Say whether a progress bar is wanted: somebody watches, and no log is shown in its place."""
    from ..display import is_watched

    return is_watched() and not logging.getLogger("qiskit_parallel_ionq").isEnabledFor(logging.INFO)
