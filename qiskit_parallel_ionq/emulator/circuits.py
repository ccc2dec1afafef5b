# SPDX-License-Identifier: Apache-2.0
"""Reads circuits in the JSON of the wire into programs: the service's own parser, shared with no client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import isfinite, pi
from typing import Any

from . import gates
from .problems import CircuitError
from .program import ALL_QUBITS, Gate, Program

DENSE_EXPONENTIAL_LIMIT = 8
"""Most targets of a ``pauliexp`` whose terms do not commute."""


def read_circuit(
    source: Mapping[str, Any],
    *,
    gateset: str,
    qubits: int | None,
    native_gates: Sequence[str],
    pairs: frozenset[tuple[int, int]] | None = None,
) -> Program:
    """Turn one circuit of an ``ionq.circuit.v1`` or ``ionq.multi-circuit.v1`` job into a program.

    Args:
        source: the object that has ``circuit`` (a list of gates) and perhaps ``registers``.
        gateset: ``"qis"`` or ``"native"``.
        qubits: declared width; None means as wide as the gates need.
        native_gates: native gates of the machine.
        pairs: pairs a native two-qubit gate may act on, smaller index first; None means any.

    Raises:
        CircuitError: UnsupportedGate, InvalidInput or NotEnoughQubits, naming the gate and its position.
    """
    reader = _read_native if gateset == "native" else _read_qis
    steps: list[Gate] = []
    for position, entry in enumerate(source["circuit"]):
        try:
            for gate in reader(entry, native_gates):
                if pairs is not None and gateset == "native" and len(gate.qubits) == 2:
                    _check_pair(gate.qubits, pairs)
                steps.append(gate)
        except CircuitError as problem:
            failure = problem.failure
            raise CircuitError(failure.code, f"Gate {position}: {failure.message}") from None
    needed = 1 + max((max(gate.qubits) for gate in steps), default=-1)
    if qubits is not None and needed > qubits:
        raise CircuitError(
            "NotEnoughQubits", f"The circuit acts on qubit {needed - 1} but declares {qubits} qubits."
        )
    width = qubits if qubits is not None else max(needed, 1)
    return Program(width, tuple(steps), registers=_registers(source.get("registers"), width))


def _registers(given: Any, width: int) -> tuple[tuple[str, tuple[int | None, ...]], ...]:
    registers: list[tuple[str, tuple[int | None, ...]]] = [(ALL_QUBITS, tuple(range(width)))]
    for name, columns in (given or {}).items():
        if any(column is not None and not 0 <= column < width for column in columns):
            raise CircuitError("InvalidInput", f"Register {name!r} names a qubit outside 0..{width - 1}.")
        registers.append((name, tuple(columns)))
    return tuple(registers)


def _check_pair(qubits: tuple[int, ...], pairs: frozenset[tuple[int, int]]) -> None:
    low, high = sorted(qubits)
    if (low, high) not in pairs:
        raise CircuitError("UnsupportedGate", f"Qubits {low} and {high} are not connected on this backend.")


def _qubits(entry: Mapping[str, Any], kind: str) -> tuple[int, ...]:
    """The qubits under ``target``/``targets`` or ``control``/``controls``, each an integer or a list."""
    value = entry.get(f"{kind}s")
    if value is None:
        value = entry.get(kind)
    if value is None:
        return ()
    found = tuple(value) if isinstance(value, list) else (value,)
    for qubit in found:
        if type(qubit) is not int or qubit < 0:
            raise CircuitError("InvalidInput", f"{qubit!r} is no qubit index.")
    return found


def _number(entry: Mapping[str, Any], *names: str, default: float | None = None) -> float:
    for name in names:
        value = entry.get(name)
        if value is not None:
            return _finite(value, name)
    if default is None:
        raise CircuitError("InvalidInput", f"{entry.get('gate')!r} needs {' or '.join(names)}.")
    return default


def _finite(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise CircuitError("InvalidInput", f"{name} must be a finite number, not {value!r}.")
    return float(value)


def _acts_on(entry: Mapping[str, Any], count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    targets, controls = _qubits(entry, "target"), _qubits(entry, "control")
    if len(targets) != count:
        raise CircuitError(
            "InvalidInput", f"{entry.get('gate')!r} takes {count} target(s), not {len(targets)}."
        )
    if len(set(targets + controls)) != len(targets) + len(controls):
        raise CircuitError("InvalidInput", f"{entry.get('gate')!r} names a qubit twice.")
    return targets, controls


def _name(entry: Any) -> str:
    if not isinstance(entry, dict) or not isinstance(entry.get("gate"), str):
        raise CircuitError("InvalidInput", f"A gate is an object with a name under 'gate', not {entry!r}.")
    name: str = entry["gate"]
    return name


def _read_qis(entry: Any, _native_gates: Sequence[str]) -> Iterator[Gate]:
    name = _name(entry)
    if name == "pauliexp":
        yield from _read_pauliexp(entry)
        return
    if name == "z" and entry.get("rotation") is not None:
        matrix = gates.phase(_number(entry, "rotation"))
    elif name in gates.FIXED:
        matrix = gates.FIXED[name]
    elif name in gates.ROTATIONS:
        matrix = gates.ROTATIONS[name](_number(entry, "rotation"))
    else:
        raise CircuitError("UnsupportedGate", f"Gate types [{name}] are not supported in the QIS gate set.")
    targets, controls = _acts_on(entry, 1 if len(matrix) == 2 else 2)
    if name == "cnot" and not controls:
        raise CircuitError("InvalidInput", "'cnot' needs a control.")
    yield Gate(matrix, targets, controls, name in gates.VIRTUAL_GATES and not controls)


def _read_native(entry: Any, native_gates: Sequence[str]) -> Iterator[Gate]:
    name = _name(entry)
    if name == "nop":
        _qubits(entry, "target")
        return
    if name not in native_gates:
        raise CircuitError("UnsupportedGate", f"Gate types [{name}] are not supported by this backend.")
    if _qubits(entry, "control"):
        raise CircuitError("InvalidInput", f"The native gate {name!r} takes no controls.")
    if name in ("gpi", "gpi2"):
        matrix = getattr(gates, name)(_number(entry, "phase"))
    elif name == "ms":
        phases = entry.get("phases")
        if not isinstance(phases, list) or len(phases) != 2:
            raise CircuitError("InvalidInput", "'ms' needs two phases.")
        angle = _number(entry, "angle", default=0.25)
        if not 0 <= angle <= 0.25:
            raise CircuitError("InvalidInput", f"The angle of 'ms' must be in 0..0.25 turns, not {angle}.")
        matrix = gates.ms(_finite(phases[0], "phases"), _finite(phases[1], "phases"), angle)
    else:
        matrix = gates.native_zz(_number(entry, "angle", "phase", default=0.25))
    targets, _ = _acts_on(entry, 1 if len(matrix) == 2 else 2)
    yield Gate(matrix, targets)


def _read_pauliexp(entry: Mapping[str, Any]) -> Iterator[Gate]:
    terms, weights = entry.get("terms"), entry.get("coefficients")
    if not isinstance(terms, list) or not isinstance(weights, list) or not terms:
        raise CircuitError("InvalidInput", "'pauliexp' needs a list of terms and a list of coefficients.")
    if len(terms) != len(weights):
        raise CircuitError("InvalidInput", "'pauliexp' needs as many coefficients as terms.")
    time = _number(entry, "time")
    if time < 0:
        raise CircuitError("InvalidInput", f"The time of 'pauliexp' must not be negative, not {time}.")
    coefficients = [_finite(weight, "coefficients") for weight in weights]
    targets, controls = _acts_on(entry, len(_qubits(entry, "target")))
    for term in terms:
        if not isinstance(term, str) or len(term) != len(targets) or set(term) - set(gates.PAULIS):
            raise CircuitError(
                "InvalidInput", f"A term of 'pauliexp' has one of I, X, Y, Z per target, not {term!r}."
            )
    if all(_commute(a, b) for a, b in combinations(terms, 2)):
        for term, weight in zip(terms, coefficients, strict=True):
            yield from _pauli_rotation(term[::-1], 2 * time * weight, targets, controls)
    elif len(targets) <= DENSE_EXPONENTIAL_LIMIT:
        matrix = gates.pauli_sum_exponential(terms, coefficients, time)
        yield Gate(matrix, targets[::-1], controls)
    else:
        raise CircuitError(
            "CompilationError",
            f"The terms of 'pauliexp' do not commute and it has more than {DENSE_EXPONENTIAL_LIMIT} targets.",
        )


def _commute(left: str, right: str) -> bool:
    clashes = sum(a != b and "I" not in (a, b) for a, b in zip(left, right, strict=True))
    return clashes % 2 == 0


def _pauli_rotation(
    letters: str, theta: float, targets: tuple[int, ...], controls: tuple[int, ...]
) -> Iterator[Gate]:
    """exp(-iθP/2), ``letters[k]`` on ``targets[k]``: change basis, gather the parity, turn, undo."""
    acted = [(target, letter) for target, letter in zip(targets, letters, strict=True) if letter != "I"]
    if not acted:
        yield from _global_phase(-theta / 2, controls)
        return
    into = {"X": gates.H, "Y": gates.rx(pi / 2)}
    back = {"X": gates.H, "Y": gates.rx(-pi / 2)}
    basis = [Gate(into[letter], (qubit,)) for qubit, letter in acted if letter != "Z"]
    undo = [Gate(back[letter], (qubit,)) for qubit, letter in acted if letter != "Z"]
    ladder = [Gate(gates.X, (acted[k + 1][0],), (acted[k][0],)) for k in range(len(acted) - 1)]
    yield from basis
    yield from ladder
    yield Gate(gates.rz(theta), (acted[-1][0],), controls, virtual=not controls)
    yield from reversed(ladder)
    yield from undo


def _global_phase(theta: float, controls: tuple[int, ...]) -> Iterator[Gate]:
    """A phase nobody sees, unless it is controlled."""
    if controls:
        yield Gate(gates.phase(theta), controls[:1], controls[1:], virtual=len(controls) == 1)
