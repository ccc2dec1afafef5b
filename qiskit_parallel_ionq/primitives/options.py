# SPDX-License-Identifier: Apache-2.0
"""Options of the primitives. Names shared with Qiskit's own backend primitives mean the same.

They can be set after a primitive was made, as with Qiskit's: a value is checked when it is set, and holds for
later runs.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
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


def _checked_precision(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, Real) or not float(given) >= 0:
        raise OptionError(f"default_precision must be a number >= 0, not {given!r}")
    return given  # type: ignore[return-value]


def _checked_shots(given: Any) -> int | None:
    RunOptions().update(shots=given)
    return given  # type: ignore[no-any-return]


def _checked_seed(given: Any) -> int | None:
    RunOptions().update(seed_simulator=given)
    return given  # type: ignore[no-any-return]


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "default_shots": _checked_shots,
    "default_precision": _checked_precision,
    "seed_simulator": _checked_seed,
    "run_options": _checked_run_options,
}


class _Checked:
    """Checks an option whenever it is set, when the options are made too."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an option.

        Raises:
            AttributeError: there is no such option.
            OptionError: the value is of the wrong type or out of range.
        """
        known = [each.name for each in fields(self)]  # type: ignore[arg-type]
        if name not in known:
            raise AttributeError(_unknown(name, known))
        object.__setattr__(self, name, _CHECKS[name](value))


@dataclass(slots=True)
class SamplerOptions(_Checked):
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


@dataclass(slots=True)
class EstimatorOptions(_Checked):
    """Options of `EstimatorV2`."""

    default_precision: float = 0.015625
    """Precision of a PUB that says none: 1/64, which is 4,096 shots."""
    seed_simulator: int | None = None
    """Seed of what is sampled here; None: another for each run. The ideal simulator needs none."""
    run_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of ``backend.run``, see `RunOptions`."""


_Options = TypeVar("_Options", SamplerOptions, EstimatorOptions)


def as_options(kind: type[_Options], given: Any) -> _Options:
    """Return options given as such, as a mapping, or not at all.

    Raises:
        OptionError: a name is unknown, or a value cannot be right.
    """
    if given is None:
        return kind()
    if isinstance(given, kind):
        return replace(given)  # setting an option of one primitive leaves the others alone
    if not isinstance(given, Mapping):
        raise OptionError(f"options must be {kind.__name__} or a mapping, not {given!r}")
    names = [each.name for each in fields(kind)]
    for name in given:
        if name not in names:
            raise OptionError(_unknown(name, names))
    return kind(**given)


def _unknown(name: Any, names: Sequence[str]) -> str:
    """Return the message about an option that does not exist."""
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the options are {', '.join(names)}"
    return f"unknown option {name!r}: {hint}; what backend.run takes goes into run_options"
