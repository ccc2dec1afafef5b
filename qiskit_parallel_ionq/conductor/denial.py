# SPDX-License-Identifier: Apache-2.0
"""Tells a key that the service refuses from a lone refusal, which may be a proxy's."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ApiError, AuthenticationError
from ..worker import Report

BELIEVED = 3
"""So many answers of 401 in a row are believed, if they are not all of one moment."""
APART = 2.0
"""Seconds between the first and the last of them, at least."""


@dataclass(slots=True)
class Denial:
    """The refusals of the key since the last answer that was none."""

    count: int = 0
    since: float | None = None

    def hear(self, report: Report, now: float) -> AuthenticationError | None:
        """Take note of a request's end; return the refusal once the key is surely refused.

        >>> from qiskit_parallel_ionq.errors import api_error
        >>> no = Report(error=api_error(401, method="GET", path="/jobs"))
        >>> denial = Denial()
        >>> [denial.hear(no, now) is None for now in (0.0, 0.1, 0.2, 2.5)]
        [True, True, True, False]
        """
        if isinstance(report.error, AuthenticationError):
            self.count += 1
            self.since = now if self.since is None else self.since
            if self.count >= BELIEVED and now - self.since >= APART:
                return report.error
        elif report.error is None or isinstance(report.error, ApiError):
            self.count, self.since = 0, None
        return None
