# SPDX-License-Identifier: Apache-2.0
"""Unmodified ionq-core, IonQ's own client, runs every operation it has against the emulator."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.strangers


@pytest.fixture(scope="module")
def found(drive):
    return drive("ionq_core_client")


def test_jobs_of_every_kind_are_parsed_as_their_type(found):
    assert found["running"]["typed"] == ["SingleCircuitJob", "MultiCircuitJob", "SingleCircuitJob"]
    assert found["running"]["name"] == "pair"


def test_results_are_right(found):
    running = found["running"]
    assert running["bell"] == {"0": 0.5, "3": 0.5}
    assert running["native"] == {"0": 0.25, "1": 0.25, "2": 0.25, "3": 0.25}
    assert running["noisy"] == pytest.approx(1)


def test_children_are_in_circuit_order(found):
    running = found["running"]
    assert running["in_order"]
    assert running["children"]
    assert running["aggregated"] == [{"0": 0.5, "3": 0.5}, {"2": 1.0}]


def test_registers_of_a_program_have_bit_zero_first(found):
    registers = found["running"]["bits"]
    assert max(registers["c"], key=registers["c"].get) == "01"
    assert max(registers["output_all"], key=registers["output_all"].get) == "01"
    assert found["running"]["shots"] == 20


def test_jobs_are_listed_cloned_canceled_and_deleted(found):
    managing = found["managing"]
    assert managing["listed"]
    assert managing["by_id"]
    assert managing["completed"]
    assert managing["clone"] == ["clone", "qpu.forte-1", "submitted"]
    assert managing["canceled"] == "canceled"
    assert managing["bulk"] == ["canceled", "deleted"]
    assert managing["deleted"] == ["deleted", ["NotFoundError", 404, None]]


def test_costs_estimates_and_usage(found):
    money = found["money"]
    assert money["cost"] == [False, 2.75, "usd"]
    assert money["free"] == {"dry_run": False, "cost": {"value": 0.0, "unit": "usd"}}
    assert money["estimate"] == [2.75, "usd", "gates"]
    assert money["usage"] == [True, True]


def test_backends_characterizations_sessions_and_the_rest(found):
    rest = found["else"]
    assert {"simulator", "qpu.aria-1", "qpu.forte-1"} <= set(rest["backends"])
    assert rest["backend"] == 36
    assert rest["characterization"] == [36, 630, True]
    assert rest["session"] == ["started", True, ["ended"]]
    assert (rest["whoami"], rest["schema"]) == ("local key", "object")


def test_errors_arrive_as_their_type(found):
    errors = found["errors"]
    assert errors["401"] == ["AuthenticationError", 401, None]
    assert errors["404"] == ["NotFoundError", 404, None]
    assert errors["400"] == ["BadRequestError", 400, None]
    assert errors["429"] == ["RateLimitError", 429, 1.0]
    assert errors["failed"] == ["failed", "UnsupportedGate", ["JobFailedError"]]
