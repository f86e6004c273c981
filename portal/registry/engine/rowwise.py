"""Metrics of what was achieved row by row: each is a ratio of two sums over the rows drawn.

A family whose answers are no probabilities (a routing, a list of documents) holds each answer
against the truth itself and hands in, for every metric and row, what counts and out of how much.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from portal.lib.coded import gettext_noop
from portal.registry.engine.metrics import Floats, Metric, SampleError

#: Per row what counts, and out of how much.
Parts = tuple[Floats, Floats]


@dataclass(frozen=True, eq=False)
class RowSample:
    """What one version achieved on each row.

    Attributes
    ----------
    parts
        Metric → (above, below), shape (n,) each; the metric is the sum of the first over the sum of
        the second. A row that says nothing of a metric has 0 below.
    """

    parts: Mapping[str, Parts]

    def __post_init__(self) -> None:
        lengths = {len(column) for pair in self.parts.values() for column in pair}
        if len(lengths) != 1 or lengths == {0}:
            raise SampleError("every metric needs two columns, all equally long and not empty")
        for name, (above, below) in self.parts.items():
            if not (np.isfinite(above).all() and np.isfinite(below).all() and below.min() >= 0):
                raise SampleError(f"{name} must be finite on every row, out of 0 or more")

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.parts.values()))[0])

    def drawn(self, weights: Floats) -> "DrawnRows":
        """Return the rows with how often each was drawn, shape (n_rows, n_resamples)."""
        return DrawnRows(self, weights)


@dataclass(frozen=True, eq=False)
class DrawnRows:
    """Rows and how often each was drawn, shape (n_rows, n_resamples)."""

    sample: RowSample
    weights: Floats

    def ratio(self, name: str) -> Floats:
        """Return a metric for every resample; NaN where no row drawn says anything of it."""
        try:
            above, below = self.sample.parts[name]
        except KeyError as exc:
            known = ", ".join(self.sample.parts)
            raise SampleError(f"the rows say nothing of {name}, only of {known}") from exc
        whole: Floats = below @ self.weights
        part: Floats = above @ self.weights
        found: Floats = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
        return found


def _ratio_of(name: str) -> Callable[[DrawnRows], Floats]:
    return lambda drawn: drawn.ratio(name)


def _metric(
    name: str, label: str, unit: str, source: str, *, higher_is_better: bool = True
) -> Metric[DrawnRows]:
    return Metric(name, label, unit, higher_is_better, _ratio_of(name), source)


ROW_METRICS: Mapping[str, Metric[DrawnRows]] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            _metric(
                "exact_operations",
                gettext_noop("Exactly the right operations in order"),
                "share",
                "docs/routing.md",
            ),
            _metric(
                "exact_in_top_three",
                gettext_noop("The right operations among the first three"),
                "share",
                "docs/routing.md",
            ),
            _metric(
                "operation_f1",
                gettext_noop("F1 of the operations"),
                "share",
                "van Rijsbergen 1979, repeats counted",
            ),
            _metric(
                "total_time_wmape",
                gettext_noop("Error of the total time, weighted (wMAPE)"),
                "share",
                "Kolassa and Schütz 2007",
                higher_is_better=False,
            ),
            _metric(
                "ndcg_at_10",
                gettext_noop("Order of the first ten hits (nDCG@10)"),
                "share",
                "Järvelin and Kekäläinen 2002",
            ),
            _metric(
                "recall_at_100",
                gettext_noop("Share of the right documents among a hundred hits (recall@100)"),
                "share",
                "Manning, Raghavan and Schütze 2008, section 8.4",
            ),
            _metric(
                "reciprocal_rank",
                gettext_noop("Rank of the first right document (MRR)"),
                "share",
                "Voorhees 1999",
            ),
            _metric(
                "measured_gain",
                gettext_noop("Gain over the options in use, measured in pairs"),
                "log ratio",
                "docs/tuning.md",
            ),
        )
    }
)
