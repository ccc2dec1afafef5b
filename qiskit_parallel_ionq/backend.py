# SPDX-License-Identifier: Apache-2.0
"""The Qiskit backend: checks all circuits, compiles what is not native, and sends each as soon as it is."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Any, Protocol, overload

import numpy as np
import numpy.typing as npt
from qiskit.circuit import QuantumCircuit
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import CouplingMap, PassManager, Target

from . import compiler, wire
from ._version import __version__
from .batch import Batch
from .budget import Budget, new_budget
from .chronicle import Run, new_run_id, parcel_record, spent
from .compiler import is_dynamic
from .conductor import Conductor
from .cost import CostReport, Workload, cost_report, workload
from .drafts import Draft, Drafter, bound_drafts, draft, drafter, unfit
from .encode import Kind
from .errors import BudgetError, CircuitError, IonQError, JobError, OptionError, RunBusyError
from .facts import BackendStatus
from .job import ParallelIonQJob
from .journal import Record
from .logs import logger
from .options import RunOptions
from .packer import Packer
from .parcel import Parcel
from .preflight import fitted, refuse_delays, require_measurement
from .rerun import next_generation
from .stream import ParallelIonQStream
from .stretch import Sender, Stretch, stretch_size
from .target import WIDE_GATES, Gateset, device_target, family_of, spelled_out
from .wire import CatalogEntry, Characterization, CostEstimate, JobState
from .workshop import encode_all, require_processes


@dataclass(frozen=True, slots=True)
class _Unready:
    """A circuit that could not be compiled or encoded after all."""

    index: int
    error: IonQError


class Account(Protocol):
    """What a backend asks of its provider."""

    @property
    def user_agent(self) -> str:
        """What we tell the service about ourselves."""

    def catalogue_entry(self, target: str, *, max_age: float | None = None) -> CatalogEntry:
        """Return what the service says of one target; asked anew if that is older, in seconds."""

    def characterization(self, target: str, *, max_age: float | None = None) -> Characterization | None:
        """Return the newest characterization of a machine; asked anew if that was asked longer ago."""

    def characterization_at_hand(self, target: str) -> Characterization | None:
        """Return a characterization, asked for once, or None where it cannot be had; does not raise."""

    def require_available(self, target: str) -> None:
        """Make sure that circuits can be sent to a target."""

    def conductor(self) -> Conductor:
        """Return the one conductor of the account."""

    @property
    def url(self) -> str:
        """Base URL of the service."""

    @property
    def executor(self) -> Executor | None:
        """What compiles circuits in other processes, if anything does."""

    def begin_record(self, run: Run) -> Record:
        """Return where a run is recorded from its beginning."""

    def project(self) -> str | None:
        """Return the project that the key belongs to, if the service says so."""

    def next_seed(self) -> int:
        """Return the seed of a run that was given none."""

    def estimate(self, target: str, load: Workload) -> CostEstimate:
        """Ask the service what a job would cost."""

    def remember(self, job: ParallelIonQJob) -> None:
        """Let a job be found by its id."""

    def resume(self, job_id: str) -> ParallelIonQJob:
        """Go on with a run, and send nothing."""

    def spent_by_others(self, run: Run) -> tuple[float, int]:
        """Return what other executions of a run, and other runs of its stream, have cost and sent so far."""

    def charge(self, job_id: str) -> float | None:
        """Ask the service what a job was charged; None where it does not say."""


class ParallelIonQBackend(BackendV2):
    """One IonQ target, made by ``provider.get_backend``. Asks nothing of the service before it must."""

    def __init__(
        self,
        provider: Account,
        *,
        name: str,
        target: str,
        gateset: Gateset = "native",
        **options: Any,
    ) -> None:
        super().__init__(
            provider=provider, name=name, description=f"IonQ {target}", backend_version=__version__
        )
        self._account = provider
        self.ionq_target = target
        self.gateset: Gateset = gateset
        if options:
            self.set_options(**options)

    @classmethod
    def _default_options(cls) -> Options:
        return Options(**asdict(RunOptions()))

    def __repr__(self) -> str:
        return f"<ParallelIonQBackend {self.name!r}: target={self.ionq_target}, gateset={self.gateset}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> ParallelIonQBackend:
        # Options are the copy's own; connections and keys are the provider's, and shared.
        rebuild, parts = self.__reduce__()
        copy: ParallelIonQBackend = rebuild(*parts)
        memo[id(self)] = copy
        return copy

    def __reduce__(self) -> tuple[Any, ...]:
        options = dict(self.options.items())
        return _rebuilt, (type(self), self._account, self.name, self.ionq_target, self.gateset, options)

    @property
    def simulator(self) -> bool:
        """Whether running here is free."""
        return not wire.is_qpu(self.ionq_target)

    @property
    def max_circuits(self) -> None:
        """Any number of circuits may be run at once."""
        return None

    @cached_property
    def _family_targets(self) -> dict[Any, Target]:
        return {}

    @property
    def target(self) -> Target:
        """The gates that run here, with error rates and durations where the service has measured them.

        First asked for, it reads the catalogue of the service and a machine's newest characterization, once.

        Raises:
            TargetError: the service has no such target.
        """
        target = self._target_with(self.options.noise_model)
        if _is_drawn() and target.build_coupling_map() is None:
            return spelled_out(target)
        return target

    @property
    def coupling_map(self) -> CouplingMap | None:
        """Return the pairs that can interact; None where all can.

        Qiskit's drawings (``plot_gate_map`` and the like) cannot read None, and get all pairs. The
        transpiler gets None: with all pairs it would widen every circuit to the whole device.
        """
        found = self.target.build_coupling_map()
        return CouplingMap.from_full(self.num_qubits) if found is None and _is_drawn() else found

    @property
    def operation_names(self) -> list[str]:
        """Names of the operations of `target` on one and two qubits, and of measurements and control flow.

        ``transpile(..., coupling_map=...)`` makes a target of these, and refuses any wider gate.
        """
        target = self.target
        return [name for name in target.operation_names if name not in WIDE_GATES]

    def _target_with(self, noise_model: str | None) -> Target:
        """Return the gates that run here, those of the modelled machine on the simulator."""
        entry = self._account.catalogue_entry(self.ionq_target)
        measured = self._account.characterization_at_hand(self.ionq_target)
        model = noise_model if self.simulator and noise_model != "ideal" else None
        family = family_of(model or entry.name, None if model else entry.native_gates)
        qubits = min(entry.qubits, wire.MODEL_QUBITS.get(model or "", entry.qubits))
        known_by = (family, qubits, measured)
        if known_by not in self._family_targets:
            self._family_targets[known_by] = device_target(
                replace(entry, qubits=qubits), gateset=self.gateset, family=family, measured=measured
            )
        return self._family_targets[known_by]

    def status(self, *, max_age: float = 60.0) -> BackendStatus:
        """Return how the target stands: whether it takes circuits, and how long its queue is.

        Args:
            max_age: seconds that an answer stays good; 0 asks the service anew.

        Raises:
            TargetError: the service has no such target.
        """
        return BackendStatus.of(
            self._account.catalogue_entry(self.ionq_target, max_age=max_age), str(self.name)
        )

    def calibration(self, *, max_age: float = 3600.0) -> Characterization | None:
        """Return what was last measured of the machine: fidelities, times, connectivity.

        None on the simulator, which is not asked for, and for a machine of which the service has no data.

        Args:
            max_age: seconds that an answer stays good; 0 asks the service anew.

        Raises:
            ApiError: the service does not say. Runs do without it.
            TransportError: it could not be reached.
        """
        return self._account.characterization(self.ionq_target, max_age=max_age)

    def get_translation_stage_plugin(self) -> str:
        """Name the stage that brings circuits to the gates of the target, or to gates that ours reads."""
        return "ionq_native"

    def get_scheduling_stage_plugin(self) -> str:
        """Name the stage that ends in native gates."""
        return "ionq_native"

    def pass_manager(self, optimization_level: int = 1) -> PassManager:
        """Return the compiler of this target, built once for each level."""
        return compiler.pass_manager(self.target, optimization_level)

    def set_options(self, **fields: Any) -> None:
        """Set defaults for later runs.

        Raises:
            UnknownOptionError: there is no option of that name.
            OptionError: a value cannot be right.
        """
        checked = RunOptions().update(**fields)
        super().set_options(**{name: getattr(checked, name) for name in fields})

    @overload
    def run(
        self,
        run_input: QuantumCircuit | Collection[QuantumCircuit],
        *,
        executor: Executor | None = ...,
        **options: Any,
    ) -> ParallelIonQJob: ...

    @overload
    def run(
        self, run_input: Iterable[QuantumCircuit], *, executor: Executor | None = ..., **options: Any
    ) -> ParallelIonQJob | ParallelIonQStream: ...

    def run(
        self,
        run_input: QuantumCircuit | Iterable[QuantumCircuit],
        *,
        executor: Executor | None = None,
        **options: Any,
    ) -> ParallelIonQJob | ParallelIonQStream:
        """Send circuits, each as soon as it is ready, and return at once with a composite job.

        All circuits are checked before anything is sent. Those that are not native are compiled on the
        way; qubits that a circuit does not use are not sent. A circuit without a measurement, or with a
        delay, is refused. An empty list gives an empty result.

        An iterator is not read to its end at once: of one with more circuits than a stretch (`stretch_size`)
        comes a stream, which takes and sends the others while its results are read.

        Args:
            run_input: one circuit, or any iterable of circuits; all parameters bound.
            executor: makes requests of circuits in other processes; None: the provider's, or this thread.
            **options: see `RunOptions`; they go before the backend's own.

        Raises:
            OptionError: an option is unknown or cannot be right.
            CircuitError: a circuit cannot run here; names it and, where there is one, the gate.
            CredentialsError: there is no API key.
            TargetError: the target does not exist or is not available.
        """
        began = time.monotonic()
        chosen = self.run_options(**options)
        if executor is not None:
            require_processes(executor)
        if isinstance(run_input, Iterator):
            start = list(islice(run_input, stretch_size(chosen.window)))
            more = next(run_input, None)
            if more is not None:
                return self._stream(chain(_given_away([*start, more]), run_input), chosen, executor)
            run_input = start
        circuits = _listed(run_input)
        chosen.each_shots(len(circuits))
        if circuits:
            self.require_ready(chosen)
        job = self.send(self.drafted(circuits, chosen), chosen, executor=executor)
        job.batch.stamps.began = began
        return job

    def _stream(
        self, circuits: Iterator[Any], options: RunOptions, executor: Executor | None
    ) -> ParallelIonQStream:
        if not isinstance(options.shots, int):
            raise OptionError("shots of each circuit need a list of circuits; of a stream all have the same")
        self.require_ready(options)
        budget = new_budget(None if self.simulator else options.max_cost, options.max_jobs)
        sender = Sender(self, options, self._seed(options), executor, budget)
        return ParallelIonQStream(
            self,
            sender.stream_id,
            circuits,
            sender,
            window=options.window,
        )

    def run_options(self, **options: Any) -> RunOptions:
        """Return what a run with these options would be told: they go before the backend's own.

        Raises:
            OptionError: one is unknown, or cannot be right here.
        """
        chosen = RunOptions().update(**dict(self.options.items())).update(**options)
        chosen.check_target(self.ionq_target)
        return chosen

    def drafts(self, circuit: QuantumCircuit, values: npt.ArrayLike, options: RunOptions) -> list[Draft]:
        """Check a circuit once, and return what to `send` for each set of values of its parameters.

        It is compiled once, as far as that does not depend on the values; later calls with a circuit of the
        same gates find what was compiled.

        Args:
            circuit: with any number of parameters.
            values: of shape (sets, parameters), in the order of ``circuit.parameters``.
            options: of the run, from `run_options`.

        Raises:
            CircuitError: the circuit cannot run here, or a value is not finite.
            CredentialsError: there is no API key.
            TargetError: the target does not exist or is not available.
        """
        self.require_ready(options)
        return self.drafter(circuit, options)(np.asarray(values, dtype=float))

    def drafter(self, circuit: QuantumCircuit, options: RunOptions) -> Drafter:
        """Check a circuit once, and return what makes `drafts` of it again and again.

        It may be kept as long as nobody changes the circuit.

        Raises:
            CircuitError: the circuit cannot run here.
        """
        target, level = self._target_with(options.noise_model), options.optimization_level
        if level is not None or not circuit.num_parameters:
            return drafter(*self._checked(circuit, target, options), target, level)

        def checked(values: npt.NDArray[np.float64]) -> list[Draft]:
            # Whether gates are native depends on the values.
            bound = [circuit.assign_parameters(row) for row in values]
            return [draft(*self._checked(each, target, options), target, level) for each in bound]

        return checked

    def require_ready(self, options: RunOptions) -> None:
        """Make sure that circuits can be sent at all, and with these options.

        Raises:
            CredentialsError: there is no API key.
            TargetError: the target does not exist or is not available.
            OptionError: it does not offer what is asked for.
        """
        self._account.require_available(self.ionq_target)
        options.check_entry(self._account.catalogue_entry(self.ionq_target))

    def send(
        self,
        drafts: Sequence[Draft],
        options: RunOptions,
        stretch: Stretch | None = None,
        *,
        executor: Executor | None = None,
    ) -> ParallelIonQJob:
        """Send circuits that are checked already, as `run` does.

        Args:
            drafts: from `drafts`, of any number of circuits.
            options: of the run, from `run_options`.
            stretch: of which stream this is a stretch, if it is one.
            executor: makes requests in other processes; None: the provider's, or this thread.

        Raises:
            OptionError: the options list another number of shots than there are drafts.
        """
        conductor = self._account.conductor()
        run = self._new_run(len(drafts), options)
        if stretch is not None:
            run = replace(run, id=stretch.id, stream=stretch.stream, first=stretch.first, seed=stretch.seed)
        batch = Batch(run, changed=None if stretch is None else stretch.changed)
        job = ParallelIonQJob(
            self, batch, conductor, progress=options.progress, cancels=options.on_interrupt == "cancel"
        )
        if drafts:
            parts: Iterable[Parcel | _Unready] = self._parts(batch, drafts, options, executor)
            if run.max_cost is not None or run.max_jobs is not None:
                parts = list(parts)
                budget = None if stretch is None else stretch.budget
                self._plan([part for part in parts if isinstance(part, Parcel)], batch, budget)
            conductor.start()
            batch.record = self._account.begin_record(batch.run)
            self._note_project(batch)
            _announce(len(drafts), options, self.ionq_target)
            try:
                for part in parts:
                    if isinstance(part, Parcel):
                        self._hand_over(batch, part, keep=options.keep_circuits)
                    else:
                        conductor.fail(batch, part.index, part.error)
            except KeyboardInterrupt:
                job.interrupt()
                raise
            except BaseException:  # what is not sent yet stays here
                job.leave()
                raise
        self._account.remember(job)
        return job

    def estimate_cost(
        self,
        run_input: QuantumCircuit | Iterable[QuantumCircuit],
        *,
        executor: Executor | None = None,
        **options: Any,
    ) -> CostReport:
        """Return what `run` would cost with the same arguments, by the service's own estimates. Sends no job.

        Circuits are compiled as `run` would, and priced by their gates; one request is enough where the
        service names its rates.

        Raises:
            OptionError: an option is unknown or cannot be right.
            CircuitError: a circuit cannot run here.
            ApiError: the service gives no estimate.
        """
        chosen = self.run_options(**options)
        circuits = _listed(run_input)
        chosen.each_shots(len(circuits))
        if circuits:
            self.require_ready(chosen)
        batch = Batch(self._new_run(len(circuits), chosen))
        parcels = []
        for part in self._parts(batch, self.drafted(circuits, chosen), chosen, executor):
            if not isinstance(part, Parcel):
                raise part.error
            parcels.append(part)
        return self.priced(parcels)

    def _new_run(self, total: int, options: RunOptions) -> Run:
        return Run(
            new_run_id(),
            total,
            self.ionq_target,
            seed=self._seed(options),
            shots=options.each_shots(total),
            workers=options.max_workers if options.use_parallel else 1,
            window=None if options.use_parallel else 1,
            on_unknown=options.on_unknown,
            backend=self.name,
            gateset=self.gateset,
            url=self._account.url,
            created_at=round(time.time(), 3),
            user_agent=self._account.user_agent,
            session_id=options.session_id,
            max_cost=options.max_cost,
            max_jobs=options.max_jobs,
        )

    def priced(self, parcels: Sequence[Parcel]) -> CostReport:
        """Return what jobs will cost, by the service's own estimates.

        Args:
            parcels: with their requests.

        Raises:
            ApiError: the service gives no estimate.
        """
        if self.simulator:  # which is free
            return CostReport(0.0, "usd", (0.0,) * len(parcels), minimum=0.0, packed=0.0)
        loads = [workload(parcel) for parcel in parcels]
        return cost_report(loads, lambda load: self._account.estimate(self.ionq_target, load))

    def _plan(self, parcels: Sequence[Parcel], batch: Batch, budget: Budget | None = None) -> None:
        """Make sure that a run keeps within its limits, and have it keep to them while it runs.

        Args:
            parcels: all that is to be sent.
            batch: the run.
            budget: that the run shares with others; None: of its own.

        Raises:
            BudgetError: it does not. Nothing was sent.
        """
        run = batch.run
        max_cost = None if self.simulator else run.max_cost
        if budget is None:
            budget = new_budget(max_cost, run.max_jobs) or Budget()
            budget.charged, budget.sent = run.cost_before, run.jobs_before
        else:
            batch.run = replace(run, cost_before=budget.total, jobs_before=budget.jobs)
        if run.max_cost is None:
            report = CostReport(0.0, budget.unit, (0.0,) * len(parcels))
        else:
            report = self.priced(parcels)
            batch.estimates = dict(enumerate(report.jobs))
            if report.saving > 0.01 * report.total and report.at_minimum > 1:
                logger.warning("This run will cost %s", report)
        budget.plan(run.id, report)
        batch.budget = budget

    def drafted(
        self, circuits: Sequence[Any], options: RunOptions, *, first: int | None = None
    ) -> list[Draft]:
        """Check a list of circuits, and return what to `send`.

        Args:
            circuits: all parameters bound.
            options: of the run, from `run_options`.
            first: position of the first one in a stream, where one that cannot run fails alone, in its turn.

        Raises:
            CircuitError: one cannot run; names it by index and name.
        """
        if not circuits:
            return []
        target = self._target_with(options.noise_model)
        checked: dict[int, tuple[QuantumCircuit, Kind]] = {}
        drafts: dict[int, Draft] = {}
        for place, circuit in enumerate(circuits):
            try:
                checked[place] = self._bound((first or 0) + place, circuit, target, options)
            except CircuitError as error:
                error.index = (first or 0) + place
                if first is None:
                    raise
                drafts[place] = unfit(getattr(circuit, "name", f"circuit {first + place}"), error)
        made = bound_drafts([*checked.values()], target, options.optimization_level)
        drafts.update(zip(checked, made, strict=True))
        return [drafts[place] for place in range(len(circuits))]

    def _bound(
        self, index: int, circuit: Any, target: Target, options: RunOptions
    ) -> tuple[QuantumCircuit, Kind]:
        """Check one circuit of a list."""
        if not isinstance(circuit, QuantumCircuit):
            raise CircuitError(
                f"circuit {index} is no QuantumCircuit but {type(circuit).__name__}: {circuit!r:.80}"
            )
        who = f"circuit {index} ({circuit.name!r})"
        if circuit.num_parameters:
            names = ", ".join(sorted(p.name for p in circuit.parameters)[:5])
            raise CircuitError(
                f"{who} has unbound parameters: {names}{', …' if circuit.num_parameters > 5 else ''}; "
                "bind them with assign_parameters"
            )
        return self._checked(circuit, target, options, index)

    def _checked(
        self, circuit: QuantumCircuit, target: Target, options: RunOptions, index: int | None = None
    ) -> tuple[QuantumCircuit, Kind]:
        """Return a circuit without instructions of the user's own, and how it will go out.

        Raises:
            CircuitError: it cannot; names the circuit and, where there is one, the gate.
        """
        who = f"circuit {circuit.name!r}" if index is None else f"circuit {index} ({circuit.name!r})"
        try:
            circuit = fitted(compiler.inline(circuit), target)
            compiler.check(circuit, target)
        except CircuitError as error:
            raise error if index is None else type(error)(f"circuit {index}: {error}") from error
        refuse_delays(circuit, who)
        require_measurement(circuit, who)
        if is_dynamic(circuit):
            if options.reading:
                raise CircuitError(
                    f"{who} measures in the middle or resets, and its registers are told by its shots only: "
                    f"run it without {options.reading.partition('=')[0]}"
                )
            return circuit, "qasm3"
        if options.optimization_level is None and not compiler.is_isa(circuit, target):
            raise CircuitError(
                f"{who} holds gates that {self.ionq_target} does not run, and optimization_level=None "
                "forbids compiling; transpile it first, or give a level from 0 to 3"
            )
        return circuit, self.gateset

    def _seed(self, options: RunOptions) -> int:
        for seed in (options.seed_simulator, options.sampler_seed):
            if seed is not None:
                return seed
        return self._account.next_seed()

    def _parts(
        self, batch: Batch, drafts: Sequence[Draft], options: RunOptions, executor: Executor | None
    ) -> Iterator[Parcel | _Unready]:
        """Compile, encode and pack one by one: the first is on its way before the last is compiled."""
        run = batch.run
        packer = Packer(
            run.id, run.total, run.target, options, run.user_agent, run.seed, run.shots, run.first,
            among=options.window if run.stream else 0,
        )  # fmt: skip
        began = time.monotonic()
        for index, made in enumerate(encode_all(drafts, executor or self._account.executor)):
            batch.stamps.compiled(index, began, time.monotonic())
            if isinstance(made, IonQError):
                name, memory_slots = drafts[index].name, drafts[index].num_clbits
                batch.headers[index] = {"name": name, "memory_slots": memory_slots}
                yield _Unready(index, made)
            else:
                batch.headers[index] = dict(made.header)
                yield from packer.add(index, made, run.shots[index])
            began = time.monotonic()
        yield from packer.flush()

    def _note_project(self, batch: Batch) -> None:
        """Record, before it costs, whose jobs these will be: to another project's key they are absent."""
        if not self.simulator and batch.record.is_kept:
            batch.project = self._account.project()
            if batch.project is not None:
                batch.record.note({"is": "project", "id": batch.project})

    def run_again(
        self,
        earlier: Batch,
        *,
        spend: bool,
        split: bool = False,
        max_cost: float | None = None,
        max_jobs: int | None = None,
    ) -> ParallelIonQJob:
        """Execute failed circuits of a run again; see ``ParallelIonQJob.retry``."""
        limits = RunOptions().update(max_cost=max_cost, max_jobs=max_jobs)
        if earlier.is_over and earlier.unread():
            logger.info("Reading %d results of run %s again", len(earlier.unread()), earlier.run.id)
            return self._account.resume(earlier.run.id)
        run, parcels = next_generation(earlier, spend=spend, split=split, created_at=time.time())
        conductor = self._account.conductor()
        self._account.require_available(self.ionq_target)
        batch = Batch(self._limited(run, earlier, limits))
        if batch.run.max_cost is not None or batch.run.max_jobs is not None:
            self._plan(parcels, batch)
        try:
            if earlier.retried_as is not None:
                raise RunBusyError(f"run {run.id} has been sent by this process")
            batch.record = self._account.begin_record(batch.run)
        except RunBusyError as error:
            raise JobError(
                f"the failed circuits of run {earlier.run.id} are executed again already, as run {run.id}. "
                f"Nothing was sent. provider.retrieve_job({run.id!r}) returns that job; call its retry() for "
                "circuits that failed there"
            ) from error
        earlier.retried_as = run.id
        self._note_project(batch)
        # Known before anything is sent, so that what the earlier execution brought home is not waited for.
        batch.parcel_of = {
            index: number for number, parcel in enumerate(parcels) for index in parcel.circuits
        }
        batch.carry(earlier)
        batch.parcel_of = {}
        job = ParallelIonQJob(self, batch, conductor)
        logger.info("Executing %d circuits of run %s again", batch.total - len(batch.finished), run.id)
        conductor.start()
        for parcel in parcels:
            self._hand_over(batch, parcel, keep=True)
        self._account.remember(job)
        return job

    def _limited(self, run: Run, earlier: Batch, limits: RunOptions) -> Run:
        """Return a run with its limits, and what the executions before it have used up of them."""
        max_cost = earlier.run.max_cost if limits.max_cost is None else limits.max_cost
        max_jobs = earlier.run.max_jobs if limits.max_jobs is None else limits.max_jobs
        if max_cost is not None and not self.simulator:
            self._ask_for_bills(earlier)
        cost, jobs = spent(earlier.submissions, earlier.estimates, earlier.charges)
        cost_before, jobs_before = self._account.spent_by_others(earlier.run)
        return replace(
            run,
            max_cost=max_cost,
            max_jobs=max_jobs,
            cost_before=cost_before + cost,
            jobs_before=jobs_before + jobs,
        )

    def _ask_for_bills(self, batch: Batch) -> None:
        """Find out what the jobs of a run that is over were charged, as far as the service says."""
        for number, sent in enumerate(batch.submissions):
            if number in batch.charges or sent.job_id is None:
                continue
            charge = self._account.charge(sent.job_id)
            is_free = sent.record is not None and sent.record.state in (JobState.FAILED, JobState.CANCELED)
            if charge is not None or is_free:
                batch.charges[number] = charge or 0.0
            elif number not in batch.estimates:
                raise BudgetError(
                    f"the service does not say what job {sent.job_id} of run {batch.run.id} was charged, so "
                    "nobody knows what is left of max_cost. Nothing was sent"
                )

    def _hand_over(self, batch: Batch, parcel: Parcel, *, keep: bool) -> None:
        """Record a parcel and have it sent."""
        number = batch.announced
        batch.announced += 1
        place = batch.record.put_body(parcel.body) if keep else None
        if place is not None:
            batch.places[number] = place
        metadata = [_json_or_none(batch.headers[index].get("metadata")) for index in parcel.circuits]
        estimate = batch.estimates.get(number)
        batch.record.note(parcel_record(number, parcel, place, metadata if any(metadata) else [], estimate))
        self._account.conductor().add(batch, replace(parcel, headers=()))


def _is_drawn() -> bool:
    """Return whether a drawing of Qiskit's reads the property that calls this function."""
    frame = inspect.currentframe()
    reader = frame and frame.f_back and frame.f_back.f_back
    return reader is not None and str(reader.f_globals.get("__name__")).startswith("qiskit.visualization.")


def _rebuilt(
    kind: type[ParallelIonQBackend],
    account: Account,
    name: str,
    target: str,
    gateset: Gateset,
    options: dict[str, Any],
) -> ParallelIonQBackend:
    """Return a backend like another: a copy, or the one that comes out of a pickle."""
    backend = kind(account, name=name, target=target, gateset=gateset)
    backend.set_options(**options)
    return backend


def _given_away(circuits: list[Any]) -> Iterator[Any]:
    """Yield circuits, and hold none that was yielded."""
    circuits.reverse()
    while circuits:
        yield circuits.pop()


def _listed(run_input: Any) -> list[Any]:
    if isinstance(run_input, QuantumCircuit):
        return [run_input]
    if isinstance(run_input, str | bytes) or not isinstance(run_input, Iterable):
        kind = type(run_input).__name__
        raise CircuitError(
            f"run takes a QuantumCircuit or an iterable of them, not {kind}: {run_input!r:.80}"
        )
    return list(run_input)


def _json_or_none(value: Any) -> Any:
    """Return a value that JSON can say, or None: a user's metadata may be anything."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    return value


def _announce(count: int, options: RunOptions, target: str) -> None:
    if options.use_parallel:
        logger.info(
            "Executing %d circuits in parallel on IonQ (max_workers=%d, target=%s)",
            count,
            options.max_workers,
            target,
        )
    else:
        logger.info("Executing %d circuits one after the other on IonQ (target=%s)", count, target)
