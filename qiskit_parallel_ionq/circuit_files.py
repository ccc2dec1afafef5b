# SPDX-License-Identifier: Apache-2.0
"""Circuits from files: OpenQASM 2 and 3, and QPY. What a file is, its content says, not its name."""

from __future__ import annotations

import contextlib
import glob
import io
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from qiskit import QuantumCircuit, qasm2, qasm3, qpy
from qiskit.exceptions import MissingOptionalLibraryError, QiskitError

from .errors import CircuitFileError
from .preflight import measures

SUFFIXES = (".qasm", ".qasm2", ".qasm3", ".qpy")
"""What is read of a folder."""
STANDARD_INPUT = "-"
KEY = "circuit_file"
"""Where a circuit's metadata say which file it is from."""
_TOLD = 5
"""Problems that are spelled out."""
_QPY = b"QISKIT"
_VERSION = re.compile(r"(?:\s|//[^\n]*(?:\n|$)|/\*.*?\*/)*OPENQASM\s+(\d+)(?:\.\d+)?\s*;", re.DOTALL)
_AT = re.compile(r"(?:<input>:)?L?(\d+)[,:]C?\d+: (.*)", re.DOTALL)
"""How readers of OpenQASM say where something is: ``<input>:4,0: …``, ``4,0: …``, ``L4:C0: …``."""


class Origin(NamedTuple):
    """Where a circuit is from."""

    file: str
    """As it was asked for; ``-`` is standard input."""
    position: int
    """Which circuit of the file, from 0."""

    def __str__(self) -> str:
        return f"{self.file}[{self.position}]" if self.position else self.file


def read_circuits(places: Iterable[str | Path], *, measure_all: bool = False) -> list[QuantumCircuit]:
    """Return the circuits of files, in the order in which these are named.

    A circuit of an OpenQASM file is named after the file. Which file it was, `origin` says of its metadata.

    Args:
        places: files; folders, of which all files with a suffix in `SUFFIXES` are read by name; patterns such
            as ``"circuits/**/*.qasm"``; ``"-"``: standard input.
        measure_all: whether circuits without a measurement have all their qubits measured.

    Raises:
        CircuitFileError: names every file that cannot be read, and the line; or whose circuit measures
            nothing.
    """
    circuits: list[QuantumCircuit] = []
    problems: list[CircuitFileError] = []
    for place in places:
        try:
            files = list(_files(str(place)))
        except CircuitFileError as problem:
            problems.append(problem)
            continue
        for file in files:
            try:
                circuits += _read(file, measure_all=measure_all)
            except CircuitFileError as problem:
                problems.append(problem)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        told = [f"  {problem}" for problem in problems[:_TOLD]]
        told += [f"  … and {len(problems) - _TOLD} more"] if len(problems) > _TOLD else []
        first = problems[0]
        message = "\n".join([f"{len(problems)} files cannot be used:", *told])
        raise CircuitFileError(message, file=first.file, line=first.line)
    return circuits


def origin(metadata: Mapping[str, Any] | None) -> Origin | None:
    """Return where a circuit is from, by its metadata; None for one that `read_circuits` did not read."""
    told = (metadata or {}).get(KEY)
    if not isinstance(told, Mapping):
        return None
    return Origin(str(told.get("file", "")), int(told.get("position", 0)))


def _files(place: str) -> Iterator[str]:
    """Yield the files that a place stands for.

    Raises:
        CircuitFileError: it stands for none.
    """
    path = Path(place)
    if place == STANDARD_INPUT or path.is_file():
        yield place
    elif path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file())
        if not found:
            raise _problem(place, f"holds no file that ends in {', '.join(SUFFIXES)}")
        yield from map(str, found)
    elif glob.has_magic(place):
        matching = glob.glob(place, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = sorted(path for path in map(Path, matching) if path.is_file())
        if not found:
            raise _problem(place, "no file matches")
        yield from map(str, found)
    elif path.exists():
        yield place  # a named pipe, say
    else:
        raise _problem(place, "there is no such file")


def _read(file: str, *, measure_all: bool) -> list[QuantumCircuit]:
    """Return the circuits of one file.

    Raises:
        CircuitFileError: it cannot be read, or has a circuit that measures nothing.
    """
    try:
        data = sys.stdin.buffer.read() if file == STANDARD_INPUT else Path(file).read_bytes()
    except OSError as error:
        raise _problem(file, f"cannot be read: {error.strerror}") from error
    circuits = _qpy(data, file) if data.startswith(_QPY) else [_openqasm(data, file)]
    for position, circuit in enumerate(circuits):
        if not measures(circuit):
            if not measure_all:
                raise _problem(
                    Origin(file, position),
                    "measures nothing, so there is nothing to count; measure_all (on the command line "
                    "--measure-all) has all its qubits measured",
                )
            circuit.measure_all()
        circuit.metadata = {**(circuit.metadata or {}), KEY: {"file": file, "position": position}}
    return circuits


def _qpy(data: bytes, file: str) -> list[QuantumCircuit]:
    try:
        programs = qpy.load(io.BytesIO(data))
    except Exception as error:  # a broken file fails in any way: struct.error, UnicodeDecodeError, …
        why = str(error.message) if isinstance(error, QiskitError) else ""
        why = "" if "\n" in why else why  # a backtrace of Qiskit's reader
        raise _problem(file, f"cannot be read as QPY{why and f': {why}'}") from error
    for position, program in enumerate(programs):
        if not isinstance(program, QuantumCircuit):
            kind = type(program).__name__
            raise _problem(Origin(file, position), f"is a {kind}, and only circuits run")
    return list(programs)


def _openqasm(data: bytes, file: str) -> QuantumCircuit:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _problem(file, "is neither QPY nor text") from error
    found = _VERSION.match(text)
    named = {".qasm2": "2", ".qasm3": "3"}.get(Path(file).suffix)
    version = found[1] if found else named
    if version == "2":
        circuit = _loaded(lambda: _openqasm2(text, file), file)
    elif version == "3":
        circuit = _loaded(lambda: _openqasm3(text), file)
    elif found:
        line = text.count("\n", 0, found.start(1)) + 1
        raise _problem(file, f"is OpenQASM {version}, and 2 and 3 can be read", line)
    else:
        reason = "is neither QPY nor OpenQASM: it does not begin with a line such as OPENQASM 3.0;"
        raise _problem(file, reason, 1)
    circuit.name = "stdin" if file == STANDARD_INPUT else Path(file).stem
    return circuit


def _openqasm2(text: str, file: str) -> QuantumCircuit:
    """Read it as ``QuantumCircuit.from_qasm_file`` does: the gates that Qiskit once added are known, too."""
    return qasm2.loads(
        text,
        include_path=(".",) if file == STANDARD_INPUT else (Path(file).parent, "."),
        custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
        custom_classical=qasm2.LEGACY_CUSTOM_CLASSICAL,
    )


def _openqasm3(text: str) -> QuantumCircuit:
    with contextlib.redirect_stderr(io.StringIO()):  # its lexer prints what it then raises
        return qasm3.loads(text)


def _loaded(load: Callable[[], QuantumCircuit], file: str) -> QuantumCircuit:
    try:
        return load()
    except MissingOptionalLibraryError as error:
        reason = "is OpenQASM 3, which takes another package: pip install qiskit-qasm3-import"
        raise _problem(file, reason) from error
    except Exception as error:  # the reader of OpenQASM 3 lets an IndexError, for one, through
        line, why = _where(error)
        raise _problem(file, why, line) from error


def _where(error: BaseException) -> tuple[int | None, str]:
    """Return the line that a reader of OpenQASM stumbled over, and what it says of it."""
    said = str(getattr(error, "message", "") or error)  # the text of Qiskit's own errors is a repr
    found = _AT.match(said)
    if found:
        return int(found[1]), found[2]
    token = _unexpected_token(error)
    if token is not None:
        return token.line, "unexpected end" if token.text == "<EOF>" else f"unexpected {token.text!r}"
    return _statement_line(error), said or type(error).__name__


def _unexpected_token(error: BaseException | None) -> Any:
    """Return the token that a parser of OpenQASM 3 gave up at; its own errors do not say."""
    while error is not None:
        for candidate in (error, *error.args):
            token = getattr(candidate, "offendingToken", None)
            if token is not None:
                return token
        error = error.__cause__ or error.__context__
    return None


def _statement_line(error: BaseException) -> int | None:
    """Return the line of the innermost statement that was being read when an error was raised."""
    spans = [
        getattr(frame.f_locals.get("node"), "span", None)
        for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    lines = [span.start_line for span in spans if span is not None]
    return lines[-1] if lines else None


def _problem(file: str | Origin, why: str, line: int | None = None) -> CircuitFileError:
    where = f"{file}" if line is None else f"{file}:{line}"
    return CircuitFileError(f"{where}: {why}", file=str(file), line=line)
