"""Latencies in buckets of equal ratio, so that a trial of any length keeps every one of them.

A bucket is 2**(1/16) wide: a percentile is off by at most 4.4 %, as in an HDR histogram of that
resolution.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tuning.engine.contract import Samples

PER_OCTAVE = 16
#: From 1 ns to over an hour.
N_BUCKETS = 42 * PER_OCTAVE


def counted(latencies_ns: NDArray[np.int64]) -> Samples:
    """Return how many latencies fell into each bucket."""
    places = np.log2(np.maximum(latencies_ns, 1)) * PER_OCTAVE
    places = np.minimum(places.astype(np.int64), N_BUCKETS - 1)
    return np.bincount(places, minlength=N_BUCKETS).astype(float)


def quantile_us(counts: Samples, share: float) -> float:
    """Return a quantile in microseconds, linear within its bucket; 0 for no latencies."""
    total = float(counts.sum())
    if total == 0:
        return 0.0
    cumulated = np.cumsum(counts)
    bucket = int(np.searchsorted(cumulated, share * total))
    bucket = min(bucket, N_BUCKETS - 1)
    before = float(cumulated[bucket - 1]) if bucket else 0.0
    within = (share * total - before) / max(float(counts[bucket]), 1.0)
    return float(2.0 ** ((bucket + min(max(within, 0.0), 1.0)) / PER_OCTAVE)) / 1e3


def mean_us(counts: Samples) -> float:
    """Return the mean in microseconds, each latency at the middle of its bucket; 0 for none."""
    total = float(counts.sum())
    middles = edges_us() * 2.0 ** (0.5 / PER_OCTAVE)
    return float((counts * middles).sum() / total) if total else 0.0


def edges_us() -> Samples:
    """Return the lower edge of each bucket in microseconds."""
    return np.asarray(2.0 ** (np.arange(N_BUCKETS) / PER_OCTAVE) / 1e3, dtype=float)


def percentiles(name: str, counts: Samples) -> Mapping[str, float]:
    """Return the usual percentiles, named as in the table of metrics."""
    shares = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "p999": 0.999}
    return {f"{name}_{key}_us": quantile_us(counts, share) for key, share in shares.items()}
