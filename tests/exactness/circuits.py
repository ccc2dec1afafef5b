# SPDX-License-Identifier: Apache-2.0
"""Random circuits with tails: what comes after the last interaction, in the middle, and on idle qubits."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

from numpy.random import Generator
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import library as gates
from qiskit.quantum_info import random_unitary

from qiskit_parallel_ionq.gates import GPI2Gate, GPIGate, MSGate, ZZGate

_ONE = ("h", "x", "y", "z", "s", "sdg", "t", "sx", "rx", "ry", "rz", "p", "u")
_CLIFFORD_ONE = ("h", "s", "sdg", "x", "z", "sx")
_TWO = ("cx", "cz", "swap", "rzz", "rxx", "cp", "crx", "iswap", "ecr", "rzx")
_CLIFFORD_TWO = ("cx", "cz", "swap")
_PARAMETERS = {"rx": 1, "ry": 1, "rz": 1, "p": 1, "u": 3, "rzz": 1, "rxx": 1, "cp": 1, "crx": 1, "rzx": 1}


@dataclass(frozen=True)
class Shape:
    """What may be in a circuit.

    Attributes:
        goes_on: measurements and resets in the middle, with gates after them.
        branches: `if_else`, `box` and counted loops.
        measures: the circuit is measured somewhere.
        strange: gates of more than two qubits, unitary matrices, native gates.
        delays: delays among the fences.
    """

    goes_on: bool = False
    branches: bool = False
    measures: bool = True
    strange: bool = True
    delays: bool = True


def angle(rng: Generator) -> float:
    """Return an angle; one of the special ones every other time."""
    return float(rng.integers(-4, 5)) * pi / 4 if rng.random() < 0.5 else float(rng.uniform(-4, 4))


def one_qubit_gate(circuit: QuantumCircuit, rng: Generator, qubit: int, *, clifford: bool = False) -> None:
    """Append a random gate."""
    names = _CLIFFORD_ONE if clifford else _ONE
    name = names[rng.integers(len(names))]
    getattr(circuit, name)(*[angle(rng) for _ in range(_PARAMETERS.get(name, 0))], qubit)


def interaction(circuit: QuantumCircuit, rng: Generator, width: int, *, clifford: bool = False) -> None:
    """Append a random gate of two of the first qubits."""
    pair = rng.permutation(width)[:2].tolist()
    names = _CLIFFORD_TWO if clifford else _TWO
    name = names[rng.integers(len(names))]
    getattr(circuit, name)(*[angle(rng) for _ in range(_PARAMETERS.get(name, 0))], *pair)


def _strange(circuit: QuantumCircuit, rng: Generator, width: int) -> None:
    """Append something that is no standard gate of one or two qubits."""
    made = [
        GPIGate(float(rng.uniform(-0.5, 0.5))),
        GPI2Gate(float(rng.uniform(-0.5, 0.5))),
        MSGate(float(rng.uniform(-0.5, 0.5)), 0.1, float(rng.choice([0.25, rng.uniform(0, 0.25)]))),
        ZZGate(float(rng.uniform(0, 0.25))),
        gates.UnitaryGate(random_unitary(2, rng)),
        gates.UnitaryGate(random_unitary(4, rng)),
        gates.CCXGate(),
        gates.CCZGate(),
        gates.CSwapGate(),
        gates.C3XGate(),
        gates.PermutationGate(rng.permutation(width)),
        gates.RYGate(angle(rng)).control(2, annotated=False),
    ]
    fits = [gate for gate in made if gate.num_qubits <= width]
    gate = fits[rng.integers(len(fits))]
    circuit.append(gate, rng.permutation(width)[: gate.num_qubits].tolist())


def _some(rng: Generator, width: int) -> list[int]:
    return rng.permutation(width)[: rng.integers(1, width + 1)].tolist()


def fence(circuit: QuantumCircuit, rng: Generator, *, delays: bool = True) -> None:
    """Append a barrier or a delay on some qubits."""
    qubits = _some(rng, circuit.num_qubits)
    if delays and rng.random() < 0.4:
        circuit.delay(int(rng.integers(1, 100)), qubits)
    else:
        circuit.barrier(qubits)


def random_circuit(rng: Generator, shape: Shape) -> QuantumCircuit:
    """Return a circuit of a shape: a body with interactions, then a tail without."""
    width = int(rng.integers(1, 5))
    circuit = QuantumCircuit(width + int(rng.random() < 0.25), name="tails")  # perhaps with an idle qubit
    if shape.measures:
        circuit.add_register(*[ClassicalRegister(int(rng.integers(1, 4)), f"r{k}") for k in range(2)])
    clifford = rng.random() < 0.3
    for _ in range(rng.integers(0, 14)):
        _body_step(circuit, rng, shape, clifford, width)
    for _ in range(rng.integers(0, 7)):
        _tail_step(circuit, rng, shape, clifford, width)
    if shape.measures:
        _end(circuit, rng, width, shape)
    return circuit


def _body_step(circuit: QuantumCircuit, rng: Generator, shape: Shape, clifford: bool, width: int) -> None:
    choice = rng.random()
    if choice < 0.35 or width == 1:
        one_qubit_gate(circuit, rng, int(rng.integers(width)), clifford=clifford)
    elif choice < 0.8:
        interaction(circuit, rng, width, clifford=clifford)
    elif choice < 0.88:
        if shape.strange:
            _strange(circuit, rng, width)
    elif choice < 0.93:
        fence(circuit, rng, delays=shape.delays)
    elif shape.goes_on:
        _in_the_middle(circuit, rng, shape, width)


def _in_the_middle(circuit: QuantumCircuit, rng: Generator, shape: Shape, width: int) -> None:
    qubit, choice = int(rng.integers(width)), rng.random()
    if choice < 0.4 and shape.measures:
        circuit.measure(qubit, int(rng.integers(circuit.num_clbits)))
    elif choice < 0.6 or not shape.branches:
        circuit.reset(qubit)
    elif choice < 0.85 and shape.measures:
        register = circuit.cregs[rng.integers(len(circuit.cregs))]
        whole = rng.random() < 0.5
        condition = (
            (register, int(rng.integers(2 ** len(register))))
            if whole
            else (circuit.clbits[rng.integers(circuit.num_clbits)], int(rng.integers(2)))
        )
        body = _block(circuit, rng, width)
        other = _block(circuit, rng, width) if rng.random() < 0.5 else None
        circuit.if_else(condition, body, other, circuit.qubits, circuit.clbits)
    else:
        body = _block(circuit, rng, width)
        circuit.for_loop(range(int(rng.integers(1, 4))), None, body, circuit.qubits, circuit.clbits)


def _block(circuit: QuantumCircuit, rng: Generator, width: int) -> QuantumCircuit:
    body = circuit.copy_empty_like()
    for _ in range(rng.integers(1, 4)):
        if width > 1 and rng.random() < 0.5:
            interaction(body, rng, width)
        else:
            one_qubit_gate(body, rng, int(rng.integers(width)))
    return body


def _tail_step(circuit: QuantumCircuit, rng: Generator, shape: Shape, clifford: bool, width: int) -> None:
    qubit, choice = int(rng.integers(width)), rng.random()
    if choice < 0.55:
        one_qubit_gate(circuit, rng, qubit, clifford=clifford)
    elif choice < 0.75:
        fence(circuit, rng, delays=shape.delays)
    elif shape.goes_on and choice < 0.9 and shape.measures:
        circuit.measure(qubit, int(rng.integers(circuit.num_clbits)))
    elif shape.goes_on and choice < 0.95:
        circuit.reset(qubit)


def _end(circuit: QuantumCircuit, rng: Generator, width: int, shape: Shape) -> None:
    """Measure some qubits, or all; at times twice, behind a barrier, or with a reset after."""
    choice = rng.random()
    if choice < 0.25:
        circuit.measure_all()
    else:
        if choice < 0.45:
            circuit.barrier()
        qubits = rng.permutation(width)[: min(rng.integers(1, width + 1), circuit.num_clbits)].tolist()
        bits = rng.permutation(circuit.num_clbits)[: len(qubits)].tolist()
        circuit.measure(qubits, bits)
        if choice > 0.9:
            circuit.measure(qubits[0], int(rng.integers(circuit.num_clbits)))
        elif choice > 0.85:
            circuit.reset(qubits[0])
        elif choice > 0.8 and shape.goes_on:
            one_qubit_gate(circuit, rng, qubits[0])
            circuit.barrier()
