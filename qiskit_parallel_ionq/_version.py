# SPDX-License-Identifier: Apache-2.0
"""The version of the installed distribution."""

from importlib.metadata import version

__version__ = version("qiskit-parallel-ionq")
