# SPDX-License-Identifier: Apache-2.0
"""From what the service answered to counts, memory and probabilities over the classical bits.

The service's outcomes are integers over the qubits on the wire, bit k = qubit k. A body is checked before it
is believed; what is drawn comes from the circuit's own generator, whatever order the service's answer has.
"""

from __future__ import annotations

from collections.abc import Collection, ItemsView, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from reprlib import repr as _show
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .encode import Readout
from .errors import ResultIntegrityError
from .result_json import Distribution, decimals

_SUM_TOLERANCE = 1e-6
_NEGATIVE_TOLERANCE = 1e-9
SPELLED_OUT = 1 << 20
"""Outcomes up to which probabilities are spelled out in a dict."""
_AT_ONCE = 1 << 12  # outcomes of `Probabilities` that are made together
_ENTRY = 32  # bytes that one outcome takes as JSON, about
_TABLE = 16  # bits of the widest outcome whose key is shared by all results that hold it
_WORD = 62  # bits of the widest outcome kept in an int64; wider ones are Python integers in an object array
_ALL_QUBITS = "output_all"

_Ints = npt.NDArray[Any]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RawResult:
    """One circuit's result as the service gave it.

    Attributes:
        kind: the service's word for it. The body shows whether it is format v1 (decimal) or v2 (by register).
        body: parsed JSON; a large distribution of format v1 as arrays.
        text: the JSON, where it was one text; for keeping it.
    """

    kind: Literal["probabilities", "histogram", "shots"]
    body: Any
    text: bytes | bytearray | None = field(default=None, compare=False, repr=False)

    @property
    def size(self) -> int:
        """About how many bytes of JSON it is; 0 where it is surely few."""
        if self.text is not None:
            return len(self.text)
        return len(self.body) * _ENTRY if isinstance(self.body, dict | list | Distribution) else 0


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One circuit's result over its classical bits, as arrays; and in Qiskit's words, where hex keys are.

    Attributes:
        shots: shots asked for.
        values: the outcomes there are, distinct and ascending; bit k is classical bit k. Beyond 62 bits they
            are Python integers in an object array.
        tallies: how often each was drawn; sum to exactly ``shots``.
        order: for each shot, in order, the place of its outcome in ``values``; None where not asked for.
        weights: the probability of each outcome as the service gave it, exact on the ideal simulator; None
            where the service gave counts or shots.
    """

    shots: int
    values: _Ints
    tallies: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64] | None = None
    weights: _Floats | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Outcome):
            return NotImplemented
        mine = (self.shots, self.counts, self.memory, self.probabilities)
        return mine == (other.shots, other.counts, other.memory, other.probabilities)

    __hash__ = None  # type: ignore[assignment]

    @property
    def counts(self) -> dict[str, int]:
        """Hex keys ("0x3") in ascending order -> how often; no zeros."""
        drawn = self.tallies.nonzero()[0]
        return dict(zip(_hex_keys(self.values[drawn]), self.tallies[drawn].tolist(), strict=True))

    @property
    def memory(self) -> list[str] | None:
        """A hex key for each shot, agreeing with `counts`; None where not asked for."""
        if self.order is None:
            return None
        keys = _hex_keys(self.values)
        return [keys[place] for place in self.order.tolist()]

    @property
    def probabilities(self) -> Mapping[str, float] | None:
        """Hex keys in ascending order -> probability, or None; spelled out on demand where they are many."""
        if self.weights is None:
            return None
        if len(self.values) > SPELLED_OUT:
            return Probabilities(self.values, self.weights)
        return dict(zip(_hex_keys(self.values), self.weights.tolist(), strict=True))


class Probabilities(Mapping[str, float]):
    """Hex keys in ascending order -> probability, each made when it is asked for.

    A dict of the 2**24 outcomes of 24 qubits would take eight times the memory of the arrays.
    """

    __slots__ = ("_values", "_weights")

    def __init__(self, values: _Ints, weights: _Floats) -> None:
        self._values, self._weights = values, weights

    def __getitem__(self, key: str) -> float:
        try:
            value = int(key, 16)
        except (TypeError, ValueError):
            raise KeyError(key) from None
        place = int(np.searchsorted(self._values, value))
        if hex(value) != key or place >= len(self) or int(self._values[place]) != value:
            raise KeyError(key)
        return float(self._weights[place])

    def __iter__(self) -> Iterator[str]:
        for at in range(0, len(self), _AT_ONCE):
            yield from map(hex, self._values[at : at + _AT_ONCE].tolist())

    def __len__(self) -> int:
        return len(self._values)

    def items(self) -> ItemsView[str, float]:
        """Return the pairs; walking through them looks up no key."""
        return _Pairs(self)

    def __repr__(self) -> str:
        return f"<Probabilities of {len(self):,} outcomes>"


class _Pairs(ItemsView[str, float]):
    _mapping: Probabilities

    def __iter__(self) -> Iterator[tuple[str, float]]:
        mine = self._mapping
        for at in range(0, len(mine), _AT_ONCE):
            keys = map(hex, mine._values[at : at + _AT_ONCE].tolist())  # noqa: SLF001 - of the same module
            yield from zip(keys, mine._weights[at : at + _AT_ONCE].tolist(), strict=True)  # noqa: SLF001


def decode(
    raw: RawResult, readout: Readout, *, shots: int, rng: np.random.Generator, exact: bool, memory: bool
) -> Outcome:
    """Return counts, and memory where wanted, from a raw result.

    Args:
        raw: what the service answered. Keys of format v2 are read with bit 0 leftmost, the order of its shot
            arrays; the service documents this only indirectly.
        readout: where each classical bit is found; from ``encode_circuit`` or ``read_ionq_header``.
        shots: shots asked for, >= 1.
        rng: this circuit's own generator. The same state gives the same outcome whatever order the service's
            keys came in, and the same counts with and without ``memory``.
        exact: True: probabilities are an exact distribution, from which ``shots`` samples are drawn.
            False: they are frequencies, and become counts by largest remainder, ties to the smaller outcome.
        memory: whether an entry per shot is wanted. Where the service gave no shots, it is the counts in an
            order drawn from ``rng``.

    Raises:
        ResultIntegrityError: the body is empty or malformed, a key is out of range or comes twice, a value is
            not a finite number >= 0, probabilities sum further than 1e-6 from 1, or counts do not sum to
            ``shots``. Smaller drift is renormalised silently; values down to -1e-9 are drift and count as 0.

    >>> crossed = Readout(sources=(1, 0), num_qubits=2)  # classical bit 0 reads qubit 1
    >>> raw = RawResult("probabilities", {"0": 0.5, "1": 0.5})
    >>> decode(raw, crossed, shots=10, rng=np.random.default_rng(), exact=False, memory=False).counts
    {'0x0': 5, '0x2': 5}
    """
    if raw.kind == "shots":
        return _from_shots(_shot_outcomes(raw.body, readout), shots, memory)
    outcomes, weights = _distribution(raw, readout)
    if raw.kind == "histogram":
        counts = _whole_counts(weights, shots)
    elif exact:
        counts = rng.multinomial(shots, weights / weights.sum())
    else:
        counts = largest_remainder(weights, shots)
    return Outcome(
        shots=shots,
        values=outcomes,
        tallies=counts,
        order=rng.permutation(np.repeat(np.arange(len(counts)), counts)) if memory else None,
        weights=weights if raw.kind == "probabilities" else None,
    )


def largest_remainder(weights: npt.ArrayLike, total: int) -> npt.NDArray[np.int64]:
    """Share ``total`` in proportion to ``weights``, in whole numbers that sum to it exactly.

    Every share is within 1 of its exact value. Ties go to the earlier entry.

    >>> largest_remainder([0.25, 0.25, 0.5], 10).tolist()
    [3, 2, 5]
    """
    exact = np.asarray(weights, dtype=np.float64)
    shares = exact * (total / exact.sum())
    counts: npt.NDArray[np.int64] = np.floor(shares).astype(np.int64)
    missing = total - int(counts.sum())
    if missing:
        lack = counts - shares
        last = np.partition(lack, missing - 1)[missing - 1]
        counts[lack < last] += 1
        tied = np.flatnonzero(lack == last)
        counts[tied[: total - int(counts.sum())]] += 1
    return counts


# ── distributions ──


def _distribution(raw: RawResult, readout: Readout) -> tuple[_Ints, _Floats]:
    """Return the outcomes over classical bits, ascending and distinct, and the weight > 0 of each."""
    entries: dict[str, Any] | Distribution
    if not isinstance(raw.body, dict | Distribution) or not len(raw.body):
        raise ResultIntegrityError(f"the service's {raw.kind} are {_show(raw.body)}, not a distribution")
    if isinstance(raw.body, dict) and raw.kind in raw.body:
        entries, sources, width = _register(raw, readout)
        outcomes = _from_bit_strings(entries, width, _is_wide(width, sources))
        weights = _weights(entries, raw.kind)
    else:
        _require_final(readout, "one distribution over all qubits")
        sources, width = readout.sources, readout.num_qubits
        if isinstance(raw.body, Distribution):
            outcomes, weights = raw.body.outcomes, raw.body.weights
        else:
            outcomes = _from_decimals(raw.body, _is_wide(width, sources))
            weights = _weights(raw.body, raw.kind)
    weights = _checked(weights, outcomes, raw.kind)

    # Ascending wire outcomes first, so that sums below do not depend on the order of the service's keys.
    if not _ascends(outcomes):
        order = np.argsort(outcomes, kind="stable")
        outcomes, weights = outcomes[order], weights[order]
        if not _ascends(outcomes):
            twice = outcomes[1:][outcomes[1:] == outcomes[:-1]][0]
            raise ResultIntegrityError(f"the service's {raw.kind} name the outcome {twice} twice")
    _check_range(outcomes[-1], width)
    if weights.min() <= 0:
        present = weights > 0
        outcomes, weights = outcomes[present], weights[present]

    if sources == tuple(range(width)):  # nothing is crossed
        return outcomes, weights
    outcomes = move_bits(outcomes, sources)
    return (outcomes, weights) if _ascends(outcomes) else _gathered(outcomes, weights)


def _gathered(outcomes: _Ints, weights: _Floats) -> tuple[_Ints, _Floats]:
    """Return distinct outcomes, ascending, and the summed weight of each."""
    if outcomes.dtype != object and int(outcomes.max()) < 4 * len(outcomes):  # nothing need be sorted
        sums = _sums(outcomes, weights)
        outcomes = sums.nonzero()[0]
        return outcomes, sums[outcomes]
    outcomes, place = np.unique(outcomes, return_inverse=True)
    return outcomes, _sums(place.ravel(), weights)


def _sums(places: _Ints, weights: _Floats) -> _Floats:
    return np.bincount(places, weights=weights).astype(np.float64, copy=False)


def _register(raw: RawResult, readout: Readout) -> tuple[dict[str, Any], tuple[int | None, ...], int]:
    """Return the entries of the register that tells all classical bits, each bit's place in it, its width."""
    registers = _member(raw.body[raw.kind], "registers")
    labels = readout.labels or ()
    names = {name for name, _ in labels}
    sources: tuple[int | None, ...]
    if len(names) == 1 and names <= registers.keys():
        (name,) = names
        sources = tuple(index for _, index in labels)
        width = 1 + max(index for _, index in labels)
    elif readout.final and _ALL_QUBITS in registers:
        name, sources, width = _ALL_QUBITS, readout.sources, readout.num_qubits
    else:
        raise ResultIntegrityError(
            f"the service gave {raw.kind} of the registers {sorted(registers)}, which do not tell the joint "
            f"outcomes of {sorted(names) or [_ALL_QUBITS]}; the shots may"
        )
    return _member(registers, name), sources, width


def _weights(entries: dict[str, Any], kind: str) -> _Floats:
    if not set(map(type, entries.values())) <= {int, float}:
        key = next(key for key, value in entries.items() if type(value) not in {int, float})
        raise ResultIntegrityError(f"the service's {kind} give {key!r} the value {_show(entries[key])}")
    try:
        return np.fromiter(entries.values(), np.float64, len(entries))
    except OverflowError as error:
        raise ResultIntegrityError(f"the service's {kind} hold a number beyond all bounds") from error


def _checked(weights: _Floats, outcomes: _Ints, kind: str) -> _Floats:
    """Return weights that can be true, drift below 0 removed."""
    finite = np.isfinite(weights)
    worst = int(weights.argmin()) if finite.all() else int(finite.argmin())
    if not weights[worst] >= -_NEGATIVE_TOLERANCE or not finite[worst]:
        raise ResultIntegrityError(
            f"the service's {kind} give outcome {outcomes[worst]} the value {weights[worst]}"
        )
    total = float(weights.sum())
    if kind == "probabilities" and not abs(total - 1) <= _SUM_TOLERANCE:
        worst = int(weights.argmax())
        raise ResultIntegrityError(
            f"the service's probabilities sum to {total!r} over {len(weights)} outcomes; "
            f"the largest is {weights[worst]} for outcome {outcomes[worst]}"
        )
    return weights.clip(min=0)


def _whole_counts(weights: _Floats, shots: int) -> npt.NDArray[np.int64]:
    total = float(weights.sum())
    if total != shots or (weights % 1).any():
        raise ResultIntegrityError(
            f"the service's histogram sums to {total:.17g}, and {shots} shots were asked for"
        )
    return weights.astype(np.int64)


def _from_decimals(keys: Collection[str], wide: bool) -> _Ints:
    """Read outcomes of format v1."""
    try:
        return np.array([_decimal(key) for key in keys], dtype=object) if wide else decimals(keys)
    except (TypeError, ValueError) as error:
        raise ResultIntegrityError(
            f"the service's outcomes are not decimal numbers: {_show(list(keys))}"
        ) from error


def _decimal(key: str) -> int:
    if not (key.isascii() and key.isdigit()):
        raise ValueError("not a decimal number")
    return int(key)


def _from_bit_strings(entries: dict[str, Any], width: int, wide: bool) -> _Ints:
    """Read outcomes of format v2: bit 0 leftmost."""
    text = "".join(entries).encode("ascii", "replace")
    if len(set(map(len, entries))) != 1 or not text or text.translate(None, b"01"):
        raise ResultIntegrityError(
            f"the service's outcomes are not bit strings of one length: {_show(entries)}"
        )
    if len(next(iter(entries))) < width:
        raise ResultIntegrityError(f"the service's outcomes tell fewer than {width} bits: {_show(entries)}")
    return _pack(np.frombuffer(text, np.uint8).reshape(len(entries), -1) & np.uint8(1), wide)


# ── shots ──


def _shot_outcomes(body: Any, readout: Readout) -> _Ints:
    """Return the outcome of each shot over the classical bits, in the service's order."""
    if isinstance(body, dict):
        return _shots_by_register(_member(body, "shots", list), readout)
    if not isinstance(body, list) or not body or not set(map(type, body)) <= {int, str}:
        raise ResultIntegrityError(f"the service's shots are {_show(body)}, not a list of outcomes")
    _require_final(readout, "shots over all qubits")
    keys = [shot if isinstance(shot, str) else str(shot) for shot in body]
    outcomes = _from_decimals(keys, _is_wide(readout.num_qubits, readout.sources))
    _check_range(outcomes.max(), readout.num_qubits)
    return move_bits(outcomes, readout.sources)


def _shots_by_register(shots: list[Any], readout: Readout) -> _Ints:
    # A shot that leaked was made again by the service: it is surplus.
    kept = [_member(shot, "registers") for shot in shots if not _leaked(shot)]
    reads: Sequence[tuple[str, int] | None]
    if readout.labels is not None and kept and {name for name, _ in readout.labels} <= kept[0].keys():
        reads = readout.labels
    else:
        _require_final(readout, "shots without the circuit's registers")
        reads = [None if source is None else (_ALL_QUBITS, source) for source in readout.sources]
    registers = {name: _bit_rows(kept, name) for name in {read[0] for read in reads if read}}
    bits = np.zeros((len(kept), len(reads)), np.uint8)
    for clbit, read in enumerate(reads):
        if read is not None:
            name, index = read
            if index >= registers[name].shape[1]:
                raise ResultIntegrityError(f"the service's register {name!r} has no bit {index}")
            bits[:, clbit] = registers[name][:, index]
    return _pack(bits, wide=False)


def _bit_rows(shots: list[dict[str, Any]], name: str) -> npt.NDArray[np.uint8]:
    """Return one register of all shots, a row per shot: element j of a row is bit j."""
    rows: list[Any] = [shot.get(name) for shot in shots]
    try:
        if not set(map(type, rows)) <= {list} or len(set(map(len, rows))) != 1:
            raise ValueError("not lists of one length")
        bits = np.frombuffer(b"".join(map(bytes, rows)), np.uint8).reshape(len(rows), -1)
        if bits.max(initial=0) > 1:
            raise ValueError("a value above 1")
    except (TypeError, ValueError) as error:
        raise ResultIntegrityError(
            f"the service's register {name!r} has the shots {_show(rows)}: {error}"
        ) from error
    return bits


def _leaked(shot: Any) -> bool:
    bits = shot.get("leakage_bits") if isinstance(shot, dict) else None
    return any(bits) if isinstance(bits, list) else bool(bits)


def _from_shots(outcomes: _Ints, shots: int, memory: bool) -> Outcome:
    if len(outcomes) != shots:
        raise ResultIntegrityError(f"the service gave {len(outcomes)} shots, and {shots} were asked for")
    values, place, counts = np.unique(outcomes, return_inverse=True, return_counts=True)
    return Outcome(shots=shots, values=values, tallies=counts, order=place.ravel() if memory else None)


# ── bits ──


def _hex_keys(outcomes: _Ints) -> list[str]:
    """Return Qiskit's keys ("0x3") of ascending outcomes."""
    width = int(outcomes[-1]).bit_length() if len(outcomes) else 0
    if width > _TABLE or outcomes.dtype == object:
        return list(map(hex, outcomes.tolist()))
    keys: list[str] = _table(width)[outcomes].tolist()
    return keys


@lru_cache
def _table(width: int) -> npt.NDArray[np.object_]:
    """Return the keys of all outcomes of so many bits; thousands of results share them."""
    return np.array(list(map(hex, range(1 << width))), dtype=object)


def _is_wide(width: int, sources: tuple[int | None, ...]) -> bool:
    return max(width, len(sources)) > _WORD


@lru_cache(maxsize=1024)
def _moves(sources: tuple[int | None, ...]) -> tuple[tuple[int, int], ...]:
    """Return (mask, shift) pairs: source bits that move equally far to their classical bits move at once."""
    masks: dict[int, int] = {}
    for clbit, source in enumerate(sources):
        if source is not None:
            masks[clbit - source] = masks.get(clbit - source, 0) | 1 << source
    return tuple((mask, shift) for shift, mask in masks.items())


def move_bits(outcomes: _Ints, sources: tuple[int | None, ...]) -> _Ints:
    """Return the classical bits of each outcome: bit k of the result is bit ``sources[k]``, or 0 for None."""
    result = np.zeros_like(outcomes)
    for mask, shift in _moves(sources):
        bits = outcomes & mask
        result |= bits << shift if shift >= 0 else bits >> -shift
    return result


def _pack(bits: npt.NDArray[np.uint8], wide: bool) -> _Ints:
    """Return each row as an integer: column j is bit j."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    if wide or bits.shape[1] > _WORD:
        return np.array([int.from_bytes(row.tobytes(), "little") for row in packed], dtype=object)
    words = np.zeros((len(bits), 8), np.uint8)
    words[:, : packed.shape[1]] = packed
    return words.view("<i8").ravel().astype(np.int64)


def _ascends(outcomes: _Ints) -> bool:
    return bool((outcomes[1:] > outcomes[:-1]).all())


# ── checks ──


def _require_final(readout: Readout, given: str) -> None:
    if not readout.final:
        raise ResultIntegrityError(
            f"the service gave {given}, where this circuit's mid-circuit measurements cannot be read. "
            "The ideal simulator has no outcomes by register: run with a noise_model, or on a QPU"
        )


def _check_range(largest: Any, width: int) -> None:
    if int(largest) >> width:
        raise ResultIntegrityError(f"the service names the outcome {largest} on {width} qubits")


def _member(body: Any, name: str, kind: type = dict) -> Any:
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, kind) or not value:
        raise ResultIntegrityError(f"the service's result has no {name!r} where one belongs: {_show(body)}")
    return value
