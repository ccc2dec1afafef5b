# SPDX-License-Identifier: Apache-2.0
"""Reads the flat OpenQASM 3 the service takes into programs."""

from __future__ import annotations

from .problems import CircuitFailure
from .program import Program


def read_program(text: str, *, control_flow: bool) -> Program:
    """Being written."""
    raise CircuitFailure("PreflightError", "OpenQASM 3 is not read yet.")
