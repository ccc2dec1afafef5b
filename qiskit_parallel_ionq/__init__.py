# SPDX-License-Identifier: Apache-2.0
"""Run many quantum circuits on IonQ from Qiskit: concurrently, in order, each paid once."""

import logging

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

logging.getLogger(__name__).addHandler(logging.NullHandler())  # the program decides what is shown

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
