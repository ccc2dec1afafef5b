# SPDX-License-Identifier: Apache-2.0
"""JSON Schemas of the result formats and of the native circuit format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT = {"type": "integer", "minimum": 0}
_BIT = {"enum": [0, 1]}


def _by_decimal(value: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "patternProperties": {"^[0-9]+$": value}, "additionalProperties": False}


def _by_register(kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    bits = {"type": "object", "patternProperties": {"^[01]+$": value}, "additionalProperties": False}
    return _object({kind: _object({"registers": {"type": "object", "additionalProperties": bits}})})


def _object(members: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(members), "required": list(members)}


def _list(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


_SHOT = _object({"registers": {"type": "object", "additionalProperties": _list(_BIT)}})
_GATE = {
    "type": "object",
    "properties": {"gate": {"enum": ["gpi", "gpi2", "ms", "zz", "nop"]}},
    "required": ["gate"],
}
_SHAPES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ionq.result.probabilities.json.v1": ("Probabilities by decimal word.", _by_decimal(_PROBABILITY)),
    "ionq.result.probabilities.json.v2": (
        "Probabilities by register and bit string.",
        _by_register("probabilities", _PROBABILITY),
    ),
    "ionq.result.histogram.json.v1": ("Counts by decimal word.", _by_decimal(_COUNT)),
    "ionq.result.histogram.json.v2": (
        "Counts by register and bit string.",
        _by_register("histogram", _COUNT),
    ),
    "ionq.result.shots.json.v1": (
        "Decimal words, shot by shot.",
        _list({"type": "string", "pattern": "^[0-9]+$"}),
    ),
    "ionq.result.shots.json.v2": ("Bits of each register, shot by shot.", _object({"shots": _list(_SHOT)})),
    "ionq.result.probabilities-aggregate.json.v1": (
        "Probabilities of each child of a multi-circuit job.",
        {"type": "object", "additionalProperties": _by_decimal(_PROBABILITY)},
    ),
    "ionq.native.v1": (
        "A circuit of native gates.",
        _object({"qubits": {"type": "integer", "minimum": 1}, "circuit": _list(_GATE)}),
    ),
}

SCHEMAS: Mapping[str, dict[str, Any]] = {
    name: {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": name,
        "description": description,
        **shape,
    }
    for name, (description, shape) in _SHAPES.items()
}
"""Format name -> schema."""
