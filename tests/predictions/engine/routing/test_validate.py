"""Checking one item."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictions.engine.routing.problems import ItemProblem
from predictions.engine.routing.schema import ITEM_COLUMNS
from predictions.engine.routing.validate import item_columns, validate_item


@pytest.mark.parametrize(
    ("item", "field", "code"),
    [
        ([], "", "item_not_an_object"),
        ({}, "", "item_empty"),
        ({"item_code": "A1", "created_on": "2024-01-01"}, "", "item_empty"),
        ({"materials": "SM45C"}, "materials", "column_unknown_near"),
        ({"xyz": 1}, "xyz", "column_unknown"),
        ({"length_mm": "80"}, "length_mm", "value_not_a_number"),
        ({"length_mm": True}, "length_mm", "value_not_a_number"),
        ({"length_mm": float("nan")}, "length_mm", "value_not_finite"),
        ({"length_mm": 10**400}, "length_mm", "value_not_finite"),
        ({"length_mm": -1}, "length_mm", "value_out_of_range"),
        ({"material": 45}, "material", "value_not_a_text"),
        ({"material": "x" * 61}, "material", "value_too_long"),
        ({"created_on": "31.01.2024"}, "created_on", "value_not_a_date"),
    ],
)
def test_what_is_wrong_is_named(item: object, field: str, code: str) -> None:
    with pytest.raises(ItemProblem) as caught:
        item_columns(item)

    assert [(one.field, one.code) for one in caught.value.problems] == [(field, code)]
    assert caught.value.problems[0].message


def test_every_wrong_value_is_reported_at_once() -> None:
    found = validate_item({"length_mm": "x", "colour": 1, "material": 2})

    assert {problem.field for problem in found} == {"length_mm", "colour", "material"}


def test_a_good_item_becomes_columns_of_length_one() -> None:
    columns = item_columns({"item_name": " 축 ", "length_mm": 80, "created_on": "1970-01-02"})

    assert set(columns) == {column.name for column in ITEM_COLUMNS}
    assert columns["item_name"].tolist() == ["축"]
    assert columns["length_mm"].tolist() == [80.0]
    assert columns["created_on"].tolist() == [1.0]
    assert columns["material"].tolist() == [None]
    assert np.isnan(columns["weight_kg"]).all()


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([column.name for column in ITEM_COLUMNS] + ["colour", ""]),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=70)),
        max_size=6,
    )
)
def test_any_object_is_read_or_refused_with_reasons(item: dict[str, object]) -> None:
    found = validate_item(item)

    assert all(one.message for one in found)
    if not found:
        assert all(len(column) == 1 for column in item_columns(item).values())
