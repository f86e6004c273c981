"""Gradient-boosted trees on log-odds, fitted by scikit-learn.

Friedman, Annals of Statistics 29 (2001) 1189; stochastic form: Friedman, Computational Statistics &
Data Analysis 38 (2002) 367. Trees are fitted on float32 features, the type they are served with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from portal.lib.coded import gettext_noop
from predictions.engine.additive import AdditiveScore
from predictions.engine.ensemble import from_gradient_boosting
from predictions.engine.learners.contract import (
    Floats,
    LearnerParams,
    Matrix,
    OnStage,
    Rows,
    shares,
)
from predictions.engine.progress import Said


@dataclass(frozen=True, eq=False)
class Boosting:
    """A fitted ensemble.

    Attributes
    ----------
    estimator : GradientBoostingClassifier
        The training form, which the serving form is checked against.
    """

    estimator: Any

    def raw(self, columns: Matrix) -> Floats:
        """Return log-odds, float64 [n]."""
        raw: Floats = self.estimator.decision_function(columns)
        return raw

    def importance(self) -> Floats:
        """Return the share of impurity removed by each column."""
        return shares(self.estimator.feature_importances_)

    def score(self) -> AdditiveScore:
        """Return the trees and the log-odds they start from."""
        trees = from_gradient_boosting(self.estimator)
        return AdditiveScore(replace(trees, bias=0.0), None, trees.bias, trees.n_features)

    def content(self) -> dict[str, Any]:
        """Return the estimator."""
        return {"estimator": self.estimator}


def fit(rows: Rows, params: LearnerParams, seed: int, on_stage: OnStage) -> Boosting:
    """Fit the ensemble; reports after every tree."""
    from sklearn.ensemble import (  # noqa: PLC0415 - heavy, and only training needs it
        GradientBoostingClassifier,
    )

    total = params.n_estimators

    def after_stage(index: int, estimator: Any, _locals: object) -> bool:
        loss = float(estimator.train_score_[index])
        on_stage(
            1 / total,
            Said(gettext_noop("tree {number} of {count}"), number=index + 1, count=total),
            {"train_loss": loss},
        )
        return False

    estimator = GradientBoostingClassifier(
        n_estimators=params.n_estimators,
        max_depth=params.max_depth,
        learning_rate=params.learning_rate,
        subsample=params.subsample,
        max_features=params.max_features,
        min_samples_leaf=params.min_samples_leaf,
        random_state=seed,
    )
    estimator.fit(rows.columns, rows.labels, monitor=after_stage)
    return Boosting(estimator)


def restore(content: Mapping[str, Any]) -> Boosting:
    """Rebuild from `Boosting.content`."""
    return Boosting(content["estimator"])
