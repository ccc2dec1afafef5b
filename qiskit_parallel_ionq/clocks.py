# SPDX-License-Identifier: Apache-2.0
"""The clocks of this computer, and how much time has passed by all of them.

They disagree: the monotonic clock stops while a computer is suspended (Linux, macOS), the wall clock may be
set to any time, and the boot clock goes on through a suspension but not every system has one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on three clocks, in seconds."""

    monotonic: float
    wall: float
    boot: float

    def longest_since(self, earlier: Instant) -> float:
        """Return the longest time that any clock says has passed since an earlier moment.

        >>> asleep = Instant(monotonic=7.0, wall=3607.0, boot=3607.0)
        >>> asleep.longest_since(Instant(monotonic=5.0, wall=5.0, boot=5.0))
        3602.0
        """
        passed = (
            self.monotonic - earlier.monotonic,
            self.wall - earlier.wall,
            self.boot - earlier.boot,
        )
        return max(0.0, *passed)


def boot_time() -> float:
    """Return seconds on a clock that goes on while the computer is suspended, where the system has one."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):  # Linux; macOS, where time.monotonic is another clock
        clock = getattr(time, name, None)
        if clock is not None:
            return time.clock_gettime(clock)
    return time.monotonic()  # Windows: it goes on through a suspension
