"""ADWIN: whether a window can be cut in two parts whose means differ too much.

Bifet and Gavaldà, Learning from Time-Changing Data with Adaptive Windowing (2007), as river builds
it. ADWIN answers yes or no for a confidence δ, so it is asked for a ladder of them: the statistic
is -log10 of the smallest δ that still says yes. River's default is δ = 0.002. Its bound holds for
any values in [0, 1]; for skewed ones it is loose, so it sees little there.
"""

import math
from typing import Any

import numpy as np

from monitoring.engine.detectors.contract import Plain
from monitoring.engine.detectors.ordered import Ordered
from monitoring.engine.reference import Floats

LADDER = (0.3, 0.1, 0.03, 0.01, 0.002, 5e-4, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10, 1e-13, 1e-16)


def _signals(delta: float, quiet: Floats, window: Floats) -> bool:
    from river.drift import ADWIN  # noqa: PLC0415 - a second and 180 MB, for those who chose it

    made: Any = ADWIN  # its methods carry no types
    detector = made(delta=delta)
    for value in quiet.tolist():
        detector.update(value)
    for value in window.tolist():
        detector.update(value)
        if detector.drift_detected:
            return True
    return False


class AdaptiveWindow(Ordered):
    """The smallest confidence at which the window is cut."""

    def score(self, quiet: Floats, window: Floats) -> float:
        known = np.concatenate([quiet, window])
        low, high = known.min(), known.max()
        span = (high - low) or 1.0
        first, rest = (quiet - low) / span, (window - low) / span
        found = 0.0
        for delta in LADDER:
            if not _signals(delta, first, rest):
                break
            found = -math.log10(delta)
        return found


ADWIN = Plain("adwin", AdaptiveWindow, is_ordered=True)
