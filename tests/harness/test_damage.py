# SPDX-License-Identifier: Apache-2.0
"""Records of runs that are not as they were written."""

from __future__ import annotations

import pytest

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.errors import JournalError

RUN = "a" * 22


def test_a_record_that_cannot_be_read_is_not_said_to_be_in_use(tmp_path):
    (tmp_path / f"{RUN}.journal").write_bytes(b"00000000 {}\n")
    with ParallelIonQProvider("a-key", "http://127.0.0.1:9/v0.4", state_dir=tmp_path) as provider:
        for _ in range(2):
            with pytest.raises(JournalError, match="no journal of a run"):
                provider.resume(RUN, submit=True)
