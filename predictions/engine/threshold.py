"""Choose the probability from which a shot is called a defect."""

import numpy as np
from numpy.typing import NDArray


def best_f1_threshold(labels: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    """Return the threshold with the highest F1 on validation rows.

    Parameters
    ----------
    labels : bool array, shape [n]
        Whether each row was a defect.
    probability : float array, shape [n]
        Probabilities from a model that has not seen the rows.

    Returns
    -------
    float
        A shot with ``probability >= threshold`` is called a defect. Lies half way between two
        distinct probabilities, so that rounding does not move a shot across; of equally good
        thresholds the highest. Without any defect, 1.0.

    Notes
    -----
    All distinct thresholds are tried. Lipton, Elkan and Naryanaswamy (2014): for calibrated
    probabilities the best threshold is half the best F1, which tests use as a cross-check.
    """
    if not labels.any():
        return 1.0
    order = np.argsort(-probability, kind="stable")
    ranked, hits = probability[order], np.cumsum(labels[order])
    n_called = np.arange(1, len(ranked) + 1)
    f1 = 2 * hits / (n_called + labels.sum())
    ends = np.r_[ranked[1:] < ranked[:-1], True]
    best = int(np.argmax(np.where(ends, f1, -1.0)))
    if best + 1 == len(ranked):
        return float(ranked[best] / 2)
    return float((ranked[best] + ranked[best + 1]) / 2)
