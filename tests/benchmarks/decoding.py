# SPDX-License-Identifier: Apache-2.0
"""A full distribution over 16 qubits becomes Qiskit's counts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qiskit_parallel_ionq.decode import RawResult, decode
from qiskit_parallel_ionq.encode import Readout

from .processes import processor
from .rows import OURS, PEER, Row, Setup

WIDTH = 16
LIMIT = 1 / 20
CASES = (
    ("1,000 shots drawn from 2^16 probabilities: CPU", 1_000, True),
    ("10^6 shots as 2^16 frequencies: CPU", 1_000_000, False),
)


def measure(setup: Setup) -> Iterator[Row]:
    """Decode what the ideal simulator and what a machine would give, in turns with qiskit-ionq."""
    from qiskit_ionq.ionq_job import _build_counts

    rng = np.random.default_rng(1)
    weights = rng.dirichlet(np.full(1 << WIDTH, 3.0))
    readout = Readout(tuple(range(WIDTH)), WIDTH)
    for case, shots, exact in CASES:
        shown = weights if exact else rng.multinomial(shots, weights) / shots
        body = {str(value): weight for value, weight in enumerate(shown.tolist()) if weight}
        raw = RawResult("probabilities", body)

        def ours() -> None:
            _ = decode(raw, readout, shots=shots, rng=rng, exact=exact, memory=False).counts

        def peers() -> None:
            _build_counts(
                body,
                WIDTH,
                list(readout.sources),
                shots,
                use_sampler=exact,
                sampler_seed=1 if exact else None,
            )

        pairs = [(processor(ours, 3), processor(peers, 1)) for _ in range(3 * setup.repeat)]
        mine, theirs = (1e3 * min(times) for times in zip(*pairs, strict=True))
        yield Row("decoding", case, OURS, mine, "ms", theirs, PEER, LIMIT)
        yield Row("decoding", case, PEER, theirs, "ms", note="its figure includes a dict of probabilities")
