"""Checking named numbers against a signature."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from predictions.engine.features import FEATURE_NAMES
from predictions.engine.problems import MAX_LISTED
from predictions.engine.signature import Signature, learned_signature
from predictions.engine.validate import validate, validate_matrix


@pytest.fixture(scope="module")
def signature(matrix: NDArray[np.float32]) -> Signature:
    return learned_signature(matrix)


@pytest.fixture
def instance(matrix: NDArray[np.float32]) -> dict[str, Any]:
    whole = matrix[~np.isnan(matrix).any(axis=1)][0]
    return dict(zip(FEATURE_NAMES, whole.tolist(), strict=True))


def _found(instance: dict[str, Any], signature: Signature) -> list[tuple[str, str]]:
    return [(item.field, item.code) for item in validate([instance], signature).problems]


def test_good_instance_becomes_a_row_in_signature_order(
    instance: dict[str, Any], signature: Signature
) -> None:
    shuffled = dict(reversed(instance.items()))

    checked = validate([shuffled], signature)

    assert checked.is_valid
    assert checked.matrix.dtype == np.float32
    assert checked.matrix.tolist() == [list(instance.values())]


def test_null_becomes_nan_where_training_saw_nulls(
    instance: dict[str, Any], signature: Signature
) -> None:
    checked = validate([instance | {"Factory_Temp": None}], signature)

    assert checked.is_valid
    assert np.isnan(checked.matrix[0, FEATURE_NAMES.index("Factory_Temp")])


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "null"),
        (True, "not_a_number"),
        ("0.144", "not_a_number"),
        ([0.144], "not_a_number"),
        (math.nan, "not_finite"),
        (math.inf, "not_finite"),
        (-math.inf, "not_finite"),
        (10**400, "not_finite"),
        (-1, "out_of_range"),
        (3.5, "out_of_range"),
    ],
)
def test_bad_value_is_named_with_its_rule(
    instance: dict[str, Any], signature: Signature, value: object, code: str
) -> None:
    assert _found(instance | {"Velocity_1": value}, signature) == [("Velocity_1", code)]


def test_spelled_nan_is_refused_even_where_null_is_accepted(
    instance: dict[str, Any], signature: Signature
) -> None:
    assert _found(instance | {"Factory_Temp": math.nan}, signature) == [
        ("Factory_Temp", "not_finite")
    ]


def test_missing_and_unknown_features_are_both_named(
    instance: dict[str, Any], signature: Signature
) -> None:
    instance["velocity_1"] = instance.pop("Velocity_1")
    instance["Speed"] = 1

    assert _found(instance, signature) == [
        ("Velocity_1", "missing"),
        ("velocity_1", "unknown_near"),
        ("Speed", "unknown"),
    ]


def test_message_names_value_rule_and_way_out(
    instance: dict[str, Any], signature: Signature
) -> None:
    problem = validate([instance | {"Factory_Humidity": 140.5}], signature).problems[0]

    low = signature.features[FEATURE_NAMES.index("Factory_Humidity")].low
    assert problem.message == (
        f"Factory_Humidity is 140.5 %: it must lie between {low:g} and 100. Check unit and sensor."
    )


@pytest.mark.parametrize("instance_", [None, 3, "x", [1.0] * 30])
def test_instance_that_is_no_object_is_refused(instance_: Any, signature: Signature) -> None:
    assert [item.code for item in validate([instance_], signature).problems] == ["not_an_object"]


def test_problems_of_a_batch_name_their_instance_and_are_capped(
    instance: dict[str, Any], signature: Signature
) -> None:
    bad = instance | {"Velocity_1": -1}

    checked = validate([instance, *[bad] * 200], signature)

    assert checked.problems[0].row == 1
    assert len(checked.problems) == MAX_LISTED
    assert checked.n_problems == 200


def test_empty_batch_is_an_empty_array(signature: Signature) -> None:
    checked = validate([], signature)

    assert checked.is_valid
    assert checked.matrix.shape == (0, 30)


def test_long_names_are_cut_in_messages(instance: dict[str, Any], signature: Signature) -> None:
    problem = validate([instance | {"x" * 5_000: 1}], signature).problems[0]

    assert len(problem.message) < 300


@given(st.dictionaries(st.text() | st.sampled_from(FEATURE_NAMES), st.none() | st.floats()))
def test_any_object_gets_an_answer(instance: dict[str, Any]) -> None:
    signature = learned_signature(np.ones((3, 30), dtype=np.float32))

    checked = validate([instance], signature)

    assert checked.is_valid == (checked.problems == ())
    assert checked.is_valid == (
        instance.keys() == set(FEATURE_NAMES)
        and all(
            value is not None
            and item.low <= value <= item.high
            and (item.allowed is None or value in item.allowed)
            for item in signature.features
            for value in [instance[item.name]]
        )
    )


def test_array_and_named_numbers_meet_the_same_rules(
    instance: dict[str, Any], signature: Signature
) -> None:
    bad = instance | {"Velocity_1": -1.0, "Product_Type": 7.0}
    row = np.array([list(bad.values())], dtype=np.float32)

    by_name, by_array = validate([bad], signature), validate_matrix(row, signature)

    assert [item.to_dict() for item in by_array.problems] == [
        item.to_dict() for item in by_name.problems
    ]


@pytest.mark.parametrize("shape", [(30,), (2, 29), (1, 2, 30)])
def test_array_of_another_shape_is_refused(shape: tuple[int, ...], signature: Signature) -> None:
    checked = validate_matrix(np.zeros(shape, dtype=np.float32), signature)

    assert [item.code for item in checked.problems] == ["wrong_shape"]
