"""Percentile bootstrap over groups of rows.

Groups are drawn with replacement, because rows of a group are not independent (Efron and Tibshirani
1993, ch. 13; cluster form: Field and Welsh 2007). The interval is the 2.5 to 97.5 percentile range.
Whether one version may replace another is judged by the registry's gate, not here.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.lib import seeds
from predictions.engine.metrics import METRICS

LOW_PERCENT, HIGH_PERCENT = 2.5, 97.5


@dataclass(frozen=True, eq=False)
class Scored:
    """What a model said of labelled shots.

    Attributes
    ----------
    labels : bool array, shape [n]
        Whether the shot was defective.
    probability : float64 array, shape [n]
        Probability given for a defect.
    called : bool array, shape [n]
        Whether it was called a defect.
    groups : int array, shape [n]
        Rows that belong together share a number.
    """

    labels: NDArray[np.bool_]
    probability: NDArray[np.float64]
    called: NDArray[np.bool_]
    groups: NDArray[np.intp]

    @property
    def n_rows(self) -> int:
        """Number of shots."""
        return len(self.labels)

    def at(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Scored":
        """Return some of the rows."""
        return Scored(
            self.labels[rows], self.probability[rows], self.called[rows], self.groups[rows]
        )


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Return the figure ready for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


def measure(scored: Scored, names: Iterable[str] = tuple(METRICS)) -> dict[str, float | None]:
    """Return metrics by name, None where not defined."""
    weight = np.ones(scored.n_rows)
    return {name: _finite(_value(name, scored, weight)) for name in names}


def intervals(
    scored: Scored,
    *,
    seed: int,
    n_draws: int,
    names: Iterable[str] = tuple(METRICS),
    on_draw: Callable[[], None] = lambda: None,
) -> dict[str, Interval]:
    """Return metrics with their bootstrap intervals.

    Parameters
    ----------
    scored : Scored
        Labelled and scored shots, n ≥ 1.
    seed : int
        Same seed, same draws.
    n_draws : int
        Draws; 0 gives figures without intervals.
    names : iterable of str
        Keys of `METRICS`.
    on_draw : callable
        Called before every draw; whatever it raises comes out of here.

    Returns
    -------
    dict of str to Interval
        Draws in which a metric is not defined are left out of its interval.
    """
    names = tuple(names)
    # Ranking metrics sort the scores in every draw; sorted scores sort again in linear time.
    scored = scored.at(np.argsort(scored.probability, kind="stable"))
    drawn = np.empty((n_draws, len(names)))
    for draw, weight in enumerate(_weights(scored.groups, seed, n_draws)):
        on_draw()
        drawn[draw] = [_value(name, scored, weight) for name in names]
    points = measure(scored, names)
    return {name: _interval(points[name], drawn[:, i]) for i, name in enumerate(names)}


def paired_difference(
    one: Scored, other: Scored, metric: str, *, seed: int, n_draws: int
) -> Interval:
    """Return how much one model's metric exceeds another's on the same rows.

    Parameters
    ----------
    one, other : Scored
        Two models on the same rows in the same order.
    metric : str
        Key of `METRICS`; the sign is one minus other whatever the direction.
    seed, n_draws : int
        As in `intervals`; both models are scored on the same draws.

    Raises
    ------
    ValueError
        If the rows differ.
    """
    if not np.array_equal(one.labels, other.labels):
        raise ValueError("Both models must be scored on the same rows.")
    drawn = np.array(
        [
            _value(metric, one, weight) - _value(metric, other, weight)
            for weight in _weights(one.groups, seed, n_draws)
        ]
    )
    ones = np.ones(one.n_rows)
    point = _value(metric, one, ones) - _value(metric, other, ones)
    return _interval(_finite(point), drawn)


def _weights(groups: NDArray[np.intp], seed: int, n_draws: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each row is drawn when groups are drawn with replacement."""
    numbers = np.unique(groups, return_inverse=True)[1]
    n_groups = int(numbers.max()) + 1
    rng = seeds.generator(seed)
    for _ in range(n_draws):
        counts = np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups)
        yield counts[numbers].astype(np.float64)


def _value(name: str, scored: Scored, weight: NDArray[np.float64]) -> float:
    function = METRICS[name].function
    return function(scored.labels, scored.probability, scored.called, weight)


def _interval(point: float | None, drawn: NDArray[np.float64]) -> Interval:
    defined = drawn[np.isfinite(drawn)]
    if point is None or not defined.size:
        return Interval(point, None, None)
    low, high = np.percentile(defined, [LOW_PERCENT, HIGH_PERCENT])
    return Interval(point, float(low), float(high))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
