"""Is the candidate better than what is in use? Decided in pairs, looked at after each of them.

Candidate and current options are measured one after the other, A B B A, so that what drifts hits
both alike. A pair gives one number: the weighted logarithm of how much better the candidate did.
Whoever looks after every pair and stops when it pleases him would find a gain in noise, sooner or
later; the interval here is a confidence sequence: it covers the true mean at all looks at once.

The sequence is that of Lai (1976) as given by Wang and Ramdas (2025, "Anytime-valid t-tests and
confidence sequences for Gaussian means with unknown variance", proposition 4.7): a t-test whose
effect, in standard deviations, is mixed over a normal distribution.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["better", "worse", "no_effect"]
#: Why it ended: the interval left out "no gain" or lay within the margin, the budget was spent, a
#: guard-rail was broken, or the search found nothing to prove.
Ground = Literal["interval", "equivalent", "budget", "guards", "search"]

#: Ours, as the two below: one study in twenty may be wrong, in either direction.
ALPHA = 0.05
#: A difference smaller than 2 % is none; benchmarks/tuning/sham.py shows what it costs.
MARGIN = math.log(1.02)
#: Precision of the mixture: effects of about two standard deviations are decided soonest, which
#: is what four to twelve pairs can decide at all.
PRECISION = 0.25
#: With fewer pairs the interval is infinite whatever they say.
MIN_PAIRS = 4


@dataclass(frozen=True)
class Interval:
    """What some pairs say of the gain; logarithms.

    Attributes
    ----------
    mean, low, high : float
        Of the log ratio; above 0 the candidate is better.
    n_pairs : int
    """

    mean: float
    low: float
    high: float
    n_pairs: int

    @property
    def ratio(self) -> float:
        """How many times as good the candidate is."""
        return math.exp(self.mean)

    @property
    def ratio_low(self) -> float:
        """Lower end of the ratio's interval; 0 when it is open."""
        return math.exp(self.low)

    @property
    def ratio_high(self) -> float:
        """Upper end of the ratio's interval; infinite when it is open."""
        return math.exp(self.high) if self.high < math.inf else math.inf


@dataclass(frozen=True)
class Proof:
    """Where a proof stands, or how it ended.

    Attributes
    ----------
    verdict : str
        Empty while undecided.
    ground : str
        Why it ended.
    """

    interval: Interval
    verdict: Verdict | Literal[""] = ""
    ground: Ground | Literal[""] = ""
    alpha: float = ALPHA
    margin: float = MARGIN

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON; open ends are None."""
        found = self.interval
        return asdict(self) | {
            "interval": {
                "n_pairs": found.n_pairs,
                "ratio": found.ratio if found.n_pairs else None,
                "low": found.ratio_low if found.low > -math.inf else None,
                "high": found.ratio_high if found.high < math.inf else None,
            }
        }


def interval(log_ratios: Sequence[float], alpha: float = ALPHA) -> Interval:
    """Return the confidence sequence at this look.

    Parameters
    ----------
    log_ratios : sequence of float
        One a pair, finite, in the order measured.
    alpha : float
        How often at most the sequence may ever leave out the true mean.
    """
    values: NDArray[np.float64] = np.asarray(log_ratios, dtype=np.float64)
    count = len(values)
    if not count:
        return Interval(0.0, -math.inf, math.inf, 0)
    mean = float(values.mean())
    spread = float(np.mean((values - mean) ** 2))
    whole = count + PRECISION
    bound = math.sqrt(whole / PRECISION) / alpha
    power = bound ** (2 / count)
    room = whole - power * PRECISION
    if count < MIN_PAIRS or room <= 0:
        return Interval(mean, -math.inf, math.inf, count)
    half = math.sqrt((power - 1) * whole * spread / room)
    return Interval(mean, mean - half, mean + half, count)


def judge(
    log_ratios: Sequence[float],
    *,
    is_last: bool = False,
    keeps_guards: bool = True,
    alpha: float = ALPHA,
    margin: float = MARGIN,
) -> Proof:
    """Say where a proof stands after some pairs.

    Parameters
    ----------
    log_ratios : sequence of float
        One a pair; above 0 the candidate did better.
    is_last : bool
        Whether the budget is spent: what is not decided now has no effect that could be shown.
    keeps_guards : bool
        Whether the candidate kept its guard-rails in these pairs.
    margin : float
        A difference whose whole interval is smaller is none.
    """
    found = interval(log_ratios, alpha)
    verdict, ground = _decided(found, margin)
    if is_last and not verdict:
        verdict, ground = "no_effect", "budget"
    if verdict == "better" and not keeps_guards:
        verdict, ground = "worse", "guards"
    return Proof(found, verdict, ground, alpha, margin)


def _decided(found: Interval, margin: float) -> tuple[Verdict | Literal[""], Ground | Literal[""]]:
    if -margin < found.low and found.high < margin:
        return "no_effect", "equivalent"
    if found.low > 0:
        return "better", "interval"
    if found.high < 0:
        return "worse", "interval"
    return "", ""


def order(pair: int, seed: int) -> tuple[bool, bool]:
    """Return which of the two is measured first and second in a pair; True is the candidate.

    Pairs come in twos, the second turned round: A B B A or B A A B, drawn by the seed, so that a
    drift along the way cancels within each two.
    """
    drawn = np.random.default_rng((seed, pair // 2)).integers(2) == 1
    first = bool(drawn) != (pair % 2 == 1)
    return first, not first
