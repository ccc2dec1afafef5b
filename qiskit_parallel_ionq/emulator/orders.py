# SPDX-License-Identifier: Apache-2.0
"""Reads the body of ``POST /jobs``: what can be refused at the door is refused here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .catalogue import IDEAL, MACHINES, NOISE_MODELS, Machine
from .problems import RequestError

CIRCUIT = "ionq.circuit.v1"
MULTI = "ionq.multi-circuit.v1"
QASM3 = "ionq.qasm3.v1"
UNSUPPORTED_TYPES = ("qctrl.qaoa.v1", "quantum-function")
"""Job types the service knows and this emulator accepts, and then fails in preflight."""

MAX_CIRCUITS = 5_000
MAX_GATES = 150_000
MAX_SHOTS = 1_000_000
DEFAULT_SHOTS = 100
DEBIASING_SHOTS = 500


@dataclass(frozen=True, slots=True)
class CircuitOrder:
    """One circuit as it came: JSON gates, or OpenQASM 3 text under ``data``."""

    type: str
    source: Mapping[str, Any]
    gateset: str = "qis"
    qubits: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A job as it was asked for, checked for form."""

    type: str
    machine: Machine
    shots: int
    circuits: tuple[CircuitOrder, ...]
    body: Mapping[str, Any]
    name: str | None = None
    metadata: Mapping[str, Any] | None = None
    session_id: str | None = None
    settings: Mapping[str, Any] | None = None
    dry_run: bool = False
    model: str = IDEAL
    noise: Mapping[str, Any] | None = None

    @property
    def noise_seed(self) -> int | None:
        """The seed the client gave, if any."""
        return (self.noise or {}).get("seed")

    @property
    def is_exact(self) -> bool:
        """Whether results are exact distributions rather than shots."""
        return self.machine.is_simulator and self.model == IDEAL

    @property
    def is_debiased(self) -> bool:
        """Whether variants are run: on a QPU, given the shots for it, unless that is turned off."""
        mitigation = (self.settings or {}).get("error_mitigation")
        is_off = isinstance(mitigation, dict) and mitigation.get("debiasing") is False
        return self.shots >= DEBIASING_SHOTS and not self.machine.is_simulator and not is_off


def read_order(body: Any) -> Order:
    """Check a job request.

    Members nobody knows are ignored, as real clients send some (``lang``, shots as text, a null noise seed).

    Raises:
        RequestError: 400, naming the field.
    """
    if not isinstance(body, dict):
        raise RequestError(400, "The body must be a JSON object.")
    kind = body.get("type")
    if kind not in (CIRCUIT, MULTI, QASM3, *UNSUPPORTED_TYPES):
        raise _bad("type", f"type {kind!r} is not a job type.")
    machine = _machine(body.get("backend"))
    shots = _shots(body.get("shots"))
    settings = _object(body, "settings")
    mitigation = (settings or {}).get("error_mitigation")
    if isinstance(mitigation, dict) and mitigation.get("debiasing") is True and shots < DEBIASING_SHOTS:
        raise _bad("shots", f"debiasing needs at least {DEBIASING_SHOTS} shots")
    dry_run = body.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise _bad("dry_run", "dry_run must be a boolean")
    noise = _object(body, "noise")
    return Order(
        type=str(kind),
        machine=machine,
        shots=shots,
        circuits=_circuits(str(kind), _input(body)),
        body=body,
        name=_text(body, "name"),
        metadata=_metadata(body),
        session_id=_text(body, "session_id"),
        settings=settings,
        dry_run=dry_run,
        model=_model(noise, machine),
        noise=noise if machine.is_simulator else None,
    )


def _bad(key: str, message: str) -> RequestError:
    return RequestError(400, message, keys=(key,))


def _machine(name: Any) -> Machine:
    machine = MACHINES.get(name) if isinstance(name, str) else None
    if machine is None:
        raise _bad("backend", f"backend must be one of {', '.join(MACHINES)}, not {name!r}.")
    if machine.status == "retired":
        raise _bad("backend", f"{name} is retired.")
    return machine


def _shots(value: Any) -> int:
    if value is None:
        return DEFAULT_SHOTS
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is not int:
        raise _bad("shots", f"shots must be an integer, not {value!r}")
    if value < 1:
        raise _bad("shots", "shots must be at least 1")
    if value > MAX_SHOTS:
        raise _bad("shots", f"shots must be at most {MAX_SHOTS}")
    return value


def _object(body: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    value = body.get(key)
    if value is not None and not isinstance(value, dict):
        raise _bad(key, f"{key} must be an object")
    return value


def _text(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise _bad(key, f"{key} must be a string")
    return value


def _metadata(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    metadata = _object(body, "metadata")
    for key, value in (metadata or {}).items():
        if not isinstance(value, str):
            raise _bad("metadata", f"metadata values must be strings; {key!r} is {value!r}")
    return metadata


def _model(noise: Mapping[str, Any] | None, machine: Machine) -> str:
    if not machine.is_simulator:
        return machine.model
    model = (noise or {}).get("model") or IDEAL
    if model not in NOISE_MODELS:
        raise _bad("noise", f"noise.model must be one of {', '.join(NOISE_MODELS)}, not {model!r}")
    seed = (noise or {}).get("seed")
    if seed is not None and (type(seed) is not int or not -(2**31) <= seed < 2**31):
        raise _bad("noise", f"noise.seed must be a 32-bit integer, not {seed!r}")
    return str(model)


def _input(body: Mapping[str, Any]) -> Mapping[str, Any]:
    given = body.get("input")
    if not isinstance(given, dict):
        raise _bad("input", "input must be an object")
    return given


def _circuits(kind: str, given: Mapping[str, Any]) -> tuple[CircuitOrder, ...]:
    if kind in UNSUPPORTED_TYPES:
        return (CircuitOrder(kind, given),)
    if kind == QASM3:
        if not isinstance(given.get("data"), str):
            raise _bad("input", "input.data must be OpenQASM 3 text")
        return (CircuitOrder(QASM3, given),)
    gateset = _gateset(given.get("gateset"))
    width = _width(given.get("qubits"))
    if kind == CIRCUIT:
        if "circuits" in given:
            raise _bad("input", "input.circuits belongs to ionq.multi-circuit.v1 jobs")
        circuits: tuple[CircuitOrder, ...] = (CircuitOrder(CIRCUIT, given, gateset, width),)
    else:
        if "circuit" in given:
            raise _bad("input", "input.circuit and input.circuits cannot be mixed")
        entries = given.get("circuits")
        if not isinstance(entries, list) or not entries:
            raise _bad("input", "input.circuits must be a list of at least one circuit")
        if len(entries) > MAX_CIRCUITS:
            raise _bad("input", f"a job takes at most {MAX_CIRCUITS} circuits, not {len(entries)}")
        circuits = tuple(_child(entry, gateset, width) for entry in entries)
    for order in circuits:
        if not isinstance(order.source.get("circuit"), list):
            raise _bad("input", "circuit must be a list of gates")
    gates = sum(len(order.source["circuit"]) for order in circuits)
    if gates > MAX_GATES:
        raise _bad("input", f"a job takes at most {MAX_GATES} gates, not {gates}")
    return circuits


def _child(entry: Any, gateset: str, width: int | None) -> CircuitOrder:
    if not isinstance(entry, dict):
        raise _bad("input", "each of input.circuits must be an object")
    own = entry.get("gateset")
    registers = entry.get("registers")
    if registers is not None and not (
        isinstance(registers, dict) and all(_is_register(columns) for columns in registers.values())
    ):
        raise _bad("input", "registers maps names to lists of qubit indices or null")
    return CircuitOrder(
        CIRCUIT,
        entry,
        gateset if own is None else _gateset(own),
        _width(entry.get("qubits")) or width,
        _text(entry, "name"),
    )


def _is_register(columns: Any) -> bool:
    return isinstance(columns, list) and all(column is None or type(column) is int for column in columns)


def _gateset(value: Any) -> str:
    if value not in ("qis", "native"):
        raise _bad("input", f"gateset must be 'qis' or 'native', not {value!r}")
    return str(value)


def _width(value: Any) -> int | None:
    if value is not None and (type(value) is not int or value < 1):
        raise _bad("input", f"qubits must be a positive integer, not {value!r}")
    return value
