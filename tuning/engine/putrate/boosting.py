"""Plain gradient boosting on the raw inputs: what the physics must be better than.

Source: Friedman, "Greedy Function Approximation" (2001), through scikit-learn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

from tuning.engine.problems import ModelError
from tuning.engine.putrate.calibrated import N_FOLDS, features
from tuning.engine.putrate.contract import Observation, Prediction, checked, conformal, folds
from tuning.engine.putrate.inputs import PutInputs


@dataclass(frozen=True, eq=False)
class Boosting:
    """Gradient boosting of the logarithm of the rate, with a conformal interval."""

    model: Any = None
    half_width: float = 0.0
    error: float = 0.0
    name: str = "boosting"
    formula: str = "log S = sum of trees"

    @property
    def stated_error(self) -> float:
        """Median absolute percentage error on groups left out in fitting, as a share."""
        return self.error

    def fit(self, observations: Sequence[Observation]) -> Self:
        """Fit on all rows and measure the interval on groups left out."""
        checked(self.name, observations)
        seen = np.array([_seen(row.inputs) for row in observations])
        target = np.log([row.rate for row in observations])
        residuals = np.zeros(len(target))
        for left in folds([row.group for row in observations], N_FOLDS):
            part = _boosted().fit(seen[~left], target[~left])
            residuals[left] = target[left] - part.predict(seen[left])
        return replace(
            self,
            model=_boosted().fit(seen, target),
            half_width=conformal(residuals),
            error=float(np.median(np.abs(np.exp(-residuals) - 1.0))),
        )

    def predict(self, inputs: PutInputs) -> Prediction:
        """Predict one rate."""
        if self.model is None:
            raise ModelError("not_fitted", model=self.name)
        rate = math.exp(float(self.model.predict([_seen(inputs)])[0]))
        wide = math.exp(self.half_width)
        return Prediction(rate, rate / wide, rate * wide)

    def as_json(self) -> dict[str, Any]:
        """Refuse: trees are a comparison and are not kept.

        Raises
        ------
        ModelError
            Always.
        """
        raise ModelError("bad_model", reason="the boosting is a comparison and is not kept")


def _seen(given: PutInputs) -> list[float]:
    # The last feature needs a physical rate, which this model is not to know.
    seen: list[float] = features(given, 0.0, 1.0)[:-1].tolist()
    return seen


def _boosted() -> GradientBoostingRegressor:
    return GradientBoostingRegressor(
        n_estimators=200, learning_rate=0.05, max_depth=3, subsample=0.8, random_state=0
    )
