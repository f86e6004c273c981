"""Identity of shots."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from predictions.engine.features import FEATURE_NAMES
from predictions.engine.rows import (
    equals_previous,
    first_of_copies,
    group_numbers,
    row_keys,
)

SHOT = FEATURE_NAMES.index("Shot")

few_values = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.just(30)),
    elements=st.sampled_from([0.0, -0.0, 1.0, float("nan")]),
    fill=st.just(np.float32(1.0)),
)


@given(few_values)
def test_keys_are_equal_exactly_where_rows_are(matrix: NDArray[np.float32]) -> None:
    keys = row_keys(matrix, with_counters=True)

    same = (matrix[:, None] == matrix[None]) | (np.isnan(matrix[:, None]) & np.isnan(matrix[None]))
    assert np.array_equal(keys[:, None] == keys[None], same.all(axis=2))


@given(few_values, st.integers(0, 5))
def test_counter_does_not_change_a_key(matrix: NDArray[np.float32], shot: int) -> None:
    renumbered = matrix.copy()
    renumbered[:, SHOT] = shot

    assert np.array_equal(row_keys(renumbered), row_keys(matrix))


def test_keys_stay_the_same_from_release_to_release() -> None:
    # Frozen evaluation sets are chosen by these keys: a change would let training see them.
    matrix = np.arange(60, dtype=np.float32).reshape(2, 30)

    assert row_keys(matrix).tolist() == [11566786172898045848, 18100364662456787433]


def test_different_shots_have_different_keys() -> None:
    matrix = np.zeros((100_000, 30), dtype=np.float32)
    matrix[:, 5] = np.arange(100_000)

    assert len(np.unique(row_keys(matrix))) == 100_000


def test_copy_shares_values_counter_and_label() -> None:
    matrix = np.ones((4, 30), dtype=np.float32)
    matrix[3, SHOT] = 2
    labels = np.array([False, False, True, False])

    assert first_of_copies(matrix, labels).tolist() == [True, False, True, True]


def test_group_holds_equal_shots_under_any_counter() -> None:
    matrix = np.ones((4, 30), dtype=np.float32)
    matrix[1, SHOT] = 9
    matrix[2, 7] = 9

    numbers = group_numbers(matrix)

    assert numbers[0] == numbers[1] == numbers[3] != numbers[2]


def test_first_row_equals_no_row_before() -> None:
    matrix = np.full((2, 30), np.nan, dtype=np.float32)

    assert equals_previous(matrix).all(axis=1).tolist() == [False, True]
