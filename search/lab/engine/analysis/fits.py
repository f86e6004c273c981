"""Straight lines in logarithms: latency as a power law of scale and dimension, of cells alike.

Cells are alike when engine, way of searching and filter are the same and the engine answers them by
the same means. One line through cells that are not alike fits none of them: with a filter another
plan is taken, and an engine that changes from a scan to a graph grows differently on either side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from search.engine import vectors as leg
from search.lab.engine.analysis.points import Point, log_latency
from search.lab.engine.engines.own import MILLWRIGHT
from search.lab.engine.matrix import Cell

Floats = NDArray[np.float64]

AXES = ("scale", "dimension")
#: Means by which `search.engine` answers, as its planner chooses them.
ROWS, CODES, GRAPH = "rows", "codes", "graph"
#: Vectors from which the lab builds a graph for it.
_EXACT_BELOW = next(
    float(one.default) for one in MILLWRIGHT.parameters if one.name == "exact_below"
)
#: Where lines are anchored, so that the numbers that are fitted are small.
_BASE = (10_000, 128)
#: Share of the greatest singular value below which one is that of rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, order=True)
class Family:
    """What cells alike have in common.

    Attributes
    ----------
    filter_share : float
        1 for no filter.
    means : str
        `ROWS`, `CODES` or `GRAPH`; empty for engines that always answer by the same.
    """

    engine: str
    search_type: str
    filter_share: float
    means: str

    @classmethod
    def of(cls, cell: Cell) -> Self:
        """Return the family of a cell, measured or not."""
        return cls(cell.engine, cell.search_type, cell.filter_share or 1.0, means(cell))


@dataclass(frozen=True)
class Fit:
    """The line of a family.

    Attributes
    ----------
    weights : float64 [3]
        Logarithm of the latency of 10,000 passages of 128 numbers, and the exponents of `AXES`.
    spread : float
        Standard deviation of the cells about the line, in logarithms.
    degrees : int
        Cells beyond those that the line needs.
    inverse, span : float64 [3, 3]
        Inverse of the information, and the projection on what the cells tell.
    design : float64 [n, 3]
    rest : float64 [n]
        What the line leaves of each cell, in logarithms.
    """

    weights: Floats
    spread: float
    degrees: int
    inverse: Floats
    span: Floats
    design: Floats
    rest: Floats

    def tells(self, row: Floats) -> bool:
        """Whether the cells tell this: those of one scale tell nothing of another scale."""
        return np.allclose(row @ self.span, row, atol=1e-6)

    def holds(self, row: Floats) -> bool:
        """Whether a cell lies between the least and the largest measured of each axis."""
        slack = 1e-9
        low, high = self.design.min(axis=0) - slack, self.design.max(axis=0) + slack
        return bool(((low <= row) & (row <= high)).all())

    def error(self, row: Floats) -> float:
        """Return the standard error of predicting one more cell, in logarithms."""
        return self.spread * float(np.sqrt(1 + row @ self.inverse @ row))


def means(cell: Cell) -> str:
    """Return by which means an engine with a planner answers a cell; empty for other engines."""
    if cell.engine != MILLWRIGHT.name:
        return ""
    share = cell.filter_share
    if share is not None and share * cell.scale <= leg.MAX_EXACT_ROWS:
        return ROWS
    if share is not None and share <= leg.SCAN_SHARE:
        return CODES
    limit = cell.parameters.get("exact_below", _EXACT_BELOW)
    is_number = isinstance(limit, int | float)  # cells whose parameters were refused are shown too
    return CODES if cell.scale < (limit if is_number else _EXACT_BELOW) else GRAPH


def families(points: Sequence[Point]) -> dict[Family, list[Point]]:
    """Return the cells of each family, in the order of the families."""
    found: dict[Family, list[Point]] = {}
    for point in points:
        found.setdefault(Family.of(point.cell), []).append(point)
    return dict(sorted(found.items()))


def row(cell: Cell) -> Floats:
    """Return where a cell lies: 1, and the logarithms of scale and dimension."""
    return np.array([1.0, np.log(cell.scale / _BASE[0]), np.log(cell.dimension / _BASE[1])])


def fitted(points: Sequence[Point]) -> Fit | None:
    """Return the line through cells of one family; None where no cell is left over to judge it."""
    design = np.array([row(point.cell) for point in points]).reshape(len(points), 3)
    back = np.linalg.pinv(design, rcond=_ROUNDING)
    span = back @ design
    degrees = len(points) - round(float(np.trace(span)))
    if degrees < 1:
        return None
    response = log_latency(points)
    weights = back @ response
    rest = response - design @ weights
    spread = float(np.sqrt((rest**2).sum() / degrees))
    return Fit(weights, spread, degrees, back @ back.T, span, design, rest)
