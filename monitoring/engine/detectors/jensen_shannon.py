"""Jensen-Shannon divergence, in nats: never above ln 2, whatever the bins.

Lin, Divergence Measures Based on the Shannon Entropy (1991): mean divergence of both sides from
their middle.
"""

import numpy as np

from monitoring.engine.detectors.contract import Binned, Plain, smoothed
from monitoring.engine.reference import Floats


def jensen_shannon(reference: Floats, window: Floats) -> Floats:
    """Return the divergence for counts of shape [..., k], float [...]."""
    p, q = smoothed(reference, window)
    middle = (p + q) / 2
    parts = q * np.log(q / middle) + p * np.log(p / middle)
    divergence: Floats = parts.sum(axis=-1) / 2
    return np.maximum(divergence, 0.0)


class JensenShannon(Binned):
    """The divergence for one column."""

    def distance(self, reference: Floats, window: Floats) -> Floats:
        return jensen_shannon(reference, window)


JENSEN_SHANNON = Plain("jensen_shannon", JensenShannon)
