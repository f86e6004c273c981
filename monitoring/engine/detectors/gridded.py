"""Distribution functions on a grid of the reference's own quantiles.

On the grid a distribution function is a sum over the window, so it moves along a stream at no cost;
what is lost is at most the share of one cell.
"""

from abc import ABC
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from monitoring.engine.detectors.contract import Additive
from monitoring.engine.reference import Column, Floats

#: Ours: cells hold half a percent of the reference each.
N_POINTS = 200


@dataclass(frozen=True, eq=False)
class Gridded(Additive, ABC):
    """A statistic of values per cell of a fine grid; missing values count above all others.

    Attributes
    ----------
    column : Column
        The reference.
    """

    column: Column

    @cached_property
    def points(self) -> Floats:
        """The grid, ascending, without repetition; empty when every value is missing."""
        values = self.column.values
        if not len(values):
            return np.empty(0)
        shares = np.linspace(0, 1, N_POINTS)
        points: Floats = np.unique(np.quantile(values, shares, method="inverted_cdf"))
        return points

    def cells(self, values: Floats) -> NDArray[np.intp]:
        """Return how many points lie below each value; one more for a missing value."""
        places = np.searchsorted(self.points, values, side="left")
        places[np.isnan(values)] = len(self.points) + 1
        return places

    def counts(self, values: Floats) -> Floats:
        """Return the values per cell, float [n_points + 2]."""
        n_cells = len(self.points) + 2
        return np.bincount(self.cells(values), minlength=n_cells).astype(np.float64)

    @cached_property
    def quiet(self) -> Floats:
        """Values of the reference per cell, its missing ones in proportion."""
        counts = self.counts(self.column.values)
        n_missing = int(self.column.counts[-1])
        n_seen = self.column.n_rows - n_missing
        counts[-1] = round(counts.sum() * n_missing / n_seen) if n_seen else n_missing
        return counts

    @property
    def n_reference(self) -> int:
        return int(self.quiet.sum())

    def draw(self, rng: np.random.Generator, n_values: int, size: tuple[int, ...]) -> Floats:
        return rng.multinomial(n_values, self.quiet / self.quiet.sum(), size).astype(np.float64)


def shares_up_to(counts: Floats) -> Floats:
    """Return the distribution function at each point, float [..., n_points]."""
    total = np.maximum(counts.sum(axis=-1, keepdims=True), 1.0)
    shares: Floats = np.cumsum(counts, axis=-1)[..., :-2] / total
    return shares
