# SPDX-License-Identifier: Apache-2.0
"""A reader for the OpenQASM 3 the service takes: flat programs with gate definitions and modifiers."""

from __future__ import annotations

from .reader import read_program

__all__ = ["read_program"]
