"""Population stability index: the Kullback-Leibler divergence there and back.

Siddiqi, Credit Risk Scorecards (2006), ch. 10: sum of (q - p) ln(q / p) over the bins. The usual
limits of 0.1 and 0.2 come without window size or false-alarm rate and are not used.
"""

import numpy as np

from monitoring.engine.detectors.contract import Binned, Plain, smoothed
from monitoring.engine.reference import Floats


def psi(reference: Floats, window: Floats) -> Floats:
    """Return the index for counts of shape [..., k], float [...]."""
    p, q = smoothed(reference, window)
    index: Floats = ((q - p) * np.log(q / p)).sum(axis=-1)
    return index


class PopulationStability(Binned):
    """The index for one column."""

    def distance(self, reference: Floats, window: Floats) -> Floats:
        return psi(reference, window)


PSI = Plain("psi", PopulationStability)
