# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: other people's test suites construct our backends and primitives instead of Qiskit's.

It runs inside the environment of such a suite and replaces names before the suite is imported. The suite's
own files stay as they are. Everything runs on emulated services of this process.

``QPI_FACE`` says what is replaced: ``backend`` for the backends alone, so that Qiskit's own primitives run over
ours, or ``primitives`` for the primitives too. ``QPI_OUTCOMES`` names the file that the outcomes go to.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import unittest.mock  # noqa: F401  Qiskit's suite uses it without importing it
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub

from qiskit_parallel_ionq import ParallelIonQBackend, ParallelIonQProvider
from qiskit_parallel_ionq.emulator import catalogue
from qiskit_parallel_ionq.emulator.simulate import Rates
from qiskit_parallel_ionq.primitives import EstimatorV2, SamplerV2
from qiskit_parallel_ionq.wire import MAX_SHOTS

NOISELESS = "noiseless"
PROVIDERS: list[ParallelIonQProvider] = []


# ── backends ──


def local(**service: Any) -> ParallelIonQProvider:
    provider = ParallelIonQProvider.local(seed=11, **service)
    PROVIDERS.append(provider)
    return provider


@cache
def provider_of_the_simulator() -> ParallelIonQProvider:
    return local()


@cache
def machine(
    num_qubits: int, pairs: frozenset[tuple[int, int]] | None, control_flow: bool
) -> tuple[ParallelIonQProvider, str]:
    """A service with a noiseless machine of this width on which only these pairs interact, and its name."""
    name = f"qpu.generic-{len(catalogue.MACHINES)}"
    catalogue.NOISE_MODELS.setdefault(NOISELESS, Rates(0.0, 0.0))
    catalogue.MACHINES[name] = catalogue.Machine(
        name, num_qubits, ("gpi", "gpi2", "ms"), model=NOISELESS, pairs=pairs
    )
    return local(control_flow=control_flow), name


class GenericMachine(ParallelIonQBackend):
    """Stands for ``GenericBackendV2``: a machine of that width and coupling map, with IonQ's native gates."""

    def __init__(
        self,
        num_qubits: int,
        basis_gates: Any = None,
        *,
        coupling_map: Any = None,
        control_flow: bool = False,
        **others: Any,
    ) -> None:
        self._asked = {"coupling_map": coupling_map, "control_flow": control_flow}
        pairs = None
        if coupling_map is not None:
            pairs = frozenset((min(pair), max(pair)) for pair in coupling_map)
        provider, name = machine(num_qubits, pairs, control_flow)
        self._width = num_qubits
        super().__init__(provider, name=name, target=name)

    def __reduce__(self) -> tuple[Any, ...]:
        return _copied, (type(self), self._width, self._asked, dict(self.options.items()))


def _copied(
    kind: type[GenericMachine], num_qubits: int, asked: dict[str, Any], options: dict[str, Any]
) -> GenericMachine:
    backend = kind(num_qubits, **asked)
    backend.set_options(**options)
    return backend


class Simulator(ParallelIonQBackend):
    """Stands for ``BasicSimulator`` and ``AerSimulator``; their own options mean nothing here."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__(provider_of_the_simulator(), name="ionq_simulator", target="simulator")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), ()


@cache
def simulator() -> Simulator:
    """One for all primitives, so that its target is built once."""
    return Simulator()


# ── primitives ──


def seed_of(seed: Any) -> int | None:
    return int(seed.integers(2**32)) if isinstance(seed, np.random.Generator) else seed


class Sampler(SamplerV2):
    """Stands for ``StatevectorSampler`` and Aer's ``SamplerV2``.

    The service takes 1,000,000 shots of a circuit at the most; who asks for more gets those.
    """

    def __init__(self, *, default_shots: int = 1024, seed: Any = None, options: Any = None) -> None:
        chosen = {"default_shots": min(default_shots, MAX_SHOTS), "seed_simulator": seed_of(seed)}
        super().__init__(simulator(), chosen)

    def run(self, pubs: Iterable[Any], *, shots: int | None = None) -> Any:
        default = self.default_shots if shots is None else shots
        return self._run([SamplerPub.coerce(pub, default) for pub in pubs])

    def _run(self, pubs: list[SamplerPub]) -> Any:
        return super().run(pubs)  # subclasses in the suites override `_run` of Qiskit's class


class Estimator(EstimatorV2):
    """Stands for ``StatevectorEstimator``, Aer's ``EstimatorV2`` and ``QMLEstimator``."""

    def __init__(self, *, default_precision: float = 0.0, seed: Any = None, options: Any = None) -> None:
        chosen = {"default_precision": default_precision, "seed_simulator": seed_of(seed)}
        super().__init__(simulator(), chosen)

    def run(self, pubs: Iterable[Any], *, precision: float | None = None) -> Any:
        default = self.default_precision if precision is None else precision
        return self._run([EstimatorPub.coerce(pub, default) for pub in pubs])

    def _run(self, pubs: list[EstimatorPub]) -> Any:
        return super().run(pubs)


def qml_sampler() -> type:
    """What stands for qiskit-machine-learning's sampler: ours where it is given shots.

    Without shots it gives exact probabilities, which ours has not; then it stays as it is.
    """
    theirs = importlib.import_module("qiskit_machine_learning.primitives").QMLSampler

    class QMLSampler(theirs):  # type: ignore[misc, valid-type]
        def __init__(self, *, shots: int | None = None, **more: Any) -> None:
            super().__init__(shots=shots, **more)
            self._ours = None if shots is None else Sampler(default_shots=shots, **more)

        def run(self, pubs: Iterable[Any], *, shots: int | None = None) -> Any:
            return super().run(pubs, shots=shots) if self._ours is None else self._ours.run(pubs, shots=shots)

    return QMLSampler


class _GroupingOptions:
    """An estimator's options plus ``abelian_grouping``: ours groups terms always, so it is not kept."""

    def __init__(self, options: Any) -> None:
        object.__setattr__(self, "_options", options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "abelian_grouping":
            setattr(self._options, name, value)


class BackendEstimator(EstimatorV2):
    """Stands for ``BackendEstimatorV2``."""

    @property
    def options(self) -> Any:
        return _GroupingOptions(super().options)


def runtime_sampler(mode: Any = None, options: Any = None) -> SamplerV2:
    """Stands for qiskit-ibm-runtime's ``SamplerV2``."""
    shots = options.get("default_shots") if isinstance(options, dict) else None
    return SamplerV2(_backend_of(mode), {"default_shots": shots})


def runtime_estimator(mode: Any = None, options: Any = None) -> EstimatorV2:
    """Stands for qiskit-ibm-runtime's ``EstimatorV2``."""
    return EstimatorV2(_backend_of(mode))


def _backend_of(mode: Any) -> Any:
    """The backend of a mode: itself, or that of a session."""
    return mode if isinstance(mode, ParallelIonQBackend) else mode._backend


# ── the plugin ──

BACKENDS: dict[str, dict[str, Any]] = {
    "qiskit.providers.fake_provider": {"GenericBackendV2": GenericMachine},
    "qiskit.providers.basic_provider": {"BasicSimulator": Simulator},
    "qiskit_aer": {"AerSimulator": Simulator},
}
PRIMITIVES: dict[str, dict[str, Any]] = {
    "qiskit.primitives": {
        "BackendSamplerV2": SamplerV2,
        "BackendEstimatorV2": BackendEstimator,
        "StatevectorSampler": Sampler,
        "StatevectorEstimator": Estimator,
    },
    "qiskit.primitives.backend_sampler_v2": {"BackendSamplerV2": SamplerV2},
    "qiskit.primitives.statevector_sampler": {"StatevectorSampler": Sampler},
    "qiskit_aer.primitives": {"SamplerV2": Sampler, "EstimatorV2": Estimator},
    "qiskit_ibm_runtime": {"SamplerV2": runtime_sampler, "EstimatorV2": runtime_estimator},
    "qiskit_machine_learning.primitives": {"QMLSampler": qml_sampler, "QMLEstimator": Estimator},
}
FACES = {"backend": BACKENDS, "primitives": {**BACKENDS, **PRIMITIVES}}
OUTCOMES: dict[str, str] = {}
OURS: set[str] = set()
"""Tests in which one of our backends was compiled for or sent something."""


def pytest_configure() -> None:
    """Replace the names, in modules that are imported first: some subclass what is replaced."""
    names = FACES[os.environ["QPI_FACE"]]
    roots = {module.partition(".")[0] for module in names}
    here = {root for root in roots if importlib.util.find_spec(root) is not None}
    modules = {name: importlib.import_module(name) for name in names if name.partition(".")[0] in here}
    for name, module in modules.items():
        for replaced, by in names[name].items():
            assert hasattr(module, replaced), f"{name} has no {replaced}"
            setattr(module, replaced, by() if by is qml_sampler else by)
    watched("target")
    watched("send")


def watched(name: str) -> None:
    """Note in which tests a method or property of our backends is used."""
    method = getattr(ParallelIonQBackend, name)

    def noting(*arguments: Any, **more: Any) -> Any:
        OURS.add(os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0])
        return (method.fget if isinstance(method, property) else method)(*arguments, **more)

    setattr(ParallelIonQBackend, name, property(noting) if isinstance(method, property) else noting)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Draw the same in a test whichever tests run before it."""
    for provider in PROVIDERS:
        provider._seeds = np.random.SeedSequence(crc32(item.nodeid.encode()))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test ended; one of its subtests or its setup may fail it."""
    if report.failed:
        OUTCOMES[report.nodeid] = "failed"
    elif report.skipped:
        OUTCOMES.setdefault(report.nodeid, "skipped")
    elif report.when == "call":
        OUTCOMES.setdefault(report.nodeid, "passed")


def pytest_sessionfinish() -> None:
    for provider in PROVIDERS:
        provider.close()
    if "QPI_OUTCOMES" in os.environ:
        Path(os.environ["QPI_OUTCOMES"]).write_text(
            json.dumps({"outcomes": OUTCOMES, "ours": sorted(OURS)}), encoding="utf-8"
        )
