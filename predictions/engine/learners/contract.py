"""What a learner is: fitted on filled columns, scores in log-odds, and comes apart into a sum."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from predictions.engine.additive import AdditiveScore

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]

#: ``on_stage(share of this fit's work just done, what was done, figures)``; shares add up to 1, and
#: whatever it raises ends the fit.
OnStage = Callable[[float, str, dict[str, float]], None]


@dataclass(frozen=True)
class LearnerParams:
    """Settings of all learners; each reads its own. Bounds stand in `parameters`.

    Attributes
    ----------
    n_estimators, max_depth, learning_rate, subsample, max_features, min_samples_leaf
        Of the trees.
    l2_penalty : float
        Of the logistic regression, on its squared weights.
    """

    n_estimators: int
    max_depth: int
    learning_rate: float
    subsample: float
    max_features: float
    min_samples_leaf: int
    l2_penalty: float


@dataclass(frozen=True, eq=False)
class Rows:
    """What a learner is fitted on.

    Attributes
    ----------
    columns : float32 array, shape [n, n_columns]
        Features, then latent features if there are any; no NaN.
    labels : bool array, shape [n]
        Both classes occur.
    groups : int array, shape [n]
        Rows that no split inside a fit may tear apart share a number.
    """

    columns: Matrix
    labels: NDArray[np.bool_]
    groups: NDArray[np.intp]

    def at(self, rows: NDArray[np.intp]) -> "Rows":
        """Return some of the rows."""
        return Rows(self.columns[rows], self.labels[rows], self.groups[rows])


class Learner(Protocol):
    """A fitted learner."""

    def raw(self, columns: Matrix) -> Floats:
        """Return log-odds, float64 [n], for float32 columns without NaN."""

    def importance(self) -> Floats:
        """Return what each column adds to the score, [n_columns], summing to 1 or 0."""

    def score(self) -> AdditiveScore:
        """Return the same score as a sum of trees and a linear part."""

    def content(self) -> dict[str, Any]:
        """Return what a file must hold to restore it: estimators, arrays and numbers."""


@dataclass(frozen=True)
class Family:
    """A kind of learner.

    Attributes
    ----------
    name : str
        Key in `families.FAMILIES`.
    label, description : str
        For people; marked for translation.
    fit : callable
        ``fit(rows, params, seed, on_stage)`` → Learner. Same rows, parameters and seed, same
        learner.
    restore : callable
        Rebuilds a learner from `Learner.content`.
    """

    name: str
    label: str
    description: str
    fit: Callable[[Rows, LearnerParams, int, OnStage], Learner]
    restore: Callable[[Mapping[str, Any]], Learner]


def silent(share: float, text: str, figures: dict[str, float]) -> None:
    """Report to nobody."""
    del share, text, figures


def shares(values: Floats) -> Floats:
    """Return non-negative numbers divided by their sum, or zeros when that is 0."""
    total = values.sum()
    return values / total if total > 0 else np.zeros_like(values)
