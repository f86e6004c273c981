"""What a threshold costs: defects missed against good shots stopped, priced by the reader.

A report keeps what each threshold misses and stops per shot; the prices and the volume are inputs,
so the curve is drawn anew without scoring anything again. For true probabilities the cheapest
threshold is the price of a false alarm divided by the sum of both prices (Elkan, IJCAI (2001) 973);
how far the cheapest threshold on the curve lies from it tells of calibration and chance.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_POINTS = 101


class BadCosts(ValueError):
    """Prices or volume that no curve can be drawn for."""


@dataclass(frozen=True)
class OperatingPoint:
    """One threshold.

    Attributes
    ----------
    threshold : float
        A shot with at least this probability is called a defect; above 1, none is.
    missed : float
        Defects not called, per shot made.
    false_alarms : float
        Good shots called defects, per shot made.
    """

    threshold: float
    missed: float
    false_alarms: float


@dataclass(frozen=True)
class CostPoint:
    """What one threshold costs.

    Attributes
    ----------
    threshold : float
    n_missed, n_false_alarms : float
        Expected in the given volume.
    cost : float
        In the unit of the prices.
    """

    threshold: float
    n_missed: float
    n_false_alarms: float
    cost: float


@dataclass(frozen=True)
class CostCurve:
    """Expected cost by threshold.

    Attributes
    ----------
    points : tuple of CostPoint
        In ascending threshold.
    cheapest : CostPoint
        Lowest cost; of equal ones the highest threshold.
    implied_threshold : float
        Cheapest if probabilities are true: ``false_alarm / (false_alarm + missed_defect)``.
    call_all, call_none : CostPoint
        What it costs without any model.
    """

    points: tuple[CostPoint, ...]
    cheapest: CostPoint
    implied_threshold: float
    call_all: CostPoint
    call_none: CostPoint

    def to_dict(self) -> dict[str, Any]:
        """Return the curve ready for JSON."""
        return asdict(self)


def operating_points(
    labels: NDArray[np.bool_], probability: NDArray[np.float64]
) -> tuple[OperatingPoint, ...]:
    """Return thresholds spread evenly over the shots, in ascending order.

    Parameters
    ----------
    labels : bool array, shape [n], n ≥ 1
    probability : float array, shape [n]
        Of shots the model had not seen.

    Returns
    -------
    tuple of OperatingPoint
        From calling every shot (threshold 0) to calling none (threshold above 1).
    """
    ordered = np.sort(probability)
    places = np.linspace(0, len(ordered) - 1, MAX_POINTS - 2).round().astype(np.intp)
    inner = np.unique(ordered[places])
    never = np.nextafter(max(1.0, float(ordered[-1])), 2.0)
    thresholds = np.unique(np.r_[0.0, inner, never])
    n = len(labels)
    n_missed = np.searchsorted(np.sort(probability[labels]), thresholds, side="left")
    good = np.sort(probability[~labels])
    n_false = len(good) - np.searchsorted(good, thresholds, side="left")
    return tuple(
        OperatingPoint(float(threshold), float(missed / n), float(false / n))
        for threshold, missed, false in zip(thresholds, n_missed, n_false, strict=True)
    )


def cost_curve(
    points: Sequence[OperatingPoint], *, missed_defect: float, false_alarm: float, volume: float
) -> CostCurve:
    """Price every threshold.

    Parameters
    ----------
    points : sequence of OperatingPoint
        Of a report (``OperatingPoint(**content)`` for each of its ``operating_points``).
    missed_defect, false_alarm : float
        Cost of one defect that is let through, and of one good shot that is stopped; at least 0,
        not both 0, in one unit.
    volume : float
        Shots, such as those of a month; more than 0.

    Raises
    ------
    BadCosts
        If there is no point, or a price or the volume is out of bounds.
    """
    _refuse(points, missed_defect, false_alarm, volume)
    priced = tuple(
        CostPoint(
            point.threshold,
            point.missed * volume,
            point.false_alarms * volume,
            volume * (point.missed * missed_defect + point.false_alarms * false_alarm),
        )
        for point in sorted(points, key=lambda point: point.threshold)
    )
    return CostCurve(
        points=priced,
        cheapest=min(reversed(priced), key=lambda point: point.cost),
        implied_threshold=false_alarm / (false_alarm + missed_defect),
        call_all=priced[0],
        call_none=priced[-1],
    )


def _refuse(
    points: Sequence[OperatingPoint], missed_defect: float, false_alarm: float, volume: float
) -> None:
    given = np.array([missed_defect, false_alarm, volume])
    if not points:
        raise BadCosts("The report holds no operating point: train the version again.")
    if not np.isfinite(given).all() or (given < 0).any() or not volume:
        raise BadCosts(
            f"A missed defect at {missed_defect:g}, a false alarm at {false_alarm:g} and a volume "
            f"of {volume:g}: give finite numbers, none below 0, the volume above 0."
        )
    if not missed_defect + false_alarm:
        raise BadCosts("Both prices are 0: give at least one of them a price.")
