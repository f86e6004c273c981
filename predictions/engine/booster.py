"""Gradient-boosted trees on log-odds, fitted by scikit-learn.

Friedman, Annals of Statistics 29 (2001) 1189; stochastic form: Friedman, Computational Statistics &
Data Analysis 38 (2002) 367. Trees are fitted on float32 features, the type they are served with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
OnStage = Callable[[int, float], None]


@dataclass(frozen=True)
class BoosterParams:
    """Settings of the trees; bounds stand in `parameters`."""

    n_estimators: int
    max_depth: int
    learning_rate: float
    subsample: float
    max_features: float
    min_samples_leaf: int


@dataclass(frozen=True, eq=False)
class Booster:
    """A fitted ensemble.

    Attributes
    ----------
    estimator : GradientBoostingClassifier
        The training form, which the serving form is checked against.
    """

    estimator: Any

    def raw(self, filled: Matrix) -> NDArray[np.float64]:
        """Return log-odds, float64 [n], for float32 features without NaN."""
        raw: NDArray[np.float64] = self.estimator.decision_function(filled)
        return raw

    def importance(self) -> NDArray[np.float64]:
        """Return the share of impurity removed by each feature, [n_features], summing to 1 or 0."""
        importance: NDArray[np.float64] = self.estimator.feature_importances_
        return importance


def fit_booster(
    filled: Matrix,
    labels: NDArray[np.bool_],
    params: BoosterParams,
    *,
    seed: int,
    on_stage: OnStage | None = None,
) -> Booster:
    """Fit the ensemble.

    Parameters
    ----------
    filled : float32 array, shape [n, n_features]
        Features without NaN.
    labels : bool array, shape [n]
        Both classes occur.
    params : BoosterParams
        Settings.
    seed : int
        Same rows and seed, same trees.
    on_stage : callable
        ``on_stage(tree number from 1, training loss)`` after every tree; whatever it raises ends
        the fit.
    """
    from sklearn.ensemble import (  # noqa: PLC0415 - heavy, and only training needs it
        GradientBoostingClassifier,
    )

    def after_stage(index: int, estimator: Any, _locals: object) -> bool:
        if on_stage is not None:
            on_stage(index + 1, float(estimator.train_score_[index]))
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
    estimator.fit(filled, labels, monitor=after_stage)
    return Booster(estimator)
