# SPDX-License-Identifier: Apache-2.0
"""Providers of local services, and circuits of every register layout with what they must give."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Clbit
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Statevector

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.credentials import TARGET_VARIABLES, TOKEN_VARIABLES, URL_VARIABLES
from qiskit_parallel_ionq.emulator import LocalIonQ


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch, tmp_path):
    """No variables of the developer's own, and an empty ``.env`` that stops the search for another."""
    for name in (*TOKEN_VARIABLES, *URL_VARIABLES, *TARGET_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def provider():
    """A provider of a service without delays or faults."""
    with ParallelIonQProvider.local(seed=7) as local:
        yield local


@pytest.fixture
def backend(provider):
    """The ideal simulator behind `provider`, with options of its own."""
    return provider.get_backend("ionq_parallel")


@pytest.fixture
def connect():
    """Return a function: knobs of a service -> (the service, a provider that talks to it)."""
    closers = []

    def make(**knobs):
        service = LocalIonQ(**{"seed": 7, **knobs}).start()
        closers.append(service.close)
        provider = ParallelIonQProvider(service.api_key, service.url)
        closers.append(provider.close)
        return service, provider

    yield make
    for close in reversed(closers):
        close()


def expected_distribution(circuit):
    """Hex outcome over the classical bits -> probability, by Qiskit's own state vector.

    For circuits whose measurements are final; a later measurement into the same bit wins.
    """
    bare = circuit.copy_empty_like()
    source = {}
    for step in circuit.data:
        if step.operation.name == "measure":
            source[circuit.find_bit(step.clbits[0]).index] = circuit.find_bit(step.qubits[0]).index
        elif step.operation.name != "barrier":
            bare.append(step)
    active = sorted(
        {bare.find_bit(q).index for step in bare.data for q in step.qubits} | set(source.values())
    )
    narrow = QuantumCircuit(max(len(active), 1))
    place = {qubit: position for position, qubit in enumerate(active)}
    for step in bare.data:
        narrow.append(step.operation, [place[bare.find_bit(q).index] for q in step.qubits])
    distribution = defaultdict(float)
    for outcome, probability in enumerate(Statevector(narrow).probabilities()):
        bits = sum((outcome >> place[qubit] & 1) << clbit for clbit, qubit in source.items())
        distribution[hex(bits)] += float(probability)
    return dict(distribution)


def furthest(left, right):
    """Return the largest difference between two distributions."""
    return max(abs(left.get(key, 0.0) - right.get(key, 0.0)) for key in left.keys() | right.keys())


def body(num_qubits, seed):
    """A random circuit that is not trivial, without measurements."""
    circuit = random_circuit(num_qubits, depth=4, max_operands=min(3, num_qubits), seed=seed)
    for qubit in range(num_qubits):
        circuit.ry(0.3 + 0.4 * qubit, qubit)
    return circuit


def _one_register(n, rng):
    circuit = QuantumCircuit(n, n)
    circuit.compose(body(n, rng.integers(1 << 30)), inplace=True)
    circuit.measure(range(n), range(n))
    return circuit


def _several_registers(n, rng):
    half = n // 2
    quantum = [QuantumRegister(size, name) for size, name in ((half, "a"), (n - half, "b")) if size]
    classical = [
        ClassicalRegister(size, name) for size, name in ((n - half, "x"), (1, "y"), (half, "z")) if size
    ]
    circuit = QuantumCircuit(*quantum, *classical)
    circuit.compose(body(n, rng.integers(1 << 30)), inplace=True)
    clbits = [bit for register in classical if register.name != "y" for bit in register]
    for qubit, clbit in zip(circuit.qubits, clbits, strict=True):
        circuit.measure(qubit, clbit)
    return circuit


def _crossed(n, rng):
    circuit = QuantumCircuit(n, n)
    circuit.compose(body(n, rng.integers(1 << 30)), inplace=True)
    circuit.measure(range(n), rng.permutation(n).tolist())
    return circuit


def _partial(n, rng):
    circuit = QuantumCircuit(n, n + 1)
    circuit.compose(body(n, rng.integers(1 << 30)), inplace=True)
    some = rng.permutation(n)[: max(1, n // 2)].tolist()
    circuit.measure(some, [qubit + 1 for qubit in some])
    return circuit


def _repeated(n, rng):
    circuit = QuantumCircuit(n, 2 * n)
    circuit.compose(body(n, rng.integers(1 << 30)), inplace=True)
    circuit.measure(range(n), range(n))
    circuit.barrier()
    circuit.measure(range(n), list(range(n, 2 * n))[::-1])
    return circuit


def _reused_clbit(n, rng):
    circuit = QuantumCircuit(n, max(1, n - 1))
    circuit.compose(body(n, rng.integers(1 << 30)), inplace=True)
    for qubit in rng.permutation(n).tolist():
        circuit.measure(qubit, qubit % circuit.num_clbits)
    return circuit


def _loose_clbits(n, rng):
    circuit = QuantumCircuit(QuantumRegister(n, "q"), ClassicalRegister(1, "c"), [Clbit() for _ in range(n)])
    circuit.compose(body(n, rng.integers(1 << 30)), inplace=True)
    circuit.measure(range(n), rng.permutation(n + 1)[:n].tolist())
    return circuit


def _shared_clbits(n, rng):
    bits = [Clbit() for _ in range(n + 1)]
    circuit = QuantumCircuit(
        QuantumRegister(n, "q"),
        ClassicalRegister(bits=bits[:n], name="low"),
        ClassicalRegister(bits=bits[1:], name="high"),
    )
    circuit.compose(body(n, rng.integers(1 << 30)), inplace=True)
    circuit.measure(range(n), rng.permutation(n + 1)[:n].tolist())
    return circuit


def _idle_qubits(n, rng):
    used = sorted(rng.permutation(n + 3)[:n].tolist())
    circuit = QuantumCircuit(n + 3, n + 3)
    circuit.compose(body(n, rng.integers(1 << 30)), used, inplace=True)
    circuit.measure(range(n + 3), range(n + 3))
    return circuit


def _wide_register(n, rng):
    used = rng.permutation(29)[: min(n, 5)].tolist()
    circuit = QuantumCircuit(29, 29)
    circuit.compose(body(len(used), rng.integers(1 << 30)), used, inplace=True)
    circuit.measure(used, used)
    return circuit


LAYOUTS = {
    make.__name__.strip("_"): make
    for make in (
        _one_register, _several_registers, _crossed, _partial, _repeated, _reused_clbit, _loose_clbits,
        _shared_clbits, _idle_qubits, _wide_register,
    )
}  # fmt: skip


@pytest.fixture(params=LAYOUTS)
def layout(request):
    """Return a function: (qubits, random generator) -> a random circuit of one register layout."""
    return LAYOUTS[request.param]


@pytest.fixture(scope="session")
def expected():
    """`expected_distribution`."""
    return expected_distribution


@pytest.fixture(scope="session")
def distance():
    """`furthest`."""
    return furthest


@pytest.fixture
def circuits():
    """Twelve small circuits, no two of the same distribution."""
    rng = np.random.default_rng(5)
    return [LAYOUTS["crossed"](1 + index % 4, rng) for index in range(12)]


@pytest.fixture
def bell():
    """Two qubits that always agree."""
    circuit = QuantumCircuit(2, 2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit
