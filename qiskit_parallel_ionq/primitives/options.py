# SPDX-License-Identifier: Apache-2.0
"""What the primitives may be told. Names shared with Qiskit's own backend primitives mean the same."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any, TypeVar

from ..errors import OptionError
from ..options import RunOptions

_OURS = ("shots", "memory", "seed_simulator", "dry_run")
"""Options of a run that a primitive sets itself, or that leave it without a result."""


def _checked_run_options(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise OptionError(f"run_options must be a mapping, not {given!r}")
    for name in _OURS:
        if name in given:
            raise OptionError(f"run_options cannot set {name!r}: the primitive does")
    RunOptions().update(**given)
    return dict(given)


@dataclass(frozen=True, slots=True)
class SamplerOptions:
    """Options of `SamplerV2`.

    >>> SamplerOptions(default_shots=200).default_shots
    200
    """

    default_shots: int | None = None
    """Shots of a PUB that says none; None: the backend's own."""
    seed_simulator: int | None = None
    """Seed of what is sampled here; None: another for each run."""
    run_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of ``backend.run``, see `RunOptions`."""

    def __post_init__(self) -> None:
        """Refuse what cannot be right.

        Raises:
            OptionError: a value is of the wrong type or out of range.
        """
        object.__setattr__(self, "run_options", _checked_run_options(self.run_options))
        RunOptions().update(shots=self.default_shots, seed_simulator=self.seed_simulator)


@dataclass(frozen=True, slots=True)
class EstimatorOptions:
    """Options of `EstimatorV2`."""

    default_precision: float = 0.015625
    """Precision of a PUB that says none: 1/64, which is 4,096 shots."""
    seed_simulator: int | None = None
    """Seed of what is sampled here; None: another for each run. The ideal simulator needs none."""
    run_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of ``backend.run``, see `RunOptions`."""

    def __post_init__(self) -> None:
        """Refuse what cannot be right.

        Raises:
            OptionError: a value is of the wrong type or out of range.
        """
        object.__setattr__(self, "run_options", _checked_run_options(self.run_options))
        RunOptions().update(seed_simulator=self.seed_simulator)
        precision: Any = self.default_precision
        if isinstance(precision, bool) or not isinstance(precision, Real) or not float(precision) >= 0:
            raise OptionError(f"default_precision must be a number >= 0, not {precision!r}")


_Options = TypeVar("_Options", SamplerOptions, EstimatorOptions)


def as_options(kind: type[_Options], given: Any) -> _Options:
    """Return options given as such, as a mapping, or not at all.

    Raises:
        OptionError: a name is unknown, or a value cannot be right.
    """
    if given is None:
        return kind()
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise OptionError(f"options must be {kind.__name__} or a mapping, not {given!r}")
    names = [each.name for each in fields(kind)]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the options are {', '.join(names)}"
            raise OptionError(
                f"unknown option {name!r}: {hint}; what backend.run takes goes into run_options"
            )
    return kind(**given)
