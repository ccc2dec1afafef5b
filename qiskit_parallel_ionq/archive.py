# SPDX-License-Identifier: Apache-2.0
"""The folder in which runs are recorded: begin one, read one, take one over, and tidy up."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from . import chronicle
from .chronicle import Chronicle, Run
from .errors import JournalError, RunBusyError
from .journal import BODIES, RESULTS, Disk, Journal, ReadAlong, Record
from .logs import logger
from .state_folder import SUFFIX, VARIABLE, default_folder, is_run_id, last_change, recorded_runs

KEEP_SECONDS = 30 * 24 * 3600.0
KEEP_RUNS = 1_000
"""Finished runs that are kept at the most; older ones go first."""
_RESERVE_BYTES = 1 << 20


class Archive:
    """All recorded runs of one folder. Making one touches no disk.

    Args:
        folder: where they are; None: the platform's folder for the state of programs.
        disk: the calls that may fail.
    """

    def __init__(self, folder: Path | None = None, *, disk: Disk | None = None) -> None:
        self.folder = folder or default_folder()
        self._disk = disk
        self._is_tidy = False
        self._has_looked = False

    def begin(self, run: Run) -> Journal:
        """Record the beginning of a run.

        Raises:
            RunBusyError: there is a record of that run already.
            JournalError: it cannot be recorded.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._warn_if_writable_by_all()
            if not self._is_tidy:
                self.tidy(time.time())
                self._lay_reserve()
                self._is_tidy = True
            try:
                journal = self._journal(run.id, is_new=True)
            except FileExistsError:
                raise RunBusyError(
                    f"run {run.id} is recorded already in {self.folder}; "
                    f"provider.retrieve_job({run.id!r}) returns its job"
                ) from None
            try:
                journal.note(chronicle.header(run))
                self._sign(journal, 1)
                self._sync_folder()
            except BaseException:
                journal.erase()
                raise
        except OSError as error:
            raise JournalError(
                f"runs cannot be recorded in {self.folder} ({error}); choose another folder with state_dir "
                f"or {VARIABLE}"
            ) from error
        return journal

    def read(self, run_id: str) -> Chronicle:
        """Return what is recorded of a run.

        Raises:
            JournalError: there is no such record, or it cannot be read.
        """
        self._warn_if_writable_by_all()
        try:
            found = chronicle.read(self.path(run_id).read_bytes())
        except OSError as error:
            raise JournalError(f"there is no record of run {run_id!r} in {self.folder} ({error})") from error
        if found.run.id != run_id:
            raise JournalError(
                f"the file of run {run_id!r} is the record of another run, {found.run.id!r:.80}"
            )
        return found

    def read_along(self, run_id: str) -> tuple[Record, Chronicle]:
        """Return what is recorded of a run so far, for somebody who only watches.

        Raises:
            JournalError: there is no such record, or it cannot be read.
        """
        return ReadAlong(self.path(run_id)), self.read(run_id)

    def holds(self, run_id: str) -> bool:
        """Say whether a run is recorded here."""
        return is_run_id(run_id) and self.path(run_id).exists()

    def take_over(self, run_id: str) -> tuple[Journal, Chronicle]:
        """Return a run's record, to be continued, and what it says so far.

        Raises:
            RunBusyError: somebody else is at it.
            JournalError: there is no such record, or it cannot be read.
        """
        if not self.path(run_id).exists():
            raise JournalError(f"there is no record of run {run_id!r} in {self.folder}")
        try:
            journal = self._journal(run_id, is_new=False)
        except OSError as error:
            raise JournalError(f"the record of run {run_id!r} cannot be opened: {error}") from error
        try:
            found = self.read(run_id)
            if not found.is_damaged:
                journal.truncate(found.length)
                self._sign(journal, found.epoch + 1)
        except OSError as error:
            journal.abandon()
            raise JournalError(f"the record of run {run_id!r} cannot be written: {error}") from error
        except BaseException:
            journal.abandon()
            raise
        return journal, found

    def runs(self) -> Iterator[str]:
        """Yield the ids of all recorded runs, the latest first."""
        yield from recorded_runs(self.folder)

    def tidy(self, now: float) -> None:
        """Delete old runs that are over. One that has a circuit without an end is never touched.

        Args:
            now: seconds of the wall clock.
        """
        for place, run_id in enumerate(list(self.runs())):
            path = self.path(run_id)
            if (place >= KEEP_RUNS or now - last_change(path) > KEEP_SECONDS) and _is_over(path):
                with contextlib.suppress(OSError):  # another's, or busy: it stays
                    for suffix in (RESULTS, BODIES, SUFFIX):
                        path.with_suffix(suffix).unlink(missing_ok=True)

    def path(self, run_id: str) -> Path:
        """Return the file that records a run.

        Raises:
            JournalError: no run has such an id.
        """
        if not is_run_id(run_id):
            raise JournalError(f"{run_id!r} is not the id of a run")
        return self.folder / f"{run_id}{SUFFIX}"

    def _journal(self, run_id: str, *, is_new: bool) -> Journal:
        return Journal(self.path(run_id), is_new=is_new, reserve=self.folder / "reserve", disk=self._disk)

    def _warn_if_writable_by_all(self) -> None:
        """Say, once, that any user of this computer can change the records."""
        if self._has_looked or os.name == "nt":
            return
        with contextlib.suppress(OSError):  # there is no folder yet
            mode = self.folder.stat().st_mode
            self._has_looked = True
            if mode & stat.S_IWOTH:
                logger.warning(
                    "Any user of this computer can write to %s, where runs are recorded. A record that "
                    "somebody else changed can have jobs sent with your key. Use a folder of your own, or "
                    "close this one: chmod o-w %s",
                    self.folder,
                    self.folder,
                )

    def _lay_reserve(self) -> None:
        reserve = self.folder / "reserve"
        with contextlib.suppress(FileExistsError):
            handle = os.open(reserve, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                (self._disk or Disk()).write(handle, bytes(_RESERVE_BYTES))
            finally:
                os.close(handle)

    @staticmethod
    def _sign(journal: Journal, epoch: int) -> None:
        """Record that the run is ours now."""
        journal.note({"is": "owner", "epoch": epoch, "pid": os.getpid(), "t": round(time.time(), 3)})
        journal.sync()

    def _sync_folder(self) -> None:
        """Make a new file's name durable, where the system knows how."""
        if os.name == "nt":
            return
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems do it unasked
                raise
        finally:
            os.close(handle)


def _is_over(path: Path) -> bool:
    """Say whether the last line says so; the rest need not be read."""
    with contextlib.suppress(OSError, ValueError):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 200))
            last = file.read().splitlines()[-1:]
        return bool(last) and chronicle.read_line(last[0]).get("is") == "over"
    return False
