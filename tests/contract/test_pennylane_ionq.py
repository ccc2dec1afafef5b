# SPDX-License-Identifier: Apache-2.0
"""Unmodified pennylane-ionq runs against the emulator and gets the right physics."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.strangers


@pytest.fixture(scope="module")
def found(drive):
    return drive("pennylane_client")


def test_a_bell_pair_through_probs(found):
    assert found["bell"] == pytest.approx([0.5, 0, 0, 0.5])


def test_the_order_of_wires_is_kept(found):
    assert found["flip"] == pytest.approx([0, 1, 0, 0])


def test_a_bell_pair_on_a_qpu(found):
    assert sum(found["bell_on_qpu"]) == pytest.approx(1)
    assert found["bell_on_qpu"][0] + found["bell_on_qpu"][3] > 0.9
    assert all(round(p * 400, 6).is_integer() for p in found["bell_on_qpu"])


def test_many_gates_agree_with_pennylanes_own_simulator(found):
    assert found["mixed"] == pytest.approx(found["mixed_expected"], abs=1e-9)
