# SPDX-License-Identifier: Apache-2.0
"""How much memory there is to read a large result into."""

from __future__ import annotations

import os
from pathlib import Path

_UNKNOWN = 4 << 30
"""Bytes that are taken for available where the system does not say."""
_SHARE = 4
"""A result takes about three times its text while it is read; the rest is left to others."""


def largest_text() -> int:
    """Return how many bytes of a result this machine can read."""
    return max(_available(), 1 << 30) // _SHARE


def _available() -> int:
    """Return bytes of memory that a program can have without swapping, within the limit of a container."""
    return min(_of_machine(), _of_container())


def _of_machine() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass  # no Linux
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN


def _of_container() -> int:
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        return limit - int(Path("/sys/fs/cgroup/memory.current").read_text())
    except (OSError, ValueError):  # there is none
        return 1 << 62
