# SPDX-License-Identifier: Apache-2.0
"""Who watches the watchers: each bug that somebody might write is found, and nothing is found without it."""

from __future__ import annotations

import logging

import pytest

from .seeded_bugs import BUGS


def broken(bug):
    """Return the first promise that was not kept, if any."""
    try:
        return next(bug.trial(), None)
    except Exception as error:  # noqa: BLE001 - a client that breaks down is found out, too
        return repr(error)


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level(logging.CRITICAL, "qiskit_parallel_ionq")


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_is_found_where_it_is_and_nowhere_else(bug, monkeypatch):
    assert broken(bug) is None
    bug.patch(monkeypatch)
    assert broken(bug) is not None
