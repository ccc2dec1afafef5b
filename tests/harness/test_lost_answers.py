# SPDX-License-Identifier: Apache-2.0
"""One lost answer over real sockets: ten ways to lose it, one job, and its id is known."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest

from .faults import Fault
from .lost_answers import FAULTS, NUMBER, Fate, ours, tried, written
from .patience import shorten


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_the_job_is_stored_once_and_its_result_comes_home(fault, monkeypatch, tmp_path):
    shorten(monkeypatch.setattr)
    fate = tried(ours, fault, tmp_path)
    assert (fate.verdict, fate.posts) == ("right", 1)


@pytest.mark.parametrize("fault", [Fault("reset", after=True), FAULTS["503"]], ids=str)
def test_three_lost_answers_in_a_row_buy_no_second_job(fault, monkeypatch, tmp_path):
    shorten(monkeypatch.setattr)
    fate = tried(ours, fault, tmp_path, times=3)
    assert (fate.verdict, fate.posts) == ("right", 1)


def blind(remote):
    """A client as many are: on any trouble it sends again, and it trusts what it is told."""
    for _ in range(3):
        connection = http.client.HTTPConnection(urlsplit(remote.url).netloc, timeout=0.3)
        gates = [{"gate": "x", "target": bit} for bit in range(8) if NUMBER >> bit & 1]
        body = {"shots": 1, "input": {"circuit": gates}, "metadata": {"qpi": "t"}}
        try:
            connection.request(
                "POST", "/v0.4/jobs", json.dumps(body), {"Authorization": f"apiKey {remote.key}"}
            )
            response = connection.getresponse()
            text = response.read()
            if response.status == 201:
                return (json.loads(text)["id"],), NUMBER
        except (OSError, http.client.HTTPException):
            continue
        except ValueError:
            return (None,), None
        finally:
            connection.close()
    return (None,), None


@pytest.mark.parametrize(
    ("name", "verdict"),
    [("503", "bought 2 times"), ("connection reset", "bought 2 times"), ("201 without JSON", "id lost")],
)
def test_a_client_that_sends_blindly_again_is_seen_through(name, verdict, tmp_path):
    assert tried(blind, FAULTS[name], tmp_path).verdict == verdict


def test_the_table_says_what_ran():
    fates = {"503": Fate(("a",), 1, ("a",), NUMBER), "reset": Fate(("a", "b"), 2, ("b",), NUMBER)}
    text = written(fates)
    assert "| 503 | 1 | 1 | right |" in text
    assert "| reset | 2 | 2 | bought 2 times |" in text
    assert text.endswith("Right: 1 of 2.\n")
