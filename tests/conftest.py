# SPDX-License-Identifier: Apache-2.0
"""What holds for all tests, and a local service that many tests can share."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.emulator import LocalIonQ
from qiskit_parallel_ionq.state_folder import VARIABLE

# A machine that is shared is slow at times; that is no fault of an example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(autouse=True, scope="session")
def state_folder(tmp_path_factory):
    """Runs are recorded where no run of the developer's own is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True, scope="session")
def interruptible():
    """Programs that tests start hear Ctrl-C, also where these tests run in the background of a shell."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def local_service():
    """One emulated service without delays or faults for a whole module."""
    with LocalIonQ(seed=7) as service:
        yield service


@pytest.fixture(scope="module")
def local(local_service):
    """A provider of `local_service`; no environment variable or ``.env`` has a say in it."""
    with ParallelIonQProvider(local_service.api_key, local_service.url) as provider:
        yield provider
