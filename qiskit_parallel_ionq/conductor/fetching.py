# SPDX-License-Identifier: Apache-2.0
"""Brings results home: of single circuits, of packs at once, and of a pack's circuits one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ..batch import Batch
from ..decode import RawResult
from ..errors import ApiError, ResultIntegrityError
from ..lifecycle import BetLost, Fetched, FetchFailed, Phase
from ..parcel import Parcel
from ..sources import aggregate_sources, sources
from ..wire import JobRecord, JobState
from ..worker import Report
from .ledger import Stage, pause
from .loop import Order, Task
from .watching import Watching

READS = 3
"""How often a result that cannot be true is read before it is believed to be so."""
REFUSALS_BELIEVED = 5
"""How often a refused read of a finished job is repeated before it is believed."""


class Fetching:
    """The way of a result out of the service."""

    def __init__(self, stage: Stage, watching: Watching) -> None:
        self._stage = stage
        self._watching = watching

    def fetch(self, batch: Batch, number: int) -> None:
        """Ask for a result; for a pack, for all distributions at once or for each circuit by itself."""
        parcel, submission, worker = batch.parcels[number], batch.submissions[number], self._stage.worker
        voyage, job_id = self._stage.ledger(batch).voyages[number], submission.job_id or ""
        voyage.reading += 1
        voyage.setbacks, voyage.aggregate = 0, None
        record = submission.record
        results = None if record is None or submission.is_bet else record.results
        if parcel.dry_run:
            for index in parcel.circuits:
                self._stage.circuit_done(batch, index, None, None)
            self._finish(batch, number)
        elif not parcel.is_pack:
            kinds = parcel.kinds[:1] if submission.is_bet else parcel.kinds
            places = sources(job_id, results, kinds, by_register=parcel.by_register, query=parcel.query)
            self._read(
                batch, number, lambda: worker.fetch(places), lambda raw: self._single(batch, number, raw)
            )
        else:
            if record is None or not record.child_ids:
                self._read(
                    batch,
                    number,
                    lambda: worker.look_at(job_id),
                    lambda seen: self._children(batch, number, seen),
                )
            elif _by_child(parcel, record):
                self._fetch_children(batch, number, range(len(parcel.circuits)))
            if not _by_child(parcel, record):
                aggregates = aggregate_sources(job_id, results, parcel.query)
                self._read(
                    batch,
                    number,
                    lambda: worker.fetch(aggregates),
                    lambda raw: self._aggregate(batch, number, raw),
                    lambda: self._aggregate(batch, number, RawResult("probabilities", {})),
                )

    def _read(
        self,
        batch: Batch,
        number: int,
        perform: Callable[[], Report],
        then: Callable[[Any], None],
        otherwise: Callable[[], None] | None = None,
    ) -> None:
        """Perform a read of a job's result, again and again while that may help; or something else."""
        ledger, stage = self._stage.ledger(batch), self._stage
        voyage = ledger.voyages[number]
        reading = voyage.reading

        def finish(report: Report) -> None:
            submission = batch.submissions[number]
            if submission.phase is not Phase.FETCHING or voyage.reading != reading:
                return
            if report.error is None:
                batch.stamps.read(number, report.sent_at, stage.loop.now())
                then(report.value)
            elif submission.is_bet and not report.is_congestion:
                self._lose_bet(batch, number)
            elif otherwise is not None and not report.is_passing:
                otherwise()
            elif report.is_passing or voyage.setbacks < REFUSALS_BELIEVED:
                voyage.setbacks += 1
                batch.stamps.troubles.append((number, stage.loop.now(), str(report.error)))
                due = stage.loop.now() + pause(stage, voyage.setbacks)
                stage.loop.at(due, lambda: ledger.lane.put(Order.FETCH, task))
            else:
                stage.apply(batch, number, FetchFailed(report.error, at=stage.loop.now()))

        task = Task(perform=perform, then=finish)
        ledger.lane.put(Order.FETCH, task)

    def _lose_bet(self, batch: Batch, number: int) -> None:
        self._watching.bet_lost(batch, number)
        self._stage.apply(batch, number, BetLost())

    def _single(self, batch: Batch, number: int, raw: RawResult) -> None:
        if batch.submissions[number].awaits_look:  # nobody has said yet that the job is ours
            self._stage.ledger(batch).voyages[number].held = lambda: self._single(batch, number, raw)
            self._watching.look_at(self._stage.loop.now(), batch, number)
        elif self._decode(batch, number, 0, raw):
            self._finish(batch, number)

    def _read_again(self, batch: Batch, number: int) -> bool:
        """Have a spoilt result read once more, if that has not been tried often enough.

        A bet is lost by it: some services answer before the result is whole.
        """
        if batch.submissions[number].is_bet:
            self._lose_bet(batch, number)
            return True
        voyage, loop = self._stage.ledger(batch).voyages[number], self._stage.loop
        voyage.spoilt += 1
        if voyage.spoilt >= READS:
            return False
        reading = voyage.reading

        def again() -> None:
            if (
                self._stage.is_open(batch)
                and voyage.reading == reading
                and batch.submissions[number].phase is Phase.FETCHING
            ):
                self.fetch(batch, number)

        loop.at(loop.now() + pause(self._stage, voyage.spoilt), again)
        return True

    def _children(self, batch: Batch, number: int, seen: dict[str, JobRecord]) -> None:
        """Go on with a pack once its own page has named its circuits."""
        submission, parcel = batch.submissions[number], batch.parcels[number]
        record = seen[submission.job_id or ""]
        if self._watching.disowned(batch, number, record):
            return
        if submission.is_bet and record.state is not JobState.COMPLETED:
            self._lose_bet(batch, number)
            return
        if len(record.child_ids) != len(parcel.circuits):
            reason = (
                f"job {record.id} carries {len(parcel.circuits)} circuits, but the service names "
                f"{len(record.child_ids)} children; their results cannot be told apart"
            )
            failed = FetchFailed(ResultIntegrityError(reason), at=self._stage.loop.now())
            self._stage.apply(batch, number, failed)
            return
        batch.submissions[number] = replace(submission, record=record)
        aggregate = self._stage.ledger(batch).voyages[number].aggregate
        if aggregate is not None:
            self._aggregate(batch, number, aggregate)
        elif _by_child(parcel, record):
            self._fetch_children(batch, number, range(len(parcel.circuits)))

    def _aggregate(self, batch: Batch, number: int, raw: RawResult) -> None:
        """Hand each circuit of a pack its distribution, by its child's id and never by position."""
        record, voyage = batch.submissions[number].record, self._stage.ledger(batch).voyages[number]
        if record is None or not record.child_ids:
            voyage.aggregate = raw  # its children's ids are on their way
            return
        if not isinstance(raw.body, dict) and self._read_again(batch, number):
            return
        distributions = raw.body if isinstance(raw.body, dict) else {}
        missing = []
        for position, child in enumerate(record.child_ids):
            if child not in distributions:
                missing.append(position)
            elif not self._decode(batch, number, position, RawResult(raw.kind, distributions[child])):
                return
        if missing:
            self._fetch_children(batch, number, missing)
        else:
            self._finish(batch, number)

    def _fetch_children(self, batch: Batch, number: int, positions: Iterable[int]) -> None:
        """Read circuits of a pack one by one, all at the same time."""
        record = batch.submissions[number].record
        children = () if record is None else record.child_ids
        wanted = list(positions)
        self._stage.ledger(batch).voyages[number].pieces = len(wanted)
        for position in wanted:
            self._fetch_child(batch, number, position, children[position])

    def _fetch_child(self, batch: Batch, number: int, position: int, child: str, attempt: int = 1) -> None:
        ledger, stage, parcel = self._stage.ledger(batch), self._stage, batch.parcels[number]
        reading = ledger.voyages[number].reading

        def again() -> None:
            if stage.is_open(batch):
                self._fetch_child(batch, number, position, child, attempt + 1)

        def finish(report: Report) -> None:
            if ledger.voyages[number].reading != reading:
                return
            is_refused = isinstance(report.error, ApiError) and attempt < REFUSALS_BELIEVED
            if report.is_passing or is_refused:
                batch.stamps.troubles.append((number, stage.loop.now(), str(report.error)))
                due = stage.loop.now() + pause(stage, attempt)
                stage.loop.at(due, again)
                return
            if report.error is None:
                batch.stamps.read(number, report.sent_at, stage.loop.now())
                self._decode(batch, number, position, report.value)
            else:
                stage.circuit_failed(batch, parcel.circuits[position], report.error)
            ledger.voyages[number].pieces -= 1
            if ledger.voyages[number].pieces == 0:
                self._finish(batch, number)

        task = Task(perform=lambda: stage.worker.fetch_child(child, parcel.kinds, parcel.query), then=finish)
        ledger.lane.put(Order.FETCH, task)

    def _decode(self, batch: Batch, number: int, position: int, raw: RawResult) -> bool:
        """Decode one circuit's result; False when it was spoilt, and will be read again."""
        parcel = batch.parcels[number]
        index = parcel.circuits[position]
        batch.stamps.open(number, self._stage.loop.now())
        try:
            outcome = batch.decode(index, parcel, raw)
        except ResultIntegrityError as error:
            if self._read_again(batch, number):
                return False
            self._stage.circuit_failed(batch, index, error)
        else:
            self._stage.circuit_done(batch, index, outcome, raw)
        return True

    def _finish(self, batch: Batch, number: int) -> None:
        if batch.submissions[number].is_bet:
            self._watching.bet_won(batch, number)
        self._stage.apply(batch, number, Fetched(at=self._stage.loop.now()))


def _by_child(parcel: Parcel, record: JobRecord | None) -> bool:
    """Say whether a pack's circuits are read one by one: for their shots, or because some failed."""
    return parcel.by_child or (record is not None and record.state is JobState.FAILED)
