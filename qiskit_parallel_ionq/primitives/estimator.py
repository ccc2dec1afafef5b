# SPDX-License-Identifier: Apache-2.0
"""The estimator: expectation values of observables, from as few circuits as tell them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.primitives import BaseEstimatorV2, DataBin, PrimitiveResult, PubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub, EstimatorPubLike

from .. import wire
from ..backend import ParallelIonQBackend
from ..decode import Outcome
from ..drafts import Draft
from ..errors import OptionError
from ..job import ParallelIonQJob
from ..options import RunOptions
from .drafters import Drafters, Identity
from .job import ParallelPrimitiveJob, provenance
from .observables import Basis, Reading, bases, exact_mean, is_constant, sampled_mean
from .options import EstimatorOptions, as_options
from .running import coerced, naming_pub, our_backend, run_options, table_of


class EstimatorV2(BaseEstimatorV2):
    """Estimates expectation values on a backend of this package.

    All circuits of all PUBs, whatever their precision, are sent together. Terms that can be measured at once
    are; a circuit with parameters is compiled once. Circuits need not be transpiled.

    On the ideal simulator values come from the exact distribution: they have no shot noise, their standard
    errors are 0, and the metadata says ``exact``. Elsewhere they come from ``1 / precision²`` shots of each
    circuit, and their standard errors from the spread of the shots.

    Args:
        backend: from ``provider.get_backend``.
        options: `EstimatorOptions`, or a mapping of their names.

    Raises:
        OptionError: an option is unknown or cannot be right, or the backend is of another package.

    >>> from qiskit import QuantumCircuit
    >>> from qiskit_parallel_ionq import ParallelIonQProvider
    >>> bell = QuantumCircuit(2); _ = bell.h(0), bell.cx(0, 1)
    >>> with ParallelIonQProvider.local() as provider:
    ...     estimator = EstimatorV2(provider.get_backend("ionq_parallel"))
    ...     data = estimator.run([(bell, ["ZZ", "XX", "ZI"])]).result()[0].data
    >>> data.evs.round(6).tolist(), data.stds.tolist()
    ([1.0, 1.0, 0.0], [0.0, 0.0, 0.0])
    """

    def __init__(
        self, backend: ParallelIonQBackend, options: EstimatorOptions | Mapping[str, Any] | None = None
    ) -> None:
        self._backend = our_backend(backend, type(self).__name__)
        self._options = as_options(EstimatorOptions, options)
        self._drafters = Drafters(self._backend)

    @property
    def backend(self) -> ParallelIonQBackend:
        """Where circuits are run."""
        return self._backend

    @property
    def options(self) -> EstimatorOptions:
        """What this estimator was told."""
        return self._options

    @property
    def default_precision(self) -> float:
        """Precision of a PUB that says none."""
        return self._options.default_precision

    def run(
        self, pubs: Iterable[EstimatorPubLike], *, precision: float | None = None
    ) -> ParallelPrimitiveJob:
        """Send all circuits of all PUBs, and return at once. Everything is checked before anything is sent.

        Args:
            pubs: ``(circuit, observables)``, with ``values`` and ``precision`` where wanted, each.
            precision: of PUBs that say none; None: `EstimatorOptions.default_precision`.

        Raises:
            ValueError: values or observables do not fit their circuit.
            CircuitError: a circuit cannot run here.
            OptionError: a precision cannot be reached, or a run cannot be told so.
        """
        default = self.default_precision if precision is None else precision
        asked: list[EstimatorPub] = coerced(EstimatorPub, pubs, default)
        options = run_options(self._backend, self._options, memory=False)
        is_exact = self._backend.simulator and options.is_ideal
        shots = [_shots(index, pub.precision, is_exact) for index, pub in enumerate(asked)]
        plan = Plan(is_exact)
        self._backend.require_ready(options)
        for index, pub in enumerate(asked):
            with naming_pub(index):
                plan.add(index, pub, shots[index])
        options = replace(options, shots=plan.shots())
        options.check_target(self._backend.ionq_target)
        job = self._backend.send(plan.drafts(self._drafters, options), options)
        return ParallelPrimitiveJob(job, _Finish(job, plan, shots))


def _shots(index: int, precision: float, is_exact: bool) -> int:
    """Return how many shots reach a precision. An exact value has any; it only has to be asked for."""
    if is_exact and precision == 0:
        return 1
    if not 0 < precision < math.inf:
        raise OptionError(
            f"PUB {index}: precision {precision} cannot be reached with shots; give a number above 0"
        )
    shots = math.ceil(round(1 / precision**2, 6)) or 1
    if shots > wire.MAX_SHOTS and not is_exact:
        raise OptionError(
            f"PUB {index}: precision {precision} takes {shots:,} shots of a circuit, and {wire.MAX_SHOTS:,} "
            f"are the most; the best there is is {wire.MAX_SHOTS**-0.5}"
        )
    return min(shots, wire.MAX_SHOTS)


@dataclass(slots=True)
class _Point:
    """One circuit at one set of values, and the terms wanted there."""

    pub: int
    """The first PUB that asks for it."""
    circuit: QuantumCircuit
    row: npt.NDArray[np.float64]
    shots: int
    labels: set[str] = field(default_factory=set)
    bases: Mapping[Basis, tuple[str, ...]] = field(default_factory=dict)
    first: int = 0
    """Where its circuits, one for each basis, begin in the run."""


@dataclass(slots=True)
class _Wanted:
    """One PUB: the point and the observable of each of its values."""

    pub: EstimatorPub
    offset: int
    """Where the bits of a basis begin: after the circuit's own. It may be given more before this is read."""
    points: list[_Point]
    observables: list[Mapping[str, float]]
    point_of: npt.NDArray[np.int64]
    observable_of: npt.NDArray[np.int64]


class Plan:
    """Which circuits tell all values that all PUBs ask for.

    Exact values of one circuit at one set of values are shared by everybody who asks. Shots are shared only
    within a place of one PUB: who asks twice wants two samples.
    """

    def __init__(self, is_exact: bool) -> None:
        self.is_exact = is_exact
        self.wanted: list[_Wanted] = []
        self._points: dict[Hashable, _Point] = {}

    def add(self, index: int, pub: EstimatorPub, shots: int) -> None:
        """Take one PUB."""
        table = table_of(pub.circuit, pub.parameter_values)
        points = [self._point(index, place, pub.circuit, row, shots) for place, row in enumerate(table)]
        flat = pub.observables.ravel()
        observables: list[Mapping[str, float]] = [flat[place] for place in range(flat.size)]
        sets = np.arange(len(points)).reshape(pub.parameter_values.shape)
        which = np.arange(len(observables)).reshape(pub.observables.shape)
        point_of, observable_of = (each.ravel() for each in np.broadcast_arrays(sets, which))
        for point, observable in set(zip(point_of.tolist(), observable_of.tolist(), strict=True)):
            points[point].labels.update(observables[observable])
        offset = pub.circuit.num_clbits
        self.wanted.append(_Wanted(pub, offset, points, observables, point_of, observable_of))

    def _point(
        self, index: int, place: int, circuit: QuantumCircuit, row: npt.NDArray[np.float64], shots: int
    ) -> _Point:
        key = (id(circuit), row.tobytes()) if self.is_exact else (index, place)
        return self._points.setdefault(key, _Point(index, circuit, row, shots))

    def shots(self) -> tuple[int, ...]:
        """Find the bases of all points, and return the shots of each circuit."""
        each: list[int] = []
        for point in self._points.values():
            point.bases = bases(point.labels)
            point.first = len(each)
            each += [point.shots] * len(point.bases)
        return tuple(each)

    def drafts(self, drafters: Drafters, options: RunOptions) -> list[Draft]:
        """Return all circuits. Those that differ only in their values are made together."""
        together: dict[tuple[int, Basis], list[tuple[int, _Point]]] = {}
        for point in self._points.values():
            for number, basis in enumerate(point.bases, point.first):
                together.setdefault((id(point.circuit), basis), []).append((number, point))
        made: dict[int, Draft] = {}
        known: dict[int, Identity] = {}
        for (which, basis), members in together.items():
            table = np.stack([point.row for _, point in members])
            first = members[0][1]
            with naming_pub(first.pub):
                if which not in known:
                    known[which] = Identity(first.circuit)
                drafts = drafters.of(known[which], basis, options)(table)
            made.update(zip([number for number, _ in members], drafts, strict=True))
        return [made[number] for number in range(len(made))]


@dataclass(frozen=True, slots=True)
class _Finish:
    """Makes the values of each PUB from the outcomes of its circuits."""

    job: ParallelIonQJob
    plan: Plan
    shots: list[int]

    def __call__(self, outcomes: list[Outcome]) -> PrimitiveResult:
        results = [
            self._pub_result(wanted, shots, outcomes)
            for wanted, shots in zip(self.plan.wanted, self.shots, strict=True)
        ]
        return PrimitiveResult(results, metadata={"version": 2, "job_id": self.job.job_id()})

    def _pub_result(self, wanted: _Wanted, shots: int, outcomes: list[Outcome]) -> PubResult:
        pub = wanted.pub
        readings: dict[tuple[int, Basis], Reading | None] = {}
        evs = np.zeros(len(wanted.point_of))
        squares = np.zeros(len(wanted.point_of))
        circuits: set[int] = set()
        for place, (p, o) in enumerate(zip(wanted.point_of, wanted.observable_of, strict=True)):
            point, observable = wanted.points[p], wanted.observables[o]
            evs[place] = sum(float(c) for label, c in observable.items() if is_constant(label))
            for number, (basis, labels) in enumerate(point.bases.items(), point.first):
                key = (int(o), basis)
                if key not in readings:
                    mine = {label: observable[label] for label in labels if label in observable}
                    readings[key] = Reading.of(mine, basis, wanted.offset) if mine else None
                reading = readings[key]
                if reading is None:
                    continue
                circuits.add(number)
                outcome = outcomes[number]
                values = reading.values(outcome.values)
                if self.plan.is_exact:
                    evs[place] += exact_mean(values, outcome)
                else:
                    mean, square = sampled_mean(values, outcome)
                    evs[place] += mean
                    squares[place] += square
        metadata = {
            "target_precision": pub.precision,
            "shots": shots,
            "exact": self.plan.is_exact,
            "circuits": len(circuits),
            "circuit_metadata": pub.circuit.metadata,
            **provenance(self.job, sorted(circuits)),
        }
        data = DataBin(evs=evs.reshape(pub.shape), stds=np.sqrt(squares).reshape(pub.shape), shape=pub.shape)
        return PubResult(data, metadata=metadata)
