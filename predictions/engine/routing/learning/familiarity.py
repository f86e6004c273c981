"""Learn what tells items of known kinds from items of kinds that nobody has planned yet.

The weights that find neighbours look at what decides a routing, and a part of another kind can
agree in all of that. So strangers are made of training items: hide every item of an item's own
kind, and what it is compared with is what a new kind would find. A logistic regression on the
comparisons (Cox 1958; weights not negative, so that what it says stays a similarity) separates
them. Its weights, of sum 1, replace equal ones; the threshold is calibrated as before.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from predictions.engine.routing.book import group_members
from predictions.engine.routing.decision import (
    N_FAMILIAR,
    NOT_COMPARED,
    Familiarity,
    familiarity_of,
)
from predictions.engine.routing.encoding import MISSING, Encoded, Floats
from predictions.engine.routing.schema import CATEGORIES
from predictions.engine.routing.similarity import PLAIN, Neighbours, SimilarityIndex, compare
from predictions.engine.routing.voting import N_VOTERS

KIND = CATEGORIES.index("item_type")
#: Kinds, and strangers, below which equal weights stay. Ours.
MIN_KINDS = 3
MIN_STRANGERS = 50
#: Ridge penalty. From 1e-2 to 1e-5 all told strangers apart alike (on a draw that no figure is
#: reported of); this one leaves weight on more fields than the kind's own, which may be missing.
PENALTY = 1e-3
#: Quantiles of familiarity that are kept; enough to tell half a percent.
N_LEVELS = 1_000

Rows = NDArray[np.intp]


def learn_kin_weights(index: SimilarityIndex, items: Rows, groups: Rows) -> Floats:
    """Return the weight of every comparison in familiarity, of sum 1.

    Parameters
    ----------
    index : SimilarityIndex
    items : intp array, shape [n]
        Rows of the index to learn from; their own variants are left out.
    groups : intp array, shape [n_index]
        Equal for variants of one item.

    Returns
    -------
    float32 array, shape [N_COMPARISONS]
        `PLAIN` where there are too few kinds to learn from.
    """
    kinds = index.items.codes[:, KIND]
    if len(np.unique(kinds[kinds != MISSING])) < MIN_KINDS:
        return PLAIN
    members = group_members(groups)
    usual, strange = [], []
    for item in items:
        one = index.items.take(slice(item, item + 1))
        similarity = index.similarity(one)
        similarity[members[int(groups[item])]] = NOT_COMPARED
        usual.append(_compared(index, one, index.nearest(similarity, N_VOTERS)))
        if kinds[item] != MISSING:
            similarity[kinds == kinds[item]] = NOT_COMPARED
            strange.append(_compared(index, one, index.nearest(similarity, N_VOTERS)))
    if len(strange) < MIN_STRANGERS:
        return PLAIN
    return _separating(np.array(usual), np.array(strange))


def _compared(index: SimilarityIndex, item: Encoded, nearest: Neighbours) -> Floats:
    """Return the mean comparisons with those most alike in all fields alike."""
    if not len(nearest):
        return np.zeros(len(PLAIN), dtype=np.float32)
    found = compare(index.items.take(nearest.rows), item)
    closest = np.argsort(found @ PLAIN, kind="stable")[-N_FAMILIAR:]
    return np.asarray(found[closest].mean(axis=0))


def _separating(usual: Floats, strange: Floats) -> Floats:
    """Return weights under which the usual are more alike than the strange."""
    rows = np.concatenate([usual, strange]).astype(np.float64)
    side = np.repeat([1.0, -1.0], [len(usual), len(strange)])

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, intercept = point[:-1], point[-1]
        margin = side * (rows @ weights + intercept)
        slope = -side / (1 + np.exp(np.clip(margin, -500, 500)))
        value = np.logaddexp(0, -margin).mean() + PENALTY / 2 * (weights**2).sum()
        return float(value), np.r_[rows.T @ slope / len(rows) + PENALTY * weights, slope.mean()]

    n = rows.shape[1]
    bounds = [(0.0, None)] * n + [(None, None)]
    found = minimize(loss, np.zeros(n + 1), jac=True, method="L-BFGS-B", bounds=bounds).x[:-1]
    total = float(found.sum())
    return np.asarray(found / total, dtype=np.float32) if total > 0 else PLAIN


def learn_familiarity(
    index: SimilarityIndex,
    kin_weights: Floats,
    items: Rows,
    groups: Rows,
    refused_share: float,
) -> Familiarity:
    """Return how familiar items are to the others of the index, their own variants left out.

    Parameters
    ----------
    index : SimilarityIndex
    kin_weights : float32 array, shape [N_COMPARISONS]
        See `learn_kin_weights`.
    items : intp array, shape [n]
        Rows of the index to compare.
    groups : intp array, shape [n_index]
        Equal for variants of one item.
    refused_share : float
        See `Familiarity`.
    """
    members = group_members(groups)
    levels = np.empty(len(items))
    for place, item in enumerate(items):
        one = index.items.take(slice(item, item + 1))
        similarity = index.similarity(one)
        similarity[members[int(groups[item])]] = NOT_COMPARED
        nearest = index.nearest(similarity, N_VOTERS)
        levels[place] = familiarity_of(index, kin_weights, one, nearest)
    levels.sort()
    if len(levels) > N_LEVELS:
        levels = np.quantile(levels, (np.arange(N_LEVELS) + 0.5) / N_LEVELS)
    return Familiarity(levels, refused_share)
