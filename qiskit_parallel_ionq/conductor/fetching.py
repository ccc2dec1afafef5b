# SPDX-License-Identifier: Apache-2.0
"""Reads the results of jobs: of single circuits, of packs in one answer, and of a pack's circuits one by one.

A result may be asked for at the moment at which it is expected, before the job was seen complete. Some
services answer that with the part of the shots that has been taken so far, normalised like a whole
distribution. Such an answer is believed only with evidence that it is whole: shots or counts that add up, or
the job's own record, asked for at the same time (`_is_whole`).

Every circuit of a job that is read ends with a result or an error; the submission ends when all have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from ..batch import Batch
from ..decode import RawResult
from ..errors import ApiError, CircuitCancelledError, IonQError, ResultIntegrityError
from ..lifecycle import BetLost, Fetched, FetchFailed, Phase, failure_of
from ..memory import largest_text
from ..parcel import Parcel
from ..sources import aggregate_sources, sources
from ..wire import JobRecord, JobState
from ..worker import Report, parsed
from .ledger import Ledger, Reading, Stage, Voyage, pause
from .loop import Order, Task
from .watching import BELIEVE_LOSS_AFTER, Watching

READS = 3
"""How often a result that cannot be true is read before it is believed to be so."""
UNREADABLE_READS = 5
"""How often a result that is not readable at all is read: it may be a gateway's page, for some seconds."""
REFUSALS_BELIEVED = 5
"""How often a refused read of a finished job is repeated before it is believed."""
MAY_PASS = frozenset({403, 404})
"""Statuses that a result which was paid for may be answered with for some minutes."""
_SURE_TO_FIT = 1 << 26
"""Bytes for which memory is not asked about."""
LARGE = 1 << 18
"""Bytes of a result from which on it is decoded and kept on a worker's thread."""


@dataclass(slots=True)
class _Tries:
    """How often one read has failed, by what may help."""

    setbacks: int = 0
    refusals: int = 0
    refused_since: float | None = None
    spoilt: int = 0


class Fetching:
    """Reads results, again as long as that may help, and publishes them."""

    def __init__(self, stage: Stage, watching: Watching) -> None:
        self._stage = stage
        self._watching = watching

    def fetch(self, batch: Batch, number: int) -> None:
        """Begin to read what the circuits of a submission lack."""
        parcel, submission, now = batch.parcels[number], batch.submissions[number], self._stage.loop.now()
        lacking = {at for at, index in enumerate(parcel.circuits) if not batch.has_ended(index)}
        reading = Reading(lacking, complete_from=float("inf") if submission.is_bet else now)
        self._voyage(batch, number).reading = reading
        if parcel.dry_run:
            for index in parcel.circuits:
                self._stage.circuit_done(batch, index, None, None)
            lacking.clear()
        if not lacking:
            self._finish(batch, number)
        elif not parcel.is_pack:
            self._read_single(batch, number, reading)
        elif not submission.is_bet and not parcel.children_of(submission.record):
            self._ask_children(batch, number, reading)
        elif _by_child(parcel, submission.record):
            self._read_children(batch, number, reading)
        else:
            self._read_aggregate(batch, number, reading)

    def settle(self, batch: Batch, number: int) -> None:
        """Go on with an answer that is here, if there is evidence now that it is whole."""
        submission, reading = batch.submissions[number], self._voyage(batch, number).reading
        if reading is None or submission.phase is not Phase.FETCHING:
            return
        if submission.is_complete:
            reading.complete_from = min(reading.complete_from, self._stage.loop.now())
        if reading.answer is None or (submission.is_bet and not self._is_evident(batch, number, reading)):
            return
        answer = reading.answer
        if not batch.parcels[number].is_pack:
            reading.answer = None
            self._decode(batch, number, reading, 0, answer, partial(self._decoded, batch, number, reading))
        elif batch.parcels[number].children_of(submission.record):
            reading.answer = None
            self._share_out(batch, number, reading, answer)
        else:
            self._ask_children(batch, number, reading)

    # -- requests ------------------------------------------------------------------------------

    def _read_single(self, batch: Batch, number: int, reading: Reading) -> None:
        parcel, submission, worker = batch.parcels[number], batch.submissions[number], self._stage.worker
        results = None if submission.record is None or submission.is_bet else submission.record.results
        kinds = parcel.kinds[:1] if submission.is_bet else parcel.kinds
        places = sources(
            submission.job_id or "", results, kinds, by_register=parcel.by_register, query=parcel.query
        )
        largest = _largest(parcel)
        self._read(
            batch,
            number,
            reading,
            perform=lambda: worker.fetch(places, largest=largest),
            digest=parsed,
            then=partial(self._answered, batch, number, reading),
        )

    def _read_aggregate(self, batch: Batch, number: int, reading: Reading) -> None:
        parcel, submission, worker = batch.parcels[number], batch.submissions[number], self._stage.worker
        results = None if submission.record is None or submission.is_bet else submission.record.results
        places, largest = aggregate_sources(submission.job_id or "", results, parcel.query), _largest(parcel)
        self._read(
            batch,
            number,
            reading,
            perform=lambda: worker.fetch(places, largest=largest),
            digest=partial(parsed, depth=1),
            then=partial(self._answered, batch, number, reading),
            refused=lambda: self._read_children(batch, number, reading),
        )

    def _ask_children(self, batch: Batch, number: int, reading: Reading) -> None:
        """Have a pack's own page name its circuits."""
        worker, job_id = self._stage.worker, batch.submissions[number].job_id or ""

        def answered(report: Report) -> None:
            self._named(batch, number, reading, report.value[job_id])

        self._read(batch, number, reading, perform=lambda: worker.look_at(job_id), then=answered)

    def _read(
        self,
        batch: Batch,
        number: int,
        reading: Reading,
        *,
        perform: Callable[[], Report],
        then: Callable[[Report], None],
        digest: Callable[[Report], Report] = lambda report: report,
        refused: Callable[[], None] | None = None,
    ) -> None:
        """Make a request about a job's result, again as long as that may help."""
        ledger, tries = self._ledger(batch), _Tries()

        def finish(report: Report) -> None:
            submission, error = batch.submissions[number], report.error
            if not self._is_current(batch, number, reading):
                return
            if error is None:
                batch.stamps.read(number, report.sent_at, self._stage.loop.now())
                then(report)
            elif submission.is_bet and not report.is_congestion:
                self._lose_bet(batch, number)
            elif _is_spoilt(error):
                self._spoilt(batch, number, reading, error, most=UNREADABLE_READS)
            elif refused is not None and not report.is_passing:
                refused()
            elif self._may_retry(batch, number, tries, report):
                self._retry(batch, number, reading, task, tries.setbacks + tries.refusals, error)
            else:
                error = _given_up(report, error)
                self._stage.apply(batch, number, FetchFailed(error, at=self._stage.loop.now()))

        task = Task(perform=perform, digest=digest, then=finish)
        ledger.lane.put(Order.FETCH, task)

    def _may_retry(self, batch: Batch, number: int, tries: _Tries, report: Report) -> bool:
        """Count a failed read; return whether to repeat it. A cancelled run is not waited for without end."""
        if report.is_passing:
            tries.setbacks += 1
            return not batch.submissions[number].cancel_asked or tries.setbacks <= REFUSALS_BELIEVED
        tries.refusals += 1
        if getattr(report.error, "status", None) not in MAY_PASS:
            return tries.refusals <= REFUSALS_BELIEVED
        now = self._stage.loop.now()
        tries.refused_since = now if tries.refused_since is None else tries.refused_since
        return now - tries.refused_since < BELIEVE_LOSS_AFTER

    def _retry(
        self, batch: Batch, number: int, reading: Reading, task: Task, setbacks: int, error: IonQError
    ) -> None:
        ledger, now = self._ledger(batch), self._stage.loop.now()
        batch.stamps.troubles.append((number, now, str(error)))

        def again() -> None:
            if self._is_current(batch, number, reading):
                ledger.lane.put(Order.FETCH, task)

        self._stage.at(batch, now + pause(self._stage, setbacks), again)

    # -- answers -------------------------------------------------------------------------------

    def _answered(self, batch: Batch, number: int, reading: Reading, report: Report) -> None:
        reading.answer, reading.asked_at = report.value, report.sent_at
        self.settle(batch, number)

    def _is_evident(self, batch: Batch, number: int, reading: Reading) -> bool:
        """Return whether an answer that was asked for early is ours and whole; else wait, or drop it."""
        submission, parcel = batch.submissions[number], batch.parcels[number]
        if submission.record is not None:
            if _counts_tell(parcel, reading.answer) or self._is_whole(batch, number, reading):
                return True
            if submission.is_complete or not self._watching.will_look(batch, number):
                self._lose_bet(batch, number)
        elif not self._watching.will_look(batch, number):  # the job has not yet said that it is ours
            self._watching.look_at(self._stage.loop.now(), batch, number)
        return False

    def _is_whole(self, batch: Batch, number: int, reading: Reading) -> bool:
        """Return whether a job was complete when the answer that is here left the service.

        It was if it was known to be complete before the answer was asked for. It also was if the job took no
        longer, by the service's own times, than from its submission to this request: the submission left
        ``quickest`` seconds before it was accepted at the latest, and the network adds to this request at
        least what it added to the submission.
        """
        submission, loop = batch.submissions[number], self._stage.loop
        if reading.asked_at >= reading.complete_from:
            return True
        took = None if submission.record is None else submission.record.service_seconds
        accepted_at = submission.accepted_at
        if not submission.is_complete or took is None or accepted_at is None:
            return False
        is_by_this_clock = accepted_at >= self._ledger(batch).began
        return is_by_this_clock and reading.asked_at >= accepted_at - loop.quickest + took

    def _lose_bet(self, batch: Batch, number: int) -> None:
        self._voyage(batch, number).reading = None
        self._watching.bet_lost(batch, number)
        self._stage.apply(batch, number, BetLost())

    def _spoilt(
        self, batch: Batch, number: int, reading: Reading, error: IonQError, *, most: int = READS
    ) -> None:
        """Read a result once more that cannot be true or cannot be read; a few times, then believe it.

        A bet is lost by it: some services answer before the result is whole.
        """
        if batch.submissions[number].is_bet:
            self._lose_bet(batch, number)
            return
        voyage, now = self._voyage(batch, number), self._stage.loop.now()
        voyage.spoilt += 1
        batch.stamps.troubles.append((number, now, str(error)))
        if voyage.spoilt < most:

            def again() -> None:
                if self._is_current(batch, number, reading):
                    self.fetch(batch, number)

            self._stage.at(batch, now + pause(self._stage, voyage.spoilt), again)
        elif batch.parcels[number].children_of(batch.submissions[number].record):
            self._read_children(batch, number, reading, reason=error)
        else:
            for position in sorted(reading.open):
                self._fail(batch, number, reading, position, error)
            self._finish(batch, number)

    def _named(self, batch: Batch, number: int, reading: Reading, record: JobRecord) -> None:
        """Go on with a pack once its own page has named its circuits."""
        submission, parcel = batch.submissions[number], batch.parcels[number]
        if self._watching.disowned(batch, number, record):
            return
        if parcel.children_of(record):
            batch.submissions[number] = replace(submission, record=record)
            if reading.answer is not None:
                self.settle(batch, number)
            elif _by_child(parcel, record):
                self._read_children(batch, number, reading)
            else:
                self._read_aggregate(batch, number, reading)
            return
        voyage = self._voyage(batch, number)
        reason = ResultIntegrityError(
            f"job {record.id} carries {len(parcel.circuits)} circuits, but the service names "
            f"{len(set(record.child_ids))} children; their results cannot be told apart"
        )
        if voyage.spoilt + 1 < READS:
            self._spoilt(batch, number, reading, reason)
            return
        error = failure_of(record) if record.state is JobState.FAILED else reason
        self._stage.apply(batch, number, FetchFailed(error, at=self._stage.loop.now()))

    def _share_out(self, batch: Batch, number: int, reading: Reading, answer: RawResult) -> None:
        """Hand each circuit of a pack its distribution, by its child's id and never by position."""
        children = batch.parcels[number].children_of(batch.submissions[number].record)
        body = answer.body
        if not isinstance(body, dict):
            reason = ResultIntegrityError(f"the service's results of job {number} are no object")
            self._spoilt(batch, number, reading, reason)
            return
        found = [position for position in sorted(reading.open) if children[position] in body]
        errors: list[IonQError] = []
        left = len(found)

        def decoded(error: IonQError | None) -> None:
            nonlocal left
            left -= 1
            errors.extend([] if error is None else [error])
            if left == 0:
                go_on()

        def go_on() -> None:
            if not reading.open:
                self._finish(batch, number)
            elif errors:
                self._spoilt(batch, number, reading, errors[0])
            else:  # some were left out
                self._read_children(batch, number, reading)

        for position in found:
            raw = RawResult(answer.kind, body[children[position]])
            self._decode(batch, number, reading, position, raw, decoded)
        if not found:
            go_on()

    def _read_children(
        self, batch: Batch, number: int, reading: Reading, reason: IonQError | None = None
    ) -> None:
        """Read circuits of a pack one by one, all at the same time.

        Args:
            batch: the batch.
            number: the submission.
            reading: the attempt.
            reason: what was wrong with the answer for all of them; None: nothing, or there was none.
        """
        if not batch.parcels[number].children_of(batch.submissions[number].record):
            self._ask_children(batch, number, reading)
            return
        for position in sorted(reading.open):
            self._read_child(batch, number, reading, position, reason)

    def _read_child(
        self, batch: Batch, number: int, reading: Reading, position: int, reason: IonQError | None
    ) -> None:
        parcel, worker, tries = batch.parcels[number], self._stage.worker, _Tries()
        child = parcel.children_of(batch.submissions[number].record)[position]

        def finish(report: Report) -> None:
            if not self._is_current(batch, number, reading):
                return
            if report.error is None:
                batch.stamps.read(number, report.sent_at, self._stage.loop.now())
                self._decode(batch, number, reading, position, report.value, decoded)
            elif _is_spoilt(report.error):
                spoilt(report.error, UNREADABLE_READS)
            elif not (report.is_passing or isinstance(report.error, ApiError)):
                end(report.error)  # the child says itself that it has no result
            elif self._may_retry(batch, number, tries, report):
                again(tries.setbacks + tries.refusals, report.error)
            else:
                end(reason or _given_up(report, report.error))

        def decoded(error: IonQError | None) -> None:
            if error is None:
                self._finish_if_all_ended(batch, number, reading)
            else:
                spoilt(error, READS)

        def spoilt(error: IonQError, most: int) -> None:
            tries.spoilt += 1
            if tries.spoilt < most:
                again(tries.spoilt, error)
            else:
                end(error)

        def end(error: IonQError) -> None:
            self._fail(batch, number, reading, position, error)
            self._finish_if_all_ended(batch, number, reading)

        def again(setbacks: int, error: IonQError) -> None:
            self._retry(batch, number, reading, task, setbacks, error)

        largest = _largest(parcel)
        task = Task(
            perform=lambda: worker.fetch_child(child, parcel.kinds, parcel.query, largest=largest),
            digest=parsed,
            then=finish,
        )
        self._ledger(batch).lane.put(Order.FETCH, task)

    # -- ends ----------------------------------------------------------------------------------

    def _decode(
        self,
        batch: Batch,
        number: int,
        reading: Reading,
        position: int,
        raw: RawResult,
        then: Callable[[IonQError | None], None],
    ) -> None:
        """Decode and publish one circuit's result; a large one is decoded and kept on another thread.

        Args:
            batch: the batch.
            number: the submission.
            reading: the attempt.
            position: of the circuit in the job.
            raw: its result.
            then: called on this thread afterwards, with the reason why it cannot be true, if there is one.
        """
        stage, parcel = self._stage, batch.parcels[number]
        index = parcel.circuits[position]
        batch.stamps.open(number, stage.loop.now())

        def work() -> Callable[[], None]:
            try:
                outcome = batch.decode(index, parcel, raw)
            except ResultIntegrityError as error:
                return partial(then, error)
            kept = batch.keep(outcome, raw)

            def publish() -> None:
                stage.circuit_done(batch, index, outcome, kept)
                reading.open.discard(position)
                then(None)

            return publish

        if raw.size < LARGE:
            work()()
        else:
            stage.aside(batch, work, lambda: self._is_current(batch, number, reading))

    def _decoded(self, batch: Batch, number: int, reading: Reading, error: IonQError | None) -> None:
        if error is None:
            self._finish(batch, number)
        else:
            self._spoilt(batch, number, reading, error)

    def _fail(self, batch: Batch, number: int, reading: Reading, position: int, error: IonQError) -> None:
        if not isinstance(error, ResultIntegrityError) and _is_spoilt(error):
            error = ResultIntegrityError(str(error))
        self._stage.circuit_failed(batch, batch.parcels[number].circuits[position], error)
        reading.open.discard(position)

    def _finish_if_all_ended(self, batch: Batch, number: int, reading: Reading) -> None:
        if not reading.open:
            self._finish(batch, number)

    def _finish(self, batch: Batch, number: int) -> None:
        self._voyage(batch, number).reading = None
        if batch.submissions[number].is_bet:
            self._watching.bet_won(batch, number)
        self._stage.apply(batch, number, Fetched(at=self._stage.loop.now()))

    # -- what is known -------------------------------------------------------------------------

    def _ledger(self, batch: Batch) -> Ledger:
        return self._stage.ledger(batch)

    def _voyage(self, batch: Batch, number: int) -> Voyage:
        return self._ledger(batch).voyages[number]

    def _is_current(self, batch: Batch, number: int, reading: Reading) -> bool:
        """Return whether a reading still goes on: it may have been given up, or begun anew."""
        return (
            self._stage.is_open(batch)
            and self._voyage(batch, number).reading is reading
            and batch.submissions[number].phase is Phase.FETCHING
        )


def _counts_tell(parcel: Parcel, answer: RawResult | None) -> bool:
    """Return whether an answer is shots or counts, of which there must be as many as were asked for."""
    return answer is not None and not parcel.is_pack and answer.kind != "probabilities"


def _by_child(parcel: Parcel, record: JobRecord | None) -> bool:
    """Return whether a pack's circuits are read one by one: for their shots, or because some failed."""
    return parcel.by_child or (record is not None and record.state is JobState.FAILED)


def _largest(parcel: Parcel) -> int:
    """Return how many bytes a result may have: what its outcomes can take, as far as memory allows."""
    largest = parcel.largest_result
    return largest if largest < _SURE_TO_FIT else min(largest, largest_text())


def _given_up(report: Report, error: IonQError) -> IonQError:
    """Return what a circuit ends with whose result is not asked for again."""
    if not report.is_passing:
        return error
    return CircuitCancelledError(f"cancelled, while its result could not be read: {error}")


def _is_spoilt(error: IonQError) -> bool:
    """Return whether an answer came that cannot be read: neither the network nor the load is at fault."""
    return isinstance(error, ResultIntegrityError) or getattr(error, "answered", False)
