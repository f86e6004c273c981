"""Kolmogorov-Smirnov: the largest gap between two distribution functions.

Smirnov, Table for Estimating the Goodness of Fit (1948). Its p-value holds for one look at
independent values and is not used: with a look every hundred values, p < .05 alarms in four of five
quiet streams of 10,000.
"""

import numpy as np

from monitoring.engine.detectors.contract import Plain
from monitoring.engine.detectors.gridded import Gridded, shares_up_to
from monitoring.engine.reference import Floats


class KolmogorovSmirnov(Gridded):
    """The gap for one column, on its grid."""

    def summary(self, values: Floats) -> Floats:
        return self.counts(values)

    @property
    def reference(self) -> Floats:
        return self.quiet

    def distance(self, reference: Floats, window: Floats) -> Floats:
        gaps = np.abs(shares_up_to(window) - shares_up_to(reference))
        largest: Floats = gaps.max(axis=-1, initial=0.0)
        return largest


KOLMOGOROV_SMIRNOV = Plain("kolmogorov_smirnov", KolmogorovSmirnov)
