# SPDX-License-Identifier: Apache-2.0
"""The results of a run: in memory while there is room, then on disk, and decoded anew when they are read."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from .chronicle import StoredResult
from .decode import SPELLED_OUT, Outcome, RawResult
from .result_json import parse

ROOM = 256_000_000
"""Bytes of outcomes that are kept in memory for one run."""
_SPELLED_FACTOR = 8
"""How many times as much memory an outcome takes once it is spelled out."""
_FIXED = 600
"""Bytes reckoned for what an outcome takes besides its arrays."""


class Shelf(Mapping[int, "Outcome | None"]):
    """Outcomes by circuit; None where a run wanted none.

    Written by one thread, read by any. What finds no room is kept as the service gave it: in the run's record
    where there is one, else in a temporary file without a name, which ends with the process.

    Args:
        read: returns what a run's record keeps of a result.
        decode: makes a circuit's outcome of it, the same whenever it is asked.
        room: bytes.
    """

    def __init__(
        self,
        read: Callable[[StoredResult], RawResult],
        decode: Callable[[int, RawResult], Outcome],
        *,
        room: int = ROOM,
    ) -> None:
        self._read, self._decode, self._room = read, decode, room
        self._at_hand: dict[int, Outcome | None] = {}
        self._away: dict[int, StoredResult | Scrap] = {}
        self._scratch = _Scratch()
        self.size = self.spelled = 0
        """Bytes of all outcomes, wherever they are; of those that are spelled out on demand an eighth."""

    def put(self, index: int, outcome: Outcome | None, kept: StoredResult | Scrap | None = None) -> None:
        """Keep an outcome.

        Args:
            index: the circuit.
            outcome: its outcome.
            kept: where what it was made of can be read again; None: nowhere, so that it stays in memory.
        """
        size = size_of(outcome)
        self.size += size
        self.spelled += size // _SPELLED_FACTOR if is_large(outcome) else size
        if self.size <= self._room or kept is None or not self._at_hand:
            self._at_hand[index] = outcome
        else:
            self._away[index] = kept

    def has_room(self, outcome: Outcome) -> bool:
        """Return whether an outcome can stay in memory: the first always can. Any thread may ask."""
        return self.size + size_of(outcome) <= self._room or not self._at_hand

    def stash(self, kind: str, text: bytes | bytearray) -> Scrap:
        """Write a result to the temporary file; return where it is, for `put`. Any thread may call this."""
        return self._scratch.put(kind, text)

    def __getitem__(self, index: int) -> Outcome | None:
        if index in self._at_hand:
            return self._at_hand[index]
        kept = self._away[index]
        if isinstance(kept, Scrap):
            return self._decode(index, self._scratch.get(kept))
        return self._decode(index, self._read(kept))

    def __contains__(self, index: object) -> bool:
        return index in self._at_hand or index in self._away

    def __iter__(self) -> Iterator[int]:
        yield from self._at_hand
        yield from self._away

    def __len__(self) -> int:
        return len(self._at_hand) + len(self._away)


def is_large(outcome: Outcome | None) -> bool:
    """Return whether an outcome's probabilities are spelled out on demand only."""
    return outcome is not None and len(outcome.values) > SPELLED_OUT


def size_of(outcome: Outcome | None) -> int:
    """Return about how many bytes an outcome takes in memory."""
    if outcome is None:
        return _FIXED
    arrays = (outcome.values, outcome.tallies, outcome.order, outcome.weights)
    wide = 60 * len(outcome.values) if outcome.values.dtype.hasobject else 0
    return _FIXED + wide + sum(array.nbytes for array in arrays if array is not None)


class Scrap(tuple[str, int, int]):
    """Kind of a result, and its place and length in the temporary file."""

    __slots__ = ()


class _Scratch:
    """A file without a name, made when it is needed."""

    def __init__(self) -> None:
        self._file: IO[Any] | None = None
        self._lock = threading.Lock()
        self._end = 0

    def put(self, kind: str, text: bytes | bytearray) -> Scrap:
        with self._lock:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="qiskit-parallel-ionq-")  # noqa: SIM115 - kept open
                weakref.finalize(self, self._file.close)
            self._file.seek(self._end)
            self._file.write(text)
            place, self._end = self._end, self._end + len(text)
        return Scrap((kind, place, len(text)))

    def get(self, scrap: Scrap) -> RawResult:
        kind, place, length = scrap
        with self._lock:
            assert self._file is not None  # noqa: S101 - it gave out the scrap
            self._file.seek(place)
            text = self._file.read(length)
        return RawResult(kind, parse(text), text)  # type: ignore[arg-type]
