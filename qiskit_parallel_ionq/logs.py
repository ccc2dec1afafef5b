# SPDX-License-Identifier: Apache-2.0
"""The package's logger. It never raises: a user's broken log handler must not end a thread of ours."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any

NAME = "qiskit_parallel_ionq"
_STACK_LEVEL = 3
"""Frames between `logging` and the caller of `SafeLogger`, so that records name the caller's line."""


class SafeLogger:
    """Passes messages to a standard logger; reports once, on stderr, that a handler or filter raises."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)
        self._has_complained = False

    def info(self, message: str, *args: object) -> None:
        """Log with level INFO."""
        self._log(logging.INFO, message, *args)

    def warning(self, message: str, *args: object) -> None:
        """Log with level WARNING."""
        self._log(logging.WARNING, message, *args)

    def error(self, message: str, *args: object) -> None:
        """Log with level ERROR."""
        self._log(logging.ERROR, message, *args)

    def exception(self, message: str, *args: object) -> None:
        """Log the exception that is being handled, with level ERROR."""
        self._log(logging.ERROR, message, *args, exc_info=True)

    def _log(self, level: int, message: str, *args: object, **options: Any) -> None:
        try:
            self._logger.log(level, message, *args, stacklevel=_STACK_LEVEL, **options)
        except Exception as error:  # noqa: BLE001 - whatever user code raises
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        if self._has_complained or not logging.raiseExceptions:
            return
        self._has_complained = True
        to_stderr(
            f"A handler or filter of the logger {self._logger.name!r} raised {error!r}; messages may be "
            "missing. Runs go on"
        )


def to_stderr(text: str) -> None:
    """Print a line on stderr, if that is possible: it may be closed, or replaced by the user's own object."""
    with contextlib.suppress(Exception):
        print(text, file=sys.stderr, flush=True)


logger = SafeLogger(NAME)
"""What every module of the package logs with."""
