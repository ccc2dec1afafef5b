# SPDX-License-Identifier: Apache-2.0
"""Circuits that have passed every check and wait to be compiled and encoded, each when its turn comes.

Circuits that differ only in numbers share a template: what does not depend on the numbers is done once for
each target and level, and kept for later runs; and what takes the same turns in the compiler is compiled
together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from . import compiler
from .encode import EncodedCircuit, Kind, encode_circuit, encode_pulses, experiment_header
from .errors import CircuitError
from .gates import NATIVE_NAMES
from .packing import pack, unpack
from .structure import Structure, glance

_TOGETHER = 1024
"""Rows that are compiled at once, at most: the first is to be on its way before long."""


_Begun = EncodedCircuit | Callable[[], EncodedCircuit]


@dataclass(frozen=True, slots=True)
class Draft:
    """One circuit, ready to be encoded."""

    name: str
    num_clbits: int
    encode: Callable[[], EncodedCircuit]
    """Compiles and encodes; raises errors of this package, or of Qiskit's compiler."""
    begin: Callable[[], _Begun] | None = None
    """Does the part of it that is best done here; the rest can be pickled. None: it is not worth the way."""


def draft(circuit: QuantumCircuit, kind: Kind, target: Target, level: int | None) -> Draft:
    """Return the draft of a bound circuit.

    Args:
        circuit: checked; without instructions of the user's own.
        kind: the language to send it in.
        target: where it is to run.
        level: how it is compiled if it is not native; None: it is.
    """
    how = circuit, kind, target, level or 0
    return Draft(circuit.name, circuit.num_clbits, partial(_encode, *how), partial(_begin, *how))


def unfit(name: str, error: CircuitError) -> Draft:
    """Return the draft of a circuit that cannot be run, whose failure shall cost no other its turn."""
    return Draft(name, 0, partial(_refuse, error))


def _refuse(error: CircuitError) -> EncodedCircuit:
    raise error


def _encode(circuit: QuantumCircuit, kind: Kind, target: Target, level: int) -> EncodedCircuit:
    begun = _read(circuit, kind, target, level)
    return begun if isinstance(begun, EncodedCircuit) else begun()


def _begin(circuit: QuantumCircuit, kind: Kind, target: Target, level: int) -> _Begun:
    """Return what another process can do, small and quick to pickle; or the encoded circuit, if nothing."""
    packed = None if kind == "qasm3" else pack(circuit)
    if packed is None:
        return _read(circuit, kind, target, level)
    return partial(_encode_packed, packed, circuit.metadata, kind, target, level)


def _encode_packed(
    packed: bytes, metadata: dict[str, Any] | None, kind: Kind, target: Target, level: int
) -> EncodedCircuit:
    encoded = _encode(unpack(packed), kind, target, level)
    return replace(encoded, header={**encoded.header, "metadata": metadata or {}})


def _read(circuit: QuantumCircuit, kind: Kind, target: Target, level: int) -> _Begun:
    """Encode a circuit, or do what pickling would cost as much as, and return the rest."""
    if kind == "qasm3":
        return encode_circuit(compiler.lower_dynamic(circuit), kind=kind)
    free = not compiler.is_restricted(target)
    if compiler.is_isa(circuit, target):
        return encode_circuit(circuit, kind=kind, renumber=free)
    if kind != "native" or not free:
        return partial(_encode_compiled, circuit, kind, target, level)
    reading = compiler.read_circuit(circuit, target, level)
    return partial(_encode_read, reading, experiment_header(circuit), circuit.num_clbits)


def _encode_compiled(circuit: QuantumCircuit, kind: Kind, target: Target, level: int) -> EncodedCircuit:
    native = compiler.compile_circuit(circuit, target, level)
    return encode_circuit(native, kind=kind, renumber=not compiler.is_restricted(target))


def _encode_read(reading: compiler.Reading, header: Mapping[str, Any], num_clbits: int) -> EncodedCircuit:
    (encoded,) = encode_pulses(
        reading.pulses(),
        headers=[header],
        clbits={place: place for place in range(num_clbits)},
        num_qubits=reading.program.width,
    )
    return encoded


def bound_drafts(
    checked: Sequence[tuple[QuantumCircuit, Kind]], target: Target, level: int | None
) -> list[Draft]:
    """Return the drafts of bound circuits; those that differ only in numbers are compiled together.

    What becomes of a circuit does not depend on the others: levels 0 and 1 play each with its own numbers. At
    levels 2 and 3 the search finds more for a circuit by itself than for any numbers, so each is by itself.

    Args:
        checked: circuits without instructions of the user's own, and the language to send each in.
        target: where they are to run.
        level: how they are compiled if they are not native; None: they are.
    """
    made: list[Draft | None] = [None] * len(checked)
    if level in (0, 1) and compiler.is_native_target(target) and not compiler.is_restricted(target):
        for structure, members in _alike(checked).items():
            template = _lifted_template(structure, target, level)
            circuits = [checked[index][0] for index, _ in members]
            rest = partial(_begin, kind="native", target=target, level=level)
            drafted = _parts(template, np.array([values for _, values in members]), circuits, rest)
            for (index, _), each in zip(members, drafted, strict=True):
                made[index] = each
    return [
        draft(*checked[index], target, level) if found is None else found for index, found in enumerate(made)
    ]


def _alike(
    checked: Sequence[tuple[QuantumCircuit, Kind]],
) -> dict[Structure, list[tuple[int, list[float]]]]:
    """Return where circuits stand that differ only in numbers, with those; circuits unlike all others not."""
    if len(checked) < 2:
        return {}
    looks = [glance(circuit) for circuit, _ in checked]
    times = Counter(looks)
    found: dict[Structure, list[tuple[int, list[float]]]] = defaultdict(list)
    for index, ((circuit, kind), look) in enumerate(zip(checked, looks, strict=True)):
        lifted = Structure.lifted(circuit) if kind == "native" and times[look] > 1 else None
        if lifted is not None:
            found[lifted[0]].append((index, lifted[1]))
    return {structure: members for structure, members in found.items() if len(members) > 1}


Drafter = Callable[[npt.NDArray[np.float64]], list[Draft]]
"""Makes one draft for each set of values of a circuit's parameters.

The values have the shape (sets, parameters), in the order of ``circuit.parameters``. A `CircuitError` says
that one is not finite, or that a gate has no finite parameter for it.
"""


def drafter(circuit: QuantumCircuit, kind: Kind, target: Target, level: int | None) -> Drafter:
    """Return what makes drafts of a circuit. It may be kept, as long as nobody changes the circuit.

    Args:
        circuit: checked, but for its parameters; without instructions of the user's own.
        kind: the language to send it in.
        target: where it is to run.
        level: how it is compiled if it is not native; None: it is.

    Raises:
        CompileError: the circuit cannot be compiled.
    """
    if not circuit.num_parameters:
        one = draft(circuit, kind, target, level)
        return lambda values: [one] * len(values)
    if kind == "qasm3" or level is None or _is_partly_native(circuit):
        make: Drafter = partial(_drafts_bound, circuit, kind, target, level)
    elif compiler.is_native_target(target):
        template = _native_template(Structure.of(circuit), target, level)
        make = partial(_drafts_played, circuit.name, template, _without_phase(circuit))
    else:
        translated = _translated_template(Structure.of(circuit), target, level)
        make = partial(_drafts_translated, circuit, translated, experiment_header(_without_phase(circuit)))

    def finite(values: npt.NDArray[np.float64]) -> list[Draft]:
        require_finite(circuit, values)
        return make(values)

    return finite


def _drafts_bound(
    circuit: QuantumCircuit, kind: Kind, target: Target, level: int | None, values: npt.NDArray[np.float64]
) -> list[Draft]:
    return [draft(circuit.assign_parameters(row), kind, target, level) for row in values]


def _drafts_translated(
    circuit: QuantumCircuit,
    template: _TranslatedTemplate,
    header: Mapping[str, Any],
    values: npt.NDArray[np.float64],
) -> list[Draft]:
    return [
        Draft(circuit.name, circuit.num_clbits, partial(template.encode, row, header))
        for row in values.tolist()
    ]


def _drafts_played(
    name: str, template: _NativeTemplate, bare: QuantumCircuit, values: npt.NDArray[np.float64]
) -> list[Draft]:
    try:
        table = template.table(values)
    except CircuitError as error:
        raise CircuitError(f"circuit {name!r}: {error}") from error
    return _parts(template, table, [bare] * len(table))


def require_finite(circuit: QuantumCircuit, values: npt.NDArray[np.float64]) -> None:
    """Refuse values that no gate can have.

    Raises:
        CircuitError: names the circuit, the set of values and the parameter.
    """
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        index, place = bad[0]
        name = circuit.parameters[int(place)].name
        raise CircuitError(
            f"circuit {circuit.name!r}: set {index} of the values gives {name} the value "
            f"{values[index, place]}, which is not finite"
        )


def _is_partly_native(circuit: QuantumCircuit) -> bool:
    """Return whether the user wrote native gates, which are sent as they are if all are."""
    return any(i.name in NATIVE_NAMES and not i.is_standard_gate() for i in circuit.data)


def _without_phase(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return an empty copy whose global phase, which nobody can measure, has no parameters."""
    copy = circuit.copy_empty_like()
    copy.global_phase = 0
    return copy


def _places(circuit: QuantumCircuit) -> dict[Any, int]:
    return {bit: index for index, bit in enumerate(circuit.clbits)}


# ── templates ──


class _NativeTemplate:
    """A circuit that is compiled here, as far as it can be without numbers."""

    def __init__(self, native: compiler.NativeTemplate, circuit: QuantumCircuit, target: Target) -> None:
        self._native = native
        self._clbits = _places(circuit)
        self._renumber = not compiler.is_restricted(target)
        self._width = circuit.num_qubits if self._renumber else target.num_qubits
        self.table = native.table

    def encode_together(
        self, table: compiler.Table, headers: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[int, EncodedCircuit], dict[int, Callable[[], EncodedCircuit]]]:
        """Return what can be made of rows at once, by row; and of others what is left to do."""
        made: dict[int, EncodedCircuit] = {}
        left: dict[int, Callable[[], EncodedCircuit]] = {}
        for members, pulses in self._native.sheets(table):
            mine = [headers[member] for member in members]
            if len(members) == 1:
                left[members[0]] = partial(self._one, pulses, mine[0])
            else:
                made.update(zip(members, self._encoded(pulses(), mine), strict=True))
        return made, left

    def encode(self, row: Sequence[float], header: Mapping[str, Any]) -> EncodedCircuit:
        """Return what becomes of one row."""
        return self._one(partial(self._native.pulses, row), header)

    def _one(self, pulses: Callable[[], list[compiler.Pulse]], header: Mapping[str, Any]) -> EncodedCircuit:
        return self._encoded(pulses(), [header])[0]

    def _encoded(
        self, pulses: Iterable[compiler.Pulse], headers: Sequence[Mapping[str, Any]]
    ) -> list[EncodedCircuit]:
        return encode_pulses(
            pulses,
            headers=headers,
            clbits=self._clbits,
            num_qubits=self._width,
            renumber=self._renumber,
        )


class _TranslatedTemplate:
    """A circuit that the service compiles, translated to gates that it knows."""

    def __init__(self, circuit: QuantumCircuit, target: Target, level: int) -> None:
        self._circuit = compiler.pass_manager(target, level).run(circuit)
        self._renumber = not compiler.is_restricted(target)
        self._parameters = list(circuit.parameters)

    def encode(self, row: Sequence[float], header: Mapping[str, Any]) -> EncodedCircuit:
        """Return what becomes of one set of values."""
        values = dict(zip(self._parameters, row, strict=True))
        bound = self._circuit.assign_parameters(values, strict=False)
        encoded = encode_circuit(bound, kind="qis", renumber=self._renumber)
        return replace(encoded, name=header["name"], header=header)


class _Part:
    """Rows of one template. What can be made of them together is made when the first is asked for."""

    def __init__(
        self, template: _NativeTemplate, table: compiler.Table, circuits: Sequence[QuantumCircuit]
    ) -> None:
        self._template = template
        self._table = table
        self._circuits = circuits
        self._made: dict[int, EncodedCircuit] | None = None
        self._left: dict[int, Callable[[], EncodedCircuit]] = {}

    def encode(self, row: int) -> EncodedCircuit:
        made = self._together()
        if row not in made:
            if row in self._left:
                made[row] = self._left[row]()
            else:
                made[row] = self._template.encode(self._table[row].tolist(), self._headers[row])
        return made[row]

    def begin(self, row: int, rest: Callable[[QuantumCircuit], _Begun]) -> _Begun:
        return self._together().get(row) or rest(self._circuits[row])

    def _together(self) -> dict[int, EncodedCircuit]:
        if self._made is None:
            try:
                self._made, self._left = self._template.encode_together(self._table, self._headers)
            except Exception:  # noqa: BLE001 - which row is to blame shows when each is made by itself
                self._made = {}
        return self._made

    @cached_property
    def _headers(self) -> list[dict[str, Any]]:
        first = self._circuits[0]
        if all(circuit is first for circuit in self._circuits):
            return [experiment_header(first)] * len(self._circuits)
        return [experiment_header(circuit) for circuit in self._circuits]


def _parts(
    template: _NativeTemplate,
    table: compiler.Table,
    circuits: Sequence[QuantumCircuit],
    rest: Callable[[QuantumCircuit], _Begun] | None = None,
) -> list[Draft]:
    """Return a draft for each row of a table.

    Args:
        template: of all of them.
        table: their numbers.
        circuits: what each is called, and its bits.
        rest: begins a circuit that is compiled by itself, if `circuits` are whole.
    """
    made: list[Draft] = []
    for start in range(0, len(table), _TOGETHER):
        mine = circuits[start : start + _TOGETHER]
        part = _Part(template, table[start : start + _TOGETHER], mine)
        made += [
            Draft(
                circuit.name,
                circuit.num_clbits,
                partial(part.encode, row),
                rest and partial(part.begin, row, rest),
            )
            for row, circuit in enumerate(mine)
        ]
    return made


# The last templates that were used are kept.


@lru_cache(maxsize=64)
def _native_template(structure: Structure, target: Target, level: int) -> _NativeTemplate:
    circuit = structure.circuit
    return _NativeTemplate(compiler.native_template(circuit, target, level), circuit, target)


@lru_cache(maxsize=64)
def _lifted_template(structure: Structure, target: Target, level: int) -> _NativeTemplate:
    circuit = structure.circuit
    return _NativeTemplate(compiler.lifted_template(circuit, target, level), circuit, target)


@lru_cache(maxsize=64)
def _translated_template(structure: Structure, target: Target, level: int) -> _TranslatedTemplate:
    return _TranslatedTemplate(structure.circuit, target, level)
