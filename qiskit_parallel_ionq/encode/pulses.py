# SPDX-License-Identifier: Apache-2.0
"""What the compiler sends, as IonQ's JSON: one circuit, or many that differ only in numbers.

Numbers have twelve decimals, a trillionth of a turn, and one width; so the text of many circuits is one text
with places, filled for all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..compiler import Pulse
from .encoded import Readout

_PARTS = 1e12
"""Parts of a turn that are told apart."""

_PLACE = b"#" * 15
"""What stands in the text where numbers will be: a sign or a space, ``0.``, twelve digits."""

_TEXT = {
    "gpi": '{"gate":"gpi","target":%d,"phase":%s}',
    "gpi2": '{"gate":"gpi2","target":%d,"phase":%s}',
    "ms": '{"gate":"ms","targets":[%d,%d],"phases":[%s,%s],"angle":%s}',
    "zz": '{"gate":"zz","targets":[%d,%d],"angle":%s}',
}

# Whether the service takes an empty list of gates is nowhere stated: a gate and its inverse stand for it.
_NOTHING = [Pulse("gpi", (0,), (0.0,))] * 2


def pulse_texts(
    pulses: Iterable[Pulse], clbits: Mapping[Any, int], num_qubits: int, renumber: bool, count: int
) -> tuple[list[bytes], int, Readout]:
    """Return JSON arrays of gates, how many gates each holds, and the way back from outcomes.

    Args:
        pulses: native gates in range, measurements at the end, and whatever stands between them. A value is
            a number, or an array of ``count``.
        clbits: the place of each classical bit.
        num_qubits: wires that the pulses speak of.
        renumber: whether only wires that a gate or measurement touches go out, in ascending order.
        count: how many circuits these are.

    >>> pulses = [Pulse("gpi2", (3,), (np.array([0.25, -0.125]),))]
    >>> for text in pulse_texts(pulses, {}, 4, True, 2)[0]:
    ...     print(text.decode())
    [{"gate":"gpi2","target":0,"phase": 0.250000000000}]
    [{"gate":"gpi2","target":0,"phase":-0.125000000000}]
    """
    gates: list[Pulse] = []
    touched: set[int] = set()
    sources: list[int | None] = [None] * len(clbits)
    for pulse in pulses:
        if pulse.instruction is None:
            gates.append(pulse)
        elif pulse.name == "measure":
            sources[clbits[pulse.instruction.clbits[0]]] = pulse.wires[0]
        else:
            continue
        touched.update(pulse.wires)
    used = (sorted(touched) if renumber else range(num_qubits)) or [0]
    wire_of = {qubit: wire for wire, qubit in enumerate(used)}
    columns: list[npt.NDArray[np.float64]] = []
    texts = [
        _TEXT[name] % (*[wire_of[wire] for wire in wires], *[_number(value, columns) for value in values])
        for name, wires, values, _ in gates
    ] or [_TEXT[name] % (*wires, _number(values[0], columns)) for name, wires, values, _ in _NOTHING]
    readout = Readout(tuple([None if qubit is None else wire_of[qubit] for qubit in sources]), len(used))
    return _filled(f"[{','.join(texts)}]".encode(), columns, count), len(texts), readout


def _number(value: Any, columns: list[npt.NDArray[np.float64]]) -> str:
    if isinstance(value, float):
        return f"{round(value * _PARTS) / _PARTS: .12f}"
    columns.append(value)
    return _PLACE.decode()


def _filled(text: bytes, columns: list[npt.NDArray[np.float64]], count: int) -> list[bytes]:
    """Return the text so many times, with the numbers of each in its places."""
    if not columns:
        return [text] * count
    sheet = np.tile(np.frombuffer(text, np.uint8), (count, 1))
    sheet[:, sheet[0] == _PLACE[0]] = _digits(np.array(columns).T).reshape(count, -1)
    size, whole = len(text), sheet.tobytes()
    return [whole[start : start + size] for start in range(0, count * size, size)]


def _digits(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Return the text of numbers within ±1, along a new last axis."""
    parts = np.rint(values * _PARTS).astype(np.int64)
    text = np.empty((*values.shape, len(_PLACE)), np.uint8)
    text[..., 0] = np.where(parts < 0, ord("-"), ord(" "))
    text[..., 1:3] = np.frombuffer(b"0.", np.uint8)
    rest = np.abs(parts)
    for end in (15, 11, 7):
        rest, low = np.divmod(rest, 10_000)
        text[..., end - 4 : end] = _four_digits()[low]
    return text


@lru_cache(maxsize=1)
def _four_digits() -> npt.NDArray[np.uint8]:
    """Return the text of every number below 10,000."""
    return np.frombuffer(b"".join([b"%04d" % number for number in range(10_000)]), np.uint8).reshape(-1, 4)
