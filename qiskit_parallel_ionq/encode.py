# SPDX-License-Identifier: Apache-2.0
"""From a Qiskit circuit to the bytes of an IonQ job, and the readout that leads its outcomes back.

A circuit is encoded once, into a fragment of JSON; a job body is fragments joined. Phases and angles of
native gates are in turns (1 = 2π), rotations of QIS gates in radians. Bit k of an outcome is qubit k.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm3
from qiskit.circuit import ControlModifier, IfElseOp, WhileLoopOp
from qiskit.circuit.classical import expr
from qiskit.quantum_info import SparsePauliOp

from .errors import EncodeError, ResultIntegrityError

Kind = Literal["native", "qis", "qasm3"]

_JOB_TYPES = {"native": "ionq.circuit.v1", "qis": "ionq.circuit.v1", "qasm3": "ionq.qasm3.v1"}
_UNSENT = frozenset({"barrier", "delay", "id", "global_phase"})
_QUBITS, _CLBITS = "q", "c"  # OpenQASM 3 registers; the service reserves neither word
_MAX_HEADER_BITS = 1 << 16


@dataclass(frozen=True, slots=True)
class Readout:
    """How the classical bits of a circuit are read from the outcomes of the service.

    Attributes:
        sources: for each classical bit the wire qubit it reads at the end; None: it reads 0.
        num_qubits: qubits on the wire, after renumbering.
        labels: OpenQASM 3 only: for each classical bit its (register, index) in outcomes by register.
        final: whether ``sources`` is the whole truth. False where a bit was written before the last operation
            on its qubit (OpenQASM 3), so that only outcomes by register hold it.
    """

    sources: tuple[int | None, ...]
    num_qubits: int
    labels: tuple[tuple[str, int], ...] | None = None
    final: bool = True

    @property
    def in_clbit_order(self) -> bool:
        """Whether outcomes come by classical register (OpenQASM 3) and not by qubit."""
        return self.labels is not None


@dataclass(frozen=True, slots=True)
class EncodedCircuit:
    """One circuit, ready to be sent any number of times.

    Attributes:
        name: the circuit's name.
        kind: the language of ``fragment``.
        fragment: UTF-8 JSON: an array of gates, or a string of OpenQASM 3 source.
        num_qubits: qubits on the wire, after renumbering.
        num_gates: gates in ``fragment``; for OpenQASM 3 its top-level operations, measurements included.
        readout: the way back from outcomes to classical bits.
        header: Qiskit's experiment header, with the user's ``circuit.metadata`` as it is (never sent).
        digest: first 12 hex digits of the SHA-256 of kind, width and fragment.
    """

    name: str
    kind: Kind
    fragment: bytes
    num_qubits: int
    num_gates: int
    readout: Readout
    header: Mapping[str, Any]
    digest: str


def encode_circuit(circuit: QuantumCircuit, *, kind: Kind, renumber: bool = True) -> EncodedCircuit:
    """Encode one circuit.

    Barriers, delays, identities, global phases, and in gate lists final measurements and resets before or
    after everything else on their qubit, are not sent. Native phases beyond one turn are taken modulo 1 and a
    negative MS angle is said as half a turn more of its first phase: the same operation, inside the
    documented ranges.

    Args:
        circuit: no unbound parameters. ``"native"``: gpi, gpi2, ms, zz. ``"qis"``: Qiskit's gates that have a
            counterpart in IonQ's set, with any number of open or closed controls. ``"qasm3"``: anything
            Qiskit's exporter can say; classical bits go out as one register.
        kind: the language to write.
        renumber: whether only qubits that a gate or measurement touches go out, in ascending order.

    Raises:
        EncodeError: a gate cannot be said; the message names the circuit, the gate and its position.

    >>> bell = QuantumCircuit(3, 2)
    >>> _ = bell.h(0), bell.cx(0, 2), bell.measure([2, 0], [0, 1])
    >>> encoded = encode_circuit(bell, kind="qis")
    >>> encoded.fragment.decode()
    '[{"gate":"h","targets":[0]},{"gate":"x","targets":[1],"controls":[0]}]'
    >>> encoded.readout.sources
    (1, 0)
    """
    if kind == "qasm3":
        fragment, num_gates, readout = _openqasm3(circuit, renumber)
    else:
        fragment, num_gates, readout = _gate_list(circuit, kind, renumber)
    digest = hashlib.sha256(b"%s %d %s" % (kind.encode(), readout.num_qubits, fragment)).hexdigest()[:12]
    return EncodedCircuit(
        name=circuit.name,
        kind=kind,
        fragment=fragment,
        num_qubits=readout.num_qubits,
        num_gates=num_gates,
        readout=readout,
        header=_experiment_header(circuit),
        digest=digest,
    )


# ── gate lists ──

_Write = Callable[[Sequence[float], Sequence[int]], str]
_Step = tuple[_Write, Sequence[float], Sequence[int]]  # a writer, with the gate's parameters and qubits


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one Qiskit gate is written, and its size, which tells a stranger of the same name."""

    params: int
    qubits: int | None  # None: any number
    write: _Write


def _turns(phase: float) -> float:
    return phase if -1 <= phase <= 1 else math.fmod(phase, 1)


def _gpi(values: Sequence[float], wires: Sequence[int]) -> str:
    return f'{{"gate":"gpi","target":{wires[0]},"phase":{_turns(values[0])!r}}}'


def _gpi2(values: Sequence[float], wires: Sequence[int]) -> str:
    return f'{{"gate":"gpi2","target":{wires[0]},"phase":{_turns(values[0])!r}}}'


def _ms(values: Sequence[float], wires: Sequence[int]) -> str:
    """Write exp(-iπθ A⊗B): θ and θ + 1 differ by a global phase, θ and -θ by half a turn of A's phase."""
    phase, angle = values[0], math.remainder(values[2], 1)
    if angle < 0:
        phase, angle = phase + 0.5, -angle
    if angle > 0.25:
        raise ValueError(f"has an angle of {values[2]!r} turns, which is not 0 to 0.25; compile the circuit")
    phases = f"{_turns(phase)!r},{_turns(values[1])!r}"
    return f'{{"gate":"ms","targets":[{wires[0]},{wires[1]}],"phases":[{phases}],"angle":{angle!r}}}'


def _zz(values: Sequence[float], wires: Sequence[int]) -> str:
    # No source states a range for zz: the user's own negative or large angles go out as they are.
    return f'{{"gate":"zz","targets":[{wires[0]},{wires[1]}],"angle":{_turns(values[0])!r}}}'


_NATIVE = {
    "gpi": _Rule(1, 1, _gpi),
    "gpi2": _Rule(1, 1, _gpi2),
    "ms": _Rule(3, 2, _ms),
    "zz": _Rule(1, 2, _zz),
}


def _qis_rule(gate: str, params: int, targets: int, controls: int | None) -> _Rule:
    """Return the rule for an IonQ gate under so many controls (None: all qubits but the targets)."""
    # `z` with a rotation is IonQ's way to say diag(1, exp(iθ)), and the only one under controls. Without
    # controls the plainly documented `rz` is the same up to a global phase.
    if gate == "z" and params and controls == 0:
        gate = "rz"

    def write(values: Sequence[float], wires: Sequence[int]) -> str:
        first = len(wires) - targets
        text = f'{{"gate":"{gate}","targets":[{",".join(map(str, wires[first:]))}]'
        if first:
            text += f',"controls":[{",".join(map(str, wires[:first]))}]'
        return text + (f',"rotation":{values[0]!r}}}' if params else "}")

    return _Rule(params, None if controls is None else controls + targets, write)


# Qiskit's gate: (IonQ's gate, parameters, targets)
_QIS_BASES = {
    "x": ("x", 0, 1),
    "y": ("y", 0, 1),
    "z": ("z", 0, 1),
    "h": ("h", 0, 1),
    "s": ("s", 0, 1),
    "sdg": ("si", 0, 1),
    "t": ("t", 0, 1),
    "tdg": ("ti", 0, 1),
    "sx": ("v", 0, 1),
    "sxdg": ("vi", 0, 1),
    "p": ("z", 1, 1),
    "u1": ("z", 1, 1),
    "rx": ("rx", 1, 1),
    "ry": ("ry", 1, 1),
    "rz": ("rz", 1, 1),
    "swap": ("swap", 0, 2),
    "rxx": ("xx", 1, 2),
    "ryy": ("yy", 1, 2),
    "rzz": ("zz", 1, 2),
}
# Qiskit's gate: (the gate under control, controls). Other controlled forms are read from the operation.
_QIS_CONTROLLED: dict[str, tuple[str, int | None]] = {
    **{f"c{base}": (base, 1) for base in _QIS_BASES},
    "ccx": ("x", 2),
    "ccz": ("z", 2),
    "c3sx": ("sx", 3),
    "mcx": ("x", None),
    "mcphase": ("p", None),
}
_QIS = {name: _qis_rule(*base, 0) for name, base in _QIS_BASES.items()} | {
    name: _qis_rule(*_QIS_BASES[base], controls) for name, (base, controls) in _QIS_CONTROLLED.items()
}

# Whether the service takes an empty list of gates is nowhere stated, and targets do not list `nop` among the
# gates they support. A gate and its inverse are ordinary gates that every target of the gate set has.
_IDENTITY = {
    "native": [_gpi((0.0,), (0,))] * 2,
    "qis": ['{"gate":"x","targets":[0]}'] * 2,
}


def _gate_list(circuit: QuantumCircuit, kind: Kind, renumber: bool) -> tuple[bytes, int, Readout]:
    rules = _NATIVE if kind == "native" else _QIS
    qubit_index = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    clbit_index = {clbit: index for index, clbit in enumerate(circuit.clbits)}
    gates: list[tuple[int, _Step]] = []
    touched: set[int] = set()
    measured: set[int] = set()
    discarded: set[int] = set()
    sources: list[int | None] = [None] * len(clbit_index)

    for position, instruction in enumerate(circuit.data):
        name = instruction.name
        if name in _UNSENT:
            continue
        qubits = [qubit_index[qubit] for qubit in instruction.qubits]
        if name == "reset":
            # Before anything else the qubit is in |0> already; after everything else nobody looks at it.
            discarded.update(touched.intersection(qubits))
            continue
        if not discarded.isdisjoint(qubits):
            raise _refusal(circuit, position, "follows a reset; send the circuit as OpenQASM 3")
        if name == "measure":
            sources[clbit_index[instruction.clbits[0]]] = qubits[0]
            measured.add(qubits[0])
        else:
            if not measured.isdisjoint(qubits):
                raise _refusal(circuit, position, "acts on a measured qubit; send the circuit as OpenQASM 3")
            rule = rules.get(name)
            if rule is None:
                gates += [(position, step) for step in _composed(circuit, position, qubits, kind)]
            else:
                values = _numbers(circuit, position, instruction.params)
                if len(values) != rule.params or rule.qubits not in (None, len(qubits)):
                    raise _refusal(
                        circuit, position, "has other parameters or qubits than the gate of that name"
                    )
                gates.append((position, (rule.write, values, qubits)))
        touched.update(qubits)

    used = (sorted(touched) if renumber else range(circuit.num_qubits)) or [0]
    wire_of = {qubit: wire for wire, qubit in enumerate(used)}
    texts = []
    for position, (write, params, on) in gates:
        try:
            texts.append(write(params, [wire_of[qubit] for qubit in on]))
        except ValueError as error:
            raise _refusal(circuit, position, str(error)) from None
    texts = texts or _IDENTITY[kind]
    wires = tuple(None if qubit is None else wire_of[qubit] for qubit in sources)
    return f"[{','.join(texts)}]".encode(), len(texts), Readout(wires, len(used))


def _numbers(circuit: QuantumCircuit, position: int, params: Sequence[Any]) -> list[float]:
    try:
        values = [float(param) for param in params]
    except (TypeError, ValueError):
        raise _refusal(
            circuit, position, f"has parameters {params} that are not all numbers; bind them"
        ) from None
    if not all(map(math.isfinite, values)):
        raise _refusal(circuit, position, f"has parameters {values} that are not all finite")
    return values


def _composed(circuit: QuantumCircuit, position: int, qubits: list[int], kind: Kind) -> list[_Step]:
    """Return what says a gate that is not in the table: controlled forms and Pauli evolutions (QIS only)."""
    operation = circuit.data[position].operation
    if operation.name == "store" or hasattr(operation, "blocks"):
        raise _refusal(circuit, position, "is no gate; send the circuit as OpenQASM 3")
    if kind == "native":
        raise _refusal(circuit, position, "is not native (gpi, gpi2, ms, zz); transpile it for the backend")
    if operation.name == "PauliEvolution":
        return _pauli_evolution(circuit, position, qubits)
    gate, controls, state = _control(operation)
    base = _QIS_BASES.get(gate.name)
    if base is None or len(qubits) != controls + base[2]:
        raise _refusal(
            circuit, position, "has no counterpart in IonQ's QIS set; transpile it for the backend"
        )
    rule = _qis_rule(*base, controls)
    values = _numbers(circuit, position, gate.params)
    # A control on 0 is a control on 1 between two X.
    opened = [qubit for k, qubit in enumerate(qubits[:controls]) if not state >> k & 1]
    flips: list[_Step] = [(_QIS["x"].write, (), [qubit]) for qubit in opened]
    return [*flips, (rule.write, values, qubits), *flips]


def _control(operation: Any) -> tuple[Any, int, int]:
    """Return the gate under control, its number of controls, and their state (bit k: control k)."""
    if hasattr(operation, "ctrl_state"):
        return operation.base_gate, operation.num_ctrl_qubits, operation.ctrl_state
    modifiers = getattr(operation, "modifiers", [])
    if not modifiers or not all(isinstance(modifier, ControlModifier) for modifier in modifiers):
        return operation, 0, 0
    controls = state = 0
    for modifier in modifiers:  # each puts its controls before those that are there
        controls += modifier.num_ctrl_qubits
        state = state << modifier.num_ctrl_qubits | modifier.ctrl_state
    return operation.base_op, controls, state


def _pauli_evolution(circuit: QuantumCircuit, position: int, qubits: list[int]) -> list[_Step]:
    """Return exp(-it Σ c P) as one `pauliexp`; a term's last letter acts on the first target."""
    operation = circuit.data[position].operation
    (time,) = _numbers(circuit, position, operation.params)
    operators = operation.operator if isinstance(operation.operator, list) else [operation.operator]
    terms: dict[str, float] = {}
    for operator in operators:
        sparse = operator if hasattr(operator, "paulis") else SparsePauliOp.from_sparse_observable(operator)
        for label, coefficient in zip(sparse.paulis.to_labels(), sparse.coeffs, strict=True):
            try:
                value = complex(coefficient)
            except TypeError:
                raise _refusal(circuit, position, f"has the coefficient {coefficient}; bind it") from None
            if value.imag or not math.isfinite(value.real):
                raise _refusal(
                    circuit, position, f"has the coefficient {value}, which is not real and finite"
                )
            if set(label) != {"I"}:  # a multiple of the identity is a global phase
                terms[label] = terms.get(label, 0.0) + value.real
    for left, right in combinations(terms, 2):
        if not _commute(left, right):
            raise _refusal(
                circuit, position, f"has terms that do not commute ({left}, {right}); decompose it"
            )
    if not terms:
        return []
    sign = math.copysign(1, time)  # the service wants time >= 0
    labels = ",".join(f'"{label}"' for label in terms)
    coefficients = ",".join(repr(sign * value) for value in terms.values())

    def write(values: Sequence[float], wires: Sequence[int]) -> str:
        return (
            f'{{"gate":"pauliexp","targets":[{",".join(map(str, wires))}],"terms":[{labels}],'
            f'"coefficients":[{coefficients}],"time":{values[0]!r}}}'
        )

    return [(write, (abs(time),), qubits)]


def _commute(left: str, right: str) -> bool:
    return sum(a != b and "I" not in (a, b) for a, b in zip(left, right, strict=True)) % 2 == 0


def _refusal(circuit: QuantumCircuit, position: int, why: str) -> EncodeError:
    name = circuit.data[position].operation.name
    return EncodeError(f"circuit {circuit.name!r}: gate {name!r} at position {position} {why}")


# ── OpenQASM 3 ──


def _openqasm3(circuit: QuantumCircuit, renumber: bool) -> tuple[bytes, int, Readout]:
    """Export with all classical bits in one register, so that joint outcomes of several registers survive."""
    if circuit.num_input_vars:
        raise EncodeError(f"circuit {circuit.name!r} has input variables, which have no value")
    for position, instruction in enumerate(circuit.data):
        _check_numbers(circuit, position, instruction.operation)

    sent = [instruction for instruction in circuit.data if instruction.name not in _UNSENT]
    touched = {qubit for instruction in sent for qubit in instruction.qubits}
    used = [qubit for qubit in circuit.qubits if qubit in touched or not renumber] or circuit.qubits[:1]
    bare = QuantumCircuit(used, circuit.clbits, *circuit.cregs, name=circuit.name)
    for var in circuit.iter_declared_vars():
        bare.add_uninitialized_var(var)
    whole = len(circuit.cregs) == 1 and list(circuit.cregs[0]) == circuit.clbits  # nothing to flatten
    for instruction in sent:
        bare.append(_plain(instruction.operation, whole), instruction.qubits, instruction.clbits)

    clbits = [ClassicalRegister(circuit.num_clbits, _CLBITS)] if circuit.clbits else []
    flat = QuantumCircuit(QuantumRegister(len(used) or 1, _QUBITS), *clbits)
    flat.compose(bare, flat.qubits[: len(used)], flat.clbits, inplace=True)
    if flat.cregs != clbits:
        raise EncodeError(
            f"circuit {circuit.name!r} uses a whole classical register in a condition that cannot be said "
            "bit by bit; compare it with a number for equality, or use single bits"
        )
    try:
        source = qasm3.Exporter(disable_constants=True).dumps(flat)  # plain numbers, not the nearest π/n
    except qasm3.QASM3ExporterError as error:
        raise EncodeError(f"circuit {circuit.name!r} has no form in OpenQASM 3: {error.message}") from error

    sources, final = _final_sources(circuit, {qubit: wire for wire, qubit in enumerate(used)})
    labels = tuple((_CLBITS, k) for k in range(circuit.num_clbits))
    readout = Readout(sources, flat.num_qubits, labels=labels, final=final)
    return json.dumps(source).encode(), len(flat.data), readout


def _check_numbers(
    circuit: QuantumCircuit, position: int, operation: Any, bound: frozenset[Any] = frozenset()
) -> None:
    """Refuse unbound and non-finite parameters, in blocks too; a loop's own variable is bound."""
    blocks = getattr(operation, "blocks", None)
    if blocks is not None:
        if operation.name == "for_loop":
            bound |= {operation.params[1]}
        for block in blocks:
            for instruction in block.data:
                _check_numbers(circuit, position, instruction.operation, bound)
        return
    for param in operation.params:
        if set(getattr(param, "parameters", ())) - bound:
            raise _refusal(circuit, position, f"has unbound parameters in {operation.params}; bind them")
        if isinstance(param, int | float) and not math.isfinite(param):
            raise _refusal(circuit, position, f"has parameters {operation.params} that are not all finite")


def _plain(operation: Any, whole: bool) -> Any:
    """Return an operation with nothing unsent in its blocks, and register conditions said bit by bit."""
    blocks = getattr(operation, "blocks", None)
    if blocks is None:
        return operation
    plain = []
    for block in blocks:
        copy = block.copy_empty_like()
        copy.global_phase = 0
        for instruction in block.data:
            if instruction.name not in _UNSENT:
                copy.append(_plain(instruction.operation, whole), instruction.qubits, instruction.clbits)
        plain.append(copy)
    if whole or not isinstance(operation, IfElseOp | WhileLoopOp):
        return operation.replace_blocks(plain)
    return type(operation)(_bitwise(operation.condition), *plain, label=operation.label)


def _bitwise(condition: Any) -> Any:
    """Say ``register == number``, alone or in a logical expression, with the register's bits."""
    if isinstance(condition, tuple):
        left, value = condition
        return _equals(left, value) if isinstance(left, ClassicalRegister) else condition
    if isinstance(condition, expr.Unary) and condition.op is expr.Unary.Op.LOGIC_NOT:
        return expr.logic_not(_bitwise(condition.operand))
    if isinstance(condition, expr.Binary):
        if condition.op is expr.Binary.Op.LOGIC_AND:
            return expr.logic_and(_bitwise(condition.left), _bitwise(condition.right))
        if condition.op is expr.Binary.Op.LOGIC_OR:
            return expr.logic_or(_bitwise(condition.left), _bitwise(condition.right))
        register = getattr(condition.left, "var", None)
        if isinstance(register, ClassicalRegister) and isinstance(condition.right, expr.Value):
            if condition.op is expr.Binary.Op.EQUAL:
                return _equals(register, condition.right.value)
            if condition.op is expr.Binary.Op.NOT_EQUAL:
                return expr.logic_not(_equals(register, condition.right.value))
    return condition


def _equals(register: ClassicalRegister, value: int) -> Any:
    if value >> len(register):
        return expr.lift(False)
    bits = [expr.lift(bit) if value >> k & 1 else expr.logic_not(bit) for k, bit in enumerate(register)]
    every = bits[0]
    for bit in bits[1:]:
        every = expr.logic_and(every, bit)
    return every


def _final_sources(
    circuit: QuantumCircuit, wire_of: Mapping[Any, int]
) -> tuple[tuple[int | None, ...], bool]:
    """Return which qubit still shows each classical bit, and whether each written bit has one."""
    clbit_index = {clbit: index for index, clbit in enumerate(circuit.clbits)}
    sources: list[int | None] = [None] * len(clbit_index)
    lost: set[int] = set()
    for instruction in circuit.data:
        if instruction.name in _UNSENT:
            continue
        if instruction.name == "store":  # may write any bit, and does not say which
            return (None,) * len(sources), False
        wires = {wire_of[qubit] for qubit in instruction.qubits}
        bits = {clbit_index[clbit] for clbit in instruction.clbits}
        if instruction.name == "measure":
            lost -= bits
            for bit in bits:
                (sources[bit],) = wires
            continue
        lost |= bits | {bit for bit, wire in enumerate(sources) if wire in wires}
        for bit in lost:
            sources[bit] = None
    return tuple(sources), not lost


# ── headers ──


def _experiment_header(circuit: QuantumCircuit) -> dict[str, Any]:
    cregs = [register for register in circuit.cregs if len(register)]
    in_order = [bit for register in cregs for bit in register] == circuit.clbits
    try:
        global_phase = float(circuit.global_phase)
    except TypeError:
        raise EncodeError(
            f"circuit {circuit.name!r} has the unbound global phase {circuit.global_phase}; bind it"
        ) from None
    return {
        "name": circuit.name,
        "memory_slots": circuit.num_clbits,
        # Qiskit splits bit strings by these sizes; where registers share or miss bits, no split is right.
        "creg_sizes": [[register.name, len(register)] for register in cregs] if in_order else [],
        "qreg_sizes": [[register.name, len(register)] for register in circuit.qregs],
        "n_qubits": circuit.num_qubits,
        "clbit_labels": [[register.name, k] for register in cregs for k in range(len(register))],
        "qubit_labels": [[register.name, k] for register in circuit.qregs for k in range(len(register))],
        "global_phase": global_phase,
        "metadata": circuit.metadata or {},
    }


def ionq_header(circuits: Sequence[EncodedCircuit]) -> str:
    """Return the value of the job metadata ``qiskit_header``, as qiskit-ionq writes and reads it.

    It is gzipped JSON in base64: one object, or a list of them for several circuits. The same circuits give
    the same text. The user's ``circuit.metadata`` stays at home.
    """
    entries = [_header_entry(circuit) for circuit in circuits]
    text = json.dumps(entries[0] if len(entries) == 1 else entries, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _header_entry(circuit: EncodedCircuit) -> dict[str, Any]:
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
    return tuple(_read_entry(index, entry) for index, entry in enumerate(entries))


def _read_entry(index: int, entry: Any) -> HeaderEntry:
    try:
        slots, width = _count(entry.get("memory_slots", 0)), _count(entry.get("n_qubits", 1))
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
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_HEADER_BITS:
        raise ValueError(f"{value!r} is not a number of bits")
    return value


def _is_wire(source: Any, width: int) -> bool:
    return isinstance(source, int) and not isinstance(source, bool) and 0 <= source < width


# ── job bodies ──


def job_body(
    circuits: Sequence[EncodedCircuit],
    *,
    backend: str,
    shots: int,
    name: str | None = None,
    metadata: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    noise: Mapping[str, Any] | None = None,
    session_id: str | None = None,
    dry_run: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the JSON body of ``POST /jobs`` for one circuit, or for several of one gate set.

    Args:
        circuits: one makes ``ionq.circuit.v1`` or ``ionq.qasm3.v1``, several ``ionq.multi-circuit.v1``.
        backend: the service's name of the target.
        shots: shots of every circuit.
        name: name of the job; None: the circuit's own, or "N circuits".
        metadata: strings that the service echoes.
        settings: the member of that name.
        noise: the member of that name (simulator only).
        session_id: the session to join.
        dry_run: compile and price only.
        extra: further members. They win over the others, but cannot replace the input.

    Raises:
        EncodeError: the circuits cannot share a job, or a member is not JSON.
    """
    kinds = {circuit.kind for circuit in circuits}
    if len(kinds) != 1:
        raise EncodeError(f"a job takes circuits of one kind, not {sorted(kinds)}")
    (kind,) = kinds
    if kind == "qasm3" and len(circuits) > 1:
        raise EncodeError(f"an OpenQASM 3 job takes one program, not {len(circuits)}")
    members: dict[str, Any] = {
        "type": "ionq.multi-circuit.v1" if len(circuits) > 1 else _JOB_TYPES[kind],
        "backend": backend,
        "shots": shots,
        "name": name or (circuits[0].name if len(circuits) == 1 else f"{len(circuits)} circuits"),
        "metadata": dict(metadata or {}),
    }
    if settings:
        members["settings"] = dict(settings)
    if noise is not None:
        members["noise"] = dict(noise)
    if session_id is not None:
        members["session_id"] = session_id
    if dry_run:
        members["dry_run"] = True
    members.update(extra or {})
    if "input" in members:
        raise EncodeError("the job's input comes from its circuits; extra members cannot replace it")
    try:
        head = json.dumps(members, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise EncodeError(f"the job's options cannot be written as JSON: {error}") from error
    return b'%s,"input":%s}' % (head[:-1], _job_input(kind, circuits))


def _job_input(kind: Kind, circuits: Sequence[EncodedCircuit]) -> bytes:
    if kind == "qasm3":
        return b'{"data":%s}' % circuits[0].fragment
    width = max(circuit.num_qubits for circuit in circuits)
    head = b'{"gateset":"%s","qubits":%d' % (kind.encode(), width)
    if len(circuits) == 1:
        return b'%s,"circuit":%s}' % (head, circuits[0].fragment)
    children = b",".join(
        b'{"name":%s,"qubits":%d,"circuit":%s}' % (json.dumps(c.name).encode(), c.num_qubits, c.fragment)
        for c in circuits
    )
    return b'%s,"circuits":[%s]}' % (head, children)
