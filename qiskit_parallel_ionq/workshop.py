# SPDX-License-Identifier: Apache-2.0
"""Compiles and encodes drafts: here, or by any executor whose workers are processes. In order, and lazily.

Only this pure work leaves the process, and only the request's bytes come back: whatever costs money or needs
a key stays with the one who keeps the run's record.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any

from .drafts import Draft
from .encode import EncodedCircuit
from .errors import CompileError, IonQError, OptionError

logger = logging.getLogger("qiskit_parallel_ionq")

CHUNK = 25
"""Circuits that are sent out together: enough to be worth the way, few enough to keep everybody busy."""
AHEAD = 16
"""Chunks that are out, or back and not taken, at the most."""

Work = Callable[[], EncodedCircuit]
Made = EncodedCircuit | IonQError


def require_processes(executor: Executor) -> None:
    """Refuse an executor whose workers share a process: Qiskit's compiler is not safe there.

    Raises:
        OptionError: it is a pool of threads, or a Dask cluster with several threads to a worker.
    """
    if not isinstance(executor, Executor):
        raise OptionError(f"executor must be a concurrent.futures.Executor, not {type(executor).__name__}")
    if isinstance(executor, ThreadPoolExecutor):
        raise OptionError(
            "executor is a pool of threads, and Qiskit's compiler is not safe in threads; use a "
            "ProcessPoolExecutor, or Dask with threads_per_worker=1"
        )
    threads = getattr(getattr(executor, "_client", None), "nthreads", None)  # dask.distributed's
    most = max(threads().values(), default=1) if callable(threads) else 1
    if most > 1:
        raise OptionError(
            f"executor is a Dask cluster with {most} threads to a worker, and Qiskit's compiler is not safe "
            "in threads; start it with threads_per_worker=1"
        )


def encode_all(drafts: Iterable[Draft], executor: Executor | None = None) -> Iterator[Made]:
    """Yield what each draft comes to, in order: an encoded circuit, or why there is none.

    Drafts are taken only as they are needed. If an executor breaks, or cannot take a circuit, it is made
    here instead, and that is said once.

    Args:
        drafts: any number of them.
        executor: makes those that are work; None: this thread makes all.
    """
    if executor is None:
        yield from map(_made, drafts)
        return
    bench = _Bench(executor)
    for draft in drafts:
        bench.take(draft)
        while bench.is_full:
            yield from bench.oldest()
    while bench:
        yield from bench.oldest()


class _Bench:
    """Chunks that are under way, in order."""

    def __init__(self, executor: Executor) -> None:
        self._executor: Executor | None = executor
        self._open: list[Draft] = []
        self._out: deque[tuple[list[Draft], Future[list[Made]] | None]] = deque()

    def __bool__(self) -> bool:
        return bool(self._open or self._out)

    @property
    def is_full(self) -> bool:
        return len(self._out) >= AHEAD

    def take(self, draft: Draft) -> None:
        """Put one more draft to those that go out next; whole chunks go out."""
        if self._open and self._open[0].is_work != draft.is_work:
            self._send()
        self._open.append(draft)
        if len(self._open) >= CHUNK:
            self._send()

    def oldest(self) -> Iterator[Made]:
        """Yield what became of the chunk that went out first."""
        if not self._out:
            self._send()
        drafts, future = self._out.popleft()
        made = None if future is None else self._result(future)
        yield from map(_made, drafts) if made is None else made

    def _send(self) -> None:
        drafts, self._open = self._open, []
        future = None
        if self._executor is not None and drafts[0].is_work:
            works = _pickled(drafts)
            try:
                future = None if works is None else self._executor.submit(_make, works)
            except Exception as error:  # noqa: BLE001 - executors are many, and none is needed
                self._do_without(error)
        self._out.append((drafts, future))

    def _result(self, future: Future[list[Made]]) -> list[Made] | None:
        try:
            return future.result()
        except (Exception, CancelledError) as error:  # noqa: BLE001 - whatever befell the worker
            self._do_without(error)
            return None

    def _do_without(self, error: BaseException) -> None:
        if self._executor is not None:
            logger.warning("The executor gave up (%r); circuits are compiled in this process instead", error)
        self._executor = None


def _pickled(drafts: list[Draft]) -> bytes | None:
    """Return what travels, or None if something in it cannot: users put anything into their metadata."""
    try:
        return pickle.dumps([draft.encode for draft in drafts])
    except Exception as error:  # noqa: BLE001 - whatever an object's own way of being pickled raises
        names = f"{drafts[0].name!r} to {drafts[-1].name!r}"
        logger.warning("Circuits %s cannot be pickled (%r); they are compiled in this process", names, error)
        return None


def _make(works: bytes) -> list[Made]:
    """Compile and encode a chunk, in another process."""
    os.environ.setdefault("RAYON_NUM_THREADS", "1")  # there is a process for each core already
    os.environ.setdefault("QISKIT_IN_PARALLEL", "TRUE")
    return [_done(work) for work in pickle.loads(works)]  # noqa: S301 - from the process that began us


def _made(draft: Draft) -> Made:
    return _done(draft.encode, draft.name)


def _done(work: Work, name: str | None = None) -> Made:
    """Do the work; others are on their way, so whatever goes wrong is this circuit's failure."""
    try:
        return work()
    except IonQError as error:
        return error
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - Qiskit's compiler may panic, which is no Exception
        return CompileError(f"circuit {name or _name(work)!r} could not be compiled: {error!r}")


def _name(work: Any) -> str:
    return str(getattr(work.args[0], "name", "?"))
