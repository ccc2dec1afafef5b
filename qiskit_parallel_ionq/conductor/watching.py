# SPDX-License-Identifier: Apache-2.0
"""Decides when to ask for the state of jobs, asks for many at once, and learns how long they take."""

from __future__ import annotations

import heapq
import math
from dataclasses import replace
from typing import Any

from .. import wire
from ..batch import Batch
from ..errors import CircuitFailedError, ResultIntegrityError
from ..lifecycle import BetPlaced, Disowned, Phase, Seen, Submission, Vanished
from ..logs import logger
from ..policy import Forecast, Watch
from ..wire import JobRecord, JobState
from ..worker import Report
from .ledger import Stage, pause
from .loop import Order, Task

WATCH = Watch()
BETS = 2
"""How often a result is asked for unseen: the forecast may be off by less than a round trip."""
WINDOW = 0.03
"""Seconds: looks that are due this close together share a request."""
IDS_AT_FIRST = 100
"""Ids that are asked for at once, until the service shows that this is too many for it."""
WHOSE_EVERY = 0.25
"""Seconds between two requests that only ask whether jobs are ours."""
BELIEVE_ABSENCE_AFTER = 60.0
"""Seconds: a job that was never shown is given this long to turn up; then it is looked for by its token."""
BELIEVE_LOSS_AFTER = 300.0
"""Seconds for which a job that was shown, or the result of one that has completed, may be denied."""
UNREADABLE_PAGES = 3
"""Pages in a row that cannot be read, after which jobs are asked about one by one."""
UNREADABLE_BELIEVED = 10
"""Answers about one job in a row that cannot be read, after which it is given up: some minutes."""


class Watching:
    """The time between acceptance and result."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._forecasts: dict[tuple[Any, ...], Forecast] = {}
        self._page = IDS_AT_FIRST

    def plan(self, batch: Batch, number: int) -> None:
        """Decide when to ask about a job next, and whether to ask for its result at the same time.

        Whether a result that was asked for early is whole is told by its counts or by the job's own record.
        The record is asked for together with the result, for as many jobs in one request as are due then.
        """
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        submission, voyage, parcel = batch.submissions[number], ledger.voyages[number], batch.parcels[number]
        if voyage.is_looked_at:  # its answer leads here again
            return
        due = self._expected(batch, number)
        is_bettable = not (parcel.dry_run or parcel.by_register or parcel.by_child)
        is_ours = submission.accepted_at is not None and submission.accepted_at >= ledger.began
        may_bet = is_bettable and is_ours and voyage.bets < BETS and not submission.cancel_asked
        if (
            due is not None
            and may_bet
            and self._forecast(batch, number).may_bet(due - self._left_at(submission))
        ):
            voyage.bets += voyage.bet_at is None
            voyage.bet_at, voyage.due = due, math.inf
            self._stage.at(batch, due, lambda: self._bet(batch, number, due))
            if parcel.is_pack or parcel.kinds[0] == "probabilities":
                self.look_at(due, batch, number)
            elif submission.record is None:
                self._ask_whose(batch, number, due)
        elif due is not None and now < due <= now + Forecast.BET_WITHIN:
            self.look_at(self._on_beat(batch, number, due), batch, number)
        elif submission.seen_at is None:
            self.look_soon(batch, number)
        else:
            overdue = now - (due if due is not None and due < now else submission.accepted_at or now)
            remaining = None if due is None else due - now
            again = now + WATCH.again(elapsed=overdue, remaining=remaining)
            self.look_at(self._on_beat(batch, number, again, may_be_early=True), batch, number)

    def _ask_whose(self, batch: Batch, number: int, due: float) -> None:
        """Make sure, while it runs, that a job is ours: with as many others as may wait for each other."""
        ledger, loop = self._stage.ledger(batch), self._stage.loop
        soon = loop.now() + WATCH.shortest
        if ledger.asks_whose_at < soon:
            latest = max(soon, due - 2.0 * loop.quickest)
            ledger.asks_whose_at = min(max(soon, ledger.asks_whose_at + WHOSE_EVERY), latest)
        self.look_at(ledger.asks_whose_at, batch, number)

    def look_soon(self, batch: Batch, number: int) -> None:
        """Ask about a job after the shortest pause."""
        self.look_at(self._stage.loop.now() + WATCH.shortest, batch, number)

    def look_at(self, due: float, batch: Batch, number: int) -> None:
        """Ask about a job at a time, together with whatever else is due then."""
        ledger = self._stage.ledger(batch)
        ledger.voyages[number].due = due
        heapq.heappush(ledger.due, (due, number))
        self._stage.at(batch, due, lambda: self._look(batch))

    def will_look(self, batch: Batch, number: int) -> bool:
        """Return whether a look at a job is planned, queued or under way."""
        voyage = self._stage.ledger(batch).voyages[number]
        return voyage.is_looked_at or voyage.due < math.inf

    def _on_beat(self, batch: Batch, number: int, due: float, *, may_be_early: bool = False) -> float:
        """Return when to look at a job; in a large batch, together with others."""
        now, accepted_at = self._stage.loop.now(), batch.submissions[number].accepted_at
        if len(batch.submissions) <= self._page or accepted_at is None:
            return due
        return WATCH.beat(due, now=now, elapsed=due - accepted_at, may_be_early=may_be_early)

    def bet_won(self, batch: Batch, number: int) -> None:
        """Note that a result was there at the forecast moment."""
        due, left_at = self._expected(batch, number), self._left_at(batch.submissions[number])
        forecast = self._forecast(batch, number).bet(won=True)
        if due is not None and not batch.submissions[number].is_complete:  # else its record has told
            forecast = forecast.seen(WATCH.turnaround(left_at, due))
        self._forecasts[self._kind(batch, number)] = forecast

    def bet_lost(self, batch: Batch, number: int) -> None:
        """Note that a result was not there at the forecast moment."""
        self._forecasts[self._kind(batch, number)] = self._forecast(batch, number).bet(won=False)

    def _kind(self, batch: Batch, number: int) -> tuple[Any, ...]:
        """Return what jobs must share to be expected to take equally long."""
        parcel = batch.parcels[number]
        return batch.target, parcel.is_exact, parcel.shots, len(parcel.circuits)

    def _forecast(self, batch: Batch, number: int) -> Forecast:
        return self._forecasts.get(self._kind(batch, number), Forecast())

    def _expected(self, batch: Batch, number: int) -> float | None:
        """Return when the result can be there: by the service's prediction, else by experience."""
        submission = batch.submissions[number]
        record, left_at = submission.record, self._left_at(submission)
        if record is not None and record.predicted_execution_ms is not None:
            execution, waiting = (
                record.predicted_execution_ms / 1000.0,
                (record.predicted_wait_ms or 0.0) / 1000.0,
            )
            if waiting and record.state is not JobState.STARTED:
                return (submission.seen_at or left_at) + waiting + execution
            return WATCH.due(left_at, execution)
        known = self._forecast(batch, number).turnaround
        return None if known is None else WATCH.due(left_at, known)

    def _left_at(self, submission: Submission) -> float:
        """Return when a submission left that the service took in without delay and answered when it did."""
        loop = self._stage.loop
        accepted_at = loop.now() if submission.accepted_at is None else submission.accepted_at
        sent_at = accepted_at if submission.sent_at is None else submission.sent_at
        return max(sent_at, accepted_at - loop.quickest)

    def _bet(self, batch: Batch, number: int, due: float) -> None:
        voyage = self._stage.ledger(batch).voyages[number]
        if voyage.bet_at == due and batch.submissions[number].phase.is_in_service:
            voyage.bet_at = None
            self._stage.apply(batch, number, BetPlaced())

    def _look(self, batch: Batch) -> None:
        """Ask about all jobs of a batch that are due, in as few requests as possible."""
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        while ledger.due and ledger.due[0][0] <= now + WINDOW:
            due, number = heapq.heappop(ledger.due)
            if ledger.voyages[number].due != due or not batch.submissions[number].awaits_look:
                continue
            ledger.voyages[number].due = math.inf
            if self._can_wait(batch, number):
                ledger.horizon.put(number, now)
                self._plan_move(batch, WATCH.longest_beat)
            else:
                self._want(batch, number)
        self._ask(batch)

    def _want(self, batch: Batch, number: int) -> None:
        ledger = self._stage.ledger(batch)
        ledger.voyages[number].is_looked_at = True
        if ledger.looks_one_by_one or self._wants_own_look(batch, number):
            self._ask_alone(batch, number)
        else:
            ledger.to_look.append(number)

    def _ask(self, batch: Batch) -> None:
        ledger = self._stage.ledger(batch)
        while ledger.looks_ready * self._page < len(ledger.to_look):
            ledger.looks_ready += 1
            self._ask_together(batch)

    def _can_wait(self, batch: Batch, number: int) -> bool:
        """Say whether there is no need to look at a job: the service has many others to do first."""
        ledger = self._stage.ledger(batch)
        submission = batch.submissions[number]
        if submission.phase is Phase.FETCHING:  # its result is here and waits for its record
            return False
        if submission.cancel_asked or ledger.voyages[number].missing_since is not None:
            return False
        return ledger.horizon.hides(number, batch.submissions, self._page)

    def _plan_move(self, batch: Batch, beat: float) -> None:
        ledger, loop = self._stage.ledger(batch), self._stage.loop
        if not ledger.is_moving:
            ledger.is_moving = True
            self._stage.at(batch, (loop.now() // beat + 1) * beat, lambda: self._move(batch))

    def _move(self, batch: Batch) -> None:
        """Look at the jobs that the service may have come to by now."""
        ledger, now = self._stage.ledger(batch), self._stage.loop.now()
        ledger.is_moving = False
        moved = ledger.horizon.move(batch.submissions, self._page)
        for number in ledger.horizon.take(now, self._page):
            if batch.submissions[number].awaits_look and ledger.voyages[number].due == math.inf:
                self._want(batch, number)
        self._ask(batch)
        if ledger.horizon.behind:
            self._plan_move(batch, WATCH.shortest_beat if moved >= self._page else WATCH.longest_beat)

    def _wants_own_look(self, batch: Batch, number: int) -> bool:
        """Return whether only the job's own page will do: listings leave out children's ids."""
        parcel, record = batch.parcels[number], batch.submissions[number].record
        is_missing = self._stage.ledger(batch).voyages[number].missing_since is not None
        return is_missing or (parcel.is_pack and not parcel.children_of(record))

    def _ask_alone(self, batch: Batch, number: int) -> None:
        worker, job_id = self._stage.worker, batch.submissions[number].job_id or ""
        task = Task(
            perform=lambda: worker.look_at(job_id),
            then=lambda report: self._looked(batch, [number], report, alone=True),
        )
        self._stage.ledger(batch).lane.put(Order.LOOK, task)

    def _ask_together(self, batch: Batch) -> None:
        """Have one page asked for: of the jobs that are due when it goes out, not when it was planned."""
        ledger, worker = self._stage.ledger(batch), self._stage.worker
        numbers: list[int] = []
        ids: list[str] = []

        def fill_page() -> None:
            ledger.looks_ready -= 1
            numbers.extend(ledger.to_look[: self._page])
            del ledger.to_look[: self._page]
            ids.extend(batch.submissions[n].job_id or "" for n in numbers)
            self._ask(batch)  # pages may have become shorter since

        task = Task(
            perform=lambda: worker.look(ids),
            then=lambda report: self._looked(batch, numbers, report, alone=False),
            on_start=fill_page,
        )
        ledger.lane.put(Order.LOOK, task)

    def _looked(self, batch: Batch, numbers: list[int], report: Report, *, alone: bool) -> None:
        ledger = self._stage.ledger(batch)
        status = getattr(report.error, "status", None)
        is_cut_short = self._is_cut_short(len(set(numbers)), report)
        if is_cut_short:
            self._page = min(self._page, max(len(report.value or ()), wire.IDS_PER_PAGE))
        elif report.error is not None and not report.is_passing and not alone:
            ledger.looks_one_by_one = True  # this service has no listing, or not for us
        is_unreadable = bool(getattr(report.error, "answered", False))
        if not alone:
            ledger.unreadable_pages = ledger.unreadable_pages + 1 if is_unreadable else 0
            ledger.looks_one_by_one |= ledger.unreadable_pages >= UNREADABLE_PAGES
        for number in numbers:
            submission, voyage = batch.submissions[number], ledger.voyages[number]
            voyage.is_looked_at = False
            voyage.unreadable = voyage.unreadable + 1 if is_unreadable and alone else 0
            if not submission.awaits_look:
                continue
            record = (report.value or {}).get(submission.job_id)
            if record is not None:
                voyage.setbacks, voyage.missing_since = 0, None
                self._seen(batch, number, record, report.sent_at)
            elif voyage.unreadable >= UNREADABLE_BELIEVED:
                error = ResultIntegrityError(
                    f"the state of job {submission.job_id} cannot be read: {report.error}"
                )
                self._stage.apply(batch, number, Vanished(error, at=self._stage.loop.now()))
            elif report.is_passing:
                voyage.setbacks += 1
                self.look_at(self._stage.loop.now() + pause(self._stage, voyage.setbacks), batch, number)
            elif is_cut_short:
                self.look_at(self._stage.loop.now(), batch, number)
            else:
                self._miss(batch, number, report.error if status != 404 else None)

    @staticmethod
    def _is_cut_short(asked: int, report: Report) -> bool:
        """Say whether a service refused a long page, or showed less of it than was asked for."""
        if report.is_passing or asked <= wire.IDS_PER_PAGE:
            return False
        return report.error is not None or 0 < len(report.value) < asked

    def _seen(self, batch: Batch, number: int, record: JobRecord, looked_at: float) -> None:
        if self.disowned(batch, number, record):
            return
        record = self._with_children(batch, number, record)
        if not self._stage.ledger(batch).is_restored:  # when it left is known too roughly
            self._learn(batch, number, record, looked_at)
        self._stage.apply(batch, number, Seen(record, at=self._stage.loop.now()))
        self._stage.settle(batch, number)

    def _with_children(self, batch: Batch, number: int, record: JobRecord) -> JobRecord:
        """Return a job's record with the ids of its children that are known; listings leave them out."""
        parcel = batch.parcels[number]
        known = parcel.children_of(batch.submissions[number].record)
        return replace(record, child_ids=known) if known and not parcel.children_of(record) else record

    def disowned(self, batch: Batch, number: int, record: JobRecord) -> bool:
        """Say whether a job under the id that we were given is another's; ours is looked for then."""
        mark = (record.metadata or {}).get(wire.TOKEN_KEY)
        if mark is None or mark == batch.parcels[number].token:
            return False
        logger.warning(
            "Job %s was given to circuit %d, but it is another's; the circuit's own job is looked for",
            record.id,
            batch.run.first + batch.parcels[number].circuits[0],
        )
        self._disown(batch, number, f"{record.id} is another's")
        return True

    def _disown(self, batch: Batch, number: int, why: str, job_id: str | None = None) -> None:
        """Look for a job by its token; the id that was given for it is kept if it may be right."""
        voyage = self._stage.ledger(batch).voyages[number]
        voyage.reading, voyage.bet_at, voyage.missing_since = None, None, None
        self._stage.apply(batch, number, Disowned(self._stage.loop.now(), why, job_id))

    def _miss(self, batch: Batch, number: int, error: Exception | None) -> None:
        """Give a job that the service does not show some time to turn up, then believe it."""
        voyage, now = self._stage.ledger(batch).voyages[number], self._stage.loop.now()
        job_id, was_shown = batch.submissions[number].job_id, batch.submissions[number].record is not None
        patience = BELIEVE_LOSS_AFTER if was_shown else BELIEVE_ABSENCE_AFTER
        if voyage.missing_since is None:
            voyage.missing_since = now
            self.look_at(now, batch, number)
        elif now - voyage.missing_since < patience:
            missing_for = now - voyage.missing_since
            self.look_at(now + min(max(missing_for, 1.0), BELIEVE_ABSENCE_AFTER / 3.0), batch, number)
        elif not was_shown:
            # Never seen: the id may be wrong, and the job stored under another one.
            self._disown(batch, number, f"{job_id} is not shown", job_id)
        elif error is not None:
            self._stage.apply(batch, number, Vanished(error, at=now))
        else:
            reason = (
                f"the service says it has no job {job_id}, and said so for {patience:.0f} s; it may have "
                "been deleted. provider.resume(...) and job.retry() look for it again, at no cost"
            )
            self._stage.apply(batch, number, Vanished(CircuitFailedError(reason, job_id=job_id), at=now))

    def _learn(self, batch: Batch, number: int, record: JobRecord, looked_at: float) -> None:
        """Remember how long this kind of job takes."""
        submission, voyage = batch.submissions[number], self._stage.ledger(batch).voyages[number]
        elapsed = looked_at - self._left_at(submission)
        if record.state is not JobState.COMPLETED:
            voyage.takes_at_least = elapsed
        else:
            self._forecasts[self._kind(batch, number)] = self._forecast(batch, number).seen(
                _turnaround(record, voyage.takes_at_least, elapsed)
            )


def _turnaround(record: JobRecord, at_least: float, at_most: float) -> float:
    """Return how long the service took; where it does not say, the time at which the job was seen done.

    An estimate that errs on the long side costs its error once; one on the short side costs a request too.
    """
    if record.service_seconds is not None:
        return record.service_seconds
    return at_most if record.execution_ms is None else max(at_least, record.execution_ms / 1000.0)
