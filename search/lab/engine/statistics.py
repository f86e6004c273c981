"""What the samples of a cell say, each figure with its interval.

Intervals are percentile bootstrap (Efron and Tibshirani, 1993) over questions; the throughput's is
over the seconds of the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from search.lab.engine.measuring import Samples

N_BOOTSTRAPS = 1_000
CONFIDENCE = 0.95
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Figure:
    """A figure with the interval of its estimate.

    Attributes
    ----------
    n : int
        Samples behind it.
    """

    value: float
    low: float
    high: float
    n: int

    def overlaps(self, other: "Figure") -> bool:
        """Whether two intervals share a point."""
        return self.low <= other.high and other.low <= self.high


def figures(samples: "Samples", per_second: Mapping[str, Sequence[float]]) -> dict[str, Figure]:
    """Return what tables show of a cell.

    Returns
    -------
    dict
        ``p50``, ``p95``, ``p99`` and ``cpu`` in milliseconds, ``recall`` at 10, and ``throughput``
        in answers a second of the fewest clients.
    """
    fewest = np.asarray(per_second[min(per_second, key=int)], dtype=np.float64)
    return {
        **{name: quantile(samples.wall_ms, share) for name, share in QUANTILES.items()},
        "cpu": quantile(samples.cpu_ms, 0.50),
        "recall": mean(samples.recall_at_10),
        "throughput": throughput(fewest),
    }


def quantile(samples: NDArray[np.float64], share: float, seed: int = 0) -> Figure:
    """Return a quantile of the samples; linear between neighbours."""
    drawn = _resampled(samples, seed)
    return _figure(float(np.quantile(samples, share)), np.quantile(drawn, share, axis=1), samples)


def mean(samples: NDArray[np.float64], seed: int = 0) -> Figure:
    """Return the mean of the samples."""
    return _figure(float(samples.mean()), _resampled(samples, seed).mean(axis=1), samples)


def ratio_of_medians(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], seed: int = 0
) -> Figure:
    """Return the median of ``ours`` over that of ``theirs``.

    Samples of the same questions are resampled together, which takes the difference between
    questions out of the interval; others apart.
    """
    value = float(np.median(ours) / np.median(theirs))
    generator = np.random.default_rng(seed)
    places = generator.integers(0, len(ours), (N_BOOTSTRAPS, len(ours)))
    others = places
    if len(theirs) != len(ours):
        others = generator.integers(0, len(theirs), (N_BOOTSTRAPS, len(theirs)))
    drawn = np.median(ours[places], axis=1) / np.median(theirs[others], axis=1)
    return _figure(value, drawn, ours)


def throughput(per_second: NDArray[np.float64], seed: int = 0) -> Figure:
    """Return answers a second from the answers of each second of a run."""
    return mean(per_second, seed)


def _resampled(samples: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    drawn = samples[generator.integers(0, len(samples), (N_BOOTSTRAPS, len(samples)))]
    return np.asarray(drawn)


def _figure(value: float, drawn: NDArray[np.float64], samples: NDArray[np.float64]) -> Figure:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Figure(value, float(low), float(high), len(samples))
