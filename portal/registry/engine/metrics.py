"""The metrics a gate looks at, computed for many resamples at once.

A resample is a column of weights: how often each row was drawn. Every function takes rows drawn in
shape (n_rows, n_resamples) and returns one value per resample; one column of ones gives the plain
metric.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Generic, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypeVar

from portal.lib.coded import gettext_noop

Floats = NDArray[np.float64]


class SampleError(ValueError):
    """The scores handed in are no probabilities for labelled rows."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Labels and one model's probabilities, sorted once for all resamples.

    Attributes
    ----------
    y
        Labels, True for the positive class, shape (n,).
    p
        Probability of the positive class, shape (n,), in [0, 1], no NaN.
    threshold
        The model's own decision threshold: a row is called positive when `p` reaches it.
    """

    y: NDArray[np.bool_]
    p: Floats
    threshold: float

    def __post_init__(self) -> None:
        if self.y.ndim != 1 or self.y.shape != self.p.shape or not len(self.y):
            raise SampleError(
                f"labels {self.y.shape} and probabilities {self.p.shape} must be two equally long "
                "columns with at least one row"
            )
        if not np.isfinite(self.p).all() or self.p.min() < 0 or self.p.max() > 1:
            raise SampleError("every probability must be a number from 0 to 1")
        if not np.isfinite(self.threshold):
            raise SampleError(f"the threshold is {self.threshold}; it must be a number")

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.y)

    def drawn(self, weights: Floats) -> "Drawn":
        """Return the sample with how often each row was drawn, shape (n_rows, n_resamples)."""
        return Drawn(self, weights)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """Rows by falling probability."""
        return np.argsort(-self.p, kind="stable")

    @cached_property
    def tie_ends(self) -> NDArray[np.intp]:
        """Positions in `order` after which the probability changes, the last row included."""
        ranked = self.p[self.order]
        return np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)

    @cached_property
    def called(self) -> NDArray[np.bool_]:
        """Rows the model calls positive."""
        return self.p >= self.threshold


@dataclass(frozen=True, eq=False)
class Drawn:
    """A sample and how often each of its rows was drawn, shape (n_rows, n_resamples)."""

    sample: Sample
    weights: Floats

    @cached_property
    def ranked(self) -> tuple[Floats, Floats]:
        """Positives and rows at or above each distinct probability, for both ranking metrics."""
        sample = self.sample
        weights = self.weights[sample.order]
        rows = np.cumsum(weights, axis=0)[sample.tie_ends]
        weights[~sample.y[sample.order]] = 0.0
        return np.cumsum(weights, axis=0)[sample.tie_ends], rows


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return above / below, NaN where there is nothing to divide by."""
    ratio: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio


def average_precision(drawn: Drawn) -> Floats:
    """Return the area under the precision-recall curve as the sum of recall steps times precision.

    NaN for a resample without positives. Source: scikit-learn, ``average_precision_score``.
    """
    positives, rows = drawn.ranked
    steps = np.diff(positives, axis=0, prepend=0.0)
    precision = np.divide(positives, rows, out=np.zeros_like(positives), where=rows > 0)
    return _ratio((steps * precision).sum(axis=0), positives[-1])


def roc_auc(drawn: Drawn) -> Floats:
    """Return the share of (positive, negative) pairs in the right order, ties half.

    NaN for a resample without positives or without negatives. Source: Hanley and McNeil 1982.
    """
    positives, rows = drawn.ranked
    negatives = rows - positives
    steps = np.diff(negatives, axis=0, prepend=0.0)
    middle = positives - np.diff(positives, axis=0, prepend=0.0) / 2
    return _ratio((steps * middle).sum(axis=0), positives[-1] * negatives[-1])


def f1(drawn: Drawn) -> Floats:
    """Return 2·TP / (called + positives) at the model's own threshold; 0 when both are none."""
    sample, weights = drawn.sample, drawn.weights
    hits: Floats = (sample.called & sample.y).astype(float) @ weights
    both: Floats = sample.called.astype(float) @ weights + sample.y.astype(float) @ weights
    value: Floats = np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0)
    return value


def brier(drawn: Drawn) -> Floats:
    """Return the mean squared distance of probability and label. Source: Brier 1950."""
    sample, weights = drawn.sample, drawn.weights
    return _ratio((sample.p - sample.y) ** 2 @ weights, weights.sum(axis=0))


#: What a metric is computed from; probabilities for labelled rows where nothing else is said.
D = TypeVar("D", default=Drawn)


_D = TypeVar("_D", covariant=True)


class Sampled(Protocol[_D]):
    """The rows of one version, ready to be drawn from again and again."""

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        ...

    def drawn(self, weights: Floats) -> _D:
        """Return the rows with how often each was drawn, shape (n_rows, n_resamples)."""
        ...


@dataclass(frozen=True)
class Metric(Generic[D]):
    """One line of the table of metrics."""

    name: str
    label: str
    unit: str
    higher_is_better: bool
    function: Callable[[D], Floats]
    source: str

    @property
    def sign(self) -> float:
        """What turns a difference into "better is positive"."""
        return 1.0 if self.higher_is_better else -1.0

    def value(self, sample: Sampled[D]) -> float:
        """Return the metric on every row once."""
        return float(self.function(sample.drawn(np.ones((sample.n_rows, 1))))[0])


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric(
                "average_precision",
                gettext_noop("PR-AUC (average precision)"),
                "share",
                True,
                average_precision,
                "scikit-learn, average_precision_score",
            ),
            Metric(
                "roc_auc", gettext_noop("ROC AUC"), "share", True, roc_auc, "Hanley and McNeil 1982"
            ),
            Metric(
                "f1",
                gettext_noop("F1 at the version's own threshold"),
                "share",
                True,
                f1,
                "van Rijsbergen 1979",
            ),
            Metric(
                "brier",
                gettext_noop("Brier score"),
                "squared probability",
                False,
                brier,
                "Brier 1950",
            ),
        )
    }
)
