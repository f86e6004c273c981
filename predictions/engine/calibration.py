"""Platt calibration: raw log-odds into probabilities, and the curve that shows how true they are.

Fitted on raw scores of rows the scoring model has not seen. Method: Platt (1999) with his smoothed
targets, minimised by Newton steps with backtracking as in Lin, Lin and Weng, Machine Learning 68
(2007) 267.
"""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]

MAX_STEPS = 100
GRADIENT_TOLERANCE = 1e-9
RIDGE = 1e-12
N_CURVE_BINS = 10
#: Two-sided 95 % point of the normal distribution.
Z_95 = 1.959964


@dataclass(frozen=True)
class Calibration:
    """A probability from a raw score: ``1 / (1 + exp(-(slope * raw + intercept)))``.

    Attributes
    ----------
    slope : float
        0 when raw scores did not rise with defects; the probability is then the defect share.
    intercept : float
    """

    slope: float
    intercept: float

    def probability(self, raw: Floats) -> Floats:
        """Return probabilities in (0, 1) for raw log-odds, same shape."""
        probability: Floats = expit(self.slope * raw + self.intercept)
        return probability

    def to_dict(self) -> dict[str, float]:
        """Return the two numbers ready for JSON."""
        return asdict(self)


def fit_platt(raw: Floats, labels: NDArray[np.bool_]) -> Calibration:
    """Fit slope and intercept.

    Parameters
    ----------
    raw : float array, shape [n]
        Finite raw scores of rows the model was not trained on.
    labels : bool array, shape [n]
        Whether each was a defect.

    Returns
    -------
    Calibration
        With a slope of at least 0.
    """
    n_defects = int(labels.sum())
    n_good = len(labels) - n_defects
    target = np.where(labels, (n_defects + 1) / (n_defects + 2), 1 / (n_good + 2))
    base = np.log((n_defects + 1) / (n_good + 1))
    slope, intercept = _newton(raw, target, np.array([0.0, base]))
    if slope <= 0:
        return Calibration(0.0, float(base))
    return Calibration(float(slope), float(intercept))


def _newton(raw: Floats, target: Floats, start: Floats) -> Floats:
    """Minimise the cross-entropy of ``expit(a * raw + b)`` and the targets over (a, b)."""
    design = np.column_stack([raw, np.ones_like(raw)])
    weights = start
    loss = _cross_entropy(design @ weights, target)
    for _ in range(MAX_STEPS):
        probability = expit(design @ weights)
        gradient = design.T @ (probability - target)
        if np.abs(gradient).max() < GRADIENT_TOLERANCE * len(raw):
            break
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design
        step = np.linalg.solve(curvature + RIDGE * np.eye(2), gradient)
        length = 1.0
        while length > 1e-10:
            tried = weights - length * step
            tried_loss = _cross_entropy(design @ tried, target)
            if tried_loss <= loss - 1e-4 * length * float(gradient @ step):
                break
            length /= 2
        else:
            break
        weights, loss = tried, tried_loss
    return weights


def _cross_entropy(raw: Floats, target: Floats) -> float:
    return float(np.sum(np.logaddexp(0.0, raw) - target * raw))


@dataclass(frozen=True)
class CurvePoint:
    """One bin of a reliability plot.

    Attributes
    ----------
    predicted : float
        Mean probability of the bin.
    observed : float
        Share of defects in it.
    n : int
        Shots in it.
    low, high : float
        95 % interval of the observed share (Wilson, JASA 22 (1927) 209).
    """

    predicted: float
    observed: float
    n: int
    low: float
    high: float


def calibration_curve(
    labels: NDArray[np.bool_], probability: Floats, n_bins: int = N_CURVE_BINS
) -> tuple[CurvePoint, ...]:
    """Return the reliability curve over bins of equal count, in ascending probability."""
    order = np.argsort(probability, kind="stable")
    return tuple(
        _point(probability[part], labels[part])
        for part in np.array_split(order, n_bins)
        if len(part)
    )


def _point(probability: Floats, labels: NDArray[np.bool_]) -> CurvePoint:
    n, share = len(labels), float(labels.mean())
    low, high = wilson(share, n)
    return CurvePoint(float(probability.mean()), share, n, low, high)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share observed n ≥ 1 times."""
    squared = Z_95**2 / n
    middle = (share + squared / 2) / (1 + squared)
    half = Z_95 / (1 + squared) * np.sqrt(share * (1 - share) / n + squared / (4 * n))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
