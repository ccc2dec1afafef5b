# SPDX-License-Identifier: Apache-2.0
"""Gates and options that look right and are not: found before anything is sent, or run as they are meant."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitError as QiskitCircuitError
from qiskit.circuit import Gate, Instruction

from qiskit_parallel_ionq import compiler
from qiskit_parallel_ionq.errors import CircuitError, CompileError, IonQError, OptionError

X = np.array([[0, 1], [1, 0]], dtype=complex)


class Custom(Gate):
    """A gate somebody else wrote."""

    def __init__(self, name="custom", num_qubits=1, *, matrix=None, define=lambda: None, params=()):
        super().__init__(name, num_qubits, list(params))
        self._matrix, self._body = matrix, define

    def to_matrix(self):
        if self._matrix is None:
            raise QiskitCircuitError("no matrix")
        return self._matrix() if callable(self._matrix) else self._matrix

    def _define(self):
        self._definition = self._body()


def holding(gate):
    """A circuit of one gate, all measured."""
    circuit = QuantumCircuit(gate.num_qubits, gate.num_qubits, name="suspect")
    circuit.append(gate, range(gate.num_qubits))
    circuit.measure(range(gate.num_qubits), range(gate.num_qubits))
    return circuit


def named(name, num_qubits):
    """A user's sub-circuit as a gate: Y on qubit 0, whatever its name says."""
    circuit = QuantumCircuit(num_qubits, name=name)
    circuit.y(0)
    return circuit.to_gate()


@pytest.fixture(params=["native", "qis"])
def backend(request, local):
    return local.get_backend("simulator", gateset=request.param)


@pytest.fixture
def refuse(backend, local_service):
    """Return a function: a bad circuit after three good ones -> the refusal; nothing may have been sent."""

    def check(bad, kind, **options):
        before = local_service.stats().posts
        with pytest.raises(kind) as caught:
            backend.run([holding(named("good", 1))] * 3 + [bad], **options)
        assert local_service.stats().posts == before
        return str(caught.value)

    return check


# ── gates that cannot be compiled ──

BROKEN = {
    "not unitary": Custom(matrix=np.ones((2, 2))),
    "not finite": Custom(matrix=np.full((2, 2), np.nan)),
    "of the wrong size": Custom(matrix=np.eye(4)),
    "no matrix at all": Custom(matrix=np.ones(2)),
    "text": Custom(matrix="identity"),
    "not unitary, two qubits": Custom(num_qubits=2, matrix=np.ones((4, 4))),
    "a definition of the wrong size": Custom(define=lambda: QuantumCircuit(2)),
}


@pytest.mark.parametrize("gate", BROKEN)
def test_a_gate_that_says_nothing_usable_is_refused_before_anything_is_sent(refuse, gate):
    message = refuse(holding(BROKEN[gate]), CompileError)
    for word in ("circuit 3", "suspect", "custom", "position 0"):
        assert word in message


def _raise(error):
    def act():
        raise error

    return act


def _endless():
    circuit = QuantumCircuit(1)
    circuit.append(Custom("endless", define=_endless), [0])
    return circuit


@pytest.mark.parametrize(
    "gate",
    [
        Custom(define=_raise(KeyError("lost"))),
        Custom(matrix=_raise(RuntimeError("lost"))),
        Custom("endless", define=_endless),
    ],
    ids=["definition raises", "matrix raises", "definition without end"],
)
def test_a_gate_whose_own_code_fails_is_named(refuse, gate):
    message = refuse(holding(gate), CircuitError)
    for word in ("circuit 3", "suspect", gate.name):
        assert word in message


def test_an_opaque_instruction_with_classical_bits_is_named(refuse):
    circuit = QuantumCircuit(1, 1, name="suspect")
    circuit.append(Instruction("oracle", 1, 1, []), [0], [0])
    message = refuse(circuit, CompileError)
    for word in ("circuit 3", "suspect", "oracle", "position 0"):
        assert word in message


def test_a_bug_while_compiling_costs_one_circuit_and_no_job(local, local_service, monkeypatch):
    compile_pulses = compiler.compile_pulses

    def buggy(circuit, *rest):
        if circuit.name == "unlucky":
            raise ZeroDivisionError("a bug")
        return compile_pulses(circuit, *rest)

    monkeypatch.setattr(compiler, "compile_pulses", buggy)
    circuits = [holding(named("good", 1)) for _ in range(4)]
    circuits[2] = holding(named("good", 2))
    circuits[2].name = "unlucky"
    before = local_service.stats().posts
    job = local.get_backend("simulator").run(circuits, shots=5)
    result = job.result(timeout=10, partial=True)
    assert [entry.success for entry in result.results] == [True, True, False, True]
    assert isinstance(job.errors()[2], IonQError)
    assert "a bug" in result.results[2].status
    assert local_service.stats().posts == before + 3


# ── gates that only look bad ──


def test_a_gate_that_has_only_a_matrix_runs(backend):
    swap_first = np.kron(np.eye(2), X)
    for gate, counts in (
        (Custom(matrix=X), {"1": 9}),
        (Custom(num_qubits=2, matrix=swap_first), {"01": 9}),
    ):
        assert backend.run(holding(gate), shots=9).result(timeout=10).get_counts() == counts


@pytest.mark.parametrize(
    ("name", "num_qubits"),
    [
        ("h", 1), ("x", 1), ("id", 1), ("rx", 1), ("u", 1), ("swap", 2), ("cx", 2), ("rzz", 2), ("ccx", 3),
        ("gpi", 1), ("gpi2", 1), ("ms", 2), ("zz", 2), ("delay", 1), ("barrier", 1), ("reset", 1), ("measure", 1),
    ],
)  # fmt: skip
def test_a_users_gate_is_what_it_does_and_not_what_it_is_called(backend, name, num_qubits):
    job = backend.run(holding(named(name, num_qubits)), shots=9)
    assert job.result(timeout=10).get_counts() == {"1".rjust(num_qubits, "0"): 9}


# ── options ──


@pytest.mark.parametrize(
    "members", [{"noise": {"model": "aria-1"}}, {"dry_run": True}], ids=["noise", "dry_run"]
)
def test_what_changes_the_kind_of_result_cannot_slip_in_as_an_extra_member(refuse, members):
    (name,) = members
    message = refuse(holding(named("good", 1)), OptionError, extra_query_params=members)
    assert name in message


@pytest.mark.parametrize(("model", "width"), [("harmony", 11), ("aria-1", 25)])
def test_a_circuit_wider_than_the_machine_that_a_noise_model_stands_for_is_refused(refuse, model, width):
    wide = QuantumCircuit(width + 1, 1, name="wide")
    wide.x(range(width + 1))
    wide.measure(width, 0)
    message = refuse(wide, CircuitError, noise_model=model)
    for word in ("circuit 3", "wide", str(width + 1), str(width)):
        assert word in message


def test_meas_level_and_other_machines_options_are_unknown(refuse):
    for option in ("meas_level", "rep_delay", "init_qubits"):
        assert option in refuse(holding(named("good", 1)), OptionError, **{option: 1})


def test_options_set_behind_the_back_are_checked_at_the_next_run(local, local_service):
    backend = local.get_backend("simulator")
    before = local_service.stats().posts
    for name, value in (("shots", 0), ("shot", 5)):
        backend = local.get_backend("simulator")
        setattr(backend.options, name, value)
        with pytest.raises(OptionError, match=name):
            backend.run(holding(named("good", 1)))
    assert local_service.stats().posts == before


def test_what_an_iterable_raises_is_raised_and_nothing_is_sent(local, local_service):
    def circuits():
        yield holding(named("good", 1))
        raise ZeroDivisionError("mine")

    before = local_service.stats().posts
    with pytest.raises(ZeroDivisionError, match="mine"):
        local.get_backend("simulator").run(circuits())
    assert local_service.stats().posts == before


@pytest.mark.parametrize("bad", [{"a": QuantumCircuit(1)}, [[QuantumCircuit(1)]]], ids=["dict", "nested"])
def test_collections_of_something_else_are_refused_by_place(local, local_service, bad):
    before = local_service.stats().posts
    with pytest.raises(CircuitError, match="circuit 0"):
        local.get_backend("simulator").run(bad)
    assert local_service.stats().posts == before
