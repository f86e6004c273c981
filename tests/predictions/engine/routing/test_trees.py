"""Trees copied from scikit-learn."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from predictions.engine.routing.encoding import MAX_CODES
from predictions.engine.routing.learning.trees import (
    Constant,
    TreeSettings,
    copy_forest,
    grow_classifier,
    grow_quantile,
    one_thread,
)
from predictions.engine.routing.trees import Forest

SETTINGS = TreeSettings(n_trees=15, learning_rate=0.3, max_leaf_nodes=12, min_samples_leaf=4)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    codes = rng.choice([0, 2, 3, 17, 63], size=(500, 2)).astype(np.float32)
    numbers = rng.normal(size=(500, 3)).astype(np.float32)
    made = np.concatenate([codes, numbers], axis=1)
    made[rng.random(made.shape) < 0.1] = np.nan
    return made


@pytest.fixture(scope="module")
def strange() -> np.ndarray:
    """Return every code there may be, and rows of nothing at all."""
    made = np.random.default_rng(1).normal(size=(MAX_CODES + 2, 5)).astype(np.float32)
    made[:, :2] = np.arange(MAX_CODES + 2)[:, None] % MAX_CODES
    made[-2:] = np.nan
    return made


def _target(rows: np.ndarray) -> np.ndarray:
    return np.asarray((np.nan_to_num(rows[:, 0]) == 17) ^ (np.nan_to_num(rows[:, 2]) > 0.3))


def test_a_copied_forest_predicts_what_scikit_learn_predicts(
    rows: np.ndarray, strange: np.ndarray
) -> None:
    with one_thread():
        grown = grow_classifier(rows, _target(rows), SETTINGS, 2, seed=1)
        median = grow_quantile(rows, np.nan_to_num(rows[:, 3]), 0.5, SETTINGS, 2, seed=1)
    assert isinstance(grown, HistGradientBoostingClassifier)

    forest = copy_forest([grown, Constant(1.5), median])

    for table in (rows, strange):
        found = forest.predict(table)
        assert found[:, 0] == pytest.approx(grown.decision_function(table), abs=1e-6)
        assert found[:, 1].tolist() == [1.5] * len(table)
        assert found[:, 2] == pytest.approx(median.predict(table), abs=1e-6)


def test_some_outputs_of_a_forest_are_those_of_all(rows: np.ndarray) -> None:
    with one_thread():
        grown = [grow_classifier(rows, rows[:, 3] > cut, SETTINGS, 2, seed=1) for cut in (-1, 0, 1)]
    forest = copy_forest(grown)

    some = forest.predict(rows[:9], np.array([2, 0]))

    assert some.tolist() == forest.predict(rows[:9])[:, [2, 0]].tolist()


def test_too_few_of_a_kind_give_their_share(rows: np.ndarray) -> None:
    target = np.zeros(len(rows), dtype=bool)
    target[:2] = True

    grown = grow_classifier(rows, target, SETTINGS, 2, seed=1)

    assert isinstance(grown, Constant)
    assert 1 / (1 + np.exp(-grown.raw)) == pytest.approx(2.5 / 501)


def test_a_column_that_is_always_missing_harms_nothing(rows: np.ndarray) -> None:
    empty = rows.copy()
    empty[:, 4] = np.nan

    with one_thread():
        grown = grow_classifier(empty, _target(rows), SETTINGS, 2, seed=1)

    assert np.isfinite(copy_forest([grown]).predict(rows)).all()


def test_a_forest_survives_storing_and_refuses_nodes_outside(rows: np.ndarray) -> None:
    with one_thread():
        forest = copy_forest([grow_classifier(rows, _target(rows), SETTINGS, 2, seed=1)])
    arrays = forest.arrays("f")

    assert Forest.from_arrays(arrays, "f").predict(rows).tolist() == forest.predict(rows).tolist()
    arrays["f.left"] = arrays["f.left"] + len(forest.feature)
    with pytest.raises(ValueError, match=r"f\.left"):
        Forest.from_arrays(arrays, "f")
