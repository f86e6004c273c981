"""Boosted trees on binned values, grown leaf by leaf: the algorithm of LightGBM, by scikit-learn.

Ke et al., NeurIPS (2017) 3146; the implementation is scikit-learn's histogram gradient boosting,
which brings all it needs along. Every tree splits where the loss falls most, up to 31 leaves, on
up to 255 bins a column. There is no subsampling of rows.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from portal.lib.coded import gettext_noop
from predictions.engine.additive import AdditiveScore
from predictions.engine.ensemble import LEAF, TreeEnsemble, from_histogram
from predictions.engine.learners.contract import (
    Floats,
    LearnerParams,
    Matrix,
    OnStage,
    Rows,
    shares,
)
from predictions.engine.progress import Said

#: As LightGBM's default.
MAX_LEAVES = 31
#: How far the arrays may answer from the estimator, in log-odds: sums of other orders.
TOLERANCE = 1e-9
_TREES_AT_ONCE = 20
_N_COMPARED = 500


@dataclass(frozen=True, eq=False)
class Histogram:
    """Fitted trees, as arrays: the estimator's own nodes are of a type that no file may name.

    Attributes
    ----------
    trees : TreeEnsemble
    gains : float64 [n_columns]
        Loss removed by the splits on each column.
    """

    trees: TreeEnsemble
    gains: Floats

    def raw(self, columns: Matrix) -> Floats:
        """Return log-odds, float64 [n]."""
        return self.trees.margins(columns)

    def importance(self) -> Floats:
        """Return the share of the loss removed by each column."""
        return shares(self.gains)

    def score(self) -> AdditiveScore:
        """Return the trees and the log-odds they start from."""
        trees = self.trees
        return AdditiveScore(replace(trees, bias=0.0), None, trees.bias, trees.n_features)

    def content(self) -> dict[str, Any]:
        """Return the arrays."""
        return {"trees": asdict(self.trees), "gains": self.gains}


def fit(rows: Rows, params: LearnerParams, seed: int, on_stage: OnStage) -> Histogram:
    """Fit the trees; reports after every twenty of them.

    Raises
    ------
    RuntimeError
        If the arrays do not answer as the estimator does, as when its inner form has changed.
    """
    from sklearn.ensemble import (  # noqa: PLC0415 - heavy, as in boosting
        HistGradientBoostingClassifier,
    )

    total = params.n_estimators
    estimator = HistGradientBoostingClassifier(
        learning_rate=params.learning_rate,
        max_depth=params.max_depth,
        max_leaf_nodes=MAX_LEAVES,
        max_features=params.max_features,
        min_samples_leaf=params.min_samples_leaf,
        early_stopping=False,
        random_state=seed,
        warm_start=True,
    )
    with one_thread():
        for done in _stages(total):
            estimator.max_iter = done
            estimator.fit(rows.columns, rows.labels)
            on_stage(
                (done - (done - 1) // _TREES_AT_ONCE * _TREES_AT_ONCE) / total,
                Said(gettext_noop("tree {number} of {count}"), number=done, count=total),
                {},
            )
        compared = rows.columns[:_N_COMPARED]
        answers = estimator.decision_function(compared)
    trees, gains = from_histogram(estimator)
    learner = Histogram(between_values(trees, rows.columns), gains)
    if np.abs(learner.raw(compared) - answers).max() > TOLERANCE:
        raise RuntimeError("the trees of scikit-learn's histogram boosting were misread")
    return learner


def between_values(trees: TreeEnsemble, columns: Matrix) -> TreeEnsemble:
    """Move each threshold half-way to the next larger value of its column.

    An edge of a bin may be a value that occurs. A latent feature is computed in another order
    where it is served, and one that differs in its last digit must not fall to the other side.

    Parameters
    ----------
    trees : TreeEnsemble
    columns : float32 array, shape [n, n_columns]
        What the trees were fitted on; each of these rows ends in the same leaf as before.
    """
    threshold = trees.threshold.copy()
    for column in np.unique(trees.feature[trees.feature != LEAF]):
        values = np.unique(columns[:, column])
        nodes = np.flatnonzero(trees.feature == column)
        above = np.searchsorted(values, threshold[nodes], side="right")
        inside = (above > 0) & (above < len(values))
        low, high = values[above[inside] - 1], values[above[inside]]
        middle = (low / 2 + high / 2).astype(np.float32)
        threshold[nodes[inside]] = np.clip(middle, low, np.nextafter(high, np.float32(-np.inf)))
    return replace(trees, threshold=threshold)


def one_thread() -> AbstractContextManager[object]:
    """Hold scikit-learn's threads to one.

    They wait for one another in busy loops: on cores that others use, that takes forever.
    """
    from threadpoolctl import (  # type: ignore[import-untyped]  # noqa: PLC0415 - it ships no types
        threadpool_limits,
    )

    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="openmp")
    return limits


def _stages(total: int) -> list[int]:
    """Return how many trees there are after each step."""
    return [*range(_TREES_AT_ONCE, total, _TREES_AT_ONCE), total]


def restore(content: Mapping[str, Any]) -> Histogram:
    """Rebuild from `Histogram.content`."""
    return Histogram(TreeEnsemble(**content["trees"]), np.asarray(content["gains"]))
