# SPDX-License-Identifier: Apache-2.0
"""Whatever users, networks and deaths do, in any order: nothing is sent unannounced, bought twice or mixed up.

The long form is ``HARNESS_PROFILE=long``.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from qiskit.providers.jobstatus import JOB_FINAL_STATES

from qiskit_parallel_ionq import ParallelIonQJob
from qiskit_parallel_ionq.errors import ApiError, CredentialsError, TransportError
from qiskit_parallel_ionq.journal import Journal
from qiskit_parallel_ionq.recall import Recall
from qiskit_parallel_ionq.reconcile import Doubt
from qiskit_parallel_ionq.state_folder import SUFFIX

from . import faults
from .circuits import several
from .faults import Fault
from .history import check, read_journal
from .moments import AttentiveClient, Line, Moment
from .simulation import World
from .trials import KIND

T = TypeVar("T")
CIRCUITS = several(5)
RUNS = 3
"""At the most, in one world."""
SETTLE = {"simulator": 10.0, "qpu.forte-1": 300.0}
"""Seconds after which what was lost is taken for absent."""
PATIENT = 5_000.0
READS = (faults.LIST, faults.LOOK, faults.JOB, faults.RESULT, faults.CANCEL, faults.WHOAMI)
KEPT_ON_THE_WAY = {"intent", "proof", "match", "home"}
"""Promises that hold at any moment; the others once all is quiet."""


class Orders:
    """Stands where the service's script stands: strikes the next request of a route, when told to."""

    def __init__(self) -> None:
        self.waiting: dict[str, deque[Fault]] = {}
        self.struck = 0

    def of(self, route: str) -> Fault | None:
        """Return what befalls the next request of a route."""
        waiting = self.waiting.get(route)
        if not waiting:
            return None
        self.struck += 1
        return waiting.popleft()

    def add(self, route: str, fault: Fault) -> None:
        """Have one more request of a route struck."""
        self.waiting.setdefault(route, deque()).append(fault)


class Gatekeeper(Line):
    """Lets no submission pass that is not announced on disk, or repeats one that may have had its effect."""

    def __init__(self, world: World, client: AttentiveClient, sent: Counter[str]) -> None:
        super().__init__(world, client, Moment("", lambda: None), {})
        self._folder, self._disk, self._sent = world.folder, client.disk, sent
        self.breaches: list[str] = []

    def exchange(self, method: str, path: str, **given: Any) -> Any:
        """Send one request; see `Line.exchange`."""
        if method == "POST":
            self._inspect(json.loads(given["body"])["metadata"]["qpi"])
        return super().exchange(method, path, **given)

    def _inspect(self, token: str) -> None:
        path = self._folder / f"{token.split('.')[1]}{SUFFIX}"
        durable = path.read_bytes()[: self._disk.durable.get(path.stat().st_ino, 0)]
        lines = read_journal(durable)
        numbers = {line["n"] for line in lines if line["is"] == "parcel" and line["token"] == token}
        told = [line["is"] for line in lines if line.get("n") in numbers]
        self._sent[token] += 1
        if told.count("sent") < self._sent[token]:
            self.breaches.append(f"{token} was sent, and that was not durable")
        said = "".join({"sent": "s", "absent": "x", "held back": "x"}.get(kind, "") for kind in told)
        if "ss" in said:
            self.breaches.append(f"{token} was sent again, and no proof was durable: {told}")


def _pick(those: Sequence[T], which: int) -> T:
    return those[which % len(those)]


@dataclass
class Adventure:
    """One run, through all programs that went on with it."""

    id: str
    count: int
    job: ParallelIonQJob | None = None
    ended: dict[int, str] = field(default_factory=dict)
    """Circuit -> how it ended in the program that goes on with it now."""
    is_cancelled: bool = False


class Programs(RuleBasedStateMachine):
    """Programs that use the package, one after the other, in a world that does its worst."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Adventure] = []
        self.sent: Counter[str] = Counter()
        self.gates: list[Gatekeeper] = []
        self.power_cuts = self.deeds = 0
        self._silence = contextlib.ExitStack()
        self._silence.enter_context(contextlib.redirect_stderr(io.StringIO()))

    @initialize(
        machine=st.sampled_from(sorted(SETTLE)),
        on_unknown=st.sampled_from(["reconcile", "reconcile", "never", "resubmit"]),
        queue=st.sampled_from([0.0, 2.0, 60.0]),
    )
    def begin(self, machine: str, on_unknown: str, queue: float) -> None:
        """Choose what all runs of this world are like."""
        self.target = "simulator" if on_unknown == "resubmit" else machine
        self.on_unknown = on_unknown
        self.late = PATIENT if on_unknown == "never" else 0.6 * SETTLE[self.target]
        self.world = World(replace(KIND, queue=queue), 0)
        self.world.service.fate = self.orders = Orders()
        self.start()

    def start(self) -> None:
        """Start a program."""
        self.client = AttentiveClient(self.world)
        gate = Gatekeeper(self.world, self.client, self.sent)
        self.client.provider._api._transport = gate
        self.gates.append(gate)
        for each in self.runs:
            each.job, each.ended = None, {}

    def done(self, act: Any) -> Any:
        """Do something as a program's own thread would; return what it gave or raised."""
        box: list[Any] = []

        def guarded() -> None:
            try:
                box.append(act())
            except Exception as error:  # noqa: BLE001 - told to who asks
                box.append(error)

        self.client.process.spawn(guarded)
        assert self.world.until(lambda: bool(box)), "it does not come to an end"
        self.deeds += 1
        return box[0]

    # -- what people do ------------------------------------------------------------------------

    @precondition(lambda self: len(self.runs) < RUNS)
    @rule(
        count=st.integers(1, 5),
        per_job=st.sampled_from([1, 3]),
        in_turn=st.booleans(),
        head_start=st.sampled_from([0.0, 0.5, 3.0]),
    )
    def run(self, count: int, per_job: int, in_turn: bool, head_start: float) -> None:
        backend = self.client.provider.get_backend(self.target)
        given = {"circuits_per_job": per_job, "on_unknown": self.on_unknown, "use_parallel": not in_turn}
        job = self.done(lambda: backend.run(CIRCUITS[:count], shots=4, **given))
        assert isinstance(job, ParallelIonQJob), repr(job)
        self.runs.append(Adventure(job.job_id(), count, job))
        self.world.pass_time(head_start)

    @precondition(lambda self: self.living(is_live=False))
    @rule(which=st.integers(0, RUNS), submit=st.booleans())
    def resume(self, which: int, submit: bool) -> None:
        mine = _pick(self.living(is_live=False), which)
        job = self.done(lambda: self.client.provider.resume(mine.id, submit=submit))
        assert isinstance(job, ParallelIonQJob | ApiError | TransportError), repr(job)
        mine.job = job if isinstance(job, ParallelIonQJob) else None

    @precondition(lambda self: self.living(is_live=True))
    @rule(which=st.integers(0, RUNS), include_running=st.booleans())
    def cancel(self, which: int, include_running: bool) -> None:
        mine = _pick(self.living(is_live=True), which)
        assert mine.job is not None
        mine.is_cancelled |= mine.job.cancel(include_running=include_running)
        self.deeds += 1

    @precondition(lambda self: self.living(is_live=True))
    @rule(which=st.integers(0, RUNS))
    def interrupt(self, which: int) -> None:
        mine = _pick(self.living(is_live=True), which)
        assert mine.job is not None
        mine.job.leave()

    # A run that is under way may be about to ask whose its jobs are; its own key would never change.
    @precondition(lambda self: not self.living(is_live=True))
    @precondition(lambda self: any(map(self.knows_project, self.living(is_live=False))))
    @rule(which=st.integers(0, RUNS))
    def resume_with_the_key_of_another_project(self, which: int) -> None:
        mine = _pick([each for each in self.living(is_live=False) if self.knows_project(each)], which)
        posts = self.posts(mine)
        habits = self.world.service.habits
        self.world.service.habits = replace(habits, project="project-2")
        refused = self.done(lambda: self.client.provider.resume(mine.id, submit=True))
        self.world.service.habits = habits
        assert isinstance(refused, CredentialsError | ApiError | TransportError), repr(refused)
        assert self.posts(mine) == posts

    # -- what befalls them ---------------------------------------------------------------------

    @rule(numbers=st.lists(st.integers(0, 1000), min_size=1, max_size=4))
    def strike_the_next_submissions(self, numbers: list[int]) -> None:
        late = [Fault("late", seconds=self.late * share) for share in (0.1, 0.5, 1.0)]
        menu = faults.submission_faults()
        for number in numbers:  # every third is late: that is what tempts clients to send again
            self.orders.add(faults.POST, _pick(menu if number % 3 else late, number // 3))

    @rule(number=st.integers(0, 1000), route=st.sampled_from(READS))
    def strike_the_next_read(self, number: int, route: str) -> None:
        stale = 0.3 * SETTLE[self.target]
        menu = faults.listing_faults(stale=stale) if route == faults.LIST else faults.read_faults()
        self.orders.add(route, _pick(menu, number))

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.0, 10.0, 100.0, 1000.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(power_cut=st.booleans())
    def crash(self, power_cut: bool) -> None:
        self.client.bury(power_cut=power_cut, die=self.world.die)
        self.power_cuts += power_cut
        self.start()

    @rule()
    def come_to_the_end(self) -> None:
        self.client.provider._conductor.close()
        self.world.until(lambda: all(each.job is None or each.job.batch.is_over for each in self.runs))
        self.crash(power_cut=False)

    # -- what always holds ---------------------------------------------------------------------

    @invariant()
    def no_submission_goes_out_unannounced_or_again_without_a_proof(self) -> None:
        breaches = [breach for gate in self.gates for breach in gate.breaches]
        assert not breaches, breaches

    @invariant()
    def what_has_ended_stays_as_it_is_and_the_whole_is_final_only_if_all_are(self) -> None:
        for mine in self.runs:
            if mine.job is None:
                continue
            batch = mine.job.batch
            ended = {i: repr(batch.errors.get(i)) for i in range(mine.count) if batch.has_ended(i)}
            assert mine.ended.items() <= ended.items()
            mine.ended = ended
            assert (mine.job.status() in JOB_FINAL_STATES) == (len(ended) == mine.count)

    @invariant()
    def promises_are_kept_on_the_way(self) -> None:
        for mine in self.runs:
            if mine.job is not None:
                broken = check(self.world.history(mine.job))
                assert not [each for each in broken if each.rule in KEPT_ON_THE_WAY], broken

    # -- the end -------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Let another program finish everything, wait until all is quiet, and judge each run."""
        with self._silence:
            if not hasattr(self, "world"):
                return
            with self.world:
                self.orders.waiting.clear()
                self.crash(power_cut=False)
                for mine in self.runs:
                    mine.job = self.done(lambda: self.client.provider.resume(mine.id, submit=True))  # noqa: B023
                    assert isinstance(mine.job, ParallelIonQJob), repr(mine.job)
                batches = [mine.job.batch for mine in self.runs if mine.job is not None]
                assert self.world.until(lambda: all(batch.is_over for batch in batches)), "it never ends"
                self.world.pass_time(self.late)
                for mine in self.runs:
                    self.judge(mine)
                requests = sum(record["is"] == "request" for record in self.world.log)
                assert requests <= 60 * self.deeds + self.world.clock.now / 2.0

    def judge(self, mine: Adventure) -> None:
        """Make sure that a run has come to what it should have."""
        assert mine.job is not None
        history = self.world.history(mine.job)
        excused = {"known", "once", "told", "proof"} if self.on_unknown == "resubmit" else set()
        broken = [each for each in check(history) if each.rule not in excused]
        assert not broken, broken
        allowed = set()
        if mine.is_cancelled:
            allowed.add("CircuitCancelledError")
        if self.power_cuts:
            allowed.add("NotSentError")  # what was handed over was not on disk yet
        if self.on_unknown == "never" or not self.knows_project(mine):
            allowed.add("SubmissionUnknownError")
        assert set(history.errors.values()) <= allowed, mine.job.errors()
        assert set(history.results) == set(range(mine.count)) - set(history.errors)

    # -- inside --------------------------------------------------------------------------------

    def living(self, *, is_live: bool) -> list[Adventure]:
        """Return the runs that this program goes on with, or the others."""
        return [mine for mine in self.runs if (mine.job is not None) == is_live]

    def posts(self, mine: Adventure) -> int:
        """Return how often anything of a run was sent."""
        return sum(count for token, count in self.sent.items() if token.split(".")[1] == mine.id)

    def knows_project(self, mine: Adventure) -> bool:
        """Say whether a run's record tells whose jobs these are."""
        path = self.world.folder / f"{mine.id}{SUFFIX}"
        return any(record["is"] == "project" for record in read_journal(path.read_bytes()))


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


AT_LENGTH = settings(max_examples=3_000, stateful_step_count=60)
SHORT = settings(max_examples=60, stateful_step_count=30)
TestPrograms = Programs.TestCase
TestPrograms.settings = settings(
    AT_LENGTH if os.environ.get("HARNESS_PROFILE") == "long" else SHORT,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


# ── it can tell ──


def seen_through():
    """Look for a way to catch a client that was doctored, the same way each time."""
    same = settings(
        max_examples=150,
        stateful_step_count=30,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(Programs, settings=same)
    return str(caught.value)


def test_a_client_that_does_not_flush_is_seen_through(monkeypatch):
    monkeypatch.setattr(Journal, "sync", lambda self: None)
    assert "was not durable" in seen_through()


def test_a_client_that_does_not_wait_is_seen_through(monkeypatch):
    def hasty(cls, token, lost_at, *, target):
        return cls(token, lost_at, settle=0.5)

    monkeypatch.setattr(Doubt, "about", classmethod(hasty))
    assert re.search("(stored|charged) [2-9] times", seen_through())


def test_a_client_that_trusts_any_key_is_seen_through(monkeypatch):
    monkeypatch.setattr(Recall, "_require_project", lambda self, story: None)
    assert "ParallelIonQJob" in seen_through()
