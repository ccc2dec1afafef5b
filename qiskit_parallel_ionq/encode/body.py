# SPDX-License-Identifier: Apache-2.0
"""The request that makes a job of encoded circuits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import EncodeError
from .encoded import EncodedCircuit, Kind

_JOB_TYPES = {"native": "ionq.circuit.v1", "qis": "ionq.circuit.v1", "qasm3": "ionq.qasm3.v1"}


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
