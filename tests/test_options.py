# SPDX-License-Identifier: Apache-2.0
"""Options are right or refused, and refused by name, before anything is sent."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit_ionq import ErrorMitigation

from qiskit_parallel_ionq import wire
from qiskit_parallel_ionq.errors import OptionError
from qiskit_parallel_ionq.options import OPTION_NAMES, RunOptions

ACCEPTED = [
    ("shots", 1, 1),
    ("shots", 1_000_000, 1_000_000),
    ("shots", np.int64(7), 7),
    ("shots", [1, 2], (1, 2)),
    ("shots", (3,), (3,)),
    ("shots", np.array([4, 5]), (4, 5)),
    ("meas_level", 2, 2),
    ("memory", True, True),
    ("memory", np.bool_(True), True),
    ("seed_simulator", 0, 0),
    ("seed_simulator", None, None),
    ("sampler_seed", 2**31 - 1, 2**31 - 1),
    ("noise_model", "forte-1", "forte-1"),
    ("noise_model", "ionq_qpu.forte-1", "forte-1"),
    ("noise_model", "ideal", "ideal"),
    ("noise_model", None, None),
    ("error_mitigation", {"debiasing": True}, {"debiasing": True}),
    ("error_mitigation", ErrorMitigation.DEBIASING, ErrorMitigation.DEBIASING),
    ("debiasing", True, True), ("debiasing", np.bool_(False), False), ("debiasing", None, None),
    ("symmetry_verification", True, True),
    ("sharpen", True, True), ("sharpen", False, False), ("sharpen", None, None),
    ("aggregation", "voting", "voting"), ("aggregation", None, None),
    ("job_settings", {"compilation": {"opt": 1}}, {"compilation": {"opt": 1}}),
    ("extra_query_params", {"priority": 3}, {"priority": 3}),
    ("extra_metadata", {"who": 7}, {"who": "7"}),
    ("name", "run 7", "run 7"),
    ("session_id", "s-1", "s-1"),
    ("dry_run", True, True),
    ("max_workers", 64, 64),
    ("use_parallel", False, False),
    ("circuits_per_job", 5_000, 5_000), ("circuits_per_job", "auto", "auto"),
    ("window", 1, 1),
    ("optimization_level", None, None),
    ("optimization_level", 3, 3),
    ("on_unknown", "never", "never"),
    ("keep_circuits", False, False),
    ("on_interrupt", "cancel", "cancel"),
    ("max_cost", 12, 12.0),
    ("max_jobs", 5, 5),
    ("progress", True, True),
]  # fmt: skip

REFUSED = [
    ("shots", 0), ("shots", -1), ("shots", 1_000_001), ("shots", 1.0), ("shots", True), ("shots", "100"),
    ("shots", b"abc"), ("shots", [100, 0]), ("shots", [100, 1.5]), ("shots", np.array([1.5])), ("shots", {1}),
    ("shots", np.array([[1], [2]])), ("shots", float("nan")),
    ("memory", 1), ("memory", "yes"), ("memory", []),
    ("seed_simulator", -1), ("seed_simulator", 2**63), ("seed_simulator", 1.0), ("seed_simulator", False),
    ("sampler_seed", 0), ("sampler_seed", 2**31),
    ("noise_model", "forte-9"), ("noise_model", ""), ("noise_model", 5),
    ("error_mitigation", "debiasing"), ("error_mitigation", {"debaising": True}),
    ("error_mitigation", {"debiasing": "yes"}), ("error_mitigation", 1),
    ("debiasing", 1), ("symmetry_verification", "yes"), ("sharpen", "voting"), ("aggregation", "plurality"), ("aggregation", 3),
    ("job_settings", "opt"), ("job_settings", {"error_mitigation": "debiasing"}),
    ("job_settings", {"compilation": 3}),
    ("extra_query_params", [1]), ("extra_query_params", {"input": {}}), ("extra_query_params", {"shots": 1}),
    ("extra_query_params", {"backend": "qpu"}), ("extra_query_params", {"metadata": {}}),
    ("extra_query_params", {"type": 1}),
    ("extra_metadata", 3), ("extra_metadata", {"qpi": "x"}), ("extra_metadata", {"qpi_chk": "x"}), ("extra_metadata", {"qpi_in": "0"}),
    ("extra_metadata", {"qiskit_header": "x"}),
    ("name", 3), ("session_id", b"s"),
    ("dry_run", 0), ("use_parallel", "no"), ("progress", 2), ("meas_level", 1), ("meas_level", "kerneled"), ("keep_circuits", 1), ("on_interrupt", "stop"),
    ("max_cost", -1), ("max_cost", float("nan")), ("max_cost", float("inf")), ("max_cost", "5"), ("max_cost", True),
    ("max_jobs", 0), ("max_jobs", 2.5),
    ("max_workers", 0), ("max_workers", 65), ("max_workers", 2.0),
    ("circuits_per_job", 0), ("circuits_per_job", 5_001), ("circuits_per_job", "most"),
    ("window", 0), ("window", 1.0), ("window", "auto"),
    ("optimization_level", 4), ("optimization_level", -1), ("optimization_level", "1"),
    ("on_unknown", "retry"), ("on_unknown", 1), ("on_unknown", np.array(["never"])),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "kept"), ACCEPTED, ids=lambda v: repr(v)[:40])
def test_what_can_be_right_is_kept(name, value, kept):
    assert getattr(RunOptions().update(**{name: value}), name) == kept
    assert type(getattr(RunOptions().update(**{name: value}), name)) is type(kept)


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda v: repr(v)[:40])
def test_what_cannot_be_right_is_refused_by_name(name, value):
    with pytest.raises(OptionError, match=name):
        RunOptions().update(**{name: value})


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda v: repr(v)[:40])
def test_the_constructor_is_no_way_around_the_checks(name, value):
    with pytest.raises(OptionError, match=name):
        RunOptions(**{name: value})


def test_every_option_is_tried_above():
    assert {name for name, *_ in ACCEPTED} == {name for name, _ in REFUSED} == set(OPTION_NAMES)


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("shot", "shots"),
        ("max_worker", "max_workers"),
        ("noisemodel", "noise_model"),
        ("optimisation_level", None),
    ],
)
def test_a_misspelt_option_is_refused_with_the_nearest_name(typo, meant):
    with pytest.raises(OptionError, match=f"'{typo}'.*{meant or 'optimization_level'}"):
        RunOptions().update(**{typo: 1})


def test_an_option_like_none_of_ours_is_refused_with_all_names():
    with pytest.raises(OptionError) as caught:
        RunOptions().update(zzz=1)
    assert all(name in str(caught.value) for name in OPTION_NAMES)


def test_options_never_change_once_made():
    options = RunOptions()
    with pytest.raises(AttributeError):
        options.shots = 5
    assert options.update(shots=5) is not options
    assert options.shots == 1024


@pytest.mark.parametrize(
    "name", ["shots", "memory", "extra_metadata", "dry_run", "max_workers", "on_unknown", "progress"]
)
def test_none_leaves_an_option_as_it_was_where_none_is_no_value(name):
    changed = RunOptions().update(shots=7, memory=True, max_workers=3, on_unknown="never", dry_run=True)
    assert changed.update(**{name: None}) == changed


def test_a_seed_of_none_leaves_the_seed_as_it_was():
    """Qiskit's primitives send ``seed_simulator=None`` at every run."""
    assert RunOptions().update(seed_simulator=5).update(seed_simulator=None).seed_simulator == 5


def test_the_callers_mappings_stay_the_callers():
    given_metadata = {"a": "1"}
    options = RunOptions().update(extra_metadata=given_metadata)
    given_metadata["b"] = "2"
    assert options.extra_metadata == {"a": "1"}


def test_options_survive_being_handed_on_as_plain_values():
    options = RunOptions().update(shots=[1, 2], noise_model="aria-1", error_mitigation={"debiasing": False})
    assert RunOptions().update(**{name: getattr(options, name) for name in OPTION_NAMES}) == options


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.binary(max_size=4),
    st.lists(st.integers() | st.floats() | st.text(max_size=3), max_size=4),
    st.dictionaries(st.text(max_size=5) | st.integers(), st.none() | st.integers() | st.text(max_size=3)),
    st.sampled_from([object(), np.float64(3), np.int32(5), np.array(5), np.bool_(0), SimpleNamespace(), int]),
)  # fmt: skip


@given(st.sampled_from(OPTION_NAMES), JUNK)
def test_options_hold_good_values_or_were_refused(name, value):
    try:
        options = RunOptions().update(**{name: value})
    except OptionError:
        return
    shots = (options.shots,) if isinstance(options.shots, int) else options.shots
    assert all(type(s) is int and 1 <= s <= wire.MAX_SHOTS for s in shots)
    assert all(type(getattr(options, n)) is bool for n in ("memory", "dry_run", "use_parallel", "progress"))
    assert 1 <= options.max_workers <= 64
    assert options.circuits_per_job == "auto" or 1 <= options.circuits_per_job <= wire.MAX_CIRCUITS_PER_JOB
    assert options.noise_model in (None, *wire.NOISE_MODELS)
    assert options.optimization_level in (None, 0, 1, 2, 3)
    assert options.on_unknown in ("reconcile", "never", "resubmit")
    assert all(isinstance(v, str) for v in options.extra_metadata.values())
    assert isinstance(options.settings(), dict)
    assert isinstance(options.noise("simulator"), dict)


@pytest.mark.parametrize(
    ("changes", "target", "says"),
    [
        ({"noise_model": "forte-1"}, "qpu.forte-1", "for the simulator"),
        ({"on_unknown": "resubmit"}, "qpu.forte-1", "buy a circuit twice"),
        ({"error_mitigation": {"debiasing": True}, "shots": 499}, "qpu.forte-1", "500"),
        ({"error_mitigation": ErrorMitigation.DEBIASING, "shots": [500, 499]}, "qpu.forte-1", "500"),
        ({"job_settings": {"error_mitigation": {"debiasing": True}}, "shots": 10}, "qpu.forte-1", "500"),
        ({"debiasing": True, "shots": 499}, "qpu.forte-1", "500"),
        ({"sharpen": True, "shots": 499}, "qpu.forte-1", "sharpen.*500"),
        ({"sharpen": True, "debiasing": False}, "qpu.forte-1", "turned off"),
        ({"aggregation": "average", "error_mitigation": {"debiasing": False}}, "qpu.forte-1", "turned off"),
        ({"debiasing": True}, "simulator", "debiasing is for machines"),
        ({"error_mitigation": ErrorMitigation.DEBIASING}, "simulator", "debiasing is for machines"),
        ({"symmetry_verification": True}, "simulator", "symmetry_verification is for machines"),
        ({"sharpen": True}, "simulator", "sharpen is for machines"),
        ({"aggregation": "voting"}, "simulator", "aggregation is for machines"),
    ],
)
def test_what_a_target_cannot_do_is_refused(changes, target, says):
    with pytest.raises(OptionError, match=says):
        RunOptions().update(**changes).check_target(target)


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"noise_model": "forte-1"}, "simulator"),
        ({"noise_model": "ideal"}, "qpu.forte-1"),
        ({"on_unknown": "resubmit"}, "simulator"),
        ({"error_mitigation": {"debiasing": True}, "shots": 500}, "qpu.forte-1"),
        ({"error_mitigation": {"debiasing": True}, "shots": []}, "qpu.forte-1"),
        ({"error_mitigation": {"debiasing": False}, "shots": 1}, "qpu.forte-1"),
        ({"error_mitigation": None, "shots": 1}, "qpu.forte-1"),
        ({"debiasing": False, "shots": 1}, "qpu.forte-1"),
        ({"debiasing": True, "symmetry_verification": True, "sharpen": True, "shots": 500}, "qpu.forte-1"),
        ({"sharpen": False, "shots": 1}, "qpu.forte-1"),
        ({"debiasing": False, "sharpen": False}, "simulator"),
        ({"error_mitigation": ErrorMitigation.NO_DEBIASING}, "simulator"),
    ],
)
def test_what_a_target_can_do_is_let_through(changes, target):
    RunOptions().update(**changes).check_target(target)


def test_one_number_of_shots_is_for_every_circuit():
    assert RunOptions(shots=7).each_shots(3) == (7, 7, 7)
    assert RunOptions(shots=[1, 2, 3]).each_shots(3) == (1, 2, 3)


@pytest.mark.parametrize(("shots", "count"), [([1, 2], 3), ([1, 2], 1), ([], 1), ([1], 0)])
def test_a_list_of_shots_of_another_length_is_refused(shots, count):
    with pytest.raises(OptionError, match=f"{len(shots)} numbers for {count} circuits"):
        RunOptions(shots=shots).each_shots(count)


def test_a_machine_has_no_noise_member_and_the_simulator_always_has():
    options = RunOptions(noise_model="aria-1", sampler_seed=9)
    assert options.noise("qpu.aria-1") is None
    assert options.noise("simulator") == {"model": "aria-1", "seed": 9}
    assert RunOptions().noise("simulator") == {"model": "ideal"}
    assert RunOptions().is_ideal
    assert not options.is_ideal


def test_mitigation_joins_the_settings_without_changing_them():
    settings = {"error_mitigation": {"symmetry_verification": True}, "compilation": {"opt": 1}}
    options = RunOptions(job_settings=settings, error_mitigation=ErrorMitigation.DEBIASING)
    assert options.settings() == {
        "error_mitigation": {"symmetry_verification": True, "debiasing": True},
        "compilation": {"opt": 1},
    }
    assert settings["error_mitigation"] == {"symmetry_verification": True}
    assert RunOptions().settings() == {}


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({"debiasing": True}, {"debiasing": True}),
        ({"error_mitigation": ErrorMitigation.DEBIASING, "debiasing": True}, {"debiasing": True}),
        (
            {"debiasing": False, "symmetry_verification": True},
            {"debiasing": False, "symmetry_verification": True},
        ),
        (
            {"job_settings": {"error_mitigation": {"debiasing": True}}, "symmetry_verification": False},
            {"debiasing": True, "symmetry_verification": False},
        ),
    ],
)
def test_mitigation_may_be_said_in_several_ways_that_agree(said, sent):
    assert RunOptions().update(**said).settings()["error_mitigation"] == sent
    assert RunOptions().update(**said).mitigation() == sent


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (
            {"error_mitigation": ErrorMitigation.DEBIASING, "debiasing": False},
            "debiasing=False.*error_mitigation",
        ),
        (
            {"error_mitigation": {"symmetry_verification": False}, "symmetry_verification": True},
            "symmetry_verif",
        ),
        (
            {
                "job_settings": {"error_mitigation": {"debiasing": True}},
                "error_mitigation": {"debiasing": False},
            },
            r"job_settings\['error_mitigation'\]",
        ),
        ({"sharpen": True, "aggregation": "voting"}, "sharpen and aggregation"),
        ({"name": "a", "extra_query_params": {"name": "b"}}, "name is given twice"),
        ({"session_id": "a", "extra_query_params": {"session_id": "b"}}, "session_id is given twice"),
    ],
)
def test_two_ways_that_contradict_each_other_are_refused(said, names):
    with pytest.raises(OptionError, match=names):
        RunOptions().update(**said)


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ({}, ""),
        ({"sharpen": True}, "sharpen=true"),
        ({"sharpen": False}, "sharpen=false"),
        ({"aggregation": "dnl"}, "aggregation=dnl"),
    ],
)
def test_the_choice_of_a_result_is_a_query(said, query):
    assert RunOptions().update(**said).reading == query


@pytest.mark.parametrize(
    ("said", "offered", "missing"),
    [
        ({"debiasing": True}, {"error_mitigations": ("symmetry_verification",)}, "debiasing"),
        ({"sharpen": True}, {"error_mitigations": ("symmetry_verification",)}, "debiasing"),
        ({"error_mitigation": ErrorMitigation.DEBIASING}, {"error_mitigations": ("none",)}, "debiasing"),
        ({"symmetry_verification": True}, {"error_mitigations": ("debiasing",)}, "symmetry_verification"),
        ({"noise_model": "aria-1"}, {"noise_models": ("ideal", "forte-1")}, "aria-1"),
    ],
)
def test_what_the_service_does_not_offer_is_refused(said, offered, missing):
    options = RunOptions().update(**said)
    with pytest.raises(OptionError, match=missing):
        options.check_entry(wire.CatalogEntry("t", 4, **offered))
    options.check_entry(wire.CatalogEntry("t", 4))  # where it says nothing, all passes
    with_it = {name: (*values, missing) for name, values in offered.items()}
    options.check_entry(wire.CatalogEntry("t", 4, **with_it))


def test_job_settings_are_sent_unseen():
    options = RunOptions(job_settings={"error_mitigation": {"debiasing": True}})
    options.check_entry(wire.CatalogEntry("t", 4, error_mitigations=("other",)))
