"""Whether a load has settled: its rate and its compaction debt no longer move.

The second half of the seconds after the warm-up is judged. Its trend is Theil and Sen's (the median
of all pairwise slopes; Sen 1968), which single stalls do not move. The bounds are ours and are held
by the tests of this module.
"""

from dataclasses import dataclass

import numpy as np

from tuning.engine.contract import Samples

#: Seconds that the judged half needs.
FEWEST_S = 5
#: The rate may drift by this share of its mean over the judged seconds.
RATE_DRIFT = 0.20
#: Debt may grow by this share of the bytes put in the judged seconds.
DEBT_GROWTH = 0.20


@dataclass(frozen=True)
class Verdict:
    """Whether a load is steady and why, in a whole English sentence."""

    steady: bool
    why: str


def judged(rate_per_s: Samples, debt_bytes: Samples, bytes_per_s: Samples, warmup: int) -> Verdict:
    """Judge a load by its seconds.

    Parameters
    ----------
    rate_per_s, debt_bytes, bytes_per_s : float64 [seconds]
        Operations, compaction debt and bytes handed over in each second.
    warmup : int
        Seconds to leave out.
    """
    n = len(rate_per_s) - warmup
    half = n // 2
    if half < FEWEST_S:
        return Verdict(
            steady=False,
            why=f"Not steady: only {max(n, 0)} s after the warm-up, {2 * FEWEST_S} are needed.",
        )
    rates = rate_per_s[-half:]
    mean = float(rates.mean())
    if mean <= 0:
        return Verdict(steady=False, why="Not steady: nothing was done in the last seconds.")
    drift = abs(slope(rates)) * half / mean
    if drift > RATE_DRIFT:
        return Verdict(
            steady=False,
            why=f"Not steady: the rate moved by {drift:.0%} in the last {half} s.",
        )
    growth = slope(debt_bytes[-half:]) * half / max(float(bytes_per_s[-half:].sum()), 1.0)
    if growth > DEBT_GROWTH:
        return Verdict(
            steady=False,
            why=f"Not steady: {growth:.0%} of what was put in the last {half} s became debt.",
        )
    return Verdict(
        steady=True,
        why=f"Steady: rate within {drift:.0%} and debt within {max(growth, 0):.0%} over {half} s.",
    )


def slope(values: Samples) -> float:
    """Return the median of all pairwise slopes, per step."""
    first, second = np.triu_indices(len(values), k=1)
    return float(np.median((values[second] - values[first]) / (second - first)))
