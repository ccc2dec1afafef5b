# SPDX-License-Identifier: Apache-2.0
"""What one IonQ job carries: one circuit, or a pack of circuits that agree in kind and shots."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any

from . import wire
from .encode import Readout, header_entries, ionq_header
from .errors import EncodeError
from .sources import Kind, preferred_kinds
from .wire import JobRecord

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ROOM = 1 << 20
"""Bytes that a result may have beside its outcomes."""
_LISTED = 1 << 16
"""Outcomes of a sampled circuit that may be listed, whether they came up or not."""
_TOKEN = re.compile(r"1\.([0-9a-zA-Z]{22})\.([0-9a-z]{1,10})\.([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Parcel:
    """One submission's content, ready to be sent and to be read back."""

    circuits: tuple[int, ...]
    """Positions in the run, in the order in which the job holds them."""
    readouts: tuple[Readout, ...]
    """How each circuit's outcomes are read."""
    headers: tuple[Mapping[str, Any], ...]
    """Each circuit's header, as `encode.header_entry` tells it; empty once that is in the run's record."""
    shots: int
    token: str
    digest: str
    """First 12 hex digits of the SHA-256 of what its circuits say: equal circuits, equal digest."""
    body: bytes
    """The request, as long as it may have to be sent; empty afterwards."""
    is_exact: bool
    memory: bool
    dry_run: bool
    query: str = ""
    """Which result of a debiased job is read, as a query; empty: the service's own choice."""

    @property
    def is_pack(self) -> bool:
        """Whether it goes out as a multi-circuit job."""
        return len(self.circuits) > 1

    @property
    def by_register(self) -> bool:
        """Whether results come by classical register (OpenQASM 3) and not by qubit."""
        return self.readouts[0].in_clbit_order

    @property
    def by_child(self) -> bool:
        """Whether the circuits of a pack are read one by one: an answer for all holds no shots."""
        return self.is_pack and self.memory and not self.is_exact and not self.query

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of result that serve, best first. Several results there are of distributions only."""
        if self.query:
            return ("probabilities",)
        return preferred_kinds(exact=self.is_exact, memory=self.memory, by_register=self.by_register)

    def children_of(self, record: JobRecord | None) -> tuple[str, ...]:
        """Return the ids of a pack's children in the order of its circuits; none if they cannot be that."""
        children = () if record is None or not self.is_pack else record.child_ids
        return children if len(set(children)) == len(children) == len(self.circuits) else ()

    @property
    def largest_result(self) -> int:
        """Bytes of JSON that its results can take at the most, in any of the service's formats."""
        return _ROOM + sum(_largest(readout, self.shots, exact=self.is_exact) for readout in self.readouts)


def _largest(readout: Readout, shots: int, *, exact: bool) -> int:
    """Return how many bytes the result of one circuit can take, generously."""
    bits = readout.num_qubits + len(readout.sources)
    outcomes = 1 << max(readout.num_qubits, len(readout.sources))
    if not exact:
        outcomes = min(outcomes, max(shots, _LISTED))
    return max(outcomes * (64 + bits), shots * (128 + 4 * bits))


def again(parcel: Parcel, body: bytes, *, only: Collection[int], generation: int) -> Parcel:
    """Return some circuits of a parcel, to be executed once more on purpose.

    Args:
        parcel: the parcel as it was.
        body: its request.
        only: positions in the run of the circuits that are wanted.
        generation: which execution of the run this is; the token says so.

    Raises:
        EncodeError: the request is not one of ours.
    """
    kept = [place for place, index in enumerate(parcel.circuits) if index in only]
    circuits = tuple(parcel.circuits[place] for place in kept)
    was = Token.read(parcel.token)
    try:
        request = json.loads(body)
        metadata, given = request["metadata"], request["input"]
        if was is None:
            raise ValueError(parcel.token)
        token = str(Token(was.run, circuits[0], generation))
        entries = header_entries(metadata[wire.HEADER_KEY])
        headers = tuple(entries[place] for place in kept)
        if len(kept) < len(parcel.circuits):
            given["circuits"] = [given["circuits"][place] for place in kept]
            _unpack_a_single(request)
        metadata[wire.TOKEN_KEY] = token
        metadata[wire.HEADER_KEY] = ionq_header(headers)
        metadata.pop(wire.CONTENT_KEY, None)
        if parcel.is_pack and circuits != tuple(range(circuits[0], circuits[-1] + 1)):
            metadata[wire.CONTENT_KEY] = ranges(circuits)
        total, _, *rest = metadata[wire.CHECK_KEY].split(".")
        text = json.dumps(given, separators=(",", ":"), allow_nan=False)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        metadata[wire.CHECK_KEY] = ".".join([total, digest, *rest])
        written = json.dumps(request, separators=(",", ":"), allow_nan=False).encode()
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EncodeError(f"the request with token {parcel.token} cannot be read again: {error!r}") from error
    return replace(
        parcel,
        circuits=circuits,
        readouts=tuple(parcel.readouts[place] for place in kept),
        headers=headers,
        token=token,
        digest=digest,
        body=written,
    )


def _unpack_a_single(request: dict[str, Any]) -> None:
    """Turn a pack of one circuit into the single job that the service takes it for."""
    circuits = request["input"]["circuits"]
    if len(circuits) == 1:
        (child,) = circuits
        request["type"] = "ionq.circuit.v1"
        request["input"] = {
            "gateset": request["input"]["gateset"],
            "qubits": child["qubits"],
            "circuit": child["circuit"],
        }


@dataclass(frozen=True, slots=True)
class Token:
    """What identifies a submission in the service's own records: at most 40 characters as text.

    >>> str(Token("4fQ0000000000000000000", 71))
    '1.4fQ0000000000000000000.1z.0'
    >>> Token.read("1.4fQ0000000000000000000.1z.0").index
    71
    """

    run: str
    index: int
    """Position in the run of the first circuit it carries."""
    generation: int = 0
    """Grows only when circuits are executed again on purpose; a repeated request is the same token."""

    def __str__(self) -> str:
        return f"1.{self.run}.{_base36(self.index)}.{self.generation}"

    @classmethod
    def read(cls, text: object) -> Token | None:
        """Return the token that a text is, or None."""
        found = _TOKEN.fullmatch(text) if isinstance(text, str) else None
        return None if found is None else cls(found[1], int(found[2], 36), int(found[3]))


def _base36(number: int) -> str:
    digits = _DIGITS[number % 36]
    while number := number // 36:
        digits = _DIGITS[number % 36] + digits
    return digits


def ranges(indices: Sequence[int]) -> str:
    """Return ascending numbers in short.

    >>> ranges([0, 1, 2, 5, 7, 8]), positions("0-2,5,7-8")
    ('0-2,5,7-8', (0, 1, 2, 5, 7, 8))
    """
    groups = [[n for _, n in group] for _, group in groupby(enumerate(indices), lambda at: at[1] - at[0])]
    return ",".join(f"{g[0]}-{g[-1]}" if len(g) > 1 else str(g[0]) for g in groups)


def positions(text: str) -> tuple[int, ...]:
    """Return the numbers that `ranges` told.

    Raises:
        ValueError: the text says something else, or of more than a job holds.
    """
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.extend(range(int(first), min(int(last or first), int(first) + wire.MAX_CIRCUITS_PER_JOB) + 1))
        if len(found) > wire.MAX_CIRCUITS_PER_JOB:
            raise ValueError(f"more than {wire.MAX_CIRCUITS_PER_JOB} numbers")
    if any(later <= earlier for earlier, later in pairwise(found)):
        raise ValueError("the numbers do not ascend")
    return tuple(found)
