"""What every learner comes down to: a sum of trees and a clipped linear part, in log-odds.

One form for all learners, so that one graph serves them and one explanation takes them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictions.engine.ensemble import TreeEnsemble
from predictions.engine.scaling import RobustScaler

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Linear:
    """A weighted sum of robustly scaled columns.

    Attributes
    ----------
    scaler : RobustScaler
    weights : float64 [n_columns]
    mean : float64 [n_columns]
        Mean of the scaled training rows: what a feature is taken to be when nothing is known.
    """

    scaler: RobustScaler
    weights: Floats
    mean: Floats

    def raw(self, columns: Matrix) -> Floats:
        """Return the sum for each row, float64 [n]."""
        raw: Floats = self.scaler.scaled(columns) @ self.weights
        return raw

    def attribution(self, row: Matrix) -> Floats:
        """Return what each column added to one row [n_columns], against the mean.

        For a linear function these are its interventional Shapley values exactly (Lundberg and
        Lee, NeurIPS (2017) 4765, corollary 1).
        """
        values: Floats = self.weights * (self.scaler.scaled(row[None])[0] - self.mean)
        return values


@dataclass(frozen=True, eq=False)
class AdditiveScore:
    """A learner taken apart: ``bias + trees + linear``, in log-odds.

    Attributes
    ----------
    trees : TreeEnsemble or None
        Its own bias is 0.
    linear : Linear or None
    bias : float
    n_columns : int
        Columns a row must have: features, then latent features if there are any.
    """

    trees: TreeEnsemble | None
    linear: Linear | None
    bias: float
    n_columns: int


def mixed(parts: Sequence[AdditiveScore], weights: Sequence[float], bias: float) -> AdditiveScore:
    """Return the weighted sum of several scores as one; at most one of them has a linear part."""
    weighted = [(part, weight) for part, weight in zip(parts, weights, strict=True) if weight]
    trees = [_scaled(part.trees, weight) for part, weight in weighted if part.trees is not None]
    linear = [
        replace(part.linear, weights=part.linear.weights * weight)
        for part, weight in weighted
        if part.linear is not None
    ]
    if len(linear) > 1:
        raise ValueError(f"{len(linear)} linear parts, where at most one can be mixed in")
    return AdditiveScore(
        trees=_joined(trees) if trees else None,
        linear=linear[0] if linear else None,
        bias=bias + sum(part.bias * weight for part, weight in weighted),
        n_columns=parts[0].n_columns,
    )


def _scaled(trees: TreeEnsemble, weight: float) -> TreeEnsemble:
    return replace(trees, value=trees.value * weight)


def _joined(ensembles: Sequence[TreeEnsemble]) -> TreeEnsemble:
    """Return all trees as one ensemble; node numbers are shifted."""
    starts = np.cumsum([0, *(len(one.feature) for one in ensembles[:-1])])

    def shifted(name: str) -> NDArray[np.int32]:
        parts = [
            np.where(getattr(one, name) < 0, getattr(one, name), getattr(one, name) + start)
            for one, start in zip(ensembles, starts, strict=True)
        ]
        return np.concatenate(parts).astype(np.int32)

    return replace(
        ensembles[0],
        feature=np.concatenate([one.feature for one in ensembles]),
        threshold=np.concatenate([one.threshold for one in ensembles]),
        left=shifted("left"),
        right=shifted("right"),
        value=np.concatenate([one.value for one in ensembles]),
        cover=np.concatenate([one.cover for one in ensembles]),
        roots=shifted("roots"),
    )
