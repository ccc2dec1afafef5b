# SPDX-License-Identifier: Apache-2.0
"""An environment without anything of the developer's own."""

from __future__ import annotations

import pytest

from qiskit_parallel_ionq.credentials import TARGET_VARIABLES, TOKEN_VARIABLES, URL_VARIABLES


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """No variables of the developer's own, and an empty ``.env`` that stops the search for another."""
    for name in (*TOKEN_VARIABLES, *URL_VARIABLES, *TARGET_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path
