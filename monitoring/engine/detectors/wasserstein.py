"""Wasserstein's first distance, in standard deviations of the reference.

Vallender, Calculation of the Wasserstein Distance Between Probability Distributions on the Line
(1974): the area between two distribution functions. Beyond the reference's values it is the mean
distance from them, which is summed exactly; inside it is taken on the grid. Missing values are left
out; their share is watched by the binned detectors.
"""

from functools import cached_property

import numpy as np

from monitoring.engine.detectors.contract import Plain
from monitoring.engine.detectors.gridded import Gridded
from monitoring.engine.reference import Floats


class Wasserstein(Gridded):
    """The distance for one column; a summary ends with the sums below and above the grid."""

    @cached_property
    def spread(self) -> float:
        """The unit: the reference's standard deviation, 1 when it has none."""
        values = self.column.values
        return float(values.std()) or 1.0 if len(values) else 1.0

    def summary(self, values: Floats) -> Floats:
        seen = values[~np.isnan(values)]
        low, high = (self.points[0], self.points[-1]) if len(self.points) else (0.0, 0.0)
        beyond = (np.maximum(low - seen, 0).sum(), np.maximum(seen - high, 0).sum())
        summary: Floats = np.append(self.counts(values), beyond)
        return summary

    @property
    def reference(self) -> Floats:
        summary: Floats = np.append(self.quiet, (0.0, 0.0))
        return summary

    def draw(self, rng: np.random.Generator, n_values: int, size: tuple[int, ...]) -> Floats:
        counts = super().draw(rng, n_values, size)
        drawn: Floats = np.concatenate([counts, np.zeros((*size, 2))], axis=-1)
        return drawn

    def distance(self, reference: Floats, window: Floats) -> Floats:
        gaps = np.abs(_shares(window) - _shares(reference))
        inside = (gaps[..., :-1] + gaps[..., 1:]) / 2 * np.diff(self.points)
        beyond = np.abs(_beyond(window) - _beyond(reference)).sum(axis=-1)
        area: Floats = (inside.sum(axis=-1) + beyond) / self.spread
        return area


def _seen(summary: Floats) -> Floats:
    seen: Floats = summary[..., :-3].sum(axis=-1, keepdims=True)
    return np.maximum(seen, 1.0)


def _shares(summary: Floats) -> Floats:
    shares: Floats = np.cumsum(summary[..., :-4], axis=-1) / _seen(summary)
    return shares


def _beyond(summary: Floats) -> Floats:
    means: Floats = summary[..., -2:] / _seen(summary)
    return means


WASSERSTEIN = Plain("wasserstein", Wasserstein)
