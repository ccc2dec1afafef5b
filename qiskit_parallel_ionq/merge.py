# SPDX-License-Identifier: Apache-2.0
"""Ordered outcomes -> one Qiskit ``Result``; phases of all circuits -> one Qiskit status. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qiskit import QuantumCircuit
from qiskit.providers import JobStatus
from qiskit.result import Result
from qiskit.result.models import ExperimentResult, ExperimentResultData

from .decode import Outcome
from .lifecycle import FINAL, Phase


class BatchResult(Result):
    """A ``Result`` that finds entries by name without walking through all of them.

    Asking for each of N circuits by name takes N steps, where Qiskit's own takes N².

    >>> entries = [experiment({"name": name}, shots=1) for name in ("a", "b", "c")]
    >>> merge(entries, backend_name="b", backend_version="1", job_id="j").data("b")
    {}
    """

    _places: dict[str, list[int]] | None = None

    def _get_experiment(self, key: Any = None) -> ExperimentResult:
        name = key.name if isinstance(key, QuantumCircuit) else key
        place = self._place(name) if isinstance(name, str) else None
        return super()._get_experiment(key if place is None else place)

    def _place(self, name: str) -> int | None:
        """Return where the one entry of a name is; None where Qiskit has to look, and to warn or refuse."""
        if self._places is None:
            self._places = {}
            for place, entry in enumerate(self.results):
                self._places.setdefault(str(_name(entry)), []).append(place)
        places = self._places.get(name, ())
        if len(places) == 1 and places[0] < len(self.results) and _name(self.results[places[0]]) == name:
            return places[0]
        return None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_places"}


def _name(entry: ExperimentResult) -> Any:
    header = getattr(entry, "header", None)
    return None if header is None else header.get("name", "")


def composite_status(phases: Sequence[Phase]) -> JobStatus:
    """Return the status of a run: final only when every circuit's is, and never moving back.

    Circuits that were not sent count as cancelled: that is no error.

    >>> composite_status([Phase.DONE, Phase.FAILED, Phase.QUEUED]).name
    'RUNNING'
    """
    kinds = set(phases)
    if kinds <= FINAL:
        if Phase.FAILED in kinds:
            return JobStatus.ERROR
        return JobStatus.CANCELLED if Phase.CANCELLED in kinds else JobStatus.DONE
    if kinds & (FINAL | {Phase.RUNNING, Phase.FETCHING}):
        return JobStatus.RUNNING
    return JobStatus.QUEUED if Phase.QUEUED in kinds else JobStatus.INITIALIZING


def experiment(
    header: Mapping[str, Any],
    *,
    shots: int,
    outcome: Outcome | None = None,
    error: Exception | None = None,
    seed: int | None = None,
    job_id: str | None = None,
) -> ExperimentResult:
    """Return the entry of one circuit.

    Args:
        header: the circuit's experiment header.
        shots: shots asked for.
        outcome: its result; None where there is none, as after a dry run.
        error: why there is none.
        seed: the seed of the run.
        job_id: the IonQ job that carried it.
    """
    data: dict[str, Any] = {}
    if outcome is not None:
        data["counts"] = outcome.counts
        if outcome.order is not None:
            data["memory"] = outcome.memory
        if outcome.weights is not None:
            data["probabilities"] = outcome.probabilities
    return ExperimentResult(
        shots=shots,
        success=error is None,
        data=ExperimentResultData(**data),
        status="DONE" if error is None else f"{type(error).__name__}: {error}",
        seed=seed,
        header={**header, "ionq_job_id": job_id},
    )


def merge(
    experiments: Sequence[ExperimentResult], *, backend_name: str, backend_version: str, job_id: str
) -> BatchResult:
    """Return one ``Result`` whose entry *i* is circuit *i*."""
    good = sum(entry.success for entry in experiments)
    return BatchResult(
        backend_name=backend_name,
        backend_version=backend_version,
        job_id=job_id,
        success=good == len(experiments),
        results=list(experiments),
        status="COMPLETED"
        if good == len(experiments)
        else f"{good} of {len(experiments)} circuits have a result",
    )
