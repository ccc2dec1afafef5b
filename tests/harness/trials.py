# SPDX-License-Identifier: Apache-2.0
"""One cell of the fault matrix as it is played in virtual time: a run of a few circuits on a machine that costs
money, one thing that befalls it at one step, and what must hold whatever that was.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

from qiskit_parallel_ionq import ParallelIonQJob
from qiskit_parallel_ionq.conductor import loop
from qiskit_parallel_ionq.errors import ApiError, IonQError, JobError, JournalError, RunBusyError

from . import faults
from .adversary import Adversary
from .circuits import several
from .faults import Fault, Script
from .history import History, check, read_journal
from .moments import ROUTES, STEPS, AttentiveClient, Moment
from .simulation import World

if TYPE_CHECKING:
    from typing_extensions import Self

CIRCUITS = several(4)
MOST_REQUESTS = 120
"""So many are enough for four circuits on any of these days; without a fault it is a dozen."""
KIND = Adversary("kind", strike=0.0, unreachable=0.0, late=0.0, lag=0.0, queue=1.0, skew=1e-9)
CANCEL_AFTER = 5.0
HOUR = 3600.0
CANCELLED = "CircuitCancelledError"


class Trial:
    """A world with one run in it. A context manager.

    Where a step needs an occasion there is one: two answers are lost before a listing, the user cancels
    before a cancellation, and before a resumption the program dies with one circuit done, one under way and
    two not sent.

    Args:
        step: the step in question.
        plan: route -> number of the request -> what it is struck with.
        page: rows of a listing at the most.
        death: before a resumption: the step at which the program dies, and at which time.
        in_turn: whether circuits go out one after the other.
    """

    def __init__(
        self,
        step: str,
        plan: Mapping[str, Mapping[int, Fault]] | None = None,
        *,
        page: int = 25,
        death: tuple[str, int] = ("send", 2),
        in_turn: bool = False,
    ) -> None:
        lost = {2: Fault("reset"), 3: Fault("reset", after=True)} if step == "page" else {}
        whole = {faults.POST: lost, **(plan or {})}
        adversary = replace(KIND, queue=200.0 if step == "cancel" else KIND.queue)
        self.step = step
        self.planned = bool(plan)
        self.world = World(adversary, 0, Script(plan=whole))
        self.world.service.habits = replace(self.world.service.habits, page=page)
        self._death = death
        self.options = {"use_parallel": not in_turn and step != "resume"}
        self._last_words = contextlib.redirect_stderr(io.StringIO())
        self._box: list[Any] = []

    def __enter__(self) -> Self:
        self._last_words.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.world.__exit__(*exc)
        self._last_words.__exit__(None, None, None)

    # -- the story -----------------------------------------------------------------------------

    def begin(self, moment: Moment | None = None, **given: Any) -> None:
        """Start the program; for a resumption let it die, and start another that goes on."""
        if self.step == "resume":
            step, nth = self._death
            self.start(Moment(step, self.die, nth))
            assert self.world.until(lambda: self.client.process.is_dead)
            self.resume(moment, **given)
            return
        self.start(moment, **given)
        if self.step == "cancel":
            self.world.clock.at(CANCEL_AFTER, lambda: self.job.cancel())

    def start(self, moment: Moment | None = None, **given: Any) -> None:
        """Start the program."""
        self.client = AttentiveClient(self.world, moment, **given)
        backend = self.client.provider.get_backend("qpu.forte-1")
        self._do(lambda: backend.run(CIRCUITS, shots=4, **self.options))

    def resume(self, moment: Moment | None = None, *, submit: bool = True, **given: Any) -> None:
        """Bury the program and start another that goes on with the run."""
        self.bury()
        self.client = AttentiveClient(self.world, moment, **given)
        self._do(lambda: self.client.provider.resume(self.run_id, submit=submit))

    def bury(self) -> None:
        """Clear up after the program, however it ended."""
        self.client.bury(power_cut=False, die=self.world.die)

    def settle(self) -> None:
        """Let time pass until the run is over and its record closed, or the program has ended.

        A resumption that the service keeps from happening is tried again, as its user would.
        """
        for _ in range(5):
            assert self.world.until(self._has_ended), "the run does not come to an end"
            said = self._box[0] if self._box else None
            if not (isinstance(said, IonQError) and self.step == "resume" and self.planned):
                return
            assert isinstance(said, ApiError) or type(said).__name__ == "TransportError", repr(said)
            self.world.pass_time(30.0)
            self._do(lambda: self.client.provider.resume(self.run_id, submit=True))

    def _do(self, act: Callable[[], Any]) -> None:
        box: list[Any] = []

        def guarded() -> None:
            try:
                box.append(act())
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told to who asks
                box.append(error)

        self._box = box
        self.client.process.spawn(guarded)

    def _has_ended(self) -> bool:
        if self.client.process.is_dead or not self._box:
            return self.client.process.is_dead
        if not isinstance(self._box[0], ParallelIonQJob):
            return True
        batch = self.job.batch
        return batch.is_over and not getattr(batch.record, "_handles", None)  # and its record is closed

    def moment(self, act: Callable[[], object]) -> Moment:
        """Return when something is to happen that ends the run here: when there is something to be lost."""
        early = STEPS.index(self.step) <= STEPS.index("write acceptance")
        nth = 3 if self.step == "serialise" else 2 if early and not self.options["use_parallel"] else 1
        return Moment(self.step, act, nth)

    def recorded(self) -> list[str]:
        """Return the kinds of all lines of the record, in order."""
        path = self.world.folder / f"{self.run_id}.journal"
        return [record["is"] for record in read_journal(path.read_bytes())]

    @property
    def job(self) -> ParallelIonQJob:
        """What `run` or `resume` has returned."""
        (job,) = self._box
        assert isinstance(job, ParallelIonQJob), repr(job)
        return job

    @property
    def refusal(self) -> BaseException:
        """What `run` or `resume` has raised."""
        (error,) = self._box
        assert isinstance(error, BaseException), repr(error)
        return error

    @property
    def run_id(self) -> str:
        """The one run that is recorded."""
        (path,) = self.world.folder.glob("*.journal")
        return path.stem

    # -- what befalls it -----------------------------------------------------------------------

    def die(self) -> None:
        """End the program without a word."""
        self.client.process.is_dead = True

    def interrupt(self) -> None:
        """Press Ctrl-C: the program's own thread is in ``run``, in ``resume``, or waits for results."""
        if not self._box:
            raise KeyboardInterrupt

        def pressed() -> bool:
            raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            self.job._wait_for(pressed, None)

    def interrupt_twice(self) -> None:
        """Press Ctrl-C, and again."""
        try:
            self.interrupt()
        finally:
            self.die()

    def exit(self) -> None:
        """Come to the end of the program."""
        self.client.provider._conductor.close()

    def fork(self) -> None:
        """Fork; the child must be told that nothing here is its own."""
        journals = list(self.client.archive.opened)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            is_told = False
            try:
                self.client.provider._conductor.loop.require_ours()
            except IonQError:
                is_told = not any(journal._handles for journal in journals)
            os._exit(0 if is_told else 1)
        assert os.waitpid(child, 0)[1] == 0

    def meddle(self) -> None:
        """Have another program try to go on with the run."""
        other = AttentiveClient(self.world)
        with contextlib.suppress(RunBusyError):
            other.provider.resume(self.run_id, submit=True)
            raise AssertionError("a second program got hold of the run")

    def set_clock(self, seconds: float) -> None:
        """Set the clock of the day."""
        self.client.skew += seconds

    # -- what must hold ------------------------------------------------------------------------

    def judge(self, allowed: Mapping[int, Iterable[str]] | None = None) -> None:
        """Make sure that all promises were kept, and that each circuit has its own result.

        Args:
            allowed: circuit -> names of the errors that it may have instead.
        """
        history = self.world.history(self.job)
        keep(history)
        assert all(len(jobs) == 1 for jobs in history.stored.values()), "a job was stored twice"
        for index in range(len(CIRCUITS)):
            error = history.errors.get(index)
            if error is None:
                assert history.results[index] == index
            else:
                assert error in (allowed or {}).get(index, ()), f"circuit {index}: {self.job.errors()[index]}"
        requests = sum(record["is"] == "request" for record in self.world.log)
        assert requests <= MOST_REQUESTS, f"{requests} requests"

    def judge_all(self, *errors: str) -> None:
        """Judge where any circuit may have one of some errors."""
        self.judge(dict.fromkeys(range(len(CIRCUITS)), errors))

    def finish_elsewhere(self) -> None:
        """Have another program go on, and make sure that everything that was handed over comes home."""
        told = self.recorded()
        in_doubt = range(told.count("sent") if told.count("project") == 0 else 0)
        self.resume()
        self.settle()
        if self.step == "cancel":
            self.judge_all(CANCELLED)
            return
        allowed = dict.fromkeys(range(told.count("parcel"), len(CIRCUITS)), ("NotSentError",))
        # Where it ended before anybody knew whose jobs these are, nothing is sent again on a guess.
        self.judge(allowed | dict.fromkeys(in_doubt, ("SubmissionUnknownError",)))


def keep(history: History) -> None:
    """Make sure that a history keeps all promises."""
    broken = check(history)
    assert not broken, "; ".join(map(str, broken))


# ── what is played ──


def struck(
    step: str,
    fault: Fault,
    *,
    allowed: Iterable[str] = (),
    rest: Iterable[str] = (),
    nth: Iterable[int] | None = None,
) -> None:
    """Play a day on which requests of a step are struck.

    Args:
        step: the step.
        fault: what they are struck with.
        allowed: errors that the circuit in question may end with.
        rest: errors that circuits may end with that were not sent for it; they come home later.
        nth: which requests; by default one submission, or two of anything else.
    """
    route = ROUTES[step]
    numbers = nth or ({2} if route == faults.POST else {2, 3} if route == faults.WHOAMI else {1, 2})
    with Trial(step, {route: dict.fromkeys(numbers, fault)}) as trial:
        trial.begin()
        trial.settle()
        hits = [r for r in trial.world.log if r["is"] == "request" and r["fault"] == str(fault)]
        assert hits, "nothing was struck"
        history = trial.world.history(trial.job)
        mine = {i for hit in hits for i in history.circuits.get(hit.get("token"), ())}
        if rest:
            others = set(range(len(CIRCUITS))) - {
                i for held in history.stored for i in history.circuits[held]
            }
            assert set(history.errors) == others | mine
            assert set(history.errors.values()) <= set(rest)
            trial.finish_elsewhere()
        elif step == "cancel":
            assert set(history.errors.values()) == {CANCELLED}
            assert all(jobs == [] for jobs in history.charged.values())
            trial.judge_all(CANCELLED)
        else:
            if allowed:
                assert {history.errors[i] for i in mine} <= set(allowed)
            trial.judge(dict.fromkeys(mine, allowed))


def unsent(step: str, seconds: float = 0.05) -> None:
    """Play a day on which some requests of a step find no connection."""
    with Trial(step) as trial:
        trial.planned = True
        numbers = (2, 3) if step == "connect" else (1, 2)
        trial.begin(unsent={step: dict.fromkeys(numbers, seconds)})
        trial.settle()
        assert trial.client.line.kept_back > 0
        trial.judge_all(*([CANCELLED] if step == "cancel" else []))


def odd_job(step: str, kind: str, seconds: float = 0.0, allowed: Iterable[str] = ()) -> None:
    """Play a day on which one job in the service behaves oddly."""
    oddity = Fault(kind, seconds=seconds)
    with Trial(step, {faults.STORED: {2: oddity}}) as trial:
        trial.begin()
        trial.settle()
        (token,) = {r["token"] for r in trial.world.log if r["is"] == "stored" and r["oddity"]}
        (index,) = trial.world.history(trial.job).circuits[token]
        trial.judge_all(CANCELLED) if step == "cancel" else trial.judge({index: allowed})


def listed(step: str, fault: Fault) -> None:
    """Play a day on which listings are not what they should be, for as long as it takes to notice."""
    route = faults.LOOK if step == "poll" else faults.LIST
    with Trial(step, {route: dict.fromkeys(range(1, 4), fault)}, page=1) as trial:
        trial.begin()
        trial.settle()
        assert trial.world.service.fate.struck > (2 if step == "page" else 0)
        trial.judge()


def late(step: str, seconds: float) -> None:
    """Play a day on which a job is stored long after the connection broke, and has to be found later on."""
    plan = {faults.POST: {2: Fault("late", seconds=seconds)}}
    with Trial(step, plan, death=("page", 1)) as trial:
        trial.begin()
        trial.settle()
        struck = [record["fault"] for record in trial.world.log if record["is"] == "request"]
        assert str(Fault("late", seconds=seconds)) in struck
        trial.judge()


def befallen(step: str, act: str, *given: Any) -> None:
    """Play a day on which something happens at a step that nobody who runs circuits must notice."""
    with Trial(step) as trial:
        moment = Moment(step, lambda: getattr(trial, act)(*given))
        trial.begin(moment)
        trial.settle()
        assert moment.has_come
        trial.judge_all(*([CANCELLED] if step == "cancel" else []))


def ended(step: str, act: str, *errors: str) -> None:
    """Play a day on which the program ends at a step, in one way or another, and another goes on.

    Args:
        step: the step.
        act: how it ends.
        errors: what circuits without a result end with, if the program lives to tell.
    """
    for trial in _both_manners(step):
        moment = trial.moment(lambda: getattr(trial, act)())  # noqa: B023 - it is over by the next turn
        trial.begin(moment)
        trial.settle()
        assert moment.has_come
        if trial._box and isinstance(trial._box[0], ParallelIonQJob) and not trial.client.process.is_dead:
            names = {type(error).__name__ for error in trial.job.errors().values()}
            assert names <= {*errors, *([CANCELLED] if step == "cancel" else [])}
        kinds = trial.recorded()
        left_at = kinds.index("detached") if "detached" in kinds else len(kinds)
        assert "sent" not in kinds[left_at:]
        trial.finish_elsewhere()


def bad_disk(step: str, call: str, code: int) -> None:
    """Play a day on which the disk fails from a step on, and is mended when another program goes on."""
    for trial in _both_manners(step):
        moment = trial.moment(lambda: trial.client.disk.broken.update({call: code}))  # noqa: B023
        trial.begin(moment)
        trial.settle()
        assert moment.has_come
        if not isinstance(trial._box[0], JournalError):
            names = {type(error).__name__ for error in trial.job.errors().values()}
            assert names <= {"JournalError", *([CANCELLED] if step == "cancel" else [])}
        trial.finish_elsewhere()


def read_only(step: str) -> None:
    """Play a day on which the folder cannot be written to."""
    refused = OSError(errno.EROFS, os.strerror(errno.EROFS))
    with Trial(step) as trial:
        if step == "resume":
            trial.begin()
            trial.world.until(lambda: bool(trial._box))
            trial.bury()
            with mock.patch("qiskit_parallel_ionq.archive.Journal", side_effect=refused):
                trial.resume()
                trial.settle()
        else:
            with mock.patch("qiskit_parallel_ionq.archive.Journal", side_effect=refused):
                trial.begin()
                trial.settle()
            assert not any(record["is"] == "stored" for record in trial.world.log)
        assert isinstance(trial.refusal, JournalError)
        if step == "resume":
            trial.finish_elsewhere()
        else:
            trial.start()
            trial.settle()
            trial.judge()


def spoilt_record(step: str, *, torn: bool) -> None:
    """Play a death at a step that leaves half a line behind; or after which a byte has changed."""
    for trial in _both_manners(step):
        moment = trial.moment(trial.die)
        trial.begin(moment)
        trial.settle()
        assert moment.has_come
        trial.bury()
        path = trial.world.folder / f"{trial.run_id}.journal"
        lines = path.read_bytes().splitlines(keepends=True)
        if torn:
            path.write_bytes(b"".join(lines) + lines[-1][: len(lines[-1]) // 2])
            trial.finish_elsewhere()
            continue
        middle = bytearray(lines[1])
        middle[len(middle) // 2] ^= 4
        path.write_bytes(b"".join([lines[0], bytes(middle), *lines[2:]]))
        trial.resume(submit=True)
        trial.settle()
        assert isinstance(trial.refusal, JournalError)
        trial.resume(submit=False)
        trial.settle()
        stored = [record["token"] for record in trial.world.log if record["is"] == "stored"]
        assert len(stored) == len(set(stored))  # what was on its way still arrives; nothing comes again
        if not stored:
            assert isinstance(trial.refusal, JobError)
            continue
        history = trial.world.history(trial.job)
        history = replace(history, journal=None, ids=frozenset(filter(None, trial.job.job_ids())))
        keep(history)
        carried = {index for token in stored for index in history.circuits[token]}
        assert history.results == {index: index for index in carried}


def threadless(step: str) -> None:
    """Play a day on which no thread can be started for the work of a step."""
    if step in ("serialise", "resume"):
        _no_conductor(step)
        return
    with Trial(step) as trial:
        trial.begin()
        trial.settle()
        number = trial.client.tasks_at[step]
    with Trial(step) as trial:
        trial.begin(threadless=frozenset({number, number + 1}))
        trial.settle()
        assert trial.client._tasks > number
        trial.judge_all(*([CANCELLED] if step == "cancel" else []))


def _no_conductor(step: str) -> None:
    with Trial(step) as trial:
        if step == "resume":
            trial.begin()
            trial.world.until(lambda: bool(trial._box))
            trial.bury()
        client = trial.client = AttentiveClient(trial.world)
        client.provider._conductor.loop._thread = None
        no_thread = mock.Mock()
        no_thread.return_value.start.side_effect = RuntimeError("can't start new thread")
        with mock.patch.object(loop, "threading", mock.Mock(Thread=no_thread)):
            if step == "resume":
                trial._do(lambda: client.provider.resume(trial.run_id, submit=True))
            else:
                backend = client.provider.get_backend("qpu.forte-1")
                trial._do(lambda: backend.run(CIRCUITS, shots=4))
            trial.settle()
        assert "no thread" in str(trial.refusal)
        if step == "resume":
            trial.finish_elsewhere()
        else:
            assert not any(record["is"] == "stored" for record in trial.world.log)
            assert not list(trial.world.folder.glob("*.journal"))
            trial.start()
            trial.settle()
            trial.judge()


def _both_manners(step: str) -> Iterator[Trial]:
    """Yield the trial of a step twice: all circuits at once, and one after the other."""
    for in_turn in (False, True):
        with Trial(step, in_turn=in_turn) as trial:
            yield trial
