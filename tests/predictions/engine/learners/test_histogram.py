"""Histogram boosting: what is kept of it, and that it is what scikit-learn fitted."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from predictions.engine.ensemble import LEAF, TreeEnsemble
from predictions.engine.learners import histogram
from predictions.engine.learners.contract import LearnerParams, Rows, silent
from predictions.engine.tables import ShotTable

PARAMS = LearnerParams(
    n_estimators=25,
    max_depth=10,
    learning_rate=0.1,
    subsample=1.0,
    max_features=1.0,
    min_samples_leaf=15,
    l2_penalty=1.0,
)


@pytest.fixture(scope="module")
def rows(shots: ShotTable) -> Rows:
    part = shots.take(np.arange(1_500))
    labels = part.labels()
    assert labels is not None
    return Rows(np.nan_to_num(part.matrix()), labels, np.arange(1_500))


@pytest.fixture(scope="module")
def learner(rows: Rows) -> histogram.Histogram:
    return histogram.fit(rows, PARAMS, 3, silent)


def test_it_answers_as_scikit_learn_does_in_one_go(
    rows: Rows, learner: histogram.Histogram
) -> None:
    whole = HistGradientBoostingClassifier(
        max_iter=25,
        max_depth=10,
        max_leaf_nodes=31,
        min_samples_leaf=15,
        early_stopping=False,
        random_state=3,
    )
    with histogram.one_thread():
        whole.fit(rows.columns, rows.labels)
        answers = whole.decision_function(rows.columns)

    np.testing.assert_allclose(learner.raw(rows.columns), answers, atol=1e-9)


def test_rows_in_parts_are_scored_as_one_by_one(
    rows: Rows, learner: histogram.Histogram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predictions.engine.ensemble.ROWS_AT_ONCE", 7)
    some = rows.columns[:30]

    assert learner.raw(some).tolist() == [learner.trees.margin(row) for row in some]
    assert learner.raw(some[:0]).shape == (0,)


def test_no_threshold_is_a_value_that_occurs(rows: Rows, learner: histogram.Histogram) -> None:
    trees = learner.trees
    inner = np.flatnonzero(trees.feature != LEAF)

    for node in inner:
        values = np.unique(rows.columns[:, trees.feature[node]])
        below, above = (
            values[values <= trees.threshold[node]],
            values[values > trees.threshold[node]],
        )
        assert below[-1] < trees.threshold[node] < above[0]


def test_thresholds_between_neighbouring_numbers_keep_them_apart() -> None:
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2))
    columns = np.array([[low], [high]])
    one = TreeEnsemble(
        feature=np.array([0, LEAF, LEAF], np.int32),
        threshold=np.array([low, 0, 0], np.float32),
        left=np.array([1, LEAF, LEAF], np.int32),
        right=np.array([2, LEAF, LEAF], np.int32),
        value=np.array([0.0, -1.0, 1.0]),
        cover=np.array([2.0, 1.0, 1.0]),
        roots=np.array([0], np.int32),
        bias=0.0,
        n_features=1,
    )

    assert histogram.between_values(one, columns).margins(columns).tolist() == [-1.0, 1.0]


def test_trees_have_at_most_31_leaves_and_whole_covers(learner: histogram.Histogram) -> None:
    trees = learner.trees
    stops = [*trees.roots[1:], len(trees.feature)]
    n_leaves = [
        int((trees.feature[root:stop] == LEAF).sum())
        for root, stop in zip(trees.roots, stops, strict=True)
    ]
    inner = trees.feature != LEAF

    assert len(n_leaves) == 25
    assert max(n_leaves) == histogram.MAX_LEAVES
    assert (
        trees.cover[inner] == trees.cover[trees.left[inner]] + trees.cover[trees.right[inner]]
    ).all()


def test_the_gains_belong_to_the_columns_that_split(
    rows: Rows, learner: histogram.Histogram
) -> None:
    trees = learner.trees
    used = np.unique(trees.feature[trees.feature != LEAF])

    assert set(np.flatnonzero(learner.gains)) == set(used)
    assert learner.importance().sum() == pytest.approx(1)
