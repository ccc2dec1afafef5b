# SPDX-License-Identifier: Apache-2.0
"""Parses the JSON of results, large ones in pieces, so that other threads run in between. Pure.

CPython's JSON parser holds the interpreter lock for the whole of a text: 30 MB stop every other thread for
more than a second. Here a text is cut at commas between members of a container and each piece is parsed by
itself. That is exact: members that are valid one by one are valid together. The outcomes of a distribution
go into arrays, which take a tenth of the memory of a dict.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

PIECE = 1 << 18
"""Bytes that are parsed at once: some milliseconds."""
_ENTRIES = 1 << 13
"""Outcomes that are written at once."""
_WINDOW = 1 << 20
"""Bytes that are searched at once for places to cut."""
_LARGEST_WHOLE = 1 << 24
"""Bytes of a text with escaped characters, which is not cut."""
_DIGITS = 18
"""Digits that surely fit in an int64."""
_QUOTE, _COMMA, _COLON, _BACKSLASH, _OPEN, _CLOSE = b'"', b",", b":", b"\\", b"{[", b"}]"

Text = bytes | bytearray
Ints = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Distribution:
    """The object ``{"<outcome>": <number>, …}`` as arrays, in the order of the text."""

    outcomes: npt.NDArray[np.int64]
    weights: Floats

    def __len__(self) -> int:
        return len(self.outcomes)


def parse(text: Text, *, depth: int = 0) -> Any:
    """Return what a text says. A large distribution, at ``depth`` containers down, becomes a `Distribution`.

    Args:
        text: JSON, UTF-8.
        depth: 0, the text itself may be a distribution; 1, the members of its object.

    Raises:
        ValueError: it is not JSON, is nested absurdly deep, or holds NaN or Infinity.

    >>> parse(b'{"0": 0.5, "3": 0.5}')
    {'0': 0.5, '3': 0.5}
    """
    try:
        return _Parser(text).value(0, len(text), depth)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def written(body: Any) -> bytes:
    """Return the JSON of what `parse` returned.

    >>> written(Distribution(np.array([0, 3]), np.array([0.5, 0.5])))
    b'{"0":0.5,"3":0.5}'
    """
    if not isinstance(body, Distribution):
        return json.dumps(body).encode()
    parts = []
    for at in range(0, len(body), _ENTRIES):
        outcomes, weights = body.outcomes[at : at + _ENTRIES], body.weights[at : at + _ENTRIES]
        pairs = zip(outcomes.tolist(), weights.tolist(), strict=True)
        parts.append(",".join([f'"{outcome}":{weight!r}' for outcome, weight in pairs]))
    return b"{%s}" % ",".join(parts).encode()


def decimals(keys: Collection[str]) -> npt.NDArray[np.int64]:
    """Return decimal numbers of at most 18 digits.

    Raises:
        ValueError: one is none.
        TypeError: one is no text.
    """
    text = ",".join(keys)
    if ",," in f",{text}," or text.count(",") != len(keys) - 1:
        raise ValueError("a comma or nothing in a key")
    if text.encode("ascii").translate(None, b"0123456789,"):
        raise ValueError("not a decimal number")
    # Far faster than int() on each; ends at 2^63 - 1.
    return np.fromstring(text, dtype=np.int64, sep=",")


def _loads(text: Text) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


class _Parser:
    """Parses one text; places are offsets in it."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def value(self, start: int, end: int, depth: int) -> Any:
        """Return the value that stands between two places, and nothing else."""
        text = self._text
        if end - start <= PIECE:
            return _loads(text[start:end])
        start, end = self._stripped(start, end)
        opening, closing = text[start : start + 1], text[end - 1 : end]
        if (opening, closing) not in ((b"{", b"}"), (b"[", b"]")):
            return _loads(text[start:end])
        if depth == 0 and opening == b"{":
            flat = self._distribution(start + 1, end - 1)
            if flat is not None:
                return flat
        if any(_BACKSLASH in text[at : min(at + _WINDOW, end)] for at in range(start, end, _WINDOW)):
            if end - start > _LARGEST_WHOLE:
                raise ValueError(f"{end - start:,} bytes with escaped characters")
            return _loads(text[start:end])
        whole: Any = {} if opening == b"{" else []
        first, last = self._stripped(start + 1, end - 1)
        if first == last:
            return whole
        for first, last in self._groups(start + 1, end - 1):
            if last - first <= PIECE:
                part = _loads(opening + text[first:last] + closing)
                if not part:
                    raise ValueError("nothing between two commas")
                whole.update(part) if opening == b"{" else whole.extend(part)
            elif opening == b"[":
                whole.append(self.value(first, last, depth - 1))
            else:
                colon = self._colon(first, last)
                (key,) = _loads(b"{" + text[first:colon] + b":0}")
                whole[key] = self.value(colon + 1, last, depth - 1)
        return whole

    def _stripped(self, start: int, end: int) -> tuple[int, int]:
        while start < end and self._text[start] in b" \t\r\n":
            start += 1
        while end > start and self._text[end - 1] in b" \t\r\n":
            end -= 1
        return start, end

    def _colon(self, start: int, end: int) -> int:
        """Return where the key of a member ends."""
        opening = self._text.find(_QUOTE, start, end)
        closing = self._text.find(_QUOTE, opening + 1, end)
        colon = self._text.find(_COLON, closing + 1, end)
        if min(opening, closing, colon) < 0:
            raise ValueError("a member without a key")
        return colon

    def _distribution(self, start: int, end: int) -> Distribution | None:
        """Return the members as a distribution, or None if they are none, or cannot be cut at any comma."""
        text = self._text
        size = 1 + sum(text.count(_COMMA, at, min(at + _WINDOW, end)) for at in range(start, end, _WINDOW))
        outcomes, weights, filled = np.empty(size, np.int64), np.empty(size, np.float64), 0
        while start <= end:
            cut = end if end - start <= PIECE else text.rfind(_COMMA, start, start + PIECE)
            if cut < 0:
                return None
            try:
                part = _loads(b"{" + text[start:cut] + b"}")
                if not part or not set(map(type, part.values())) <= {int, float}:
                    return None
                if max(map(len, part)) > _DIGITS:
                    return None
                upto = filled + len(part)
                outcomes[filled:upto] = decimals(part)
                weights[filled:upto] = np.fromiter(part.values(), np.float64, len(part))
            except (ValueError, OverflowError):
                return None
            start, filled = cut + 1, upto
        return Distribution(outcomes[:filled], weights[:filled])

    def _groups(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the places of members of a container: several, or one that is longer than a piece."""
        first = start
        for cuts in self._commas(start, end):
            while len(cuts):
                fitting = int(np.searchsorted(cuts, first + PIECE, side="right"))
                last = int(cuts[max(fitting, 1) - 1])
                yield first, last
                first, cuts = last + 1, cuts[max(fitting, 1) :]
        yield first, end

    def _commas(self, start: int, end: int) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the places of the commas that part the members of a container, window by window."""
        quotes, level = 0, 0
        for at in range(start, end, _WINDOW):
            window = np.frombuffer(self._text, np.uint8, min(_WINDOW, end - at), at)
            quoted = np.cumsum(window == _QUOTE[0], dtype=np.int32) + quotes
            outside = (quoted & 1) == 0
            opens = (window == _OPEN[0]) | (window == _OPEN[1])
            closes = (window == _CLOSE[0]) | (window == _CLOSE[1])
            steps = np.where(outside, opens.astype(np.int8) - closes.astype(np.int8), 0)
            levels = np.cumsum(steps, dtype=np.int32) + level
            if levels.min() < 0:
                raise ValueError("a bracket too many")
            yield np.flatnonzero((window == _COMMA[0]) & outside & (levels == 0)) + at
            quotes, level = int(quoted[-1]), int(levels[-1])
