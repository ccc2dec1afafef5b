# SPDX-License-Identifier: Apache-2.0
"""What a run may be told: named, validated, frozen. An unknown name is an error, never swallowed."""

from __future__ import annotations

import difflib
import math
import numbers
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

import numpy as np

from . import wire
from .errors import OptionError, UnknownOptionError
from .wire import CatalogEntry

OnUnknown = Literal["reconcile", "never", "resubmit"]
OnInterrupt = Literal["detach", "cancel"]
Aggregation = Literal["average", "voting", "dnl"]
MAX_WORKERS_LIMIT = 64


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Everything ``backend.run`` may be told. Names shared with qiskit-ionq mean what they mean there.

    >>> RunOptions().update(shots=200).shots
    200
    >>> RunOptions().update(shot=5)
    Traceback (most recent call last):
    qiskit_parallel_ionq.errors.UnknownOptionError: unknown option 'shot': did you mean 'shots'?
    """

    shots: int | tuple[int, ...] = 1024
    """Shots per circuit, 1 to 1,000,000; or one number for each circuit."""
    memory: bool = False
    """Whether every shot is wanted, in order, and not only their counts."""
    meas_level: int = 2
    """Qiskit's level of what is measured; 2, bits, is all there is."""
    seed_simulator: int | None = None
    """Seed of what is sampled here: the counts of the ideal simulator, which has no shots of its own."""
    sampler_seed: int | None = None
    """Seed of the service's noisy simulator, 1 to 2**31 - 1; stands in for ``seed_simulator`` too."""
    noise_model: str | None = None
    """Noise model of the simulator, such as ``"forte-1"``; None or ``"ideal"``: exact."""
    error_mitigation: Any = None
    """``{"debiasing": bool, "symmetry_verification": bool}``, or qiskit-ionq's ``ErrorMitigation``."""
    debiasing: bool | None = None
    """Whether a machine runs many variants of each circuit, so that what is wrong with it averages out; takes
    500 shots. None: the service's own choice. Another way to say ``error_mitigation``."""
    symmetry_verification: bool | None = None
    """Whether outcomes that break a symmetry of the circuit are discarded; None: the service's own choice."""
    sharpen: bool | None = None
    """Which result of a debiased job is read: True, what most variants agree on (plurality voting); False,
    their average. None: the service's own choice."""
    aggregation: Aggregation | None = None
    """The same in finer words, which IonQ's newest client sends: ``"average"``, ``"voting"`` or ``"dnl"``."""
    job_settings: Mapping[str, Any] | None = None
    """The ``settings`` member of the job, passed as it is."""
    extra_query_params: Mapping[str, Any] = field(default_factory=dict)
    """Further members of the request body."""
    extra_metadata: Mapping[str, str] = field(default_factory=dict)
    """Further entries of the job's metadata."""
    name: str | None = None
    """Name of the IonQ jobs; None: the circuit's own name."""
    session_id: str | None = None
    """The IonQ session that the jobs belong to."""
    dry_run: bool = False
    """Whether the service shall compile and price, and not run."""
    max_workers: int = 10
    """How many requests may be under way at once, and so the number of connections, 1 to 64."""
    use_parallel: bool = True
    """False: one circuit after the other, each awaited before the next is sent (for comparison)."""
    circuits_per_job: int | Literal["auto"] = 1
    """How many circuits share one IonQ job, 1 to 5,000; ``"auto"``: chosen by their number, `pack_size`."""
    window: int = 4096
    """How many circuits of a long iterator may be under way, or have results that nobody has read."""
    optimization_level: int | None = 1
    """Level at which circuits that are not native are compiled, 0 to 3; None: refuse to compile."""
    on_unknown: OnUnknown = "reconcile"
    """After a lost answer: ``"reconcile"`` looks for the job and sends again only when it is proven absent;
    ``"never"`` never sends again; ``"resubmit"`` does at once and may buy twice (simulator only)."""
    max_cost: float | None = None
    """What the run may cost at the most, in the unit of the service's estimates; None: whatever it costs. All
    circuits are compiled and priced before the first is sent."""
    max_jobs: int | None = None
    """How many IonQ jobs the run may send at the most; None: as many as it takes."""
    on_interrupt: OnInterrupt = "detach"
    """What the first Ctrl-C does while a job is waited for: ``"detach"`` sends nothing more and leaves what
    was sent to itself; ``"cancel"`` cancels it, too."""
    keep_circuits: bool = True
    """Whether requests are kept on disk until the run is over, so that `resume` can send what was not sent.
    False for confidential circuits: they can then not be sent by another process."""
    progress: bool = False
    """Whether to show a progress bar on a terminal or in a notebook."""

    def __post_init__(self) -> None:
        """Refuse what cannot be right, however the options were made.

        Raises:
            OptionError: a value is of the wrong type or out of range.
        """
        for name in OPTION_NAMES:
            value = getattr(self, name)
            if value is None and name not in _NONE_IS_A_VALUE:
                raise OptionError(f"{name} must not be None")
            object.__setattr__(self, name, _CHECKS[name](name, value))
        _require_one_voice(self._mitigations())
        if self.sharpen is not None and self.aggregation is not None:
            raise OptionError("sharpen and aggregation choose the same thing: give one of them")
        for name in ("name", "session_id"):
            if name in self.extra_query_params and getattr(self, name) is not None:
                raise OptionError(f"{name} is given twice: as an option, and in extra_query_params")

    def update(self, **changes: Any) -> RunOptions:
        """Return a copy with some options changed. None means: as it was, where None is not a value itself.

        Raises:
            UnknownOptionError: there is no option of that name.
            OptionError: a value is of the wrong type or out of range.
        """
        for name in changes:
            if name not in OPTION_NAMES:
                raise UnknownOptionError(_unknown(name))
        resets = _NONE_IS_A_VALUE - {"seed_simulator"}  # Qiskit's primitives send it as None at every run
        given = {name: value for name, value in changes.items() if value is not None or name in resets}
        return replace(self, **given)

    def check_target(self, target: str) -> None:
        """Refuse what a target cannot do.

        Raises:
            OptionError: a noise model or resubmission on a machine that costs money, and the like.
        """
        if wire.is_qpu(target):
            if self.noise_model not in (None, "ideal"):
                raise OptionError(
                    f"noise_model={self.noise_model!r} is for the simulator; the target is {target}"
                )
            if self.on_unknown == "resubmit":
                raise OptionError(
                    f"on_unknown='resubmit' may buy a circuit twice and is refused on {target}; "
                    "use 'reconcile' or 'never'"
                )
        mitigation = self.mitigation()
        if not wire.is_qpu(target):
            asked = [name for name in _MITIGATIONS if getattr(self, name) or self._block.get(name)]
            asked += [name for name in ("sharpen", "aggregation") if getattr(self, name)]
            if asked:
                raise OptionError(
                    f"{asked[0]} is for machines: {target} has no errors of a machine to mitigate"
                )
        fewest = self.shots if isinstance(self.shots, int) else min(self.shots, default=wire.DEBIASED_FROM)
        if mitigation.get("debiasing") and fewest < wire.DEBIASED_FROM:
            raise OptionError("debiasing needs at least 500 shots")
        if self.sharpen or self.aggregation is not None:
            chosen = "sharpen" if self.sharpen else "aggregation"
            if mitigation.get("debiasing") is False:
                raise OptionError(f"{chosen} reads the variants of debiasing, which is turned off")
            if fewest < wire.DEBIASED_FROM:
                raise OptionError(f"{chosen} reads the variants of debiasing, which needs at least 500 shots")

    def check_entry(self, entry: CatalogEntry) -> None:
        """Refuse what the service says that a target does not offer; where it says nothing all passes.

        Raises:
            OptionError: a noise model or a mitigation that it does not have.
        """
        models = entry.noise_models
        if not self.is_ideal and models and self.noise_model not in models:
            raise OptionError(
                f"{entry.name} has no noise_model {self.noise_model!r}; it has {', '.join(models)}"
            )
        offered = entry.error_mitigations
        asked = {name for name in _MITIGATIONS if getattr(self, name) or self._block.get(name)}
        if self.sharpen or self.aggregation is not None:
            asked.add("debiasing")
        missing = sorted(asked.difference(offered)) if offered else []
        if missing:
            raise OptionError(
                f"{entry.name} does not offer {missing[0]}; the service names {', '.join(offered)}. "
                "What is put into job_settings is sent unseen"
            )

    def each_shots(self, count: int) -> tuple[int, ...]:
        """Return the shots of each of ``count`` circuits.

        Raises:
            OptionError: a list of shots of another length was given.
        """
        if isinstance(self.shots, int):
            return (self.shots,) * count
        if len(self.shots) != count:
            raise OptionError(f"shots lists {len(self.shots)} numbers for {count} circuits")
        return self.shots

    @property
    def is_ideal(self) -> bool:
        """Whether the simulator, if that is the target, gives an exact distribution."""
        return self.noise_model in (None, "ideal")

    def noise(self, target: str, index: int = 0, seed: int | None = None) -> dict[str, Any] | None:
        """Return the ``noise`` member of the job that begins with circuit ``index``, or None.

        The first job has ``sampler_seed`` itself, each other one a seed drawn from it: equal circuits must
        not share their noise. Without one a noisy job has a seed drawn from ``seed``, the run's: a service
        that is asked twice for the result of a job without a seed draws it twice.
        """
        if wire.is_qpu(target):
            return None
        model: dict[str, Any] = {"model": self.noise_model or "ideal"}
        if self.sampler_seed is not None:
            model["seed"] = self.sampler_seed if index == 0 else _child_seed(self.sampler_seed, index)
        elif seed is not None and not self.is_ideal:
            model["seed"] = _child_seed(seed, index)
        return model

    def settings(self) -> dict[str, Any]:
        """Return the ``settings`` member of a job."""
        settings = dict(self.job_settings or {})
        if any(block for _, block in self._mitigations()[1:]):
            settings["error_mitigation"] = self.mitigation()
        return settings

    def mitigation(self) -> dict[str, Any]:
        """Return the ``error_mitigation`` member of a job's settings, in whatever way it was said."""
        merged: dict[str, Any] = {}
        for _, block in self._mitigations():
            merged.update(block)
        return merged

    @property
    def reading(self) -> str:
        """The query that names which result of a debiased job is wanted; empty: the service's own choice."""
        if self.sharpen is not None:
            return f"sharpen={str(self.sharpen).lower()}"
        return "" if self.aggregation is None else f"aggregation={self.aggregation}"

    @property
    def _block(self) -> Mapping[str, Any]:
        """What ``error_mitigation`` says, which may be qiskit-ionq's enum."""
        return getattr(self.error_mitigation, "value", self.error_mitigation) or {}

    def _mitigations(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return everything that is said of error mitigation, and where."""
        named = {name: getattr(self, name) for name in _MITIGATIONS}
        return [
            ("job_settings['error_mitigation']", (self.job_settings or {}).get("error_mitigation") or {}),
            ("error_mitigation", self._block),
            *((name, {name: value}) for name, value in named.items() if value is not None),
        ]


def _require_one_voice(said: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Refuse contradictions.

    Raises:
        OptionError: two ways to say one thing say different things.
    """
    first: dict[str, tuple[str, Any]] = {}
    for where, block in said:
        for name, value in block.items():
            earlier, other = first.setdefault(name, (where, value))
            if other != value:
                raise OptionError(
                    f"{where} says {name}={value!r}, and {earlier} says {other!r}: say it in one way"
                )


def _child_seed(seed: int, index: int) -> int:
    """Return child ``index`` of a seed, 1 to 2**31 - 1."""
    drawn = int(np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(1)[0])
    return 1 + drawn % (2**31 - 1)


_MITIGATIONS = ("debiasing", "symmetry_verification")
OPTION_NAMES = tuple(f.name for f in fields(RunOptions))
_NONE_IS_A_VALUE = {
    "seed_simulator", "sampler_seed", "noise_model", "error_mitigation", "debiasing",
    "symmetry_verification", "sharpen", "aggregation", "job_settings", "name", "session_id",
    "optimization_level", "max_cost", "max_jobs",
}  # fmt: skip


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, OPTION_NAMES, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"the options are {', '.join(OPTION_NAMES)}"
    return f"unknown option {name!r}: {hint}"


def _integer(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise OptionError(f"{name} must be an integer, not {value!r} ({type(value).__name__})")
    number = operator.index(value)
    if not low <= number <= high:
        raise OptionError(f"{name} must be between {low:,} and {high:,}, not {number:,}")
    return number


def _whole(low: int, high: int) -> Any:
    return lambda name, value: None if value is None else _integer(name, value, low, high)


def _shots(name: str, value: Any) -> int | tuple[int, ...]:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return tuple(_integer(f"{name}[{i}]", v, 1, wire.MAX_SHOTS) for i, v in enumerate(value))
    if getattr(value, "ndim", 0) == 1:
        return _shots(name, value.tolist())
    return _integer(name, value, 1, wire.MAX_SHOTS)


def _per_job(name: str, value: Any) -> int | str:
    if isinstance(value, str) and value == "auto":
        return value
    if isinstance(value, str):
        raise OptionError(f"{name} must be a number or 'auto', not {value!r}")
    return _integer(name, value, 1, wire.MAX_CIRCUITS_PER_JOB)


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if type(value).__name__ in ("bool", "bool_"):  # numpy's
        return bool(value)
    raise OptionError(f"{name} must be True or False, not {value!r}")


def _flag_or_none(name: str, value: Any) -> bool | None:
    return None if value is None else _flag(name, value)


def _amount(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= float(value) < math.inf:
        raise OptionError(f"{name} must be an amount, 0 or more, not {value!r}")
    return float(value)


def _level(name: str, value: Any) -> int:
    if value != 2:
        raise OptionError(f"{name} must be 2: the service gives bits, and nothing less processed")
    return 2


def _text(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise OptionError(f"{name} must be text, not {value!r}")
    return value


def _mapping(name: str, value: Any) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, Mapping):
        raise OptionError(f"{name} must be a mapping, not {value!r}")
    return None if value is None else dict(value)


def _settings(name: str, value: Any) -> dict[str, Any] | None:
    settings = _mapping(name, value)
    for member in ("error_mitigation", "compilation"):
        _mapping(f"{name}[{member!r}]", (settings or {}).get(member))
    return settings


def _metadata(name: str, value: Any) -> dict[str, str]:
    entries = _mapping(name, value) or {}
    for key in entries:
        if key in (wire.TOKEN_KEY, wire.CHECK_KEY, wire.CONTENT_KEY, wire.HEADER_KEY):
            raise OptionError(f"{name}[{key!r}] is set by this package and may not be given")
    return {str(key): str(entry) for key, entry in entries.items()}


_BODY_MEMBERS = ("type", "backend", "input", "shots", "metadata", "noise", "dry_run")


def _body_members(name: str, value: Any) -> dict[str, Any]:
    members = _mapping(name, value) or {}
    for key in members:
        if key in _BODY_MEMBERS:
            raise OptionError(f"{name}[{key!r}] would overwrite what the job is; use the option of that name")
    return members


def _noise_model(name: str, value: Any) -> str | None:
    if value is None:
        return None
    model = str(_text(name, value)).removeprefix("ionq_").removeprefix("qpu.")
    if model not in wire.NOISE_MODELS:
        raise OptionError(f"{name}={value!r} does not exist; there are {', '.join(wire.NOISE_MODELS)}")
    return model


def _mitigation(name: str, value: Any) -> Any:
    block = getattr(value, "value", value)
    if block is not None and not isinstance(block, Mapping):
        raise OptionError(f"{name} must be a mapping such as {{'debiasing': True}}, not {value!r}")
    for key, entry in (block or {}).items():
        if key not in _MITIGATIONS:
            raise OptionError(f"{name} has no {key!r}; it has debiasing and symmetry_verification")
        _flag(f"{name}[{key!r}]", entry)
    return value


def _choice(choices: Any) -> Any:
    named = ", ".join(map(repr, get_args(choices)))

    def checked(name: str, value: Any) -> Any:
        if value is None and name in _NONE_IS_A_VALUE:
            return None
        if not isinstance(value, str) or value not in get_args(choices):
            raise OptionError(f"{name} must be one of {named}, not {value!r}")
        return value

    return checked


_CHECKS: dict[str, Any] = {
    "shots": _shots,
    "memory": _flag,
    "meas_level": _level,
    "seed_simulator": _whole(0, 2**63 - 1),
    "sampler_seed": _whole(1, 2**31 - 1),
    "noise_model": _noise_model,
    "error_mitigation": _mitigation,
    "debiasing": _flag_or_none,
    "symmetry_verification": _flag_or_none,
    "sharpen": _flag_or_none,
    "aggregation": _choice(Aggregation),
    "job_settings": _settings,
    "extra_query_params": _body_members,
    "extra_metadata": _metadata,
    "name": _text,
    "session_id": _text,
    "dry_run": _flag,
    "max_workers": _whole(1, MAX_WORKERS_LIMIT),
    "use_parallel": _flag,
    "circuits_per_job": _per_job,
    "window": _whole(1, 1_000_000),
    "optimization_level": _whole(0, 3),
    "on_unknown": _choice(OnUnknown),
    "max_cost": _amount,
    "max_jobs": _whole(1, 1_000_000),
    "on_interrupt": _choice(OnInterrupt),
    "keep_circuits": _flag,
    "progress": _flag,
}
