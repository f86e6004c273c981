"""Counterfactuals hold, stay inside the limits and move no more than they must."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from predictions.engine.explanation.counterfactual import Adjustable, Predict, find

SETTINGS = [Adjustable(column, -3.0, 3.0, 1.0) for column in range(3)]


def logistic(weights: list[float]) -> Predict:
    def predict(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        margins = rows @ np.array(weights, dtype=np.float32)
        return (1.0 / (1.0 + np.exp(-margins))).astype(np.float32)

    return predict


def row(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


def test_the_strongest_setting_moves_just_far_enough() -> None:
    found = find(row(2.0, 0.0, 0.0), logistic([1.0, 0.1, 0.1]), 0.5, SETTINGS)
    assert found is not None
    assert [change.column for change in found.changes] == [0]
    assert found.changes[0].after == pytest.approx(0.0, abs=0.1)
    assert found.probability_after < 0.5 <= found.probability_before


def test_settings_are_combined_when_one_is_not_enough() -> None:
    found = find(row(3.0, 3.0, 3.0), logistic([1.0, 1.0, 1.0]), 0.5, SETTINGS)
    assert found is not None
    assert len(found.changes) == 2


def test_a_good_shot_needs_no_change() -> None:
    found = find(row(-2.0, 0.0, 0.0), logistic([1.0, 0.0, 0.0]), 0.5, SETTINGS)
    assert found is not None
    assert (found.changes, found.cost) == ((), 0.0)


def test_nothing_is_claimed_when_the_limits_do_not_allow_it() -> None:
    tight = [Adjustable(0, 1.9, 2.1, 1.0)]
    assert find(row(2.0, 0.0, 0.0), logistic([1.0, 0.0, 0.0]), 0.5, tight) is None


def test_without_adjustable_settings_there_is_no_answer() -> None:
    assert find(row(2.0, 0.0, 0.0), logistic([1.0, 0.0, 0.0]), 0.5, []) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-3, 3, width=32), min_size=3, max_size=3), st.integers(0, 1000))
def test_every_answer_holds_and_stays_inside_the_limits(values: list[float], seed: int) -> None:
    predict = logistic(list(np.random.default_rng(seed).normal(size=3)))
    shot = row(*values)
    found = find(shot, predict, 0.4, SETTINGS)
    if found is None:
        return
    changed = shot.copy()
    for change in found.changes:
        assert -3.0 <= change.after <= 3.0
        changed[change.column] = change.after
    assert float(predict(changed[None])[0]) == pytest.approx(found.probability_after, abs=1e-6)
    assert found.probability_after < 0.4
