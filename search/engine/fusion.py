"""Two ranked lists become one.

Weighted min-max: each leg's scores are stretched to 0…1 over its candidates and added by weight, so
that a weak leg cannot outvote a strong one. Reciprocal rank fusion (Cormack, Clarke and Büttcher,
2009) needs ranks only, but loses where one leg is weak.
"""

import numpy as np
from numpy.typing import NDArray

RRF_K = 60

Scores = NDArray[np.float64]
Ranks = NDArray[np.int64]


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


def rrf(rank_lexical: Ranks, rank_vector: Ranks, vector_weight: float) -> Scores:
    """Return fused scores from 0 to 1: weighted reciprocal ranks.

    Parameters
    ----------
    rank_lexical, rank_vector : int [n]
        From 1; 0 where a leg did not return the candidate, which then gets nothing from it.
    vector_weight : float
        From 0 to 1; both legs are equal at 0.5.
    """
    total = (1 - vector_weight) * _reciprocal(rank_lexical) + vector_weight * _reciprocal(
        rank_vector
    )
    return total * (RRF_K + 1)


def _stretched(scores: Scores) -> Scores:
    seen = ~np.isnan(scores)
    if not seen.any():
        return np.zeros(len(scores))
    low, high = scores[seen].min(), scores[seen].max()
    if high <= low:
        return seen.astype(np.float64)
    return np.where(seen, (scores - low) / (high - low), 0.0)


def _reciprocal(ranks: Ranks) -> Scores:
    return np.where(ranks > 0, 1.0 / (RRF_K + ranks), 0.0)
