# SPDX-License-Identifier: Apache-2.0
"""Experiment headers: Qiskit's, and the packed form in which qiskit-ionq keeps them in a job's metadata."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from qiskit import QuantumCircuit

from ..errors import EncodeError, ResultIntegrityError
from .encoded import EncodedCircuit, Readout

_MAX_BITS = 1 << 16
"""Bits that one circuit of a header may tell of."""
_MAX_BITS_TOGETHER = 200_000
"""Bits that all of them may tell of: 5,000 circuits of 40."""


def experiment_header(circuit: QuantumCircuit) -> dict[str, Any]:
    """Return Qiskit's experiment header of a circuit."""
    cregs = [register for register in circuit.cregs if len(register)]
    in_order = [bit for register in cregs for bit in register] == circuit.clbits
    try:
        global_phase = float(circuit.global_phase)
    except TypeError:
        raise EncodeError(
            f"circuit {circuit.name!r} has the unbound global phase {circuit.global_phase}; bind it"
        ) from None
    classical, creg_sizes = _labels_and_sizes(tuple([(register.name, len(register)) for register in cregs]))
    quantum = tuple([(register.name, len(register)) for register in circuit.qregs])
    qubit_labels, qreg_sizes = _labels_and_sizes(quantum)
    return {
        "name": circuit.name,
        "memory_slots": circuit.num_clbits,
        # Qiskit splits bit strings by these sizes; where registers share or miss bits, no split is right.
        "creg_sizes": creg_sizes if in_order else [],
        "qreg_sizes": qreg_sizes,
        "n_qubits": circuit.num_qubits,
        "clbit_labels": classical,
        "qubit_labels": qubit_labels,
        "global_phase": global_phase,
        "metadata": circuit.metadata or {},
    }


@lru_cache(maxsize=64)
def _labels_and_sizes(
    registers: tuple[tuple[str, int], ...],
) -> tuple[list[list[Any]], list[list[Any]]]:
    """Return a name and number for each bit, and for each register: once for thousands of circuits alike."""
    return [[name, k] for name, size in registers for k in range(size)], [list(each) for each in registers]


def ionq_header(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the value of the job metadata ``qiskit_header``, as qiskit-ionq writes and reads it.

    It is gzipped JSON in base64: one object, or a list of them for several circuits. The same circuits give
    the same text. The user's ``circuit.metadata`` stays at home.

    Args:
        entries: what `header_entry` says of each circuit of the job.
    """
    text = json.dumps(entries[0] if len(entries) == 1 else entries, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def header_entries(text: str) -> list[dict[str, Any]]:
    """Return what went into an `ionq_header` of our own.

    Raises:
        ValueError: it cannot be read.
    """
    entries = json.loads(gzip.decompress(base64.b64decode(text)))
    return entries if isinstance(entries, list) else [entries]


def header_entry(circuit: EncodedCircuit) -> dict[str, Any]:
    """Return what a header tells of one circuit: Qiskit's fields and where each classical bit is read."""
    readout = circuit.readout
    entry = {key: value for key, value in circuit.header.items() if key != "metadata"}
    entry["n_qubits"] = readout.num_qubits  # the qubits that meas_mapped speaks of
    if readout.labels is not None:
        entry["clbit_labels"] = [list(label) for label in readout.labels]
        entry["outcome_registers"] = True
    if readout.final:
        # A map of nulls means "all qubits" to qiskit-ionq; a qubit out of range reads 0 there.
        unread = all(source is None for source in readout.sources)
        entry["meas_mapped"] = [-1] * max(1, len(readout.sources)) if unread else list(readout.sources)
    return entry


@dataclass(frozen=True, slots=True)
class HeaderEntry:
    """One circuit of a job, as the job's ``qiskit_header`` tells it.

    Attributes:
        header: Qiskit's experiment header.
        readout: the way from the job's outcomes to classical bits.
    """

    header: Mapping[str, Any]
    readout: Readout


def read_ionq_header(
    text: str, *, max_encoded: int = 256_000, max_inflated: int = 8_000_000
) -> tuple[HeaderEntry, ...]:
    """Read a ``qiskit_header`` that this package or qiskit-ionq wrote: one entry per circuit.

    Args:
        text: the metadata value. It comes from the network and is not trusted.
        max_encoded: longest text that is looked at, in characters.
        max_inflated: longest JSON that is unpacked, in bytes.

    Raises:
        ResultIntegrityError: it is too large, not such a header, or tells what cannot be.
    """
    if len(text) > max_encoded:
        raise ResultIntegrityError(f"qiskit_header has {len(text)} characters, more than {max_encoded}")
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: the gzip container
    try:
        unpacked = inflate.decompress(base64.b64decode(text, validate=True), max_inflated)
        if not inflate.eof:
            raise ResultIntegrityError(f"qiskit_header is cut off, or unpacks to over {max_inflated} bytes")
        entries = json.loads(unpacked)
    except (ValueError, zlib.error, RecursionError) as error:
        raise ResultIntegrityError(f"qiskit_header is not gzipped JSON in base64: {error}") from error
    entries = entries if isinstance(entries, list) else [entries]
    found: list[HeaderEntry] = []
    left = _MAX_BITS_TOGETHER
    for index, entry in enumerate(entries):
        found.append(read_header_entry(index, entry, left))
        readout = found[-1].readout
        left -= max(len(readout.sources), readout.num_qubits)
    return tuple(found)


def read_header_entry(index: int, entry: Any, most: int = _MAX_BITS_TOGETHER) -> HeaderEntry:
    """Read what `header_entry` wrote of circuit ``index``.

    Raises:
        ResultIntegrityError: it tells what cannot be, or of more than ``most`` bits.
    """
    try:
        slots, width = _count(entry.get("memory_slots", 0)), _count(entry.get("n_qubits", 1))
        if max(slots, width) > most:
            raise ValueError(f"all circuits together tell of more than {_MAX_BITS_TOGETHER:,} bits")
        mapped = entry.get("meas_mapped")
        if not isinstance(mapped, list | None):
            raise TypeError(f"meas_mapped is of type {type(mapped).__name__}")
        labels = None
        if mapped is None or entry.get("outcome_registers"):  # qiskit-ionq: no map means OpenQASM 3
            labels = tuple((str(name), _count(bit)) for name, bit in entry["clbit_labels"])
        elif all(source is None for source in mapped):  # qiskit-ionq: no measurement means all qubits
            mapped, slots = list(range(width)), width
            entry = {**entry, "memory_slots": width, "creg_sizes": []}
        found = mapped or [None] * slots
        if len(found) < slots or (labels is not None and len(labels) != slots):
            raise ValueError(f"it does not tell all {slots} classical bits")
        sources = tuple(source if _is_wire(source, width) else None for source in found[:slots])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResultIntegrityError(f"qiskit_header, circuit {index}, cannot be read: {error!r}") from error
    header = {key: value for key, value in entry.items() if key not in {"meas_mapped", "outcome_registers"}}
    return HeaderEntry(header, Readout(sources, width, labels=labels, final=mapped is not None))


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_BITS:
        raise ValueError(f"{value!r} is not a number of bits")
    return value


def _is_wire(source: Any, width: int) -> bool:
    return isinstance(source, int) and not isinstance(source, bool) and 0 <= source < width
