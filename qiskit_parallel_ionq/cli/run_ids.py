# SPDX-License-Identifier: Apache-2.0
"""Ids of runs as people type them: in short, and completed by the shell."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from ..state_folder import default_folder, is_run_id, recorded_runs

SHORT = 8
"""Letters of an id that is shown in short; more where they are not enough to tell it from others."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class RunId(click.ParamType):
    """The id of a run, or the beginning of the one that is recorded here; or the id of an IonQ job."""

    name = "run"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's names
        """Return the whole id.

        Raises:
            click.ClickException: no recorded run is meant, or several are.
        """
        text = str(value)
        recorded = list(recorded_runs(default_folder()))
        if text in recorded:
            return text
        found = meant_by(text, recorded)
        if len(found) == 1:
            return found[0]
        if found:
            several = "\n".join(f"  {run_id}" for run_id in found[:5])
            raise click.ClickException(f"several runs begin with {text!r}:\n{several}")
        if is_run_id(text) or _UUID.fullmatch(text):
            return text  # the account may hold it
        near = difflib.get_close_matches(text, [run_id[: len(text)] for run_id in recorded], n=3)
        like = [run_id for run_id in recorded if run_id[: len(text)] in near]
        hint = "".join(f"\n  {run_id}" for run_id in like[:3])
        raise click.ClickException(
            f"no run that begins with {text!r} is recorded in {default_folder()}"
            + (f"; there is{hint}" if hint else "; qiskit-parallel-ionq jobs lists those that are")
        )

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's names
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """Return the recorded runs whose ids begin so, the latest first."""
        recorded = recorded_runs(default_folder())
        return [CompletionItem(run_id) for run_id in recorded if run_id.startswith(incomplete)]


def meant_by(text: str, recorded: Sequence[str]) -> list[str]:
    """Return the runs whose ids a text is short for: executed again only where it says so.

    >>> meant_by("4fQ", ["4fQa", "4fQa.1", "5xYz"]), meant_by("4fQ.1", ["4fQa", "4fQa.1"])
    (['4fQa'], ['4fQa.1'])
    """
    beginning, _, generation = text.partition(".")
    parts = [(run_id, *run_id.partition(".")[::2]) for run_id in recorded]
    return [run_id for run_id, base, again in parts if base.startswith(beginning) and again == generation]


def in_short(run_ids: Sequence[str], among: Sequence[str] | None = None) -> list[str]:
    """Return ids as short as they can be told from each other.

    Args:
        run_ids: the ids.
        among: all ids there are; None: these.

    >>> in_short(["0123456789", "012345678x", "x123456789.1"])
    ['0123456789', '012345678x', 'x1234567.1']
    """
    bases = {run_id.partition(".")[0] for run_id in among or run_ids}
    shortened = []
    for run_id in run_ids:
        base, dot, generation = run_id.partition(".")
        size = next(
            (n for n in range(SHORT, len(base)) if sum(other.startswith(base[:n]) for other in bases) < 2),
            len(base),
        )
        shortened.append(f"{base[:size]}{dot}{generation}")
    return shortened
