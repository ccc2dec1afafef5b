# SPDX-License-Identifier: Apache-2.0
"""What an estimator has measured before: a loop asks for the same circuit in the same bases at every step."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from qiskit import QuantumCircuit

from ..backend import ParallelIonQBackend
from ..compiler import inline
from ..drafts import Drafter
from ..options import RunOptions
from ..structure import Structure
from .bits import register_bits
from .observables import Basis

_KEPT = 256


class Identity:
    """All that a circuit is to be recognised by, whoever changes it in place: gates, bits, names.

    Instructions that users made are recognised by what is in them.

    Raises:
        CircuitError: one has nothing in it.
    """

    def __init__(self, circuit: QuantumCircuit) -> None:
        self.circuit = circuit
        registers = tuple([(register.name, len(register)) for register in circuit.qregs])
        self.key: Hashable = (
            Structure.of(inline(circuit)),
            circuit.name,
            circuit.global_phase,
            registers,
            tuple(register_bits(circuit).items()),
        )


class Drafters:
    """Makes drafts of circuits measured in bases; the last ones that were used are kept.

    What is kept was measured from a copy, so that nobody else can change it.
    """

    def __init__(self, backend: ParallelIonQBackend) -> None:
        self._backend = backend
        self._made: OrderedDict[Hashable, Drafter] = OrderedDict()

    def of(self, asked: Identity, basis: Basis, options: RunOptions) -> Drafter:
        """Return what makes drafts of a circuit that is measured in a basis.

        Raises:
            CircuitError: the circuit cannot run here.
        """
        target = self._backend.ionq_target
        key = (asked.key, basis, target, options.noise_model, options.optimization_level)
        found = self._made.pop(key, None)
        if found is None:
            found = self._backend.drafter(basis.measure(asked.circuit), options)
        self._made[key] = found
        if len(self._made) > _KEPT:
            self._made.popitem(last=False)
        return found
