"""Page-Hinkley: how far the cumulated deviation from the running mean has left its extreme.

Page, Continuous Inspection Schemes (1954); Hinkley (1971); the form with a forgetting factor is
that of river.drift.PageHinkley, whose threshold this statistic is compared with: river signals at
some point of the sequence exactly when the statistic is above its threshold.
"""

import numpy as np

from monitoring.engine.detectors.contract import Plain
from monitoring.engine.detectors.ordered import Ordered
from monitoring.engine.reference import Floats

#: River's defaults; the deviation allowed is in units of the reference's spread.
ALLOWED = 0.005
FORGETTING = 0.9999
MIN_VALUES = 30


def page_hinkley(values: Floats) -> Floats:
    """Return the test value after each of some values, float [n]; 0 before the 30th."""
    n = len(values)
    deviation = values - np.cumsum(values) / np.arange(1, n + 1)
    rise = _test(deviation - ALLOWED)
    fall = _test(-(deviation + ALLOWED))
    found = np.maximum(rise, fall)
    found[: MIN_VALUES - 1] = 0.0
    return found


def _test(deviation: Floats) -> Floats:
    """Return how far the fading sum of deviations is above its least value so far."""
    total = _faded(deviation)
    return total - np.minimum.accumulate(total)


def _faded(deviation: Floats) -> Floats:
    """Return sums in which every older value counts a little less."""
    powers = FORGETTING ** np.arange(len(deviation), dtype=np.float64)
    faded: Floats = np.cumsum(deviation / powers) * powers
    return faded


class PageHinkley(Ordered):
    """The largest test value in the window."""

    def score(self, quiet: Floats, window: Floats) -> float:
        return float(page_hinkley(np.concatenate([quiet, window]))[len(quiet) :].max())


PAGE_HINKLEY = Plain("page_hinkley", PageHinkley, is_ordered=True)
