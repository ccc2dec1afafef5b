# SPDX-License-Identifier: Apache-2.0
"""The results of a run: in memory while there is room, then on disk, and decoded anew when they are read."""

from __future__ import annotations

import json
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from .chronicle import StoredResult
from .decode import Outcome, RawResult

ROOM = 256_000_000
"""Bytes of outcomes that are kept in memory for one run."""
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
        self._away: dict[int, StoredResult | _Scrap] = {}
        self._scratch: _Scratch | None = None
        self.size = 0
        """Bytes of all outcomes, wherever they are."""

    def put(
        self,
        index: int,
        outcome: Outcome | None,
        *,
        stored: StoredResult | None = None,
        raw: RawResult | None = None,
    ) -> None:
        """Keep an outcome.

        Args:
            index: the circuit.
            outcome: its outcome.
            stored: where the run's record keeps what it was made of.
            raw: what it was made of.
        """
        self.size += size_of(outcome)
        if self.size <= self._room or (stored is None and raw is None):
            self._at_hand[index] = outcome
        elif stored is not None:
            self._away[index] = stored
        elif raw is not None:
            self._scratch = self._scratch or _Scratch()
            self._away[index] = self._scratch.put(raw)

    def __getitem__(self, index: int) -> Outcome | None:
        if index in self._at_hand:
            return self._at_hand[index]
        kept = self._away[index]
        if isinstance(kept, _Scrap):
            assert self._scratch is not None  # noqa: S101 - it gave us the scrap
            return self._decode(index, self._scratch.get(kept))
        return self._decode(index, self._read(kept))

    def __contains__(self, index: object) -> bool:
        return index in self._at_hand or index in self._away

    def __iter__(self) -> Iterator[int]:
        yield from self._at_hand
        yield from self._away

    def __len__(self) -> int:
        return len(self._at_hand) + len(self._away)


def size_of(outcome: Outcome | None) -> int:
    """Return about how many bytes an outcome takes in memory."""
    if outcome is None:
        return _FIXED
    arrays = (outcome.values, outcome.tallies, outcome.order, outcome.weights)
    wide = 60 * len(outcome.values) if outcome.values.dtype.hasobject else 0
    return _FIXED + wide + sum(array.nbytes for array in arrays if array is not None)


class _Scrap(tuple[str, int, int]):
    """Kind of a result, and its place and length in the temporary file."""

    __slots__ = ()


class _Scratch:
    """A file without a name."""

    def __init__(self) -> None:
        file: IO[Any] = tempfile.TemporaryFile(prefix="qiskit-parallel-ionq-")  # noqa: SIM115 - see below
        self._file = file
        weakref.finalize(self, file.close)
        self._lock = threading.Lock()
        self._end = 0

    def put(self, raw: RawResult) -> _Scrap:
        text = json.dumps(raw.body).encode()
        with self._lock:
            self._file.seek(self._end)
            self._file.write(text)
            place, self._end = self._end, self._end + len(text)
        return _Scrap((raw.kind, place, len(text)))

    def get(self, scrap: _Scrap) -> RawResult:
        kind, place, length = scrap
        with self._lock:
            self._file.seek(place)
            text = self._file.read(length)
        return RawResult(kind, json.loads(text))  # type: ignore[arg-type]
