"""How sure a cost is: the shots that thresholds were counted on, drawn again.

Between two thresholds only the numbers of defects and of good shots matter, so drawing shots with
replacement is drawing from the multinomial distribution over these cells (Efron and Tibshirani
1993, ch. 6): exact for every price, without the shots. Shots with equal values stand for one
another, so as many are drawn as there are different ones. Nobody who drifts away is in these
intervals: they tell of chance, not of next month.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.lib import seeds
from predictions.engine.costs import BadCosts, OperatingPoint

Floats = NDArray[np.float64]

N_DRAWS = 500
#: Fixed, so that the same question has the same answer.
SEED = 42
LOW_PERCENT, HIGH_PERCENT = 2.5, 97.5


@dataclass(frozen=True)
class Span:
    """A 95 % interval."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class CostDraws:
    """Costs of every threshold in every draw.

    Attributes
    ----------
    thresholds : float64 array, shape [n_points]
        Ascending.
    costs : float64 array, shape [n_draws, n_points]
    """

    thresholds: Floats
    costs: Floats

    def band(self) -> list[Span]:
        """Return the interval of every threshold's cost."""
        return _spans(self.costs)

    def savings(self, place: int) -> list[Span]:
        """Return the interval of what every threshold costs less than the one at a place."""
        return _spans(self.costs[:, [place]] - self.costs)

    def cheapest(self) -> Span:
        """Return the interval of the cheapest threshold; of equally cheap ones the highest."""
        last = self.costs.shape[1] - 1
        places = last - self.costs[:, ::-1].argmin(axis=1)
        (span,) = _spans(self.thresholds[places][:, None])
        return span


def draw_costs(
    points: Sequence[OperatingPoint],
    n_shots: int,
    *,
    missed_defect: float,
    false_alarm: float,
    volume: float,
) -> CostDraws:
    """Draw the shots behind operating points again and price every threshold.

    Parameters
    ----------
    points : sequence of OperatingPoint
        Of a report, from the threshold that calls every shot to the one that calls none.
    n_shots : int
        Different shots they were counted on; at least 1.
    missed_defect, false_alarm, volume : float
        As for `costs.cost_curve`.

    Raises
    ------
    BadCosts
        If the shares of the points are none.
    """
    ordered = sorted(points, key=lambda point: point.threshold)
    missed = np.array([point.missed for point in ordered])
    false = np.array([point.false_alarms for point in ordered])
    cells = np.r_[np.diff(missed), -np.diff(false)]
    total = float(cells.sum())
    if not total > 0 or (cells < -1e-9).any():
        raise BadCosts("The report's operating points are no shares of shots: train again.")
    drawn = seeds.generator(SEED).multinomial(
        n_shots, np.clip(cells, 0, None) / np.clip(cells, 0, None).sum(), size=N_DRAWS
    )
    defects, good = np.split(drawn * (total / n_shots), 2, axis=1)
    start = np.zeros((N_DRAWS, 1))
    n_missed = np.hstack([start, np.cumsum(defects, axis=1)])
    n_false = np.hstack([np.cumsum(good[:, ::-1], axis=1)[:, ::-1], start])
    thresholds = np.minimum([point.threshold for point in ordered], 1.0)
    return CostDraws(thresholds, volume * (n_missed * missed_defect + n_false * false_alarm))


def _spans(drawn: Floats) -> list[Span]:
    lows, highs = np.percentile(drawn, [LOW_PERCENT, HIGH_PERCENT], axis=0)
    return [Span(float(low), float(high)) for low, high in zip(lows, highs, strict=True)]
