"""What a column or a whole row looked like when all was well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

N_BINS = 10
#: Bins, and the place of the missing values.
N_CELLS = N_BINS + 1
#: Values of a column that are kept beside its bins.
N_KEPT = 1_000


class NotEnough(ValueError):
    """There are too few values to say anything."""


@dataclass(frozen=True, eq=False)
class Column:
    """One column in quantile bins, with some of its values.

    Ten bins between quantiles, so that each holds about a tenth; values that repeat merge bins
    (Siddiqi, Credit Risk Scorecards, 2006, ch. 10). Where all quantiles are one value, that value
    has a bin of its own.

    Attributes
    ----------
    edges : float array, shape [N_BINS - 1]
        Ascending; bin i holds values above edge i - 1 and up to edge i, the outer bins are open.
        Where bins were merged the last edges are infinite, and the bins behind them empty.
    counts : int array, shape [N_CELLS]
        Values per bin; the last counts the missing ones.
    values : float array, shape [m]
        Some of the values, none missing, m at most `N_KEPT`.
    """

    edges: Floats
    counts: Counts
    values: Floats

    @property
    def n_rows(self) -> int:
        """How many values the counts are made of, the missing ones included."""
        return int(self.counts.sum())

    @property
    def n_bins(self) -> int:
        """Bins that can hold anything."""
        return int(np.isfinite(self.edges).sum()) + 1

    def place(self, values: Floats) -> NDArray[np.intp]:
        """Return the bin of each value, the last place for NaN."""
        places = np.searchsorted(self.edges, values, side="left")
        places[np.isnan(values)] = N_BINS
        return places

    def count(self, values: Floats) -> Counts:
        """Return how many values fall into each bin, int64 [N_CELLS]."""
        return np.bincount(self.place(values), minlength=N_CELLS).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the column ready for JSON."""
        return {
            "edges": self.edges[np.isfinite(self.edges)].tolist(),
            "counts": self.counts.tolist(),
            "values": self.values.tolist(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Column":
        """Rebuild a column from `to_dict`."""
        return cls(
            padded(content["edges"]),
            np.array(content["counts"], dtype=np.int64),
            np.array(content["values"], dtype=np.float64),
        )


def column_of(values: Floats) -> Column:
    """Return a column in bins of its own quantiles.

    Parameters
    ----------
    values : float array, shape [n]
        NaN for missing.

    Raises
    ------
    NotEnough
        Without any value at all, missing ones included.
    """
    if not len(values):
        raise NotEnough("A column without values has no distribution.")
    seen = values[~np.isnan(values)].astype(np.float64)
    edges = padded(_edges(seen))
    kept = seen if len(seen) <= N_KEPT else seen[np.linspace(0, len(seen) - 1, N_KEPT).astype(int)]
    column = Column(edges, np.zeros(N_CELLS, dtype=np.int64), kept)
    return Column(edges, column.count(values), kept)


def padded(edges: Sequence[float] | Floats) -> Floats:
    """Return edges with infinite ones behind, float [N_BINS - 1]."""
    full = np.full(N_BINS - 1, np.inf)
    full[: len(edges)] = edges
    return full


def _edges(seen: Floats) -> Floats:
    if not len(seen):
        return np.empty(0)
    inner = np.quantile(seen, np.arange(1, N_BINS) / N_BINS, method="inverted_cdf")
    edges: Floats = np.unique(inner[inner < seen.max()])
    return edges if len(edges) else around(float(seen.max()))


def around(value: float) -> Floats:
    """Return edges that keep one value apart from all below and all above it.

    A column that hardly ever varies has no quantiles between its values.
    """
    below = np.nextafter(np.float32(value), np.float32(-np.inf))
    return np.array([below, value], dtype=np.float64)


def pooled(columns: Sequence[Column]) -> Column:
    """Return columns of the same bins as one."""
    counts = np.sum([one.counts for one in columns], axis=0)
    values = np.concatenate([one.values for one in columns])
    kept = values if len(values) <= N_KEPT else values[:: -(-len(values) // N_KEPT)]
    return Column(columns[0].edges, counts, kept)


@dataclass(frozen=True, eq=False)
class Rows:
    """Whole rows of several columns.

    Attributes
    ----------
    values : float array, shape [m, d]
        NaN for missing; m at least 2.
    """

    values: Floats
