# SPDX-License-Identifier: Apache-2.0
"""``python -m qiskit_parallel_ionq`` is the command line."""

from .cli import main

main()
