# SPDX-License-Identifier: Apache-2.0
"""The Qiskit backend: checks all circuits, compiles what is not native, and sends each as soon as it is."""

from __future__ import annotations

import json
import logging
import secrets
import string
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any, Protocol

from qiskit.circuit import QuantumCircuit
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import PassManager, Target

from . import compiler, wire
from ._version import __version__
from .batch import Batch
from .chronicle import Run, parcel_record
from .compiler import is_dynamic, lower_dynamic
from .conductor import Conductor
from .encode import EncodedCircuit, Kind, encode_circuit
from .errors import CircuitError, CompileError, IonQError
from .job import ParallelIonQJob
from .journal import Record
from .options import RunOptions
from .parcel import Packer, Parcel
from .target import Gateset, build_target, family_of
from .wire import CatalogEntry

logger = logging.getLogger("qiskit_parallel_ionq")
_BASE62 = string.digits + string.ascii_letters


class Account(Protocol):
    """What a backend asks of its provider."""

    @property
    def user_agent(self) -> str:
        """What we tell the service about ourselves."""

    def catalogue_entry(self, target: str) -> CatalogEntry:
        """Return what the service says of one target."""

    def require_available(self, target: str) -> None:
        """Make sure that circuits can be sent to a target."""

    def conductor(self) -> Conductor:
        """Return the one conductor of the account."""

    @property
    def url(self) -> str:
        """Base URL of the service."""

    def begin_record(self, run: Run) -> Record:
        """Return where a run is recorded from its beginning."""

    def next_seed(self) -> int:
        """Return the seed of a run that was given none."""

    def remember(self, job: ParallelIonQJob) -> None:
        """Let a job be found by its id."""


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
        copy = type(self)(self._account, name=self.name, target=self.ionq_target, gateset=self.gateset)
        copy.set_options(**dict(self.options.items()))
        memo[id(self)] = copy
        return copy

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
        """The gates that run here. First asked for, it reads the catalogue of the service (once).

        Raises:
            TargetError: the service has no such target.
        """
        return self._target_with(self.options.noise_model)

    def _target_with(self, noise_model: str | None) -> Target:
        """Return the gates that run here, those of the modelled machine on the simulator."""
        entry = self._account.catalogue_entry(self.ionq_target)
        model = noise_model if self.simulator and noise_model != "ideal" else None
        family = family_of(model or entry.name, None if model else entry.native_gates)
        if family not in self._family_targets:
            self._family_targets[family] = build_target(entry.qubits, gateset=self.gateset, family=family)
        return self._family_targets[family]

    def get_translation_stage_plugin(self) -> str:
        """Name the stage that brings circuits to gates our native compiler reads."""
        return "ionq_native" if self.gateset == "native" else "translator"

    def get_scheduling_stage_plugin(self) -> str:
        """Name the stage that ends in native gates."""
        return "ionq_native"

    def pass_manager(self, optimization_level: int = 1) -> PassManager:
        """Return the compiler of this target, built once for each level."""
        return compiler.pass_manager(self.target, optimization_level)

    def set_options(self, **fields: Any) -> None:
        """Set defaults for later runs.

        Raises:
            OptionError: a name is unknown, or a value cannot be right.
        """
        checked = RunOptions().update(**fields)
        super().set_options(**{name: getattr(checked, name) for name in fields})

    def run(self, run_input: QuantumCircuit | Iterable[QuantumCircuit], **options: Any) -> ParallelIonQJob:
        """Send circuits, each as soon as it is ready, and return at once with a composite job.

        All circuits are checked before anything is sent. Those that are not native are compiled on the
        way; qubits that a circuit does not use are not sent. An empty list gives an empty result.

        Args:
            run_input: one circuit, or any iterable of circuits; all parameters bound.
            **options: see `RunOptions`; they go before the backend's own.

        Raises:
            OptionError: an option is unknown or cannot be right.
            CircuitError: a circuit cannot run here; names it and, where there is one, the gate.
            CredentialsError: there is no API key.
            TargetError: the target does not exist or is not available.
        """
        chosen = RunOptions().update(**dict(self.options.items())).update(**options)
        chosen.check_target(self.ionq_target)
        circuits = _listed(run_input)
        shots = chosen.each_shots(len(circuits))
        conductor = self._account.conductor()
        run = Run(
            "".join(secrets.choice(_BASE62) for _ in range(22)),
            len(circuits),
            self.ionq_target,
            seed=self._seed(chosen),
            shots=shots,
            workers=chosen.max_workers if chosen.use_parallel else 1,
            window=None if chosen.use_parallel else 1,
            on_unknown=chosen.on_unknown,
            backend=self.name,
            gateset=self.gateset,
            url=self._account.url,
            created_at=round(time.time(), 3),
            user_agent=self._account.user_agent,
        )
        batch = Batch(run)
        job = ParallelIonQJob(
            self, batch, conductor, progress=chosen.progress, cancels=chosen.on_interrupt == "cancel"
        )
        if circuits:
            self._account.require_available(self.ionq_target)
            target = self._target_with(chosen.noise_model)
            checked = [self._check(index, circuit, target, chosen) for index, circuit in enumerate(circuits)]
            conductor.start()
            batch.record = self._account.begin_record(run)
            _announce(len(circuits), chosen, self.ionq_target)
            try:
                self._send(batch, checked, target, shots, chosen)
            except BaseException:  # Ctrl-C, for one: what is not sent yet stays here
                job.leave()
                raise
        self._account.remember(job)
        return job

    def _check(
        self, index: int, circuit: Any, target: Target, options: RunOptions
    ) -> tuple[QuantumCircuit, Kind]:
        """Return a circuit without instructions of the user's own, and how it will go out.

        Raises:
            CircuitError: it cannot; names the circuit by index and name.
        """
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
        try:
            circuit = compiler.inline(circuit)
            compiler.check(circuit, target)
        except CircuitError as error:
            raise type(error)(f"circuit {index}: {error}") from error
        widest = wire.MODEL_QUBITS.get(options.noise_model or "")
        if self.simulator and widest is not None and circuit.num_qubits > widest:
            raise CircuitError(
                f"{who} has {circuit.num_qubits} qubits, and the noise model {options.noise_model!r} {widest}"
            )
        if is_dynamic(circuit):
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

    def _send(
        self,
        batch: Batch,
        checked: Sequence[tuple[QuantumCircuit, Kind]],
        target: Target,
        shots: Sequence[int],
        options: RunOptions,
    ) -> None:
        """Compile, encode and hand over one by one: the first is on its way before the last is compiled."""
        conductor = self._account.conductor()
        packer = Packer(
            batch.run.id, batch.total, self.ionq_target, options, batch.run.user_agent, batch.run.seed
        )
        for index, (circuit, kind) in enumerate(checked):
            try:
                encoded = _encode(circuit, kind, target, options)
            except Exception as error:  # noqa: BLE001 - others are on their way: it is this circuit's failure
                batch.headers[index] = {"name": circuit.name, "memory_slots": circuit.num_clbits}
                conductor.fail(batch, index, _as_ours(error, circuit))
                continue
            batch.headers[index] = dict(encoded.header)
            for parcel in packer.add(index, encoded, shots[index]):
                self._hand_over(batch, parcel, options)
        for parcel in packer.flush():
            self._hand_over(batch, parcel, options)

    def _hand_over(self, batch: Batch, parcel: Parcel, options: RunOptions) -> None:
        """Record a parcel and have it sent."""
        number = batch.announced
        batch.announced += 1
        place = batch.record.put_body(parcel.body) if options.keep_circuits else None
        if place is not None:
            batch.places[number] = place
        metadata = [_json_or_none(batch.headers[index].get("metadata")) for index in parcel.circuits]
        batch.record.note(parcel_record(number, parcel, place, metadata if any(metadata) else []))
        self._account.conductor().add(batch, parcel)


def _encode(circuit: QuantumCircuit, kind: Kind, target: Target, options: RunOptions) -> EncodedCircuit:
    if kind == "qasm3":
        return encode_circuit(lower_dynamic(circuit), kind=kind)
    if not compiler.is_isa(circuit, target):
        circuit = compiler.compile_circuit(circuit, target, options.optimization_level or 0)
    return encode_circuit(circuit, kind=kind, renumber=target.build_coupling_map() is None)


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


def _as_ours(error: Exception, circuit: QuantumCircuit) -> IonQError:
    """Return an error of this package for one that compiling or encoding met."""
    if isinstance(error, IonQError):
        return error
    return CompileError(f"circuit {circuit.name!r} could not be compiled: {error!r}")


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
