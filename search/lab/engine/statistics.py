"""What the samples of a cell say, each figure with its interval.

A cell is measured in passes, each a process of its own that opens the index anew, and all passes
ask the same questions. Two things make a repetition differ: other questions of the kind, and
another process at another time, whose memory lies elsewhere and whose core runs at another
frequency. The first is a percentile bootstrap over questions (Efron and Tibshirani, 1993), each
drawn with its answers of all passes; the second follows from the spread of the passes by Student's
t. The margins of both are joined as the square root of the sum of their squares (Zou and Donner,
2008). With one pass nothing is known of the second, so the interval speaks of the questions alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from search.lab.engine.measuring import Samples

Floats = NDArray[np.float64]
#: Of samples [..., n] returns [...].
Estimate = Callable[[Floats], Floats]

N_BOOTSTRAPS = 1_000
CONFIDENCE = 0.95
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_TAIL = (1 - CONFIDENCE) / 2
#: Independent rows that the ten of a question are worth: a graph that misses one misses others near
#: it. In the matrix of docs/benchmarks recall varies up to 1.8 times as much as ten would. Ours.
_ROWS_A_QUESTION = 10 / 2


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

    def __str__(self) -> str:
        return spanned(self.value, self.low, self.high)

    def overlaps(self, other: "Figure") -> bool:
        """Whether two intervals share a point."""
        return self.low <= other.high and other.low <= self.high


def significant(value: float) -> str:
    """Return a figure for people: three digits, zeros at the end kept, never an exponent above."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:#.3g}"


def spanned(value: float, low: float, high: float) -> str:
    """Return a figure and its interval for people."""
    return f"{significant(value)} ({significant(low)}-{significant(high)})"


def figures(samples: "Samples", answers: Figure) -> dict[str, Figure]:
    """Return what tables show of a cell.

    Parameters
    ----------
    answers : Figure
        A second, of the fewest clients.

    Returns
    -------
    dict
        ``p50``, ``p95``, ``p99`` and ``cpu`` in milliseconds, ``recall`` at 10, and ``throughput``.
    """
    wall, cpu = samples.grid(samples.wall_ms), samples.grid(samples.cpu_ms)
    recalls = samples.grid(samples.recall_at_10)
    return {
        **{name: over_passes(wall, _quantile(share)) for name, share in QUANTILES.items()},
        "cpu": over_passes(cpu, _quantile(0.50)),
        "recall": _shown(over_passes(recalls, _mean, is_ratio=False), recalls.shape[1]),
        "throughput": answers,
    }


def rates(per_second: Mapping[str, Sequence[float]]) -> dict[str, Figure]:
    """Return answers a second by the number of clients.

    Parameters
    ----------
    per_second : mapping
        Rates of each pass, or of the parts of the only one: the interval holds where another pass,
        as many as these, would find it, by Student's t.
    """
    return {count: _rate(np.asarray(own, dtype=np.float64)) for count, own in per_second.items()}


def _rate(own: Floats) -> Figure:
    is_ratio = bool((own > 0).all())
    levels = np.log(own) if is_ratio else own
    middle, margin = float(levels.mean()), _run_margin(levels) * float(np.sqrt(2.0))
    ends = np.array([middle, middle - margin, middle + margin])
    value, low, high = (np.exp(ends) if is_ratio else np.maximum(0.0, ends)).tolist()
    return Figure(value, low, high, len(own))


def counted_once(samples: "Samples", per_second: Mapping[str, Sequence[float]]) -> Figure:
    """Return the answers a second of a cell whose answers were counted in its first pass alone.

    Their spread from one run to another is that of the passes' mean latency.
    """
    fewest = np.asarray(per_second[min(per_second, key=int)], dtype=np.float64)
    return throughput(fewest, samples.grid(samples.wall_ms).mean(axis=1))


def over_passes(
    grid: Floats, estimate: Estimate, *, is_ratio: bool = True, seed: int = 0
) -> Figure:
    """Return an estimate with the interval in which a repetition of all passes would find it.

    Parameters
    ----------
    grid : float64 [n_passes, n_questions]
        The same questions in every pass.
    estimate : callable
        Of the questions of a pass.
    is_ratio : bool
        Whether passes differ by factors, as times do; their geometric mean is the figure then.
    """
    own = estimate(grid)
    is_ratio = is_ratio and bool((own > 0).all())
    to = np.log if is_ratio else _same
    levels = to(own)
    middle = float(levels.mean())
    drawn = np.zeros(N_BOOTSTRAPS)
    places = _places(grid.shape[1], seed)
    for row in grid:
        drawn += to(estimate(row[places])) / len(grid)
    run = _run_margin(levels) * np.sqrt(2.0)
    ends = np.array([middle, *_joined(middle, drawn, run)])
    value, low, high = (np.exp(ends) if is_ratio else ends).tolist()
    return Figure(value, low, high, grid.size)


def ratio_over_passes(
    ours: Floats, theirs: Floats, seed: int = 0, *, share: float = 0.50
) -> Figure:
    """Return a quantile of ``ours`` over that of ``theirs``, each measured in passes.

    Parameters
    ----------
    ours, theirs : float64 [n_passes, n_questions]
        The same questions in the same order; where one has more of them, the rest is left out. With
        one pass on either side the interval speaks of the questions alone.
    share : float
        Which quantile; the median unless said.
    """
    estimate = _quantile(share)
    count = min(ours.shape[1], theirs.shape[1])
    places = _places(count, seed)
    levels, drawn = [], np.zeros(N_BOOTSTRAPS)
    for sign, grid in ((1.0, ours[:, :count]), (-1.0, theirs[:, :count])):
        levels.append(np.log(estimate(grid)))
        for row in grid:
            drawn += sign * np.log(estimate(row[places])) / len(grid)
    middle = float(levels[0].mean() - levels[1].mean())
    low, high = _joined(middle, drawn, _welch_margin(*levels))
    return Figure(float(np.exp(middle)), float(np.exp(low)), float(np.exp(high)), ours.size)


def quantile(samples: Floats, share: float, seed: int = 0) -> Figure:
    """Return a quantile of samples of one pass; linear between neighbours."""
    drawn = _resampled(samples, seed)
    return _figure(float(np.quantile(samples, share)), np.quantile(drawn, share, axis=1), samples)


def mean(samples: Floats, seed: int = 0) -> Figure:
    """Return the mean of samples of one pass."""
    return _figure(float(samples.mean()), _resampled(samples, seed).mean(axis=1), samples)


def recall(samples: Floats, seed: int = 0) -> Figure:
    """Return the mean recall@10 of questions asked once; none missed does not show that none is."""
    return _shown(mean(samples, seed), len(samples))


def most_shown(n_questions: int) -> float:
    """Return the greatest recall that so many questions can show, which is without a miss."""
    rows = n_questions * _ROWS_A_QUESTION
    return rows / (rows + NormalDist().inv_cdf(1 - _TAIL) ** 2)


def ratio_of_medians(ours: Floats, theirs: Floats, seed: int = 0) -> Figure:
    """Return the median of ``ours`` over that of ``theirs``, asked in turns in one process.

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


def throughput(per_second: Floats, pass_means: Floats | None = None, seed: int = 0) -> Figure:
    """Return answers a second from the answers of each second of one run.

    Parameters
    ----------
    pass_means : float64 [n_passes] or None
        Mean latencies, whose spread is that of throughputs from one run to another.
    """
    found = mean(per_second, seed)
    if pass_means is None or len(pass_means) < 2 or found.value <= 0:
        return found
    one_run = _run_margin(np.log(pass_means)) * np.sqrt(2.0 * len(pass_means)) * found.value
    low = found.value - np.hypot(found.value - found.low, one_run)
    high = found.value + np.hypot(found.high - found.value, one_run)
    return Figure(found.value, max(0.0, float(low)), float(high), found.n)


def _run_margin(levels: Floats) -> float:
    """Return the half width of Student's interval of the mean of passes; 0 for one pass."""
    count = len(levels)
    if count < 2:
        return 0.0
    reach = _student(count - 1, 1 - _TAIL)
    return float(reach * levels.std(ddof=1) / np.sqrt(count))


def _welch_margin(ours: Floats, theirs: Floats) -> float:
    """Return the half width of Welch's interval of a difference; 0 where a side has one pass."""
    if min(len(ours), len(theirs)) < 2:
        return 0.0
    parts = [one.var(ddof=1) / len(one) for one in (ours, theirs)]
    whole = sum(parts)
    if whole <= 0:
        return 0.0
    both = zip(parts, (ours, theirs), strict=True)
    degrees = whole**2 / sum(part**2 / (len(one) - 1) for part, one in both)
    return float(_student(degrees, 1 - _TAIL) * np.sqrt(whole))


def _student(degrees: float, share: float) -> float:
    from scipy import special  # noqa: PLC0415 - the web process loads no scipy

    return float(special.stdtrit(degrees, share))


def _joined(middle: float, drawn: Floats, run: float) -> tuple[float, float]:
    """Return the ends of the interval that joins the questions' margins and the runs'."""
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL])
    return (
        middle - float(np.hypot(max(0.0, middle - low), run)),
        middle + float(np.hypot(max(0.0, high - middle), run)),
    )


def _quantile(share: float) -> Estimate:
    return lambda own: np.asarray(np.quantile(own, share, axis=-1))


def _mean(own: Floats) -> Floats:
    return np.asarray(own.mean(axis=-1))


def _shown(found: Figure, n_questions: int) -> Figure:
    """Return a recall with a lower end that so many questions can show.

    A bootstrap over questions of which none was missed has no width: Wilson's lower end (1927) for
    rows without a miss bounds every recall.
    """
    low = max(0.0, min(found.low, most_shown(n_questions)))
    return Figure(found.value, low, min(1.0, found.high), found.n)


def _same(values: Floats) -> Floats:
    return values


def _places(count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(0, count, (N_BOOTSTRAPS, count))


def _resampled(samples: Floats, seed: int) -> Floats:
    return np.asarray(samples[_places(len(samples), seed)])


def _figure(value: float, drawn: Floats, samples: Floats) -> Figure:
    low, high = np.quantile(drawn, [_TAIL, 1 - _TAIL])
    return Figure(value, float(low), float(high), len(samples))
