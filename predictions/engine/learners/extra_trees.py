"""Extremely randomised trees: each split is the best of a few drawn at random.

Geurts, Ernst and Wehenkel, Machine Learning 63 (2006) 3. The mean of the trees' defect shares is
turned into log-odds by its tangent at the training share, which keeps the score a plain sum of
trees: it ranks exactly as the mean does, calibration bends it back, and its Shapley values add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from portal.lib.coded import gettext_noop
from predictions.engine.additive import AdditiveScore
from predictions.engine.ensemble import from_forest
from predictions.engine.learners.contract import (
    Floats,
    LearnerParams,
    Matrix,
    OnStage,
    Rows,
    shares,
)
from predictions.engine.progress import Said

#: Random splits need about twice the depth of chosen ones to separate as much; ours.
DEPTH_FACTOR = 2
_TREES_AT_ONCE = 20


@dataclass(frozen=True, eq=False)
class Forest:
    """A fitted forest.

    Attributes
    ----------
    estimator : ExtraTreesClassifier
    share : float
        Of defects in training.
    """

    estimator: Any
    share: float

    @property
    def _slope(self) -> float:
        """Derivative of the log-odds at the training share."""
        return 1.0 / (self.share * (1.0 - self.share))

    @property
    def _bias(self) -> float:
        return float(np.log(self.share / (1.0 - self.share))) - self.share * self._slope

    def raw(self, columns: Matrix) -> Floats:
        """Return log-odds on the tangent at the training share, float64 [n]."""
        if not len(columns):
            return np.empty(0)
        raw: Floats = self.estimator.predict_proba(columns)[:, 1] * self._slope + self._bias
        return raw

    def importance(self) -> Floats:
        """Return the share of impurity removed by each column."""
        return shares(self.estimator.feature_importances_)

    def score(self) -> AdditiveScore:
        """Return the trees, each leaf scaled to log-odds, and what they start from."""
        trees = from_forest(self.estimator, self._slope)
        return AdditiveScore(trees, None, self._bias, trees.n_features)

    def content(self) -> dict[str, Any]:
        """Return the estimator and the share."""
        return {"estimator": self.estimator, "share": self.share}


def fit(rows: Rows, params: LearnerParams, seed: int, on_stage: OnStage) -> Forest:
    """Fit the forest; reports after every twenty trees."""
    from sklearn.ensemble import ExtraTreesClassifier  # noqa: PLC0415 - heavy, as in boosting

    estimator = ExtraTreesClassifier(
        n_estimators=0,
        max_depth=DEPTH_FACTOR * params.max_depth,
        max_features=params.max_features,
        min_samples_leaf=params.min_samples_leaf,
        random_state=seed,
        warm_start=True,
    )
    total = params.n_estimators
    while estimator.n_estimators < total:
        before = estimator.n_estimators
        estimator.n_estimators = min(before + _TREES_AT_ONCE, total)
        estimator.fit(rows.columns, rows.labels)
        done = estimator.n_estimators
        on_stage(
            (done - before) / total,
            Said(gettext_noop("tree {number} of {count}"), number=done, count=total),
            {},
        )
    return Forest(estimator, float(rows.labels.mean()))


def restore(content: Mapping[str, Any]) -> Forest:
    """Rebuild from `Forest.content`."""
    return Forest(content["estimator"], float(content["share"]))
