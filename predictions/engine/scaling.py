"""Robust scaling: centred at the median, divided by the interquartile range, clipped.

Clipped, because a single wild sensor value would otherwise rule whatever comes after it (one cycle
time of the family's public file lies 22 standard deviations out, and gated layers explode on it). A
feature that never varied in training says nothing and is 0 for every shot.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Floats = NDArray[np.float64]

#: Scaled values are cut here; ours, far outside the bulk (8 interquartile ranges).
CLIP = 8.0


@dataclass(frozen=True, eq=False)
class RobustScaler:
    """Medians and interquartile ranges of training rows.

    Attributes
    ----------
    centre, scale : float32 arrays, shape [n_features]
        Scale is positive, infinite for a feature that never varied.
    """

    centre: Matrix
    scale: Matrix

    def scaled(self, filled: Matrix) -> Floats:
        """Return float64 [n, n_features] in [-8, 8] for features without NaN.

        In double precision, so that training and serving form agree to the last digit that a tree
        can tell apart.
        """
        centred = filled.astype(np.float64) - self.centre
        scaled: Floats = np.clip(centred / self.scale.astype(np.float64), -CLIP, CLIP)
        return scaled


def fit_scaler(filled: Matrix) -> RobustScaler:
    """Fit on training rows without NaN, float32 [n, n_features].

    A feature whose middle half is one value, yet varies, is divided by its standard deviation.
    """
    low, centre, high = np.percentile(filled.astype(np.float64), [25, 50, 75], axis=0)
    spread = filled.std(axis=0, dtype=np.float64)
    spread[filled.min(axis=0) == filled.max(axis=0)] = 0.0
    scale = np.where(high > low, high - low, np.where(spread > 0, spread, np.inf))
    return RobustScaler(centre.astype(np.float32), scale.astype(np.float32))
