# SPDX-License-Identifier: Apache-2.0
"""Jobs of any process: from their records, to be watched or taken over; else from the account alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol, TypeVar

from . import wire
from .archive import Archive
from .backend import ParallelIonQBackend
from .batch import Batch
from .budget import Budget, new_budget
from .chronicle import Chronicle, Run, Summary, may_have_cost, spent, summary
from .conductor import NEVER_HANDED_OVER, Conductor
from .errors import (
    BudgetError,
    CredentialsError,
    IonQError,
    JobError,
    JournalError,
    NotSentError,
    RunBusyError,
)
from .job import ParallelIonQJob
from .journal import NoRecord, Record
from .lifecycle import Phase
from .listing import Listing
from .logs import logger
from .options import RunOptions
from .parcel import Parcel
from .salvage import rebuilt_run, single_job
from .state_folder import is_run_id
from .stretch import stream_name
from .target import Gateset
from .worker import Report

_T = TypeVar("_T")

_NOT_IN_THE_ACCOUNT = JobError(
    "the account shows no job of this circuit: it was never sent, or its job has been deleted"
)


class Owner(Protocol):
    """What is asked of the provider whose jobs these are."""

    @property
    def url(self) -> str:
        """Base URL of the service."""

    def get_backend(
        self, name: str, *, target: str | None = None, gateset: Gateset = "native"
    ) -> ParallelIonQBackend:
        """Return a backend."""

    def conductor(self) -> Conductor:
        """Return the one conductor of the account."""

    def project(self, *, anew: bool = False) -> str | None:
        """Return the project that the key belongs to, if the service says so."""

    def patiently(self, ask: Callable[[], _T]) -> _T:
        """Ask for what somebody waits for, again a few times while that may help."""

    def live_job(self, job_id: str) -> ParallelIonQJob | None:
        """Return a job of this process, if somebody still keeps it."""

    def remember(self, job: ParallelIonQJob) -> None:
        """Let a job be found by its id."""


class Recall:
    """Finds jobs again.

    Args:
        account: whose jobs they are.
        archive: where runs are recorded; None: nowhere.
    """

    def __init__(self, account: Owner, archive: Archive | None) -> None:
        self._account = account
        self._archive = archive

    def jobs(self, limit: int | None = None) -> list[Summary]:
        """Return the runs recorded for this service, the latest first; see ``provider.jobs``."""
        return [] if self._archive is None else list(islice(self._recorded(self._archive), limit))

    def _recorded(self, archive: Archive) -> Iterator[Summary]:
        for run_id in archive.runs():
            try:
                run = summary(archive.read(run_id))
            except JournalError as error:
                logger.warning("The record of run %s cannot be read: %s", run_id, error)
                continue
            if run.url == self._account.url:
                yield run

    def retrieve(self, job_id: str) -> ParallelIonQJob:
        """Return a job of any process; see ``provider.retrieve_job``."""
        live = self._live(job_id)
        if live is not None:
            return live
        if self._archive is not None and self._archive.holds(job_id):
            try:
                record, story = self._archive.read_along(job_id)
                if not story.is_damaged:
                    return self._go_on(story, record, _not_now(job_id))
                return self._ask_account(job_id, why="it is damaged")
            except JournalError as error:
                return self._ask_account(job_id, why=error)
        return self._ask_account(job_id)

    def resume(self, job_id: str, *, submit: bool, limits: RunOptions | None = None) -> ParallelIonQJob:
        """Take a recorded run over and go on; see ``provider.resume``."""
        if self._archive is None or not self._archive.holds(job_id):
            if submit:
                raise JournalError(
                    f"run {job_id!r} is not recorded here, so nobody knows what was not sent; "
                    "retrieve_job(...) collects what the account holds"
                )
            return self.retrieve(job_id)
        live = self._live(job_id)
        if live is not None:
            self._account.conductor()  # raises if the provider is closed, or another process's
            if _goes_on(live.batch, submit=submit):
                return live
            live.hand_over()
        try:
            journal, story = self._archive.take_over(job_id)
        except RunBusyError:
            raise
        except JournalError as error:
            if submit:
                raise
            return self._ask_account(job_id, why=error)
        try:
            if story.is_damaged and submit:
                raise JournalError(
                    f"the record of run {job_id!r} is damaged, so nobody knows what was not sent. "
                    "Nothing was sent; retrieve_job(...) collects what the account holds"
                )
            if not story.is_damaged:
                self._require_project(story)
                if limits is not None:
                    self._limit(story, journal, limits)
                return self._go_on(story, journal, None if submit else _not_now(job_id), submit=submit)
        except BaseException:
            journal.abandon()
            raise
        journal.abandon()
        return self._ask_account(job_id, why="it is damaged")

    def _live(self, job_id: str) -> ParallelIonQJob | None:
        """Return a job that is under way in this process, also if nobody has kept it."""
        job = self._account.live_job(job_id)
        if job is not None:
            return job
        conductor = self._account.conductor()
        batch = conductor.find(job_id)
        if batch is None:
            return None
        job = ParallelIonQJob(self._backend(batch.run), batch, conductor)
        self._account.remember(job)
        return job

    def _backend(self, run: Run) -> ParallelIonQBackend:
        return self._account.get_backend(
            run.backend,
            target=run.target if run.backend == "ionq_parallel" else None,
            gateset="qis" if run.gateset == "qis" else "native",
        )

    def _ask_account(self, job_id: str, *, why: object = None) -> ParallelIonQJob:
        if why is not None:
            logger.warning("The account is asked for run %s instead of its record: %s", job_id, why)
        return self._go_on(self._from_service(job_id), NoRecord(), _not_now(job_id), _NOT_IN_THE_ACCOUNT)

    def _go_on(
        self,
        story: Chronicle,
        record: Record,
        refusal: Exception | None,
        missing: JobError = NEVER_HANDED_OVER,
        *,
        submit: bool = False,
    ) -> ParallelIonQJob:
        run = story.run
        if run.url and run.url != self._account.url:
            raise JobError(
                f"run {run.id!r} is a run of {run.url}, and this provider's is {self._account.url}"
            )
        backend = self._backend(run)
        conductor = self._account.conductor()
        batch = Batch.restored(story, record)
        batch.only_collects = refusal is not None
        if run.generation:
            batch.carry(self._earlier(run))
        if record.is_kept:
            batch.budget = self._budget(backend, batch, submit=submit)
        job = ParallelIonQJob(backend, batch, conductor)
        conductor.start()
        conductor.adopt(batch, refusal=refusal, missing=missing)
        self._account.remember(job)
        return job

    @staticmethod
    def _limit(story: Chronicle, record: Record, limits: RunOptions) -> None:
        """Give a run new limits, and note them in its record."""
        given = {"max_cost": limits.max_cost, "max_jobs": limits.max_jobs}
        known = {"max_cost": story.run.max_cost, "max_jobs": story.run.max_jobs}
        changed = {name: value for name, value in given.items() if value is not None}
        if changed:
            record.note({"is": "limits", **known, **changed})
            story.run = replace(story.run, **changed)  # type: ignore[arg-type]

    def _budget(self, backend: ParallelIonQBackend, batch: Batch, *, submit: bool) -> Budget | None:
        """Return what is left of the limits of a run, its stream and its other executions.

        Raises:
            BudgetError: it is not known what circuits cost that are to be sent.
        """
        run = batch.run
        budget = new_budget(None if backend.simulator else run.max_cost, run.max_jobs)
        if budget is None:
            return None
        budget.charged, budget.sent = self.spent_by_others(run)
        if submit and budget.asks_for_bills:
            self._estimate(backend, batch)
        for number, sent in enumerate(batch.submissions):
            is_sent = may_have_cost(sent)
            if is_sent or sent.phase is Phase.WAITING:
                estimate, charge = batch.estimates.get(number, 0.0), batch.charges.get(number)
                budget.restore((run.id, number), estimate, is_sent=is_sent, charge=charge)
        return budget

    def _estimate(self, backend: ParallelIonQBackend, batch: Batch) -> None:
        """Ask what jobs cost of which the record says neither an estimate nor a bill."""
        asked: dict[int, Parcel] = {}
        for number, sent in enumerate(batch.submissions):
            is_known = number in batch.estimates or number in batch.charges
            if is_known or not (may_have_cost(sent) or sent.phase is Phase.WAITING):
                continue
            try:
                asked[number] = replace(batch.parcels[number], body=batch.record.body(batch.places[number]))
            except (KeyError, JournalError) as error:
                if not may_have_cost(sent):
                    continue  # nor can it be sent
                raise BudgetError(
                    f"the request of circuit {batch.parcels[number].circuits[0]} is not on record any more, "
                    "so it is not known what it may have cost. Nothing was sent; resume without max_cost"
                ) from error
        if asked:
            batch.estimates.update(zip(asked, backend.priced(list(asked.values())).jobs, strict=True))

    def spent_by_others(self, run: Run) -> tuple[float, int]:
        """Return what other executions of a run, and other runs of its stream, have cost and sent so far."""
        if self._archive is None:
            return run.cost_before, run.jobs_before
        name, cost, jobs = run.id.partition(".")[0], 0.0, 0
        stream = stream_name(name) if run.stream else None
        for run_id in self._archive.runs():
            other = run_id.partition(".")[0]
            if run_id == run.id or not (other == name or (stream and stream_name(other) == stream)):
                continue
            try:
                story = self._archive.read(run_id)
            except JournalError as error:
                logger.warning("What run %s has cost is not known: %s", run_id, error)
                continue
            more, count = spent(story.submissions, story.estimates, story.charges)
            cost, jobs = cost + more, jobs + count
        return max(cost, run.cost_before), max(jobs, run.jobs_before)

    def _earlier(self, run: Run) -> Batch:
        """Return the execution before a run's, without what it may still come to."""
        name, before = run.id.partition(".")[0], run.generation - 1
        run_id = f"{name}.{before}" if before else name
        if self._archive is not None and self._archive.holds(run_id):
            record, story = self._archive.read_along(run_id)
            batch = Batch.restored(story, record)
        else:
            job = self.retrieve(run_id)
            job.wait()
            batch = job.batch
        if before:
            batch.carry(self._earlier(batch.run))
        return batch

    def _from_service(self, job_id: str) -> Chronicle:
        """Return what the account itself tells of a run, or of one IonQ job."""
        worker = self._account.conductor().worker
        if is_run_id(job_id):
            listed: Listing = self._account.patiently(lambda: _value(worker.list_tokens()))
            if not listed.is_complete:
                logger.warning("The account's listing has no end: jobs of run %s may be missing", job_id)
            run_id, _, generation = job_id.partition(".")
            jobs = [best for token in listed.records if (best := listed.best(token)) is not None]
            return rebuilt_run(run_id, int(generation or 0), jobs)
        if not wire.is_job_id(job_id):
            raise JobError(f"{job_id!r} is neither the id of a run nor of an IonQ job")
        try:
            found = self._account.patiently(lambda: _value(worker.look_at(job_id)))
        except IonQError as error:
            raise JobError(f"job {job_id!r} cannot be read: {error}") from error
        return single_job(found[job_id])

    def _require_project(self, story: Chronicle) -> None:
        """Make sure that the key can see the jobs of a run: what cannot be seen is not absent."""
        if story.project is None:
            return
        project = self._account.project(anew=True)
        if project != story.project:
            whose = "of which the service does not say" if project is None else project
            raise CredentialsError(
                f"run {story.run.id!r} was run in project {story.project}, and this key belongs to project "
                f"{whose}. Nothing was sent; use a key of that project, or try again"
            )


def _goes_on(batch: Batch, *, submit: bool) -> bool:
    """Return whether a run is under way here already as if it had just been resumed."""
    is_ours = batch.record.is_kept and not batch.is_detached and not batch.is_over
    return is_ours and not (submit and (batch.only_collects or batch.errors))


def _value(report: Report) -> Any:
    if report.error is not None:
        raise report.error
    return report.value


def _not_now(job_id: str) -> NotSentError:
    return NotSentError(f"this circuit was not sent; provider.resume({job_id!r}, submit=True) sends it")
