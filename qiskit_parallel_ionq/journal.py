# SPDX-License-Identifier: Apache-2.0
"""The durable record of a run: one file that only grows, and beside it what was sent and what came back.

Lines are appended by whoever has something to tell and made durable by whoever may not go on before they
are: any number of threads that wait share one flush. What a crash can tear is the last line.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from . import chronicle
from .chronicle import Place
from .errors import JournalError, RunBusyError
from .logs import logger, to_stderr
from .state_folder import SUFFIX

BODIES, RESULTS = ".circuits", ".results"
LARGEST_BODIES = 256_000_000
"""Bytes of requests that are kept for one run."""


class Record(Protocol):
    """What a run tells of itself while it goes on."""

    is_kept: bool
    """Whether anything outlives the process."""

    def note(self, record: Mapping[str, Any], *, precious: str | None = None) -> None:
        """Append a line. It never raises: what could not be written makes the next `sync` raise.

        Args:
            record: the line's facts.
            precious: what to tell the user on stderr, should the line be lost.
        """

    def sync(self) -> None:
        """Return once everything noted so far is durable.

        Raises:
            JournalError: it cannot be made so; nothing may be sent that relies on it.
        """

    def put_body(self, body: bytes) -> Place | None:
        """Keep a request that may have to be sent later; None where it is not kept. It never raises."""

    def body(self, place: Place) -> bytes:
        """Return a request that was kept."""

    def put_result(self, text: bytes | bytearray) -> Place | None:
        """Keep a result as the service gave it; None where results are not kept."""

    def result(self, place: Place) -> bytes:
        """Return a result that was kept."""

    def drop_bodies(self) -> None:
        """Delete what was kept in case it had to be sent again."""

    def close(self) -> None:
        """Let go of the run."""


class NoRecord:
    """Keeps nothing: for services that forget as we do."""

    is_kept = False

    def note(self, record: Mapping[str, Any], *, precious: str | None = None) -> None:
        """Do nothing."""

    def sync(self) -> None:
        """Do nothing."""

    def put_body(self, body: bytes) -> Place | None:  # noqa: ARG002 - the protocol's name
        """Keep nothing."""
        return None

    def body(self, place: Place) -> bytes:
        """Refuse: nothing was kept.

        Raises:
            JournalError: always.
        """
        raise JournalError(f"nothing was kept at {place}")

    def put_result(self, text: bytes | bytearray) -> Place | None:  # noqa: ARG002 - the protocol's name
        """Keep nothing."""
        return None

    result = body

    def drop_bodies(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class ReadAlong(NoRecord):
    """Reads what the owner of a run keeps, and writes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def result(self, place: Place) -> bytes:
        """Return a result that was kept; see `Journal.result`."""
        return _read_at(self._path.with_suffix(RESULTS), place)


class Disk:
    """The calls that may fail on a bad day; tests put another in its place."""

    def write(self, handle: int, data: bytes | bytearray) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]

    def sync(self, handle: int) -> None:
        """Return once what was written survives a power cut."""
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
        else:
            getattr(os, "fdatasync", os.fsync)(handle)


class Journal:
    """A run's record on disk, held by one owner at a time.

    Args:
        path: the file; its companions stand beside it.
        is_new: whether the file shall not exist yet.
        reserve: a file that is given up to make room for what must not be lost.
        disk: the calls that may fail.

    Raises:
        RunBusyError: another process holds it.
        OSError: the files cannot be opened.
    """

    is_kept = True

    def __init__(
        self, path: Path, *, is_new: bool, reserve: Path | None = None, disk: Disk | None = None
    ) -> None:
        self.path = path
        self._disk = disk or Disk()
        self._reserve = reserve
        self._writing = threading.Lock()
        """Held while one of the files beside the journal is written, which may take long; before `_lock`."""
        self._lock = threading.Condition()
        self._is_flushing = False
        self._handles: dict[str, int] = {}
        self._written = 0
        self._kept = 0
        self._durable = 0
        self._unsynced: set[int] = set()
        self._failure: OSError | None = None
        self._lacks_results = False
        self._handle = self._open(SUFFIX, is_new=is_new)
        self._hold()
        _open_journals.add(self)

    def note(self, record: Mapping[str, Any], *, precious: str | None = None) -> None:
        """Append a line; see `Record.note`.

        Once a line was lost only precious ones are written: those that build on the lost one make no sense.
        """
        text = chronicle.line(record)
        with self._lock:
            if self._failure is not None and precious is None:
                return
            try:
                self._append(self._handle, text)
            except OSError as error:
                is_written = precious is not None and self._append_at_any_cost(text)
                self._fail(error, None if is_written else precious)

    def sync(self) -> None:
        """Return once everything noted so far is durable; see `Record.sync`."""
        with self._lock:
            goal = self._written
            while self._durable < goal and self._failure is None:
                if self._is_flushing:
                    self._lock.wait()  # for everybody's sake one does it for all
                else:
                    self._flush()
        if self._failure is not None:
            raise JournalError(
                f"the record of this run cannot be written ({self._failure}), so nothing more is sent; what "
                f"was accepted goes on, and {self.path} holds what is known. Make room there, or choose "
                "another state_dir, and resume the run"
            )

    def put_body(self, body: bytes) -> Place | None:
        """Keep a request, up to 256 MB of them; see `Record.put_body`."""
        self._kept += len(body)
        if self._kept > LARGEST_BODIES:
            return None
        try:
            return self._put(BODIES, body)
        except OSError as error:
            with self._lock:
                self._fail(error, None)
            return None

    def body(self, place: Place) -> bytes:
        """Return a request that was kept.

        Raises:
            JournalError: it is not there any more, or not as it was.
        """
        return _read_at(self.path.with_suffix(BODIES), place)

    def put_result(self, text: bytes | bytearray) -> Place | None:
        """Keep a result, if there is room; it can be asked for again."""
        try:
            return self._put(RESULTS, text)
        except OSError as error:
            if not self._lacks_results:
                self._lacks_results = True
                logger.warning(
                    "Results of run %s cannot be kept on disk (%s); resuming it fetches them again",
                    self.path.stem,
                    error,
                )
            return None

    def result(self, place: Place) -> bytes:
        """Return a result that was kept.

        Raises:
            JournalError: it is not there any more, or not as it was.
        """
        return _read_at(self.path.with_suffix(RESULTS), place)

    def truncate(self, length: int) -> None:
        """Cut off a last line that a crash tore."""
        os.ftruncate(self._handle, length)

    def close(self) -> None:
        """Make everything durable and let go of the run; a record that failed stays as it is."""
        if not self._handles:
            return
        with contextlib.suppress(JournalError):  # told when it happened
            self.sync()
        with self._quiet():
            self.abandon()

    def drop_bodies(self) -> None:
        """Delete what was kept in case it had to be sent again."""
        with self._quiet():
            handle = self._handles.pop(BODIES, None)
            if handle is not None:
                self._unsynced.discard(handle)
                os.close(handle)
        with contextlib.suppress(OSError):  # tidying up later deletes it, too
            self.path.with_suffix(BODIES).unlink()

    def erase(self) -> None:
        """Let go of a run that was never begun, and leave nothing of it."""
        self.abandon()
        for suffix in (RESULTS, BODIES, SUFFIX):
            with contextlib.suppress(OSError):
                self.path.with_suffix(suffix).unlink()

    def abandon(self) -> None:
        """Let go of the files as they are, as a child process must."""
        handles, self._handles = self._handles, {}
        for handle in handles.values():
            os.close(handle)
        _open_journals.discard(self)

    # -- inside --------------------------------------------------------------------------------

    def _open(self, suffix: str, *, is_new: bool = False) -> int:
        flags = (
            os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        )
        handle = os.open(self.path.with_suffix(suffix), flags | (os.O_EXCL if is_new else 0), 0o600)
        self._handles[suffix] = handle
        return handle

    def _hold(self) -> None:
        """Take the run for ourselves; the system lets go of it when the process ends, however it does."""
        try:
            _lock(self._handle)
        except OSError as error:
            self.abandon()
            if not isinstance(error, BlockingIOError | PermissionError):
                raise
            raise RunBusyError(
                f"run {self.path.stem} is being worked on by another process, or by another job of this one. "
                "Wait for it, or read along with provider.retrieve_job"
            ) from None

    def _append(self, handle: int, data: bytes) -> None:
        self._require_open()
        self._write(handle, data)
        self._written += len(data)
        self._unsynced.add(handle)

    def _write(self, handle: int, data: bytes | bytearray) -> int:
        """Write at the end of a file; return where."""
        end = os.lseek(handle, 0, os.SEEK_END)
        try:
            self._disk.write(handle, data)
        except OSError:
            os.ftruncate(handle, end)  # half a line helps nobody
            raise
        return end

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """Hold the locks while nothing is written or flushed, so that handles may be closed."""
        with self._writing, self._lock:
            self._lock.wait_for(lambda: not self._is_flushing)
            yield

    def _require_open(self) -> None:
        if not self._handles:
            raise OSError("the record of this run is closed")

    def _append_at_any_cost(self, text: bytes) -> bool:
        try:
            if self._reserve is not None:
                self._reserve.unlink()
            self._append(self._handle, text)
        except OSError:
            return False
        return True

    def _fail(self, error: OSError, precious: str | None) -> None:
        if self._failure is None:
            self._failure = error
            logger.error("The record of run %s cannot be written: %s", self.path.stem, error)
        if precious is not None:
            to_stderr(f"qiskit_parallel_ionq could not record: {precious}")

    def _flush(self) -> None:
        """Make durable what is written by now, and let others write in the meantime."""
        goal, handles, self._unsynced = self._written, self._unsynced, set()
        self._is_flushing, failure = True, None
        self._lock.release()
        try:
            for handle in handles:
                self._disk.sync(handle)
        except OSError as error:  # what the system failed to flush it may have dropped: never tried again
            failure = error
        finally:
            self._lock.acquire()
            self._is_flushing = False
            self._lock.notify_all()
        if failure is None:
            self._durable = goal
        else:
            self._fail(failure, None)

    def _put(self, suffix: str, data: bytes | bytearray) -> Place:
        with self._writing:
            with self._lock:
                self._require_open()
                handle = self._handles[suffix] if suffix in self._handles else self._open(suffix)
            offset = self._write(handle, data)
            with self._lock:
                self._written += len(data)
                self._unsynced.add(handle)
        return Place(offset, len(data), _digest(data))


def _read_at(path: Path, place: Place) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(place.offset)
            data = file.read(place.size)
    except OSError as error:
        raise JournalError(f"{path}: {error}") from error
    if _digest(data) != place.digest:
        raise JournalError(f"{path} is not as it was written")
    return data


def _digest(data: bytes | bytearray) -> str:
    return hashlib.sha256(data).hexdigest()[:12]


def _lock(handle: int) -> None:
    """Lock a file for this process, or raise OSError at once."""
    if os.name == "nt":
        import msvcrt

        os.lseek(handle, 1 << 40, os.SEEK_SET)  # far beyond the end: what is locked cannot be read
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


_open_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


def _abandon_all() -> None:
    for journal in list(_open_journals):
        journal.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)  # the run is the parent's, and stays so when it dies
