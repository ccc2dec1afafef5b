# SPDX-License-Identifier: Apache-2.0
"""Compiles and encodes drafts: here, or by any executor whose workers are processes. In order, and lazily.

Only this pure work leaves the process, and only the request's bytes come back: whatever costs money or needs
a key stays with the one who keeps the run's record.
"""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from typing import Any, TypeVar

import qiskit

from ._version import __version__
from .drafts import Draft
from .encode import EncodedCircuit
from .errors import CompileError, IonQError, OptionError
from .logs import logger

CHUNK = 25
"""Circuits that are sent out together: enough to be worth the way, few enough to keep everybody busy."""
LOOK_EVERY = 1.0
"""Seconds of waiting for a chunk after which it is asked whether there is still somebody at work on it."""
AHEAD = 16
"""Chunks that are out, or back and not taken, at the most."""

_T = TypeVar("_T")
Work = Callable[[], EncodedCircuit]
Made = EncodedCircuit | IonQError


def require_processes(executor: Executor) -> None:
    """Refuse an executor whose workers share a process: Qiskit's compiler is not safe there.

    Raises:
        OptionError: it is a pool of threads, or a Dask cluster of threads or with several to a worker.
    """
    if not isinstance(executor, Executor):
        raise OptionError(f"executor must be a concurrent.futures.Executor, not {type(executor).__name__}")
    if isinstance(executor, ThreadPoolExecutor):
        raise OptionError(
            "executor is a pool of threads, and Qiskit's compiler is not safe in threads; use a "
            "ProcessPoolExecutor, or Dask with threads_per_worker=1"
        )
    ask = getattr(getattr(executor, "_client", None), "nthreads", None)  # dask.distributed's
    workers = ask() if callable(ask) else {}
    most = max(workers.values(), default=1)
    if most > 1:
        raise OptionError(
            f"executor is a Dask cluster with {most} threads to a worker, and Qiskit's compiler is not safe "
            "in threads; start it with threads_per_worker=1"
        )
    if any(str(address).startswith("inproc:") for address in workers):
        raise OptionError(
            "executor is a Dask cluster whose workers are threads of this process, and Qiskit's compiler is "
            "not safe in threads; start it with processes=True"
        )


def encode_all(drafts: Iterable[Draft], executor: Executor | None = None) -> Iterator[Made]:
    """Yield what each draft comes to, in order: an encoded circuit, or why there is none.

    Drafts are taken only as they are needed. If an executor breaks, or cannot take a circuit, it is made
    here instead, and that is said once.

    Args:
        drafts: any number of them.
        executor: does the longer part of those that are worth the way; None: this thread makes all.
    """
    if executor is None:
        yield from (_done(draft.encode, draft.name) for draft in drafts)
        return
    bench = _Bench(executor)
    try:
        for draft in drafts:
            bench.take(draft)
            while bench.is_full or bench.is_ready:
                yield from bench.oldest()
        while bench:
            yield from bench.oldest()
    finally:
        bench.leave()


@dataclass(slots=True)
class _Chunk:
    """Drafts that stand together: what was made of each, or is left to do."""

    names: list[str] = field(default_factory=list)
    made: list[Made | Work] = field(default_factory=list)
    out: Future[list[Made]] | None = None

    @property
    def rest(self) -> list[int]:
        """Places of those with something left to do."""
        return [place for place, made in enumerate(self.made) if callable(made)]


class _Bench:
    """Chunks that are under way, in order."""

    def __init__(self, executor: Executor) -> None:
        self._executor: Executor | None = executor
        self._open = _Chunk()
        self._closed: deque[_Chunk] = deque()

    def __bool__(self) -> bool:
        return bool(self._open.made or self._closed)

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be taken before something is given."""
        return len(self._closed) >= AHEAD

    @property
    def is_ready(self) -> bool:
        """Whether the chunk that went out first need not be waited for."""
        if not self._closed:
            return False
        out = self._closed[0].out
        return out is None or out.done()

    def leave(self) -> None:
        """Have nothing done that nobody waits for any more, as after Ctrl-C."""
        for chunk in self._closed:
            if chunk.out is not None:
                chunk.out.cancel()

    def take(self, draft: Draft) -> None:
        """Begin one more draft; whole chunks go out."""
        begin = draft.begin if self._executor is not None and draft.begin is not None else draft.encode
        self._open.names.append(draft.name)
        self._open.made.append(_done(begin, draft.name))
        if len(self._open.made) >= CHUNK:
            self._close()

    def oldest(self) -> Iterator[Made]:
        """Yield what became of the chunk that went out first."""
        if not self._closed:
            self._close()
        chunk = self._closed.popleft()
        found = None if chunk.out is None else self._result(chunk.out)
        back = iter(found or ())
        for name, made in zip(chunk.names, chunk.made, strict=True):
            if not callable(made):
                yield made
            else:
                yield _done(made, name) if found is None else next(back)

    def _close(self) -> None:
        chunk, self._open = self._open, _Chunk()
        self._closed.append(chunk)
        rest = chunk.rest
        if self._executor is None or not rest:
            return
        works = _pickled([(chunk.made[place], chunk.names[place]) for place in rest])
        try:
            chunk.out = None if works is None else self._executor.submit(_make, works, _VERSIONS)
        except Exception as error:  # noqa: BLE001 - executors are many, and none is needed
            self._do_without(error)

    def _result(self, future: Future[list[Made]]) -> list[Made] | None:
        try:
            return self._awaited(future)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - whatever befell the worker
            self._do_without(error)
            return None

    def _awaited(self, future: Future[list[Made]]) -> list[Made]:
        """Wait for a chunk; not for one that nobody will ever bring back."""
        while True:
            try:
                return future.result(timeout=LOOK_EVERY)
            except FutureTimeout:
                if future.done():
                    raise  # it is the work's own
                client = getattr(self._executor, "_client", None)  # dask.distributed's
                is_gone = self._executor is None or getattr(client, "status", "") in ("closing", "closed")
                if is_gone:
                    raise RuntimeError("its client was closed, or it gave up before") from None

    def _do_without(self, error: BaseException) -> None:
        if self._executor is not None:
            logger.warning("The executor gave up (%r); circuits are compiled in this process instead", error)
        self._executor = None


def _pickled(works: list[tuple[Any, str]]) -> bytes | None:
    """Return what travels, or None if something in it cannot: users put anything into their metadata."""
    try:
        return pickle.dumps(works)
    except Exception as error:  # noqa: BLE001 - whatever an object's own way of being pickled raises
        names = f"{works[0][1]!r} to {works[-1][1]!r}"
        logger.warning("Circuits %s cannot be pickled (%r); they are compiled in this process", names, error)
        return None


_VERSIONS = f"qiskit-parallel-ionq {__version__} and qiskit {qiskit.__version__}"


def _make(works: bytes, versions: str) -> list[Made]:
    """Do what is left to do of a chunk, in another process.

    Raises:
        IonQError: other versions there would make other requests.
    """
    if versions != _VERSIONS:
        raise IonQError(f"a worker has {_VERSIONS}; here it is {versions}")
    os.environ.setdefault("RAYON_NUM_THREADS", "1")  # there is a process for each core already
    os.environ.setdefault("QISKIT_IN_PARALLEL", "TRUE")
    return [_done(work, name) for work, name in pickle.loads(works)]  # noqa: S301 - from who began us


def _done(work: Callable[[], _T], name: str) -> _T | IonQError:
    """Do some work; others are on their way, so whatever goes wrong is this circuit's failure."""
    try:
        return work()
    except IonQError as error:
        return error
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - Qiskit's compiler may panic, which is no Exception
        return CompileError(f"circuit {name!r} could not be compiled: {error!r}")
