"""Kullback-Leibler divergence of the window from the reference, in nats.

Kullback and Leibler, On Information and Sufficiency (1951): sum of q ln(q / p) over the bins, q in
the window and p in the reference, both smoothed by half a value.
"""

import numpy as np

from monitoring.engine.detectors.contract import Binned, Plain, smoothed
from monitoring.engine.reference import Floats


def kl(reference: Floats, window: Floats) -> Floats:
    """Return the divergence for counts of shape [..., k], float [...]."""
    p, q = smoothed(reference, window)
    divergence: Floats = (q * np.log(q / p)).sum(axis=-1)
    return np.maximum(divergence, 0.0)


class KullbackLeibler(Binned):
    """The divergence for one column."""

    def distance(self, reference: Floats, window: Floats) -> Floats:
        return kl(reference, window)


KL = Plain("kl", KullbackLeibler)
