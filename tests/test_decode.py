# SPDX-License-Identifier: Apache-2.0
"""What comes back is checked before it is believed, and what is believed adds up to the shot."""

from __future__ import annotations

import json
import math
import pickle
import re
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qiskit_parallel_ionq.decode import Outcome, RawResult, decode, largest_remainder
from qiskit_parallel_ionq.encode import Readout
from qiskit_parallel_ionq.errors import ResultIntegrityError
from qiskit_parallel_ionq.result_json import Distribution

TWO = Readout((0, 1), 2)
CROSSED = Readout((1, 0), 2)
THREE = Readout((0, 1, 2), 3)
PROGRAM = Readout((0, 1), 2, labels=(("c", 0), ("c", 1)))  # OpenQASM 3
MIDDLE = Readout((None, None), 1, labels=(("c", 0), ("c", 1)), final=False)  # measured in the middle


def read(kind, body, readout=TWO, *, shots=10, seed=0, exact=False, memory=False) -> Outcome:
    rng = np.random.default_rng(seed)
    return decode(RawResult(kind, body), readout, shots=shots, rng=rng, exact=exact, memory=memory)


def by_register(kind, name="output_all", **entries):
    """A distribution in format v2. Keys begin with an underscore, as a name must: _01 is 01."""
    return {kind: {"registers": {name: {key[1:]: value for key, value in entries.items()}}}}


def shots_by_register(*shots, **more):
    return {"shots": [{"registers": shot, **more} for shot in shots]}


# ── each format ──


@pytest.mark.parametrize(
    ("kind", "body", "counts"),
    [
        ("probabilities", {"0": 0.5, "1": 0.2, "3": 0.3}, {"0x0": 5, "0x1": 2, "0x3": 3}),
        ("probabilities", by_register("probabilities", _00=0.5, _10=0.2, _11=0.3), {"0x0": 5, "0x1": 2, "0x3": 3}),
        ("histogram", {"0": 5, "1": 2, "3": 3.0}, {"0x0": 5, "0x1": 2, "0x3": 3}),
        ("histogram", by_register("histogram", _00=5, _10=2, _11=3), {"0x0": 5, "0x1": 2, "0x3": 3}),
        ("shots", ["1", "0", "1", "3", 3, 0, "0", "0", "3", "0"], {"0x0": 5, "0x1": 2, "0x3": 3}),
        ("shots", shots_by_register(*[{"output_all": [1, 0]}] * 4, *[{"output_all": [1, 1]}] * 6), {"0x1": 4, "0x3": 6}),
        ("probabilities", {"2": 1}, {"0x2": 10}),
        ("histogram", {"3": 10, "1": 0}, {"0x3": 10}),
    ],
)  # fmt: skip
def test_every_format_is_read_with_bit_k_as_qubit_k(kind, body, counts):
    outcome = read(kind, json.loads(json.dumps(body)))
    assert outcome.counts == counts
    assert list(outcome.counts) == sorted(counts, key=lambda key: int(key, 16))
    assert outcome.shots == 10
    assert outcome.memory is None
    assert all(type(count) is int for count in outcome.counts.values())


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("probabilities", {"1": 1.0}),
        ("probabilities", by_register("probabilities", _100=1.0)),
        ("histogram", {"1": 10}),
        ("histogram", by_register("histogram", _100=10)),
        ("shots", ["1"] * 10),
        ("shots", [1] * 10),
        ("shots", shots_by_register(*[{"output_all": [1, 0, 0]}] * 10)),
    ],
)
def test_a_flip_of_the_first_qubit_of_three_is_one_in_every_format(kind, body):
    assert read(kind, body, THREE).counts == {"0x1": 10}
    assert read(kind, body, Readout((2, 1, 0), 3)).counts == {"0x4": 10}


def test_probabilities_are_given_as_they_came():
    body = {"3": 0.25, "0": 0.75}
    assert read("probabilities", body).probabilities == {"0x0": 0.75, "0x3": 0.25}
    assert list(read("probabilities", body).probabilities) == ["0x0", "0x3"]
    assert read("histogram", {"0": 10}).probabilities is None
    assert read("shots", ["0"] * 10).probabilities is None


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize(
    ("readout", "counts"),
    [
        (CROSSED, {"0x0": 4, "0x1": 3, "0x2": 2, "0x3": 1}),
        (Readout((0,), 2), {"0x0": 7, "0x1": 3}),
        (Readout((1,), 2), {"0x0": 6, "0x1": 4}),
        (Readout((None, 1, None, 1), 2), {"0x0": 6, "0xa": 4}),
        (Readout((None, None), 2), {"0x0": 10}),
        (Readout((), 2), {"0x0": 10}),
        (Readout((1, 1, 0), 2), {"0x0": 4, "0x3": 3, "0x4": 2, "0x7": 1}),
    ],
)
@pytest.mark.parametrize("kind", ["probabilities", "histogram", "shots"])
def test_classical_bits_are_read_where_the_readout_says(kind, readout, counts, memory):
    body = {
        "probabilities": {"0": 0.4, "1": 0.2, "2": 0.3, "3": 0.1},
        "histogram": {"0": 4, "1": 2, "2": 3, "3": 1},
        "shots": ["0"] * 4 + ["1"] * 2 + ["2"] * 3 + ["3"],
    }[kind]
    outcome = read(kind, body, readout, memory=memory)
    assert outcome.counts == counts
    if memory:
        assert Counter(outcome.memory) == counts


def test_outcomes_that_fall_together_add_up_before_they_are_rounded():
    body = {str(k): 0.125 for k in range(8)}
    outcome = read("probabilities", body, Readout((2,), 3), shots=3)
    assert outcome.probabilities == {"0x0": 0.5, "0x1": 0.5}
    assert outcome.counts == {"0x0": 2, "0x1": 1}  # a tie goes to the smaller outcome


@given(
    st.integers(1, 70).flatmap(
        lambda width: st.tuples(
            st.just(width),
            st.dictionaries(st.integers(0, 2**width - 1), st.integers(1, 9), min_size=1, max_size=40),
            st.lists(st.none() | st.integers(0, width - 1), max_size=70),
        )
    )
)
def test_every_bit_is_read_by_itself_whatever_the_width(case):
    width, tallies, sources = case
    expected = Counter()
    for value, tally in tallies.items():
        bits = [0 if source is None else value >> source & 1 for source in sources]
        expected[hex(sum(bit << clbit for clbit, bit in enumerate(bits)))] += tally
    body = {str(value): tally for value, tally in tallies.items()}
    outcome = read("histogram", body, Readout(tuple(sources), width), shots=sum(tallies.values()))
    assert outcome.counts == expected
    keys = [int(key, 16) for key in outcome.counts]
    assert keys == sorted(keys)


@pytest.mark.parametrize("width", [1, 12, 16, 17, 62, 63, 70])
def test_keys_are_hexadecimal_at_any_width(width):
    values = sorted({0, 1, 2 ** (width - 1), 2**width - 1})
    body = {str(value): 5 for value in values}
    readout = Readout(tuple(range(width)), width)
    outcome = read("histogram", body, readout, shots=5 * len(values), memory=True)
    assert outcome.counts == {hex(value): 5 for value in values}
    assert Counter(outcome.memory) == outcome.counts
    assert all(type(tally) is int for tally in outcome.counts.values())
    assert json.loads(json.dumps(outcome.counts)) == outcome.counts


@pytest.mark.parametrize("order", [1, -1])
def test_a_full_distribution_over_crossed_qubits_is_gathered_right(order):
    weights = np.random.default_rng(1).random(1 << 10)
    weights /= weights.sum()
    body = {str(value): weight for value, weight in enumerate(weights.tolist())}
    sources = tuple(range(10))[::order][:7]
    expected = np.zeros(1 << 7)
    for value, weight in enumerate(weights):
        expected[sum((value >> source & 1) << clbit for clbit, source in enumerate(sources))] += weight
    got = read("probabilities", body, Readout(sources, 10), shots=1000).probabilities
    assert got == pytest.approx({hex(value): weight for value, weight in enumerate(expected)})


def test_shots_keep_the_order_they_came_in():
    outcome = read("shots", ["3", "0", "2"], CROSSED, shots=3, memory=True)
    assert outcome.memory == ["0x3", "0x0", "0x1"]
    body = shots_by_register({"output_all": [1, 1]}, {"output_all": [0, 0]}, {"output_all": [0, 1]})
    assert read("shots", body, CROSSED, shots=3, memory=True).memory == ["0x3", "0x0", "0x1"]


# ── rounding ──

weights = st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(lambda values: sum(values) > 1e-3)
totals = st.integers(1, 1_000_000)


@given(weights, totals)
def test_shares_are_whole_and_near_and_add_up(values, total):
    shares = largest_remainder(values, total)
    assert shares.sum() == total
    assert shares.min() >= 0
    for share, value in zip(shares.tolist(), values, strict=True):
        assert abs(share - total * Fraction(value) / sum(map(Fraction, values))) < 1 + 1e-6


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30).filter(any))
def test_frequencies_come_back_as_the_counts_they_were(counts):
    total = sum(counts)
    assert largest_remainder([count / total for count in counts], total).tolist() == counts
    body = {str(k): count / total for k, count in enumerate(counts)}
    outcome = read("probabilities", body, Readout(tuple(range(5)), 5), shots=total)
    assert outcome.counts == {hex(k): count for k, count in enumerate(counts) if count}


@given(st.lists(st.integers(1, 50), min_size=2, max_size=12), st.integers(1, 100))
def test_the_largest_remainders_are_rounded_up_first(parts, total):
    shares = largest_remainder(parts, total).tolist()
    exact = [Fraction(total * part, sum(parts)) for part in parts]
    up = [e - math.floor(e) for e, share in zip(exact, shares, strict=True) if share > math.floor(e)]
    down = [e - math.floor(e) for e, share in zip(exact, shares, strict=True) if share == math.floor(e)]
    assert not up or not down or min(up) >= max(down) - Fraction(1, 10**9)


@pytest.mark.parametrize(
    ("values", "total", "shares"),
    [
        ([1, 1, 1], 10, [4, 3, 3]),
        ([1, 1], 1, [1, 0]),
        ([0, 1], 5, [0, 5]),
        ([0.1] * 10, 5, [1] * 5 + [0] * 5),
        ([3], 7, [7]),
    ],
)
def test_a_tie_goes_to_the_earlier_entry(values, total, shares):
    assert largest_remainder(values, total).tolist() == shares


# ── drawing ──

distributions = st.dictionaries(st.integers(0, 15).map(str), st.integers(1, 100), min_size=1)


def normalised(entries):
    return {key: value / sum(entries.values()) for key, value in entries.items()}


@given(distributions, st.randoms(use_true_random=False), st.booleans(), st.integers(1, 2000))
def test_the_order_of_keys_changes_nothing(entries, random, exact, shots):
    readout = Readout((3, None, 0), 4)
    body = normalised(entries)
    turned = list(body.items())
    random.shuffle(turned)
    one = read("probabilities", body, readout, shots=shots, exact=exact, memory=True)
    assert read("probabilities", dict(turned), readout, shots=shots, exact=exact, memory=True) == one


@given(distributions, st.booleans(), st.integers(1, 2000))
def test_counts_sum_to_the_shots_and_memory_agrees_with_them(entries, exact, shots):
    readout = Readout((0, 1, 2, 3), 4)
    body = normalised(entries)
    outcome = read("probabilities", body, readout, shots=shots, exact=exact, memory=True)
    assert sum(outcome.counts.values()) == shots == len(outcome.memory)
    assert Counter(outcome.memory) == outcome.counts
    assert min(outcome.counts.values()) > 0
    assert outcome.counts.keys() <= {hex(int(key)) for key in body}
    assert read("probabilities", body, readout, shots=shots, exact=exact).counts == outcome.counts
    assert outcome.probabilities == {hex(int(key)): body[key] for key in sorted(body, key=int)}


def test_samples_follow_the_seed_and_the_distribution():
    body = {"0": 0.25, "1": 0.75}
    one, same, other = (read("probabilities", body, shots=10_000, seed=s, exact=True) for s in (1, 1, 2))
    assert one == same
    assert one.counts != other.counts
    assert one.counts["0x0"] == pytest.approx(2500, abs=250)  # 5.8 standard deviations


def test_frequencies_are_not_sampled():
    body = {"0": 0.25, "1": 0.75}
    assert {read("probabilities", body, shots=100, seed=s).counts["0x0"] for s in range(20)} == {25}


def test_memory_is_not_sorted_and_follows_the_seed():
    one, same, other = (
        read("histogram", {"0": 500, "3": 500}, shots=1000, seed=s, memory=True).memory for s in (1, 1, 2)
    )
    assert one == same != other
    assert one != sorted(one)
    assert 350 < sum(a != b for a, b in pairwise(one)) < 650


# ── what cannot be true ──

DISTRIBUTIONS = {
    "empty": {},
    "null": None,
    "list": [0.5, 0.5],
    "text": "0",
    "empty register": by_register("{kind}"),
    "no registers": {"{kind}": {}},
    "registers is a list": {"{kind}": {"registers": [1]}},
    "register is a list": {"{kind}": {"registers": {"output_all": [1]}}},
    "another register": {"{kind}": {"registers": {"spam": {"00": "{all}"}}}},
    "out of range": {"4": "{all}"},
    "out of range, by register": by_register("{kind}", _001="{all}"),
    "out of range, weight 0": {"0": "{all}", "4": 0},
    "beyond 64 bits": {str(1 << 64): "{all}"},
    "beyond 63 bits": {str((1 << 63) - 1): "{all}"},
    "5,000 digits": {"9" * 5000: "{all}"},
    "twice": {"1": "{all}", "01": 0},
    "lengths": by_register("{kind}", _00="{all}", _1=0),
    "too short": by_register("{kind}", _1="{all}"),
    "empty string": by_register("{kind}", _="{all}"),
    "letters in bits": by_register("{kind}", _0x="{all}"),
    "a 2 in bits": by_register("{kind}", _02="{all}"),
    "Arabic digits in bits": by_register("{kind}", _0١="{all}"),
    "empty key": {"": "{all}"},
    "empty key among others": {"0": "{all}", "": 0},
    "signed key": {"-1": "{all}"},
    "plus": {"+1": "{all}"},
    "hexadecimal": {"0x1": "{all}"},
    "blank": {" 1": "{all}"},
    "underscore": {"1_0": "{all}"},
    "fraction": {"1.0": "{all}"},
    "comma": {"0,1": "{all}"},
    "comma at the end": {"1,": "{all}"},
    "comma at the end of the last": {"0": 0, "1,": "{all}"},
    "comma at the start": {",1": "{all}"},
    "only a comma": {",": "{all}"},
    "two commas": {"0,,1": "{all}"},
    "Arabic digits": {"١": "{all}"},
    "surrogate": {"\ud800": "{all}"},
    "NaN": {"0": "{all}", "1": math.nan},
    "only NaN": {"0": math.nan},
    "infinite": {"0": math.inf},
    "minus infinity": {"0": "{all}", "1": -math.inf},
    "negative": {"0": "{all}", "1": -0.25},
    "beyond all bounds": {"0": 10**400},
    "a text for a number": {"0": "{all}", "1": "0"},
    "null for a number": {"0": "{all}", "1": None},
    "true for a number": {"0": True},
    "a list for a number": {"0": "{all}", "1": [0]},
    "all zero": {"0": 0, "1": 0.0},
}  # fmt: skip


def filled(value, kind, everything):
    """Put the kind and the weight of everything where a body has their names."""
    if isinstance(value, dict):
        return {key.replace("{kind}", kind): filled(inner, kind, everything) for key, inner in value.items()}
    return everything if value == "{all}" else value


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(("kind", "everything"), [("probabilities", 1.0), ("histogram", 10)])
@pytest.mark.parametrize("body", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_a_distribution_that_cannot_be_is_refused(body, kind, everything, exact):
    with pytest.raises(ResultIntegrityError, match="the service"):
        read(kind, filled(body, kind, everything), exact=exact)


@pytest.mark.parametrize("body", [{"0": 0.9}, {"0": 0.5, "1": 0.5 + 2e-6}, {"0": 0.5, "1": 0.6}, {"0": 10}])
def test_probabilities_that_do_not_sum_to_one_are_refused_with_their_sum(body):
    with pytest.raises(ResultIntegrityError, match=rf"sum to {re.escape(repr(float(sum(body.values()))))}"):
        read("probabilities", body)


@pytest.mark.parametrize("body", [{"0": 9}, {"0": 5, "1": 6}, {"0": 9.5, "1": 0.5}, {"0": 1.0}, {"0": 1e300}])
def test_a_histogram_that_is_not_of_the_shots_is_refused(body):
    with pytest.raises(ResultIntegrityError, match="10 shots were asked for"):
        read("histogram", body)


SHOTS = {
    "empty": [],
    "null": None,
    "number": 7,
    "text": "0000000000",
    "empty object": {},
    "no shots": {"shots": []},
    "shots is an object": {"shots": {"0": 1}},
    "one too few": ["0"] * 9,
    "one too many": ["0"] * 11,
    "fractions": [0.0] * 10,
    "booleans": [True] * 10,
    "null among them": ["0"] * 9 + [None],
    "list among them": ["0"] * 9 + [["0"]],
    "negative": [0] * 9 + [-1],
    "out of range": ["0"] * 9 + ["4"],
    "far out of range": ["0"] * 9 + [1 << 80],
    "not decimal": ["0"] * 9 + ["0b1"],
    "empty text": ["0"] * 9 + [""],
    "comma": ["0"] * 8 + ["0,0"],
    "two commas": ["0"] * 9 + ["0,,0"],
    "comma at the end": ["0"] * 9 + ["0,"],
    "no object": {"shots": [1] * 10},
    "no registers": {"shots": [{}] * 10},
    "empty registers": shots_by_register(*[{}] * 10),
    "another register": shots_by_register(*[{"spam": [0, 0]}] * 10),
    "register is missing once": shots_by_register(*[{"output_all": [0, 0]}] * 9, {"spam": [0, 0]}),
    "register of another length once": shots_by_register(*[{"output_all": [0, 0]}] * 9, {"output_all": [0]}),
    "register too short": shots_by_register(*[{"output_all": [0]}] * 10),
    "register empty": shots_by_register(*[{"output_all": []}] * 10),
    "register is text": shots_by_register(*[{"output_all": "00"}] * 10),
    "a bit of 2": shots_by_register(*[{"output_all": [0, 2]}] * 10),
    "a bit of -1": shots_by_register(*[{"output_all": [0, -1]}] * 10),
    "a bit of 256": shots_by_register(*[{"output_all": [0, 256]}] * 10),
    "a text bit": shots_by_register(*[{"output_all": [0, "1"]}] * 10),
    "a bit that is null": shots_by_register(*[{"output_all": [0, None]}] * 10),
    "too few": shots_by_register(*[{"output_all": [0, 0]}] * 9),
    "too many": shots_by_register(*[{"output_all": [0, 0]}] * 11),
    "all leaked": shots_by_register(*[{"output_all": [0, 0]}] * 10, leakage_bits=[1, 0]),
}  # fmt: skip


@pytest.mark.parametrize("body", SHOTS.values(), ids=SHOTS)
def test_shots_that_cannot_be_are_refused(body):
    with pytest.raises(ResultIntegrityError, match="the service"):
        read("shots", body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["0", "1", "2", "probabilities", "histogram", "shots", "registers", "output_all", "c"]
            )
            | st.text(max_size=2),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=200)
@given(
    st.sampled_from(["probabilities", "histogram", "shots"]),
    json_values,
    st.sampled_from([TWO, PROGRAM, MIDDLE, Readout((), 1), Readout((None, 69), 70)]),
)
def test_any_answer_is_an_outcome_or_an_integrity_error(kind, body, readout):
    try:
        outcome = read(kind, body, readout, shots=2, memory=True)
    except ResultIntegrityError:
        return
    assert sum(outcome.counts.values()) == 2 == len(outcome.memory)


# ── what may be ──


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("drift", [9e-7, -9e-7, 1e-12])
def test_a_small_drift_of_the_sum_is_made_good(drift, exact):
    outcome = read("probabilities", {"0": 0.5, "3": 0.5 + drift}, exact=exact, shots=1000)
    assert sum(outcome.counts.values()) == 1000
    assert outcome.probabilities == {"0x0": 0.5, "0x3": 0.5 + drift}


def test_a_drift_upwards_does_not_stop_the_sampling():
    outcome = read("probabilities", {"0": 1.0 + 5e-7, "3": 1e-9}, exact=True, shots=1000)
    assert outcome.counts == {"0x0": 1000}


def test_a_negative_drift_counts_as_nothing():
    outcome = read("probabilities", {"0": 0.5, "1": -1e-10, "2": 0.0, "3": 0.5}, exact=True)
    assert outcome.probabilities == {"0x0": 0.5, "0x3": 0.5}
    assert outcome.counts.keys() <= {"0x0", "0x3"}
    with pytest.raises(ResultIntegrityError, match="-1e-08"):
        read("probabilities", {"0": 1.0, "1": -1e-8})


@pytest.mark.parametrize("leaked", [[0, 1], [1, 1], True, 1, "1"])
def test_shots_that_leaked_are_surplus(leaked):
    body = shots_by_register(*[{"output_all": [1, 0]}] * 3)
    body["shots"].insert(1, {"registers": {"output_all": [1, 1]}, "leakage_bits": leaked})
    assert read("shots", body, shots=3, memory=True).memory == ["0x1"] * 3


@pytest.mark.parametrize("leaked", [[], [0, 0], None, 0, False])
def test_shots_that_did_not_leak_count(leaked):
    body = shots_by_register({"output_all": [1, 0]}, leakage_bits=leaked)
    assert read("shots", body, shots=1).counts == {"0x1": 1}


# ── many bits ──


@pytest.mark.parametrize("width", [61, 62, 63, 64, 65, 100])
def test_no_width_loses_a_bit(width):
    top, low = 1 << width - 1, 5
    straight = Readout(tuple(range(width)), width)
    turned = Readout(tuple(reversed(range(width))), width)

    def row(value):
        return [value >> k & 1 for k in range(width)]

    def string(value):
        return "".join(map(str, row(value)))

    for readout, high, small in [
        (straight, top, low),
        (turned, 1, int(f"{low:0{width}b}"[::-1], 2)),
    ]:
        expected = dict(sorted({small: 2, high: 1}.items()))
        for kind, body in [
            ("probabilities", {str(top): 1 / 3, str(low): 2 / 3}),
            ("probabilities", by_register("probabilities", **{f"_{string(top)}": 1 / 3, f"_{string(low)}": 2 / 3})),
            ("histogram", {str(top): 1, str(low): 2}),
            ("histogram", by_register("histogram", **{f"_{string(top)}": 1, f"_{string(low)}": 2})),
            ("shots", [str(low), str(top), low]),
            ("shots", shots_by_register(*({"output_all": row(value)} for value in (low, top, low)))),
        ]:  # fmt: skip
            outcome = read(kind, body, readout, shots=3, memory=True)
            assert outcome.counts == {hex(value): count for value, count in expected.items()}
            assert list(outcome.counts) == list(map(hex, expected))
            assert Counter(outcome.memory) == outcome.counts


@pytest.mark.parametrize("body", [{"1": 1.0}, by_register("probabilities", _10=1.0)])
def test_more_classical_bits_than_64_read_few_qubits(body):
    readout = Readout((None,) * 70 + (0, 1), 2)
    assert read("probabilities", body, readout).counts == {hex(1 << 70): 10}


def test_an_outcome_beyond_63_bits_is_not_taken_for_the_largest_of_63():
    with pytest.raises(ResultIntegrityError, match="on 63 qubits"):
        read("probabilities", {str(1 << 63): 1.0}, Readout(tuple(range(63)), 63))


@pytest.mark.parametrize("body", [{str(1 << 70): 1.0}, {"1,1": 1.0}, {"9" * 5000: 1.0}])
def test_wide_outcomes_are_checked_too(body):
    with pytest.raises(ResultIntegrityError):
        read("probabilities", body, Readout(tuple(range(70)), 70))


# ── registers of OpenQASM 3 ──


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("probabilities", {"probabilities": {"registers": {"c": {"10": 1.0}, "output_all": {"0": 1.0}}}}),
        ("histogram", {"histogram": {"registers": {"c": {"10": 10}, "output_all": {"0": 10}}}}),
        ("shots", shots_by_register(*[{"c": [1, 0], "output_all": [0]}] * 10)),
    ],
)
def test_what_was_measured_in_the_middle_is_read_from_its_register(kind, body):
    assert read(kind, body, MIDDLE).counts == {"0x1": 10}


def test_shots_of_several_registers_are_put_together_by_their_labels():
    readout = Readout((None, None, None), 1, labels=(("b", 0), ("a", 1), ("a", 0)), final=False)
    body = shots_by_register({"a": [0, 1], "b": [1]}, {"a": [1, 0], "b": [0]})
    assert read("shots", body, readout, shots=2, memory=True).memory == ["0x3", "0x4"]


def test_distributions_of_several_registers_do_not_tell_joint_outcomes():
    readout = Readout((None, None), 1, labels=(("a", 0), ("b", 0)), final=False)
    body = {"histogram": {"registers": {"a": {"0": 5, "1": 5}, "b": {"0": 5, "1": 5}}}}
    with pytest.raises(ResultIntegrityError, match=r"registers \['a', 'b'\].*joint.*the shots may"):
        read("histogram", body, readout)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("probabilities", {"1": 1.0}),
        ("histogram", {"1": 10}),
        ("shots", ["1"] * 10),
        ("shots", shots_by_register(*[{"output_all": [1]}] * 10)),
    ],
)
def test_without_registers_a_measurement_in_the_middle_cannot_be_read(kind, body):
    with pytest.raises(ResultIntegrityError, match=r"mid-circuit measurements.*noise_model, or on a QPU"):
        read(kind, body, MIDDLE)


@pytest.mark.parametrize("kind", ["probabilities", "histogram"])
def test_the_qubits_at_the_end_do_not_stand_in_for_a_register_of_the_middle(kind):
    body = by_register(kind, _1=1.0 if kind == "probabilities" else 10)
    with pytest.raises(ResultIntegrityError, match=r"joint outcomes of \['c'\]"):
        read(kind, body, MIDDLE)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("probabilities", {"2": 1.0}),
        ("probabilities", by_register("probabilities", _01=1.0)),
        ("histogram", {"2": 10}),
        ("shots", ["2"] * 10),
        ("shots", shots_by_register(*[{"output_all": [0, 1]}] * 10)),
    ],
)
def test_final_measurements_are_read_from_the_qubits_where_there_is_no_register(kind, body):
    crossed = Readout((1, 0), 2, labels=(("c", 0), ("c", 1)))
    assert read(kind, body, crossed).counts == {"0x1": 10}


def test_a_register_goes_before_the_qubits_where_both_are_told():
    body = shots_by_register(*[{"c": [1, 0], "output_all": [1, 0]}] * 10)
    assert read("shots", body, Readout((1, 0), 2, labels=(("c", 0), ("c", 1)))).counts == {"0x1": 10}


@pytest.mark.parametrize("shot", [{"c": [0]}, {"output_all": [0, 0]}])
def test_a_register_without_all_its_bits_is_refused(shot):
    with pytest.raises(ResultIntegrityError):
        read("shots", shots_by_register(*[shot] * 10), MIDDLE)


# ── many outcomes ──


@pytest.fixture
def spelled_on_demand(monkeypatch):
    monkeypatch.setattr("qiskit_parallel_ionq.decode.SPELLED_OUT", 3)


@pytest.mark.parametrize(
    "values", [[0, 3, 5, 9, 1000], [1, 1 << 70, 1 << 71, (1 << 71) + 1]], ids=["few bits", "many"]
)
def test_probabilities_of_many_outcomes_are_a_mapping_that_is_spelled_out_on_demand(
    spelled_on_demand, values
):
    wide = max(values) >> 62
    kept = np.array(values, dtype=object if wide else np.int64)
    weights = np.full(len(values), 1 / len(values))
    told = Outcome(shots=4, values=kept, tallies=np.arange(len(values)), weights=weights).probabilities
    expected = {hex(value): 1 / len(values) for value in values}
    assert not isinstance(told, dict)
    assert told == expected
    assert list(told) == list(expected)
    assert list(told.items()) == list(expected.items())
    assert [told[key] for key in expected] == list(expected.values())
    for key in ("0x2", "0x03", "3", "", None, "0xffffffffffffffffffffffff"):
        assert key not in told
    assert pickle.loads(pickle.dumps(told)) == expected
    assert len(repr(told)) < 60


def test_a_distribution_in_arrays_is_decoded_as_one_in_a_dict():
    body = {str(outcome): 1 / 64 for outcome in range(63, -1, -1)}
    arrays = Distribution(np.arange(63, -1, -1), np.full(64, 1 / 64))
    crossed = Readout(sources=(5, None, 0, 1), num_qubits=6)
    options = {"shots": 100, "exact": True, "memory": True}
    told = [
        decode(RawResult("probabilities", each), crossed, rng=np.random.default_rng(3), **options)
        for each in (body, arrays)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("outcomes", "weights", "complaint"),
    [
        ([0, 1, 1], [0.5, 0.25, 0.25], "twice"),
        ([0, 64], [0.5, 0.5], "on 6 qubits"),
        ([0, 1], [0.5, 0.4], "sum to"),
        ([0, 1], [1.5, -0.5], "the value -0.5"),
        ([0, 1], [np.inf, 0.5], "the value inf"),
        ([], [], "not a distribution"),
    ],
)
def test_a_distribution_in_arrays_is_checked_as_well(outcomes, weights, complaint):
    raw = RawResult("probabilities", Distribution(np.array(outcomes, np.int64), np.array(weights, float)))
    readout = Readout(sources=tuple(range(6)), num_qubits=6)
    with pytest.raises(ResultIntegrityError, match=complaint):
        decode(raw, readout, shots=10, rng=np.random.default_rng(1), exact=True, memory=False)
