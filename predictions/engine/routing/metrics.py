"""The one table of routing metrics: name, unit, direction, function, source.

Every function takes the outcomes of n items and a weight for each; weights are how the bootstrap
draws items. Where a metric is not defined the function returns NaN.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from portal.lib.coded import gettext_noop
from predictions.engine.routing.routings import Operations, tokens

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """What was proposed for n items against what is in the routing table; arrays of length n.

    Attributes
    ----------
    exact, top3 : float64
        1 where the first, or one of the first three, proposals has exactly the actual operations in
        the actual order.
    f1 : float64
        Harmonic mean of precision and recall of the operations, repeats counted.
    tau : float64
        Kendall's tau over the operations that both have; NaN with fewer than two.
    total_error, total, lot_error, lot_total : float64
        Absolute error of total minutes and actual total minutes, for one piece and for one lot.
    setup_covered, run_covered, n_times : float64
        Steps, of those in both, whose actual time lies in the interval; and how many there are.
    total_covered : float64
        1 where the actual total lies in its interval; NaN without one.
    place_right : float64
        Steps, of those in both, at the actual work centre.
    probability : float64
        That the proposal is exact; NaN where the method says none.
    """

    exact: Floats
    top3: Floats
    f1: Floats
    tau: Floats
    total_error: Floats
    total: Floats
    lot_error: Floats
    lot_total: Floats
    setup_covered: Floats
    run_covered: Floats
    n_times: Floats
    total_covered: Floats
    place_right: Floats
    probability: Floats


Measure = Callable[[Outcomes, Floats], float]


@dataclass(frozen=True)
class Metric:
    """One way to judge proposals.

    Attributes
    ----------
    name : str
        Key in `METRICS`.
    label : str
        For people; marked for translation.
    unit : str
        Symbol; "1" for a pure number.
    higher_is_better : bool or None
        Direction; None where a value should be met, not passed.
    function : callable
        ``function(outcomes, weight)``.
    source : str
        Where it is defined.
    """

    name: str
    label: str
    unit: str
    higher_is_better: bool | None
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


def operation_f1(proposed: Operations, actual: Operations) -> float:
    """Return the harmonic mean of precision and recall, repeats counted; 0 if either is empty."""
    shared = sum((Counter(proposed) & Counter(actual)).values())
    return 2 * shared / (len(proposed) + len(actual)) if shared else 0.0


def kendall_tau(proposed: Operations, actual: Operations) -> float:
    """Return Kendall's tau of the order of the operations in both; NaN with fewer than two."""
    place = {step: at for at, step in enumerate(tokens(actual))}
    found = np.array([place[step] for step in tokens(proposed) if step in place])
    if len(found) < 2:
        return float("nan")
    first, second = np.triu_indices(len(found), 1)
    return float(np.sign(found[second] - found[first]).mean())


def _mean(values: Floats, weight: Floats) -> float:
    known = np.isfinite(values) & (weight > 0)
    total = float(weight[known].sum())
    return float((values[known] * weight[known]).sum()) / total if total else float("nan")


def _ratio(part: Floats, whole: Floats, weight: Floats) -> float:
    known = np.isfinite(part) & np.isfinite(whole)
    total = float((whole * weight)[known].sum())
    return float((part * weight)[known].sum()) / total if total else float("nan")


def _brier(outcomes: Outcomes, weight: Floats) -> float:
    return _mean((outcomes.probability - outcomes.exact) ** 2, weight)


_OURS = "this document's definition: docs/routing.md"
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "exact",
            gettext_noop("Exact operations"),
            "1",
            True,
            lambda o, w: _mean(o.exact, w),
            _OURS,
        ),
        Metric(
            "top3",
            gettext_noop("Exact in top three"),
            "1",
            True,
            lambda o, w: _mean(o.top3, w),
            _OURS,
        ),
        Metric(
            "f1",
            gettext_noop("Operation F1"),
            "1",
            True,
            lambda o, w: _mean(o.f1, w),
            "van Rijsbergen, Information Retrieval, 1979, ch. 7",
        ),
        Metric(
            "tau",
            gettext_noop("Order of operations, Kendall's tau"),
            "1",
            True,
            lambda o, w: _mean(o.tau, w),
            "Kendall, Biometrika 30, 1938",
        ),
        Metric(
            "wmape",
            gettext_noop("Total time error, wMAPE"),
            "1",
            False,
            lambda o, w: _ratio(o.total_error, o.total, w),
            "Kolassa and Schütz, Foresight 6, 2007",
        ),
        Metric(
            "lot_wmape",
            gettext_noop("Lot time error, wMAPE"),
            "1",
            False,
            lambda o, w: _ratio(o.lot_error, o.lot_total, w),
            "Kolassa and Schütz, Foresight 6, 2007",
        ),
        Metric(
            "setup_coverage",
            gettext_noop("Setup times in their 80 % interval"),
            "1",
            None,
            lambda o, w: _ratio(o.setup_covered, o.n_times, w),
            "Romano, Patterson and Candès, NeurIPS 2019",
        ),
        Metric(
            "run_coverage",
            gettext_noop("Run times in their 80 % interval"),
            "1",
            None,
            lambda o, w: _ratio(o.run_covered, o.n_times, w),
            "Romano, Patterson and Candès, NeurIPS 2019",
        ),
        Metric(
            "total_coverage",
            gettext_noop("Total times in their 80 % interval"),
            "1",
            None,
            lambda o, w: _mean(o.total_covered, w),
            "Romano, Patterson and Candès, NeurIPS 2019",
        ),
        Metric(
            "work_center",
            gettext_noop("Steps at the actual work centre"),
            "1",
            True,
            lambda o, w: _ratio(o.place_right, o.n_times, w),
            _OURS,
        ),
        Metric(
            "brier",
            gettext_noop("Brier score of the confidence"),
            "1",
            False,
            _brier,
            "Brier, Monthly Weather Review 78, 1950",
        ),
    )
}


def stacked(rows: Sequence[Mapping[str, float]]) -> Outcomes:
    """Return outcomes from one mapping for each item."""
    names = Outcomes.__dataclass_fields__
    return Outcomes(
        **{name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}
    )
