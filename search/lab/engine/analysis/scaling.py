"""How latency grows with the corpus, and what a cell that was not run would cost.

Both are straight lines in logarithms: a power law of scale and dimension, one for each family of
cells alike (see `fits`). Intervals are Student's, with as many degrees of freedom as cells are left
over; few cells have wide ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from search.lab.engine.analysis.fits import AXES, Family, Fit, families, fitted, row
from search.lab.engine.analysis.points import Point, needs, sound
from search.lab.engine.matrix import Cell

MIN_POINTS = 4
CONFIDENCE = 0.95
#: Of the interval of a cell that was not run.
PREDICTED = 0.80
#: How well a prediction is tried: between measured sizes, on larger corpora as the largest one was
#: predicted from smaller ones, or not at all.
WITHIN, LARGER, UNTRIED = "within", "larger", "untried"


@dataclass(frozen=True)
class Law:
    """Latency proportional to scale, or dimension, to the power of an exponent.

    Attributes
    ----------
    filter_share : float or None
        None for no filter.
    means : str
        See `fits.Family`.
    exponent, low, high : float
        1 is linear, 0 does not grow.
    """

    engine: str
    search_type: str
    filter_share: float | None
    means: str
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
    reach : str
        `WITHIN`, `LARGER` or `UNTRIED`: which error, if any, is known of it.
    """

    cell: Cell
    p50_ms: float
    low_ms: float
    high_ms: float
    reach: str


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
    """Predicts cells from those that were measured.

    Attributes
    ----------
    error : float
        Median absolute percentage error on cells left out one by one, as a share: what a
        prediction between measured sizes is off by.
    n : int
        Cells that were left out.
    beyond : Beyond or None
        None where there are no smaller corpora to learn from: nothing is known then of how
        predictions of larger corpora do.
    """

    error: float
    n: int
    beyond: Beyond | None
    _known: Mapping[Family, Fit]
    _tried: frozenset[Family] = frozenset()

    def predict(self, cell: Cell) -> Predicted | None:
        """Return the latency of a cell, None where nothing that was measured tells it.

        Cells of one scale say nothing of another scale, nor do those of one length.
        """
        fit, at = self._known.get(Family.of(cell)), row(cell)
        if fit is None or not fit.tells(at):
            return None
        middle = float(at @ fit.weights)
        width = float(stats.t.ppf((1 + PREDICTED) / 2, fit.degrees)) * fit.error(at)
        low, high = np.exp([middle - width, middle + width])
        reach = self._reach(cell, fit)
        return Predicted(cell, float(np.exp(middle)), float(low), float(high), reach)

    def _reach(self, cell: Cell, fit: Fit) -> str:
        at = row(cell)
        if fit.holds(at):
            return WITHIN
        at[1] = min(at[1], fit.design[:, 1].max())
        return LARGER if fit.holds(at) and Family.of(cell) in self._tried else UNTRIED


def laws(points: Sequence[Point]) -> list[Law]:
    """Return the power laws of scale and dimension for each family whose cells tell them.

    Of sound cells, as the cost model.
    """
    found = []
    for family, own in families(sound(points)).items():
        if (fit := fitted(own)) is None:
            continue
        share = family.filter_share if family.filter_share < 1 else None
        reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, fit.degrees)) * fit.spread
        for place, axis in enumerate(AXES, start=1):
            if not fit.tells(np.eye(3)[place]):
                continue
            slope, width = (
                float(fit.weights[place]),
                reach * float(fit.inverse[place, place]) ** 0.5,
            )
            found.append(
                Law(
                    family.engine,
                    family.search_type,
                    share,
                    family.means,
                    axis,
                    slope,
                    slope - width,
                    slope + width,
                    len(own),
                )
            )
    return found


def cost_model(points: Sequence[Point]) -> CostModel:
    """Learn to predict cells, and try it on cells left out one by one.

    Raises
    ------
    AnalysisProblem
        If no family of cells has enough members.
    """
    points = sound(points)
    needs(points, MIN_POINTS, "cost model")
    errors: list[float] = []
    for own in families(points).values():
        errors += _left_out(own)
    needs(errors, MIN_POINTS, "cost model")
    beyond, tried = _beyond(points)
    return CostModel(float(np.median(errors)), len(errors), beyond, _fits(points), tried)


def predictor(points: Sequence[Point]) -> CostModel:
    """Return a model whose error nobody tried."""
    return CostModel(float("nan"), 0, None, _fits(points))


def _fits(points: Sequence[Point]) -> dict[Family, Fit]:
    found = {family: fitted(own) for family, own in families(points).items()}
    return {family: fit for family, fit in found.items() if fit is not None}


def _beyond(points: Sequence[Point]) -> tuple[Beyond | None, frozenset[Family]]:
    """Predict the largest corpus from those below it, which must differ in scale themselves.

    Returns
    -------
    tuple of (Beyond or None, frozenset of Family)
        How it went, and the families it was tried on.
    """
    largest = max(point.cell.scale for point in points)
    model = predictor([point for point in points if point.cell.scale < largest])
    pairs = [
        (point.p50_ms, predicted)
        for point in points
        if point.cell.scale == largest and (predicted := model.predict(point.cell))
    ]
    if not pairs:
        return None, frozenset()
    errors = [abs(predicted.p50_ms / seen - 1) for seen, predicted in pairs]
    covered = [predicted.low_ms <= seen <= predicted.high_ms for seen, predicted in pairs]
    tried = frozenset(Family.of(predicted.cell) for _seen, predicted in pairs)
    return Beyond(largest, len(pairs), float(np.median(errors)), float(np.mean(covered))), tried


def _left_out(points: Sequence[Point]) -> list[float]:
    """Return by how much cells of one family are missed that the others tell."""
    errors = []
    for place, point in enumerate(points):
        fit, at = fitted([*points[:place], *points[place + 1 :]]), row(point.cell)
        if fit is not None and fit.tells(at):
            errors.append(abs(float(np.exp(at @ fit.weights)) / point.p50_ms - 1))
    return errors
