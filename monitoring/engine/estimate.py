"""Performance without labels: what calibrated probabilities say of themselves.

Confidence-based performance estimation (NannyML; Kivimäki et al., Confidence-Based Estimators for
Predictive Performance in Model Monitoring, 2024): a shot called a defect with probability p is
expected to be a hit with p and a false alarm with 1 - p, and so on for calls of good. It holds
while the probabilities stay calibrated: it sees shots becoming harder, not their meaning changing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitoring.engine.detectors.contract import Additive, drawn_sums
from monitoring.engine.reference import Column, Floats


def expected(probability: Floats, threshold: float) -> Floats:
    """Return the expected numbers of hits, false alarms, misses and correct rejections.

    Parameters
    ----------
    probability : float array, shape [n]
        Calibrated, no NaN.
    threshold : float
        A shot is called a defect from here on.

    Returns
    -------
    float array, shape [4]
    """
    called = probability >= threshold
    defects, calls = probability.sum(), called.sum()
    hits = probability[called].sum()
    misses = defects - hits
    return np.array([hits, calls - hits, misses, len(probability) - calls - misses])


def f1(expected_numbers: Floats) -> Floats:
    """Return F1 for numbers of shape [..., 4], float [...]; 0 where nothing is to be found."""
    hits, false_alarms, misses = (expected_numbers[..., place] for place in range(3))
    total = 2 * hits + false_alarms + misses
    value: Floats = np.divide(2 * hits, total, out=np.zeros_like(total), where=total > 0)
    return value


def figures(expected_numbers: Floats) -> Mapping[str, float]:
    """Return F1, precision and recall for four numbers."""
    hits, false_alarms, misses, _rejections = expected_numbers.tolist()
    return {
        "f1": float(f1(expected_numbers)),
        "precision": hits / (hits + false_alarms) if hits + false_alarms else 0.0,
        "recall": hits / (hits + misses) if hits + misses else 0.0,
    }


@dataclass(frozen=True, eq=False)
class ExpectedLoss(Additive):
    """How far the expected F1 has fallen below that of the reference.

    Attributes
    ----------
    scores : Column
        The reference: calibrated probabilities.
    threshold : float
        Of the version.
    """

    scores: Column
    threshold: float

    def summary(self, values: Floats) -> Floats:
        return expected(values[~np.isnan(values)], self.threshold)

    @cached_property
    def _each(self) -> Floats:
        return np.stack([expected(value, self.threshold) for value in self.scores.values[:, None]])

    @cached_property
    def _total(self) -> Floats:
        total: Floats = self._each.sum(axis=0)
        return total

    @property
    def reference(self) -> Floats:
        return self._total

    @property
    def n_reference(self) -> int:
        return len(self.scores.values)

    def draw(self, rng: np.random.Generator, n_values: int, size: tuple[int, ...]) -> Floats:
        return drawn_sums(rng, self._each, n_values, size)

    def distance(self, reference: Floats, window: Floats) -> Floats:
        return np.maximum(f1(reference) - f1(window), 0.0)
