"""What an objective allows and what is left of it: error budgets, burn rates, figures from buckets.

Budgets and multi-window burn rates: Site Reliability Workbook (2018), chapter 5. Quantiles of
histograms by linear interpolation within a bucket, as Prometheus' ``histogram_quantile``.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class BurnRule:
    """When a budget is spent too fast.

    Attributes
    ----------
    long_s, short_s : float
        Both windows must burn; the short one ends the alarm soon after the cause has gone.
    factor : float
        Times the rate at which the whole budget lasts exactly its window.
    severity : str
    """

    long_s: float
    short_s: float
    factor: float
    severity: str


#: 2 % of a 30-day budget in an hour, 5 % in six hours: table 5-8 of the chapter.
BURN_RULES: Sequence[BurnRule] = (
    BurnRule(3600.0, 300.0, 14.4, "critical"),
    BurnRule(6 * 3600.0, 1800.0, 6.0, "warning"),
)
#: Of a two-sided 95 % interval.
Z_95 = 1.96


def budget_left(n: float, n_bad: float, target: float) -> float | None:
    """Return the share of the error budget that is left, negative when it is overdrawn.

    Parameters
    ----------
    n, n_bad
        Events in the window, and those of them that count against it.
    target
        Share of good events, in [0, 1); 1 allows nothing and has no budget.

    Returns
    -------
    float or None
        None without events or without a budget.
    """
    allowed = n * (1.0 - target)
    return None if allowed <= 0 else 1.0 - n_bad / allowed


def burn_rate(n: float, n_bad: float, target: float) -> float | None:
    """Return how many times too fast the budget is spent; 1 spends it in exactly its window.

    None without events or without a budget.
    """
    if n <= 0 or target >= 1:
        return None
    return (n_bad / n) / (1.0 - target)


def quantile(buckets: Mapping[float, float], share: float) -> float | None:
    """Return a quantile of bucketed values.

    Parameters
    ----------
    buckets
        Number of values by upper bound, each bucket for itself; positive values, infinity allowed.
    share
        In [0, 1].

    Returns
    -------
    float or None
        None without values. Beyond the last finite bound nothing is known: that bound.
    """
    total = sum(buckets.values())
    if total <= 0:
        return None
    wanted, seen, lower = share * total, 0.0, 0.0
    for bound in sorted(buckets):
        count = buckets[bound]
        if count and seen + count >= wanted:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * max(0.0, wanted - seen) / count
        seen += count
        if not math.isinf(bound):
            lower = bound
    return lower


def n_above(buckets: Mapping[float, float], limit: float) -> float:
    """Return how many values lie above a limit, interpolated within its bucket.

    Parameters
    ----------
    buckets
        As in :func:`quantile`, with every bound of the histogram, also those of empty buckets.
    limit
        Positive and finite.
    """
    above, lower = 0.0, 0.0
    for bound in sorted(buckets):
        count = buckets[bound]
        if lower >= limit or math.isinf(bound):
            above += count
        elif bound > limit:
            above += count * (bound - limit) / (bound - lower)
        if not math.isinf(bound):
            lower = bound
    return above


def interval(n_bad: float, n: float, z: float = Z_95) -> tuple[float, float]:
    """Return both ends of the Wilson score interval of a share (Wilson 1927); n ≥ 1."""
    share = n_bad / n
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
