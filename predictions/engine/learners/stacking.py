"""Stacking: a weighted sum of other learners' log-odds.

Wolpert, Neural Networks 5 (1992) 241; weights not negative as in Breiman, Machine Learning 24
(1996) 49. The weights are fitted on log-odds of rows that the scoring learner had not seen: folds
of the training rows alone that tear no group. Then each learner is fitted again on all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictions.engine import splits
from predictions.engine.additive import AdditiveScore, mixed
from predictions.engine.learners import extra_trees, gradient_boosting, logistic
from predictions.engine.learners.contract import (
    Floats,
    Learner,
    LearnerParams,
    Matrix,
    OnStage,
    Rows,
    shares,
)

#: What is stacked: names, and the modules that fit and restore.
BASES = {
    "gradient_boosting": gradient_boosting,
    "extra_trees": extra_trees,
    "logistic_regression": logistic,
}
N_FOLDS = 4
#: Keeps weights finite when a learner separates the classes; ours.
RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class Stack:
    """Fitted learners and their weights.

    Attributes
    ----------
    learners : tuple of Learner
        In the order of ``BASES``.
    weights : float64 [n_learners]
        Not negative.
    spread : float64 [n_learners]
        Standard deviation of each learner's out-of-fold log-odds.
    intercept : float
    """

    learners: tuple[Learner, ...]
    weights: Floats
    spread: Floats
    intercept: float

    def raw(self, columns: Matrix) -> Floats:
        """Return log-odds, float64 [n]."""
        raw = np.column_stack([learner.raw(columns) for learner in self.learners])
        return raw @ self.weights + self.intercept

    def importance(self) -> Floats:
        """Return the learners' shares, each weighted by what it adds to the sum."""
        parts = zip(self.learners, self.weights * self.spread, strict=True)
        return shares(sum((weight * one.importance() for one, weight in parts), np.zeros(1)))

    def score(self) -> AdditiveScore:
        """Return the weighted sum of the learners' scores."""
        parts = [learner.score() for learner in self.learners]
        return mixed(parts, self.weights.tolist(), self.intercept)

    def content(self) -> dict[str, Any]:
        """Return what the learners keep, and the weights."""
        named = zip(BASES, self.learners, strict=True)
        return {
            "learners": {name: learner.content() for name, learner in named},
            "weights": self.weights,
            "spread": self.spread,
            "intercept": self.intercept,
        }


def fit(rows: Rows, params: LearnerParams, seed: int, on_stage: OnStage) -> Stack:
    """Fit the learners on folds, the weights on what was left out, then the learners again."""
    folds = splits.grouped(rows.labels, rows.groups, N_FOLDS, seed)
    steps = (N_FOLDS + 1) * len(BASES)

    def told(share: float, text: str, figures: dict[str, float]) -> None:
        on_stage(share / steps, text, figures)

    def fitted(part: Rows) -> list[Learner]:
        return [base.fit(part, params, seed, told) for base in BASES.values()]

    raw = np.empty((len(rows.labels), len(BASES)))
    for fold in folds:
        test = rows.columns[fold.test]
        raw[fold.test] = np.column_stack([one.raw(test) for one in fitted(rows.at(fold.train))])
    weights, intercept = fit_weights(raw, rows.labels)
    return Stack(tuple(fitted(rows)), weights, raw.std(axis=0), intercept)


def fit_weights(raw: Floats, labels: NDArray[np.bool_]) -> tuple[Floats, float]:
    """Return non-negative weights [n_learners] and the intercept of least cross-entropy.

    Parameters
    ----------
    raw : float64 array, shape [n, n_learners]
        Log-odds of rows the learner had not seen.
    labels : bool array, shape [n]
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - heavy, as in boosting
    from scipy.special import expit  # noqa: PLC0415

    n_learners = raw.shape[1]

    def loss(given: Floats) -> tuple[float, Floats]:
        margin = raw @ given[:-1] + given[-1]
        rest = expit(margin) - labels
        value = np.mean(np.logaddexp(0.0, margin) - labels * margin)
        value += RIDGE / 2 * (given[:-1] ** 2).sum()
        gradient = np.r_[raw.T @ rest / len(labels) + RIDGE * given[:-1], rest.mean()]
        return float(value), gradient

    start = np.r_[np.full(n_learners, 1 / n_learners), 0.0]
    bounds = [*[(0.0, None)] * n_learners, (None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x[:-1], float(found.x[-1])


def restore(content: Mapping[str, Any]) -> Stack:
    """Rebuild from `Stack.content`."""
    learners: Sequence[Learner] = [
        base.restore(content["learners"][name]) for name, base in BASES.items()
    ]
    return Stack(
        tuple(learners), content["weights"], content["spread"], float(content["intercept"])
    )
