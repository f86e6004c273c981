"""All columns of a model side by side, so that one look at all of them is one array operation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from monitoring.engine.reference import N_BINS, N_CELLS, Column, Counts, Floats

Measure = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True, eq=False)
class Panel:
    """References of several columns.

    Attributes
    ----------
    columns : dict of str to Column
        In the order of the values in each row.
    """

    columns: Mapping[str, Column]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns in order."""
        return tuple(self.columns)

    @cached_property
    def edges(self) -> Floats:
        """Edges of all columns, float [n_columns, N_BINS - 1]."""
        return np.stack([column.edges for column in self.columns.values()])

    @cached_property
    def counts(self) -> Floats:
        """Reference counts of all columns, float [n_columns, N_CELLS]."""
        return np.stack([column.counts for column in self.columns.values()]).astype(np.float64)

    @cached_property
    def _offsets(self) -> Counts:
        return np.arange(len(self.columns)) * N_CELLS

    def count(self, rows: Floats) -> Counts:
        """Return the values of each column per bin.

        Parameters
        ----------
        rows : float array, shape [n, n_columns]
            NaN for missing.

        Returns
        -------
        int64 array, shape [n_columns, N_CELLS]
        """
        places = (rows[:, :, None] > self.edges).sum(axis=2)
        places[np.isnan(rows)] = N_BINS
        n_cells = len(self.columns) * N_CELLS
        flat = np.bincount((places + self._offsets).ravel(), minlength=n_cells)
        return flat.reshape(len(self.columns), N_CELLS).astype(np.int64)

    def distances(self, measure: Measure, counts: Counts) -> Floats:
        """Return how far the counts of a window are from the reference, float [n_columns]."""
        return measure(self.counts, counts.astype(np.float64))
