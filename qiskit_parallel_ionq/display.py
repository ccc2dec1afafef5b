# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a run that is under way."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from tqdm.auto import tqdm

from .batch import Batch

# Neither a rate nor a time left: results come home in bursts, and both would be guesses.
_SHAPE = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
_INTERVAL = 0.1


@contextmanager
def progress_bar(batch: Batch) -> Iterator[None]:
    """Show how a batch stands for as long as the context lasts; nothing where nobody watches.

    A bar appears on a terminal and in a notebook, not in a pipe or a log file. It says how many circuits are
    finished, and how many of the others wait here, are queued in the service and run there.
    """
    if batch.is_over or not is_watched():
        yield
        return
    over = threading.Event()
    with tqdm(total=batch.total, bar_format=_SHAPE, dynamic_ncols=True) as bar:
        thread = threading.Thread(target=_follow, args=(batch, bar, over), name="ionq-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            _show(batch, bar)


def _follow(batch: Batch, bar: tqdm, over: threading.Event) -> None:
    while not over.wait(_INTERVAL):
        _show(batch, bar)


def _show(batch: Batch, bar: tqdm) -> None:
    at = batch.progress()
    counts = {name: n for name, n in asdict(at).items() if n and name not in ("total", "done")}
    bar.n = at.finished
    bar.set_postfix(counts, refresh=False)
    bar.refresh()


def is_watched() -> bool:
    """Say whether standard error is a terminal, or this is a notebook."""
    terminal = sys.stderr is not None and sys.stderr.isatty()  # there is none under pythonw
    return terminal or in_notebook()


def in_notebook() -> bool:
    """Say whether this is a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config
