# SPDX-License-Identifier: Apache-2.0
"""OpenQASM 3 text as tokens, and the cursor that walks them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..problems import CircuitError

_PATTERN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<text>"[^"\n]*")
  | (?P<number>0[xX][0-9a-fA-F_]+|0[bB][01_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>\$\d+|[^\W\d]\w*)
  | (?P<sign>->|==|!=|<=|>=|&&|\|\||\*\*|<<|>>|[-+*/%=<>!&|^~(){}\[\];:,@])
  | (?P<pragma>\#pragma[^\n]*)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the program: ``kind`` is name, number, text, sign, pragma or end."""

    kind: str
    text: str
    line: int


def _tokens(source: str) -> Iterator[Token]:
    position, line = 0, 1
    while position < len(source):
        match = _PATTERN.match(source, position)
        if match is None:
            raise CircuitError("CompilationError", f"Line {line}: unexpected {source[position]!r}.")
        kind = str(match.lastgroup)
        if kind != "space":
            yield Token(kind, match.group(), line)
        line += match.group().count("\n")
        position = match.end()
    yield Token("end", "the end of the program", line)


class Cursor:
    """Where the reader is."""

    def __init__(self, source: str) -> None:
        self._all = list(_tokens(source))
        self._at = 0

    @property
    def now(self) -> Token:
        """The token to be read next."""
        return self._all[self._at]

    def next(self) -> Token:
        """Read one token."""
        token = self.now
        if token.kind != "end":
            self._at += 1
        return token

    def at(self, *texts: str) -> bool:
        """Whether the next token is one of these words or signs."""
        return self.now.kind in ("name", "sign") and self.now.text in texts

    def take(self, text: str) -> bool:
        """Read ``text`` if it comes next."""
        if self.at(text):
            self._at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        """Read ``text``.

        Raises:
            CircuitError: something else comes next.
        """
        if not self.take(text):
            raise self.error(f"expected {text!r}, not {self.now.text!r}")

    def name(self) -> str:
        """Read an identifier."""
        if self.now.kind != "name":
            raise self.error(f"expected a name, not {self.now.text!r}")
        return self.next().text

    def error(self, message: str, code: str = "CompilationError") -> CircuitError:
        """A failure that says where."""
        return CircuitError(code, f"Line {self.now.line}: {message}.")
