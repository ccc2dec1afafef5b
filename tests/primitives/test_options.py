# SPDX-License-Identifier: Apache-2.0
"""Options of a primitive can be set after it was made, as with Qiskit's, and are checked when they are."""

from __future__ import annotations

import copy
import pickle

import pytest
from qiskit import QuantumCircuit

from qiskit_parallel_ionq import OptionError
from qiskit_parallel_ionq.primitives import EstimatorOptions, EstimatorV2, SamplerOptions, SamplerV2


def flip():
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.measure_all()
    return circuit


def test_options_that_were_set_later_hold_for_later_runs(backend):
    sampler = SamplerV2(backend, {"default_shots": 50})
    sampler.options.default_shots = 80
    sampler.options.seed_simulator = 4
    assert sampler.default_shots == 80
    first, second = (sampler.run([flip()]).result()[0].data.meas for _ in range(2))
    assert first.num_shots == 80
    assert first == second
    estimator = EstimatorV2(backend)
    estimator.options.default_precision = 0.1
    gates = flip().remove_final_measurements(inplace=False)
    result = estimator.run([(gates, "X")]).result()[0]
    assert result.metadata["target_precision"] == 0.1
    assert result.metadata["shots"] == 100


@pytest.mark.parametrize(
    ("name", "value", "error", "says"),
    [
        ("default_shots", 0, OptionError, "between"),
        ("default_precision", -1, OptionError, "default_precision"),
        ("seed_simulator", -1, OptionError, "seed_simulator"),
        ("run_options", {"shots": 5}, OptionError, "the primitive does"),
        ("defualt_shots", 5, AttributeError, "did you mean 'default_shots'"),
        ("abelian_grouping", True, AttributeError, "unknown option 'abelian_grouping'"),
    ],
)
def test_an_option_that_cannot_be_right_is_refused_when_it_is_set(name, value, error, says):
    options = EstimatorOptions() if name == "default_precision" else SamplerOptions()
    before = copy.copy(options)
    with pytest.raises(error, match=says):
        setattr(options, name, value)
    assert options == before


def test_primitives_made_with_the_same_options_do_not_share_them(backend):
    options = SamplerOptions(default_shots=50)
    first, second = SamplerV2(backend, options), SamplerV2(backend, options)
    first.options.default_shots = 80
    assert (second.default_shots, options.default_shots) == (50, 50)


def test_options_survive_copies_and_pickles():
    options = EstimatorOptions(default_precision=0.5, run_options={"max_workers": 3})
    assert copy.deepcopy(options) == options == pickle.loads(pickle.dumps(options))
