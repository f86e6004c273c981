"""Performance by labels that came later: whether the model errs more than it should.

The quadratic score of Brier (Verification of Forecasts Expressed in Terms of Probability, 1950) of
labelled shots in a window, above the score that the version earned when it was judged. While its
probabilities hold, a shot of probability p is a defect with p, which is how quiet streams are drawn
(as in Spiegelhalter's test, Probabilistic Prediction in Patient Management, 1986).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitoring.engine.detectors.contract import Additive
from monitoring.engine.reference import Column, Floats

#: Blocks a window is cut into, draws of them, and the share of draws that may lie below; ours.
N_BLOCKS, N_DRAWS, SURE = 20, 1_000, 0.01


@dataclass(frozen=True, eq=False)
class RealizedLoss(Additive):
    """Brier score of a window above that of the reference.

    Values are rows of probability and label, float [n, 2]; a summary is their number and the sum of
    their squared errors.

    Attributes
    ----------
    scores : Column
        Calibrated probabilities of the reference.
    judged : float or None
        Brier score with which the version was judged; without one, what its probabilities promise.
    """

    scores: Column
    judged: float | None = None

    def summary(self, values: Floats) -> Floats:
        errors = (values[:, 0] - values[:, 1]) ** 2
        return np.array([len(values), errors.sum()])

    @cached_property
    def promised(self) -> float:
        """The score that calibrated probabilities would earn."""
        p = self.scores.values
        return float((p * (1 - p)).mean()) if len(p) else 0.0

    @property
    def reference(self) -> Floats:
        # What is known of the version is that mean; as many rows stand behind it as were kept.
        n = max(self.n_reference, 1)
        mean = self.promised if self.judged is None else max(self.judged, self.promised)
        return np.array([n, n * mean])

    @property
    def n_reference(self) -> int:
        return len(self.scores.values)

    def draw(self, rng: np.random.Generator, n_values: int, size: tuple[int, ...]) -> Floats:
        p = rng.choice(self.scores.values, (*size, n_values))
        errors = (p - (rng.random(p.shape) < p)) ** 2
        return np.stack([np.full(size, float(n_values)), errors.sum(axis=-1)], axis=-1)

    def distance(self, reference: Floats, window: Floats) -> Floats:
        rise = _mean(window) - _mean(reference)
        return np.maximum(rise, 0.0)


def surely_risen(errors: Floats, mean: float, rng: np.random.Generator) -> bool:
    """Whether errors are above a mean even if neighbours fail together.

    Defects come in runs, so blocks of neighbours are drawn, not single shots (moving-block
    bootstrap, Künsch 1989).

    Parameters
    ----------
    errors : float array, shape [n]
        Squared errors in order of time.
    mean : float
        What they are expected to average.
    rng
        Draws the blocks.
    """
    n = len(errors)
    size = max(1, n // N_BLOCKS)
    starts = rng.integers(0, n - size + 1, (N_DRAWS, max(1, n // size)))
    places = starts[:, :, None] + np.arange(size)
    means = errors[places].mean(axis=(1, 2))
    return bool(np.quantile(means, SURE) > mean)


def _mean(summary: Floats) -> Floats:
    mean: Floats = summary[..., 1] / np.maximum(summary[..., 0], 1)
    return mean
