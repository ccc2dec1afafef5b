# SPDX-License-Identifier: Apache-2.0
"""Results are asked for where they may be, best place first, and only below our own base URL."""

from __future__ import annotations

import re
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qiskit_parallel_ionq.sources import Source, aggregate_sources, preferred_kinds, sources

KINDS = ("probabilities", "histogram", "shots")
STANDING = [Source(kind, f"/jobs/j/results/{kind}") for kind in KINDS]


@pytest.mark.parametrize(
    ("exact", "memory", "by_register", "best"),
    [
        (True, False, False, "probabilities"),
        (True, True, False, "probabilities"),
        (True, True, True, "probabilities"),
        (False, False, False, "probabilities"),
        (False, True, False, "shots"),
        (False, False, True, "shots"),
        (False, True, True, "shots"),
    ],
)
def test_the_kind_that_says_what_is_wanted_comes_first(exact, memory, by_register, best):
    kinds = preferred_kinds(exact=exact, memory=memory, by_register=by_register)
    assert kinds[0] == best
    assert sorted(kinds) == sorted(KINDS)


@pytest.mark.parametrize(
    "results", [None, {}, {"else": {"url": "/x"}}, {"probabilities": {}}, {"shots": "text"}]
)
def test_where_the_job_names_nothing_usable_the_standing_paths_are_tried(results):
    assert list(sources("j", results, KINDS)) == STANDING


@pytest.mark.parametrize("kinds", list(permutations(KINDS)))
def test_the_order_of_kinds_is_kept(kinds):
    assert [s.kind for s in sources("j", None, kinds)] == list(kinds)
    results = {kind: {"url": "/v0.4/x"} for kind in KINDS}
    assert [s.kind for s in sources("j", results, kinds)] == list(kinds)


def test_urls_come_before_artifacts_and_old_artifacts_before_new_ones():
    results = {
        "probabilities": {"url": "/v0.4/jobs/j/results/probabilities"},
        "ionq.result.probabilities.json.v2": {"id": "a2"},
        "ionq.result.probabilities.json.v1": {"id": "a1"},
        "ionq.result.shots.json.v1": {"id": "s1"},
        "ionq.result.shots.json.v2": {"id": "s2"},
    }
    assert [s.path for s in sources("j", results, KINDS)] == [
        "/jobs/j/results/probabilities",
        "/jobs/j/artifacts/a1",
        "/jobs/j/artifacts/a2",
        "/jobs/j/artifacts/s2",
        "/jobs/j/artifacts/s1",
    ]


def test_registers_are_kept_apart_where_they_matter():
    results = {
        "histogram": {"url": "/x"},
        "ionq.result.histogram.json.v1": {"id": "h1"},
        "ionq.result.histogram.json.v2": {"id": "h2"},
    }
    assert [s.path for s in sources("j", results, KINDS, by_register=True)] == [
        "/jobs/j/artifacts/h2",
        "/jobs/j/artifacts/h1",
        "/jobs/j/results/histogram",
    ]


@pytest.mark.parametrize(
    ("results", "paths"),
    [
        (None, ["/jobs/j/results/probabilities/aggregated"]),
        ({"probabilities": {"url": "/x"}}, ["/jobs/j/results/probabilities/aggregated"]),
        (
            {"ionq.result.probabilities-aggregate.json.v1": {"id": "a"}},
            ["/jobs/j/artifacts/a", "/jobs/j/results/probabilities/aggregated"],
        ),
        (
            {"probabilities": {"url": "/x"}, "ionq.result.probabilities-aggregate.json.v1": {"id": "a"}},
            ["/jobs/j/results/probabilities/aggregated", "/jobs/j/artifacts/a"],
        ),
    ],
)
def test_one_answer_for_a_whole_pack_is_looked_for_in_both_places(results, paths):
    assert [s.path for s in aggregate_sources("j", results)] == paths
    assert {s.kind for s in aggregate_sources("j", results)} == {"probabilities"}


HOSTILE = st.sampled_from(
    ["@evil.test/x", ".evil.test", "//evil.test", "https://evil.test/", "../..", "a?b", ""]
)
NAMES = st.sampled_from(
    [
        *KINDS,
        *(f"ionq.result.{k}.json.{v}" for k in (*KINDS, "probabilities-aggregate") for v in ("v1", "v2")),
    ]
)


@given(
    st.dictionaries(
        NAMES,
        st.none() | HOSTILE | st.fixed_dictionaries({"url": HOSTILE, "id": HOSTILE | st.text()}),
        max_size=8,
    ),
    st.booleans(),
)
def test_nothing_a_server_says_leads_elsewhere(results, by_register):
    found = sources("j", results, KINDS, by_register=by_register) + aggregate_sources("j", results)
    assert found
    for source in found:
        assert re.fullmatch(
            r"/jobs/j/(results/[a-z]+(/aggregated)?|artifacts/[0-9A-Za-z][0-9A-Za-z_-]*)", source.path
        )


@pytest.mark.parametrize("results", [None, {"ionq.result.probabilities.json.v1": {"id": "probabilities"}}])
def test_a_choice_among_results_is_asked_of_the_one_place_that_knows_it(results):
    assert sources("j", results, ("probabilities",), query="sharpen=true") == (
        Source("probabilities", "/jobs/j/results/probabilities?sharpen=true"),
    )
    assert aggregate_sources("j", results, "sharpen=true") == (
        Source("probabilities", "/jobs/j/results/probabilities/aggregated?sharpen=true"),
    )
