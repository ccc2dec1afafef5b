# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a run that is under way."""

from __future__ import annotations

import math
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .batch import Batch, Progress
from .logs import logger
from .outlook import Outlook, outlook

if TYPE_CHECKING:
    from tqdm import tqdm

_SHAPE = "{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
_AROUND = len("100%|| / [00:00]")
_SHORTEST_BAR = 6
_INTERVAL = 0.1
_NO_BAR = "The progress bar cannot be drawn (%r); the run goes on"
_BUSY = 20.0
"""So many times as long as a look at the run took is waited before the next."""
_DROPPED = ("rate", "waiting", "running", "queued", "left", "not_sent", "cancelled", "failed")
"""What a narrow terminal does without, the first first."""


@contextmanager
def progress_bar(batch: Batch) -> Iterator[None]:
    """Show how a batch stands for as long as the context lasts; nothing where nobody watches.

    A bar appears on a terminal and in a notebook, not in a pipe or a log file. It says how many circuits are
    finished, how long the others will take where that can be told, and how many of them wait here, are
    queued in the service and run there.
    """
    if batch.is_over or not is_watched():
        yield
        return
    with _bar(batch.total) as bar:
        if bar is None:
            yield
            return
        if not math.isnan(batch.stamps.began):
            bar.start_t -= time.monotonic() - batch.stamps.began
        over = threading.Event()
        thread = threading.Thread(target=_follow, args=(batch, bar, over), name="ionq-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    """Make a bar, and close it; None where that raises: what stderr does must not end a wait for results."""
    try:
        bar = _kind_of_bar()(total=total, bar_format=_SHAPE, dynamic_ncols=True)
    except Exception as error:  # noqa: BLE001 - stderr may be closed, or an object of the user's own
        logger.warning(_NO_BAR, error)
        bar = None
    try:
        yield bar
    finally:
        with suppress(Exception):
            if bar is not None:
                bar.close()


def _kind_of_bar() -> Any:
    """Return the bar for where we are; imported only when there is somebody to see it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notebook without ipywidgets gets the bar of a terminal
        from tqdm.auto import tqdm
    return tqdm


def _follow(batch: Batch, bar: tqdm, over: threading.Event) -> None:
    took = 0.0
    try:
        while not over.wait(max(_INTERVAL, _BUSY * took)):
            began = time.monotonic()
            _show(batch, bar)
            took = time.monotonic() - began
        _show(batch, bar)
    except Exception as error:  # noqa: BLE001 - as in `_bar`
        logger.warning(_NO_BAR, error)


def _show(batch: Batch, bar: tqdm) -> None:
    at, columns = batch.progress(), None if in_notebook() else bar.format_dict["ncols"]
    ahead = Outlook() if batch.is_over else outlook(batch, time.monotonic())
    if columns is not None:
        columns -= _AROUND + len(f"{at.total}") * 2 + _SHORTEST_BAR
    bar.n = at.finished
    bar.set_postfix_str(told(at, ahead, columns), refresh=False)
    bar.refresh()


def told(at: Progress, ahead: Outlook, columns: int | None = None) -> str:
    """Return what is said behind the bar.

    Args:
        at: how many circuits stand where.
        ahead: what can be said of the time to come.
        columns: how many there are for it; None: any number.

    >>> told(Progress(20, waiting=4, queued=5, running=8, done=2, failed=1), Outlook(12.4, 1.6))
    '~15 s left, 1.6/s, 4 waiting, 5 queued, 8 running, 1 failed'
    >>> told(Progress(20, waiting=4, queued=5, running=8, done=2, failed=1), Outlook(12.4, 1.6), 25)
    '~15 s left, 1 failed'
    """
    counts = asdict(at)
    parts = {"left": "" if ahead.left is None else f"~{_roughly(ahead.left)} left"}
    parts["rate"] = "" if ahead.rate is None else f"{ahead.rate:.3g}/s"
    for name in ("waiting", "queued", "running", "failed", "cancelled", "not_sent"):
        parts[name] = f"{counts[name]} {name.replace('_', ' ')}" if counts[name] else ""
    for name in ("", *_DROPPED):
        parts.pop(name, None)
        text = ", ".join(filter(None, parts.values()))
        if columns is None or len(text) + len(", ") <= columns:
            return text
    return ""


def _roughly(seconds: float) -> str:
    """Return a time to come, as finely as it is known: rounded up.

    >>> [_roughly(s) for s in (0.2, 7.1, 31.0, 100.0, 4000.0)]
    ['1 s', '8 s', '35 s', '2 min', '1 h 10 min']
    """
    step = next(step for limit, step in ((10, 1), (60, 5), (3600, 60), (math.inf, 600)) if seconds <= limit)
    rounded = max(1, math.ceil(seconds / step)) * step
    if rounded < 60:
        return f"{rounded} s"
    hours, minutes = divmod(rounded // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def is_watched() -> bool:
    """Say whether standard error is a terminal, or this is a notebook."""
    terminal = sys.stderr is not None and sys.stderr.isatty()  # there is none under pythonw
    return terminal or in_notebook()


def in_notebook() -> bool:
    """Say whether this is a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config
