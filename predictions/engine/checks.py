"""Look for what makes figures lie: copies, leaks, clocks, drift.

Runs before training; the findings stand on the quality profile and on the evaluation report.
"""

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portal.lib.coded import gettext_noop
from predictions.engine.features import COUNTER_INDICES, FEATURE_NAMES, N_FEATURES
from predictions.engine.metrics import roc_auc
from predictions.engine.problems import Problem
from predictions.engine.rows import equals_previous, first_of_copies, group_numbers

Matrix = NDArray[np.float32]

#: A shot is nearly a copy when at most this many values differ from the shot before; ours.
NEAR_COPY_VALUES = 2
#: A single feature this good is rather an effect than a cause; ours. The best single feature of the
#: family's public file has an AUC of .56, of generated shots about .7.
LEAK_AUC = 0.95
#: A rank correlation with the row order from which a feature is a clock; ours.
CLOCK_CORRELATION = 0.95
#: Distance from the mean in standard deviations that is reported; ours.
FAR_DEVIATIONS = 15.0
#: Difference of defect shares between tenths that is reported; ours. It must also be more than
#: chance: chi-squared test of homogeneity, 0.1 % point with 9 degrees of freedom.
SHARE_DRIFT = 0.15
CHI_SQUARED_9 = 27.88
N_TENTHS = 10
MIN_ROWS = 50


@dataclass(frozen=True)
class Outcome:
    """One check, shown whether it found something or not.

    Attributes
    ----------
    name : str
        Code of the finding it can raise.
    label : str
        What was looked for; marked for translation.
    is_clear : bool or None
        None when the data do not allow the check.
    value : float or None
        What was measured.
    limit : float
        From which it is reported.
    field : str
        The feature that comes nearest to the limit, where one does.
    """

    name: str
    label: str
    is_clear: bool | None
    value: float | None
    limit: float
    field: str = ""


@dataclass(frozen=True)
class DataChecks:
    """What was found in a data set.

    Attributes
    ----------
    n_rows : int
    n_copies : int
        Rows equal to an earlier row in all features and the label.
    n_copies_of_previous : int
        Those equal to the row just before.
    n_repeated_inputs : int
        Further rows whose features, but for the counter, occurred earlier.
    n_near_copies : int
        Shots that differ from the shot before in one or two values, counters apart.
    n_contradictions : int
        Sets of equal features with both labels.
    constant : tuple of str
        Features with one value or none.
    missing : dict of str to int
        Missing values by feature.
    single_auc : dict of str to float
        How well a feature alone tells the classes apart, in [0.5, 1].
    order_correlation : dict of str to float
        Rank correlation of each feature with the row order.
    share_by_tenth : tuple of float
        Defect share in ten consecutive parts of the data.
    n_time_falls : int or None
        Rows made before the row above them; None without times.
    findings : tuple of Problem
        What a reader should know.
    """

    n_rows: int
    n_copies: int
    n_copies_of_previous: int
    n_repeated_inputs: int
    n_near_copies: int
    n_contradictions: int
    constant: tuple[str, ...]
    missing: dict[str, int]
    single_auc: dict[str, float]
    order_correlation: dict[str, float]
    share_by_tenth: tuple[float, ...]
    n_time_falls: int | None
    findings: tuple[Problem, ...]

    @property
    def n_distinct(self) -> int:
        """Rows without copies."""
        return self.n_rows - self.n_copies

    def to_dict(self) -> dict[str, Any]:
        """Return the checks ready for JSON."""
        content = {name: value for name, value in asdict(self).items() if name != "findings"}
        return {
            **content,
            "n_distinct": self.n_distinct,
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
            "findings": [finding.to_dict() for finding in self.findings],
        }

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What was looked for, found or not, in the order a reader should know it."""
        return (
            self._counted("copied_rows", gettext_noop("Exact copies"), self.n_copies),
            self._counted(
                "repeated_inputs",
                gettext_noop("Same values under another number"),
                self.n_repeated_inputs,
            ),
            self._counted("near_copies", gettext_noop("Near copies"), self.n_near_copies),
            self._counted(
                "contradicting_labels",
                gettext_noop("Same values, both labels"),
                self.n_contradictions,
            ),
            self._largest(
                "target_leak",
                gettext_noop("A feature that gives the label away (AUC)"),
                self.single_auc,
                LEAK_AUC,
            ),
            self._largest(
                "clock",
                gettext_noop("A feature that follows the order of rows (rank correlation)"),
                {name: abs(value) for name, value in self.order_correlation.items()},
                CLOCK_CORRELATION,
            ),
            self._counted(
                "time_disorder", gettext_noop("Rows out of time order"), self.n_time_falls
            ),
            self._largest(
                "share_drifts",
                gettext_noop("Change of the defect share between tenths"),
                {"": max(self.share_by_tenth) - min(self.share_by_tenth)}
                if self.share_by_tenth
                else {},
                SHARE_DRIFT,
            ),
        )

    def _counted(self, name: str, label: str, count: int | None) -> Outcome:
        return Outcome(name, label, self._is_clear(name, count), count, 1)

    def _largest(self, name: str, label: str, values: dict[str, float], limit: float) -> Outcome:
        if not values:
            return Outcome(name, label, None, None, limit)
        field = max(values, key=lambda key: values[key])
        return Outcome(
            name, label, self._is_clear(name, values[field]), values[field], limit, field
        )

    def _is_clear(self, name: str, value: float | None) -> bool | None:
        if value is None:
            return None
        return all(finding.code != name for finding in self.findings)


def check(
    matrix: Matrix, labels: NDArray[np.bool_] | None, made_at: list[str | None] | None = None
) -> DataChecks:
    """Check a data set.

    Parameters
    ----------
    matrix : float32 array, shape [n, 30]
        NaN for missing; rows in production order; n ≥ 1.
    labels : bool array, shape [n], or None
        Whether each shot was a defect, if known.
    made_at : list of str, optional
        ISO 8601 times of one offset, to check the order of rows.

    Returns
    -------
    DataChecks
        Label checks are empty without labels.
    """
    is_first = first_of_copies(matrix, labels)
    distinct = matrix[is_first]
    known = None if labels is None else labels[is_first]
    groups = group_numbers(distinct)
    same = equals_previous(matrix)
    missing = np.isnan(matrix).sum(axis=0)
    found = DataChecks(
        n_rows=len(matrix),
        n_copies=int((~is_first).sum()),
        n_copies_of_previous=int((same.all(axis=1) & ~is_first).sum()),
        n_repeated_inputs=int(len(groups) - (groups.max() + 1)),
        n_near_copies=_near_copies(distinct),
        n_contradictions=0 if known is None else _contradictions(groups, known),
        constant=tuple(_named(_is_constant(matrix))),
        missing={name: int(missing[i]) for i, name in enumerate(FEATURE_NAMES) if missing[i]},
        single_auc={} if known is None else _single_auc(distinct, known),
        order_correlation=_order_correlation(distinct),
        share_by_tenth=() if known is None else _share_by_tenth(known),
        n_time_falls=_time_falls(made_at),
        findings=(),
    )
    findings = [*_row_findings(found), *_column_findings(found, distinct, matrix)]
    findings += _time_findings(found)
    return DataChecks(**{**found.__dict__, "findings": tuple(findings)})


def _named(mask: NDArray[np.bool_]) -> list[str]:
    return [name for name, chosen in zip(FEATURE_NAMES, mask, strict=True) if chosen]


def _is_constant(matrix: Matrix) -> NDArray[np.bool_]:
    lowest = np.where(np.isnan(matrix), np.inf, matrix).min(axis=0)
    highest = np.where(np.isnan(matrix), -np.inf, matrix).max(axis=0)
    constant: NDArray[np.bool_] = lowest >= highest
    return constant


def _near_copies(distinct: Matrix) -> int:
    same = np.delete(equals_previous(distinct), COUNTER_INDICES, axis=1)
    n_different = (~same).sum(axis=1)
    return int(((n_different > 0) & (n_different <= NEAR_COPY_VALUES)).sum())


def _contradictions(groups: NDArray[np.intp], labels: NDArray[np.bool_]) -> int:
    n_defects = np.bincount(groups, weights=labels)
    n_rows = np.bincount(groups)
    return int(((n_defects > 0) & (n_defects < n_rows)).sum())


def _single_auc(distinct: Matrix, labels: NDArray[np.bool_]) -> dict[str, float]:
    found = {}
    for index, name in enumerate(FEATURE_NAMES):
        given = ~np.isnan(distinct[:, index])
        column, known = distinct[given, index].astype(np.float64), labels[given]
        if len(column) < MIN_ROWS or known.all() or not known.any():
            continue
        auc = roc_auc(known, column, known, np.ones(len(column)))
        found[name] = float(max(auc, 1 - auc))
    return found


def _order_correlation(distinct: Matrix) -> dict[str, float]:
    """Return Spearman's rank correlation of each varying feature with the row order."""
    found = {}
    for index, name in enumerate(FEATURE_NAMES):
        order = np.flatnonzero(~np.isnan(distinct[:, index]))
        column = distinct[order, index]
        if len(column) < MIN_ROWS or column.min() == column.max():
            continue
        found[name] = float(np.corrcoef(_ranks(column), order)[0, 1])
    return found


def _ranks(column: Matrix) -> NDArray[np.float64]:
    """Return ranks from 0, tied values sharing their mean rank."""
    _, numbers, counts = np.unique(column, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle: NDArray[np.float64] = ends - (counts + 1) / 2
    return middle[numbers]


def _share_by_tenth(labels: NDArray[np.bool_]) -> tuple[float, ...]:
    return tuple(float(part.mean()) for part in np.array_split(labels, N_TENTHS) if part.size)


def _row_findings(found: DataChecks) -> list[Problem]:
    n_rows = found.n_rows
    findings = []
    if found.n_copies:
        share = found.n_copies / n_rows
        params = {"value": found.n_copies, "n_rows": n_rows, "share": share}
        findings.append(Problem("", "copied_rows", None, params))
    if found.n_repeated_inputs:
        params = {"value": found.n_repeated_inputs}
        findings.append(Problem("", "repeated_inputs", None, params))
    if found.n_near_copies:
        params = {
            "value": found.n_near_copies,
            "n_rows": found.n_distinct,
            "limit": NEAR_COPY_VALUES,
        }
        findings.append(Problem("", "near_copies", None, params))
    if found.n_contradictions:
        params = {"value": found.n_contradictions}
        findings.append(Problem("", "contradicting_labels", None, params))
    return findings


def _column_findings(found: DataChecks, distinct: Matrix, matrix: Matrix) -> list[Problem]:
    findings = []
    if found.constant:
        params: dict[str, object] = {
            "value": len(found.constant),
            "n_features": N_FEATURES,
            "names": ", ".join(found.constant),
        }
        findings.append(Problem("", "constant_columns", None, params))
    if found.missing:
        n_rows = int(np.isnan(matrix).any(axis=1).sum())
        names = ", ".join(found.missing)
        params = {"value": n_rows, "n_rows": found.n_rows, "names": names}
        findings.append(Problem("", "missing_values", None, params))
    findings += [
        Problem(name, "target_leak", None, {"value": auc})
        for name, auc in found.single_auc.items()
        if auc >= LEAK_AUC
    ]
    return [*findings, *_far_outliers(distinct)]


def _far_outliers(distinct: Matrix) -> list[Problem]:
    findings = []
    for name, column in zip(FEATURE_NAMES, distinct.T.astype(np.float64), strict=True):
        seen = column[~np.isnan(column)]
        spread = seen.std() if seen.size else 0.0
        if spread == 0:
            continue
        distance = np.abs(seen - seen.mean()) / spread
        worst = int(np.argmax(distance))
        if distance[worst] >= FAR_DEVIATIONS:
            params = {"value": float(seen[worst]), "distance": float(distance[worst])}
            findings.append(Problem(name, "far_outliers", None, params))
    return findings


def _time_falls(made_at: list[str | None] | None) -> int | None:
    times = [time for time in made_at or [] if time]
    if not times:
        return None
    return sum(after < before for before, after in itertools.pairwise(times))


def _time_findings(found: DataChecks) -> list[Problem]:
    findings = [
        Problem(name, "clock", None, {"value": value})
        for name, value in found.order_correlation.items()
        if abs(value) >= CLOCK_CORRELATION
    ]
    if found.share_by_tenth and found.n_distinct >= MIN_ROWS:
        low, high = min(found.share_by_tenth), max(found.share_by_tenth)
        if high - low >= SHARE_DRIFT and _chi_squared(found) >= CHI_SQUARED_9:
            findings.append(Problem("", "share_drifts", None, {"low": low, "high": high}))
    if found.n_time_falls:
        findings.append(Problem("Made_At", "time_disorder", None, {"value": found.n_time_falls}))
    return findings


def _chi_squared(found: DataChecks) -> float:
    """Return how far the tenths' defect shares are from equal, tenths taken as equally long."""
    shares = np.array(found.share_by_tenth)
    mean = shares.mean()
    return float(found.n_distinct / N_TENTHS * ((shares - mean) ** 2).sum() / (mean * (1 - mean)))
