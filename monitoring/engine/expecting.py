"""Whether data are as expected: shares against limits, with the doubt that few rows leave.

A share counts as too large when even the lower end of its Wilson score interval (Wilson 1927) lies
above the limit, with z = 3: one quiet column in about 740 windows. Fewer than thirty rows say
nothing; both numbers are ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.engine import slo

Z = 3.0
MIN_ROWS = 30
#: How much more than in the baseline is borne; ours.
MORE_NULLS = 0.02
SHARE_OUTSIDE = 0.05
SHARE_ODD = 0.01
SHARE_REPEATED = 0.05
#: Of the hours of the past, and how far beyond their quietest and busiest is still borne; ours.
MIN_HOURS = 24
WEEK_S = 7 * 86_400.0
QUIETEST, BUSIEST = 0.01, 0.99
BEYOND = 3.0
SHARE, ROWS, VALUE = "share", "rows", "value"


@dataclass(frozen=True)
class Failure:
    """One expectation that data do not meet.

    Attributes
    ----------
    rule, column
        Of the expectation; the column is empty for a whole source.
    value, limit
        What was found and what is borne.
    n_bad, n
        Rows it is about, and rows looked at.
    unit
        Of value and limit: ``share``, ``rows``, or ``value`` for that of the column itself.
    """

    rule: str
    column: str
    value: float
    limit: float
    n_bad: int
    n: int
    unit: str = SHARE

    def to_dict(self) -> dict[str, Any]:
        """Return the failure ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Limits:
    """What is expected of the values of a column; None where nothing is."""

    low: float | None = None
    high: float | None = None
    allowed: tuple[float, ...] | None = None


@dataclass(frozen=True, eq=False)
class Tally:
    """What rows were like, by column; columns without anything are left out.

    Attributes
    ----------
    n : int
    nulls, outside, odd : dict of str to int
        Missing values, numbers outside the range, categories that are not allowed.
    n_duplicates : int
        Rows equal to an earlier one of the same rows.
    """

    n: int
    nulls: dict[str, int]
    outside: dict[str, int]
    odd: dict[str, int]
    n_duplicates: int


def tally(matrix: NDArray[np.float64], names: Sequence[str], limits: Mapping[str, Limits]) -> Tally:
    """Count what is missing, outside, odd and repeated.

    Parameters
    ----------
    matrix : float64 array, shape [n, n_columns]
        NaN for missing.
    names
        Of the columns.
    limits
        By column; columns without are only counted for missing values.
    """
    is_null = np.isnan(matrix)
    outside, odd = {}, {}
    for i, name in enumerate(names):
        known = limits.get(name)
        if known is None:
            continue
        seen = matrix[~is_null[:, i], i]
        low = -np.inf if known.low is None else known.low
        high = np.inf if known.high is None else known.high
        outside[name] = int(((seen < low) | (seen > high)).sum())
        if known.allowed is not None:
            odd[name] = int((~np.isin(seen, known.allowed)).sum())
    n_null = is_null.sum(axis=0)
    return Tally(
        n=len(matrix),
        nulls={name: int(n_null[i]) for i, name in enumerate(names) if n_null[i]},
        outside={name: n for name, n in outside.items() if n},
        odd={name: n for name, n in odd.items() if n},
        n_duplicates=_duplicates(matrix),
    )


def _duplicates(matrix: NDArray[np.float64]) -> int:
    """Return how many rows equal an earlier one, missing values equal to one another."""
    if len(matrix) < 2:
        return 0
    plain = np.ascontiguousarray(np.where(np.isnan(matrix), np.inf, matrix))
    as_bytes = plain.view(np.dtype((np.void, plain.dtype.itemsize * plain.shape[1])))
    return len(matrix) - len(np.unique(as_bytes))


def surely_above(n_bad: int, n: int, limit: float) -> bool:
    """Whether a share is above a limit with hardly any doubt."""
    if n < MIN_ROWS or n_bad == 0:
        return False
    return slo.interval(n_bad, n, Z)[0] > limit


def null_limit(share: float) -> float:
    """Return the share of missing values that is borne, from that of the baseline."""
    return min(1.0, share + max(MORE_NULLS, share / 2))


def volume_limits(hourly: Sequence[int]) -> tuple[float, float] | None:
    """Return how few and how many rows an hour are borne, from the hours that had any.

    None before there are enough hours.
    """
    if len(hourly) < MIN_HOURS:
        return None
    quiet, busy = np.quantile(np.array(hourly, dtype=np.float64), [QUIETEST, BUSIEST])
    return float(quiet / BEYOND), float(busy * BEYOND)


def silence_limit_s(hours: Sequence[float]) -> float | None:
    """Return how long a source may be silent, in seconds, from the starts of its active hours.

    Twice the longest silence of the past and at least two hours; None before there are enough
    hours over a whole week, so that a week-end has been seen.

    Parameters
    ----------
    hours
        Seconds since 1970, ascending.
    """
    if len(hours) < MIN_HOURS or hours[-1] - hours[0] < WEEK_S:
        return None
    longest = float(np.diff(np.array(hours)).max())
    return max(7200.0, 2.0 * longest)
