"""Pearson's chi-square for two samples in the same bins.

Press et al., Numerical Recipes (3rd ed.), eq. 14.3.3, for samples of different size. It needs no
smoothing, so it suits categories and predicted classes.
"""

import numpy as np

from monitoring.engine.detectors.contract import Binned, Plain
from monitoring.engine.reference import Floats


def chi_square(reference: Floats, window: Floats) -> Floats:
    """Return the statistic for counts of shape [..., k], float [...]; 0 for an empty side."""
    n = reference.sum(axis=-1, keepdims=True)
    m = window.sum(axis=-1, keepdims=True)
    both = reference + window
    ratio = np.sqrt(
        np.divide(m, n, out=np.zeros(np.broadcast_shapes(m.shape, n.shape)), where=n > 0)
    )
    other = np.divide(1, ratio, out=np.zeros_like(ratio), where=ratio > 0)
    squared = (ratio * reference - other * window) ** 2
    parts = np.divide(squared, both, out=np.zeros_like(squared), where=both > 0)
    statistic: Floats = parts.sum(axis=-1)
    return statistic


class ChiSquare(Binned):
    """The statistic for one column."""

    def distance(self, reference: Floats, window: Floats) -> Floats:
        return chi_square(reference, window)


CHI_SQUARE = Plain("chi_square", ChiSquare)
