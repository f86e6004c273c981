"""How large the largest of many quiet looks becomes.

The maximum of a statistic over a quiet stream of fixed length follows a Gumbel law when the tail of
the statistic falls about exponentially (Fisher and Tippett 1928; Embrechts, Klüppelberg and Mikosch
1997, ch. 3); those of the divergences here fall as fast or faster, which errs towards fewer alarms.
The law is fitted by probability-weighted moments (Greenwood et al. 1979; Hosking 1990), and tells
the threshold for any rate of false alarms, rarer than could be simulated.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from monitoring.engine.reference import Floats, NotEnough

EULER = 0.5772156649015329
MIN_MAXIMA = 20


@dataclass(frozen=True)
class Extremes:
    """The law of the largest statistic in quiet streams of one length.

    Attributes
    ----------
    location, scale : float
        Of the Gumbel law; the scale is 0 when all maxima were the same.
    length : int
        Values in each stream.
    n_streams : int
        Streams looked at.
    largest : float
        The largest statistic met.
    """

    location: float
    scale: float
    length: int
    n_streams: int
    largest: float

    def threshold(self, rate: float) -> float:
        """Return the threshold that is exceeded in `rate` streams per value, on average.

        Parameters
        ----------
        rate : float
            Wanted false alarms per value looked at, above 0; at most one in a stream.
        """
        expected = min(rate * self.length, 1.0)
        # A stream stays quiet with exp(-expected), and Gumbel's law says exp(-exp(-z)).
        return self.location - self.scale * math.log(expected)

    def to_dict(self) -> dict[str, Any]:
        """Return the law ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Extremes":
        """Rebuild a law from `to_dict`."""
        return cls(**content)


def fit(maxima: Floats, length: int) -> Extremes:
    """Fit the law to the maxima of quiet streams.

    Parameters
    ----------
    maxima : float array, shape [n_streams]
        The largest statistic of each stream.
    length : int
        Values in each stream.

    Raises
    ------
    NotEnough
        With fewer than `MIN_MAXIMA` streams.
    """
    n = len(maxima)
    if n < MIN_MAXIMA:
        raise NotEnough(f"There are {n} streams; a law needs at least {MIN_MAXIMA}.")
    ordered = np.sort(maxima)
    first = float(ordered.mean())
    weighted = float((np.arange(n) / (n - 1) * ordered).mean())
    scale = max(0.0, (2 * weighted - first) / math.log(2))
    return Extremes(first - EULER * scale, scale, length, n, float(ordered[-1]))
