# SPDX-License-Identifier: Apache-2.0
"""What holds for all tests, and a local service that many tests can share."""

from __future__ import annotations

import os
import signal
import socketserver

import pytest
from hypothesis import settings

from qiskit_parallel_ionq.state_folder import VARIABLE

# A machine that is shared is slow at times; that is no fault of an example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Connections that wait until a server of a test accepts them. Linux drops what exceeds the default of 5, and the
# client tries again after a second: a server that is slow for a moment would look like an outage.
socketserver.TCPServer.request_queue_size = 128

MOST_PROCESSES = 12
"""Processes of a run on all cores: each imports Qiskit, which takes memory."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite on all cores, in several processes.

    Where tests are chosen (paths, ``-k``, ``-m``, ``--lf``), with a debugger, with ``-n`` and without pytest-xdist,
    pytest does what it is asked to.
    """
    if hasattr(config, "workerinput"):  # this is one of those processes
        return
    option = config.option
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not any(
        getattr(option, name, None)
        for name in ("keyword", "markexpr", "lf", "failedfirst", "usepdb", "collectonly")
    )
    if is_whole and getattr(option, "numprocesses", 0) is None and option.dist == "no":
        option.numprocesses, option.dist = "logical", "worksteal"
        option.maxprocesses = option.maxprocesses or MOST_PROCESSES


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Run two processes for each core: tests wait for half of their time. A number from outside is left alone."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else 2 * (os.cpu_count() or 1)


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
    from qiskit_parallel_ionq.emulator import LocalIonQ

    with LocalIonQ(seed=7) as service:
        yield service


@pytest.fixture(scope="module")
def local(local_service):
    """A provider of `local_service`; no environment variable or ``.env`` has a say in it."""
    from qiskit_parallel_ionq import ParallelIonQProvider  # it imports Qiskit, which a few tests do without

    with ParallelIonQProvider(local_service.api_key, local_service.url) as provider:
        yield provider
