# SPDX-License-Identifier: Apache-2.0
"""Run many quantum circuits on IonQ from Qiskit: concurrently, in order, each paid once.

What is named here is imported when it is first used: the command line answers ``--help`` without Qiskit.

The logger ``qiskit_parallel_ionq`` has no handler, not even a ``NullHandler``. A program that configures no
logging therefore shows its warnings on stderr: they are about money, minutes and bugs.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._version import __version__
    from .backend import ParallelIonQBackend
    from .batch import Progress
    from .errors import (
        ApiError,
        BatchError,
        CircuitError,
        CredentialsError,
        IonQError,
        OptionError,
        ResultIntegrityError,
        ResultTimeoutError,
        SessionError,
        SubmissionUnknownError,
        TargetError,
        TransportError,
    )
    from .job import ParallelIonQJob
    from .options import RunOptions
    from .provider import ParallelIonQProvider
    from .session import Session

__all__ = [
    "ApiError",
    "BatchError",
    "CircuitError",
    "CredentialsError",
    "IonQError",
    "OptionError",
    "ParallelIonQBackend",
    "ParallelIonQJob",
    "ParallelIonQProvider",
    "Progress",
    "ResultIntegrityError",
    "ResultTimeoutError",
    "RunOptions",
    "Session",
    "SessionError",
    "SubmissionUnknownError",
    "TargetError",
    "TransportError",
    "__version__",
]

_HOMES = {
    "ParallelIonQBackend": "backend",
    "ParallelIonQJob": "job",
    "ParallelIonQProvider": "provider",
    "Progress": "batch",
    "RunOptions": "options",
    "Session": "session",
    "__version__": "_version",
}
"""The modules of names that are not errors."""


def __getattr__(name: str) -> Any:
    """Return what is asked for: a name of ours, or a module of this package as after any other import."""
    if name in __all__:
        value = getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
        globals()[name] = value  # it is asked for once
        return value
    if not name.startswith("_") and find_spec(f"{__name__}.{name}"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
