# SPDX-License-Identifier: Apache-2.0
"""The command line: run files of circuits, look after runs, try it, time it, serve the emulator.

Modules here import Qiskit and what needs it inside their functions: help and completion answer at once.
"""

from .main import cli, main

__all__ = ["cli", "main"]
