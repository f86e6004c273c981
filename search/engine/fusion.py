"""Two ranked lists become one.

Weighted min-max: each leg's scores are stretched to 0…1 over its candidates and added by weight, so
that a weak leg cannot outvote a strong one. Reciprocal rank fusion (Cormack, Clarke and Büttcher,
2009) needs ranks only, but loses where one leg is weak.
"""

import numpy as np
from numpy.typing import NDArray

RRF_K = 60

Scores = NDArray[np.float64]


def minmax(lexical: Scores, vector: Scores, vector_weight: float) -> Scores:
    """Return fused scores from 0 to 1.

    Parameters
    ----------
    lexical, vector : float [n]
        Of the same candidates; NaN where a leg did not return one, which counts as its least.
    vector_weight : float
        From 0 (lexical only) to 1.
    """
    return (1 - vector_weight) * _stretched(lexical) + vector_weight * _stretched(vector)


def rrf(lexical: Scores, vector: Scores, vector_weight: float) -> Scores:
    """Return fused scores from 0 to 1: weighted reciprocal ranks, an absent candidate gets none.

    Parameters
    ----------
    lexical, vector, vector_weight
        As in `minmax`; equal weights at 0.5.
    """
    parts = ((lexical, 1 - vector_weight), (vector, vector_weight))
    total = sum(weight * _reciprocal(scores) for scores, weight in parts)
    return np.asarray(total * (RRF_K + 1))


def ranks(scores: Scores) -> NDArray[np.int64]:
    """Return ranks from 1, best first; 0 where the score is NaN. Earlier candidates win ties."""
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")
    found = np.empty(len(scores), dtype=np.int64)
    found[order] = np.arange(1, len(scores) + 1)
    return np.where(np.isnan(scores), 0, found)


def _stretched(scores: Scores) -> Scores:
    seen = ~np.isnan(scores)
    if not seen.any():
        return np.zeros(len(scores))
    low, high = scores[seen].min(), scores[seen].max()
    if high <= low:
        return seen.astype(np.float64)
    return np.where(seen, (scores - low) / (high - low), 0.0)


def _reciprocal(scores: Scores) -> Scores:
    found = ranks(scores)
    return np.where(found > 0, 1.0 / (RRF_K + found), 0.0)
