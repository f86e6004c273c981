"""Logistic regression with a quadratic penalty on robustly scaled, clipped columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from portal.lib.coded import gettext_noop
from predictions.engine.additive import AdditiveScore, Linear
from predictions.engine.learners.contract import (
    Floats,
    LearnerParams,
    Matrix,
    OnStage,
    Rows,
    shares,
)
from predictions.engine.progress import Said
from predictions.engine.scaling import RobustScaler, fit_scaler

_MAX_STEPS = 1_000


@dataclass(frozen=True, eq=False)
class Regression:
    """A fitted regression.

    Attributes
    ----------
    linear : Linear
    intercept : float
    spread : float64 [n_columns]
        Standard deviations of the scaled training columns.
    """

    linear: Linear
    intercept: float
    spread: Floats

    def raw(self, columns: Matrix) -> Floats:
        """Return log-odds, float64 [n]."""
        return self.linear.raw(columns) + self.intercept

    def importance(self) -> Floats:
        """Return each column's weight times its spread, as a share."""
        return shares(np.abs(self.linear.weights) * self.spread)

    def score(self) -> AdditiveScore:
        """Return the weighted sum."""
        return AdditiveScore(None, self.linear, self.intercept, len(self.spread))

    def content(self) -> dict[str, Any]:
        """Return the arrays."""
        return {
            "centre": self.linear.scaler.centre,
            "scale": self.linear.scaler.scale,
            "weights": self.linear.weights,
            "mean": self.linear.mean,
            "intercept": self.intercept,
            "spread": self.spread,
        }


def fit(rows: Rows, params: LearnerParams, seed: int, on_stage: OnStage) -> Regression:
    """Fit scaler and weights; leaves nothing to chance."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - heavy, as in boosting

    scaler = fit_scaler(rows.columns)
    scaled = scaler.scaled(rows.columns)
    estimator = LogisticRegression(
        C=1 / params.l2_penalty, max_iter=_MAX_STEPS, tol=1e-6, random_state=seed
    )
    estimator.fit(scaled, rows.labels)
    on_stage(
        1.0, Said(gettext_noop("{count} steps of regression"), count=int(estimator.n_iter_[0])), {}
    )
    linear = Linear(scaler, estimator.coef_[0].astype(np.float64), scaled.mean(axis=0))
    return Regression(linear, float(estimator.intercept_[0]), scaled.std(axis=0))


def restore(content: Mapping[str, Any]) -> Regression:
    """Rebuild from `Regression.content`."""
    scaler = RobustScaler(content["centre"], content["scale"])
    linear = Linear(scaler, content["weights"], content["mean"])
    return Regression(linear, float(content["intercept"]), content["spread"])
