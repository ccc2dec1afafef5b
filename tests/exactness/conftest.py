# SPDX-License-Identifier: Apache-2.0
"""Backends of each kind, and devices on which only some pairs interact."""

from __future__ import annotations

import pytest

from qiskit_parallel_ionq.target import build_target

from .ways import OnTarget


@pytest.fixture(scope="module")
def backends(local):
    """Backends by the gates that they send."""
    return {
        "ms": local.get_backend("simulator"),
        "zz": local.get_backend("simulator", noise_model="forte-1"),
        "qis": local.get_backend("simulator", gateset="qis"),
    }


@pytest.fixture(scope="session")
def line():
    """A device of five ions of which only neighbours interact."""
    pairs = [(0, 1), (1, 2), (2, 3), (3, 4)]
    return OnTarget(build_target(5, gateset="native", family="zz", connectivity=pairs))
