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

_Floats = NDArray[np.float64]
#: Weights, spread, inverse and the span of what was measured, by group.
_Groups = dict[tuple[str, str, bool], tuple[_Floats, float, _Floats, _Floats]]

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
class Beyond:
    """How the largest corpus is predicted from the smaller ones alone.

    Attributes
    ----------
    error : float
        Median absolute percentage error, as a share.
    covered : float
        Share of the cells within their 80 % interval.
    """

    scale: int
    n: int
    error: float
    covered: float


@dataclass(frozen=True)
class CostModel:
    """Predicts cells that were not run.

    Attributes
    ----------
    error : float
        Median absolute percentage error on cells left out one by one, as a share.
    n : int
        Cells it learnt from.
    beyond : Beyond or None
        None where there are no smaller corpora to learn from.
    """

    error: float
    n: int
    beyond: Beyond | None
    _known: _Groups

    def predict(self, cell: Cell) -> Predicted | None:
        """Return the latency of a cell, None where nothing that was measured tells it.

        Cells of one scale say nothing of another scale, nor do those of one length.
        """
        group = self._known.get(_group(cell))
        if group is None:
            return None
        weights, spread, inverse, span = group
        row = _row(cell)
        if not np.allclose(row @ span, row, rtol=1e-6):
            return None
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
    errors: list[float] = []
    groups = _groups(points)
    for group in groups:
        errors += _left_out([point for point in points if _group(point.cell) == group])
    needs(errors, MIN_POINTS, "cost model")
    return CostModel(float(np.median(errors)), len(errors), _beyond(points), groups)


def _groups(points: Sequence[Point]) -> _Groups:
    groups: _Groups = {}
    for group in sorted({_group(point.cell) for point in points}):
        own = [point for point in points if _group(point.cell) == group]
        fitted = _fitted(own)
        if fitted is not None:
            weights, spread, inverse, _degrees = fitted
            design = np.array([_row(point.cell) for point in own])
            groups[group] = weights, spread, inverse, inverse @ design.T @ design
    return groups


def _beyond(points: Sequence[Point]) -> Beyond | None:
    """Predict the largest corpus from those below it, which must differ in scale themselves."""
    scales = sorted({point.cell.scale for point in points})
    smaller = [point for point in points if point.cell.scale < scales[-1]]
    model = CostModel(0.0, 0, None, _groups(smaller))
    pairs = [
        (point.p50_ms, predicted)
        for point in points
        if point.cell.scale == scales[-1] and (predicted := model.predict(point.cell))
    ]
    if not pairs:
        return None
    errors = [abs(predicted.p50_ms / seen - 1) for seen, predicted in pairs]
    covered = [predicted.low_ms <= seen <= predicted.high_ms for seen, predicted in pairs]
    return Beyond(scales[-1], len(pairs), float(np.median(errors)), float(np.mean(covered)))


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
