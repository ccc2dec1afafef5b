# SPDX-License-Identifier: Apache-2.0
"""The API key and the URL it may be sent to: where they come from, and how they are kept from view."""

from __future__ import annotations

import base64
import html
import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NoReturn
from urllib.parse import quote, quote_plus, urlsplit

from dotenv import dotenv_values, find_dotenv

from . import wire
from .errors import CredentialsError

TOKEN_VARIABLES = ("IONQ_API_KEY", "QISKIT_IONQ_API_TOKEN", "IONQ_API_TOKEN")
URL_VARIABLES = ("IONQ_API_URL", "QISKIT_IONQ_API_URL")
TARGET_VARIABLES = ("IONQ_TARGET",)
_SHORTEST = 4
_WINDOW = 1 << 22


class Redactor:
    """Blots out secrets in what others say, who may spell them as URLs, JSON, HTML or base64 do.

    >>> Redactor("k3y/1").text("bad key: k3y/1, in your words k3y%2F1")
    'bad key: ***, in your words ***'
    """

    __slots__ = ("_words",)

    def __init__(self, *secrets: str) -> None:
        self._words = tuple(word for secret in secrets for word in _spellings(secret))

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is never pickled, nor its spellings")

    def and_of(self, secret: Secret) -> Redactor:
        """Return one that blots out a key too."""
        both = Redactor()
        both._words = self._words + secret.redactor._words  # noqa: SLF001 - of the same class
        return both

    def __call__(self, data: bytes | bytearray) -> bytes | bytearray:
        """Return bytes with every secret replaced by ``***``; the same object where there is none."""
        for word in self._words:
            if _holds(data, word):
                data = data.replace(word, b"***")
        return data

    def text(self, text: str) -> str:
        """Return text with every secret replaced by ``***``."""
        return self(text.encode(errors="surrogateescape")).decode(errors="surrogateescape")


def _holds(data: bytes | bytearray, word: bytes) -> bool:
    """Return whether a word is in some data, searched piece by piece so that other threads run in between."""
    return any(data.find(word, at, at + _WINDOW + len(word)) >= 0 for at in range(0, len(data), _WINDOW))


def _spellings(secret: str) -> tuple[bytes, ...]:
    """Return the ways in which programs commonly write a text, the longest first."""
    secret = str(secret)  # one that shows its repr
    in_json = json.dumps(secret)[1:-1]
    plain = {secret, repr(secret)[1:-1], html.escape(secret), in_json, in_json.replace("/", r"\/")}
    for quoted in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        plain |= {quoted, quoted.replace("%", "%25")}
    plain |= {"".join(c if c.isalnum() else f"\\u{ord(c):04{digits}}" for c in secret) for digits in "xX"}
    plain |= {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), word) for word in plain}
    words = {word.encode() for word in plain | {json.dumps(word)[1:-1] for word in plain}}
    for offset in range(3):  # what stands before shifts it against base64's groups of three
        before = bytes(offset) + secret.encode()
        first, end = -(-offset * 8 // 6), len(before) * 8 // 6
        packed = base64.b64encode(before)[first:end]
        words |= {packed, packed.replace(b"+", b"-").replace(b"/", b"_")}
    # What is shorter than any key would be found everywhere.
    return tuple(sorted((word for word in words if len(word) >= _SHORTEST), key=len, reverse=True))


class Unshown(str):
    """Text that does not show where a debugger or a report prints variables; in all else it is text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def unshown(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings whose values may be secret, so that they do not show; what is no text stays."""
    return {name: Unshown(value) if isinstance(value, str) else value for name, value in settings.items()}


class Secret:
    """A key that does not show: not in ``repr``, ``str``, a format string or a pickle.

    Raises:
        CredentialsError: it is no text, is blank, or holds what no HTTP header may: a refusal further down
            would quote it.

    >>> key = Secret("k3y"); f"{key} {key!r}"
    '*** Secret(***)'
    """

    __slots__ = ("_value", "redactor")

    def __init__(self, value: str) -> None:
        self._value = value.strip() if isinstance(value, str) else ""
        del value  # a report of an error may print local variables
        if not self._value or not _is_sayable(self._value):
            raise CredentialsError(
                "the API key must be text without blanks, line breaks or letters beyond ASCII. "
                "Nothing was sent."
            )
        self.redactor = Redactor(self._value)

    def reveal(self) -> str:
        """Return the key itself. Called where a request is signed, and nowhere else."""
        return self._value

    def fingerprint(self, salt: bytes) -> bytes:
        """Return what tells equal keys from different ones, and from which no key can be read."""
        return blake2b(self._value.encode(), key=salt).digest()

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is never pickled")


def _is_sayable(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key


@dataclass(frozen=True, slots=True)
class Environment:
    """Environment variables, and below them the nearest ``.env`` file at or above the working directory.

    The variables are the user's own. The file may have come with a folder that somebody else wrote.
    """

    variables: Mapping[str, str] = field(repr=False)
    dotenv: Mapping[str, str | None] = field(repr=False)
    path: str = ".env"

    @classmethod
    def read(cls) -> Environment:
        """Read both. ``os.environ`` is left as it is.

        Raises:
            CredentialsError: there is a ``.env`` file that cannot be read.
        """
        path = find_dotenv(usecwd=True)
        try:
            return cls(dict(os.environ), dotenv_values(path) if path else {}, path or ".env")
        except (OSError, UnicodeError) as error:
            raise CredentialsError(f"{path} cannot be read: {type(error).__name__}") from None

    def get(self, names: tuple[str, ...]) -> str | None:
        """Return the first of the named variables that is set and not blank; the environment goes first."""
        return _first(self.variables, names) or _first(self.dotenv, names)

    def key(self) -> Secret | None:
        """Return the API key, or None if there is none.

        Raises:
            CredentialsError: no HTTP header may hold it.
        """
        found = self.get(TOKEN_VARIABLES) is not None
        return Secret(self.get(TOKEN_VARIABLES) or "") if found else None

    def url(self, *, has_own_key: bool = False) -> str:
        """Return the checked base URL: the environment's, else the ``.env`` file's, else IonQ's.

        Args:
            has_own_key: whether a key was given as an argument, so that none is looked for here.

        Raises:
            CredentialsError: the file names another service than IonQ's, and the key is not its own: a
                file in a folder of somebody else's making could have any key sent to him. Or the URL is
                one that no key must be sent to.
        """
        ours = _first(self.variables, URL_VARIABLES)
        if ours is not None:
            return checked_url(ours)
        named = checked_url(_first(self.dotenv, URL_VARIABLES) or wire.DEFAULT_URL)
        is_foreign_key = has_own_key or _first(self.variables, TOKEN_VARIABLES) is not None
        if is_foreign_key and urlsplit(named)[:2] != urlsplit(wire.DEFAULT_URL)[:2]:
            raise CredentialsError(
                f"{self.path} asks for the API key to be sent to {named}, but the key "
                f"{'was given as an argument' if has_own_key else 'is the one of the environment'}, and the "
                f"file may be somebody else's. If the address is right, set {URL_VARIABLES[0]} in the "
                "environment, or pass it as url=...; if not, delete it from the file. Nothing was sent."
            )
        return named


def _first(source: Mapping[str, str | None], names: tuple[str, ...]) -> str | None:
    """Return the first of the named variables that is set and not blank."""
    return next((value for name in names if (value := (source.get(name) or "").strip())), None)


def checked_url(url: str) -> str:
    """Return a base URL without a trailing slash, with the API version.

    Raises:
        CredentialsError: it is no URL, carries credentials, or would send the key in the clear to
            anything but this machine.

    >>> checked_url("https://api.ionq.co")
    'https://api.ionq.co/v0.4'
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError as error:
        raise CredentialsError(f"the URL cannot be read: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        # Not quoted: it may be a key that was given in the wrong place.
        raise CredentialsError("the URL must begin with https:// and name a host. Nothing was sent.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise CredentialsError("the URL must hold no user name, password, query or fragment")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise CredentialsError(
            f"http:// would send the API key readable to {parts.hostname}; use https:// "
            "(http:// is for this machine only). Nothing was sent."
        )
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path or '/' + wire.API_VERSION}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
