"""Training parameters."""

import json
from typing import Any

import pytest

from predictions.engine.parameters import NUMBER_SPECS, ParameterProblem, TrainingParams


def test_defaults_are_within_their_bounds_and_survive_json() -> None:
    params = TrainingParams.from_dict({})

    assert params == TrainingParams()
    assert TrainingParams.from_dict(json.loads(json.dumps(params.to_dict()))) == params


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("n_estimators", 0, "parameter_out_of_range"),
        ("n_estimators", 10**9, "parameter_out_of_range"),
        ("n_estimators", 20.5, "parameter_not_a_number"),
        ("n_estimators", True, "parameter_not_a_number"),
        ("learning_rate", "fast", "parameter_not_a_number"),
        ("learning_rate", None, "parameter_not_a_number"),
        ("learning_rate", float("nan"), "parameter_out_of_range"),
        ("subsample", 0, "parameter_out_of_range"),
        ("protocol", "random", "parameter_not_a_choice"),
        ("protocol", 3, "parameter_not_a_choice"),
        ("protocol", ["grouped"], "parameter_not_a_choice"),
        ("compare", "yes", "parameter_not_a_choice"),
        ("depth", 3, "parameter_unknown"),
    ],
)
def test_bad_parameter_is_named(name: str, value: Any, code: str) -> None:
    with pytest.raises(ParameterProblem) as caught:
        TrainingParams.from_dict({name: value})

    assert [(item.field, item.code) for item in caught.value.problems] == [(name, code)]


def test_all_bad_parameters_are_named_at_once() -> None:
    with pytest.raises(ParameterProblem) as caught:
        TrainingParams.from_dict({"depth": 3, "max_depth": 99, "n_folds": 1})

    assert {item.field for item in caught.value.problems} == {"depth", "max_depth", "n_folds"}


@pytest.mark.parametrize("spec", NUMBER_SPECS)
def test_both_ends_of_a_range_are_accepted(spec: Any) -> None:
    for value in (spec.low, spec.high):
        params = TrainingParams.from_dict({spec.name: spec.kind(value)})
        assert getattr(params, spec.name) == value


def test_bad_parameters_cannot_be_constructed_either() -> None:
    with pytest.raises(ParameterProblem):
        TrainingParams(n_folds=1)
