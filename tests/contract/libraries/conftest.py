# SPDX-License-Identifier: Apache-2.0
"""Our primitives and backend as other people's libraries see them, over an emulated service."""

from __future__ import annotations

import pytest

from qiskit_parallel_ionq import ParallelIonQBackend, ParallelIonQProvider
from qiskit_parallel_ionq.primitives import EstimatorV2, SamplerV2


@pytest.fixture(scope="module")
def backend():
    with ParallelIonQProvider.local(seed=11) as provider:
        yield provider.get_backend("ionq_parallel", max_workers=16)


@pytest.fixture
def runs(monkeypatch):
    """The sizes of the composite jobs that a test has sent so far, by copies of the backend too."""
    sizes = []
    send = ParallelIonQBackend.send

    def counting(self, drafts, options, **more):
        sizes.append(len(drafts))
        return send(self, drafts, options, **more)

    monkeypatch.setattr(ParallelIonQBackend, "send", counting)
    return sizes


@pytest.fixture(params=[False, True], ids=["abstract", "pass_manager"])
def manager(request, backend):
    """What a library is given to transpile with: nothing, or the target's own compiler."""
    return backend.pass_manager(1) if request.param else None


@pytest.fixture
def sampler(backend):
    return SamplerV2(backend=backend, options={"default_shots": 2000, "seed_simulator": 5})


@pytest.fixture
def estimator(backend):
    return EstimatorV2(backend=backend)
