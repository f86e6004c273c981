"""The one table of metrics: name, unit, direction, function, source.

Every function takes the same four arrays of length n: whether the shot was defective (bool), the
probability given for it (float), whether it was called a defect (bool) and the weight of the row
(float, non-negative). Weights are how the bootstrap draws rows: a row drawn twice weighs two. Where
a metric is not defined, such as precision without any call, the function returns NaN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.lib.coded import gettext_noop

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Measure = Callable[[Bools, Floats, Bools, Floats], float]

#: Probabilities are kept this far from 0 and 1 in logarithms.
LOG_FLOOR = 1e-15
N_ECE_BINS = 10


@dataclass(frozen=True)
class Metric:
    """One way to judge probabilities or calls.

    Attributes
    ----------
    name : str
        Key in `METRICS`.
    label : str
        For people; marked for translation.
    unit : str
        Symbol; "1" for a pure number.
    higher_is_better : bool
        Direction.
    function : callable
        ``function(labels, probability, called, weight)``.
    source : str
        Where it is defined.
    """

    name: str
    label: str
    unit: str
    higher_is_better: bool
    function: Measure
    source: str

    def to_dict(self) -> dict[str, object]:
        """Return everything but the function, ready for JSON."""
        return {
            "name": self.name,
            "label": self.label,
            "unit": self.unit,
            "higher_is_better": self.higher_is_better,
            "source": self.source,
        }


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")


def precision(labels: Bools, probability: Floats, called: Bools, weight: Floats) -> float:
    """Return the share of calls that were defects."""
    del probability
    return _share(weight[labels & called].sum(), weight[called].sum())


def recall(labels: Bools, probability: Floats, called: Bools, weight: Floats) -> float:
    """Return the share of defects that were called."""
    del probability
    return _share(weight[labels & called].sum(), weight[labels].sum())


def f1(labels: Bools, probability: Floats, called: Bools, weight: Floats) -> float:
    """Return the harmonic mean of precision and recall; 0 without a hit, NaN without a defect."""
    del probability
    if not weight[labels].sum():
        return float("nan")
    hits = weight[labels & called].sum()
    return _share(2 * hits, weight[labels].sum() + weight[called].sum())


def roc_auc(labels: Bools, probability: Floats, called: Bools, weight: Floats) -> float:
    """Return the chance that a defect scores above a good shot, ties counting half."""
    del called
    _, positives, negatives = _by_score(labels, probability, weight)
    below = np.cumsum(negatives) - negatives
    won = (positives * (below + negatives / 2)).sum()
    return _share(won, positives.sum() * negatives.sum())


def average_precision(labels: Bools, probability: Floats, called: Bools, weight: Floats) -> float:
    """Return the precision averaged over the recall gained at each distinct score."""
    del called
    _, positives, negatives = _by_score(labels, probability, weight)
    hits = np.cumsum(positives[::-1])
    calls = hits + np.cumsum(negatives[::-1])
    used = calls > 0
    total = (hits[used] / calls[used] * positives[::-1][used]).sum()
    return _share(total, positives.sum())


def brier(labels: Bools, probability: Floats, called: Bools, weight: Floats) -> float:
    """Return the mean squared difference of probability and outcome."""
    del called
    return _share((weight * (probability - labels) ** 2).sum(), weight.sum())


def log_loss(labels: Bools, probability: Floats, called: Bools, weight: Floats) -> float:
    """Return the mean negative log-likelihood, in nats."""
    del called
    given = np.clip(np.where(labels, probability, 1 - probability), LOG_FLOOR, 1)
    return _share(-(weight * np.log(given)).sum(), weight.sum())


def expected_calibration_error(
    labels: Bools, probability: Floats, called: Bools, weight: Floats
) -> float:
    """Return the mean gap of probability and outcome over ten bins of equal width."""
    del called
    bins = np.minimum((probability * N_ECE_BINS).astype(np.intp), N_ECE_BINS - 1)
    gap = np.bincount(bins, weights=weight * (probability - labels), minlength=N_ECE_BINS)
    return _share(np.abs(gap).sum(), weight.sum())


def _by_score(labels: Bools, probability: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return distinct scores in ascending order and the weight of either class at each."""
    order = np.argsort(probability, kind="stable")
    ranked = probability[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    positives = np.add.reduceat(np.where(labels, weight, 0.0)[order], starts)
    negatives = np.add.reduceat(np.where(labels, 0.0, weight)[order], starts)
    return ranked[starts], positives, negatives


_RIJSBERGEN = "van Rijsbergen, Information Retrieval, 2nd ed. (1979), ch. 7"

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("f1", gettext_noop("F1"), "1", True, f1, _RIJSBERGEN),
        Metric("precision", gettext_noop("Precision"), "1", True, precision, _RIJSBERGEN),
        Metric("recall", gettext_noop("Recall"), "1", True, recall, _RIJSBERGEN),
        Metric(
            "roc_auc",
            gettext_noop("ROC AUC"),
            "1",
            True,
            roc_auc,
            "Hanley and McNeil, Radiology 143 (1982) 29",
        ),
        Metric(
            "pr_auc",
            gettext_noop("PR AUC (average precision)"),
            "1",
            True,
            average_precision,
            "Davis and Goadrich, ICML (2006) 233; step sum as in scikit-learn",
        ),
        Metric(
            "brier",
            gettext_noop("Brier score"),
            "1",
            False,
            brier,
            "Brier, Monthly Weather Review 78 (1950) 1",
        ),
        Metric(
            "log_loss",
            gettext_noop("Log loss"),
            "nat",
            False,
            log_loss,
            "Good, J. R. Stat. Soc. B 14 (1952) 107",
        ),
        Metric(
            "ece",
            gettext_noop("Expected calibration error"),
            "1",
            False,
            expected_calibration_error,
            "Naeini, Cooper and Hauskrecht, AAAI (2015) 2901",
        ),
    )
}
