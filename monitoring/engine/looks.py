"""Looking at a window: everything that is compared, at once.

Rows hold the score, the predicted class (1 for the class the score speaks of) and the features. The
scores are compared by the detector chosen for them and always by the divergence operators know; the
classes by chi-square; every feature by the detector chosen for features; whole rows by their mean
embedding; and the scores say what performance to expect.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import numpy as np

from monitoring.engine import estimate
from monitoring.engine.detectors import COLUMN, JOINT, Fitted
from monitoring.engine.detectors.chi_square import chi_square
from monitoring.engine.detectors.jensen_shannon import jensen_shannon
from monitoring.engine.detectors.kl import kl
from monitoring.engine.detectors.mmd import MeanDiscrepancy
from monitoring.engine.detectors.psi import psi
from monitoring.engine.estimate import ExpectedLoss
from monitoring.engine.panel import Measure, Panel
from monitoring.engine.reference import Column, Counts, Floats, Rows
from monitoring.engine.sliding import Rows32

Array = TypeVar("Array", Counts, Floats)
SCORE, CLASSES, COLUMNS, ROWS, ESTIMATE = "score", "classes", "columns", "rows", "estimate"
#: The divergence of the scores where another detector was chosen: learnt, never an alarm.
KL = "kl"
#: Columns of a row before the features; no feature is named so.
SCORES, CALLS = "(score)", "(class)"
N_LEADING = 2
#: Detectors that work on the counts of all columns at once.
MEASURES: Mapping[str, Measure] = {
    "kl": kl,
    "psi": psi,
    "jensen_shannon": jensen_shannon,
    "chi_square": chi_square,
}


@dataclass(frozen=True, eq=False)
class Reference:
    """What a window is compared with.

    Attributes
    ----------
    columns : dict of str to Column
        `SCORES`, `CALLS` and the features, in the order of the values in a row.
    rows : Rows or None
        Whole rows of features; without them dependence is not watched.
    threshold : float or None
        From which a score is a call of the positive class; without it no performance is expected.
    """

    columns: Mapping[str, Column]
    rows: Rows | None = None
    threshold: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return all but the rows ready for JSON; of the values only those of the scores."""
        # A list: a store may keep the keys of an object in any order, and the order counts.
        columns = [
            {"name": name, **column.to_dict(), **({} if name == SCORES else {"values": []})}
            for name, column in self.columns.items()
        ]
        return {"columns": columns, "threshold": self.threshold}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], rows: Rows | None = None) -> "Reference":
        """Rebuild a reference from `to_dict`, with its rows if there are any."""
        columns = {one["name"]: Column.from_dict(one) for one in content["columns"]}
        return cls(columns, rows, content["threshold"])


@dataclass(frozen=True, eq=False)
class Look:
    """What one look at a full window found.

    Attributes
    ----------
    statistics : dict of str to float
        By signal, those of whole columns aside.
    columns : float array, shape [n_features]
        Of each feature.
    kl, psi : float
        Of the scores, whatever detector is chosen.
    expected : dict of str to float
        Performance to expect; empty when nothing is known of the threshold.
    """

    statistics: Mapping[str, float]
    columns: Floats
    kl: float
    psi: float
    expected: Mapping[str, float]


@dataclass(eq=False)
class _Sums:
    """Sums over the steps of the window, kept up to date."""

    counts: deque[Counts]
    rows: deque[Floats]


@dataclass(eq=False)
class Looker:
    """Looks at one window again and again.

    Parameters
    ----------
    reference
        What it is compared with.
    score_detector, column_detector
        Names of detectors; for features one of `MEASURES`.
    n_steps
        Steps in the window.
    """

    reference: Reference
    score_detector: str
    column_detector: str
    n_steps: int
    panel: Panel = field(init=False)
    score: Fitted = field(init=False)
    rows: MeanDiscrepancy | None = field(init=False)
    estimate: ExpectedLoss | None = field(init=False)
    _sums: _Sums = field(init=False)

    def __post_init__(self) -> None:
        self.panel = Panel(self.reference.columns)
        scores = self.reference.columns[SCORES]
        self.score = COLUMN[self.score_detector].fit(scores)
        self.rows = None if self.reference.rows is None else JOINT.fit(self.reference.rows)
        threshold = self.reference.threshold
        self.estimate = None if threshold is None else ExpectedLoss(scores, threshold)
        self._sums = _Sums(deque(maxlen=self.n_steps), deque(maxlen=self.n_steps))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features in order."""
        return self.panel.names[N_LEADING:]

    def step(self, rows: Rows32) -> None:
        """Take in a whole step of rows."""
        values = rows.astype(np.float64)
        self._sums.counts.append(self.panel.count(values))
        if self.rows is not None:
            self._sums.rows.append(self.rows.summary(values[:, N_LEADING:]))

    @property
    def steps(self) -> tuple[Counts, Floats | None]:
        """Summaries of the steps in the window: counts [n, n_columns, k] and rows [n, d]."""
        rows = np.stack(self._sums.rows) if self._sums.rows else None
        return np.stack(self._sums.counts), rows

    def look(self, window: Rows32) -> Look:
        """Compare the window, whose steps were taken in, with the reference.

        Parameters
        ----------
        window : float32 array, shape [n, n_columns]
            Its rows, for what counts do not tell.
        """
        counts = _summed(self._sums.counts)
        scores = window[:, 0].astype(np.float64)
        divergence = float(kl(self.panel.counts[0], counts[0]))
        statistics = {
            SCORE: divergence if self.score_detector == "kl" else self.score.statistic(scores),
            CLASSES: float(chi_square(self.panel.counts[1], counts[1])),
        }
        if self.rows is not None:
            total = _summed(self._sums.rows)
            statistics[ROWS] = float(self.rows.distance(self.rows.reference, total))
        expected: Mapping[str, float] = {}
        if self.estimate is not None:
            numbers = self.estimate.summary(scores)
            statistics[ESTIMATE] = float(self.estimate.distance(self.estimate.reference, numbers))
            expected = estimate.figures(numbers)
        columns = self.panel.distances(MEASURES[self.column_detector], counts)[N_LEADING:]
        index = float(psi(self.panel.counts[0], counts[0]))
        return Look(statistics, columns, divergence, index, expected)


def _summed(parts: deque[Array]) -> Array:
    """Return the sum of arrays of one shape; several times faster than stacking them first."""
    total = parts[0].copy()
    for part in islice(parts, 1, None):
        total += part
    return total
