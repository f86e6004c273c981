"""One version's answers on the rows of a frozen set."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Scored:
    """What one version says about the rows of an evaluation set.

    Attributes
    ----------
    y_true
        Labels, 0 or 1, shape (n,).
    probability
        Predicted probability of class 1, shape (n,), in [0, 1], no NaN.
    group_ids
        Rows that are copies of one another share a number; they are resampled together. Shape (n,).
    threshold
        The version's own decision threshold: a row is called 1 when its probability reaches it.
    """

    y_true: NDArray[np.int_]
    probability: NDArray[np.float64]
    group_ids: NDArray[np.int_]
    threshold: float
