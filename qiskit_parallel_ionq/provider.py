# SPDX-License-Identifier: Apache-2.0
"""Where everything is put together: the only module that knows all floors of the house."""

from __future__ import annotations

import atexit
import difflib
import os
import platform
import random
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import qiskit

from . import wire
from ._version import __version__
from .answers import Answer, Known
from .api import Api
from .archive import Archive
from .backend import ParallelIonQBackend
from .chronicle import Run, Summary
from .conductor import Conductor, Loop, SharedGate, gate_of
from .cost import Workload
from .credentials import TARGET_VARIABLES, Environment, Secret, checked_url, unshown
from .errors import (
    ApiError,
    CredentialsError,
    IonQError,
    JobError,
    JournalError,
    OptionError,
    RunBusyError,
    TargetError,
    TransportError,
)
from .facts import is_wanted, least_busy
from .job import ParallelIonQJob
from .journal import NoRecord, Record
from .logs import logger
from .options import RunOptions
from .policy import Backoff, is_passing, retry_after
from .recall import Recall
from .target import Gateset
from .transport import Reply, Transport
from .wire import CatalogEntry, Characterization, CostEstimate, SessionRecord
from .worker import Worker
from .workshop import require_processes

if TYPE_CHECKING:
    from typing_extensions import Self


_T = TypeVar("_T")

PARALLEL = "ionq_parallel"
ASK_AGAIN_AFTER = 300.0
"""Seconds after which a characterization that could not be had is asked for again."""
STATUS_AGE = 60.0
"""Seconds that the service's word stays good on whether a target is available."""
LONGEST_PAUSE = 10.0
"""Seconds between two attempts to read the catalogue, for which somebody waits."""


class ParallelIonQProvider:
    """Access to IonQ's targets.

    It is born offline: nothing is read, asked or started before something needs it. Use it as a context
    manager, or `close` it, to end its threads and connections; otherwise they end when nothing refers to the
    provider any more and no run of it is under way, and with the program at the latest.

    A copy is the provider itself. A pickle holds its URL and proxies, and never a key, the values of custom
    headers or a proxy's password: where it is unpickled, the key is looked for in the environment.

    Args:
        token: API key; or a ``qiskit_ionq.IonQProvider``, whose key, URL and headers are taken over.
            None: ``IONQ_API_KEY``, ``QISKIT_IONQ_API_TOKEN`` or ``IONQ_API_TOKEN`` from the environment,
            else from ``.env``.
        url: base URL. None: ``IONQ_API_URL`` or ``QISKIT_IONQ_API_URL`` from the environment, or from
            ``.env`` if the key is from there too, else IonQ's.
        custom_headers: sent with every request.
        proxies: scheme -> proxy URL; proxies of the environment are not used.
        state_dir: folder in which runs are recorded, so that any process can go on with them. None:
            ``QISKIT_PARALLEL_IONQ_STATE_DIR``, else the platform's folder for the state of programs.
        executor: compiles circuits in other processes: a ``ProcessPoolExecutor``, or Dask's. It stays yours
            to end. None: the thread that calls ``run`` does.

    Raises:
        CredentialsError: a URL that a key must not be sent to.
        OptionError: the executor's workers are threads.
    """

    def __init__(
        self,
        token: Any = None,
        url: str | None = None,
        *,
        custom_headers: Mapping[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
    ) -> None:
        # A report of an error may print local variables: none of these may show.
        custom_headers, proxies = unshown(custom_headers or {}), unshown(proxies or {})
        self._token: Secret | None = None
        self._given_url: str | None = None
        self._environment: Environment | None = None
        try:
            if token is not None and not isinstance(token, str):
                token, url, custom_headers = _taken_over(token, url, custom_headers)
            if token:
                self._token = Secret(token)
        finally:
            del token
        if url:
            self._given_url = checked_url(url)
        self._archive: Archive | None = Archive(None if state_dir is None else Path(state_dir).expanduser())
        if executor is not None:
            require_processes(executor)
        self.executor = executor
        self._custom_headers = unshown(custom_headers or {})
        self._proxies = proxies
        self._seeds = np.random.SeedSequence()
        self._lock = threading.RLock()
        self._found_key: Secret | None = None
        self._left_behind = _LeftBehind()
        self._catalogue: Answer[dict[str, CatalogEntry]] = Answer()
        self._characterizations: dict[str, Answer[Characterization | None]] = {}
        self._project: Answer[str | None] = Answer()
        self._conductor: Conductor | None = None
        self._api: Api | None = None
        self._jobs: weakref.WeakValueDictionary[str, ParallelIonQJob] = weakref.WeakValueDictionary()
        self._session_jobs: dict[str, list[ParallelIonQJob]] = {}
        self._pause: Callable[[float], object] = threading.Event().wait
        self._closers: list[tuple[int, Callable[[], object]]] = []
        self._is_closed = False
        self._finalizer = weakref.finalize(self, _close_in_background, self._closers)
        self._finalizer.atexit = False
        _open_providers.add(self)

    @classmethod
    def local(
        cls,
        seed: int | None = None,
        *,
        state_dir: str | os.PathLike[str] | None = None,
        executor: Executor | None = None,
        **service: Any,
    ) -> ParallelIonQProvider:
        """Return a provider of an emulated IonQ service inside this process: no key, no network, no cost.

        Args:
            seed: makes every count of a program that runs the same circuits again reproducible.
            state_dir: folder in which runs are recorded. None: they are not; the service forgets them, too.
            executor: compiles circuits in other processes.
            **service: knobs of the emulator, such as ``round_trip=0.15`` and ``execution_time=0.5``
                (seconds); see `qiskit_parallel_ionq.emulator.LocalIonQ`.
        """
        from .emulator import LocalIonQ

        ionq = LocalIonQ(seed=seed, **service).start()
        provider = cls(ionq.api_key, ionq.url, state_dir=state_dir, executor=executor)
        if state_dir is None:
            provider._archive = None
        provider._at_close(ionq.close)
        provider._seeds = np.random.SeedSequence(seed)
        return provider

    def __repr__(self) -> str:
        try:
            return f"<ParallelIonQProvider {self.url}>"
        except CredentialsError:
            return "<ParallelIonQProvider, with a URL that is refused>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        secretive = {scheme for scheme, proxy in self._proxies.items() if "@" in str(proxy)}
        left_behind = _LeftBehind(
            key=self._left_behind.key or self._token is not None,
            headers=tuple(self._custom_headers) or self._left_behind.headers,
            proxies=tuple(sorted(secretive)) or self._left_behind.proxies,
        )
        proxies = {scheme: str(proxy) for scheme, proxy in self._proxies.items() if scheme not in secretive}
        return _unpickled, (type(self), self._given_url, proxies, self._archive, left_behind)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Send nothing more, and end threads and connections. Jobs in the service go on."""
        self._is_closed = True
        _open_providers.discard(self)
        if self._finalizer.detach():
            _close_all(self._closers)

    @property
    def url(self) -> str:
        """Base URL of the service.

        Raises:
            CredentialsError: one that the key must not be sent to, or that it is not safe to believe.
        """
        if self._given_url is not None:
            return self._given_url
        return self._read_environment().url(has_own_key=self._token is not None)

    def get_backend(
        self, name: str = PARALLEL, *, target: str | None = None, gateset: Gateset = "native", **options: Any
    ) -> ParallelIonQBackend:
        """Return a backend. Asks nothing of the service.

        Args:
            name: ``"ionq_parallel"``, which runs on ``target``; or a target by any name users know it by:
                ``"ionq_simulator"``, ``"simulator"``, ``"ionq_qpu.forte-1"``, ``"qpu.forte-1"``.
            target: target of ``"ionq_parallel"``. None: ``IONQ_TARGET`` from the environment or ``.env``,
                else the simulator.
            gateset: ``"native"``, or ``"qis"``: the service compiles.
            **options: defaults for runs, see `RunOptions`.

        Raises:
            TargetError: no target can have that name; lists those there are.
            OptionError: an option is unknown or cannot be right.
        """
        if not isinstance(name, str):
            raise TargetError(f"a backend has a name, such as 'ionq_parallel', not {name!r}")
        if gateset not in ("native", "qis"):
            raise TargetError(f"gateset must be 'native' or 'qis', not {gateset!r}")
        if name == PARALLEL:
            chosen = wire.target_name(
                target or self._read_environment().get(TARGET_VARIABLES) or wire.SIMULATOR
            )
            shown = PARALLEL
        else:
            chosen = wire.target_name(name)
            shown = f"ionq_{chosen}"
            if target is not None and wire.target_name(target) != chosen:
                raise TargetError(f"{name!r} names a target itself; target={target!r} contradicts it")
        if chosen != wire.SIMULATOR and not chosen.startswith("qpu."):
            raise self._unknown(chosen)
        return ParallelIonQBackend(self, name=shown, target=chosen, gateset=gateset, **options)

    def backends(
        self,
        name: str | None = None,
        *,
        filters: Callable[[ParallelIonQBackend], bool] | None = None,
        min_num_qubits: int | None = None,
        simulator: bool | None = None,
        operational: bool | None = None,
    ) -> list[ParallelIonQBackend]:
        """Return a backend for every target of the service that is not retired and is asked for.

        Args:
            name: of the target, by any name users know it by.
            filters: says of a backend whether it is wanted.
            min_num_qubits: fewest qubits.
            simulator: True for the simulator only, False for machines only.
            operational: whether circuits can be sent there now, as the service has said within a minute.
        """
        entries = self.catalogue(max_age=None if operational is None else STATUS_AGE).values()
        found = [
            self.get_backend(entry.name)
            for entry in entries
            if entry.status != "retired"
            and is_wanted(
                entry,
                name=name,
                min_num_qubits=min_num_qubits,
                simulator=simulator,
                operational=operational,
            )
        ]
        return [backend for backend in found if filters is None or filters(backend)]

    def least_busy(
        self,
        *,
        filters: Callable[[ParallelIonQBackend], bool] | None = None,
        min_num_qubits: int | None = None,
        simulator: bool | None = False,
    ) -> ParallelIonQBackend:
        """Return the available backend with the shortest average queue, a machine if nothing else is said.

        Machines that the service calls degraded come last.

        Args:
            filters: says of a backend whether it is wanted.
            min_num_qubits: fewest qubits.
            simulator: None if the simulator will do, too; it has no queue to speak of.

        Raises:
            TargetError: nothing that is available is wanted.
        """
        found = self.backends(
            filters=filters, min_num_qubits=min_num_qubits, simulator=simulator, operational=True
        )
        backend = least_busy(found, lambda b: self.catalogue_entry(b.ionq_target))
        if backend is None:
            shown = ", ".join(f"{e.name} ({e.qubits} qubits, {e.status})" for e in self.catalogue().values())
            raise TargetError(f"no backend that is available is like that; there are {shown}")
        return backend

    def catalogue(self, *, max_age: float | None = None) -> Mapping[str, CatalogEntry]:
        """Return what the service offers, by target.

        Args:
            max_age: seconds that an answer stays good. None: asked for once.
        """
        return self._catalogue.get(
            lambda: Known({entry.name: entry for entry in self._read_catalogue()}),
            lambda known: max_age is None or known.age <= max_age,
        )

    def characterization(self, target: str, *, max_age: float | None = None) -> Characterization | None:
        """Return the newest characterization of a machine; None where there is none.

        Args:
            target: the service's name of it. The simulator has none, and is not asked for.
            max_age: seconds that an answer stays good. None: asked for once.

        Raises:
            ApiError: the service does not say.
            TransportError: it could not be reached.
        """
        if not wire.is_qpu(target):
            return None
        return self._characterizations.setdefault(target, Answer()).get(
            lambda: Known(self.patiently(lambda: self._made_api().characterization(target))),
            lambda known: known.is_told and (max_age is None or known.age <= max_age),
        )

    def characterization_at_hand(self, target: str) -> Characterization | None:
        """Return a characterization as it is known, asked for once; None where it cannot be had.

        It is asked for without patience, and does not raise: circuits run without it.
        """
        if not wire.is_qpu(target):
            return None

        def ask() -> Known[Characterization | None]:
            try:
                return Known(self._made_api().characterization(target))
            except (ApiError, TransportError) as error:
                logger.info("There is no characterization of %s to be had: %s", target, error)
                return Known(None, is_told=False)

        return self._characterizations.setdefault(target, Answer()).get(
            ask, lambda known: known.is_told or known.age <= ASK_AGAIN_AFTER
        )

    def _read_catalogue(self) -> tuple[CatalogEntry, ...]:
        return self.patiently(lambda: self._made_api().backends())

    def patiently(self, ask: Callable[[], _T]) -> _T:
        """Ask for what somebody waits for, again a few times while that may help."""
        backoff = Backoff(first=0.25, attempts=4)
        attempt = 1
        while True:
            try:
                return ask()
            except (ApiError, TransportError) as error:
                pause = backoff.delay(attempt, jitter=random.random())
                if pause is None or not is_passing(getattr(error, "status", None)):
                    raise
                asked = retry_after(getattr(error, "retry_after", None), now=datetime.now(timezone.utc))
                self._pause(min(max(pause, asked or 0.0), LONGEST_PAUSE))
                attempt += 1

    def catalogue_entry(self, target: str, *, max_age: float | None = None) -> CatalogEntry:
        """Return what the service says of one target.

        Args:
            target: the service's name of it.
            max_age: seconds that an answer stays good. None: asked for once.

        Raises:
            TargetError: it has no such target; lists those it has.
        """
        entry = self.catalogue(max_age=max_age).get(target)
        if entry is None:
            raise self._unknown(target)
        return entry

    def require_available(self, target: str) -> None:
        """Make sure that circuits can be sent to a target.

        Raises:
            TargetError: it is retired or unavailable.
            CredentialsError: there is no API key.
        """
        self._key()
        entry = self.catalogue_entry(target)
        if entry.status != "available":
            self._catalogue.forget()  # it may be back
            entry = self.catalogue_entry(target)
        if entry.status != "available":
            others = [e.name for e in self.catalogue().values() if e.status == "available"]
            raise TargetError(
                f"{target} is {entry.status}; available are {', '.join(others)}. Nothing was sent."
            )

    def project(self, *, anew: bool = False) -> str | None:
        """Return the project that the key belongs to; None where the service does not say.

        Args:
            anew: whether to ask although the service has said so before.
        """
        if anew:
            return self._asked_project()
        return self._project.get(lambda: Known(self._asked_project()), lambda known: known.value is not None)

    def _asked_project(self) -> str | None:
        for _ in range(3):  # a lone refusal may be a proxy's
            try:
                return self.patiently(self._made_api().project)
            except (ApiError, TransportError) as error:
                logger.info("The service does not say whose key this is: %s", error)
        return None

    def estimate(self, target: str, load: Workload) -> CostEstimate:
        """Ask the service what a job would cost.

        Raises:
            ApiError: it does not say.
        """
        asked = {
            "type": "ionq.circuit.v1",
            "qubits": load.qubits,
            "shots": load.shots,
            "1q_gates": load.one_qubit_gates,
            "2q_gates": load.two_qubit_gates,
            "error_mitigation": load.error_mitigation,
        }
        return self.patiently(lambda: self._made_api().estimate(target, asked))

    def spent_by_others(self, run: Run) -> tuple[float, int]:
        """Return what other executions of a run, and other runs of its stream, have cost and sent so far."""
        return self._recall().spent_by_others(run)

    def charge(self, job_id: str) -> float | None:
        """Ask the service what a job was charged; None where it does not say."""
        try:
            return self.patiently(lambda: self._made_api().cost(job_id))
        except (ApiError, TransportError) as error:
            logger.info("There is no bill of job %s to be had: %s", job_id, error)
            return None

    def job(self, job_id: str) -> ParallelIonQJob:
        """Return a job of this provider by its id.

        Raises:
            JobError: this provider has run no such job, or nobody kept it.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise JobError(f"this provider knows no job {job_id!r}")
        return job

    def jobs(self, limit: int | None = None) -> list[Summary]:
        """Return the runs recorded on this machine for this service, the latest first.

        A record that cannot be read is left out, with a warning.

        Args:
            limit: how many at the most; None: all.
        """
        return self._recall().jobs(limit)

    def retrieve_job(self, job_id: str) -> ParallelIonQJob:
        """Return a job of any process: from its record, else from the service alone. Sends no circuit.

        Args:
            job_id: what ``job.job_id()`` said; or the id of one IonQ job, made here or by stock qiskit-ionq.

        Raises:
            JobError: neither is it recorded here, nor does the account hold it.
        """
        return self._recall().retrieve(job_id)

    def resume(
        self,
        job_id: str,
        *,
        submit: bool = False,
        max_cost: float | None = None,
        max_jobs: int | None = None,
    ) -> ParallelIonQJob:
        """Take a recorded run over, in this process or another, and go on where it stopped.

        What was accepted is collected, and what is in doubt is looked for. A machine gives five minutes to
        what is in doubt before anything is sent again. A run that is under way in this process already is
        returned as it is.

        Args:
            job_id: what ``job.job_id()`` said.
            submit: whether circuits that were not sent are sent now, which may cost money. The limits that
                the run was given (``max_cost``, ``max_jobs``) hold on: only what is left of them is used.
            max_cost: a new limit for the run, for all that it costs in all its executions; None: as it was.
            max_jobs: likewise, for the number of its IonQ jobs.

        Raises:
            OptionError: a limit is given, and nothing is to be sent.
            BudgetError: the service does not say what the circuits cost that a limit is for.
            RunBusyError: another process is at it.
            JournalError: it is not recorded here, or the record is damaged, and ``submit`` is asked for.
            JobError: it is neither recorded here nor held by the account, or belongs to another service.
            CredentialsError: the key belongs to another project, in which the run's jobs cannot be seen.
        """
        if not submit and (max_cost, max_jobs) != (None, None):
            raise OptionError("max_cost and max_jobs limit what is sent: give them together with submit=True")
        limits = RunOptions().update(max_cost=max_cost, max_jobs=max_jobs)
        return self._recall().resume(job_id, submit=submit, limits=limits)

    def _recall(self) -> Recall:
        return Recall(self, self._archive)

    def live_job(self, job_id: str) -> ParallelIonQJob | None:
        """Return a job of this provider that somebody still keeps, or None."""
        return self._jobs.get(job_id)

    def remember(self, job: ParallelIonQJob) -> None:
        """Let `job` find a job for as long as somebody keeps it; one of a session, until it is over."""
        self._jobs[job.job_id()] = job
        session_id = job.batch.run.session_id
        if session_id is not None:
            with self._lock:
                self._session_jobs[session_id] = [*self.session_jobs(session_id), job]

    def session_jobs(self, session_id: str) -> list[ParallelIonQJob]:
        """Return the jobs of a session that are under way here, whoever has kept them."""
        with self._lock:
            return [job for job in self._session_jobs.get(session_id, []) if not job.batch.is_over]

    def sessions(self, *, active: bool | None = True) -> tuple[SessionRecord, ...]:
        """Return the sessions of the organisation.

        Args:
            active: True, those that are open; False, those that have ended; None, all.

        Raises:
            NotFoundError: sessions are not enabled for the organisation.
        """
        return self.patiently(lambda: self._made_api().sessions(active=active))

    def session_record(self, session_id: str) -> SessionRecord:
        """Return what the service says of a session now."""
        return self.patiently(lambda: self._made_api().session(session_id))

    def post_session(self, body: bytes) -> Reply:
        """Ask for a session, once, and return the answer unjudged; `Session` knows what it proves."""
        return self._made_api().create_session(body)

    def end_session(self, session_id: str) -> SessionRecord:
        """End a session; one that has ended stays as it is."""
        with self._lock:
            self._session_jobs.pop(session_id, None)
        return self.patiently(lambda: self._made_api().end_session(session_id))

    def begin_record(self, run: Run) -> Record:
        """Return where a run is recorded from its beginning.

        Raises:
            RunBusyError: it is recorded already.
            JournalError: it cannot be recorded, and its jobs cost money. On the simulator that is a warning.
        """
        if self._archive is None:
            return NoRecord()
        try:
            return self._archive.begin(run)
        except RunBusyError:
            raise
        except JournalError as error:
            if wire.is_qpu(run.target):
                raise JournalError(f"{error}. Nothing was sent: what costs money is recorded first") from None
            logger.warning("This run is not recorded, and cannot be resumed: %s", error)
            return NoRecord()

    @property
    def user_agent(self) -> str:
        """What we tell the service about ourselves."""
        python = platform.python_version()
        return f"qiskit-parallel-ionq/{__version__} qiskit/{qiskit.__version__} python/{python}"

    def next_seed(self) -> int:
        """Return the seed of a run that was given none: another for each run, so that noise is not shared."""
        with self._lock:
            return int(self._seeds.spawn(1)[0].generate_state(1, np.uint64)[0] >> 1)

    def conductor(self) -> Conductor:
        """Return the one conductor of this provider; its threads start with the first run."""
        with self._lock:
            self._require_open()
            if self._conductor is None:
                worker = Worker(self._made_api(), time.monotonic)
                self._conductor = Conductor(worker, Loop(gate=self._gate()))
                self._at_close(self._conductor.close)
            return self._conductor

    def _gate(self) -> SharedGate | None:
        """Return the gate that all providers of this account share; without a key there is no account."""
        try:
            return gate_of(self.url, self._key())
        except CredentialsError:
            return None

    def _made_api(self) -> Api:
        with self._lock:
            self._require_open()
            if self._api is None:
                self._left_behind.check()
                transport = Transport(
                    self.url,
                    _weakly(self._key),
                    user_agent=self.user_agent,
                    headers=self._custom_headers,
                    proxies=self._proxies,
                )
                self._at_close(transport.close)
                self._api = Api(transport)
            return self._api

    def _require_open(self) -> None:
        if self._is_closed:
            raise IonQError("this provider is closed; make a new one")
        if any(process != os.getpid() for process, _ in self._closers):
            raise IonQError(
                "this provider belongs to the process from which this one was forked, and its jobs go on "
                "there; make a new provider here"
            )

    def _at_close(self, closer: Callable[[], object]) -> None:
        """Have something closed before what was there before it, by this process only."""
        self._closers.insert(0, (os.getpid(), closer))

    def _key(self) -> Secret:
        key = self._token or self._found_key
        if key is None:
            key = self._found_key = self._read_environment().key()
        if key is None:
            raise CredentialsError(
                "there is no API key: set IONQ_API_KEY (in the environment or in .env), or pass "
                "ParallelIonQProvider('your key'); keys are made at https://cloud.ionq.com. "
                f"ParallelIonQProvider.local() needs none.{self._left_behind.note} Nothing was sent."
            )
        return key

    def _read_environment(self) -> Environment:
        if self._environment is None:
            self._environment = Environment.read()
        return self._environment

    def _unknown(self, target: str) -> TargetError:
        catalogue = self._catalogue.known
        known = list(wire.KNOWN_TARGETS if catalogue is None else catalogue.value)
        near = difflib.get_close_matches(target, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return TargetError(f"there is no target {target!r}; there are {', '.join(known)}.{hint}")


@dataclass(frozen=True, slots=True)
class _LeftBehind:
    """What a pickled provider had and its pickle has not: things that may be secret."""

    key: bool = False
    headers: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What to say where a key is missing."""
        if not self.key:
            return ""
        return (
            " This provider was pickled, and a pickle never holds a key that was given as an argument: here "
            "it has to be in the environment, or the provider made anew."
        )

    def check(self) -> None:
        """Refuse to go on without things that cannot be found again.

        Raises:
            CredentialsError: there are such.
        """
        lost = [f"the value of the header {name!r}" for name in self.headers]
        lost += [f"the proxy for {scheme!r}, which has a password" for scheme in self.proxies]
        if lost:
            raise CredentialsError(
                f"this provider was pickled, and a pickle holds nothing that may be secret, such as "
                f"{' and '.join(lost)}; make it anew with custom_headers and proxies. Nothing was sent."
            )


def _unpickled(
    kind: type[ParallelIonQProvider],
    url: str | None,
    proxies: Mapping[str, str],
    archive: Archive | None,
    left_behind: _LeftBehind,
) -> ParallelIonQProvider:
    provider = kind(None, url, proxies=proxies)
    provider._archive = archive  # noqa: SLF001 - it is a constructor in two steps
    provider._left_behind = left_behind  # noqa: SLF001
    return provider


def _taken_over(
    provider: Any, url: str | None, headers: Mapping[str, str] | None
) -> tuple[str | None, str | None, Mapping[str, str] | None]:
    """Return key, URL and headers of a ``qiskit_ionq.IonQProvider``."""
    credentials = getattr(provider, "credentials", None)
    if not isinstance(credentials, Mapping):
        kind = type(provider).__name__
        del provider, credentials  # either may be a key, and a report may print local variables
        raise CredentialsError(f"the token must be text or a qiskit_ionq.IonQProvider, not {kind}")
    taken = getattr(provider, "custom_headers", None)
    return credentials.get("token"), url or credentials.get("url"), headers or taken


_open_providers: weakref.WeakSet[ParallelIonQProvider] = weakref.WeakSet()


@atexit.register
def _close_open_providers() -> None:
    for provider in list(_open_providers):
        provider.close()


def _weakly(read_key: Callable[[], Secret]) -> Callable[[], Secret]:
    """Return a function that reads a provider's key and does not keep the provider alive."""
    method = weakref.WeakMethod(read_key)

    def read() -> Secret:
        found = method()
        if found is None:
            raise CredentialsError("nothing refers to this provider any more, so its key is gone")
        return found()

    return read


def _close_in_background(closers: list[tuple[int, Callable[[], object]]]) -> None:
    """Close what a provider had that nothing refers to any more.

    The garbage collector runs in any thread, which may hold a lock that closing waits for.
    """
    if closers:
        try:
            threading.Thread(target=_close_all, args=(closers,), name="ionq-closing", daemon=True).start()
        except RuntimeError:  # the program ends, or the system gives no thread
            _close_all(closers)


def _close_all(closers: list[tuple[int, Callable[[], object]]]) -> None:
    while closers:
        process, close = closers.pop(0)
        if process == os.getpid():
            close()
