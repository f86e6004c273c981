"""Twelve latent numbers per shot: whitened principal components of robustly scaled features.

Features are centred at the median, divided by the interquartile range and clipped, because a single
wild sensor value would otherwise rule a component (one cycle time of the family's public file lies
22 standard deviations out). Components are ordered by variance and scaled to unit variance over the
training rows. Principal components: Pearson 1901, computed by SVD.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.scaling import CLIP, fit_scaler

Matrix = NDArray[np.float32]

N_LATENT = 12
METHOD = "pca-12-whitened-robust-clipped"
#: Components below this share of the first one's variance are noise of constant columns: zero.
VARIANCE_FLOOR = 1e-6


@dataclass(frozen=True, eq=False)
class Projection:
    """From features to latent numbers: ``clip((x - centre) / scale) @ weights + offset``.

    Attributes
    ----------
    centre, scale : float32 arrays, shape [n_features]
        Scale is positive, infinite for a feature that never varied.
    weights : float32 array, shape [n_features, N_LATENT]
    offset : float32 array, shape [N_LATENT]
    """

    centre: Matrix
    scale: Matrix
    weights: Matrix
    offset: Matrix

    def latent(self, filled: Matrix) -> Matrix:
        """Return float32 [n, N_LATENT] for features without NaN."""
        scaled = np.clip((filled - self.centre) / self.scale, -CLIP, CLIP)
        latent: Matrix = scaled @ self.weights + self.offset
        return latent


def fit_projection(filled: Matrix) -> Projection:
    """Fit the projection on training rows without NaN, float32 [n, n_features], n ≥ 2."""
    scaler = fit_scaler(filled)
    scaled = scaler.scaled(filled)
    mean = scaled.mean(axis=0)
    _, singular, axes = np.linalg.svd(scaled - mean, full_matrices=False)
    variance = np.zeros(N_LATENT)
    kept = min(N_LATENT, len(singular))
    variance[:kept] = singular[:kept] ** 2 / (len(filled) - 1)
    weights = np.zeros((filled.shape[1], N_LATENT))
    for index in range(kept):
        if variance[index] > VARIANCE_FLOOR * variance[0]:
            weights[:, index] = _signed(axes[index]) / np.sqrt(variance[index])
    return Projection(
        scaler.centre,
        scaler.scale,
        weights.astype(np.float32),
        (-mean @ weights).astype(np.float32),
    )


def _signed(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the axis with its largest entry positive, so that a refit does not flip signs."""
    return axis if axis[np.argmax(np.abs(axis))] > 0 else -axis
