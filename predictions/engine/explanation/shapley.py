r"""Shapley values of a tree ensemble: how much each feature moved one prediction.

The game is the path-dependent one of TreeSHAP (Lundberg et al., 2020, "From local explanations to
global understanding with explainable AI for trees", Nature Machine Intelligence 2): a feature that
is left out follows both branches in proportion to the training rows that went there.

A leaf with the distinct features :math:`F` on its path pays

.. math:: v(S) = w \prod_{j \in F} (o_j \text{ if } j \in S \text{ else } z_j)

where :math:`z_j` is the share of training rows kept by the path's splits on :math:`j` and
:math:`o_j` says whether the row satisfies them all. The Shapley value of a product game follows
from the coefficients of :math:`\prod_{i \ne j} (z_i + o_i y)`. All leaves with equally many
distinct features are computed at once, which keeps a row of a few hundred trees near a millisecond.
"""

from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from predictions.engine.explanation.ensemble import LEAF, TreeEnsemble

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Attribution:
    """One prediction taken apart.

    ``base_value + values.sum()`` is the model's margin in log-odds for that row.

    Attributes
    ----------
    values : float64 [n_features]
        What each feature added, in log-odds.
    base_value : float
        The margin when nothing is known of the row, in log-odds.
    """

    values: Float
    base_value: float

    @property
    def margin(self) -> float:
        """The margin that the parts add up to, in log-odds."""
        return self.base_value + float(self.values.sum())


@dataclass(frozen=True)
class _Leaves:
    """All leaves whose paths test equally many distinct features (m).

    A row satisfies a leaf's splits on a feature when its value lies in ``(low, high]``.
    """

    feature: NDArray[np.int32]  # [n_leaves, m]
    low: NDArray[np.float32]  # [n_leaves, m]
    high: NDArray[np.float32]  # [n_leaves, m]
    share: Float  # [n_leaves, m]
    value: Float  # [n_leaves]


class TreeExplainer:
    """Explain single rows of one ensemble; made once a model, since it walks every path.

    Parameters
    ----------
    ensemble : TreeEnsemble
        The model, in log-odds.
    """

    def __init__(self, ensemble: TreeEnsemble) -> None:
        self.n_features = ensemble.n_features
        self._groups, constant = _paths(ensemble)
        expected = sum(float(g.value @ g.share.prod(axis=1)) for g in self._groups)
        self.base_value = ensemble.bias + constant + expected

    def explain(self, row: NDArray[np.float32]) -> Attribution:
        """Take one prediction apart.

        Parameters
        ----------
        row : float32 [n_features]
            What the trees see, so after imputation.

        Raises
        ------
        ValueError
            If the row has another length or holds NaN.
        """
        if row.shape != (self.n_features,):
            raise ValueError(f"a row of shape {row.shape}, where ({self.n_features},) is expected")
        if np.isnan(row).any():
            raise ValueError("a row with missing values: impute it as the model does")
        values = np.zeros(self.n_features)
        for group in self._groups:
            seen = row[group.feature]
            satisfied = (seen > group.low) & (seen <= group.high)
            parts = _product_game(satisfied.astype(np.float64), group.share) * group.value[:, None]
            values += np.bincount(
                group.feature.ravel(), weights=parts.ravel(), minlength=self.n_features
            )
        return Attribution(values=values, base_value=self.base_value)


def _product_game(satisfied: Float, share: Float) -> Float:
    """Return the Shapley values [n, m] of ``n`` product games with ``m`` players."""
    n_games, n_players = share.shape
    values = np.empty((n_games, n_players))
    for player in range(n_players):
        polynomial = np.zeros((n_players, n_games))
        polynomial[0] = 1.0
        degree = 0
        for other in range(n_players):
            if other == player:
                continue
            degree += 1
            z, o = share[:, other], satisfied[:, other]
            for power in range(degree, 0, -1):
                polynomial[power] = polynomial[power] * z + polynomial[power - 1] * o
            polynomial[0] *= z
        expected = _coalition_weights(n_players) @ polynomial
        values[:, player] = (satisfied[:, player] - share[:, player]) * expected
    return values


def _coalition_weights(n_players: int) -> Float:
    """Return the Shapley weight of a coalition of k others, for k = 0 … n_players - 1."""
    total = factorial(n_players)
    sizes = range(n_players)
    return np.array([factorial(k) * factorial(n_players - 1 - k) / total for k in sizes])


Bounds = dict[int, tuple[float, float, float]]  # feature → low, high, share


def _paths(ensemble: TreeEnsemble) -> tuple[list[_Leaves], float]:
    """Collect all leaves by the number of distinct features above them.

    Returns the groups and the sum of trees that are a single leaf.
    """
    by_size: dict[int, list[tuple[Bounds, float]]] = {}
    constant = 0.0
    stack: list[tuple[int, Bounds]] = [(int(root), {}) for root in ensemble.roots]
    while stack:
        node, bounds = stack.pop()
        if ensemble.feature[node] == LEAF:
            value = float(ensemble.value[node])
            if bounds:
                by_size.setdefault(len(bounds), []).append((bounds, value))
            else:
                constant += value
            continue
        stack.extend(_branches(ensemble, node, bounds))
    return [_group(leaves) for _size, leaves in sorted(by_size.items())], constant


def _branches(ensemble: TreeEnsemble, node: int, bounds: Bounds) -> list[tuple[int, Bounds]]:
    """Return both children of a node, each with the path's bounds narrowed by the split."""
    feature = int(ensemble.feature[node])
    threshold = float(ensemble.threshold[node])
    low, high, share = bounds.get(feature, (-np.inf, np.inf, 1.0))
    left, right = int(ensemble.left[node]), int(ensemble.right[node])
    kept_left, kept_right = ensemble.cover[[left, right]] / ensemble.cover[node]
    return [
        (left, {**bounds, feature: (low, min(high, threshold), share * float(kept_left))}),
        (right, {**bounds, feature: (max(low, threshold), high, share * float(kept_right))}),
    ]


def _group(leaves: list[tuple[Bounds, float]]) -> _Leaves:
    """Lay leaves with equally many features out as arrays."""
    bounds = np.array([[path[f] for f in path] for path, _value in leaves])
    return _Leaves(
        feature=np.array([list(path) for path, _value in leaves], dtype=np.int32),
        low=bounds[:, :, 0].astype(np.float32),
        high=bounds[:, :, 1].astype(np.float32),
        share=bounds[:, :, 2],
        value=np.array([value for _path, value in leaves]),
    )
