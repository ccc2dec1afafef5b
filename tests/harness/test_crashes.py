# SPDX-License-Identifier: Apache-2.0
"""Clients that are really killed, and others that go on: the short form of ``python -m tests.harness.crash``."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from .remote import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="clients are forked")


def killed(*options):
    command = [sys.executable, "-m", "tests.harness.crash", "--seed", "7", "--side-by-side", "2", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def test_whenever_a_client_is_killed_nothing_is_lost_and_nothing_bought_twice():
    done = killed("--kills", "16", "--each", "4")
    assert done.returncode == 0, done.stderr[-3000:]
    told = {name: int(number) for name, number in re.findall(r"([a-z ]+) (\d+)", done.stdout)}
    assert told["kills"] >= 16
    assert told[" circuits"] > 0
    assert told[" lost"] == told[" duplicated"] == told[" other broken promises"] == 0


def test_a_client_that_writes_down_no_intent_is_found_out():
    done = killed("--kills", "8", "--each", "4", "--broken")
    assert done.returncode == 1
    assert "intent" in done.stderr
