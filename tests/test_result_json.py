# SPDX-License-Identifier: Apache-2.0
"""Results are parsed in pieces, with what the standard library makes of the whole, and hold nobody up."""

from __future__ import annotations

import json
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qiskit_parallel_ionq import result_json
from qiskit_parallel_ionq.result_json import Distribution, parse, written

SCALARS = st.one_of(
    st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(TEXTS, inner, max_size=8),
    max_leaves=40,
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n\t", " : ")])
INDENTS = st.sampled_from([None, 0, 3])


@pytest.fixture(params=[1, 7, 40, 300])
def piece(request, monkeypatch):
    """The length of a piece, and windows of about as much."""
    monkeypatch.setattr(result_json, "PIECE", request.param)
    monkeypatch.setattr(result_json, "_WINDOW", request.param + 3)
    return request.param


def plain(value):
    """Return a value without arrays."""
    if isinstance(value, Distribution):
        return dict(zip(map(str, value.outcomes.tolist()), value.weights.tolist(), strict=True))
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list) else value


@given(value=VALUES, separators=SEPARATORS, indent=INDENTS, ascii_only=st.booleans())
def test_what_is_cut_says_what_the_whole_says(value, separators, indent, ascii_only):
    text = json.dumps(value, separators=separators, indent=indent, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        for size in (1, 5, 40):
            patch.setattr(result_json, "PIECE", size)
            patch.setattr(result_json, "_WINDOW", size + 3)
            assert plain(parse(text, depth=9)) == value


@given(value=VALUES, place=st.integers(0, 400), junk=st.sampled_from(b'{}[]",:0 \\xN'))
def test_what_the_standard_library_refuses_is_refused(value, place, junk):
    text = bytearray(json.dumps(value).encode())
    text[place % len(text)] = junk
    try:
        expected, is_json = json.loads(text, parse_constant=result_json._refuse_constant), True
    except ValueError:
        expected, is_json = None, False
    with pytest.MonkeyPatch.context() as patch:
        for size in (1, 5, 40):
            patch.setattr(result_json, "PIECE", size)
            patch.setattr(result_json, "_WINDOW", size + 3)
            try:
                told = plain(parse(text))
            except ValueError:
                assert not is_json or "\\" in text.decode()
            else:
                assert is_json
                assert told == expected


@pytest.mark.parametrize(
    "text",
    [
        b'{"0": NaN, "1": 0.5}',
        b'{"0": 0.5, "1": Infinity}',
        b'{"0": 0.5, "1": 0.5',
        b'{"0": 0.5, "1": 0.5,}',
        b'{"0": 0.5, , "1": 0.5}',
        b'{"0": 0.5} {"1": 0.5}',
        b'{"0": 0.5]',
        b'{"0" 0.5, "1": 0.5}',
        b"<html>, </html>, ",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"",
        b"   ",
    ],
    ids=lambda text: text[:20].decode(),
)
def test_what_is_no_json_is_a_value_error(piece, text):
    with pytest.raises(ValueError):
        parse(text)


@pytest.mark.parametrize("piece", [40, 300], indirect=True)
def test_a_large_distribution_becomes_arrays(piece):
    body = {str(5 * outcome): 1.0 / (outcome + 1) for outcome in range(200)}
    told = parse(json.dumps(body).encode())
    assert isinstance(told, Distribution)
    assert told.outcomes.tolist() == [5 * outcome for outcome in range(200)]
    assert told.weights.tolist() == list(body.values())
    assert json.loads(written(told)) == body


@pytest.mark.parametrize("piece", [40, 300], indirect=True)
def test_the_distributions_of_a_pack_become_arrays_each(piece):
    one = {str(outcome): 0.005 for outcome in range(200)}
    told = parse(json.dumps({"a-1": one, "b": {"0": 1.0}, "c": one}).encode(), depth=1)
    assert isinstance(told["a-1"], Distribution)
    assert isinstance(told["c"], Distribution)
    assert plain(told) == {"a-1": one, "b": {"0": 1.0}, "c": one}


@pytest.mark.parametrize(
    "body",
    [
        {"registers": {"c": {format(k, "010b"): 0.001 for k in range(100)}}},
        {str(k): True for k in range(100)},
        {str(k): str(k) for k in range(100)},
        {f"x{k}": 0.01 for k in range(100)},
        {f"{k},": 0.01 for k in range(100)},
        {f"-{k}": 0.01 for k in range(100)},
        {str(10**30 + k): 0.01 for k in range(100)},
        {str(k): 10**400 for k in range(100)},
        ["0", "3"] * 100,
    ],
    ids=["bit strings", "booleans", "texts", "no numbers", "commas", "minus", "too long", "huge", "shots"],
)
def test_what_is_no_distribution_of_format_v1_is_left_as_it_is(piece, body):
    assert parse(json.dumps(body).encode()) == body


def test_an_outcome_that_stands_twice_is_kept_twice_for_the_decoder_to_refuse(monkeypatch):
    monkeypatch.setattr(result_json, "PIECE", 20)
    told = parse(b'{"1": 0.25, "2": 0.25, "1": 0.25, "3": 0.25}')
    assert sorted(told.outcomes.tolist()) == [1, 1, 2, 3]


def test_other_threads_go_on_while_a_large_result_is_parsed():
    weights = np.random.default_rng(1).random(1 << 18)
    text = json.dumps(dict(zip(map(str, range(1 << 18)), weights.tolist(), strict=True))).encode()
    late, over = [0.0], threading.Event()

    def tick() -> None:
        while not over.is_set():
            begun = time.perf_counter()
            time.sleep(0.001)
            late.append(time.perf_counter() - begun)

    ticker = threading.Thread(target=tick)
    ticker.start()
    begun = time.perf_counter()
    told = parse(text)
    took = time.perf_counter() - begun
    over.set()
    ticker.join()
    assert told.weights.tolist() == weights.tolist()
    assert max(late) < max(0.05, took / 3.0)
