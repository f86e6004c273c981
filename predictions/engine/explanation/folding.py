"""Contributions of latent features, handed on to the features they were made from.

A learner on features and latent features gives each latent feature a Shapley value of its own,
which tells a reader nothing. It is divided among the features by how much each moved that latent
feature on the straight way from the baseline (every feature at its training median) to the shot:
integrated gradients of the encoder (Sundararajan, Taly and Yan, ICML (2017) 3319; for smooth games
the Aumann-Shapley value). Only their sizes count as shares, so a latent feature's contribution
keeps its sign and is never blown up by movements that cancel out, and what is handed on adds up to
what there was, exactly.

Orders of features drawn at random would need a hundred encodings more to be as steady: the encoder
levels its layers, so what a feature moves depends on which others are set already.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Encode = Callable[[Floats], Floats]

METHOD = "tree-shapley-folded-by-integrated-gradients"
#: Points on the way, by Gauss and Legendre; ours, see `test_few_points_agree_with_many`.
N_POINTS = 8
#: Step of a one-sided difference in double precision.
STEP = 1e-6


def latent_shares(encode: Encode, scaled: Floats, *, n_points: int = N_POINTS) -> Floats:
    """Return each feature's share of each latent feature.

    Parameters
    ----------
    encode : callable
        Scaled rows [n, n_features] to latent features [n, n_latent], in double precision.
    scaled : float64 [n_features]
        One row, robustly scaled: 0 is the training median.
    n_points : int
        Where the gradient is taken.

    Returns
    -------
    float64 [n_features, n_latent]
        Not negative; each column sums to 1. Where nothing moved, as for a row at the baseline, all
        features share evenly.
    """
    moved = np.flatnonzero(scaled)
    n_latent = encode(scaled[None]).shape[1]
    shares = np.full((len(scaled), n_latent), 1.0 / len(scaled))
    if not moved.size:
        return shares
    sizes = np.zeros_like(shares)
    sizes[moved] = np.abs(integrated_gradients(encode, scaled, moved, n_points))
    total = sizes.sum(axis=0)
    known = total > 0
    shares[:, known] = sizes[:, known] / total[known]
    return shares


def integrated_gradients(
    encode: Encode, scaled: Floats, moved: NDArray[np.intp], n_points: int
) -> Floats:
    """Return how much each moved feature moves each latent feature, [n_moved, n_latent].

    Columns sum, but for the error of the quadrature, to the latent feature's whole movement.
    """
    places, weights = np.polynomial.legendre.leggauss(n_points)
    rows = np.repeat(((places + 1) / 2)[:, None, None] * scaled, len(moved) + 1, axis=1)
    rows[:, np.arange(1, len(moved) + 1), moved] += STEP
    latent = encode(rows.reshape(-1, len(scaled))).reshape(n_points, len(moved) + 1, -1)
    gradients = (latent[:, 1:] - latent[:, :1]) / STEP
    mean: Floats = np.tensordot(weights / 2, gradients, axes=1)
    return mean * scaled[moved, None]


def folded(values: Floats, shares: Floats) -> Floats:
    """Return contributions of the features alone, [n_features].

    Parameters
    ----------
    values : float64 [n_features + n_latent]
        Contributions of features, then of latent features.
    shares : float64 [n_features, n_latent]
        As `latent_shares` returns them.
    """
    n_features = len(shares)
    handed_on: Floats = shares @ values[n_features:]
    return values[:n_features] + handed_on
