# SPDX-License-Identifier: Apache-2.0
"""Keys come from where they should, go only where they may, and never show."""

from __future__ import annotations

import base64
import copy
import html
import json
import os
import pickle
import re
import traceback
from urllib.parse import quote, quote_plus, unquote

import pytest

from qiskit_parallel_ionq.credentials import (
    TOKEN_VARIABLES,
    URL_VARIABLES,
    Environment,
    Redactor,
    Secret,
    checked_url,
)
from qiskit_parallel_ionq.errors import CredentialsError
from qiskit_parallel_ionq.wire import DEFAULT_URL

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


AWKWARD = "k3y/with+sorts=of&<odd>'\"things\\%"
SPELLINGS = {
    "plain": str,
    "url": quote,
    "url, all of it": lambda key: quote(key, safe=""),
    "url, in small letters": lambda key: re.sub("%..", lambda code: code[0].lower(), quote(key, safe="")),
    "url twice": lambda key: quote(quote(key, safe=""), safe=""),
    "form": quote_plus,
    "json": json.dumps,
    "json of php": lambda key: json.dumps(key).replace("/", "\\/"),
    "json of go": lambda key: re.sub(r"\W", lambda c: f"\\u{ord(c[0]):04x}", key),
    "python": repr,
    "html": html.escape,
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 in a header": lambda key: base64.b64encode(f"apiKey {key}".encode()).decode(),
    "base64 of a pair": lambda key: base64.urlsafe_b64encode(f"me:{key}:".encode()).decode(),
}


def _readable(text):
    """Return all that a curious reader gets out of a text with little effort."""
    tokens = re.findall(r"[\w+/-]{12,}", text)
    packed = [base64.b64decode(t[: len(t) // 4 * 4].translate(str.maketrans("-_", "+/"))) for t in tokens]
    spoken = re.sub(r"\\+u00(..)", lambda code: chr(int(code[1], 16)), text).replace("\\", "")
    return " ".join([text, unquote(text), unquote(unquote(text)), html.unescape(text), spoken, repr(packed)])


@pytest.mark.parametrize("key", [CANARY * 3, AWKWARD])
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_a_key_is_blotted_out_however_it_is_spelled(key, spell):
    said = f"your key ({spell(key)}) is no good"
    core = key.replace("\\", "")[:12]
    assert core in _readable(said).replace("\\", "")  # the reader does find it
    blotted = Secret(key).redactor.text(said)
    assert "***" in blotted
    assert core not in _readable(blotted).replace("\\", "")
    assert blotted.startswith("your key (")
    assert blotted.endswith(") is no good")


def test_a_redactor_leaves_everything_else_as_it_was():
    text = 'caf\xe9 \udcff {"0": 0.5}'
    assert Redactor(CANARY).text(text) == text
    assert Redactor()(b"\xff\x00") == b"\xff\x00"
    assert Redactor("a", "")(b"banana") == b"banana"  # shorter than any key


def test_redactors_add_up():
    assert Redactor("s3cret").and_of(Secret(CANARY)).text(f"s3cret {CANARY}") == "*** ***"


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


OTHER = "https://other.test"
OTHERS_KEY = {"IONQ_API_KEY": "file-key", "IONQ_API_URL": OTHER}


@pytest.mark.parametrize(
    ("variables", "dotenv", "url"),
    [
        ({}, {}, DEFAULT_URL),
        ({}, OTHERS_KEY, OTHER + "/v0.4"),
        ({}, {"IONQ_API_URL": OTHER}, OTHER + "/v0.4"),  # no key: none to lose
        ({"IONQ_API_KEY": "  "}, OTHERS_KEY, OTHER + "/v0.4"),
        ({"IONQ_API_KEY": "mine"}, {}, DEFAULT_URL),
        ({"IONQ_API_KEY": "mine"}, {"IONQ_API_URL": "https://api.ionq.co"}, DEFAULT_URL),
        ({"IONQ_API_KEY": "mine"}, {"IONQ_API_URL": "https://api.ionq.co/v0.3"}, "https://api.ionq.co/v0.3"),
        (
            {"IONQ_API_KEY": "mine", "IONQ_API_URL": OTHER},
            {"IONQ_API_URL": "https://c.test"},
            OTHER + "/v0.4",
        ),
        ({"QISKIT_IONQ_API_URL": OTHER}, {"IONQ_API_KEY": "file-key"}, OTHER + "/v0.4"),
    ],
)
def test_a_url_is_believed_that_comes_with_its_key_or_from_the_environment(variables, dotenv, url):
    assert _environment(variables, dotenv).url() == url


@pytest.mark.parametrize(
    "address", [OTHER, "http://127.0.0.1:8000", "http://localhost", "http://api.ionq.co"]
)
@pytest.mark.parametrize("name", URL_VARIABLES)
@pytest.mark.parametrize(
    ("variables", "has_own_key"),
    [({"IONQ_API_KEY": "mine"}, False), ({"IONQ_API_TOKEN": "mine"}, False), ({}, True)],
)
def test_a_url_in_a_dotenv_file_gets_no_other_key_than_the_files_own(variables, has_own_key, name, address):
    for dotenv in ({name: address}, {**OTHERS_KEY, "IONQ_API_URL": address}):
        with pytest.raises(CredentialsError, match="Nothing was sent"):
            _environment(variables, dotenv).url(has_own_key=has_own_key)


def test_the_refusal_says_which_file_which_address_and_what_to_do():
    environment = Environment({"IONQ_API_KEY": "mine-mine"}, {"IONQ_API_URL": OTHER}, "folder/.env")
    with pytest.raises(CredentialsError) as caught:
        environment.url()
    for word in ("folder/.env", OTHER, "set IONQ_API_URL in the environment", "url="):
        assert word in str(caught.value)
    assert "mine-mine" not in str(caught.value)


def test_a_key_is_found_as_a_secret_or_not_at_all():
    assert _environment().key() is None
    assert _environment({"IONQ_API_KEY": CANARY}).key().reveal() == CANARY
    assert _environment(dotenv={"IONQ_API_KEY": CANARY}).key().reveal() == CANARY


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
