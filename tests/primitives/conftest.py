# SPDX-License-Identifier: Apache-2.0
"""Backends of an emulated service, and a count of the composite jobs that go to them."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["native", "qis"])
def backend(request, local):
    """The ideal simulator with either gate set."""
    return local.get_backend("simulator", gateset=request.param)


@pytest.fixture
def runs(monkeypatch):
    """The number of circuits of each composite job that a test has sent so far."""
    from qiskit_parallel_ionq import ParallelIonQBackend

    sizes = []
    send = ParallelIonQBackend.send

    def counting(self, drafts, options):
        sizes.append(len(drafts))
        return send(self, drafts, options)

    monkeypatch.setattr(ParallelIonQBackend, "send", counting)
    return sizes
