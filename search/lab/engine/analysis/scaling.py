"""How latency grows with the corpus, and what a cell that was not run would cost.

Both are straight lines in logarithms: a power law of scale and dimension, per engine and way of
searching. Intervals are Student's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from search.lab.engine.analysis.points import Point, log_latency, needs
from search.lab.engine.matrix import Cell

MIN_POINTS = 4
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Law:
    """Latency proportional to scale to the power of an exponent.

    Attributes
    ----------
    exponent, low, high : float
        1 is linear, 0 does not grow.
    """

    engine: str
    search_type: str
    axis: str
    exponent: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Predicted:
    """The latency of a cell that was not run.

    Attributes
    ----------
    p50_ms, low_ms, high_ms : float
        The middle and the 80 % interval.
    """

    cell: Cell
    p50_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True)
class CostModel:
    """Predicts cells that were not run.

    Attributes
    ----------
    error : float
        Median absolute percentage error on cells left out one by one, as a share.
    n : int
        Cells it learnt from.
    """

    error: float
    n: int
    _groups: dict[tuple[str, str, bool], tuple[NDArray[np.float64], float, NDArray[np.float64]]]

    def predict(self, cell: Cell) -> Predicted | None:
        """Return the latency of a cell, None where nothing like it was measured."""
        group = self._groups.get(_group(cell))
        if group is None:
            return None
        weights, spread, inverse = group
        row = _row(cell)
        middle = float(row @ weights)
        width = 1.2816 * spread * float(np.sqrt(1 + row @ inverse @ row))
        low, high = np.exp([middle - width, middle + width])
        return Predicted(cell, float(np.exp(middle)), float(low), float(high))


def laws(points: Sequence[Point]) -> list[Law]:
    """Return the power laws of scale and dimension for each engine and way of searching."""
    found = []
    ways = sorted({(point.cell.engine, point.cell.search_type) for point in points})
    for engine, search_type in ways:
        own = [p for p in points if (p.cell.engine, p.cell.search_type) == (engine, search_type)]
        for place, axis in enumerate(("scale", "dimension"), start=1):
            if len({getattr(point.cell, axis) for point in own}) < 2:
                continue
            if (fitted := _fitted(own)) is None:
                continue
            weights, spread, inverse, degrees = fitted
            reach = stats.t.ppf((1 + CONFIDENCE) / 2, degrees) * spread
            width = float(reach * np.sqrt(inverse[place, place]))
            slope = float(weights[place])
            found.append(
                Law(engine, search_type, axis, slope, slope - width, slope + width, len(own))
            )
    return found


def cost_model(points: Sequence[Point]) -> CostModel:
    """Learn to predict cells, and try it on cells left out one by one.

    Raises
    ------
    AnalysisProblem
        If no group of cells has enough members.
    """
    needs(points, MIN_POINTS, "cost model")
    groups, errors = {}, []
    for group in sorted({_group(point.cell) for point in points}):
        own = [point for point in points if _group(point.cell) == group]
        fitted = _fitted(own)
        if fitted is None:
            continue
        groups[group] = fitted[:3]
        errors += _left_out(own)
    needs(errors, MIN_POINTS, "cost model")
    return CostModel(float(np.median(errors)), len(errors), groups)


def _group(cell: Cell) -> tuple[str, str, bool]:
    return cell.engine, cell.search_type, cell.filter_share is not None


def _row(cell: Cell) -> NDArray[np.float64]:
    return np.array([1.0, np.log(cell.scale), np.log(cell.dimension)])


def _fitted(
    points: Sequence[Point],
) -> tuple[NDArray[np.float64], float, NDArray[np.float64], int] | None:
    design = np.array([_row(point.cell) for point in points])
    degrees = len(points) - int(np.linalg.matrix_rank(design))
    if degrees < 1:
        return None
    inverse = np.linalg.pinv(design.T @ design)
    weights = inverse @ design.T @ log_latency(points)
    rest = log_latency(points) - design @ weights
    return weights, float(np.sqrt((rest**2).sum() / degrees)), inverse, degrees


def _left_out(points: Sequence[Point]) -> list[float]:
    errors = []
    for place, point in enumerate(points):
        fitted = _fitted([*points[:place], *points[place + 1 :]])
        if fitted is not None:
            predicted = float(np.exp(_row(point.cell) @ fitted[0]))
            errors.append(abs(predicted / point.p50_ms - 1))
    return errors
