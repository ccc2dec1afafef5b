# SPDX-License-Identifier: Apache-2.0
"""How a command can end."""

from __future__ import annotations

from enum import IntEnum

TOLD = """\b
Exit codes:
  0    done
  1    an error, or a no to a question
  2    wrong usage
  3    some circuits have no result; those that have were delivered
  130  interrupted; resume goes on where it stopped"""


class ExitCode(IntEnum):
    """What a shell is told; `TOLD` tells people."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    INCOMPLETE = 3
    INTERRUPTED = 130
