"""Fill in missing values with the median of the training rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Imputer:
    """Medians of training rows.

    Attributes
    ----------
    medians : float32 array, shape [n_features]
        0 for a column without any value.
    """

    medians: Matrix

    def fill(self, matrix: Matrix) -> Matrix:
        """Return float32 [n, n_features] without NaN."""
        return np.where(np.isnan(matrix), self.medians, matrix).astype(np.float32)


def fit_imputer(matrix: Matrix) -> Imputer:
    """Return the imputer of training rows, float32 [n, n_features] with NaN for missing."""
    medians = np.zeros(matrix.shape[1], dtype=np.float32)
    for index, column in enumerate(matrix.T):
        seen = column[~np.isnan(column)]
        if seen.size:
            medians[index] = np.median(seen)
    return Imputer(medians)
