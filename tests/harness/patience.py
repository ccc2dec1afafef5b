# SPDX-License-Identifier: Apache-2.0
"""Makes the package's long waits short, for tests that run in real time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qiskit_parallel_ionq import api, transport
from qiskit_parallel_ionq.conductor import fetching, submitting, watching
from qiskit_parallel_ionq.reconcile import Doubt

SETTLE, APART, SILENCE = 0.8, 0.1, 1.0


def shorten(
    put: Callable[[Any, str, Any], object] = setattr,
    *,
    settle: float = SETTLE,
    apart: float = APART,
    silence: float = SILENCE,
    outage: float = 60.0,
) -> None:
    """Shorten what the client waits for.

    Args:
        put: sets an attribute; pytest's ``monkeypatch.setattr`` undoes it later.
        settle: seconds for which an effect may be late.
        apart: seconds between the two listings of a proof.
        silence: seconds without a byte after which an answer is lost.
        outage: seconds without a connection after which nothing more is sent.
    """

    def about(cls: type[Doubt], token: str, lost_at: float, *, target: str) -> Doubt:
        return cls(token, lost_at, settle=settle)

    put(Doubt, "about", classmethod(about))
    put(Doubt, "APART", apart)
    put(api, "SUBMIT_TIMEOUT", silence)
    put(transport, "CONNECT_TIMEOUT", silence)
    defaults = transport.Transport.exchange.__kwdefaults__
    put(transport.Transport.exchange, "__kwdefaults__", {**defaults, "read_timeout": silence})
    put(submitting, "OUTAGE_PATIENCE", outage)
    put(watching, "BELIEVE_ABSENCE_AFTER", 2.0 * settle)
    put(watching, "BELIEVE_LOSS_AFTER", 2.0 * settle)
    put(fetching, "BELIEVE_LOSS_AFTER", 2.0 * settle)
