# SPDX-License-Identifier: Apache-2.0
"""The API key and the URL it may be sent to: where they come from, and how they are kept from view."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NoReturn
from urllib.parse import urlsplit

from dotenv import dotenv_values, find_dotenv

from . import wire
from .errors import CredentialsError

TOKEN_VARIABLES = ("IONQ_API_KEY", "QISKIT_IONQ_API_TOKEN", "IONQ_API_TOKEN")
URL_VARIABLES = ("IONQ_API_URL", "QISKIT_IONQ_API_URL")
TARGET_VARIABLES = ("IONQ_TARGET",)


class Secret:
    """A key that does not show: not in ``repr``, ``str``, a format string or a pickle.

    Raises:
        CredentialsError: it is no text, is blank, or holds what no HTTP header may: a refusal further down
            would quote it.

    >>> key = Secret("k3y"); f"{key} {key!r}"
    '*** Secret(***)'
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        key = value.strip() if isinstance(value, str) else ""
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise CredentialsError(
                "the API key must be text without blanks, line breaks or letters beyond ASCII. "
                "Nothing was sent."
            )
        self._value = key

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


@dataclass(frozen=True, slots=True)
class Environment:
    """Environment variables, and below them the nearest ``.env`` file at or above the working directory."""

    variables: Mapping[str, str] = field(repr=False)
    dotenv: Mapping[str, str | None] = field(repr=False)

    @classmethod
    def read(cls) -> Environment:
        """Read both. ``os.environ`` is left as it is.

        Raises:
            CredentialsError: there is a ``.env`` file that cannot be read.
        """
        path = find_dotenv(usecwd=True)
        try:
            return cls(dict(os.environ), dotenv_values(path) if path else {})
        except (OSError, UnicodeError) as error:
            raise CredentialsError(f"{path} cannot be read: {type(error).__name__}") from None

    def get(self, names: tuple[str, ...]) -> str | None:
        """Return the first of the named variables that is set and not blank; the environment goes first."""
        for source in (self.variables, self.dotenv):
            for name in names:
                value = (source.get(name) or "").strip()
                if value:
                    return value
        return None


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
