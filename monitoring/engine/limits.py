"""Thresholds of everything that is looked at, learnt from quiet streams and spent by a budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitoring.engine import calibration
from monitoring.engine.budget import Budget
from monitoring.engine.calibration import Calibration
from monitoring.engine.detectors import COLUMN
from monitoring.engine.detectors.contract import Additive, Fitted
from monitoring.engine.extremes import Extremes
from monitoring.engine.looks import (
    CALLS,
    CLASSES,
    COLUMNS,
    ESTIMATE,
    KL,
    N_LEADING,
    ROWS,
    SCORE,
    SCORES,
    Look,
    Looker,
)
from monitoring.engine.reference import Column, Counts, Floats
from monitoring.engine.schedule import Schedule

#: Columns whose bins hold the same shares, to a hundredth, have the same law.
SHARE_DECIMALS = 2
#: Beyond it nobody asks by how much; a threshold may be 0 where quiet streams never varied.
MOST_RATIO = 1_000.0


@dataclass(frozen=True, eq=False)
class Past:
    """Whole windows of the past, in order of time.

    Attributes
    ----------
    counts : int array, shape [n_steps, n_columns, k]
        Values per bin and step.
    scores : float array, shape [n]
        The scores themselves.
    rows : float array, shape [n_steps, d], or None
        Summaries of whole rows.
    """

    counts: Counts
    scores: Floats
    rows: Floats | None


@dataclass(frozen=True, eq=False)
class Learnt:
    """What quiet streams reach, by signal and by feature."""

    signals: Mapping[str, Calibration]
    columns: Mapping[str, Calibration]

    @property
    def is_complete(self) -> bool:
        """Whether everything was compared with the past as well."""
        return all(one.is_complete for one in (*self.signals.values(), *self.columns.values()))

    def to_dict(self) -> dict[str, Any]:
        """Return everything ready for JSON."""
        return {
            "signals": {name: one.to_dict() for name, one in self.signals.items()},
            "columns": {name: one.to_dict() for name, one in self.columns.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Learnt":
        """Rebuild from `to_dict`."""
        signals, columns = (
            {name: Calibration.from_dict(one) for name, one in content[part].items()}
            for part in ("signals", "columns")
        )
        return cls(signals, columns)


def learn(looker: Looker, schedule: Schedule, past: Past | None, seed: int) -> Learnt:
    """Learn what is quiet for everything that is looked at.

    Parameters
    ----------
    looker
        What is looked at.
    schedule
        Window and step.
    past
        At least twenty past windows; without them only streams drawn from the reference teach.
    seed
        For every draw.
    """
    rng = np.random.default_rng(seed)
    laws = _Laws(schedule, rng)
    columns = looker.reference.columns
    signals: dict[str, Calibration] = {}
    counts, rows = (None, None) if past is None else (past.counts, past.rows)
    signals[SCORE] = _score(looker.score, schedule, past, rng)
    if looker.score_detector != KL:
        signals[KL] = _score(COLUMN[KL].fit(columns[SCORES]), schedule, past, rng)
    chi_square = COLUMN["chi_square"].fit(columns[CALLS])
    signals[CLASSES] = laws.of(chi_square, None if counts is None else counts[:, 1])
    if looker.rows is not None:
        signals[ROWS] = laws.of(looker.rows, rows)
    if looker.estimate is not None:
        summed = None if past is None else _by_step(looker.estimate, past.scores, schedule)
        signals[ESTIMATE] = laws.of(looker.estimate, summed)
    detector = COLUMN[looker.column_detector]
    features = {
        name: laws.of(
            detector.fit(columns[name]),
            None if counts is None else counts[:, N_LEADING + index],
            key=_shares(columns[name]),
        )
        for index, name in enumerate(looker.features)
    }
    return Learnt(signals, features)


def _score(
    fitted: Fitted, schedule: Schedule, past: Past | None, rng: np.random.Generator
) -> Calibration:
    drawn = calibration.drawn(fitted, schedule, rng)
    if past is None:
        return Calibration(drawn)
    if not isinstance(fitted, Additive):
        return Calibration(drawn, calibration.replayed(fitted, past.scores, schedule, rng))
    steps = _by_step(fitted, past.scores, schedule)
    return Calibration(drawn, calibration.glued(fitted, steps, schedule, rng))


def _by_step(fitted: Additive, values: Floats, schedule: Schedule) -> Floats:
    parts = np.split(values, len(values) // schedule.step)
    return np.stack([fitted.summary(part) for part in parts])


def _shares(column: Column) -> tuple[float, ...]:
    shares = np.sort(column.counts / max(column.n_rows, 1))
    return (column.n_rows, *np.round(shares, SHARE_DECIMALS).tolist())


class _Laws:
    """Calibrations with one schedule; laws of like columns are drawn once."""

    def __init__(self, schedule: Schedule, rng: np.random.Generator) -> None:
        self._schedule = schedule
        self._rng = rng
        self._drawn: dict[tuple[float, ...], Extremes] = {}

    def of(
        self, fitted: Fitted, steps: Floats | Counts | None, *, key: tuple[float, ...] = ()
    ) -> Calibration:
        drawn = self._drawn.get(key) if key else None
        if drawn is None:
            drawn = calibration.drawn(fitted, self._schedule, self._rng)
            if key:
                self._drawn[key] = drawn
        if steps is None or not isinstance(fitted, Additive):
            return Calibration(drawn)
        past = calibration.glued(fitted, steps.astype(np.float64), self._schedule, self._rng)
        return Calibration(drawn, past)


@dataclass(frozen=True, eq=False)
class Limits:
    """Thresholds for the traffic there is.

    Attributes
    ----------
    signals : dict of str to float
        By signal, features aside.
    columns : float array, shape [n_features]
    """

    signals: Mapping[str, float]
    columns: Floats

    def ratios(self, look: Look) -> dict[str, float]:
        """Return by signal how many thresholds its statistic is.

        Features count as one signal, by the one that is farthest beyond.
        """
        ratios = {
            name: ratio_of(value, self.signals[name]) for name, value in look.statistics.items()
        }
        if len(look.columns):
            ratios[COLUMNS] = float(self.column_ratios(look).max())
        return ratios

    def column_ratios(self, look: Look) -> Floats:
        """Return how many thresholds each feature's statistic is, float [n_features]."""
        least = np.maximum(self.columns, look.columns / MOST_RATIO)
        ratios: Floats = np.divide(look.columns, least, out=np.zeros_like(least), where=least > 0)
        return ratios


def ratio_of(value: float, threshold: float) -> float:
    """Return how many thresholds a statistic is, at most `MOST_RATIO`.

    Parameters
    ----------
    value : float
    threshold : float
        Not negative; 0 where quiet streams never varied.
    """
    least = max(threshold, value / MOST_RATIO)
    return value / least if least > 0 else 0.0


def limits_of(learnt: Learnt, features: Sequence[str], budget: Budget, *, is_slice: bool) -> Limits:
    """Return the thresholds of a window.

    Parameters
    ----------
    learnt
        What is quiet.
    features
        Their names in order.
    budget
        False alarms that may be given, and the traffic.
    is_slice
        Whether the window is that of a slice, where all signals share one rate.
    """
    n_others = len(learnt.signals.keys() - {SCORE, KL}) + bool(learnt.columns)
    score, other = budget.score, budget.other / max(n_others, 1)
    if is_slice:
        score = other = budget.slice / (n_others + 1)
    rates = dict.fromkeys(learnt.signals, other) | {SCORE: score, KL: score}
    each = other / max(len(learnt.columns), 1)
    return Limits(
        {name: one.threshold(rates[name]) for name, one in learnt.signals.items()},
        np.array([learnt.columns[name].threshold(each) for name in features]),
    )


def past_of(windows: Sequence[Past]) -> Past:
    """Return past windows as one past."""
    rows = [one.rows for one in windows if one.rows is not None]
    return Past(
        np.concatenate([one.counts for one in windows]),
        np.concatenate([one.scores for one in windows]),
        np.concatenate(rows) if len(rows) == len(windows) else None,
    )
