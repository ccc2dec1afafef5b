# SPDX-License-Identifier: Apache-2.0
"""From a Qiskit circuit to the bytes of an IonQ job, and the readout that leads its outcomes back.

A circuit is encoded once, into a fragment of JSON; a job body is fragments joined. Phases and angles of
native gates are in turns (1 = 2π), rotations of QIS gates in radians. Bit k of an outcome is qubit k.
"""

from .body import job_body
from .circuit import encode_circuit, encode_pulses
from .encoded import EncodedCircuit, Kind, Readout
from .header import (
    HeaderEntry,
    experiment_header,
    header_entries,
    header_entry,
    ionq_header,
    read_header_entry,
    read_ionq_header,
)

__all__ = [
    "EncodedCircuit",
    "HeaderEntry",
    "Kind",
    "Readout",
    "encode_circuit",
    "encode_pulses",
    "experiment_header",
    "header_entries",
    "header_entry",
    "ionq_header",
    "job_body",
    "read_header_entry",
    "read_ionq_header",
]
