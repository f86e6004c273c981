"""Signatures: what a version accepts."""

import numpy as np
import pytest
from numpy.typing import NDArray

from predictions.engine.features import BY_NAME, FEATURE_NAMES
from predictions.engine.signature import Signature, learned_signature, plausible_signature
from predictions.engine.validate import validate_matrix


def _column(name: str) -> int:
    return FEATURE_NAMES.index(name)


@pytest.fixture
def rows() -> NDArray[np.float32]:
    middle = [(feature.low + feature.high) / 2 for feature in BY_NAME.values()]
    rows = np.tile(np.array(middle, dtype=np.float32), (4, 1))
    rows[:, _column("Product_Type")] = [1, 1, 2, 2]
    return rows


def test_range_widens_by_half_the_span(rows: NDArray[np.float32]) -> None:
    rows[:, _column("Melting_Furnace_Temp")] = [500, 600, 700, 900]

    learned = learned_signature(rows).features[_column("Melting_Furnace_Temp")]

    assert (learned.low, learned.high) == (400, 900)  # 300 and 1,100 cut at the plausible range


def test_range_of_a_constant_widens_by_a_quarter_of_its_size(rows: NDArray[np.float32]) -> None:
    rows[:, _column("Air_Pressure_Max")] = 8

    learned = learned_signature(rows).features[_column("Air_Pressure_Max")]

    assert (learned.low, learned.high) == (6, 10)


def test_counter_keeps_the_plausible_range(rows: NDArray[np.float32]) -> None:
    rows[:, _column("Shot")] = [1, 2, 3, 4]

    learned = learned_signature(rows).features[_column("Shot")]

    assert learned.high == BY_NAME["Shot"].high


def test_category_accepts_only_values_seen(rows: NDArray[np.float32]) -> None:
    signature = learned_signature(rows)
    rows[0, _column("Product_Type")] = 3

    checked = validate_matrix(rows, signature)

    assert [(problem.field, problem.code, problem.row) for problem in checked.problems] == [
        ("Product_Type", "not_allowed", 0)
    ]


def test_null_is_accepted_only_where_training_saw_it(rows: NDArray[np.float32]) -> None:
    rows[1, _column("Factory_Temp")] = np.nan

    signature = learned_signature(rows)

    assert signature.names[np.flatnonzero(signature.nullable)[0]] == "Factory_Temp"
    assert signature.nullable.sum() == 1


def test_column_without_values_keeps_the_plausible_range(rows: NDArray[np.float32]) -> None:
    rows[:, _column("Factory_Temp")] = np.nan

    learned = learned_signature(rows).features[_column("Factory_Temp")]

    assert (learned.low, learned.high, learned.nullable) == (-30, 60, True)


def test_signature_survives_json(rows: NDArray[np.float32]) -> None:
    signature = learned_signature(rows)

    assert Signature.from_dict(signature.to_dict()) == signature


def test_training_rows_pass_their_own_signature(matrix: NDArray[np.float32]) -> None:
    assert validate_matrix(matrix, learned_signature(matrix)).is_valid


def test_plausible_signature_accepts_nulls_everywhere() -> None:
    assert plausible_signature().nullable.all()
