# SPDX-License-Identifier: Apache-2.0
"""One thread that feeds the lifecycle, and a bounded pool of workers that performs its commands.

`Loop` knows time, queues and the pool; `SharedGate` says when a request may leave; `Conductor` steps
submissions and keeps their batches; what follows from a step is seen to by `Submitting`,
`Watching`, `Cancelling` and `Fetching`.
"""

from .conductor import NEVER_HANDED_OVER, Conductor
from .gate import SharedGate, gate_of
from .loop import Loop

__all__ = ["NEVER_HANDED_OVER", "Conductor", "Loop", "SharedGate", "gate_of"]
