# SPDX-License-Identifier: Apache-2.0
"""Keys come from where they should, go only where they may, and never show."""

from __future__ import annotations

import copy
import os
import pickle
import traceback

import pytest

from qiskit_parallel_ionq.credentials import TOKEN_VARIABLES, Environment, Secret, checked_url
from qiskit_parallel_ionq.errors import CredentialsError

CANARY = "c4n4ry-k3y"


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{0!r}".format, "%s".__mod__, lambda s: f"{[s]}"])
def test_a_secret_does_not_show(show):
    assert CANARY not in show(Secret(CANARY))


@pytest.mark.parametrize("carry", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_carried_away(carry):
    with pytest.raises(TypeError, match="never pickled"):
        carry({"key": Secret(CANARY)} if carry is not copy.copy else Secret(CANARY))


def test_a_secret_reveals_itself_to_who_asks():
    assert Secret(CANARY).reveal() == CANARY
    assert Secret(f"  {CANARY}\n").reveal() == CANARY
    assert not hasattr(Secret(CANARY), "__dict__")


def test_a_fingerprint_tells_keys_apart_and_shows_nothing_of_them():
    fingerprint = Secret(CANARY).fingerprint(b"salt")
    assert fingerprint == Secret(f" {CANARY}").fingerprint(b"salt")
    assert fingerprint != Secret(CANARY + "0").fingerprint(b"salt")
    assert fingerprint != Secret(CANARY).fingerprint(b"pepper")
    assert CANARY.encode() not in fingerprint


@pytest.mark.parametrize(
    "value", ["", "  ", f"{CANARY}\nX: y", f"{CANARY} x", f"{CANARY}é", f"{CANARY}\0", None, 7]
)
def test_a_key_that_no_header_can_hold_is_refused_without_being_quoted(value):
    with pytest.raises(CredentialsError) as caught:
        Secret(value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://api.ionq.co", "https://api.ionq.co/v0.4"),
        ("https://api.ionq.co/", "https://api.ionq.co/v0.4"),
        (" https://api.ionq.co/v0.4/ ", "https://api.ionq.co/v0.4"),
        ("HTTPS://api.ionq.co/v0.3", "https://api.ionq.co/v0.3"),
        ("https://host:8443/a/b", "https://host:8443/a/b"),
        ("http://localhost:8000", "http://localhost:8000/v0.4"),
        ("http://LOCALHOST", "http://LOCALHOST/v0.4"),
        ("http://127.0.0.1:5/v0.4", "http://127.0.0.1:5/v0.4"),
        ("http://127.9.9.9", "http://127.9.9.9/v0.4"),
        ("http://[::1]:5", "http://[::1]:5/v0.4"),
    ],
)
def test_a_good_url_is_brought_to_one_form(url, kept):
    assert checked_url(url) == kept
    assert checked_url(kept) == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://api.ionq.co",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://localhost.evil.test",
        "http://127.0.0.1.evil.test",
        "http://127.0.0.1@evil.test",
        "http://evil.test\\@127.0.0.1",
        "http://evil.test#@127.0.0.1",
        "http://evil.test?@127.0.0.1",
        "ftp://localhost",
        "file:///etc/passwd",
        "api.ionq.co",
        "https://",
        "https://[",
        "https://a\u2100b",
        "https://user:password@api.ionq.co",
        "https://api.ionq.co/v0.4?x=1",
        "",
    ],
)
def test_a_url_that_a_key_must_not_go_to_is_refused(url):
    with pytest.raises(CredentialsError):
        checked_url(url)


@pytest.mark.parametrize("url", [CANARY, f"ftp://me:{CANARY}@host", f"https://me:{CANARY}@host"])
def test_what_may_be_a_key_in_the_wrong_place_is_not_quoted(url):
    with pytest.raises(CredentialsError) as caught:
        checked_url(url)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def _environment(variables=None, dotenv=None):
    return Environment(variables or {}, dotenv or {})


def test_the_environment_goes_before_the_dotenv_file():
    both = _environment({"IONQ_API_TOKEN": "outer"}, {"IONQ_API_KEY": "inner"})
    assert both.get(TOKEN_VARIABLES) == "outer"
    assert _environment(dotenv={"IONQ_API_KEY": "inner"}).get(TOKEN_VARIABLES) == "inner"


def test_names_go_in_their_order():
    names = {"IONQ_API_TOKEN": "third", "QISKIT_IONQ_API_TOKEN": "second", "IONQ_API_KEY": "first"}
    for expected in ("first", "second", "third"):
        assert _environment(names).get(TOKEN_VARIABLES) == expected
        del names[
            {"first": "IONQ_API_KEY", "second": "QISKIT_IONQ_API_TOKEN"}.get(expected, "IONQ_API_TOKEN")
        ]
    assert _environment(names).get(TOKEN_VARIABLES) is None


@pytest.mark.parametrize("blank", ["", "   ", "\n", None])
def test_a_blank_variable_is_none(blank):
    assert _environment({"IONQ_API_KEY": blank}, {"IONQ_API_KEY": " k "}).get(TOKEN_VARIABLES) == "k"


def test_a_dotenv_file_of_a_folder_above_is_found_and_leaves_the_environment_alone(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("IONQ_API_KEY=from-file\nexport IONQ_TARGET='qpu.forte-1'  # ours\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    monkeypatch.delenv("IONQ_API_KEY", raising=False)
    environment = Environment.read()
    assert environment.get(("IONQ_API_KEY",)) == "from-file"
    assert environment.dotenv["IONQ_TARGET"] == "qpu.forte-1"
    assert "IONQ_API_KEY" not in os.environ


def test_no_dotenv_file_is_no_trouble(tmp_path, monkeypatch):
    monkeypatch.setattr("qiskit_parallel_ionq.credentials.find_dotenv", lambda usecwd: "")
    assert Environment.read().dotenv == {}


def test_an_unreadable_dotenv_file_is_named_and_not_quoted(tmp_path, monkeypatch):
    (tmp_path / ".env").write_bytes(f"IONQ_API_KEY={CANARY}\n# caf\xe9\n".encode("latin-1"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CredentialsError, match=r"\.env cannot be read") as caught:
        Environment.read()
    assert CANARY not in "".join(traceback.format_exception(caught.value))
