"""Fit calibrators on raw scores, and draw the curve that shows how true probabilities are.

Fitted on raw scores of rows the scoring model has not seen.

Platt (1999) with his smoothed targets: a straight line in log-odds, minimised by Newton steps with
backtracking as in Lin, Lin and Weng, Machine Learning 68 (2007) 267.

Isotonic: pool adjacent violators (Ayer and others, Annals of Mathematical Statistics 26 (1955)
641), joined at the centres of its blocks (centred isotonic regression; Oron and Flournoy,
Statistics in Biopharmaceutical Research 9 (2017) 258), by straight lines in log-odds. Textbook
steps jump from one block to the next: two shots that differ in the last digit get different
probabilities, and single precision would serve others than were judged. Joined centres rise
strictly, so no ranking is lost between them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictions.engine.calibrators import Calibrator, Isotonic, Platt, expit

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MAX_STEPS = 100
GRADIENT_TOLERANCE = 1e-9
RIDGE = 1e-12
N_CURVE_BINS = 10
#: Fewest shots, and least share of all, that a block of the isotonic curve rests on; ours, see
#: `test_isotonic_probabilities_hold_on_new_shots`.
MIN_BLOCK, MIN_BLOCK_SHARE = 20, 0.01
#: Steepest piece of the isotonic curve; ours: single precision of the score then stays ten times
#: under the parity that serving owes.
MAX_SLOPE = 8.0
#: Two-sided 95 % point of the normal distribution.
Z_95 = 1.959964


def fit_platt(raw: Floats, labels: Bools) -> Platt:
    """Fit slope and intercept.

    Parameters
    ----------
    raw : float array, shape [n]
        Finite raw scores of rows the model was not trained on.
    labels : bool array, shape [n]
        Whether each was a defect.

    Returns
    -------
    Platt
        With a slope of at least 0.
    """
    n_defects = int(labels.sum())
    n_good = len(labels) - n_defects
    target = np.where(labels, (n_defects + 1) / (n_defects + 2), 1 / (n_good + 2))
    base = np.log((n_defects + 1) / (n_good + 1))
    slope, intercept = _newton(raw, target, np.array([0.0, base]))
    if slope <= 0:
        return Platt(0.0, float(base))
    return Platt(float(slope), float(intercept))


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


def fit_isotonic(raw: Floats, labels: Bools) -> Isotonic:
    """Fit a rising curve through the defect shares of blocks.

    Parameters
    ----------
    raw, labels
        As in `fit_platt`; both classes must occur.

    Returns
    -------
    Isotonic
        One knot, the defect share, when raw scores did not rise with defects.
    """
    blocks = _pooled(_counted(raw, labels), lambda blocks: np.diff(blocks.share) <= 0)
    least = max(MIN_BLOCK, MIN_BLOCK_SHARE * len(raw))
    while len(blocks.n) > 1 and blocks.n.min() < least:
        blocks = blocks.joined(_nearer(blocks, int(blocks.n.argmin())))
    while len(blocks.n) > 1 and (slopes := _curve(blocks).slopes).max() > MAX_SLOPE:
        blocks = blocks.joined(int(slopes.argmax()))
    return _curve(blocks)


#: How raw scores can be calibrated.
FITS: Mapping[str, Callable[[Floats, Bools], Calibrator]] = {
    Platt.method: fit_platt,
    Isotonic.method: fit_isotonic,
}


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Shots in blocks of rising score: how many, how many defects, and the sum of their scores."""

    n: Floats
    n_defects: Floats
    total: Floats

    @property
    def share(self) -> Floats:
        return self.n_defects / self.n

    @property
    def centre(self) -> Floats:
        return self.total / self.n

    def joined(self, first: int) -> "_Blocks":
        """Return the blocks with one of them and the next made one."""
        starts = np.delete(np.arange(len(self.n)), first + 1)
        return self.summed(starts)

    def summed(self, starts: NDArray[np.intp]) -> "_Blocks":
        return _Blocks(*(np.add.reduceat(x, starts) for x in (self.n, self.n_defects, self.total)))


def _counted(raw: Floats, labels: Bools) -> _Blocks:
    """Return one block for each distinct score."""
    scores, numbers, n = np.unique(raw, return_inverse=True, return_counts=True)
    n_defects = np.bincount(numbers, weights=labels.astype(np.float64), minlength=len(scores))
    return _Blocks(n.astype(np.float64), n_defects.astype(np.float64), scores * n)


def _pooled(blocks: _Blocks, violates: Callable[[_Blocks], Bools]) -> _Blocks:
    """Join neighbours until none violates; runs of violators are joined at once."""
    while (wrong := violates(blocks)).any():
        blocks = blocks.summed(np.flatnonzero(np.r_[True, ~wrong]))
    return blocks


def _nearer(blocks: _Blocks, place: int) -> int:
    """Return which pair to join so that a block finds the neighbour with the nearer share."""
    if place in {0, len(blocks.n) - 1}:
        return min(place, len(blocks.n) - 2)
    below, above = np.diff(blocks.share)[place - 1 : place + 1]
    return place - 1 if below <= above else place


def _curve(blocks: _Blocks) -> Isotonic:
    """Return the curve through the blocks' centres; the ends are kept from 0 and 1.

    A first block without a defect, and a last one of nothing else, get what one more shot of the
    whole's share would make of them, but no more than half way to their neighbour.
    """
    share, whole = blocks.share.copy(), blocks.n_defects.sum() / blocks.n.sum()
    if share[0] == 0:
        share[0] = min(whole / (blocks.n[0] + 1), share[1] / 2)
    if share[-1] == 1:
        share[-1] = max(1 - (1 - whole) / (blocks.n[-1] + 1), (1 + share[-2]) / 2)
    return Isotonic(blocks.centre, np.log(share / (1 - share)))


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
