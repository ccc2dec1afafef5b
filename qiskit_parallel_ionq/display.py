# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a run that is under way."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm

from .batch import Batch, Progress


@contextmanager
def progress_bar(batch: Batch) -> Iterator[None]:
    """Show how a batch stands for as long as the context lasts; nothing where nobody watches.

    A bar appears on a terminal and in a notebook, not in a pipe or a log file.
    """
    if not _is_watched():
        yield
        return
    over = threading.Event()
    with tqdm(total=batch.total, unit="circuit", dynamic_ncols=True, leave=True) as bar:
        thread = threading.Thread(target=_follow, args=(batch, bar, over), name="ionq-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            batch.notify()
            thread.join()
            _show(bar, batch.progress())


def _follow(batch: Batch, bar: tqdm, over: threading.Event) -> None:
    shown = Progress(0)
    while not over.is_set():
        now = batch.progress()
        if now != shown:
            _show(bar, now)
            shown = now
        with batch.changed:
            batch.changed.wait(0.2)


def _show(bar: tqdm, at: Progress) -> None:
    counts = {"queued": at.queued, "running": at.running, "failed": at.failed + at.cancelled}
    bar.set_postfix({name: count for name, count in counts.items() if count}, refresh=False)
    bar.update(at.finished - bar.n)
    bar.refresh()


def _is_watched() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules
